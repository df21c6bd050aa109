# SPDX-License-Identifier: GPL-3.0-or-later
"""Which package has what a failed build lacked, asked of a tiny signed archive."""
from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from debxcross.app.opening import Opening
from debxcross.app.request import Request
from debxcross.core.build.missing import HEADER, PKG_CONFIG, PROGRAM, Missing
from debxcross.core.chain.chain import Chain
from debxcross.doors import process
from debxcross.events import Event
from debxcross.steps.archive.owners import name_missing
from tests.integration.archive import SigningHome, TinyPackage, make_suite, signing_home, toolchain
from tests.tools import need

HOST = "armel"
GOOD, LOST = Missing(HEADER, "good.h"), Missing(HEADER, "lost.h")
PKG, TOOL = Missing(PKG_CONFIG, "good"), Missing(PROGRAM, "tool")
PACKAGES = (
    TinyPackage("libgood-dev", HOST, fields={"Section": "libdevel"}, files={
        "usr/include/good.h": b"", "usr/lib/arm-linux-gnueabi/pkgconfig/good.pc": b""}),
    TinyPackage("libother-dev", HOST, fields={"Section": "libdevel"}, files={"usr/include/own/good.h": b""}),
    TinyPackage("tool", HOST, files={"usr/bin/tool": b""}),
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SigningHome]:
    need("apt-get", "apt-ftparchive", "dpkg", "gpg", "gpgv")
    with signing_home(tmp_path_factory.mktemp("keys") / "keyring.gpg") as found:
        yield found


class Desk:
    """A context over an archive, and what it tells."""

    def __init__(self, directory: Path, home: SigningHome, *, contents: bool) -> None:
        build = process.run(["dpkg", "--print-architecture"]).stdout.strip()
        archive = directory / "archive"
        archive.mkdir()
        here = TinyPackage("swigger", build, files={"usr/bin/tool": b""})
        make_suite(archive, "sid", home, architectures=(build, HOST), contents=contents,
                   packages=(*toolchain(build, HOST), *PACKAGES, here))
        (directory / "debxcross.toml").write_text(
            f'[mirrors]\nmain = ["file:{archive}"]\nsecurity = ["file:{archive}"]\n'
            f'keyrings = ["{home.keyring}"]\n')
        self.heard: list[Event] = []
        self.context = Opening(Request(HOST, release="sid", store=directory / "store"), (self.heard.append,),
                               Chain("sid", "sid", ())).context()

    def ask(self, *missing: Missing) -> list[tuple[str, str]]:
        return [(one.missing.name, one.package) for one in name_missing(self.context, "x", missing)]

    @property
    def notes(self) -> list[str]:
        return [event.text for event in self.heard if event.kind == "note"]


def test_each_from_the_machine_that_needs_it(
    home: SigningHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    desk = Desk(tmp_path, home, contents=True)
    expected = [("good.h", "libgood-dev"), ("good", "libgood-dev"), ("tool", "swigger")]
    assert desk.ask(GOOD, PKG, LOST, TOOL) == expected
    assert desk.notes == []
    shutil.rmtree(tmp_path / "archive/dists/sid/main")  # the answers are remembered
    assert desk.ask(GOOD, PKG, LOST, TOOL) == expected


def test_an_archive_without_contents_is_one_line_and_nothing_is_named(
    home: SigningHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    desk = Desk(tmp_path, home, contents=False)
    assert desk.ask(GOOD, LOST) == []
    assert desk.notes == [
        "nobody can say which package has good.h, lost.h: the archive has no Contents-armel"]


def test_an_archive_that_is_gone_is_one_line(
    home: SigningHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    desk = Desk(tmp_path, home, contents=True)
    shutil.rmtree(tmp_path / "archive")
    assert desk.ask(GOOD) == []
    assert desk.notes == ["nobody can say which package has good.h: the package indexes could not be fetched"]
