# SPDX-License-Identifier: GPL-3.0-or-later
"""Inputs nobody should write, each through the real command: what it gets, and what holds for all.

No traceback, nothing written or read outside of the given directories, bounded memory (RLIMIT_AS of
the child), at most five seconds of processors.  docs/hostile-corpus.md is the table;
DEBXCROSS_UPDATE_GOLDEN=1 writes it and what is expected anew; then
read the difference.
"""
from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.corpus import Hostile
from tests.corpus.all import CORPUS, expected, gets, table, write_expected
from tests.corpus.feeding import SECRET, Bench, load_everything
from tests.corpus.feeds import FEEDS
from tests.integration.archive import (
    SigningHome, TinyPackage, TinySource, make_suite, signing_home, toolchain,
)
from tests.integration.test_repo import make_home
from tests.tools import need

PAGE = Path(__file__).resolve().parents[2] / "docs/hostile-corpus.md"
UPDATE = os.environ.get("DEBXCROSS_UPDATE_GOLDEN") == "1"
_MOST_SECONDS = 5.0
#: Characters; an error has at most 500 lines.
_MOST_SAID = 40000


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key of a repository."""
    load_everything()
    return make_home(tmp_path_factory.mktemp("gpg") / "keys")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, SigningHome]]:
    """A signed archive in which plans and resolutions of wheels work."""
    need("apt-get", "apt-ftparchive", "dpkg-source", "gpg", "gpgv")
    directory = tmp_path_factory.mktemp("archive")
    more = [TinyPackage(name, one, version, {"Multi-Arch": "same"}) for one in ("amd64", "armel")
            for name, version in (("libc6", "2.36-9"), ("python3", "3.11.2-1"))]
    with signing_home(directory / "keyring.gpg") as home:
        (directory / "good").mkdir()
        make_suite(directory / "good", "sid", home, architectures=("amd64", "armel"),
                   packages=(*toolchain("amd64", "armel"), *more), sources=(TinySource("alpha"),))
        yield directory / "good", home


@pytest.fixture
def bench(tmp_path: Path, archive: tuple[Path, SigningHome], keys: Path) -> Iterator[Bench]:
    place, home = archive
    bench = Bench(tmp_path / "here", tmp_path / "outside", place, home.keyring, home.directory, keys)
    for directory in (bench.directory, bench.outside):
        directory.mkdir()
    (bench.outside / "secret").write_bytes(SECRET)
    bench.mirror(bench.archive)
    yield bench


@pytest.fixture(scope="module")
def got_all() -> dict[str, str]:
    """What the inputs got; with DEBXCROSS_UPDATE_GOLDEN=1 it becomes what they should get."""
    return dict(expected()) if UPDATE else {}


def found(directory: Path) -> dict[str, tuple[int, int, int]]:
    return {str(path.relative_to(directory)): (one.st_mode, one.st_size, one.st_mtime_ns)
            for path in directory.rglob("*") for one in (path.lstat(),)}


@pytest.mark.parametrize("hostile", CORPUS, ids=lambda one: one.name)
def test_each_gets_what_the_table_says(bench: Bench, hostile: Hostile, got_all: dict[str, str]) -> None:
    before = found(bench.outside), found(bench.archive)
    outcome = FEEDS[hostile.kind](bench, hostile.content)
    got_all[hostile.name] = gets(outcome)
    if UPDATE:
        write_expected(got_all)
    assert "Traceback" not in outcome.said and "MemoryError" not in outcome.said, outcome.said[-3000:]
    assert UPDATE or got_all[hostile.name] == expected()[hostile.name], outcome.said[-3000:]
    assert (found(bench.outside), found(bench.archive)) == before
    assert sorted(path.name for path in bench.directory.parent.iterdir()) == ["here", "outside"]
    assert SECRET.decode() not in outcome.said and "\x1b" not in outcome.said
    assert [path for path in bench.directory.rglob("*") if path.is_file() and not path.is_symlink()
            and path.stat().st_size < 1 << 20 and SECRET in path.read_bytes()] == []
    assert outcome.seconds <= _MOST_SECONDS and len(outcome.said) < _MOST_SAID


def test_the_corpus_is_large_and_has_no_twins() -> None:
    assert len(CORPUS) >= 150 and len({one.name for one in CORPUS}) == len(CORPUS)
    assert set(expected()) == {one.name for one in CORPUS}


def test_the_page_is_the_table() -> None:
    if UPDATE:
        PAGE.write_text(table())
    assert PAGE.read_text() == table()
