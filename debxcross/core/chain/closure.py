# SPDX-License-Identifier: GPL-3.0-or-later
"""The closure: every source that must be built so that one can be, where no archive has the architecture.

Nothing but the build architecture's archive is there to tell.  A package of the host architecture is
taken to need what its twin of the build architecture needs, and to come from the same source; what is
Multi-Arch: foreign there runs on the build machine.  Of alternatives the first counts that can be had.
That is apt's way in most cases; apt itself judges the chain that results.
"""
from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from debian.deb822 import PkgRelation
from debian.debian_support import DpkgArchTable

from debxcross.core.archive.source import SourcePackage, expected_binaries, relation_applies

#: What a source is built with that is wanted only by others: their documentation and bindings for
#: languages would bring in hundreds of sources (BuildProfileSpec, "Registered profile names").
LEAN_PROFILES = ("nodoc", "nopython", "nojava", "noguile", "nogir", "noruby", "nolua", "noperl", "nogolang")


#: Stands for a package where a source itself is in no suite.
NO_SOURCE = ""


@dataclass(frozen=True)
class Twin:
    """A package of the build architecture's archive, as far as it tells of the host architecture's.

    ``foreign`` is Multi-Arch: foreign, ``every`` Architecture: all; ``depends`` are Pre-Depends and Depends.
    """

    name: str
    source: str
    foreign: bool = False
    every: bool = False
    depends: str = ""


@dataclass(frozen=True)
class Lookup:
    """Where the closure finds packages, who provides a virtual one, and sources; None and () for nothing."""

    package: Callable[[str], Twin | None]
    providers: Callable[[str], Sequence[str]]
    source: Callable[[str], SourcePackage | None]


@dataclass(frozen=True)
class Setting:
    """How a source is built that others need: more profiles, and build dependencies that a patch drops.

    ``packages`` are wanted beside debian/control; those of the host architecture end in ":HOST".
    """

    profiles: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()


@dataclass(frozen=True)
class Included:
    """A source of the closure: the package it is there for, and the source that wants that; "" for asked.

    ``profiles`` are those it is built with.
    """

    source: str
    package: str = ""
    wanted_by: str = ""
    profiles: tuple[str, ...] = ()


@dataclass(frozen=True)
class Closure:
    """What must be built, in the order of discovery, whom each needs, and what nothing makes.

    ``unmet`` are (source, package) pairs, the package NO_SOURCE for a source that is not there.
    """

    sources: tuple[Included, ...]
    needs: Mapping[str, tuple[str, ...]]
    unmet: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Question:
    """For whom a closure is made: the host architecture, the profiles, the packages that are shims."""

    host: str
    profiles: tuple[str, ...]
    table: DpkgArchTable
    shims: Collection[str] = ()
    settings: Mapping[str, Setting] = field(default_factory=dict)

    def profiles_of(self, source: SourcePackage, asked: bool) -> tuple[str, ...]:
        """Return the profiles a source is built with; ``asked`` ones keep documentation and bindings.

        Of the lean profiles only those that its relations or packages name: others change nothing that
        counts here, and a source is then built alike whether it was asked for or not.
        """
        named = set(re.findall(r"[a-z0-9.-]+", " ".join((
            *re.findall(r"<([^>]*)>", f"{source.build_depends} {source.build_depends_arch}"),
            *(entry.profiles for entry in source.binaries)))))
        more = () if asked else tuple(one for one in LEAN_PROFILES if one in named)
        return tuple(dict.fromkeys((
            *self.profiles, *more, *self.settings.get(source.name, Setting()).profiles)))


def closure(wanted: Sequence[str], lookup: Lookup, question: Question) -> Closure:
    """Return every source that must be built for these."""
    return _Walk(lookup, question, frozenset(wanted)).carry_out(wanted)


class _Walk:
    def __init__(self, lookup: Lookup, question: Question, asked: frozenset[str]) -> None:
        self.lookup, self.question, self.asked = lookup, question, asked
        self._sources: dict[str, SourcePackage | None] = {}
        self._made: dict[str, frozenset[str]] = {}
        #: What a package of the host architecture needs, itself among it; by name.
        self._behind: dict[str, tuple[frozenset[str], frozenset[str]]] = {}

    def carry_out(self, wanted: Sequence[str]) -> Closure:
        included = {name: self._included(name) for name in wanted}
        needs: dict[str, tuple[str, ...]] = {}
        unmet: list[tuple[str, str]] = []
        waiting = list(wanted)
        while waiting:
            name = waiting.pop(0)
            source = self._source(name)
            if source is None:
                unmet.append((name, NO_SOURCE))
                continue
            needed: dict[str, str] = {}
            for package in self._wanted_of(source):
                found, missing = self._packages_behind(package)
                unmet += [(name, one) for one in sorted(missing)]
                for one in sorted(found):
                    needed.setdefault(self._twin_source(one), one)
            needed.pop(name, None)
            needs[name] = tuple(sorted(needed))
            for one, package in needed.items():
                if one not in included:
                    included[one] = self._included(one, package, name)
                    waiting.append(one)
        return Closure(tuple(included.values()), needs, tuple(dict.fromkeys(unmet)))

    def _included(self, name: str, package: str = "", wanted_by: str = "") -> Included:
        source = self._source(name)
        return Included(name, package, wanted_by, self._profiles(source) if source else ())

    def _source(self, name: str) -> SourcePackage | None:
        if name not in self._sources:
            self._sources[name] = self.lookup.source(name)
        return self._sources[name]

    def _twin_source(self, package: str) -> str:
        twin = self.lookup.package(package)
        return twin.source if twin else package

    def _profiles(self, source: SourcePackage) -> tuple[str, ...]:
        return self.question.profiles_of(source, source.name in self.asked)

    def _wanted_of(self, source: SourcePackage) -> Iterator[str]:
        """Yield the packages of the host architecture that a source's build wants, of alternatives one."""
        question, setting = self.question, self.question.settings.get(source.name, Setting())
        profiles = self._profiles(source)
        fields = (source.build_depends, source.build_depends_arch)
        for group in (group for text in fields for group in _groups(text)):
            applying = [one for one in group if one["name"] not in setting.drop
                        and relation_applies(one, question.host, profiles, question.table)]
            # A tool (:native, :any) is the build architecture's.
            if applying and not any(one.get("archqual") in ("native", "any") for one in applying):
                yield from self._chosen([one["name"] for one in applying])
        yield from (one.removesuffix(":HOST") for one in setting.packages if one.endswith(":HOST"))

    def _chosen(self, names: Sequence[str]) -> Iterator[str]:
        """Yield the first of several names that can be had for the host; nothing when a tool serves."""
        for name in names:
            real = self._real(name)
            if real is not None and real.foreign or name in self.question.shims:
                return
        possible = [real.name for name in names if (real := self._real(name)) and self._is_made(real)]
        yield possible[0] if possible else names[0]

    def _real(self, name: str) -> Twin | None:
        found = self.lookup.package(name)
        if found is None:
            providers = [one for other in self.lookup.providers(name) if (one := self.lookup.package(other))]
            found = next((one for one in providers if one.foreign or one.name in self.question.shims
                          or self._is_made(one)), None)
        return found

    def _is_made(self, twin: Twin) -> bool:
        """Tell whether a package's source makes it for the host architecture."""
        if twin.every:
            return False
        if twin.source not in self._made:
            source = self._source(twin.source)
            self._made[twin.source] = frozenset() if source is None else frozenset(expected_binaries(
                source, self.question.host, self._profiles(source), self.question.table))
        return twin.name in self._made[twin.source]

    def _packages_behind(self, name: str) -> tuple[frozenset[str], frozenset[str]]:
        """Return the packages to be built that a package needs, itself among them, and those nobody makes."""
        if name not in self._behind:
            found: dict[str, None] = {}
            missing: set[str] = set()
            waiting = [name]
            while waiting:
                one = waiting.pop()
                twin = self._real(one)
                if one in self.question.shims or twin is not None and (
                        twin.foreign or twin.name in self.question.shims or twin.name in found):
                    continue
                if twin is None or not self._is_made(twin):
                    missing.add(one)
                    continue
                found[twin.name] = None
                for group in _groups(twin.depends):
                    if not any(entry.get("archqual") in ("native", "any") for entry in group):
                        waiting.extend(self._chosen([entry["name"] for entry in group]))
            self._behind[name] = frozenset(found), frozenset(missing)
        return self._behind[name]


def _groups(text: str) -> Iterator[Sequence[Mapping[str, Any]]]:
    for part in re.sub(r"\s+", " ", text).split(","):
        if part.strip():
            yield PkgRelation.parse_relations(part)[0]


def reasons(found: Closure) -> dict[str, str]:
    """Return in words why each source is there, as a chain up to what was asked for, "" for what was."""
    included = {one.source: one for one in found.sources}
    said = {}
    for one in found.sources:
        path, at = [], one
        while at.wanted_by:
            path.append(f"{at.package}, which {at.wanted_by} needs")
            at = included[at.wanted_by]
        said[one.source] = " for ".join(path)
    return said
