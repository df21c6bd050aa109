# SPDX-License-Identifier: GPL-3.0-or-later
"""Source packages in a repository: from a .dsc to the stanza of a Sources index.

Sources: Debian Policy 5.4 and 5.6.21, dak's and apt-ftparchive's Sources indexes.
"""
from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from debxcross.core.border import is_relative, shown
from debxcross.core.stanza import parse_stanzas
from debxcross.errors import PublishError
from debxcross.repository.core import readable
from debxcross.repository.core.index import pool_directory

_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_VERSION = re.compile(r"(?:[0-9]+:)?[0-9][A-Za-z0-9.+~]*(?:-[A-Za-z0-9.+~]+)*")
_FILE = re.compile(r"[a-z0-9][A-Za-z0-9+.~_-]*")
_DIGEST = {"Files": re.compile(r"[0-9a-f]{32}"), "Checksums-Sha256": re.compile(r"[0-9a-f]{64}")}
_DROPPED = frozenset(("source", "files", "checksums-sha1", "checksums-sha256", "checksums-sha512",
                      "directory", "package", "priority", "section"))


@dataclass(frozen=True)
class SourceFile:
    """A file of a source package: its name, size in bytes and digests in hex."""

    name: str
    size: int
    md5sum: str
    sha256: str


@dataclass(frozen=True)
class SourceEntry:
    """A source package as a Sources index lists it; ``directory`` is below the web root."""

    source: str
    version: str
    directory: str
    files: tuple[SourceFile, ...]
    text: str

    @property
    def identity(self) -> tuple[str, str]:
        """What may exist only once: source and version."""
        return self.source, self.version

    @property
    def component(self) -> str:
        """The component that lists it."""
        return self.directory.split("/", 2)[1]

    @property
    def dsc(self) -> SourceFile:
        """The source control file."""
        return next(file for file in self.files if file.name.endswith(".dsc"))


def without_signature(text: str) -> str:
    """Return what a clear-signed text says; its maintainer's signature is not the archive's."""
    if not text.startswith("-----BEGIN PGP SIGNED MESSAGE-----"):
        return text
    body = text.partition("\n\n")[2].partition("\n-----BEGIN PGP SIGNATURE-----")[0]
    return "\n".join(line.removeprefix("- ") for line in body.split("\n")) + "\n"


def source_entry(text: str, dsc: SourceFile, component: str) -> SourceEntry:
    """Make the entry of a source package from its .dsc; PublishError when it breaks Policy."""
    try:
        (fields,) = parse_stanzas(without_signature(text))
    except ValueError:
        raise _bad(dsc.name, "it holds more than one stanza, or none") from None
    found = dict(fields)
    source, version = found.get("Source", ""), found.get("Version", "")
    if not _NAME.fullmatch(source) or not _VERSION.fullmatch(version):
        raise _bad(dsc.name, f"Source {source[:80]!r}, Version {version[:80]!r}")
    md5sums, sha256s = (_listed(found.get(field, ""), field, dsc.name)
                        for field in ("Files", "Checksums-Sha256"))
    if md5sums.keys() != sha256s.keys() or not md5sums:
        raise _bad(dsc.name, "Files and Checksums-Sha256 do not list the same files")
    files = tuple(sorted(
        (dsc, *(SourceFile(name, size, md5sums[name][0], sha256)
                for name, (sha256, size) in sha256s.items())), key=lambda file: file.name))
    directory = pool_directory(component, source)
    lines = [f"Package: {source}\n"]
    lines += [f"{name}:{'' if value[:1] in (chr(10), '') else ' '}{value}\n" for name, value in fields
              if name.lower() not in _DROPPED]
    lines += [f"Directory: {directory}\n", "Files:\n"]
    lines += [f" {file.md5sum} {file.size} {file.name}\n" for file in files]
    lines += ["Checksums-Sha256:\n", *(f" {file.sha256} {file.size} {file.name}\n" for file in files)]
    if any(not (letter.isprintable() or letter in "\n\t") for letter in "".join(lines)):
        raise _bad(dsc.name, "it holds control characters")
    readable.check_stanza(source, "".join(lines))
    return SourceEntry(source, version, directory, files, "".join(lines))


def _listed(value: str, field: str, name: str) -> dict[str, tuple[str, int]]:
    found = {}
    for line in value.strip().splitlines():
        words = line.split()
        if len(words) != 3 or not _DIGEST[field].fullmatch(words[0]) \
                or not re.fullmatch("[0-9]{1,18}", words[1]) \
                or not _FILE.fullmatch(words[2]):
            raise _bad(name, f"in {field}: {line.strip()[:120]!r}")
        found[words[2]] = (words[0], int(words[1]))
    return found


def _bad(name: str, details: str) -> PublishError:
    return PublishError(f"{name} is not a good source control file", details,
                        "Make it again with dpkg-source --build, then publish again.")


def sources_text(entries: Iterable[SourceEntry]) -> str:
    """Return the Sources index of these entries."""
    return "".join(f"{entry.text}\n" for entry in sorted(entries, key=_order))


def _order(entry: SourceEntry) -> tuple[str, str]:
    return entry.identity


def parse_sources(text: str) -> tuple[SourceEntry, ...]:
    """Read back an index that sources_text() wrote; its stanzas are kept to the letter.

    Raises PublishError for a text that is another one.
    """
    entries = []
    for block in text.split("\n\n"):
        if not block.strip():
            continue
        try:
            (fields,) = parse_stanzas(block)
            found = dict(fields)
            md5sums = _listed(found["Files"], "Files", found["Package"])
            sha256s = _listed(found["Checksums-Sha256"], "Checksums-Sha256", found["Package"])
            files = tuple(SourceFile(name, size, md5sums[name][0], sha256)
                          for name, (sha256, size) in sha256s.items())
            if not is_relative(found["Directory"]):
                raise ValueError(shown([found["Directory"]]))
            entries.append(SourceEntry(found["Package"], found["Version"], found["Directory"], files,
                                       block.strip("\n") + "\n"))
        except (KeyError, ValueError) as error:
            raise PublishError(
                "a published Sources index cannot be read", f"{type(error).__name__}: {error}",
                "It is not what debxcross wrote: go back with 'debxcross repo rollback'.") from error
    return tuple(entries)


def merge_sources(old: Iterable[SourceEntry], given: Sequence[SourceEntry], *,
                  replace: bool) -> tuple[SourceEntry, ...]:
    """Return the sources that are published next; with ``replace`` a given one's older versions go.

    Raises PublishError when one source and version would get other files.
    """
    result: dict[tuple[str, str], SourceEntry] = {}
    for entry in given:
        other = result.setdefault(entry.identity, entry)
        if other.files != entry.files:
            raise PublishError(
                f"two source packages claim to be {entry.source} {entry.version}",
                f"{other.dsc.sha256}\n{entry.dsc.sha256}", "Give one of them another version.")
    replaced = {entry.source for entry in given} if replace else set()
    for entry in old:
        if entry.source not in replaced:
            result.setdefault(entry.identity, entry)
    return tuple(sorted(result.values(), key=_order))
