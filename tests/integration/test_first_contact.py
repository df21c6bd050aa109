# SPDX-License-Identifier: GPL-3.0-or-later
"""The first contact: init with flags, with answers, with Ctrl-C; debxcross alone; doctor --fix."""
from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAIN = "import sys; sys.argv[0] = 'debxcross'; from debxcross.cli import main; main()"
FLAGS = ("--device", "armv7l", "--release", "bookworm", "--build", "zlib", "--url", "http://repo.example/")


def environment(home: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(home), "COLUMNS": "200",
            "LC_ALL": "C.UTF-8", "TERM": "xterm"}


def run(desk: Path, *arguments: str, answers: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", MAIN, *arguments], cwd=desk, text=True, input=answers,
                          capture_output=True, timeout=60, env=environment(desk))


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    place = tmp_path / "gateway"
    place.mkdir()
    return place


def test_flags_are_enough(desk: Path) -> None:
    done = run(desk, "init", *FLAGS)
    assert done.returncode == 0, done.stderr
    assert "debxcross plan armhf --chain ./gateway.toml" in done.stdout
    assert 'name = "zlib"' in (desk / "gateway.toml").read_text()
    assert 'url = "http://repo.example/"' in (desk / "debxcross.toml").read_text()
    alone = run(desk)
    assert "gateway.toml  gateway: 1 member for bookworm" in alone.stdout
    assert "debxcross plan ARCH --chain ./gateway.toml" in alone.stdout


def test_answers_are_asked_again_until_they_are_good(desk: Path) -> None:
    done = run(desk, "init", "--name", "board", answers="toaster\narmel\nwoody\n\nno/such\npython2.7\n\n")
    assert done.returncode == 0, done.stderr
    assert "unknown architecture 'toaster'" in done.stderr and "unknown release 'woody'" in done.stderr
    assert "debxcross plan armel --chain python2.7" in done.stdout
    assert sorted(path.name for path in desk.iterdir()) == ["debxcross.toml"]


def test_what_is_there_stays(desk: Path) -> None:
    (desk / "debxcross.toml").write_text('maintainer = "Me <me@example.org>"\n')
    done = run(desk, "init", *FLAGS)
    assert done.returncode == 0 and 'url = "http://repo.example/"' in done.stdout
    assert (desk / "debxcross.toml").read_text() == 'maintainer = "Me <me@example.org>"\n'
    again = run(desk, "init", *FLAGS)
    assert again.returncode == 2 and "there is a file gateway.toml already" in again.stderr


@pytest.mark.parametrize("arguments, told", [
    (("--device", "toaster"), "unknown architecture"), (("--release", "woody"), "unknown release"),
    (("--build", "Zlib"), "does not name a source"), (("--build", ""), "nothing is named"),
    (("--url", "repo"), "is no address"), (("--device", "armel"), "not every question was answered")])
def test_a_wrong_flag_is_told_before_anything_is_asked(desk: Path, arguments: tuple[str, str],
                                                       told: str) -> None:
    done = run(desk, "init", *arguments)
    assert done.returncode == 2 and told in done.stderr, done.stderr
    assert list(desk.iterdir()) == []


def test_ctrl_c_writes_nothing(desk: Path) -> None:
    child, terminal = pty.fork()
    if not child:
        os.chdir(desk)
        os.execve(sys.executable, [sys.executable, "-c", MAIN, "init", "--device", "armel"],
                  environment(desk))
    said = b""
    while b"release" not in said:
        said += os.read(terminal, 4096)
    os.write(terminal, b"bookworm\n")
    while b"What to build" not in said:
        said += os.read(terminal, 4096)
    time.sleep(0.1)
    os.write(terminal, b"\x03")
    while True:
        try:
            more = os.read(terminal, 4096)
        except OSError:  # the terminal's other end is closed
            break
        if not more:
            break
        said += more
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 128 + signal.SIGINT
    assert b"Nothing was written." in said and b"Traceback" not in said
    assert list(desk.iterdir()) == []


def test_alone_it_tells_what_to_do_first(desk: Path) -> None:
    done = run(desk)
    assert done.returncode == 0 and "    debxcross init\n" in done.stdout


def test_alone_it_tells_of_a_run_that_failed(desk: Path) -> None:
    run(desk, "init", *FLAGS)
    (desk / "odd.toml").write_text("not TOML [")
    logs = desk / "out/armhf/logs"
    logs.mkdir(parents=True)
    (logs / "events.jsonl").write_text(
        '{"time": 1.0, "kind": "run-started", "member": "", "text": "", "data": {"chain": "gateway", '
        '"architecture": "armhf", "release": "bookworm", "members": ["zlib"]}}\n'
        '{"time": 2.0, "kind": "state", "member": "zlib", "text": "", "data": {"state": "failed", '
        f'"log": "{logs}/zlib.log"}}}}\n'
        '{"time": 9.0, "kind": "run-ended", "member": "", "text": "", "data": {"ok": false, '
        '"exit_status": 20, "seconds": 8.0}}\n')
    done = run(desk)
    assert "out/armhf  gateway: failed after 8 s" in done.stdout and "odd.toml" not in done.stdout
    assert "debxcross log zlib --output out/armhf" in done.stdout


def test_doctor_runs_no_cure_unasked(desk: Path) -> None:
    # A store in a place that no command mends, and no terminal to ask on.
    done = run(desk, "doctor", "amd64", "--fix", "--store", str(desk / "store"))
    plain = run(desk, "doctor", "amd64", "--store", str(desk / "store"))
    assert done.returncode == plain.returncode
    assert "$ " not in done.stderr
