# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from debxcross.doors.sourcefile import file_in_diff, read_changelog, read_control
from debxcross.errors import GateError
from tests.integration.archive import TinySource, make_source
from tests.tools import need

CONTROL = "Source: tiny\n\nPackage: tiny\nDescription: grün\n -- not a header\n"
OTHER = "Source: other\n"


def tarball(path: Path, files: dict[str, str], compression: str = "xz") -> Path:
    with tarfile.open(path, f"w:{compression}") as archive:  # type: ignore[call-overload]
        for name, text in files.items():
            information = tarfile.TarInfo(name)
            information.size = len(text.encode())
            archive.addfile(information, io.BytesIO(text.encode()))
    return path


def added(path: str, text: str) -> str:
    lines = text.splitlines()
    return (f"--- tiny-1.0.orig/{path}\n+++ tiny-1.0/{path}\n@@ -0,0 +1,{len(lines)} @@\n"
            + "".join(f"+{line}\n" for line in lines))


@pytest.mark.parametrize("ending", ["gz", "xz", "bz2"])
def test_format_3_quilt(tmp_path: Path, ending: str) -> None:
    files = {
        "tiny_1.0.orig.tar.gz": tarball(tmp_path / "orig", {"tiny-1.0/debian/control": OTHER}, "gz"),
        f"tiny_1.0-1.debian.tar.{ending}": tarball(
            tmp_path / "debian", {"debian/changelog": "x", "debian/control": CONTROL}, ending),
        "tiny_1.0-1.dsc": tmp_path / "dsc",
    }
    assert read_control(files) == CONTROL


@pytest.mark.parametrize("first", ["tiny-1.0/", "./tiny-1.0/", ""])
def test_a_native_tarball_with_another_control_in_its_test_data(tmp_path: Path, first: str) -> None:
    path = tarball(tmp_path / "tar", {
        f"{first}a/b/debian/control": OTHER, f"{first}debian/control.in": OTHER,
        f"{first}notdebian/control": OTHER, f"{first}debian/control": CONTROL})
    assert read_control({"tiny_1.0.tar.xz": path, "tiny_1.0.dsc": tmp_path / "dsc"}) == CONTROL


def test_format_1_with_a_diff(tmp_path: Path) -> None:
    diff = (added("debian/changelog", "x\n") + added("tests/data/debian/control", OTHER)
            + added("debian/control", CONTROL) + added("debian/rules", "#!/usr/bin/make -f\n"))
    path = tmp_path / "diff"
    path.write_bytes(gzip.compress(diff.encode()))
    orig = tarball(tmp_path / "orig", {"tiny-1.0/README": "x"}, "gz")
    assert read_control({"tiny_1.0-1.diff.gz": path, "tiny_1.0.orig.tar.gz": orig}) == CONTROL
    assert file_in_diff(diff.replace(".orig/", "/"), "control") == CONTROL
    assert read_changelog({"tiny_1.0-1.diff.gz": path, "tiny_1.0.orig.tar.gz": orig}) == "x\n"


def test_a_diff_that_leaves_control_to_the_tarball(tmp_path: Path) -> None:
    path = tmp_path / "diff"
    path.write_bytes(gzip.compress(added("debian/rules", "x\n").encode()))
    orig = tarball(tmp_path / "orig", {"tiny-1.0/debian/control": CONTROL}, "gz")
    assert read_control({"tiny_1.0-1.diff.gz": path, "tiny_1.0.orig.tar.gz": orig}) == CONTROL


def test_what_dpkg_source_makes(tmp_path: Path) -> None:
    need("dpkg-source")
    source = TinySource("alpha", "debhelper, libbeta-dev")
    make_source(source, tmp_path)
    assert read_control({path.name: path for path in tmp_path.iterdir()}) == source.control


def test_no_control_is_told(tmp_path: Path) -> None:
    path = tarball(tmp_path / "tar", {"tiny-1.0/README": "x", "a/b/debian/control": OTHER})
    with pytest.raises(GateError, match="no debian/control in tiny_1.0.dsc, tiny_1.0.tar.xz") as raised:
        read_control({"tiny_1.0.tar.xz": path, "tiny_1.0.dsc": tmp_path / "dsc"})
    assert raised.value.resolution


@pytest.mark.parametrize("name", ["tiny_1.0.tar.xz", "tiny_1.0.tar.gz", "tiny_1.0-1.diff.gz"])
@pytest.mark.parametrize("kept", [0, 10, 200])
def test_half_a_file_is_told(tmp_path: Path, name: str, kept: int) -> None:
    noise = "\n".join(hashlib.sha256(bytes([number])).hexdigest() for number in range(100))
    whole = tarball(tmp_path / "whole", {"tiny-1.0/noise": noise, "tiny-1.0/debian/control": CONTROL},
                    "xz" if name.endswith("xz") else "gz")
    path = tmp_path / name
    content = whole.read_bytes() if "tar" in name else gzip.compress(added("debian/control", noise).encode())
    assert len(content) > 200
    path.write_bytes(content[:kept])
    with pytest.raises(GateError):
        read_control({name: path})
