# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds which of the release's rustc can build an sdist, before anything is built."""
from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from debxcross.core.chain.chain import PinnedFile
from debxcross.core.key import digest
from debxcross.core.wheel.backend import SdistFacts, numbers
from debxcross.core.wheel.crates import lock_folders
from debxcross.core.wheel.rust import PACKAGES, Least, Toolchain, fitting, least_rustc, newest, toolchains
from debxcross.doors import cargo
from debxcross.doors.sdist import read_texts
from debxcross.steps.archive import probe
from debxcross.steps.context import Context
from debxcross.steps.wheel.crates import is_cargo_input
from debxcross.steps.wheel.pins import fetch_pin

STEP = "resolution"
#: Raised when what is remembered of crates changes its meaning.
_SCHEMA = 1


class Rust:
    """The toolchains of a release, and what sdists ask of them."""

    def __init__(self, context: Context) -> None:
        self.context = context

    @cached_property
    def known(self) -> tuple[Toolchain, ...]:
        """The toolchains that a build root can have, the release's own first."""
        context = self.context
        request = {"ask": "facts", "build": context.build.name, "host": context.host.name, "sources": [],
                   "packages": sorted(name for names in PACKAGES for name in names), "host_needs": []}
        answer = probe.remembered(context, "tools", request, context.world.for_build_root())["packages"]
        here, there = ({name: found[machine.name] for name, found in answer.items() if machine.name in found}
                       for machine in (context.build, context.host))
        return toolchains(here, there)

    def unfit(self, facts: SdistFacts, pin: PinnedFile, release: str) -> str:
        """Return why no toolchain can build an sdist, "" when one can as far as is known.

        The crates of its Cargo.lock are asked last, as they have to be fetched for that.
        """
        best = newest(self.known)
        if best is None:
            return f"it needs rustc, and {release} has none for {self.context.host.name}"
        if numbers(best.version) < numbers(facts.rust_version):
            return f"it needs rustc {facts.rust_version}, {release} has {best.short}"
        least = self.least(pin)
        if numbers(best.version) < numbers(least.version):
            return f"its crate {least.crate} needs rustc {least.version}, {release} has {best.short}"
        return ""

    def toolchain(self, facts: SdistFacts, pin: PinnedFile) -> tuple[Toolchain | None, Least]:
        """Return the first toolchain that builds an sdist, and what decided that."""
        own, least = Least(facts.rust_version, pin.name), self.least(pin)
        decisive = max((own, least), key=lambda one: numbers(one.version))
        return fitting(self.known, decisive.version), decisive

    def least(self, pin: PinnedFile) -> Least:
        """Return the least rustc that the crates of an sdist ask for, as far as Cargo can tell.

        Of one whose crates cannot be fetched nothing is known: its build says why.
        """
        context = self.context
        targets = (context.host.rust_target, context.build.rust_target)
        key = digest([_SCHEMA, pin.sha256, targets])
        known = context.store.memo("rustc", key)
        if known is None and not context.supply.offline:
            known = self._ask_cargo(pin, targets)
            if known is not None:
                context.store.remember("rustc", key, known)
        return Least(**known) if known is not None else Least()

    def _ask_cargo(self, pin: PinnedFile, targets: tuple[str, ...]) -> dict[str, str] | None:
        context = self.context
        stored = fetch_pin(context, STEP, pin)
        context.busy(STEP, f"asking cargo which rustc the crates of {pin.name} {pin.version} need")
        with context.store.work(context.chroots.remove) as directory:
            context.store.lay_out((stored,), directory / "sdist")
            _, texts = read_texts(directory / "sdist" / stored.name, is_cargo_input)
            found = [self._folder(texts, folder, directory / str(number), targets)
                     for number, folder in enumerate(lock_folders(texts))]
        if any(one is None for one in found):
            return None
        least = max((one for one in found if one), key=lambda one: numbers(one.version), default=Least())
        return {"version": least.version, "crate": least.crate}

    @staticmethod
    def _folder(texts: Mapping[str, str], folder: str, directory: Path, targets: tuple[str, ...]
                ) -> Least | None:
        directory.mkdir()
        document = cargo.metadata(texts, folder, directory, targets)
        return least_rustc(document) if isinstance(document, Mapping) else None
