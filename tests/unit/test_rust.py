# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rustc a build needs, and which of the release's it gets."""
from __future__ import annotations

from typing import Any

from debxcross.core.wheel.rust import (
    Least, Toolchain, fitting, least_rustc, library_of, newest, toolchains, with_toolchain,
)

OWN, WEB = "1.63.0+dfsg1-2", "1.85.0+dfsg3-1~deb12u3"
HERE = {"rustc": OWN, "cargo": "0.66.0+ds1-1", "rustc-web": WEB, "cargo-web": WEB}
BOTH = toolchains(HERE, {"libstd-rust-dev": OWN, "libstd-rust-web-dev": WEB})


def test_a_toolchain_needs_the_standard_library_of_the_device_in_its_own_version() -> None:
    assert [one.rustc for one in BOTH] == ["rustc", "rustc-web"]
    assert [one.short for one in BOTH] == ["1.63.0", "1.85.0"]
    assert [one.rustc for one in toolchains(HERE, {"libstd-rust-dev": OWN})] == ["rustc"]
    assert toolchains(HERE, {"libstd-rust-web-dev": "1.96.0"}) == ()
    assert toolchains({"rustc": OWN}, {"libstd-rust-dev": OWN}) == ()


def test_the_release_s_own_is_taken_where_it_will_do() -> None:
    chosen = [fitting(BOTH, least) for least in ("", "1.63", "1.63.1", "1.85.0", "1.86")]
    assert [one and one.rustc for one in chosen] == ["rustc", "rustc", "rustc-web", "rustc-web", None]
    assert newest(BOTH) == BOTH[1] and newest(()) is None


def test_the_packages_of_another_toolchain_take_the_place_of_the_usual_ones() -> None:
    usual = ("cargo", "pkg-config", "rustc")
    assert with_toolchain(usual, BOTH[1]) == ("cargo-web", "pkg-config", "rustc-web")
    assert with_toolchain(usual, BOTH[0]) == with_toolchain(usual, None) == usual
    # What a file of projects names counts, whatever would have been chosen.
    assert with_toolchain((*usual, "rustc-web"), BOTH[0]) == ("cargo-web", "pkg-config", "rustc-web")
    assert library_of(("cargo-web", "rustc-web")) == "libstd-rust-web-dev"
    assert library_of(usual) == "libstd-rust-dev" and library_of(("cmake",)) == ""


def package(name: str, rust_version: str | None = None, edition: str = "2018") -> dict[str, Any]:
    return {"id": name, "name": name, "version": "1.0", "rust_version": rust_version, "edition": edition}


def node(name: str, **needs: str | None) -> dict[str, Any]:
    return {"id": name, "deps": [{"pkg": one, "dep_kinds": [{"kind": kind}]} for one, kind in needs.items()]}


def document(*packages: dict[str, Any], root: str | None = "top", nodes: tuple[dict[str, Any], ...] = ()
             ) -> dict[str, Any]:
    return {"packages": list(packages), "resolve": {"root": root, "nodes": list(nodes)},
            "workspace_members": ["top"]}


def test_the_newest_demand_among_what_is_compiled_counts() -> None:
    packages = (package("top", "1.60"), package("direct"), package("deep", "1.74"), package("tests", "1.90"),
                package("unused", "1.95"))
    nodes = (node("top", direct=None, tests="dev"), node("direct", deep="build"), node("unused"))
    assert least_rustc(document(*packages, nodes=nodes)) == Least("1.74", "deep 1.0")
    # A workspace has no root: its members are compiled.
    assert least_rustc(document(*packages, root=None, nodes=nodes)) == Least("1.74", "deep 1.0")


def test_an_edition_is_a_demand() -> None:
    assert least_rustc(document(package("top", None, "2024"))) == Least("1.85", "top 1.0")
    assert least_rustc(document(package("top", "1.86", "2024"))) == Least("1.86", "top 1.0")


def test_what_is_no_metadata_asks_for_nothing() -> None:
    for strange in ({}, {"packages": 3, "resolve": [], "workspace_members": "x"},
                    document(package("top", "new; rm")), {"resolve": {"root": "top", "nodes": [None]}}):
        assert least_rustc({**strange}) in (Least(), Least("1.31", "top 1.0"))


def test_a_toolchain_is_told_by_its_numbers() -> None:
    assert Toolchain("rustc", "cargo", "libstd-rust-dev", "1.85.1+dfsg1-1+deb13u1").short == "1.85.1"
