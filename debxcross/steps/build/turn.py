# SPDX-License-Identifier: GPL-3.0-or-later
"""A member whose turn has come: it knows its inputs, its key and its result.

A new kind of member is one class with what ``Work`` asks for.  Everything else (plan, run,
lock, explain, reproduce, shell) asks the turn.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from debxcross.core.artifact import Artifact, StoredFile
from debxcross.core.build.environment import Environment, PackageFile, resolution_key
from debxcross.core.chain.lock import LockedMember
from debxcross.core.key import digest
from debxcross.core.patch import RulesPatch
from debxcross.errors import BuildError, EmulatorError, GateError, PatchError, UnsatisfiableError
from debxcross.steps.build.baseroot import BaseRoot
from debxcross.steps.build.buildroot import BuildRoot
from debxcross.steps.context import Context


@dataclass(frozen=True)
class Made:
    """What a build left: files in the store, and what is told of where they came from."""

    files: tuple[StoredFile, ...]
    provenance: Mapping[str, Any]


class Work(Protocol):
    """What there is to do for one member, known before its turn comes.

    ``kind`` is a word such as "source"; ``origin`` says where it comes from, for the plan;
    ``directory`` is where its build happens inside of a root; ``sources`` are files that are
    published beside the results; ``asked_for`` is what decides the environment beside the
    inputs, by name.
    """

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def origin(self) -> str: ...
    @property
    def directory(self) -> str: ...
    @property
    def patches(self) -> tuple[RulesPatch, ...]: ...
    @property
    def sources(self) -> tuple[StoredFile, ...]: ...
    @property
    def asked_for(self) -> Mapping[str, Any]: ...

    def question(self, context: Context) -> object | None:
        """Return its part of the question to apt; None when it takes nothing from the archive."""

    def inputs(self, context: Context, environment: Environment) -> Mapping[str, Any]:
        """Return what its key is the digest of, in this environment."""

    def locked(self, context: Context) -> LockedMember:
        """Return what a lock says of it, without packages; its own files are in the store then."""

    def fetch(self, turn: Turn) -> None:
        """Have its own files in the store."""

    def prepare(self, turn: Turn, root: BuildRoot) -> Environment:
        """Put into the root what apt is asked about, and ask."""

    def install(self, turn: Turn, root: BuildRoot, environment: Environment) -> None:
        """Install the environment; what follows is the build."""

    def build(self, turn: Turn, root: BuildRoot, environment: Environment, again: bool) -> Made:
        """Install, build and judge; ``again`` takes no part of an earlier result."""


@dataclass(frozen=True)
class Turn:
    """What is known of a member when its turn comes.

    ``local`` are the .debs of the members it needs.
    """

    context: Context
    work: Work
    base: BaseRoot
    local: tuple[StoredFile, ...]

    @property
    def _question(self) -> str | None:
        """The identity of the question to apt; None when there is none."""
        what = self.work.question(self.context)
        if what is None:
            return None
        return resolution_key(self.base.packages, _world_state(self.context, self.work.name), what,
                              [file.sha256 for file in self.local])

    @property
    def offered(self) -> tuple[StoredFile, ...]:
        """The .debs that lie in the build root: results of others, and what the lock names.

        With a lock that is all there is to choose from.
        """
        held = self.context.held.member(self.work.name)
        if held is None:
            return self.local
        return (*self.local, *self.context.supply.fetch(self.work.name, held.packages))

    def environment(self) -> Environment | None:
        """Return the environment as far as nothing needs to run to know it."""
        question = self._question
        if question is None:
            return Environment(self.base.packages, ())
        added = self.context.results.memo(self.work.name, "environment", question)
        if added is None:
            return None
        return Environment(self.base.packages, tuple(PackageFile(**one) for one in added))

    def remember(self, environment: Environment) -> None:
        """Keep what apt answered, for the next run."""
        if (question := self._question) is not None:
            self.context.store.remember("environment", question, environment.added)

    def chosen(self, what: Mapping[str, Any], ask: Callable[[], tuple[PackageFile, ...]]
               ) -> tuple[PackageFile, ...]:
        """Return apt's answer to ``what``, remembered or asked for now.

        Other sources, or this one with other bytes, may have had the same question; a lock's has one
        answer anyway.
        """
        context, name = self.context, self.work.name
        if context.held.member(name) is not None:
            return ask()
        key = resolution_key(self.base.packages, _world_state(context, name), what,
                             [file.sha256 for file in self.local])
        if (known := context.results.memo(name, "environment", key)) is not None:
            return tuple(PackageFile(**one) for one in known)
        found = ask()
        context.store.remember("environment", key, found)
        return found

    def inputs(self) -> Mapping[str, Any] | None:
        """Return what the key is the digest of; None when something must run to know it."""
        environment = self.environment()
        return None if environment is None else self.work.inputs(self.context, environment)

    def key(self) -> str | None:
        """Return the identity of the step; None when something must run to know it."""
        inputs = self.inputs()
        return None if inputs is None else digest(inputs)

    def artifact(self) -> Artifact | None:
        """Return the result when it can be had without building."""
        key = self.key()
        return self.context.results.artifact(self.work.name, key) if key else None

    def result(self, again: bool = False) -> tuple[str, Artifact]:
        """Return ("cached" or "built", the artifact); ``again`` builds even when there is one.

        Raises FetchError, VerificationError, UnsatisfiableError, PatchError, BuildError, GateError.
        """
        if not again and (artifact := self.artifact()):
            return "cached", artifact
        context, work = self.context, self.work
        with context.store.lock(f"{work.kind}-{work.name}-{context.host.name}",
                                lambda: context.busy(work.name, "another run builds it")):
            if not again and (artifact := self.artifact()):
                return "cached", artifact
            work.fetch(self)
            with context.store.work(context.chroots.remove) as directory:
                with closing(self._root(directory)) as root:
                    return self._carry_out(root, again)

    def resolve(self) -> Environment:
        """Return the environment: remembered, or resolved now in a throw-away root."""
        if (known := self.environment()) is not None:
            return known
        self.work.fetch(self)
        with self.context.store.work(self.context.chroots.remove) as directory:
            return self._prepared(self._root(directory))

    def open(self) -> None:
        """Make the build root as it is just before the build, and keep it for ``shell``."""
        self.work.fetch(self)
        with self.context.store.work(self.context.chroots.remove) as directory:
            # The log of the build itself stays what `log` shows.
            with closing(self._root(directory, f"{self.work.name}.shell")) as root:
                self.work.install(self, root, self._prepared(root))
                root.keep(self.work.directory)

    def _root(self, directory: Path, log: str = "") -> BuildRoot:
        return BuildRoot(self.context, self.base, self.work.name, directory,
                         title=f"{self.work.name} {self.work.version}", log=log)

    def _prepared(self, root: BuildRoot) -> Environment:
        environment = self.work.prepare(self, root)
        self.context.held.compare(self.work.name, environment.added, self.local)
        self.remember(environment)
        return environment

    def _carry_out(self, root: BuildRoot, again: bool) -> tuple[str, Artifact]:
        """Prepare, look up by the key that is now known, build if needed."""
        context, work = self.context, self.work
        try:
            environment = self._prepared(root)
            inputs = work.inputs(context, environment)
            key = digest(inputs)
            if not again and (artifact := context.results.artifact(work.name, key)):
                return "cached", artifact
            made = work.build(self, root, environment, again)
        except (BuildError, GateError, EmulatorError, UnsatisfiableError, PatchError):
            root.keep(work.directory, failed=True)
            raise
        provenance = {"kind": work.kind, **made.provenance, **work.asked_for, "inputs": inputs}
        return "built", context.results.commit(Artifact(key, work.name, made.files, provenance))


def _world_state(context: Context, member: str) -> str:
    """Return the digest of what apt inside a member's build root can see of the archive."""
    if (held := context.held.member(member)) is not None:
        return digest({"locked": sorted((file.file, file.sha256) for file in held.packages)})
    return context.apt.state(context.world.for_build_root())
