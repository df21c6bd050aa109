# SPDX-License-Identifier: GPL-3.0-or-later
"""The live report: a table of the members that is redrawn in place on a terminal.

Everything that is worth keeping (notes, warnings, errors) is printed above the table and
scrolls away with the terminal's own history.
"""
from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from debxcross.events import Clock, Event, error_of
from debxcross.run.plain import clean, duration, last_line, render_error

#: Redraws per second.
RATE = 4
#: Terminals narrower than this many columns do not get the column "doing now".
NARROW = 60

_STYLES = {
    "cached": "green", "built": "bold green", "building": "bold cyan", "ready": "cyan",
    "waiting": "dim", "failed": "bold red", "blocked": "yellow", "excluded": "dim",
}
# Members in the first of these states are shown when there are more of them than lines.
_INTEREST = ("building", "failed", "ready", "blocked", "waiting", "built", "cached", "excluded")

#: Returns the last few kilobytes of a log file as text; "" when there is none yet.
Tail = Callable[[str], str]


@dataclass(frozen=True)
class Row:
    """A member as the table shows it; ``since`` is when its state began (epoch seconds)."""

    name: str
    state: str = "waiting"
    since: float = 0.0
    seconds: float | None = None
    reason: str = ""
    activity: str = ""
    log: str = ""

    def heard(self, event: Event) -> Row:
        """Return the row after a state event or an activity of its member."""
        if event.kind == "activity":
            return replace(self, activity=event.text)
        data = event.data
        state = str(data.get("state", self.state))
        begun = state != self.state
        return replace(
            self, state=state, since=event.time if begun else self.since,
            seconds=data.get("seconds", None if begun else self.seconds),
            reason=str(data.get("reason", "")), log=str(data.get("log", self.log)),
            activity="" if begun else self.activity,
        )

    def elapsed(self, now: float) -> str:
        """Return how long the member took or has taken until now; "" if it did nothing."""
        if self.state == "building":
            return duration(now - self.since)
        return "" if self.seconds is None else duration(self.seconds)

    def doing(self, tail: Tail) -> str:
        """Return what goes on: the activity and the log's last line, or why nothing does."""
        if self.state != "building":
            return clean(self.reason)
        line = last_line(tail(self.log)) if self.log else ""
        return ": ".join(part for part in (clean(self.activity), line) if part)


def _interest(state: str) -> int:
    return _INTEREST.index(state) if state in _INTEREST else len(_INTEREST)


def shown(rows: Sequence[Row], limit: int) -> tuple[Row, ...]:
    """Choose the ``limit`` most interesting rows; they keep their order."""
    chosen = {row.name for row in sorted(rows, key=lambda row: _interest(row.state))[:max(1, limit)]}
    return tuple(row for row in rows if row.name in chosen)


def counts(rows: Iterable[Row]) -> str:
    """Say how many members are in which state: "1 building, 3 built"."""
    number: dict[str, int] = {}
    for row in rows:
        number[row.state] = number.get(row.state, 0) + 1
    return ", ".join(f"{number[state]} {state}" for state in sorted(number, key=_interest))


def draw(rows: Sequence[Row], now: float, elapsed: float, width: int, height: int,
         tail: Tail) -> RenderableType:
    """Return the table and a line of counts, at most ``height`` lines of ``width`` columns."""
    table = Table(box=None, expand=width >= NARROW, pad_edge=False, header_style="bold")
    table.add_column("member", no_wrap=True, overflow="ellipsis",
                     max_width=max(8, width - 22 if width < NARROW else width // 3))
    table.add_column("state", no_wrap=True, min_width=8)
    table.add_column("time", no_wrap=True, justify="right", min_width=7)
    if width >= NARROW:
        table.add_column("doing now", no_wrap=True, overflow="ellipsis", ratio=1)
    for row in shown(rows, height - 2):
        cells = [Text(row.name), Text(row.state, _STYLES.get(row.state, "")),
                 Text(row.elapsed(now))]
        if width >= NARROW:
            cells.append(Text(row.doing(tail), "dim" if row.state != "building" else ""))
        table.add_row(*cells)
    summary = Text(f"{counts(rows)} after {duration(elapsed)}", "bold",
                   no_wrap=True, overflow="ellipsis")
    return Group(table, summary)


class TerminalReport:
    """Shows a run on a terminal; used as a context manager.

    ``tail`` reads the end of a log file (this package reads no files); ``clock`` is the
    events' clock, in seconds since the epoch.
    """

    def __init__(self, console: Console, tail: Tail, clock: Clock) -> None:
        self._console = console
        self._tail = tail
        self._clock = clock
        self._rows: dict[str, Row] = {}
        self._start: float | None = None
        self._final = False
        self._lock = threading.Lock()
        self._live = Live(console=console, refresh_per_second=RATE, get_renderable=self._draw,
                          redirect_stdout=False, redirect_stderr=False, vertical_overflow="crop")

    def __enter__(self) -> TerminalReport:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        # The last picture stays on the screen, so it is whole, however long it is.
        self._final = True
        self._live.stop()

    def _draw(self) -> RenderableType:
        with self._lock:
            rows = tuple(self._rows.values())
            start = self._start
        if start is None or not rows:
            return Text("")
        now = self._clock()
        size = self._console.size
        if self._final and all(row.state in ("cached", "excluded") for row in rows):
            return Text(f"{counts(rows)} after {duration(now - start)}", "bold")
        height = len(rows) + 2 if self._final else max(3, size.height - 1)
        return draw(rows, now, now - start, size.width, height, self._tail)

    def __call__(self, event: Event) -> None:
        """Hear an event."""
        with self._lock:
            if self._start is None:
                self._start = event.time
            if event.kind == "run-started":
                self._rows.update({str(name): Row(str(name)) for name in event.data.get("members", ())})
            if event.kind in ("state", "activity") and event.member:
                row = self._rows.get(event.member, Row(event.member))
                self._rows[event.member] = row.heard(event)
        label = f"{event.member}: " if event.member else ""
        if event.kind == "error":
            self._above(render_error(error_of(event), self._console.width), "red")
        elif event.kind == "warning":
            self._above(f"warning: {label}{clean(event.text)}", "yellow")
        elif event.kind == "note" and not event.data.get("said"):
            self._above(f"{label}{clean(event.text)}", "")

    def _above(self, text: str, style: str) -> None:
        first, newline, rest = text.partition("\n")
        self._console.print(Text(first, style) + Text(newline + rest), soft_wrap=True)
