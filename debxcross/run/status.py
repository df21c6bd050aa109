# SPDX-License-Identifier: GPL-3.0-or-later
"""How a run stands, told from its events alone; and the summary at its end.

The events may end anywhere (a line cut by kill -9) or be those of a run whose process is
gone; what can be known is told all the same.
"""
from __future__ import annotations

import dataclasses
import json
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from debxcross.core.artifact import StoredFile
from debxcross.errors import DebxcrossError
from debxcross.events import Event, error_of
from debxcross.run.plain import clean, duration, render_error

#: From this many columns on, a row of the summary has its sha256 (64 columns) beside it.
WIDE = 130

GONE = "interrupted: the process is gone"


@dataclass(frozen=True)
class MemberStatus:
    """How a member stands.

    ``since`` is when its state began (seconds since the epoch); ``seconds`` how long the work
    took or has taken so far, None when it did not start; ``log`` is a path or "".
    """

    name: str
    state: str = "waiting"
    reason: str = ""
    failure_class: str = ""
    since: float = 0.0
    seconds: float | None = None
    activity: str = ""
    log: str = ""
    error: DebxcrossError | None = None
    artifacts: tuple[StoredFile, ...] = ()


@dataclass(frozen=True)
class RunStatus:
    """How a run stands: ``state`` is "running", "done", "failed" or "interrupted".

    Times are in seconds since the epoch (``ended`` is None while it runs); ``pid`` is 0 and
    ``exit_status`` None when the events do not tell them.  ``warnings`` belong to no member.
    """

    state: str
    chain: str = ""
    architecture: str = ""
    release: str = ""
    pid: int = 0
    started: float = 0.0
    ended: float | None = None
    seconds: float = 0.0
    exit_status: int | None = None
    members: tuple[MemberStatus, ...] = ()
    error: DebxcrossError | None = None
    warnings: tuple[str, ...] = ()


def read_events(text: str) -> tuple[Event, ...]:
    """Parse lines of events, leaving out any that are not whole."""
    events: list[Event] = []
    for line in text.split("\n"):
        try:
            events.append(Event.parse(line))
        except ValueError:
            continue
    return tuple(events)


def fold(events: Iterable[Event], now: float, alive: Callable[[int], bool]) -> RunStatus:
    """Return how a run stands at ``now`` (seconds since the epoch).

    ``alive`` tells whether the process of a run that has not ended is still there.  Only the
    last run counts when the events of several follow each other.
    """
    run = RunStatus("running")
    members: dict[str, MemberStatus] = {}
    last = 0.0
    for event in events:
        last = max(last, event.time)
        if event.kind == "run-started":
            run = _started(event)
            members = {str(name): MemberStatus(str(name)) for name in event.data.get("members", ())}
        elif event.kind == "run-ended":
            code = event.data.get("exit_status")
            state = "done" if event.data.get("ok") else "interrupted" if code == 130 else "failed"
            run = replace(run, state=state, ended=event.time, exit_status=code)
        elif event.member:
            member = members.get(event.member, MemberStatus(event.member))
            members[event.member] = _heard(member, event)
        elif event.kind == "error":
            run = replace(run, error=error_of(event))
        elif event.kind == "warning" and event.text not in run.warnings:
            run = replace(run, warnings=(*run.warnings, event.text))
    if run.state == "running" and not (run.pid and alive(run.pid)):
        run = replace(run, state="interrupted", ended=last)
    until = now if run.ended is None else run.ended
    running = run.state == "running"
    return replace(run, seconds=max(0.0, until - run.started),
                   members=tuple(_now(member, until, running) for member in members.values()))


def _started(event: Event) -> RunStatus:
    chain, architecture, release = (
        str(event.data.get(name, "")) for name in ("chain", "architecture", "release"))
    return RunStatus("running", chain, architecture, release, int(event.data.get("pid", 0)),
                     event.time)


def _heard(member: MemberStatus, event: Event) -> MemberStatus:
    data = event.data
    if event.kind == "activity":
        return replace(member, activity=event.text)
    if event.kind == "error":
        return replace(member, error=error_of(event), failure_class=str(
            data.get("failure_class", member.failure_class)))
    if event.kind == "artifact":
        file = StoredFile(str(data.get("name", "")), str(data.get("sha256", "")), int(data.get("size", 0)))
        return replace(member, artifacts=(*member.artifacts, file))
    if event.kind != "state":
        return member
    state = str(data.get("state", member.state))
    begun = state != member.state
    return replace(
        member, state=state, reason=str(data.get("reason", "")),
        failure_class=str(data.get("failure_class", "")),
        since=event.time if begun else member.since, seconds=data.get("seconds"),
        activity="" if begun else member.activity, log=str(data.get("log", member.log)),
    )


def _now(member: MemberStatus, until: float, running: bool) -> MemberStatus:
    """Return a member as it stands now: what was building is no longer when the run is over."""
    if member.state != "building":
        return member
    member = replace(member, seconds=max(0.0, until - member.since))
    if running:
        return member
    return replace(member, state="failed", failure_class="interrupted", reason=GONE)


def render_status(status: RunStatus, width: int) -> str:
    """Write the status as a table for people; no newline at the end."""
    what = ", ".join(part for part in (status.chain, status.architecture, status.release) if part)
    heading = f"{what or 'run'}: {_WORDS[status.state]} {duration(status.seconds)}"
    rows = [
        (member.name, member.state, "" if member.seconds is None else duration(member.seconds),
         clean(member.activity if member.state == "building" else member.reason))
        for member in status.members
    ]
    lines = [heading, *_warnings(status.warnings, width), "",
             *table(("member", "state", "time", "why"), rows, width)]
    for member in status.members:
        if member.state == "failed" and member.failure_class != "interrupted":
            error = member.error or DebxcrossError(f"{member.name}: {member.reason}")
            lines += ["", render_error(error, width)]
            lines += [f"Log: {member.log}"] if member.log else []
    if status.error is not None:
        lines += ["", render_error(status.error, width)]
    elif status.state == "interrupted":
        # A run that could still speak has said so itself.
        lines += ["", "Next: Run the same command again: it goes on from what is done."]
    return "\n".join(lines)


def _warnings(texts: Iterable[str], width: int) -> list[str]:
    return [line for text in texts for line in textwrap.wrap(
        f"Warning: {clean(text)}", width, subsequent_indent=" " * 9, break_on_hyphens=False)]


_WORDS = {"running": "running for", "done": "done after", "failed": "failed after",
          "interrupted": "interrupted after"}


def status_json(status: RunStatus) -> str:
    """Write the status as JSON, the fields of RunStatus; errors as in the events."""
    return json.dumps(_plain(status), indent=2, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, DebxcrossError):
        return {"brief": value.brief, "details": value.details, "resolution": value.resolution}
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def table(header: Sequence[str], rows: Sequence[Sequence[str]], width: int | None) -> list[str]:
    """Lay a table out in ``width`` columns (None: as many as it takes).

    The last column is folded when it is too long.
    """
    cells = [tuple(header), *(tuple(row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header) - 1)]
    left = sum(widths) + 2 * len(widths)
    lines: list[str] = []
    for row in cells:
        start = "".join(f"{cell:<{size}}  " for cell, size in zip(row, widths))
        room = len(row[-1]) if width is None else width - left
        parts = textwrap.wrap(row[-1], max(16, room), break_on_hyphens=False) or [""]
        lines += [(start if number == 0 else " " * left) + part for number, part in enumerate(parts)]
    return [line.rstrip() for line in lines]


def human_size(size: int) -> str:
    """Write a number of bytes as apt does: powers of ten, "1.2 MB"."""
    if size < 1000:
        return f"{size} B"
    number = size / 1000
    for unit in ("kB", "MB", "GB"):
        if number < 999.95:
            return f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def render_summary(summary: Mapping[str, Any], width: int) -> str:
    """Write what a run made; no newline at the end.

    ``summary`` has, each of them optional: ``debs`` (mappings with name, version, size in
    bytes and sha256), ``members`` (mappings with name, state and seconds), ``seconds`` (of
    the whole run), ``trial`` (its packages, how many trials passed, what was noted, tests), ``repository``
    (where it is), ``device`` (the lines to type there), ``failed``, ``left_out`` and ``accepted``
    losses (mappings with name and reason), ``warnings`` (texts), ``report`` (the path of its page).
    When nothing was to be done, it is short.
    """
    if _unchanged(summary):
        return "\n".join([*_warnings(summary.get("warnings", ()), width), _render_unchanged(summary)])
    lines: list[str] = []
    members = summary.get("members", ())
    if members:
        rows = [(str(member["name"]), str(member["state"]),
                 "" if member.get("seconds") is None else duration(member["seconds"]))
                for member in members]
        lines += [*table(("member", "state", "time"), rows, width), ""]
    lines += _debs(summary.get("debs", ()), width)
    if warnings := summary.get("warnings"):
        lines += [*_warnings(warnings, width), ""]
    for title, key in (("Failed", "failed"), ("Left out", "left_out"),
                       ("Left out, nobody asked for them", "unasked"),
                       ("Accepted losses", "accepted")):
        if found := summary.get(key):
            lines += [f"{title}:", *(f"    {one['name']}: {one['reason']}" for one in found), ""]
    if trial := summary.get("trial"):
        lines.append(f"The emulated device installed {' '.join(trial['packages'])} and passed "
                     f"{trial['passed']} trial{'' if trial['passed'] == 1 else 's'}"
                     + (f", {trial['imported']} of them imports." if trial.get("imported") else "."))
        lines += [f"    noted: {text}" for text in trial.get("noted", ())]
        lines += [f"    {text}" for text in trial.get("tests", ())]
    if summary.get("seconds") is not None:
        lines.append(f"Everything took {duration(summary['seconds'])}.")
    if summary.get("repository"):
        lines += ["The repository is at", f"    {summary['repository']}"]
    if summary.get("report"):
        lines += ["The report is", f"    {summary['report']}"]
    if summary.get("device"):
        lines += ["", "On the device, type", *(f"    {line}" for line in summary["device"])]
    return "\n".join(lines).rstrip("\n")


def _unchanged(summary: Mapping[str, Any]) -> bool:
    """Tell whether every step found its result, and nothing is missing."""
    members = summary.get("members", ())
    return (bool(members) and all(member["state"] == "cached" for member in members)
            and not summary.get("failed") and not summary.get("left_out"))


def _render_unchanged(summary: Mapping[str, Any]) -> str:
    """Write the summary of a run in which nothing was to be done: what is there, and where."""
    debs, trial = summary.get("debs", ()), summary.get("trial")
    parts = [f"{len(debs)} packages, {human_size(sum(int(deb['size']) for deb in debs))}"] if debs else []
    if trial:
        parts.append(f"{trial['passed']} trial{'' if trial['passed'] == 1 else 's'} passed on the device")
    if lost := len(summary.get("accepted", ())):
        parts.append(f"{lost} loss{'' if lost == 1 else 'es'} accepted")
    lines = [f"Nothing has changed{': ' if parts else ''}{'; '.join(parts)}."]
    for what, key in (("repository", "repository"), ("report", "report")):
        if summary.get(key):
            lines += [f"The {what} is", f"    {summary[key]}"]
    return "\n".join(lines)


def _debs(debs: Sequence[Mapping[str, Any]], width: int) -> list[str]:
    if not debs:
        return []
    rows = [(str(deb["name"]), str(deb["version"]), human_size(int(deb["size"]))) for deb in debs]
    sums = [str(deb["sha256"]) for deb in debs]
    total = f"{len(debs)} packages, {human_size(sum(int(deb['size']) for deb in debs))}"
    wide = [(*row, digest) for row, digest in zip(rows, sums)]
    laid = table(("package", "version", "size", "sha256"), wide, None)
    if width >= WIDE and max(map(len, laid)) <= width:
        return [*laid, total, ""]
    lines = table(("package", "version", "size"), rows, None)
    pairs = [part for line, digest in zip(lines[1:], sums) for part in (line, f"    {digest}")]
    return [lines[0], *pairs, total, ""]
