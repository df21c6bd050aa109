# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import io

import pytest

from debxcross.core.architecture import ARCHITECTURES
from debxcross.core.gate import architecture_verdicts, failed
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


def test_strings_are_found_across_blocks_and_shown_whole() -> None:
    block = elf._BLOCK
    for offset in (0, block - 3, block - 10, block - 30, 2 * block - 1):
        content = b"\0" * offset + b"/home/someone/src/x.c\0" + b"\0" * 500
        assert elf.find_strings(io.BytesIO(content), [b"/home/", b"/nowhere"]) == ("/home/someone/src/x.c",)
    assert elf.find_strings(b"\0\1/work/a\0/work/b\0/work/a", [b"/work/"]) == ("/work/a", "/work/b")
    assert elf.find_strings(b"anything", []) == ()
