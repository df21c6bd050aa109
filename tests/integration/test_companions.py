# SPDX-License-Identifier: GPL-3.0-or-later
"""Architecture: all packages of a source of another release, on tiny archives, from the command line."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from debxcross.doors import process
from tests.integration.archive import TinyPackage, TinySource, library, make_suite, signing_home, toolchain
from tests.integration.test_choosing import HOST, Desk
from tests.tools import need


def every(name: str, depends: str = "") -> str:
    return (f"Package: {name}\nArchitecture: all\n" + (f"Depends: {depends}\n" if depends else "")
            + f"Description: tiny {name}\n")


TOOL = "Package: tool\nArchitecture: any\nDepends: tool-data (= ${source:Version})\nDescription: tiny tool\n"
OLD = TinySource("tool", version="1.0", binaries=(TOOL, every("tool-data"), every("tool-doc")))
NEW = TinySource("tool", version="2.0", binaries=(
    TOOL, every("tool-data", "tool-common"), every("tool-common"), every("tool-doc")))
SAME = TinySource("even", binaries=(library("even"), every("even-data")))


def made(name: str, architecture: str, version: str, source: str, depends: str = "") -> TinyPackage:
    return TinyPackage(name, architecture, version, {
        "Source": f"{source} ({version})", **({"Depends": depends} if depends else {})})


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    need("apt-get", "apt-ftparchive", "dpkg", "dpkg-source", "gpg", "gpgv")
    build = process.run(["dpkg", "--print-architecture"]).stdout.strip()
    directory = tmp_path_factory.mktemp("tiny")
    (directory / "archive").mkdir()
    with signing_home(directory / "keyring.gpg") as home:
        for suite, sources, packages in (
                ("sid", (OLD, SAME), (*toolchain(build, HOST), made("tool-data", "all", "1.0", "tool"))),
                ("forky", (NEW, SAME), (
                    made("tool", build, "2.0", "tool", "tool-data (= 2.0)"),
                    made("tool-data", "all", "2.0", "tool", "tool-common"),
                    made("tool-common", "all", "2.0", "tool"), made("tool-doc", "all", "2.0", "tool"),
                    TinyPackage("libeven-dev", build, "1.0", {"Source": "even"})))):
            make_suite(directory / "archive", suite, home, architectures=(build, HOST), packages=packages,
                       sources=sources)
    yield directory / "archive", directory / "keyring.gpg"


@pytest.fixture
def desk(archive: tuple[Path, Path], tmp_path: Path) -> Desk:
    return Desk(tmp_path, *archive)


FORKY = '[[source]]\nname = "tool"\nsuite = "forky"\n'


def test_what_is_built_has_what_it_needs_of_its_source(desk: Desk) -> None:
    """tool 2.0 needs tool-data of 2.0, which needs tool-common; nobody needs tool-doc."""
    status, plan, told = desk.plan(FORKY)
    assert (status, told, plan["problems"]) == (0, "", [])
    assert plan["notes"] == [
        "tool-common, tool-data of tool, for all architectures, are published as forky has them"]


def test_what_is_named_comes_too(desk: Desk) -> None:
    status, plan, _ = desk.plan(f'{FORKY}packages = ["tool", "tool-*"]')
    assert (status, plan["problems"]) == (0, [])
    assert "tool-common, tool-data, tool-doc of tool" in str(plan["notes"])


def test_what_is_not_wanted_does_not(desk: Desk) -> None:
    status, plan, _ = desk.plan(f'{FORKY}without-packages = ["tool-common"]')
    assert status == 13 and "tool-common" in str(plan["problems"])


def test_the_releases_own_source_needs_nothing_of_the_kind(desk: Desk) -> None:
    status, plan, _ = desk.plan('[[source]]\nname = "tool"\n')
    assert (status, plan["notes"], plan["problems"]) == (0, [], [])


def test_a_source_that_needs_none_of_them_takes_none(desk: Desk) -> None:
    status, plan, _ = desk.plan('[[source]]\nname = "even"\nsuite = "forky"\n')
    assert (status, plan["notes"], plan["problems"]) == (0, [], [])
