# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths, filters, manifests and verdicts of a sysroot: values in, values out."""
from __future__ import annotations

import json
from dataclasses import replace

import pytest

from debxcross.core.architecture import architecture
from debxcross.core.gate import ElfFacts
from debxcross.core.sysroot import check, tree
from debxcross.core.sysroot.examples import EXAMPLES, possible, tool_packages
from debxcross.core.sysroot.filter import DEFAULT_FILTERS, PathFilter, chooser, parse_filter
from debxcross.core.sysroot.manifest import (
    SysrootManifest, SysrootPackage, info_name, needed, own_files, parse_manifest, path_list, status_stanza,
    tuning,
)
from debxcross.errors import ConfigurationError

ARMEL = architecture("armel")
PACKAGE = SysrootPackage("zlib1g", "1:1.2", "armel", "zlib1g_1%3a1.2_armel.deb", 10, "a" * 64, "main",
                         "pool/main/z/zlib/zlib1g_1.2_armel.deb")
FILTERS = (PathFilter(False, "/usr/share/*"),)
MANIFEST = SysrootManifest("armel", "bookworm", ("zlib1g-dev",), (PACKAGE,), FILTERS, 17)


@pytest.mark.parametrize(("name", "target", "inside"), [
    ("usr/lib/x/liba.so", "liba.so.1", "liba.so.1"),
    ("usr/lib/x/liba.so", "/lib/x/liba.so.1", "liba.so.1"),
    ("usr/lib/x/liba.so", "/usr/lib/y/liba.so.1", "../y/liba.so.1"),
    ("lib/x/liba.so", "../../usr/lib/y/b", "../y/b"),
    ("lib/ld-linux.so.3", "x/ld.so", "x/ld.so"),
    ("lib/ld-linux.so.3", "/lib/x/ld.so", "x/ld.so"),
    ("usr/lib/x/liba.so", "../../../lib/x/liba.so.1", "liba.so.1"),
    ("a", "/", "."),
    ("usr/a", "/etc/../b", "../b"),
])
def test_links_become_relative_and_stay_inside(name: str, target: str, inside: str) -> None:
    assert tree.member_fault(f"./{name}", "symlink", 0o777, target) == ""
    assert tree.link_inside(name, target) == inside
    parent = tree.merged(name).rpartition("/")[0]
    assert tree.normal(f"{parent}/{inside}") is not None


@pytest.mark.parametrize(("links", "files", "lost"), [
    ({"a": "b"}, ("b",), ()),
    ({"a": "b", "b": "c"}, (), ("a", "b")),
    ({"a": "d"}, ("d/e",), ()),
    ({"a": "b", "b": "a"}, (), ("a", "b")),
    ({"d/a": "../../out"}, ("x",), ("d/a",)),
    ({"l": "d", "m": "l/x"}, ("d/x",), ()),
])
def test_dangling_links(links: dict[str, str], files: tuple[str, ...], lost: tuple[str, ...]) -> None:
    assert tree.dangling(links, files) == lost
    assert check.link_verdict(links, files).ok == (not lost)


def test_linker_scripts() -> None:
    text = ("/* GNU ld script\n   Use /lib/x. */\nOUTPUT_FORMAT(elf32-littlearm)\n"
            "GROUP ( /lib/arm/libc.so.6 /usr/lib/arm/libc_nonshared.a AS_NEEDED ( /lib/ld.so.3 ) -lgcc )\n")
    found = tree.merged_script(text)
    assert tree.script_paths(found) == (
        "usr/lib/arm/libc.so.6", "usr/lib/arm/libc_nonshared.a", "usr/lib/ld.so.3")
    assert tree.merged_script(found) == found
    assert tree.is_linker_script("usr/lib/libc.so", text.encode())
    assert tree.is_linker_script("usr/lib/libncurses.so", b"INPUT(libncurses.so.6 -ltinfo)")
    assert not tree.is_linker_script("usr/lib/libc.so", b"\x7fELF")
    assert not tree.is_linker_script("usr/include/INPUT", b"INPUT(x)")


@pytest.mark.parametrize(("path", "taken"), [
    ("usr/include/zlib.h", True), ("usr/share/doc/zlib1g-dev/copyright", False),
    ("usr/share/pkgconfig/xproto.pc", True), ("usr/bin/python3.11", False),
    ("usr/bin/gpg-error-config", True),
    ("usr/lib/arm-linux-gnueabi/gconv/UTF-16.so", False), ("usr/lib/arm-linux-gnueabi/libz.a", True),
    ("usr/lib/arm-linux-gnueabi/libc.a", True), ("usr/lib/arm-linux-gnueabi/libcrypto.a", False),
    ("usr/lib/arm-linux-gnueabi/libboost_python311.a", False),
    ("usr/lib/arm-linux-gnueabi/libboost_exception.a", True),
    ("usr/lib/gcc/arm-linux-gnueabi/12/crtbegin.o", True), ("etc/passwd", False),
    ("usr/lib/python3.11/encodings/utf_8.py", True), ("usr/lib/python3.11/test/support.py", False),
])
def test_default_filters(path: str, taken: bool) -> None:
    assert chooser(DEFAULT_FILTERS, "any")(path) is taken


def test_the_last_filter_that_matches_decides_and_packages_have_their_own() -> None:
    filters = (PathFilter(False, "/usr/share/*"), PathFilter(True, "/usr/share/doc/*"),
               PathFilter(False, "/usr/share/doc/a/*", "one"))
    assert [chooser(filters, name)("usr/share/doc/a/b") for name in ("one", "two")] == [False, True]
    assert not chooser(filters, "two")("usr/share/man")


def test_filters_are_read_as_dpkg_reads_them() -> None:
    assert parse_filter("/lib/*", False) == PathFilter(False, "/usr/lib/*")
    assert parse_filter("zlib1g-dev:*.a", True) == PathFilter(True, "*.a", "zlib1g-dev")
    assert parse_filter("/usr/lib/a:b", False).pattern == "/usr/lib/a:b"
    with pytest.raises(ConfigurationError, match="can match nothing") as caught:
        parse_filter("usr/share/doc", False)
    assert caught.value.resolution == "Write /usr/share/doc"


def test_a_manifest_is_its_own_lock() -> None:
    assert parse_manifest(MANIFEST.text(), "here") == MANIFEST


@pytest.mark.parametrize(("change", "said"), [
    ({"schema": 9}, "schema: 9"), ({"architecture": "pdp11"}, "architecture: unknown"),
    ({"release": None}, "release: unknown"),
    ({"packages": [{"name": "x"}]}, "packages[0]: must have exactly"),
    ({"filters": "x"}, "filters: must be a list"), ({"requested": [1]}, "requested: must be"),
    ({"source_date_epoch": "now"}, "source_date_epoch"),
])
def test_faulty_manifests(change: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_manifest(json.dumps({**json.loads(MANIFEST.text()), **change}), "lock.json")
    assert said in caught.value.details and "lock.json" in caught.value.brief


@pytest.mark.parametrize("package", [
    replace(PACKAGE, file="../evil.deb"), replace(PACKAGE, sha256="../x"), replace(PACKAGE, path="../../x"),
])
def test_a_manifest_cannot_name_places(package: SysrootPackage) -> None:
    with pytest.raises(ConfigurationError, match="not the manifest"):
        parse_manifest(replace(MANIFEST, packages=(package,)).text(), "lock.json")


@pytest.mark.parametrize("text", ["", "[]", "{", "\0"])
def test_what_is_no_manifest(text: str) -> None:
    with pytest.raises(ConfigurationError, match="not the manifest"):
        parse_manifest(text, "lock.json")


def test_the_dpkg_database() -> None:
    control = {"Package": "zlib1g", "Version": "1", "Architecture": "armel", "Multi-Arch": "same",
               "Description": "short\n long"}
    assert status_stanza(control).startswith("Package: zlib1g\nStatus: install ok unpacked\nVersion: 1\n")
    assert info_name(control) == "zlib1g:armel" and info_name({**control, "Multi-Arch": "no"}) == "zlib1g"
    assert path_list(["usr/lib/a", "usr/b"]) == "/.\n/usr\n/usr/b\n/usr/lib\n/usr/lib/a\n"


def test_own_files_are_for_one_architecture() -> None:
    files = {one.path: one for one in own_files(ARMEL, "12", "3.11", "_sysconfigdata__arm-linux-gnueabi")}
    assert files["debxcross/bin/armel-cc"].executable
    assert files["debxcross/cargo.toml"].values["rust_target"] == "armv5te-unknown-linux-gnueabi"
    assert "debxcross/python.sh" not in {one.path for one in own_files(ARMEL, "", "", "")}
    assert tuning(ARMEL).flags == ("-march=armv5te", "-mtune=arm926ej-s")


def facts(path: str, needed: tuple[str, ...] = (), **more: object) -> ElfFacts:
    values = {"type": "ET_DYN", "float_abi": "soft", "flags": 0x5000200, **more}
    return ElfFacts(path, 32, True, "EM_ARM", needed=needed, **values)  # type: ignore[arg-type]


def test_the_closure_of_libraries() -> None:
    files = {"usr/lib/arm-linux-gnueabi/liba.so.1.0", "usr/lib/b/private.so", "usr/lib/b/user.so"}
    links = {"usr/lib/arm-linux-gnueabi/liba.so.1": "liba.so.1.0", "lib": "usr/lib"}
    good = [facts("usr/lib/b/user.so", ("liba.so.1", "private.so"), runpath=("$ORIGIN",))]
    assert check.needed_verdict(good, ARMEL, links, files).ok
    bad = [facts("usr/lib/b/user.so", ("private.so", "libgone.so.2"))]
    assert check.needed_verdict(bad, ARMEL, links, files).found.splitlines() == [
        "usr/lib/b/user.so needs private.so", "usr/lib/b/user.so needs libgone.so.2"]


def test_code_for_another_architecture() -> None:
    assert check.elf_verdict([facts("a")], ARMEL).ok
    found = check.elf_verdict([facts("a", float_abi="hard", flags=0x5000400)], ARMEL)
    assert not found.ok and found.found == "a: hard float, not soft float"


def test_scripts_and_pkg_config_that_point_out() -> None:
    assert not check.script_verdict({"a.so": "GROUP ( /usr/lib/gone.so )"}, {}, {"a.so"}).ok
    text = "prefix=/usr\nlibdir=${prefix}/lib\nCflags: -I${prefix}/include/a -DX\nLibs: -L${libdir} -lz\n"
    assert check.pkg_config_verdict({"a.pc": text}, {}, {"usr/include/a", "usr/lib"}).ok
    assert check.pkg_config_verdict({"a.pc": text}, {"usr/include/a": "../b"}, {"usr/b", "usr/lib"}).ok
    found = check.pkg_config_verdict({"a.pc": "Libs: -L/opt/x -lx"}, {}, {"usr"})
    assert found.found == "a.pc names /opt/x"


def test_examples_say_what_they_take() -> None:
    assert [one.name for one in EXAMPLES if possible(one, {"usr/include/zlib.h"})] == ["c", "meson", "cargo"]
    assert "libstd-rust-dev:armel" in tool_packages(EXAMPLES, ARMEL)


def test_what_packages_for_all_architectures_are_needed() -> None:
    for_all = {name: {"Package": name, "Depends": depends} for name, depends in (
        ("linux-libc-dev", ""), ("a-data", "b-data (>= 1), libc6"), ("b-data", "a-data"), ("c", "a-data"))}
    controls = [
        {"Package": "libc6-dev", "Depends": "libc6 (= 2.41), linux-libc-dev:any, libc-dev-bin | x"},
        {"Package": "liba-dev", "Pre-Depends": "nothing | a-data"}]
    assert needed(controls, for_all) == {"linux-libc-dev", "a-data", "b-data"}
    assert needed(controls, {}) == set() and needed([], for_all) == set()
