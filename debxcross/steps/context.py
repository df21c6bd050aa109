# SPDX-License-Identifier: GPL-3.0-or-later
"""The doors and settings that every step of one run works with."""
from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from debian.debian_support import DpkgArchTable

from debxcross.core.archive.world import World
from debxcross.core.architecture import Architecture
from debxcross.core.chain.lock import SHIMS
from debxcross.doors.apt import AptRoot
from debxcross.doors.chroot import Chroots
from debxcross.doors.files import make_directory, open_regular, raise_for_os_error
from debxcross.doors.store import Store
from debxcross.events import Events
from debxcross.steps.held import Held
from debxcross.steps.results import Results
from debxcross.steps.supply import Supply


@dataclass(frozen=True)
class Context:
    """One run: where things are, and for which architectures it builds.

    ``world`` is everything apt may see, with what each suite carries; ``logs`` is a
    directory with one file per step; ``jobs`` is the number of processors a build may use.
    """

    results: Results
    supply: Supply
    held: Held
    chroots: Chroots
    apt: AptRoot
    world: World
    events: Events
    table: DpkgArchTable
    build: Architecture
    host: Architecture
    logs: Path
    jobs: int

    @property
    def store(self) -> Store:
        """The store that results and files are in."""
        return self.results.store

    @property
    def without_archive(self) -> bool:
        """Whether no archive has the host architecture: what the suites say, or the lock."""
        return self.world.without_archive or bool(self.held.lock and self.held.lock.parts.get(SHIMS))

    def log(self, step: str) -> Path:
        """Return the log file of a step, emptied for this run."""
        path = self.logs / f"{step}.log"
        try:
            make_directory(self.logs)
            path.unlink(missing_ok=True)  # never through a link: its other end may be in the store
            os.close(open_regular(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        except OSError as error:
            raise_for_os_error(error, self.logs)
        return path

    def shell_command(self, member: str) -> str:
        """Return what to type, in this directory, to enter a member's build root."""
        output = self.logs.absolute().parent
        usual = output == Path("out", self.host.name).absolute()
        where = f"--arch {self.host.name}" if usual else f"--output {shlex.quote(str(output))}"
        return f"debxcross shell {member} {where}"

    def busy(self, member: str, text: str) -> None:
        """Say what a member is doing now."""
        self.events.tell("activity", member, text)
