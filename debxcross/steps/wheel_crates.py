# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetches the crates that an sdist's Cargo.lock names, so that Cargo can build without a network."""
from __future__ import annotations

import json
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from debxcross.core.artifact import StoredFile
from debxcross.core.backend_crates import Crate, configuration_url, download_url, parse_lock
from debxcross.doors.index import Index
from debxcross.doors.sdist import read_texts
from debxcross.errors import FetchError, GateError
from debxcross.steps.context import Context

_AT_ONCE = 4


def fetch_crates(context: Context, index: Index, member: str, sdist: Path) -> tuple[StoredFile, ...]:
    """Have every crate of an sdist in the store, verified by the checksums of its Cargo.lock.

    Raises GateError for a lock that cannot be read, UnsupportedError, FetchError.
    """
    _, texts = read_texts(sdist, lambda path: path.rpartition("/")[2] == "Cargo.lock")
    crates: set[Crate] = set()
    for path, text in sorted(texts.items()):
        try:
            crates.update(parse_lock(tomllib.loads(text), sdist.name))
        except tomllib.TOMLDecodeError as error:
            raise GateError(f"{sdist.name}: {path} cannot be read", str(error),
                            "Choose another release of the project.") from error
    wanted = sorted(crates, key=lambda crate: crate.file)
    missing = [crate for crate in wanted if context.store.memo("pin", crate.sha256) is None]
    if missing:
        context.busy(member, f"fetching {len(missing)} crates")
        registries = {crate.registry: _configuration(index, crate.registry) for crate in missing}
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(lambda crate: _fetch(context, index, crate, registries[crate.registry]), missing))
    found = (context.store.memo("pin", crate.sha256) for crate in wanted)
    return tuple(StoredFile(**one) for one in found if one is not None)


def _configuration(index: Index, registry: str) -> dict[str, Any]:
    url = configuration_url(registry)
    page = index.read(url, "application/json")
    try:
        found: dict[str, Any] = json.loads(page.body if page else b"")
    except ValueError as error:
        raise FetchError(f"the registry of crates does not answer at {url}", str(error),
                         "Check the network; the registry is the one that Cargo.lock names.") from error
    return found


def _fetch(context: Context, index: Index, crate: Crate, configuration: dict[str, Any]) -> None:
    with context.store.work(context.chroots.remove) as directory:
        path = index.fetch((download_url(configuration, crate),), directory / crate.file,
                           sha256=crate.sha256, size=None)
        context.store.remember("pin", crate.sha256, context.store.put(path, crate.file))
