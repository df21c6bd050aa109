# SPDX-License-Identifier: GPL-3.0-or-later
"""Sysroots made of tiny packages, and (slow) of Debian's own."""
from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from debxcross.app import sysroot as app
from debxcross.core.architecture import architecture
from debxcross.core.gate import Verdict
from debxcross.core.sysroot.filter import DEFAULT_FILTERS
from debxcross.core.sysroot.manifest import SysrootManifest, parse_manifest
from debxcross.doors import process, tar
from debxcross.doors.store import Store
from debxcross.errors import PackageError, UsageError
from debxcross.steps.sysroot import make as sysroot, verify
from debxcross.steps.sysroot.choose import Chosen
from tests.playground import make_deb, make_elf
from tests.tools import need

ARMEL = architecture("armel")
LIBRARIES = "usr/lib/arm-linux-gnueabi"
EMPTY = SysrootManifest("armel", "bookworm", ("tiny-dev",), (), DEFAULT_FILTERS, 0)


@pytest.fixture()
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def put(
    store: Store, directory: Path, name: str, files: dict[str, bytes | str], **control: str
) -> Chosen:
    path = make_deb(directory / f"{name}_1_armel.deb", {"Package": name, **control}, files)
    return Chosen(store.put(path), "main", f"pool/{path.name}")


@pytest.fixture()
def chosen(store: Store, tmp_path: Path) -> tuple[Chosen, ...]:
    library = make_elf("armel", soname="libtiny.so.1")
    return (
        put(store, tmp_path, "libtiny1", {
            "lib/arm-linux-gnueabi/libtiny.so.1": library, "usr/share/doc/libtiny1/copyright": b"x" * 100,
            "usr/bin/tiny": b"program"}, **{"Multi-Arch": "same"}),
        put(store, tmp_path, "libtiny-dev", {
            f"{LIBRARIES}/libtiny.so": "/lib/arm-linux-gnueabi/libtiny.so.1",
            "usr/include/tiny.h": b"int tiny;",
            f"{LIBRARIES}/pkgconfig/tiny.pc": b"prefix=/usr\nCflags: -I${prefix}/include\n",
            "usr/include/c++/12/vector": b"", f"{LIBRARIES}/gone.so": "nothing"}),
    )


@pytest.mark.parametrize(("said", "told"), [
    # pkgconf of bookworm puts the sysroot in front, pkg-config and others do not.
    ("SYSROOT/usr/bin/tiny-codegen", "/usr/bin/tiny-codegen"),
    ("/usr/bin/tiny-codegen", "/usr/bin/tiny-codegen"),
    ("SYSROOT/usr/libexec/tiny/x", "/usr/libexec/tiny/x"),
    # What is in the sysroot stays there: scripts that tell flags, and data.
    ("SYSROOT/usr/bin/tiny-config", "SYSROOT/usr/bin/tiny-config"),
    ("SYSROOT/usr/include", "SYSROOT/usr/include"),
    ("SYSROOT/usr/lib/tiny/plugins", "SYSROOT/usr/lib/tiny/plugins"), ("1.0", "1.0"), ("", ""),
])
def test_variables_that_name_programs(store: Store, tmp_path: Path, said: str, told: str) -> None:
    """gdbus_codegen of gio-2.0 named a path in the sysroot to a program that is not there."""
    package = put(store, tmp_path, "libtiny-dev", {"usr/bin/tiny-config": b"#!/bin/sh\n",
                                                   "usr/bin/tiny-codegen": b"program"})
    output = make(store, (package,), tmp_path / "sysroot").output
    wrapper, real = output / "debxcross/bin/armel-pkg-config", tmp_path / "real"
    real.write_text(f"#!/bin/sh\n[ $# = 2 ] || exit 3\necho '{said.replace('SYSROOT', str(output))}'\n")
    real.chmod(0o755)
    environment = {"DEBXCROSS_PKG_CONFIG": str(real)}
    for option in (["--variable=x", "tiny"], ["tiny", "--variable=x"]):
        done = process.run([str(wrapper), *option], environment=environment)
        assert (done.exit_status, done.stdout) == (0, told.replace("SYSROOT", str(output)) + "\n")
    assert process.run([str(wrapper), "--variable", "x", "tiny"], environment=environment).exit_status == 3
    assert process.run([str(wrapper), "--cflags", "tiny"], environment=environment).stdout == (
        f"{said.replace('SYSROOT', str(output))}\n")


def make(store: Store, chosen: Sequence[Chosen], output: Path, *, force: bool = False,
         manifest: SysrootManifest = EMPTY) -> sysroot.Made:
    return sysroot.make(store, lambda text: None, ARMEL, manifest, chosen, output, force=force)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_what_is_in_it(store: Store, chosen: tuple[Chosen, ...], tmp_path: Path) -> None:
    made = make(store, chosen, tmp_path / "sysroot")
    root = tmp_path / "sysroot"
    assert os.readlink(root / LIBRARIES / "libtiny.so") == "libtiny.so.1"
    assert os.readlink(root / "lib") == "usr/lib" and (root / "lib/arm-linux-gnueabi/libtiny.so").exists()
    assert not (root / "usr/bin/tiny").exists() and not (root / "usr/share/doc").exists()
    assert made.left_out_links == (f"{LIBRARIES}/gone.so",)
    manifest = parse_manifest((root / "debxcross/manifest.json").read_text(), "here")
    names = [(one.name, one.version) for one in manifest.packages]
    assert names == [("libtiny-dev", "1.0-1"), ("libtiny1", "1.0-1")]
    contents = verify.read_tree(root)
    assert [one.gate for one in verify.check_tree(contents, ARMEL) if not one.ok] == []
    assert {path.name for path in tmp_path.iterdir() if path.name.startswith(".")} == set()


def test_dpkg_can_be_asked(store: Store, chosen: tuple[Chosen, ...], tmp_path: Path) -> None:
    need("dpkg-query")
    make(store, chosen, tmp_path / "sysroot")
    database = f"--admindir={tmp_path}/sysroot/var/lib/dpkg"
    done = process.run(["dpkg-query", database, "--search", f"/{LIBRARIES}/libtiny.so.1"])
    assert done.stdout == f"libtiny1:armel: /{LIBRARIES}/libtiny.so.1\n"
    done = process.run(["dpkg-query", database, "-W", "-f", "${Package} ${Version} ${Status}\n"])
    assert done.stdout.splitlines() == ["libtiny-dev 1.0-1 install ok unpacked",
                                        "libtiny1 1.0-1 install ok unpacked"]


@pytest.mark.parametrize("ending", tar.ENDINGS)
def test_the_same_bytes_whoever_makes_it(
    store: Store, chosen: tuple[Chosen, ...], tmp_path: Path, ending: str
) -> None:
    need("zstd")
    first = make(store, chosen, tmp_path / f"one{ending}")
    other = Store(tmp_path / "elsewhere" / "store")
    for one in reversed(chosen):
        other.put(store.path(one.file.sha256), one.file.name)
    old = os.umask(0o077)
    try:
        second = make(other, tuple(reversed(chosen)), tmp_path / "elsewhere" / "deeper" / f"two{ending}")
    finally:
        os.umask(old)
    assert first.sha256 == second.sha256 == digest(first.output) == digest(second.output)


def test_an_archive_and_a_directory_hold_the_same(
    store: Store, chosen: tuple[Chosen, ...], tmp_path: Path
) -> None:
    need("zstd", "tar")
    archive = make(store, chosen, tmp_path / "a.tar.zst")
    directory = make(store, chosen, tmp_path / "directory")
    tar.extract(archive.output, tmp_path / "unpacked")
    again = tmp_path / "again.tar.zst"
    tar.pack(tmp_path / "unpacked", again, archive.manifest.source_date_epoch)
    assert digest(again) == archive.sha256
    tar.pack(directory.output, again, archive.manifest.source_date_epoch)
    assert digest(again) == archive.sha256


def test_made_again_from_its_own_manifest(
    store: Store, chosen: tuple[Chosen, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With everything in the store, a lock needs neither indexes nor a network."""
    need("zstd")
    monkeypatch.setenv("HOME", str(tmp_path))
    made = make(store, chosen, tmp_path / "one.tar.zst")
    (tmp_path / "lock.json").write_text(made.manifest.text())
    again = app.create(app.SysrootRequest("armel", tmp_path / "two.tar.zst", lock=tmp_path / "lock.json",
                                          store=store.directory), ())
    assert again.sha256 == made.sha256
    with pytest.raises(UsageError, match="is for armel, not for armhf"):
        app.create(app.SysrootRequest("armhf", tmp_path / "x", lock=tmp_path / "lock.json",
                                      store=store.directory), ())


def test_nothing_is_overwritten_unasked(
    store: Store, chosen: tuple[Chosen, ...], tmp_path: Path
) -> None:
    output = tmp_path / "sysroot"
    make(store, chosen[:1], output)
    (output / "mine").write_text("precious")
    with pytest.raises(UsageError, match="exists already") as caught:
        make(store, chosen, output)
    assert "--force" in caught.value.resolution and (output / "mine").exists()
    make(store, chosen, output, force=True)
    assert not (output / "mine").exists() and (output / "usr/include/tiny.h").exists()
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_what_a_killed_run_left_is_gone(
    store: Store, chosen: tuple[Chosen, ...], tmp_path: Path
) -> None:
    left = tmp_path / ".sysroot.debxcross" / "tree" / "usr"
    left.mkdir(parents=True)
    (left / "half").write_text("done")
    made = make(store, chosen, tmp_path / "sysroot")
    assert not left.exists() and not (made.output / "usr/half").exists()


def test_force_replaces_only_sysroots(
    store: Store, chosen: tuple[Chosen, ...], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "letter").write_text("dear")
    for force in (True, False):
        with pytest.raises(UsageError, match="is no sysroot") as caught:
            make(store, chosen, home, force=force)
        assert "--force replaces only sysroots" in caught.value.resolution
    assert (home / "letter").read_text() == "dear"


@pytest.mark.parametrize("name", ["sysroot.tar.gz", "sysroot.tgz", "sysroot.zip", "sysroot.zst"])
def test_archives_of_another_kind_do_not_become_directories(
    store: Store, chosen: tuple[Chosen, ...], tmp_path: Path, name: str
) -> None:
    with pytest.raises(UsageError, match="kind of archive that is not made"):
        make(store, chosen, tmp_path / name)
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("ending", ["", *tar.ENDINGS])
def test_verify_names_what_is_no_sysroot(tmp_path: Path, ending: str) -> None:
    need("zstd", "tar")
    (tmp_path / "junk").mkdir()
    (tmp_path / "junk/letter").write_text("dear")
    if ending:
        tar.pack(tmp_path / "junk", tmp_path / f"junk{ending}", 0)
    request = app.VerifyRequest(tmp_path / f"junk{ending}", store=tmp_path / "store")
    with pytest.raises(UsageError) as caught:
        app.verify(request, lambda verdict: None, ())
    assert caught.value.brief == f"{tmp_path}/junk{ending} is no sysroot"


def test_a_refused_package_leaves_nothing(
    store: Store, chosen: tuple[Chosen, ...], tmp_path: Path
) -> None:
    output = tmp_path / "sysroot"
    make(store, chosen, output)
    before = digest(output / "debxcross/manifest.json")
    evil = put(store, tmp_path, "evil", {"usr/lib/x": "../../../../../etc"})
    with pytest.raises(PackageError, match="evil_1_armel.deb is refused"):
        make(store, (*chosen, evil), output, force=True)
    assert digest(output / "debxcross/manifest.json") == before
    with pytest.raises(PackageError):
        make(store, (*chosen, evil), tmp_path / "other")
    names = {path.name for path in tmp_path.iterdir()}
    assert "other" not in names and not any(name.startswith(".") for name in names)


def test_a_package_for_another_architecture(
    store: Store, chosen: tuple[Chosen, ...], tmp_path: Path
) -> None:
    foreign = put(store, tmp_path, "foreign", {"usr/include/f.h": b"x"}, Architecture="armhf")
    with pytest.raises(PackageError, match="foreign_1_armel.deb is for armhf, not for armel"):
        make(store, (*chosen, foreign), tmp_path / "sysroot")


def test_faults_of_a_tree_are_found(
    store: Store, chosen: tuple[Chosen, ...], tmp_path: Path
) -> None:
    root = tmp_path / "sysroot"
    make(store, chosen, root)
    (root / "usr/lib/out").symlink_to("../../../etc")
    (root / "usr/lib/dead").symlink_to("nothing")
    (root / "usr/lib/wrong.so").write_bytes(make_elf("armhf", needed=("libgone.so.1",)))
    (root / "usr/lib/libs.so").write_text("GROUP ( /usr/lib/libgone.so )")
    (root / "usr/lib/out.pc").write_text("Libs: -L/opt/x\n")
    found = {one.gate: one.found for one in verify.check_tree(verify.read_tree(root), ARMEL)
             if not one.ok}
    assert sorted(found) == ["architecture", "libraries", "linker scripts", "links", "pkg-config"]
    assert "usr/lib/out -> ../../../etc leaves the tree" in found["links"]
    assert "usr/lib/wrong.so needs libgone.so.1" in found["libraries"]


@pytest.mark.parametrize("shell", ["sh", "bash", "dash", "zsh"])
def test_moved_and_sourced_from_anywhere(
    store: Store, chosen: tuple[Chosen, ...], tmp_path: Path, shell: str
) -> None:
    """Nothing in it names the directory it was made in; a shell that sources env.sh finds it."""
    need(shell)
    made = make(store, chosen, tmp_path / "sysroot").output
    assert not [path for path in made.rglob("*") if path.is_file() and not path.is_symlink()
                and str(tmp_path).encode() in path.read_bytes()]
    moved = tmp_path / "a new" / "place"
    moved.parent.mkdir()
    made.rename(moved)
    compiler = tmp_path / "compiler"
    compiler.write_text('#!/bin/sh\ncase $1 in -print*) echo /builtin;; -dumpversion) echo 12;; '
                        '*) printf "%s\\n" "$@";; esac\n')
    compiler.chmod(0o755)
    done = process.run(
        [shell, "-c", '. "../a new/place/debxcross/env.sh"; cd /; echo "$DEBXCROSS_SYSROOT"; $CXX -c a.cc'],
        directory=compiler.parent / "store",
        environment={"PATH": os.environ["PATH"], "DEBXCROSS_CXX": str(compiler)})
    assert done.exit_status == 0, done.stderr
    said = done.stdout.splitlines()
    assert said[0] == str(moved) and f"--sysroot={moved}" in said and "-march=armv5te" in said
    assert f"{moved}/usr/include/c++/12" in said and said[-2:] == ["-c", "a.cc"]
    named = [word for word in said if "/" in word and "/builtin" not in word]
    assert all(str(moved) in word for word in named)


# With Debian's own packages

@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need("zstd", "qemu-arm-static", "mmdebstrap")
    output = tmp_path_factory.mktemp("sysroot") / "armel.tar.zst"
    app.create(app.SysrootRequest("armel", output, packages=("libboost-python-dev",)), ())
    return output


@pytest.mark.slow
@pytest.mark.network
def test_a_real_one_builds_and_runs_every_example(real: Path, tmp_path: Path) -> None:
    told: list[Verdict] = []
    assert app.verify(app.VerifyRequest(real, logs=tmp_path), told.append, ())
    assert [one.subject for one in told if one.gate == "left out"] == []
    assert len([one for one in told if one.gate == "program"]) == 7


@pytest.mark.slow
@pytest.mark.network
def test_a_real_one_is_less_than_half(real: Path, tmp_path: Path) -> None:
    for name, plain in (("small", True), ("large", False)):
        app.create(app.SysrootRequest("armel", tmp_path / name, default_filters=plain), ())
    small, large = (sum(path.lstat().st_size for path in (tmp_path / name).rglob("*") if path.is_file())
                    for name in ("small", "large"))
    shutil.rmtree(tmp_path / "large")
    assert small * 2 < large


@pytest.mark.slow
@pytest.mark.network
def test_names_that_cannot_be_had(tmp_path: Path) -> None:
    request = app.SysrootRequest("armel", tmp_path / "x", only=True)
    for packages, said in ((("libsll-dev",), " libssl-dev"), (("zlib1g-dev:amd64",), "another"),
                           (("libsll-dev", "zlib1g-dve"), "zlib1g-dve: no such package")):
        with pytest.raises(UsageError) as caught:
            app.create(replace(request, packages=packages), ())
        assert said in f"{caught.value.brief}\n{caught.value.details}"
