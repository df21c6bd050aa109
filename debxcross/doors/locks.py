# SPDX-License-Identifier: GPL-3.0-or-later
"""A store's locks: who uses it, who makes what, and which throw-away directories are in use.

Locks are flock(2) on files below ``locks`` and ``work``; each ends with its process.
"""
from __future__ import annotations

import fcntl
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from debxcross.doors.files import raise_for_os_error
from debxcross.errors import BusyError

#: How long a run waits for somebody who deletes, in seconds.
_PATIENCE = 60.0


class Locks:
    """The locks of one store.  Its use is shared as long as this object lives."""

    def __init__(self, directory: Path) -> None:
        """Share the store in ``directory``.  Raises BusyError when somebody deletes from it."""
        self._directory = directory
        self._use = self._file(directory / "locks" / "use")
        os.fchmod(self._use.fileno(), 0o644)
        self._share()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the store alone, to delete.  Raises BusyError when somebody else has it open."""
        try:
            fcntl.flock(self._use, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError(
                f"the store {self._directory} is in use",
                "A run, or another command that has the store open, could lose what it works with.",
                "Wait until the run has ended ('debxcross status' shows it), then run this again.") from None
        try:
            yield
        finally:
            self._share()

    def _share(self) -> None:
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                fcntl.flock(self._use, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise BusyError(
                        f"the store {self._directory} is being cleaned", "",
                        "Wait until 'debxcross store gc' has ended, then run this again.") from None
                time.sleep(0.1)
            except OSError as error:
                raise_for_os_error(error, self._directory)

    @contextmanager
    def held(self, name: str, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Hold a lock, by name; ``waiting`` is called once when somebody else has it."""
        with self._file(self._directory / "locks" / name) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting()
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextmanager
    def work(self, remove: Callable[[Path], None]) -> Iterator[Path]:
        """Give a fresh directory, held while in use; ``remove`` deletes it afterwards.

        Build roots hold files of other users, which only the chroot door can delete.
        """
        path = self._directory / "work" / secrets.token_hex(6)
        lock = path.with_suffix(".lock")
        with self._file(path.with_suffix(".new")) as file:
            # Held before it has the name that abandoned() looks for.
            fcntl.flock(file, fcntl.LOCK_EX)
            try:
                path.with_suffix(".new").rename(lock)
                path.mkdir()
            except OSError as error:
                raise_for_os_error(error, self._directory)
            try:
                yield path
            finally:
                if path.exists():
                    remove(path)
                lock.unlink()

    def abandoned(self) -> tuple[Path, ...]:
        """Return work directories whose process is gone (it was killed)."""
        found = []
        for lock in sorted((self._directory / "work").glob("*.lock")):
            try:
                with lock.open("r+") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    found.append(lock.with_suffix(""))
            except (BlockingIOError, FileNotFoundError):
                continue
        return tuple(found)

    def forget_work(self, path: Path) -> None:
        """Drop the lock file of a work directory that has been deleted."""
        path.with_suffix(".lock").unlink(missing_ok=True)

    def _file(self, path: Path) -> IO[str]:
        try:
            return path.open("a")
        except OSError as error:
            raise_for_os_error(error, self._directory)
