# SPDX-License-Identifier: GPL-3.0-or-later
"""A build's log on a terminal: the build must not command the terminal of who reads it."""
from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
HOSTILE = b"one\r\n\x1b]0;owned\x07two\x1b[2J\roverwritten\n\xff\xe2\x80\xaeend\n"


@pytest.fixture
def output(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/tiny.log").write_bytes(HOSTILE)
    return tmp_path


def argv(output: Path, *options: str) -> list[str]:
    program = "from debxcross.cli import main; main()"
    return [sys.executable, "-c", program, "log", "tiny", "--output", str(output), *options]


def on_terminal(output: Path, *options: str) -> bytes:
    leader, follower = pty.openpty()
    with subprocess.Popen(argv(output, *options), cwd=CHECKOUT, stdout=follower, stderr=follower) as process:
        os.close(follower)
        got = b""
        try:
            while block := os.read(leader, 4096):
                got += block
        except OSError:
            pass  # Linux tells the end of a terminal so.
        assert process.wait(60) == 0, got
    os.close(leader)
    return got


def test_a_terminal_gets_no_control_sequences(output: Path) -> None:
    got = on_terminal(output)
    assert got.decode().replace("\r\n", "\n") == "one\ntwo\noverwritten\n\ufffd?end\n"


def test_every_byte_comes_when_asked_for_or_into_a_file(output: Path) -> None:
    assert b"\x1b]0;owned\x07" in on_terminal(output, "--raw")
    done = subprocess.run(argv(output), cwd=CHECKOUT, capture_output=True, timeout=60)
    assert done.stdout == HOSTILE
