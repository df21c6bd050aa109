# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to what a running command takes: disk, processes, memory, log and time."""
from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from debxcross.core.bounds import Bounds, Met, refusals
from debxcross.core.build.log import lines_that_matter, tells_of_full_disk
from debxcross.doors import process
from debxcross.errors import BoundError, DiskFullError

#: A disk with less room than this counts as full: a program may have found too little, in bytes and files.
_LEAST_ROOM = 16 << 20
_LEAST_FILES = 64
#: How often processes are counted, in seconds.
_COUNTS = 0.25


def of_this_machine(bounds: Bounds) -> Bounds:
    """Return bounds whose memory is a number: by default nine tenths of the machine's."""
    if bounds.memory:
        return bounds
    return replace(bounds, memory=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 10 * 9)


class Watch:
    """Watches what a command takes while it runs: the disk of some directories, and its bounds.

    Exit status 0 does not tell of a full disk: a configure script that has no room for its test programs
    concludes that the compiler cannot do what was tried, and goes on.
    """

    def __init__(self, bounds: Bounds, log: Path | None, *places: Path) -> None:
        self._bounds, self._log, self._places = of_this_machine(bounds), log, places
        self._began = self._counted = time.monotonic()
        #: The first directory that was full, and the first bound that was met.
        self.full: Path | None = None
        self.met: Met | None = None

    def __call__(self, pid: int) -> bool:
        """Tell whether this process, with all its descendants, must end (see process.run)."""
        now = time.monotonic()
        tasks = memory = 0
        if now >= self._counted + _COUNTS:
            self._counted = now
            tasks, memory = process.descendants(pid)
        size = self._log.stat().st_size if self._log and self._log.exists() else 0
        self.met = self._bounds.met(processes=tasks, memory=memory, log_size=size, time=now - self._began)
        return self.look() or self.met is not None

    def look(self) -> bool:
        """Tell whether the disk is full, or was."""
        for place in self._places:
            status = os.statvfs(place)
            # Some file systems do not count files.
            few = status.f_files and status.f_favail < _LEAST_FILES
            if few or status.f_bavail * status.f_frsize < _LEAST_ROOM:
                self.full = self.full or place
        return self.full is not None

    def explained(self, done: process.Completed, said: str) -> process.Completed:
        """Return how a command went; where it failed at a limit of the kernel's, its output says so."""
        told = "".join(f"{line}\n" for line in refusals(said, self._bounds) if done.exit_status)
        if told and self._log:
            with self._log.open("a") as file:
                file.write(told)
        return done if self._log else replace(done, stderr=done.stderr + told)

    def bound_error(self, argv: Sequence[str]) -> BoundError:
        """Return what to raise when a bound was met; cut the log, and write into it why it ends there."""
        assert self.met is not None
        text = f"ended: it took {self.met.words} (limits.{self.met.setting})"
        if self._log:
            if self.met.setting == "log-size":
                os.truncate(self._log, self._bounds.log_size)
            with self._log.open("a") as file:
                file.write(f"\n[{text}]\n")
        brief = f"a command in a root was {text}"
        return BoundError(brief, " ".join(argv)[:500], self.met.resolution)

    def error(self, said: str, cure: str) -> DiskFullError:
        """Return what to raise; ``said`` is the output of what ran, ``cure`` names the other places."""
        pieces = ["\n".join(lines_that_matter(said))] if tells_of_full_disk(said) else []
        if self.full:
            pieces.append(f"Less than {_LEAST_ROOM >> 20} MB were left for a moment. Not every program that "
                          "finds no room\nsays so, or fails: nothing of this is kept.")
        return DiskFullError(
            f"no space left on the device below {self.full or self._places[0]}", "\n\n".join(pieces),
            f"Free some space or name another place ({cure}); then run the same command again: "
            "what is finished is kept.")
