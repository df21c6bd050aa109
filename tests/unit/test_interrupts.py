# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from debxcross.app.interrupts import interruptible


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """The usual handlers, whatever pytest was started with."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_threads_hear_of_the_end_before_anybody_waits_for_them() -> None:
    stop, started = threading.Event(), time.monotonic()
    with pytest.raises(KeyboardInterrupt), interruptible(stop.set), ThreadPoolExecutor(1) as pool:
        pool.submit(stop.wait, 20)
        signal.raise_signal(signal.SIGINT)
    assert stop.is_set() and time.monotonic() - started < 5
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_wait_that_no_signal_ends_is_ended_all_the_same() -> None:
    """The main thread may begin to wait after the signal came, and before Python hears of it."""
    ear, mouth = os.pipe()
    signal.set_wakeup_fd(-1)
    late = threading.Timer(20, os.write, (mouth, b"late"))
    signalled = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt), interruptible(lambda: os.write(mouth, b"end") and None):
        late.start()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # another thread gets it
        try:
            signalled.start()
            os.read(ear, 4)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
            late.cancel()
    assert time.monotonic() - started < 5
    assert signal.set_wakeup_fd(-1) == -1
    os.close(ear)
    os.close(mouth)


def test_what_is_ignored_stays_ignored_and_defaults_stay() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with interruptible(lambda: None):
        signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_signals_are_the_main_threads() -> None:
    def work() -> bool:
        with interruptible(lambda: None):
            return signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(work).result()
