# SPDX-License-Identifier: GPL-3.0-or-later
"""A package that somebody else built: judged like one's own, offered to build roots, published."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from debxcross.core.archive.predict import stanza_text
from debxcross.core.artifact import StoredFile
from debxcross.core.build import commands
from debxcross.core.build.environment import Environment
from debxcross.core.chain.lock import LockedMember
from debxcross.core.gate import caution, deb_source, describe, failed
from debxcross.core.patch import RulesPatch
from debxcross.doors import deb
from debxcross.steps.build.buildroot import BuildRoot
from debxcross.steps.build.gates import judge_debs, own_paths, pass_or_raise
from debxcross.steps.build.turn import Made, Turn
from debxcross.steps.context import Context


@dataclass(frozen=True)
class DebWork:
    """A prebuilt .deb: ``control`` is its control file's fields, ``file`` is in the store."""

    control: Mapping[str, str]
    file: StoredFile
    origin: str
    kind: str = "deb"
    directory: str = "/"
    patches: tuple[RulesPatch, ...] = ()
    sources: tuple[StoredFile, ...] = ()

    @property
    def name(self) -> str:
        """The package's name."""
        return self.control["Package"]

    @property
    def version(self) -> str:
        """The package's version."""
        return self.control["Version"]

    @property
    def stanza(self) -> str:
        """What an index says of it."""
        return stanza_text(self.control, f"given/{self.file.name}", self.file.size, self.file.sha256)

    @property
    def asked_for(self) -> Mapping[str, Any]:
        """Nothing but the file."""
        return {}

    def question(self, context: Context) -> None:
        """Return None: it takes nothing from the archive."""

    def inputs(self, context: Context, environment: Environment) -> Mapping[str, Any]:
        """Return what its key is the digest of: its bytes, and for whom they were judged."""
        return {"kind": "take-deb", "schema": commands.SCHEMA, "files": [(self.file.name, self.file.sha256)],
                "host": context.host.name}

    def locked(self, context: Context) -> LockedMember:
        """Return what a lock says of it."""
        return LockedMember(self.name, self.kind, self.version, "", "", (), (), (), "", self.identity)

    @property
    def identity(self) -> str:
        """What a lock pins."""
        return f"{self.kind} {self.file.sha256}"

    def fetch(self, turn: Turn) -> None:
        """Do nothing: it is in the store since the plan was made."""

    def prepare(self, turn: Turn, root: BuildRoot) -> Environment:
        """Return the environment of a root in which nothing is done."""
        return Environment(root.base.packages, ())

    def install(self, turn: Turn, root: BuildRoot, environment: Environment) -> None:
        """Do nothing: there is no build."""

    def build(self, turn: Turn, root: BuildRoot, environment: Environment, again: bool) -> Made:
        """Judge the package.  Raises GateError, ArchitectureGateError."""
        context = turn.context
        root.step("checking the package")
        context.store.lay_out((self.file,), root.directory / "given")
        path: Path = root.directory / "given" / self.file.name
        source, version = deb_source(deb.read_facts(path).control)
        verdicts = list(judge_debs((path,), context.host, source, version, own_paths(context.store.directory)))
        root.note(f"{len(verdicts)} checks, {len(failed(verdicts))} failed\n{describe(failed(verdicts))}\n"
                  f"{caution(verdicts)}\n")
        pass_or_raise(context, verdicts, self.name)
        return Made((self.file, context.store.put(root.log)), {
            "source": source, "version": self.version, "file": self.file.name, "sha256": self.file.sha256,
            "origin": self.origin, "checks": len(verdicts)})
