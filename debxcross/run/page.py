# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a run as the values that its templates (report-templates) are filled with.

Everything that comes from events is text that somebody else may have written: here it is made
visible (no control sequence, no character that turns others round), the templates escape it.
"""
from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from html import escape
from typing import Any

from debxcross.core.chain.history import Change
from debxcross.errors import DebxcrossError
from debxcross.run.drawing import draw_graph, draw_timeline, short
from debxcross.run.plain import duration, named
from debxcross.run.report import RunReport, Step
from debxcross.run.since import Difference
from debxcross.run.since import named as parts_of
from debxcross.run.status import human_size
from debxcross.run.timeline import Wait, critical_path, waits

#: So many characters of one error's details stand in the report; the log has the rest.
_MOST_DETAILS = 20_000
#: Longer names of chains are told by their beginning.
_LONGEST_TITLE = 60
_STATE_WORDS = {"running": "still running", "done": "done", "failed": "failed",
                "interrupted": "interrupted"}
#: The order in which states are counted.
_ORDER = ("failed", "blocked", "excluded", "built", "cached", "building", "ready", "waiting")
#: What begins a block in Markdown, at the start of a text.
_BLOCK = re.compile(r"\A([-+#>=~:]|\d+[.)](?=\s|\Z))")


@dataclass(frozen=True)
class Sources:
    """What a page is made of: ``before`` is what differs from the last run, None when nothing is known.

    ``logs`` are addresses of logs by step, relative to the page; ``tails`` the ends of logs of steps that
    failed; ``style`` is the style sheet, ``policy`` the page's Content-Security-Policy.
    """

    report: RunReport
    before: tuple[Difference, ...] | None = None
    logs: Mapping[str, str] = field(default_factory=dict)
    tails: Mapping[str, str] = field(default_factory=dict)
    style: str = ""
    policy: str = ""


def values(sources: Sources) -> dict[str, Any]:
    """Return the values of all templates, every text made visible."""
    report, status = sources.report, sources.report.status
    ids = {step.name: f"m{number}" for number, step in enumerate(report.steps)}
    waited = waits(report.spans)
    members = [_step(step, sources, ids, waited.get(step.name, Wait()))
               for step in report.steps if step.planned or step.status.state != "excluded"]
    packages = _packages(report)
    found = {
        "chain": _title(status.chain), "architecture": status.architecture, "release": status.release,
        "state": status.state, "state_words": _STATE_WORDS[status.state],
        "took": duration(status.seconds), "seconds": f"{status.seconds:.3f}",
        "started": _moment(status.started), "stamp": _stamp(status.started),
        "exit_status": status.exit_status, "counts": _counts(report),
        "failures": _failures(sources, ids), "steps": members,
        "before": None if sources.before is None else [
            {"sign": one.sign, "what": one.what, "how": one.how} for one in sources.before],
        "path": _path(report, ids), "timeline": draw_timeline(report, waited, ids),
        "graph": draw_graph(report, ids),
        "packages": packages, "total": human_size(sum(file.size for step in report.steps
                                                      for file in report.files(step))),
        "gates": _gates(report), "tried": _tried(report),
        "passed": _passed(report),
        "published": _published(report),
        "notes": _told(report, "note"), "warnings": _told(report, "warning"),
    }
    return {**_visible(found), "style": sources.style, "policy": sources.policy}


def _visible(value: Any) -> Any:
    """Return values in which every text is visible."""
    if isinstance(value, str):
        return named(value)
    if isinstance(value, Mapping):
        return {name: _visible(one) for name, one in value.items()}
    return [_visible(one) for one in value] if isinstance(value, (list, tuple)) else value


def markdown(value: Any) -> Any:
    """Return visible values for a Markdown file: each text one line in which nothing is markup.

    What a template shows in <pre> is under ``details``, ``tail`` and ``next``: HTML of several lines.
    """
    if isinstance(value, str):
        line = re.sub(r"([\\`*_\[\]|~!$])", r"\\\1", escape(" ".join(value.split()), quote=False))
        return _BLOCK.sub(r"\\\1" if not line[:1].isdecimal() else r"&#8203;\1", line)
    if isinstance(value, Mapping):
        return {name: escape(one, quote=False) if name in ("details", "tail", "next") and isinstance(one, str)
                else markdown(one) for name, one in value.items()}
    return [markdown(one) for one in value] if isinstance(value, (list, tuple)) else value


def _title(chain: str) -> str:
    """Return what a chain is called; of sources that have no chain the first ones stand for all."""
    names = chain.split("+")
    if len(chain) <= _LONGEST_TITLE or len(names) == 1:
        return chain
    return f"{', '.join(names[:3])} and {len(names) - 3} more"


def _moment(time: float) -> str:
    return datetime.fromtimestamp(time, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def _stamp(time: float) -> str:
    """Return a time as JUnit's readers want it (ISO 8601, without a zone)."""
    return datetime.fromtimestamp(time, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")


def _counts(report: RunReport) -> list[dict[str, Any]]:
    """Count the members by state; of a run that had no plan, all of its steps."""
    states = [step.status.state for step in report.members or report.steps]
    return [{"state": state, "count": states.count(state)} for state in _ORDER if state in states]


def _failures(sources: Sources, ids: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return what failed, with all that is known of it; last the run itself, if something else stopped it."""
    found = []
    for step in sources.report.steps:
        status = step.status
        if status.state == "failed" or status.error is not None:
            error = status.error or DebxcrossError(f"{step.name}: {status.reason or 'failed'}")
            found.append({
                "name": step.name, "id": ids[step.name], "class": status.failure_class,
                "log": sources.logs.get(step.name, ""), "tail": sources.tails.get(step.name, ""),
                **_error(error)})
    stopped = sources.report.status.error
    # An error that only counts those of the members says nothing more.
    if stopped is not None and not (found and all(
            one["name"] in stopped.details or one["brief"] in stopped.details for one in found)):
        found.append({"name": "", "id": "", "class": "", "log": "", "tail": "", **_error(stopped)})
    return found


def _error(error: DebxcrossError) -> dict[str, str]:
    return {"brief": error.brief, "details": error.details.strip("\n")[:_MOST_DETAILS],
            "next": error.resolution.strip("\n")}


def _step(step: Step, sources: Sources, ids: Mapping[str, str], wait: Wait) -> dict[str, Any]:
    status, planned, files = step.status, step.planned, sources.report.files(step)
    findings = step.findings
    return {
        "name": step.name, "id": ids[step.name], "state": status.state, "is_member": planned is not None,
        "kind": planned.kind if planned else "step", "version": planned.version if planned else "",
        "origin": planned.origin if planned else "", "reason": _reason(step),
        "expected": f"{planned.state}, {planned.reason}" if planned and planned.reason else "",
        "needs": [{"name": name, "id": ids.get(name, "")} for name in (planned.needs if planned else ())],
        "took": "" if status.seconds is None else short(status.seconds),
        "seconds": f"{status.seconds or 0:.3f}", "waited": _waited(wait),
        "where": f"worker {step.worker + 1}" if step.worker >= 0 else "",
        "phases": [{"text": phase.text, "took": short(phase.end - phase.start)} for phase in step.phases],
        "size": human_size(sum(file.size for file in files)) if files else "", "files": len(files),
        "checks": findings.checks, "log": sources.logs.get(step.name, ""),
        "changes": [_change(record) for record in findings.changes],
        "told": [{"kind": event.kind, "text": event.text} for event in sources.report.told
                 if event.member == step.name],
    }


def _reason(step: Step) -> str:
    """Say why a step stands as it does: what happened, what changed, else what the plan expected."""
    if step.status.reason and step.status.state not in ("built", "cached"):
        return step.status.reason
    if changes := step.findings.changes:
        first = Change(**_change(changes[0])).words
        return first if len(changes) == 1 else f"{first}, and {len(changes) - 1} more"
    # That there was no result is why every other one is built.
    built = step.status.state == "built" and step.planned is not None and step.planned.state != "cached"
    return step.planned.reason if step.planned and not built else ""


def _waited(wait: Wait) -> str:
    parts = [f"{short(wait.seconds)} for {wait.needed}"] if wait.needed and wait.seconds >= 0.1 else []
    parts += [f"{short(wait.queued)} for a worker, behind {wait.behind}"] if wait.behind else []
    return ", ".join(parts)


def _change(record: Mapping[str, Any]) -> dict[str, str]:
    return {word: str(record.get(word, "")) for word in ("what", "before", "after")}


def _path(report: RunReport, ids: Mapping[str, str]) -> dict[str, Any]:
    """Return the critical path without the steps that took no time."""
    path = critical_path(report.spans)
    least = max(0.1, report.status.seconds / 100)
    return {"steps": [{"name": span.name, "id": ids.get(span.name, ""), "took": short(span.seconds)}
                      for span in path if span.seconds >= least],
            "took": duration(sum(span.seconds for span in path))}


def _packages(report: RunReport) -> list[dict[str, Any]]:
    versions = report.published.versions if report.published else {}
    most = max((file.size for step in report.steps for file in report.files(step)), default=0) or 1
    found = []
    for step in report.steps:
        for file in report.files(step):
            package, version, architecture = parts_of(file)
            found.append({"package": package, "version": versions.get(file.sha256, version),
                          "architecture": architecture, "size": human_size(file.size),
                          "share": f"{100 * file.size / most:.1f}",
                          "member": step.name if step.planned else "", "sha256": file.sha256})
    return sorted(found, key=lambda one: one["package"])


def _gates(report: RunReport) -> dict[str, Any]:
    """Return what the gates said of all members."""
    accepted, absent = [], []
    compared = 0
    for step in report.steps:
        accepted += [{"member": step.name, "found": text} for text in step.findings.accepted]
        for one in step.findings.compared:
            if str(one.get("found", "")).startswith("not compared"):
                absent.append({"member": step.name, **_texts(one)})
            else:
                compared += 1
    return {"checks": sum(step.findings.checks for step in report.steps),
            "members": sum(bool(step.findings.checks) for step in report.steps),
            "compared": compared, "accepted": accepted, "absent": absent}


def _texts(record: Mapping[str, Any]) -> dict[str, str]:
    return {word: str(record.get(word, "")) for word in ("subject", "found")}


def _tried(report: RunReport) -> list[dict[str, Any]]:
    """Return the trials: what failed in a trial that passed as a whole is excused."""
    good = any(step.name == report.trial and step.status.state in ("built", "cached")
               for step in report.steps)
    found = []
    for record in report.tried:
        text, signal = str(record.get("text", "")), record.get("signal")
        found.append({
            "name": str(record.get("name", "")), "attempts": record.get("attempts", 1),
            "word": "passed" if record.get("ok") else "excused" if good else "failed",
            "text": f"ended by signal {signal}. {text}" if signal else text})
    return found


def _passed(report: RunReport) -> str:
    """Say how many trials passed, and of how many."""
    count = len(report.tried)
    passed = sum(bool(record.get("ok")) for record in report.tried)
    excused = sum(one["word"] == "excused" for one in _tried(report))
    return f"{passed} of {count} passed" + (f", {excused} excused" if excused else "")


def _published(report: RunReport) -> dict[str, Any] | None:
    one = report.published
    return None if one is None else {
        "place": one.place, "url": one.url, "fingerprint": one.fingerprint, "device": one.device}


def _told(report: RunReport, kind: str) -> list[str]:
    """Return the notes or warnings, each once."""
    told = (f"{event.member}: {event.text}" if event.member else event.text
            for event in report.told if event.kind == kind)
    return list(dict.fromkeys(told))
