# SPDX-License-Identifier: GPL-3.0-or-later
"""What a failed build of a wheel lacked, as the settings of a project that would bring it."""
from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from debxcross.core.build.missing import RUSTC, Missing, Named, build_requirement
from debxcross.core.wheel.index import normalise
from debxcross.core.wheel.requirement import ProjectOptions
from debxcross.core.wheel.rust import Toolchain, fitting


@dataclass(frozen=True)
class Lacks:
    """Debian packages for the device and the build machine, and build requirements (PEP 508).

    ``words`` say which has what.
    """

    host_needs: tuple[str, ...] = ()
    build_packages: tuple[str, ...] = ()
    build_requires: tuple[str, ...] = ()
    words: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.host_needs or self.build_packages or self.build_requires)

    @property
    def packages(self) -> str:
        """Everything by name, as a person reads it."""
        return ", ".join((*self.host_needs, *self.build_packages, *self.build_requires))

    def toml(self, project: str) -> str:
        """Return the lines of a file given with --projects that name it."""
        values = (("host-needs", self.host_needs), ("build-packages", self.build_packages),
                  ("build-requires", self.build_requires))
        return "\n ".join((f"[{project}]", *(
            f"{key} = {json.dumps(list(names))}" for key, names in values if names)))

    def to_json(self) -> dict[str, list[str]]:
        """Return the fields as JSON values, which from_json() reads."""
        return {"host_needs": list(self.host_needs), "build_packages": list(self.build_packages),
                "build_requires": list(self.build_requires), "words": list(self.words)}

    @staticmethod
    def from_json(value: Mapping[str, Sequence[str]]) -> Lacks:
        """Return what to_json() returned the fields of."""
        return Lacks(**{name: tuple(values) for name, values in value.items()})


def lacks_of(missing: Iterable[Missing], named: Iterable[Named], known: Sequence[Toolchain],
             had: Lacks) -> Lacks:
    """Return what can be added for what is missing; what the build ``had`` already is not.

    ``named`` are the packages that have files, ``known`` the toolchains of Rust.
    """
    missing = tuple(missing)
    named = [one for one in named if one.package not in (*had.host_needs, *had.build_packages)]
    words = [one.words for one in named]
    here = {one.package for one in named if one.missing.here}
    there = {one.package for one in named if not one.missing.here}
    for one in missing:
        chosen = fitting(known, one.name) if one.kind == RUSTC else None
        if chosen is not None and chosen.rustc not in had.build_packages:
            here |= {chosen.rustc, chosen.cargo}
            words.append(f"{chosen.rustc} is {chosen.short}, and a crate needs rustc {one.name}")
    pinned = {normalise(text.partition("==")[0]) for text in had.build_requires}
    requires = {text for one in missing if (text := build_requirement(one)) and normalise(text) not in pinned}
    words += [f"{text} has the module {one.name}" for one in missing
              if (text := build_requirement(one)) in requires]
    return Lacks(tuple(sorted(there)), tuple(sorted(here)), tuple(sorted(requires)), tuple(words))


def with_lacks(options: ProjectOptions, had: Lacks, lacks: Lacks) -> ProjectOptions:
    """Return the options of a project with the packages that its build had, and all that it lacked."""
    return replace(
        options, host_needs=_union(had.host_needs, lacks.host_needs),
        build_packages=_union(had.build_packages, lacks.build_packages),
        build_requires=_union(options.build_requires, lacks.build_requires))


def _union(first: Iterable[str], second: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*first, *second)))
