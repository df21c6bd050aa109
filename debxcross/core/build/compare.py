# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares two builds of a package: files, control fields, scripts; code by core.build.comparecode.

``before`` is the package that another is held against, such as Debian's own; ``after`` is ours.
Not differences: the version's +bN of a binNMU and its changelog, times, build-ids, Installed-Size,
md5sums (they follow the files), comments in maintainer scripts and triggers.
"""
from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone

from debxcross.core.architecture import ARCHITECTURES
from debxcross.core.build import comparecontrol
from debxcross.core.build.comparecode import Pair, compare_code, toolchain_sign
from debxcross.core.build.differences import (
    GAINED, LOST, TOOLCHAIN, UNEXPLAINED, Code, Comparison, Difference, sorted_differences,
)
from debxcross.core.build.facts import CodeFacts, FileFacts, PackageFacts
from debxcross.core.build.natives import NEAREST, OTHER_ARCHITECTURE, SAME, upstream_version

#: Debian's build daemons write it for binNMUs (sbuild, dh_installchangelogs).
_BINNMU_CHANGELOG = re.compile(r"usr/share/doc/[^/]+/changelog\.Debian\.[^/]+\.gz\Z")
#: Named by build-ids, which are other ones in every build.
_BUILD_ID = re.compile(r"usr/lib/debug/\.build-id/")
_CHANGELOG = re.compile(r"usr/share/doc/[^/]+/changelog(\.Debian)?(\.gz)?\Z")
#: What generators of documentation write differs from version to version of them.
_GENERATED = re.compile(r"usr/share/(doc|man|info|gtk-doc|help)/")
#: What a build with the profile nodoc has not (wiki.debian.org/BuildProfileSpec).
_DOCUMENTATION = re.compile(r"usr/share/(doc/[^/]+/.+|man/.+|info/.+|gtk-doc/.+|help/.+)\Z")
_KEPT_DOCUMENTATION = re.compile(r"usr/share/doc/[^/]+/(copyright|changelog[^/]*|NEWS[^/]*)\Z")


#: What stands for the architecture's triplet in paths of packages for two architectures.
MULTIARCH = "${DEB_HOST_MULTIARCH}"


@dataclass(frozen=True)
class _Side:
    """One of the two packages, with what its paths and texts are rewritten with before they are compared."""

    facts: PackageFacts
    neutral: Callable[[str], str]


@dataclass(frozen=True)
class Toolchain:
    """The compiler of a release: a package of it with its version, and when that was packed (seconds)."""

    package: str
    packed: int


def compare(before: PackageFacts, after: PackageFacts, how: str, *, toolchain: Toolchain | None = None,
            profiles: tuple[str, ...] = ()) -> Comparison:
    """Hold a package against another build of it; ``how`` is the way that core.build.natives chose it.

    ``toolchain`` is what built ``after``: what is older was built by another one.  ``profiles`` are
    the build profiles of ``after``: what they leave out is told, but not lost.
    """
    comparison = Comparison(after.name, after.version, after.architecture, described(before), how)
    if before.sha256 == after.sha256:
        count = len(after.code)
        return replace(comparison, code=Code(count, count, count))
    sides = (_Side(before, _neutral(before, how)), _Side(after, _neutral(after, how)))
    old, new = (_by_path(side) for side in sides)
    pairs = {path: (old[path], new[path]) for path in sorted(old.keys() & new.keys())}
    codes = {path: (one, other) for path, (first, second) in pairs.items()
             if (one := _code(before, first)) and (other := _code(after, second))}
    sign = "" if how == OTHER_ARCHITECTURE else (
        _toolchain_sign(before, after, pairs, codes) or _age_sign(before, toolchain))
    notes = [_NOTES[how]] if how in _NOTES else []
    notes += [f"the two were built by toolchains of different versions: {sign}"] if sign else []
    found = list(_present(after, old, new))
    if "nodoc" in profiles:
        kept = [one for one in found if not (one.kind == LOST and is_documentation(one.where.lstrip("/")))]
        if len(kept) < len(found):
            notes.append(f"built with the profile nodoc: {len(found) - len(kept)} files of documentation "
                         "are left out")
        found = kept
    if _udebs_in(before) and not _udebs_in(after):
        before = _without_udebs(before)
        notes.append("built without udebs (profile noudeb): the lines for them in shlibs are left out")
    used = frozenset(library for code in after.code for library in code.needed)
    for path, (first, second) in pairs.items():
        found += _attributes(after.name, sides, first, second)
        if path in codes and first.content != second.content:
            one, other = codes[path]
            found += compare_code(Pair(after.name, one, other, bool(sign), used), how)
        elif path not in codes and how != OTHER_ARCHITECTURE:
            found += _contents(after.name, first, second, bool(sign))
    found += comparecontrol.compare_control(
        before, after, (sides[0].neutral, sides[1].neutral), how)
    if how == NEAREST:
        # What else differs, the versions differ in.
        found = [one for one in found if one.what in _OF_ANY_VERSION
                 or one.kind == LOST and not is_documentation(one.where.lstrip("/"))]
    return replace(comparison, differences=sorted_differences(found), notes=tuple(notes),
                   code=_count(pairs, codes) if how == SAME else Code())


#: What is told of packages of two versions beside losses.
_OF_ANY_VERSION = ("needed", "soname", "hardening", "mode", "owner")
_NOTES = {
    OTHER_ARCHITECTURE: "held against the package of another architecture: names of files and libraries, "
                        "scripts and hardening only",
    NEAREST: "held against another version: it may have lost or gained what the versions differ in",
}


def described(facts: PackageFacts) -> str:
    """Return a package's name for people: version and architecture."""
    return f"{facts.version} {facts.architecture}"


def _udebs_in(facts: PackageFacts) -> bool:
    """Tell whether shlibs has lines for udebs (deb-shlibs(5), "type")."""
    return any(line.startswith("udeb:") for line in facts.texts.get("shlibs", "").splitlines())


def _without_udebs(facts: PackageFacts) -> PackageFacts:
    lines = facts.texts["shlibs"].splitlines(keepends=True)
    kept = "".join(line for line in lines if not line.startswith("udeb:"))
    return replace(facts, texts={**facts.texts, "shlibs": kept})


def is_documentation(path: str) -> bool:
    """Tell whether a build with the profile nodoc may leave a path out."""
    return bool(_DOCUMENTATION.match(path) and not _KEPT_DOCUMENTATION.match(path))


def _neutral(facts: PackageFacts, how: str) -> Callable[[str], str]:
    """Return what takes out of a text what must differ: triplets, or the version."""
    replacements: list[tuple[str, str]] = []
    if how == OTHER_ARCHITECTURE and (own := ARCHITECTURES.get(facts.architecture)):
        replacements += [(own.multiarch, MULTIARCH), (own.gnu_triplet, "${DEB_HOST_GNU_TYPE}"),
                         (f":{own.name}", ":${DEB_HOST_ARCH}")]
    if how == NEAREST:
        upstream = upstream_version(facts.version)
        # What a packager appends to a version stands in no file's name.
        released = re.split(r"[+~]|\.?dfsg|\.?ds\d*\b", upstream)[0]
        replacements += [(text, "${VERSION}") for text in (upstream, released) if len(text) > 2]

    def neutral(text: str) -> str:
        for old, new in replacements:
            text = text.replace(old, new)
        return text
    return neutral


def _by_path(side: _Side) -> Mapping[str, FileFacts]:
    """Return a package's files by path, without what a binNMU brings and what build-ids name."""
    return {side.neutral(one.path): one for one in side.facts.files
            if not _BINNMU_CHANGELOG.match(one.path) and not _BUILD_ID.match(one.path)}


def _count(
    pairs: Mapping[str, tuple[FileFacts, FileFacts]], codes: Mapping[str, tuple[CodeFacts, CodeFacts]]
) -> Code:
    bits = sum(1 for path in codes if pairs[path][0].content == pairs[path][1].content)
    text = sum(1 for path, (one, other) in codes.items()
               if pairs[path][0].content == pairs[path][1].content or one.text and one.text == other.text)
    return Code(len(codes), text, bits)


def _code(facts: PackageFacts, file: FileFacts) -> CodeFacts | None:
    return next((one for one in facts.code if one.path == file.path), None)


def _toolchain_sign(
    before: PackageFacts, after: PackageFacts, pairs: Mapping[str, tuple[FileFacts, FileFacts]],
    codes: Mapping[str, tuple[CodeFacts, CodeFacts]],
) -> str:
    """Return how one sees that the toolchains of two builds had different versions, "" if one does not."""
    for one, other in codes.values():
        if sign := toolchain_sign(one, other):
            return f"/{other.path}: {sign}"
    if sign := comparecontrol.toolchain_sign(before, after):
        return sign
    if before.source[1] == after.source[1]:
        for path, (first, second) in pairs.items():
            if _CHANGELOG.match(path) and first.type == second.type == "file" and not _same_text(first, second):
                return "their debhelpers kept other parts of the changelog"
    return ""


def _age_sign(before: PackageFacts, toolchain: Toolchain | None) -> str:
    if toolchain is None or not 0 < before.packed < toolchain.packed:
        return ""
    return (f"{before.name} is of {_day(before.packed)}, {toolchain.package} of {_day(toolchain.packed)}")


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d")


def _same_text(before: FileFacts, after: FileFacts) -> bool:
    return (before.essence or before.content) == (after.essence or after.content)


def _present(
    after: PackageFacts, old: Mapping[str, FileFacts], new: Mapping[str, FileFacts]
) -> Iterator[Difference]:
    """Tell of files that only one has; of directories only where they are empty."""
    for here, there, kind, verb in ((old, new, LOST, "is not there"), (new, old, GAINED, "is there in addition")):
        parents = {path.rpartition("/")[0] for path in here}
        for path in sorted(here.keys() - there.keys()):
            file = here[path]
            if file.type == "directory" and path in parents:
                continue
            where = f"/{_here(path, after) if MULTIARCH in path else file.path}"
            what = "" if file.type == "file" else f" ({file.type}{' to ' + file.target if file.target else ''})"
            known = {LOST: ("there", ""), GAINED: ("", "there")}[kind]
            yield Difference(kind, after.name, "file", where, "", *known, f"{where}{what} {verb}")


def _here(path: str, facts: PackageFacts) -> str:
    """Return a path without a triplet as it is for a package's architecture."""
    own = ARCHITECTURES.get(facts.architecture)
    return path.replace(MULTIARCH, own.multiarch) if own else path


def _attributes(
    package: str, sides: tuple[_Side, _Side], before: FileFacts, after: FileFacts
) -> Iterator[Difference]:
    """Compare type, mode, owner and link of a file that both have."""
    where = f"/{after.path}"
    if before.type != after.type:
        yield Difference(UNEXPLAINED, package, "file", where, "", before.type, after.type,
                         f"{where} is a {after.type} instead of a {before.type}")
        return
    if before.mode != after.mode:
        less = before.mode & ~after.mode
        yield Difference(
            LOST if less else UNEXPLAINED, package, "mode", where, "mode", f"{before.mode:04o}",
            f"{after.mode:04o}", f"{where} has the mode {after.mode:04o} instead of {before.mode:04o}")
    if before.owner != after.owner:
        yield Difference(UNEXPLAINED, package, "owner", where, "", before.owner, after.owner,
                         f"{where} belongs to {after.owner} instead of {before.owner}")
    targets = tuple(side.neutral(one.target) for side, one in zip(sides, (before, after)))
    if targets[0] != targets[1]:
        yield Difference(UNEXPLAINED, package, "link", where, "", before.target, after.target,
                         f"{where} points to {after.target} instead of {before.target}")


#: A file counts as lost when it has so many times fewer bytes, of at least so many.
_SHRUNKEN, _LEAST_CONTENT = 4, 40


def _contents(package: str, before: FileFacts, after: FileFacts, older: bool) -> Iterator[Difference]:
    if before.type != "file" or before.content == after.content:
        return
    where, path = f"/{after.path}", after.path
    if (before.size >= _LEAST_CONTENT and after.size * _SHRUNKEN <= before.size
            and not _CHANGELOG.match(path)):
        # What a program was to write that could not be run: an index, a manual page.
        kind, words = LOST, f"has {after.size} bytes instead of {before.size}"
    elif _same_text(before, after):
        kind, words = TOOLCHAIN, "has the same text, packed or dated another way"
    elif _CHANGELOG.match(path):
        kind, words = TOOLCHAIN, "has other entries (newer debhelpers leave old ones out)"
    elif older and _GENERATED.match(path):
        kind, words = TOOLCHAIN, "was written by another version of its generator"
    else:
        kind, words = UNEXPLAINED, "has another content"
    yield Difference(kind, package, "content", where, "", before.content, after.content, f"{where} {words}")
