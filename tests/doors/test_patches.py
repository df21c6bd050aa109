# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from debxcross.doors.patches import read_accepted, read_patches
from debxcross.errors import ConfigurationError

ROOT = Path(__file__).resolve().parents[2]
DIFF = "--- a/README\n+++ b/README\n@@ -1 +1 @@\n-old\n+new\n"


def write(directory: Path, source: str, name: str, description: str = "Mend it", diff: str = DIFF) -> Path:
    path = directory / source / f"{name}.patch"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(f"Description: {description}\nAuthor: Nobody\n\n{diff}".encode())
    return path


def test_patches_of_the_wanted_sources_by_directory_and_name(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    write(first, "zlib", "b")
    write(first, "zlib", "a")
    write(first, "other", "never")
    write(second, "zlib", "0")
    write(second, "expat", "x")
    (first / "zlib" / "README").write_text("no patch")
    found = read_patches((first, second), ["zlib", "expat"])
    assert [(one.source, one.name) for one in found] == [
        ("zlib", "a"), ("zlib", "b"), ("expat", "x"), ("zlib", "0")]
    assert read_patches((first, second), []) == ()
    assert read_patches((), ["zlib"]) == ()


def test_a_later_directory_replaces_by_name(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    write(first, "zlib", "a", "first")
    write(first, "zlib", "b", "first")
    write(second, "zlib", "a", "second")
    assert [(one.name, one.description) for one in read_patches((first, second), ["zlib"])] == [
        ("a", "second"), ("b", "first")]


def test_a_directory_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"{tmp_path}/none does not exist") as raised:
        read_patches((tmp_path / "none",), ["zlib"])
    assert "<source>/<name>.patch" in raised.value.resolution


def test_a_faulty_header_is_told(tmp_path: Path) -> None:
    (tmp_path / "zlib").mkdir()
    (tmp_path / "zlib" / "bad.patch").write_text("Applies-Versions: 2.0\n\n" + DIFF)
    with pytest.raises(ConfigurationError, match="zlib/bad has 3 faults") as raised:
        read_patches((tmp_path,), ["zlib"])
    assert "Applies-Versions: '2.0'" in raised.value.details


def test_what_is_not_utf8_is_told_not_damaged(tmp_path: Path) -> None:
    path = write(tmp_path, "zlib", "latin")
    path.write_bytes(path.read_bytes().replace(b"new", b"gr\xfcn"))
    with pytest.raises(ConfigurationError, match=f"{path} cannot be read") as raised:
        read_patches((tmp_path,), ["zlib"])
    assert "UTF-8" in raised.value.resolution
    path.unlink()
    path.mkdir()
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_patches((tmp_path,), ["zlib"])


def test_line_ends_of_the_diff_stay(tmp_path: Path) -> None:
    write(tmp_path, "zlib", "dos", diff=DIFF.replace("old\n", "old\r\n").replace("new\n", "new\r\n"))
    assert "-old\r\n+new\r\n" in read_patches((tmp_path,), ["zlib"])[0].text


def test_the_digest_does_not_depend_on_the_locale(tmp_path: Path) -> None:
    write(tmp_path, "zlib", "a", diff=DIFF.replace("new", "grün"))
    code = ("import sys\nfrom pathlib import Path\nfrom debxcross.doors.patches import read_patches\n"
            "print(read_patches((Path(sys.argv[1]),), ['zlib'])[0].sha256)")
    said = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], text=True, capture_output=True, check=True, timeout=20,
        env={**os.environ, "PYTHONPATH": str(ROOT), "LC_ALL": "POSIX", "PYTHONUTF8": "0",
             "PYTHONCOERCECLOCALE": "0"})
    assert said.stdout.strip() == read_patches((tmp_path,), ["zlib"])[0].sha256


def test_the_patches_that_ship_can_be_read() -> None:
    place = ROOT / "rules-patches"
    assert read_patches((place,), [path.name for path in place.iterdir() if path.is_dir()])


def test_what_a_source_may_lose(tmp_path: Path) -> None:
    (tmp_path / "one/curl").mkdir(parents=True)
    (tmp_path / "two/curl").mkdir(parents=True)
    (tmp_path / "one/curl/accept-losses").write_text("# why\n\n/usr/share/zsh/*: needs to run curl\n")
    (tmp_path / "two/curl/accept-losses").write_text("/usr/bin/curl socketpair: the board has none\n")
    found = read_accepted([tmp_path / "one", tmp_path / "two"], "curl")
    assert [(one.pattern, one.reason) for one in found] == [
        ("/usr/share/zsh/*", "needs to run curl"), ("/usr/bin/curl socketpair", "the board has none")]
    assert read_accepted([tmp_path / "one"], "zlib") == ()
    (tmp_path / "two/curl/accept-losses").write_text("/usr/bin/curl\n")
    with pytest.raises(ConfigurationError, match="accept-losses:1 accepts no loss"):
        read_accepted([tmp_path / "two"], "curl")


@pytest.mark.parametrize("path", sorted((ROOT / "rules-patches").glob("*/accept-losses")), ids=str)
def test_the_losses_that_ship_as_accepted_can_be_read(path: Path) -> None:
    assert read_accepted([path.parents[1]], path.parent.name)
