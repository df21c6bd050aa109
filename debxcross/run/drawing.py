# SPDX-License-Identifier: GPL-3.0-or-later
"""The two drawings of a report, as numbers for its template: the timeline and the graph of members."""
from __future__ import annotations

from collections.abc import Mapping
from graphlib import CycleError
from typing import Any

from debxcross.run.graph import layout
from debxcross.run.plain import duration
from debxcross.run.report import RunReport, Step
from debxcross.run.timeline import Wait, critical_path, ticks

#: A step shorter than this (seconds) has no row: its result was there.
_SHORTEST = 0.1
#: The size of a node of the graph, and the room around it, in pixels.
_WIDTH, _HEIGHT, _GAP_X, _GAP_Y, _MARGIN = 168, 44, 56, 14, 8
#: So many characters of a name fit into a node.
_FITTING = 21


def draw_timeline(report: RunReport, waited: Mapping[str, Wait], ids: Mapping[str, str]) -> dict[str, Any]:
    """Return a row for every step that took time; all places are percents of the whole run."""
    whole = max(report.status.seconds, max((span.end for span in report.spans), default=0.0), 0.001)
    decisive = {span.name for span in critical_path(report.spans)}
    rows = [_row(step, whole, waited.get(step.name, Wait()), ids, step.name in decisive)
            for step in sorted(report.steps, key=lambda step: (step.start or 0.0, step.end))
            if step.start is not None and step.end - step.start >= _SHORTEST]
    quick = sum(step.start is not None for step in report.steps) - len(rows)
    marks = [{"x": _percent(tick, whole), "label": "0" if not tick else short(tick)} for tick in ticks(whole)]
    return {"rows": rows, "ticks": marks, "quick": quick, "end": duration(whole),
            "workers": len({step.worker for step in report.steps if step.worker >= 0})}


def _row(step: Step, whole: float, wait: Wait, ids: Mapping[str, str], decisive: bool) -> dict[str, Any]:
    start = step.start or 0.0
    phases = [{"x": _percent(phase.start, whole), "width": _percent(phase.end - phase.start, whole),
               "text": f"{phase.text}: {short(phase.end - phase.start)}"} for phase in step.phases]
    queued = wait.queued if wait.behind else 0.0
    return {
        "name": step.name, "id": ids[step.name], "state": step.status.state, "decisive": decisive,
        "x": _percent(start, whole), "width": _percent(max(step.end - start, whole / 400), whole),
        "wait_x": _percent(start - queued, whole), "wait": _percent(queued, whole) if queued else "",
        "behind": wait.behind, "queued": short(queued), "took": short(step.end - start), "phases": phases}


def short(seconds: float) -> str:
    """Write a duration for a small place: "1.2 s", "4 s", "1:23"."""
    text = f"{seconds:.1f}"
    return f"{text} s" if seconds < 9.95 and not text.endswith(".0") else duration(round(seconds, 1))


def _percent(part: float, whole: float) -> str:
    return f"{max(0.0, 100 * part / whole):.2f}"


def draw_graph(report: RunReport, ids: Mapping[str, str]) -> dict[str, Any]:
    """Return the members as boxes and the needs as curves, in pixels; ``alone`` are those without any."""
    members = {step.name: step for step in report.members}
    needs = {name: step.planned.needs if step.planned else () for name, step in members.items()}
    try:
        found = layout(needs)
    except CycleError:
        # No plan has one; the events may be anybody's.
        found = layout({name: () for name in needs})
    states = {name: step.status.state for name, step in members.items()}
    places = {name: (_MARGIN + column * (_WIDTH + _GAP_X), _MARGIN + row * (_HEIGHT + _GAP_Y))
              for name, (column, row) in found.places.items()}
    return {
        "nodes": [{"x": x, "y": y, "name": _fitted(name), "whole": _whole(members[name]), "id": ids[name],
                   "state": states[name], "below": _below(members[name])}
                  for name, (x, y) in places.items()],
        "curves": [_curve(places[one], places[other]) for one, other in found.arrows],
        "width": found.columns * (_WIDTH + _GAP_X) - _GAP_X + 2 * _MARGIN,
        "height": found.rows * (_HEIGHT + _GAP_Y) - _GAP_Y + 2 * _MARGIN,
        "box": {"width": _WIDTH, "height": _HEIGHT},
        "alone": [{"name": name, "id": ids[name], "state": states[name]} for name in found.alone]}


def _whole(step: Step) -> str:
    """Return what a box says when it is pointed at: the member, and why it stood as it did."""
    planned = step.planned
    return f"{step.name} {planned.version}: {step.status.reason or planned.reason}" if planned else step.name


def _below(step: Step) -> str:
    """Return the second line of a box: how the member stands, and how long it took."""
    seconds = step.status.seconds
    took = f", {short(seconds)}" if seconds is not None and seconds >= _SHORTEST else ""
    return f"{step.status.state}{took}"


def _fitted(text: str) -> str:
    return text if len(text) <= _FITTING else f"{text[:_FITTING - 1]}…"


def _curve(one: tuple[int, int], other: tuple[int, int]) -> str:
    """Return the path of a curve from the right side of a box to the left side of another."""
    x, y = one[0] + _WIDTH, one[1] + _HEIGHT // 2
    end_x, end_y = other[0] - 5, other[1] + _HEIGHT // 2
    middle = (x + end_x) // 2
    return f"M{x} {y}C{middle} {y} {middle} {end_y} {end_x} {end_y}"
