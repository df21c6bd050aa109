# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks for sources in the components of the release that a chain does not use."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from debxcross.core.archive.world import World
from debxcross.errors import DebxcrossError
from debxcross.steps.archive.opened import opened
from debxcross.steps.context import Context

#: Another component is only told of; its index may be a day old.
_DAY = 86400.0


@dataclass(frozen=True)
class Found:
    """Where a source is: a suite, and a component of it that the chain does not use."""

    version: str
    suite: str
    component: str

    @property
    def table(self) -> str:
        """The lines of a chain file that make it known."""
        return f'[[archive]]\nsuite = "{self.suite}"\ncomponents = ["{self.component}"]'


def elsewhere(context: Context, names: Sequence[str]) -> Mapping[str, Found]:
    """Return where in other components the sources are that no suite has; a guess, so nothing is raised."""
    if not names or context.supply.offline or context.held.lock is not None:
        return {}
    releases = context.apt.releases()
    uses = []
    for use in context.world.suites:
        others = set(releases[use.suite].components) - set(use.components) if use.suite in releases else ()
        if use.source and others and not use.archive.added:
            uses.append(replace(use, architectures=(), components=tuple(sorted(others)), carried=()))
    if not uses:
        return {}
    world = World(context.build.name, context.host.name, tuple(uses))
    try:
        root = opened(context.store, world, context.apt.acquire, _DAY, lambda _: None)
        said = root.ask({"ask": "facts", "build": context.build.name, "host": context.host.name,
                         "sources": [{"name": name, "version": "", "suite": ""} for name in names],
                         "packages": [], "host_needs": []})
    except DebxcrossError:
        return {}
    return {name: Found(**answer["others"][0]) for name, answer in zip(names, said["sources"])
            if answer["others"]}
