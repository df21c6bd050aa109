# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers of build roots: packages installed over a base root once, for every build that wants them.

What is installed for a member is a function of the base root and of a list of packages, so it is made once and
laid under each build with that list.  Most sources need debhelper: debhelper with what it depends on is a layer
of its own, which others stand on.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from debian.deb822 import PkgRelation

from debxcross.core.build.environment import PackageFile
from debxcross.core.key import digest

#: Raised when a layer of the same packages is installed in another way.
SCHEMA = 1
#: The package that nearly every source needs (Policy 4.9 names no other).
COMMON = "debhelper"


@dataclass(frozen=True)
class Layer:
    """Packages that are installed over what has the key ``below``: a base root, or another layer."""

    below: str
    packages: tuple[PackageFile, ...]

    @property
    def key(self) -> str:
        """What the layer is, wherever it was made."""
        return digest({"schema": SCHEMA, "below": self.below,
                       "packages": sorted(f"{one.file} {one.sha256}" for one in self.packages)})


def layers(base: str, packages: Sequence[PackageFile],
           control: Callable[[PackageFile], Mapping[str, str]]) -> tuple[Layer, ...]:
    """Return the layers by which these packages come over a base root, the lowest first.

    ``control`` returns a package's control fields.  Without packages there is no layer.
    """
    if not packages:
        return ()
    common = closure(packages, COMMON, control)
    if not common or len(common) == len(packages):
        return (Layer(base, tuple(packages)),)
    lower = Layer(base, common)
    return (lower, Layer(lower.key, tuple(one for one in packages if one not in common)))


def closure(packages: Sequence[PackageFile], name: str,
            control: Callable[[PackageFile], Mapping[str, str]]) -> tuple[PackageFile, ...]:
    """Return a package and those of ``packages`` that it depends on, in their order; () without it.

    Of alternatives, and of packages that provide a name, all count: a layer may hold more than is
    needed, never less.  Who depends on what is not among them finds it below.
    """
    by_name: dict[str, list[PackageFile]] = {}
    for one in packages:
        by_name.setdefault(one.package.name, []).append(one)
    if name not in by_name:
        return ()
    fields = {one: control(one) for one in packages}
    for one, found in fields.items():
        for provided in _names(found.get("Provides", "")):
            by_name.setdefault(provided, []).append(one)
    wanted: set[PackageFile] = set()
    names = [name]
    while names:
        for one in by_name.get(names.pop(), ()):
            if one not in wanted:
                wanted.add(one)
                names += [*_names(fields[one].get("Pre-Depends", "")), *_names(fields[one].get("Depends", ""))]
    return tuple(one for one in packages if one in wanted)


def _names(relations: str) -> Iterable[str]:
    if not relations.strip():
        return ()
    return tuple(str(one["name"]) for alternatives in PkgRelation.parse_relations(relations)
                 for one in alternatives)
