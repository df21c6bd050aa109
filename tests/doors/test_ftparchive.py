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
    control = ftparchive.read_controls([path])[path]
    assert dict(control.fields) == {
        "Package": "foo", "Version": "1:1.0-1", "Architecture": "armel", "Maintainer": "A B <a@b>",
        "Description": "short\n long\n .\n more"}
    assert (control.size, control.sha256) == (path.stat().st_size, sha256)
    assert control.md5sum == hashlib.md5(path.read_bytes()).hexdigest()


def test_one_deb_under_several_names(tmp_path: Path) -> None:
    need("apt-ftparchive")
    _, path = tiny_deb(tmp_path / "a.deb", CONTROL)
    (tmp_path / "b.deb").symlink_to(path)
    (tmp_path / "c.deb").hardlink_to(path)
    names = [tmp_path / "a.deb", tmp_path / "b.deb", tmp_path / "c.deb"]
    controls = ftparchive.read_controls(names)
    assert list(controls) == names and len({control.sha256 for control in controls.values()}) == 1


def test_a_directory_of_just_these_debs_gives_the_same(tmp_path: Path) -> None:
    need("apt-ftparchive")
    (tmp_path / "debs").mkdir()
    names = ("aa", "bb")
    debs = [tiny_deb(tmp_path / "debs" / f"{name}.deb", CONTROL.replace("foo", name))[1] for name in names]
    alone = ftparchive.read_controls(debs)
    assert [dict(control.fields)["Package"] for control in alone.values()] == ["aa", "bb"]
    # With a stranger beside them only these are read.
    tiny_deb(tmp_path / "debs" / "cc.deb", CONTROL)
    assert ftparchive.read_controls(debs) == alone


def test_a_file_that_is_no_deb_is_named(tmp_path: Path) -> None:
    need("apt-ftparchive")
    good = tiny_deb(tmp_path / "good.deb", CONTROL)
    bad = tmp_path / "bad.deb"
    bad.write_bytes(b"!<arch>\nnothing of a deb")
    with pytest.raises(PublishError) as raised:
        ftparchive.read_controls([good[1], bad])
    assert str(bad) in raised.value.brief and str(good[1]) not in raised.value.brief
    assert "dpkg-deb --info" in raised.value.resolution


def test_a_control_file_cannot_bring_a_second_stanza(tmp_path: Path) -> None:
    need("apt-ftparchive")
    _, path = tiny_deb(tmp_path / "a.deb", CONTROL + (
        "\nPackage: evil\nVersion: 9\nArchitecture: all\nFilename: x\nSize: 1\nMD5sum: 1\nSHA256: 1\n"))
    controls = ftparchive.read_controls([path])
    assert [dict(control.fields)["Package"] for control in controls.values()] == ["foo"]


def test_nothing_to_read_starts_nothing() -> None:
    assert ftparchive.read_controls([]) == {}


@pytest.mark.parametrize("repeated", [0, 1000, 200_000])
def test_compression_gives_the_same_bytes_each_time(repeated: int) -> None:
    content = b"Package: foo\n" * repeated
    for form, expand in ((".gz", gzip.decompress), (".xz", lzma.decompress), ("", bytes)):
        first = ftparchive.compress(content, form)
        assert expand(first) == content
        assert ftparchive.compress(content, form) == first
    # gzip's header (RFC 1952): no name, no time.
    assert ftparchive.compress(content, ".gz")[3:8] == b"\x00" * 5
