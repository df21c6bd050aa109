# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run tells while it goes on.  Reports listen; nobody else prints.

An event is data: ``--json`` writes it as one line, the run's ``logs/events.jsonl`` keeps
it, and ``status`` is a fold over that file.
"""
from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from debxcross.core.border import is_size, read_as, read_json
from debxcross.errors import DebxcrossError, without_logins


@dataclass(frozen=True)
class Event:
    """Something that happened.

    ``kind`` is one of KINDS; ``member`` the chain member it is about ("" for the run);
    ``time`` is in seconds since the epoch; ``data`` holds JSON values only.
    """

    kind: str
    member: str = ""
    text: str = ""
    time: float = 0.0
    data: Mapping[str, Any] = field(default_factory=dict)

    def line(self) -> str:
        """Return the event as one line of JSON, without the newline."""
        return json.dumps(
            {"time": round(self.time, 3), "kind": self.kind, "member": self.member,
             "text": self.text, **({"data": dict(self.data)} if self.data else {})},
            sort_keys=False,
        )

    @staticmethod
    def parse(line: str) -> Event:
        """Read back what line() wrote.  Raises ValueError for another line."""
        value = read_json(line)
        if not isinstance(value, dict) or not {"kind", "member", "text", "time"} <= value.keys():
            raise ValueError("it is no event")
        event = read_as(Event, value)
        for name, rule in _RULES.items():
            if name in event.data and not rule(event.data[name]):
                raise ValueError(f"its {name} has no place there")
        return event


#: run-started  data: chain, architecture, release, members (list of names), arguments
#: state        a member's state changed; data: state (see core.chain.plan.STATES), reason,
#:              log (path of the log file that is now growing), failure_class, seconds
#: activity     text: what the member is doing now ("resolving build dependencies")
#: artifact     a member's file is in the store; data: name, size, sha256, seconds
#: note         something worth reading; text; data: {}
#: warning      something to look at; text; data: {}
#: error        data: brief, details, resolution, exit_status, failure_class
#: run-ended    data: ok (bool), seconds, exit_status
KINDS = ("run-started", "state", "activity", "artifact", "note", "warning", "error", "run-ended",
         "plan", "changes", "gates", "trial", "repository")
#: Facts for the report of a run (docs/reports.md); who shows a run while it goes on leaves them out.
#: plan         data: planned, records of core.chain.plan.PlannedMember without what is long
#: changes      data: changes, records of core.chain.history.Change: inputs since the member's last result
#: gates        data: checks (how many), accepted (losses, in words), compared: records with subject and found
#: trial        data: packages, results: records of core.chain.trial.TrialResult
#: repository   data: repository (path), url, fingerprint, device (lines), versions (by sha256, those with
#:              an epoch), beside: records of files that belong to no member
FACTS = ("plan", "changes", "gates", "trial", "repository")

#: What a run says when nobody answers any more.
NETWORK_GONE = "nobody answers at the other end of the network: what needs no network goes on"

Listener = Callable[[Event], None]


def _shown(value: Any) -> Any:
    """Return data without the logins of addresses: events are written down and shown."""
    if isinstance(value, str):
        return without_logins(value)
    if isinstance(value, Mapping):
        return {name: _shown(one) for name, one in value.items()}
    return [_shown(one) for one in value] if isinstance(value, (list, tuple)) else value


def _is_number(value: object) -> bool:
    return value is None or type(value) in (int, float)


def _are_records(value: object) -> bool:
    """Tell whether a value is a list of flat objects, of text, numbers and lists of text."""
    return isinstance(value, list) and all(
        isinstance(record, dict) and all(
            one is None or type(one) in (str, int, float, bool) or _are_texts(one) for one in record.values())
        for record in value)


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


#: What is more than text in an event's data, and what it must be where an event is read back.
_RULES: Mapping[str, Callable[[Any], bool]] = {
    "members": _are_texts, "needs": _are_texts, "packages": _are_texts, "device": _are_texts,
    "planned": _are_records, "changes": _are_records, "accepted": _are_texts, "compared": _are_records,
    "results": _are_records, "beside": _are_records, "checks": is_size, "worker": is_size,
    "versions": lambda value: isinstance(value, dict) and _are_texts([*value.values()]),
    "pid": lambda value: type(value) is int and 0 <= value < 1 << 31,
    "exit_status": lambda value: value is None or type(value) is int and 0 <= value < 256,
    "size": is_size, "seconds": _is_number, "request": lambda value: isinstance(value, dict),
}


class Clock(Protocol):
    """Anything that tells the time in seconds since the epoch."""

    def __call__(self) -> float: ...


class Events:
    """Hands every event to every listener, one at a time, from whatever thread it comes."""

    def __init__(self, clock: Clock, listeners: tuple[Listener, ...] = ()) -> None:
        self._clock = clock
        self._listeners = list(listeners)
        self._lock = threading.RLock()

    def listen(self, listener: Listener) -> None:
        """Add a listener; it hears what comes from now on."""
        self._listeners.append(listener)

    def tell(self, kind: str, member: str = "", text: str = "", **data: Any) -> None:
        """Make an event and hand it on.  ValueError for a kind that is not in KINDS."""
        if kind not in KINDS:
            raise ValueError(f"unknown kind of event: {kind}")
        event = Event(kind, member, without_logins(text), self._clock(),
                      {name: _shown(value) for name, value in data.items()})
        with self._lock:
            for listener in self._listeners:
                listener(event)


def data_of(error: DebxcrossError) -> dict[str, Any]:
    """Return the data of an event of the kind "error"."""
    return {"brief": error.brief, "details": error.details, "resolution": error.resolution,
            "exit_status": error.exit_status, "failure_class": error.failure_class}


def error_of(event: Event) -> DebxcrossError:
    """Return the error that an event of the kind "error" tells, ready to be rendered."""
    brief = str(event.data.get("brief", event.text))
    if event.member and event.member not in brief:
        brief = f"{event.member}: {brief}"
    return DebxcrossError(brief, str(event.data.get("details", "")),
                          str(event.data.get("resolution", "")))
