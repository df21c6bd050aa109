# SPDX-License-Identifier: GPL-3.0-or-later
"""The decisions of a plan, with nothing but a store: states, work and needs, turns, locks replayed."""
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from debxcross.core.archive.source import BinaryEntry, SourcePackage
from debxcross.core.artifact import Artifact, StoredFile
from debxcross.core.build.answers import Answering, Answers, Told
from debxcross.core.build.environment import Environment, InstalledPackage, PackageFile, RootRecipe
from debxcross.core.chain.chain import Chain, DebianPackage, PinnedFile, SourceMember, WheelMember
from debxcross.core.chain.lock import PARTS, Lock, LockedFile, LockedMember
from debxcross.core.chain.plan import STATES, state_before
from debxcross.core.patch import RulesPatch, parse
from debxcross.errors import LockError, UnsatisfiableError
from debxcross.steps.archive.probe import Known
from debxcross.steps.build.baseroot import BaseRoot, RootPlan
from debxcross.steps.build.source import SourceWork
from debxcross.steps.build.turn import Turn
from debxcross.steps.chain import replay
from debxcross.steps.chain.prepare import Arranged, Circumstances, arrange
from debxcross.steps.context import Context
from debxcross.steps.held import Held
from debxcross.steps.wheel.work import WheelWork
from tests.contexts import make_context

ONE, TWO, THREE = (digit * 64 for digit in "123")
DEBHELPER = PackageFile("archive:main/pool/d/debhelper_13_all.deb", "debhelper_13_all.deb", 5, TWO)


@pytest.mark.parametrize(("key", "cached", "missing", "again", "state", "reason"), [
    ("5a", True, (), False, "cached", "nothing that can change its bytes has changed"),
    ("5a", False, (), False, "ready", "the store has no result for these inputs"),
    (None, False, (), False, "ready", "its build environment is not resolved yet"),
    (None, False, ("zlib", "openssl"), False, "waiting", "waits for zlib, openssl"),
    ("5a", True, (), True, "ready", "to be rebuilt, as asked"),
    (None, False, ("zlib",), True, "ready", "to be rebuilt, as asked"),
])
def test_a_members_state_before_anything_is_built(
    key: str | None, cached: bool, missing: tuple[str, ...], again: bool, state: str, reason: str
) -> None:
    assert state_before(key, cached, missing, again) == (state, reason)
    assert state in STATES


def source(name: str, needs: str = "", packages: tuple[str, ...] = ()) -> SourcePackage:
    files = (StoredFile(f"{name}_1.dsc", ONE, 3),)
    binaries = tuple(BinaryEntry(package, ("any",), "", False) for package in packages)
    return SourcePackage(name, "1-1", "bookworm", files, needs, "", binaries)


SOURCES = {"zlib": source("zlib", "debhelper", ("zlib1g", "zlib1g-dev")),
           "ssh": source("ssh", "debhelper, zlib1g-dev (>= 1), libnothing-dev <nocheck>", ("ssh",))}
PATCH = parse("zlib", "why.patch", """\
Description: words
Author: Ada <ada@example.org>
Applies-Versions: << 2
---
--- a/debian/rules
+++ b/debian/rules
@@ -1 +1 @@
-a
+b
""")


def wheel(name: str, pure: bool = False, requires: tuple[str, ...] = (), **more: object) -> WheelMember:
    ending = "-py3-none-any.whl" if pure else ".tar.gz"
    pin = PinnedFile(name, "1.0", f"{name}-1.0{ending}", THREE)
    return replace(WheelMember(name, "3.11", pin), build_requires=requires, **more)  # type: ignore[arg-type]


@pytest.fixture()
def context(tmp_path: Path) -> Context:
    return make_context(tmp_path)


def arranged(context: Context, chain: Chain, patches: tuple[RulesPatch, ...] = ()) -> Arranged:
    judged = {name: tuple((rule, True, "") for rule in patches if rule.source == name) for name in SOURCES}
    suffixes = {"zlib": "+debxcross1", "ssh": ""}
    known = {"zlib": Known((), {"zlib1g-dev": ("libz-dev",)})}
    return arrange(context, chain, SOURCES, Circumstances(judged, suffixes, known, "Ada <a@b.example>"))


CHAIN = Chain("tiny", "bookworm", (SourceMember("zlib"), SourceMember("ssh")))


def test_who_builds_what_and_needs_whom(context: Context) -> None:
    found = arranged(context, CHAIN, (PATCH,))
    assert found.needs == {"zlib": (), "ssh": ("zlib",)}
    assert found.expected == {"zlib": ("zlib1g", "zlib1g-dev"), "ssh": ("ssh",)}
    assert found.sources["zlib"].patches == (PATCH,) and found.sources["zlib"].version == "1-1+debxcross1"
    assert found.sources["ssh"].patches == () and found.work == found.sources


ANSWERING = Answering({"zlib": Answers("zlib", "armel", ((">=", "1"),), (("a_cv_b", "yes"),))},
                      {"ssh": "none"}, "qemu-arm 7.2")


@pytest.mark.parametrize("source,own,mode,values", [
    ("zlib", "", "file", (("a_cv_b", "yes"),)), ("zlib", "none", "none", ()), ("ssh", "", "none", ()),
    ("ssh", "emulator", "emulator", ())])
def test_a_source_is_told_by_chain_file_or_emulator(
    context: Context, source: str, own: str, mode: str, values: tuple[tuple[str, str], ...]
) -> None:
    chain = replace(CHAIN, sources=tuple(
        replace(one, answers=own if one.name == source else "") for one in CHAIN.sources))
    given = Circumstances({}, {"zlib": "", "ssh": ""}, {}, "Ada <a@b.example>", ANSWERING)
    told = arrange(context, chain, SOURCES, given).sources[source].told
    assert (told.mode, told.values) == (mode, values)
    native = arrange(replace(context, host=context.build), chain, SOURCES, given)
    assert native.sources[source].told == Told()


def test_only_what_is_told_is_an_input(context: Context) -> None:
    environment = Environment((InstalledPackage("pkgconf", "armel", "1.8", ONE),), ())
    plain = SourceWork(SOURCES["zlib"], (), ("cross",))
    told = replace(plain, told=Told("emulator", (), (), "qemu-arm 7.2"))
    names = {"answers", "answered", "device-tools"}
    assert set(told.inputs(context, environment)) & names == names
    assert set(plain.inputs(context, environment)) & names == {"device-tools"}
    assert not set(plain.inputs(context, Environment((), ()))) & names
    # Where nothing is crossed, a build hears of the device by itself.
    assert not set(told.inputs(replace(context, host=context.build), environment)) & names


def test_a_virtual_package_makes_an_edge(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SOURCES, "ssh", source("ssh", "debhelper, libz-dev (>= 1:1.2)", ("ssh",)))
    assert arranged(context, CHAIN).needs == {"zlib": (), "ssh": ("zlib",)}


def test_wheels_get_their_tools_and_the_names_of_what_concerns_them(context: Context) -> None:
    tools = (PinnedFile("setuptools", "80", "s.whl", ONE), PinnedFile("cython", "3", "c.whl", TWO),
             PinnedFile("cython", "0.29", "c0.whl", THREE))
    chain = Chain("wheels", "bookworm", CHAIN.sources, (
        wheel("lamp", requires=("setuptools", "cython==0.29"), host_needs=("zlib1g-dev",)),
        wheel("bulb", pure=True, package="python3-light", epoch=2),
        wheel("room", resolved_for="3.11.2", requires=()),
    ), build_tools=tools, debian=(DebianPackage("six", "python3-six", 1),))
    found = arranged(context, chain)
    lamp, bulb, room = (found.work[name] for name in ("lamp", "bulb", "room"))
    assert isinstance(lamp, WheelWork) and isinstance(bulb, WheelWork) and isinstance(room, WheelWork)
    assert [tool.file for tool in lamp.spec.tools] == ["s.whl", "c0.whl"]
    assert lamp.spec.names == {"bulb": "python3-light", "six": "python3-six"}
    assert lamp.spec.epochs == {"python3-light": 2, "python3-six": 1}
    assert room.spec.names == {}, "only what it requires concerns a wheel that was resolved"
    assert found.needs["lamp"] == ("zlib",) and found.needs["bulb"] == ()


def base(context: Context) -> BaseRoot:
    packages = (InstalledPackage("libc6", "armel", "2.36", ONE),)
    plan = RootPlan(RootRecipe("bookworm", "amd64", "armel", packages, (), ()), ())
    return BaseRoot(plan.recipe.key, context.store.directory / "none", packages, plan)


def locked(context: Context, *members: LockedMember, free: frozenset[str] = frozenset()) -> Context:
    lock = Lock("tiny", "", "bookworm", "amd64", "armel", (), {part: () for part in PARTS}, members)
    return replace(context, held=Held("armel", lock, free))


HELD = LockedMember("zlib", "source", "1-1", "bookworm", "+debxcross1",
                    (LockedFile("zlib_1.dsc", ONE, 3, "main/pool/zlib_1.dsc"),), (), (DEBHELPER,))


def test_a_turn_knows_its_key_once_apt_has_been_asked(context: Context) -> None:
    context = locked(context, HELD)
    work = SourceWork(SOURCES["zlib"], (), ("cross",), "+debxcross1")
    turn = Turn(context, work, base(context), ())
    assert turn.environment() is None and turn.inputs() is None and turn.key() is None
    assert turn.artifact() is None
    turn.remember(Environment(turn.base.packages, (DEBHELPER,)))
    key = turn.key()
    assert key is not None and turn.environment() == Environment(turn.base.packages, (DEBHELPER,))
    for other in (replace(turn, work=replace(work, profiles=("cross", "nocheck"))),
                  replace(turn, work=replace(work, patches=(PATCH,))),
                  replace(turn, local=(StoredFile("x_1_armel.deb", TWO, 1),))):
        assert other.key() is None, "another question has another answer"
    file = context.store.put_bytes(b"deb", "zlib1g_1_armel.deb")
    context.store.commit(Artifact(key, "zlib", (file,)))
    assert turn.result() == ("cached", turn.artifact())


def test_a_wheel_that_is_taken_as_it_is_asks_apt_nothing(context: Context) -> None:
    chain = Chain("wheels", "bookworm", CHAIN.sources, (wheel("bulb", pure=True),))
    turn = Turn(context, arranged(context, chain).work["bulb"], base(context), ())
    assert turn.key() is not None and turn.environment() == Environment(turn.base.packages, ())


def test_what_a_lock_names_is_all_there_is_to_choose_from(context: Context) -> None:
    context = locked(context, replace(HELD, packages=(replace(DEBHELPER, sha256=_put(context), size=5),)))
    local = (StoredFile("x_1_armel.deb", TWO, 1),)
    turn = Turn(context, SourceWork(SOURCES["zlib"], (), ()), base(context), local)
    assert [file.name for file in turn.offered] == ["x_1_armel.deb", "debhelper_13_all.deb"]
    free = replace(turn, context=replace(context, held=replace(context.held, unlocked=frozenset({"zlib"}))))
    assert free.offered == local


def _put(context: Context) -> str:
    return context.store.put_bytes(b"a deb", "debhelper_13_all.deb").sha256


def test_a_lock_turns_apts_no_into_its_own(context: Context) -> None:
    error = UnsatisfiableError("no", "apt said so")
    held = locked(context, HELD).held
    assert isinstance(held.unsatisfied("zlib", error), LockError)
    assert held.unsatisfied("ssh", error) is error
    held.compare("zlib", (DEBHELPER,), ())
    held.compare("zlib", (DEBHELPER, replace(DEBHELPER, sha256=THREE)), (StoredFile("x", THREE, 1),))
    with pytest.raises(LockError, match="1 of its inputs deviate"):
        held.compare("zlib", (), ())


DSC = "Source: zlib\nVersion: 1-1\nChecksums-Sha256:\n"


def replayed(context: Context, held: LockedMember, *patches: RulesPatch,
             answering: Answering = Answering()) -> SourceWork:
    file = context.store.put_bytes(DSC.encode(), "zlib_1.dsc")
    dsc = LockedFile(file.name, file.sha256, file.size, "main/pool/zlib_1.dsc")
    chain = Chain("tiny", "bookworm", (SourceMember("zlib"),))
    context = locked(context, replace(held, files=(dsc,)))
    prepared = replay.prepare(context, chain, patches, "Ada <a@b.example>", answering)
    return prepared.sources["zlib"]


def test_a_run_is_prepared_from_the_lock_alone(context: Context) -> None:
    work = replayed(context, replace(HELD, patches=((PATCH.name, PATCH.sha256),)), PATCH)
    assert (work.version, work.patches) == ("1-1+debxcross1", (PATCH,))
    assert [file.name for file in work.source.files] == ["zlib_1.dsc"]


def test_a_patch_that_is_not_as_locked_is_told(context: Context) -> None:
    with pytest.raises(LockError) as caught:
        replayed(context, replace(HELD, patches=((PATCH.name, ONE), ("gone.patch", TWO))), PATCH)
    assert "why.patch is locked at 111111111111…" in caught.value.details
    assert "gone.patch is in the lock, but in none of the directories" in caught.value.details
    with pytest.raises(LockError) as caught:
        replayed(context, HELD, PATCH)
    assert "why.patch applies, but is not in the lock" in caught.value.details
    late = replace(PATCH, versions=((">=", "2"),))
    assert replayed(context, HELD, late).patches == ()


@pytest.mark.parametrize("mode", ["file", "emulator"])
def test_a_lock_says_who_answers(context: Context, mode: str) -> None:
    wanted = ANSWERING.told("zlib", mode, "1-1")
    held = replace(HELD, answers=wanted.identity)
    assert replayed(context, held, answering=ANSWERING).told == wanted
    assert replayed(context, HELD, answering=ANSWERING).told == Told(), "a lock of an earlier debxcross"
    answers = Answers("zlib", "armel", ((">=", "1"),), (("a_cv_b", "no"),))
    other = Answering({"zlib": answers}, {}, "qemu-arm 9")
    for answering in (Answering(), other):
        with pytest.raises(LockError) as caught:
            replayed(context, held, answering=answering)
        assert "1 of its inputs deviate" in caught.value.brief and "answers" in caught.value.details


def test_members_of_a_lock_move_alone(context: Context) -> None:
    def prepared(maintainer: str) -> replay.Prepared:
        found = arranged(context, CHAIN)
        return replay.Prepared(CHAIN, replay.probe.Probe({}, {}, maintainer), found.work, found.sources, {
            "zlib": (), "ssh": ()}, found.needs, found.expected, (), (), ())

    held, fresh = prepared("old"), prepared("new")
    newer = replace(fresh.sources["ssh"], suffix="+debxcross9")
    fresh = replace(fresh, work={**fresh.work, "ssh": newer}, sources={**fresh.sources, "ssh": newer})
    moved = replay.merged(held, fresh, ("ssh",))
    assert moved.work["ssh"].version == "1-1+debxcross9" and moved.sources["ssh"] == newer
    assert moved.work["zlib"] == held.work["zlib"] and moved.order == ("zlib", "ssh")
