# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a run: times, critical path, graph, what changed, and the files that show them."""
from __future__ import annotations

import json
import os
import re
import xml.etree.ElementTree as xml
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from debxcross.doors.template import data_directory, render
from debxcross.events import Event
from debxcross.run.graph import layout, reduced
from debxcross.run.page import Sources, markdown, values
from debxcross.run.plain import named
from debxcross.run.report import RunReport, read_report
from debxcross.run.since import Difference, since
from debxcross.run.timeline import Span, critical_path, ticks, waits

GOLDEN = Path(__file__).parents[1] / "golden/report"
START = 1_790_000_000.0


def event(kind: str, member: str, at: float, text: str = "", **data: Any) -> Event:
    return Event(kind, member, text, START + at, data)


def planned(name: str, *needs: str) -> dict[str, Any]:
    return {"name": name, "kind": "source", "version": "1.0-1", "origin": "bookworm (source)",
            "state": "waiting" if needs else "ready", "reason": "why not", "needs": list(needs)}


def built(name: str, start: float, end: float, worker: int = 0, sha: str = "a") -> list[Event]:
    return [event("state", name, start, state="building", worker=worker),
            event("activity", name, start, "unpacking the source"),
            event("activity", name, (start + end) / 2, "dpkg-buildpackage -aarmel"),
            event("gates", name, end, checks=7, accepted=["/bin/x is lost, as accepted: why not"],
                  compared=[{"subject": f"lib{name}", "found": "compared with 1.0-1: nothing is lost"}]),
            event("artifact", name, end, name=f"lib{name}_1.0-1_armel.deb", size=1500, sha256=sha * 64),
            event("state", name, end, state="built", seconds=end - start)]


RUN = [
    event("run-started", "", 0, "board", chain="board", architecture="armel", release="bookworm", pid=1,
          members=["build-root", "zlib", "png", "app", "repository", "device-trial"]),
    event("note", "", 0.1, "a long note"),
    event("state", "plan", 0.5, state="building"),
    event("plan", "plan", 1.0, planned=[
        planned("zlib"), planned("png", "zlib"), planned("app", "png", "zlib")]),
    event("state", "plan", 1.0, state="built"),
    event("state", "build-root", 1, state="ready"),
    event("state", "zlib", 1, state="waiting", needs=["build-root"]),
    event("state", "png", 1, state="waiting", needs=["build-root", "zlib"]),
    event("state", "app", 1, state="waiting", needs=["build-root", "png", "zlib"]),
    event("state", "build-root", 1, state="building", worker=0),
    event("state", "build-root", 11, state="built", seconds=10.0),
    event("state", "zlib", 11, state="ready"),
    *built("zlib", 11, 71),
    event("changes", "zlib", 71, changes=[{"what": "debhelper:all", "before": "13.1", "after": "13.2"}]),
]
GOOD = [
    *RUN, event("state", "png", 71, state="ready"), *built("png", 71, 91, sha="b"),
    event("state", "app", 91, state="ready"), *built("app", 91, 101, sha="c"),
    event("repository", "repository", 102, repository="/out/armel/repo", url="http://repo.example/",
          fingerprint="AB" * 20, device=["apt-get update"], versions={"a" * 64: "1:1.0-1"}, beside=[]),
    event("trial", "device-trial", 103, results=[
        {"name": "install", "ok": True, "text": "app", "signal": 0, "attempts": 1},
        {"name": "import led", "ok": False, "text": "no GPIO", "signal": 0, "attempts": 1}]),
    event("state", "device-trial", 104, state="built", seconds=1.0),
    event("run-ended", "", 104, ok=True, seconds=104.0, exit_status=0),
]
FAILED = [
    *RUN, event("state", "png", 71, state="ready"),
    event("state", "png", 71, state="building", worker=1),
    event("state", "png", 80, state="failed", reason="png 1.0-1: the build failed", failure_class="build",
          seconds=9.0),
    event("error", "png", 80, brief="png 1.0-1: the build failed", details="cc: no zlib.h", exit_status=20,
          resolution="Read the log.", failure_class="build"),
    event("state", "app", 80, state="blocked", reason="needs png"),
    event("run-ended", "", 81, ok=False, seconds=81.0, exit_status=20),
]
#: What somebody may write into a log or a package's description.
HOSTILE = ("</pre></style><script>alert(1)</script>\u202egnp.exe\x1b]0;title\x07 ``` | <img src=x> ]]> "
           "&lt; \x00")


def report(events: list[Event]) -> RunReport:
    # Through their lines, as they are read.
    return read_report([Event.parse(one.line()) for one in events], START + 1000, lambda _: False)


def page(found: RunReport, **more: Any) -> str:
    filled = values(Sources(found, style="p{}", policy="default-src 'none'", **more))
    return render("index.html", filled, data_directory("report-templates"), escape=True)


def summary(found: RunReport, **more: Any) -> str:
    return render("summary.md", markdown(values(Sources(found, **more))), data_directory("report-templates"))


# Times

def test_what_a_step_waited_for() -> None:
    found = waits([Span("root", 0, 10), Span("a", 10, 30, 10, 0, ("root",)),
                   Span("b", 30, 40, 10, 0, ("root",)), Span("c", 40, 50, 40, 0, ("root", "b"))])
    assert (found["a"].needed, found["a"].seconds, found["a"].behind) == ("root", 10, "")
    assert (found["b"].behind, found["b"].queued) == ("a", 20)
    assert (found["c"].needed, found["c"].seconds, found["c"].behind) == ("b", 40, "")
    assert (found["root"].needed, found["root"].seconds) == ("", 0)


@pytest.mark.parametrize("spans, path", [
    ([], ()),
    ([Span("a", 0, 5)], ("a",)),
    # The longest of the needs decides, not the first one.
    ([Span("a", 0, 5), Span("b", 0, 9), Span("c", 9, 12, 9, 0, ("a", "b"))], ("b", "c")),
    # Who had the worker decides, when that was what was waited for.
    ([Span("a", 0, 5, 0, 0), Span("b", 0, 9, 0, 1), Span("c", 9, 20, 5, 1, ("a",))], ("b", "c")),
    # A step that runs to the end beside the others.
    ([Span("a", 0, 5), Span("b", 5, 8, 5, 0, ("a",)), Span("slow", 1, 30, 0, 1)], ("slow",)),
    # Needs that are unknown, and a circle, which no plan has.
    ([Span("a", 0, 5, 0, 0, ("gone",))], ("a",)),
    ([Span("a", 0, 5, 0, -1, ("b",)), Span("b", 0, 6, 0, -1, ("a",))], ("a", "b")),
])
def test_the_critical_path(spans: list[Span], path: tuple[str, ...]) -> None:
    assert tuple(span.name for span in critical_path(spans)) == path


@pytest.mark.parametrize("seconds, marks", [
    (0.35, (0.0, 0.1, 0.2, 0.3)), (104, (0, 30, 60, 90)), (1002, (0, 300, 600, 900)), (0, (0.0,))])
def test_marks_of_an_axis_are_round(seconds: float, marks: tuple[float, ...]) -> None:
    assert ticks(seconds) == pytest.approx(marks)


def test_every_step_has_its_times() -> None:
    found = {step.name: step for step in report(GOOD).steps}
    zlib = found["zlib"]
    assert (zlib.ready, zlib.start, zlib.end, zlib.worker) == (11, 11, 71, 0)
    assert [(phase.text, phase.start, phase.end) for phase in zlib.phases] == [
        ("unpacking the source", 11, 41), ("dpkg-buildpackage -aarmel", 41, 71)]
    assert [span.name for span in critical_path(report(GOOD).spans)] == [
        "plan", "build-root", "zlib", "png", "app"]
    assert found["repository"].start is None and found["app"].needs == ("build-root", "png", "zlib")


def test_a_killed_run_ends_with_its_last_event() -> None:
    found = report(FAILED[:-4])
    png = next(step for step in found.steps if step.name == "png")
    assert (found.status.state, png.status.state, png.start, png.end) == ("interrupted", "failed", 71, 71)


def test_only_the_last_run_counts() -> None:
    assert report([*FAILED, *GOOD]).status == report(GOOD).status
    assert len(report([*FAILED, *GOOD]).told) == 1


# The graph

def test_arrows_that_follow_from_others_are_left_out() -> None:
    assert reduced({"a": (), "b": ("a",), "c": ("a", "b"), "d": ("c", "a", "gone", "d")}) == {
        "a": (), "b": ("a",), "c": ("b",), "d": ("c",)}


def test_columns_go_from_what_is_needed_to_who_needs_it() -> None:
    found = layout({"app": ("ssl", "png"), "png": ("zlib",), "ssl": (), "zlib": (), "alone": ()})
    assert {name: column for name, (column, _) in found.places.items()} == {
        "ssl": 0, "zlib": 0, "png": 1, "app": 2}
    assert found.alone == ("alone",) and (found.columns, found.rows) == (3, 2)
    assert len(set(found.places.values())) == len(found.places)


def test_neighbours_come_to_one_height() -> None:
    names = [f"n{number}" for number in range(6)]
    found = layout({**{name: () for name in names}, **{f"x{name}": (name,) for name in reversed(names)}})
    assert all(found.places[name][1] == found.places[f"x{name}"][1] for name in names)


# Since the last run

def test_what_changed_since_the_last_run() -> None:
    before = report(GOOD)
    other = [replace(one, data={**one.data, "sha256": "d" * 64, "size": 2500})
             if one.data.get("sha256") == "b" * 64 else one for one in GOOD]
    assert since(before, before) == ()
    assert since(before, report(other)) == (Difference("~", "libpng", "other bytes, +1.0 kB"),)
    # A member that failed has no packages to compare; that is not told of each of them.
    assert since(before, report(FAILED)) == (
        Difference("~", "png", "was done, is failed"), Difference("~", "app", "was done, is blocked"),
        Difference("~", "device-trial", "was done, is waiting"))
    new = [replace(GOOD[0], data={**GOOD[0].data, "members": [*GOOD[0].data["members"], "more"]}), *GOOD[1:]]
    assert since(before, report(new)) == (Difference("+", "more", "is new in the chain"),)
    assert since(report(new), before) == (Difference("−", "more", "is no longer in the chain"),)


def test_runs_of_other_chains_are_not_compared() -> None:
    strange = [replace(GOOD[0], data={**GOOD[0].data, "chain": "other"}), *GOOD[1:]]
    assert since(report(strange), report(GOOD)) is None


# The files

def test_the_page_of_a_failed_run() -> None:
    text = page(report(FAILED), before=(Difference("~", "png", "was done, is failed"),),
                logs={"png": "../logs/png.log"}, tails={"png": "cc -c png.c\ncc: no zlib.h\n"})
    if os.environ.get("DEBXCROSS_UPDATE_GOLDEN"):
        (GOLDEN / "report.html").write_text(text)
    assert text == (GOLDEN / "report.html").read_text()


def test_the_markdown_of_a_run() -> None:
    text = summary(report(GOOD), before=())
    if os.environ.get("DEBXCROSS_UPDATE_GOLDEN"):
        (GOLDEN / "report.md").write_text(text)
    assert text == (GOLDEN / "report.md").read_text()


def junit(found: RunReport) -> xml.Element:
    return xml.fromstring(render("junit.xml", values(Sources(found)), data_directory("report-templates"),
                                 escape=True))


def test_junit_counts_what_failed_and_what_did_not_run() -> None:
    root = junit(report(FAILED))
    steps = root.find("testsuite[@name='steps']")
    assert steps is not None and (root.get("failures"), root.get("errors")) == ("1", "0")
    assert len(steps.findall("testcase")) == int(steps.get("tests", ""))
    failure = steps.find("testcase[@name='png']/failure")
    assert failure is not None and failure.get("type") == "build" and "no zlib.h" in (failure.text or "")
    assert len(steps.findall("testcase/skipped")) == int(steps.get("skipped", "")) == 3
    tried = junit(report(GOOD)).find("testsuite[@name='trial']")
    # The trial passed as a whole, so what failed in it is excused.
    assert tried is not None and (tried.get("failures"), tried.get("skipped")) == ("0", "1")


def test_a_run_that_the_plan_stopped_has_an_error_of_its_own() -> None:
    events = [RUN[0], event("error", "", 2, brief="the index is gone", details="404", resolution="Wait."),
              event("run-ended", "", 2, ok=False, seconds=2.0, exit_status=31)]
    root = junit(report(events))
    assert root.get("errors") == "1" and "the index is gone" in page(report(events))


@pytest.mark.parametrize("details, told", [
    ("png failed: the build failed", False), ("png 1.0-1: the build failed\nand more", False),
    ("the disk is full", True), ("", True)])
def test_an_error_that_counts_others_is_not_told_beside_them(details: str, told: bool) -> None:
    sum_of_all = event("error", "", 81, brief="1 failed", details=details, resolution="Each is told above.")
    assert ("Each is told above." in page(report([*FAILED[:-1], sum_of_all, FAILED[-1]]))) is told


class _Tags(HTMLParser):
    """Collects the elements of a page, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.said = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.said += data


def hostile(events: list[Event]) -> list[Event]:
    """Put hostile text wherever an event has text that somebody else may have written."""
    def spoilt(value: Any, name: str = "") -> Any:
        if isinstance(value, str) and name not in ("state", "sha256", "kind", "name", "architecture"):
            return f"{value}{HOSTILE}"
        if isinstance(value, dict):
            return {key: spoilt(one, key) for key, one in value.items()}
        return [spoilt(one, name) if isinstance(one, dict) else one for one in value] \
            if isinstance(value, list) else value
    return [replace(one, text=f"{one.text}{HOSTILE}", data=spoilt(dict(one.data))) for one in events]


def test_hostile_texts_are_shown_and_do_nothing() -> None:
    found = report([FAILED[0], *hostile(FAILED[1:])])
    sane = _Tags(page(report(FAILED), tails={"png": "x"}))
    text = page(found, tails={"png": HOSTILE}, before=(Difference("~", HOSTILE, HOSTILE),))
    tags = _Tags(text)
    assert set(tags.tags) <= set(sane.tags) | {"ul", "li", "details"} and "script" not in tags.tags
    assert "[U+202E]gnp.exe" in tags.said
    assert not any(letter in text for letter in "\u202e\x1b\x07\x00")
    assert junit(found).get("failures") == "1"
    told = summary(found)
    assert "<script" not in told and "<img" not in told
    assert all(line.count("|") - line.count("\\|") == 6 for line in told.splitlines()
               if line.startswith("| ") and "step |" not in line and "members |" not in line
               and not re.match(r"\| \d+ ", line))


@pytest.mark.parametrize("text, shown", [
    ("plain", "plain"), ("a\tb\nc", "a\tb\nc"), ("\x1b[31mred\x1b[0m", "red"), ("a\u2067b", "a[U+2067]b"),
    ("\u200b", "[U+200B]"), ("nul\x00", "nul[U+0000]")])
def test_what_hides_is_named(text: str, shown: str) -> None:
    assert named(text) == shown


@pytest.mark.parametrize("text, escaped", [
    ("a|b", "a\\|b"), ("- [x](y)", "\\- \\[x\\](y)"), ("1. one", "&#8203;1. one"), ("1.0-1", "1.0-1"),
    ("# title", "\\# title"),
    ("<b>", "&lt;b&gt;"), ("two\nlines", "two lines"), ("`code` *bold*", "\\`code\\` \\*bold\\*")])
def test_markdown_is_text(text: str, escaped: str) -> None:
    assert markdown(text) == escaped


@pytest.mark.parametrize("data", [
    {"planned": "x"}, {"planned": [1]}, {"planned": [{"name": {"deep": 1}}]}, {"results": [{"x": [1]}]},
    {"checks": -1}, {"checks": "7"}, {"worker": 1.5}, {"needs": [1]}, {"versions": ["x"]},
    {"versions": {"x": 1}}, {"device": "x"}, {"changes": {"x": 1}}])
def test_facts_of_another_shape_are_no_events(data: dict[str, Any]) -> None:
    line = json.dumps({"time": 1.0, "kind": "plan", "member": "", "text": "", "data": data})
    with pytest.raises(ValueError):
        Event.parse(line)
