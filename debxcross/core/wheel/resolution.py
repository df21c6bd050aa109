# SPDX-License-Identifier: GPL-3.0-or-later
"""Which releases meet all requirements at once, for a given Python on a given machine.

The search is resolvelib's, which pip uses too; what it may choose from comes from a Finder.
Sources: PEP 440 (which versions meet a specifier), PEP 508 (markers and extras), PEP 592
(yanked releases), PEP 425 (tags).
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import BuildTag, parse_wheel_filename
from packaging.version import Version
from resolvelib import AbstractProvider, BaseReporter, ResolutionImpossible, ResolutionTooDeep, Resolver

from debxcross.core.architecture import ARCHITECTURES
from debxcross.core.wheel.index import SDIST_ENDINGS, IndexFile, bare, normalise, sdist_version
from debxcross.core.wheel.pep508 import read_requirement
from debxcross.core.wheel.requirement import Wanted
from debxcross.errors import UnsatisfiableError

_MOST_ROUNDS = 2000


@dataclass(frozen=True)
class ProjectRelease:
    """One file that could be taken for a project: a wheel, or an sdist to be built."""

    name: str
    version: Version
    file: IndexFile

    @property
    def wheel(self) -> bool:
        """Whether the file is a wheel."""
        return self.file.name.endswith(".whl")

    @property
    def words(self) -> str:
        """ "name version", as a person reads it."""
        return f"{self.name} {self.version}"

    @property
    def build(self) -> BuildTag:
        """The build tag of a wheel, () for none (PEP 427)."""
        return parse_wheel_filename(self.file.name)[2] if self.wheel else ()


class Finder(Protocol):
    """What a resolution asks the outside."""

    def releases(self, name: str) -> Sequence[ProjectRelease]:
        """Return the files of a project that this Python could use, best first."""

    def requires(self, release: ProjectRelease) -> Sequence[str]:
        """Return Requires-Dist of a release."""

    def unfit(self, release: ProjectRelease) -> str:
        """Return why a release cannot be used here, "" when it can."""


@dataclass(frozen=True)
class Choice:
    """A release that was chosen; ``requires`` holds on the device, whatever extras are asked for.

    ``beyond`` are the requirements that the extras asked for by it add, which stand in no
    metadata of its own: ``requests[socks]`` brings PySocks.
    """

    release: ProjectRelease
    requires: tuple[str, ...] = ()
    beyond: tuple[str, ...] = ()


@dataclass(frozen=True)
class Resolution:
    """All choices by name, and what was passed over, in words."""

    choices: tuple[Choice, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Need:
    """A requirement of somebody: ``extra`` is one of its extras or ""; None asks for all of them."""

    requirement: Requirement
    extra: str
    origin: str

    @property
    def name(self) -> str:
        return normalise(self.requirement.name)


@dataclass(frozen=True)
class _Candidate:
    release: ProjectRelease
    extra: str = ""


def tags(python: str, platforms: Sequence[str]) -> tuple[Tag, ...]:
    """Return the tags of wheels that CPython ``python`` takes on these platforms, best first.

    No platforms: only wheels for any.
    """
    major, minor = (int(part) for part in python.split("."))
    found: list[Tag] = []
    if platforms:
        found += cpython_tags((major, minor), [f"cp{major}{minor}"], list(platforms))
    found += compatible_tags((major, minor), f"cp{major}{minor}", list(platforms))
    return tuple(tag for tag in found if platforms or tag.platform == "any")


def manylinux(machine: str, glibc: tuple[int, int]) -> tuple[str, ...]:
    """Return the platforms of wheels that a machine with this glibc takes, best first (PEP 600)."""
    legacy = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
    found = []
    for minor in range(glibc[1], 4, -1):
        found.append(f"manylinux_2_{minor}_{machine}")
        if minor in legacy:
            found.append(f"{legacy[minor]}_{machine}")
    return (*found, f"linux_{machine}")


def order_releases(
    name: str, files: Iterable[IndexFile], usable: Sequence[Tag], python_full_version: str,
    *, sdists: bool = True, wheels: bool = True,
) -> tuple[ProjectRelease, ...]:
    """Return the files that can be taken: newest version first, of one version wheels first.

    Of several builds of one wheel the highest build tag comes first (PEP 427), of equals the one that
    stands first in ``files``.
    Left out are files for other Pythons and platforms, and those without a sha256.
    """
    ranks = {tag: rank for rank, tag in enumerate(usable)}
    platforms = {tag.platform for tag in usable}
    found: list[tuple[Version, int, BuildTag, ProjectRelease]] = []
    for file in files:
        if not file.sha256 or not python_allows(file.requires_python, python_full_version):
            continue
        if file.name.endswith(".whl"):
            if not wheels:
                continue
            # Most wheels are for other platforms; parsing all their names takes seconds.
            if platforms.isdisjoint(file.name[:-4].rpartition("-")[2].split(".")):
                continue
            try:
                project, version, build, file_tags = parse_wheel_filename(file.name)
            except ValueError:
                continue
            rank = min((ranks[tag] for tag in file_tags if tag in ranks), default=None)
            if normalise(project) == name and rank is not None:
                found.append((version, -rank, build, ProjectRelease(name, version, file)))
        elif sdists and file.name.endswith(SDIST_ENDINGS):
            sdist = sdist_version(file.name, name)
            if sdist is not None:
                ending = next(rank for rank, one in enumerate(SDIST_ENDINGS) if file.name.endswith(one))
                found.append((sdist, -len(ranks) - ending - 1, (), ProjectRelease(name, sdist, file)))
    found.sort(key=lambda one: one[:3], reverse=True)
    best: dict[Version, ProjectRelease] = {}
    for version, _, _, release in found:
        best.setdefault(version, release)
    return tuple(best.values())


@cache
def python_allows(requires_python: str, full_version: str) -> bool:
    """Tell whether Requires-Python ("" for any) lets a full version of Python in."""
    try:
        return SpecifierSet(requires_python).contains(full_version, prereleases=True)
    except InvalidSpecifier:
        return True  # pip, too, takes what it cannot read for "any"


def resolve(
    wanted: Sequence[Wanted], constraints: Sequence[Wanted], finder: Finder,
    environment: Mapping[str, str], *, require_hashes: bool = False, pre: bool = False,
) -> Resolution:
    """Return the newest releases that meet everything.

    ``environment`` has the marker variables of the machine that will use the result.  With ``pre``
    releases before a final one count as every other (pip's --pre).
    Raises UnsatisfiableError with the reason in words.
    """
    provider = _Provider(finder, environment, _specifiers(constraints, environment),
                         _hashes(wanted, constraints), require_hashes, pre)
    roots = [need for one in wanted for need in provider.needs(one.requirement, one.origin)]
    try:
        resolver: Resolver[_Need, _Candidate, tuple[str, str]] = Resolver(provider, BaseReporter())
        result = resolver.resolve(roots, max_rounds=_MOST_ROUNDS)
    except ResolutionImpossible as error:
        raise provider.explain(tuple(error.causes)) from error
    except ResolutionTooDeep as error:
        raise UnsatisfiableError(
            f"no answer after {_MOST_ROUNDS} rounds of resolution", "",
            "Name versions of the projects that have many releases.") from error
    chosen = {key[0]: candidate.release for key, candidate in result.mapping.items()}
    choices = tuple(
        Choice(release, provider.active(release), provider.beyond(release, chosen))
        for _, release in sorted(chosen.items()))
    return Resolution(choices, provider.notes(choices))


def _specifiers(constraints: Sequence[Wanted], environment: Mapping[str, str]) -> dict[str, SpecifierSet]:
    found: dict[str, SpecifierSet] = {}
    for one in constraints:
        requirement = one.requirement
        if requirement.marker is None or requirement.marker.evaluate({**environment, "extra": ""}):
            found[one.name] = found.get(one.name, SpecifierSet()) & requirement.specifier
    return found


def _hashes(*groups: Sequence[Wanted]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for one in (one for group in groups for one in group):
        if one.hashes:
            found.setdefault(one.name, set()).update(one.hashes)
    return found


if TYPE_CHECKING:
    _Base = AbstractProvider[_Need, _Candidate, tuple[str, str]]
else:
    _Base = AbstractProvider  # resolvelib's classes are generic in its stubs only


class _Provider(_Base):
    """Answers resolvelib's questions; see its own documentation of each."""

    def __init__(self, finder: Finder, environment: Mapping[str, str],
                 constraints: Mapping[str, SpecifierSet], hashes: Mapping[str, set[str]],
                 require_hashes: bool, pre: bool) -> None:
        self.finder, self.environment, self.constraints = finder, environment, constraints
        self.hashes, self.require_hashes = hashes, require_hashes
        #: None leaves it to PEP 440: where there is nothing else.
        self.prereleases = True if pre else None
        self.passed_over: dict[str, dict[Version, str]] = {}

    def needs(self, requirement: Requirement, origin: str) -> Iterator[_Need]:
        """Yield a requirement for itself and for each of its extras, if its marker holds."""
        if requirement.marker and not requirement.marker.evaluate({**self.environment, "extra": ""}):
            return
        yield _Need(requirement, "", origin)
        for extra in sorted(requirement.extras):
            yield _Need(requirement, normalise(extra), origin)

    def identify(self, requirement_or_candidate: _Need | _Candidate) -> tuple[str, str]:
        if isinstance(requirement_or_candidate, _Need):
            return requirement_or_candidate.name, requirement_or_candidate.extra
        return requirement_or_candidate.release.name, requirement_or_candidate.extra

    def get_preference(self, identifier: Any, resolutions: Any, candidates: Any, information: Any,
                       backtrack_causes: Any) -> tuple[bool, bool, tuple[str, str]]:
        causes = {self.identify(cause.requirement) for cause in backtrack_causes}
        pinned = any(specifier.operator == "==" for one in information[identifier]
                     for specifier in one.requirement.requirement.specifier)
        return identifier not in causes, not pinned, identifier

    def find_matches(self, identifier: tuple[str, str], requirements: Any, incompatibilities: Any
                     ) -> Callable[[], Iterator[_Candidate]]:
        name, extra = identifier
        needs = list(requirements[identifier])
        refused = {candidate.release for candidate in incompatibilities[identifier]}
        # What is required of a project holds for the project with an extra, too.
        return lambda: (_Candidate(release, extra) for release in self._matches(name, needs)
                        if release not in refused)

    def _matches(self, name: str, needs: Sequence[_Need]) -> Iterator[ProjectRelease]:
        specifier = self.constraints.get(name, SpecifierSet())
        for need in needs:
            specifier &= need.requirement.specifier
        releases = self.finder.releases(name)
        allowed = self.hashes.get(name)
        if allowed is not None:
            releases = [release for release in releases if release.file.sha256 in allowed]
        elif self.require_hashes:
            releases = []
        exact = any(one.operator in ("==", "===") and not one.version.endswith(".*") for one in specifier)
        good = [release for release in releases if exact or not release.file.yanked]
        versions = set(specifier.filter([release.version for release in good], self.prereleases))
        for release in good:
            if release.version not in versions:
                continue
            if reason := self.finder.unfit(release):
                self.passed_over.setdefault(name, {})[release.version] = reason
                continue
            yield release

    def is_satisfied_by(self, requirement: _Need, candidate: _Candidate) -> bool:
        return requirement.requirement.specifier.contains(candidate.release.version, prereleases=True)

    def get_dependencies(self, candidate: _Candidate) -> list[_Need]:
        release = candidate.release
        if candidate.extra:
            exact = _Need(Requirement(f"{release.name}=={release.version}"), "", release.words)
            found = [exact]
        else:
            found = []
        for requirement in self._requirements(release, candidate.extra):
            found += self.needs(requirement, release.words)
        return found

    def _requirements(self, release: ProjectRelease, extra: str, environment: Mapping[str, str] | None = None
                      ) -> Iterator[Requirement]:
        """Yield what a release needs (with an extra: what that adds), without its markers.

        It holds in an ``environment``, by default that of the machine.
        """
        environment = environment or self.environment
        for text in self.finder.requires(release):
            try:
                requirement = read_requirement(text)
                marker = requirement.marker
                plain = marker is None or marker.evaluate({**environment, "extra": ""})
                with_extra = marker is not None and bool(extra) and _holds(marker, environment, extra)
            except InvalidRequirement as error:
                raise UnsatisfiableError(
                    f"{release.words}: {text!r} is not a requirement (PEP 508)", str(error),
                    "Choose another version of it.") from error
            if plain if not extra else with_extra and not plain:
                requirement.marker = None
                yield requirement

    def active(self, release: ProjectRelease) -> tuple[str, ...]:
        """Return what holds of a release's own requirements."""
        return tuple(sorted({bare(one) for one in self._requirements(release, "")}))

    def beyond(self, release: ProjectRelease, chosen: Mapping[str, ProjectRelease]) -> tuple[str, ...]:
        """Return what the extras add that a release's requirements name.

        What holds on some machines only keeps a marker that names them, on every machine.
        """
        if not any("[" in text for text in self.finder.requires(release)):
            return ()  # which is quickly seen of nearly all
        machines = sorted({self.environment["platform_machine"], *(
            one.uname for one in ARCHITECTURES.values())})
        found: dict[str, list[str]] = {}
        for machine in machines:
            environment = {**self.environment, "platform_machine": machine}
            for text in {bare(more) for one in self._requirements(release, "", environment)
                         for extra in sorted(one.extras) if normalise(one.name) in chosen
                         for more in self._requirements(
                             chosen[normalise(one.name)], normalise(extra), environment)}:
                found.setdefault(text, []).append(f"platform_machine == '{machine}'")
        return tuple(sorted(text if len(those) == len(machines) else f"{text} ; {' or '.join(those)}"
                            for text, those in found.items()))

    def notes(self, choices: Sequence[Choice]) -> tuple[str, ...]:
        """Say which newer releases were passed over and why."""
        said = []
        for choice in choices:
            over = {version: why for version, why in self.passed_over.get(choice.release.name, {}).items()
                    if version > choice.release.version}
            if over:
                newest = max(over)
                said.append(f"{choice.release.name} {newest} cannot be built here: {over[newest]}; "
                            f"{choice.release.version} is the newest that can")
        return tuple(said)

    def explain(self, causes: Sequence[Any]) -> UnsatisfiableError:
        """Return why there is no answer, in words."""
        lines = sorted({f"{_who(cause)} {cause.requirement.requirement}" for cause in causes})
        names = sorted({cause.requirement.name for cause in causes})
        resolution = "Relax one of these requirements."
        for name in names:
            releases = self.finder.releases(name)
            if not releases:
                lines.append(f"{name}: no index has a file of it that can be used here")
                continue
            if self.require_hashes and name not in self.hashes:
                lines.append(f"{name}: has no --hash, and all must have one")
                resolution = f"Add {name} with its --hash to the file."
                continue
            if allowed := self.hashes.get(name):
                if not any(release.file.sha256 in allowed for release in releases):
                    lines.append(f"{name}: no file that can be used here has one of the given hashes")
                    continue
            over = self.passed_over.get(name, {})
            for version in sorted(over, reverse=True)[:3]:
                lines.append(f"{name} {version} cannot be built here: {over[version]}")
            if over and (fit := self._newest_fit(name)):
                resolution = f"The newest that can be built here is {fit.words}."
            elif over:
                resolution = ("Patch its sdist (docs/rules-patches.md), or do without it: nothing of it that "
                              "meets the requirements can be built here.")
            if not over:
                lines.append(f"{name}: versions for this Python: "
                             + ", ".join(str(release.version) for release in releases[:6]))
        return UnsatisfiableError(f"no version of {', '.join(names)} meets all requirements",
                                  "\n".join(lines), resolution)

    def _newest_fit(self, name: str) -> ProjectRelease | None:
        for release in self.finder.releases(name)[:40]:
            if not release.version.is_prerelease and not release.file.yanked \
                    and not self.finder.unfit(release):
                return release
        return None


def _who(cause: Any) -> str:
    return f"{cause.requirement.origin} {'asks for' if cause.parent is None else 'needs'}"


def _holds(marker: Any, environment: Mapping[str, str], extra: str) -> bool:
    return bool(marker.evaluate({**environment, "extra": extra}))
