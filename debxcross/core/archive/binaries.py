# SPDX-License-Identifier: GPL-3.0-or-later
"""What the archive has of a source's binary packages, and what that means for a build of our own.

A binNMU ("+bN", Debian Developer's Reference 5.10.2.1) is a rebuild without a new source: its
packages have another version than the source, and so have those of sources that name versions
themselves (dpkg-gencontrol -v).  dpkg wants Multi-Arch: same packages at one version, so what is
built beside the build architecture's binNMU must be one with the same number.
"""
from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from debian.debian_support import Version

_BINNMU = re.compile(r"\+b(\d+)\Z")


@dataclass(frozen=True)
class ArchiveBinary:
    """A binary package that the archive has of some source version; ``same`` is Multi-Arch: same."""

    package: str
    architecture: str
    version: str
    same: bool


def without_rebuild(version: str) -> str:
    """Return a binary version without the number of a binNMU."""
    return _BINNMU.sub("", version)


def is_rebuild(suffix: str) -> bool:
    """Tell whether what is appended to a version is the number of a binNMU."""
    return _BINNMU.fullmatch(suffix) is not None


def rebuild_suffix(binaries: Iterable[ArchiveBinary], build: str, host: str) -> str:
    """Return "+bN" when our build must be a binNMU like the archive's, "" when not.

    Where the build architecture has Multi-Arch: same packages of the source they decide, else the
    host architecture's packages, so that ours are not older.
    """
    known = tuple(binaries)
    here = [one for one in known if one.architecture == build and one.same]
    numbers = [int(match[1]) for one in here or known
               if one.architecture == (build if here else host) and (match := _BINNMU.search(one.version))]
    return f"+b{max(numbers)}" if numbers else ""


def binary_versions(binaries: Iterable[ArchiveBinary], names: Iterable[str], source_version: str,
                    suffix: str) -> dict[str, str]:
    """Return the version that each of these packages will have when its source is built with a suffix."""
    known = {one.package: without_rebuild(one.version) for one in binaries}
    return {name: known.get(name, source_version) + suffix for name in names}


def kept_by_devices(binaries: Iterable[ArchiveBinary], versions: Mapping[str, str], host: str
                    ) -> tuple[str, ...]:
    """Return "PACKAGE VERSION" of what the archive has newer than ``versions``: devices keep that."""
    return tuple(sorted(
        f"{one.package} {one.version}" for one in binaries
        if one.architecture == host and one.package in versions
        and Version(one.version) > Version(versions[one.package])))


def archive_versions(binaries: Sequence[ArchiveBinary], architecture: str) -> dict[str, str]:
    """Return the archive's version of each package of an architecture."""
    return {one.package: one.version for one in binaries if one.architecture == architecture}
