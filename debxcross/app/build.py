# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds: from a request to a plan, and from the plan to a published repository."""
from __future__ import annotations

import json
import math
import os
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from debxcross import config
from debxcross.app.eventlog import event_log
from debxcross.app.interrupts import interruptible
from debxcross.core.architecture import architecture
from debxcross.core.archive.world import World
from debxcross.core.chain import order
from debxcross.core.chain.chain import Chain, SourceMember, parse, parse_target
from debxcross.core.chain.lock import Lock, check
from debxcross.core.chain.plan import Plan
from debxcross.core.key import digest
from debxcross.core.patch import RulesPatch
from debxcross.core.release import release as known_release
from debxcross.core.wheel.patch import place, read_versions
from debxcross.doors import apt, process
from debxcross.doors.apt import AptRoot
from debxcross.doors.chroot import Chroots
from debxcross.doors.fetch import fetch, read_page
from debxcross.doors.index import Index, default_index_url, pip_settings
from debxcross.doors.patches import read_patches, read_sdist_patches
from debxcross.doors.store import Store
from debxcross.doors.template import data_directory, program_file
from debxcross.doors.web import Web, make_transfer
from debxcross.errors import (
    ChainFailedError, ConfigurationError, DebxcrossError, DiskFullError, InterruptedRunError, UsageError,
)
from debxcross.events import Events, Listener, data_of
from debxcross.run.schedule import Node, run_graph
from debxcross.steps.archive import probe, security
from debxcross.steps.build.source import SourceWork, open_root
from debxcross.steps.chain import lock as locking, prepare as preparing
from debxcross.steps.chain.run import Run, RunSettings
from debxcross.steps.context import Context
from debxcross.steps.disk import room_needed
from debxcross.steps.store.substitute import open_substitutes

#: What of a request the run's events remember, for ``shell``.
_KEPT = ("architecture", "chain", "targets", "release", "output", "store", "isolation", "patches",
         "without", "locked", "offline")
_CHAINS = program_file("chains")
#: More members than this at a time only fight for the disk.
_MOST_AT_ONCE = 4


@dataclass(frozen=True)
class Request:
    """What the command line asked for; None means the default.

    ``same_indexes`` looks at what an earlier run saw, however old that is.
    """

    architecture: str
    chain: str = "python2.7"
    targets: tuple[str, ...] = ()
    release: str = "bookworm"
    output: Path | None = None
    store: Path | None = None
    jobs: int | None = None
    keep_going: bool = False
    isolation: str = "unshare"
    rebuild: tuple[str, ...] = ()
    trial: bool = True
    patches: tuple[Path, ...] = ()
    refresh: bool = False
    same_indexes: bool = False
    substitutes: tuple[str, ...] = ()
    substitute_keys: tuple[Path, ...] = ()
    without: tuple[str, ...] = ()
    locked: Path | None = None
    offline: bool = False

    @property
    def directory(self) -> Path:
        """Where the results go."""
        return (self.output or Path("out") / self.architecture).absolute()


def chain_names() -> tuple[str, ...]:
    """Return the names of the chains that ship with debxcross."""
    return tuple(sorted(path.stem for path in _CHAINS.glob("*.toml")))


def load_chain(name: str) -> Chain:
    """Load a chain that ships, by name, or a user's own, by path.

    Raises UsageError (nearest names offered) or ConfigurationError (all faults at once).
    """
    path = _CHAINS / f"{name}.toml"
    if "/" in name or name.endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise UsageError(f"there is no chain file {name}",
                             resolution="Check the path; docs/chains.md describes what stands in the file.")
    if not path.is_file():
        import difflib

        near = difflib.get_close_matches(name, chain_names(), n=2, cutoff=0.4)
        guess = f"Did you mean {' or '.join(near)}? " if near else ""
        raise UsageError(f"there is no chain {name!r}", resolution=(
            f"{guess}Chains that ship: {', '.join(chain_names())}. "
            "A chain of your own is named by its file's path."))
    try:
        return parse(tomllib.loads(path.read_text()), str(path) if path.parent != _CHAINS else name)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"the chain {path} is not a TOML file", str(error),
            "Mend the line named above; toml.io describes the syntax.") from error


def requested_chain(request: Request) -> Chain:
    """Return the chain of a request: a loaded one, or one made of the named sources."""
    if not request.targets:
        return load_chain(request.chain)
    members: list[SourceMember] = []
    faults = []
    for target in request.targets:
        try:
            members.append(parse_target(target))
        except ConfigurationError as error:
            faults.append(error.details)
    if faults:
        raise ConfigurationError("not every target names a source", "\n".join(faults),
                                 "Write SOURCE[=VERSION][/SUITE], such as expat/bookworm.")
    return Chain("+".join(sorted(member.name for member in members)), known_release(request.release).name,
                 tuple(members))


class Application:
    """One invocation: configuration read, store open, events flowing."""

    def __init__(self, request: Request, listeners: Sequence[Listener] = (),
                 chain: Chain | None = None) -> None:
        self.request = request
        self.host = architecture(request.architecture)
        chain = chain or requested_chain(request)
        strange = sorted(set(request.without) - set(known_release(chain.release).suites))
        if strange:
            raise UsageError(
                f"{chain.release} has no suite {', '.join(strange)} to leave out",
                resolution=f"Its suites: {', '.join(known_release(chain.release).suites)}.")
        self.chain = replace(chain, without_suites=(*chain.without_suites, *request.without))
        unknown = sorted(set(request.rebuild) - set(self.chain.members))
        if unknown:
            raise UsageError(f"the chain has no member {', '.join(unknown)}",
                             resolution=f"Its members: {', '.join(self.chain.members)}.")
        self.configuration = config.load(store=request.store)
        self.events = Events(time.time, tuple(listeners))
        self.store = Store(self.configuration.store)
        self._stop = False
        self._webs: list[Web] = []
        #: Errors of members, which the schedule has told already.
        self._told: list[DebxcrossError] = []

    def interrupt(self) -> None:
        """End all children and connections; whoever waits for one gets InterruptedRunError."""
        self._stop = True
        process.terminate_all()
        for web in self._webs:
            web.hang_up()

    @property
    def stopping(self) -> bool:
        """Whether interrupt() was called."""
        return self._stop

    def context(self, *, device_only: bool = False) -> Context:
        """Open the doors: mirrors chosen, indexes fetched and verified, nothing built.

        With ``device_only`` apt need see neither sources nor the build architecture's packages.
        """
        from debian.debian_support import DpkgArchTable

        request, configuration = self.request, self.configuration
        build = architecture(self._machine("build-architecture", apt.build_architecture))
        machine = self._machine("machine", lambda: apt.ask({"ask": "machine"}))
        lock = self._lock(build.name)
        mirrors = {} if request.offline else probe.archives(configuration, machine, self.chain.release)
        acquire = tuple((name, value) for name, value in machine["acquire"])
        age = math.inf if request.same_indexes else 0 if request.refresh else configuration.index_max_age
        # With a lock apt has nothing to choose from but what the lock names.
        root = self._apt(acquire, probe.make_world(self.chain, mirrors, build.name, self.host.name)
                         if lock is None else World(build.name, self.host.name, ()))
        if device_only and lock is None and not root.is_fresh(age):
            root = self._apt(acquire, root.world.for_device())
        with self.store.lock(f"apt-{root.directory.name}"):
            if not root.configuration.exists():
                root.write()
            if lock is None:
                root.update(age)
        world = root.world.with_carried(root.carried())
        root = AptRoot(root.directory, world, acquire)
        settings = pip_settings()
        transfer = make_transfer(
            proxies=_proxies(acquire), stopping=lambda: self._stop,
            authorities=Path(settings.certificates) if settings.certificates else None)
        self._webs.append(transfer.web)
        return Context(
            self.store, Chroots(request.isolation), root, world, transfer, self.events,
            DpkgArchTable.load_arch_table(), build, self.host, request.directory / "logs",
            request.jobs or os.cpu_count() or 1,
            () if request.offline else open_substitutes(
                (*request.substitutes, *configuration.substitutes),
                (*request.substitute_keys, *configuration.substitute_keys),
                self.store, transfer, self.events),
            {role: archive.uris for role, archive in mirrors.items()}, lock, offline=request.offline)

    def _apt(self, acquire: tuple[tuple[str, str], ...], world: World) -> AptRoot:
        return AptRoot(self.store.directory / "apt" / digest([world, acquire])[:16], world, acquire)

    def _lock(self, build: str) -> Lock | None:
        """Read the lock that the request names.  Raises LockError when it is not for this run."""
        request = self.request
        if request.locked is None:
            if request.offline:
                raise UsageError(
                    "--offline needs --locked",
                    resolution="Write a lock with 'debxcross lock' while there is a network: it names "
                               "what the store must have.")
            return None
        locking.check_lockable(self.chain)
        lock = locking.read(request.locked)
        check(lock, self.chain, build, self.host.name, str(request.locked))
        return lock

    def _machine(self, what: str, ask: Callable[[], Any]) -> Any:
        """Return a fact about this machine's dpkg and apt, remembered while their files are unchanged."""
        files = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt").glob("*/*")), Path("/usr/bin/dpkg")]
        stamps = [(str(path), path.stat().st_mtime_ns) for path in files if path.is_file()]
        key = digest([what, stamps])
        answer = self.store.memo("machine", key)
        if answer is None:
            answer = ask()
            self.store.remember("machine", key, answer)
        return answer

    def prepared(self, context: Context) -> preparing.Prepared:
        """Read the patches and decide everything that can be decided without building."""
        patches = read_patches(self._patch_directories(), [member.name for member in self.chain.sources])
        mine = {place(wheel.name) for wheel in self.chain.wheels}
        patches = (*patches, *(rule for rule in self.sdist_patches() if rule.source in mine))
        prepare = preparing.prepare if context.lock is None else locking.prepare
        return prepare(context, self.chain, patches, self.configuration.maintainer)

    def _patch_directories(self) -> tuple[Path, ...]:
        own = data_directory("rules-patches")
        return (own, *self.configuration.patches, *(path.absolute() for path in self.request.patches))

    def sdist_patches(self) -> tuple[RulesPatch, ...]:
        """Return the patches to sdists of whatever project, their ranges read."""
        return tuple(map(read_versions, read_sdist_patches(self._patch_directories())))

    def plan(self) -> tuple[Plan, tuple[DebxcrossError, ...]]:
        """Return the plan of this request, and what cannot work."""
        with interruptible(self.interrupt):
            context = self.context()
            self._clean(context)
            prepared = self.prepared(context)
            plan, problems = preparing.make_plan(context, prepared, self.request.rebuild)
            # A run can do without the dates, for which sources are fetched that nobody builds.
            return replace(plan, security=security.dated(context, prepared.updates)), problems

    def _clean(self, context: Context) -> None:
        """Remove what killed runs left in the store's throw-away places."""
        for path in self.store.abandoned():
            if path.exists():
                context.chroots.remove(path)
            self.store.forget_work(path)

    def run(self) -> Mapping[str, Any]:
        """Build everything, publish, try; return the summary (also in DIR/summary.json).

        Every error that leaves here has been told as an event, with what to do next.
        """
        started = time.time()
        try:
            with event_log(self.request.directory) as write:
                self.events.listen(write)
                return self._recorded_run(started)
        except DebxcrossError as error:
            if error not in self._told:
                # There is nothing to write it to, but somebody listens.
                self.events.tell("error", **data_of(error))
            raise

    def _recorded_run(self, started: float) -> Mapping[str, Any]:
        request = self.request
        self.events.tell(
            "run-started", text=self.chain.name, chain=self.chain.name, architecture=self.host.name,
            release=self.chain.release, pid=os.getpid(),
            members=list(Run.rows(self.chain, request.trial)),
            request=_to_json(replace(
                request, output=request.directory, store=self.store.directory,
                patches=tuple(path.absolute() for path in request.patches),
                locked=request.locked.absolute() if request.locked else None,
                chain=self._chain_argument())))
        try:
            try:
                with room_needed(request.directory), interruptible(self.interrupt):
                    summary = self._run()
                    summary["seconds"] = round(time.time() - started, 1)
                    _write(request.directory / "summary.json", json.dumps(summary, indent=2) + "\n")
            except KeyboardInterrupt:
                self.interrupt()
                raise InterruptedRunError("interrupted") from None
        except InterruptedRunError:
            error = InterruptedRunError(
                "interrupted", "Everything that ran has been ended; nothing half-done is visible.",
                "Run the same command again: what is finished is kept.")
            self._failed(error, started)
            raise error from None
        except DebxcrossError as error:
            self._failed(error, started)
            raise
        self._ended(None, started)
        return summary

    def _failed(self, error: DebxcrossError, started: float) -> None:
        if error not in self._told:
            self._told = [*self._told, error]
            self.events.tell("error", **data_of(error))
        self._ended(error, started)

    def _chain_argument(self) -> str:
        """Return --chain so that it means the same from another directory."""
        name = self.request.chain
        return str(Path(name).absolute()) if "/" in name or name.endswith(".toml") else name

    def open_root(self, member: str) -> None:
        """Make a finished member's build root anew and keep it.  Raises UsageError for a wheel."""
        context = self.context()
        prepared = self.prepared(context)
        work, base = prepared.work_of(member), preparing.base_recipe_root(context, prepared)
        if not isinstance(work, SourceWork):
            raise UsageError(f"{member} is a wheel; only its failed builds can be entered",
                             resolution=f"Its log: debxcross log {member}")
        local = None
        if base is not None:
            local = preparing.local_debs(prepared, member, preparing.known_results(context, prepared, base))
        if base is None or local is None:
            raise UsageError(f"the build root of {member} cannot be made: what it needs is not built",
                             resolution="Run the chain first.")
        base, _ = preparing.ensure_base_root(context, prepared, member)
        security.fetch_beside(context, prepared.updates, member, order.behind(member, prepared.needs))
        open_root(context, work, base, local)

    def _ended(self, error: DebxcrossError | None, started: float) -> None:
        seconds = round(time.time() - started, 2)
        status = error.exit_status if error else 0
        self.events.tell("run-ended", ok=error is None, seconds=seconds, exit_status=status)

    def _run(self) -> dict[str, Any]:
        context = self.context()
        self._clean(context)
        prepared = self.prepared(context)
        run = Run(context, prepared, RunSettings(
            output=self.request.directory, keep_going=self.request.keep_going, rebuild=self.request.rebuild,
            trial=self.request.trial, keys=self.configuration.keys,
            origin=self.configuration.repository_origin, label=self.configuration.repository_label,
            url=self.configuration.repository_url), self.index)
        run.start()
        outcomes = run_graph(
            [Node(name, needs) for name, needs in run.needs().items()], run.work,
            workers=max(1, min(_MOST_AT_ONCE, context.jobs)), keep_going=self.request.keep_going,
            events=self.events, stopping=lambda: self._stop, interrupt=self.interrupt)
        failed = [outcome.error for outcome in outcomes.values() if outcome.error]
        self._told = failed
        # One disk that is full is one cause, however many members met it.
        if len(failed) == 1 or failed and all(isinstance(error, DiskFullError) for error in failed):
            raise failed[0]
        if failed:
            raise ChainFailedError(
                f"{len(failed)} members failed", "\n".join(error.brief for error in failed),
                "Each is told above; 'debxcross status' shows them all, 'debxcross log MEMBER' one.")
        return run.summary({name: (one.state, one.seconds) for name, one in outcomes.items()})

    def index(self, context: Context) -> Index:
        """Open the package index: the configured one, else pip's."""
        settings = pip_settings()
        url = self.configuration.index_url or settings.index_url or self._machine(
            "index", lambda: default_index_url(settings))
        transfer = context.transfer
        return Index(
            url, lambda page, accept: read_page(page, accept, transfer),
            lambda urls, target, *, sha256, size: fetch(
                urls, target, sha256=sha256, size=size, transfer=transfer),
            settings.extra_index_urls)


def _proxies(acquire: Sequence[tuple[str, str]]) -> dict[str, str] | None:
    """Return apt's own proxies by scheme; None leaves it to http_proxy and the like."""
    found = {
        name.split("::")[1].lower(): value for name, value in acquire
        if name.lower() in ("acquire::http::proxy", "acquire::https::proxy") and value not in ("", "DIRECT")}
    return found or None


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text)
    temporary.rename(path)


def _to_json(request: Request) -> dict[str, Any]:
    values = {name: getattr(request, name) for name in _KEPT}
    return {name: [str(one) for one in value] if isinstance(value, tuple)
            else str(value) if isinstance(value, Path) else value for name, value in values.items()}


def remembered_request(values: Mapping[str, Any]) -> Request:
    """Return the request that the run-started event remembers."""
    read: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    read["patches"] = tuple(Path(path) for path in read["patches"])
    for name in ("output", "store", "locked"):
        read[name] = Path(read[name]) if read.get(name) else None
    return Request(**read)
