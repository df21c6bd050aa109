# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs in a root while the disk is full."""
from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from debxcross.core.bounds import Bounds
from debxcross.doors import watch
from debxcross.doors.chroot import Session
from debxcross.errors import DiskFullError


def test_what_ran_while_the_disk_was_full_is_refused(
        session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_LEAST_ROOM", 1 << 62)
    with pytest.raises(DiskFullError) as raised:
        session.run(["true"])
    assert raised.value.brief == f"no space left on the device below {tmp_path}"
    assert "nothing of this is kept" in raised.value.details and "--store" in raised.value.resolution


@pytest.mark.parametrize("constant", ["_LEAST_ROOM", "_LEAST_FILES"])
def test_a_disk_that_was_full_for_a_moment_was_full(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, constant: str) -> None:
    usual = getattr(watch, constant)
    seen = watch.Watch(Bounds(), None, tmp_path)
    assert not seen(os.getpid()) and not seen.look()
    monkeypatch.setattr(watch, constant, 1 << 62)
    assert seen(os.getpid())
    monkeypatch.setattr(watch, constant, usual)
    assert seen.look() and seen.full == tmp_path


def test_a_full_disk_ends_what_runs(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not only is it refused: nothing good can come of it, and it may run for hours."""
    monkeypatch.setattr(watch, "_LEAST_ROOM", 1 << 62)
    began = time.monotonic()
    with pytest.raises(DiskFullError):
        session.run(["sh", "-c", "trap '' TERM; sleep 60; sleep 60"])
    assert time.monotonic() - began < 20


def test_a_program_that_finds_no_room_is_believed(session: Session, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("an earlier step: No space left on device\n")
    assert session.run(["sh", "-c", "exit 3"], log=log).exit_status == 3
    for more in ({}, {"log": log}):
        with pytest.raises(DiskFullError) as raised:
            session.run(["sh", "-c", "cat /etc/passwd > /dev/full || exit 3"], **more)
        assert "No space left" in raised.value.details and "earlier" not in raised.value.details
    # It came to terms with it.
    assert session.run(["sh", "-c", "cat /etc/passwd > /dev/full || true"]).exit_status == 0
