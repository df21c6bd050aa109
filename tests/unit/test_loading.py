# SPDX-License-Identifier: GPL-3.0-or-later
"""Loading: what is loaded, how, and what the dynamic linker's words mean."""
from __future__ import annotations

import pytest

from debxcross.core.chain.loading import judge, loadable, script
from debxcross.core.gate import ElfFacts
from debxcross.errors import TrialError


def facts(path: str, *needed: str, kind: str = "ET_DYN", soname: str = "") -> ElfFacts:
    return ElfFacts(path, 32, False, "EM_PPC", 0, kind, needed=needed, soname=soname)


LIBZ = facts("lib/powerpc-linux-gnu/libz.so.1", "libc.so.6", soname="libz.so.1")
PROGRAM = facts("usr/bin/openssl", "libcrypto.so.3", kind="ET_EXEC")


def test_what_the_dynamic_linker_loads() -> None:
    others = (facts("usr/lib/x.o", kind="ET_REL"), facts("usr/bin/static", kind="ET_EXEC"),
              facts("usr/lib/debug/.build-id/ab/c.debug", "libc.so.6"))
    assert loadable((PROGRAM, *others, LIBZ)) == (LIBZ, PROGRAM)


def test_every_file_is_asked_for_with_the_libraries_directories() -> None:
    lines = script((LIBZ, PROGRAM), "/lib/ld.so.1").splitlines()
    assert "export LD_LIBRARY_PATH=/build/reproducible-path/loaded/lib/powerpc-linux-gnu" in lines
    assert [line for line in lines if "--list" in line] == [
        "timeout 60 /lib/ld.so.1 --list ./lib/powerpc-linux-gnu/libz.so.1 2>&1",
        "timeout 60 /lib/ld.so.1 --list ./usr/bin/openssl 2>&1"]
    assert "'./usr/bin/a b;c'" in script((facts("usr/bin/a b;c", "libc.so.6"),), "/lib/ld.so.1")


GOOD = (f"\tlibc.so.6 => /lib/powerpc-linux-gnu/libc.so.6 (0x3f5c0000)\ndebxcross-loads 0 {LIBZ.path}\n"
        "\tlibcrypto.so.3 => x\ndebxcross-loads 0 usr/bin/openssl\n")


@pytest.mark.parametrize(("said", "fault"), [
    (GOOD.replace("=> x", "=> not found"), "usr/bin/openssl: libcrypto.so.3 => not found"),
    (GOOD.replace("loads 0 usr", "loads 127 usr"), "usr/bin/openssl: libcrypto.so.3 => x"),
    (GOOD.replace("\tlibcrypto.so.3 => x\ndebxcross-loads 0", "debxcross-loads 139"), "openssl: status 139"),
    (GOOD.split("\tlibcrypto")[0] + "sh: killed\n", "of 2 files 1 were tried: sh: killed"),
    ("", "of 2 files 0 were tried"),
])
def test_what_does_not_load_is_told(said: str, fault: str) -> None:
    judge(GOOD, (LIBZ, PROGRAM))
    with pytest.raises(TrialError, match="do not load") as caught:
        judge(said, (LIBZ, PROGRAM))
    assert fault in caught.value.details
