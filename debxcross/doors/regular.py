# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to files that somebody else left: regular files only, and never through a link.

Whoever could write in a directory could leave a symbolic link there to a file that he may not read,
or a FIFO, which is never read to its end.
"""
from __future__ import annotations

import errno
import os
import stat
from pathlib import Path, PurePosixPath
from typing import IO

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
#: Without O_NONBLOCK, opening a FIFO waits for a writer.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def open_regular(top: Path, name: str) -> IO[bytes]:
    """Open the regular file ``name`` below ``top``; no part of the name may be a link.

    Raises OSError for anything else, and ValueError for a name with "..".
    """
    *parents, last = _parts(name)
    place = os.open(top, _DIRECTORY & ~os.O_NOFOLLOW)
    try:
        for one in parents:
            inner = os.open(one, _DIRECTORY, dir_fd=place)
            os.close(place)
            place = inner
        descriptor = os.open(last, _FILE, dir_fd=place)
    finally:
        os.close(place)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, f"{name} is no regular file")
    return open(descriptor, "rb")


def regular_files(top: Path, directory: str, pattern: str, *, strict: bool = False) -> tuple[Path, ...]:
    """Return the regular files that match a pattern in ``directory`` below ``top``, sorted.

    ``pattern`` may be one of Path.glob's, "**/" in front.  There are none where a part of
    ``directory`` is a link, or is missing.  What is no regular file is left out, or, with ``strict``,
    an OSError.
    """
    place = top
    for one in _parts(directory):
        place = place / one
        if place.is_symlink() or not place.is_dir():
            return ()
    if pattern.startswith("**/"):
        # os.walk follows no links to directories; Path.rglob of some versions does.
        found = [Path(here, name) for here, _, names in os.walk(place) for name in names
                 if PurePosixPath(name).match(pattern[3:])]
    else:
        found = list(place.glob(pattern))
    regular = sorted(path for path in found if stat.S_ISREG(path.lstat().st_mode))
    if strict and len(regular) < len(found):
        name = sorted(set(found) - set(regular))[0].name
        raise OSError(errno.EINVAL, f"{name} is no regular file")
    return tuple(regular)


def tail(path: Path, begin: int = 0, most: int = 256 << 10) -> str:
    """Return the end of a log, from ``begin`` on, ``most`` bytes at most."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(begin, size - most))
        return file.read().decode(errors="replace")


def _parts(name: str) -> tuple[str, ...]:
    parts = PurePosixPath(name.lstrip("/")).parts
    if ".." in parts:
        raise ValueError(f"{name} leads elsewhere")
    return parts
