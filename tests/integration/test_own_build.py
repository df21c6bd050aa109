# SPDX-License-Identifier: GPL-3.0-or-later
"""Sources of one's own, built for real: the source package, what is for all, the lock, the same bytes again.

It needs the machine's own Debian mirror.  The packages are a few files each; the base root takes the time.
"""
from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.tools import need

pytestmark = [pytest.mark.network, pytest.mark.slow]
CONTROL = """\
Source: {name}
Section: misc
Priority: optional
Maintainer: Nobody <nobody@example.org>
Build-Depends: debhelper-compat (= 13){depends}
Standards-Version: 4.6.2

{binaries}"""
BINARY = "Package: {0}\nArchitecture: {1}\nMulti-Arch: foreign\nDescription: tiny\n Tiny.\n"
CHANGELOG = ("{0} ({1}) unstable; urgency=low\n\n  * Tiny.\n\n -- Nobody <nobody@example.org>  "
             "Sat, 01 Jan 2022 00:00:00 +0000\n")


class Place:
    """A directory with store, keys, results and two trees: "low", and "high", which needs it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.tree("low", "", BINARY.format("low-bin", "any") + "\n" + BINARY.format("low-data", "all"))
        self.tree("high", ", low-bin, low-data", BINARY.format("high", "any"))
        self.tree("apart", "", BINARY.format("apart", "all"))
        (directory / "own.toml").write_text('[chain]\nname = "own"\nrelease = "bookworm"\n' + "".join(
            f'\n[[source]]\nname = "{name}"\npath = "{name}"\n' for name in ("high", "low", "apart")))

    def tree(self, name: str, depends: str, binaries: str) -> None:
        top = self.directory / name
        (top / "debian/source").mkdir(parents=True)
        (top / "debian/source/format").write_text("3.0 (native)\n")
        (top / "debian/control").write_text(CONTROL.format(name=name, depends=depends, binaries=binaries))
        (top / "debian/changelog").write_text(CHANGELOG.format(name, "1.0"))
        (top / "debian/rules").write_text("#!/usr/bin/make -f\n%:\n\tdh $@\n")
        (top / "debian/rules").chmod(0o755)
        (top / "file").write_text("one\n")
        (top / "README").write_text("not installed\n")
        for package in [line[9:] for line in binaries.splitlines() if line.startswith("Package: ")]:
            (top / f"debian/{package}.install").write_text(f"file usr/share/{package}\n")

    def debxcross(self, *arguments: str, status: int = 0, inside: str = "."
                  ) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "DEBXCROSS_STORE": str(self.directory / "store"),
                       "DEBXCROSS_KEYS": str(self.directory / "keys")}
        done = subprocess.run(
            [sys.executable, "-c", "from debxcross.cli import main; main()", *arguments],
            cwd=self.directory / inside, env=environment, capture_output=True, text=True, timeout=1500)
        assert done.returncode == status, done.stdout + done.stderr
        return done

    def build(self, *more: str, status: int = 0) -> dict[str, str]:
        """Build the chain; return the state of each step."""
        self.debxcross("build-dep-chain", "armel", "--chain", "own.toml", "--no-trial", *more, status=status)
        summary: Any = json.loads((self.directory / "out/armel/summary.json").read_text())
        return {one["name"]: one["state"] for one in summary["members"]}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    need("mmdebstrap", "gpg", "apt-ftparchive", "unshare", "git")
    found = Place(tmp_path_factory.mktemp("own"))
    assert set(found.build().values()) == {"built"}
    yield found
    shutil.rmtree(found.directory / "store", ignore_errors=True)


def test_packages_and_sources_are_published(place: Place) -> None:
    pool = {path.name for path in (place.directory / "out/armel/repo/pool").rglob("*") if path.is_file()}
    assert {"low-bin_1.0_armel.deb", "low-data_1.0_all.deb", "high_1.0_armel.deb", "apart_1.0_all.deb",
            "low_1.0.dsc", "low_1.0.tar.xz", "low_1.0_armel.buildinfo", "apart_1.0.dsc"} <= pool
    # What is for all alone is not crossed.
    assert "dpkg-buildpackage -aamd64" in (place.directory / "out/armel/logs/apart.log").read_text()


def test_a_file_that_is_not_installed_changes_no_package(place: Place) -> None:
    (place.directory / "low/README").write_text("not installed either\n")
    states = place.build()
    assert (states["low"], states["high"]) == ("built", "cached")
    assert "the same bytes as before" in place.debxcross("explain", "low", "--arch", "armel").stdout


def test_other_bytes_need_another_version(place: Place) -> None:
    (place.directory / "low/file").write_text("two\n")
    done = place.debxcross("plan", "armel", "--chain", "own.toml")
    assert "published already: high 1.0, low 1.0." in done.stdout
    done = place.debxcross("build-dep-chain", "armel", "--chain", "own.toml", "--no-trial", status=25)
    assert "is published already with other bytes" in done.stderr
    (place.directory / "low/debian/changelog").write_text(CHANGELOG.format("low", "1.1"))
    states = place.build()
    assert (states["low"], states["high"], states["apart"]) == ("built", "built", "cached")


def test_it_is_reproduced_and_locked(place: Place) -> None:
    place.debxcross("reproduce", "low", "--arch", "armel")
    place.debxcross("lock", "armel", "--chain", "own.toml")
    elsewhere = place.directory / "elsewhere"
    elsewhere.mkdir()
    for name in ("own.toml", "debxcross.lock", "low", "high", "apart"):
        (shutil.copytree if (place.directory / name).is_dir() else shutil.copy)(
            place.directory / name, elsewhere / name)
    argv = ("build-dep-chain", "armel", "--chain", "own.toml", "--no-trial", "--locked", "debxcross.lock")
    place.debxcross(*argv, inside="elsewhere")
    before, after = (json.loads((place.directory / where / "out/armel/summary.json").read_text())["debs"]
                     for where in (".", "elsewhere"))
    assert [one["sha256"] for one in before] == [one["sha256"] for one in after]
    (elsewhere / "low/file").write_text("three\n")
    assert "deviate from the lock" in place.debxcross(*argv, inside="elsewhere", status=17).stderr


def test_the_same_tree_makes_the_same_source_package(place: Place) -> None:
    """Another store makes it anew; times and owners of the tree are others."""
    def dsc(store: str) -> bytes:
        shutil.rmtree(place.directory / "out", ignore_errors=True)
        place.debxcross("build-dep-chain", "armel", "--chain", "own.toml", "--no-trial", "--rebuild", "apart")
        (found,) = (place.directory / "out/armel/repo/pool").rglob("apart_1.0.dsc")
        return found.read_bytes()

    first = dsc("store")
    shutil.rmtree(place.directory / "store/memo/source-package")
    os.utime(place.directory / "apart/file", (1, 1))
    assert dsc("store") == first
