# SPDX-License-Identifier: GPL-3.0-or-later
"""Two builds of a package: what is a difference, of which kind, and what is none."""
from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from debxcross.core.build import comparisontext
from debxcross.core.build.compare import Toolchain, compare
from debxcross.core.build.differences import (
    GAINED, LOST, TOOLCHAIN, UNCOMPARED, UNEXPLAINED, Comparison, worst_first,
)
from debxcross.core.build.facts import CodeFacts, FileFacts, PackageFacts, Symbol, facts_from
from debxcross.core.build.natives import NEAREST, OTHER_ARCHITECTURE, SAME
from debxcross.core.key import canonical

PROGRAM = CodeFacts(
    "usr/bin/tool", "ET_DYN", ("libc.so.6", "libgnutls.so.30"), "",
    imports=(Symbol("__sprintf_chk", "GLIBC_2.4", "libc.so.6"), Symbol("gnutls_init", "GNUTLS_3_4",
                                                                       "libgnutls.so.30"),
             Symbol("mkstemp64", "GLIBC_2.4", "libc.so.6"), Symbol("readline")),
    hardening=("bind-now", "pie", "relro"), sections=((".data", "d1"), (".note.gnu.build-id", "n1"), (".text",
                                                                                                      "t1")))
LIBRARY = CodeFacts("usr/lib/arm-linux-gnueabihf/libx.so.1", "ET_DYN", ("libc.so.6",), "libx.so.1",
                    exports=(Symbol("x_new", "X_1"), Symbol("x_old", "X_1")), sections=((".text", "t2"),))

Told = set[tuple[str, str, str]]


def file(path: str, content: str = "c", **more: Any) -> FileFacts:
    return FileFacts(path, more.pop("type", "file"), more.pop("mode", 0o644), more.pop("owner", "root/root"),
                     content=content, **more)


def package(sha256: str = "one", *, files: tuple[FileFacts, ...] = (), code: tuple[CodeFacts, ...] = (),
            texts: Mapping[str, str] | None = None, packed: int = 0, **fields: str) -> PackageFacts:
    known = {"Package": "tool", "Version": "1.0-1", "Architecture": "armhf", **fields}
    shown = {name.replace("_", "-"): value for name, value in known.items()}
    files = (*files, *(file(one.path, sha256) for one in code))
    return PackageFacts(sha256, shown, packed, texts or {}, files, code)


def told(before: PackageFacts, after: PackageFacts, how: str = SAME, **more: Any) -> Told:
    """Return kind, what differs and its subject of every difference."""
    return {(one.kind, one.what, one.subject) for one in compare(before, after, how, **more).differences}


def codes(how: str = SAME, **changed: Any) -> Told:
    """Return what differs when the program has other facts."""
    return told(package("one", code=(PROGRAM,)), package("two", code=(replace(PROGRAM, **changed),)), how)


def without(*names: str) -> tuple[Symbol, ...]:
    return tuple(one for one in PROGRAM.imports if one.name not in names)


def test_the_same_deb_has_no_difference() -> None:
    found = compare(package(code=(PROGRAM,)), package(code=(PROGRAM,)), SAME)
    assert found.differences == () and (found.code.files, found.code.same_text, found.code.same_bits) == (1,
                                                                                                          1,
                                                                                                          1)


@pytest.mark.parametrize(("changed", "expected"), [
    ({"needed": ("libc.so.6",), "imports": without("gnutls_init")},
     {(LOST, "needed", "/usr/bin/tool libgnutls.so.30")}),
    ({"imports": without("mkstemp64")}, {(LOST, "import", "/usr/bin/tool mkstemp64")}),
    ({"imports": (*without("mkstemp64"), Symbol("mktemp"))},
     {(LOST, "import", "/usr/bin/tool mkstemp64"), (GAINED, "import", "/usr/bin/tool mktemp")}),
    ({"imports": without("readline")}, {(LOST, "import", "/usr/bin/tool readline")}),
    ({"imports": (*without("__sprintf_chk"), Symbol("sprintf", "GLIBC_2.4", "libc.so.6"))},
     {(LOST, "hardening", "/usr/bin/tool __sprintf_chk")}),
    ({"imports": (*without("__sprintf_chk"), Symbol("sprintf"), Symbol("__memcpy_chk"))},
     {(LOST, "hardening", "/usr/bin/tool __sprintf_chk"), (GAINED, "import", "/usr/bin/tool __memcpy_chk")}),
    ({"imports": without("__sprintf_chk")}, {(LOST, "import", "/usr/bin/tool __sprintf_chk")}),
    ({"hardening": ("relro",)}, {(LOST, "hardening", "/usr/bin/tool bind-now"),
                                 (LOST, "hardening", "/usr/bin/tool pie")}),
    ({"hardening": ("bind-now", "pie", "relro", "stack-protector")},
     {(GAINED, "hardening", "/usr/bin/tool stack-protector")}),
    ({"needed": (*PROGRAM.needed, "libz.so.1")}, {(GAINED, "needed", "/usr/bin/tool libz.so.1")}),
    ({"needed": (*PROGRAM.needed, "libgcc_s.so.1", "ld-linux-armhf.so.3")},
     {(TOOLCHAIN, "needed", "/usr/bin/tool libgcc_s.so.1"),
      (TOOLCHAIN, "needed", "/usr/bin/tool ld-linux-armhf.so.3")}),
    ({"sections": ((".data", "d1"), (".note.gnu.build-id", "n2"), (".text", "t1"))},
     {(TOOLCHAIN, "code", "/usr/bin/tool")}),
    ({"sections": ((".data", "d2"), (".note.gnu.build-id", "n2"), (".text", "t1"))},
     {(UNEXPLAINED, "code", "/usr/bin/tool")}),
    ({"sections": ((".data", "d1"), (".text", "t9"))}, {(UNEXPLAINED, "code", "/usr/bin/tool")}),
    # Code that differs because a library is lost needs no line of its own.
    ({"sections": ((".text", "t9"),), "imports": without("readline")},
     {(LOST, "import", "/usr/bin/tool readline")}),
    ({"imports": (*PROGRAM.imports, Symbol("puts"))}, {(UNEXPLAINED, "import", "/usr/bin/tool puts")}),
    ({"imports": (*PROGRAM.imports, Symbol("__gmon_start__"))},
     {(TOOLCHAIN, "import", "/usr/bin/tool __gmon_start__")}),
    ({"damage": "cut"}, {(UNEXPLAINED, "damage", "/usr/bin/tool")}),
])
def test_machine_code(changed: dict[str, Any], expected: Told) -> None:
    assert codes(**changed) == expected


@pytest.mark.parametrize(("rest", "kind"), [
    ((), LOST), ((Symbol("__read_chk"),), UNEXPLAINED)])
def test_checked_calls_that_are_gone_where_unchecked_ones_were_before(rest: tuple[Symbol, ...],
                                                                      kind: str) -> None:
    """Without any checked call left, hardening is off; else the calls themselves may be gone."""
    before = replace(PROGRAM, imports=(Symbol("memcpy"), Symbol("__memcpy_chk"), *rest))
    after = replace(PROGRAM, imports=(Symbol("memcpy"), *rest))
    found = told(package("one", code=(before,)), package("two", code=(after,)))
    assert (kind, "hardening", "/usr/bin/tool __memcpy_chk") in found


@pytest.mark.parametrize(("rest", "packed", "kind"), [
    ((Symbol("__read_chk"),), 100, TOOLCHAIN), ((Symbol("__read_chk"),), 300, LOST), ((), 100, LOST)])
def test_an_older_compiler_could_prove_fewer_sizes(rest: tuple[Symbol, ...], packed: int, kind: str) -> None:
    """As in canplayer of can-utils, whose native package is older than the release's compiler."""
    before = replace(PROGRAM, imports=(Symbol("__memcpy_chk"), *rest))
    after = replace(PROGRAM, imports=(Symbol("memcpy"), *rest))
    found = told(package("one", code=(before,), packed=packed), package("two", code=(after,), packed=400),
                 toolchain=Toolchain("gcc-12-base 12", 200))
    assert (kind, "hardening", "/usr/bin/tool __memcpy_chk") in found


def test_lines_for_udebs_are_not_lost_where_none_is_built() -> None:
    lines = "libx 1 tool (>= 1)\nudeb: libx 1 tool-udeb (>= 1)\n"
    before, after = (package(name, texts={"shlibs": text}) for name, text in (
        ("one", lines), ("two", "libx 1 tool (>= 1)\n")))
    found = compare(before, after, SAME)
    assert found.differences == () and "without udebs" in found.notes[0]
    changed = package("three", texts={"shlibs": "udeb: libx 1 tool-udeb\n"})
    assert (LOST, "shlibs", "shlibs libx 1 tool (>= 1)") in told(before, changed)


def test_a_newer_glibc_is_no_loss_and_explains_other_code() -> None:
    newer = (*without("mkstemp64"), Symbol("mkstemp64", "GLIBC_2.34", "libc.so.6"))
    found = codes(imports=newer, sections=((".text", "t9"),))
    assert found == {(TOOLCHAIN, "import", "/usr/bin/tool mkstemp64"), (TOOLCHAIN, "code", "/usr/bin/tool")}
    before = package("one", code=(replace(PROGRAM, needed=(*PROGRAM.needed, "libpthread.so.0")),))
    after = package("two", code=(replace(PROGRAM, sections=((".text", "t9"),)),))
    assert told(before, after) == {(TOOLCHAIN, "needed", "/usr/bin/tool libpthread.so.0"),
                                   (TOOLCHAIN, "code", "/usr/bin/tool")}


@pytest.mark.parametrize(("old", "new"), [
    ("__xstat64", "stat64"), ("__lxstat", "lstat"), ("__fxstatat64", "fstatat64"), ("__isoc99_sscanf",
                                                                                    "sscanf"),
    ("__isoc23_strtol", "strtol"), ("_IO_getc", "getc"), ("_environ", "environ")])
def test_renamed_functions_of_glibc_are_the_same(old: str, new: str) -> None:
    before = package("one", code=(replace(PROGRAM, imports=(Symbol(old),)),))
    after = package("two", code=(replace(PROGRAM, imports=(Symbol(new),)),))
    assert told(before, after) == {(TOOLCHAIN, "code", "/usr/bin/tool")}


@pytest.mark.parametrize(("narrow", "wide"), [
    ("clock_gettime", "__clock_gettime64"), ("fcntl64", "__fcntl_time64"), ("fstat64", "__fstat64_time64"),
    ("localtime", "__localtime64")])
def test_wider_times_are_no_loss_and_narrower_ones_are(narrow: str, wide: str) -> None:
    one, other = (package(name, code=(replace(PROGRAM, imports=(Symbol(name),)),)) for name in (narrow, wide))
    assert told(one, other) == {(TOOLCHAIN, "import", f"/usr/bin/tool {narrow}")}
    assert (LOST, "import", f"/usr/bin/tool {wide}") in told(other, one)


@pytest.mark.parametrize(("exports", "expected"), [
    ((Symbol("x_new", "X_1"),), {(LOST, "export", "x_old")}),
    ((Symbol("x_new", "X_1"), Symbol("x_old")), {(LOST, "export", "x_old")}),
    ((*LIBRARY.exports, Symbol("x_more", "X_1")), {(GAINED, "export", "x_more")}),
    ((*LIBRARY.exports, Symbol("__bss_start")), {(TOOLCHAIN, "export", "__bss_start")}),
])
def test_exported_symbols(exports: tuple[Symbol, ...], expected: Told) -> None:
    before = package("one", code=(LIBRARY,))
    after = package("two", code=(replace(LIBRARY, exports=exports),))
    assert {(kind, what, subject.partition(" ")[2]) for kind, what, subject in told(before,
                                                                                    after)} == expected


@pytest.mark.parametrize(("before", "after", "expected"), [
    ((file("usr/share/zsh/_tool"),), (), {(LOST, "file", "/usr/share/zsh/_tool")}),
    ((), (file("usr/bin/more"),), {(GAINED, "file", "/usr/bin/more")}),
    ((file("usr/bin/su", mode=0o4755),), (file("usr/bin/su", mode=0o755),), {(LOST, "mode",
                                                                              "/usr/bin/su mode")}),
    ((file("etc/x", mode=0o600),), (file("etc/x", mode=0o644),), {(UNEXPLAINED, "mode", "/etc/x mode")}),
    ((file("var/mail", owner="root/mail"),), (file("var/mail"),), {(UNEXPLAINED, "owner", "/var/mail")}),
    ((file("l", type="symlink", target="a"),), (file("l", type="symlink", target="b"),),
     {(UNEXPLAINED, "link", "/l")}),
    ((file("l", type="symlink", target="a"),), (file("l"),), {(UNEXPLAINED, "file", "/l")}),
    ((file("etc/x", "1"),), (file("etc/x", "2"),), {(UNEXPLAINED, "content", "/etc/x")}),
    ((file("usr/share/man/man1/x.1.gz", "1", essence="e"),), (file("usr/share/man/man1/x.1.gz", "2",
                                                                   essence="e"),),
     {(TOOLCHAIN, "content", "/usr/share/man/man1/x.1.gz")}),
    ((file("usr/share/doc/tool/changelog.Debian.gz", "1"),), (file("usr/share/doc/tool/changelog.Debian.gz",
                                                                   "2"),),
     {(TOOLCHAIN, "content", "/usr/share/doc/tool/changelog.Debian.gz")}),
    # What a binNMU brings, and directories that only hold other things, are none.
    ((file("usr/share/doc/tool/changelog.Debian.armhf.gz"),), (), set()),
    ((file("usr/lib/x", type="directory"), file("usr/lib/x/y")), (), {(LOST, "file", "/usr/lib/x/y")}),
    ((file("var/lib/x", type="directory"),), (), {(LOST, "file", "/var/lib/x")}),
])
def test_files(before: tuple[FileFacts, ...], after: tuple[FileFacts, ...], expected: Told) -> None:
    assert told(package("one", files=before), package("two", files=after)) == expected


DH = "# Automatically added by dh_installsystemd/{}\n{}\n# End automatically added section\n"


@pytest.mark.parametrize(("before", "after", "expected"), [
    ({"Version": "1.0-1+b3", "Installed_Size": "10", "Source": "tool (1.0-1)"},
     {"Version": "1.0-1", "Installed_Size": "11"}, set()),
    ({"Depends": "libc6 (>= 2.34), libx1 (= 1.0-1+b3)"}, {"Depends": "libc6 (>= 2.34), libx1 (= 1.0-1)"},
     set()),
    ({"Depends": "libc6 (>= 2.34), libreadline8 (>= 6.0)"}, {"Depends": "libc6 (>= 2.34)"},
     {(LOST, "relation", "Depends libreadline8")}),
    ({"Depends": "libc6 (>= 2.34)"}, {"Depends": "libc6 (>= 2.36)"}, {(TOOLCHAIN, "relation",
                                                                       "Depends libc6")}),
    ({"Depends": "libgcc-s1"}, {}, {(TOOLCHAIN, "relation", "Depends libgcc-s1")}),
    ({}, {"Recommends": "a | b"}, {(GAINED, "relation", "Recommends a | b")}),
    ({"Multi_Arch": "same"}, {}, {(LOST, "field", "Multi-Arch")}),
    ({"Section": "libs"}, {"Section": "oldlibs"}, {(UNEXPLAINED, "field", "Section")}),
    ({"Built_Using": "a (= 1)"}, {"Built_Using": "a (= 2)"}, {(TOOLCHAIN, "field", "Built-Using")}),
])
def test_fields(before: dict[str, str], after: dict[str, str], expected: Told) -> None:
    assert told(package("one", **before), package("two", **after)) == expected


@pytest.mark.parametrize(("before", "after", "expected"), [
    ({"postinst": "#!/bin/sh\nset -e\n"}, {}, {(LOST, "script", "postinst")}),
    ({"postinst": "set -e\n# one\n"}, {"postinst": "# two\n\nset -e \n"}, set()),
    ({"postinst": DH.format("13.9", "a")}, {"postinst": DH.format("13.11.4", "b")},
     {(TOOLCHAIN, "script", "postinst")}),
    ({"postinst": "set -e\n" + DH.format("13.9", "a")}, {"postinst": "set -e\n"},
     {(LOST, "script", "postinst dh_installsystemd")}),
    ({"postinst": "adduser x\n"}, {"postinst": "adduser y\n"}, {(UNEXPLAINED, "script", "postinst")}),
    ({"conffiles": "/etc/a\n/etc/b\n"}, {"conffiles": "/etc/a\n"}, {(LOST, "conffile", "conffiles /etc/b")}),
    ({"triggers": "# Triggers added by dh_makeshlibs/13.9\nactivate-noawait ldconfig\n"},
     {"triggers": "# Triggers added by dh_makeshlibs/13.11.4\nactivate-noawait ldconfig\n"}, set()),
    ({"triggers": "activate-noawait ldconfig\n"}, {}, {(LOST, "trigger",
                                                        "triggers activate-noawait ldconfig")}),
    ({"shlibs": "libx 1 libx1\n"}, {"shlibs": "libx 1 libx1 (>= 2)\n"},
     {(LOST, "shlibs", "shlibs libx 1 libx1"), (GAINED, "shlibs", "shlibs libx 1 libx1 (>= 2)")}),
    ({"symbols": "libx.so.1 libx1 #MINVER#\n a@X_1 1.0\n b@X_1 1.0\n"},
     {"symbols": "libx.so.1 libx1 #MINVER#\n a@X_1 1.1\n"},
     {(LOST, "symbols", "symbols b@X_1 of libx.so.1"), (TOOLCHAIN, "symbols", "symbols a@X_1 of libx.so.1")}),
])
def test_control_archive(before: dict[str, str], after: dict[str, str], expected: Told) -> None:
    assert told(package("one", texts=before), package("two", texts=after)) == expected


def test_two_architectures_are_compared_by_names() -> None:
    native = replace(LIBRARY, path="usr/lib/x86_64-linux-gnu/libx.so.1", exports=(Symbol("x_only_here"),))
    before = package("one", code=(native,), Architecture="amd64", Depends="libelsewhere1", texts={
        "prerm": "dpkg -L tool:amd64\n"}, files=(
        file("usr/lib/debug/.build-id/01/ab.debug"),
        file("usr/lib/x86_64-linux-gnu/engines/afalg.so"),
        file("usr/lib/x86_64-linux-gnu/libx.so", type="symlink", target="/lib/x86_64-linux-gnu/libx.so.1")))
    after = package("two", code=(LIBRARY,), texts={"prerm": "dpkg -L tool:armhf\n"}, files=(
        file("usr/lib/debug/.build-id/02/cd.debug"),
        file("usr/lib/arm-linux-gnueabihf/libx.so", type="symlink",
             target="/lib/arm-linux-gnueabihf/libx.so.1"),))
    assert told(before, after, OTHER_ARCHITECTURE) == {
        (LOST, "file", "/usr/lib/arm-linux-gnueabihf/engines/afalg.so")}
    poorer = replace(package("three", code=(replace(LIBRARY, needed=()),)), files=after.files)
    assert (LOST, "needed", "/usr/lib/arm-linux-gnueabihf/libx.so.1 libc.so.6") in told(
        before, poorer, OTHER_ARCHITECTURE)
    assert compare(before, after, OTHER_ARCHITECTURE).code.files == 0


def test_another_version_may_use_another_version_of_a_library() -> None:
    before = package("one", Version="1.0-1", Depends="libssl1.1, libz1", files=(file("usr/lib/tool-1.0.so",
                                                                                     "1"),),
                     code=(replace(PROGRAM, needed=("libssl.so.1.1", "libz.so.1")),))
    after = package("two", Version="1.2-1", Depends="libssl3", files=(file("usr/lib/tool-1.2.so", "2"),),
                    code=(replace(PROGRAM, needed=("libssl.so.3",), imports=()),))
    assert told(before, after, NEAREST) == {
        (LOST, "needed", "/usr/bin/tool libz.so.1"), (TOOLCHAIN, "needed", "/usr/bin/tool libssl.so.1.1"),
        (LOST, "relation", "Depends libz1")}
    same = told(before, replace(after, fields={**after.fields, "Version": "1.0-1"}), SAME)
    assert {(UNEXPLAINED, "needed", "/usr/bin/tool libssl.so.1.1"),
            (UNEXPLAINED, "relation", "Depends libssl1.1")} <= same


def test_an_older_compiler_explains_other_code() -> None:
    before = package("one", code=(PROGRAM,), packed=86400)
    after = package("two", code=(replace(PROGRAM, sections=((".text", "t9"),)),), packed=86400)
    assert told(before, after) == {(UNEXPLAINED, "code", "/usr/bin/tool")}
    assert told(before, after, toolchain=Toolchain("gcc 12", 86399)) == {(UNEXPLAINED, "code",
                                                                          "/usr/bin/tool")}
    found = compare(before, after, SAME, toolchain=Toolchain("gcc 12", 10 * 86400))
    assert [one.kind for one in found.differences] == [TOOLCHAIN]
    assert found.notes == ("the two were built by toolchains of different versions: tool is of 1970-01-02, "
                           "gcc 12 of 1970-01-11",)


def test_documentation_left_out_by_a_profile_is_not_lost() -> None:
    before = package("one", files=(file("usr/share/man/man1/x.1.gz"), file("usr/share/doc/tool/copyright"),
                                   file("usr/share/doc/tool/html/a.html")))
    after = package("two")
    assert told(before, after, profiles=("nodoc",)) == {(LOST, "file", "/usr/share/doc/tool/copyright")}
    assert "2 files of documentation" in compare(before, after, SAME, profiles=("nodoc",)).notes[0]
    assert len(told(before, after)) == 3


def test_facts_survive_being_kept() -> None:
    facts = package(code=(PROGRAM, LIBRARY), files=(file("x", essence="e"),), texts={"postinst": "x"},
                    packed=7)
    assert facts_from(json.loads(canonical(facts))) == facts
    assert facts_from({"sha256": "x"}) is None and facts_from([]) is None


def comparison(name: str, **changed: Any) -> Comparison:
    after = replace(PROGRAM, **changed)
    found = compare(package("one", code=(PROGRAM,)), package("two" if changed else "one", code=(after,)),
                    SAME)
    return replace(found, package=name)


POOR = comparison("poor", needed=("libc.so.6",), imports=without("gnutls_init", "mkstemp64"))
ODD = comparison("odd", sections=((".text", "t9"),))
GOOD = comparison("good")
LONE = Comparison("lone", "2.0", "armhf", notes=("no archive has it",))
BROKEN = Comparison("broken.deb", "", "", damage="it has no control file\nmore")


def test_the_worst_first_and_one_line_each() -> None:
    ordered = worst_first((LONE, GOOD, ODD, BROKEN, POOR))
    assert [one.package for one in ordered] == ["broken.deb", "poor", "odd", "good", "lone"]
    assert comparisontext.render(ordered).splitlines() == [
        "broken.deb: damaged: it has no control file",
        "poor 1.0-1 armhf: lost 2 [/usr/bin/tool: imports mkstemp64; /usr/bin/tool: libraries "
        "libgnutls.so.30], code the same in 1 of 1 files",
        "odd 1.0-1 armhf: unexplained 1 [/usr/bin/tool (code)], code the same in 0 of 1 files",
        "good 1.0-1 armhf: the same",
        "lone 2.0 armhf: not compared: no archive has it",
        "3 of 5 packages compared; 1 with lost; 1 with unexplained; 1 damaged; "
        "of 3 files with code 2 have the same code, 1 the same bits."]


def test_everything_is_told_on_request() -> None:
    text = comparisontext.render((POOR,), verbose=True)
    lost = "/usr/bin/tool does not use libgnutls.so.30 and 1 of its functions (gnutls_init)"
    assert f"    lost: {lost}\n" in text
    value = json.loads(comparisontext.render_json((POOR, LONE)))["packages"]
    assert value[0]["counts"] == {"lost": 2, "unexplained": 0, "gained": 0, "other-toolchain": 0}
    assert [one["name"] for one in value[0]["differences"]] == ["mkstemp64", "libgnutls.so.30"]
    assert value[1]["against"] == "" and value[1]["notes"] == ["no archive has it"]


def test_a_page_escapes_what_packages_say() -> None:
    page = comparisontext.render_html((replace(POOR, notes=("<script>",)),), "a & b")
    assert "a &amp; b" in page and "<script>" not in page and "&lt;script&gt;" in page
    assert "<details open><summary><strong>poor</strong>" in page
    assert "<details><summary><strong>good</strong>" in comparisontext.render_html((GOOD,), "x")


@pytest.mark.parametrize(("one", "kinds", "expected"), [
    (POOR, ("lost",), True), (POOR, ("gained",), False), (ODD, ("lost",), False), (ODD, ("unexplained",),
                                                                                   True),
    (GOOD, ("lost", "unexplained", "gained", "other-toolchain", UNCOMPARED), False),
    (LONE, ("lost",), False), (LONE, (UNCOMPARED,), True), (BROKEN, (), True), (POOR, ("nothing",), False)])
def test_what_fails(one: Comparison, kinds: tuple[str, ...], expected: bool) -> None:
    assert one.fails_on(kinds) is expected


@pytest.mark.parametrize(("path", "ours", "kind"), [
    ("usr/lib/tcltk/sqlite3/pkgIndex.tcl", 1, "lost"), ("usr/share/man/man1/sed.1.gz", 25, "lost"),
    ("usr/share/man/man1/sed.1.gz", 26, "unexplained"),
    ("usr/share/doc/tool/changelog.Debian.gz", 1, "other-toolchain"),
])
def test_a_file_that_has_shrunk_is_lost(path: str, ours: int, kind: str) -> None:
    """What a program writes that cannot be run is there, and empty, or says that it failed."""
    before, after = (package(name, files=(file(path, name, size=size),))
                     for name, size in (("theirs", 100), ("ours", ours)))
    (found,) = compare(before, after, "same").differences
    assert (found.kind, found.what) == (kind, "content")
