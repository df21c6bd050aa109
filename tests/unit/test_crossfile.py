# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import configparser

import pytest

from debxcross.core.architecture import ARCHITECTURES, architecture
from debxcross.core.build import commands
from debxcross.core.wheel import cross

ARMEL = architecture("armel")


def test_the_three_settings_come_together() -> None:
    found = cross.environment("3.11", ARMEL, "/tools", "_sysconfigdata__arm-linux-gnueabi")
    assert found["_PYTHON_SYSCONFIGDATA_NAME"] == "_sysconfigdata__arm-linux-gnueabi"
    assert found["PYTHONPATH"] == "/debxcross/sysroot/debxcross/python/lib/python3.11:/tools"
    assert found["_PYTHON_HOST_PLATFORM"] == "linux-armv5tel"


def test_compilers_are_those_of_the_sysroot() -> None:
    found = cross.environment("2.7", ARMEL, "/tools", "")
    assert found["PYTHONPATH"].startswith("/debxcross/sysroot/usr/lib/python2.7/plat-arm-linux-gnueabi:")
    cc = "/debxcross/sysroot/debxcross/bin/armel-cc"
    assert (found["CC"], found["LDSHARED"]) == (cc, f"{cc} -shared")
    assert found["CARGO_TARGET_ARMV5TE_UNKNOWN_LINUX_GNUEABI_LINKER"] == cc
    assert found["PKG_CONFIG_LIBDIR"].startswith("/debxcross/sysroot/usr/lib/arm-linux-gnueabi/pkgconfig:")


def test_suffixes() -> None:
    path = cross.environment("3.11", ARMEL, "/tools", "x")["PATH"]
    assert path == "/build/cross/bin:/tools/bin:/usr/bin:/bin"
    assert cross.extension_suffixes("2.7", ARMEL) == (".so",)
    assert cross.extension_suffixes("3.11", ARMEL) == (
        ".cpython-311-arm-linux-gnueabi.so", ".abi3.so", ".so")


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_meson_can_read_its_file(name: str) -> None:
    parser = configparser.ConfigParser()
    parser.read_string(cross.meson_text("3.11", architecture(name)))
    assert parser["binaries"]["c"] == f"'/debxcross/sysroot/debxcross/bin/{name}-cc'"
    assert "exe_wrapper" not in parser["binaries"]
    assert parser["properties"]["longdouble_format"].strip("'").endswith(("LE", "BE"))
    assert parser["host_machine"]["endian"] == (
        "'little'" if architecture(name).elf.little_endian else "'big'")


def test_cmake_is_told_what_the_sysroot_does_not_know() -> None:
    text = cross.cmake_text("3.11", ARMEL, "/tools")
    assert text.startswith("include(/debxcross/sysroot/debxcross/toolchain.cmake)\n")
    assert "set(Python_SOABI cpython-311-arm-linux-gnueabi)" in text
    assert "list(APPEND CMAKE_FIND_ROOT_PATH /tools)" in text


def test_numpys_header_gets_the_sizes_of_the_host() -> None:
    here = ("#define NPY_SIZEOF_INT 4\n#define NPY_SIZEOF_LONG 8\n#define NPY_SIZEOF_LONGDOUBLE 16\n"
            "#define NPY_SIZEOF_COMPLEX_LONGDOUBLE 32\n#define NPY_SIZEOF_PY_INTPTR_T 8\n"
            "#define NPY_SIZEOF_INTP 8\n#define NPY_SIZEOF_LONGLONG 8\n")
    # As numpy's own build for armel writes them.
    assert cross.numpy_configuration(here, ARMEL) == (
        "#define NPY_SIZEOF_INT 4\n#define NPY_SIZEOF_LONG 4\n#define NPY_SIZEOF_LONGDOUBLE 8\n"
        "#define NPY_SIZEOF_COMPLEX_LONGDOUBLE 16\n#define NPY_SIZEOF_PY_INTPTR_T 4\n"
        "#define NPY_SIZEOF_INTP 4\n#define NPY_SIZEOF_LONGLONG 8\n")
    assert cross.numpy_configuration(here, architecture("riscv64")) == here


def test_scripts_keep_the_projects_own_words() -> None:
    script = commands.hook_script("wheel", "/build/x y", "3.11", "armel", "/i", {"CC": "a b"}, ("X=it's",))
    assert 'export CPPFLAGS="-I/i $CPPFLAGS"\n' in script
    assert "cd '/build/x y'\n" in script and "export CC='a b'\n" in script
    assert script.index("export CC") < script.index("export 'X=it'\"'\"'s'")
    assert "zipfile" in commands.unpack_sdist_script("/s/x.zip", "3.11")
