# SPDX-License-Identifier: GPL-3.0-or-later
"""What lets a build hear of the device: which files, which variables, what counts for the key."""
from __future__ import annotations

import pytest

from debxcross.core.architecture import architecture
from debxcross.core.build import device
from debxcross.core.build.answers import EMULATOR, FILE, FIXED, NONE, Told

ARMHF = architecture("armhf")
EMULATED = Told(EMULATOR, emulator="qemu-arm 7.2")
FROM_FILE = Told(FILE, (("ac_cv_x", "yes"),))


@pytest.mark.parametrize("told,packages,files,variables", [
    (Told(), ("debhelper",), set(), set()),
    (FROM_FILE, ("meson",), {"config.site"}, {"CONFIG_SITE"}),
    (EMULATED, ("debhelper",), {"config.site", "toolchain.cmake"}, {"CONFIG_SITE", "CMAKE_TOOLCHAIN_FILE"}),
    (EMULATED, ("meson",), {"config.site", "toolchain.cmake", "meson.ini", "bin/meson"},
     {"CONFIG_SITE", "CMAKE_TOOLCHAIN_FILE", "PATH"}),
    (Told(), ("pkgconf",), {"bin/pkg-config", "bin/pkgconf"}, {"PATH", "PKG_CONFIG_FOR_BUILD"}),
    (Told(), ("libpython3-dev",), {"bin/python3-config"}, {"PATH"}),
])
def test_a_build_root_has_what_its_packages_and_answers_ask_for(
    told: Told, packages: tuple[str, ...], files: set[str], variables: set[str]
) -> None:
    assert set(device.files(ARMHF, told, packages)) == files
    assert set(device.environment(ARMHF, told, packages)) == variables


def test_a_tool_answers_for_the_device_or_fails() -> None:
    text = device.files(ARMHF, Told(), ("pkgconf",))["bin/pkg-config"]
    assert "exec /usr/bin/arm-linux-gnueabihf-pkg-config" in text and text.endswith("exit 1\n")


def test_only_what_is_there_counts_for_the_key() -> None:
    assert device.inputs(Told(), ("debhelper", "libc6-dev")) == {}
    fixed = tuple(f"{name}={value}" for name, (value, _) in FIXED.items())
    both = device.inputs(FROM_FILE, ("pkgconf",))
    assert both == {"answers": f"file {device.SCHEMA}", "answered": ("ac_cv_x=yes", *fixed),
                    "device-tools": ("pkg-config", "pkgconf", str(device.SCHEMA))}
    assert device.inputs(Told(), ("pkg-config", "pkgconf")) == device.inputs(Told(), ("pkgconf",))


@pytest.mark.parametrize("one,same", [
    (Told(EMULATOR, emulator="qemu-arm 9.0"), True),
    (Told(EMULATOR, (("ac_cv_x", "yes"),), emulator="qemu-arm 7.2"), False),
    (Told(FILE), False), (Told(NONE), False),
])
def test_the_emulators_version_is_no_input(one: Told, same: bool) -> None:
    assert (device.inputs(one, ()) == device.inputs(EMULATED, ())) is same


def test_an_answer_is_one_word_of_the_site_script() -> None:
    script = device.site_script(ARMHF, Told(FILE, (("ac_cv_x", "a b; reboot"),)))
    assert "ac_cv_x='a b; reboot'\n" in script and "cross_compiling" not in script
    assert script.index("cross-config.armhf") < script.index("ac_cv_x=")


def test_what_has_no_variable_is_defined() -> None:
    told = Told(FILE, (), (("INET6", "1"), ("NAME", "\"it's\"")))
    script = device.site_script(ARMHF, told)
    assert "printf '%s\\n' '#define INET6 1' >> confdefs.h\n" in script
    assert device.inputs(told, ()) != device.inputs(Told(FILE), ())


def test_with_emulation_programs_are_run_and_known_lies_are_not_asked_for() -> None:
    script = device.site_script(ARMHF, EMULATED)
    assert script.endswith("ulimit -S -t 600\ncross_compiling=no\n")
    assert all(f"{name}={value}\n" in script for name, (value, _) in FIXED.items())
    own = device.site_script(ARMHF, Told(EMULATOR, tuple((name, "mine") for name in FIXED)))
    assert all(f"{name}=mine\n" in own for name in FIXED)
    assert all(reason for _, reason in FIXED.values())
