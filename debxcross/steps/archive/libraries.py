# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks a release which of its packages has a shared library, by the archive's Contents indexes."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

from debxcross.core.key import digest
from debxcross.doors import contents
from debxcross.errors import FetchError, UnsatisfiableError
from debxcross.steps.archive import probe
from debxcross.steps.archive.opened import opened
from debxcross.steps.context import Context

STEP = "inspect"


def library_packages(context: Context, release: str, maximum_age: float) -> Mapping[str, str]:
    """Return the package of each library that a release has for the host architecture.

    Where update-alternatives chooses the library, the package's name says so.

    Raises UnsatisfiableError when the release does not carry the architecture, FetchError for
    an archive without Contents indexes and for what cannot be fetched.
    """
    world = context.world.for_device()
    if not world.suites:
        raise UnsatisfiableError(f"{release} does not carry {context.host.name}",
                                 resolution="Name another --release, or a --sysroot.")
    acquire = (*context.apt.acquire, *contents.settings(context.host.name))
    context.busy(STEP, f"asking {release} which package has which library")
    root = opened(context.store, world, acquire, maximum_age,
                  lambda text: context.events.tell("warning", text=text))
    found = context.store.memo("libraries", state := digest({"state": root.state(world), "schema": 1}))
    if found is None:
        files = contents.files(root.lists)
        if not files:
            raise FetchError(f"the mirror of {release} has no Contents index for {context.host.name}",
                             resolution="Configure another mirror (mirrors.main in debxcross.toml).")
        found = {}
        for file in files:
            found = {**contents.libraries(file, context.host), **found}
        context.store.remember("libraries", state, found)
    providers = probe.remembered(context, "alternatives", {"ask": "libraries",
                                                           "architecture": context.host.name}, world)
    chosen = {name: f"{preferred(name, packages)}, by an alternative"
              for name, packages in providers.items()}
    return {**chosen, **{str(name): str(package) for name, package in found.items()}}


def preferred(library: str, packages: Sequence[str]) -> str:
    """Return the package that is called like a library, else the first ("libblas.so.3": libblas3)."""
    usual = library.replace(".so.", "")
    return usual if usual in packages else packages[0]
