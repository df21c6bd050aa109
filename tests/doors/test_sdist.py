# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from debxcross.doors.sdist import newest_time, read_texts
from debxcross.errors import GateError


def sdist(path: Path, times: dict[str, float], directory_time: int = 0) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        information = tarfile.TarInfo("tiny-1.0")
        information.type, information.mtime = tarfile.DIRTYPE, directory_time
        archive.addfile(information)
        for number, (name, time) in enumerate(times.items()):
            content = bytes((number + step * step) % 251 for step in range(3000))
            information = tarfile.TarInfo(name)
            information.size, information.mtime = len(content), time
            archive.addfile(information, io.BytesIO(content))
    return path


def test_the_newest_file_of_an_sdist(tmp_path: Path) -> None:
    path = sdist(tmp_path / "tiny-1.0.tar.gz",
                 {"tiny-1.0/a": 1500000000, "tiny-1.0/b": 1600000000.7, "tiny-1.0/c": 3}, 1700000000)
    assert newest_time(path) == 1600000000


def test_the_newest_file_of_a_wheel_is_in_utc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    for name in ("tiny-1.0-py3-none-any.whl", "tiny-1.0.zip"):
        path = tmp_path / name
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(zipfile.ZipInfo("a", (2020, 1, 2, 3, 4, 6)), "x")
            archive.writestr(zipfile.ZipInfo("b", (1980, 1, 1, 0, 0, 0)), "x")
        assert newest_time(path) == 1577934246


def test_an_empty_archive_is_from_the_epoch(tmp_path: Path) -> None:
    assert newest_time(sdist(tmp_path / "tiny-1.0.tar.gz", {})) == 0


@pytest.mark.parametrize("name", ["tiny-1.0.tar.gz", "tiny-1.0.tar.xz", "tiny-1.0-py3-none-any.whl"])
@pytest.mark.parametrize("content", [b"", b"no archive", None])
def test_what_is_no_whole_archive_is_told(tmp_path: Path, name: str, content: bytes | None) -> None:
    path = tmp_path / name
    if content is None:
        whole = sdist(tmp_path / "whole", {"a": 1, "b": 2}).read_bytes()
        content = whole[:len(whole) // 2]
    path.write_bytes(content)
    with pytest.raises(GateError, match=f"{name} is not a whole archive") as raised:
        newest_time(path)
    assert raised.value.resolution


def test_a_file_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(GateError, match="is not a whole archive"):
        newest_time(tmp_path / "none.tar.gz")


def archive(path: Path, *members: tuple[str, bytes, str], top: str = "tiny-1.0/") -> Path:
    """Write a tar of (name, type, link target); regular files hold their own name."""
    with tarfile.open(path, "w:gz") as tar:
        for name, kind, target in members:
            information = tarfile.TarInfo(name if name.startswith(("/", "..")) else top + name)
            information.type, information.linkname = kind, target
            content = name.encode() if kind == tarfile.REGTYPE else b""
            information.size = len(content)
            tar.addfile(information, io.BytesIO(content))
    return path


def test_wanted_texts_by_their_path_below_the_top(tmp_path: Path) -> None:
    path = archive(tmp_path / "tiny-1.0.tar.gz", ("PKG-INFO", tarfile.REGTYPE, ""),
                   ("src/x.py", tarfile.REGTYPE, ""), ("src/link", tarfile.SYMTYPE, "../PKG-INFO"),
                   ("hard", tarfile.LNKTYPE, "tiny-1.0/PKG-INFO"))
    assert read_texts(path, lambda name: name == "PKG-INFO") == ("tiny-1.0", {"PKG-INFO": "PKG-INFO"})
    zipped = tmp_path / "tiny-1.0.zip"
    with zipfile.ZipFile(zipped, "w") as file:
        file.writestr("tiny-1.0/PKG-INFO", "x")
    assert read_texts(zipped, lambda name: True) == ("tiny-1.0", {"PKG-INFO": "x"})


@pytest.mark.parametrize(("member", "problem"), [
    (("/etc/passwd", tarfile.REGTYPE, ""), "leads out of the source tree"),
    (("../../x", tarfile.REGTYPE, ""), "leads out of the source tree"),
    (("a/../../x", tarfile.REGTYPE, ""), "leads out of the source tree"),
    (("a", tarfile.SYMTYPE, "/etc/passwd"), "is a link to '/etc/passwd', out of the source tree"),
    (("a/b", tarfile.SYMTYPE, "../../../x"), "is a link to '../../../x'"),
    (("a", tarfile.LNKTYPE, "../x"), "is a link to '../x'"),
    (("a", tarfile.CHRTYPE, ""), "is a device or a pipe"),
    (("a", tarfile.FIFOTYPE, ""), "is a device or a pipe"),
])
def test_malicious_sdists_are_refused(tmp_path: Path, member: tuple[str, bytes, str], problem: str) -> None:
    path = archive(tmp_path / "tiny-1.0.tar.gz", ("PKG-INFO", tarfile.REGTYPE, ""), member)
    with pytest.raises(GateError) as caught:
        read_texts(path, lambda name: True)
    assert caught.value.brief.startswith("tiny-1.0.tar.gz: the member ") and problem in caught.value.brief


def test_one_top_directory(tmp_path: Path) -> None:
    path = tmp_path / "tiny-1.0.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a/x", "x")
        file.writestr("b/x", "x")
    with pytest.raises(GateError, match="has 2 top directories"):
        read_texts(path, lambda name: True)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a/../../x", "x")
    with pytest.raises(GateError, match="leads out of the source tree"):
        read_texts(path, lambda name: True)


def test_a_header_of_a_gigabyte_is_not_read_into_memory(tmp_path: Path) -> None:
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 1 << 30
    (tmp_path / "a-1.tar").write_bytes(header.tobuf(tarfile.USTAR_FORMAT) + bytes(1 << 20))
    with pytest.raises(GateError, match="a-1.tar is not a whole archive") as raised:
        newest_time(tmp_path / "a-1.tar")
    assert "header of 1073741824 bytes" in raised.value.details
