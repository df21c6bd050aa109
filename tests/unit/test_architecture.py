# SPDX-License-Identifier: GPL-3.0-or-later
"""Architectures against the tables of dpkg, pyelftools and Rust's, Python's and QEMU's naming rules."""
from __future__ import annotations

from pathlib import Path

import pytest
from debian.debian_support import DpkgArchTable
from packaging.utils import parse_wheel_filename

from debxcross.core.architecture import ARCHITECTURES, Architecture, architecture
from debxcross.core.wheel.cross import environment
from debxcross.errors import UsageError

DPKG = Path("/usr/share/dpkg")
EVERY = pytest.mark.parametrize("known", ARCHITECTURES.values(), ids=lambda known: known.name)


def rows(name: str) -> list[list[str]]:
    lines = (DPKG / name).read_text().splitlines()
    return [line.split() for line in lines if line.strip() and not line.startswith("#")]


def tuple_of(name: str) -> tuple[str, str]:
    """Return dpkg's (ABI-libc-OS, CPU) of an architecture: the first row of tupletable that fits."""
    cpus = [row[0] for row in rows("cputable")]
    for pattern, debian in rows("tupletable"):
        for cpu in cpus if "<cpu>" in pattern else [""]:
            if debian.replace("<cpu>", cpu) == name:
                system, processor = pattern.replace("<cpu>", cpu).rsplit("-", 1)
                return system, processor
    raise LookupError(name)


@EVERY
def test_dpkg_agrees(known: Architecture, table: DpkgArchTable) -> None:
    system, processor = tuple_of(known.name)
    gnu_cpu, _, bits, endian = {row[0]: row[1:] for row in rows("cputable")}[processor]
    gnu_system = {row[0]: row[1] for row in rows("ostable")}[system]
    assert known.gnu_triplet == f"{gnu_cpu}-{gnu_system}"
    # dpkg's abitable says of x32 that its words have 32 bits on a processor of 64.
    bits = "32" if known.name == "x32" else bits
    # dpkg's Dpkg::Arch::gnutriplet_to_multiarch: only i386's two names differ.
    assert known.multiarch == known.gnu_triplet.replace("i686", "i386")
    assert (known.elf.bits, known.elf.little_endian) == (int(bits), endian == "little")
    assert table.matches_architecture(known.name, "linux-any")
    assert table.matches_architecture(known.name, f"any-{processor}")


@EVERY
def test_names_agree_with_each_other(known: Architecture) -> None:
    assert known.name == architecture(known.name).name
    assert known.crossbuild_package == f"crossbuild-essential-{known.name}"
    assert known.qemu_binary.startswith("qemu-") and known.qemu_binary.endswith("-static")
    if known.rust_target:
        assert known.rust_target.count("-") == 3 and "-unknown-linux-gnu" in known.rust_target
        # The ABI of the triplet and of Rust's target are one: gnu, gnueabi, gnueabihf, gnuabi64.
        assert known.rust_target.rsplit("-", 1)[1] == known.gnu_triplet.rsplit("-", 1)[1]
    else:
        assert known.name in ("alpha", "hppa", "sh4")
    assert known.elf.flags_value & ~known.elf.flags_mask == 0
    assert known.elf.machine.startswith("EM_")


@EVERY
def test_wheel_platform_is_what_python_says_on_the_device(known: Architecture) -> None:
    # PEP 425: sysconfig.get_platform() with "-" and "." replaced; get_platform is linux-MACHINE.
    assert known.wheel_platform == f"linux_{known.uname}"
    tags = parse_wheel_filename(f"x-1-cp27-cp27mu-{known.wheel_platform}.whl")[3]
    assert [tag.platform for tag in tags] == [known.wheel_platform]
    platform = known.wheel_platform.replace("_", "-", 1)
    assert environment("2.7", known, "/tools", "")["_PYTHON_HOST_PLATFORM"] == platform


def test_arms_differ_in_float_abi_only_where_elf_is_concerned() -> None:
    armel, armhf = architecture("armel"), architecture("armhf")
    assert (armel.elf.float_abi, armhf.elf.float_abi) == ("soft", "hard")
    assert (armel.elf.machine, armel.elf.flags_value) == (armhf.elf.machine, 0x05000000)
    assert armel.wheel_platform != armhf.wheel_platform and armel.rust_target.startswith("armv5te-")


def test_what_brings_the_compilers() -> None:
    assert architecture("x32").compiler_packages == ("gcc-x86-64-linux-gnux32", "g++-x86-64-linux-gnux32")
    assert [known.name for known in ARCHITECTURES.values() if known.libc != "libc6"] == ["alpha"]


def test_big_endian() -> None:
    assert [known.name for known in ARCHITECTURES.values() if not known.elf.little_endian] == [
        "hppa", "m68k", "mips", "mips64", "powerpc", "ppc64", "s390x", "sparc64"]


def test_revision_6_of_mips_is_told_apart() -> None:
    old, new = architecture("mipsel").elf, architecture("mipsr6el").elf
    assert 0x90001407 & new.flags_mask == new.flags_value != 0x70001007 & new.flags_mask
    assert 0x70001007 & old.flags_mask == old.flags_value


def test_mips_abis_differ() -> None:
    mipsel, mips64el = architecture("mipsel").elf, architecture("mips64el").elf
    assert mipsel.flags_mask == mipsel.flags_value == 0x1000  # EF_MIPS_ABI_O32
    assert mips64el.flags_mask == 0x20 and mips64el.flags_value == 0  # n64, not n32's EF_MIPS_ABI2


def test_the_table_is_in_order_and_has_no_double() -> None:
    assert list(ARCHITECTURES) == sorted(ARCHITECTURES)
    for field in ("gnu_triplet", "multiarch", "rust_target"):
        values = [value for known in ARCHITECTURES.values() if (value := getattr(known, field))]
        assert len(set(values)) == len(values), field
    # "uname -m" tells no byte order and no revision of MIPS, and x32 is an ABI of amd64's processors.
    alike: dict[str, list[str]] = {}
    for known in ARCHITECTURES.values():
        assert known.wheel_platform == f"linux_{known.uname}"
        alike.setdefault(known.uname, []).append(known.name)
    assert [names for names in alike.values() if len(names) > 1] == [
        ["amd64", "x32"], ["mips", "mipsel", "mipsr6el"], ["mips64", "mips64el", "mips64r6el"]]


@pytest.mark.parametrize(("name", "guess"), [
    ("aarch64", "arm64"), ("armle", "armel"), ("arm", "armhf"), ("x86_64", ""), ("mipsle", "mipsel"),
    ("riscv", "riscv64"), ("AMD64", ""), ("", ""),
])
def test_unknown_names_get_the_nearest(name: str, guess: str) -> None:
    with pytest.raises(UsageError) as caught:
        architecture(name)
    assert repr(name) in caught.value.brief
    assert "Known architectures: alpha, amd64, arm64, armel" in caught.value.resolution
    if guess:
        assert guess in caught.value.resolution.split("?")[0]
