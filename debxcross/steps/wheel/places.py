# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the debs of wheels stand among Debian's own: names, versions, what has to go for them."""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from debxcross.core.chain.chain import DebianPackage, WheelMember
from debxcross.core.wheel.index import normalise
from debxcross.core.wheel.names import Names
from debxcross.core.wheel.packaging import Packaging
from debxcross.core.wheel.requirement import ProjectOptions
from debxcross.core.wheel.resolution import Choice
from debxcross.core.wheel.version import debian_version, rebuilt, revision_above, upstream_version, with_epoch
from debxcross.errors import ConfigurationError, UnsatisfiableError
from debxcross.steps.wheel.resolve import DEBIAN, Tools

#: What to do about a package that Debian has, too.
POLICIES = ("replace", "prefix", "refuse")
_PREFIX = "debxcross-"
#: A relation that every version meets; what is named with one is not provided.
_ANY = ">= 0~~"
#: As many packages are named.
_FEW = 3


class Debian(Protocol):
    """What the release says of its own packages of projects."""

    def packaging(self, packages: Sequence[str]) -> Mapping[str, Packaging]:
        """Return how Debian builds packages, by name, as far as it has them."""

    def dependents(self, ours: Mapping[str, str]) -> Mapping[str, Sequence[tuple[str, str]]]:
        """Return which packages (with the relation) need what replaced ones do not give, by their names."""


@dataclass(frozen=True)
class Places:
    """How projects are called and versioned, given the release, the user's options and the policy.

    Without ``debian`` nothing is known of who depends on Debian's packages.
    """

    tools: Tools
    names: Names
    options: Mapping[str, ProjectOptions]
    policy: str
    debian: Debian | None = None

    def apart(self, projects: Sequence[str]) -> Places:
        """Return the places of projects that are made together: no two are called the same."""
        return replace(self, names=self.names.apart(projects))

    def option(self, project: str) -> ProjectOptions:
        """Return what is known of a project beyond its metadata."""
        return self.options.get(project, ProjectOptions())

    def plain(self, project: str) -> str:
        """Return what Debian calls a project, whatever the policy."""
        return self.option(project).package or self.names.package(project)

    def package(self, project: str) -> str:
        """Return what ours is called."""
        name = self.plain(project)
        taken = self.policy == "prefix" and name in self.tools.versions
        return f"{_PREFIX}{name}" if taken else name

    def epoch(self, package: str) -> int:
        """Return the epoch of Debian's version of a package."""
        epoch, colon, _ = self.tools.versions.get(package, "").partition(":")
        return int(epoch) if colon and epoch.isdigit() else 0

    def revision(self, choice: Choice) -> str:
        """Return the revision with which ours replaces Debian's package, "" when none does."""
        if own := self.option(choice.release.name).revision:
            return own
        theirs = self.tools.versions.get(self.package(choice.release.name), "")
        return rebuilt(revision_above(self._upstream(choice), theirs) if theirs else "1",
                       choice.release.build)

    def version(self, choice: Choice) -> str:
        """Return the version of ours."""
        return f"{self._upstream(choice)}-{self.revision(choice)}"

    def _upstream(self, choice: Choice) -> str:
        return with_epoch(debian_version(str(choice.release.version)),
                          self.epoch(self.package(choice.release.name)))

    def from_debian(self, choice: Choice) -> bool:
        """Tell whether a project is taken from Debian: chosen from there, or the same and not to be topped.

        Debian may spell a version so that no deb of ours can be newer: 1.17.0 is above our 1.17.
        """
        if choice.release.file.url.startswith(DEBIAN):
            return True
        theirs = self.tools.versions.get(self.package(choice.release.name), "")
        return bool(theirs) and upstream_version(theirs) == choice.release.version \
            and not self.revision(choice)

    def taken(self, choice: Choice) -> str:
        """Say that a project is taken from Debian."""
        name = self.plain(choice.release.name)
        return f"{choice.release.words} is Debian's own {name} {self.tools.versions[name]}"

    def known(self, ours: Sequence[Choice], theirs: Sequence[Choice]) -> tuple[DebianPackage, ...]:
        """Return Debian's packages of the projects: those taken, and those that ours replace."""
        # With a prefix ours has another name, and Debian's is none of the requirements'.
        return tuple(
            DebianPackage(one.release.name, name, self.epoch(name), self.tools.versions[name])
            for one in (*theirs, *(ours if self.policy != "prefix" else ()))
            for name in (self.plain(one.release.name),) if name in self.tools.versions)

    def replaces(self, project: str) -> tuple[str, ...]:
        """Return what stands in the way of our package: with a prefix, Debian's own as well."""
        plain, holder, options = self.plain(project), self.names.holder(project), self.option(project)
        return (*((plain,) if plain != self.package(project) else ()), *options.replaces,
                *(name for name in self._provided(project) if name not in options.replaces),
                *((f"{holder} ({_ANY})",) if holder in self.tools.versions else ()))

    def _provided(self, project: str) -> tuple[str, ...]:
        """Return the other name of Debian's package: others depend on python3-pil as python3-pillow."""
        called, plain = f"python3-{normalise(project)}", self.plain(project)
        return (called,) if tuple(self.tools.provided.get(called, ())) == (plain,) else ()

    def bound(self, wheels: Sequence[WheelMember], choices: Sequence[Choice]) -> tuple[WheelMember, ...]:
        """Return the wheels, replacing only older versions of the packages that are made here, too."""
        own = {self.package(one.release.name): self.version(one) for one in choices}
        return tuple(replace(wheel, replaces=tuple(
            f"{name} (<< {own[name]})" if relation == f"({_ANY})" and name in own else text
            for text in wheel.replaces for name, _, relation in (text.partition(" "),)))
            for wheel in wheels)

    def conflicts(self, choices: Sequence[Choice]) -> list[str]:
        """Say which of Debian's packages are replaced, and which cannot stay beside ours.

        Raises ConfigurationError when that is refused, UnsatisfiableError for one that is newer.
        """
        said, newer, beside = [], [], []
        for choice in choices:
            name, holder = self.plain(choice.release.name), self.names.holder(choice.release.name)
            if version := self.tools.versions.get(holder, ""):
                beside.append(f"{self.package(choice.release.name)} takes the place of Debian's {holder} "
                              f"{version}, which has {choice.release.name} among other things")
            if version := self.tools.versions.get(name, ""):
                said.append((name, self.version(choice), version))
                if not self.revision(choice):
                    newer.append(f"{name} {version} is newer than {choice.release.words}")
        if (said or beside) and self.policy == "refuse":
            raise ConfigurationError(
                f"Debian has {len(said) + len(beside)} of these packages already",
                "\n".join((*(f"{name}: {theirs}" for name, _, theirs in said), *beside)),
                "Take them from there with --prefer debian, or choose --debian-names replace or prefix.")
        if newer:
            raise UnsatisfiableError(
                "devices would keep Debian's own packages, which are newer", "\n".join(newer),
                "Take another version, or choose --debian-names prefix: then the names differ.")
        if self.policy == "prefix":
            return [*beside, *(f"{name} stays Debian's {theirs}; ours is {_PREFIX}{name}"
                               for name, _, theirs in said)]
        return [*beside, *(f"{name} {ours} replaces Debian's {theirs}" for name, ours, theirs in said),
                *self._gone({name: self.version(one) for one in choices
                             for name in (self.plain(one.release.name), *self._provided(one.release.name))})]

    def _gone(self, ours: Mapping[str, str]) -> Iterator[str]:
        """Yield which packages of Debian's cannot stay beside those that replace others."""
        for name, several in (self.debian.dependents(ours) if self.debian else {}).items():
            packages = list(dict(several).items())
            more = f" and {len(packages) - _FEW} more" if len(packages) > _FEW else ""
            yield (f"beside {name} {ours[name]} these packages of Debian's cannot be installed: "
                   + ", ".join(f"{package} (needs {relation})" for package, relation in packages[:_FEW])
                   + more)
