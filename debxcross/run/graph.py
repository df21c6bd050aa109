# SPDX-License-Identifier: GPL-3.0-or-later
"""Lays a graph out in columns: who needs nobody stands on the left, an arrow leads to who needs it.

Arrows that follow from others are left out, so that what is drawn can be read.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter

#: Sweeps over the columns that bring neighbours to one height.
_SWEEPS = 4


@dataclass(frozen=True)
class Layout:
    """Where the nodes of a graph stand: (column, row) by name, both from 0; and the arrows between them.

    ``alone`` are the nodes without an arrow, which have no place.
    """

    places: Mapping[str, tuple[int, int]]
    arrows: tuple[tuple[str, str], ...]
    alone: tuple[str, ...]

    @property
    def columns(self) -> int:
        """How many columns there are."""
        return 1 + max((column for column, _ in self.places.values()), default=-1)

    @property
    def rows(self) -> int:
        """How many rows the longest column has."""
        return 1 + max((row for _, row in self.places.values()), default=-1)


def reduced(needs: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Leave out of each node's needs those that another need of it has itself, and unknown ones.

    Raises graphlib.CycleError.
    """
    behind: dict[str, set[str]] = {}
    direct: dict[str, tuple[str, ...]] = {}
    known = {name: tuple(dict.fromkeys(one for one in some if one in needs and one != name))
             for name, some in needs.items()}
    for name in TopologicalSorter(known).static_order():
        further = set().union(*(behind[one] for one in known[name]))
        behind[name] = further | set(known[name])
        direct[name] = tuple(one for one in known[name] if one not in further)
    return {name: direct[name] for name in needs}


def layout(needs: Mapping[str, tuple[str, ...]]) -> Layout:
    """Return the layout of a graph of nodes with what they need.  Raises graphlib.CycleError."""
    direct = reduced(needs)
    arrows = tuple((one, name) for name, some in direct.items() for one in some)
    drawn = {name for arrow in arrows for name in arrow}
    column: dict[str, int] = {}
    for name in TopologicalSorter(direct).static_order():
        column[name] = 1 + max((column[one] for one in direct[name]), default=-1)
    columns: list[list[str]] = [[] for _ in range(1 + max(column.values(), default=-1))]
    for name in needs:
        if name in drawn:
            columns[column[name]].append(name)
    _untangle(columns, arrows)
    places = {name: (number, row) for number, names in enumerate(columns) for row, name in enumerate(names)}
    return Layout(places, arrows, tuple(name for name in needs if name not in drawn))


def _untangle(columns: list[list[str]], arrows: tuple[tuple[str, str], ...]) -> None:
    """Order each column by the mean height of the neighbours in the others, to and fro."""
    beside: dict[str, list[str]] = {}
    for one, other in arrows:
        beside.setdefault(one, []).append(other)
        beside.setdefault(other, []).append(one)
    for sweep in range(_SWEEPS):
        for names in columns if sweep % 2 == 0 else reversed(columns):
            height = {name: row / max(1, len(some)) for some in columns for row, name in enumerate(some)}
            names.sort(key=lambda name: sum(height[one] for one in beside[name]) / len(beside[name]))
