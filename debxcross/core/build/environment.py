# SPDX-License-Identifier: GPL-3.0-or-later
"""The exact package set of a build root, and the keys that are made of it."""
from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

from debxcross.core.archive.source import SourcePackage
from debxcross.core.border import Line, Name, Sha256, Size, is_name
from debxcross.core.build import commands as recipe
from debxcross.core.key import digest
from debxcross.core.patch import RulesPatch
from debxcross.errors import VerificationError

_DEB = re.compile(r"[^_\s]+_[^_\s]+_[^_\s]+\.deb\Z")


def is_deb(name: str) -> bool:
    """Tell whether a file's name has the three parts of a package's."""
    return is_name(name) and _DEB.match(name) is not None


@dataclass(frozen=True)
class InstalledPackage:
    """A package of a base root; ``sha256`` is its .deb's, from the signed index."""

    name: Line
    architecture: Line
    version: Line
    sha256: Sha256

    @property
    def words(self) -> str:
        """``name:arch=version``, as a person reads it."""
        return f"{self.name}:{self.architecture}={self.version}"


@dataclass(frozen=True)
class PackageFile:
    """A .deb that apt wants: where it is, its name (NAME_VERSION_ARCH.deb, escaped) and digest."""

    uri: Line
    file: Name
    size: Size
    sha256: Sha256

    @property
    def package(self) -> InstalledPackage:
        """The package that the file's name speaks of; apt writes ":" and "_" in it as %3a and %5f.

        Raises VerificationError when the name has no such parts.
        """
        if not is_deb(self.file):
            raise VerificationError(f"the index names a package's file {self.file[:160]!r}", "",
                                    "Its name must be PACKAGE_VERSION_ARCHITECTURE.deb; nothing of it is used.")
        name, version, architecture = self.file.removesuffix(".deb").split("_")
        return InstalledPackage(name, architecture, unquote(version), self.sha256)


@dataclass(frozen=True)
class Environment:
    """The packages of a build root: those of the base and those added for one member.

    ``device`` are those of ``added`` that are unpacked as a sysroot, ``here`` those that are installed;
    they are known where apt has just been asked.  A package for all architectures may be in both.
    """

    base: tuple[InstalledPackage, ...]
    added: tuple[PackageFile, ...]
    device: tuple[PackageFile, ...] = ()
    here: tuple[PackageFile, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """The names of all packages, without architectures and versions."""
        return frozenset((*(one.name for one in self.base), *(one.package.name for one in self.added)))

    @property
    def identity(self) -> tuple[str, ...]:
        """Everything that counts, without where it came from."""
        return (
            *sorted(f"{one.words} {one.sha256}" for one in self.base),
            *sorted(f"{one.file} {one.sha256}" for one in self.added),
        )


def in_order(packages: Iterable[InstalledPackage]) -> tuple[InstalledPackage, ...]:
    """Return packages by name, architecture and version."""
    return tuple(sorted(packages, key=lambda one: (one.name, one.architecture, one.version)))


@dataclass(frozen=True)
class RootRecipe:
    """What a base root is made of; its key is the digest of this.

    ``packages`` are all that will be in it; where they were found does not count.
    """

    release: str
    build_architecture: str
    host_architecture: str
    packages: tuple[InstalledPackage, ...]
    dpkg_options: tuple[str, ...]
    commands: tuple[str, ...]
    variant: str = "buildd"
    schema: int = recipe.SCHEMA

    @property
    def key(self) -> str:
        """The identity of the root before it exists."""
        return digest(replace(self, packages=in_order(self.packages)))


def resolution_key(
    base: Iterable[InstalledPackage], apt_state: str, what: object, local: Iterable[str]
) -> str:
    """Return the identity of a question to apt: which packages does ``what`` need?

    ``apt_state`` stands for all indexes and pins, ``local`` are the digests of the results
    that are offered beside the archive.
    """
    return digest({
        "schema": recipe.SCHEMA, "base": sorted(f"{one.words} {one.sha256}" for one in base),
        "apt": apt_state, "what": what, "local": sorted(local),
    })


def source_inputs(
    source: SourcePackage, patches: Iterable[RulesPatch], version: str, profiles: tuple[str, ...],
    build: str, host: str, environment: Environment,
) -> Mapping[str, Any]:
    """Return everything that can change the bytes of a source step, and nothing else.

    The number of jobs, directories, the clock and the worker are not in it.
    """
    return {
        "kind": "build-source", "schema": recipe.SCHEMA, "source": source.name, "version": version,
        "files": sorted((file.name, file.sha256) for file in source.files),
        "patches": [patch.sha256 for patch in patches], "profiles": profiles,
        "options": recipe.build_options(profiles, 0), "build": build, "host": host,
        "environment": environment.identity,
    }
