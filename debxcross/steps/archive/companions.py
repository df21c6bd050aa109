# SPDX-License-Identifier: GPL-3.0-or-later
"""Architecture: all packages of a source that comes from a suite which the release does not have.

Only what is for one architecture is built.  The rest of the source's packages are taken from its
suite, in the same version, verified and unchanged, as far as what is built needs them.
"""
from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from debxcross.core.archive.choice import Choice
from debxcross.core.archive.source import SourcePackage
from debxcross.core.archive.world import World
from debxcross.core.build.environment import PackageFile
from debxcross.core.key import digest
from debxcross.steps.archive.opened import opened
from debxcross.steps.archive.security import Offer
from debxcross.steps.context import Context

#: How old the indexes of these suites may be, in seconds: a version that is built does not change there.
_DAY = 86400.0


@dataclass(frozen=True)
class Wish:
    """A source with packages for all architectures; ``made`` are those that will be built of it."""

    source: SourcePackage
    choice: Choice
    made: tuple[str, ...]


def find_companions(context: Context, wishes: Sequence[Wish], wanted: Collection[str]
                    ) -> Mapping[str, tuple[Offer, ...]]:
    """Return, by source, the packages for all architectures that are to be published beside what is built.

    ``wanted`` are packages that builds need.  Nothing is asked where the release has the suite itself.
    Raises FetchError and VerificationError.
    """
    seen = {use.suite for use in context.world.suites if use.architectures}
    # A source of one's own is of no suite, and all of its packages are built.
    others = {use.suite for use in context.world.suites} - seen
    asked = [wish for wish in wishes if wish.source.suite in others
             and any("all" in one.architectures and not one.udeb for one in wish.source.binaries)]
    if not asked or context.supply.offline:
        return {}
    suites = {wish.source.suite for wish in asked}
    build = context.build.name
    world = World(build, build, tuple(
        replace(use, architectures=(build,), source=True, carried=()) for use in context.world.suites
        if use.suite in suites))
    context.busy("plan", f"asking {', '.join(sorted(suites))} for packages for all architectures")
    root = opened(context.store, world, context.apt.acquire, _DAY,
                  lambda text: context.events.tell("warning", text=text))
    request = {"ask": "companions", "build": build,
               "sources": [[wish.source.name, wish.source.version] for wish in asked]}
    question = digest({"request": request, "state": root.state(world)})
    answers = context.store.memo("companions", question)
    if answers is None:
        answers = root.ask(request)
        context.store.remember("companions", question, answers)
    return {wish.source.name: offers for wish, said in zip(asked, answers)
            if (offers := tuple(_offers(wish, said["needs"], said["offers"], wanted)))}


def _offers(wish: Wish, needs: Mapping[str, Sequence[str]], offers: Mapping[str, Mapping[str, Any]],
            wanted: Collection[str]) -> list[Offer]:
    """Return what is needed, directly or not, by what is built, named, or wanted by a build."""
    named = [name for name in offers if wish.choice.names(name) or name in wanted]
    waiting, found = [*wish.made, *named], set(named)
    while waiting:
        for name in needs.get(waiting.pop(), ()):
            if name in offers and name not in found and wish.choice.wants(name):
                found.add(name)
                waiting.append(name)
    return [Offer(PackageFile(one["uri"], one["file"], one["size"], one["sha256"]), "all", one["stanza"])
            for name, one in sorted(offers.items()) if name in found]
