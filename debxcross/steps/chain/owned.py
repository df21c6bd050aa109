# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes in the members of a chain that come from no archive, all of them before anything is decided."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from debxcross.core.archive.origin import GIT
from debxcross.core.archive.taken import Taken
from debxcross.core.chain.chain import Chain, DebMember, SourceMember
from debxcross.core.chain.lock import deviation_error
from debxcross.errors import ConfigurationError, DebxcrossError
from debxcross.steps.archive.intake import Intake
from debxcross.steps.build.prebuilt import DebWork
from debxcross.steps.context import Context

_Found = TypeVar("_Found")


@dataclass(frozen=True)
class Owned:
    """The sources of one's own, and the packages that were built elsewhere, by member."""

    sources: Mapping[str, Taken] = field(default_factory=dict)
    debs: Mapping[str, DebWork] = field(default_factory=dict)

    @property
    def identities(self) -> Mapping[str, str]:
        """What a lock pins of each."""
        return {**{name: one.identity for name, one in self.sources.items()},
                **{name: one.identity for name, one in self.debs.items()}}


def take_in(context: Context, chain: Chain) -> Owned:
    """Return a chain's own members as they are now; of a locked one in git, the commit of the lock.

    Raises the error of the one that cannot be taken in; of several, one error that tells all.
    """
    intake = Intake(context.store, lambda: context.supply.transfer, context.supply.offline)
    sources, debs = {}, {}
    faults: list[DebxcrossError] = []
    for member in chain.sources:
        if member.origin is not None:
            context.busy(member.name, f"reading {member.origin.words}")
            taken = _tried(faults, lambda: _source(context, intake, member))
            if taken is not None:
                sources[member.name] = taken
    for one in chain.debs:
        work = _tried(faults, lambda: _deb(intake, one))
        if work is not None:
            debs[one.name] = work
    _raise_for(faults)
    return Owned(sources, debs)


def _tried(faults: list[DebxcrossError], attempt: Callable[[], _Found]) -> _Found | None:
    try:
        return attempt()
    except DebxcrossError as error:
        faults.append(error)
        return None


def _raise_for(faults: Sequence[DebxcrossError]) -> None:
    if len(faults) == 1:
        raise faults[0]
    if faults:
        raise type(faults[0])(
            f"{len(faults)} members cannot be taken in",
            "\n".join("\n  ".join(filter(None, (one.brief, *one.details.splitlines(), one.resolution)))
                      for one in faults), "Mend each of them as it says.")


def _source(context: Context, intake: Intake, member: SourceMember) -> Taken:
    assert member.origin is not None, "the caller has asked"
    held = context.held.member(member.name)
    pinned = held.origin.split()[1] if held is not None and member.origin.kind == GIT and held.origin else ""
    taken = intake.take(member.origin, pinned)
    if taken.source.name != member.name:
        raise ConfigurationError(
            f"{member.origin.words} is the source {taken.source.name}, not {member.name}", "",
            f"Write name = \"{taken.source.name}\" into its [[source]] table.")
    return taken


def _deb(intake: Intake, member: DebMember) -> DebWork:
    control, file = intake.deb(member.origin)
    if control["Package"] != member.name:
        raise ConfigurationError(
            f"{member.origin.words} is the package {control['Package']}, not {member.name}", "",
            f"Write name = \"{control['Package']}\" into its [[deb]] table.")
    return DebWork(control, file, member.origin.words)


def check_locked(context: Context, owned: Owned) -> None:
    """Raise LockError for a member whose files are not those that its lock names."""
    for name, identity in owned.identities.items():
        held = context.held.member(name)
        if held is not None and held.origin != identity:
            raise deviation_error(name, [f"its files are those of {identity}, the lock wants {held.origin}"],
                                  context.host.name)
