# SPDX-License-Identifier: GPL-3.0-or-later
"""Publishes what a chain built: asked of apt first, and only when something is new."""
from __future__ import annotations

import hashlib
import socket
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from debxcross.core.archive.choice import spared
from debxcross.core.archive.predict import needed_elsewhere, stanza_text
from debxcross.core.artifact import Artifact, StoredFile
from debxcross.core.key import digest
from debxcross.core.wheel.files import check_owners
from debxcross.doors import deb
from debxcross.doors.template import data_directory
from debxcross.errors import UnsatisfiableError
from debxcross.repository.core.index import RepositorySettings
from debxcross.repository.steps import keys, publish
from debxcross.repository.steps.adopt import given_files
from debxcross.steps.archive import security
from debxcross.steps.build import baseroot, shims
from debxcross.steps.chain.asked import asked_for, left_out_words
from debxcross.steps.chain.beside import beside
from debxcross.steps.chain.prepare import Prepared
from debxcross.steps.context import Context


@dataclass(frozen=True)
class PublicationSettings:
    """Where a run publishes, and as whom; ``keys`` is where signing keys live.

    Without ``url`` devices are told this machine's own address.
    """

    output: Path
    keys: Path
    origin: str
    label: str
    url: str

    @property
    def web_root(self) -> Path:
        """The repository's directory."""
        return self.output / "repo"


@dataclass(frozen=True)
class Publication:
    """The publication of one run; ``step`` is the name under which it is told.

    With ``keep_going`` packages that no device could install are left out.
    """

    context: Context
    prepared: Prepared
    settings: PublicationSettings
    step: str
    keep_going: bool = False

    def carry_out(self, artifacts: Mapping[str, Artifact]) -> tuple[str, dict[str, Any]]:
        """Publish the .debs of these results; return "built" or "cached", and what the summary tells.

        Raises UnsatisfiableError when a device could not install everything, PublishError.
        """
        context, host = self.context, self.context.host.name
        files = tuple(sorted(
            {*(file for artifact in artifacts.values() for file in artifact.debs(host)),
             *security.stored(self.prepared.updates.published())},
            key=lambda file: file.name))
        companions = beside(artifacts.values(), [self.prepared.work[name] for name in artifacts], host,
                            context.store)
        known = context.store.memo("publication", self._question(files, companions))
        if known is None:
            known = self._publish(files, companions, {
                file.name: _package(artifact.debs(host)[0].name) for artifact in artifacts.values()
                for file in artifact.files if file.name.endswith(".whl") and artifact.debs(host)})
            # What is live is another InRelease now.
            context.store.remember("publication", self._question(files, companions), known)
            state = "built"
        else:
            state = "cached"
        for note in known.get("notes", ()):
            context.events.tell("note", self.step, note)
        offered = {_package(file.name) for file in files} - {
            *known.get("unpublished", {}), *known.get("unasked", {}), *known.get("for_building", ())}
        # Not before: the first publication makes the keys.
        self._warn_of_keys()
        return state, {**known, "device": self._device_lines(offered)}

    @property
    def _repository(self) -> RepositorySettings:
        context, release = self.context, self.prepared.chain.release
        return RepositorySettings(
            origin=self.settings.origin, label=self.settings.label, codename=release, suite=release,
            architectures=context.world.architectures,
            description=f"Packages built by debxcross for {release} devices",
            url=self.settings.url or f"http://{socket.gethostname()}:8000/")

    @property
    def _state(self) -> Path:
        """Where the repository keeps its keys."""
        return self.settings.keys / self._repository.name

    def _question(self, files: Sequence[StoredFile], companions: Sequence[StoredFile]) -> str:
        """Return the identity of what would be published over what is live."""
        live = self.settings.web_root / "dists" / self.prepared.chain.release / "InRelease"
        return digest({
            "files": (files, companions), "settings": self._repository, "live": _sha256(live),
            "place": str(self.settings.web_root), "made of": _published_files(),
            "asked": sorted(asked_for(self.context, self.prepared))})

    def _publish(self, files: tuple[StoredFile, ...], companions: tuple[StoredFile, ...],
                 wheels: Mapping[str, str]) -> dict[str, Any]:
        """Publish; ``wheels`` are the packages that wheels were wrapped as, by the wheels' names."""
        context, settings = self.context, self._repository
        context.supply.fetch(self.step, self.prepared.updates.published())
        context.busy(self.step, f"checking that {len(files)} packages are installable")
        with context.store.work(context.chroots.remove) as directory:
            context.store.lay_out(files, directory / "debs")
            unpublished, unasked = self._uninstallable(files, directory)
            for_building = self._for_building & set(unpublished)
            left_out = {*unpublished, *unasked}
            files = tuple(file for file in files if _package(file.name) not in left_out)
            self._check_owners([directory / "debs" / file.name for file in files])
            controls = [deb.read_facts(directory / "debs" / file.name).control for file in files]
            context.busy(self.step, f"publishing {len(files)} packages")
            context.store.lay_out(companions, directory / "beside")
            given = [path for path in given_files([directory / "debs", directory / "beside"])
                     if wheels.get(path.name, _package(path.name) if path.suffix == ".deb" else "")
                     not in left_out]
            made = publish.publish(self.settings.web_root, self._state, settings, given, now=time.time)
        ours = {file.sha256 for file in files}
        return {
            "repository": str(self.settings.web_root), "url": settings.url, "fingerprint": made.fingerprint,
            "keyring": f"{settings.keyring_package}.gpg",
            "unasked": unasked,
            "unpublished": {name: why for name, why in unpublished.items() if name not in for_building},
            **({"notes": self._device_notes(
                {name: unpublished[name] for name in sorted(for_building)}, controls),
                "for_building": sorted(for_building)} if context.without_archive else {}),
            "published": digest([one.sha256 for one in made.packages]),
            # File names have no epochs.
            "versions": {one.sha256: one.version for one in made.packages if one.sha256 in ours},
        }

    def _uninstallable(self, files: tuple[StoredFile, ...], directory: Path
                       ) -> tuple[dict[str, list[str]], dict[str, tuple[str, ...]]]:
        """Return the packages to leave out, and those nobody asked for, with what stands in the way.

        The last gate: apt's own solver, on the device's release, for each package.  Raises
        UnsatisfiableError for packages that are asked for, unless the run keeps going.
        """
        left_out: dict[str, list[str]] = {}
        unasked: dict[str, tuple[str, ...]] = {}
        asked = asked_for(self.context, self.prepared)
        while True:
            gone = {*left_out, *unasked}
            offered = [file for file in files if _package(file.name) not in gone]
            problems = self._problems(offered, directory, f"apt-{len(gone)}")
            if not problems:
                return left_out, unasked
            groups = {name: [one for one in packages if one not in gone]
                      for name, packages in self.prepared.expected.items()
                      if name not in self.prepared.chain.added}
            if spare := spared(problems, groups, asked):
                for member, packages in groups.items():
                    for name in (one for one in packages if one in spare):
                        self.context.events.tell("note", self.step, left_out_words(member, name, spare[name]))
                unasked.update(spare)
                continue
            may_go = self.keep_going or self._for_building.issuperset(problems)
            if not may_go or len(problems) == len(offered):
                lines = [f"{name}: {'; '.join(why)}" for name, why in problems.items()]
                raise UnsatisfiableError(
                    f"{len(problems)} of {len(offered)} packages cannot be installed on "
                    f"{self.prepared.chain.release} {self.context.host.name}", "\n".join(lines),
                    "Add what is missing to the chain; nothing was published.")
            left_out.update(problems)

    @property
    def _for_building(self) -> frozenset[str]:
        """The packages of members that nobody named: published as far as devices can install them."""
        return frozenset(package for name in self.prepared.chain.added
                         for package in self.prepared.expected.get(name, ()))

    def _device_notes(self, left_out: Mapping[str, list[str]], controls: Sequence[Mapping[str, str]]
                      ) -> list[str]:
        """Say what a device must have of its own where no archive has its architecture."""
        lacking = needed_elsewhere(controls)
        notes = [f"a device must have of its own: {', '.join(lacking)}; no archive has them for "
                 f"{self.context.host.name}, and nothing here brings them"] if lacking else []
        return [*notes, *(f"{name} served for building and is not published: {why[0]}"
                          for name, why in left_out.items())]

    def _problems(self, files: Sequence[StoredFile], directory: Path, view: str) -> dict[str, list[str]]:
        context = self.context
        stanzas = []
        names = []
        for file in files:
            control = deb.read_facts(directory / "debs" / file.name).control
            stanzas.append(stanza_text(control, f"debs/{file.name}", file.size, file.sha256))
            if not control["Package"].endswith("-dbgsym"):
                names.append(control["Package"])
        # Without an archive, the C library and the compiler's are what a device must have already.
        local = "\n".join(filter(None, (*stanzas, baseroot.device_index(context), shims.index(context))))
        device = context.apt.view(directory / view, context.world.for_device(), local=local)
        found: dict[str, list[str]] = device.ask(
            {"ask": "installable", "names": names, "architecture": context.host.name})
        return found

    def _check_owners(self, paths: Sequence[Path]) -> None:
        """Raise GateError when two wheels have the same file: dpkg would find out on the device."""
        facts = [deb.read_facts(path) for path in paths]
        check_owners({one.control["Package"]: one.md5sums for one in facts
                      if "Python-Distribution" in one.control})

    def _warn_of_keys(self) -> None:
        """Tell what is worth saying of the signing keys; gpg is asked once a day and key."""
        home = self._state / "keys"
        files = [path for path in sorted(home.glob("*")) if path.is_file()]
        question = digest([str(home), [(path.name, path.stat().st_mtime_ns) for path in files],
                           int(time.time() // 86400)])
        said = self.context.store.memo("key-warnings", question)
        if said is None:
            said = list(keys.warnings(home, time.time()))
            self.context.store.remember("key-warnings", question, said)
        for warning in said:
            self.context.events.tell("warning", text=warning)

    def _device_lines(self, offered: Collection[str]) -> list[str]:
        settings = self._repository
        release, name, web = self.prepared.chain.release, settings.name, self.settings.web_root
        asked = [one for one in self.prepared.chain.trial.packages if one in offered]
        packages = asked or sorted(offered)
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


def _package(file: str) -> str:
    """Return the package of a .deb's name; debug symbols belong to the package itself."""
    return file.split("_")[0].removesuffix("-dbgsym")


def _published_files() -> str:
    """Return the digest of the templates that everything beside the packages is made from."""
    files = [path for path in sorted(data_directory("repo").rglob("*")) if path.is_file()]
    return digest([(path.name, _sha256(path)) for path in files])


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
