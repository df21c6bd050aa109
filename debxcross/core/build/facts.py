# SPDX-License-Identifier: GPL-3.0-or-later
"""What a binary package is made of, as far as two builds of it are compared.

Digests here are the first 32 hex digits of a sha256: enough to tell two contents apart.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from debxcross.core.gate import deb_source

#: Raised when the doors begin to read something else out of a package: remembered facts are then read anew.
SCHEMA = 2


@dataclass(frozen=True)
class FileFacts:
    """A file of a package: ``path`` without leading slash, ``owner`` as "root/root".

    ``type`` and ``target`` are those of doors.deb.Member; ``content`` is the digest of a file's
    bytes, ``essence`` that of what counts in them (a .gz unpacked, a manual page without comments
    and date), "" where that is the same.  ``size`` is in bytes, of a .gz and a manual page unpacked
    and without that.
    """

    path: str
    type: str
    mode: int
    owner: str
    target: str = ""
    content: str = ""
    essence: str = ""
    size: int = 0


class Symbol(NamedTuple):
    """A symbol of an ELF file: its name, its version, the library that is to have it ("" for unknown)."""

    name: str
    version: str = ""
    library: str = ""


@dataclass(frozen=True)
class CodeFacts:
    """What an ELF file, or an ar archive of them, offers, needs and is protected by.

    ``kind`` is e_type as pyelftools names it, or "archive"; ``exports`` and ``imports`` are sorted;
    ``hardening`` names what is on: "relro", "bind-now", "pie", "stack-protector", "no-exec-stack";
    ``sections`` are the digests of what has bytes in the file, by name (objects and archives have
    ".text" for all code and ".data" for all data); ``damage`` says why the rest is not known.
    """

    path: str
    kind: str
    needed: tuple[str, ...] = ()
    soname: str = ""
    exports: tuple[Symbol, ...] = ()
    imports: tuple[Symbol, ...] = ()
    hardening: tuple[str, ...] = ()
    sections: tuple[tuple[str, str], ...] = ()
    damage: str = ""

    @property
    def text(self) -> str:
        """The digest of the machine code, "" where there is none."""
        return dict(self.sections).get(".text", "")


@dataclass(frozen=True)
class PackageFacts:
    """A .deb: its sha256, its control fields, the other texts of its control archive, files and code.

    ``packed`` is when it was packed, in seconds since 1970: not before the newest entry of its
    changelog, which for Debian's own is about when it was built.
    """

    sha256: str
    fields: Mapping[str, str]
    packed: int = 0
    texts: Mapping[str, str] = field(default_factory=dict)
    files: tuple[FileFacts, ...] = ()
    code: tuple[CodeFacts, ...] = ()

    @property
    def name(self) -> str:
        """The package's name."""
        return self.fields.get("Package", "")

    @property
    def version(self) -> str:
        """The package's own version."""
        return self.fields.get("Version", "")

    @property
    def architecture(self) -> str:
        """The package's architecture."""
        return self.fields.get("Architecture", "")

    @property
    def source(self) -> tuple[str, str]:
        """Name and version of the source it was built from."""
        return deb_source(self.fields)


def facts_from(value: Any) -> PackageFacts | None:
    """Read facts back that were kept as JSON; None when they are damaged."""
    try:
        code = tuple(CodeFacts(
            one["path"], one["kind"], tuple(one["needed"]), one["soname"],
            tuple(Symbol(*symbol) for symbol in one["exports"]),
            tuple(Symbol(*symbol) for symbol in one["imports"]), tuple(one["hardening"]),
            tuple((str(name), str(digest)) for name, digest in one["sections"]), one["damage"],
        ) for one in value["code"])
        files = tuple(FileFacts(**one) for one in value["files"])
        return PackageFacts(value["sha256"], value["fields"], value["packed"], value["texts"], files, code)
    except (KeyError, TypeError, ValueError):
        return None
