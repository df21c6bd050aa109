# SPDX-License-Identifier: GPL-3.0-or-later
"""What files say of the processor they are for, in the bytes that compilers and linkers write."""
from __future__ import annotations

import struct

import pytest

from debxcross.core import processor
from debxcross.core.architecture import ARCHITECTURES
from debxcross.core.processor import BASELINES, Code, beyond


def test_every_architecture_has_a_baseline() -> None:
    assert set(BASELINES) == set(ARCHITECTURES)
    assert all(one.name and one.qemu for one in BASELINES.values())


@pytest.mark.parametrize(("flags", "code", "wanted"), [
    (0x70001007, Code(mips=(2, 0, 0)), ()), (0x50001007, Code(mips=(1, 0, 0)), ()),
    (0x90001407, Code(mips=(6, 0, 0)), ("MIPS32 revision 6", "the NaN encoding of 2008")),
    (0x80000007, Code(), ("MIPS64 revision 2",)),
    (0x70001007, Code(mips=(5, 0, 0)), ("revision 5 of the instruction set",)),
    (0x70001007, Code(mips=(2, 0, 0x200 | 2)), ("DSP revision 2", "MSA")),
    (0x70001007, Code(mips=(2, 17, 0)), ("instructions of one maker's processors (extension 17)",)),
])
def test_mips(flags: int, code: Code, wanted: tuple[str, ...]) -> None:
    assert beyond("EM_MIPS", flags, code, BASELINES["mipsel"]) == wanted


def test_mips64_takes_both_of_revision_2() -> None:
    assert beyond("EM_MIPS", 0x80000007, Code(mips=(2, 0, 0)), BASELINES["mips64el"]) == ()
    assert beyond("EM_MIPS", 0xA0000007, Code(), BASELINES["mips64el"]) == ("MIPS64 revision 6",)


@pytest.mark.parametrize(("isa", "flags", "wanted"), [
    ("", 5, ()), ("rv64gc", 5, ()), ("rv64imafdc_zicsr2p0", 5, ()),
    ("rv64i2p1_m2p0_a2p1_f2p2_d2p2_c2p0_zicsr2p0_zifencei2p0_zmmul1p0_zaamo1p0_zalrsc1p0_zca1p0_zcd1p0",
     5, ()),
    ("rv64i2p1_m2p0_v1p0_zve32x1p0_zvl128b1p0", 5,
     ("the extension v", "the extension zve32x", "the extension zvl128b")),
    ("rv64gcv_zba1p0", 5, ("the extension v", "the extension zba")),
    ("rv64gc", 0x15, ("total store ordering",)),
])
def test_riscv(isa: str, flags: int, wanted: tuple[str, ...]) -> None:
    assert beyond("EM_RISCV", flags, Code(riscv=isa), BASELINES["riscv64"]) == wanted


@pytest.mark.parametrize(("bits", "wanted"), [
    (0, ()), (1, ()), (3, ("x86-64-v2",)), (0b1111, ("x86-64-v2", "x86-64-v3", "x86-64-v4"))])
def test_x86(bits: int, wanted: tuple[str, ...]) -> None:
    assert beyond("EM_X86_64", 0, Code(x86=bits), BASELINES["amd64"]) == wanted


def test_architectures_whose_files_do_not_tell() -> None:
    for name in ("arm64", "ppc64el", "s390x", "loong64"):
        assert beyond(ARCHITECTURES[name].elf.machine, 0xFFFF, Code(), BASELINES[name]) == ()


def test_riscv_attributes() -> None:
    pairs = b"\x04\x10" + b"\x05rv64i2p1_m2p0\0" + b"\x06\x01"   # stack alignment, the ISA, unaligned access
    part = b"\x01" + struct.pack("<I", len(pairs) + 5) + pairs
    section = b"A" + struct.pack("<I", len(part) + 10) + b"riscv\0" + part
    assert processor.riscv_isa(section) == "rv64i2p1_m2p0"
    assert processor.riscv_isa(b"") == "" and processor.riscv_isa(b"Anothing of the kind") == ""


def test_mips_flags() -> None:
    section = struct.pack("<HBBBBBBIIII", 0, 32, 2, 1, 1, 0, 5, 0, 0x200, 1, 0)
    assert processor.mips_abiflags(section, True) == (2, 0, 0x200)


@pytest.mark.parametrize("bits", [32, 64])
def test_x86_notes(bits: int) -> None:
    def property_of(number: int, value: int) -> bytes:
        return struct.pack("<III", number, 4, value) + b"\0" * (4 if bits == 64 else 0)
    data = property_of(0xC0000002, 3) + property_of(0xC0008002, 0b101)
    other = struct.pack("<III", 4, 2, 3) + b"GNU\0" + b"ab" + b"\0" * (6 if bits == 64 else 2)
    note = struct.pack("<III", 4, len(data), 5) + b"GNU\0" + data
    assert processor.x86_needed(other + note, bits) == 0b101
    assert processor.x86_needed(other, bits) == 0 and processor.x86_needed(note[:20], bits) == 0


def test_vermagic() -> None:
    assert processor.vermagic(b"license=GPL\0vermagic=6.1.0-50-marvell mod_unload ARMv5 p2v8 \0") == (
        "6.1.0-50-marvell mod_unload ARMv5 p2v8")
    assert processor.vermagic(b"license=GPL\0") == "unknown"


@pytest.mark.parametrize(("path", "chosen"), [
    ("usr/lib/arm-linux-gnueabihf/vfp/neon/libvpx.so.7", True),
    ("usr/lib/x86_64-linux-gnu/glibc-hwcaps/x86-64-v3/libz.so.1", True),
    ("lib/arm-linux-gnueabi/neon/libx264.so.164", True),
    ("usr/lib/arm-linux-gnueabihf/libneon27.so.1", False),
    ("usr/lib/python3/dist-packages/neon/x.so", False), ("opt/neon/libx.so", False),
])
def test_directories_that_the_dynamic_linker_chooses(path: str, chosen: bool) -> None:
    assert processor.chosen_by_the_linker(path) == chosen


def test_revision_6_of_mips_has_one_encoding_of_nan() -> None:
    assert beyond("EM_MIPS", 0x90001407, Code(mips=(6, 0, 0)), BASELINES["mipsr6el"]) == ()
    assert beyond("EM_MIPS", 0xA0000407, Code(mips=(6, 0, 0)), BASELINES["mips64r6el"]) == ()
    assert beyond("EM_MIPS", 0xA0000407, Code(mips=(6, 0, 0)), BASELINES["mips64el"])
