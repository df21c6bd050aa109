# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules patches: DEP-3 headers, the range a patch applies to, and what it left in the changelog.

Beside the fields of DEP-3 (Description, Origin, Bug-Debian, Author, …) a patch may carry

    Applies-Versions: >= 2.7.18-1~, << 2.8
    Applies-Architectures: armel mipsel
    Applies-If: unavailable libdb-dev

All of them must hold.  ``Applies-If: unavailable PACKAGE`` (or ``available PACKAGE``) asks
whether the release has the package for the host architecture.
"""
from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from debian.deb822 import Deb822
from debian.debian_support import DpkgArchTable, Version

from debxcross.errors import ConfigurationError, PatchError

_SUFFIX = "+debxcross"
_RELATION = re.compile(r"(<<|<=|=|>=|>>)\s*(\S+)\Z")
_CONDITION = re.compile(r"(unavailable|available)\s+([a-z0-9][a-z0-9+.-]+)\Z")


@dataclass(frozen=True)
class RulesPatch:
    """A patch for one source: its name (the file's, without .patch), header and text."""

    source: str
    name: str
    description: str
    text: str
    versions: tuple[tuple[str, str], ...] = ()
    architectures: tuple[str, ...] = ()
    condition: tuple[str, str] | None = None

    @property
    def sha256(self) -> str:
        """The digest of the part that changes the source, so that a header's typo rebuilds nothing."""
        return hashlib.sha256(f"{self.name}\n{diff_of(self.text)}".encode()).hexdigest()


@dataclass(frozen=True)
class Applicability:
    """Whether a patch applies, and the reason in words; ``outdated`` is worth a warning."""

    applies: bool
    reason: str
    outdated: bool = False


def diff_of(text: str) -> str:
    """Return a patch without its header."""
    match = re.search(r"^(--- |diff |Index: )", text, re.MULTILINE)
    return text[match.start():] if match else ""


def parse_relations(text: str) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """Return the (relation, version) pairs of a range such as ">= 1.2-3, << 2", and what is no relation."""
    parts = [part for part in (one.strip() for one in text.split(",")) if part]
    matches = [(part, match if (match := _RELATION.match(part)) and _is_version(match[2]) else None)
               for part in parts]
    return (tuple((match[1], match[2]) for _, match in matches if match),
            tuple(part for part, match in matches if not match))


def outside(version: str, relations: Iterable[tuple[str, str]]) -> tuple[str, str] | None:
    """Return the first relation that does not hold for a version, None when it is in the range."""
    return next(((relation, wanted) for relation, wanted in relations
                 if not _COMPARE[relation](Version(version), Version(wanted))), None)


def parse(source: str, name: str, text: str) -> RulesPatch:
    """Read a patch file's text.  Raises ConfigurationError with every fault of its header."""
    diff = diff_of(text)
    header = Deb822(text[: len(text) - len(diff)].strip().splitlines())
    faults = []
    if not diff:
        faults.append("there is no diff in it")
    description = (header.get("Description") or header.get("Subject") or "").strip()
    if not description:
        faults.append("Description: missing (DEP-3)")
    if not any(header.get(key) for key in ("Origin", "Author", "From")):
        faults.append("Origin or Author: missing (DEP-3)")
    versions, wrong = parse_relations(header.get("Applies-Versions", ""))
    faults += [f"Applies-Versions: {part!r} is not a relation such as '>= 1.2-3'" for part in wrong]
    condition = None
    if said := header.get("Applies-If", "").strip():
        if match := _CONDITION.match(said):
            condition = (match[1], match[2])
        else:
            faults.append(f"Applies-If: {said!r} is not 'available PACKAGE' or 'unavailable PACKAGE'")
    if faults:
        raise ConfigurationError(
            f"the rules patch {source}/{name} has {len(faults)} fault{'s' if len(faults) > 1 else ''}",
            "\n".join(faults), "docs/rules-patches.md describes the header.")
    return RulesPatch(source, name, description.splitlines()[0], text, versions,
                      tuple(header.get("Applies-Architectures", "").split()), condition)


def _is_version(text: str) -> bool:
    try:
        Version(text)
    except ValueError:
        return False
    return True


_COMPARE: dict[str, Callable[[Version, Version], bool]] = {
    "<<": lambda a, b: a < b, "<=": lambda a, b: a <= b, "=": lambda a, b: a == b,
    ">=": lambda a, b: a >= b, ">>": lambda a, b: a > b,
}


def applicability(
    patch: RulesPatch, version: str, host: str, available: Callable[[str], bool], table: DpkgArchTable
) -> Applicability:
    """Decide whether a patch applies to a version for a host architecture."""
    if missed := outside(version, patch.versions):
        return Applicability(False, f"is for versions {' '.join(missed)}, this is {version}", True)
    if patch.architectures and not any(
            table.matches_architecture(host, one) for one in patch.architectures):
        return Applicability(False, f"is for {' '.join(patch.architectures)}, this is {host}")
    if patch.condition:
        wanted_state, package = patch.condition
        has = available(package)
        state = f"{package} is {'available' if has else 'not available'} for {host}"
        return Applicability(has == (wanted_state == "available"), state)
    return Applicability(True, "its range matches")


def failed_hunks(patch: RulesPatch, output: str) -> str:
    """Return the hunks that patch(1) said it could not apply, from its output and the diff."""
    wanted: list[tuple[str, int]] = []
    file = ""
    for line in output.splitlines():
        if match := re.match(r"(?:checking|patching) file '?([^']+?)'?(?: \(|$)", line):
            file = match[1]
        elif match := re.match(r"Hunk #(\d+) FAILED", line):
            wanted.append((file, int(match[1])))
    pieces = []
    for name, number in wanted:
        files = re.split(r"^(?=--- )", diff_of(patch.text), flags=re.MULTILINE)
        for part in files:
            if re.search(rf"^\+\+\+ [^/\n]*/{re.escape(name)}(?=\s|\Z)", part, re.MULTILINE):
                hunks = re.split(r"^(?=@@ )", part, flags=re.MULTILINE)[1:]
                if number <= len(hunks):
                    pieces.append(f"{name}, hunk {number}:\n{hunks[number - 1].rstrip()}")
    return "\n".join(pieces) or output.strip()


def version_suffix(revision: int, patched: bool, carried: bool) -> str:
    """Return what is appended to the version of a source's packages, or "".

    A patched package that the archive also has (``carried``), unpatched, must not have its
    version; a ``revision`` above 0 is the user's wish for another one.
    """
    number = revision or (1 if patched and carried else 0)
    return f"{_SUFFIX}{number}" if number else ""


def changelog_with(changelog: str, version: str, patches: tuple[RulesPatch, ...], suffix: str,
                   rebuild: bool = False) -> str:
    """Return debian/changelog with what the patches did.

    With a suffix a new top entry is written, dated like the one below it (the date becomes
    SOURCE_DATE_EPOCH); without one the lines are added to the present top entry.  ``rebuild`` says
    that the suffix is the number of a binNMU.  Raises PatchError for a text that has no entry.
    """
    said = [f"  * debxcross rules patch {patch.name}: {patch.description}" for patch in patches]
    said = said or ["  * Built again by debxcross; the source is unchanged."]
    lines = changelog.splitlines()
    trailer = next((number for number, line in enumerate(lines) if number and line.startswith(" -- ")), 0)
    if not trailer:
        raise PatchError("debian/changelog has no entry to build on (deb-changelog(5))", changelog[:400],
                         "The source is damaged: choose another version of it.")
    if not suffix:
        body = lines[:trailer]
        while body and not body[-1].strip():
            body.pop()
        return "\n".join([*body, *said, "", *lines[trailer:]]) + "\n"
    first = lines[0].replace(f"({version})", f"({version}{suffix})", 1)
    if rebuild:  # deb-changelog(5): the source's version is that of the entry below
        first += ", binary-only=yes"
    return "\n".join([first, "", *said, "", lines[trailer], "", *lines]) + "\n"
