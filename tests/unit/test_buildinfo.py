# SPDX-License-Identifier: GPL-3.0-or-later
"""The .buildinfo of a wheel's deb, read again by python-debian."""
from __future__ import annotations

from debian.deb822 import BuildInfo

from debxcross.core.artifact import StoredFile
from debxcross.core.build.buildinfo import buildinfo, file_name
from debxcross.core.build.environment import Environment, InstalledPackage, PackageFile

BASE = tuple(InstalledPackage(name, architecture, version, "a" * 64) for name, architecture, version in (
    ("gcc", "amd64", "4:12.2"), ("libc6", "armel", "2.36"), ("perl", "amd64", "5.36")))
ADDED = tuple(PackageFile("u", f"{name}.deb", 1, "b" * 64) for name in ("perl_5.38_amd64", "bc_1%3a2_all"))
CONTROL = {"Package": "python-cffi", "Version": "1.15.1-1", "Architecture": "armel"}


def text(*files: StoredFile) -> str:
    deb = StoredFile("python-cffi_1.15.1-1_armel.deb", "f" * 64, 1234)
    return buildinfo(CONTROL, deb, "amd64", Environment(BASE, ADDED), files, 1600000000)


def test_others_can_read_it() -> None:
    read = BuildInfo(text(StoredFile("cffi-1.15.1.tar.gz", "1" * 64, 99)))
    assert (read["Source"], read["Version"], read["Build-Architecture"]) == (
        "python-cffi", "1.15.1-1", "amd64")
    assert [(one["name"], one["size"], one["sha256"]) for one in read["Checksums-Sha256"]] == [
        ("python-cffi_1.15.1-1_armel.deb", "1234", "f" * 64)]
    assert read.get_environment() == {"SOURCE_DATE_EPOCH": "1600000000"}
    assert {one[0]["name"]: one[0]["version"] for one in read.relations["installed-build-depends"]} == {
        "bc": ("=", "1:2"), "gcc": ("=", "4:12.2"), "libc6": ("=", "2.36"), "perl": ("=", "5.38")}
    assert " libc6:armel (= 2.36),\n" in text()
    assert read["Pinned-Files"].split() == ["1" * 64, "99", "cffi-1.15.1.tar.gz"]


def test_it_says_nothing_of_files_when_there_are_none() -> None:
    assert "Pinned-Files" not in text() and text() == text()


def test_its_name_is_that_of_the_build() -> None:
    assert file_name("python-six_1.16.0-1_all.deb", "armel") == "python-six_1.16.0-1_armel.buildinfo"
