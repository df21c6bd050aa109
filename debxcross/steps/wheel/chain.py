# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns what a resolution chose into a chain, with every file pinned, that a run carries out."""
from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from debxcross.core.chain.chain import Chain, DebianPackage, PinnedFile, Trial, WheelMember
from debxcross.core.wheel import backend
from debxcross.core.wheel.index import normalise
from debxcross.core.wheel.names import Names
from debxcross.core.wheel.packaging import Needs, Packaging, needs_of
from debxcross.core.wheel.requirement import ProjectOptions
from debxcross.core.wheel.resolution import Choice, Resolution
from debxcross.core.wheel.version import debian_version, rebuilt, revision_above, upstream_version, with_epoch
from debxcross.errors import ConfigurationError, UnsatisfiableError
from debxcross.steps.wheel.resolve import DEBIAN, BuildRequirements, IndexFinder, Tools

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
class ChainMaker:
    """Everything that decides the chain beside the choices.

    Without ``debian`` nothing is known of how Debian builds packages and who depends on them.
    """

    tools: Tools
    names: Names
    finder: IndexFinder
    build: BuildRequirements
    options: Mapping[str, ProjectOptions]
    policy: str
    debian: Debian | None = None

    def make(self, name: str, resolution: Resolution) -> tuple[Chain, tuple[str, ...]]:
        """Return the chain, and notes about it.

        Raises UnsatisfiableError for build requirements that cannot be met, and ConfigurationError
        when Debian's packages are in the way of the policy "refuse".
        """
        ours: list[Choice] = []
        theirs: list[Choice] = []
        for one in resolution.choices:
            (theirs if self._from_debian(one) else ours).append(one)
        return replace(self, names=self.names.apart(
            one.release.name for one in ours))._make(name, resolution, ours, theirs)

    def _make(self, name: str, resolution: Resolution, ours: Sequence[Choice], theirs: Sequence[Choice]
              ) -> tuple[Chain, tuple[str, ...]]:
        device = self.finder.machine
        notes = [*resolution.notes, *self._conflicts(ours), *map(self._taken, theirs)]
        if not ours:
            raise UnsatisfiableError(
                f"{self.tools.release} has everything already: there is nothing to make",
                "\n".join(map(self._taken, theirs)),
                "Install these packages of Debian's, or choose --debian-names prefix.")
        pins = {one.release.name: self._build_pins(one) for one in ours}
        needs, said = self._needs([one for one in ours if not one.release.wheel])
        notes += [*said, *(
            f"{one.release.words} is taken without compiled modules, which its wheels for other machines have"
            for one in ours if one.release.wheel and self.finder.compiled_elsewhere(one.release))]
        wheels = self._bound(tuple(self._member(
            one, pins[one.release.name], needs.get(one.release.name, Needs())) for one in ours), ours)
        build_tools = sorted({pin for found in pins.values() for pin in found},
                             key=lambda pin: (pin.name, pin.version))
        # With a prefix ours has another name, and Debian's is none of the requirements'.
        debian = tuple(
            DebianPackage(one.release.name, name, self._epoch(name), self.tools.versions[name])
            for one in (*theirs, *(ours if self.policy != "prefix" else ()))
            for name in (self._plain(one.release.name),) if name in self.tools.versions)
        packages = tuple(sorted(wheel.package for wheel in wheels))
        chain = Chain(
            name, self.tools.release, (), wheels, tuple(build_tools),
            trial=Trial(packages, device.python), debian=debian,
            summary=f"{len(wheels)} wheels for Python {device.python}")
        return chain, tuple(notes)

    def _build_pins(self, choice: Choice) -> tuple[PinnedFile, ...]:
        release = choice.release
        if release.wheel:
            return ()
        facts = self.finder.facts(release)
        more = self._options(release.name).build_requires
        return self.build.pins(release, backend.build_requirements(facts, more))

    def _from_debian(self, choice: Choice) -> bool:
        """Tell whether a project is taken from Debian: chosen from there, or the same and not to be topped.

        Debian may spell a version so that no deb of ours can be newer: 1.17.0 is above our 1.17.
        """
        if choice.release.file.url.startswith(DEBIAN):
            return True
        theirs = self.tools.versions.get(self._package(choice.release.name), "")
        return bool(theirs) and upstream_version(theirs) == choice.release.version \
            and not self._revision(choice)

    def _taken(self, choice: Choice) -> str:
        name = self._plain(choice.release.name)
        return f"{choice.release.words} is Debian's own {name} {self.tools.versions[name]}"

    def _revision(self, choice: Choice) -> str:
        """Return the revision with which ours replaces Debian's package, "" when none does."""
        if own := self._options(choice.release.name).revision:
            return own
        name = self._package(choice.release.name)
        theirs = self.tools.versions.get(name, "")
        return rebuilt(revision_above(self._own_version(choice), theirs) if theirs else "1",
                       choice.release.build)

    def _own_version(self, choice: Choice) -> str:
        return with_epoch(debian_version(str(choice.release.version)), self._own_epoch(choice.release.name))

    def _options(self, project: str) -> ProjectOptions:
        return self.options.get(project, ProjectOptions())

    def _needs(self, choices: Sequence[Choice]) -> tuple[dict[str, Needs], list[str]]:
        """Return what builds need by Debian's own packaging of the projects, and notes that say so.

        What a file says of the build of a project counts instead.
        """
        packages = {self._plain(one.release.name): one.release.name for one in choices
                    if not self._options(one.release.name).of_the_build}
        found, said = {}, []
        context = self.finder.context
        known = self.debian.packaging(
            [name for name in packages if name in self.tools.available]) if self.debian else {}
        for package, packaging in sorted(known.items()):
            needs = needs_of(packaging, context.host.name, context.table)
            found[packages[package]] = needs
            if needs.words:
                said.append(f"{packages[package]}: needs from Debian's {packaging.source} "
                            f"{packaging.version}: {needs.words}")
        return found, said

    def _member(self, choice: Choice, pins: Sequence[PinnedFile], needs: Needs) -> WheelMember:
        release, device = choice.release, self.finder.machine
        options = self._options(release.name)
        member = WheelMember(
            release.name, device.python, self.finder.pin(release), package=self._package(release.name),
            smoke=options.smoke, requires=choice.requires, also_requires=choice.beyond,
            resolved_for=device.full_version, epoch=self._own_epoch(release.name),
            replaces=self._replaces(release.name, options), revision=self._revision(choice),
            optional_modules=options.optional_modules)
        if release.wheel:
            return member
        host_needs = options.host_needs or needs.host
        return replace(
            member, build_requires=tuple(f"{pin.name}=={pin.version}" for pin in pins),
            build_packages=backend.build_packages(
                self.finder.facts(release), (*options.build_packages, *needs.build), host_needs),
            host_needs=host_needs, environment=options.environment, settings=options.settings)

    def _plain(self, project: str) -> str:
        """Return what Debian calls a project, whatever the policy."""
        return self._options(project).package or self.names.package(project)

    def _package(self, project: str) -> str:
        name = self._plain(project)
        taken = self.policy == "prefix" and name in self.tools.versions
        return f"{_PREFIX}{name}" if taken else name

    def _replaces(self, project: str, options: ProjectOptions) -> tuple[str, ...]:
        """Return what stands in the way of our package: with a prefix, Debian's own as well."""
        plain, holder = self._plain(project), self.names.holder(project)
        return (*((plain,) if plain != self._package(project) else ()), *options.replaces,
                *(name for name in self._provided(project) if name not in options.replaces),
                *((f"{holder} ({_ANY})",) if holder in self.tools.versions else ()))

    def _provided(self, project: str) -> tuple[str, ...]:
        """Return the other name of Debian's package, on which packages depend: python3-pil's python3-pillow."""
        called, plain = f"python3-{normalise(project)}", self._plain(project)
        return (called,) if tuple(self.tools.provided.get(called, ())) == (plain,) else ()

    def _bound(self, wheels: Sequence[WheelMember], choices: Sequence[Choice]) -> tuple[WheelMember, ...]:
        """Return the wheels, replacing only older versions of the packages that are made here, too."""
        own = {self._package(one.release.name): f"{self._own_version(one)}-{self._revision(one)}"
               for one in choices}
        return tuple(replace(wheel, replaces=tuple(
            f"{name} (<< {own[name]})" if relation == f"({_ANY})" and name in own else text
            for text in wheel.replaces for name, _, relation in (text.partition(" "),)))
            for wheel in wheels)

    def _epoch(self, package: str) -> int:
        epoch, colon, _ = self.tools.versions.get(package, "").partition(":")
        return int(epoch) if colon and epoch.isdigit() else 0

    def _own_epoch(self, project: str) -> int:
        return self._epoch(self._package(project))

    def _conflicts(self, choices: Sequence[Choice]) -> list[str]:
        """Say which of Debian's packages are replaced.

        Raises ConfigurationError when that is refused, UnsatisfiableError for one that is newer.
        """
        said, newer, beside = [], [], []
        for choice in choices:
            name, holder = self._plain(choice.release.name), self.names.holder(choice.release.name)
            if version := self.tools.versions.get(holder, ""):
                beside.append(f"{self._package(choice.release.name)} takes the place of Debian's {holder} "
                              f"{version}, which has {choice.release.name} among other things")
            if version := self.tools.versions.get(name, ""):
                revision = self._revision(choice)
                said.append((name, f"{self._own_version(choice)}-{revision}", version))
                if not revision:
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
                *self._gone({name: f"{self._own_version(one)}-{self._revision(one)}" for one in choices
                             for name in (self._plain(one.release.name), *self._provided(one.release.name))})]

    def _gone(self, ours: Mapping[str, str]) -> Iterator[str]:
        """Yield which packages of Debian's cannot stay beside those that replace others."""
        for name, several in (self.debian.dependents(ours) if self.debian else {}).items():
            packages = list(dict(several).items())
            more = f" and {len(packages) - _FEW} more" if len(packages) > _FEW else ""
            yield (f"beside {name} {ours[name]} these packages of Debian's cannot be installed: "
                   + ", ".join(f"{package} (needs {relation})" for package, relation in packages[:_FEW])
                   + more)


def without(chain: Chain, failed: Collection[str]) -> Chain:
    """Return a chain of wheels without these members and those that require them."""
    gone = {normalise(name) for name in failed}
    while more := {normalise(one.name) for one in chain.wheels if one.projects & gone} - gone:
        gone |= more
    wheels = tuple(one for one in chain.wheels if normalise(one.name) not in gone)
    wanted = {text for one in wheels for text in one.build_requires}
    packages = {one.package for one in wheels}
    return replace(
        chain, wheels=wheels,
        build_tools=tuple(tool for tool in chain.build_tools if f"{tool.name}=={tool.version}" in wanted),
        trial=replace(chain.trial, packages=tuple(
            name for name in chain.trial.packages if name in packages)))


def unused_options(options: Iterable[str], chain: Chain) -> tuple[str, ...]:
    """Return a note for each project that a user gave options for and that is not in the chain."""
    unknown = sorted(set(options) - {normalise(wheel.name) for wheel in chain.wheels})
    return tuple(f"the options for {name} are not used: it is not required" for name in unknown)
