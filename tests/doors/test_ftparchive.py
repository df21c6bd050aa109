# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import tarfile
from pathlib import Path

import pytest

from debxcross.doors import ftparchive
from debxcross.errors import PublishError
from tests.tools import need

CONTROL = ("Package: foo\nVersion: 1:1.0-1\nArchitecture: armel\nMaintainer: A B <a@b>\n"
           "Description: short\n long\n .\n more\n")


def tiny_deb(path: Path, control: str, compression: str = "xz") -> tuple[str, Path]:
    """Write a deb (deb(5)) with an empty data part; return (sha256, path)."""
    content = b"!<arch>\n"
    for name, files in (("control", {"./control": control.encode()}), ("data", {})):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode=f"w:{compression}") as archive:
            for member, data in files.items():
                info = tarfile.TarInfo(member)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        members = [(f"{name}.tar.{compression}", buffer.getvalue())]
        if name == "control":
            members.insert(0, ("debian-binary", b"2.0\n"))
        for member, data in members:
            header = f"{member:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode()
            content += header + data + b"\n" * (len(data) % 2)
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest(), path


@pytest.mark.parametrize("compression", ["gz", "xz"])
def test_control_and_digests_are_read(tmp_path: Path, compression: str) -> None:
    need("apt-ftparchive")
    sha256, path = tiny_deb(tmp_path / "with a space.deb", CONTROL, compression)
    control = ftparchive.read_controls({sha256: path}, tmp_path / "cache")[sha256]
    assert dict(control.fields) == {
        "Package": "foo", "Version": "1:1.0-1", "Architecture": "armel", "Maintainer": "A B <a@b>",
        "Description": "short\n long\n .\n more"}
    assert (control.size, control.sha256) == (path.stat().st_size, sha256)
    assert control.md5sum == hashlib.md5(path.read_bytes()).hexdigest()


def test_a_deb_is_looked_at_once(tmp_path: Path) -> None:
    need("apt-ftparchive")
    sha256, path = tiny_deb(tmp_path / "a.deb", CONTROL)
    first = ftparchive.read_controls({sha256: path}, tmp_path / "cache")
    path.unlink()
    assert ftparchive.read_controls({sha256: path}, tmp_path / "cache") == first


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", '{"fields": 3}', '{"fields": [], "size": "x", "md5sum": ""}'])
def test_a_damaged_cache_is_made_again(tmp_path: Path, damage: str) -> None:
    need("apt-ftparchive")
    sha256, path = tiny_deb(tmp_path / "a.deb", CONTROL)
    first = ftparchive.read_controls({sha256: path}, tmp_path / "cache")
    cached = tmp_path / "cache" / sha256[:2] / f"{sha256}.json"
    cached.write_text(damage)
    assert ftparchive.read_controls({sha256: path}, tmp_path / "cache") == first
    assert cached.read_text() != damage


def test_a_file_that_is_no_deb_is_named(tmp_path: Path) -> None:
    need("apt-ftparchive")
    good = tiny_deb(tmp_path / "good.deb", CONTROL)
    bad = tmp_path / "bad.deb"
    bad.write_bytes(b"!<arch>\nnothing of a deb")
    with pytest.raises(PublishError) as raised:
        ftparchive.read_controls({good[0]: good[1], hashlib.sha256(bad.read_bytes()).hexdigest(): bad},
                                 tmp_path / "cache")
    assert str(bad) in raised.value.brief and str(good[1]) not in raised.value.brief
    assert "dpkg-deb --info" in raised.value.resolution


def test_a_deb_that_is_not_the_one_announced_is_refused(tmp_path: Path) -> None:
    need("apt-ftparchive")
    _, path = tiny_deb(tmp_path / "a.deb", CONTROL)
    with pytest.raises(PublishError):
        ftparchive.read_controls({"0" * 64: path}, tmp_path / "cache")


def test_a_control_file_cannot_bring_a_second_stanza(tmp_path: Path) -> None:
    need("apt-ftparchive")
    sha256, path = tiny_deb(tmp_path / "a.deb", CONTROL + "\nPackage: evil\nVersion: 9\nArchitecture: all\n"
                            "Filename: x\nSize: 1\nMD5sum: 1\nSHA256: 1\n")
    controls = ftparchive.read_controls({sha256: path}, tmp_path / "cache")
    assert [dict(control.fields)["Package"] for control in controls.values()] == ["foo"]


def test_nothing_to_read_makes_nothing(tmp_path: Path) -> None:
    assert ftparchive.read_controls({}, tmp_path / "cache") == {}
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("repeated", [0, 1000, 200_000])
def test_compression_gives_the_same_bytes_each_time(repeated: int) -> None:
    content = b"Package: foo\n" * repeated
    for form, expand in ((".gz", gzip.decompress), (".xz", lzma.decompress), ("", bytes)):
        first = ftparchive.compress(content, form)
        assert expand(first) == content
        assert ftparchive.compress(content, form) == first
    # gzip's header (RFC 1952): no name, no time.
    assert ftparchive.compress(content, ".gz")[3:8] == b"\x00" * 5
