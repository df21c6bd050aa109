# SPDX-License-Identifier: GPL-3.0-or-later
"""The processors that trials ask for, on this machine's emulators: what they run and what they do not."""
from __future__ import annotations

import struct
from pathlib import Path

import pytest

from debxcross.core.chain.trial import illegal
from debxcross.core.processor import BASELINES
from debxcross.doors import process
from tests.tools import need

#: ARM's exit(0): mov r7, #1; mov r0, #0; svc 0.
EXIT = (0xE3A07001, 0xE3A00000, 0xEF000000)
REV, MOVW = 0xE6BF0F30, 0xE3000001                            # ARMv6, ARMv6T2
VADD_D0, VADD_Q0, SDIV = 0xEE300B00, 0xF2200840, 0xE710F110   # VFPv2, NEON, ARMv7VE
CLZ, LDRD = 0xE16F0F10, 0xE1CD00D0                            # ARMv5T, ARMv5TE


def program(path: Path, *instructions: int) -> Path:
    """Write a static ARM program of these instructions."""
    code = struct.pack(f"<{len(instructions) + 3}I", *instructions, *EXIT)
    size = 52 + 32 + len(code)
    path.write_bytes(
        b"\x7fELF\1\1\1" + bytes(9)
        + struct.pack("<HHIIIIIHHHHHH", 2, 40, 1, 0x10054, 52, 0, 0x5000400, 52, 32, 1, 40, 0, 0)
        + struct.pack("<IIIIIIII", 1, 0, 0x10000, 0x10000, size, size, 5, 0x1000) + code)
    path.chmod(0o755)
    return path


def run(path: Path, processor: str) -> process.Completed:
    return process.run(["qemu-arm-static", str(path)], environment={"QEMU_CPU": processor})


@pytest.mark.parametrize(("name", "runs", "ends"), [
    ("armel", (CLZ, LDRD), (REV, MOVW, VADD_D0, VADD_Q0)),
    ("armhf", (CLZ, LDRD, REV, MOVW, VADD_D0), (VADD_Q0, SDIV)),
])
def test_the_oldest_processors_of_arm(
    tmp_path: Path, name: str, runs: tuple[int, ...], ends: tuple[int, ...]
) -> None:
    need("qemu-arm-static")
    nothing = program(tmp_path / "nothing")
    assert run(nothing, "no-such-processor").exit_status
    taken = next(one for one in BASELINES[name].qemu if run(nothing, one).exit_status == 0)
    assert taken != BASELINES[name].qemu[-1], "the last is for emulators that know no better one"
    for number in runs:
        assert run(program(tmp_path / f"{number:x}", number), taken).exit_status == 0, f"{number:x}"
    for number in ends:
        done = run(program(tmp_path / f"{number:x}", number), taken)
        assert done.exit_status and illegal(done.stderr, 0, taken) == (
            f"illegal instruction on the baseline processor (QEMU_CPU={taken})"), f"{number:x}"


@pytest.mark.parametrize(("name", "emulator"), [
    ("arm64", "aarch64"), ("mipsel", "mipsel"), ("mips64el", "mips64el"), ("riscv64", "riscv64"),
    ("ppc64el", "ppc64le"), ("s390x", "s390x"), ("i386", "i386"), ("amd64", "x86_64"),
    ("loong64", "loongarch64"), ("m68k", "m68k"), ("mips", "mips"),
    ("mips64", "mips64"), ("mipsr6el", "mipsel"), ("mips64r6el", "mips64el"), ("powerpc", "ppc"),
    ("ppc64", "ppc64"), ("sh4", "sh4"), ("sparc64", "sparc64"), ("x32", "x86_64"),
])
def test_emulators_know_the_others(tmp_path: Path, name: str, emulator: str) -> None:
    """A file that is no program is refused after the processor was made, and then in other words."""
    need(f"qemu-{emulator}-static")
    (tmp_path / "x").write_bytes(b"no program")
    (tmp_path / "x").chmod(0o755)

    def said(**environment: str) -> str:
        return process.run([f"qemu-{emulator}-static", str(tmp_path / "x")], environment=environment).stderr

    assert said() != said(QEMU_CPU="no-such-processor")
    assert said() in [said(QEMU_CPU=one) for one in BASELINES[name].qemu], said(
        QEMU_CPU=BASELINES[name].qemu[0])
