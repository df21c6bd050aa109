# SPDX-License-Identifier: GPL-3.0-or-later
"""A chain of security updates on a tiny archive whose security suite lacks the host architecture."""
from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from debxcross.core.archive.world import Archive, SuiteUse, World
from debxcross.doors import process
from debxcross.doors.apt import AptRoot
from tests.integration.archive import (
    TinyPackage, TinySource, library, make_suite, signing_home, toolchain, without_progress,
)
from tests.tools import need

ROOT = Path(__file__).resolve().parents[2]
HOST = "armel"
MAIN = "import sys; sys.argv[0] = 'debxcross'; from debxcross.cli import main; main()"
SAME = {"Multi-Arch": "same"}
ZONES = "Package: zones\nArchitecture: all\nDescription: tiny zones\n"


def made_by(source: str, version: str) -> dict[str, str]:
    return {**SAME, "Source": f"{source} ({version})"}


@dataclass(frozen=True)
class Place:
    """The archive, its keyring, and this machine's architecture."""

    archive: Path
    keyring: Path
    build: str


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    need("apt-get", "apt-ftparchive", "dpkg", "dpkg-source", "gpg", "gpgv")
    build = process.run(["dpkg", "--print-architecture"]).stdout.strip()
    if build == HOST:
        pytest.skip("this machine has the host architecture itself")
    directory = tmp_path_factory.mktemp("tiny")
    archive = directory / "archive"
    archive.mkdir()
    # beta needs alpha's library: of alpha 1.0 both architectures have it, of 2.0 this machine's.
    beta = library("beta", "libalpha-dev, ${misc:Depends}")
    old = (TinySource("alpha"), TinySource("beta", "debhelper, libalpha-dev", binaries=(beta,)),
           TinySource("even"), TinySource("zones", binaries=(ZONES,)),
           TinySource("lonely", binaries=(library("lonely"),)))
    new = (TinySource("alpha", version="2.0"),
           TinySource("beta", "debhelper, libalpha-dev", version="2.0", binaries=(beta,)),
           TinySource("zones", version="2.0", binaries=(ZONES,)))
    packages = [
        *toolchain(build, HOST), TinyPackage("zones", "all", "1.0", {"Source": "zones (1.0)"}),
        # A binary rebuild has a version of its own: the source's counts.
        *(TinyPackage(f"lib{name}-dev", one, version, made_by(name, "1.0"))
          for name in ("alpha", "beta", "even") for one, version in ((build, "1.0"), (HOST, "1.0+b1"))),
        TinyPackage("liblonely-dev", build, "1.0", made_by("lonely", "1.0")),
    ]
    with signing_home(directory / "keyring.gpg") as home:
        for suite in ("bookworm", "bookworm-updates"):
            make_suite(archive, suite, home, architectures=(build, HOST),
                       packages=packages if suite == "bookworm" else (),
                       sources=old if suite == "bookworm" else ())
        make_suite(archive, "bookworm-security", home, architectures=(build,), sources=new, packages=[
            *(TinyPackage(f"lib{name}-dev", build, "2.0", made_by(name, "2.0"))
              for name in ("alpha", "beta")),
            TinyPackage("zones", "all", "2.0", {"Source": "zones (2.0)"}),
            TinyPackage("fakeroot", build, "2.0")])
        yield Place(archive, home.keyring, build)


@pytest.fixture
def root(place: Place, tmp_path: Path) -> AptRoot:
    archive = Archive("main", (f"file:{place.archive}",), (str(place.keyring),))
    world = World(place.build, HOST, tuple(
        SuiteUse(suite, archive, (place.build, HOST), source=True)
        for suite in ("bookworm", "bookworm-security")))
    found = AptRoot(tmp_path / "apt", world, ())
    found.write()
    found.update(0)
    return AptRoot(tmp_path / "apt", world.with_carried(found.carried()), ())


def compared(root: AptRoot, place: Place, *names: str) -> list[dict[str, Any]]:
    answer: list[dict[str, Any]] = root.ask(
        {"ask": "compared", "names": list(names), "build": place.build, "host": HOST})
    return answer


def test_apt_compares_source_versions_of_the_two_architectures(root: AptRoot, place: Place) -> None:
    alpha, zones, even, lonely, nothing = compared(root, place, "alpha", "zones", "even", "lonely", "none")
    build = place.build
    assert alpha["versions"] == {build: "2.0", HOST: "1.0"} and not alpha["all"]
    assert zones["versions"] == {build: "2.0", HOST: "1.0"} and zones["all"]
    assert even["versions"] == {build: "1.0", HOST: "1.0"} and even["beside"] == []
    assert lonely["versions"] == {build: "1.0", HOST: ""}
    assert nothing["versions"] == {build: "", HOST: ""} and nothing["source"]["found"] is None
    assert alpha["source"]["found"]["suite"] == "bookworm-security"


def test_apt_offers_the_build_architectures_packages_of_that_version(root: AptRoot, place: Place) -> None:
    alpha, zones = compared(root, place, "alpha", "zones")
    (twin,), (every,) = alpha["beside"], zones["beside"]
    assert (twin["file"], twin["architecture"]) == (f"libalpha-dev_2.0_{place.build}.deb", place.build)
    assert (every["file"], every["architecture"]) == ("zones_2.0_all.deb", "all")
    for one in (twin, every):
        path = Path(one["uri"].removeprefix("file:"))
        assert path.stat().st_size == one["size"]
        assert f"SHA256: {one['sha256']}\n" in one["stanza"] and one["stanza"].endswith("\n")


def test_apt_follows_what_a_base_root_has(root: AptRoot, place: Place) -> None:
    question = {"ask": "closure", "names": ["build-essential", "fakeroot"], "architecture": place.build}
    # apt counts itself among the essential packages.
    assert root.ask(question) == {
        "apt": "1.0-1", "build-essential": "1.0-1", "fakeroot": "2.0", "g++": "1.0-1", "g++-12": "1.0-1",
        "libc6-dev": "1.0-1", "libtiny1": "1.0-1"}


class Desk:
    """A working directory with a configuration, a chain and a store of its own."""

    def __init__(self, place: Place, directory: Path) -> None:
        self.place, self.directory = place, directory
        uri = f"file:{place.archive}"
        (directory / "debxcross.toml").write_text(
            f'[mirrors]\nmain = ["{uri}"]\nsecurity = ["{uri}"]\nkeyrings = ["{place.keyring}"]\n')

    def run(self, command: str, *sources: str, more: tuple[str, ...] = ()) -> tuple[int, str, str]:
        """Return exit status, standard output and standard error of a command on these sources."""
        (self.directory / "tiny.toml").write_text(
            f'[chain]\nname = "tiny"\nrelease = "bookworm"\n\n[security]\nsources = {json.dumps(sources)}\n')
        return self.type(command, HOST, "--chain", "./tiny.toml", *more)

    def type(self, *arguments: str) -> tuple[int, str, str]:
        """Return exit status, standard output and standard error of a command line."""
        done = subprocess.run(
            [sys.executable, "-c", MAIN, *arguments], cwd=self.directory, text=True, capture_output=True,
            timeout=60, env={
                "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(self.directory),
                "DEBXCROSS_STORE": str(self.directory / "store"), "COLUMNS": "200", "LC_ALL": "C.UTF-8"})
        return done.returncode, done.stdout.replace(self.place.build, "BUILD"), without_progress(done.stderr)


@pytest.fixture
def desk(place: Place, tmp_path: Path) -> Desk:
    return Desk(place, tmp_path)


def test_the_plan_builds_what_is_behind_and_nothing_else(desk: Desk) -> None:
    status, said, told = desk.run("plan", "alpha", "beta", "even", "lonely", "zones")
    assert (status, told) == (0, "")
    members, _, rest = said.partition("\nSecurity updates:\n")
    assert [row.split() for row in rest.split("\n\n")[0].splitlines()] == [
        ["source", "BUILD", "armel", "missing", "since", "fixes"],
        ["alpha", "2.0", "1.0", "2022-01-01"], ["beta", "2.0", "1.0", "2022-01-01"],
        ["zones", "2.0", "1.0", "2022-01-01"],
        ["even", "1.0", "1.0", "not", "behind"], ["lonely", "1.0", "-", "not", "there"]]
    assert "1. alpha   2.0  ready" in members and "from bookworm-security (source)" in members
    assert "2. beta    2.0  waiting  waits for alpha" in members
    assert "3. even    1.0  excluded  not behind: armel has 1.0" in members
    assert "4. lonely  1.0  excluded  the release has no package of it for armel" in members
    assert "5. zones   2.0  excluded  nothing to build" in members


def test_the_plan_names_what_base_roots_hold_back(desk: Desk) -> None:
    status, said, _ = desk.run("plan", "alpha")
    assert status == 0
    assert "the BUILD packages of a base root stay older than bookworm-security" in said
    assert "(in brackets): fakeroot 1.0-1 (2.0)\n" in said


def test_programs_get_the_same(desk: Desk) -> None:
    status, said, _ = desk.run("plan", "alpha", "even", more=("--format", "json"))
    plan = json.loads(said)
    assert status == 0
    assert [(one["name"], one["state"]) for one in plan["members"]] == [
        ("alpha", "ready"), ("even", "excluded")]
    assert [(one["source"], one["state"], one["since"]) for one in plan["security"]] == [
        ("alpha", "behind", "2022-01-01"), ("even", "excluded", "")]


def test_without_the_security_suite_nothing_is_behind(desk: Desk) -> None:
    status, said, _ = desk.run("plan", "alpha", "beta", more=("--without", "bookworm-security"))
    assert status == 0
    assert said.count("not behind") == 4 and "base root stay older" not in said


def test_a_source_that_no_suite_has_is_told(desk: Desk) -> None:
    status, said, told = desk.run("plan", "alpha", "alpa")
    assert (status, said) == (12, "")
    assert "no source package is called alpa" in told and "Did you mean alpha?" in told


def test_an_excluded_member_cannot_be_rebuilt(desk: Desk) -> None:
    status, _, told = desk.run("build-dep-chain", "alpha", "even", more=("--dry-run", "--rebuild", "even"))
    assert status == 2
    assert "even is excluded from this chain" in told and "not behind: armel has 1.0" in told


def test_a_chain_in_which_nothing_is_behind_ends_well_and_builds_nothing(desk: Desk) -> None:
    status, said, told = desk.run("build-dep-chain", "even", more=("--output", "out"))
    assert status == 0, told
    rows = [line.split() for line in told.splitlines() if "excluded" in line]
    assert [row[row.index("excluded") - 1] for row in rows] == ["build-root", "repository", "even"]
    assert json.loads((desk.directory / "out" / "summary.json").read_text())["debs"] == []
    assert not (desk.directory / "out" / "repo").exists()
    assert not list((desk.directory / "store" / "roots").glob("*"))


def test_an_excluded_member_is_explained_and_cannot_be_reproduced(desk: Desk) -> None:
    assert desk.run("build-dep-chain", "even", more=("--output", "out"))[0] == 0
    status, said, told = desk.type("explain", "even", "--output", "out")
    assert (status, told) == (0, "")
    assert said == "even 1.0 (bookworm, armel): excluded\n  not behind: armel has 1.0\n"
    status, said, told = desk.type("explain", "even", "--output", "out", "--json")
    assert status == 0 and json.loads(said)["state"] == "excluded"
    status, said, told = desk.type("reproduce", "even", "--output", "out")
    assert (status, said) == (2, "")
    assert "even is excluded from this chain" in told and "not behind: armel has 1.0" in told
    status, _, told = desk.type("explain", "evn", "--output", "out")
    assert status == 2 and "Its members: even." in told
