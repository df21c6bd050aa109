# SPDX-License-Identifier: GPL-3.0-or-later
"""Base roots made by the real mmdebstrap from a tiny archive.

The variant "extract" needs no working programs in the packages; it runs no commands either.
"""
from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from debxcross.doors import process
from debxcross.doors.chroot import Chroots, subordinate_ids
from debxcross.doors.mmdebstrap import make_root
from debxcross.errors import HostError
from tests.integration.archive import TinyPackage, make_suite, signing_home
from tests.tools import need

HOST = "armel"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    need("mmdebstrap", "apt-get", "apt-ftparchive", "dpkg", "gpg", "gpgv", "tar")
    place = tmp_path_factory.mktemp("tiny")
    build = process.run(["dpkg", "--print-architecture"]).stdout.strip()
    packages = (
        TinyPackage("tiny", build, files={"dev/left-out": b"x", "etc/tiny": b"here\n"}),
        TinyPackage("libtiny1", HOST, files={"usr/lib/tiny": b"there\n"}),
        TinyPackage("broken", HOST, fields={"Depends": "absent"}),
    )
    (place / "archive").mkdir()
    with signing_home(place / "keyring.gpg") as home:
        make_suite(place / "archive", "sid", home, architectures=(build, HOST), packages=packages)
    (place / "build").write_text(build)
    (place / "sources.list").write_text(
        f"deb [signed-by={place}/keyring.gpg] copy:{place}/archive sid main\n")
    (place / "apt.conf").write_text('APT::Install-Recommends "false";\n')
    yield place


def make(
    place: Path, target: Path, log: Path, packages: tuple[str, ...], isolation: str = "unshare"
) -> None:
    make_root(
        Chroots(isolation), target, "sid", place / "sources.list", ((place / "build").read_text(), HOST),
        packages, apt_options=place / "apt.conf", dpkg_options=("force-unsafe-io",), commands=(), log=log,
        variant="extract")


@pytest.mark.parametrize("isolation", ["unshare", "none"])
def test_a_root_is_made_and_unpacked(place: Path, tmp_path: Path, isolation: str) -> None:
    if isolation == "none" and os.geteuid():
        pytest.skip("isolation none needs root")
    target, log = tmp_path / "made", tmp_path / "log"
    make(place, target, log, ("tiny", f"libtiny1:{HOST}"), isolation)
    try:
        assert (target / "etc/tiny").read_text() == "here\n"
        assert (target / "usr/lib/tiny").read_text() == "there\n"
        # Sessions mount their own /dev.
        assert list((target / "dev").iterdir()) == []
        assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "made"]
        assert "I: success" in log.read_text()
        # Whoever makes it: root inside is neither the machine's root nor the user who runs this.
        owner = 0 if isolation == "none" else (subordinate_ids(os.geteuid()) or (0, 0))[0]
        assert (owner > 0) == (isolation == "unshare")
        assert (target / "etc/tiny").stat().st_uid == target.stat().st_uid == owner
    finally:
        Chroots().remove(target)


@pytest.mark.parametrize("package", [f"broken:{HOST}", "nothing"])
def test_a_failure_is_told_and_leaves_nothing(place: Path, tmp_path: Path, package: str) -> None:
    log = tmp_path / "log"
    with pytest.raises(HostError, match="the base root could not be made") as raised:
        make(place, tmp_path / "made", log, ("tiny", package))
    assert [path.name for path in tmp_path.iterdir()] == ["log"]
    assert "E: " in raised.value.details
    assert "--mode" not in raised.value.details
    assert " mmdebstrap --mode" in log.read_text().splitlines()[-1]
    assert str(log) in raised.value.resolution


def test_an_unsigned_archive_makes_no_root(place: Path, tmp_path: Path) -> None:
    copy = tmp_path / "sources.list"
    copy.write_text((place / "sources.list").read_text().replace("keyring.gpg", "none.gpg"))
    with pytest.raises(HostError) as raised:
        make_root(
            Chroots(), tmp_path / "made", "sid", copy, ((place / "build").read_text(),), ("tiny",),
            apt_options=place / "apt.conf", dpkg_options=(), commands=(), log=tmp_path / "log",
            variant="extract")
    assert "not signed" in raised.value.details or "NO_PUBKEY" in raised.value.details
