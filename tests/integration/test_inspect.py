# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``inspect`` says of real files: programs, packages, wheels, and what is none of these."""
from __future__ import annotations

import base64
import hashlib
import io
import lzma
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from debxcross.app import sysroot as app
from debxcross.core.architecture import architecture
from debxcross.core.sysroot.inspection import Collection, Inspection
from debxcross.core.sysroot.manifest import SysrootManifest
from debxcross.doors import elf, process
from debxcross.doors.store import Store
from debxcross.errors import GateError, PackageError, UsageError
from debxcross.steps.sysroot import inspect as looking, make
from debxcross.steps.sysroot.choose import Chosen
from tests.playground import make_ar, make_deb, make_elf
from tests.tools import need

LIBRARIES = "usr/lib/arm-linux-gnueabi"


@pytest.fixture()
def tree(tmp_path: Path) -> Path:
    """A sysroot with one library in it."""
    store = Store(tmp_path / "store")
    package = make_deb(tmp_path / "libtiny1_1_armel.deb", {"Package": "libtiny1"},
                       {f"{LIBRARIES}/libtiny.so.1": make_elf("armel", soname="libtiny.so.1")})
    chosen = (Chosen(store.put(package), "main", "pool/x"),)
    manifest = SysrootManifest("armel", "bookworm", ("libtiny1",), (), (), 0)
    return make.make(store, lambda text: None, architecture("armel"), manifest, chosen,
                     tmp_path / "sysroot", force=False).output


def look(path: Path, tree: Path | None = None) -> Inspection:
    (found,) = app.inspect(app.InspectRequest((path,), tree))
    assert isinstance(found, Inspection)
    return found


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_a_program_against_a_sysroot(tree: Path, tmp_path: Path) -> None:
    program = write(tmp_path / "program", make_elf("armel", needed=("libtiny.so.1", "libgone.so.2")))
    found = look(program, tree)
    assert found.found == {"libtiny.so.1": f"{LIBRARIES}/libtiny.so.1", "libgone.so.2": ""}
    assert found.faults == ("libgone.so.2 is missing",)
    found = look(write(program, make_elf("arm64", needed=("libtiny.so.1",))), tree)
    assert found.faults == ("it is for arm64, not for armel",) and found.found == {}
    found = look(write(program, make_elf("armhf", needed=("libtiny.so.1",))), tree)
    assert found.faults == ("it is for armhf, not for armel",)


def test_a_deb_against_a_sysroot(tree: Path, tmp_path: Path) -> None:
    """Its own libraries count when the device would find them, and only then."""
    package = make_deb(tmp_path / "tool_1_armel.deb", {"Package": "tool"}, {
        "lib/arm-linux-gnueabi/libown.so.2.0": make_elf("armel", soname="libown.so.2"),
        f"{LIBRARIES}/libown.so.2": "libown.so.2.0",
        "opt/private/libhidden.so": make_elf("armel", soname="libhidden.so"),
        "usr/bin/tool": make_elf("armel", needed=("libown.so.2", "libtiny.so.1", "libhidden.so")),
        "opt/private/user.so": make_elf("armel", needed=("libhidden.so",), runpath="$ORIGIN"),
        "usr/share/doc/tool/copyright": b"free"})
    found = {one.path.rpartition(" ")[2]: one for one in app.inspect(app.InspectRequest((package,), tree))
             if isinstance(one, Inspection)}
    assert sorted(found) == ["opt/private/libhidden.so", "opt/private/user.so", "usr/bin/tool",
                             f"{LIBRARIES}/libown.so.2.0"]
    assert found["usr/bin/tool"].found == {
        "libown.so.2": f"{LIBRARIES}/libown.so.2.0", "libtiny.so.1": f"{LIBRARIES}/libtiny.so.1",
        "libhidden.so": ""}
    assert found["usr/bin/tool"].faults == ("libhidden.so is missing",)
    assert found["opt/private/user.so"].faults == ()


def make_wheel(path: Path, files: Mapping[str, bytes]) -> Path:
    everything = {
        **files, "tiny-1.dist-info/METADATA": b"Metadata-Version: 2.1\nName: tiny\nVersion: 1\n",
        "tiny-1.dist-info/WHEEL":
            b"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: py3-none-any\n"}
    record = ""
    for name, content in everything.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
        record += f"{name},sha256={digest},{len(content)}\n"
    record += "tiny-1.dist-info/RECORD,,\n"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {**everything, "tiny-1.dist-info/RECORD": record.encode()}.items():
            archive.writestr(name, content)
    return path


def test_a_wheel(tree: Path, tmp_path: Path) -> None:
    """The private libraries that repaired wheels carry are found by their RUNPATH."""
    wheel = make_wheel(tmp_path / "tiny-1-cp311-cp311-linux_armv5tel.whl", {
        "tiny/_c.so": make_elf("armel", needed=("libx-1234.so",), runpath="$ORIGIN/../tiny.libs"),
        "tiny.libs/libx-1234.so": make_elf("armel", soname="libx-1234.so", needed=("libgone.so.1",)),
        "tiny/__init__.py": b""})
    found = app.inspect(app.InspectRequest((wheel,), tree))
    assert [(one.path.rpartition(" ")[2], one.faults) for one in found] == [
        ("tiny.libs/libx-1234.so", ("libgone.so.1 is missing",)), ("tiny/_c.so", ())]
    pure = make_wheel(tmp_path / "tiny-1-py3-none-any.whl", {"tiny/__init__.py": b""})
    (one,) = app.inspect(app.InspectRequest((pure,), tree))
    assert isinstance(one, Collection)
    assert one.text().endswith("wheel without machine code: the same for every architecture")


def test_a_static_library(tree: Path, tmp_path: Path) -> None:
    library = write(tmp_path / "libx.a", make_ar([
        ("a.o", make_elf("armel", kind=1, attributes={28: 0})), ("b.o", make_elf("armel", kind=1))]))
    (one,) = app.inspect(app.InspectRequest((library,), tree))
    assert one.text().splitlines() == [
        f"{library}: static library of 2 object files", "  architecture  armel",
        "  can it be used? yes, for bookworm armel"]
    write(library, make_ar([("a.o", make_elf("armel", kind=1)), ("b.o", make_elf("amd64", kind=1))]))
    (one,) = app.inspect(app.InspectRequest((library,), tree))
    assert one.faults == ("it is for amd64, not for armel",)


def test_a_library_that_is_an_alternative(tmp_path: Path) -> None:
    """Debian's numpy needs libblas.so.3, which update-alternatives links to a file in blas/."""
    store = Store(tmp_path / "store")

    def tree_with(name: str, provides: str) -> Path:
        package = make_deb(tmp_path / f"{name}_1_armel.deb", {"Package": name, "Provides": provides}, {
            f"{LIBRARIES}/blas/libblas.so.3": make_elf("armel", soname="libblas.so.3")})
        return make.make(store, lambda text: None, architecture("armel"),
                         SysrootManifest("armel", "bookworm", (name,), (), (), 0),
                         (Chosen(store.put(package), "main", "pool/x"),), tmp_path / f"{name}-tree",
                         force=False).output

    program = write(tmp_path / "program", make_elf("armel", needed=("libblas.so.3",)))
    found = look(program, tree_with("libblas3", "libx (= 1), libblas.so.3"))
    assert found.found == {"libblas.so.3": f"{LIBRARIES}/blas/libblas.so.3"} and found.faults == ()
    # A private library in a directory of its own is none.
    assert look(program, tree_with("private", "libblas.so.30")).faults == ("libblas.so.3 is missing",)


def test_code_for_newer_processors(tree: Path, tmp_path: Path) -> None:
    """Debian's numpy for armhf says ARMv8, and chooses at run time: yes, with a caution."""
    newer = {6: 10, 12: 1}
    program = write(tmp_path / "a", make_elf("armel", attributes=newer))
    assert look(program, tree).faults == ("it is for ARMv7, NEON; armel also runs on ARMv5TE without VFP",)
    found = look(write(program, make_elf("armel", attributes=newer, calls=["getauxval"])), tree)
    assert (found.faults, found.cautions) == ((), ("code for ARMv7, NEON: it calls getauxval",))
    assert "\n  caution       code for ARMv7, NEON: it calls getauxval\n" in found.text()
    assert found.data()["runs"] and found.data()["cautions"] == list(found.cautions)
    library = write(tmp_path / "libx.a", make_ar([("a.o", make_elf("armel", kind=1, attributes=newer)),
                                                  ("b.o", make_elf("armel", kind=1, calls=["getauxval"]))]))
    (one,) = app.inspect(app.InspectRequest((library,), tree))
    assert one.faults == ()


def test_a_kernel_package(tree: Path, tmp_path: Path) -> None:
    """2839 modules of linux-image-marvell were 2839 times to be linked first."""
    def module(host: str, version: bytes = b"6.1.0-50-marvell ARMv5") -> bytes:
        return make_elf(host, kind=1, contents={".modinfo": b"license=GPL\0vermagic=" + version + b" \0"})

    bpf = bytearray(make_elf("arm64", kind=1))
    bpf[18] = 247
    modules = {f"lib/modules/6.1/kernel/{number}.ko": module("armel") for number in range(3)}
    package = make_deb(tmp_path / "image.deb", {"Package": "image"}, {
        **modules, "lib/modules/6.1/kernel/p.ko.xz": lzma.compress(module("armel")),
        "lib/modules/6.1/vdso/vdso.so": make_elf("armel"), "usr/lib/u-boot/x/u-boot.elf": make_elf("armel"),
        "usr/lib/x/filter.o": bytes(bpf), "usr/bin/tool": make_elf("armel", needed=("libtiny.so.1",)),
        "usr/lib/crt1.o": make_elf("armel", kind=1),
        "usr/share/x/bios.elf": make_elf("i386", kind=2),
        "usr/lib/libx.a": make_ar([("a.o", make_elf("armel", kind=1))])})
    found = app.inspect(app.InspectRequest((package,), tree))
    told = [one.text().splitlines()[0].removeprefix(f"{package}: ") for one in found]
    assert told == [
        "usr/bin/tool: shared library",
        "4 kernel modules (32-bit ARM) for 6.1.0-50-marvell ARMv5: the kernel loads them, and no C library",
        "2 files of boot loaders, kernels or firmware (32-bit ARM): they run without Linux",
        "1 BPF program: the kernel runs them, whatever the processor",
        "1 ELF file that is data (32-bit 386): programs read them",
        "1 object file", "usr/lib/libx.a: static library of 1 object file"]
    assert [one.faults for one in found] == [()] * 7
    (alone,) = app.inspect(app.InspectRequest((write(tmp_path / "x.ko", module("mipsel", b"5.10")),), tree))
    assert alone.faults == ("EM_MIPS, not EM_ARM or EM_AARCH64",) and "5.10" in alone.text()


@pytest.mark.parametrize(("content", "said"), [
    (b"#!/bin/sh\n", "is a script for /bin/sh"), (b"!<arch>\n", "is an archive without object files"),
    (b"\x7fELF\x01\x01\x01", "is no ELF file: it is the beginning of one, cut off"),
    (b"", "is no ELF file: it is empty"), (b"plain", "is no ELF file$"),
    (b"MZ\x90\0", "a program for Windows"), (b"PK\x03\x04", "a zip archive"),
])
def test_what_is_no_program(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        looking.inspect(write(tmp_path / "file", content), None)


def test_damaged_packages(tmp_path: Path) -> None:
    whole = make_deb(tmp_path / "a.deb", {}, {"usr/bin/a": make_elf("armel")}).read_bytes()
    with pytest.raises(GateError):
        looking.inspect(write(tmp_path / "cut.deb", whole[:len(whole) - 40]), None)
    with pytest.raises(GateError, match="not a whole zip file"):
        looking.inspect(write(tmp_path / "cut.whl", b"PK\x03\x04"), None)


def compiled(directory: Path, name: str, *options: str) -> Path:
    process.run(["gcc", "-o", name, *options, "a.c"], directory=directory).check(PackageError, "gcc")
    return directory / name


def test_real_programs(tmp_path: Path) -> None:
    """What gcc and a bare linker make, here for the build machine."""
    need("gcc", "objcopy")
    (tmp_path / "a.c").write_text("#include <stdio.h>\nint main(void) { return puts(\"x\") < 0; }\n")
    build = process.run(["dpkg", "--print-architecture"]).stdout.strip()

    def say(path: Path) -> Inspection:
        (found,) = app.inspect(app.InspectRequest((path,), None, "trixie", build, offline=True))
        assert isinstance(found, Inspection)
        return found

    good = compiled(tmp_path, "good")
    assert (say(good).kind, say(good).faults) == ("program (PIE)", ())
    needs = elf.read_needs(io.BytesIO(good.read_bytes()))
    assert needs.starts and any(version.startswith("GLIBC_2.") for _, version in needs.versions)
    (bare,) = say(compiled(tmp_path, "bare", "-nostartfiles", "-Wl,-e,main")).faults
    assert "no start-up code" in bare and "bare ld" in bare
    # ld's own default for the interpreter, which no device has.
    (lost,) = say(compiled(tmp_path, "lost", "-Wl,--dynamic-linker=/usr/lib/libc.so.1")).faults
    assert "bare ld" in lost and "No such file or directory" in lost
    (musl,) = say(compiled(tmp_path, "musl", "-Wl,--dynamic-linker=/lib/ld-musl-x.so.1")).faults
    assert "musl" in musl and "bare ld" not in musl
    assert say(compiled(tmp_path, "static", "-static")).kind == "static program"
    position = say(compiled(tmp_path, "position", "-static-pie"))
    assert (position.kind, position.faults) == ("static program (PIE)", ())
    process.run(["objcopy", "--strip-section-headers", "good", "headless"], directory=tmp_path)
    if (tmp_path / "headless").exists():  # binutils of trixie and newer
        assert say(tmp_path / "headless").faults == ()
