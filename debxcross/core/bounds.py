# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of the machine one command in a root may take, and which of its user ids."""
from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

#: A root has the ids 0 to 65534 (nobody and nogroup, Policy section 9.2.2).
IDS_OF_A_ROOT = 65535


@dataclass(frozen=True)
class Bounds:
    """What a command in a root may take: tasks, bytes, open files of one process, seconds.

    ``memory`` counts what processes do not share; 0 stands for nine tenths of the machine's.
    ``log_size`` is that of the step's whole log.
    """

    processes: int = 8192
    memory: int = 0
    open_files: int = 65536
    file_size: int = 64 << 30
    log_size: int = 1 << 30
    time: int = 86400

    def met(self, *, processes: int = 0, memory: int = 0, log_size: int = 0, time: float = 0) -> Met | None:
        """Return the first bound that these figures exceed."""
        if processes > self.processes:
            return Met("processes", f"more than {self.processes} processes and threads", self.processes)
        if memory > self.memory > 0:
            return Met("memory", f"more than {self.memory >> 20} MB of memory", self.memory >> 20)
        if log_size > self.log_size:
            return Met("log-size", f"a log of more than {self.log_size >> 20} MB", self.log_size >> 20)
        if time > self.time:
            return Met("time", f"more than {self.time} seconds", self.time)
        return None


@dataclass(frozen=True)
class Met:
    """A bound that was met: its setting, what it is in words, and its value in the setting's unit."""

    setting: str
    words: str
    value: int

    @property
    def resolution(self) -> str:
        """Say how to raise it."""
        return (f"If the package needs that much, raise limits.{self.setting} (now {self.value}) in "
                "debxcross.toml; otherwise something in it ran away.")


#: What programs say when the kernel refuses them more: words, setting, and the bound's name here.
_REFUSALS = (
    (re.compile(r"file too large|file size limit exceeded", re.IGNORECASE), "file-size",
     "a file may have {} MB"),
    (re.compile(r"too many open files", re.IGNORECASE), "open-files", "a process may have {} files open"),
    (re.compile(r"cannot allocate|out of memory|memory exhausted|bad_alloc|MemoryError|memory allocation of",
                re.IGNORECASE), "memory", "a step may take {} MB of memory"),
    (re.compile(r"(fork|clone|thread).*(resource temporarily unavailable|eagain)", re.IGNORECASE),
     "processes", "a step may have {} processes and threads"),
)


def refusals(said: str, bounds: Bounds) -> tuple[str, ...]:
    """Return which bounds the end of a failed command's output sounds like, one line each.

    These the kernel enforces, and only the program that is refused something knows of it.
    """
    values = {"file-size": bounds.file_size >> 20, "open-files": bounds.open_files,
              "memory": bounds.memory >> 20, "processes": bounds.processes}
    return tuple(f"[{words.format(values[setting])} here: limits.{setting} raises it]"
                 for pattern, setting, words in _REFUSALS if pattern.search(said[-20000:]))


def ranges(text: str, user: str, uid: int) -> Iterator[tuple[int, int]]:
    """Yield the first id and the length of each of a user's ranges, from subuid(5) or getsubids(1).

    The lines are "user:100000:65536" (or a number for the user) and "0: user 100000 65536".
    """
    for line in text.splitlines():
        fields = line.split(":") if line.count(":") == 2 else line.split()[1:]
        if len(fields) == 3 and fields[0] in (user, str(uid)) and all(
                one.strip().isdigit() for one in fields[1:]):
            yield int(fields[1]), int(fields[2])


def free_range(texts: tuple[str, ...], count: int = 65536) -> int:
    """Return the first id of a range that none of these files gives to anybody (subuid(5)).

    Below 100000 are the machine's own users; Debian's adduser gives ranges from there on.
    """
    taken = []
    for line in "\n".join(texts).splitlines():
        fields = line.split(":")
        if len(fields) == 3 and all(one.strip().isdigit() for one in fields[1:]):
            taken.append((int(fields[1]), int(fields[1]) + int(fields[2])))
    first = 100000
    for begin, end in sorted(taken):
        if begin < first + count and end > first:
            first = end
    return first
