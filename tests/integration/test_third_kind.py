# SPDX-License-Identifier: GPL-3.0-or-later
"""A kind of member that the package does not know: one class, and everything works with it."""
from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from debxcross.core.artifact import StoredFile
from debxcross.core.build.environment import Environment
from debxcross.core.chain.chain import Chain
from debxcross.core.chain.lock import PARTS, Lock, LockedFile, LockedMember, parse, to_text
from debxcross.core.key import digest
from debxcross.core.patch import RulesPatch
from debxcross.errors import BuildError, UsageError
from debxcross.steps.archive.probe import Probe
from debxcross.steps.build.buildroot import BuildRoot
from debxcross.steps.build.keep import is_kept
from debxcross.steps.build.turn import Made, Turn
from debxcross.steps.chain.explain import explain, record
from debxcross.steps.chain.lock import make_lock
from debxcross.steps.chain.plan import known_results, make_plan
from debxcross.steps.chain.prepare import Prepared, build_plan, promised_base, turn_of
from debxcross.steps.chain.reproduce import reproduce
from debxcross.steps.context import Context
from debxcross.steps.held import Held
from tests.contexts import make_context
from tests.playground import make_deb


@dataclass(frozen=True)
class NoteWork:
    """A member that writes one file with a text into a .deb, and takes nothing from the archive."""

    name: str
    text: str
    version: str = "1"
    kind: str = "note"
    origin: str = "a test"
    directory: str = "/"
    patches: tuple[RulesPatch, ...] = ()
    sources: tuple[StoredFile, ...] = ()

    @property
    def asked_for(self) -> Mapping[str, Any]:
        return {}

    def question(self, context: Context) -> None:
        return None

    def inputs(self, context: Context, environment: Environment) -> Mapping[str, Any]:
        return {"kind": "write-note", "text": self.text, "host": context.host.name,
                "environment": environment.identity}

    def locked(self, context: Context) -> LockedMember:
        stored = context.store.put_bytes(self.text.encode(), f"{self.name}.txt")
        file = LockedFile(stored.name, stored.sha256, stored.size, "index/note")
        return LockedMember(self.name, self.kind, self.version, "", "", (file,), (), ())

    def fetch(self, turn: Turn) -> None:
        pass

    def prepare(self, turn: Turn, root: BuildRoot) -> Environment:
        return Environment(root.base.packages, ())

    def install(self, turn: Turn, root: BuildRoot, environment: Environment) -> None:
        pass

    def build(self, turn: Turn, root: BuildRoot, environment: Environment, again: bool) -> Made:
        root.step("writing the note")
        if not self.text:
            raise BuildError("there is nothing to write")
        deb = make_deb(root.directory / f"{self.name}_1_all.deb", {"Package": self.name}, {
            "usr/share/note": self.text.encode()}, compression="none")
        return Made((turn.context.store.put(deb), turn.context.store.put(root.log)), {
            "source": self.name, "version": self.version})


def lock_with(context: Context, members: tuple[LockedMember, ...] = ()) -> Lock:
    """Return a lock of empty roots, so that apt has nothing to say."""
    return Lock("notes", "", "bookworm", context.build.name, context.host.name, (),
                {part: () for part in PARTS}, members)


def prepared(*works: NoteWork) -> Prepared:
    names = tuple(work.name for work in works)
    return Prepared(
        Chain("notes", "bookworm", ()), Probe({}, {}, "12"), {work.name: work for work in works}, {}, {},
        {name: () for name in names}, {name: (name,) for name in names}, (), (), ())


@pytest.fixture()
def context(tmp_path: Path) -> Context:
    made = make_context(tmp_path)
    made = replace(made, held=Held(made.host.name, lock_with(made), frozenset({"hello", "more"})))
    plan = build_plan(made, prepared())
    root = promised_base(made, prepared())
    assert root is not None and root.key == plan.recipe.key
    (tmp_path / "root/etc").mkdir(parents=True)
    made.store.roots.commit(root.key, tmp_path / "root", plan.recipe.packages)
    return made


def turn(context: Context, work: NoteWork) -> Turn:
    one = prepared(work)
    found = turn_of(context, one, work.name, promised_base(context, one), {})
    assert found is not None
    return found


def test_it_is_planned_keyed_and_built(context: Context) -> None:
    work = NoteWork("hello", "Hello.")
    judged = make_plan(context, prepared(work))
    assert not judged.problems
    (member,) = judged.plan.members
    assert (member.state, member.kind, member.origin) == ("ready", "note", "a test")
    mine = turn(context, work)
    assert mine.key() == member.key == digest(mine.inputs())
    assert mine.artifact() is None
    state, artifact = mine.result()
    assert (state, artifact.key) == ("built", member.key)
    assert artifact.provenance["kind"] == "note" and artifact.provenance["inputs"]["text"] == "Hello."
    assert mine.result() == ("cached", context.store.artifact(member.key))
    assert turn(context, replace(work, text="Other.")).key() != member.key
    assert [one.state for one in make_plan(context, prepared(work)).plan.members] == ["cached"]
    assert known_results(context, prepared(work), mine.base) == {"hello": artifact.files}
    assert "==> writing the note" in (context.logs / "hello.log").read_text()


def test_it_is_locked(context: Context) -> None:
    work = NoteWork("hello", "Hello.")
    with pytest.raises(UsageError, match="hello is not built yet"):
        make_lock(replace(context, held=Held(context.host.name, lock_with(context), frozenset(
            {"hello", "device"}))), prepared(work))
    turn(context, work).result()
    lock = make_lock(context, prepared(work))
    assert parse(tomllib.loads(to_text(lock)), "x").members == lock.members
    (member,) = lock.members
    assert (member.kind, [file.name for file in member.files]) == ("note", ["hello.txt"])
    again = replace(context, held=Held(context.host.name, lock))
    assert make_lock(again, prepared(work)) == lock


def test_it_is_explained(context: Context) -> None:
    one = prepared(NoteWork("hello", "Hello."))
    said = explain(context, one, "hello")
    assert said.state == "ready" and "this store has had no result" in said.reason
    record(context, one.chain, "built", turn(context, NoteWork("hello", "Hello.")).result()[1])
    assert explain(context, one, "hello").state == "cached"
    said = explain(context, prepared(NoteWork("hello", "Good bye.")), "hello")
    assert [(change.what, change.before, change.after) for change in said.changes] == [
        ("text", "Hello.", "Good bye.")]


def test_it_is_reproduced(context: Context, tmp_path: Path) -> None:
    work = NoteWork("hello", "Hello.")
    _, before = turn(context, work).result()
    found = reproduce(context, prepared(work), "hello", tmp_path / "again")
    assert found.identical and [pair.name for pair in found.debs] == ["hello_1_all.deb"]
    stands = context.store.artifact(before.key)
    assert stands is not None and stands.files == before.files


def test_a_failed_build_is_kept_until_there_is_a_result(context: Context) -> None:
    with pytest.raises(BuildError, match="nothing to write"):
        turn(context, NoteWork("hello", "")).result()
    assert is_kept(context.store, "hello", context.host.name)
