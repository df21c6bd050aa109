# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import gzip
import random
import tracemalloc
from pathlib import Path

import pytest

from debxcross.doors.changelog import changelog
from tests.playground import make_deb

TEXT = "tiny (1) unstable; urgency=low\n\n  * Ünicode.\n"
PATH = "usr/share/doc/tiny/changelog.Debian.gz"


@pytest.mark.parametrize("compression", ["xz", "gz", "none"])
def test_a_changelog_is_found(tmp_path: Path, compression: str) -> None:
    files = {"usr/lib/a": b"x" * 1000, PATH: gzip.compress(TEXT.encode()), "usr/share/z": b""}
    deb = make_deb(tmp_path / "a.deb", {}, files, compression=compression)
    assert changelog(deb, "tiny", 1000) == TEXT
    assert changelog(deb, "tiny", 4) == "tiny"
    assert changelog(deb, "other", 1000) == ""


def test_debians_own_comes_before_upstreams(tmp_path: Path) -> None:
    other = "usr/share/doc/tiny/changelog.gz"
    deb = make_deb(tmp_path / "a.deb", {}, {other: gzip.compress(b"theirs"), PATH: gzip.compress(b"ours")})
    assert changelog(deb, "tiny", 99) == "ours"
    deb = make_deb(tmp_path / "b.deb", {}, {other: gzip.compress(b"theirs")})
    assert changelog(deb, "tiny", 99) == "theirs"


@pytest.mark.parametrize("files", [{}, {PATH: b"no gzip"}, {PATH: "changelog"}])
def test_nothing_is_told_of_what_is_not_there(tmp_path: Path, files: dict[str, bytes | str]) -> None:
    assert changelog(make_deb(tmp_path / "a.deb", {}, files), "tiny", 99) == ""


def test_a_damaged_deb_has_none(tmp_path: Path) -> None:
    content = make_deb(tmp_path / "a.deb", {}, {PATH: gzip.compress(b"ours")}).read_bytes()
    for size in range(0, len(content), 7):
        (tmp_path / "cut.deb").write_bytes(content[:size])
        assert changelog(tmp_path / "cut.deb", "tiny", 99) in ("", "ours")
    assert changelog(tmp_path / "none.deb", "tiny", 99) == ""


def test_no_more_of_a_deb_is_read_than_is_needed(tmp_path: Path) -> None:
    """What is damaged behind the changelog does no harm; the whole is other doors' matter."""
    files = {PATH: gzip.compress(b"ours"), "usr/share/z": random.Random(1).randbytes(3_000_000)}
    content = bytearray(make_deb(tmp_path / "a.deb", {}, files, compression="gz").read_bytes())
    content[-100_000] ^= 0xFF
    (tmp_path / "a.deb").write_bytes(content)
    assert changelog(tmp_path / "a.deb", "tiny", 99) == "ours"


@pytest.mark.parametrize("text", [
    gzip.compress(b"ours" * 9, mtime=0)[:-9], gzip.compress(b"ours", mtime=0)[:-1] + b"x"])
def test_a_damaged_changelog_is_none(tmp_path: Path, text: bytes) -> None:
    assert changelog(make_deb(tmp_path / "a.deb", {}, {PATH: text}), "tiny", 99) == ""


def test_of_a_huge_changelog_little_is_read(tmp_path: Path) -> None:
    deb = make_deb(tmp_path / "a.deb", {}, {PATH: gzip.compress(bytes(300 << 20), 1)})
    tracemalloc.start()
    try:
        assert changelog(deb, "tiny", 99) == "\0" * 99
        assert tracemalloc.get_traced_memory()[1] < 30 << 20
    finally:
        tracemalloc.stop()
