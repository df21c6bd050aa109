# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds, through the package index, which releases meet the requirements, and pins them.

What was learned is kept in the store: pages as long as package indexes are, metadata of a
file for ever, since a file is known by its digest.
"""
from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from email.parser import HeaderParser
from typing import Any, TypeVar

from packaging.tags import Tag
from packaging.version import Version

from debxcross.core.chain.chain import PinnedFile
from debxcross.core.key import digest
from debxcross.core.patch import RulesPatch
from debxcross.core.wheel import backend
from debxcross.core.wheel.backend import SdistFacts
from debxcross.core.wheel.deb import device_environment
from debxcross.core.wheel.index import ACCEPT, IndexFile, Pin, normalise
from debxcross.core.wheel.names import Names
from debxcross.core.wheel.packaging import Packaging, read_packaging
from debxcross.core.wheel.patch import applied, place
from debxcross.core.wheel.requirement import Wanted
from debxcross.core.wheel.resolution import (
    ProjectRelease, Resolution, manylinux, order_releases, resolve, tags,
)
from debxcross.core.wheel.rust import newest
from debxcross.core.wheel.selection import Selection
from debxcross.core.wheel.version import upstream_version
from debxcross.doors.index import Index
from debxcross.doors.wheelfile import read_metadata
from debxcross.errors import (
    DebxcrossError, FetchError, GateError, PatchError, UnsatisfiableError, UnsupportedError,
)
from debxcross.steps.archive import probe
from debxcross.steps.context import Context
from debxcross.steps.wheel.hooks import parse_sdist, read_sdist
from debxcross.steps.wheel.patches import patch_texts
from debxcross.steps.wheel.pins import fetch_pin
from debxcross.steps.wheel.rust import Rust

#: The step's name in events while requirements are resolved.
STEP = "resolution"
_PAGES_AT_ONCE = 6
#: Raised when what is remembered of sdists, of pages changes its form.
_FACTS, _PAGES = 2, 2
#: What can be wrong with one requirement, and leaves the others as they are.
_OF_ONE = (FetchError, UnsatisfiableError, UnsupportedError, GateError, PatchError)
_Result = TypeVar("_Result")
#: A file that stands for one of Debian's own packages.
DEBIAN = "debian:"


@dataclass(frozen=True)
class Machine:
    """A Python on an architecture, and what the release has for it."""

    python: str
    full_version: str
    environment: Mapping[str, str]
    tags: tuple[Tag, ...]


@dataclass(frozen=True)
class Tools:
    """What the release offers: versions of Debian packages by name, for the host architecture.

    ``available`` are those that the host architecture itself has; ``provided`` maps virtual packages
    for Python 3 to those that provide them.
    """

    release: str
    versions: Mapping[str, str]
    available: frozenset[str] = frozenset()
    provided: Mapping[str, Sequence[str]] = field(default_factory=dict)


def ask_tools(context: Context, release: str, names: Names, more: Sequence[str] = ()) -> Tools:
    """Ask apt for the versions of the tools that builds need, of every Python package, and of ``more``."""
    packages = {"python3", "libc6", "rustc", "cargo", "cmake", "libssl-dev", "libsodium-dev",
                *names.packages.values(), *names.holders.values(), *more}
    request = {"ask": "facts", "build": context.build.name, "host": context.host.name, "sources": [],
               "packages": sorted(packages), "host_needs": []}
    host, build = context.host.name, context.build.name
    named = probe.remembered(context, "named", {
        "ask": "named", "prefix": "python3-", "build": build, "host": host}, context.world)
    answer = {**named["versions"], **probe.remembered(context, "tools", request, context.world)["packages"]}
    versions = {name: found.get(host) or found.get(build, "") for name, found in answer.items()}
    return Tools(release, {name: version for name, version in versions.items() if version},
                 frozenset(name for name, found in answer.items() if found.get(host)), named["provides"])


@dataclass(frozen=True)
class Archive:
    """What the release says of its own packages of projects; see steps.wheel.chain.Debian."""

    context: Context

    def packaging(self, packages: Sequence[str]) -> Mapping[str, Packaging]:
        """Ask apt how Debian builds these packages; those that it has no source of are left out."""
        return read_packaging(self._ask("packaging", names=sorted(packages))) if packages else {}

    def dependents(self, ours: Mapping[str, str]) -> Mapping[str, Sequence[tuple[str, str]]]:
        """Ask apt which other packages need what these do not give in our versions."""
        found = self._ask("dependents", ours=dict(ours)) if ours else {}
        return {name: [(package, relation) for package, relation in said] for name, said in found.items()}

    def _ask(self, kind: str, **more: object) -> Any:
        request = {"ask": kind, "build": self.context.build.name, "host": self.context.host.name, **more}
        return probe.remembered(self.context, kind, request, self.context.world)


def machines(context: Context, tools: Tools, python: str) -> tuple[Machine, Machine]:
    """Return the build machine's and the device's Python.

    Raises UnsupportedError when the release's Python is another one.
    """
    numbers = backend.numbers(tools.versions.get("python3", ""))
    here = ".".join(map(str, numbers[:2]))
    if python and python != here:
        raise UnsupportedError(
            f"{tools.release} has Python {here or 'none'} for {context.host.name}, not {python}",
            "Extension modules are built for the interpreter that the release has packages of.",
            f"Leave --python out, or choose another --release; Python 2.7 is "
            f"'debxcross build-dep-chain {context.host.name}'.")
    full = ".".join(map(str, numbers))
    glibc = backend.numbers(tools.versions.get("libc6", ""))[:2]
    if len(glibc) < 2:
        raise UnsupportedError(f"{tools.release} has no libc6 for {context.host.name}",
                               "Which wheels run there goes by its version.",
                               "Choose another --release or mirror (mirrors.main in debxcross.toml).")
    platforms = manylinux(context.build.uname, (glibc[0], glibc[1]))
    return (Machine(here, full, device_environment(context.build, full), tags(here, platforms)),
            Machine(here, full, device_environment(context.host, full), tags(here, ())))


class IndexFinder:
    """Answers a resolution from the index and from the files in it."""

    def __init__(self, context: Context, index: Index, machine: Machine, tools: Tools, *,
                 sdists: bool = True, maximum_age: float = 3600,
                 debian: Mapping[str, ProjectRelease] | None = None,
                 patches: Sequence[RulesPatch] = (), selection: Selection = Selection(),
                 local: Mapping[str, ProjectRelease] | None = None) -> None:
        self.context, self.index, self.machine, self.tools = context, index, machine, tools
        self.sdists, self.maximum_age = sdists, maximum_age
        self.debian = debian or {}
        self.patches, self.selection = tuple(patches), selection
        self.rust = Rust(context)
        #: Projects that are in no index, each with the one file there is of it.
        self.local = local or {}
        self._indexes: dict[str, list[list[Any]]] = {}
        self._releases: dict[str, Sequence[ProjectRelease]] = {}
        self._facts: dict[IndexFile, SdistFacts] = {}

    def prefetch(self, names: Sequence[str]) -> None:
        """Read the pages of several projects at once; a fault comes up when one is used."""
        with ThreadPoolExecutor(_PAGES_AT_ONCE) as pool:
            list(pool.map(self._try_files, sorted(set(names))))

    def _try_files(self, name: str) -> None:
        try:
            self._files(name)
        except Exception:  # noqa: B902 - told when the project is asked for
            return

    def releases(self, name: str) -> Sequence[ProjectRelease]:
        """Return what can be taken of a project; FetchError when no index knows it."""
        if name in self.local:
            return (self.local[name],)
        if name not in self._releases:
            found = order_releases(
                name, self._files(name), self.machine.tags, self.machine.full_version,
                sdists=self.sdists and self.selection.sdists(name), wheels=self.selection.wheels(name))
            ours = self.debian.get(name)
            self._releases[name] = (ours, *found) if ours else found
        return self._releases[name]

    def _files(self, name: str) -> tuple[IndexFile, ...]:
        if name in self.local:
            return ()
        context = self.context
        key = digest([_PAGES, self.index.url, self.index.extra_urls, name])
        known = context.store.memo("index-page", key)
        if known is None or time.time() - known["time"] > self.maximum_age:
            context.busy(STEP, f"reading the index about {name}")
            known = {"time": int(time.time()), "indexes": [
                [url, [asdict(file) for file in files]] for url, files in self.index.files(name)]}
            context.store.remember("index-page", key, known)
        self._indexes[name] = [[url, {one["sha256"] for one in files}] for url, files in known["indexes"]]
        # As pip does, all indexes are one: the best file wins, wherever it is.
        return tuple(IndexFile(**one) for _, files in known["indexes"] for one in files)

    def whence(self, pins: Iterable[PinnedFile]) -> tuple[str, ...]:
        """Say which index each file is from, where several are asked, and which projects several have."""
        from_index: dict[str, list[str]] = {}
        contested = []
        for pin in sorted(set(pins), key=lambda one: (one.name, one.version)):
            known = self._indexes.get(pin.name, [])
            url = next((url for url, digests in known if pin.sha256 in digests), None)
            if url is None:
                continue
            from_index.setdefault(url, []).append(f"{pin.name} {pin.version}")
            if others := [other for other, _ in known if other != url]:
                contested.append(f"{pin.name} {pin.version} is taken from {url}; {', '.join(others)} "
                                 f"{'has' if len(others) == 1 else 'have'} a project of that name, too")
        if len({self.index.url, *self.index.extra_urls}) < 2:
            return ()
        return (*(f"from the index {url}: {', '.join(names)}" for url, names in from_index.items()),
                *contested)

    def compiled_elsewhere(self, release: ProjectRelease) -> bool:
        """Tell whether the index has compiled wheels of this version for some machine."""
        for file in self._files(release.name):
            if file.name.endswith(".whl") and not file.name.endswith("-any.whl"):
                parts = file.name[:-4].split("-")
                try:
                    if parts[-2] != "none" and Version(parts[1]) == release.version:
                        return True
                except (ValueError, IndexError):
                    continue
        return False

    def pin(self, release: ProjectRelease) -> PinnedFile:
        """Return a release's file as a pin."""
        file = release.file
        return PinnedFile(release.name, str(release.version), file.name, file.sha256)

    def requires(self, release: ProjectRelease) -> Sequence[str]:
        """Return Requires-Dist from where it costs least: beside the wheel, in it, in the sdist."""
        if release.file.url.startswith(DEBIAN):
            return ()  # apt sees to what Debian's own packages need
        if not release.wheel:
            return self._sdist_requires(release)
        known = self.context.store.memo("requires", release.file.sha256)
        if known is None:
            known = self._wheel_requires(release)
            self.context.store.remember("requires", release.file.sha256, known)
        return tuple(known)

    def _wheel_requires(self, release: ProjectRelease) -> list[str]:
        if release.file.metadata:
            page = self.index.read(f"{self.index.address(release.file)}.metadata", ACCEPT)
            if page is not None:
                metadata = HeaderParser().parsestr(page.body.decode("utf-8", "replace"))
                return [" ".join(str(one).split()) for one in metadata.get_all("Requires-Dist", ())]
        stored = fetch_pin(self.context, STEP, self.pin(release))
        with self.context.store.work(self.context.chroots.remove) as directory:
            self.context.store.lay_out((stored,), directory)
            return list(read_metadata(directory / stored.name))

    def _sdist_requires(self, release: ProjectRelease) -> Sequence[str]:
        facts = self.facts(release)
        if facts.dependencies is not None:
            return facts.dependencies
        # A wheel for whatever machine says it, too; what is built is compared with it.
        version = release.version
        for file in self._files(release.name):
            if file.name.endswith(".whl") and file.sha256:
                parts = file.name.split("-")
                try:
                    same = normalise(parts[0]) == release.name and Version(parts[1]) == version
                except ValueError:
                    continue
                if same:
                    return self.requires(replace(release, file=file))
        raise UnsupportedError(
            f"nothing tells what {release.words} requires", f"Looked at: {release.file.name}.",
            "Choose another release of it, or one that has a wheel.")

    def facts(self, release: ProjectRelease) -> SdistFacts:
        """Return what an sdist says of itself.  Raises GateError for one that cannot be trusted."""
        if release.file not in self._facts:
            self._facts[release.file] = self._look_into(release)
        return self._facts[release.file]

    def _look_into(self, release: ProjectRelease) -> SdistFacts:
        key = digest([_FACTS, release.file.sha256])
        known = self.context.store.memo("sdist", key)
        if known is None:
            known = self._read_sdist(release)
            self.context.store.remember("sdist", key, known)
        texts: Mapping[str, str] = known["texts"]
        name, version, rules = release.file.name, str(release.version), self._rules(release)
        if rules:
            with self.context.store.work(self.context.chroots.remove) as directory:
                texts = patch_texts(texts, rules, version, directory)
        pyproject, texts = parse_sdist(name, texts)
        return backend.read_facts(name, release.name, version, pyproject, texts)

    def _read_sdist(self, release: ProjectRelease) -> dict[str, Any]:
        stored = fetch_pin(self.context, STEP, self.pin(release))
        with self.context.store.work(self.context.chroots.remove) as directory:
            self.context.store.lay_out((stored,), directory)
            _, texts = read_sdist(directory / stored.name, Pin(release.name, str(release.version)))
        return {"texts": texts}

    def _rules(self, release: ProjectRelease) -> tuple[RulesPatch, ...]:
        """Return the patches that apply to a release's sdist."""
        return applied(self.patches, {place(release.name): str(release.version)}, self.context.host.name,
                       lambda package: package in self.tools.available, self.context.table)

    def unfit(self, release: ProjectRelease) -> str:
        """Return why the release's tools cannot build this, "" when nothing is known against it."""
        if release.wheel or release.file.url.startswith(DEBIAN):
            return ""
        try:
            facts = self.facts(release)
        except UnsupportedError as error:
            return error.brief
        versions = self.tools.versions
        if facts.rust:
            if reason := self.rust.unfit(facts, self.pin(release), self.tools.release):
                return reason
            best = newest(self.rust.known)
            versions = {**versions, "rustc": best.version if best else ""}
        return backend.unfit(facts, release.name, str(release.version), self.tools.release, versions)


class BuildRequirements:
    """Resolves what builds need on the build machine, each build for itself."""

    def __init__(self, finder: IndexFinder) -> None:
        self.finder = finder
        self._known: dict[tuple[str, ...], tuple[PinnedFile, ...]] = {}

    def pins(self, words: str, texts: tuple[str, ...]) -> tuple[PinnedFile, ...]:
        """Return the pinned wheels of everything that the build of ``words`` needs.

        Raises UnsatisfiableError, also when something has no wheel for the build machine.
        """
        if texts not in self._known:
            self._known[texts] = self._resolve(words, texts)
        return self._known[texts]

    def _resolve(self, words: str, texts: tuple[str, ...]) -> tuple[PinnedFile, ...]:
        wanted = [Wanted(text, f"the build of {words}") for text in texts]
        try:
            found: Resolution = resolve(wanted, (), self.finder, self.finder.machine.environment)
        except UnsatisfiableError as error:
            raise UnsatisfiableError(
                f"the build requirements of {words} cannot be met: {error.brief}", error.details,
                "Choose another version of it, or name other build requirements with --projects.") from error
        return tuple(self.finder.pin(choice.release) for choice in found.choices)


def leave_out(
    wanted: Sequence[Wanted], attempt: Callable[[Sequence[Wanted]], _Result]
) -> tuple[_Result, tuple[tuple[Wanted, DebxcrossError], ...]]:
    """Return what can be made of as many requirements as possible, and the others with the reason.

    They are tried one more at a time, in their order; raises the last error when none is left.
    """
    try:
        return attempt(wanted), ()
    except _OF_ONE as error:
        if len(wanted) < 2:
            raise
        last: DebxcrossError = error
    kept: list[Wanted] = []
    result: _Result | None = None
    left = []
    for one in wanted:
        try:
            result = attempt([*kept, one])
            kept.append(one)
        except _OF_ONE as error:
            last = error
            left.append((one, error))
    if result is None:
        raise last
    return result, tuple(left)


def debian_releases(tools: Tools, names: Names, wanted: Sequence[str]) -> dict[str, ProjectRelease]:
    """Return Debian's own packages as releases, except those of the projects ``wanted``."""
    found = {}
    mapped = frozenset(names.packages.values())
    # What the map does not know has no other project's name in Debian.
    more = {project: package for project, package in names.found.items() if package not in mapped}
    for project, package in {**more, **names.packages}.items():
        parsed = upstream_version(tools.versions.get(package, ""))
        if parsed is not None and project not in wanted:
            file = IndexFile(package, f"{DEBIAN}{package}", "-")
            found[project] = ProjectRelease(project, parsed, file)
    return found
