# SPDX-License-Identifier: GPL-3.0-or-later
"""The report for logs and simple terminals: one line per event, nothing ever redrawn.

The wording that all reports share (errors, durations, cleaned log lines) is here too.
"""
from __future__ import annotations

import re
import textwrap
import threading
from collections.abc import Mapping
from typing import TextIO

from debxcross.errors import DebxcrossError
from debxcross.events import FACTS, Clock, Event, error_of

#: The same activity of a member is told again after this many seconds.
REPEAT = 30.0
#: A line that says what is being built comes this often, in seconds.
HEARTBEAT = 60.0
#: What is counted ("17 of 94") is told again after this many seconds.
COUNTED = 5.0
#: A step that began is told when it has said nothing for this many seconds.
_WHILE = 1.0
#: So many names of steps whose result was there stand in their line.
_NAMES_TOLD = 8

# ECMA-48: control sequences (CSI), operating system commands up to BEL or ST, other escapes.
_ESCAPE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]?")


def wants_plain(environment: Mapping[str, str], is_terminal: bool) -> bool:
    """Tell whether this report is the right one (https://no-color.org for NO_COLOR)."""
    return (not is_terminal or environment.get("TERM", "dumb") in ("", "dumb")
            or bool(environment.get("NO_COLOR")) or bool(environment.get("CI")))


def clean(text: str) -> str:
    """Return one line of a log without anything that could move a cursor or change colours.

    Of a line that was redrawn with carriage returns (progress bars) the last state is left.
    """
    parts = [part for part in _ESCAPE.sub("", text).split("\r") if part.strip()]
    line = parts[-1].replace("\n", " ").expandtabs(4) if parts else ""
    return "".join(letter if letter.isprintable() else "?" for letter in line).strip()


def visible(text: str) -> str:
    """Return text without what a terminal would obey; tabs and line ends stay.

    Control sequences are left out whole; what is left of one, or changes the direction of
    text, becomes "?".
    """
    return "".join(letter if letter.isprintable() or letter in "\n\t" else "?"
                   for letter in _ESCAPE.sub("", text))


def named(text: str) -> str:
    """Return text in which nothing is hidden: control sequences are left out, and every other
    character that does not show itself, or turns its neighbours round, is named: "[U+202E]".

    Tabs and line ends stay.
    """
    return "".join(letter if letter.isprintable() or letter in "\n\t" else f"[U+{ord(letter):04X}]"
                   for letter in _ESCAPE.sub("", text))


def last_line(text: str) -> str:
    """Return the last line that is not empty, cleaned."""
    for line in reversed(text.split("\n")):
        if cleaned := clean(line):
            return cleaned
    return ""


def duration(seconds: float) -> str:
    """Write a duration as "4 s", "1:23" (minutes) or "1:02:03" (hours)."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def render_error(error: DebxcrossError, width: int) -> str:
    """Write an error: what failed, what is known about it, and the next move.

    Sentences are folded to ``width`` columns.  The details are not, nor is a line of the
    resolution that starts with a space: they hold log lines and commands to paste.  No
    newline at the end.
    """
    lines = _fold("error: ", error.brief, width)
    for line in error.details.strip("\n").split("\n"):
        tidy = _ESCAPE.sub("", line).rstrip()
        shown = "".join(letter if letter.isprintable() else " " for letter in tidy)
        lines.append(f"    {shown}".rstrip())
    if not error.details.strip():
        lines.pop()
    if error.resolution:
        lines += _fold("Next: ", error.resolution, width)
    return "\n".join(lines)


def _fold(label: str, text: str, width: int) -> list[str]:
    folded: list[str] = []
    indent = " " * len(label)
    for number, line in enumerate(text.strip().split("\n")):
        if line.startswith(" "):
            folded.append(f"{indent}  {clean(line)}")
            continue
        folded += textwrap.wrap(
            clean(line), max(20, width), initial_indent=indent if number else label,
            subsequent_indent=indent, break_long_words=False, break_on_hyphens=False,
        ) or [label.rstrip()]
    return folded


class PlainReport:
    """Writes a line per event that is worth one, stamped with the seconds since the start.

    That a step waits or is ready is none, nor that it begins; of steps whose result was there one line
    tells the names.  Used as a context manager it also writes the heartbeat; tick() is what its thread
    calls.
    """

    def __init__(self, stream: TextIO, clock: Clock, width: int = 80) -> None:
        self._stream = stream
        self._clock = clock
        self._width = width
        self._start: float | None = None
        self._name_width = 8
        self._states: dict[str, str] = {}
        self._building: dict[str, float] = {}
        self._activities: dict[str, tuple[str, float]] = {}
        self._quiet = _Quiet()
        self._beat = 0.0
        self._lock = threading.Lock()
        self._ended = threading.Event()

    def __enter__(self) -> PlainReport:
        self._ended.clear()
        threading.Thread(target=self._beat_on, name="heartbeat", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()

    def _beat_on(self) -> None:
        while not self._ended.wait(1.0):
            self.tick()

    def tick(self) -> None:
        """Write what is due: the heartbeat, and the steps that began and have said nothing since."""
        with self._lock:
            now = self._clock()
            for name in self._quiet.overdue(now):
                self._row(Event("state", name, time=now), "building", "")
            if self._building and now - self._beat >= HEARTBEAT:
                self._beat = now
                parts = (f"{name} ({duration(now - since)})" for name, since in self._building.items())
                self._write(now, f"still building: {', '.join(parts)}")

    def __call__(self, event: Event) -> None:
        """Hear an event."""
        with self._lock:
            if self._start is None:
                self._start = event.time
            if event.kind == "run-started":
                self._run_started(event)
            elif event.kind == "state":
                self._state(event)
            elif event.kind == "activity":
                self._activity(event)
            elif event.kind == "error":
                self._tell_cached(event.time)
                self._stream.write(render_error(error_of(event), self._width) + "\n")
                self._stream.flush()
            elif event.kind == "artifact":
                self._quiet.artifacts.setdefault(event.member, []).append(event)
            elif event.kind == "run-ended":
                ending = "the run is done" if event.data.get("ok") else "the run failed"
                self._write(event.time, f"{ending} after {duration(event.data.get('seconds', 0))}")
            elif event.kind not in FACTS and not event.data.get("said"):
                self._row(event, event.kind, event.text)

    def _run_started(self, event: Event) -> None:
        members = [str(name) for name in event.data.get("members", ())]
        self._name_width = min(24, max(map(len, members), default=8))
        words = (event.data.get("chain"), event.data.get("architecture"), event.data.get("release"))
        what = ", ".join(str(word) for word in words if word)
        self._write(event.time, f"{what}: {len(members)} members" if what else event.text)

    def _state(self, event: Event) -> None:
        state, name = str(event.data.get("state", "")), event.member
        if state == "building":
            if not self._building:
                self._beat = event.time
            self._building.setdefault(name, event.time)
            if self._states.get(name) != state:
                self._quiet.begun[name] = event.time
        else:
            self._building.pop(name, None)
        if self._states.get(name) == state:
            return
        self._states[name] = state
        if state in ("waiting", "ready", "building"):
            return
        unheard, artifacts = self._quiet.ended(name)
        if state == "cached":
            self._quiet.cached.append(name)
            return
        if state == "built" and unheard and event.data.get("seconds") is None:
            return  # the plan was there at once
        for artifact in artifacts:
            self._row(artifact, "artifact", str(artifact.data.get("name", "")))
        reason = str(event.data.get("reason", "") or event.text)
        if state in ("built", "failed") and event.data.get("seconds") is not None:
            took = f"after {duration(event.data['seconds'])}"
            reason = f"{took}: {reason}" if reason else took
        self._row(event, state, reason)

    def _activity(self, event: Event) -> None:
        text, told = self._activities.get(event.member, ("", -REPEAT))
        done, total = event.data.get("done"), event.data.get("total")
        if done is not None and done != total:
            # Of what is counted, a line now and then, and the last one.
            if event.time - told < COUNTED:
                return
        elif event.text == text and event.time - told < REPEAT:
            return
        self._quiet.begun.pop(event.member, None)
        self._activities[event.member] = (event.text, event.time)
        self._row(event, self._states.get(event.member, ""), event.text)

    def _tell_cached(self, time: float) -> None:
        """Write the line of those whose result was there."""
        names, self._quiet.cached = self._quiet.cached, []
        if names:
            more = f" and {len(names) - _NAMES_TOLD} more" if len(names) > _NAMES_TOLD else ""
            self._write(time, f"cached: {', '.join(names[:_NAMES_TOLD])}{more}")

    def _row(self, event: Event, word: str, text: str) -> None:
        self._write(event.time,
                    f"{event.member:<{self._name_width}} {word:<10} {clean(text)}".rstrip())

    def _write(self, time: float, line: str) -> None:
        self._tell_cached(time)
        since = time - (self._start if self._start is not None else time)
        self._stream.write(f"[{since:6.1f}s] {line}\n")
        self._stream.flush()


class _Quiet:
    """What is not written yet, and perhaps never: steps that began, their files, those that were there."""

    def __init__(self) -> None:
        self.begun: dict[str, float] = {}
        self.artifacts: dict[str, list[Event]] = {}
        self.cached: list[str] = []

    def overdue(self, now: float) -> list[str]:
        """Return, once, the steps that began a while ago."""
        names = [name for name, since in self.begun.items() if now - since >= _WHILE]
        for name in names:
            del self.begun[name]
        return names

    def ended(self, name: str) -> tuple[bool, list[Event]]:
        """Forget a step; return whether nothing was written of it, and its files."""
        return self.begun.pop(name, None) is not None, self.artifacts.pop(name, [])
