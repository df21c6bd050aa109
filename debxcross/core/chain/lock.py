# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock: every external input of a chain's build, pinned by digest, one line each.

It is TOML.  A package is a string of six words::

    NAME VERSION ARCHITECTURE SHA256 SIZE ARCHIVE/PATH

a file of a source, or of the package index, one of four: NAME SHA256 SIZE ARCHIVE/PATH.
ARCHIVE is "main", "security", "index" (of Python packages) or the name of an [[archive]] of the
chain: which mirror serves it is the machine's own affair, or stands in the chain.
"""
from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from debxcross.core.artifact import StoredFile
from debxcross.core.border import is_line, is_name, is_relative, is_sha256, is_word, shown, size_of
from debxcross.core.build.environment import PackageFile
from debxcross.core.chain.chain import Chain
from debxcross.core.key import digest, plain
from debxcross.errors import LockError

#: Raised whenever an older debxcross could misread a lock.
SCHEMA = 1
#: What stands before ARCHIVE/PATH in the URI of a locked package.
SCHEME = "archive:"
#: The packages that are pinned beside the members': of the two base roots, and what the
#: results take from Debian when they are installed on a device.
BUILD_ROOT, DEVICE_ROOT, DEVICE = PARTS = ("build-root", "device-root", "device")
#: What shims are made of; only locks for an architecture without an archive have this part.
SHIMS = "shims"
INDEX = "index"
_HEAD = """\
# Every external input of a build, pinned by digest: written by 'debxcross lock', to be kept under
# version control.  'debxcross build-dep-chain … --locked FILE' builds with exactly these.

"""
#: Package, version and architecture as Debian Policy 5.6 has them; none can be mistaken for a path.
_NAME, _VERSION, _ARCHITECTURE = map(re.compile, (
    r"[a-z0-9][a-z0-9+.-]+\Z", r"([0-9]+:)?[0-9A-Za-z.+~-]+\Z", r"[a-z0-9][a-z0-9-]*\Z"))
#: So many faults of a lock are told.
_MOST_TOLD = 40
_Value = TypeVar("_Value")


@dataclass(frozen=True)
class LockedFile:
    """A file of a source package or of the index of Python packages; ``place`` is ARCHIVE/PATH."""

    name: str
    sha256: str
    size: int
    place: str

    @property
    def stored(self) -> StoredFile:
        """The file as the store knows it."""
        return StoredFile(self.name, self.sha256, self.size)

    @property
    def uri(self) -> str:
        """Where it is, in the form that Context.urls resolves."""
        return f"{SCHEME}{self.place}"


@dataclass(frozen=True)
class LockedMember:
    """A member's external inputs; ``kind`` is "source" or "wheel".

    ``suffix`` is what the version of a patched source gets; ``patches`` are names and digests;
    ``packages`` are those added to the base root, without the results of other members; ``answers`` is
    what configure is told (core.build.answers.Told.identity); ``origin`` is what stands for the files of
    a member that no archive has (core.archive.taken.Taken.identity).
    """

    name: str
    kind: str
    version: str
    suite: str
    suffix: str
    files: tuple[LockedFile, ...]
    patches: tuple[tuple[str, str], ...]
    packages: tuple[PackageFile, ...]
    answers: str = ""
    origin: str = ""


@dataclass(frozen=True)
class Lock:
    """A whole lock; ``archives`` are suites with the digest of the InRelease that was believed."""

    chain: str
    chain_digest: str
    release: str
    build_architecture: str
    host_architecture: str
    archives: tuple[tuple[str, str], ...]
    parts: Mapping[str, tuple[PackageFile, ...]]
    members: tuple[LockedMember, ...]

    def member(self, name: str) -> LockedMember | None:
        """Return what is pinned of a member."""
        return next((one for one in self.members if one.name == name), None)

    @property
    def packages(self) -> tuple[PackageFile, ...]:
        """Every .deb that the lock names, each once, by file name."""
        found = {(file.file, file.sha256): file for files in (
            *self.parts.values(), *(one.packages for one in self.members)) for file in files}
        return tuple(found[key] for key in sorted(found))

    @property
    def files(self) -> tuple[LockedFile, ...]:
        """Every other file that the lock names, each once, by name."""
        found = {(file.name, file.sha256): file for one in self.members for file in one.files}
        return tuple(found[key] for key in sorted(found))


def chain_digest(chain: Chain) -> str:
    """Return the identity of a chain as far as it can change what is built or tried.

    What a chain file leaves out is left out here, so that a key which only a newer debxcross
    knows does not outdate the locks of chains without it.
    """
    # What of a result is accepted decides nothing about how it is made; where the file lies, nothing either.
    chain = chain.below("")
    sources = tuple(replace(member, accept_losses=()) for member in chain.sources)
    return digest(_said(plain(replace(chain, summary="", without_twin=False, sources=sources))))


def _said(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _said(one) for key, one in value.items() if one not in (None, "", 0, False, [], {})}
    return [_said(one) for one in value] if isinstance(value, list) else value


def _string(text: str) -> str:
    # JSON's strings of ASCII are TOML's basic strings too.
    return json.dumps(text)


def _list(name: str, rows: Sequence[str]) -> str:
    lines = "".join(f"  {_string(row)},\n" for row in rows)
    return f"{name} = [\n{lines}]\n" if rows else f"{name} = []\n"


def _package_line(file: PackageFile) -> str:
    one = file.package
    return (f"{one.name} {one.version} {one.architecture} {file.sha256} {file.size} "
            f"{file.uri.removeprefix(SCHEME)}")


def _package_lines(files: Iterable[PackageFile]) -> list[str]:
    return sorted(map(_package_line, files))


def to_text(lock: Lock) -> str:
    """Return a lock as TOML: always the same text for the same lock, one line for a package."""
    lines = [_HEAD, f"schema = {SCHEMA}\n"]
    lines += [f"{name} = {_string(value)}\n" for name, value in (
        ("chain", lock.chain), ("chain-digest", lock.chain_digest), ("release", lock.release),
        ("build-architecture", lock.build_architecture), ("host-architecture", lock.host_architecture))]
    lines.append("\n# The InRelease files that were believed.\n[archives]\n")
    lines += [f"{_string(suite)} = {_string(sha256)}\n" for suite, sha256 in sorted(lock.archives)]
    lines.append("\n[packages]\n")
    lines += [_list(name, _package_lines(lock.parts.get(name, ()))) for name in PARTS]
    lines += [_list(SHIMS, _package_lines(lock.parts[SHIMS]))] if lock.parts.get(SHIMS) else []
    for one in sorted(lock.members, key=lambda member: member.name):
        lines.append("\n[[member]]\n")
        lines += [f"{name} = {_string(value)}\n" for name, value in (
            ("name", one.name), ("kind", one.kind), ("version", one.version), ("suite", one.suite),
            ("suffix", one.suffix), *((("answers", one.answers),) if one.answers else ()),
            *((("origin", one.origin),) if one.origin else ()))]
        lines.append(_list("files", sorted(f"{file.name} {file.sha256} {file.size} {file.place}"
                                           for file in one.files)))
        # In the order in which they are applied.
        lines.append(_list("patches", [f"{name} {sha256}" for name, sha256 in one.patches]))
        lines.append(_list("packages", _package_lines(one.packages)))
    return "".join(lines)


def _is_row(fields: Sequence[str]) -> bool:
    """Tell whether the words of a line, whose digest is one, are what they must be.

    Names become names of files, places parts of addresses.
    """
    names = fields[:-3] if len(fields) > 2 else fields[:-1]
    if len(fields) > 2:
        try:
            size_of(fields[-2])
        except ValueError:
            return False
        if not is_relative(fields[-1]):
            return False
    if len(names) == 3:
        package, version, architecture = names
        return bool(_NAME.match(package) and _VERSION.match(version) and _ARCHITECTURE.match(architecture))
    return is_name(names[0])


class _Reader:
    """Reads values out of the parsed document and remembers every fault with its place."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def value(self, table: Any, key: str, kind: type[_Value], where: str, default: _Value) -> _Value:
        found = table.get(key) if isinstance(table, dict) else None
        if isinstance(found, kind) and (kind is not str or is_line(found)):
            return found
        self.faults.append(f"{where}{key}: must be {_WORDS[kind]}"
                           + (f", not {shown([found])}" if found is not None else "; it is missing"))
        return default

    def rows(self, table: Any, key: str, words: int, where: str) -> list[list[str]]:
        rows = []
        for row in self.value(table, key, list, where, []):
            fields = row.split(" ") if isinstance(row, str) else []
            if (len(fields) != words or not is_sha256(fields[-3 if words > 2 else -1])
                    or words > 2 and not fields[-2].isdecimal()):
                self.faults.append(f"{where}{key}: {shown([row])} is not a line of {words} words "
                                   "with a digest")
            elif not _is_row(fields):
                self.faults.append(f"{where}{key}: {shown([row])} has a name, a size or a place that "
                                   "no file can have")
            else:
                rows.append(fields)
        return rows

    def packages(self, table: Any, key: str, where: str) -> tuple[PackageFile, ...]:
        return tuple(sorted((
            # As apt names files: the colon of an epoch is escaped.
            PackageFile(SCHEME + place, f"{name}_{version.replace(':', '%3a')}_{architecture}.deb",
                        int(size), sha256)
            for name, version, architecture, sha256, size, place in self.rows(table, key, 6, where)),
            key=lambda file: file.file))

    def member(self, table: Any, number: int) -> LockedMember:
        name = table.get("name") if isinstance(table, dict) else None
        where = f"member[{name if is_name(name) else number}]."
        texts = {key: self.value(table, key, str, where, "")
                 for key in ("name", "kind", "version", "suite", "suffix",
                             *(key for key in ("answers", "origin")
                               if isinstance(table, dict) and key in table))}
        for key, rule in _RULES.items():
            if not (rule(texts[key]) or self.faults):
                self.faults.append(f"{where}{key}: {shown([texts[key]])} has no place there")
        return LockedMember(
            **texts,
            files=tuple(LockedFile(name, sha256, int(size), place)
                        for name, sha256, size, place in self.rows(table, "files", 4, where)),
            patches=tuple((name, sha256) for name, sha256 in self.rows(table, "patches", 2, where)),
            packages=self.packages(table, "packages", where))


#: What becomes a file's name or a part of a version.
_RULES: Mapping[str, Callable[[str], object]] = {
    "name": is_name, "kind": is_name, "version": is_word,
    "suffix": re.compile(r"[0-9A-Za-z.+~]*\Z").match}
_WORDS: Mapping[type[Any], str] = {str: "a string", dict: "a table", list: "a list"}


def parse(document: Mapping[str, Any], origin: str) -> Lock:
    """Make a Lock of a parsed TOML document; ``origin`` names the file in messages.

    Raises LockError: for another schema that alone, else every fault at once.
    """
    schema = document.get("schema")
    if type(schema) is not int or schema != SCHEMA:
        raise LockError(
            f"the lock {origin} has schema {shown([schema])}, this debxcross knows {SCHEMA}",
            resolution="Use the debxcross that wrote it, or write a new one with 'debxcross lock'.")
    read = _Reader()
    texts = {key.replace("-", "_"): read.value(document, key, str, "", "") for key in (
        "chain", "chain-digest", "release", "build-architecture", "host-architecture")}
    archives = read.value(document, "archives", dict, "", {})
    parts = read.value(document, "packages", dict, "", {})
    lock = Lock(
        **texts,
        archives=tuple(sorted(
            (suite, read.value(archives, suite, str, "archives.", "")) for suite in archives)),
        parts={name: read.packages(parts, name, "packages.")
               for name in (*PARTS, *((SHIMS,) if SHIMS in parts else ()))},
        members=tuple(read.member(table, number) for number, table in
                      enumerate(read.value(document, "member", list, "", []), 1)))
    if read.faults:
        raise faulty(origin, read.faults)
    return lock


def faulty(origin: str, faults: Sequence[str]) -> LockError:
    """Return the one error that tells all faults of a lock file, the first _MOST_TOLD in words."""
    more = [f"and {len(faults) - _MOST_TOLD} more"] if len(faults) > _MOST_TOLD else []
    return LockError(
        f"the lock {origin} has {len(faults)} fault{'s' if len(faults) > 1 else ''}",
        "\n".join((*faults[:_MOST_TOLD], *more)),
        "Take it from version control again, or write a new one with 'debxcross lock'.")


def check(lock: Lock, chain: Chain, build: str, host: str, origin: str) -> None:
    """Raise LockError, naming everything at once, when a lock is not for this chain and these machines."""
    faults = [
        f"{what}: the lock is for {locked}, this run for {wanted}" for what, locked, wanted in (
            ("chain", lock.chain, chain.name), ("release", lock.release, chain.release),
            ("build architecture", lock.build_architecture, build),
            ("host architecture", lock.host_architecture, host)) if locked != wanted]
    absent = [name for name in chain.members if lock.member(name) is None]
    if not faults and absent:
        faults.append(f"the chain has members that the lock does not know: {', '.join(absent)}")
    if not faults and lock.chain_digest != chain_digest(chain):
        faults.append(f"the chain {chain.name} is not what it was when the lock was written")
    if faults:
        raise LockError(
            f"the lock {origin} is not for this run", "\n".join(faults),
            f"Name the lock that belongs to it, or write one: debxcross lock {host} --chain … -o FILE")


def deviations(locked: Iterable[PackageFile], found: Iterable[PackageFile]) -> tuple[str, ...]:
    """Return in words, package by package, how what apt chose differs from what is locked."""
    before, after = (
        {(one.package.name, one.package.architecture): one for one in files} for files in (locked, found))
    said = []
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        words = ":".join(key)
        if old is None and new is not None:
            said.append(f"{words} {new.package.version} is needed, but not in the lock")
        elif new is None and old is not None:
            said.append(f"{words} {old.package.version} is in the lock, but not needed")
        elif old is not None and new is not None and old.sha256 != new.sha256:
            said.append(f"{words} is locked at {old.package.version} ({old.sha256[:12]}…), "
                        f"found {new.package.version} ({new.sha256[:12]}…)")
    return tuple(said)


def deviation_error(member: str, said: Sequence[str], host: str) -> LockError:
    """Return the error for a member whose inputs are not what its lock says."""
    return LockError(
        f"{member}: {len(said)} of its inputs deviate from the lock", "\n".join(said),
        f"If that is wanted, move the lock: debxcross lock {host} --update {member}. "
        "Otherwise restore what has changed.")
