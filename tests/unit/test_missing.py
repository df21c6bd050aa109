# SPDX-License-Identifier: GPL-3.0-or-later
"""What the words of compilers and build systems say that a build lacked, and which package has it."""
from __future__ import annotations

import pytest

from debxcross.core.build.missing import (
    CMAKE, HEADER, LIBRARY, MODULE, PKG_CONFIG, PROGRAM, RUSTC, Holder, Missing, build_requirement,
    file_names, missing_of, name_package,
)

ARM = "arm-linux-gnueabihf"


@pytest.mark.parametrize("line,kind,name", [
    ("src/x.c:3:10: fatal error: zlib.h: No such file or directory", HEADER, "zlib.h"),
    ("a.c:1:10: fatal error: 'openssl/ssl.h' file not found", HEADER, "openssl/ssl.h"),
    ("../meson.build:31:12: ERROR: Dependency \"cairo\" not found, tried pkgconfig", PKG_CONFIG, "cairo"),
    ("/usr/bin/arm-linux-gnueabihf-ld: cannot find -lkrb5: No such file or directory", LIBRARY, "krb5"),
    ("ld.lld: error: unable to find library -lhdf5", LIBRARY, "hdf5"),
    ("../meson.build:5:0: ERROR: C shared or static library 'lapack' not found", LIBRARY, "lapack"),
    ("  Could NOT find ZLIB (missing: ZLIB_LIBRARY ZLIB_INCLUDE_DIR)", CMAKE, "ZLIB"),
    ("  Could not find a package configuration file provided by \"Snappy\" with any of", CMAKE, "Snappy"),
    ("/bin/sh: 1: swig: not found", PROGRAM, "swig"),
    ("./build.sh: line 3: bison: command not found", PROGRAM, "bison"),
    ("/bin/sh: 1: mysql_config: not found", PROGRAM, "mysql_config"),
    ("error: command 'swig' failed: No such file or directory", PROGRAM, "swig"),
    ("FileNotFoundError: [Errno 2] No such file or directory: 'protoc'", PROGRAM, "protoc"),
    ("make[2]: flex: No such file or directory", PROGRAM, "flex"),
    ("Error: pg_config executable not found.", PROGRAM, "pg_config"),
    ("Package 'libsystemd', required by 'virtual:world', not found", PKG_CONFIG, "libsystemd"),
    ("No package 'cairo' found", PKG_CONFIG, "cairo"),
    ("The system library `libusb-1.0` required by crate `libusb1-sys` was not found.", PKG_CONFIG,
     "libusb-1.0"),
    ("error: package `x v1.2.3` cannot be built because it requires rustc 1.70 or newer, while the currently "
     "active rustc version is 1.63.0", RUSTC, "1.70"),
    ("  feature `edition2024` is required", RUSTC, "1.85"),
    ("ModuleNotFoundError: No module named 'Cython'", MODULE, "Cython"),
])
def test_each_tool_s_words(line: str, kind: str, name: str) -> None:
    found = missing_of(f"before\n{line}\nafter\n")
    assert [(one.kind, one.name, one.line) for one in found] == [(kind, name, line.strip())]


@pytest.mark.parametrize("line", [
    "fatal error: Python.h: No such file or directory",  # the build machine's compiler was called
    "fatal error: numpy/arrayobject.h: No such file or directory",  # a build requirement
    "-- Could NOT find Doxygen (missing: DOXYGEN_EXECUTABLE)",  # CMake goes on
    "Run-time dependency cairo found: NO (tried pkgconfig)",  # Meson goes on
    "FileNotFoundError: [Errno 2] No such file or directory: '/build/x/README'",
    "sh: 1: cc: not found", "checking for zlib.h... no", "cannot find the words",
])
def test_what_ends_no_build_or_is_in_no_package_is_not_named(line: str) -> None:
    assert missing_of(line) == ()


def test_what_may_be_done_without_counts_where_nothing_else_is_missing() -> None:
    weak, certain = "No package 'cairo' found", "x.c:1:10: fatal error: zlib.h: No such file or directory"
    assert [one.name for one in missing_of(f"{weak}\n{certain}\n{certain}")] == ["zlib.h"]
    assert [one.name for one in missing_of(weak)] == ["cairo"]


def test_only_the_last_step_of_a_log_counts() -> None:
    assert missing_of("\n==> one\ncannot find -lfoo\n\n==> two\nerror: it is broken\n") == ()


def named(kind: str, name: str, *holders: tuple[str, str, str]) -> tuple[str, tuple[str, ...]] | None:
    found = name_package(Missing(kind, name), [Holder(*one) for one in holders], ARM)
    return (found.package, found.others) if found else None


def test_the_best_place_wins_and_equals_are_told() -> None:
    assert named(HEADER, "zlib.h", ("usr/include/node/zlib.h", "libdevel", "libnode-dev"),
                 ("usr/include/zlib.h", "libdevel", "zlib1g-dev"),
                 ("usr/arm-linux-gnueabihf/include/zlib.h", "libdevel", "cross")) == ("zlib1g-dev", ())
    assert named(HEADER, "openssl/ssl.h", (f"usr/include/{ARM}/openssl/ssl.h", "libdevel", "libssl-dev"),
                 ("usr/include/ssl.h", "libdevel", "no-ssl-dev")) == ("libssl-dev", ())
    assert named(HEADER, "jpeglib.h", ("usr/include/jpeglib.h", "libdevel", "b-dev"),
                 ("usr/include/jpeglib.h", "libdevel", "a-dev")) == ("a-dev", ("b-dev",))
    assert named(HEADER, "x.h", ("usr/include/x.h", "kernel", "a"),
                 ("usr/include/x.h", "libdevel", "z-dev")) == ("z-dev", ())
    assert named(PKG_CONFIG, "cairo", (f"usr/lib/{ARM}/pkgconfig/cairo.pc", "libdevel", "libcairo2-dev")) \
        == ("libcairo2-dev", ())
    assert named(LIBRARY, "z", (f"usr/lib/{ARM}/libz.a", "libdevel", "static"),
                 (f"usr/lib/{ARM}/libz.so", "libdevel", "zlib1g-dev")) == ("zlib1g-dev", ())
    assert named(HEADER, "hdf5.h", ("usr/include/f/hdf5.h", "libdevel", "libflann-dev"),
                 ("usr/include/hdf5/hdf5.h", "libdevel", "libhdf5-mpi-dev"),
                 ("usr/include/hdf5/hdf5.h", "libdevel", "libhdf5-dev")) \
        == ("libhdf5-dev", ("libhdf5-mpi-dev", "libflann-dev"))
    assert named(LIBRARY, "hdf5", (f"usr/lib/{ARM}/hdf5/serial/libhdf5.so", "libdevel", "libhdf5-dev")) \
        == ("libhdf5-dev", ())
    assert named(LIBRARY, "z", ("usr/lib/x86_64-linux-gnu/libz.so", "libdevel", "other")) is None
    assert named(PROGRAM, "swig", ("usr/share/swig", "misc", "no"),
                 ("usr/bin/swig", "interpreters", "swig")) == ("swig", ())
    assert named(CMAKE, "ZLIB", (f"usr/lib/{ARM}/pkgconfig/zlib.pc", "libdevel", "zlib1g-dev")) \
        == ("zlib1g-dev", ())
    assert named(CMAKE, "Snappy", ("usr/include/snappy.h", "libdevel", "libsnappy-dev"),
                 (f"usr/lib/{ARM}/cmake/Snappy/SnappyConfig.cmake", "libdevel", "libsnappy2-dev")) \
        == ("libsnappy2-dev", ())


def test_a_config_program_belongs_to_the_device_s_library() -> None:
    assert not Missing(PROGRAM, "pg_config").here and Missing(PROGRAM, "swig").here
    assert not Missing(HEADER, "zlib.h").here
    assert Missing(PROGRAM, "python3-config").here


def test_every_kind_in_packages_has_file_names() -> None:
    assert file_names(Missing(HEADER, "openssl/SSL.h")) == ("ssl.h",)
    assert "zlibconfig.cmake" in file_names(Missing(CMAKE, "ZLIB"))
    assert file_names(Missing(RUSTC, "1.70")) == ()


def test_a_module_s_project_is_named_only_where_it_is_certain() -> None:
    assert build_requirement(Missing(MODULE, "pkg_resources")) == "setuptools<81"
    assert build_requirement(Missing(MODULE, "leftpad")) == ""
    assert build_requirement(Missing(HEADER, "numpy")) == ""
