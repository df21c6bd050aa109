# SPDX-License-Identifier: GPL-3.0-or-later
"""A law: a disk that gets full anywhere in a run stops it cleanly, and leaves nothing wrong.

A small real chain is built on a tmpfs that has everything on it, as the one disk of a small
machine has: store, results, keys, TMPDIR.  Its size is cut at some moment of the run.  This needs
root and the configured mirror.
"""
from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from debxcross.doors.chroot import Chroots
from debxcross.doors.store import Store
from debxcross.errors import DiskFullError
from debxcross.steps.store import gc
from tests.proof.test_disk import used
from tests.proof.test_kill_anywhere import Bench
from tests.tools import need

pytestmark = [pytest.mark.slow, pytest.mark.network]

CHAIN = """
[chain]
name = "small"
release = "bookworm"

[[source]]
name = "zlib"

[[source]]
name = "libffi"
"""
LIBC = ctypes.CDLL(None)
MS_REMOUNT = 32
#: A file of the run's logs, what it says when the disk gets full, and how many MB are left then.
#: Without a text they are left from the beginning.
Moment = tuple[str, str, float]
#: The base root has to be made: its packages are laid out; half of them are unpacked.
ROOT: tuple[Moment, ...] = (("", "", 20), ("", "", 300))
#: No file can be written; few; apt reads its indexes in both build roots, or in one of them.
EARLY: tuple[Moment, ...] = (
    ("", "", 0), ("", "", 0.5), ("", "", 40), ("zlib.log", "Unpacking m4", 1), ("", "", 160))
#: The compiler, what takes the results into the store, the repository.
LATE: tuple[Moment, ...] = (
    ("zlib.log", "-o adler32.o", 0), ("events.jsonl", "checking the results", 0),
    ("events.jsonl", "publishing 6 packages", 0))


class Disk(Bench):
    """A store with everything else of a run on one small disk."""

    def __init__(self, place: Path) -> None:
        super().__init__(place / "bench")
        self.place = place
        self.chain.write_text(CHAIN)

    def cut(self, left: float) -> None:
        """Leave this many MB of room."""
        for _ in range(1000):  # what was written meanwhile makes a size too small
            size = f"size={used(self.place) + int(left * 1024)}k"
            # No program is as quick.
            if not LIBC.mount(b"tmpfs", bytes(self.place), b"tmpfs", MS_REMOUNT, size.encode()):
                return
        pytest.fail("the disk could not be cut")

    def enlarge(self) -> None:
        subprocess.run(["mount", "-o", "remount,size=4g", str(self.place)], check=True)

    def squeezed(self, moment: Moment, seconds: float = 0.0) -> tuple[int, str]:
        """Run with a disk that gets full (for some seconds, else for good); return status and stderr."""
        name, text, left = moment
        shutil.rmtree(self.directory / "out", ignore_errors=True)
        if not name:
            self.cut(left)
        process = self.start("out")
        said: list[bytes] = []
        reader = threading.Thread(target=lambda: said.append(process.communicate(timeout=600)[1]))
        reader.start()
        log = self.directory / "out/logs" / name
        while name and not (log.exists() and text in log.read_text(errors="replace")):
            assert process.poll() is None, f"{moment} did not come: {said}"
            time.sleep(0.002)
        if name:
            self.cut(left)
        if seconds:
            time.sleep(seconds)
            self.enlarge()
        reader.join()
        self.enlarge()
        return process.returncode, said[0].decode(errors="replace")

    def stops_cleanly(self, moment: Moment) -> bool:
        """Run with a disk that gets full, look at what it said and left; tell whether it failed."""
        status, said = self.squeezed(moment)
        where = f"{moment}, status {status}:\n{said[-3000:]}"
        assert status in (0, DiskFullError.exit_status) and "Traceback" not in said, where
        if status:
            words = " ".join(said.partition("error: ")[2].split())
            assert "no space left" in words.lower() and "Next: Free some space" in words, where
        self.is_whole(where)
        return status != 0

    def is_whole(self, where: str) -> None:
        end = time.monotonic() + 5
        while self.processes() and time.monotonic() < end:
            time.sleep(0.1)
        assert self.processes() == [], where
        store = Store(self.store)
        damage = gc.verify(store, Chroots())
        assert not damage.found, f"{damage}\n{where}"
        assert list((self.store / "work").iterdir()) == [], where


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disk]:
    need("mmdebstrap", "unshare", "gpg", "mount", "umount")
    place = tmp_path_factory.mktemp("disk")
    argv = ["mount", "-t", "tmpfs", "-o", "size=4g", "tmpfs", str(place)]
    if os.geteuid() or subprocess.run(argv).returncode:
        pytest.skip("needs root for mount")
    (place / "bench/tmp").mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(place / "bench/tmp"))
        yield Disk(place)
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture(scope="module")
def expected(disk: Disk) -> dict[str, str]:
    """Build once, with room enough."""
    return disk.run("first")


@pytest.mark.parametrize("moments", [ROOT, EARLY, LATE], ids=["root", "early", "late"])
def test_a_full_disk_is_told_and_the_next_run_ends_with_the_same_bytes(
        disk: Disk, expected: dict[str, str], moments: tuple[Moment, ...]) -> None:
    disk.forget_results()
    if moments is ROOT:
        for path in (disk.store / "roots").iterdir():
            Chroots().remove(path)
    failed = [disk.stops_cleanly(moment) for moment in moments].count(True)
    print(f"\n{failed} of {len(moments)} runs on a full disk failed, each said so and left nothing behind")
    # The one or other may have ended before it met the end of the disk.
    assert failed >= len(moments) - 1
    assert disk.run("out") == expected


def test_a_disk_that_was_full_for_a_moment_leaves_no_result(disk: Disk, expected: dict[str, str]) -> None:
    disk.forget_results()
    # What configure has no room to try, it concludes, does not work; and goes on.
    status, said = disk.squeezed(("libffi.log", "checking for stdint.h", 0), seconds=1.0)
    assert status == DiskFullError.exit_status and "libffi: no space left" in said, said
    disk.is_whole(said)
    assert disk.run("out") == expected
