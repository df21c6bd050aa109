# SPDX-License-Identifier: GPL-3.0-or-later
"""Debs beside Debian's own packages: epochs, extras' requirements, what stands in the way."""
from __future__ import annotations

from dataclasses import replace

from debxcross.core.architecture import architecture
from debxcross.core.gate import requirements_verdict
from debxcross.core.wheel.deb import (
    WrapSettings, active_requirements, deb_tree, deb_version, device_environment,
)
from debxcross.core.wheel.metadata import Wheel, WheelFile

DEVICE = device_environment(architecture("armel"), "3.11.2")
SETTINGS = WrapSettings("armel", "3.11", {"lamp": "python3-lamp"}, "A <a@b>", 0, DEVICE)
WHEEL = Wheel(
    "lamp", "1.0", ("py3-none-any",),
    ("bulb[neon]<3,>=2", "fuse ; platform_machine == 'armv5tel'", "plug ; sys_platform == 'win32'"),
    "", "", "", "MIT", "", "", (), (), (), (WheelFile("lamp.py", False, "0" * 64, 1),),
    "lamp-1.0.dist-info")


def test_epochs_reach_version_and_relations() -> None:
    settings = replace(SETTINGS, epochs={"python3-lamp": 1, "python3-bulb": 2}, also_requires=("gas>=1",))
    tree = deb_tree(WHEEL, settings)
    assert (tree.version, tree.file_name) == ("1:1-1", "python3-lamp_1-1_armel.deb")
    assert tree.depends == ("python3:any", "python3-bulb (<< 2:3~~)", "python3-bulb (>= 2:2)",
                            "python3-fuse", "python3-gas (>= 1)")
    assert deb_version("2!1.0", "python3-lamp", settings) == "2:1-1"


def test_what_another_architecture_would_require_makes_a_deb_of_one() -> None:
    assert deb_tree(WHEEL, SETTINGS).architecture == "armel"
    anywhere = replace(WHEEL, requires_dist=("bulb", "fuse ; python_version >= '3'",
                                             "gas ; extra == 'x' and platform_machine == 'armv5tel'"))
    assert deb_tree(anywhere, SETTINGS).architecture == "all"
    by_extra = replace(SETTINGS, also_requires=("glass ; platform_machine == 'aarch64'",))
    assert deb_tree(anywhere, by_extra).architecture == "armel"
    assert "glass" not in ", ".join(deb_tree(anywhere, by_extra).depends)


def test_debians_own_package_meets_the_pin_that_it_was_taken_for() -> None:
    wheel = replace(WHEEL, requires_dist=("bulb==2.28.1",))
    settings = replace(SETTINGS, debian={"python3-bulb": "2.28.1+dfsg-1"})
    assert deb_tree(wheel, settings).depends[1:] == (
        "python3-bulb (<< 2.28.1+dfsg+a~)", "python3-bulb (>= 2.28.1)")


def test_what_is_replaced_with_a_relation_is_not_provided() -> None:
    settings = replace(SETTINGS, replaces=("python3-lamp-bin", "python3-lights (>= 0~~)"))
    assert settings.provides == ("python3-lamp-bin",)


def test_members_that_a_deb_does_not_get() -> None:
    wheel = replace(WHEEL, files=(*WHEEL.files, WheelFile("ns/__init__.py", False, "0" * 64, 1)))
    with_it = {file.path for file in deb_tree(wheel, SETTINGS).files}
    without = {file.path for file in deb_tree(wheel, SETTINGS, left_out=frozenset({"ns/__init__.py"})).files}
    assert with_it - without == {"usr/lib/python3/dist-packages/ns/__init__.py"}


def test_requirements_on_the_device_are_compared() -> None:
    assert active_requirements(WHEEL, SETTINGS) == ("bulb[neon]<3,>=2", "fuse")
    assert requirements_verdict("w", ("a", "b"), ("a", "b")).ok
    verdict = requirements_verdict("w", ("a",), ("b",))
    assert not verdict.ok and verdict.found == "also b; not a"


def test_a_description_that_begins_like_the_summary_comes_second() -> None:
    words = "Lamp is a package which provides lamplight and primitives of light to developers of all sorts"
    wheel = replace(WHEEL, summary=f"{words}.", description=f"{words}. There is more to say about lamps.\n")
    tree = deb_tree(wheel, SETTINGS)
    assert tree.synopsis.endswith(" ...") and tree.extended[0].startswith(" This package holds ")
    assert tree.extended[2].startswith(" Lamp is a package")


def test_a_description_that_only_repeats_the_summary_is_left_out() -> None:
    words = "lamp is a package which gives light and warmth to everybody around it"
    wheel = replace(WHEEL, summary=f"{words}.", description=f"Lamp\n====\n\n{words}.\n")
    assert not any("warmth" in line for line in deb_tree(wheel, SETTINGS).extended)
