# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks the archive, by its Contents indexes, which packages have what a failed build lacked."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from debxcross.core.architecture import Architecture
from debxcross.core.archive.world import World
from debxcross.core.build.missing import FILES, Holder, Missing, Named, file_names, name_package
from debxcross.core.key import digest
from debxcross.doors import contents
from debxcross.errors import FetchError
from debxcross.steps.archive.opened import opened
from debxcross.steps.context import Context

#: Raised when what is remembered of the indexes changes its meaning.
_SCHEMA = 1
#: Indexes of the same day serve: which package has a header seldom changes.
_MOST_AGE_S = 86400.0
#: As many things are looked for; a build that lacks more lacks something else.
_MOST = 12


def name_missing(context: Context, member: str, missing: Sequence[Missing]) -> tuple[Named, ...]:
    """Return the package of each thing that is missing and that some package has.

    What runs is looked for among the build machine's packages.  Where the archive has no Contents
    index, or it cannot be fetched, a note says so, and nothing is named.
    """
    files = [one for one in missing if one.kind in FILES][:_MOST]
    found = []
    for machine, wanted in ((context.host, [one for one in files if not one.here]),
                            (context.build, [one for one in files if one.here])):
        if wanted and not context.supply.offline:
            found += _named(context, member, machine, wanted)
    return tuple(found)


def _named(context: Context, member: str, machine: Architecture, wanted: Sequence[Missing]) -> list[Named]:
    """Name packages by the index of an architecture, and what that has not by the one of "all"."""
    found: list[Named] = []
    for index in (machine.name, "all"):
        left = [one for one in wanted if one not in [each.missing for each in found]]
        try:
            holders = _holders(context, member, machine, index, left) if left else {}
        except FetchError as error:
            _tell(context, member, left, error.brief)
            return found
        if holders is None:
            if index != "all":  # some archives have those packages in every architecture's index
                _tell(context, member, left, f"the archive has no {contents.name(index)}")
            return found
        for one in left:
            named = name_package(one, [Holder(*each) for name in file_names(one)
                                       for each in holders.get(name, ())], machine.multiarch)
            found += [named] if named else []
    return found


def _tell(context: Context, member: str, left: Sequence[Missing], why: str) -> None:
    what = ", ".join(one.words for one in left)
    context.events.tell("note", member, f"nobody can say which package has {what}: {why}")


def _holders(context: Context, member: str, machine: Architecture, index: str, wanted: Sequence[Missing]
             ) -> Mapping[str, Sequence[tuple[str, str, str]]] | None:
    """Return path, section and package of every file with one of the names of what is missing.

    None when the archive has no such index.
    """
    world = _world_of(context.world, machine.name)
    acquire = (*context.apt.acquire, *contents.settings(index))
    context.busy(member, f"asking the archive's {contents.name(index)} which package has "
                         + ", ".join(one.words for one in wanted))
    root = opened(context.store, world, acquire, _MOST_AGE_S,
                  lambda text: context.events.tell("warning", text=text))
    names = sorted({name for one in wanted for name in file_names(one)})
    key = digest({"state": root.state(world), "names": names, "schema": _SCHEMA})
    known = context.store.memo("owners", key)
    if known is None:
        paths = contents.files(root.lists)
        if not paths:
            return None
        known = {}
        for path in paths:
            for name, holders in contents.owners(path, frozenset(names)).items():
                known[name] = [*known.get(name, ()), *holders]
        context.store.remember("owners", key, known)
    return {name: [(one[0], one[1], one[2]) for one in holders] for name, holders in known.items()}


def _world_of(world: World, architecture: str) -> World:
    """Return what is seen of one architecture, in the suites of the release."""
    return replace(world, build_architecture=architecture, host_architecture=architecture).for_device()
