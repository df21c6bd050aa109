# SPDX-License-Identifier: GPL-3.0-or-later
"""Goes back: publishes the content of an older snapshot once more."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from debxcross.doors.webtree import opened
from debxcross.repository.core.index import RepositorySettings
from debxcross.repository.steps import generation
from debxcross.repository.steps.generation import Content
from debxcross.repository.steps.given import Given
from debxcross.repository.steps.publish import Publication, issue, read_manifest


def rollback(web_root: Path, state: Path, settings: RepositorySettings, snapshot: str, *,
             now: Callable[[], float]) -> Publication:
    """Publish what a snapshot lists once more, under a newer Date and with the present keys.

    apt ignores a Release that is older than the one it has, so going back is a new
    publication.  Raises UsageError when there is no such snapshot, PublishError when its
    signature is not ours or its pool is not whole.
    """
    web_root, state = web_root.absolute(), state.absolute()
    with opened(web_root, state) as tree:
        read_manifest(web_root)
        date = generation.find_snapshot(web_root, settings.codename, snapshot)
        old = generation.read_snapshot(tree, state, generation.snapshot_directory(date, settings.codename))

        def decide(live: Content, given: Given) -> Content:
            # The keyring package is given: it is that of today.
            own = {entry.identity: entry for entry in (*old.content.entries, *given.entries)}
            return Content(tuple(own[identity] for identity in sorted(own)), old.content.sources,
                           old.content.companions, old.content.wheels)

        return issue(tree, state, settings, (), decide, now)
