# SPDX-License-Identifier: GPL-3.0-or-later
"""Unpacking .debs that are sound, broken, or made to write where they must not."""
from __future__ import annotations

import gzip
import io
import lzma
import os
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from debxcross.core.sysroot.filter import DEFAULT_FILTERS, chooser
from debxcross.doors.unpack import Tree, Unpacked
from debxcross.errors import PackageError
from tests.playground import make_ar
from tests.tools import need

Entry = tuple[tarfile.TarInfo, bytes]
TIME = 1_700_000_000


def entry(name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, target: str = "",
          mode: int = 0o644) -> Entry:
    information = tarfile.TarInfo(name)
    information.type, information.linkname, information.mode = kind, target, mode
    information.size = len(content)
    return information, content


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> Entry:
    return entry(name, kind=kind, target=target)


def tar(entries: Sequence[Entry]) -> bytes:
    with io.BytesIO() as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as archive:
            for information, content in entries:
                archive.addfile(information, io.BytesIO(content))
        return file.getvalue()


def deb(path: Path, *entries: Entry, name: str = "tiny", data: bytes | None = None, ending: str = ".xz",
        control: str = "") -> Path:
    """Write a .deb, raw enough to be hostile; ``data`` replaces its packed data archive."""
    control = control or f"Package: {name}\nVersion: 1\nArchitecture: armel\n"
    packed = {".xz": lzma.compress, ".gz": lambda text: gzip.compress(text, mtime=0), "": bytes}[ending]
    content = make_ar([
        ("debian-binary", b"2.0\n"),
        ("control.tar.gz", gzip.compress(tar([entry("./control", control.encode())]), mtime=0)),
        (f"data.tar{ending}", packed(tar(entries)) if data is None else data)])
    path.write_bytes(content.replace(b"debian-binary/  0           ",
                                     b"debian-binary/  %-12d" % TIME))
    return path


@pytest.fixture()
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "parent" / "tree")


def everything(package: str) -> Callable[[str], bool]:
    return lambda path: True


def unpack(tree: Tree, path: Path) -> Unpacked:
    return tree.unpack(path, everything)


def outside(tmp_path: Path, tree: Tree) -> list[str]:
    """Everything that is neither below the tree nor a .deb of the test."""
    return sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")
                  if tree.directory not in (path, *path.parents)
                  and path != tree.directory.parent and path.suffix != ".deb")


@pytest.mark.parametrize("ending", [".xz", ".gz", ""])
def test_a_sound_package(tmp_path: Path, tree: Tree, ending: str) -> None:
    path = deb(
        tmp_path / "a.deb", entry("./", kind=tarfile.DIRTYPE), entry("./lib/", kind=tarfile.DIRTYPE),
        entry("./lib/x/liba.so.1", b"\x7fELF library"), link("./lib/x/liba.so", "/lib/x/liba.so.1"),
        entry("./usr/bin/a", b"program", mode=0o755), link("./usr/bin/b", "usr/bin/a", tarfile.LNKTYPE),
        ending=ending)
    found = unpack(tree, path)
    assert tree.finish() == ()
    assert found.time == TIME and found.control["Package"] == "tiny"
    assert found.paths == ("usr/lib/x/liba.so.1", "usr/lib/x/liba.so", "usr/bin/a", "usr/bin/b")
    root = tree.directory
    assert os.readlink(root / "usr/lib/x/liba.so") == "liba.so.1"
    assert (root / "usr/lib/x/liba.so").read_bytes() == b"\x7fELF library"
    assert (root / "usr/bin/b").read_bytes() == b"program"
    assert [oct((root / name).stat().st_mode & 0o777) for name in ("usr/bin/a", "usr/bin/b", "usr")] == [
        "0o755", "0o755", "0o755"]


def test_the_umask_does_not_show(tmp_path: Path, tree: Tree) -> None:
    old = os.umask(0o077)
    try:
        unpack(tree, deb(tmp_path / "a.deb", entry("./usr/include/a.h", b"a")))
    finally:
        os.umask(old)
    assert (tree.directory / "usr/include/a.h").stat().st_mode & 0o777 == 0o644


def test_zstd_goes_through_dpkg(tmp_path: Path, tree: Tree) -> None:
    need("dpkg-deb")
    from debxcross.doors import process

    source = tmp_path / "source"
    (source / "DEBIAN").mkdir(parents=True)
    (source / "DEBIAN/control").write_text(
        "Package: tiny\nVersion: 1\nArchitecture: armel\nMaintainer: x <x@example.org>\nDescription: x\n")
    (source / "usr").mkdir()
    (source / "usr/a").write_text("zstd")
    process.run(["dpkg-deb", "-Zzstd", "--build", str(source), str(tmp_path / "a.deb")]).check(
        PackageError, "dpkg-deb")
    unpack(tree, tmp_path / "a.deb")
    assert (tree.directory / "usr/a").read_text() == "zstd"


HOSTILE: dict[str, tuple[Entry, ...]] = {
    "an absolute path": (entry("/etc/passwd", b"root"),),
    "'..' in it": (entry("./usr/../../evil", b"x"),),
    "is a hard link": (entry("./a", b"x"), link("./b", "../../evil", tarfile.LNKTYPE)),
    "which has an absolute path": (link("./b", "/etc/passwd", tarfile.LNKTYPE),),
    "not among the package's files": (link("./usr/b", "etc/shadow", tarfile.LNKTYPE),),
    "outside of the tree": (link("./usr/lib/x", "../../../../etc"),),
    "character device": (entry("./dev/null", kind=tarfile.CHRTYPE),),
    "block device": (entry("./dev/sda", kind=tarfile.BLKTYPE),),
    "is a fifo": (entry("./run/pipe", kind=tarfile.FIFOTYPE),),
    "set-user-ID": (entry("./usr/bin/su", b"x", mode=0o4755),),
    "or set-group-ID": (entry("./usr/bin/mail", b"x", mode=0o2755),),
    "line end in it": (entry("./usr/a\nb", b"x"),),
    "is there twice": (entry("./usr/a", b"x"), entry("./usr/a", b"y")),
    "which is no directory": (entry("./usr/a", b"x"), entry("./usr/a/b", b"y")),
    "which is a symbolic link": (entry("./usr/a", b"x"), link("./usr/b", "a"),
                                 link("./usr/c", "usr/b", tarfile.LNKTYPE)),
    "is a sparse file": (entry("./usr/a", kind=tarfile.GNUTYPE_SPARSE),),
    # env.sh puts debxcross/bin on the PATH of the build machine.
    "keeps what is its own": (entry("./debxcross/bin/make", b"#!/bin/sh", mode=0o755),),
    "lies where a sysroot keeps": (link("./debxcross", "usr/lib"),),
    "'./DEBIAN/shlibs' lies where": (link("./DEBIAN/shlibs", "/etc/passwd"),),
    "'./var/lib' lies where": (link("./var/lib", "../usr/lib"),),
}


@pytest.mark.parametrize("why", HOSTILE)
@pytest.mark.parametrize("ending", [".xz", ""])
def test_hostile_members_are_refused_by_name(tmp_path: Path, tree: Tree, why: str, ending: str) -> None:
    path = deb(tmp_path / "evil_1_armel.deb", *HOSTILE[why], ending=ending)
    with pytest.raises(PackageError) as caught:
        unpack(tree, path)
        tree.finish()
    assert "evil_1_armel.deb is refused" in caught.value.brief and why in caught.value.brief
    assert caught.value.exit_status == 26 and "--path-exclude 'tiny:/" in caught.value.resolution
    assert outside(tmp_path, tree) == []


@pytest.mark.parametrize("target", ["../outside", "/etc", "../../outside", "/"])
def test_a_link_and_then_a_file_through_it(tmp_path: Path, tree: Tree, target: str) -> None:
    (tmp_path / "parent" / "outside").mkdir()
    path = deb(tmp_path / "evil.deb", link("./usr/door", target), entry("./usr/door/evil", b"x"))
    with pytest.raises(PackageError, match="refused"):
        unpack(tree, path)
        tree.finish()
    assert outside(tmp_path, tree) == ["parent/outside"]
    assert not any(one.is_symlink() for one in tree.directory.rglob("*"))


def test_a_link_of_another_package_is_no_door_either(tmp_path: Path, tree: Tree) -> None:
    unpack(tree, deb(tmp_path / "a.deb", link("./usr/door", "/etc"), name="one"))
    unpack(tree, deb(tmp_path / "b.deb", entry("./usr/door/evil", b"x"), name="two"))
    with pytest.raises(PackageError) as caught:
        tree.finish()
    assert caught.value.brief == "two is refused: '/usr/door/evil' lies behind the link '/usr/door' of one"


def test_a_link_below_a_file(tmp_path: Path, tree: Tree) -> None:
    unpack(tree, deb(tmp_path / "a.deb", entry("./usr/a", b"x"), name="one"))
    unpack(tree, deb(tmp_path / "b.deb", entry("./usr/b", b"x"), link("./usr/a/c", "../b"), name="two"))
    with pytest.raises(PackageError, match="refused|different"):
        tree.finish()


def test_a_link_through_a_link_is_taken_literally(tmp_path: Path, tree: Tree) -> None:
    """Followed by the kernel, up/../../x would leave the tree; as text it stays inside."""
    unpack(tree, deb(tmp_path / "a.deb", entry("./usr/a/x", b"inside"), entry("./usr/a/b/c/d", b"x"),
                     link("./usr/a/b/c/up", "../../../.."), link("./usr/a/b/c/out", "up/../../../x")))
    assert tree.finish() == ()
    assert os.readlink(tree.directory / "usr/a/b/c/out") == "../../x"
    assert (tree.directory / "usr/a/b/c/out").read_text() == "inside"


@pytest.mark.parametrize("control", [
    "Package: ../../../evil\nVersion: 1\nArchitecture: armel\n",
    "Package: a/b\nVersion: 1\nArchitecture: armel\n",
    "Package: tiny\nVersion: 1\nArchitecture: ../armel\nMulti-Arch: same\n",
    "Package: tiny\n evil\nVersion: 1\nArchitecture: armel\n",
    "Package: tiny\nVersion: 1 2\nArchitecture: armel\n",
])
def test_a_control_file_whose_fields_are_paths(tmp_path: Path, tree: Tree, control: str) -> None:
    """Package and Architecture become the name of dpkg's list of a package's files."""
    with pytest.raises(PackageError, match="a.deb is refused: its (Package|Architecture|Version) is"):
        unpack(tree, deb(tmp_path / "a.deb", control=control))


def test_a_hard_link_to_what_is_left_out_names_the_pattern(tmp_path: Path, tree: Tree) -> None:
    path = deb(tmp_path / "a.deb", entry("./usr/share/doc/a", b"x"),
               link("./usr/lib/a", "usr/share/doc/a", tarfile.LNKTYPE))
    with pytest.raises(PackageError) as caught:
        tree.unpack(path, lambda package: chooser(DEFAULT_FILTERS, package))
    assert caught.value.resolution == "Take both: --path-include 'tiny:/usr/share/doc/a'"


@pytest.mark.parametrize("first", [0o644, 0o755])
def test_who_comes_first_does_not_decide_the_mode(tmp_path: Path, tree: Tree, first: int) -> None:
    other = 0o755 if first == 0o644 else 0o644
    unpack(tree, deb(tmp_path / "a.deb", entry("./usr/a", b"same", mode=first), name="one"))
    unpack(tree, deb(tmp_path / "b.deb", entry("./usr/a", b"same", mode=other), name="two"))
    tree.finish()
    assert (tree.directory / "usr/a").stat().st_mode & 0o777 == 0o755


def test_two_packages_may_have_the_same_file_but_not_different_ones(tmp_path: Path, tree: Tree) -> None:
    unpack(tree, deb(tmp_path / "a.deb", entry("./usr/a", b"same"), name="one"))
    unpack(tree, deb(tmp_path / "b.deb", entry("./usr/a", b"same"), name="two"))
    assert tree.finish() == ()
    other = Tree(tmp_path / "other")
    unpack(other, deb(tmp_path / "a.deb", entry("./usr/a", b"one"), name="one"))
    unpack(other, deb(tmp_path / "b.deb", entry("./usr/a", b"two"), name="two"))
    with pytest.raises(PackageError, match="one and two have different things at /usr/a"):
        other.finish()


def test_the_same_path_by_two_ways_through_the_merged_usr(tmp_path: Path, tree: Tree) -> None:
    unpack(tree, deb(tmp_path / "a.deb", entry("./lib/a", b"one"), name="one"))
    unpack(tree, deb(tmp_path / "b.deb", entry("./usr/lib/a", b"two"), name="two"))
    with pytest.raises(PackageError, match="different things at /usr/lib/a"):
        tree.finish()


def test_links_that_lead_to_nothing_are_left_out(tmp_path: Path, tree: Tree) -> None:
    unpack(tree, deb(tmp_path / "a.deb", link("./usr/a", "gone"), link("./usr/b", "a"),
                     link("./usr/c", "c"), entry("./usr/d", b"x"), link("./usr/e", "/usr/d")))
    assert tree.finish() == ("usr/a", "usr/b", "usr/c")
    assert sorted(path.name for path in (tree.directory / "usr").iterdir()) == ["d", "e"]


def test_only_what_the_filters_want(tmp_path: Path, tree: Tree) -> None:
    path = deb(
        tmp_path / "a.deb", entry("./usr/share/doc/a/copyright", b"x"), entry("./usr/include/a.h", b"x"),
        entry("./bin/su", b"x", mode=0o755), entry("./usr/share/pkgconfig/a.pc", b"x"))
    found = tree.unpack(path, lambda package: chooser(DEFAULT_FILTERS, package))
    assert found.paths == ("usr/include/a.h", "usr/share/pkgconfig/a.pc")


def test_linker_scripts_follow_the_merged_usr(tmp_path: Path, tree: Tree) -> None:
    script = b"/* GNU ld script */\nGROUP ( /lib/x/libc.so.6 /usr/lib/x/libc_nonshared.a )\n"
    unpack(tree, deb(tmp_path / "a.deb", entry("./usr/lib/x/libc.so", script)))
    assert (tree.directory / "usr/lib/x/libc.so").read_bytes() == script.replace(b" /lib", b" /usr/lib")


def _whole(tmp_path: Path) -> bytes:
    files = [entry(f"./usr/{name}", os.urandom(5000)) for name in "ab"]
    return deb(tmp_path / "whole.deb", *files).read_bytes()


@pytest.mark.parametrize("rest", [4, 60, 150, 400, 3000, 9000])
def test_a_cut_off_package(tmp_path: Path, tree: Tree, rest: int) -> None:
    path = tmp_path / "cut.deb"
    path.write_bytes(_whole(tmp_path)[:rest])
    with pytest.raises(PackageError, match="cut.deb is not a whole Debian binary package"):
        unpack(tree, path)


@pytest.mark.parametrize("ending", [".xz", ".gz", ""])
def test_a_truncated_member(tmp_path: Path, tree: Tree, ending: str) -> None:
    """The ar archive is whole, but what is in its data member ends too early."""
    whole = tar([entry("./usr/a", os.urandom(5000)), entry("./usr/b", os.urandom(5000))])
    packed = {".xz": lzma.compress, ".gz": gzip.compress, "": bytes}[ending](whole)
    path = deb(tmp_path / "cut.deb", data=packed[:6000], ending=ending)
    with pytest.raises(PackageError, match="cut.deb is not a whole"):
        unpack(tree, path)


@pytest.mark.parametrize("position", [0.3, 0.6, 0.95])
def test_a_damaged_member(tmp_path: Path, tree: Tree, position: float) -> None:
    packed = bytearray(lzma.compress(tar([entry("./usr/a", os.urandom(9000))])))
    packed[int(len(packed) * position)] ^= 0xFF
    with pytest.raises(PackageError, match="not a whole"):
        unpack(tree, deb(tmp_path / "bad.deb", data=bytes(packed)))


@pytest.mark.parametrize("content", [b"", b"!<arch>\n", b"\x7fELF", b"!<arch>\n" + b"x" * 200])
def test_what_is_no_package_at_all(tmp_path: Path, tree: Tree, content: bytes) -> None:
    (tmp_path / "no.deb").write_bytes(content)
    with pytest.raises(PackageError, match="no.deb is not a whole"):
        unpack(tree, tmp_path / "no.deb")


def test_a_control_file_without_a_name(tmp_path: Path, tree: Tree) -> None:
    with pytest.raises(PackageError) as caught:
        unpack(tree, deb(tmp_path / "a.deb", control="Version: 1\nArchitecture: armel\n"))
    assert caught.value.details == "its control file has no Package"
