# SPDX-License-Identifier: GPL-3.0-or-later
"""Says in words which inputs of a step changed, and since when.

A step's key is the digest of its inputs (core.environment.source_inputs and its like for
wheels), so comparing two sets of inputs names everything that can make two keys differ.
Inputs this module has no words for are told by their own names.
"""
from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from debxcross.core.archive.taken import TREE
from debxcross.core.key import plain

#: The state of a forced build whose bytes were others: what was there before stands.
CONTRADICTED = "built again with other bytes"
#: A source's build packages, as its provenance names them.
ASKED = "build-packages"
_WORDS = {
    ASKED: "the build packages",
    "version": "the version", "profiles": "the build profiles", "options": "DEB_BUILD_OPTIONS",
    "schema": "the recipe", "build": "the build architecture", "host": "the host architecture",
    "templates": "the set of control templates", "maintainer": "the maintainer",
    "python": "the Python version", "names": "the naming of other wheels' packages",
    "answers": "who answers configure", "answered": "what configure is told",
    "device-tools": "the tools that answer for the device",
    "source": "the source's name", "kind": "the kind of step",
}
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")
#: So many changes of one entry are told in text; JSON has them all.
_MOST_TOLD = 8


@dataclass(frozen=True)
class Change:
    """One input that differs: ``before`` and ``after`` are what a person reads, "" for not there."""

    what: str
    before: str
    after: str

    @property
    def words(self) -> str:
        """The change as a sentence's end: "debhelper:all changed from 13.11.4 to 13.11.5"."""
        if not self.before:
            return f"{self.what} is new{_in_brackets(self.after)}"
        if not self.after:
            return f"{self.what} is gone{_in_brackets(self.before)}"
        if self.before == self.after:
            return f"{self.what}{_in_brackets(self.after)} has other bytes"
        return f"{self.what} changed from {self.before} to {self.after}"


def _in_brackets(text: str) -> str:
    return "" if text == "there" else f" ({text})"


@dataclass(frozen=True)
class Entry:
    """A time at which a step's result came to be, or came to be used again.

    ``state`` is "built", "built again" (as asked), CONTRADICTED, "substituted" or "found"; ``time`` is in
    seconds since the epoch as the clock said then, and the order of entries does not
    depend on it; ``result`` stands for the bytes of all .debs; ``changes`` tell what
    differs from the entry before.
    """

    key: str
    time: int
    state: str
    result: str
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True)
class Explanation:
    """Why a member stands as it stands; ``changes`` are those since its last result."""

    member: str
    version: str
    release: str
    architecture: str
    state: str
    reason: str
    key: str
    changes: tuple[Change, ...]
    history: tuple[Entry, ...]

    def to_json(self) -> str:
        """Return everything as indented JSON, the newest entry first."""
        document = plain(self)
        document["history"].reverse()
        for change in (*document["changes"], *(one for entry in document["history"]
                                               for one in entry["changes"])):
            change["words"] = Change(**change).words
        return json.dumps(document, indent=2)

    def to_text(self) -> str:
        """Return the explanation for people, the newest entry first."""
        lines = [f"{self.member} {self.version} ({self.release}, {self.architecture}): {self.state}",
                 f"  {self.reason}"]
        if self.key:
            lines.append(f"  key {self.key}")
        if self.changes:
            lines += ["", f"Since its last result{self._since()}:", *_told(self.changes)]
        if self.history:
            lines += ["", "What happened before, newest first:"]
        entries = list(self.history)
        for number in range(len(entries) - 1, -1, -1):
            entry, older = entries[number], entries[number - 1] if number else None
            lines.append(f"  {moment(entry.time)}  {entry.key[:12]}  {_happened(entry, older)}")
            lines += _told(entry.changes, "    ")
        return "\n".join(lines)

    def _since(self) -> str:
        return f" of {moment(self.history[-1].time)}" if self.history else ""


def _told(changes: tuple[Change, ...], indent: str = "  ") -> list[str]:
    lines = [f"{indent}- {change.words}" for change in changes[:_MOST_TOLD]]
    if len(changes) > _MOST_TOLD:
        lines.append(f"{indent}- and {len(changes) - _MOST_TOLD} more; --json has them all")
    return lines


def _happened(entry: Entry, older: Entry | None) -> str:
    words = {"found": "taken from the store", "substituted": "substituted"}.get(entry.state, entry.state)
    if entry.state == CONTRADICTED:
        return f"{words}, from the same inputs: what was there stands; 'debxcross reproduce' shows where"
    if older is None:
        return words
    if entry.result == older.result:
        return f"{words}: the same bytes as before, so nothing behind it was rebuilt for its sake"
    if entry.key == older.key:
        return f"{words}: other bytes from the same inputs; 'debxcross reproduce' shows where"
    return f"{words}: other bytes than before"


def moment(seconds: int) -> str:
    """Write a time as its date and minute in UTC."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    """Return what differs between two sets of inputs, the member's own inputs first."""
    old, new = _flat(before), _flat(after)
    packages = {package(word)[0] for inputs in (before, after) for word in inputs.get("environment", ())}
    found = []
    for label in sorted(old.keys() | new.keys(), key=lambda label: (label in packages, label)):
        one, other = old.get(label, ("", "")), new.get(label, ("", ""))
        if one != other:
            found.append(Change(label, one[0], other[0]))
    return tuple(found)


def _flat(inputs: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Return (what a person reads, what is compared) by label."""
    found: dict[str, tuple[str, str]] = {}
    for name, value in inputs.items():
        if name == "environment":
            # A package that was added for the member stands after the base's older one.
            for word in sorted(value, key=lambda word: ".deb " in word):
                label, version, sha256 = package(word)
                found[label] = (version, sha256)
        elif name == "files":
            found.update({file if file == TREE else f"the file {file}": ("there", sha256)
                          for file, sha256 in value})
        elif name == "patches":
            found.update({f"the patch {_named(one)}": ("there", str(one)) for one in value})
        elif isinstance(value, (list, tuple)) and value and all(
                isinstance(one, Mapping) and "name" in one for one in value):
            for one in value:
                found.update(_record(name, one))
        elif isinstance(value, Mapping) and "name" in value:
            found.update(_record(name, value))
        else:
            found[_WORDS.get(name, name)] = _scalar(value)
    return found


def _named(patch: Any) -> str:
    """Return what a patch is called: ``name sha256``, or the beginning of its digest."""
    return str(patch).rpartition(" ")[0] or f"with sha256 {str(patch)[:12]}…"


def _record(name: str, value: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Return a file with a digest as one input, anything else field by field."""
    word = {"tools": "the build tool", "pin": "the pinned file of"}.get(name, f"the {name}")
    label = f"{word} {value['name']}"
    if "sha256" in value:
        return {label: (str(value.get("version") or "there"), str(sorted(value.items())))}
    return {f"{label}: {field}": _scalar(one) for field, one in value.items() if field != "name"}


def _scalar(value: Any) -> tuple[str, str]:
    if isinstance(value, str) and _DIGEST.match(value):
        return "there", value
    if isinstance(value, Mapping):
        return "there", str(sorted(value.items()))
    text = " ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    return text or "none", text


def package(word: str) -> tuple[str, str, str]:
    """Return (name:architecture, version, sha256) of a line of an environment's identity.

    ``name:arch=version sha256`` for a package of the base, ``name_version_arch.deb sha256``
    for one that was added (apt writes the colon of an epoch as %3a).
    """
    text, _, sha256 = word.rpartition(" ")
    if text.endswith(".deb"):
        name, _, rest = text.rpartition("/")[2].removesuffix(".deb").partition("_")
        version, _, architecture = rest.rpartition("_")
        return f"{name}:{architecture}", version.replace("%3a", ":"), sha256
    label, _, version = text.partition("=")
    return label, version, sha256
