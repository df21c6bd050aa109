# SPDX-License-Identifier: GPL-3.0-or-later
"""Shims: which cross package stands for what, and what the package that is made of it says."""
from __future__ import annotations

import pytest

from debxcross.core.architecture import ARCHITECTURES, architecture
from debxcross.core.build.environment import PackageFile
from debxcross.core.build.shims import (
    Shim, Twin, control_of, cross_compilers, missing, owners, places, root_packages, shim_name, shims,
    twin_name,
)

POWERPC, ALPHA, SPARC64 = map(architecture, ("powerpc", "alpha", "sparc64"))


def cross(name: str, host: str = "powerpc", version: str = "2.36-8cross1") -> PackageFile:
    return PackageFile("file:/x", f"{name}-{host}-cross_{version}_all.deb", 1, "0" * 64)


TWINS = {
    "libc6": Twin("2.36-9+deb12u14", "libgcc-s1, libcrypt1 (>= 1:4.4.10-10~)", ""),
    "libc6-dev": Twin("2.36-9+deb12u14", "libc6 (= 2.36-9+deb12u14), libc-dev-bin (= 2.36-9+deb12u14), "
                      "linux-libc-dev, libcrypt-dev, libnsl-dev, rpcsvc-proto",
                      "libc-dev (= 2.36-9+deb12u14)"),
    "libgcc-s1": Twin("12.2.0-14", "gcc-12-base (= 12.2.0-14), libc6 (>= 2.35)", "libgcc1 (= 1:12.2.0-14)"),
    "gcc-12-base": Twin("12.2.0-14"), "linux-libc-dev": Twin("6.1.176-1"),
}


@pytest.mark.parametrize(("package", "host", "name"), [
    ("libc6-powerpc-cross", "powerpc", "libc6"), ("libc6-dev-powerpc-cross", "powerpc", "libc6-dev"),
    ("libc6.1-dev-alpha-cross", "alpha", "libc6.1-dev"), ("libgcc-s4-hppa-cross", "hppa", "libgcc-s4"),
    ("linux-libc-dev-mips-cross", "mips", "linux-libc-dev"), ("libstdc++6-sh4-cross", "sh4", "libstdc++6"),
    ("libstdc++-12-dev-sh4-cross", "sh4", "libstdc++-12-dev"), ("libatomic1-sh4-cross", "sh4", "libatomic1"),
    # Another version of the compiler, another word size, other languages, another architecture.
    ("libgcc-11-dev-mips-cross", "mips", ""), ("libc6-ppc64-powerpc-cross", "powerpc", ""),
    ("lib64gcc-s1-powerpc-cross", "powerpc", ""), ("libgo21-powerpc-cross", "powerpc", ""),
    ("libstdc++-12-pic-powerpc-cross", "powerpc", ""), ("libc6-mips-cross", "mipsel", ""),
    ("libc6", "powerpc", ""),
])
def test_what_a_cross_package_stands_for(package: str, host: str, name: str) -> None:
    assert shim_name(package, host, "12") == name


def test_only_what_the_build_architecture_has_is_made() -> None:
    found = shims(map(cross, ("libc6", "libgcc-s1", "libatomic1", "libgo21")), TWINS, "powerpc", "12")
    assert [(one.name, one.cross is None) for one in found] == [
        ("gcc-12-base", True), ("libc6", False), ("libgcc-s1", False)]
    assert shims((), TWINS, "powerpc", "12") == ()


def test_what_is_missing_is_named() -> None:
    found = shims([cross("libc6"), cross("linux-libc-dev")], TWINS, "powerpc", "12")
    assert missing(found, POWERPC, "12") == ("libc6-dev", "libgcc-12-dev", "libstdc++-12-dev", "libstdc++6")
    assert missing((), ALPHA, "12")[:2] == ("libc6.1", "libc6.1-dev")


def test_a_shim_has_its_twins_version_and_depends_on_shims_only() -> None:
    control = control_of(Shim("libc6-dev", TWINS["libc6-dev"], cross("libc6-dev")), "powerpc",
                         ["libc6", "libc6-dev", "linux-libc-dev"])
    assert (control["Version"], control["Multi-Arch"]) == ("2.36-9+deb12u14", "same")
    assert control["Depends"] == "libc6 (= 2.36-9+deb12u14), linux-libc-dev"
    assert control["Provides"] == "libc-dev (= 2.36-9+deb12u14)"
    assert "libc6-dev-powerpc-cross 2.36-8cross1" in control["Description"]
    assert "Depends" not in control_of(Shim("gcc-12-base", TWINS["gcc-12-base"]), "powerpc", ["gcc-12-base"])


def test_architectures_with_names_of_their_own() -> None:
    assert twin_name("libc6.1") == "libc6" and twin_name("libgcc-s4") == "libgcc-s1"
    control = control_of(Shim("libgcc-s4", TWINS["libgcc-s1"], cross("libgcc-s4", "hppa")), "hppa",
                         ["libgcc-s4", "libc6", "gcc-12-base"])
    assert control["Depends"] == "gcc-12-base (= 12.2.0-14), libc6 (>= 2.35)"
    control = control_of(Shim("libc6.1-dev", TWINS["libc6-dev"]), "alpha", ["libc6.1", "libc6.1-dev"])
    assert control["Depends"] == "libc6.1 (= 2.36-9+deb12u14)"


def test_libraries_go_where_dpkg_and_the_linker_look() -> None:
    lib = "usr/powerpc-linux-gnu/lib"
    paths = [f"{lib}/libc.so.6", f"{lib}/ld.so.1", f"{lib}/libmemusage.so", f"{lib}/gconv/UTF-7.so.1",
             "usr/share/doc/libc6-powerpc-cross/README", f"{lib}/libc.a"]
    assert places(paths, POWERPC, "libc6") == {
        f"{lib}/libc.so.6": "lib/powerpc-linux-gnu/libc.so.6",
        f"{lib}/ld.so.1": "lib/powerpc-linux-gnu/ld.so.1"}
    assert places([f"{lib}/libstdc++.so.6"], POWERPC, "libstdc++6") == {
        f"{lib}/libstdc++.so.6": "usr/lib/powerpc-linux-gnu/libstdc++.so.6"}
    # sparc64 has its dynamic linker beside, ppc64 a second name of it.
    wide = "usr/sparc64-linux-gnu/lib64/ld-linux.so.2"
    assert places([wide], SPARC64, "libc6") == {wide: "lib/sparc64-linux-gnu/ld-linux.so.2"}
    both = ["usr/powerpc64-linux-gnu/lib64/ld64.so.1", "usr/powerpc64-linux-gnu/lib/ld64.so.1"]
    assert list(places(both, architecture("ppc64"), "libc6")) == [both[1]]


def test_relations_get_true_names() -> None:
    assert owners("libc 6 libc6:powerpc (>= 2.36)\n", "powerpc") == "libc 6 libc6 (>= 2.36)\n"
    assert owners("libgcc_s.so.1 libgcc-s1-powerpc-cross #MINVER#\n", "powerpc") == (
        "libgcc_s.so.1 libgcc-s1 #MINVER#\n")


def test_every_architecture_names_a_c_library() -> None:
    assert {missing((), one, "12")[0] for one in ARCHITECTURES.values()} == {"libc6", "libc6.1"}


def test_what_brings_the_compilers() -> None:
    alone = {"gcc-riscv64-linux-gnu", "g++-riscv64-linux-gnu", "dpkg-cross"}
    riscv64 = architecture("riscv64")
    assert cross_compilers(riscv64, alone) == ("gcc-riscv64-linux-gnu", "g++-riscv64-linux-gnu", "dpkg-cross")
    assert cross_compilers(riscv64, {*alone, "crossbuild-essential-riscv64"}) == (
        "crossbuild-essential-riscv64",)
    assert cross_compilers(riscv64, alone - {"dpkg-cross"}) == ()
    assert root_packages(riscv64, ("gcc",), ("libc6", "libc6-dev")) == (
        "fakeroot", "gcc", "libc6:riscv64", "libc6-dev:riscv64")
