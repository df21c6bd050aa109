# SPDX-License-Identifier: GPL-3.0-or-later
"""The doors and settings that every step of one run works with."""
from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from debian.debian_support import DpkgArchTable

from debxcross.core.architecture import Architecture
from debxcross.core.archive.world import World
from debxcross.core.artifact import Artifact, StoredFile
from debxcross.core.build.environment import PackageFile
from debxcross.core.chain.lock import SCHEME, Lock, LockedFile, LockedMember, deviation_error, deviations
from debxcross.doors.apt import AptRoot
from debxcross.doors.chroot import Chroots
from debxcross.doors.fetch import fetch
from debxcross.doors.store import Store
from debxcross.doors.web import Transfer
from debxcross.errors import FetchError, LockError, UnsatisfiableError
from debxcross.events import Events
from debxcross.steps.store.substitute import Substitute

_DOWNLOADS_AT_ONCE = 4


@dataclass(frozen=True)
class Context:
    """One run: where things are, and for which architectures it builds.

    ``world`` is everything apt may see, with what each suite carries; ``logs`` is a
    directory with one file per step; ``jobs`` is the number of processors a build may use.
    ``mirrors`` are the base addresses of each archive.  With a ``lock`` nothing is taken from
    the archives but what it names, except for the members and parts in ``unlocked``; with
    ``offline`` nothing is fetched at all.
    """

    store: Store
    chroots: Chroots
    apt: AptRoot
    world: World
    transfer: Transfer
    events: Events
    table: DpkgArchTable
    build: Architecture
    host: Architecture
    logs: Path
    jobs: int
    substitutes: tuple[Substitute, ...] = ()
    mirrors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    lock: Lock | None = None
    unlocked: frozenset[str] = frozenset()
    offline: bool = False
    #: Keys under which this run built other bytes than stand there.
    contradicted: set[str] = field(default_factory=set, compare=False)

    def log(self, step: str) -> Path:
        """Return the log file of a step, emptied for this run."""
        self.logs.mkdir(parents=True, exist_ok=True)
        path = self.logs / f"{step}.log"
        path.unlink(missing_ok=True)  # never through a link: its other end may be in the store
        path.write_bytes(b"")
        return path

    def shell_command(self, member: str) -> str:
        """Return what to type, in this directory, to enter a member's build root."""
        output = self.logs.absolute().parent
        usual = output == Path("out", self.host.name).absolute()
        where = f"--arch {self.host.name}" if usual else f"--output {shlex.quote(str(output))}"
        return f"debxcross shell {member} {where}"

    def busy(self, member: str, text: str) -> None:
        """Say what a member is doing now."""
        self.events.tell("activity", member, text)

    def artifact(self, member: str, key: str) -> Artifact | None:
        """Return the artifact of a member's step from the store, else from a substitute."""
        found = self.store.artifact(key)
        for substitute in self.substitutes:
            found = found or substitute.artifact(member, key)
        return found

    def commit(self, artifact: Artifact) -> Artifact:
        """Keep a step's result; return what stands under its key, which an earlier result may."""
        stands = self.store.commit(artifact)
        if stands is not artifact:
            self.contradicted.add(artifact.key)
            before = {file.name: file.sha256 for file in stands.files}
            names = [file.name for file in artifact.debs(self.host.name)
                     if before.get(file.name) != file.sha256]
            self.events.tell("warning", artifact.member, (
                f"built again, {', '.join(names)} came out with other bytes; the earlier result stands "
                f"('debxcross reproduce {artifact.member}' shows what differs)"))
        return stands

    def memo(self, member: str, kind: str, key: str) -> Any | None:
        """Return an answer remembered in the store, else in a substitute's."""
        value = self.store.memo(kind, key)
        for substitute in self.substitutes:
            if value is None and (value := substitute.memo(member, kind, key)) is not None:
                self.store.remember(kind, key, value)
        return value

    def urls(self, uri: str) -> tuple[str, ...]:
        """Return the places to try for a URI that apt printed or a lock names, mirrors resolved."""
        if uri.startswith(SCHEME):
            role, _, path = uri.removeprefix(SCHEME).partition("/")
            return tuple(f"{base.rstrip('/')}/{path}" for base in self.mirrors.get(role, ()))
        for use in self.world.suites:
            prefix = f"mirror+file:{self.apt.mirror_files[use.archive.role]}"
            if uri.startswith(prefix):
                rest = uri.removeprefix(prefix).lstrip("/")
                return tuple(f"{base.rstrip('/')}/{rest}" for base in use.archive.uris)
        return (uri,)

    def placed(self, file: PackageFile) -> PackageFile:
        """Return a package with a URI that holds on other machines too: archive and path."""
        for use in self.world.suites:
            archive = use.archive
            for base in (f"mirror+file:{self.apt.mirror_files[archive.role]}", *archive.uris):
                prefix = f"{base.rstrip('/')}/"
                if file.uri.startswith(prefix):
                    return replace(file, uri=f"{SCHEME}{archive.role}/{file.uri.removeprefix(prefix)}")
        return file

    def held(self, member: str) -> LockedMember | None:
        """Return what the lock says of a member; None when it is free."""
        return self.lock.member(member) if self.lock and member not in self.unlocked else None

    def held_part(self, part: str) -> tuple[PackageFile, ...] | None:
        """Return the packages that the lock pins beside the members'; None when that part is free."""
        return self.lock.parts[part] if self.lock and part not in self.unlocked else None

    def compare(self, member: str, found: Sequence[PackageFile], local: Sequence[StoredFile]) -> None:
        """Raise LockError when apt chose something else for a member than the lock says.

        ``local`` are results of this run, which a lock does not name.
        """
        if (held := self.held(member)) is not None:
            ours = {file.sha256 for file in local}
            if said := deviations(held.packages, [file for file in found if file.sha256 not in ours]):
                raise deviation_error(member, said, self.host.name)

    def unsatisfied(self, member: str, error: UnsatisfiableError) -> UnsatisfiableError | LockError:
        """Return what it means that apt found no solution: with a lock, that the lock names too little."""
        if self.held(member) is None:
            return error
        return LockError(
            f"{member}: what the lock names is not enough to build it", error.details,
            f"Move the lock: debxcross lock {self.host.name} --update {member}. "
            "Otherwise restore what has changed.")

    def fetch_files(self, member: str, files: Sequence[LockedFile]) -> None:
        """Have these files of a source in the store, verified by digest."""
        self.fetch_packages(
            member, [PackageFile(file.uri, file.name, file.size, file.sha256) for file in files])

    def check_online(self, member: str, missing: Sequence[str]) -> None:
        """Raise FetchError, naming what is missing in the store, when nothing may be fetched."""
        if self.offline and missing:
            raise FetchError(
                f"{member}: the store lacks {len(missing)} file{'s' if len(missing) > 1 else ''}, "
                "and --offline allows no network",
                "\n".join(sorted(missing)),
                "Run once without --offline, or bring them with 'debxcross store import'.")

    def fetch_packages(self, member: str, files: Sequence[PackageFile]) -> tuple[StoredFile, ...]:
        """Have all these .debs in the store, verified by digest, and return them.

        Those of the local repository are results of this run and there already.
        """
        stored = tuple(StoredFile(file.file, file.sha256, file.size) for file in files)
        missing = [file for file, there in zip(files, stored) if not self.store.has(there)]
        if missing:
            self.check_online(member, [f"{file.file} ({file.sha256[:12]}…)" for file in missing])
            size = sum(file.size for file in missing) / 1e6
            self.busy(member, f"fetching {len(missing)} packages ({size:.1f} MB)")
            with ThreadPoolExecutor(_DOWNLOADS_AT_ONCE) as pool:
                for _ in pool.map(self._fetch_package, missing):
                    pass
        return stored

    def _fetch_package(self, file: PackageFile) -> None:
        fetch(self.urls(file.uri), self.store.path(file.sha256), sha256=file.sha256, size=file.size,
              transfer=self.transfer)
        self.store.path(file.sha256).chmod(0o444)
