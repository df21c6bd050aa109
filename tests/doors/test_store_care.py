# SPDX-License-Identifier: GPL-3.0-or-later
"""What the store asks of a file system, who may delete, and objects taken in from streams."""
from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from debxcross.doors.files import file_digest
from debxcross.doors.store import Store
from debxcross.doors.storefs import check_file_system
from debxcross.errors import BusyError, StoreError
from tests.tools import need

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_a_good_file_system_leaves_no_trace(tmp_path: Path) -> None:
    check_file_system(tmp_path)
    assert list(tmp_path.iterdir()) == []


TRY = """
import sys
from pathlib import Path
from debxcross.doors.store import Store
from debxcross.errors import StoreError
try:
    Store(Path(sys.argv[1]) / "store")
except StoreError as error:
    print(error.brief, error.details, error.resolution, sep="\\n")
print(*sorted(path.name for path in Path(sys.argv[1]).rglob("*")))
"""


def elsewhere(place: Path, mount: str) -> str:
    """Return what making a store says on a file system mounted in a namespace of its own."""
    need("unshare", "mount")
    if os.geteuid():
        pytest.skip("only root can mount every kind of file system")
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", f'{mount} && exec "$0" -c "$1" "$2"', sys.executable, TRY,
         str(place)],
        text=True, capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT), "PLACE": str(place)})
    if done.returncode:
        pytest.skip(f"this machine cannot mount it: {done.stderr.strip()}")
    return done.stdout


def test_a_file_system_that_runs_nothing_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    said = elsewhere(place, 'mount -t tmpfs -o noexec tmpfs "$PLACE"').splitlines()
    assert said[0] == f"the file system of {place}/store lacks what a store needs"
    assert said[1] == "programs that can be run (it is mounted noexec)"
    assert "--store" in said[2] and said[3] == "store"  # nothing but the empty directory


def test_a_file_system_of_a_memory_card_is_refused(tmp_path: Path) -> None:
    need("mkfs.vfat")
    place, image = tmp_path / "place", tmp_path / "image"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(8 << 20)
    subprocess.run(["mkfs.vfat", str(image)], check=True, capture_output=True)
    said = elsewhere(place, f'mount -o loop "{image}" "$PLACE"')
    assert "symbolic links" in said and "files of other users" in said and "capital letters" in said


def test_deleting_excludes_everybody_else(store: Store) -> None:
    other = Store(store.directory)
    with pytest.raises(BusyError) as raised, store.alone():
        pass
    assert "in use" in raised.value.brief and raised.value.resolution
    del other
    with store.alone():
        code = ("import sys; from pathlib import Path; from debxcross.doors import locks, store\n"
                "from debxcross.errors import BusyError\n"
                "locks._PATIENCE = 0.2\n"
                "try: store.Store(Path(sys.argv[1]))\n"
                "except BusyError as error: print(error.brief)")
        said = subprocess.run([sys.executable, "-c", code, str(store.directory)], text=True,
                              capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
        assert said.stdout.strip() == f"the store {store.directory} is being cleaned", said.stderr
    Store(store.directory)


def test_a_stream_is_taken_in_when_its_bytes_are_right(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content" * 1000)
    sha256, size = file_digest(path)
    with path.open("rb") as stream:
        assert store.put_stream(stream, sha256)
    assert list(store.objects()) == [(sha256, size)]
    assert store.path(sha256).stat().st_mode & 0o777 == 0o444
    assert not store.put_stream(io.BytesIO(b"else"), "0" * 64)
    assert list(store.objects()) == [(sha256, size)] and store.leftovers() == ()


def test_entries_are_listed_sorted_and_damaged_ones_as_none(store: Store) -> None:
    store.remember("kind", "bb", 1)
    store.remember("kind", "aa", {"x": 2})
    (store.directory / "memo/kind/cc").mkdir()
    (store.directory / "memo/kind/cc/cc.json").write_bytes(b"\xff")
    assert list(store.entries.all("memo/kind")) == [("aa", {"x": 2}), ("bb", 1), ("cc", None)]
    assert store.entries.memo_kinds() == ("memo/kind",)
    store.entries.drop("memo/kind", "aa")
    store.entries.drop("memo/kind", "aa")
    assert [key for key, _ in store.entries.all("memo/kind")] == ["bb", "cc"]


def test_a_place_that_cannot_be_written_is_named(store: Store) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    store.directory.chmod(0o555)
    with pytest.raises(StoreError):
        store.write("signed", b"")
