# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets apt judge, before anything is built, what the members will need and what they will leave.

Each member is judged once per state of the archive and of the members it needs; the answers
are remembered, so that one member more asks about one member.
"""
from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from debxcross.core.archive.binaries import is_rebuild
from debxcross.core.archive.choice import spared
from debxcross.core.archive.predict import dummy_name, dummy_stanza, predicted_stanzas
from debxcross.core.build import commands
from debxcross.core.chain import order
from debxcross.core.key import digest
from debxcross.doors.apt import AptRoot, raise_for_apt
from debxcross.doors.sourcefile import read_control
from debxcross.errors import DebxcrossError, UnsatisfiableError
from debxcross.steps.archive import probe
from debxcross.steps.build import shims
from debxcross.steps.build.source import SourceWork, write_build_packages
from debxcross.steps.chain.asked import asked_for, left_out_words
from debxcross.steps.chain.prepare import Prepared
from debxcross.steps.context import Context

#: The name under which the work for a plan is told.
STEP = "plan"
_FETCHED_AT_ONCE = 4
_Answer = TypeVar("_Answer")
#: What cannot work, by member.
Problems = dict[str, list[DebxcrossError]]


@dataclass(frozen=True)
class Foreseen:
    """What cannot work, by member; ``unasked`` are notes of packages that are left out."""

    problems: Problems
    unasked: tuple[str, ...] = ()


def foresee(context: Context, prepared: Prepared, cached: Iterable[str]) -> Foreseen:
    """Return what will not work; ``cached`` are the members that have a result.

    Sources are fetched.  With a lock nothing is asked: apt judged when the lock was written,
    and judges the results again.
    """
    done = set(cached)
    if prepared.problems or context.held.lock is not None or done.issuperset(prepared.order):
        return Foreseen({})
    works = list(prepared.sources.values())
    problems: Problems = {}
    for work, error in _side_by_side(
            context, "sources fetched", works, lambda one: _error_of(
                lambda: probe.fetch_source(context, one.source)) if one.own is None else None,
            _FETCHED_AT_ONCE):
        if error is not None:
            problems[work.name] = [error]
    return Foreseen(problems) if problems else Foresight(context, prepared, frozenset(done)).foreseen()


def _error_of(attempt: Callable[[], object]) -> DebxcrossError | None:
    try:
        attempt()
    except DebxcrossError as error:
        return error
    return None


def _side_by_side(context: Context, what: str, works: Sequence[SourceWork],
                  attempt: Callable[[SourceWork], _Answer], at_once: int) -> list[tuple[SourceWork, _Answer]]:
    """Return an answer for each work, several at a time, telling how many are done."""
    answers: dict[str, _Answer] = {}
    with ThreadPoolExecutor(max(1, at_once)) as pool:
        asked = {pool.submit(attempt, work): work for work in works}
        for number, future in enumerate(as_completed(asked), 1):
            answers[asked[future].name] = future.result()
            context.events.tell("activity", STEP, f"{what}: {number} of {len(works)}",
                                done=number, total=len(works))
    return [(work, answers[work.name]) for work in works]


@dataclass(frozen=True)
class Foresight:
    """The members of a chain whose sources are in the store, and an apt for each view of them."""

    context: Context
    prepared: Prepared
    cached: frozenset[str]

    def foreseen(self) -> Foreseen:
        """Return what apt says against members."""
        found: Problems = {}
        with self.context.store.work(self.context.chroots.remove) as directory:
            said = self._device_answers(directory)
            spare = spared({package: why for answer in said.values() for package, why in answer.items()},
                           self.prepared.expected, asked_for(self.context, self.prepared))
            kept = {name: {package: why for package, why in answer.items() if package not in spare}
                    for name, answer in said.items()}
            for name, errors in (*_not_installable(kept), *self._root_problems(directory)):
                found.setdefault(name, []).extend(errors)
        return Foreseen(found, tuple(
            left_out_words(name, package, spare[package]) for name in said
            for package in said[name] if package in spare))

    @cached_property
    def _stanzas(self) -> Mapping[str, str]:
        """The packages that each member will leave, as an index has them."""
        host = self.context.host.name
        return {name: self._predicted(work, host) for name, work in self.prepared.sources.items()}

    @property
    def _given(self) -> str:
        """What an index says of packages that were built elsewhere."""
        return "\n".join(self.prepared.facts.given.values())

    @cached_property
    def _twins(self) -> Mapping[str, str]:
        """What will stand beside a patched library for the build architecture (steps.build.twin)."""
        build = self.context.build
        return {name: self._predicted(work, build.name) for name, work in self.prepared.sources.items()
                if work.suffix and not is_rebuild(work.suffix) and build != self.context.host}

    def _predicted(self, work: SourceWork, architecture: str) -> str:
        return predicted_stanzas(
            self._control(work), work.source_version, work.versions(self.prepared.expected[work.name]),
            architecture, work.profiles, self.context.table)

    def _control(self, work: SourceWork) -> str:
        """Return the debian/control of a source, which is in the store."""
        if work.own is not None:
            return work.own.control
        return read_control({file.name: self.context.store.path(file.sha256) for file in work.source.files})

    def _question(self, name: str, kind: str) -> str:
        """Return the identity of a judgement: the member, what it needs, the archive's state."""
        work, context = self.prepared.sources[name], self.context
        concerned = (name, *order.behind(name, self.prepared.needs))
        return digest({
            "kind": kind, "schema": 1, "dsc": work.own.files if work.own else work.source.dsc.sha256,
            "profiles": work.profiles,
            "packages": work.build_packages, "state": context.apt.state(context.world),
            "updates": self.prepared.updates.stanzas("all", context.build.name) + self._given,
            "stanzas": [self._stanzas.get(one, "") + self._twins.get(one, "") for one in concerned]})

    def _device_answers(self, directory: Path) -> dict[str, Mapping[str, Sequence[str]]]:
        """Ask for each package whether it could be installed on the device; tell which could not, and why."""
        context = self.context
        questions = {name: self._question(name, "device") for name in self._stanzas}
        said = {name: context.store.memo("foreseen", question) for name, question in questions.items()}
        asked = [name for name, answer in said.items() if answer is None]
        if asked:
            context.busy(STEP, f"asking apt what {len(asked)} members' packages need on a device")
            local = "\n".join(filter(None, (
                *self._stanzas.values(), self.prepared.updates.stanzas("all"), self._given,
                shims.index(context))))
            view = context.apt.view(directory / "device", context.world.for_device(), local=local)
            packages = {name: _names(self._stanzas[name]) for name in asked}
            answer = view.ask({"ask": "installable", "architecture": context.host.name,
                               "names": [package for names in packages.values() for package in names]})
            for name, names in packages.items():
                said[name] = {package: answer[package] for package in names if package in answer}
                context.store.remember("foreseen", questions[name], said[name])
        # What is only built for others is published as far as a device can install it.
        return {name: answer or {} for name, answer in said.items() if name not in self.prepared.chain.added}

    def _root_problems(self, directory: Path) -> list[tuple[str, list[DebxcrossError]]]:
        """Ask for each source whether its build dependencies could be met."""
        context, updates = self.context, self.prepared.updates
        # Patches may change the build dependencies; the build root will tell.
        works = [work for name, work in self.prepared.sources.items()
                 if name not in self.cached and not work.patches
                 and not context.store.memo("foreseen", self._question(name, "root"))]
        if not works:
            return []
        context.busy(STEP, f"asking apt for the build dependencies of {len(works)} members")
        dummies = {work.name: dummy_stanza(
            work.source, context.build.name, work.target(context).name, work.profiles, work.build_packages,
            context.table) for work in works}
        local = "\n".join(filter(None, (*self._stanzas.values(), *self._twins.values(), *dummies.values(),
                                        updates.stanzas("all", context.build.name), self._given,
                                        shims.index(context))))
        view = context.apt.view(directory / "build", context.world.for_build_root(), local=local)
        doubtful = view.ask({"ask": "installable", "architecture": context.host.name,
                             "names": [dummy_name(work.name) for work in works]})
        for work in works:
            if dummy_name(work.name) not in doubtful:
                context.store.remember("foreseen", self._question(work.name, "root"), True)
        # apt-get tries harder than the first attempt of its library, and says in words what is wrong.
        answers = _side_by_side(context, "members judged", [
            work for work in works if dummy_name(work.name) in doubtful],
            lambda work: self._build_dependencies(view, directory, work), context.jobs)
        return [(work.name, [error]) for work, error in answers if error is not None]

    def _build_dependencies(self, view: AptRoot, directory: Path, work: SourceWork) -> DebxcrossError | None:
        context = self.context
        place = self._asked_about(work, directory / "sources" / work.name)
        more = ((str(write_build_packages(context, work, directory / "more" / work.name)),)
                if work.build_packages else ())
        answer = view.run(commands.simulate_build_dep_argv(
            work.target(context).name, context.build.name, work.profiles, str(place), *more,
            parts=work.parts(context)))
        error = _error_of(lambda: raise_for_apt(
            answer, f"the build dependencies of {work.name} cannot be satisfied"))
        if error is None:
            context.store.remember("foreseen", self._question(work.name, "root"), True)
            return None
        return _with_advice(error, _for_all_only(view, error.details, context.host.name), work.name)

    def _asked_about(self, work: SourceWork, place: Path) -> Path:
        """Return where apt reads a source's build dependencies: its .dsc, or a tree with debian/control."""
        if work.own is None or work.own.contents is None:
            self.context.store.lay_out(work.source.files, place)
            return place / work.source.dsc.name
        (place / "debian").mkdir(parents=True)
        (place / "debian/control").write_text(work.own.control)
        return place


def _for_all_only(view: AptRoot, said: str, host: str) -> list[str]:
    """Return which packages that apt misses for the host architecture are Architecture: all.

    They satisfy a dependency of another architecture only when they are Multi-Arch: foreign
    (Multi-Arch specification), and no build can change that.
    """
    missed = sorted(set(re.findall(rf"([a-z0-9][a-z0-9+.-]+):{host}\b", said)))
    stanzas = {name: view.run(["apt-cache", "show", name]).stdout for name in missed}
    return [name for name, text in stanzas.items()
            if re.search(r"^Architecture: all$", text, re.MULTILINE)
            and not re.search(r"^Multi-Arch: (foreign|allowed)$", text, re.MULTILINE)]


def _with_advice(error: DebxcrossError, for_all: Sequence[str], source: str) -> DebxcrossError:
    if not for_all:
        return error
    return type(error)(
        error.brief, f"{error.details}\n\nArchitecture: all and not Multi-Arch: foreign, so that they cannot "
        f"be had for another architecture: {', '.join(for_all)}",
        "Mark them in debian/control, as ':native' when they run during the build or '<!cross>' when a cross "
        f"build does without them, in a rules patch: --patches DIR with DIR/{source}/NAME.patch.")


def _names(stanzas: str) -> list[str]:
    return [line.partition(": ")[2] for line in stanzas.splitlines() if line.startswith("Package: ")]


def _not_installable(said: Mapping[str, Mapping[str, Sequence[str]]]
                     ) -> list[tuple[str, list[DebxcrossError]]]:
    """Return one problem for each cause, with all the packages that it keeps off the device."""
    kept_off: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    for member, answer in said.items():
        for package, why in answer.items():
            kept_off.setdefault(tuple(why), []).append((member, package))
    found: list[tuple[str, list[DebxcrossError]]] = []
    for why, pairs in kept_off.items():
        members = sorted({member for member, _ in pairs})
        error = UnsatisfiableError(
            f"{', '.join(package for _, package in pairs)} would not be installable on the device",
            "\n".join(why),
            "Add the source of what is missing to the chain (its suite can be another release), "
            f"or leave {'these members' if len(members) > 1 else 'this member'} out.")
        found += [(member, [error]) for member in members]
    return found
