# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rustc a build needs, and which of a release's can do it.

Sources: The Cargo Book ("The rust-version field", "cargo metadata"), The Rust Edition Guide (the
first rustc of each edition).  Debian's stable releases have, beside rustc, a newer rustc-web for
browsers, built for the same architectures and with a standard library of its own.
"""
from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from debxcross.core.wheel.backend import RUST_PACKAGES, numbers

#: The editions of Rust, with the first rustc that knows them.
_EDITIONS = {"2018": "1.31", "2021": "1.56", "2024": "1.85"}
_VERSION = re.compile(r"\d+(\.\d+){0,2}\Z")


@dataclass(frozen=True)
class Toolchain:
    """Debian's packages of one rustc, its cargo and its standard library, and their version."""

    rustc: str
    cargo: str
    library: str
    version: str

    @property
    def short(self) -> str:
        """The version without what Debian adds."""
        return ".".join(map(str, numbers(self.version)))


#: The packages that may hold a toolchain: the release's own first.
PACKAGES = (("rustc", "cargo", "libstd-rust-dev"), ("rustc-web", "cargo-web", "libstd-rust-web-dev"))


def toolchains(here: Mapping[str, str], there: Mapping[str, str]) -> tuple[Toolchain, ...]:
    """Return what can compile for the device; versions by package, for the build machine and the device.

    Compiler and standard library must be of one version: rustc reads no library of another one.
    """
    return tuple(
        Toolchain(rustc, cargo, library, here[rustc]) for rustc, cargo, library in PACKAGES
        if here.get(rustc) and here.get(cargo) and there.get(library) == here[rustc])


def newest(known: Iterable[Toolchain]) -> Toolchain | None:
    """Return the newest toolchain, None when there is none."""
    return max(known, key=lambda one: numbers(one.version), default=None)


def fitting(known: Iterable[Toolchain], least: str) -> Toolchain | None:
    """Return the first toolchain that is as new as ``least`` ("" for any), else None."""
    return next((one for one in known if numbers(one.version) >= numbers(least)), None)


def with_toolchain(packages: Iterable[str], chosen: Toolchain | None) -> tuple[str, ...]:
    """Return packages for the build machine, rustc and cargo exchanged for those of a toolchain.

    One that is named among the packages beside the release's own counts instead.
    """
    have = set(packages)
    named = next(((rustc, cargo) for rustc, cargo, _ in PACKAGES[1:] if rustc in have), None)
    names = dict(zip(RUST_PACKAGES, named or ((chosen.rustc, chosen.cargo) if chosen else ())))
    return tuple(sorted({names.get(name, name) for name in have}))


def library_of(packages: Iterable[str]) -> str:
    """Return the package of the standard library that the rustc among packages needs, "" without one."""
    have = set(packages)
    return next((library for rustc, _, library in PACKAGES if rustc in have), "")


@dataclass(frozen=True)
class Least:
    """The least rustc that something can be compiled with, and what asks for it; "" when unknown."""

    version: str = ""
    crate: str = ""


def least_rustc(document: Mapping[str, Any]) -> Least:
    """Return the least rustc for all that Cargo would compile, by what ``cargo metadata`` says of it.

    What only tests need does not count.  Packages that say nothing are as new as their edition.
    """
    packages = {str(one.get("id")): one for one in _tables(document.get("packages"))}
    found = Least()
    for identity in _compiled(document):
        package = packages.get(identity, {})
        told = str(package.get("rust_version") or "")
        edition = _EDITIONS.get(str(package.get("edition") or ""), "")
        version = max((one for one in (told, edition) if _VERSION.match(one)), key=numbers, default="")
        if numbers(version) > numbers(found.version):
            found = Least(version, f"{package.get('name')} {package.get('version')}")
    return found


def _compiled(document: Mapping[str, Any]) -> Iterable[str]:
    """Return the identities of the packages that are compiled: the root's, and what these need."""
    resolved = document.get("resolve")
    graph = resolved if isinstance(resolved, Mapping) else {}
    needs = {str(node.get("id")): [str(one.get("pkg")) for one in _tables(node.get("deps")) if _counts(one)]
             for node in _tables(graph.get("nodes"))}
    # A workspace without a package of its own has no root; then all its members count.
    root = graph.get("root")
    members = document.get("workspace_members")
    left = [str(root)] if root else [str(one) for one in members] if isinstance(members, list) else []
    known = dict.fromkeys(left)
    while left:
        more = [one for one in needs.get(left.pop(), ()) if one not in known]
        known.update(dict.fromkeys(more))
        left += more
    return known


def _counts(dependency: Mapping[str, Any]) -> bool:
    kinds = _tables(dependency.get("dep_kinds"))
    return not kinds or any(one.get("kind") != "dev" for one in kinds)


def _tables(value: object) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []
