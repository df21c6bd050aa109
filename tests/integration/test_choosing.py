# SPDX-License-Identifier: GPL-3.0-or-later
"""Choosing packages of a source, on a tiny archive, from the command line."""
from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from debxcross.doors import process
from tests.integration.archive import (
    TinySource, library, make_suite, signing_home, toolchain, without_progress,
)
from tests.tools import need

ROOT = Path(__file__).resolve().parents[2]
HOST = "armel"
MAIN = "import sys; sys.argv[0] = 'debxcross'; from debxcross.cli import main; main()"
TOOLS = "Package: multi-tools\nArchitecture: any\nDepends: libnothing1\nDescription: tiny tools\n"
SOURCES = (TinySource("multi", binaries=(library("multi"), TOOLS)),
           TinySource("user", "debhelper, multi-tools", binaries=(library("user"),)))


class Desk:
    """A working directory with a configuration, a store and a chain."""

    def __init__(self, directory: Path, archive: Path, keyring: Path) -> None:
        self.directory = directory
        (directory / "debxcross.toml").write_text(
            f'[mirrors]\nmain = ["file:{archive}"]\nsecurity = ["file:{archive}"]\n'
            f'keyrings = ["{keyring}"]\n')

    def plan(self, *tables: str) -> tuple[int, dict[str, object], str]:
        """Return exit status, the plan and standard error for these tables."""
        (self.directory / "tiny.toml").write_text(
            '[chain]\nname = "tiny"\nrelease = "sid"\n\n' + "\n\n".join(tables) + "\n")
        done = subprocess.run(
            [sys.executable, "-c", MAIN, "plan", HOST, "--chain", "./tiny.toml", "--format", "json"],
            cwd=self.directory, text=True, capture_output=True, timeout=90, env={
                "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(self.directory),
                "DEBXCROSS_STORE": str(self.directory / "store"), "COLUMNS": "1000", "LC_ALL": "C.UTF-8"})
        assert "Traceback" not in done.stderr, done.stderr
        return (done.returncode, json.loads(done.stdout) if done.stdout else {},
                without_progress(done.stderr))


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    need("apt-get", "apt-ftparchive", "dpkg", "dpkg-source", "gpg", "gpgv")
    build = process.run(["dpkg", "--print-architecture"]).stdout.strip()
    directory = tmp_path_factory.mktemp("tiny")
    (directory / "archive").mkdir()
    with signing_home(directory / "keyring.gpg") as home:
        make_suite(directory / "archive", "sid", home, architectures=(build, HOST),
                   packages=toolchain(build, HOST), sources=SOURCES)
    yield directory / "archive", directory / "keyring.gpg"


@pytest.fixture
def desk(archive: tuple[Path, Path], tmp_path: Path) -> Desk:
    return Desk(tmp_path, *archive)


MULTI = '[[source]]\nname = "multi"\n'
NOTE = "multi-tools of multi is left out: no device could install it"


def test_what_nobody_asked_for_does_not_end_a_plan(desk: Desk) -> None:
    status, plan, told = desk.plan(MULTI)
    assert (status, told, plan["problems"]) == (0, "", [])
    (note,) = plan["notes"]  # type: ignore[misc]
    assert note == f"{NOTE} (multi-tools (1.0) Depends: libnothing1), and nobody asked for it"
    # Remembered, it is told again.
    assert desk.plan(MULTI)[1]["notes"] == [note]


@pytest.mark.parametrize("tables", [
    (f'{MULTI}packages = ["multi-*"]',),
    (MULTI, '[trial]\npackages = ["multi-tools"]'),
    (MULTI, '[[source]]\nname = "user"'),
], ids=["named", "tried", "needed"])
def test_what_somebody_asked_for_does(desk: Desk, tables: tuple[str, ...]) -> None:
    status, plan, _ = desk.plan(*tables)
    assert status == 13 and plan["notes"] == []
    assert "multi-tools would not be installable on the device" in str(plan["problems"])


@pytest.mark.parametrize("key", ['packages = ["libmulti-dev"]', 'packages = ["libmulti*"]',
                                 'without-packages = ["*-tools"]'])
def test_what_is_not_wanted_is_not_expected(desk: Desk, key: str) -> None:
    status, plan, told = desk.plan(f"{MULTI}{key}")
    assert (status, told, plan["notes"], plan["problems"]) == (0, "", [], [])
    assert plan["members"][0]["packages"] == ["libmulti-dev"]  # type: ignore[index]


def test_who_needs_what_is_not_wanted_needs_nobody(desk: Desk) -> None:
    status, plan, _ = desk.plan(f'{MULTI}without-packages = ["multi-tools"]', '[[source]]\nname = "user"')
    members = {one["name"]: one["needs"] for one in plan["members"]}  # type: ignore[attr-defined]
    assert members == {"multi": [], "user": []} and status == 13  # and the archive has none


@pytest.mark.parametrize("key,words", [
    ('packages = ["libmulti9"]', "multi makes no package libmulti9"),
    ('packages = ["libmulti-dev"]\nwithout-packages = ["libm*", "x*"]', "multi makes no package x*"),
    ('without-packages = ["*"]', "multi makes nothing that the chain wants"),
])
def test_a_choice_of_what_is_not_made_is_told(desk: Desk, key: str, words: str) -> None:
    status, plan, _ = desk.plan(f"{MULTI}{key}")
    assert status == 12 and words in str(plan["problems"])
    assert "It makes libmulti-dev, multi-tools." in str(plan["problems"])


def test_faults_of_the_keys_are_told_at_once(desk: Desk) -> None:
    status, _, told = desk.plan(f'{MULTI}packages = ["Multi"]\nwithout-packages = "x"')
    assert status == 3
    assert "source[multi].packages: 'Multi' is no pattern of a package's name" in told
    assert "source[multi].without-packages: must be a list of strings" in told
