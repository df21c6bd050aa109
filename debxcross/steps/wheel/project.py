# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the sdist of a project that lies in a directory, in a throw-away root, by its own back end (PEP 517).

From there on it is a pinned file like those of the index: only that it is made again where it is missing.
"""
from __future__ import annotations

import json
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from debxcross.core.artifact import StoredFile
from debxcross.core.border import Line, Name, read_as, read_json
from debxcross.core.build import commands
from debxcross.core.build.log import describe_failure
from debxcross.core.key import digest
from debxcross.core.wheel import backend
from debxcross.core.wheel.deb import device_environment
from debxcross.core.wheel.index import Pin, is_file_of, normalise
from debxcross.doors import tree as trees
from debxcross.doors.regular import tail
from debxcross.doors.sdist import read_texts
from debxcross.doors.tree import Tree
from debxcross.doors.wheelfile import install_tools
from debxcross.errors import BuildError, ConfigurationError, GateError
from debxcross.steps.build.baseroot import BaseRoot
from debxcross.steps.build.buildroot import BuildRoot
from debxcross.steps.context import Context
from debxcross.steps.wheel.hooks import HOOKS, is_metadata, named, parse_sdist, unmet
from debxcross.steps.wheel.pins import fetch_pin, remember_pin
from debxcross.steps.wheel.recipe import SdistRecipe, no_project


@dataclass(frozen=True)
class MadeSdist:
    """An sdist in the store, and the release that it is of."""

    pin: Pin
    file: StoredFile


def project_facts(tree: Tree, words: str) -> tuple[dict[str, Any], backend.SdistFacts]:
    """Return what counts of a project's pyproject.toml, and what its files say of its build.

    Raises ConfigurationError for what is no project, GateError and UnsupportedError as for an sdist.
    """
    if no_project(path for path, _, _ in tree.rows):
        raise ConfigurationError(
            f"{words} is no Python project", "It has neither pyproject.toml nor setup.py.",
            "Name the directory that has one of them, or write one (packaging.python.org describes it).")
    texts = {path: tree.text(path) or "" for path, _, _ in tree.rows if is_metadata(path)}
    pyproject, texts = parse_sdist(words, texts)
    return pyproject, backend.read_facts(words, "", "0", pyproject, texts)


def make_sdist(context: Context, base: BaseRoot, recipe: SdistRecipe, tree: Tree) -> MadeSdist:
    """Return the sdist that a file set becomes: from the store, or made now.

    Raises BuildError when the back end fails or asks for what was not resolved, GateError for an sdist
    that must not be used.
    """
    key = digest({**recipe.inputs(), "root": base.packages,
                  "world": context.apt.state(context.world.for_build_root())})
    with context.store.lock(f"sdist-{recipe.tree[:16]}", lambda: context.busy(
            recipe.name, "another run makes its sdist")):
        known = context.store.memo("made-sdist", key)
        if known is None or not context.store.has(StoredFile(**known["file"])):
            with context.store.work(context.chroots.remove) as directory:
                with closing(BuildRoot(context, base, recipe.name, directory,
                                       log=f"{recipe.name}.sdist")) as root:
                    made = _Making(context, root, recipe, tree).carry_out()
            known = {"name": made.pin.name, "version": made.pin.version, "file": asdict(made.file)}
            context.store.remember("made-sdist", key, known)
    made = MadeSdist(Pin(known["name"], known["version"]), StoredFile(**known["file"]))
    remember_pin(context, made.pin, made.file)
    return made


@dataclass(frozen=True)
class _Making:
    """One sdist being made in one root."""

    context: Context
    root: BuildRoot
    recipe: SdistRecipe
    tree: Tree

    def carry_out(self) -> MadeSdist:
        root, recipe = self.root, self.recipe
        root.step("resolving what its sdist is made with")
        root.show_apt()
        packages = recipe.packages
        added = root.choose(commands.install_argv(packages, "--print-uris", "-q"),
                            f"{root.name}: {' '.join(packages)} cannot be installed together")
        root.install(added, "what its sdist is made with could not be installed")
        self._lay_out()
        root.step(f"{recipe.facts.system.backend}: build_sdist")
        markers = device_environment(self.context.build, f"{recipe.python}.0")
        if missing := unmet(self._hook("sdist-requires", tuple[Line, ...]), recipe.tools, markers):
            raise BuildError(
                f"the sdist of {recipe.name} needs {', '.join(missing)}",
                "Its back end asks for this only when it runs.",
                f"Name it in a file given with --projects: [{recipe.name}] build-requires = "
                f"{json.dumps(missing)}.")
        name = self._hook("sdist", Name)
        made = [path for path in root.session.files(commands.WHEELS, "*.tar.gz") if path.name == name]
        if not made:
            raise GateError(f"the back end of {recipe.name} says it made {name!r}, which is no .tar.gz there",
                            resolution=f"Read {root.log}.")
        pin = sdist_pin(made[0])
        return MadeSdist(pin, self.context.store.put(made[0]))

    def _lay_out(self) -> None:
        """Bring tools, hooks and the file set into the root."""
        root, recipe = self.root, self.recipe
        tools, source = root.directory / "tools", root.directory / "source"
        for directory in (tools, source):
            directory.mkdir()
        for pin in recipe.tools:
            tool = fetch_pin(self.context, root.name, pin)
            self.context.store.lay_out((tool,), root.directory / "tool-wheels")
            install_tools(root.directory / "tool-wheels" / tool.name, tools,
                          f"/usr/bin/python{recipe.python}")
        root.session.write(commands.HOOKS, HOOKS.read_text())
        trees.pack(self.tree, source / "tree.tar", recipe.time)
        root.binds.update({source: commands.SOURCE, tools: commands.TOOLS})
        script = recipe.unpack_script(f"{commands.SOURCE}/tree.tar")
        if root.run(["sh", "-c", script], user=commands.BUILDER).exit_status:
            raise self._failure("its files could not be unpacked")

    def _hook(self, hook: str, kind: Any) -> Any:
        """Call a hook and return its answer, which must be of a kind (core.border.read_as)."""
        done = self.root.run(["sh", "-c", self.recipe.hook_script(hook)], user=commands.BUILDER,
                             stdin=json.dumps(self.recipe.request))
        if done.exit_status:
            raise self._failure("its own back end makes no sdist of it")
        try:
            return read_as(kind, read_json(self.root.session.read(commands.ANSWER)))
        except ValueError as error:
            raise GateError(f"the back end of {self.recipe.name} answers nothing that counts", str(error),
                            f"Read {self.root.log}.") from error

    def _failure(self, what: str) -> BuildError:
        log = tail(self.root.log)
        details = backend.asked_network(log) or describe_failure(log, "", "")
        return BuildError(f"{self.recipe.name}: {what}", details,
                          f"The whole log is {self.root.log}. There is no network.{self.recipe.advice}")


def sdist_pin(path: Path) -> Pin:
    """Return the release that an sdist is of, by its own PKG-INFO.

    Raises GateError for an sdist that must not be used, or whose name says something else.
    """
    _, texts = read_texts(path, lambda inside: inside == "PKG-INFO")
    name, version = named(texts.get("PKG-INFO", ""))
    pin = Pin(normalise(name), version)
    if not (name and version and is_file_of(path.name, pin)):
        raise GateError(
            f"{path.name} says that it is {name or 'nothing'} {version}".rstrip(), "From its PKG-INFO.",
            "An sdist is called NAME-VERSION.tar.gz, and has both in its PKG-INFO (PEP 625, PEP 643).")
    return pin
