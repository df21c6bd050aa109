# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan: what each member is before anything is built, and what apt says will not work."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

from debxcross.core.archive.binaries import is_rebuild
from debxcross.core.archive.predict import predicted_stanzas
from debxcross.core.artifact import StoredFile
from debxcross.core.chain.plan import Plan, PlannedMember, state_before
from debxcross.core.key import digest
from debxcross.doors.apt import raise_for_apt
from debxcross.doors.sourcefile import read_control
from debxcross.errors import DebxcrossError, FetchError, UnsatisfiableError
from debxcross.steps.archive import probe
from debxcross.steps.build.baseroot import BaseRoot
from debxcross.steps.build.source import SourceWork, write_build_packages
from debxcross.steps.chain.prepare import Prepared, promised_base, turn_of
from debxcross.steps.context import Context


def known_results(
    context: Context, prepared: Prepared, base: BaseRoot
) -> dict[str, tuple[StoredFile, ...]]:
    """Return the files of every member the store has, as far as keys can be known."""
    results: dict[str, tuple[StoredFile, ...]] = {}
    for name in prepared.order:
        _, files = _planned(context, prepared, name, base, results, False)
        if files is not None:
            results[name] = files
    return results


def make_plan(
    context: Context, prepared: Prepared, rebuild: Sequence[str] = ()
) -> tuple[Plan, tuple[DebxcrossError, ...]]:
    """Return the plan, each member's state as far as it can be known, and what cannot work."""
    prepared.updates.check_built(rebuild)
    base = promised_base(context, prepared)
    results: dict[str, tuple[StoredFile, ...]] = {}
    members = []
    for name in prepared.order:
        member, files = _planned(context, prepared, name, base, results, name in rebuild)
        members.append(member)
        if files is not None:
            results[name] = files
    problems = (*prepared.problems, *_build_problems(context, prepared, members))
    plan = Plan(
        prepared.chain.name, prepared.chain.release, context.build.name, context.host.name,
        (*members, *prepared.updates.excluded()), prepared.notes, prepared.warnings,
        tuple("\n    ".join(filter(None, (one.brief, *one.details.splitlines(), one.resolution)))
              for one in problems),
        prepared.updates.comparisons)
    return plan, problems


def raise_for(problems: Sequence[DebxcrossError]) -> None:
    """Raise what cannot work: the one problem itself, or the first one's class with all of them."""
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise type(problems[0])(
            f"{len(problems)} things cannot work, so nothing was built",
            "\n".join("\n  ".join(filter(None, (one.brief, *one.details.splitlines(), one.resolution)))
                      for one in problems),
            "'debxcross plan' shows the whole plan.")


def _planned(
    context: Context, prepared: Prepared, name: str, base: BaseRoot | None,
    results: Mapping[str, tuple[StoredFile, ...]], again: bool,
) -> tuple[PlannedMember, tuple[StoredFile, ...] | None]:
    work = prepared.work[name]
    turn = turn_of(context, prepared, name, base, results)
    key = turn.key() if turn else None
    artifact = turn.artifact() if turn and not again else None
    missing = [one for one in prepared.needs[name] if one not in results]
    state, reason = state_before(key, artifact is not None, missing, again)
    member = PlannedMember(
        name, work.kind, work.version, work.origin, state, reason, prepared.needs[name], key or "",
        tuple((rule.name, applies, why) for rule, applies, why in prepared.patches.get(name, ())),
        prepared.expected.get(name, ()))
    return member, artifact.files if artifact else None


def _build_problems(
    context: Context, prepared: Prepared, members: Sequence[PlannedMember]
) -> list[DebxcrossError]:
    """Let apt judge, before anything is built, what the members will need and what they will leave."""
    if prepared.problems or all(member.state == "cached" for member in members):
        return []
    if context.held.lock is not None:
        return []  # apt judged when the lock was written, and judges the results again
    problems: list[DebxcrossError] = []
    sources = list(prepared.sources.values())
    for work in sources:
        try:
            probe.fetch_source(context, work.source)
        except FetchError as error:
            problems.append(error)
    if problems:
        return problems
    predicted = "\n".join(_predicted(context, prepared, work, context.host.name) for work in sources)
    # A patched library's twin will stand beside it (steps.twin).
    twins = "\n".join(_predicted(context, prepared, work, context.build.name) for work in sources
                      if work.suffix and not is_rebuild(work.suffix) and context.build != context.host)
    updates = prepared.updates
    for_device = "\n".join(filter(None, (predicted, updates.stanzas("all"))))
    for_root = "\n".join(filter(None, (predicted, twins, updates.stanzas("all", context.build.name))))
    question = digest({"predicted": for_root, "state": context.apt.state(context.world),
                       "work": [(work.source.dsc.sha256, work.profiles, work.build_packages)
                                for work in sources]})
    if context.store.memo("sound", question):
        return []
    with context.store.work(context.chroots.remove) as directory:
        view = context.apt.view(directory / "device", context.world.for_device(), local=for_device)
        offered = [line.split(": ")[1] for line in predicted.splitlines() if line.startswith("Package: ")]
        said = view.ask({"ask": "installable", "names": offered, "architecture": context.host.name})
        problems += _not_installable(said)
        view = context.apt.view(directory / "build", context.world.for_build_root(), local=for_root)
        cached = {member.name for member in members if member.state == "cached"}
        for work in sources:
            # Patches may change the build dependencies; the build root will tell.
            if work.source.name in cached or work.patches:
                continue
            context.store.lay_out(work.source.files, directory / work.source.name)
            answer = view.run([
                "apt-get", "--simulate", "-q", "build-dep",
                *(() if context.host == context.build else (f"--host-architecture={context.host.name}",)),
                "--arch-only", f"--build-profiles={','.join(work.profiles)}",
                str(directory / work.source.name / work.source.dsc.name),
                *((str(write_build_packages(context, work, directory / "more" / work.source.name)),)
                  if work.build_packages else ())])
            try:
                raise_for_apt(answer, f"the build dependencies of {work.source.name} cannot be satisfied")
            except DebxcrossError as error:
                problems.append(error)
    if not problems:
        context.store.remember("sound", question, True)
    return problems


def _predicted(context: Context, prepared: Prepared, work: SourceWork, architecture: str) -> str:
    files = {file.name: context.store.path(file.sha256) for file in work.source.files}
    return predicted_stanzas(
        read_control(files), work.source_version, work.versions(prepared.expected[work.name]), architecture,
        work.profiles, context.table)


def _not_installable(said: Mapping[str, Sequence[str]]) -> list[UnsatisfiableError]:
    """Return one problem for each cause, with all the packages that it keeps off the device."""
    names: dict[tuple[str, ...], list[str]] = {}
    for name, why in said.items():
        names.setdefault(tuple(why), []).append(name)
    return [UnsatisfiableError(
        f"{', '.join(kept_off)} would not be installable on the device", "\n".join(why),
        "Add the source of what is missing to the chain (its suite can be another release), "
        f"or leave {'these members' if len(kept_off) > 1 else 'this member'} out.")
        for why, kept_off in names.items()]
