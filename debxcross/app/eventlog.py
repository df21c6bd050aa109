# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a run writes down what happens, for ``status``, ``log`` and ``shell``."""
from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from debxcross.doors import files
from debxcross.doors.files import check_ours, make_directory, open_regular, raise_for_os_error
from debxcross.errors import BusyError, UsageError
from debxcross.events import Event, Listener
from debxcross.run.status import read_events

#: The events of a run, and those of the run before it, below its output directory.
_NOW, _BEFORE = Path("logs/events.jsonl"), Path("logs/events.before.jsonl")


def run_events(directory: Path, *, before: bool = False) -> tuple[Event, ...]:
    """Return the events of the last run whose results are below ``directory``, or of the run before it.

    Raises UsageError when there was none.
    """
    try:
        text = files.read(directory / (_BEFORE if before else _NOW)).decode("utf-8", "replace")
    except OSError as error:
        raise UsageError(
            f"no run is known below {directory}",
            "" if isinstance(error, FileNotFoundError) else f"{error.strerror}: {error.filename}",
            "Name the architecture or --output of a run, such as: debxcross status armel") from error
    return read_events(text)


def is_alive(pid: int) -> bool:
    """Tell whether a process of this machine is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _keep_last(path: Path) -> None:
    """Keep the events of the run before, with which a report compares."""
    content = files.read(path)
    if content:
        files.write(path.with_name(_BEFORE.name), content)


@contextmanager
def event_log(directory: Path) -> Iterator[Listener]:
    """Yield what writes events to ``directory``/logs/events.jsonl, emptied for this run.

    The lock ends with the process.  Raises BusyError when another run writes there,
    StoreError or DiskFullError when the directory cannot be used or somebody else can change it, or the
    file or its directory is a link that somebody planted; so does the first event that
    cannot be written, and those after it are dropped: the error's own is among them.
    """
    path = directory / _NOW
    try:
        make_directory(path.parent)
        check_ours(directory)
        check_ours(path.parent)
        stream = open(open_regular(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT), "ab", buffering=0)
    except OSError as error:
        raise_for_os_error(error, directory)
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError(
                f"another run writes its results to {directory}",
                resolution="Wait for it ('debxcross status' shows how it stands), "
                           "or name another place with --output.") from None
        _keep_last(path)
        stream.truncate(0)

        broken = False

        def write(event: Event) -> None:
            nonlocal broken
            if broken:
                return
            try:
                stream.write(f"{event.line()}\n".encode())
            except OSError as error:
                broken = True
                raise_for_os_error(error, directory)

        yield write
