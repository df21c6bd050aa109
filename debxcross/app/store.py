# SPDX-License-Identifier: GPL-3.0-or-later
"""The use cases around the store: look into it, clean it, carry it, vouch for it."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from debxcross import config
from debxcross.core.store.gc import Collection, Damage, Listing
from debxcross.doors.chroot import Chroots
from debxcross.doors.store import Store
from debxcross.steps.store import exchange, gc, substitute
from debxcross.steps.store.exchange import Exchange


def open_store(directory: Path | None) -> Store:
    """Open the configured store, or the one in this directory.  Raises StoreError."""
    return Store(config.load(store=directory).store)


def list_store(directory: Path | None) -> Listing:
    """Return what is in a store."""
    return gc.list_store(open_store(directory))


def clean(directory: Path | None, keep: int, named: Sequence[Path], *, sources: bool, kept_roots: bool,
          delete: bool) -> Collection:
    """Return what nobody needs of a store, and delete it when asked.  See steps.collect.collect."""
    return gc.collect(open_store(directory), Chroots(), keep, named, sources=sources,
                      kept_roots=kept_roots, delete=delete)


def verify(directory: Path | None) -> Damage:
    """Compare everything in a store with its digest and drop what is damaged."""
    return gc.verify(open_store(directory), Chroots())


def export(directory: Path | None, target: Path, keep: int, named: Sequence[Path]) -> Exchange:
    """Write a store's content into one file."""
    return exchange.export(open_store(directory), target.absolute(), keep, named)


def take_in(directory: Path | None, source: Path) -> Exchange:
    """Take an exported file into a store."""
    return exchange.take_in(open_store(directory), source)


def sign(directory: Path | None) -> tuple[Path, str, int]:
    """Vouch for a store's results; return the directory to serve, the key's fingerprint, how many entries."""
    configuration = config.load(store=directory)
    store = Store(configuration.store)
    return substitute.sign(store, configuration.keys)
