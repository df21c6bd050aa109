# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan: what each member is before anything is built, and what cannot work."""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from debxcross.core.artifact import StoredFile
from debxcross.core.chain import order
from debxcross.core.chain.plan import Plan, PlannedMember, state_before
from debxcross.errors import DebxcrossError, UnreachableError
from debxcross.steps.build.baseroot import BaseRoot
from debxcross.steps.chain.foresee import Problems, foresee
from debxcross.steps.chain.prepare import Prepared, promised_base, turn_of, without
from debxcross.steps.chain.released import compare
from debxcross.steps.context import Context


@dataclass(frozen=True)
class Judged:
    """A plan: what will be built of what was prepared, and what cannot work.

    ``left_out`` are members that are not built although they were asked for, with the cause;
    with any ``problems`` nothing is built.  ``notes`` are what was found out on the way.
    """

    prepared: Prepared
    plan: Plan
    problems: tuple[DebxcrossError, ...]
    left_out: Mapping[str, DebxcrossError]
    notes: tuple[str, ...] = ()


def known_results(
    context: Context, prepared: Prepared, base: BaseRoot
) -> dict[str, tuple[StoredFile, ...]]:
    """Return the files of every member the store has, as far as keys can be known."""
    results: dict[str, tuple[StoredFile, ...]] = {}
    _members(context, prepared, base, results, ())
    return results


def make_plan(context: Context, prepared: Prepared, rebuild: Sequence[str] = (), *,
              keep_going: bool = False) -> Judged:
    """Return the plan, each member's state as far as it can be known, and what cannot work.

    With ``keep_going`` members that cannot work are left out one after the other, first those
    whose needs are sound: what is behind them may be served by the archive's own packages.  Members
    whose files cannot be had because nobody answers are left out in any case, with what needs them:
    the rest goes on.
    """
    prepared.updates.check_built(rebuild)
    left_out: dict[str, DebxcrossError] = {}
    asked = prepared
    while True:
        members = _members(context, prepared, promised_base(context, prepared), {}, rebuild)
        found: Problems = {name: [error] for name, error in prepared.missing.items()}
        foreseen = foresee(context, prepared, [one.name for one in members if one.state == "cached"])
        found.update(foreseen.problems)
        warnings, older = compare(context, prepared, members)
        for name, error in older.items():
            found.setdefault(name, []).append(error)
        lost = _unreachable(found, prepared)
        if not (lost or keep_going and found) or prepared.problems:
            break
        left_out.update(lost or {name: found[name][0] for name in _first(found, prepared)})
        prepared = without(prepared, left_out)
    problems = (*prepared.problems, *_each_once(found.values()))
    excluded = (*prepared.updates.excluded(), *_excluded(left_out, asked))
    plan = Plan(
        prepared.chain.name, prepared.chain.release, context.build.name, context.host.name,
        (*members, *excluded), (*prepared.notes, *foreseen.unasked), (*prepared.warnings, *warnings),
        tuple("\n    ".join(_lines(one)) for one in problems), prepared.updates.comparisons)
    return Judged(prepared, plan, problems, left_out, foreseen.unasked)


#: So many things that cannot work are told in one error; the plan has them all.
_MOST_TOLD = 20


def raise_for(problems: Sequence[DebxcrossError]) -> None:
    """Raise what cannot work: the one problem itself, or the first one's class with all of them."""
    if len(problems) == 1:
        raise problems[0]
    if problems:
        more = [f"and {len(problems) - _MOST_TOLD} more"] if len(problems) > _MOST_TOLD else []
        raise type(problems[0])(
            f"{len(problems)} things cannot work, so nothing was built",
            "\n".join([*("\n  ".join(_lines(one)) for one in problems[:_MOST_TOLD]), *more]),
            "'debxcross plan' shows the whole plan; --keep-going builds what can work.")


def _lines(error: DebxcrossError) -> list[str]:
    return [line for line in (error.brief, *error.details.splitlines(), *error.resolution.splitlines())
            if line]


def _first(found: Problems, prepared: Prepared) -> list[str]:
    """Return the members with problems that need no other member with one."""
    return [name for name in found
            if not set(order.behind(name, prepared.needs)) & (set(found) - {name})]


def _unreachable(found: Problems, prepared: Prepared) -> dict[str, DebxcrossError]:
    """Return the members whose files nobody answers for, and those that need them, with the cause."""
    lost: dict[str, DebxcrossError] = {name: errors[0] for name, errors in found.items()
                                       if isinstance(errors[0], UnreachableError)}
    for name in prepared.order:
        behind = [one for one in order.behind(name, prepared.needs) if one in lost]
        if behind and name not in lost:
            lost[name] = UnreachableError(
                f"{name} needs {', '.join(behind)}, for which nobody answers", "", lost[behind[0]].resolution)
    return lost


def _each_once(groups: Iterable[Sequence[DebxcrossError]]) -> list[DebxcrossError]:
    """Return errors in order; one that several members share counts once."""
    return list({id(error): error for group in groups for error in group}.values())


def _excluded(left_out: Mapping[str, DebxcrossError], asked: Prepared) -> list[PlannedMember]:
    """Return the members that are left out, each with the cause."""
    found = []
    for name, error in sorted(left_out.items()):
        work = asked.work.get(name)
        found.append(PlannedMember(
            name, work.kind if work else "source", work.version if work else "",
            work.origin if work else "no suite", "excluded", f"it cannot work: {error.brief}"))
    return found


def _members(
    context: Context, prepared: Prepared, base: BaseRoot | None,
    results: dict[str, tuple[StoredFile, ...]], rebuild: Sequence[str],
) -> list[PlannedMember]:
    """Return every member with its state; ``results`` gets the files of those that have one."""
    members = []
    for name in prepared.order:
        member, files = _planned(context, prepared, name, base, results, name in rebuild)
        members.append(member)
        if files is not None:
            results[name] = files
    return members


def _planned(
    context: Context, prepared: Prepared, name: str, base: BaseRoot | None,
    results: Mapping[str, tuple[StoredFile, ...]], again: bool,
) -> tuple[PlannedMember, tuple[StoredFile, ...] | None]:
    work = prepared.work[name]
    turn = turn_of(context, prepared, name, base, results)
    key = turn.key() if turn else None
    artifact = context.results.artifact(name, key) if key and not again else None
    missing = [one for one in prepared.needs[name] if one not in results]
    state, reason = state_before(key, artifact is not None, missing, again)
    why = next((one.why for one in prepared.chain.sources if one.name == name), "")
    member = PlannedMember(
        name, work.kind, work.version, work.origin + (f"; for {why}" if why else ""), state, reason,
        prepared.needs[name], key or "",
        tuple((rule.name, applies, why) for rule, applies, why in prepared.patches.get(name, ())),
        prepared.expected.get(name, ()))
    return member, artifact.files if artifact else None
