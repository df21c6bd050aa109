# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens what a use case works with: configuration, store, apt, mirrors, index, lock."""
from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from debian.debian_support import DpkgArchTable

from debxcross import config
from debxcross.app.request import Request, chain_of, requested_chain
from debxcross.core.architecture import Architecture, architecture
from debxcross.core.archive.world import World
from debxcross.core.bounds import Bounds
from debxcross.core.chain.chain import Chain
from debxcross.core.chain.lock import Lock, check
from debxcross.core.key import digest
from debxcross.core.patch import RulesPatch
from debxcross.core.release import release as known_release
from debxcross.core.wheel.patch import place, read_versions
from debxcross.core.build.answers import Answering
from debxcross.doors import apt, process
from debxcross.doors.answers import read_answers, read_usual
from debxcross.doors.apt import AptRoot
from debxcross.doors.chroot import Chroots
from debxcross.doors.fetch import fetch, read_page
from debxcross.doors.files import check_temporary
from debxcross.doors.host import emulator, emulator_stamp
from debxcross.doors.index import Index, default_index_url, pip_settings
from debxcross.doors.patches import read_accepted, read_patches, read_sdist_patches
from debxcross.doors.store import Store
from debxcross.doors.template import data_directory
from debxcross.doors.web import Transfer, Web, make_transfer
from debxcross.errors import ConfigurationError, UsageError
from debxcross.events import Events, Listener
from debxcross.steps.archive import keys, probe
from debxcross.steps.archive.intake import Intake, name_of
from debxcross.steps.archive.opened import Acquire, apt_root, informed, opened
from debxcross.steps.chain import prepare as preparing
from debxcross.steps.chain import replay
from debxcross.steps.chain.close import closed, read_settings
from debxcross.steps.chain.prepare import Prepared
from debxcross.steps.context import Context
from debxcross.steps.held import Held
from debxcross.steps.results import StoredResults
from debxcross.steps.store.substitute import open_substitutes
from debxcross.steps.supply import Supply


class Opening:
    """One invocation: configuration read, store open, events flowing, and what can be opened."""

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
        self.configuration = config.load(store=request.store)
        self.events = Events(time.time, tuple(listeners))
        check_temporary()
        self.store = Store(self.configuration.store)
        self._stop = False
        self._webs: list[Web] = []
        chain = _named(chain, Intake(self.store, lambda: self._transfer(())))
        directories = self._patch_directories()
        self.chain = replace(
            chain, without_suites=(*chain.without_suites, *request.without), without_twin=not request.twin,
            sources=tuple(
                replace(one, accept_losses=(*one.accept_losses, *read_accepted(directories, one.name)))
                for one in chain.sources))
        unknown = sorted(set(request.rebuild) - set(self.chain.members))
        if unknown:
            raise UsageError(f"the chain has no member {', '.join(unknown)}",
                             resolution=f"Its members: {', '.join(self.chain.members)}.")

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

    @property
    def bounds(self) -> Bounds:
        """What a command in a root may take."""
        limits = self.configuration.limits
        return Bounds(limits.processes, limits.memory << 20, limits.open_files, limits.file_size << 20,
                      limits.log_size << 20, limits.time)

    def _results(self, transfer: Transfer) -> StoredResults:
        """Open where results are: the store, and the substitutes where there is a network."""
        request, configuration = self.request, self.configuration
        substitutes = () if request.offline else open_substitutes(
            (*request.substitutes, *configuration.substitutes),
            (*request.substitute_keys, *configuration.substitute_keys),
            self.store, transfer, self.events)
        return StoredResults(self.store, self.events, self.host.name, substitutes)

    def context(self, *, device_only: bool = False) -> Context:
        """Open the doors: mirrors chosen, indexes fetched and verified, nothing built.

        With ``device_only`` apt need see neither sources nor the build architecture's packages.
        """
        request, configuration = self.request, self.configuration
        build = architecture(self._machine("build-architecture", apt.build_architecture))
        machine = self._machine("machine", lambda: apt.ask({"ask": "machine"}))
        lock = self._lock(build.name)
        mirrors = {} if request.offline else {
            **probe.archives(configuration, machine, self.chain.release),
            **keys.added_archives(configuration, self.store, self.chain.archives, Path(request.chain), lock)}
        acquire = tuple((name, value) for name, value in machine["acquire"])
        # With a lock apt has nothing to choose from but what the lock names.
        world = (probe.make_world(self.chain, mirrors, build.name, self.host.name)
                 if lock is None else World(build.name, self.host.name, ()))
        cautions: list[str] = []
        root = self._apt(world, acquire, lock, device_only, cautions.append)
        for caution in cautions:
            self.events.tell("warning", text=caution)
        transfer = self._transfer(acquire)
        supply = Supply(self.store, root, root.world, transfer, self.events, self._index(transfer),
                        {role: archive.uris for role, archive in mirrors.items()}, request.offline,
                        tuple(cautions))
        return Context(
            self._results(transfer), supply, Held(self.host.name, lock),
            Chroots(request.isolation, self.bounds), root,
            root.world, self.events, DpkgArchTable.load_arch_table(), build, self.host,
            request.directory / "logs", request.jobs or os.cpu_count() or 1)

    def _apt(self, world: World, acquire: Acquire, lock: Lock | None, device_only: bool,
             caution: Callable[[str], None]) -> AptRoot:
        request = self.request
        age = (math.inf if request.same_indexes else 0 if request.refresh
               else self.configuration.index_max_age)
        if device_only and lock is None and not apt_root(self.store, world, acquire).is_fresh(age):
            world = world.for_device()
        return informed(opened(self.store, world, acquire, age if lock is None else None, caution), world)

    def _transfer(self, acquire: Acquire) -> Transfer:
        """Open the web, with apt's own proxies; interrupt() hangs up."""
        settings = pip_settings()
        transfer = make_transfer(
            proxies=_proxies(acquire), stopping=lambda: self._stop,
            authorities=Path(settings.certificates) if settings.certificates else None)
        self._webs.append(transfer.web)
        return transfer

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
        replay.check_lockable(self.chain)
        lock = replay.read(request.locked)
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

    def prepared(self, context: Context) -> Prepared:
        """Read the patches and decide everything that can be decided without building."""
        if self.request.closure:
            self.chain = closed(context, self.chain, read_settings())
        patches = read_patches(self._patch_directories(), [member.name for member in self.chain.sources])
        mine = {place(wheel.name) for wheel in self.chain.wheels}
        patches = (*patches, *(rule for rule in self.sdist_patches() if rule.source in mine))
        prepare = preparing.prepare if context.held.lock is None else replay.prepare
        return prepare(context, self.chain, patches, self.configuration.maintainer, self._answers())

    def _answers(self) -> Answering:
        """Return who answers what configure cannot try: files, and the kernel's emulator."""
        directories = (data_directory("answers"), *self.configuration.answers,
                       *(path.absolute() for path in self.request.answers_from))
        names = [member.name for member in self.chain.sources]
        return Answering(read_answers(directories, names, self.host.name), read_usual(directories),
                         _emulator(self.store, self.host), self.request.answers)

    def _patch_directories(self) -> tuple[Path, ...]:
        own = data_directory("rules-patches")
        return (own, *self.configuration.patches, *(path.absolute() for path in self.request.patches))

    def sdist_patches(self) -> tuple[RulesPatch, ...]:
        """Return the patches to sdists of whatever project, their ranges read."""
        return tuple(map(read_versions, read_sdist_patches(self._patch_directories())))

    def clean(self, context: Context) -> None:
        """Remove what killed runs left in the store's throw-away places."""
        for path in self.store.abandoned():
            if path.exists():
                context.chroots.remove(path)
            self.store.forget_work(path)

    def _index(self, transfer: Transfer) -> Callable[[], Index]:
        """Return what opens the package index, once: the request's, the configured one, else pip's."""
        lock, found = threading.Lock(), list[Index]()

        def index() -> Index:
            with lock:
                if not found:
                    found.append(self._open_index(transfer))
                return found[0]
        return index

    def _open_index(self, transfer: Transfer) -> Index:
        settings, request = pip_settings(), self.request
        url = request.index_url or self.configuration.index_url or settings.index_url or self._machine(
            "index", lambda: default_index_url(settings))
        return Index(url, partial(read_page, transfer=transfer), partial(fetch, transfer=transfer),
                     (*settings.extra_index_urls, *request.extra_index_urls))


def _emulator(store: Store, host: Architecture) -> str:
    """Return the words of the emulator that works in build roots; it is asked when it is another one."""
    key = digest(["emulator", host.name, emulator_stamp(host)])
    words = store.memo("emulator", key)
    if words is None:
        words = emulator(host)
        store.remember("emulator", key, words)
    return str(words)


def _proxies(acquire: Acquire) -> dict[str, str] | None:
    """Return apt's own proxies by scheme; None leaves it to http_proxy and the like."""
    found = {
        name.split("::")[1].lower(): value for name, value in acquire
        if name.lower() in ("acquire::http::proxy", "acquire::https::proxy") and value not in ("", "DIRECT")}
    return found or None


def _named(chain: Chain, intake: Intake) -> Chain:
    """Return the chain with the names of sources that the command line names by their place.

    Raises ConfigurationError when two of them are one source.
    """
    if all(member.name for member in chain.sources):
        return chain
    members = [member if member.name or member.origin is None
               else replace(member, name=name_of(member.origin, intake)) for member in chain.sources]
    names = [member.name for member in members]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigurationError(f"{', '.join(twice)} is named more than once",
                                 resolution="Name each source once: from the archive, or from one place.")
    return chain_of(members, chain.release)
