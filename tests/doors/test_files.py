# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from debxcross.doors import files
from debxcross.errors import StoreError

ROOT = Path(__file__).parents[2]
WRITER = """
import os, signal, sys
from pathlib import Path
from debxcross.doors import files
from debxcross.errors import StoreError
with files.appearing(Path(sys.argv[1])) as file:
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@contextmanager
def files_end_at(size: int) -> Iterator[None]:
    """Let writing beyond this size fail, as on a full disk (EFBIG instead of ENOSPC)."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("content", [b"\xff\0new", "né\n"])
def test_a_file_appears_over_the_old_one(tmp_path: Path, content: bytes | str) -> None:
    target = tmp_path / "note"
    target.write_text("old")
    files.write(target, content)
    assert target.read_bytes() == (content if isinstance(content, bytes) else content.encode())
    assert os.listdir(tmp_path) == ["note"]


@pytest.mark.parametrize("umask", [0o000, 0o077])
@pytest.mark.parametrize("mode,expected", [(0o600, 0o600), (0o444, 0o444), (None, 0o666)])
def test_a_mode_does_not_depend_on_the_umask(
    tmp_path: Path, umask: int, mode: int | None, expected: int
) -> None:
    before = os.umask(umask)
    try:
        files.write(tmp_path / "note", "text", mode)
    finally:
        os.umask(before)
    if mode is None:
        expected &= ~umask
    assert (tmp_path / "note").stat().st_mode & 0o777 == expected


def test_a_private_file_is_private_before_it_has_its_name(tmp_path: Path) -> None:
    with files.appearing(tmp_path / "note", 0o600):
        beside, = tmp_path.iterdir()
        assert beside.name.startswith(".note.") and beside.stat().st_mode & 0o777 == 0o600


def test_readers_see_the_old_file_until_the_new_one_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "note"
    target.write_text("old")
    with files.appearing(target) as file:
        file.write(b"new")
        file.flush()
        assert target.read_text() == "old"
    assert target.read_text() == "new"


@pytest.mark.parametrize("raised", [ValueError, KeyboardInterrupt])
def test_a_writer_that_fails_leaves_everything_as_it_was(
    tmp_path: Path, raised: type[BaseException]
) -> None:
    target = tmp_path / "note"
    target.write_text("old")
    with pytest.raises(raised), files.appearing(target) as file:
        file.write(b"half")
        raise raised
    assert os.listdir(tmp_path) == ["note"] and target.read_text() == "old"


def test_a_disk_that_is_full_leaves_everything_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "note"
    target.write_text("old")
    with files_end_at(1000), pytest.raises(StoreError, match=f"cannot use {tmp_path}"):
        files.write(target, b"x" * 2000)
    assert os.listdir(tmp_path) == ["note"] and target.read_text() == "old"


def test_a_directory_in_the_way_leaves_nothing_beside_it(tmp_path: Path) -> None:
    (tmp_path / "note" / "inside").mkdir(parents=True)
    with pytest.raises(StoreError, match=f"cannot use {tmp_path}"):
        files.write(tmp_path / "note", "text")
    assert os.listdir(tmp_path) == ["note"]


def test_a_writer_that_is_killed_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "note"
    target.write_text("old")
    ended = subprocess.run([sys.executable, "-c", WRITER, str(target)], cwd=ROOT, check=False, timeout=60)
    assert ended.returncode == -signal.SIGKILL
    assert target.read_text() == "old" and len(os.listdir(tmp_path)) == 2
    files.write(target, "new")
    assert target.read_text() == "new"


def test_a_file_that_somebody_named_is_read_whole_or_not(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"text")
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "pipe")
    for name in ("file", "link"):
        assert files.read_named(tmp_path / name) == files.read_named(tmp_path / name, pipes=False) == b"text"
    with subprocess.Popen(["sh", "-c", f"echo text >'{tmp_path}/pipe'"]):
        assert files.read_named(tmp_path / "pipe") == b"text\n"
    for name in ("pipe", "/dev/zero", "."):
        with pytest.raises(OSError):
            files.read_named(tmp_path / name, pipes=False)
    with pytest.raises(OSError, match="more than 64 MB"):
        files.read_named(Path("/dev/zero"))
    with pytest.raises(OSError, match="more than 0 MB"):
        files.read(tmp_path / "file", 3)
