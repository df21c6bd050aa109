# SPDX-License-Identifier: GPL-3.0-or-later
"""What ELF files offer, need and are protected by: files made byte by byte, and by a compiler."""
from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pytest

from debxcross.core.build.facts import CodeFacts, Symbol
from debxcross.doors import elfdetails
from tests.playground import MACHINES, make_ar, make_elf
from tests.tools import need

HARDENED = ("-O2", "-D_FORTIFY_SOURCE=2", "-fstack-protector-strong", "-fPIE", "-pie", "-Wl,-z,relro,-z,now")
PLAIN = ("-O1", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=0", "-fno-stack-protector", "-no-pie", "-fno-pie",
         "-Wl,-z,norelro,-z,lazy,-z,execstack")
PROGRAM = """\
#include <stdio.h>
#include <stdlib.h>
int main(int count, char **words) {
  char text[16];
  snprintf(text, (size_t) atoi(words[count - 1]), "%s", words[0]);
  fputs(text, stdout);
  return mkstemp(text);
}
"""


def read(content: bytes, path: str = "usr/bin/x") -> CodeFacts:
    found = elfdetails.read_code(io.BytesIO(content), path)
    assert found is not None
    return found


@pytest.mark.parametrize("architecture", sorted(MACHINES))
def test_libraries_of_every_architecture(architecture: str) -> None:
    facts = read(make_elf(architecture, needed=("libz.so.1", "libc.so.6"), soname="libx.so.2"))
    assert (facts.kind, facts.needed, facts.soname, facts.damage) == (
        "ET_DYN", ("libc.so.6", "libz.so.1"), "libx.so.2", "")
    assert {name for name, _ in facts.sections} == {".dynamic", ".dynstr", ".shstrtab"}


def test_what_is_no_code_is_told() -> None:
    assert elfdetails.read_code(io.BytesIO(b"#!/bin/sh\n"), "x") is None
    assert elfdetails.read_code(io.BytesIO(b""), "x") is None
    assert elfdetails.read_code(io.BytesIO(make_ar([("x.txt", b"text")])), "x") is None
    damaged = read(make_elf("armhf", needed=("libz.so.1",))[:90])
    assert damaged.damage
    huge = elfdetails.read_code(_Huge(make_ar([("x.o", make_elf("armhf", kind=1))])), "libhuge.a")
    assert huge is not None and "too many" in huge.damage


class _Huge(io.BytesIO):
    """An archive that seems to be very long."""

    def seek(self, offset: int, whence: int = 0) -> int:
        place = super().seek(offset, whence)
        return place + (1 << 40 if whence == 2 else 0)


def test_bytes_after_the_end_do_not_change_sections() -> None:
    one, other = (read(make_elf("armhf", needed=("libz.so.1",), rest=rest)) for rest in (b"", b"more"))
    assert one == other


def test_objects_in_archives(tmp_path: Path) -> None:
    need("gcc")
    objects = []
    for name, text in (("a.o", "int f(void); int g(void) { return f(); }"), ("b.o",
                                                                             "int f(void) { return 1; }"),
                       ("c.o", "extern int h(void); static int k; int *l(void) { return h() ? &k : 0; }")):
        objects.append((name, compiled(tmp_path, text)))
    facts = read(make_ar([*objects, ("note.txt", b"odd")]), "usr/lib/libx.a")
    assert facts.kind == "archive" and facts.damage == ""
    assert [one.name for one in facts.exports] == ["f", "g", "l"]
    assert "h" in [one.name for one in facts.imports] and "f" not in [one.name for one in facts.imports]
    other = read(make_ar([objects[0], ("b.o", compiled(tmp_path, "int f(void) { return 2; }")),
                          objects[2]]))
    assert other.text != facts.text and other.exports == facts.exports
    cut = read(make_ar([("a.o", objects[0][1][:200])]))
    assert cut.damage.startswith("a.o: ")


def compiled(directory: Path, text: str) -> bytes:
    target = directory / "x.o"
    subprocess.run(["gcc", "-x", "c", "-", "-c", "-O2", "-fno-lto", "-o", str(target)], input=text.encode(),
                   check=True, timeout=60)
    return target.read_bytes()


def linked(tmp_path: Path, text: str, *options: str) -> CodeFacts:
    source, target = tmp_path / "x.c", tmp_path / "x"
    source.write_text(text)
    subprocess.run(["gcc", str(source), *options, "-o", str(target)], check=True, timeout=60)
    with target.open("rb") as file:
        found = elfdetails.read_code(file, "usr/bin/x")
    assert found is not None and found.damage == ""
    return found


def test_hardening(tmp_path: Path) -> None:
    need("gcc")
    hardened = linked(tmp_path, PROGRAM, *HARDENED)
    assert set(hardened.hardening) == {"relro", "bind-now", "pie", "stack-protector", "no-exec-stack"}
    plain = linked(tmp_path, PROGRAM, *PLAIN)
    assert plain.hardening == ()
    assert "__snprintf_chk" in {one.name for one in hardened.imports}
    assert {"snprintf", "mkstemp"} <= {one.name for one in plain.imports}
    assert hardened.text and plain.text and hardened.text != plain.text


def test_imports_know_version_and_library_and_copies_are_imports(tmp_path: Path) -> None:
    need("gcc")
    facts = linked(tmp_path, PROGRAM, *PLAIN)
    (found,) = [one for one in facts.imports if one.name == "mkstemp"]
    assert found.version.startswith("GLIBC_") and found.library == "libc.so.6"
    # Without -fPIE the variable of libc is copied into the program, which then defines it.
    imports, exports = ({one.name for one in symbols} for symbols in (facts.imports, facts.exports))
    assert "stdout" in imports and "stdout" not in exports


def test_exports_have_versions(tmp_path: Path) -> None:
    need("gcc")
    (tmp_path / "map").write_text("X_1 { global: f; local: *; };\nX_2 { global: g; } X_1;\n")
    text = "int f(void) { return 1; } int g(void) { return 2; } int hidden(void) { return 3; }"
    facts = linked(tmp_path, text, "-shared", "-fPIC", f"-Wl,--version-script={tmp_path / 'map'}",
                   "-Wl,-soname,libx.so.1")
    assert facts.exports == (Symbol("f", "X_1"), Symbol("g", "X_2")) and facts.soname == "libx.so.1"
    assert "pie" not in facts.hardening
