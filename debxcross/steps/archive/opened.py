# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens the apt directory of a world in the store."""
from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from debxcross.core.archive import mirror
from debxcross.core.archive.world import World
from debxcross.core.key import digest
from debxcross.doors.apt import AptRoot, between_states
from debxcross.doors.store import Store
from debxcross.errors import FetchError, VerificationError

Acquire = tuple[tuple[str, str], ...]


def apt_root(store: Store, world: World, acquire: Acquire) -> AptRoot:
    """Return the apt directory of a world, opened or not."""
    return AptRoot(store.apt_directory(digest([world, acquire])[:16]), world, acquire)


def opened(store: Store, world: World, acquire: Acquire, maximum_age: float | None,
           caution: Callable[[str], None]) -> AptRoot:
    """Return the apt directory of a world, with its indexes when they are wanted.

    Indexes older than ``maximum_age`` seconds are fetched again; with None nothing is fetched.  When
    new ones cannot be had, those that were fetched whole before are used, unless ``maximum_age``
    is 0.  ``caution`` hears what is worth a warning of the indexes that are used.  Raises FetchError
    and VerificationError.
    """
    root = apt_root(store, world, acquire)
    with store.lock(f"apt-{root.directory.name}"):
        if not root.configuration.exists():
            root.write()
        if maximum_age is not None:
            _update(root, maximum_age, caution)
    if maximum_age is not None:
        releases = root.releases()
        mirror.check_names(world.suites, releases)
        mirror.check_added(world, releases)
        if late := mirror.stale(world.suites, releases, time.time()):
            caution(late)
    return root


def informed(root: AptRoot, world: World) -> AptRoot:
    """Return an opened directory whose world knows what its suites carry and how apt calls them."""
    releases = root.releases()
    found = replace(root, world=world.with_carried(root.carried()).with_pins(
        {suite: one.pin for suite, one in releases.items()}))
    found.show_pins()
    return found


def _update(root: AptRoot, maximum_age: float, caution: Callable[[str], None]) -> None:
    try:
        root.update(maximum_age)
    except FetchError as error:
        # Of what did not fit apt used nothing; but it has replaced those of other suites.
        fetched = root.fall_back()
        doubtful = isinstance(error, VerificationError) and not between_states(error)
        if fetched is None or doubtful or maximum_age <= 0:
            raise _of_added(root.world, error) from error
        caution(mirror.older_state(fetched, time.time(), _cause(error)))


def _of_added(world: World, error: FetchError) -> FetchError:
    """Return the error with the names of the archives that a chain adds, when it is about such."""
    names = [use.suite for use in world.suites
             if use.archive.added and f"mirrors-{use.archive.role}.txt" in error.details]
    if not names:
        return error
    return type(error)(
        f"the archive {' and '.join(names)} of the chain cannot be used", error.details,
        "Check url, suite and key of its [[archive]] table: the key must be the one that signs the archive. "
        f"{error.resolution}")


def _cause(error: FetchError) -> str:
    """Return in one line why new indexes cannot be had: apt's first complaint."""
    said = [line for line in error.details.splitlines() if line.startswith("E: ")]
    return said[0].removeprefix("E: ").strip() if said else error.brief
