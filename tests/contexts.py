# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the contexts that steps are tried in: a store of its own, no archive unless given."""
from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from debian.debian_support import DpkgArchTable

from debxcross.core.archive.world import World
from debxcross.core.architecture import architecture
from debxcross.doors.apt import AptRoot
from debxcross.doors.chroot import Chroots
from debxcross.doors.index import Index
from debxcross.doors.store import Store
from debxcross.doors.web import make_transfer
from debxcross.events import Events, Listener
from debxcross.steps.context import Context
from debxcross.steps.held import Held
from debxcross.steps.results import StoredResults
from debxcross.steps.supply import Supply


def _no_index() -> NoReturn:
    raise AssertionError("nothing asks the package index here")


def make_context(
    directory: Path, build: str = "amd64", host: str = "armel", *, isolation: str = "none",
    offline: bool = False, mirrors: Mapping[str, tuple[str, ...]] | None = None,
    index: Index | None = None, listeners: tuple[Listener, ...] = (),
) -> Context:
    """Return a context below a directory; without an ``index`` asking for one fails the test."""
    world = World(build, host, ())
    store, events = Store(directory / "store"), Events(time.time, listeners)
    apt = AptRoot(directory / "apt", world, ())
    supply = Supply(store, apt, world, make_transfer(proxies={}, retries=0), events,
                    (lambda: index) if index else _no_index, mirrors or {}, offline)
    return Context(StoredResults(store, events, host), supply, Held(host), Chroots(isolation), apt, world,
                   events, DpkgArchTable.load_arch_table(), architecture(build), architecture(host),
                   directory / "logs", 1)
