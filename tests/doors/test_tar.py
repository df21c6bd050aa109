# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from debxcross.doors import tar
from debxcross.errors import HostError, PackageError
from tests.tools import need

ROOT = Path(tar.__file__).parents[2]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    directory = tmp_path / "tree"
    (directory / "usr/lib").mkdir(parents=True)
    (directory / "usr/lib/liba.so.1").write_bytes(os.urandom(300_000) + bytes(3_000_000))
    (directory / "usr/lib/liba.so").symlink_to("liba.so.1")
    (directory / "usr/tool").write_text("#!/bin/sh\n")
    (directory / "usr/tool").chmod(0o750)
    return directory


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("ending", tar.ENDINGS)
def test_the_same_tree_is_the_same_bytes_on_any_number_of_processors(
        tree: Path, tmp_path: Path, ending: str) -> None:
    need("zstd")
    tar.pack(tree, tmp_path / f"one{ending}", 1_700_000_000)
    for path in (tree / "usr/tool", tree / "usr", tree):
        os.utime(path, (1, 1))
    script = (f"from pathlib import Path; from debxcross.doors import tar; "
              f"tar.pack(Path({str(tree)!r}), Path({str(tmp_path / f'two{ending}')!r}), 1_700_000_000)")
    subprocess.run(["taskset", "--cpu-list", str(min(os.sched_getaffinity(0))), sys.executable, "-c", script],
                   check=True, cwd=ROOT, umask=0o077, timeout=60)
    assert sha256(tmp_path / f"one{ending}") == sha256(tmp_path / f"two{ending}")
    tar.extract(tmp_path / f"one{ending}", tmp_path / "again")
    assert (tmp_path / "again/usr/lib/liba.so").read_bytes() == (tree / "usr/lib/liba.so.1").read_bytes()
    assert (tmp_path / "again/usr/tool").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "again/usr").stat().st_mtime == 1_700_000_000


def test_names_are_sorted_and_nobody_owns(tree: Path, tmp_path: Path) -> None:
    tar.pack(tree, tmp_path / "a.tar", 7)
    with tarfile.open(tmp_path / "a.tar") as archive:
        members = archive.getmembers()
    assert [one.name for one in members] == [
        "usr", "usr/lib", "usr/lib/liba.so", "usr/lib/liba.so.1", "usr/tool"]
    assert {(one.uid, one.gid, one.uname, one.gname, one.mtime) for one in members} == {(0, 0, "", "", 7)}


def test_a_compressor_that_ends_early_is_no_end_without_end(
        tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = tar.process.run
    for argv, said in ((["false"], "could not be compressed"),
                       (["no-such-program"], "'no-such-program' is not installed")):
        monkeypatch.setattr(tar.process, "run", lambda _, argv=argv, **more: real(argv, **more))
        with pytest.raises(HostError, match=said):
            tar.pack(tree, tmp_path / "a.tar.zst", 7)


def test_a_full_disk_is_told_as_one(tree: Path, tmp_path: Path) -> None:
    need("unshare", "mount", "zstd")
    (tmp_path / "small").mkdir()
    script = ("import sys; from pathlib import Path; from debxcross.doors import tar\n"
              "try: tar.pack(Path(sys.argv[1]), Path(sys.argv[2]) / sys.argv[3], 7)\n"
              "except OSError as error: print(error.strerror)")
    for name in ("a.tar", "a.tar.zst"):
        done = subprocess.run(
            ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c",
             'mount -t tmpfs -o size=64k tmpfs "$4" || exit 77; exec "$1" -c "$2" "$3" "$4" "$5"',
             "sh", sys.executable, script, str(tree), str(tmp_path / "small"), name],
            capture_output=True, text=True, timeout=60, check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT)})
        if done.returncode in (1, 77) and not done.stdout:
            pytest.skip(f"no mount namespace: {done.stderr.strip()}")
        assert done.stdout.strip() == "No space left on device", done.stderr


def test_a_damaged_archive_is_named(tree: Path, tmp_path: Path) -> None:
    need("zstd")
    tar.pack(tree, tmp_path / "a.tar.zst", 7)
    (tmp_path / "a.tar.zst").write_bytes((tmp_path / "a.tar.zst").read_bytes()[:1000])
    with pytest.raises(PackageError, match="a.tar.zst cannot be unpacked"):
        tar.extract(tmp_path / "a.tar.zst", tmp_path / "again")
