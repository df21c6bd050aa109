# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks through a whole store: lists it, verifies it, deletes what nobody needs."""
from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from debxcross.core.chain.history import moment
from debxcross.core.key import canonical
from debxcross.core.store.gc import Collection, Damage, Inventory, Listing, Thing, collection, live, names_in
from debxcross.doors.chroot import Chroots
from debxcross.doors.files import file_digest, read_named
from debxcross.doors.roots import BaseRoots
from debxcross.doors.store import Store
from debxcross.errors import UsageError

HISTORY = "history"


def take_inventory(store: Store, *, sizes: bool = True) -> Inventory:
    """Return everything the store holds; damaged entries are as good as absent.

    Without ``sizes``, those of directories are not added up.
    """
    artifacts = tuple(
        Thing(key, title(value), names_in(canonical(value).decode()))
        for key, value in store.entries.all("artifacts") if isinstance(value, Mapping))
    memos, histories = [], []
    for kind in store.entries.memo_kinds():
        name = kind.removeprefix("memo/")
        for key, value in store.entries.all(kind):
            if name == HISTORY:
                histories.append(_keys(value))
            elif value is not None:
                memos.append(Thing(key, name, names_in(canonical(value).decode()),
                                   store.entries.size(kind, key)))
    roots = tuple(_root(store.roots, key, sizes) for key in store.roots.keys())
    indexes = tuple(
        Thing(path.name, path.name, frozenset(), _size(path) if sizes else 0)
        for path in store.apt_directories())
    return Inventory(artifacts, roots, indexes, tuple(memos), dict(store.objects()), tuple(histories))


def title(value: Mapping[str, Any]) -> str:
    """Return what a person calls an artifact: its member, version and architecture."""
    provenance = value.get("provenance", {})
    inputs = provenance.get("inputs", {})
    host = inputs.get("host", "") if isinstance(inputs, Mapping) else ""
    if not host:
        debs = [file["name"] for file in value.get("files", ()) if file["name"].endswith(".deb")]
        host = debs[0].removesuffix(".deb").rpartition("_")[2] if debs else ""
    return f"{value.get('member', '?')} {provenance.get('version', '')} {host}".strip()


def _keys(value: Any) -> tuple[str, ...]:
    try:
        return tuple(str(entry["key"]) for entry in value["entries"])
    except (KeyError, TypeError):
        return ()


def _root(roots: BaseRoots, key: str, sizes: bool) -> Thing:
    packages = roots.packages(key)
    architectures = sorted({one["architecture"] for one in packages or ()} - {"all"})
    words = f"{len(packages)} packages for {' and '.join(architectures)}" if packages else "unfinished"
    return Thing(key, words, names_in(canonical(packages).decode()),
                 _size(roots.place(key)) if sizes else 0)


def _size(path: Path) -> int:
    """Return how many bytes of disk a directory takes; what cannot be read is not counted."""
    total = 0
    for directory, _, names in os.walk(path):
        for name in names:
            try:
                total += os.lstat(os.path.join(directory, name)).st_blocks * 512
            except OSError:
                continue
    return total


def list_store(store: Store) -> Listing:
    """Return what is in the store."""
    inventory = take_inventory(store)
    times = _times(store)
    results = []
    for thing in inventory.artifacts:
        found = store.artifact(thing.key)
        size = sum(file.size for file in found.files) if found else 0
        results.append((thing.title, thing.key, times.get(thing.key, ""), size))
    totals = (
        ("results", len(inventory.artifacts), 0),
        ("files", len(inventory.objects), sum(inventory.objects.values())),
        ("base roots", len(inventory.roots), sum(root.size for root in inventory.roots)),
        ("layers", *_count(_layers(store))),
        ("index directories", len(inventory.indexes), sum(one.size for one in inventory.indexes)),
        ("remembered answers", len(inventory.memos), sum(memo.size for memo in inventory.memos)),
        ("kept build roots", *_count(_kept(store))),
    )
    return Listing(tuple(sorted(results)), inventory.roots, totals)


def _times(store: Store) -> dict[str, str]:
    """Return when each result came to be, by key."""
    found: dict[str, str] = {}
    for _, value in store.entries.all(f"memo/{HISTORY}"):
        for entry in (value or {}).get("entries", ()):
            found.setdefault(entry["key"], moment(entry["time"]))
    return found


def _kept(store: Store) -> tuple[Thing, ...]:
    places = [store.kept.place(name) for name in store.kept.names()]
    return tuple(Thing(place.name, place.name, frozenset(), _size(place))
                 for place in places if place.is_dir())


def _count(things: Sequence[Thing]) -> tuple[int, int]:
    return len(things), sum(thing.size for thing in things)


def collect(
    store: Store, chroots: Chroots, keep: int, named: Sequence[Path], *, sources: bool, kept_roots: bool,
    delete: bool,
) -> Collection:
    """Return what goes when the newest ``keep`` results of every member stay; ``delete`` deletes it.

    ``named`` are files (locks, lists) whose digests stay as well.  Raises UsageError for one
    that cannot be read, BusyError when a run has the store open.
    """
    if not delete:
        return _decide(store, keep, named, sources, kept_roots)
    with store.alone():
        found = _decide(store, keep, named, sources, kept_roots)
        _delete(store, chroots, found)
    return Collection(**{**vars(found), "done": True})


def _decide(store: Store, keep: int, named: Sequence[Path], sources: bool, kept_roots: bool) -> Collection:
    inventory = take_inventory(store)
    kept = live(inventory, keep, names_in_files(named), sources)
    found = collection(inventory, kept)
    leftovers = [Thing(str(path), path.name, frozenset(), path.stat().st_size) for path in store.leftovers()]
    leftovers += [Thing(str(path), path.name, frozenset(), _size(path)) for path in store.abandoned()]
    return Collection(**{**vars(found), "leftovers": tuple(leftovers), "layers": _layers(store, kept_roots),
                         "kept_roots": _kept(store) if kept_roots else ()})


def _layers(store: Store, kept_roots: bool = True, sizes: bool = True) -> tuple[Thing, ...]:
    """Return the layers, which are made anew when a build wants them; ``kept_roots`` go with theirs."""
    spared = frozenset() if kept_roots else store.kept.layers()
    return tuple(_root(store.layers, key, sizes) for key in store.layers.keys()
                 if store.layers.place(key) not in spared)


def names_in_files(paths: Sequence[Path]) -> frozenset[str]:
    """Return every digest that these files mention.  Raises UsageError for an unreadable one."""
    found: frozenset[str] = frozenset()
    for path in paths:
        try:
            found |= names_in(read_named(path).decode())
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read {path}", str(error),
                             "Name a lock, or any text file with sha256 digests in it.") from error
    return found


def _delete(store: Store, chroots: Chroots, found: Collection) -> None:
    """Delete entries before what they name, so that an end in the middle leaves nothing half."""
    for thing in found.artifacts:
        store.entries.drop("artifacts", thing.key)
    for thing in found.memos:
        store.entries.drop(f"memo/{thing.title}", thing.key)
    for thing in found.roots:
        store.roots.drop(thing.key, chroots.remove)
    for thing in found.layers:
        store.layers.drop(thing.key, chroots.remove)
    for thing in found.indexes:
        chroots.remove(store.apt_directory(thing.key))
    kept_roots = {thing.key for thing in found.kept_roots}
    for name in store.kept.names():
        if store.kept.place(name).name in kept_roots:
            store.kept.drop(name, chroots.remove)
    for thing in found.objects:
        store.drop_object(thing.key)
    for thing in found.leftovers:
        path = Path(thing.key)
        if path.is_dir():
            chroots.remove(path)
        path.unlink(missing_ok=True)
        if path.parent.name == "work":
            store.forget_work(path)


def verify(store: Store, chroots: Chroots) -> Damage:
    """Compare everything with the digest it goes by; drop what is damaged.

    Raises BusyError when a run has the store open.
    """
    with store.alone():
        objects, entries, roots = [], [], []
        checked = 0
        for sha256, size in list(store.objects()):
            checked += 1
            if file_digest(store.path(sha256))[0] != sha256:
                store.drop_object(sha256)
                objects.append(f"file {sha256} ({size} bytes): its bytes are others")
        for kind in ("artifacts", *store.entries.memo_kinds()):
            for key, value in list(store.entries.all(kind)):
                checked += 1
                fault = _fault(store, kind, key, value)
                if fault:
                    store.entries.drop(kind, key)
                    entries.append(f"{kind} {key[:12]}…: {fault}")
        for place, what in ((store.roots, "base root"), (store.layers, "layer")):
            for key in place.keys():
                count, fault = _root_fault(place, key)
                checked += count
                if fault:
                    place.drop(key, chroots.remove)
                    roots.append(f"{what} {key[:12]}…: {fault}")
    return Damage(checked, tuple(objects), tuple(entries), tuple(roots))


def _fault(store: Store, kind: str, key: str, value: Any) -> str:
    if value is None:
        return "it is cut short, or not what debxcross writes"
    if kind == "artifacts" and store.artifact(key) is None:
        return f"the result {title(value)} has lost files"
    return ""


def _root_fault(roots: BaseRoots, key: str) -> tuple[int, str]:
    """Return how many files of a root or layer were compared with dpkg's own sums, and what is wrong."""
    directory = roots.place(key)
    if roots.packages(key) is None:
        return 0, "unfinished"
    checked = 0
    for path, expected in _sums(directory):
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            if "/usr/share/" not in str(path.relative_to(directory.parent)):
                return checked, f"{path.relative_to(directory)} is gone"
            continue  # excluded from build roots on purpose
        except OSError:
            continue  # another user's
        checked += 1
        if hashlib.md5(content, usedforsecurity=False).hexdigest() != expected:
            return checked, f"{path.relative_to(directory)} has other bytes than its package"
    return checked, ""


def _sums(root: Path) -> Iterator[tuple[Path, str]]:
    for sums in sorted((root / "var/lib/dpkg/info").glob("*.md5sums")):
        for line in sums.read_text(errors="replace").splitlines():
            expected, _, name = line.partition("  ")
            if name:
                yield root / name, expected
