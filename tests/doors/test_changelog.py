# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import gzip
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
