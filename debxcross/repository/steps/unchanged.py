# SPDX-License-Identifier: GPL-3.0-or-later
"""Remembers the last publication, so that the same one again need not be worked out.

What is remembered is believed only while every file it depends on has the stamp it had.
"""
from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from debxcross import __version__
from debxcross.core.border import Moment, read_as, read_json
from debxcross.core.key import digest
from debxcross.doors import files
from debxcross.doors.template import data_directory
from debxcross.repository.core.index import RepositorySettings

#: Warnings about keys are a matter of the day.
_SECONDS = 86400.0
#: A file that was written so many nanoseconds before its stamp was taken may be written again
#: without getting another one: the kernel's clock for stamps ticks every few milliseconds.
_YOUNG = 20_000_000


@dataclass(frozen=True)
class Known:
    """A publication as it is remembered; ``packages`` has the fields of PublishedPackage."""

    date: int
    packages: tuple[tuple[str, str, str, str, int, str], ...]
    fingerprints: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _Remembered:
    """What the memo's file holds; ``time`` is seconds since the epoch."""

    question: str
    time: Moment
    known: Known


def given_stamps(paths: Sequence[Path]) -> str:
    """Return the identity of the given files by their stamps; "" when it cannot be relied on.

    Nobody can set a ctime, so equal stamps mean equal files.
    """
    return _stamps(paths, time.time_ns() - _YOUNG)


def question(root: Path, state: Path, settings: RepositorySettings, given: str, replace: bool) -> str:
    """Return the identity of a publication by all it depends on; "" when something is missing."""
    dists, keys = root / "dists" / settings.codename, state / "keys"
    paths = [*sorted(dists.glob("*Release*")), *sorted(dists.glob("*/*/[PS]*")),
             *sorted(dists.glob("*/wheels-*/**/index.*")), root / "repository.json",
             root / "index.html", root / "device" / settings.codename, keys / "pubring.kbx",
             keys / "private-keys-v1.d",
             *(path for name in ("retired", "signer") if (path := keys / name).exists()),
             *sorted(data_directory("repo").iterdir())]
    stamps = _stamps(paths, time.time_ns())
    return digest([__version__, settings, replace, given, stamps]) if given and stamps else ""


def _stamps(paths: Sequence[Path], newest: int) -> str:
    found, here = [], os.getcwd()
    for path in paths:
        try:
            status = os.stat(path)
        except OSError:
            return ""
        if status.st_ctime_ns > newest:
            return ""
        found.append([os.path.join(here, path), status.st_ino, status.st_size, status.st_mtime_ns,
                      status.st_ctime_ns])
    return digest(found)


def recall(memo: Path, asked: str, root: Path, now: float) -> Known | None:
    """Return what is remembered of this publication, if its pool still stands."""
    try:
        last = read_as(_Remembered, read_json(memo.read_bytes()))
        if last.question != asked or not 0 <= now - last.time < _SECONDS:
            return None
        if any(os.stat(f"{root}/{path}").st_size != size
               for _, _, _, path, size, _ in last.known.packages):
            return None
        return last.known
    except (OSError, ValueError):
        # What cannot be read is worked out again.
        return None


def remember(memo: Path, asked: str, known: Known, now: float) -> None:
    """Remember a publication; nothing when nothing was asked."""
    if not asked:
        memo.unlink(missing_ok=True)
        return
    files.write(memo, json.dumps({"question": asked, "time": now, "known": vars(known)}))
