# SPDX-License-Identifier: GPL-3.0-or-later
"""Where packages and files come from, and how they get into the store, verified by digest."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from debxcross.core.archive.world import Archive, World
from debxcross.core.artifact import StoredFile
from debxcross.core.build.environment import PackageFile
from debxcross.core.chain.lock import SCHEME, LockedFile
from debxcross.core.url import below
from debxcross.doors.apt import AptRoot
from debxcross.doors.fetch import fetch
from debxcross.doors.index import Index
from debxcross.doors.store import Store
from debxcross.doors.web import Transfer
from debxcross.errors import FetchError
from debxcross.events import Events

_DOWNLOADS_AT_ONCE = 4


@dataclass(frozen=True)
class Supply:
    """The archives, their mirrors, and the package index.

    ``mirrors`` are the base addresses of each archive by role; ``index`` opens the index of Python
    packages, once.  With ``offline`` nothing is fetched at all.  ``cautions`` is what users must hear of
    the state that the archives' mirrors are in.
    """

    store: Store
    apt: AptRoot
    world: World
    transfer: Transfer
    events: Events
    index: Callable[[], Index]
    mirrors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    offline: bool = False
    cautions: tuple[str, ...] = ()

    def urls(self, uri: str) -> tuple[str, ...]:
        """Return the places to try for a URI that apt printed or a lock names, mirrors resolved.

        It has no login; that of the mirror is added.
        """
        if uri.startswith(SCHEME):
            role, _, path = uri.removeprefix(SCHEME).partition("/")
            return tuple(f"{base.rstrip('/')}/{path}" for base in self.mirrors.get(role, ()))
        for use in self.world.suites:
            for base in self._bases(use.archive):
                if (rest := below(uri, base)) is not None:
                    return tuple(f"{one.rstrip('/')}/{rest}" for one in use.archive.uris)
        return (uri,)

    def _bases(self, archive: Archive) -> tuple[str, ...]:
        """Return how apt calls an archive: by its list of mirrors, or by one of them."""
        return (f"mirror+file:{self.apt.mirror_files[archive.role]}", *archive.uris)

    def placed(self, file: PackageFile) -> PackageFile:
        """Return a package with a URI that holds on other machines too: archive and path."""
        for use in self.world.suites:
            archive = use.archive
            for base in self._bases(archive):
                if (rest := below(file.uri, base)) is not None:
                    return replace(file, uri=f"{SCHEME}{archive.role}/{rest}")
        return file

    def check_online(self, member: str, missing: Sequence[str]) -> None:
        """Raise FetchError, naming what is missing in the store, when nothing may be fetched."""
        if self.offline and missing:
            raise FetchError(
                f"{member}: the store lacks {len(missing)} file{'s' if len(missing) > 1 else ''}, "
                "and --offline allows no network",
                "\n".join(sorted(missing)),
                "Run once without --offline, or bring them with 'debxcross store import'.")

    def fetch(self, member: str, files: Sequence[PackageFile]) -> tuple[StoredFile, ...]:
        """Have all these .debs in the store, verified by digest, and return them.

        Those of the local repository are results of this run and there already.
        """
        stored = tuple(StoredFile(file.file, file.sha256, file.size) for file in files)
        missing = [file for file, there in zip(files, stored) if not self.store.has(there)]
        if missing:
            self.check_online(member, [f"{file.file} ({file.sha256[:12]}…)" for file in missing])
            size = sum(file.size for file in missing) / 1e6
            self.events.tell("activity", member, f"fetching {len(missing)} packages ({size:.1f} MB)")
            with ThreadPoolExecutor(_DOWNLOADS_AT_ONCE) as pool:
                for _ in pool.map(self._fetch_package, missing):
                    pass
        return stored

    def fetch_locked(self, member: str, files: Sequence[LockedFile]) -> None:
        """Have these files of a source in the store, verified by digest."""
        self.fetch(member, [PackageFile(file.uri, file.name, file.size, file.sha256) for file in files])

    def _fetch_package(self, file: PackageFile) -> None:
        fetch(self.urls(file.uri), self.store.path(file.sha256), sha256=file.sha256, size=file.size,
              transfer=self.transfer)
        self.store.path(file.sha256).chmod(0o444)
