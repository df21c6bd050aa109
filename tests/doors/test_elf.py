# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import io
import lzma
import struct
from typing import Any

import pytest

from debxcross.core.architecture import ARCHITECTURES
from debxcross.core.gate import architecture_verdicts, failed
from debxcross.core.processor import Code
from debxcross.doors import elf
from tests.playground import MACHINES, make_ar, make_elf


@pytest.mark.parametrize("name", sorted(MACHINES))
def test_each_architecture_passes_its_own_gate_only(name: str) -> None:
    facts = elf.read(make_elf(name), "usr/bin/x")
    assert facts is not None and facts.damage == ""
    passes = [other for other in MACHINES if not failed(architecture_verdicts(facts, ARCHITECTURES[other]))]
    assert passes == [name]


def test_dynamic_section() -> None:
    content = make_elf("armel", needed=["libc.so.6", "libz.so.1"], soname="libx.so.2", runpath="$ORIGIN/a:/b")
    facts = elf.read(io.BytesIO(content), "libx.so.2")
    assert facts is not None
    assert facts.needed == ("libc.so.6", "libz.so.1")
    assert (facts.soname, facts.runpath, facts.rpath) == ("libx.so.2", ("$ORIGIN/a", "/b"), ())
    assert (facts.type, facts.bits, facts.little_endian) == ("ET_DYN", 32, True)


def test_debug_file_has_no_dynamic_section_left() -> None:
    facts = elf.read(make_elf("amd64", needed=["libc.so.6"], debug=True), "x.debug")
    assert facts is not None
    assert (facts.needed, facts.damage) == ((), "")


@pytest.mark.parametrize(("kind", "flags", "attributes", "expected"), [
    (3, 0x5000200, None, "soft"),
    (2, 0x5000400, None, "hard"),
    (3, 0x5000000, {28: 1}, "hard"),          # an older linker: only the attribute says it
    (1, 0x5000000, {28: 1}, "hard"),
    (1, 0x5000000, {28: 0}, "soft"),
    (1, 0x5000000, {28: 3}, ""),              # made to fit both
    (1, 0x5000000, {23: 3}, "soft"),          # a compiler's object without the tag
    (1, 0x5000000, {6: 3}, ""),               # assembled: does not commit itself
    (1, 0x5000000, None, ""),
    (1, 0x5000200, None, ""),                 # the bit means something else in objects
])
def test_arm_float_abi(kind: int, flags: int, attributes: dict[int, int] | None, expected: str) -> None:
    facts = elf.read(make_elf("armel", kind=kind, flags=flags, attributes=attributes), "x")
    assert facts is not None and facts.damage == ""
    assert facts.float_abi == expected


def test_archive_members_with_short_and_long_names() -> None:
    long_name = "a_name_longer_than_sixteen.o"
    archive = make_ar([("adler32.o", make_elf("armel", kind=1)), ("note.txt", b"odd"),
                       (long_name, make_elf("amd64", kind=1))])
    found = elf.read_all(archive, "usr/lib/libz.a")
    assert [(facts.path, facts.machine) for facts in found] == [
        ("usr/lib/libz.a(adler32.o)", "EM_ARM"), (f"usr/lib/libz.a({long_name})", "EM_X86_64")]


@pytest.mark.parametrize("content", [b"", b"#!/bin/sh\n", b"\x7fEL", b"!<arch>\n", b"!<arch>\nbroken"])
def test_what_is_no_elf_file_has_no_facts(content: bytes) -> None:
    assert elf.read(content, "x") is None
    assert elf.read_all(content, "x") == ()


@pytest.mark.parametrize("length", [4, 10, 19, 40, 60, 100])
def test_a_cut_file_is_damaged_not_unknown(length: int) -> None:
    facts = elf.read(make_elf("armel", needed=["libc.so.6"])[:length], "x")
    assert facts is not None and facts.damage
    assert failed(architecture_verdicts(facts, ARCHITECTURES["armel"]))


@pytest.mark.parametrize(("options", "path", "said"), [
    ({}, "usr/lib/libx.so.1", ""),
    ({"calls": ["malloc"]}, "usr/lib/libx.so.1", ""),
    ({"calls": ["malloc", "getauxval"]}, "usr/lib/libx.so.1", "it calls getauxval"),
    ({"indirect": True}, "bin/busybox", "it has indirect functions (IFUNC)"),
    ({"rest": b"x\0/proc/cpuinfo\0"}, "usr/lib/libx.so.1", "it reads /proc/cpuinfo"),
    ({"calls": ["__sigsetjmp", "signal"]}, "usr/lib/libx.so.1",
     "it comes back from signals, as after trying an instruction"),
    ({"calls": ["__sigsetjmp", "signal"], "contents": {".interp": b"/lib/ld-linux.so.3\0"}}, "usr/bin/x", ""),
    ({}, "usr/lib/arm-linux-gnueabi/neon/libx.so.1",
     "the dynamic linker takes it only where the processor fits"),
])
def test_how_code_is_chosen(options: dict[str, Any], path: str, said: str) -> None:
    assert elf.chooses(make_elf("armel", **options), path) == said


def test_one_member_of_an_archive_chooses_for_all() -> None:
    """libnettle.a: one member has the NEON code, another asks the processor."""
    asks, has = make_elf("armel", kind=1, calls=["getauxval"]), make_elf("armel", kind=1, attributes={12: 1})
    assert elf.chooses(make_ar([("fat.o", asks), ("neon.o", has)]), "libx.a") == "it calls getauxval"
    assert elf.chooses(make_ar([("neon.o", has)]), "libx.a") == ""
    assert elf.chooses(make_ar([("cut.o", asks[:90]), ("neon.o", has)]), "libx.a") == ""


def test_what_a_file_says_of_its_processor() -> None:
    def code(content: bytes) -> Code:
        facts = elf.read(content, "x")
        assert facts is not None and not facts.damage
        return facts.code
    assert code(make_elf("armel", attributes={6: 10, 8: 1, 12: 1})) == Code(
        arm=(("TAG_CPU_ARCH", 10), ("TAG_ADVANCED_SIMD_ARCH", 1)))
    flags = struct.pack("<HBBBBBBIIII", 0, 32, 2, 1, 1, 0, 5, 0, 0x200, 1, 0)
    assert code(make_elf("mipsel", contents={".MIPS.abiflags": flags})).mips == (2, 0, 0x200)
    pairs = b"\x05rv64gcv\0"
    isa = b"A" + struct.pack("<I", 24) + b"riscv\0\x01" + struct.pack("<I", len(pairs) + 5) + pairs
    assert code(make_elf("riscv64", contents={".riscv.attributes": isa})).riscv == "rv64gcv"
    note = struct.pack("<III", 4, 16, 5) + b"GNU\0" + struct.pack("<IIII", 0xC0008002, 4, 7, 0)
    assert code(make_elf("amd64", contents={".note.gnu.property": note})).x86 == 7
    assert code(make_elf("arm64", contents={".note.gnu.property": note})).x86 == 0


def test_kernel_modules() -> None:
    information = {".modinfo": b"license=GPL\0vermagic=6.1.0 ARMv7 p2v8 \0"}
    module = make_elf("armel", kind=1, contents=information)
    facts = elf.read(module, "x.ko")
    assert facts is not None and facts.code.kernel == "6.1.0 ARMv7 p2v8"
    linked = elf.read(make_elf("armel", contents=information), "x.so")
    assert linked is not None and linked.code.kernel == ""
    assert elf.unpacked("x.ko.xz", lzma.compress(module)) == module == elf.unpacked("x.ko", module)
    assert elf.unpacked("x.ko.xz", b"no archive") == b"no archive"


def test_strings_are_found_across_blocks_and_shown_whole() -> None:
    block = elf._BLOCK
    for offset in (0, block - 3, block - 10, block - 30, 2 * block - 1):
        content = b"\0" * offset + b"/home/someone/src/x.c\0" + b"\0" * 500
        assert elf.find_strings(io.BytesIO(content), [b"/home/", b"/nowhere"]) == ("/home/someone/src/x.c",)
    assert elf.find_strings(b"\0\1/work/a\0/work/b\0/work/a", [b"/work/"]) == ("/work/a", "/work/b")
    assert elf.find_strings(b"anything", []) == ()
