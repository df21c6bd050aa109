# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run did, told from its events alone: every step with its times, findings and failure.

It is ``status`` with what only somebody who looks back wants to know.  Times are in seconds
since the run started.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from debxcross.core.artifact import StoredFile
from debxcross.core.border import is_sha256, is_size
from debxcross.events import Event
from debxcross.run.status import MemberStatus, RunStatus, fold
from debxcross.run.timeline import Span

#: The step that all others come after (steps.chain.foresee.STEP).
_PLAN = "plan"


@dataclass(frozen=True)
class Phase:
    """Something a step did: from ``start`` to ``end``."""

    text: str
    start: float
    end: float


@dataclass(frozen=True)
class Planned:
    """What the plan said of a member, before anything was built; ``needs`` are other members."""

    kind: str = ""
    version: str = ""
    origin: str = ""
    state: str = ""
    reason: str = ""
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Findings:
    """What was found out about a member; records are as the events have them.

    ``changes`` are inputs that changed since its last result; ``checks`` counts what the gates asked;
    ``accepted`` are losses against Debian's own packages, in words, ``compared`` those without a loss.
    """

    changes: tuple[Mapping[str, Any], ...] = ()
    checks: int = 0
    accepted: tuple[str, ...] = ()
    compared: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Step:
    """One step of a run, a member or another; ``needs`` are the steps before it.

    It could start at ``ready``; ``start`` is None when it did not, and ``worker`` -1.
    """

    status: MemberStatus
    planned: Planned | None = None
    needs: tuple[str, ...] = ()
    ready: float = 0.0
    start: float | None = None
    end: float = 0.0
    worker: int = -1
    phases: tuple[Phase, ...] = ()
    findings: Findings = Findings()

    @property
    def name(self) -> str:
        """The step's name."""
        return self.status.name

    @property
    def span(self) -> Span | None:
        """The step in time; None when it did not start."""
        return None if self.start is None else Span(
            self.name, self.start, self.end, self.ready, self.worker, self.needs)


@dataclass(frozen=True)
class Published:
    """What was published, where: ``device`` are lines to type; ``versions`` those with an epoch, by sha256.

    ``beside`` are files that no member made.
    """

    place: str
    url: str = ""
    fingerprint: str = ""
    device: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    beside: tuple[StoredFile, ...] = ()


@dataclass(frozen=True)
class RunReport:
    """A run as it stands at its end.

    ``told`` are its notes and warnings; ``tried`` the results of trials on the device, as records, and
    ``trial`` the step that tried.
    """

    status: RunStatus
    steps: tuple[Step, ...] = ()
    told: tuple[Event, ...] = ()
    tried: tuple[Mapping[str, Any], ...] = ()
    trial: str = ""
    published: Published | None = None

    @property
    def members(self) -> tuple[Step, ...]:
        """The steps that are members of the chain."""
        return tuple(step for step in self.steps if step.planned is not None)

    @property
    def spans(self) -> tuple[Span, ...]:
        """The steps that did something, in time."""
        planned = any(step.name == _PLAN for step in self.steps)
        spans = [step.span for step in self.steps if step.span is not None]
        # Nothing is scheduled before the plan is made.
        return tuple(replace(span, needs=(_PLAN,)) if planned and not span.needs and span.name != _PLAN
                     else span for span in spans)

    def files(self, step: Step) -> tuple[StoredFile, ...]:
        """Return the packages of a step; those that no member made are the repository's."""
        beside = self.published.beside if self.published and step.name == "repository" else ()
        return (*step.status.artifacts, *beside)


def read_report(events: Iterable[Event], now: float, alive: Callable[[int], bool]) -> RunReport:
    """Return what the last run of these events did, as it stands at ``now`` (seconds since the epoch).

    ``alive`` tells whether the process of a run that has not ended is still there.
    """
    events = tuple(events)
    status = fold(events, now, alive)
    last = max((number for number, event in enumerate(events) if event.kind == "run-started"), default=0)
    heard = _Heard(status)
    for event in events[last:]:
        heard.hear(event)
    return heard.report()


class _Heard:
    """What was heard so far, by step."""

    def __init__(self, status: RunStatus) -> None:
        self._status = status
        self._steps: dict[str, Step] = {member.name: Step(member) for member in status.members}
        self._phase: dict[str, tuple[str, float]] = {}
        self._report = RunReport(status)

    def hear(self, event: Event) -> None:
        """Hear one event."""
        name, time = event.member, max(0.0, event.time - self._status.started)
        if event.kind == "plan":
            self._plan(event)
        elif event.kind in ("note", "warning"):
            self._report = replace(self._report, told=(*self._report.told, event))
        elif event.kind == "trial":
            self._report = replace(
                self._report, trial=name, tried=(*self._report.tried, *_records(event.data.get("results"))))
        elif event.kind == "repository":
            self._report = replace(self._report, published=_published(event.data))
        elif name in self._steps:
            self._steps[name] = self._changed(self._steps[name], event, time)

    def _plan(self, event: Event) -> None:
        for record in _records(event.data.get("planned")):
            name = str(record.get("name", ""))
            step = self._steps.get(name, Step(MemberStatus(name, "excluded")))
            kind, version, origin, state, reason = (
                str(record.get(word, "")) for word in ("kind", "version", "origin", "state", "reason"))
            self._steps[name] = replace(step, planned=Planned(
                kind, version, origin, state, reason, _texts(record.get("needs"))))

    def _changed(self, step: Step, event: Event, time: float) -> Step:
        data, findings = event.data, step.findings
        if event.kind == "state":
            return self._state(step, event, time)
        if event.kind == "activity":
            step = self._close(step, time)
            self._phase[step.name] = (event.text, time)
        elif event.kind == "changes":
            findings = replace(findings, changes=_records(data.get("changes")))
        elif event.kind == "gates":
            findings = replace(findings, checks=int(data.get("checks", 0)),
                               accepted=_texts(data.get("accepted")),
                               compared=_records(data.get("compared")))
        return replace(step, findings=findings)

    def _state(self, step: Step, event: Event, time: float) -> Step:
        data, state = event.data, event.data.get("state")
        if state == "waiting":
            return replace(step, needs=_texts(data.get("needs")))
        if state == "ready":
            return replace(step, ready=time)
        if state == "building":
            worker = int(data.get("worker", step.worker))
            return replace(step, start=time, worker=worker) if step.start is None else step
        return replace(self._close(step, time), end=time)

    def _close(self, step: Step, time: float) -> Step:
        """End what the step was doing."""
        text, start = self._phase.pop(step.name, ("", 0.0))
        return replace(step, phases=(*step.phases, Phase(text, start, time))) if text else step

    def report(self) -> RunReport:
        """Return what was heard; what still ran when the events end, ends with them."""
        for name, step in self._steps.items():
            if step.start is not None and not step.end:
                self._steps[name] = replace(self._close(step, self._status.seconds), end=self._status.seconds)
        steps = sorted(self._steps.values(), key=lambda step: step.name != _PLAN)
        return replace(self._report, steps=tuple(steps))


def _records(value: Any) -> tuple[Mapping[str, Any], ...]:
    return tuple(value or ())


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(value) if isinstance(value, list) else ()


def _published(data: Mapping[str, Any]) -> Published:
    beside = tuple(StoredFile(str(one.get("name", "")), str(one.get("sha256", "")), one["size"])
                   for one in _records(data.get("beside"))
                   if is_size(one.get("size")) and is_sha256(one.get("sha256")))
    place, url, fingerprint = (str(data.get(word, "")) for word in ("repository", "url", "fingerprint"))
    return Published(place, url, fingerprint, _texts(data.get("device")),
                     dict(data.get("versions") or {}), beside)
