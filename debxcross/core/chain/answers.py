# SPDX-License-Identifier: GPL-3.0-or-later
"""The shapes of the answers that a store remembers, by their kind.

An answer may have been cut short, come from another machine in an export or from a substitute:
one that has not the shape of its kind counts as absent, and is asked anew.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from debxcross.core.archive.binaries import ArchiveBinary
from debxcross.core.archive.taken import Contents
from debxcross.core.artifact import StoredFile
from debxcross.core.border import Line, Name, Sha256, Size, read_as
from debxcross.core.build.environment import PackageFile, is_deb
from debxcross.core.build.shims import Twin
from debxcross.core.chain.closure import Included
from debxcross.core.chain.history import Entry
from debxcross.core.wheel.index import IndexFile

_Versions = Mapping[str, Line]


@dataclass(frozen=True)
class _Found:
    version: Line
    suite: Line
    fields: Mapping[str, str]


@dataclass(frozen=True)
class _Other:
    version: Line
    suite: Line
    component: Line = ""


@dataclass(frozen=True)
class _Source:
    found: _Found | None
    others: tuple[_Other, ...]
    near: tuple[Line, ...]


@dataclass(frozen=True)
class _Skew:
    package: Line
    build: Line
    host: Line


@dataclass(frozen=True)
class _Facts:
    sources: tuple[_Source, ...]
    packages: Mapping[str, _Versions]
    compiler: Line
    skew: tuple[_Skew, ...]


@dataclass(frozen=True)
class _Download:
    architecture: Line
    file: Name
    uri: Line
    size: Size
    sha256: Sha256


@dataclass(frozen=True)
class _Offer(_Download):
    stanza: str


@dataclass(frozen=True)
class _Native(_Download):
    package: Line
    version: Line
    source: Line
    source_version: Line


@dataclass(frozen=True)
class _Compared:
    versions: _Versions
    all: bool
    source: _Source
    beside: tuple[_Offer, ...]


@dataclass(frozen=True)
class _Binaries:
    binaries: tuple[ArchiveBinary, ...]
    provides: Mapping[str, tuple[Line, ...]]


@dataclass(frozen=True)
class _Companions:
    offers: Mapping[str, _Offer]
    needs: Mapping[str, tuple[Line, ...]]


@dataclass(frozen=True)
class _Machine:
    entries: tuple[_Entry, ...]
    acquire: tuple[tuple[Line, Line], ...]
    templates: Mapping[str, Line]


@dataclass(frozen=True)
class _Entry:
    uris: tuple[Line, ...]
    suites: tuple[Line, ...]
    signed_by: Line


@dataclass(frozen=True)
class _History:
    entries: tuple[Entry, ...]
    member: Line = ""
    chain: Line = ""
    release: Line = ""
    architecture: Line = ""


@dataclass(frozen=True)
class _Page:
    time: int
    indexes: tuple[tuple[Line, tuple[IndexFile, ...]], ...]


@dataclass(frozen=True)
class _Sdist:
    name: Line
    version: Line
    file: StoredFile


@dataclass(frozen=True)
class _Texts:
    texts: Mapping[str, str]


@dataclass(frozen=True)
class _Named:
    versions: Mapping[str, _Versions]
    provides: Mapping[str, tuple[Line, ...]]


@dataclass(frozen=True)
class _Packaging:
    source: Line
    version: Line
    build_depends: tuple[str, ...]
    offered: Mapping[str, tuple[Line | bool, ...]]


@dataclass(frozen=True)
class _Publication:
    repository: str
    url: Line
    fingerprint: Line
    keyring: Name
    published: Sha256
    versions: Mapping[Sha256, Line]
    unpublished: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unasked: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    for_building: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Cross:
    compiler: Line
    cross: tuple[PackageFile, ...]
    twins: Mapping[str, Twin]


@dataclass(frozen=True)
class _Behind:
    sources: tuple[Included, ...]
    needs: Mapping[str, tuple[Line, ...]]
    unmet: tuple[tuple[Line, Line], ...]


@dataclass(frozen=True)
class _Least:
    """steps.wheel.rust: the least rustc, and the crate that wants it ("" for none)."""

    version: str
    crate: str


#: Kind → the type of its answers.
_SHAPES: Mapping[str, Any] = {
    **dict.fromkeys(("facts", "carried", "skew", "tools"), _Facts),
    "compared": tuple[_Compared, ...],
    "binaries": tuple[_Binaries, ...],
    "natives": tuple[_Native, ...],
    "companions": tuple[_Companions, ...],
    "closure": _Versions,
    "named": _Named,
    "packaging": Mapping[str, _Packaging],
    "dependents": Mapping[str, tuple[tuple[Line, Line], ...]],
    **dict.fromkeys(("environment", "root-packages", "sysroot"), tuple[PackageFile, ...]),
    **dict.fromkeys(("sound", "foreseen"), bool | Mapping[str, tuple[str, ...]]),
    "history": _History,
    **dict.fromkeys(("pin", "wheel"), StoredFile),
    "machine": Line | _Machine,
    **dict.fromkeys(("emulator", "loading"), Line),
    "note": str,
    "requires": tuple[Line, ...],
    "tree": str,
    "commit": Contents,
    "source-package": tuple[StoredFile, ...],
    "sdist": _Texts,
    "index-page": _Page,
    "made-sdist": _Sdist,
    "publication": _Publication,
    "key-warnings": tuple[str, ...],
    "trial": Mapping[str, tuple[Line, ...] | int],
    "trial-results": tuple[Mapping[str, str | int | bool], ...],
    "libraries": Mapping[str, Line],
    "alternatives": Mapping[str, tuple[Line, ...]],
    "rustc": _Least,
    "owners": Mapping[str, tuple[tuple[Line, Line, Line], ...]],
    "cross": _Cross,
    "behind": _Behind,
    "missed": tuple[Line, tuple[Line, ...]],
}
#: Kinds whose values need another look: apt's packages have names that can be taken apart.
_RULES: Mapping[str, Callable[[Any], bool]] = {
    "cross": lambda told: all(is_deb(file.file) for file in told.cross),
    **dict.fromkeys(("environment", "root-packages", "sysroot"),
                    lambda files: all(is_deb(file.file) for file in files)),
    "trial": lambda told: isinstance(told.get("packages"), tuple) and type(told.get("passed")) is int,
}


def fault(kind: str, value: Any) -> str:
    """Return why a value cannot be the answer of this kind, in words; "" for one that can.

    Of a kind that only another debxcross knows nothing is said.
    """
    if value is None:
        return "it cannot be read"
    if kind not in _SHAPES:
        return ""
    try:
        made: Any = read_as(_SHAPES[kind], value)
    except ValueError as error:
        return str(error)
    return "" if _RULES.get(kind, lambda _: True)(made) else "it has not what it must have"
