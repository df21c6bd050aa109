# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries a whole chain out: base root, members, repository, trial; then the summary."""
from __future__ import annotations

import hashlib
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from debxcross.core.archive.predict import stanza_text
from debxcross.core.artifact import Artifact, StoredFile
from debxcross.core.chain import order
from debxcross.core.chain.chain import Chain
from debxcross.core.chain.history import CONTRADICTED
from debxcross.core.key import digest
from debxcross.doors import deb
from debxcross.doors.index import Index
from debxcross.doors.template import data_directory
from debxcross.errors import DiskFullError, HostError, UnsatisfiableError
from debxcross.repository.core.index import RepositorySettings
from debxcross.repository.steps import keys as keyrepo
from debxcross.repository.steps.adopt import given_files
from debxcross.repository.steps.publish import publish
from debxcross.steps.archive import security
from debxcross.steps.build import baseroot, source
from debxcross.steps.build.baseroot import BaseRoot
from debxcross.steps.build.keep import forget
from debxcross.steps.build.source import SourceWork
from debxcross.steps.chain import beside as builds
from debxcross.steps.chain.explain import record, record_use
from debxcross.steps.chain.prepare import (
    Prepared, base_recipe_root, ensure_base_root, local_debs, make_plan, raise_for,
)
from debxcross.steps.chain.trial import TrialWork, trial_key, try_on_device
from debxcross.steps.context import Context
from debxcross.steps.disk import room_needed
from debxcross.steps.wheel import build

BUILD_ROOT, DEVICE_ROOT, REPOSITORY, TRIAL = "build-root", "device-root", "repository", "device-trial"


@dataclass(frozen=True)
class RunSettings:
    """What a run is asked beside the chain; ``keys`` is where signing keys live."""

    output: Path
    keys: Path
    keep_going: bool = False
    rebuild: tuple[str, ...] = ()
    trial: bool = True
    origin: str = "debxcross"
    label: str = "debxcross"
    url: str = ""


class Run:
    """One run of a chain."""

    def __init__(self, context: Context, prepared: Prepared, settings: RunSettings,
                 index: Callable[[Context], Index]) -> None:
        self.context, self.prepared, self.settings = context, prepared, settings
        self._open_index = index
        self._index: Index | None = None
        self._index_lock = threading.Lock()
        self._base: BaseRoot | None = None
        self._builds = True
        self._device: BaseRoot | None = None
        self._artifacts: dict[str, Artifact] = {}
        self._summary: dict[str, Any] = {}

    @staticmethod
    def rows(chain: Chain, trial: bool) -> tuple[str, ...]:
        """Return the names of all steps of a chain's run, as reports show them."""
        tries = trial and chain.trial.wanted
        return (BUILD_ROOT, *((DEVICE_ROOT,) if tries else ()), *chain.members, REPOSITORY,
                *((TRIAL,) if tries else ()))

    def start(self) -> None:
        """Say what the plan found; stop before anything is built when it cannot work."""
        for note in self.prepared.notes:
            self.context.events.tell("note", text=note)
        for warning in self.prepared.warnings:
            self.context.events.tell("warning", text=warning)
        self._check()
        record_use(self.context, "indexes", self.prepared.chain, self.context.apt.directory.name)
        reasons = {one.name: one.reason for one in self.prepared.updates.excluded()}
        for name in (*self.rows(self.prepared.chain, self.settings.trial), *reasons):
            if name not in self.needs():
                self.context.events.tell("state", name, state="excluded",
                                         reason=reasons.get(name, "nothing is to be built"))

    def _check(self) -> None:
        """Stop before building when the plan has problems or this machine cannot do it."""
        plan, problems = make_plan(self.context, self.prepared, self.settings.rebuild)
        raise_for(problems)
        self._builds = any(member.state not in ("cached", "excluded") for member in plan.members)
        if self._builds:
            with self.context.store.work(self.context.chroots.remove) as directory:
                self.context.chroots.check(directory)

    def needs(self) -> dict[str, tuple[str, ...]]:
        """Return every step with the steps that must be done before it, in the order to start them."""
        prepared = self.prepared
        tries = TRIAL in self.rows(prepared.chain, self.settings.trial)
        if not prepared.order and not prepared.updates.published():
            return {}
        return {
            **({BUILD_ROOT: ()} if prepared.order else {}),
            # The device's root can be made while the members build.
            **({DEVICE_ROOT: ()} if tries else {}),
            **{name: (BUILD_ROOT, *prepared.needs[name]) for name in prepared.order},
            REPOSITORY: tuple(prepared.order),
            **({TRIAL: (REPOSITORY, DEVICE_ROOT)} if tries else {}),
        }

    def work(self, name: str) -> tuple[str, Any]:
        """Carry one step out; return its state ("built" or "cached") and nothing else."""
        context = self.context
        context.events.tell("state", name, state="building", log=str(context.logs / f"{name}.log"))
        steps = {BUILD_ROOT: self._build_root, DEVICE_ROOT: self._device_root, REPOSITORY: self._publish,
                 TRIAL: self._try}
        with room_needed(context.store.directory):
            return steps[name]() if name in steps else self._member(name)

    def _build_root(self) -> tuple[str, Any]:
        prepared = self.prepared
        if self._builds:
            self._base, made = ensure_base_root(self.context, prepared, BUILD_ROOT)
        else:
            # Nothing will be built in it: that it could be made is enough.
            self._base, made = base_recipe_root(self.context, prepared), False
        assert self._base is not None, "problems stop a run before it starts"
        record_use(self.context, BUILD_ROOT, prepared.chain, self._base.key)
        return "built" if made else "cached", None

    def _device_root(self) -> tuple[str, Any]:
        wanted = baseroot.device_recipe(self.context, self.prepared.chain.release)
        try:
            self._device, made = baseroot.ensure_root(self.context, wanted, DEVICE_ROOT)
        except DiskFullError:
            raise
        except HostError as error:
            host = self.context.host.name
            raise HostError(
                f"the emulated {host} device could not be made", f"{error.brief}\n{error.details}",
                f"'debxcross doctor {host}' tells whether this machine can run {host} programs; "
                "--no-trial leaves the trial out.") from error
        record_use(self.context, DEVICE_ROOT, self.prepared.chain, self._device.key)
        return "built" if made else "cached", None

    def _member(self, name: str) -> tuple[str, Any]:
        context, work = self.context, self.prepared.work[name]
        results = {other: artifact.files for other, artifact in self._artifacts.items()}
        local = local_debs(self.prepared, name, results)
        assert self._base is not None and local is not None, "the schedule runs needs first"
        security.fetch_beside(context, self.prepared.updates, name, order.behind(name, self.prepared.needs))
        again = name in self.settings.rebuild
        if isinstance(work, SourceWork):
            from debxcross.steps.archive.probe import fetch_source

            if again or not self._is_cached(work, local):
                fetch_source(context, work.source)
            state, artifact = source.build_source(context, work, self._base, local, again=again)
        else:
            state, artifact = build.build_wheel(context, work, self._base, local, self.index, again=again)
        self._artifacts[name] = artifact
        forget(context, name, built=state == "built")
        self._record(state, again, artifact)
        self._show_log(name, artifact)
        for file in artifact.debs(context.host.name):
            context.events.tell("artifact", name, name=file.name, size=file.size, sha256=file.sha256)
        return state, artifact

    def _record(self, state: str, again: bool, artifact: Artifact) -> None:
        if state == "built":
            state = "built again" if again else "built"
            if artifact.key in self.context.contradicted:
                state = CONTRADICTED
        elif any(artifact.key in one.given for one in self.context.substitutes):
            state = "substituted"
        else:
            state = "found"
        record(self.context, self.prepared.chain, state, artifact)

    def _is_cached(self, work: SourceWork, local: tuple[StoredFile, ...]) -> bool:
        assert self._base is not None
        key = source.known_key(self.context, work, self._base, local)
        return key is not None and self.context.artifact(work.source.name, key) is not None

    def _show_log(self, name: str, artifact: Artifact) -> None:
        """Put the log of a build of some earlier run where this run's logs are."""
        path = self.context.logs / f"{name}.log"
        if not path.exists() or not path.stat().st_size:
            logs = tuple(StoredFile(path.name, file.sha256, file.size)
                         for file in artifact.files if file.name.endswith(".log"))
            self.context.store.lay_out(logs, self.context.logs)

    @property
    def index(self) -> Index:
        """The package index, opened when first needed."""
        with self._index_lock:
            if self._index is None:
                self._index = self._open_index(self.context)
            return self._index

    def _settings(self) -> RepositorySettings:
        context, release = self.context, self.prepared.chain.release
        return RepositorySettings(
            origin=self.settings.origin, label=self.settings.label, codename=release, suite=release,
            architectures=context.world.architectures,
            description=f"Packages built by debxcross for {release} devices",
            url=self.settings.url or f"http://{socket.gethostname()}:8000/")

    def _publish(self) -> tuple[str, Any]:
        """Publish every .deb, unless exactly this is what is live."""
        context = self.context
        web_root = self.settings.output / "repo"
        live = web_root / "dists" / self.prepared.chain.release / "InRelease"
        host = context.host.name
        files = tuple(sorted(
            {*(file for artifact in self._artifacts.values() for file in artifact.debs(host)),
             *security.stored(self.prepared.updates.published())},
            key=lambda file: file.name))
        settings = self._settings()
        state = self.settings.keys / settings.name
        beside = builds.beside(self._artifacts.values(), self.prepared.work.values(), host, context.store)
        listed = (files, beside)
        question = digest({"files": listed, "settings": settings, "live": _sha256(live),
                           "place": str(web_root), "made of": _published_files()})
        if (known := context.store.memo("publication", question)) is not None:
            self._warn_of_keys(state / "keys")
            self._summary.update({**known, "device": self._device_lines(settings)})
            return "cached", None
        context.fetch_packages(REPOSITORY, self.prepared.updates.published())
        context.busy(REPOSITORY, f"checking that {len(files)} packages are installable")
        with context.store.work(context.chroots.remove) as directory:
            context.store.lay_out(files, directory / "debs")
            self._installable(files, directory)
            context.busy(REPOSITORY, f"publishing {len(files)} packages")
            context.store.lay_out(beside, directory / "beside")
            given = given_files([directory / "debs", directory / "beside"])
            publication = publish(web_root, state, settings, given, now=time.time)
        keyring = f"{settings.keyring_package}.gpg"
        said = {
            "repository": str(web_root), "url": settings.url, "fingerprint": publication.fingerprint,
            "keyring": keyring, "published": digest([one.sha256 for one in publication.packages]),
            # File names have no epochs.
            "versions": {one.sha256: one.version for one in publication.packages
                         if one.sha256 in {file.sha256 for file in files}},
        }
        question = digest({"files": listed, "settings": settings, "live": _sha256(live),
                           "place": str(web_root), "made of": _published_files()})
        context.store.remember("publication", question, said)
        # Not before: the first publication makes the keys.
        self._warn_of_keys(state / "keys")
        self._summary.update({**said, "device": self._device_lines(settings)})
        return "built", None

    def _warn_of_keys(self, home: Path) -> None:
        """Tell what is worth saying of the signing keys; gpg is asked once a day and key."""
        files = [path for path in sorted(home.glob("*")) if path.is_file()]
        question = digest([str(home), [(path.name, path.stat().st_mtime_ns) for path in files],
                           int(time.time() // 86400)])
        said = self.context.store.memo("key-warnings", question)
        if said is None:
            said = list(keyrepo.warnings(home, time.time()))
            self.context.store.remember("key-warnings", question, said)
        for warning in said:
            self.context.events.tell("warning", text=warning)

    def _device_lines(self, settings: RepositorySettings) -> list[str]:
        release, name, web = self.prepared.chain.release, settings.name, self.settings.output / "repo"
        packages = self.prepared.chain.trial.packages or tuple(sorted(
            {package for expected in self.prepared.expected.values() for package in expected}))
        return [
            f"# here: make {web} reachable at {settings.url}, for a first try with",
            f"#   python3 -m http.server --directory {web} 8000",
            f"# copy {web}/device/{release}/ to the device; there, as root:",
            f"cp {name}-bookworm-and-later.sources /etc/apt/sources.list.d/{name}.sources",
            f"cp {name}.pref /etc/apt/preferences.d/{name}.pref",
            "apt-get update",
            ("apt-get upgrade" if self.prepared.chain.security
             else f"apt-get install {' '.join(packages[:6])}"),
        ]

    def _installable(self, files: tuple[StoredFile, ...], directory: Path) -> None:
        """The last gate: apt's own solver, on the device's release, for each package."""
        context = self.context
        stanzas = []
        names = []
        for file in files:
            control = deb.read_facts(directory / "debs" / file.name).control
            stanzas.append(stanza_text(control, f"debs/{file.name}", file.size, file.sha256))
            if not control["Package"].endswith("-dbgsym"):
                names.append(control["Package"])
        local = "\n".join((*stanzas, baseroot.device_index(context)))
        view = context.apt.view(directory / "apt", context.world.for_device(), local=local)
        problems = view.ask({"ask": "installable", "names": names, "architecture": context.host.name})
        if problems:
            lines = [f"{name}: {'; '.join(why)}" for name, why in problems.items()]
            raise UnsatisfiableError(
                f"{len(problems)} of {len(names)} packages cannot be installed on "
                f"{self.prepared.chain.release} {context.host.name}", "\n".join(lines),
                "Add what is missing to the chain; nothing was published.")

    def _try(self) -> tuple[str, Any]:
        context, chain = self.context, self.prepared.chain
        assert self._device is not None
        smoke = {f"{member.name} smoke test": member.smoke for member in chain.wheels if member.smoke}
        work = TrialWork(self.settings.output / "repo", chain.release,
                         self._summary["published"], chain.trial, smoke, tuple(sorted(
                             {module for member in chain.wheels for module in member.optional_modules})))
        key = trial_key(work, self._device)
        if (known := context.store.memo("trial", key)) is not None:
            self._summary["trial"] = known
            return "cached", None
        results = try_on_device(context, work, self._device, TRIAL)
        self._summary["trial"] = {
            "packages": list(work.trial.packages or work.trial.before), "passed": len(results)}
        context.store.remember("trial", key, self._summary["trial"])
        return "built", None

    def summary(self, outcomes: Mapping[str, tuple[str, float]]) -> dict[str, Any]:
        """Return the summary of a run that went well; ``outcomes`` are state and seconds by step."""
        made = [(name, self._artifacts[name].key, file) for name in self.prepared.order
                for file in self._artifacts[name].debs(self.context.host.name)]
        # Packages that are published as the archive has them belong to no step.
        made += [("", "", file) for file in security.stored(self.prepared.updates.published())]
        debs, published = [], dict(self._summary)
        versions = published.pop("versions", {})
        for name, key, file in made:
            package, version, _ = file.name.removesuffix(".deb").split("_")
            debs.append({"name": package, "version": versions.get(file.sha256, version), "size": file.size,
                         "sha256": file.sha256, "file": file.name, "member": name, "key": key})
        return {
            "chain": self.prepared.chain.name, "release": self.prepared.chain.release,
            "build_architecture": self.context.build.name, "architecture": self.context.host.name,
            "members": [{"name": name, "state": state, "seconds": round(seconds, 2)}
                        for name, (state, seconds) in outcomes.items()],
            "debs": sorted(debs, key=lambda one: str(one["name"])), **published,
        }


def _published_files() -> str:
    """Return the digest of the templates that everything beside the packages is made from."""
    files = [path for path in sorted(data_directory("repo").rglob("*")) if path.is_file()]
    return digest([(path.name, _sha256(path)) for path in files])


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
