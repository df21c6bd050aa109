# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets a signal that ends the run reach children and threads at once."""
from __future__ import annotations

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
    """
    before = {number: handler for number in _SIGNALS if callable(handler := signal.getsignal(number))}

    def heard(number: int, frame: FrameType | None) -> None:
        interrupt()
        before[signal.Signals(number)](number, frame)

    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return
    for number in before:
        signal.signal(number, heard)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
