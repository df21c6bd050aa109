# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides what of a store is kept and what can go.

Everything that names an object does so by its sha256, so what keeps an object alive is
read off the text of what is kept: an artifact names its files and, among its inputs, the
source's files and every package of its environment.  No rule looks at a clock.
"""
from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from debxcross.core.key import plain

_DIGEST = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


def names_in(text: str) -> frozenset[str]:
    """Return every sha256 that a text mentions."""
    return frozenset(_DIGEST.findall(text))


@dataclass(frozen=True)
class Thing:
    """An entry of a store: its key, what it is called, the digests it names, its size in bytes."""

    key: str
    title: str = ""
    names: frozenset[str] = frozenset()
    size: int = 0


@dataclass(frozen=True)
class Inventory:
    """Everything a store holds.

    ``histories`` are the keys of each member's results (and of base roots and index
    directories), the newest last; ``memos`` are titled by their kind.
    """

    artifacts: tuple[Thing, ...] = ()
    roots: tuple[Thing, ...] = ()
    indexes: tuple[Thing, ...] = ()
    memos: tuple[Thing, ...] = ()
    objects: Mapping[str, int] = field(default_factory=dict)
    histories: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Live:
    """What is kept."""

    keys: frozenset[str]
    objects: frozenset[str]


#: Memos that name what may be gone from every mirror tomorrow: sources and pinned files.
PRECIOUS = ("facts", "pin")


def live(inventory: Inventory, keep: int, named: frozenset[str] = frozenset(),
         sources: bool = True) -> Live:
    """Return what is kept: the newest ``keep`` results of every member, and what they name.

    ``named`` are digests that some lock or list names: keys and objects that stay as well.
    With ``sources``, fetched sources and pinned files stay even when no kept result names them.
    """
    keys = set(named)
    for history in inventory.histories:
        distinct = list(dict.fromkeys(reversed(history)))
        keys.update(distinct[:keep])
    objects = set(named)
    for thing in (*inventory.artifacts, *inventory.roots):
        if thing.key in keys:
            objects.update(thing.names)
    if sources:
        for memo in inventory.memos:
            if memo.title in PRECIOUS:
                objects.update(memo.names)
    return Live(frozenset(keys), frozenset(objects & inventory.objects.keys()))


@dataclass(frozen=True)
class Collection:
    """What a collection deletes (or would), by kind, and what stays."""

    artifacts: tuple[Thing, ...] = ()
    roots: tuple[Thing, ...] = ()
    indexes: tuple[Thing, ...] = ()
    memos: tuple[Thing, ...] = ()
    objects: tuple[Thing, ...] = ()
    layers: tuple[Thing, ...] = ()
    kept_roots: tuple[Thing, ...] = ()
    leftovers: tuple[Thing, ...] = ()
    staying: int = 0
    done: bool = False

    @property
    def size(self) -> int:
        """How many bytes go."""
        return sum(thing.size for things in self._kinds().values() for thing in things)

    def _kinds(self) -> dict[str, tuple[Thing, ...]]:
        return {
            "results": self.artifacts, "base roots": self.roots, "layers": self.layers,
            "index directories": self.indexes, "remembered answers": self.memos, "files": self.objects,
            "kept build roots": self.kept_roots, "leftovers": self.leftovers,
        }

    def to_text(self) -> str:
        """Return the collection for people."""
        kinds = {word: things for word, things in self._kinds().items() if things}
        if not kinds:
            return f"Nothing to delete; {size_words(self.staying)} stay."
        lines = []
        for word, things in kinds.items():
            lines.append(f"{len(things):6} {word:<20} {size_words(sum(thing.size for thing in things)):>10}")
            if word in ("results", "base roots", "index directories", "kept build roots"):
                lines += [f"         {thing.title}" for thing in things]
        verb = "Deleted" if self.done else "Would delete"
        lines.append(f"{verb} {size_words(self.size)}; {size_words(self.staying)} stay.")
        if not self.done:
            lines.append("Nothing was deleted: add --delete to do it.")
        return "\n".join(lines)

    def to_json(self) -> str:
        """Return the collection as indented JSON."""
        kinds = {word: [{"key": thing.key, "title": thing.title, "size": thing.size} for thing in things]
                 for word, things in self._kinds().items()}
        return json.dumps({"done": self.done, "size": self.size, "staying": self.staying,
                           "kinds": kinds}, indent=2)


def collection(inventory: Inventory, kept: Live) -> Collection:
    """Return what goes when this is kept.

    An answer goes with the first of the objects it names that goes: it is asked anew then.
    """
    going = inventory.objects.keys() - kept.objects
    memos = tuple(memo for memo in inventory.memos if memo.names & going)
    objects = tuple(Thing(sha256, "", frozenset(), inventory.objects[sha256]) for sha256 in sorted(going))
    artifacts, roots, indexes = (
        tuple(thing for thing in things if thing.key not in kept.keys)
        for things in (inventory.artifacts, inventory.roots, inventory.indexes))
    staying = sum(inventory.objects[sha256] for sha256 in kept.objects) + sum(
        thing.size for thing in (*inventory.roots, *inventory.indexes) if thing.key in kept.keys)
    return Collection(artifacts, roots, indexes, memos, objects, staying=staying)


@dataclass(frozen=True)
class Damage:
    """What verifying a store found, and what was dropped for it; one line each."""

    checked: int
    objects: tuple[str, ...] = ()
    entries: tuple[str, ...] = ()
    roots: tuple[str, ...] = ()

    @property
    def found(self) -> bool:
        """Whether anything was damaged."""
        return bool(self.objects or self.entries or self.roots)

    def to_text(self) -> str:
        """Return what was found for people."""
        lines = [f"dropped: {line}" for line in (*self.objects, *self.entries, *self.roots)]
        if not lines:
            return f"{self.checked} files are what their names say; nothing is damaged."
        return "\n".join([*lines, f"{self.checked} files checked, {len(lines)} things dropped. "
                          "The next run fetches or builds again what it needs of them."])

    def to_json(self) -> str:
        """Return what was found as indented JSON."""
        return json.dumps(plain(self), indent=2)


@dataclass(frozen=True)
class Listing:
    """What is in a store: results (title, key, time, size), base roots, and totals by kind."""

    results: tuple[tuple[str, str, str, int], ...]
    roots: tuple[Thing, ...]
    totals: tuple[tuple[str, int, int], ...]

    def to_text(self) -> str:
        """Return the listing for people."""
        width = max((len(title) for title, *_ in self.results), default=0)
        lines = [f"{title:<{width}}  {key[:12]}  {when or '-':<20}  {size_words(size):>9}"
                 for title, key, when, size in self.results]
        lines += ["", *(f"base root {root.key[:12]}  {size_words(root.size):>9}  {root.title}"
                        for root in self.roots), ""]
        lines += [f"{count:6} {kind:<20} {size_words(size) if size else '':>10}".rstrip()
                  for kind, count, size in self.totals]
        return "\n".join(lines).strip("\n")

    def to_json(self) -> str:
        """Return the listing as indented JSON."""
        return json.dumps({
            "results": [{"title": title, "key": key, "time": when, "size": size}
                        for title, key, when, size in self.results],
            "roots": [{"key": root.key, "title": root.title, "size": root.size} for root in self.roots],
            "totals": {kind: {"count": count, "size": size} for kind, count, size in self.totals},
        }, indent=2)


def size_words(size: int) -> str:
    """Write a number of bytes as a person reads it: "730 MB"."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}" if size < 100 * factor else f"{size // factor} {unit}"
    return f"{size} B"
