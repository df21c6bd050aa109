# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns what a resolution chose into a chain, with every file pinned, that a run carries out."""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from debxcross.core import backend
from debxcross.core.chain import Chain, DebianPackage, PinnedFile, Trial, WheelMember
from debxcross.core.debversion import debian_version
from debxcross.core.pypi import normalise
from debxcross.core.requirement import Names, ProjectOptions
from debxcross.core.resolution import Choice, Resolution
from debxcross.errors import ConfigurationError
from debxcross.steps.resolve import DEBIAN, BuildRequirements, IndexFinder, Tools

#: What to do about a package that Debian has, too.
POLICIES = ("replace", "prefix", "refuse")
_PREFIX = "debxcross-"


@dataclass(frozen=True)
class ChainMaker:
    """Everything that decides the chain beside the choices."""

    tools: Tools
    names: Names
    finder: IndexFinder
    build: BuildRequirements
    options: Mapping[str, ProjectOptions]
    policy: str

    def make(self, name: str, resolution: Resolution) -> tuple[Chain, tuple[str, ...]]:
        """Return the chain, and notes about it.

        Raises UnsatisfiableError for build requirements that cannot be met, and ConfigurationError
        when Debian's packages are in the way of the policy "refuse".
        """
        device = self.finder.machine
        ours = [one for one in resolution.choices if not one.release.file.url.startswith(DEBIAN)]
        theirs = [one for one in resolution.choices if one.release.file.url.startswith(DEBIAN)]
        notes = [*resolution.notes, *self._conflicts(ours)]
        notes += [f"{one.release.words} is Debian's own {one.release.file.name}" for one in theirs]
        pins = {one.release.name: self._build_pins(one) for one in ours}
        wheels = tuple(self._member(one, pins[one.release.name]) for one in ours)
        build_tools = sorted({pin for found in pins.values() for pin in found},
                             key=lambda pin: (pin.name, pin.version))
        debian = tuple(DebianPackage(one.release.name, one.release.file.name,
                                     self._epoch(one.release.file.name)) for one in theirs)
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

    def _options(self, project: str) -> ProjectOptions:
        return self.options.get(project, ProjectOptions())

    def _member(self, choice: Choice, pins: Sequence[PinnedFile]) -> WheelMember:
        release, device = choice.release, self.finder.machine
        options = self._options(release.name)
        member = WheelMember(
            release.name, device.python, self.finder.pin(release), package=self._package(release.name),
            smoke=options.smoke, requires=choice.requires, also_requires=choice.beyond,
            resolved_for=device.full_version, epoch=self._own_epoch(release.name),
            replaces=self._replaces(release.name, options))
        if release.wheel:
            return member
        facts = self.finder.facts(release)
        return WheelMember(
            member.name, member.python, member.pin,
            build_requires=tuple(f"{pin.name}=={pin.version}" for pin in pins),
            host_needs=options.host_needs, package=member.package, smoke=member.smoke,
            build_packages=backend.build_packages(facts, options.build_packages, options.host_needs),
            environment=options.environment, settings=options.settings, requires=choice.requires,
            also_requires=choice.beyond, resolved_for=member.resolved_for, epoch=member.epoch,
            replaces=member.replaces)

    def _package(self, project: str) -> str:
        name = self._options(project).package or self.names.package(project)
        taken = self.policy == "prefix" and name in self.tools.versions
        return f"{_PREFIX}{name}" if taken else name

    def _replaces(self, project: str, options: ProjectOptions) -> tuple[str, ...]:
        """Return what stands in the way of our package: with a prefix, Debian's own as well."""
        plain = options.package or self.names.package(project)
        return (*((plain,) if plain != self._package(project) else ()), *options.replaces)

    def _epoch(self, package: str) -> int:
        epoch, colon, _ = self.tools.versions.get(package, "").partition(":")
        return int(epoch) if colon and epoch.isdigit() else 0

    def _own_epoch(self, project: str) -> int:
        return self._epoch(self._package(project))

    def _conflicts(self, choices: Sequence[Choice]) -> list[str]:
        """Say which of Debian's packages are replaced; ConfigurationError when that is refused."""
        said = []
        for choice in choices:
            name = self._options(choice.release.name).package or self.names.package(choice.release.name)
            version = self.tools.versions.get(name, "")
            if version:
                epoch = f"{self._epoch(name)}:" if self._epoch(name) else ""
                ours = f"{epoch}{debian_version(str(choice.release.version))}-1"
                said.append((name, ours, version))
        if said and self.policy == "refuse":
            raise ConfigurationError(
                f"Debian has {len(said)} of these packages already",
                "\n".join(f"{name}: {theirs}" for name, _, theirs in said),
                "Take them from there with --prefer debian, or choose --debian-names replace or prefix.")
        if self.policy == "prefix":
            return [f"{name} stays Debian's {theirs}; ours is {_PREFIX}{name}" for name, _, theirs in said]
        return [f"{name} {ours} replaces Debian's {theirs}" for name, ours, theirs in said]


def unused_options(options: Iterable[str], chain: Chain) -> tuple[str, ...]:
    """Return a note for each project that a user gave options for and that is not in the chain."""
    unknown = sorted(set(options) - {normalise(wheel.name) for wheel in chain.wheels})
    return tuple(f"the options for {name} are not used: it is not required" for name in unknown)
