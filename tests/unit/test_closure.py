# SPDX-License-Identifier: GPL-3.0-or-later
"""The closure, over archives of a few lines."""
from __future__ import annotations

from collections.abc import Mapping

import pytest
from debian.debian_support import DpkgArchTable

from debxcross.core.archive.source import SourcePackage, from_fields
from debxcross.core.chain.closure import (
    LEAN_PROFILES, NO_SOURCE, Closure, Lookup, Question, Setting, Twin, closure, reasons,
)

PROFILES = ("cross", "nocheck")


def source(name: str, build_depends: str = "", packages: str = "") -> SourcePackage:
    lines = "\n".join(f" {one} deb libs optional arch=any" if " " not in one else f" {one}"
                      for one in (packages.split(", ") if packages else [f"lib{name}-dev"]))
    return from_fields({"Package": name, "Version": "1", "Build-Depends": build_depends,
                        "Package-List": "\n" + lines,
                        "Checksums-Sha256": f"\n {'0' * 64} 1 {name}_1.dsc"}, "sid")


def found(wanted: str, *sources: SourcePackage, twins: tuple[Twin, ...] = (),
          provides: Mapping[str, tuple[str, ...]] | None = None, table: DpkgArchTable,
          settings: Mapping[str, Setting] | None = None) -> Closure:
    packages = {one.name: one for one in (
        Twin("debhelper", "debhelper", foreign=True, every=True),
        *(Twin(entry.name, each.name) for each in sources for entry in each.binaries), *twins)}
    known = {one.name: one for one in sources}
    lookup = Lookup(packages.get, lambda name: (provides or {}).get(name, ()), known.get)
    question = Question("powerpc", PROFILES, table, ("libc6", "libc6-dev"), settings or {})
    return closure(wanted.split(), lookup, question)


def names(closed: Closure) -> list[str]:
    return [one.source for one in closed.sources]


def test_a_source_that_needs_tools_and_shims_only_is_alone(table: DpkgArchTable) -> None:
    closed = found("zlib", source("zlib", "debhelper, libc6-dev, python3:any, gcc:native, libx-dev [armel], "
                                  "liby-dev <!nocheck>"), table=table)
    assert (names(closed), closed.needs, closed.unmet) == (["zlib"], {"zlib": ()}, ())


def test_what_a_library_needs_is_built_before(table: DpkgArchTable) -> None:
    closed = found("ssh", source("ssh", "debhelper, libtom-dev"), source("tom", "debhelper"),
                   source("gmp"), twins=(Twin("libtom-dev", "tom", depends="libc6, libgmp-dev (>= 2)"),),
                   table=table)
    assert closed.needs == {"ssh": ("gmp", "tom"), "tom": (), "gmp": ()}
    assert reasons(closed) == {"ssh": "", "gmp": "libgmp-dev, which ssh needs",
                               "tom": "libtom-dev, which ssh needs"}


def test_of_alternatives_the_first_that_can_be_had_counts(table: DpkgArchTable) -> None:
    sources = (source("aa", "libnobody-dev | libbb-dev | libcc-dev"), source("bb"), source("cc"))
    assert names(found("aa", *sources, table=table)) == ["aa", "bb"]
    served = found("aa", *sources, twins=(Twin("libcc-dev", "cc", foreign=True),), table=table)
    assert names(served) == ["aa"], "a tool that runs on the build machine serves"


def test_virtual_packages_are_who_provides_them(table: DpkgArchTable) -> None:
    closed = found("aa", source("aa", "libz-dev"), source("zlib", packages="zlib1g-dev"),
                   provides={"libz-dev": ("zlib1g-dev",)}, table=table)
    assert closed.needs["aa"] == ("zlib",)


def test_what_nobody_makes_is_told(table: DpkgArchTable) -> None:
    closed = found("aa", source("aa", "libonly-dev, libdata"), source(
        "only", packages="libonly-dev deb libs optional arch=amd64"),
        twins=(Twin("libdata", "data", every=True),), table=table)
    assert closed.unmet == (("aa", "libonly-dev"), ("aa", "libdata")) and names(closed) == ["aa"]
    assert found("nothing", table=table).unmet == (("nothing", NO_SOURCE),)


def test_a_cycle_ends_and_shows_in_the_needs(table: DpkgArchTable) -> None:
    closed = found("aa", source("aa", "libbb-dev"), source("bb", "libaa-dev"), table=table)
    assert closed.needs == {"aa": ("bb",), "bb": ("aa",)}


@pytest.mark.parametrize(("wanted", "expected", "lean"), [
    ("aa", ["aa", "doc", "py"], set()), ("zz", ["zz", "aa"], {"nopython", "nodoc"})])
def test_what_is_only_needed_is_built_lean(
    wanted: str, expected: list[str], lean: set[str], table: DpkgArchTable
) -> None:
    """Asked for itself, a source has its bindings and documentation."""
    closed = found(wanted, source("aa", "libpy-dev <!nopython>, libdoc-dev <!nodoc>"),
                   source("zz", "libaa-dev"), source("py"), source("doc"), table=table)
    assert sorted(names(closed)) == sorted(expected)
    profiles = {one.source: one.profiles for one in closed.sources}["aa"]
    assert set(profiles) - set(PROFILES) == lean < set(LEAN_PROFILES)


def test_a_setting_drops_adds_and_has_profiles(table: DpkgArchTable) -> None:
    closed = found("zz", source("zz", "libaa-dev"), source("aa", "gfortran, libnn-dev <!pkg.aa.non>"),
                   source("crypt"), source("nn"), source("gcc", packages="gfortran"), table=table,
                   settings={"aa": Setting(("pkg.aa.non",), ("gfortran",), ("libcrypt-dev:HOST", "perl"))})
    assert closed.needs["aa"] == ("crypt",) and closed.unmet == ()
    assert {one.source: one.profiles for one in closed.sources}["aa"] == (*PROFILES, "pkg.aa.non")
