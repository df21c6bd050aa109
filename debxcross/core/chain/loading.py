# SPDX-License-Identifier: GPL-3.0-or-later
"""Loading: what is tried of results for an architecture of which no device can be made.

The dynamic linker, run by the kernel's emulator, looks for every library and symbol version that a
program or library names, and starts nothing (ld.so(8), --list).
"""
from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from debxcross.core.build.commands import BUILD_DIRECTORY, DEBS
from debxcross.core.gate import ElfFacts
from debxcross.errors import TrialError

#: Where the packages are unpacked in a build root.
PLACE = f"{BUILD_DIRECTORY}/loaded"
_MARK = "debxcross-loads"
#: Seconds that one file may take.
_MOST_SECONDS = 60
_WORD = re.compile(rf"{_MARK} (\d+) (.*)")


def loadable(found: Iterable[ElfFacts]) -> tuple[ElfFacts, ...]:
    """Return the programs and libraries that the dynamic linker loads, by path."""
    return tuple(sorted((one for one in found if one.needed and one.type in ("ET_DYN", "ET_EXEC")
                         and not one.path.startswith("usr/lib/debug/")), key=lambda one: one.path))


def script(files: Sequence[ElfFacts], linker: str) -> str:
    """Return the script that unpacks the packages and has each file loaded; judge reads what it prints."""
    directories = sorted({f"{PLACE}/{PurePosixPath(one.path).parent}" for one in files if one.soname})
    return "".join((
        f"set -eu\nmkdir {PLACE}\n",
        f"for deb in {DEBS}/*.deb; do dpkg-deb --extract \"$deb\" {PLACE}; done\n",
        f"cd {PLACE}\nset +e\n",
        f"export LD_LIBRARY_PATH={shlex.quote(':'.join(directories))}\n",
        *(f"timeout {_MOST_SECONDS} {linker} --list {shlex.quote(f'./{one.path}')} 2>&1\n"
          f"echo {_MARK} $? {shlex.quote(one.path)}\n" for one in files)))


def judge(output: str, files: Sequence[ElfFacts]) -> None:
    """Raise TrialError for files that do not load, with what the dynamic linker said."""
    said: list[str] = []
    faults, seen = [], 0
    for line in output.splitlines():
        if match := _WORD.fullmatch(line):
            wrong = [one for one in said if "not found" in one]
            if match[1] != "0" or wrong:
                faults.append(f"{match[2]}: {'; '.join(wrong or said[-1:]) or f'status {match[1]}'}")
            said, seen = [], seen + 1
        else:
            said.append(line.strip())
    if seen != len(files):
        faults.append(f"of {len(files)} files {seen} were tried: {'; '.join(said[-2:])}")
    if faults:
        raise TrialError(
            f"{len(faults)} of {len(files)} programs and libraries do not load", "\n".join(faults),
            "Read the log; what needs a library that is in no Depends finds it on no device.  --no-trial "
            "(build-dep-chain) leaves this out.")
