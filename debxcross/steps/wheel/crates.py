# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetches the crates that an sdist's Cargo.lock names, so that Cargo can build without a network."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from debxcross.core.border import read_toml
from debxcross.core.artifact import StoredFile
from debxcross.core.wheel.crates import Crate, check_crate, lock_folders, parse_lock
from debxcross.doors import cargo
from debxcross.doors.sdist import read_texts
from debxcross.errors import FetchError, GateError
from debxcross.steps.context import Context


def is_cargo_input(path: str) -> bool:
    """Tell whether Cargo looks at a file of an sdist to know which crates it needs."""
    return path.endswith(".rs") or path.rpartition("/")[2] in ("Cargo.toml", "Cargo.lock")


def locked_crates(texts: Mapping[str, str], sdist: str) -> tuple[tuple[str, ...], tuple[Crate, ...]]:
    """Return the folders with lock files that count, and the crates that these name.

    Raises GateError for a lock that cannot be read, UnsupportedError for one that cannot be verified.
    """
    folders = lock_folders(texts)
    crates: set[Crate] = set()
    for folder in folders:
        path = f"{folder}Cargo.lock"
        try:
            crates.update(parse_lock(read_toml(texts[path]), sdist))
        except ValueError as error:
            raise GateError(f"{sdist}: {path} cannot be read", str(error),
                            "Choose another release of the project.") from error
    return folders, tuple(sorted(crates, key=lambda crate: (crate.file, crate.registry)))


def fetch_crates(
    context: Context, member: str, sdist: Path
) -> tuple[tuple[Crate, ...], tuple[StoredFile, ...]]:
    """Have every crate of an sdist in the store, verified by the checksums of its Cargo.lock.

    Raises GateError, UnsupportedError, FetchError, VerificationError, and HostError without a cargo.
    """
    _, texts = read_texts(sdist, is_cargo_input)
    folders, crates = locked_crates(texts, sdist.name)
    missing = [crate for crate in crates if _stored(context, crate) is None]
    if missing:
        context.supply.check_online(member, [f"{crate.file} ({crate.sha256[:12]}…)" for crate in missing])
        context.busy(member, f"cargo fetches {len(missing)} crates")
        for folder in folders:
            with context.store.work(context.chroots.remove) as directory:
                cargo.fetch_locked(texts, folder, directory, sdist.name)
        _keep(context, missing, sdist.name)
    found = (_stored(context, crate) for crate in crates)
    return crates, tuple(one for one in found if one is not None)


def _stored(context: Context, crate: Crate) -> StoredFile | None:
    known = context.store.memo("pin", crate.sha256)
    stored = StoredFile(**known) if known is not None else None
    return stored if stored is not None and context.store.has(stored) else None


def _keep(context: Context, missing: Sequence[Crate], sdist: str) -> None:
    """Put what Cargo fetched into the store, after comparing it with the lock file."""
    for crate in missing:
        path = cargo.find_crate(crate)
        if path is None:
            raise FetchError(
                f"{sdist}: cargo fetched {crate.name} {crate.version}, but its cache has no {crate.file}",
                "A source that is a directory or a git repository replaces the registry.",
                "Let Cargo's configuration name a registry for this source.")
        stored = context.store.put(path, crate.file)
        check_crate(crate, stored.sha256, sdist)
        context.store.remember("pin", crate.sha256, stored)
