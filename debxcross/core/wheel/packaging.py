# SPDX-License-Identifier: GPL-3.0-or-later
"""What the build of a project needs, as Debian's own packaging of it says.

Sources: Policy 7.7 (Build-Depends) and 5.6.7 with the archive's list of sections: "libdevel" is
what programs are linked with, "devel" what they are made with.  Debian has packaged nearly every
project with libraries in it, and a newer release of one seldom needs other libraries.
"""
from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from debian.deb822 import PkgRelation
from debian.debian_support import DpkgArchTable

from debxcross.core.archive.source import relation_applies

#: What is built here is no package: no tests run, no documents are made.
_PROFILES = ("cross", "nocheck", "nodoc", "noinsttest", "noudeb")
#: Packages for packagers, compilers that every build root has, and Python, which builds get from the index.
_NOT_WANTED = re.compile(
    r"(lib)?(python|pypy|cython)\d?|debhelper|dh-|dpkg|quilt|lintian|build-essential|gcc\b|g\+\+|"
    r"doxygen|help2man|chrpath|gdb\b|valgrind|gfortran|meson\b|.*-(doc|dbg)\Z")


@dataclass(frozen=True)
class Offered:
    """What the release has of a package: its section, and whether for the build machine and the device."""

    section: str
    here: bool
    there: bool


@dataclass(frozen=True)
class Packaging:
    """Debian's source of a project; ``build_depends`` are its fields, ``offered`` what they name."""

    source: str
    version: str
    build_depends: tuple[str, ...]
    offered: Mapping[str, Offered]


@dataclass(frozen=True)
class Needs:
    """Debian packages for the device (headers, libraries) and for the build machine (programs)."""

    host: tuple[str, ...] = ()
    build: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """The packages as a person reads them, "" for none."""
        return ", ".join((*self.host, *self.build))


def read_packaging(answer: Mapping[str, Mapping[str, object]]) -> dict[str, Packaging]:
    """Read what apt says of packages ("packaging" in doors.apt_child), by their names."""
    found = {}
    for name, said in answer.items():
        offered, fields = said["offered"], said["build_depends"]
        assert isinstance(offered, Mapping) and isinstance(fields, list)
        found[name] = Packaging(str(said["source"]), str(said["version"]), tuple(fields), {
            package: Offered(*values) for package, values in offered.items()})
    return found


def needs_of(packaging: Packaging, host: str, table: DpkgArchTable) -> Needs:
    """Split the build dependencies of a source by where they are needed, as far as the release has them."""
    there, here = set(), set()
    for name in _names(packaging, host, table):
        offered = packaging.offered[name]
        section = offered.section.rpartition("/")[2]
        if section in ("libdevel", "libs") and offered.there:
            there.add(name)
        elif section == "devel" and offered.here:
            here.add(name)
    return Needs(tuple(sorted(there)), tuple(sorted(here)))


def _names(packaging: Packaging, host: str, table: DpkgArchTable) -> Iterator[str]:
    """Yield the first alternative that the release has of everything that applies and is wanted here."""
    for field in packaging.build_depends:
        for alternatives in PkgRelation.parse_relations(re.sub(r"\s+", " ", field)):
            names = [one["name"] for one in alternatives if relation_applies(one, host, _PROFILES, table)]
            known = next((name for name in names if name in packaging.offered), "")
            if known and not _NOT_WANTED.match(known):
                yield known
