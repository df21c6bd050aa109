# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds a member again and compares what came out, byte by byte."""
from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from debxcross.core.artifact import Artifact, StoredFile
from debxcross.core.chain import order
from debxcross.core.key import plain
from debxcross.doors import deb, process
from debxcross.doors.store import Store
from debxcross.errors import StoreError, UsageError
from debxcross.steps.archive import security
from debxcross.steps.chain.plan import known_results
from debxcross.steps.chain.prepare import Prepared, ensure_base, promised_base, turn_of
from debxcross.steps.context import Context

#: So much of diffoscope's report is shown; all of it is in the file.
_LINES = 60
#: The most that is read of that report, in characters.
_MOST = 1 << 20


@dataclass(frozen=True)
class DebPair:
    """One .deb built twice: the two digests, and the files in it that differ."""

    name: str
    before: str
    after: str
    differing: tuple[str, ...] = ()

    @property
    def identical(self) -> bool:
        """Whether the bytes are the same."""
        return self.before == self.after


@dataclass(frozen=True)
class Reproduction:
    """A member built again: every .deb compared; ``report`` is diffoscope's, when it ran."""

    member: str
    key: str
    jobs: tuple[int, int]
    debs: tuple[DebPair, ...]
    report: str = ""

    @property
    def identical(self) -> bool:
        """Whether every .deb has the same bytes."""
        return all(one.identical for one in self.debs)

    def to_text(self) -> str:
        """Return the comparison for people."""
        lines = []
        for one in self.debs:
            word = "identical" if one.identical else "DIFFERENT"
            lines.append(f"{word}  {one.name}  {one.before or 'absent'}")
            if not one.identical:
                lines.append(f"           built again: {one.after or 'absent'}")
                lines += [f"             {name}" for name in one.differing]
        same = sum(one.identical for one in self.debs)
        lines.append(f"{self.member}: {same} of {len(self.debs)} .debs have the same bytes.")
        return "\n".join(lines)

    def to_json(self) -> str:
        """Return the comparison as indented JSON."""
        return json.dumps({**plain(self), "identical": self.identical}, indent=2)


@dataclass
class Witness:
    """Results that keep what is committed to themselves: the result there is must stand."""

    store: Store
    seen: Artifact | None = None

    def artifact(self, member: str, key: str) -> Artifact | None:
        """Return None: everything is built anew."""
        return None

    def commit(self, artifact: Artifact) -> Artifact:
        """Remember the artifact; write no entry."""
        self.seen = artifact
        return artifact

    def memo(self, member: str, kind: str, key: str) -> Any | None:
        """Return an answer remembered in the store."""
        return self.store.memo(kind, key)

    def origin(self, key: str) -> str:
        """Return "": what is built here is no result of the run."""
        return ""


def reproduce(context: Context, prepared: Prepared, member: str, output: Path) -> Reproduction:
    """Build a member whose result is in the store once more, from nothing, and compare.

    The second build has a build root of its own and, where there are several processors,
    another number of jobs.  ``output`` gets the .debs that differ and diffoscope's report.
    Raises UsageError when there is no result to compare with.
    """
    prepared.work_of(member)
    before = _result(context, prepared, member)
    base, _ = ensure_base(context, prepared, member)
    security.fetch_beside(context, prepared.updates, member, order.behind(member, prepared.needs))
    turn = turn_of(context, prepared, member, base, known_results(context, prepared, base))
    assert turn is not None, "a member with a result has those of what it needs"
    jobs = max(1, context.jobs - 1) if context.jobs > 1 else 2
    witness = Witness(context.store)
    again = replace(context, results=witness, jobs=jobs, logs=output / "logs")
    replace(turn, context=again).result(again=True)
    if witness.seen is None:
        raise StoreError(f"{member} was not built", "", "Run the same command again.")
    return _compare(context, before, witness.seen, (context.jobs, jobs), output)


def _result(context: Context, prepared: Prepared, member: str) -> Artifact:
    base = promised_base(context, prepared)
    results = known_results(context, prepared, base) if base else {}
    turn = turn_of(context, prepared, member, base, results)
    found = turn.artifact() if turn else None
    if found is None:
        raise UsageError(
            f"there is no result of {member} to compare with",
            "The store has none for today's inputs.",
            "Run the chain first, then reproduce the member.")
    return found


def _compare(
    context: Context, before: Artifact, after: Artifact, jobs: tuple[int, int], output: Path
) -> Reproduction:
    if before.key != after.key:
        raise StoreError("the inputs changed between the two builds", f"{before.key}\n{after.key}",
                         "Run the chain again, then reproduce the member.")
    old = {file.name: file for file in before.debs(context.host.name)}
    new = {file.name: file for file in after.debs(context.host.name)}
    compared = []
    report = ""
    for name in sorted(old.keys() | new.keys()):
        one, other = old.get(name), new.get(name)
        differing: tuple[str, ...] = ()
        if one and other and one.sha256 != other.sha256:
            differing, report = _explain(context.store, one, other, output)
        compared.append(DebPair(name, one.sha256 if one else "", other.sha256 if other else "", differing))
    return Reproduction(before.member, before.key, jobs, tuple(compared), report)


def _explain(store: Store, one: StoredFile, other: StoredFile, output: Path) -> tuple[tuple[str, ...], str]:
    """Put both .debs beside each other; return the files in them that differ and diffoscope's report."""
    store.lay_out((one,), output / "before")
    store.lay_out((other,), output / "after")
    paths = output / "before" / one.name, output / "after" / one.name
    old, new = _contents(paths[0]), _contents(paths[1])
    differing = tuple(name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name))
    if process.find("diffoscope") is None:
        return differing, ""
    report = output / f"{one.name}.diffoscope.txt"
    process.run(["diffoscope", "--no-progress", "--text", str(report), *map(str, paths)])
    text = ""
    if report.exists():
        with report.open(errors="replace") as file:
            text = file.read(_MOST)
    return differing, "\n".join([*text.splitlines()[:_LINES], f"The whole report: {report}"])


def _contents(path: Path) -> Mapping[str, str]:
    """Return what tells one file of a .deb from another, by path; control fields by name."""
    found = {f"control: {name}": value for name, value in deb.read_facts(path).control.items()}
    for member in deb.members(path):
        content = ""
        if member.type == "file":
            with tempfile.TemporaryFile() as file:
                member.save(file)
                file.seek(0)
                content = hashlib.file_digest(file, "sha256").hexdigest()
        found[member.path] = f"{member.type} {member.mode:o} {member.size} {content}"
    return found
