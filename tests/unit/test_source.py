# SPDX-License-Identifier: GPL-3.0-or-later
"""Source packages: which binaries a build must leave and what it needs of the host architecture."""
from __future__ import annotations

import pytest
from debian.deb822 import Deb822, PkgRelation
from debian.debian_support import DpkgArchTable

from debxcross.core.archive.source import (
    SourcePackage, expected_binaries, from_fields, host_needs, profile_list_holds, relation_applies,
)
from debxcross.core.artifact import StoredFile

CROSS = ("cross", "nocheck", "noudeb", "nobiarch")

# Both are stanzas of a Sources index, abbreviated.
ZLIB = """\
Package: zlib
Binary: zlib1g, zlib1g-dev, zlib1g-udeb, lib64z1, lib64z1-dev, minizip
Version: 1:1.2.13.dfsg-1
Architecture: any
Build-Depends: debhelper (>= 13),
 gcc-multilib [amd64 i386 powerpc ppc64 s390 sparc s390x mipsn32 x32] <!nobiarch>,
 dpkg-dev (>= 1.16.1), autoconf
Package-List:
 lib64z1 deb libs optional arch=sparc,s390,i386,powerpc,mips,mipsel,x32 profile=!nobiarch
 lib64z1-dev deb libdevel optional arch=sparc,s390,i386,powerpc,mips,mipsel,x32 profile=!nobiarch
 minizip deb utils optional arch=any
 zlib1g deb libs optional arch=any
 zlib1g-dev deb libdevel optional arch=any
 zlib1g-udeb udeb debian-installer optional arch=any
Checksums-Sha256:
 9c2dc7ef6ebaacb8cf9cb2bb5fce83a9a1e5a1a1fe1d4d9f7bfc0f7f4e7d8a10 2316 zlib_1.2.13.dfsg-1.dsc
 4cbb0f21ef9b1dd2e5f5a9a86b3d0b7f1f2d6b0a2c4c3f3a2b1a0918171615aa 301936 zlib_1.2.13.dfsg.orig.tar.bz2
 1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f809 17776 zlib_1.2.13.dfsg-1.debian.tar.xz
"""
PYTHON = """\
Package: python2.7
Binary: python2.7, libpython2.7-stdlib, libpython2.7, python2.7-examples, python2.7-dev
Version: 2.7.18-8+deb11u1
Build-Depends: debhelper (>= 9), dpkg-dev (>= 1.17.11), quilt, autoconf, autotools-dev, lsb-release,
 sharutils,
 libreadline-dev, libtinfo-dev, libncursesw5-dev (>= 5.3), tk-dev, blt-dev (>= 2.4z), libssl-dev, zlib1g-dev,
 libbz2-dev, libexpat1-dev, libbluetooth-dev [linux-any] <!pkg.python2.7.nobluetooth>,
 locales [!armel !avr32],
 libsqlite3-dev, libffi-dev (>= 3.0.5) [!or1k !avr32], libgpm2 [linux-any], mime-support, netbase, net-tools,
 bzip2, time, libdb-dev (<< 1:6.0) | libdb5.3-dev, libgdbm-dev, help2man, xvfb <!nocheck>, xauth <!nocheck>,
 python2.7:any <cross>, gcc:native
Build-Depends-Indep: python3-sphinx
Package-List:
 idle-python2.7 deb python optional arch=all
 libpython2.7 deb libs optional arch=any
 libpython2.7-stdlib deb python optional arch=any
 python2.7 deb python optional arch=any
 python2.7-dev deb python optional arch=any
 python2.7-doc deb doc optional arch=all
 python2.7-examples deb python optional arch=all
Checksums-Sha256:
 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 3 python2.7_2.7.18-8+deb11u1.dsc
"""


def source(text: str, suite: str = "bookworm") -> SourcePackage:
    return from_fields(dict(Deb822(text.splitlines())), suite)


def test_files_by_name_with_the_dsc_among_them() -> None:
    zlib = source(ZLIB)
    assert (zlib.name, zlib.version, zlib.suite) == ("zlib", "1:1.2.13.dfsg-1", "bookworm")
    assert [file.name for file in zlib.files] == [
        "zlib_1.2.13.dfsg-1.debian.tar.xz", "zlib_1.2.13.dfsg-1.dsc", "zlib_1.2.13.dfsg.orig.tar.bz2"]
    assert zlib.dsc == StoredFile("zlib_1.2.13.dfsg-1.dsc", "9c2dc7ef6ebaacb8cf9cb2bb5fce83a9"
                                  "a1e5a1a1fe1d4d9f7bfc0f7f4e7d8a10", 2316)


@pytest.mark.parametrize(("host", "profiles", "expected"), [
    ("armel", CROSS, ("minizip", "zlib1g", "zlib1g-dev")),
    ("mipsel", CROSS, ("minizip", "zlib1g", "zlib1g-dev")),
    ("mipsel", ("nocheck",), ("lib64z1", "lib64z1-dev", "minizip", "zlib1g", "zlib1g-dev")),
    ("armel", (), ("minizip", "zlib1g", "zlib1g-dev")),
])
def test_zlibs_binaries(host: str, profiles: tuple[str, ...], expected: tuple[str, ...],
                        table: DpkgArchTable) -> None:
    assert expected_binaries(source(ZLIB), host, profiles, table) == expected


def test_packages_for_all_architectures_are_not_expected(table: DpkgArchTable) -> None:
    assert expected_binaries(source(PYTHON), "armel", CROSS, table) == (
        "libpython2.7", "libpython2.7-stdlib", "python2.7", "python2.7-dev")


def test_wildcards_in_package_list(table: DpkgArchTable) -> None:
    text = PYTHON.replace("arch=any", "arch=linux-any", 1).replace("arch=any", "arch=any-amd64,all", 1)
    assert "libpython2.7" in expected_binaries(source(text), "armel", CROSS, table)
    assert "libpython2.7-stdlib" not in expected_binaries(source(text), "armel", CROSS, table)


def test_sources_without_package_list(table: DpkgArchTable) -> None:
    text = "\n".join(line for line in ZLIB.splitlines() if "arch=" not in line and "Package-List" not in line)
    assert expected_binaries(source(text), "armel", CROSS, table) == (
        "lib64z1", "lib64z1-dev", "minizip", "zlib1g", "zlib1g-dev")


@pytest.mark.parametrize(("formula", "profiles", "holds"), [
    ("", (), True), ("!nobiarch", CROSS, False), ("!stage1", CROSS, True), ("cross", CROSS, True),
    ("!stage1+!nobiarch", ("stage1",), False), ("!stage1+!nobiarch", (), True),
    ("stage1,stage2", ("stage2",), True), ("stage1,!cross", CROSS, False),
])
def test_profile_formulas(formula: str, profiles: tuple[str, ...], holds: bool) -> None:
    assert profile_list_holds(formula, profiles) is holds


def test_host_needs_of_python(table: DpkgArchTable) -> None:
    names = host_needs(source(PYTHON), "armel", CROSS, table)
    assert {"libssl-dev", "zlib1g-dev", "libffi-dev", "libgpm2", "libbluetooth-dev"} <= set(names)
    assert {"libdb-dev", "libdb5.3-dev"} <= set(names)  # every alternative is an edge
    assert not {"locales", "xvfb", "xauth", "python2.7", "gcc", "python3-sphinx"} & set(names)
    assert names == tuple(sorted(names))
    assert "locales" in host_needs(source(PYTHON), "armhf", CROSS, table)
    assert "xvfb" in host_needs(source(PYTHON), "armel", ("cross",), table)


def test_build_depends_arch_counts_too(table: DpkgArchTable) -> None:
    text = PYTHON.replace("Build-Depends-Indep: python3-sphinx", "Build-Depends-Arch: libpam0g-dev")
    assert "libpam0g-dev" in host_needs(source(text), "armel", CROSS, table)


@pytest.mark.parametrize(("relation", "holds"), [
    ("a", True), ("a [armel]", True), ("a [!armel]", False), ("a [amd64 i386]", False),
    ("a [!amd64 !i386]", True), ("a [any-arm]", True), ("a [linux-any]", True), ("a [!linux-any]", False),
    ("a [hurd-any]", False), ("a <!cross>", False), ("a <!nocheck> <cross>", True),
    ("a <cross !nocheck>", False), ("a <cross nocheck>", True), ("a [armel] <!nocheck>", False),
])
def test_restrictions(relation: str, holds: bool, table: DpkgArchTable) -> None:
    parsed = PkgRelation.parse_relations(relation)[0][0]
    assert relation_applies(parsed, "armel", CROSS, table) is holds
