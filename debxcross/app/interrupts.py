# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets a signal that ends the run reach children and threads at once."""
from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def interruptible(interrupt: Callable[[], None]) -> Iterator[None]:
    """Call ``interrupt`` when a signal comes, before its handler raises what ends the run.

    Whoever leaves a pool waits for its threads, which therefore must have heard before.
    ``interrupt`` is called in the main thread, and in one of its own: called twice, it does no more.
    """
    before = {number: handler for number in _SIGNALS if callable(handler := signal.getsignal(number))}

    def heard(number: int, frame: FrameType | None) -> None:
        interrupt()
        before[signal.Signals(number)](number, frame)

    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return
    with _told_by_the_kernel(interrupt, frozenset(before)):
        for number in before:
            signal.signal(number, heard)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@contextmanager
def _told_by_the_kernel(interrupt: Callable[[], None], numbers: frozenset[int]) -> Iterator[None]:
    """Call ``interrupt`` in another thread, too, when one of these signals comes.

    A handler written in Python runs when the main thread next runs Python.  A signal that comes
    just before that thread begins to wait for a server or a child does not wake it, and the handler
    would run when the wait has ended by itself.  The wake-up descriptor is written to at once.
    """
    ear, mouth = os.pipe()
    os.set_blocking(mouth, False)

    def listen() -> None:
        while heard := os.read(ear, 64):
            if numbers.intersection(heard):
                interrupt()

    listener = threading.Thread(target=listen, daemon=True, name="signals")
    listener.start()
    outer = signal.set_wakeup_fd(mouth, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(outer)
        os.close(mouth)
        listener.join()
        os.close(ear)
