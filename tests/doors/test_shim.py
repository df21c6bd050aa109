# SPDX-License-Identifier: GPL-3.0-or-later
"""Shims as dpkg-deb packs and unpacks them."""
from __future__ import annotations

import os
from pathlib import Path

import pytest

from debxcross.core.architecture import architecture
from debxcross.core.build.environment import PackageFile
from debxcross.core.build.shims import Shim, Twin, control_of
from debxcross.doors import deb, process, shim
from debxcross.errors import GateError
from tests.playground import make_deb
from tests.tools import need

HOST = architecture("ppc64")
LIB = "usr/powerpc64-linux-gnu/lib"


@pytest.fixture
def cross(tmp_path: Path) -> Path:
    path = tmp_path / "libc6-ppc64-cross_2.36-8cross1_all.deb"
    make_deb(path, {"Package": "libc6-ppc64-cross", "Version": "2.36-8cross1", "Architecture": "all"}, {
        f"{LIB}/libc.so.6": b"the library", f"{LIB}/ld64.so.1": b"the linker",
        f"{LIB}/libm.so.6": "libm-2.36.so", f"{LIB}/libm-2.36.so": b"not a library's name",
        f"{LIB}/libevil.so.1": "../../../etc/passwd",
        "usr/powerpc64-linux-gnu/lib64/ld64.so.1": "../lib/ld64.so.1",
        "usr/share/doc/libc6-ppc64-cross/README": b"no"})
    return path


def packed(cross: Path | None, directory: Path) -> Path:
    need("dpkg-deb")
    directory.mkdir()
    one = Shim("libc6", Twin("2.36-9+deb12u14"), PackageFile(
        "x:", "libc6-ppc64-cross_1_all.deb", 1, "0" * 64))
    return shim.pack(cross, control_of(one, "ppc64", ["libc6"]), HOST, directory)


def test_a_shim_has_libraries_and_the_linker_where_programs_look(cross: Path, tmp_path: Path) -> None:
    made = packed(cross, tmp_path / "one")
    assert made.name == "libc6_2.36-9+deb12u14_ppc64.deb"
    members = {one.path: one for one in deb.members(made)}
    files = {path: one for path, one in members.items() if one.type != "directory"}
    assert sorted(files) == [
        "lib/powerpc64-linux-gnu/ld64.so.1", "lib/powerpc64-linux-gnu/libc.so.6",
        "lib/powerpc64-linux-gnu/libm.so.6", "lib64/ld64.so.1"]
    assert files["lib64/ld64.so.1"].link_target == "../lib/powerpc64-linux-gnu/ld64.so.1"
    assert {one.owner for one in members.values()} == {"root/root"}
    assert deb.read_facts(made).control["Package"] == "libc6"


def test_its_bytes_depend_on_no_clock_and_no_umask(cross: Path, tmp_path: Path) -> None:
    first = packed(cross, tmp_path / "one").read_bytes()
    before = os.umask(0o077)
    try:
        second = packed(cross, tmp_path / "two").read_bytes()
    finally:
        os.umask(before)
    assert first == second


def test_an_empty_shim_is_a_name(tmp_path: Path) -> None:
    made = packed(None, tmp_path / "one")
    assert [one.path for one in deb.members(made) if one.type != "directory"] == []
    assert process.run(["dpkg-deb", "--field", str(made), "Version"]).stdout.strip() == "2.36-9+deb12u14"


def test_a_damaged_package_is_refused(cross: Path, tmp_path: Path) -> None:
    cross.write_bytes(cross.read_bytes()[:200])
    with pytest.raises(GateError, match="not a whole Debian binary package"):
        packed(cross, tmp_path / "one")
