# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a run writes down what happens, for ``status``, ``log`` and ``shell``."""
from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from debxcross.doors.files import check_ours, make_directory, open_regular, raise_for_os_error
from debxcross.errors import BusyError
from debxcross.events import Event, Listener


@contextmanager
def event_log(directory: Path) -> Iterator[Listener]:
    """Yield what writes events to ``directory``/logs/events.jsonl, emptied for this run.

    The lock ends with the process.  Raises BusyError when another run writes there,
    StoreError or DiskFullError when the directory cannot be used or somebody else can change it, or the
    file or its directory is a link that somebody planted; so does the first event that
    cannot be written, and those after it are dropped: the error's own is among them.
    """
    path = directory / "logs" / "events.jsonl"
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
