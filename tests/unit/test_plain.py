# SPDX-License-Identifier: GPL-3.0-or-later
"""What the reports write: errors, plain lines, JSON lines, and the table on a terminal."""
from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from debxcross.errors import BuildError, DebxcrossError, HostError, UsageError
from debxcross.events import FACTS, Event
from debxcross.run.jsonlines import JsonLines
from debxcross.run.plain import PlainReport, clean, duration, last_line, render_error, visible, wants_plain
from debxcross.run.terminal import Row, TerminalReport, counts, draw, shown

GOLDEN = Path(__file__).parents[1] / "golden/report"


def golden(name: str) -> str:
    return (GOLDEN / name).read_text(encoding="utf-8")


ERRORS = (
    BuildError(
        "openssl does not compile",
        "/usr/lib/gcc-cross/arm-linux-gnueabi/12/../../../../arm-linux-gnueabi/bin/ld: cannot find -lz: "
        "No such file\n\x1b[01;31mcollect2: error\x1b[0m: ld returned 1 exit status\n\n"
        "ended with status 2: dpkg-buildpackage -aarmel -B",
        "Look at the whole log, then build this member alone with the shell open after the failure:\n"
        "  debxcross build armel --only openssl --shell-after-fail --with-a-long-option-that-is-not-folded",
    ),
    HostError("the program 'mmdebstrap' is not installed", "", "Run 'debxcross doctor'."),
    UsageError("unknown architecture 'armle'"),
)


@pytest.mark.parametrize("width", [80, 40])
def test_errors_keep_their_wording(width: int) -> None:
    text = "\n\n".join(render_error(error, width) for error in ERRORS)
    assert text + "\n" == golden(f"errors-{width}.txt")


def test_a_command_of_a_resolution_stays_on_one_line() -> None:
    lines = render_error(ERRORS[0], 40).splitlines()
    assert any(line.endswith("--with-a-long-option-that-is-not-folded") and "debxcross build" in line
               for line in lines)


def test_an_error_without_details_has_no_empty_lines() -> None:
    assert render_error(DebxcrossError("brief", "\n", "Do this."), 80) == "error: brief\nNext: Do this."


@pytest.mark.parametrize("line, cleaned", [
    ("\x1b[31mred\x1b[0m and\tplain", "red and plain"),
    ("10 %\r50 %\r100 %\r", "100 %"),
    ("\x1b]0;a title\x07text", "text"),
    ("bell\x07 and \x9b31m", "bell? and ?31m"),
    ("\x1b[2J\x1b[H", ""),
    ("text \u202eesrever", "text ?esrever"),
    ("grün", "grün"),
    ("two\nlines", "two lines"),
])
def test_a_log_line_cannot_move_the_cursor(line: str, cleaned: str) -> None:
    assert clean(line) == cleaned


def test_the_last_line_of_a_log_is_the_last_that_says_something() -> None:
    assert last_line("first\r\nsecond\r\n\x1b[0m\n  \n") == "second"
    assert last_line("") == ""


@pytest.mark.parametrize("seconds, text", [
    (0, "0 s"), (59.9, "59 s"), (60, "1:00"), (3599, "59:59"), (3723, "1:02:03"), (-1, "0 s")])
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize("environment, terminal, plain", [
    ({"TERM": "xterm"}, True, False), ({"TERM": "xterm"}, False, True), ({"TERM": "dumb"}, True, True),
    ({}, True, True), ({"TERM": "xterm", "NO_COLOR": "1"}, True, True),
    ({"TERM": "xterm", "NO_COLOR": ""}, True, False), ({"TERM": "xterm", "CI": "true"}, True, True)])
def test_when_the_plain_report_is_used(environment: dict[str, str], terminal: bool, plain: bool) -> None:
    assert wants_plain(environment, terminal) is plain


RUN = (
    Event("run-started", time=100.0, data={"chain": "python2", "architecture": "armel", "release": "bookworm",
                                           "members": ["zlib", "openssl", "pip"]}),
    Event("state", "zlib", time=100.0, data={"state": "ready"}),
    Event("state", "openssl", time=100.0, data={"state": "waiting", "reason": "needs zlib"}),
    Event("state", "zlib", time=100.4, data={"state": "building"}),
    Event("state", "zlib", time=100.5, data={"state": "building", "log": "/logs/zlib.log"}),
    Event("activity", "zlib", "resolving build dependencies", 112.3),
    Event("activity", "zlib", "resolving build dependencies", 130.0),
    Event("activity", "zlib", "resolving build dependencies", 142.4),
    Event("activity", "zlib", "compiling", 142.5),
    Event("warning", "zlib", "the source is from another suite", 143.0),
    Event("note", "", "using the mirror", 143.0),
    Event("artifact", "zlib", "", 150.0, {"name": "zlib1g_1.2.13_armel.deb", "size": 5, "sha256": "00"}),
    Event("state", "zlib", time=170.0, data={"state": "built", "seconds": 69.6}),
    Event("state", "openssl", time=171.0, data={"state": "building"}),
    Event("state", "openssl", time=1171.25,
          data={"state": "failed", "reason": "openssl does not compile", "seconds": 1000.25}),
    Event("error", "openssl", "", 1171.25, {"brief": "openssl does not compile", "details": "ld: no -lz",
                                            "resolution": "Read the log.", "exit_status": 20}),
    Event("state", "pip", time=1171.25, data={"state": "blocked", "reason": "needs openssl"}),
    Event("run-ended", time=1172.0, data={"ok": False, "seconds": 1072.0, "exit_status": 20}),
)


def test_a_whole_run_in_plain_lines() -> None:
    stream = io.StringIO()
    report = PlainReport(stream, lambda: 0.0)
    for event in RUN:
        report(event)
    assert stream.getvalue() == golden("plain.txt")


def lines(*events: Event) -> list[str]:
    stream = io.StringIO()
    report = PlainReport(stream, lambda: 0.0)
    for event in events:
        report(event)
    return [line.partition("] ")[2] for line in stream.getvalue().splitlines()]


def found(name: str, time: float = 0.0) -> tuple[Event, ...]:
    """Return the events of a member whose result was there."""
    return (Event("state", name, time=time, data={"state": "ready"}),
            Event("state", name, time=time, data={"state": "building"}),
            Event("artifact", name, time=time, data={"name": f"{name}.deb"}),
            Event("state", name, time=time, data={"state": "cached", "seconds": 0.01}))


def test_what_was_there_is_one_line() -> None:
    names = [f"m{number}" for number in range(10)]
    told = lines(*(event for name in names[:2] for event in found(name)),
                 Event("activity", "x", "compiling"),
                 *(event for name in names for event in found(f"other-{name}")),
                 Event("run-ended", data={"ok": True, "seconds": 1}))
    assert told == ["cached: m0, m1", "x                   compiling",
                    f"cached: {', '.join(f'other-{name}' for name in names[:8])} and 2 more",
                    "the run is done after 1 s"]


def test_a_count_is_told_now_and_then_and_at_its_end() -> None:
    events = [Event("activity", "plan", f"sources fetched: {number} of 94", number / 4.0,
                    {"done": number, "total": 94}) for number in range(1, 95)]
    numbers = [int(line.split()[3]) for line in lines(*events)]
    assert numbers == [1, 21, 41, 61, 81, 94]


def test_facts_and_what_was_said_before_are_no_lines() -> None:
    assert lines(*(Event(kind, "zlib") for kind in FACTS), Event("note", text="long", data={"said": True}),
                 Event("note", text="new")) == ["         note       new"]


def test_the_heartbeat_comes_every_minute_while_something_builds() -> None:
    now = 0.0
    stream = io.StringIO()
    report = PlainReport(stream, lambda: now)

    def tick_until(end: int) -> list[str]:
        nonlocal now
        stream.truncate(stream.seek(0))
        while now < end:
            now += 1.0
            report.tick()
        return stream.getvalue().splitlines()

    assert tick_until(200) == []
    report(Event("run-started", time=200.0, data={"members": ["zlib"]}))
    report(Event("state", "zlib", time=200.0, data={"state": "building"}))
    assert tick_until(330) == ["[   1.0s] zlib building",
                               "[  60.0s] still building: zlib (1:00)",
                               "[ 120.0s] still building: zlib (2:00)"]
    report(Event("state", "zlib", time=330.0, data={"state": "built"}))
    assert tick_until(500) == []


def test_json_lines_are_the_events_and_flushed() -> None:
    class Stream(io.StringIO):
        flushed = 0

        def flush(self) -> None:
            self.flushed = len(self.getvalue())

    stream = Stream()
    listener = JsonLines(stream)
    for event in RUN:
        listener(event)
        assert stream.flushed == len(stream.getvalue())
    assert tuple(Event.parse(line) for line in stream.getvalue().splitlines()) == RUN


ROWS = (
    Row("zlib", "built", 0.0, 36.0),
    Row("libffi", "cached", 0.0, 0.1),
    Row("openssl", "building", 40.0, None, "", "compiling", "/logs/openssl.log"),
    Row("python2.7-with-a-name-that-is-long", "waiting", 0.0, None, "needs openssl, libffi"),
    Row("pip", "failed", 0.0, 3723.0, "pip does not build"),
)


def picture(rows: tuple[Row, ...], width: int, height: int) -> str:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, color_system=None, width=width, height=height)
    console.print(draw(rows, 105.0, 105.0, width, height,
                       lambda path: f"of {path}\n\x1b[1mgcc -O2 -c " + "crypto/" * 9 + "aes.c\r\n\n"))
    return "".join(line.rstrip() + "\n" for line in stream.getvalue().splitlines())


@pytest.mark.parametrize("width", [40, 80, 132])
def test_the_table(width: int) -> None:
    text = picture(ROWS, width, 24)
    assert text == golden(f"table-{width}.txt")
    assert max(map(len, text.splitlines())) <= width


@pytest.mark.parametrize("width, height", [(40, 5), (80, 6), (30, 3), (200, 10)])
def test_the_table_is_never_taller_than_the_terminal(width: int, height: int) -> None:
    rows = tuple(Row(f"member-{number}", "built" if number < 40 else "waiting") for number in range(60))
    rows += (Row("working", "building"),)
    lines = picture(rows, width, height).splitlines()
    assert len(lines) == height
    assert any(line.startswith("working") for line in lines)


def test_what_is_shown_when_there_is_no_room_keeps_its_order() -> None:
    states = {"a": "built", "b": "waiting", "c": "failed", "d": "ready", "e": "building"}
    rows = tuple(Row(name, state) for name, state in states.items())
    assert [row.name for row in shown(rows, 3)] == ["c", "d", "e"]
    assert counts(rows) == "1 building, 1 failed, 1 ready, 1 waiting, 1 built"


def test_the_live_report_prints_above_and_leaves_the_whole_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, color_system=None, width=80, height=4)
    with TerminalReport(console, lambda path: "", lambda: 1172.0) as report:
        for event in RUN:
            report(event)
    text = stream.getvalue()
    assert "zlib: the source is from another suite" in text
    assert "error: openssl does not compile\n    ld: no -lz\nNext: Read the log." in text.replace("\r", "")
    last = text[text.rindex("member"):].splitlines()
    assert [line.split()[:2] for line in last[1:4]] == [["zlib", "built"], ["openssl", "failed"],
                                                        ["pip", "blocked"]]
    assert last[4].startswith("1 failed, 1 blocked, 1 built after")
    assert text.endswith("\x1b[?25h"), "the cursor must come back"


@pytest.mark.parametrize(("text", "shown"), [
    ("a\x1b]0;title\x07b\x1b]52;c;Zm9v\x1b\\c\n", "abc\n"), ("\x1b[31mred\x1b[0m\tplain", "red\tplain"),
    ("\x9b2J\u202egnp\x00", "?2J?gnp?"), ("grün\n\n", "grün\n\n")])
def test_a_log_on_a_terminal_commands_nothing(text: str, shown: str) -> None:
    assert visible(text) == shown
