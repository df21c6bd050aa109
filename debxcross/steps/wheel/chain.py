# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns what a resolution chose into a chain, with every file pinned, that a run carries out."""
from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from debxcross.core.chain.chain import Chain, PinnedFile, Trial, WheelMember
from debxcross.core.wheel import backend
from debxcross.core.wheel.index import normalise
from debxcross.core.wheel.packaging import Needs, needs_of
from debxcross.core.wheel.resolution import Choice, Resolution
from debxcross.core.wheel.rust import Least, Toolchain, with_toolchain
from debxcross.errors import UnsatisfiableError
from debxcross.steps.wheel.places import Places
from debxcross.steps.wheel.resolve import BuildRequirements, IndexFinder


@dataclass(frozen=True)
class ChainMaker:
    """Everything that decides the chain beside the choices."""

    places: Places
    finder: IndexFinder
    build: BuildRequirements

    def make(self, name: str, resolution: Resolution) -> tuple[Chain, tuple[str, ...]]:
        """Return the chain, and notes about it.

        Raises UnsatisfiableError for build requirements that cannot be met, and ConfigurationError
        when Debian's packages are in the way of the policy "refuse".
        """
        ours: list[Choice] = []
        theirs: list[Choice] = []
        for one in resolution.choices:
            (theirs if self.places.from_debian(one) else ours).append(one)
        places = self.places.apart([one.release.name for one in ours])
        return replace(self, places=places)._make(name, resolution, ours, theirs)

    def _make(self, name: str, resolution: Resolution, ours: Sequence[Choice], theirs: Sequence[Choice]
              ) -> tuple[Chain, tuple[str, ...]]:
        device, places = self.finder.machine, self.places
        notes = [*resolution.notes, *places.conflicts(ours), *map(places.taken, theirs)]
        if not ours:
            raise UnsatisfiableError(
                f"{places.tools.release} has everything already: there is nothing to make",
                "\n".join(map(places.taken, theirs)),
                "Install these packages of Debian's, or choose --debian-names prefix.")
        pins = {one.release.name: self._build_pins(one) for one in ours}
        needs, said = self._needs([one for one in ours if not one.release.wheel])
        said += self._rust_notes(ours)
        notes += [*said, *(
            f"{one.release.words} is taken without compiled modules, which its wheels for other machines have"
            for one in ours if one.release.wheel and self.finder.compiled_elsewhere(one.release))]
        wheels = places.bound(tuple(self._member(
            one, pins[one.release.name], needs.get(one.release.name, Needs())) for one in ours), ours)
        build_tools = sorted({pin for found in pins.values() for pin in found},
                             key=lambda pin: (pin.name, pin.version))
        notes += self.finder.whence(wheel.pin for wheel in wheels)
        notes += self.build.finder.whence(build_tools)
        packages = tuple(sorted(wheel.package for wheel in wheels))
        chain = Chain(
            name, places.tools.release, (), wheels, tuple(build_tools),
            trial=Trial(packages, device.python), debian=places.known(ours, theirs),
            summary=f"{len(wheels)} wheels for Python {device.python}")
        return chain, tuple(notes)

    def _build_pins(self, choice: Choice) -> tuple[PinnedFile, ...]:
        release = choice.release
        if release.wheel:
            return ()
        facts = self.finder.facts(release)
        more = self.places.option(release.name).build_requires
        return self.build.pins(release.words, backend.build_requirements(facts, more))

    def _needs(self, choices: Sequence[Choice]) -> tuple[dict[str, Needs], list[str]]:
        """Return what builds need by Debian's own packaging of the projects, and notes that say so.

        What a file says of the build of a project counts instead.
        """
        places = self.places
        packages = {places.plain(one.release.name): one.release.name for one in choices
                    if not places.option(one.release.name).of_the_build}
        found, said = {}, []
        context = self.finder.context
        known = places.debian.packaging(
            [name for name in packages if name in places.tools.available]) if places.debian else {}
        for package, packaging in sorted(known.items()):
            needs = needs_of(packaging, context.host.name, context.table)
            found[packages[package]] = needs
            if needs.words:
                said.append(f"{packages[package]}: needs from Debian's {packaging.source} "
                            f"{packaging.version}: {needs.words}")
        return found, said

    def _rust_notes(self, choices: Sequence[Choice]) -> Iterator[str]:
        """Say for which builds the release's own rustc is too old, and what compiles them instead."""
        for choice in choices:
            chosen, least = self._toolchain(choice)
            if chosen is not None and chosen != self.finder.rust.known[0]:
                who = "it" if least.crate == choice.release.name else f"its crate {least.crate}"
                yield (f"{choice.release.name}: compiled with {chosen.rustc} {chosen.short}: {who} needs "
                       f"rustc {least.version}, and {self.finder.rust.known[0].rustc} is "
                       f"{self.finder.rust.known[0].short}")

    def _toolchain(self, choice: Choice) -> tuple[Toolchain | None, Least]:
        if choice.release.wheel or not (facts := self.finder.facts(choice.release)).rust:
            return None, Least()
        return self.finder.rust.toolchain(facts, self.finder.pin(choice.release))

    def _member(self, choice: Choice, pins: Sequence[PinnedFile], needs: Needs) -> WheelMember:
        release, device, places = choice.release, self.finder.machine, self.places
        options, package = places.option(release.name), places.package(release.name)
        member = WheelMember(
            release.name, device.python, self.finder.pin(release), package=package,
            smoke=options.smoke, requires=choice.requires, also_requires=choice.beyond,
            resolved_for=device.full_version, epoch=places.epoch(package),
            replaces=places.replaces(release.name), revision=places.revision(choice),
            optional_modules=options.optional_modules)
        if release.name in self.finder.local:
            member = replace(member, origin=release.file.url)
        if release.wheel:
            return member
        member = replace(member, no_binary=not self.finder.selection.wheels(release.name))
        host_needs = options.host_needs or needs.host
        return replace(
            member, build_requires=tuple(f"{pin.name}=={pin.version}" for pin in pins),
            build_packages=with_toolchain(backend.build_packages(
                self.finder.facts(release), (*options.build_packages, *needs.build), host_needs),
                self._toolchain(choice)[0]),
            host_needs=host_needs, environment=options.environment, settings=options.settings)


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
