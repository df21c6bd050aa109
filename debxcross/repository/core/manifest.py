# SPDX-License-Identifier: GPL-3.0-or-later
"""repository.json at the web root: what a repository is called, and its newest changes.

It is public and holds nothing that devices believe: they trust InRelease alone.  It saves
the publisher from naming origin, address and releases each time, and it carries the
layout's number, so that an older program does not write into a newer repository.
"""
from __future__ import annotations

import json
from collections.abc import Mapping, Set
from dataclasses import asdict, dataclass, field, replace

from debxcross.core.border import Line, Name, Size, read_as, read_json, shown
from debxcross.errors import PublishError
from debxcross.repository.core.index import RepositorySettings

#: The layout of the tree and of this file.
FORMAT = 1
Identity = tuple[str, str, str]
#: So many publications are told on the web page.
_CHANGES = 20
#: So many names of one publication are told; more would be no news but an inventory.
_NAMES = 50


@dataclass(frozen=True)
class Change:
    """What one publication changed; ``added`` and ``removed`` read "package version architecture"."""

    date: Size
    codename: Name
    added: tuple[Line, ...] = ()
    removed: tuple[Line, ...] = ()
    more: Size = 0

    @staticmethod
    def of(date: int, codename: str, old: Set[Identity], new: Set[Identity]) -> Change:
        """Compare the identities of two generations."""
        added, removed = sorted(new - old), sorted(old - new)
        return Change(date, codename, tuple(" ".join(one) for one in added[:_NAMES]),
                      tuple(" ".join(one) for one in removed[:_NAMES]),
                      len(added[_NAMES:]) + len(removed[_NAMES:]))


@dataclass(frozen=True)
class Manifest:
    """A repository as a whole: its releases by code name (suite, component of new packages,
    description), and its newest changes, the newest first."""

    origin: Line
    label: Line
    url: Line
    releases: Mapping[Name, Mapping[str, Line]] = field(default_factory=dict)
    changes: tuple[Change, ...] = ()

    def with_release(self, settings: RepositorySettings) -> Manifest:
        """Return the manifest with a release as the settings have it."""
        values = {"suite": settings.suite, "component": settings.component,
                  "architectures": " ".join(settings.architectures), "description": settings.description,
                  **({"guessed": "yes"} if settings.guessed else {})}
        return replace(self, origin=settings.origin, label=settings.label, url=settings.url,
                       releases={**self.releases, settings.codename: values})

    def with_change(self, change: Change) -> Manifest:
        """Return the manifest with one more publication told."""
        return replace(self, changes=(change, *self.changes)[:_CHANGES])

    def settings(self, codename: str) -> RepositorySettings:
        """Return the settings of a release that is there."""
        values = self.releases[codename]
        return RepositorySettings(
            codename, values["suite"], tuple(values["architectures"].split()), self.url, self.origin,
            self.label, values["component"], values["description"], values.get("guessed") == "yes")

    def to_text(self) -> str:
        """Return the file's text."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1, sort_keys=True) + "\n"


def parse_manifest(text: str) -> Manifest:
    """Read to_text(); PublishError for a newer layout and for what is no manifest."""
    try:
        values = read_json(text)
        if int(values["format"]) > FORMAT:
            raise PublishError(
                f"the repository has layout {values['format']}, and this debxcross knows layout {FORMAT}",
                "A newer debxcross wrote it; nothing was changed.", "Use that debxcross, or a newer one.")
        found = read_as(Manifest, {key: value for key, value in values.items() if key != "format"})
        for name, release in found.releases.items():
            # They become a directory and fields of its Release file.
            if absent := sorted({"suite", "component", "architectures", "description"} - release.keys()):
                raise ValueError(f"releases.{name} lacks {shown(absent)}")
        return found
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PublishError(
            "repository.json cannot be read", f"{type(error).__name__}: {error}",
            "Delete it and publish again with --origin, --release and --url: the signed indexes "
            "have all the rest.") from error
