# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Mapping

from debxcross.core.build.environment import PackageFile
from debxcross.core.build.layers import Layer, closure, layers

FIELDS: Mapping[str, Mapping[str, str]] = {
    "debhelper": {"Depends": "autotools-dev, dh-autoreconf (>= 17~), man-db | virtual-pager, perl:any"},
    "autotools-dev": {}, "dh-autoreconf": {"Pre-Depends": "autoconf"},
    "autoconf": {"Depends": "m4-of-somebody"},
    "gnu-m4": {"Provides": "m4-of-somebody (= 1)"}, "less": {"Provides": "virtual-pager"},
    "zlib1g-dev": {"Depends": "zlib1g (= 1)"}, "zlib1g": {}, "man-db": {"Depends": "debhelper"},
}


def files(*names: str) -> tuple[PackageFile, ...]:
    return tuple(PackageFile("", f"{name}_1_all.deb", 1, f"{number:064x}")
                 for number, name in enumerate(names, 1))


def control(one: PackageFile) -> Mapping[str, str]:
    return FIELDS[one.package.name]


ALL = files(*FIELDS)


def test_a_closure_has_all_that_is_needed_by_any_name() -> None:
    names = {one.package.name for one in closure(ALL, "debhelper", control)}
    assert names == FIELDS.keys() - {"zlib1g-dev", "zlib1g"}  # perl is below
    assert closure(files("zlib1g", "zlib1g-dev"), "debhelper", control) == ()


def test_what_nearly_all_need_is_a_layer_of_its_own() -> None:
    lower, upper = layers("base", ALL, control)
    assert [one.package.name for one in upper.packages] == ["zlib1g-dev", "zlib1g"]
    assert lower.below == "base" and upper.below == lower.key
    other, _ = layers("base", (*ALL[:6], ALL[8], ALL[7]), control)
    assert other == lower  # another member, which needs other libraries


def test_without_anything_more_one_layer_is_enough() -> None:
    assert layers("base", (), control) == ()
    few = files("zlib1g")
    assert layers("base", few, control) == (Layer("base", few),)
    common = tuple(one for one in ALL if not one.package.name.startswith("zlib1g"))
    assert layers("base", common, control) == (Layer("base", common),)


def test_a_layer_is_what_it_stands_on_and_holds() -> None:
    layer = Layer("base", ALL)
    assert layer.key == Layer("base", tuple(reversed(ALL))).key
    assert len({layer.key, Layer("other", ALL).key, Layer("base", ALL[:1]).key,
                Layer("base", (*files("debhelper", "zlib1g"), *ALL[2:])).key}) == 4
