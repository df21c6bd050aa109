# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a program will run on a device, and why not."""
from __future__ import annotations

from dataclasses import replace

import pytest

from debxcross.core.architecture import ARCHITECTURES, architecture
from debxcross.core.gate import ElfFacts
from debxcross.core.processor import Code
from debxcross.core.sysroot import needs as elfneeds
from debxcross.core.sysroot.inspection import Inspection, judge
from debxcross.core.sysroot.needs import ElfNeeds

ARMEL = architecture("armel")
PROGRAM = ElfFacts("hello", 32, True, "EM_ARM", 0x5000200, "ET_DYN", "soft", "/lib/ld-linux.so.3",
                   ("libc.so.6",), code=Code((("TAG_CPU_ARCH", 4),)))
ARMV7 = replace(PROGRAM, code=Code((("TAG_CPU_ARCH", 10), ("TAG_ADVANCED_SIMD_ARCH", 1))))
NEEDS = ElfNeeds((("libc.so.6", "GLIBC_2.4"), ("libc.so.6", "GLIBC_2.34")), starts=True)
FOUND = {"libc.so.6": "usr/lib/arm-linux-gnueabi/libc.so.6"}


def why(facts: ElfFacts = PROGRAM, needs: ElfNeeds = NEEDS, found: dict[str, str] | None = None,
        offered: dict[str, tuple[str, ...]] | None = None, release: str = "bookworm") -> str:
    return "; ".join(judge(facts, needs, ARMEL, FOUND if found is None else found, offered or {}, release))


def test_a_good_program_runs() -> None:
    assert why() == ""
    text = Inspection("hello", PROGRAM, NEEDS, FOUND, "bookworm armel", ()).text()
    assert text.splitlines() == [
        "hello: program (PIE)",
        "  architecture  armel (32-bit, ARM, soft float, ARMv5TE)",
        "  interpreter   /lib/ld-linux.so.3",
        "  needs         libc.so.6 => usr/lib/arm-linux-gnueabi/libc.so.6",
        "  glibc         2.34 or newer: Debian bookworm or newer",
        "  will it run?  yes, on bookworm armel"]


@pytest.mark.parametrize(("facts", "needs", "said"), [
    (replace(PROGRAM, machine="EM_X86_64", bits=64, float_abi="", flags=0), NEEDS,
     "it is for amd64, not for armel"),
    (replace(PROGRAM, float_abi="hard", flags=0x5000400), NEEDS, "it is for armhf, not for armel"),
    (ARMV7, NEEDS, "it is for ARMv7, NEON; armel also runs on ARMv5TE without VFP"),
    (PROGRAM, replace(NEEDS, starts=False), "no start-up code"),
    (replace(PROGRAM, interpreter="/usr/lib/ld.so.1"), NEEDS, "'No such file or directory'"),
    (replace(PROGRAM, interpreter="", type="ET_EXEC"), NEEDS, "names no interpreter"),
    (replace(PROGRAM, interpreter=""), replace(NEEDS, pie=True), "names no interpreter"),
    (replace(PROGRAM, interpreter="/lib/ld-musl-arm.so.1"), NEEDS, "it is for musl libc"),
    (replace(PROGRAM, interpreter="/system/bin/linker"), NEEDS, "it is for Android"),
    (replace(PROGRAM, type="ET_REL", interpreter="", needed=()), NEEDS, "it is an object file"),
    (PROGRAM, replace(NEEDS, versions=(("libc.so.6", "GLIBC_2.38"),)),
     "it needs glibc 2.38, bookworm has 2.36"),
    (PROGRAM, replace(NEEDS, versions=(("libstdc++.so.6", "GLIBCXX_3.4.32"),)), "GLIBCXX_3.4.32"),
    (replace(PROGRAM, damage="cut off"), NEEDS, "it is damaged: cut off"),
])
def test_what_will_not_run(facts: ElfFacts, needs: ElfNeeds, said: str) -> None:
    assert said in why(facts, needs)


@pytest.mark.parametrize(("facts", "needs"), [
    (replace(PROGRAM, interpreter="/usr/lib/ld.so.1"), NEEDS), (PROGRAM, replace(NEEDS, starts=False)),
    (replace(PROGRAM, interpreter="", type="ET_EXEC"), NEEDS),
])
def test_bare_ld_is_called_by_its_name(facts: ElfFacts, needs: ElfNeeds) -> None:
    assert "bare ld" in why(facts, needs) and "arm-linux-gnueabi-gcc" in why(facts, needs)


def test_libraries_need_no_start_up_code_and_go_has_its_own() -> None:
    assert why(replace(PROGRAM, interpreter=""), ElfNeeds()) == ""
    assert why(PROGRAM, replace(NEEDS, starts=False, go=True)) == ""
    assert why(replace(PROGRAM, type="ET_EXEC", interpreter="", needed=()), ElfNeeds()) == ""


def test_what_is_missing_in_a_sysroot() -> None:
    assert why(found={"libc.so.6": ""}) == "libc.so.6 is missing"
    assert why(offered={"libc.so.6": ("GLIBC_2.4",)}) == "libc.so.6 has no GLIBC_2.34"
    assert why(offered={"libc.so.6": ("GLIBC_2.4", "GLIBC_2.34")}) == ""


@pytest.mark.parametrize(("versions", "release"), [
    ((), "jessie"), (("GLIBC_2.4",), "jessie"), (("GLIBC_2.28",), "buster"), (("GLIBC_2.29",), "bullseye"),
    (("GLIBC_ABI_DT_RELR",), "bookworm"), (("GLIBC_2.9", "GLIBC_2.17"), "jessie"),
    (("GLIBC_2.4", "GLIBCXX_3.4.29"), "bookworm"), (("GLIBC_2.99",), ""), (("GLIBC_PRIVATE",), "jessie"),
])
def test_the_oldest_release(versions: tuple[str, ...], release: str) -> None:
    assert elfneeds.oldest_release(ElfNeeds(tuple(("l", one) for one in versions))) == release


def test_every_architecture_has_an_interpreter() -> None:
    for one in ARCHITECTURES.values():
        facts = ElfFacts("a", one.elf.bits, one.elf.little_endian, one.elf.machine, one.elf.flags_value,
                         "ET_DYN", one.elf.float_abi, "/nowhere", ("libc.so.6",))
        assert one in elfneeds.fitting(facts)
        assert "its interpreter is /nowhere" in elfneeds.start_faults(facts, ElfNeeds(starts=True), one)[0]


def test_old_devices_are_known_though_nothing_is_built_for_them() -> None:
    assert elfneeds.has_libraries_of("buster") and not elfneeds.has_libraries_of("potato")
    assert elfneeds.release_faults(replace(NEEDS, versions=(("libc.so.6", "GLIBC_2.34"),)), "buster") == [
        "it needs glibc 2.34, buster has 2.28"]
