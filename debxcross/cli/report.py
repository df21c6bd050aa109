# SPDX-License-Identifier: GPL-3.0-or-later
"""Chooses how a run is shown, and prints errors."""
from __future__ import annotations

import errno
import os
import shutil
import signal
import sys
import termios
import threading
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


class OutputGone(BaseException):
    """Nobody can read what is written any more: the pipe was closed, or the terminal."""


def output_gone(error: OSError) -> bool:
    """Tell whether a write failed because nobody can read it: a closed pipe, or a terminal that is gone."""
    if error.errno == errno.EPIPE:
        return True
    if error.errno != errno.EIO:
        return False
    for number in (1, 2):
        try:
            termios.tcgetattr(number)
        except termios.error as fault:
            if fault.args[0] == errno.EIO:  # hung up; of what is no terminal it is ENOTTY
                return True
    return False


def be_silent() -> None:
    """Let everything that is written from now on go nowhere, and fail nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(nowhere, number)
    os.close(nowhere)


class _Guarded:
    """Hands events to a report; when its output is gone, ends the run as Ctrl-C does, silently.

    Events come from the threads of the run, which an error here would end in the middle of a step.
    """

    gone = False

    def __init__(self, report: Listener) -> None:
        self._report = report

    def __call__(self, event: Event) -> None:
        if not _Guarded.gone:
            with quietly():
                self._report(event)


@contextmanager
def quietly() -> Iterator[None]:
    """Do something that writes; when nobody can read it, be silent and end the run."""
    try:
        yield
    except OSError as error:
        if not output_gone(error):
            raise
        be_silent()
        if not _Guarded.gone:
            _Guarded.gone = True
            # To the main thread, wherever this one is.
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def nobody_reads() -> bool:
    """Tell whether a report has found its output gone."""
    return _Guarded.gone


@contextmanager
def listener(json_lines: bool) -> Iterator[Listener]:
    """Yield what shows the events: JSON lines on standard output, a live table, or plain lines."""
    with quietly(), _listener(json_lines) as report:
        yield _Guarded(report)


@contextmanager
def _listener(json_lines: bool) -> Iterator[Listener]:
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
