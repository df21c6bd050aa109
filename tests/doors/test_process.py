# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from debxcross.doors import process
from debxcross.errors import BoundError, BuildError, HostError
from tests.tools import need

ROOT = Path(__file__).resolve().parents[2]


def child(code: str, **more: str) -> subprocess.Popen[str]:
    """Start an interpreter of its own; terminate_all() is for a whole process."""
    return subprocess.Popen([sys.executable, "-c", code], text=True, stdout=subprocess.PIPE,
                            env={**os.environ, "PYTHONPATH": str(ROOT), **more})


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(path: Path, lines: int, seconds: float = 10) -> list[int]:
    """Return the process ids that children wrote into a file, once they are all there."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if path.exists() and len(found := path.read_text().split()) >= lines:
            return [int(one) for one in found]
        time.sleep(0.02)
    raise AssertionError(f"{path} has no {lines} lines")


def gone(pids: list[int], seconds: float) -> list[int]:
    """Wait until these processes are gone; return those that are not."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and any(map(alive, pids)):
        time.sleep(0.02)
    return [pid for pid in pids if alive(pid)]


def test_arguments_arrive_as_they_are(tmp_path: Path) -> None:
    arguments = ("", "a b", "*", "$HOME", "-x", "--long=1", "ü\n", "'\"")
    done = process.run(["printf", "[%s]", *arguments], directory=tmp_path)
    assert done.stdout == "".join(f"[{one}]" for one in arguments)
    assert done.argv == ("printf", "[%s]", *arguments)
    assert (done.exit_status, done.stderr) == (0, "")


def test_what_a_child_says_needs_no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    # Nowhere can a file be made; on a full disk one could, and would be cut short.
    monkeypatch.setattr(tempfile, "tempdir", "/proc")
    done = process.run(["sh", "-c", "seq 100000; echo err >&2"])
    assert (done.stdout.split()[-1], done.stderr) == ("100000", "err\n")


def test_the_environment_is_small_and_fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "x")
    monkeypatch.setenv("PATH", "/nowhere")
    lines = process.run(["env"], environment={"MORE": "1"}).stdout.splitlines()
    assert sorted(lines) == sorted(f"{name}={value}" for name, value in {
        **process.MINIMAL_ENVIRONMENT, "MORE": "1"}.items())


def test_no_terminal_and_no_leftover_descriptors() -> None:
    said = process.run(["sh", "-c", "for n in 0 1 2; do test -t $n && echo $n; done; "
                                    "(: < /dev/tty) 2>/dev/null && echo terminal; ls /proc/self/fd | wc -l"])
    assert said.stdout.split() == ["4"]  # the three, and ls's own


def test_a_process_works_in_the_root_directory_unless_told(tmp_path: Path) -> None:
    assert process.run(["pwd"]).stdout == "/\n"
    assert process.run(["pwd"], directory=tmp_path).stdout == f"{tmp_path}\n"


def test_standard_input_is_given_or_empty(tmp_path: Path) -> None:
    assert process.run(["cat"]).stdout == ""
    assert process.run(["cat"], stdin="grün\n").stdout == "grün\n"
    big = tmp_path / "big"
    big.write_bytes(bytes(range(256)) * 4096)
    out = tmp_path / "out"
    done = process.run(["cat"], stdin_path=big, stdout_path=out)
    assert out.read_bytes() == big.read_bytes()
    assert done.stdout == ""


def test_standard_input_does_not_depend_on_the_locale() -> None:
    code = ("from debxcross.doors import process\n"
            "print(ascii(process.run(['cat'], stdin='gr\\u00fcn').stdout))")
    started = child(code, LC_ALL="POSIX", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    try:
        assert started.communicate(timeout=10)[0] == "'gr\\xfcn'\n"
    finally:
        started.kill()


def test_output_that_is_no_text_is_no_trouble() -> None:
    assert process.run(["printf", "\\377x"]).stdout == "\ufffdx"


def test_a_log_is_appended_to_in_order(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    done = process.run(["sh", "-c", "echo one; echo two >&2; echo three; exit 3"], log=log)
    assert log.read_text() == "before\none\ntwo\nthree\n"
    assert (done.exit_status, done.stdout, done.stderr) == (3, "", "")


def test_a_status_is_told_and_check_raises_with_the_tail() -> None:
    done = process.run(["sh", "-c", "seq 40 >&2; exit 7"])
    assert done.exit_status == 7
    with pytest.raises(BuildError, match="it broke") as raised:
        done.check(BuildError, "it broke", "mend it")
    lines = raised.value.details.splitlines()
    assert lines[0] == "16"
    assert lines[-1] == "ended with status 7: sh -c 'seq 40 >&2; exit 7'"
    assert raised.value.resolution == "mend it"
    good = process.run(["true"])
    assert good.check(BuildError, "never") is good


def test_a_signal_is_a_negative_status() -> None:
    done = process.run(["sh", "-c", "kill -SEGV $$"])
    assert done.exit_status == -signal.SIGSEGV
    assert process.describe(done.argv, done.exit_status).startswith("ended by signal SIGSEGV: sh -c")


def test_a_timeout_ends_the_whole_tree(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    started = time.monotonic()
    with pytest.raises(HostError, match="no end after 0.5 seconds: sh") as raised:
        process.run(["sh", "-c", f"(trap '' TERM; sleep 60) & echo $$ $! > {pids}; sleep 60"], timeout=0.5)
    assert time.monotonic() - started < 5
    assert raised.value.resolution
    assert gone(wait_for(pids, 2), 2) == []


def test_what_ends_in_time_is_no_timeout() -> None:
    assert process.run(["echo", "x"], timeout=10).stdout == "x\n"


def test_a_missing_program_names_the_next_move() -> None:
    with pytest.raises(HostError, match="'no-such-program' is not installed") as raised:
        process.run(["no-such-program", "x"])
    assert "debxcross doctor" in raised.value.resolution
    with pytest.raises(HostError, match="'no-such-program' is not installed"):
        process.become(["no-such-program"])
    assert process.find("no-such-program") is None
    assert process.find("sh") in ("/usr/bin/sh", "/bin/sh")


TREE = """
import sys, threading, time
from debxcross.doors import process
from debxcross.errors import InterruptedRunError
scripts = [
    "echo $$ >> {pids}; sleep 60 & echo $! >> {pids}; wait",
    "trap '' TERM; echo $$ >> {pids}; sleep 60 & echo $! >> {pids}; wait; wait; sleep 60",
    "(trap '' TERM; sleep 60) & echo $! $$ >> {pids}; wait",
]
ended = []
def work(script):
    try:
        process.run(["sh", "-c", script])
    except InterruptedRunError:
        ended.append(script)
threads = [threading.Thread(target=work, args=(one,)) for one in scripts]
for one in threads: one.start()
sys.stdin.readline()
{then}
"""


def test_terminate_all_ends_every_tree_within_three_seconds(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    code = TREE.format(pids=str(pids), then="""
process.terminate_all()
for one in threads: one.join()
try:
    process.run(["true"])
except InterruptedRunError:
    print(len(ended), "ended")
""")
    started = subprocess.Popen([sys.executable, "-c", code], text=True, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)})
    found = wait_for(pids, 6)
    assert all(map(alive, found))
    began = time.monotonic()
    out, _ = started.communicate("\n", timeout=15)
    assert gone(found, 3 - (time.monotonic() - began)) == []
    assert time.monotonic() - began < 3
    assert out == "3 ended\n"


def test_children_die_with_a_killed_parent(tmp_path: Path) -> None:
    need("setpriv")
    pids = tmp_path / "pids"
    code = f"""
from debxcross.doors import process
process.run(["sh", "-c", "echo $$ > {pids}; exec sleep 60"])
"""
    started = child(code)
    found = wait_for(pids, 1)
    started.send_signal(signal.SIGKILL)
    started.wait(5)
    assert gone(found, 3) == []


def test_a_caller_can_end_a_child_with_all_its_descendants(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"trap '' TERM; sleep 60 & echo $! >> {pids}; echo $$ >> {pids}; sleep 60"
    began = time.monotonic()
    done = process.run(["sh", "-c", script], until=lambda pid: pids.exists() and len(wait_for(pids, 2)) == 2)
    assert done.exit_status == -9 and time.monotonic() - began < 30
    assert gone(wait_for(pids, 2), 5) == []


def test_output_without_end_is_told_and_not_kept() -> None:
    with pytest.raises(BoundError, match="'sh' printed more than 64 MB"):
        process.run(["sh", "-c", "cat /dev/zero"])


def test_tasks_and_memory_of_descendants_are_counted() -> None:
    seen: list[tuple[int, int]] = []

    def look(pid: int) -> bool:
        seen.append(process.descendants(pid))
        return len(seen) > 100 or seen[-1][0] >= 4 and seen[-1][1] > 50 << 20
    code = ("import subprocess as s; one = s.Popen(['sleep', '60']); a = bytearray(60 << 20); "
            "s.run(['sleep', '60'])")
    process.run(["sh", "-c", f'{sys.executable} -c "{code}"; true'], until=look)
    assert len(seen) <= 100 and seen[-1][1] < 200 << 20
    assert process.descendants(2 ** 22 + 1) == (0, 0)
