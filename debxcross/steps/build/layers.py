# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes and finds the layers of build roots.

A layer is made in a root of its own, in which nothing of a member lies: what is kept for others comes from the
archive's packages, and from results that have passed their gates.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from debxcross.core.build import commands
from debxcross.core.build.environment import PackageFile
from debxcross.core.build.layers import Layer, layers
from debxcross.doors import deb
from debxcross.errors import BuildError
from debxcross.steps.context import Context

#: So many layers stay in a store, those that were used last.
MOST = 24


def decided(context: Context, base: str, packages: Sequence[PackageFile]) -> tuple[Layer, ...]:
    """Return the layers of these packages, whose files are in the store."""
    return layers(base, packages, lambda one: deb.read_facts(context.store.path(one.sha256)).control)


class LayerStack:
    """The layers under one build root, from the lowest up; held as long as it is open."""

    def __init__(self, context: Context, base: Path, directory: Path, log: Path,
                 say: Callable[[str], None]) -> None:
        self.context, self.base, self.directory, self.log, self._say = context, base, directory, log, say
        #: Where the layers are, the lowest first.
        self.places: tuple[Path, ...] = ()
        self._held = ExitStack()

    def close(self) -> None:
        """Let others delete the layers."""
        self._held.close()

    def add(self, layer: Layer, archives: Path) -> None:
        """Lay one more over what is there, making it when the store has it not.

        ``archives`` is a directory with the packages' files.  Raises BuildError when they cannot be installed.
        """
        store = self.context.store
        name = self.context.chroots.root_name(layer.key)
        place = self._held.enter_context(store.layers.used(name))
        if place is None:
            with store.lock(f"layer-{layer.key[:16]}"):
                place = self._held.enter_context(store.layers.used(name))
                if place is None:
                    self._make(layer, name, archives)
                    place = self._held.enter_context(store.layers.used(name))
        if place is None:
            raise BuildError("a layer of the build root was deleted when it had just been made",
                             resolution="Run the same command again.")
        self.places = (*self.places, place)

    def _make(self, layer: Layer, name: str, archives: Path) -> None:
        context = self.context
        self._say(f"installing {len(layer.packages)} packages")
        context.store.layers.trim(MOST, context.store.kept.layers(), context.chroots.remove)
        directory = self.directory / f"layer-{len(self.places)}"
        session = context.chroots.session(self.base, directory, self.places)
        done = session.run(commands.layer_argv([one.file for one in layer.packages]),
                           binds={archives: commands.ARCHIVES}, log=self.log)
        if done.exit_status:
            raise BuildError("the packages of a build root could not be installed", done.ending,
                             f"Read {self.log}.")
        context.store.layers.commit(name, session.upper, [one.package for one in layer.packages],
                                    context.chroots.rename)
        context.chroots.remove(directory)
