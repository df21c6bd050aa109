# SPDX-License-Identifier: GPL-3.0-or-later
"""Chooses how a run is shown, and prints errors."""
from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from debxcross.errors import DebxcrossError
from debxcross.events import Event, Listener
from debxcross.run.plain import PlainReport, render_error, wants_plain

_TAIL = 4096


def width() -> int:
    """Return the terminal's width in columns; 100 where there is none."""
    return shutil.get_terminal_size((100, 24)).columns


def show_error(error: DebxcrossError) -> None:
    """Print an error on standard error."""
    print(render_error(error, width()), file=sys.stderr)


def tail(path: str) -> str:
    """Return the end of a log file, "" when there is none."""
    try:
        with Path(path).open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - _TAIL))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""


@contextmanager
def listener(json_lines: bool) -> Iterator[Listener]:
    """Yield what shows the events: JSON lines on standard output, a live table, or plain lines."""
    if json_lines:
        from debxcross.run.jsonlines import JsonLines

        yield JsonLines(sys.stdout)
    elif wants_plain(os.environ, sys.stderr.isatty()):
        with PlainReport(sys.stderr, time.time, width()) as plain:
            yield plain
    else:
        from rich.console import Console

        from debxcross.run.terminal import TerminalReport

        with TerminalReport(Console(stderr=True), tail, time.time) as terminal:
            yield terminal


@contextmanager
def planning() -> Iterator[Listener]:
    """Yield what shows on standard error how a plan comes along: a bar, or a line for each step."""
    if wants_plain(os.environ, sys.stderr.isatty()):
        with PlainReport(sys.stderr, time.time, width()) as plain:
            yield plain
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("planning", total=None)

        def hear(event: Event) -> None:
            if event.kind == "activity":
                progress.update(bar, description=event.text, completed=event.data.get("done", 0),
                                total=event.data.get("total"))
        yield hear


def terminate_like_interrupt() -> None:
    """Let SIGTERM and SIGHUP end a run the way Ctrl-C does: children ended, store whole."""
    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGHUP, interrupt)
