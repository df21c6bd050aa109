# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the time of a run went: what each step waited for, and the chain of steps that decided its length.

All times are in seconds since the run started.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

#: Distances between marks on an axis, in seconds.
_ROUND = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
#: A step that starts later than this after it could (seconds) has waited for a free worker.
PROMPT = 0.5


@dataclass(frozen=True)
class Span:
    """One step in time: from ``start`` to ``end`` on a ``worker`` (-1: none), possible since ``ready``.

    ``needs`` are the steps that had to end before it.
    """

    name: str
    start: float
    end: float
    ready: float = 0.0
    worker: int = -1
    needs: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """How long it took."""
        return max(0.0, self.end - self.start)


@dataclass(frozen=True)
class Wait:
    """What a step waited for: the step whose end let it start, and how long it looked for a worker.

    ``behind`` is the step that had the worker; both are "" when there was none.
    """

    needed: str = ""
    seconds: float = 0.0
    behind: str = ""
    queued: float = 0.0


def waits(spans: Sequence[Span]) -> dict[str, Wait]:
    """Return for every step what it waited for; ``seconds`` count from the first step that was ready."""
    known = {span.name: span for span in spans}
    begin = min((span.ready for span in spans), default=0.0)
    found: dict[str, Wait] = {}
    for span in spans:
        needed = _last_need(span, known)
        queued = span.start - span.ready
        behind = _before_on_worker(span, spans) if queued > PROMPT else None
        found[span.name] = Wait(
            needed.name if needed else "", max(0.0, span.ready - begin) if needed else 0.0,
            behind.name if behind else "", max(0.0, queued) if behind else 0.0)
    return found


def critical_path(spans: Sequence[Span]) -> tuple[Span, ...]:
    """Return the steps that decided how long the run took, in the order in which they ran.

    From the step that ended last it goes back: to the step it waited for in the end, which is what it
    needs, or what had the worker that it got.
    """
    known = {span.name: span for span in spans}
    path: list[Span] = []
    step = max(spans, key=lambda span: span.end, default=None)
    while step is not None and step not in path:
        path.append(step)
        queued = step.start - step.ready > PROMPT
        step = (_before_on_worker(step, spans) if queued else None) or _last_need(step, known)
    return tuple(reversed(path))


def _last_need(span: Span, known: Mapping[str, Span]) -> Span | None:
    needs = [known[name] for name in span.needs if name in known]
    return max(needs, key=lambda need: need.end, default=None)


def _before_on_worker(span: Span, spans: Sequence[Span]) -> Span | None:
    """Return the step that had a step's worker before it."""
    before = [one for one in spans if one.worker == span.worker >= 0 and one.start < span.start]
    return max(before, key=lambda one: one.end, default=None)


def ticks(seconds: float, most: int = 6) -> tuple[float, ...]:
    """Return round moments for an axis of this length, from 0 on, at most ``most`` of them."""
    step = next((one for one in _ROUND if seconds / one < most), _ROUND[-1])
    return tuple(step * number for number in range(int(seconds / step) + 1)[:most])
