# SPDX-License-Identifier: GPL-3.0-or-later
"""Wheels: from requirements to a chain with every file pinned, which a build then carries out."""
from __future__ import annotations

import os
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
from debxcross.core.wheel.direct import marker_holds
from debxcross.core.wheel.index import normalise
from debxcross.core.wheel.lacking import Lacks, with_lacks
from debxcross.core.wheel.names import Names, parse_names
from debxcross.core.wheel.requirement import (
    ProjectOptions, Requirements, Wanted, decoded, expanded, parse_options, read_requirements,
)
from debxcross.core.wheel.resolution import Resolution, resolve
from debxcross.core.wheel.selection import ALL, Selection
from debxcross.doors import files
from debxcross.doors.files import read_named
from debxcross.doors.template import program_file
from debxcross.errors import (
    ChainFailedError, ConfigurationError, DebxcrossError, FetchError, InterruptedRunError, UsageError,
)
from debxcross.events import Event, Listener
from debxcross.steps.archive.probe import ask_archives, conditions
from debxcross.steps.build.baseroot import BaseRoot, build_root_plan, ensure_root
from debxcross.steps.context import Context
from debxcross.steps.wheel.chain import ChainMaker, unused_options
from debxcross.steps.wheel.local import Taken, Taker
from debxcross.steps.wheel.places import Places
from debxcross.steps.wheel.resolve import (
    STEP, Archive, BuildRequirements, IndexFinder, ask_tools, debian_releases, leave_out, machines,
)

#: How dh-python knows Debian's names of projects; it belongs to the package dh-python.
_NAMES = Path("/usr/share/dh-python/dist/cpython3_fallback")
_PROJECTS = program_file("wheels/projects.toml")
_CHAIN_FILE = "chain.toml"


@dataclass(frozen=True)
class PipOptions:
    """Options of the command line that mean what pip means by them; see core.wheel.selection."""

    index_url: str = ""
    extra_index_urls: tuple[str, ...] = ()
    no_binary: tuple[str, ...] = ()
    only_binary: tuple[str, ...] = ()
    pre: bool = False

    def selection(self) -> Selection:
        """Return what they say.  Raises UsageError."""
        chosen = Selection(self.index_url, self.extra_index_urls, pre=self.pre)
        try:
            # What is said of all projects comes first, so that the rest can name exceptions.
            for value in sorted(self.no_binary, key=lambda one: ALL not in one):
                chosen = chosen.without_binary(value)
            for value in sorted(self.only_binary, key=lambda one: ALL not in one):
                chosen = chosen.with_only_binary(value)
        except ValueError as error:
            raise UsageError(f"--no-binary or --only-binary: {error}", resolution=(
                "Write names of projects with commas between them, :all: or :none:.")) from error
        return chosen


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
    pip: PipOptions = PipOptions()


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
        [str(path) for path in request.constraints], _read_requirements, request.require_hashes,
        request.pip.selection())
    chosen = asked.selection
    request = replace(request, build=replace(
        request.build, index_url=chosen.index_url, extra_index_urls=chosen.extra_index_urls))
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
    words = " ".join((*(one.text for one in asked.wanted), *(one.text for one in asked.direct)))
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
        return decoded(read_named(Path(name)), name)
    except OSError as error:
        raise UsageError(f"{name} cannot be read", error.strerror or str(error),
                         "Check the file's name.") from error


def _read_requirements(name: str) -> str:
    return expanded(_read(name), os.environ)


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
    build = BuildRequirements(IndexFinder(context, index, here, tools, sdists=False, maximum_age=age))
    asked, taken, missing = _taken(opening, request, asked, Taker(
        context, _Base(context, opening.chain).made, build, here, device, options,
        (request.build.directory, opening.store.directory.absolute())))
    finder = IndexFinder(context, index, device, tools, maximum_age=age, debian=debian, patches=patches,
                         selection=asked.selection, local={one.release.name: one.release for one in taken})
    finder.prefetch(roots)
    maker = ChainMaker(Places(tools, names, options, request.policy, Archive(context)), finder, build)
    context.busy(STEP, f"resolving {len(asked.wanted)} requirements")
    said = [note for one in taken for note in one.notes]

    def attempt(wanted: Sequence[Wanted]) -> tuple[Chain, tuple[str, ...]]:
        found: Resolution = resolve(wanted, asked.constraints, finder, device.environment,
                                    require_hashes=asked.require_hashes, pre=asked.selection.pre)
        chain, notes = maker.make("wheels", found)
        return chain, (*said, *notes)

    if not request.build.keep_going:
        _check_known(asked, finder)
        return *attempt(asked.wanted), ()
    if not asked.wanted:
        raise ChainFailedError("nothing that was asked for can be taken", "\n".join(missing),
                               "Each line above names what is wrong with one.")
    (chain, notes), left = leave_out(asked.wanted, attempt)
    return chain, notes, (*missing, *(f"{one.text}: {_in_a_line(error)}" for one, error in left))


def _taken(opening: Opening, request: WheelRequest, asked: Requirements, taker: Taker
           ) -> tuple[Requirements, list[Taken], tuple[str, ...]]:
    """Take the projects that are asked for by place, and ask for them by name from then on.

    Also returns, with --keep-going, what could not be taken.
    """
    taken: list[Taken] = []
    left = []
    for direct in asked.direct:
        if not marker_holds(direct, taker.device.environment):
            continue
        try:
            taken.append(one := taker.take(direct))
            if any(other.release != one.release for other in taken if other.release.name == one.release.name):
                raise UsageError(f"{one.release.name} is asked for from two places",
                                 resolution="Name one of them; the other could not be installed beside it.")
        except DebxcrossError as error:
            if not request.build.keep_going or isinstance(error, (UsageError, InterruptedRunError)):
                raise
            left.append(f"{direct.text}: {_in_a_line(error)}")
    wanted = (*asked.wanted, *dict.fromkeys(one.wanted for one in taken))
    return replace(asked, wanted=wanted), taken, tuple(left)


class _Base:
    """The base root of builds, made when somebody asks for it."""

    def __init__(self, context: Context, chain: Chain) -> None:
        self._context, self._chain = context, chain

    def made(self) -> BaseRoot:
        """Return the root, which is the one that the run will build in."""
        compiler = ask_archives(self._context, self._chain, ()).compiler
        plan = build_root_plan(self._context, self._chain.release, compiler, self._chain.path_excludes)
        return ensure_root(self._context, plan, "base-root")[0]


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
