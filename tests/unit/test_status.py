# SPDX-License-Identifier: GPL-3.0-or-later
"""How a run stands, from whole, cut and abandoned events; and the summary."""
from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from debxcross.events import Event
from debxcross.run.status import (
    GONE, RunStatus, fold, human_size, read_events, render_status, render_summary, status_json, table,
)

GOLDEN = Path(__file__).parents[1] / "golden/report"

STARTED = Event("run-started", time=100.0,
                data={"chain": "python2", "architecture": "armel", "release": "bookworm", "pid": 4711,
                      "members": ["zlib", "openssl", "libffi", "pip"]})
RUN = (
    STARTED,
    Event("state", "libffi", time=100.0, data={"state": "cached", "seconds": 0.01}),
    Event("state", "zlib", time=100.0, data={"state": "building", "log": "/runs/1/zlib.log"}),
    Event("artifact", "zlib", "", 135.0, {"name": "zlib1g.deb", "sha256": "ab" * 32, "size": 80000}),
    Event("state", "zlib", time=136.0, data={"state": "built", "seconds": 36.0}),
    Event("state", "openssl", time=137.0, data={"state": "building"}),
    Event("state", "openssl", time=137.5, data={"state": "building", "log": "/runs/1/openssl.log"}),
    Event("activity", "openssl", "compiling", 140.0),
)
FAILED = (
    *RUN,
    Event("state", "openssl", time=437.0,
          data={"state": "failed", "reason": "openssl does not compile", "failure_class": "compile",
                "seconds": 300.0}),
    Event("error", "openssl", "", 437.0, {"brief": "openssl does not compile", "details": "ld: no -lz",
                                          "resolution": "Read the log.", "exit_status": 20}),
    Event("state", "pip", time=437.0, data={"state": "blocked", "reason": "needs openssl"}),
    Event("run-ended", time=438.0, data={"ok": False, "seconds": 338.0, "exit_status": 20}),
)


def status(events: Iterable[Event], alive: bool = True, now: float = 200.0) -> RunStatus:
    return fold(events, now, lambda pid: alive and pid == 4711)


def golden(name: str) -> str:
    return (GOLDEN / name).read_text(encoding="utf-8")


def test_a_run_that_goes_on() -> None:
    run = status(RUN)
    assert (run.state, run.ended, run.seconds, run.pid) == ("running", None, 100.0, 4711)
    zlib, openssl, libffi, pip = run.members
    assert (zlib.state, zlib.seconds, zlib.log) == ("built", 36.0, "/runs/1/zlib.log")
    assert [(file.name, file.size) for file in zlib.artifacts] == [("zlib1g.deb", 80000)]
    assert (openssl.state, openssl.seconds, openssl.activity) == ("building", 63.0, "compiling")
    assert (libffi.state, pip.state, pip.seconds) == ("cached", "waiting", None)


def test_a_run_that_failed() -> None:
    run = status(FAILED, alive=False, now=9999.0)
    assert (run.state, run.ended, run.seconds, run.exit_status) == ("failed", 438.0, 338.0, 20)
    openssl = run.members[1]
    assert (openssl.state, openssl.failure_class, openssl.seconds) == ("failed", "compile", 300.0)
    assert openssl.error is not None and openssl.error.resolution == "Read the log."


@pytest.mark.parametrize("data, state", [
    ({"ok": True, "exit_status": 0}, "done"), ({"ok": False, "exit_status": 130}, "interrupted"),
    ({"ok": False, "exit_status": 40}, "failed")])
def test_how_a_run_ended(data: dict[str, object], state: str) -> None:
    assert status((STARTED, Event("run-ended", time=110.0, data=data))).state == state


def test_a_run_whose_process_is_gone_is_interrupted() -> None:
    run = status(RUN, alive=False, now=9999.0)
    assert (run.state, run.ended, run.seconds) == ("interrupted", 140.0, 40.0)
    openssl = run.members[1]
    assert (openssl.state, openssl.reason, openssl.failure_class) == ("failed", GONE, "interrupted")
    assert openssl.seconds == 3.0
    assert run.members[0].state == "built"


def test_a_run_without_a_pid_counts_as_gone() -> None:
    assert fold((Event("run-started", time=1.0),), 5.0, lambda pid: True).state == "interrupted"
    assert fold((), 5.0, lambda pid: True).members == ()


def test_events_cut_at_any_byte_can_be_read() -> None:
    text = "".join(event.line() + "\n" for event in FAILED)
    assert read_events(text) == FAILED
    ends = [index + 1 for index, letter in enumerate(text) if letter == "\n"]
    for cut in range(len(text)):
        whole = read_events(text[:cut])
        # A line that lacks nothing but its newline is whole.
        count = sum(end <= cut + 1 for end in ends)
        assert whole == FAILED[:count]
        status(whole, alive=False)


@pytest.mark.parametrize("line", ["null", "5", "[]", "{}", '{"kind": "state"}', "\x00\x00", ""])
def test_lines_that_are_no_events_are_left_out(line: str) -> None:
    assert read_events(f"{line}\n{STARTED.line()}\n{line}") == (STARTED,)


def test_only_the_last_of_several_runs_counts() -> None:
    run = status((*FAILED, STARTED))
    assert run.state == "running"
    assert {member.state for member in run.members} == {"waiting"}


def test_an_error_of_the_run_itself_is_kept() -> None:
    run = status((STARTED, Event("error", "", "", 101.0, {"brief": "no such suite"})))
    assert run.error is not None and run.error.brief == "no such suite"
    assert "error: no such suite" in render_status(run, 80)


@pytest.mark.parametrize("name, events, alive", [
    ("status-running", RUN, True), ("status-failed", FAILED, False), ("status-gone", RUN, False)])
def test_the_table_for_people(name: str, events: tuple[Event, ...], alive: bool) -> None:
    text = render_status(status(events, alive), 80)
    assert text + "\n" == golden(f"{name}.txt")
    assert max(map(len, text.splitlines())) <= 80


def test_the_status_for_programs() -> None:
    text = status_json(status(FAILED))
    assert text + "\n" == golden("status-failed.json")
    members = json.loads(text)["members"]
    assert members[0]["artifacts"] == [{"name": "zlib1g.deb", "sha256": "ab" * 32, "size": 80000}]
    assert members[1]["error"]["details"] == "ld: no -lz"


def test_an_interrupted_run_names_its_next_move_once() -> None:
    error = {"brief": "interrupted", "details": "All ended.", "resolution": "Run the same command again."}
    ended = Event("run-ended", time=110.0, data={"ok": False, "exit_status": 130})
    for events in ((STARTED, Event("error", "", "", 109.0, error), ended), (STARTED,)):
        text = render_status(status(events, alive=False), 80)
        assert text.count("Next: ") == text.count("Run the same command again") == 1


def test_a_long_reason_is_folded_below_itself() -> None:
    lines = table(("member", "why"), [("zlib", "one two three four five six")], 24)
    assert lines == ["member  why", "zlib    one two three", "        four five six"]


@pytest.mark.parametrize("size, text", [
    (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (81920, "81.9 kB"), (999949, "999.9 kB"),
    (999950, "1.0 MB"), (1234567, "1.2 MB"), (10**10, "10.0 GB"), (5 * 10**15, "5000.0 TB")])
def test_sizes(size: int, text: str) -> None:
    assert human_size(size) == text


SUMMARY = {
    "debs": [
        {"name": "libssl1.1", "version": "1.1.1w-0+deb11u4", "size": 1234567, "sha256": "01" * 32},
        {"name": "zlib1g", "version": "1:1.2.13.dfsg-1", "size": 81920, "sha256": "ef" * 32},
    ],
    "members": [{"name": "zlib", "state": "cached", "seconds": 0.2},
                {"name": "openssl", "state": "built", "seconds": 287.0},
                {"name": "pip", "state": "blocked", "seconds": None}],
    "seconds": 312.0,
    "repository": "/srv/debxcross/armel/repository",
    "device": ["sudo cp debxcross.sources /etc/apt/sources.list.d/", "sudo apt update"],
}


@pytest.mark.parametrize("width", [80, 160])
def test_the_summary_has_every_sum_in_full(width: int) -> None:
    text = render_summary(SUMMARY, width)
    assert text + "\n" == golden(f"summary-{width}.txt")
    assert max(map(len, text.splitlines())) <= width
    assert all(str(deb["sha256"]) in text.split() for deb in SUMMARY["debs"])  # type: ignore[attr-defined]


def test_a_summary_of_nothing_is_empty() -> None:
    assert render_summary({}, 80) == ""
