# SPDX-License-Identifier: GPL-3.0-or-later
"""What a failed build lacked, as settings that bring it, for one more try."""
from __future__ import annotations

import tomllib

from debxcross.core.build.missing import HEADER, MODULE, PROGRAM, RUSTC, Missing, Named
from debxcross.core.wheel.lacking import Lacks, lacks_of, with_lacks
from debxcross.core.wheel.requirement import ProjectOptions
from debxcross.core.wheel.rust import Toolchain

ZLIB = Named(Missing(HEADER, "zlib.h"), "zlib1g-dev", "libdevel")
SWIG = Named(Missing(PROGRAM, "swig"), "swig", "interpreters", ("swig4.0",))
WEB = Toolchain("rustc-web", "cargo-web", "libstd-rust-web-dev", "1.85.0+dfsg3-1~deb12u3")
OLD = Toolchain("rustc", "cargo", "libstd-rust-dev", "1.63.0+dfsg1-2")


def lacks(*missing: Missing, named: tuple[Named, ...] = (), had: Lacks = Lacks()) -> Lacks:
    return lacks_of((*missing, *(one.missing for one in named)), named, (OLD, WEB), had)


def test_packages_go_where_they_are_needed() -> None:
    found = lacks(named=(ZLIB, SWIG))
    assert (found.host_needs, found.build_packages, found.build_requires) == (("zlib1g-dev",), ("swig",), ())
    assert found.words == ("zlib1g-dev has zlib.h", "swig has swig (so has swig4.0)")
    assert found.packages == "zlib1g-dev, swig"
    assert tomllib.loads(found.toml("lamp")) == {
        "lamp": {"host-needs": ["zlib1g-dev"], "build-packages": ["swig"]}}
    assert Lacks.from_json(found.to_json()) == found


def test_what_the_build_had_does_not_help() -> None:
    assert not lacks(named=(ZLIB, SWIG), had=Lacks(("zlib1g-dev",), ("swig",)))
    assert not lacks(Missing(RUSTC, "1.70"), had=Lacks((), ("cargo-web", "rustc-web")))
    assert not lacks(Missing(MODULE, "Cython"), had=Lacks((), (), ("cython==3.1",)))


def test_a_newer_rustc_where_there_is_one() -> None:
    found = lacks(Missing(RUSTC, "1.70"))
    assert found.build_packages == ("cargo-web", "rustc-web")
    assert found.words == ("rustc-web is 1.85.0, and a crate needs rustc 1.70",)
    assert not lacks(Missing(RUSTC, "1.90"))


def test_modules_of_certain_projects() -> None:
    found = lacks(Missing(MODULE, "pkg_resources"), Missing(MODULE, "leftpad"),
                  had=Lacks((), (), ("setuptools==82.0",)))
    assert found.build_requires == ("setuptools<81",)
    assert found.words == ("setuptools<81 has the module pkg_resources",)


def test_what_the_build_had_stays_and_other_options_too() -> None:
    options = ProjectOptions(build_requires=("Cython<3",), smoke="import lamp")
    more = Lacks(("zlib1g-dev",), ("swig",), ("numpy",))
    again = with_lacks(options, Lacks(("liba-dev",), ("pkg-config",)), more)
    assert again == ProjectOptions(("liba-dev", "zlib1g-dev"), ("pkg-config", "swig"), ("Cython<3", "numpy"),
                                   smoke="import lamp")
