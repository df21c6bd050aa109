# SPDX-License-Identifier: GPL-3.0-or-later
"""A tiny signed Debian archive, made on the spot: packages, sources, indexes, signature.

It holds just what a plan needs of the real one: a toolchain by name, the base packages a
build root closes over, and whatever sources and packages a test adds.
"""
from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from debxcross.doors import process
from debxcross.errors import PublishError
from tests.playground import make_deb

MAINTAINER = "Nobody <nobody@example.org>"


@dataclass(frozen=True)
class TinyPackage:
    """A binary package; ``fields`` are more fields of its control file."""

    name: str
    architecture: str
    version: str = "1.0-1"
    fields: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes | str] = field(default_factory=dict)


@dataclass(frozen=True)
class TinySource:
    """A native source package; ``binaries`` are the binary stanzas of its debian/control."""

    name: str
    build_depends: str = ""
    version: str = "1.0"
    binaries: tuple[str, ...] = ()

    @property
    def control(self) -> str:
        """Its debian/control."""
        head = (f"Source: {self.name}\nSection: libs\nPriority: optional\nMaintainer: {MAINTAINER}\n"
                f"Standards-Version: 4.6.2\nBuild-Depends: {self.build_depends or 'debhelper'}\n")
        return "\n".join((head, *(self.binaries or (library(self.name),))))


def library(source: str, depends: str = "${shlibs:Depends}") -> str:
    """Return the stanza of a source's one library package."""
    return (f"Package: lib{source}-dev\nArchitecture: any\nMulti-Arch: same\n"
            f"Depends: {depends}\nDescription: tiny {source}\n")


def toolchain(build: str, host: str) -> tuple[TinyPackage, ...]:
    """Return by name what a build root for ``host`` needs, empty."""
    here = {
        "build-essential": {"Depends": "g++, libc6-dev"},
        f"crossbuild-essential-{host}": {},
        "g++": {"Depends": "g++-12"}, "g++-12": {}, "libc6-dev": {"Depends": "libtiny1"},
        "libtiny1": {"Multi-Arch": "same"}, "fakeroot": {}, "apt": {}, "dpkg-dev": {},
    }
    there = {"libc6-dev": {"Depends": "libtiny1", "Multi-Arch": "same"}, "libtiny1": {"Multi-Arch": "same"},
             "libstdc++6": {"Depends": "libtiny1", "Multi-Arch": "same"},
             "libstdc++-12-dev": {"Depends": "libstdc++6", "Multi-Arch": "same"}}
    return (
        *(TinyPackage(name, build, fields={"Multi-Arch": "same", **fields} if name == "libc6-dev" else fields)
          for name, fields in here.items()),
        *(TinyPackage(name, host, fields=fields) for name, fields in there.items()),
        TinyPackage("debhelper", "all", fields={"Multi-Arch": "foreign"}),
    )


@dataclass(frozen=True)
class SigningHome:
    """A gpg home with one key; ``keyring`` is its public half, as apt reads it."""

    directory: Path
    keyring: Path


@contextmanager
def signing_home(keyring: Path, name: str = "a tiny archive") -> Iterator[SigningHome]:
    """Make a key in a short-lived home (agents want short paths) and export its public half."""
    directory = Path(tempfile.mkdtemp(prefix="tiny-gpg-"))
    try:
        gpg(directory, "--passphrase", "", "--quick-generate-key", name, "ed25519", "sign", "never")
        keyring.write_bytes(b"")
        process.run(["gpg", "--homedir", str(directory), "--batch", "--export"], stdout_path=keyring)
        yield SigningHome(directory, keyring)
    finally:
        process.run(["gpgconf", "--homedir", str(directory), "--kill", "all"])
        shutil.rmtree(directory)


def gpg(home: Path, *arguments: str) -> None:
    """Run gpg without a terminal or a question."""
    process.run(["gpg", "--homedir", str(home), "--batch", "--yes", "--pinentry-mode", "loopback",
                 *arguments]).check(PublishError, "gpg failed")


def make_suite(
    directory: Path, suite: str, home: SigningHome, *, architectures: Sequence[str],
    packages: Sequence[TinyPackage] = (), sources: Sequence[TinySource] = (), contents: bool = False,
) -> None:
    """Add (or replace) a suite of the archive at ``directory``: pool, indexes, InRelease.

    With ``contents`` there are Contents indexes too.
    """
    pool = directory / "pool" / suite
    shutil.rmtree(pool, ignore_errors=True)
    pool.mkdir(parents=True)
    for package in packages:
        make_deb(pool / f"{package.name}_{package.version}_{package.architecture}.deb",
                 {"Package": package.name, "Version": package.version, "Architecture": package.architecture,
                  **package.fields}, package.files, compression="none")
    for source in sources:
        make_source(source, pool)
    index(directory, suite, home, architectures, contents)


def make_source(source: TinySource, pool: Path) -> None:
    """Write a .dsc and its tarball into the pool with dpkg-source."""
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch) / f"{source.name}-{source.version}"
        (tree / "debian" / "source").mkdir(parents=True)
        (tree / "debian" / "source" / "format").write_text("3.0 (native)\n")
        (tree / "debian" / "control").write_text(source.control)
        (tree / "debian" / "rules").write_text("#!/usr/bin/make -f\n%:\n\tdh $@\n")
        (tree / "debian" / "rules").chmod(0o755)
        (tree / "debian" / "changelog").write_text(
            f"{source.name} ({source.version}) unstable; urgency=low\n\n  * Tiny.\n\n"
            f" -- {MAINTAINER}  Sat, 01 Jan 2022 00:00:00 +0000\n")
        process.run(["dpkg-source", "--build", str(tree)], directory=pool).check(PublishError, "no source")


def index(directory: Path, suite: str, home: SigningHome, architectures: Sequence[str],
          contents: bool = False) -> None:
    """Write and sign the indexes of what is in a suite's pool."""
    place = directory / "dists" / suite
    shutil.rmtree(place, ignore_errors=True)
    main = place / "main"
    # apt-ftparchive gives "all" packages to every architecture, as dak does.
    for architecture in architectures:
        binary = main / f"binary-{architecture}"
        binary.mkdir(parents=True)
        process.run(["apt-ftparchive", "--arch", architecture, "packages", f"pool/{suite}"],
                    directory=directory, stdout_path=binary / "Packages").check(PublishError, "no Packages")
        if contents:
            process.run(["apt-ftparchive", "--arch", architecture, "contents", f"pool/{suite}"],
                        directory=directory, stdout_path=main / f"Contents-{architecture}").check(
                            PublishError, "no Contents")
    (main / "source").mkdir(parents=True)
    process.run(["apt-ftparchive", "sources", f"pool/{suite}"], directory=directory,
                stdout_path=main / "source" / "Sources").check(PublishError, "no Sources")
    options = {"Origin": "Tiny", "Suite": suite, "Codename": suite, "Components": "main",
               "Architectures": " ".join(architectures)}
    release = directory / f"Release.{suite}"
    process.run(["apt-ftparchive", *(f"-oAPT::FTPArchive::Release::{name}={value}"
                                     for name, value in options.items()),
                 "release", str(place)], stdout_path=release).check(PublishError, "no Release")
    release.rename(place / "Release")
    sign(place, home)


def sign(place: Path, home: SigningHome) -> None:
    """Sign a suite's Release as InRelease."""
    gpg(home.directory, "--output", str(place / "InRelease"), "--clearsign", str(place / "Release"))


#: How a plan comes along: sources in whatever order, and the plan's own lines.
_PROGRESS = re.compile(r"^\[ *\d+\.\ds\] (plan +.*|\S+ +(building +)?apt-get source)\n", re.MULTILINE)


def without_progress(text: str) -> str:
    """Return standard error without the lines that tell how a plan comes along."""
    return _PROGRESS.sub("", text)
