# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from debxcross.core.artifact import Artifact, StoredFile
from debxcross.core.key import digest
from debxcross.doors.files import file_digest
from debxcross.doors.store import LAYOUT, Store
from debxcross.errors import DiskFullError, StoreError
from tests.tools import need

ROOT = Path(__file__).resolve().parents[2]
KEY = digest("a step")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def interpreter(code: str, *arguments: str) -> subprocess.Popen[str]:
    """Start another process that works with a store; it says a line when it is ready."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)})


def ready(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def visible(directory: Path) -> list[str]:
    """Return the files below a directory that do not start with a dot."""
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*")
                  if path.is_file() and not path.name.startswith("."))


def test_a_file_goes_in_by_content_and_comes_out_by_name(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "tiny.deb"
    path.write_bytes(b"content")
    stored = store.put(path)
    assert stored == StoredFile("tiny.deb", *file_digest(path))
    assert store.put(path, "other.deb").sha256 == stored.sha256
    assert store.put_bytes(b"content", "third") == StoredFile("third", stored.sha256, 7)
    assert visible(store.directory / "objects") == [f"{stored.sha256[:2]}/{stored.sha256}"]
    assert store.path(stored.sha256).stat().st_mode & 0o777 == 0o444
    store.lay_out((stored,), tmp_path / "out" / "deep")
    out = tmp_path / "out" / "deep" / "tiny.deb"
    assert out.read_bytes() == b"content"
    assert out.stat().st_ino != store.path(stored.sha256).stat().st_ino  # a copy: it may be written to
    store.lay_out((stored,), store.directory / "work" / "some")
    linked = store.directory / "work" / "some" / "tiny.deb"
    assert linked.stat().st_ino == store.path(stored.sha256).stat().st_ino
    store.lay_out((stored,), store.directory / "work" / "own", copies=True)
    own = store.directory / "work" / "own" / "tiny.deb"
    before = own.stat().st_ctime_ns  # what tar compares to tell that a file changed
    store.lay_out((stored,), store.directory / "work" / "another")
    assert own.stat().st_nlink == 1 and own.stat().st_ctime_ns == before
    store.lay_out((stored,), tmp_path / "out" / "deep")  # over what is there
    path.unlink()
    assert store.has(stored)


def test_lay_out_copies_to_another_file_system(store: Store) -> None:
    elsewhere = Path("/dev/shm")
    if not elsewhere.is_dir() or elsewhere.stat().st_dev == store.directory.stat().st_dev:
        pytest.skip("there is no second file system")
    stored = store.put_bytes(b"content", "tiny")
    target = elsewhere / f"debxcross-test-{os.getpid()}"
    try:
        store.lay_out((stored,), target)
        assert (target / "tiny").read_bytes() == b"content"
        assert sorted(path.name for path in target.iterdir()) == ["tiny"]
    finally:
        shutil.rmtree(target)


def test_a_lost_object_is_told_with_the_next_move(store: Store, tmp_path: Path) -> None:
    stored = store.put_bytes(b"content", "tiny")
    store.path(stored.sha256).unlink()
    with pytest.raises(StoreError, match="the store has lost tiny") as raised:
        store.lay_out((stored,), tmp_path / "out")
    assert "--rebuild" in raised.value.resolution


def test_an_artifact_is_there_with_all_its_files_or_not_at_all(store: Store) -> None:
    files = (store.put_bytes(b"1", "one"), store.put_bytes(b"2", "two"))
    artifact = Artifact(KEY, "tiny", files, {"seconds": 3})
    assert store.artifact(KEY) is None
    store.commit(artifact)
    assert Store(store.directory).artifact(KEY) == artifact
    store.path(files[1].sha256).unlink()
    assert store.artifact(KEY) is None
    store.put_bytes(b"2", "two")
    store.path(files[0].sha256).unlink()
    store.path(files[0].sha256).write_bytes(b"too long")
    assert store.artifact(KEY) is None


def test_answers_are_remembered_by_kind(store: Store) -> None:
    assert store.memo("kind", KEY) is None
    store.remember("kind", KEY, {"b": [1], "a": None})
    assert store.memo("kind", KEY) == {"b": [1], "a": None}
    assert store.memo("skew", KEY) is None


@pytest.mark.parametrize("damage", [
    b"", b"{", b"\xff\xfe", b"null", b"[]", b"7", b"{}", b'{"files": [{"name": "x"}], "member": "m"}',
    b'{"files": [3], "member": "m", "provenance": {}}'], ids=repr)
def test_a_damaged_entry_counts_as_missing(store: Store, damage: bytes) -> None:
    store.commit(Artifact(KEY, "tiny", ()))
    entry = store.directory / "artifacts" / KEY[:2] / f"{KEY}.json"
    entry.chmod(0o644)
    entry.write_bytes(damage)
    assert store.artifact(KEY) is None
    store.commit(Artifact(KEY, "tiny", ()))
    assert store.artifact(KEY) == Artifact(KEY, "tiny", ())


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff\xfe"], ids=repr)
def test_a_damaged_answer_counts_as_missing(store: Store, damage: bytes) -> None:
    store.remember("kind", KEY, 1)
    entry = store.directory / "memo" / "kind" / KEY[:2] / f"{KEY}.json"
    entry.chmod(0o644)
    entry.write_bytes(damage)
    assert store.memo("kind", KEY) is None


def test_an_unfinished_download_is_no_object(store: Store) -> None:
    stored = StoredFile("tiny", digest("x"), 4)
    path = store.path(stored.sha256)
    path.parent.mkdir(parents=True)
    part = path.parent / f".{path.name}.{stored.sha256[:16]}.part"
    part.write_bytes(b"half")
    assert not store.has(stored)
    store.commit(Artifact(KEY, "tiny", (stored,)))
    assert store.artifact(KEY) is None
    assert visible(store.directory / "objects") == []


WRITER = """
import sys
from pathlib import Path
from debxcross.doors.store import Store
store = Store(Path(sys.argv[1]))
print("ready", flush=True)
store.put(Path(sys.argv[2]), "big")
print("done", flush=True)
"""


def test_a_killed_writer_leaves_nothing_visible(store: Store, tmp_path: Path) -> None:
    # put() reads its file twice: the fifo's second reader blocks in the middle of the copy.
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    writer = interpreter(WRITER, str(store.directory), str(fifo))
    assert ready(writer) == "ready"
    fifo.write_bytes(b"content" * 1000)
    with fifo.open("wb") as half:
        half.write(b"content")
        half.flush()
        writer.send_signal(signal.SIGKILL)
        writer.wait(10)
    assert visible(store.directory / "objects") == []
    again = tmp_path / "big"
    again.write_bytes(b"content" * 1000)
    stored = store.put(again)
    assert store.path(stored.sha256).read_bytes() == again.read_bytes()


FULL = """
import json, sys
from pathlib import Path
from debxcross.doors.store import Store
from debxcross.errors import DebxcrossError
directory = Path(sys.argv[1])
store = Store(directory / "store")
kept = store.put_bytes(b"kept", "kept")
Path(directory / "filler").write_bytes(b"x" * 100_000)
said = []
def attempt(function, *arguments):
    try:
        function(*arguments)
        said.append("no error")
    except DebxcrossError as error:
        said.append([type(error).__name__, error.brief, error.details, error.resolution])
attempt(store.put, Path(sys.argv[2]))
attempt(store.put_bytes, b"y" * 300_000, "big")
attempt(store.remember, "kind", "ab", "z" * 300_000)
print(json.dumps({
    "said": said, "kept": store.has(kept),
    "files": sorted(str(path.relative_to(store.directory)) for path in store.directory.rglob("*")
                    if path.is_file() and path.parent.name != "locks")}))
"""


def test_a_full_disk_is_told_and_leaves_no_temporary_file(tmp_path: Path) -> None:
    need("unshare", "mount")
    big = tmp_path / "big"
    big.write_bytes(b"y" * 400_000)
    place = tmp_path / "full"
    place.mkdir()
    user = () if os.geteuid() == 0 else ("--user", "--map-root-user")
    if subprocess.run(["unshare", *user, "--mount", "true"], capture_output=True).returncode:
        pytest.skip("this machine lets nobody make namespaces")
    done = subprocess.run(
        ["unshare", *user, "--mount", "sh", "-c",
         'mount -t tmpfs -o size=256k tmpfs "$1" && shift && exec "$@"', "sh", str(place),
         sys.executable, "-c", FULL, str(place), str(big)],
        text=True, capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    for kind, brief, details, resolution in answer["said"]:
        assert kind == DiskFullError.__name__
        assert brief == f"no space left on the device below {place}/store"
        assert "No space left on device" in details
        assert "--store" in resolution
    assert len(answer["said"]) == 3
    assert answer["kept"]
    kept = hashlib.sha256(b"kept").hexdigest()
    assert answer["files"] == ["layout", f"objects/{kept[:2]}/{kept}"]


LOCKER = """
import sys
from pathlib import Path
from debxcross.doors.store import Store
store = Store(Path(sys.argv[1]))
with store.lock("one"):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_a_lock_excludes_another_process_and_ends_with_it(store: Store) -> None:
    other = interpreter(LOCKER, str(store.directory))
    assert ready(other) == "held"
    with store.lock("two", lambda: pytest.fail("nobody has this one")):
        pass
    waited: list[str] = []
    got = threading.Event()

    def take() -> None:
        with store.lock("one", lambda: waited.append("waiting")):
            got.set()

    thread = threading.Thread(target=take)
    thread.start()
    assert not got.wait(0.3)
    assert waited == ["waiting"]
    other.send_signal(signal.SIGKILL)
    assert got.wait(5)
    thread.join()
    other.wait(5)


WORKER = """
import sys
from pathlib import Path
from debxcross.doors.store import Store
store = Store(Path(sys.argv[1]))
with store.work(lambda path: None) as path:
    (path / "file").write_text("x")
    print(path, flush=True)
    sys.stdin.readline()
"""


def test_a_work_directory_is_removed_and_not_abandoned_while_in_use(store: Store) -> None:
    with store.work(shutil.rmtree) as path:
        (path / "file").write_text("x")
        assert store.abandoned() == ()
        assert sorted(one.name for one in path.parent.iterdir()) == [path.name, f"{path.name}.lock"]
    assert list((store.directory / "work").iterdir()) == []
    with pytest.raises(ValueError), store.work(shutil.rmtree) as path:
        raise ValueError
    assert list((store.directory / "work").iterdir()) == []


def test_the_work_directory_of_a_killed_process_is_found(store: Store) -> None:
    other = interpreter(WORKER, str(store.directory))
    path = Path(ready(other))
    assert store.abandoned() == ()
    other.send_signal(signal.SIGKILL)
    other.wait(5)
    assert store.abandoned() == (path,)
    assert (path / "file").exists()
    shutil.rmtree(path)
    store.forget_work(path)
    assert store.abandoned() == ()
    assert list((store.directory / "work").iterdir()) == []


def test_a_work_directory_can_be_moved_away(store: Store) -> None:
    with store.work(lambda path: pytest.fail("there is nothing to remove")) as path:
        path.rename(store.directory / "kept" / "tiny")
    assert list((store.directory / "work").iterdir()) == []


def test_a_newer_layout_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "layout").write_text(f"{LAYOUT + 1}\n")
    with pytest.raises(StoreError, match=f"has layout {LAYOUT + 1}, this debxcross knows {LAYOUT}") as raised:
        Store(tmp_path)
    assert "--store" in raised.value.resolution
    assert [path.name for path in tmp_path.iterdir()] == ["layout"]
    (tmp_path / "layout").write_bytes(b"\xff")
    with pytest.raises(StoreError, match="has layout"):
        Store(tmp_path)


def test_a_place_that_cannot_be_a_store_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="cannot use .*/file/store") as raised:
        Store(tmp_path / "file" / "store")
    assert "Not a directory" in raised.value.details
    assert "--store" in raised.value.resolution


def test_a_store_that_lost_its_directories_is_told(store: Store) -> None:
    for name in ("locks", "artifacts"):
        shutil.rmtree(store.directory / name)
        (store.directory / name).write_text("in the way")
    with pytest.raises(StoreError, match="cannot use"), store.lock("one"):
        pass
    with pytest.raises(StoreError, match="cannot use"):
        store.artifact(KEY)


def test_the_bytes_of_a_store_do_not_depend_on_the_umask(tmp_path: Path) -> None:
    found = []
    for number, umask in enumerate((0o077, 0o000)):
        old = os.umask(umask)
        try:
            store = Store(tmp_path / str(number))
            store.commit(Artifact(KEY, "tiny", (store.put_bytes(b"1", "one"),), {"z": 1, "a": 2}))
        finally:
            os.umask(old)
        found.append([(name, (store.directory / name).read_bytes(), (store.directory / name).stat().st_mode)
                      for name in visible(store.directory)])
    assert found[0] == found[1]


def test_a_result_of_the_same_step_with_other_bytes_does_not_replace_the_first(store: Store) -> None:
    deb, other, log, newer_log = (store.put_bytes(content, name) for content, name in (
        (b"a", "a.deb"), (b"b", "a.deb"), (b"1", "a.log"), (b"2", "a.log")))
    first = Artifact(KEY, "alpha", (deb, log))
    assert store.commit(first) is first
    assert store.commit(Artifact(KEY, "alpha", (other, newer_log))) == first == store.artifact(KEY)
    # The same packages: the newer log is as good.
    again = Artifact(KEY, "alpha", (deb, newer_log))
    assert store.commit(again) is again and store.artifact(KEY) == again
