# SPDX-License-Identifier: GPL-3.0-or-later
"""Wheels: from requirements to a chain with every file pinned, which a build then carries out."""
from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from debxcross.app.opening import Opening
from debxcross.app.request import Request, load_chain
from debxcross.app.interrupts import interruptible
from debxcross.core.border import read_toml
from debxcross.core.chain.chain import Chain
from debxcross.core.chain.file import to_toml
from debxcross.core.release import release as known_release
from debxcross.core.wheel.index import normalise
from debxcross.core.wheel.lacking import Lacks, with_lacks
from debxcross.core.wheel.names import Names, parse_names
from debxcross.core.wheel.requirement import (
    ProjectOptions, Requirements, Wanted, decoded, parse_options, read_requirements,
)
from debxcross.core.wheel.resolution import Resolution, resolve
from debxcross.doors import files
from debxcross.doors.template import program_file
from debxcross.errors import ChainFailedError, ConfigurationError, DebxcrossError, FetchError, UsageError
from debxcross.events import Event, Listener
from debxcross.steps.archive.probe import conditions
from debxcross.steps.wheel.chain import ChainMaker, unused_options
from debxcross.steps.wheel.places import Places
from debxcross.steps.wheel.resolve import (
    STEP, Archive, BuildRequirements, IndexFinder, ask_tools, debian_releases, leave_out, machines,
)

#: How dh-python knows Debian's names of projects; it belongs to the package dh-python.
_NAMES = Path("/usr/share/dh-python/dist/cpython3_fallback")
_PROJECTS = program_file("wheels/projects.toml")
_CHAIN_FILE = "chain.toml"


@dataclass(frozen=True)
class WheelRequest:
    """What the command line asked for; ``build`` says where and for what.

    ``lacks`` is what failed builds of an earlier run lacked, by member of its chain.
    """

    build: Request
    requirements: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    constraints: tuple[Path, ...] = ()
    projects: tuple[Path, ...] = ()
    require_hashes: bool = False
    python: str = ""
    prefer: str = "pypi"
    policy: str = "replace"
    lacks: Mapping[str, Lacks] = field(default_factory=dict)


@dataclass(frozen=True)
class Locked:
    """What came of a resolution: the build's request, notes, and what was left out with --keep-going."""

    request: Request
    notes: tuple[str, ...]
    left_out: tuple[str, ...] = ()

    def check(self) -> None:
        """Raise ChainFailedError when requirements were left out: they are not met."""
        if self.left_out:
            count = f"{len(self.left_out)} project{'s are' if len(self.left_out) > 1 else ' is'}"
            raise ChainFailedError(f"{count} left out", "\n".join(self.left_out),
                                   "Leave them out yourself, or relax them; everything else is there.")


@dataclass(frozen=True)
class Lacking:
    """A listener that keeps what the members' failed builds lacked."""

    members: dict[str, Lacks] = field(default_factory=dict)

    def __call__(self, event: Event) -> None:
        """Hear an event."""
        if event.kind == "note" and "lacks" in event.data:
            self.members[event.member] = Lacks.from_json(event.data["lacks"])

    @property
    def words(self) -> str:
        """What is lacked, as a person reads it; "" for nothing."""
        return "; ".join(f"{lacks.packages} for {name}" for name, lacks in self.members.items())


def lock(request: WheelRequest, listeners: Sequence[Listener] = ()) -> Locked:
    """Resolve, and write the chain file into the output directory.

    Raises ConfigurationError for faulty requirements, UnsatisfiableError with the reason in
    words, FetchError for an unknown project, UnsupportedError for another Python.
    """
    asked = read_requirements(
        request.requirements, [str(path) for path in request.files],
        [str(path) for path in request.constraints], _read, request.require_hashes)
    own = _options(request.projects)
    options = {**_options((_PROJECTS,)), **own}
    options.update(_added(request, options))
    chain, notes, left_out = _resolve(request, asked, options, listeners)
    if not _NAMES.is_file():
        notes = (*notes, f"without {_NAMES} (package dh-python) nobody knows what Debian calls these: "
                 "all are python3-NAME")
    notes = (*notes, *(f"{name}: {lacks.packages} added, which its build lacked"
                       for name, lacks in request.lacks.items()))
    notes = (*notes, *unused_options(own, chain), *(f"left out: {text}" for text in left_out))
    directory = request.build.directory
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / _CHAIN_FILE
    words = " ".join(one.text for one in asked.wanted)
    files.write(path, to_toml(chain, (f"debxcross wheel {words}", *notes)))
    # The indexes are fresh now.
    return Locked(replace(request.build, chain=str(path), refresh=False), notes, left_out)


def lock_again(request: WheelRequest, locked: Locked, lacking: Lacking,
               listeners: Sequence[Listener] = ()) -> Locked:
    """Resolve as before, with what failed builds lacked; raises what lock() raises."""
    return lock(replace(request, lacks=lacking.members, build=locked.request), listeners)


def _added(request: WheelRequest, options: Mapping[str, ProjectOptions]) -> dict[str, ProjectOptions]:
    """Return the options of the projects whose builds lacked something in the chain of an earlier run."""
    members = {one.name: one for one in load_chain(request.build.chain).wheels} if request.lacks else {}
    found = {}
    for name, lacks in request.lacks.items():
        project, member = normalise(name), members[name]
        had = Lacks(member.host_needs, member.build_packages)
        found[project] = with_lacks(options.get(project, ProjectOptions()), had, lacks)
    return found


def _read(name: str) -> str:
    try:
        return decoded(Path(name).read_bytes(), name)
    except OSError as error:
        raise UsageError(f"{name} cannot be read", str(error), "Check the file's name.") from error


def _options(paths: Sequence[Path]) -> dict[str, ProjectOptions]:
    """Return the options in these files, of later ones where several name a project."""
    options: dict[str, ProjectOptions] = {}
    for path in paths:
        try:
            options.update(parse_options(read_toml(_read(str(path))), str(path)))
        except ValueError as error:
            raise ConfigurationError(f"{path} is not TOML", str(error), "Mend it there.") from error
    return options


def _names() -> Names:
    return parse_names(_NAMES.read_text()) if _NAMES.is_file() else Names()


def _resolve(
    request: WheelRequest, asked: Requirements, options: dict[str, ProjectOptions],
    listeners: Sequence[Listener],
) -> tuple[Chain, tuple[str, ...], tuple[str, ...]]:
    release = known_release(request.build.release).name
    opening = Opening(request.build, listeners, Chain("wheels", release, ()))
    with interruptible(opening.interrupt):
        return _resolved(opening, request, asked, options)


def _resolved(
    opening: Opening, request: WheelRequest, asked: Requirements, options: dict[str, ProjectOptions]
) -> tuple[Chain, tuple[str, ...], tuple[str, ...]]:
    release, context = opening.chain.release, opening.context()
    index = context.supply.index()
    age = 0 if request.build.refresh else opening.configuration.index_max_age
    names = _names()
    patches = opening.sdist_patches()
    tools = ask_tools(context, release, names, conditions(patches))
    names = names.within(tools.versions, tools.provided)
    here, device = machines(context, tools, request.python)
    roots = [one.name for one in asked.wanted]
    debian = debian_releases(tools, names, roots) if request.prefer == "debian" else {}
    finder = IndexFinder(context, index, device, tools, maximum_age=age, debian=debian,
                         patches=patches)
    finder.prefetch(roots)
    build = BuildRequirements(IndexFinder(context, index, here, tools, sdists=False, maximum_age=age))
    maker = ChainMaker(Places(tools, names, options, request.policy, Archive(context)), finder, build)
    context.busy(STEP, f"resolving {len(asked.wanted)} requirements")

    def attempt(wanted: Sequence[Wanted]) -> tuple[Chain, tuple[str, ...]]:
        found: Resolution = resolve(wanted, asked.constraints, finder, device.environment,
                                    require_hashes=asked.require_hashes)
        return maker.make("wheels", found)

    if not request.build.keep_going:
        _check_known(asked, finder)
        return *attempt(asked.wanted), ()
    (chain, notes), left = leave_out(asked.wanted, attempt)
    return chain, notes, tuple(f"{one.text}: {_in_a_line(error)}" for one, error in left)


def _in_a_line(error: DebxcrossError) -> str:
    """Return an error with its reasons; who asked is known where it is shown."""
    reasons = [line for line in error.details.splitlines() if " asks for " not in line]
    return textwrap.shorten("; ".join((error.brief, *reasons)), 400, placeholder=" ...")


def _check_known(asked: Requirements, finder: IndexFinder) -> None:
    """Raise FetchError for what no index has, all of it at once."""
    faults: list[DebxcrossError] = []
    for one in asked.wanted:
        try:
            finder.releases(one.name)
        except FetchError as error:
            faults.append(error)
    if len(faults) == 1:
        raise faults[0]
    if faults:
        raise FetchError("\n".join(error.brief for error in faults), "", faults[0].resolution)
