# SPDX-License-Identifier: GPL-3.0-or-later
"""The gates on whole packages: what is refused by name, and what Debian's own packages must pass."""
from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from debxcross.core import gate
from debxcross.core.architecture import architecture
from debxcross.core.artifact import StoredFile
from debxcross.core.build.environment import RootRecipe
from debxcross.core.chain.chain import PinnedFile, WheelMember
from debxcross.core.gate import Verdict
from debxcross.doors import process
from debxcross.errors import ArchitectureGateError, BuildError
from debxcross.events import Event
from debxcross.steps.build import gates
from debxcross.steps.build.baseroot import BaseRoot, RootPlan
from debxcross.steps.build.buildroot import BuildRoot
from debxcross.steps.wheel.inputs import WheelSpec
from debxcross.steps.wheel.wrapping import Wrapping
from tests.contexts import make_context
from tests.integration.test_inspect import make_wheel
from tests.playground import make_ar, make_deb, make_elf
from tests.tools import need

#: Build attributes of gcc's -march=armv7-a -mfpu=neon: Tag_CPU_arch, Tag_FP_arch, Tag_Advanced_SIMD_arch.
NEON = {6: 10, 10: 3, 12: 1}
V5 = {6: 4}


def judged(directory: Path, files: Mapping[str, bytes], host: str = "armel", package: str = "tool",
           forbidden: tuple[str, ...] = ()) -> tuple[Verdict, ...]:
    path = make_deb(directory / f"{package}_1_{host}.deb",
                    {"Package": package, "Version": "1", "Architecture": host}, files)
    return tuple(gates.judge_debs([path], architecture(host), package, "1", forbidden))


def test_code_for_newer_processors_is_refused_by_name(tmp_path: Path) -> None:
    old, new = make_elf("armel", kind=1, attributes=V5), make_elf("armel", kind=1, attributes=NEON)
    verdicts = judged(tmp_path, {"usr/bin/good": make_elf("armel", attributes=V5),
                                 "usr/bin/smuggled": make_elf("armel", attributes=NEON),
                                 "usr/lib/libx.a": make_ar([("a.o", old), ("b.o", new), ("c.o", new)])})
    assert [(one.gate, one.subject) for one in gate.failed(verdicts)] == [
        ("processor", "usr/bin/smuggled"), ("processor", "usr/lib/libx.a")]
    with pytest.raises(ArchitectureGateError, match="newer processors") as caught:
        gates.pass_or_raise(make_context(tmp_path), verdicts, "tool")
    assert "usr/bin/smuggled: processor: expected code for ARMv5TE without VFP" in caught.value.details
    assert "found code for ARMv7, VFPv3 with 32 registers, NEON; nothing in it" in caught.value.details


@pytest.mark.slow
@pytest.mark.parametrize(("options", "found"), [
    ((), ""), (("-march=armv5te", "-mtune=cortex-a53"), ""), (("-march=armv6",), "code for ARMv6;"),
    (("-march=armv7-a",), "code for ARMv7;"),
    (("-march=armv7-a", "-mfpu=neon", "-mfloat-abi=softfp"),
     "code for ARMv7, VFPv3 with 32 registers, NEON;"),
])
def test_what_a_real_compiler_makes(tmp_path: Path, options: tuple[str, ...], found: str) -> None:
    need("arm-linux-gnueabi-gcc")
    (tmp_path / "a.c").write_text(
        "void add(int *a, const int *b) { for (int i = 0; i < 64; i++) a[i] += b[i]; }\n")
    process.run(["arm-linux-gnueabi-gcc", "-O3", "-shared", "-fPIC", "-nostdlib", *options, "-o", "a.so",
                 "a.c"], directory=tmp_path).check(BuildError, "gcc")
    failed = gate.failed(judged(tmp_path, {"usr/lib/a.so": (tmp_path / "a.so").read_bytes()}))
    assert [one.found.partition(" nothing in it")[0] for one in failed] == ([found] if found else [])


def test_a_wheel_with_code_for_newer_processors_is_refused_by_name(tmp_path: Path) -> None:
    context = make_context(tmp_path)
    pin = PinnedFile("tiny", "1", "tiny-1.tar.gz", "0" * 64)
    spec = WheelSpec(WheelMember("tiny", "3.11", pin), (), {}, "A B <a@b.example>")
    (tmp_path / "base").mkdir()
    recipe = RootRecipe("sid", "amd64", "armel", (), (), ())
    base = BaseRoot("key", tmp_path / "base", (), RootPlan(recipe, ()))
    root = BuildRoot(context, base, "tiny", tmp_path / "work")
    suffix = "cpython-311-arm-linux-gnueabi.so"
    wheel = make_wheel(tmp_path / "tiny-1-cp311-cp311-linux_armv5tel.whl", {
        f"tiny/good.{suffix}": make_elf("armel", attributes=V5),
        f"tiny/smuggled.{suffix}": make_elf("armel", attributes=NEON)})
    deb = make_deb(tmp_path / "python3-tiny_1-1_armel.deb", {"Package": "python3-tiny", "Version": "1-1"}, {})
    with pytest.raises(ArchitectureGateError, match="tiny has code for newer processors") as caught:
        Wrapping(root, spec, wheel, StoredFile(pin.file, pin.sha256, 0), 0).judge(deb)
    assert caught.value.details.startswith(f"tiny/smuggled.{suffix}: processor: expected code for ARMv5TE")
    assert "good" not in caught.value.details


def test_code_that_is_chosen_is_told_once_for_a_member(tmp_path: Path) -> None:
    """Debian's numpy, nettle, libjpeg and libvpx for armhf, each with its way of choosing."""
    events: list[Event] = []
    context = make_context(tmp_path, listeners=(events.append,))
    verdicts = judged(tmp_path, {
        "usr/lib/python3/dist-packages/numpy/core/_simd.so":
            make_elf("armhf", attributes={6: 14, 10: 7, 12: 3}, calls=["getauxval"]),
        "usr/lib/arm-linux-gnueabihf/libnettle.so.8":
            make_elf("armhf", attributes=NEON, rest=b"/proc/cpuinfo"),
        "usr/lib/arm-linux-gnueabihf/vfp/neon/libvpx.so.7": make_elf("armhf", attributes=NEON),
        "usr/lib/debug/.build-id/aa/b.debug": make_elf("armhf", attributes=NEON, debug=True),
    }, "armhf")
    gates.pass_or_raise(context, verdicts, "tool")
    (told,) = [event for event in events if event.kind == "note"]
    assert "(and 2 more files like it)" in str(told)


def test_boot_loaders_modules_and_bpf_pass(tmp_path: Path) -> None:
    """u-boot-omap, ir-keytable, linux-image: their flags are not those of the device's programs."""
    bpf = bytearray(make_elf("arm64", kind=1))
    bpf[18] = 247
    verdicts = judged(tmp_path, {
        "usr/lib/u-boot/am335x/uboot.elf": make_elf("armel", kind=2, attributes=NEON),
        "lib/udev/rc_keymaps/protocols/grundig.o": bytes(bpf),
        "lib/modules/6.1/kernel/x.ko": make_elf("armel", kind=1, attributes=V5,
                                                contents={".modinfo": b"vermagic=6.1\0"}),
    }, "armhf")
    assert gate.failed(verdicts) == ()


@pytest.mark.parametrize(("home", "text", "leaks"), [
    ("/root", b"/dev/root\0/proc/%lu/root\0/root/initrd\0", False),
    ("/", b"/usr/bin\0", False),
    ("/home/me", b"value/home/me/.cargo/registry/src/a.rs", True),
    ("/home/me", b"/home/means/x\0", False),
])
def test_the_home_of_who_builds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str, text: bytes, leaks: bool
) -> None:
    """klibc, passwd and systemd say /root and the like; as root that was a leak of the home."""
    monkeypatch.setenv("HOME", home)
    verdicts = judged(tmp_path, {"usr/bin/tool": make_elf("armel", rest=text)},
                      forbidden=gates.own_paths(Path("/store")))
    assert [one.gate for one in gate.failed(verdicts)] == (["leak"] if leaks else [])


def test_a_store_of_one_name_leaks_by_its_directories() -> None:
    assert "/store" not in gates.own_paths(Path("/store"))
    assert "/store/work" in gates.own_paths(Path("/store"))
