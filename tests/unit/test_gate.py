# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import pytest

from debxcross.core import gate
from debxcross.core.architecture import ARCHITECTURES, architecture
from debxcross.core.gate import ElfFacts, Verdict
from debxcross.errors import ArchitectureGateError, GateError

ARMEL, ARMHF = architecture("armel"), architecture("armhf")
SOFT = ElfFacts("usr/lib/libz.so.1", 32, True, "EM_ARM", 0x5000200, "ET_DYN", "soft", soname="libz.so.1",
                needed=("libc.so.6",))
NATIVE = ElfFacts("usr/bin/openssl", 64, True, "EM_X86_64", 0, "ET_DYN", needed=("libc.so.6",))


def gates(verdicts: tuple[Verdict, ...]) -> list[str]:
    return [verdict.gate for verdict in gate.failed(verdicts)]


def test_right_architecture() -> None:
    verdicts = gate.architecture_verdicts(SOFT, ARMEL)
    assert [verdict.gate for verdict in verdicts] == [
        "elf-class", "elf-endianness", "elf-machine", "elf-flags", "float-abi"]
    assert gates(verdicts) == []


@pytest.mark.parametrize(("changes", "expected"), [
    ({"bits": 64}, ["elf-class"]),
    ({"little_endian": False}, ["elf-endianness"]),
    ({"machine": "EM_386"}, ["elf-machine"]),
    ({"flags": 0x4000000}, ["elf-flags"]),
    ({"float_abi": "hard"}, ["float-abi"]),
    ({"damage": "no section headers"}, ["elf-whole"]),
    ({"float_abi": ""}, []),
    ({"type": "ET_REL", "flags": 0, "float_abi": ""}, []),
    ({"flags": 0}, ["elf-flags"]),
])
def test_each_deviation_has_its_gate(changes: dict[str, Any], expected: list[str]) -> None:
    assert gates(gate.architecture_verdicts(replace(SOFT, **changes), ARMEL)) == expected


def test_build_machine_code_fails_for_every_other_architecture() -> None:
    for name, other in ARCHITECTURES.items():
        assert bool(gates(gate.architecture_verdicts(NATIVE, other))) == (name != "amd64")


def test_elf_in_all_is_noted_only() -> None:
    verdicts = gate.deb_elf_verdicts({"Package": "testdata", "Architecture": "all"}, [NATIVE], ARMEL)
    assert gates(verdicts) == [] and "usr/bin/openssl" in verdicts[0].found
    assert gate.deb_elf_verdicts({"Architecture": "all"}, [], ARMEL) == ()


def test_exempt_paths() -> None:
    control = {"Package": "x", "Architecture": "armel"}
    program = replace(NATIVE, path="usr/lib/x/filter.bpf.o", machine="EM_BPF")
    assert gates(gate.deb_elf_verdicts(control, [SOFT, program], ARMEL)) == ["elf-class", "elf-machine"]
    assert gates(gate.deb_elf_verdicts(control, [SOFT, program], ARMEL, ["usr/lib/x/*.bpf.o"])) == []


def test_leaks() -> None:
    forbidden = ["/build/", "/home/"]
    found = ["/build/reproducible-path/zlib-1.3/x.c", "-I/home/me/include",
             "/build/reproducible-path:/home/x", "/build/reproducible-pathology/x"]
    verdicts = gate.leak_verdicts("usr/lib/libz.so.1", found, forbidden)
    assert [verdict.found for verdict in gate.failed(verdicts)] == [
        "-I/home/me/include", "/build/reproducible-path:/home/x", "/build/reproducible-pathology/x"]
    assert gates(gate.leak_verdicts("x", found[:1], forbidden)) == []
    assert gates(gate.leak_verdicts("x", found[:1], forbidden, allowed=())) == ["leak"]
    assert gates(gate.leak_verdicts("x", ["<root><a/></root>", "/PaxHeader/rootdir"], ["/root"])) == []
    assert gates(gate.leak_verdicts("x", ["#include </root/x.h>"], ["/root"])) == ["leak"]


@pytest.mark.parametrize(("control", "files", "ok"), [
    ({"Depends": "libc6"}, [SOFT], True),
    ({"Pre-Depends": "libc6"}, [SOFT], True),
    ({"Depends": " "}, [SOFT], False),
    ({}, [SOFT], False),
    ({}, [], True),
    ({}, [replace(SOFT, needed=())], True),  # static, or -dbgsym
    ({}, [replace(SOFT, needed=("libz.so.1",), path="a", soname=""), replace(SOFT, needed=())], True),
    ({}, [replace(SOFT, needed=("p.so",)), replace(SOFT, path="x/p.so", soname="", needed=())], True),
])
def test_depends(control: dict[str, str], files: list[ElfFacts], ok: bool) -> None:
    assert gate.depends_verdict({"Package": "x", **control}, files).ok is ok


def test_expected_binaries() -> None:
    assert gate.expected_binaries_verdict("zlib", ["zlib1g"], ["zlib1g", "zlib1g-dbgsym"]).ok
    verdict = gate.expected_binaries_verdict("zlib", {"zlib1g", "zlib1g-dev", "minizip"}, ["zlib1g"])
    assert (verdict.ok, verdict.found) == (False, "without minizip, zlib1g-dev")


@pytest.mark.parametrize(("control", "expected"), [
    ({"Package": "openssl", "Version": "1.1.1w-1"}, ("openssl", "1.1.1w-1")),
    ({"Package": "libssl1.1", "Source": "openssl", "Version": "1.1.1w-1"}, ("openssl", "1.1.1w-1")),
    ({"Package": "a", "Source": "b (1:2-3)", "Version": "1:2-3+b1"}, ("b", "1:2-3")),
])
def test_deb_source(control: dict[str, str], expected: tuple[str, str]) -> None:
    assert gate.deb_source(control) == expected


def test_deb_control() -> None:
    control = {"Package": "libssl1.1", "Source": "openssl", "Version": "1.1.1w-1", "Architecture": "armel"}
    assert gates(gate.deb_architecture_verdicts(control, ARMEL, "openssl", "1.1.1w-1")) == []
    assert gates(gate.deb_architecture_verdicts({**control, "Architecture": "all"}, ARMEL, "openssl",
                                                "1.1.1w-1")) == []
    foreign = {**control, "Architecture": "amd64"}
    assert gates(gate.deb_architecture_verdicts(foreign, ARMEL, "gnutls", "1")) == [
        "deb-architecture", "deb-source", "deb-version"]


EXTENSION = replace(SOFT, path="_cffi_backend.cpython-311-arm-linux-gnueabi.so", soname="")
SUFFIXES = (".cpython-311-arm-linux-gnueabi.so", ".abi3.so")
WHEEL = "cffi-1.15.1-cp311-cp311-linux_armv5tel.whl"


@pytest.mark.parametrize(("wheel", "files", "expected"), [
    (WHEEL, [EXTENSION], []),
    (WHEEL, [replace(EXTENSION, path="a/_b.abi3.so")], []),
    ("six-1.16.0-py2.py3-none-any.whl", [], []),
    (WHEEL, [], []),
    ("six-1.16.0-py2.py3-none-any.whl", [EXTENSION], ["wheel-tag"]),
    (WHEEL.replace("armv5tel", "x86_64"), [EXTENSION], ["wheel-tag"]),
    ("cffi.whl", [EXTENSION], ["wheel-tag"]),
    (WHEEL, [replace(EXTENSION, path="a/_b.cpython-311-x86_64-linux-gnu.so")], ["extension-suffix"]),
    (WHEEL, [replace(EXTENSION, path="a/_b.so")], ["extension-suffix"]),
    (WHEEL, [replace(EXTENSION, path="a.libs/libfoo.so")], []),
    (WHEEL, [replace(EXTENSION, needed=("libc.so.6", "libgone.so.1"))], ["needed"]),
    (WHEEL, [replace(EXTENSION, needed=("libz.so.1",)), replace(SOFT, path="a.libs/libz.so.1")], []),
    (WHEEL, [replace(EXTENSION, rpath=("/tmp/build-1/lib",))], ["rpath"]),
    (WHEEL, [replace(EXTENSION, runpath=("$ORIGIN/../a.libs", "/opt/x"))], ["rpath"]),
    (WHEEL, [replace(EXTENSION, runpath=("$ORIGIN/../a.libs",))], []),
    (WHEEL, [replace(NATIVE, path=EXTENSION.path)], ["elf-class", "elf-machine"]),
])
def test_wheels(wheel: str, files: list[ElfFacts], expected: list[str]) -> None:
    assert gates(gate.wheel_verdicts(wheel, files, ARMEL, SUFFIXES, {"libc.so.6"})) == expected


def test_python_2_suffix_and_unknown_libraries() -> None:
    extension = replace(EXTENSION, path="_cffi_backend.so", needed=("libwhatever.so.1",))
    wheel = "cffi-1.15.1-cp27-cp27mu-linux_armv5tel.whl"
    assert gates(gate.wheel_verdicts(wheel, [extension], ARMEL, (".so",))) == []
    assert gates(gate.wheel_verdicts(wheel, [extension], ARMHF, (".so",))) == ["wheel-tag", "float-abi"]


def test_raise_for() -> None:
    good = gate.architecture_verdicts(SOFT, ARMEL)
    gate.raise_for(good, "zlib")
    gate.raise_for((), "zlib")
    wrong = gate.architecture_verdicts(NATIVE, ARMEL)
    with pytest.raises(ArchitectureGateError) as caught:
        gate.raise_for((*good, *wrong), "openssl")
    assert caught.value.brief == "openssl was built for another architecture"
    assert caught.value.details == (
        "usr/bin/openssl: elf-class: expected 32 bits, found 64 bits\n"
        "usr/bin/openssl: elf-machine: expected EM_ARM, found EM_X86_64")
    assert str(pickle.loads(pickle.dumps(caught.value))) == caught.value.brief
    with pytest.raises(GateError) as other:
        gate.raise_for((*good, gate.expected_binaries_verdict("zlib", ["zlib1g"], [])), "zlib")
    assert type(other.value) is GateError
    assert other.value.brief == "zlib was built, but does not pass 1 of 6 checks"
    assert "zlib: binaries: expected zlib1g, found without zlib1g" in other.value.details
