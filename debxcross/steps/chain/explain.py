# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps the history of every member's results, and explains a member by it."""
from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from debxcross.core.artifact import Artifact
from debxcross.core.build.environment import Environment
from debxcross.core.chain.chain import Chain
from debxcross.core.chain.history import Change, Entry, Explanation, changes, package
from debxcross.core.key import digest, plain
from debxcross.doors.store import Store
from debxcross.steps.chain.plan import known_results, make_plan
from debxcross.steps.chain.prepare import Prepared, promised_base, turn_of
from debxcross.steps.context import Context

#: So many entries of a member are kept.
_LONGEST = 50


def history_key(name: str, chain: Chain, architecture: str) -> str:
    """Return under which key the memo "history" of a chain's member (or root, or index) is."""
    return digest({"member": name, "chain": chain.name, "release": chain.release,
                   "architecture": architecture})


def history(store: Store, name: str, chain: Chain, architecture: str) -> tuple[Entry, ...]:
    """Return what happened to a member in this store, the newest last; a damaged history is empty."""
    value = store.memo("history", history_key(name, chain, architecture))
    try:
        return tuple(Entry(**{**one, "changes": tuple(Change(**change) for change in one["changes"])})
                     for one in value["entries"]) if value else ()
    except (KeyError, TypeError):
        return ()


def inputs_in(artifact: Artifact) -> Mapping[str, Any]:
    """Return the inputs an artifact's provenance tells; {} when it does not."""
    inputs: Mapping[str, Any] = plain(artifact.provenance.get("inputs", {}))
    names = artifact.provenance.get("patches", ())
    digests = inputs.get("patches", ())
    if len(names) == len(digests) > 0:
        return {**inputs, "patches": [f"{name} {sha256}" for name, sha256 in zip(names, digests)]}
    return inputs


def record(context: Context, chain: Chain, state: str, artifact: Artifact) -> tuple[Change, ...]:
    """Write down that a member has this result now: when it is new, or another one than before.

    ``state`` is one of core.explain.Entry's.  Returns what of its inputs changed since its last result.
    """
    store, host = context.store, context.host.name
    entries = history(store, artifact.member, chain, host)
    if entries and entries[-1].key == artifact.key and state == "found":
        return ()
    result = digest(sorted(file.sha256 for file in artifact.debs(host)))
    told: tuple[Change, ...] = ()
    if entries and entries[-1].key != artifact.key and (before := store.artifact(entries[-1].key)):
        old, new = inputs_in(before), inputs_in(artifact)
        told = changes(old, new) if old and new else ()
    _append(store, artifact.member, chain, host,
            Entry(artifact.key, int(time.time()), state, result, told))
    return told


def record_use(context: Context, name: str, chain: Chain, key: str) -> None:
    """Write down that a base root or an index directory is in use, when it is another one than before."""
    entries = history(context.store, name, chain, context.host.name)
    if not entries or entries[-1].key != key:
        _append(context.store, name, chain, context.host.name, Entry(key, int(time.time()), "found", key))


def _append(store: Store, name: str, chain: Chain, architecture: str, entry: Entry) -> None:
    key = history_key(name, chain, architecture)
    with store.lock(f"history-{key[:16]}"):
        entries = (*history(store, name, chain, architecture), entry)[-_LONGEST:]
        store.remember("history", key, {
            "member": name, "chain": chain.name, "release": chain.release, "architecture": architecture,
            "entries": entries})


def explain(context: Context, prepared: Prepared, member: str) -> Explanation:
    """Return why a member stands as it stands, without building anything."""
    planned = next(one for one in make_plan(context, prepared).plan.members if one.name == member)
    release, host = prepared.chain.release, context.host.name
    entries = history(context.store, member, prepared.chain, host)
    before = context.store.artifact(entries[-1].key) if entries else None
    found: tuple[Change, ...] = ()
    # What is excluded has no inputs of today.
    if (before is not None and member in prepared.work and before.key != planned.key
            and inputs_in(before)):
        found = _changes_now(context, prepared, member, before)
    return Explanation(member, planned.version, release, host, planned.state,
                       _reason(planned.state, planned.reason, bool(planned.key), entries),
                       planned.key, found, entries)


def _reason(state: str, reason: str, known: bool, entries: tuple[Entry, ...]) -> str:
    if state == "cached":
        return f"{reason} since its result was made"
    if state == "excluded":
        return reason
    if not entries:
        return f"{reason}: this store has had no result of this chain's for this architecture"
    if known:
        return reason
    return f"{reason}; what else changed, if anything, is known when its packages are resolved"


def _changes_now(
    context: Context, prepared: Prepared, member: str, before: Artifact
) -> tuple[Change, ...]:
    """Compare with a member's inputs of today: all of them when they are known, else what is known."""
    work, old = prepared.work[member], inputs_in(before)
    base = promised_base(context, prepared)
    results = known_results(context, prepared, base) if base else {}
    turn = turn_of(context, prepared, member, base, results)
    known = turn.inputs() if turn else None
    now = plain(known or work.inputs(context, Environment((), ())))
    if "patches" in now:
        now["patches"] = [f"{one.name} {one.sha256}" for one in work.patches]
    if known is None:
        # Of the environment, only the results of other members are known, and what the chain asks for.
        now.update(work.asked_for)
        old = {**old, **{name: before.provenance.get(name, ()) for name in work.asked_for}}
        now["environment"] = [f"{file.name} {file.sha256}" for file in (turn.local if turn else ())]
        labels = {package(word)[0] for word in now["environment"]}
        old = {**old, "environment": [word for word in old["environment"] if package(word)[0] in labels]}
        labels = {package(word)[0] for word in old["environment"]}
        now["environment"] = [word for word in now["environment"] if package(word)[0] in labels]
    return changes(old, now)
