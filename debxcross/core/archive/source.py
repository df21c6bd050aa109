# SPDX-License-Identifier: GPL-3.0-or-later
"""What the archive says of a source package, and what follows for a cross build."""
from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from debian.deb822 import PkgRelation
from debian.debian_support import DpkgArchTable

from debxcross.core.artifact import StoredFile
from debxcross.core.border import is_name, is_sha256, shown, size_of
from debxcross.errors import VerificationError

#: Policy 5.6.1 and 5.6.12.
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+\Z")
_VERSION = re.compile(r"([0-9]+:)?[0-9A-Za-z.+~-]+\Z")


@dataclass(frozen=True)
class BinaryEntry:
    """One line of Package-List (Policy 5.6.28): a binary the source can make."""

    name: str
    architectures: tuple[str, ...]
    profiles: str
    udeb: bool


@dataclass(frozen=True)
class SourcePackage:
    """A source package; ``files`` include the .dsc.

    One ``with_all`` has its Architecture: all packages built as well; those of the archive's sources are
    Debian's own.  A tree of one's own has no files before its .dsc is made.
    """

    name: str
    version: str
    suite: str
    files: tuple[StoredFile, ...]
    build_depends: str
    build_depends_arch: str
    binaries: tuple[BinaryEntry, ...]
    build_conflicts: str = ""
    with_all: bool = False

    @property
    def dsc(self) -> StoredFile:
        """The source control file."""
        return next(file for file in self.files if file.name.endswith(".dsc"))


def from_fields(fields: Mapping[str, str], suite: str) -> SourcePackage:
    """Make a SourcePackage of the fields of a Sources stanza, or of a .dsc.

    Raises VerificationError for fields that cannot be those of a source package (Policy 5.4, 5.6.21).
    """
    try:
        files = []
        for line in fields["Checksums-Sha256"].strip().splitlines():
            sha256, size, name = line.split()
            if not (is_name(name) and is_sha256(sha256)):
                raise ValueError(f"Checksums-Sha256 names {shown([line])}")
            files.append(StoredFile(name, sha256, size_of(size)))
        name, version = fields["Package"], fields["Version"]
        if not (_NAME.match(name) and _VERSION.match(version)):
            raise ValueError(f"its name and version are {shown([name, version])}")
        if sum(file.name.endswith(".dsc") for file in files) > 1:
            raise ValueError("Checksums-Sha256 names two .dsc files")
        return SourcePackage(
            name, version, suite, tuple(sorted(files, key=lambda file: file.name)),
            fields.get("Build-Depends", ""), fields.get("Build-Depends-Arch", ""), _binaries(fields),
            ", ".join(filter(None, (fields.get(f"Build-Conflicts{kind}") for kind in ("", "-Arch")))))
    except KeyError as error:
        raise _faulty(fields, f"the field {error.args[0]} is missing") from error
    except ValueError as error:
        raise _faulty(fields, str(error)) from error


def _faulty(fields: Mapping[str, str], what: str) -> VerificationError:
    name = shown([fields.get("Package") or fields.get("Source") or "?"])
    return VerificationError(
        f"the source package {name} is described wrongly", what,
        "Nothing of it is used. Check the mirror (mirrors.* in debxcross.toml), or choose another version.")


def _binaries(fields: Mapping[str, str]) -> tuple[BinaryEntry, ...]:
    entries = []
    for line in fields.get("Package-List", "").strip().splitlines():
        if len(line.split()) < 4:
            raise ValueError(f"Package-List has the line {shown([line])}")
        name, kind, _section, _priority, *extra = line.split()
        options = dict(word.split("=", 1) for word in extra if "=" in word)
        entries.append(BinaryEntry(
            name, tuple(options.get("arch", "any").split(",")), options.get("profile", ""), kind == "udeb"))
    if not entries:  # sources older than dpkg 1.16.7 have no Package-List
        names = [name.strip() for name in fields.get("Binary", "").replace("\n", " ").split(",")]
        entries = [BinaryEntry(name, ("any",), "", name.endswith("-udeb")) for name in names if name]
    return tuple(entries)


def expected_binaries(
    source: SourcePackage, host: str, profiles: tuple[str, ...], table: DpkgArchTable
) -> tuple[str, ...]:
    """Return the names of the debs that a build must leave, by name."""
    return tuple(sorted(
        entry.name for entry in source.binaries
        if not entry.udeb
        and (_is_for(entry, host, table) or source.with_all and "all" in entry.architectures)
        and profile_list_holds(entry.profiles, profiles)))


def _is_for(entry: BinaryEntry, host: str, table: DpkgArchTable) -> bool:
    return any(one != "all" and table.matches_architecture(host, one) for one in entry.architectures)


def parts(source: SourcePackage, host: str, profiles: tuple[str, ...], table: DpkgArchTable) -> str:
    """Return what dpkg-buildpackage's --build is told: "any", "any,all", or "all" alone.

    A source that makes nothing for the host architecture is built as on the machine's own: "all".
    """
    made = [entry for entry in source.binaries
            if not entry.udeb and profile_list_holds(entry.profiles, profiles)]
    some = any(_is_for(entry, host, table) for entry in made)
    alls = source.with_all and any("all" in entry.architectures for entry in made)
    return ("any,all" if some else "all") if alls else "any"


def profile_list_holds(formula: str, profiles: tuple[str, ...]) -> bool:
    """Evaluate Package-List's form of a restriction list: "+" is and, "," is or, "!" is not."""
    if not formula:
        return True
    return any(
        all((term[1:] not in profiles) if term.startswith("!") else (term in profiles)
            for term in conjunction.split("+"))
        for conjunction in formula.split(","))


def host_needs(
    source: SourcePackage, host: str, profiles: tuple[str, ...], table: DpkgArchTable
) -> tuple[str, ...]:
    """Return the package names in Build-Depends that apply to a cross build for ``host``.

    All alternatives count: an edge to a chain member is wanted even where another
    alternative would do.  Names with ``:native`` or ``:any`` are needed of the build
    architecture (Multi-Arch cross specification) and left out, as are tools that a plain
    name cannot mean for the host architecture; apt decides the rest.
    """
    names: set[str] = set()
    for field in (source.build_depends, source.build_depends_arch):
        for alternatives in PkgRelation.parse_relations(re.sub(r"\s+", " ", field)) if field else ():
            for one in alternatives:
                if one.get("archqual") in ("native", "any"):
                    continue
                if relation_applies(one, host, profiles, table):
                    names.add(one["name"])
    return tuple(sorted(names))


def relation_applies(
    relation: Mapping[str, object], host: str, profiles: tuple[str, ...], table: DpkgArchTable
) -> bool:
    """Evaluate a relation's [architectures] and <profiles> (Policy 7.1, BuildProfileSpec)."""
    restrictions = relation.get("arch")
    if isinstance(restrictions, list):
        enabled = [one for one in restrictions if one.enabled]
        matched = any(table.matches_architecture(host, one.arch) for one in restrictions)
        if matched != bool(enabled):
            return False
    lists = relation.get("restrictions")
    if isinstance(lists, list):
        return any(all(term.enabled == (term.profile in profiles) for term in one) for one in lists)
    return True
