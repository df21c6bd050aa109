# SPDX-License-Identifier: GPL-3.0-or-later
"""The order in which members are built, computed from what they need."""
from __future__ import annotations

from collections.abc import Iterable, Mapping

from debxcross.errors import CycleError


def edges(
    needs: Mapping[str, Iterable[str]], provides: Mapping[str, Iterable[str]]
) -> dict[str, tuple[str, ...]]:
    """Return, for each member, the other members that provide a package it needs.

    ``needs`` and ``provides`` map members to names of binary packages of the host architecture.
    """
    provider = {package: member for member in sorted(provides) for package in provides[member]}
    return {
        member: tuple(sorted(
            {provider[package] for package in wanted if package in provider} - {member}))
        for member, wanted in needs.items()
    }


def stable_order(needs: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return all members, each after what it needs; equals by name.

    Raises CycleError, whose details print the walk, when there is none.
    """
    left = dict(needs)
    order: list[str] = []
    while left:
        ready = sorted(name for name, wanted in left.items() if not set(wanted) & set(left))
        if not ready:
            walk = find_cycle(left)
            raise CycleError(
                f"the members {', '.join(sorted(set(walk)))} need each other in a circle",
                " needs ".join(walk),
                "Take one of them from the archive: remove it from the chain, or break the circle "
                "with a build profile ('profiles' of that member).",
            )
        order.append(ready[0])
        del left[ready[0]]
    return tuple(order)


def find_cycle(needs: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return one closed walk, first and last the same; every member must need another."""
    walk: list[str] = []
    here = min(needs)
    while here not in walk:
        walk.append(here)
        here = min(name for name in needs[here] if name in needs)
    return (*walk[walk.index(here):], here)


def behind(name: str, needs: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return everything a member needs, directly or through others, by name."""
    found: set[str] = set()
    waiting = list(needs.get(name, ()))
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting.extend(needs.get(one, ()))
    return tuple(sorted(found))
