# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import pytest

from debxcross.core import gate
from debxcross.core.architecture import ARCHITECTURES, Architecture, architecture
from debxcross.core.gate import ElfFacts, Verdict
from debxcross.core.processor import Code
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


CONTROL = {"Package": "x", "Architecture": "armel"}
HARD = replace(SOFT, flags=0x5000400, float_abi="hard", soname="", needed=())
BPF = replace(NATIVE, machine="EM_BPF", type="ET_REL", needed=())
MODULE = replace(SOFT, path="usr/lib/modules/6.1/x.ko", type="ET_REL", float_abi="hard", needed=(),
                 code=Code(kernel="6.1.0-50-marvell ARMv5"))


@pytest.mark.parametrize(("facts", "what"), [
    (replace(BPF, path="usr/lib/x/filter.bpf.o"), "BPF program"),
    (replace(BPF, path="usr/bin/x"), "BPF program"),
    (MODULE, "kernel module"), (replace(MODULE, path="opt/x.ko"), "kernel module"),
    (replace(HARD, path="usr/lib/u-boot/omap/uboot.elf", type="ET_EXEC"), "boot loader, kernel or firmware"),
    (replace(HARD, path="lib/firmware/a.elf", machine="EM_XTENSA"), "boot loader, kernel or firmware"),
    (replace(HARD, path="boot/vmlinux", bits=64), "boot loader, kernel or firmware"),
    (replace(HARD, path="usr/lib/debug/usr/lib/modules/6.1/x.ko"), "boot loader, kernel or firmware"),
    (replace(HARD, path="usr/lib/modules/6.1/vdso/vdso.so"),
     "boot loader, kernel or firmware"),
    (replace(HARD, path="usr/lib/gcc/avr/5.4.0/libgcc.a(x.o)", machine="EM_AVR", type="ET_REL"),
     "boot loader, kernel or firmware"),
    (replace(HARD, path="usr/lib/gcc/arm-linux-gnueabi/12/libgcc.a(x.o)", type="ET_REL"), ""),
    (replace(HARD, path="usr/share/qemu/bios.elf", machine="EM_PPC", type="ET_EXEC"), "data"),
    # These are programs and libraries, wherever they lie.
    (replace(HARD, path="usr/bin/static", type="ET_EXEC"), ""),
    (replace(HARD, path="usr/share/x/plugin.so"), ""),
    (replace(HARD, path="usr/lib/firmware/tool", interpreter="/lib/ld-linux-armhf.so.3"), ""),
    (replace(HARD, path="usr/lib/modules/x/user.so", needed=("libc.so.6",)), ""),
    (replace(HARD, path="usr/lib/u-boot-tools/x"), ""),
])
def test_what_no_process_of_the_device_loads(facts: ElfFacts, what: str) -> None:
    """Boot loaders and BPF in Debian's own u-boot-omap and ir-keytable have other flags than programs."""
    assert gate.loaded_by_others(facts) == what
    assert bool(gates(gate.deb_elf_verdicts(CONTROL, [SOFT, facts], ARMEL))) == (what == "")


def test_the_kernels_own_files_have_byte_order_and_machine() -> None:
    def found(facts: ElfFacts, architecture: Architecture = ARMEL) -> list[str]:
        return gates(gate.deb_elf_verdicts(CONTROL, [facts], architecture))
    assert found(replace(BPF, little_endian=False)) == ["elf-endianness"]
    assert found(replace(MODULE, machine="EM_X86_64", bits=64)) == ["elf-machine"]
    assert found(replace(MODULE, machine="EM_AARCH64", bits=64)) == []
    assert found(replace(MODULE, machine="EM_MIPS", bits=64), architecture("mipsel")) == []


def arm(**attributes: int) -> ElfFacts:
    return replace(SOFT, code=Code(tuple((f"TAG_{name}", value) for name, value in attributes.items())))


V7 = {"CPU_ARCH": 10}


@pytest.mark.parametrize(("facts", "host", "wanted"), [
    (arm(), ARMEL, ()), (arm(CPU_ARCH=4), ARMEL, ()), (arm(CPU_ARCH=5), ARMEL, ()),
    (arm(CPU_ARCH=6), ARMEL, ("ARMv6",)), (arm(CPU_ARCH=99), ARMEL, ("Tag_CPU_arch 99",)),
    (arm(CPU_ARCH=4, FP_ARCH=2), ARMEL, ("VFPv2",)), (arm(CPU_ARCH=4, WMMX_ARCH=1), ARMEL, ("Wireless MMX",)),
    (arm(**V7, FP_ARCH=3, ADVANCED_SIMD_ARCH=1), ARMEL, ("ARMv7", "VFPv3 with 32 registers", "NEON")),
    (arm(**V7, FP_ARCH=4), ARMHF, ()), (arm(**V7, FP_ARCH=3), ARMHF, ("VFPv3 with 32 registers",)),
    (arm(**V7, FP_ARCH=6), ARMHF, ("VFPv4-D16",)), (arm(**V7, DIV_USE=1), ARMHF, ()),
    (arm(**V7, DIV_USE=2), ARMHF, ("instructions that divide integers",)),
    (arm(CPU_ARCH=14, FP_ARCH=7, ADVANCED_SIMD_ARCH=3), ARMHF,
     ("ARMv8-A", "the floating point of ARMv8", "NEON")),
    # Nobody executes debug files, and other gates tell of other machines.
    (replace(arm(**V7), path="usr/lib/debug/.build-id/aa/b.debug"), ARMEL, ()),
    (replace(arm(**V7), machine="EM_386"), ARMEL, ()),
])
def test_what_the_oldest_processors_do_not_have(
    facts: ElfFacts, host: Architecture, wanted: tuple[str, ...]
) -> None:
    assert gate.beyond(facts, host) == wanted


def test_code_for_newer_processors_must_be_chosen() -> None:
    refused = gate.processor_verdict("usr/bin/x", ("ARMv7", "NEON", "NEON"), "", ARMEL)
    with pytest.raises(ArchitectureGateError) as caught:
        gate.raise_for([refused], "zlib")
    assert caught.value.brief == "zlib has code for newer processors than the oldest of its architecture"
    assert caught.value.details == (
        "usr/bin/x: processor: expected code for ARMv5TE without VFP, the oldest processors of armel, "
        "found code for ARMv7, NEON; nothing in it chooses code by the processor")
    assert "SIGILL" in caught.value.resolution
    chosen = gate.processor_verdict("usr/lib/a.so", ("ARMv8-A",), "it calls getauxval", ARMHF)
    gate.raise_for([chosen], "numpy")
    assert gate.caution([chosen, chosen]) == (
        "usr/lib/a.so: code for ARMv8-A; it calls getauxval (and 1 more file like it)")
    assert gate.caution([]) == ""


@pytest.mark.parametrize(("path", "tells"), [
    ("/home/me", True), ("/home/me/", True), ("/var/lib/jenkins", True), ("/srv/store", True),
    ("/tmp/pytest-1/store", True), ("/root", False), ("/", False), ("", False), ("/work", False),
    ("/nonexistent", False), ("/var/tmp", False), ("/var/www", False), ("/usr/local/bin", False),
    ("/dev/shm", False), ("/tmp", False), ("/home", False),
])
def test_only_paths_that_exist_nowhere_else_tell_something(path: str, tells: bool) -> None:
    """As root, every /dev/root and /proc/N/root in Debian's klibc, passwd and systemd was a leak."""
    assert bool(gate.telling_paths([path])) == tells
    assert gate.telling_paths(["/home/me/", "/home/me"]) == ("/home/me",)


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
SUFFIXES = (".cpython-311-arm-linux-gnueabi.so", ".abi3.so", ".so")
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
    (WHEEL, [replace(EXTENSION, path="a/_b.so")], []),
    (WHEEL, [replace(EXTENSION, path="a/_b.cpython-310-arm-linux-gnueabi.so")], ["extension-suffix"]),
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
