# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of Debian's own packages one of ours is held against.

The same version for the same architecture (a binNMU of it counts, the newest one); else the same
version for the build architecture; else the nearest older version for the same, or the build,
architecture.
"""
from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from debian.debian_support import NativeVersion

from debxcross.core.build.environment import PackageFile

SAME, OTHER_ARCHITECTURE, NEAREST, NONE = "same", "other-architecture", "nearest", "none"
#: +bN of a binNMU (Developer's Reference 5.10.2.1), and what debxcross appends to versions of its own.
_REBUILD = re.compile(r"(\+debxcross\d+)?(\+b\d+)?\Z")


def plain_version(version: str) -> str:
    """Return a version without what a rebuild of the same source appends."""
    return _REBUILD.sub("", version)


def upstream_version(version: str) -> str:
    """Return the upstream version that is in a package's version (Policy 5.6.12)."""
    plain = plain_version(version).rpartition(":")[2]
    return plain.rpartition("-")[0] or plain


@dataclass(frozen=True)
class Native:
    """A package that an archive offers, with the version of its source and where to fetch it."""

    package: str
    version: str
    architecture: str
    source: str
    source_version: str
    file: PackageFile


def native_from(value: Mapping[str, Any]) -> Native:
    """Make a Native of what apt_child answered."""
    return Native(value["package"], value["version"], value["architecture"], value["source"],
                  value["source_version"],
                  PackageFile(value["uri"], value["file"], value["size"], value["sha256"]))


@dataclass(frozen=True)
class Choice:
    """What a package is held against and the way it was chosen; without ``native``, ``why`` there is none."""

    how: str
    native: Native | None = None
    why: str = ""


def choose(source: tuple[str, str], version: str, architecture: str, build: str, offered: Iterable[Native]
           ) -> Choice:
    """Return what a package is held against.

    ``source`` are the name and version of its source, ``version`` is its own; ``offered`` are the
    archive's packages of the same name.  What a newer version has, an older one has not lost: there
    is no comparison with newer ones.
    """
    name, source_version = source[0], plain_version(source[1])
    ours = sorted((one for one in offered if one.source == name), key=lambda one: NativeVersion(one.version))
    same = [one for one in ours if plain_version(one.source_version) == source_version]
    older = [one for one in ours if NativeVersion(one.version) < NativeVersion(version)]
    for candidates, how in ((same, SAME), (older, NEAREST)):
        for wanted in dict.fromkeys((architecture, build)):
            if there := [one for one in candidates if one.architecture == wanted]:
                return Choice(how if wanted == architecture else OTHER_ARCHITECTURE, there[-1])
    if ours:
        return Choice(NONE, why=f"only newer versions are there: {ours[0].version} {ours[0].architecture}")
    return Choice(NONE, why="no archive has a package of this name from this source")
