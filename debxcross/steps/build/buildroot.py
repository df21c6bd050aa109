# SPDX-License-Identifier: GPL-3.0-or-later
"""A throw-away root in which something is done for one member, with a log of all of it."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from debxcross.core.build import commands
from debxcross.core.build.environment import PackageFile
from debxcross.core.build.log import describe_failure
from debxcross.core.build.missing import Named, missing_of
from debxcross.doors import process
from debxcross.doors.apt import parse_print_uris, raise_for_apt
from debxcross.doors.regular import regular_files, tail
from debxcross.errors import BuildError, UnsatisfiableError
from debxcross.steps.archive.owners import name_missing
from debxcross.steps.build.baseroot import BaseRoot
from debxcross.steps.build.keep import keep
from debxcross.steps.build.layers import LayerStack, decided
from debxcross.steps.context import Context

#: As many bytes of a log are read for what a build lacked.
_CAUSES = 2 << 20


class BuildRoot:
    """A root over a base root: its binds, its log, and the apt inside.

    ``name`` is what the events are told about, ``title`` what errors call it; ``directory`` is
    throw-away and private.
    """

    def __init__(self, context: Context, base: BaseRoot, name: str, directory: Path, *,
                 title: str = "", log: str = "") -> None:
        self.context, self.base, self.name, self.directory = context, base, name, directory
        self.title = title or name
        self.log = context.log(log or name)
        self.session = context.chroots.session(base.directory, directory)
        self.binds: dict[Path, str] = {}
        self._sees_apt = False
        self._layers = LayerStack(context, base.directory, directory, self.log, self.step)

    def close(self) -> None:
        """Let go of what the root stands on."""
        self._layers.close()

    def step(self, text: str) -> None:
        """Say what is done now."""
        self.context.busy(self.name, text)
        self.note(f"\n==> {text}\n")

    def note(self, text: str) -> None:
        """Write into the log."""
        with self.log.open("a") as log:
            log.write(text)

    def run(self, command: Sequence[str], *, user: str = "root", directory: str = "/", stdin: str = "",
            log: bool = True) -> process.Completed:
        """Run a command inside; with ``log`` its output goes there, else it is in what is returned."""
        return self.session.run(command, binds=self.binds, user=user, directory=directory, stdin=stdin,
                                log=self.log if log else None)

    def noted(self, command: Sequence[str], *, user: str = "root", directory: str = "/", stdin: str = ""
              ) -> process.Completed:
        """Run a command whose output is both returned and logged."""
        done = self.run(command, user=user, directory=directory, stdin=stdin, log=False)
        self.note(done.stdout + done.stderr)
        return done

    def show_apt(self) -> None:
        """Let the apt inside see the indexes, and what lies in commands.DEBS beside the archive."""
        if self._sees_apt:
            return
        self._sees_apt, context = True, self.context
        self.binds[context.apt.lists] = commands.LISTS
        world = context.world.for_build_root()
        self.run(["sh", "-c", commands.apt_script(
            world.sources_list(context.apt.mirror_files, commands.LOCAL), world.preferences(),
            commands.apt_options(context.build.name, context.host.name))]).check(
                BuildError, f"{self.name}: the build root's apt could not be set up",
                f"Read {self.log}.")

    def choose(self, command: Sequence[str], what: str, directory: str = "/") -> tuple[PackageFile, ...]:
        """Return what apt would add to the base root; the command prints addresses.

        Raises UnsatisfiableError that begins with ``what``, or LockError when a lock is in the way.
        """
        answer = self.noted(command, directory=directory)
        try:
            raise_for_apt(answer, what)
        except UnsatisfiableError as error:
            raise self.context.held.unsatisfied(self.name, error) from error
        return parse_print_uris(answer.stdout)

    def install(self, files: Sequence[PackageFile], what: str) -> None:
        """Fetch packages and have all of them installed, in layers that other builds share.

        What is in the root already stays, above them.  Raises BuildError that begins with ``what``.
        """
        context = self.context
        stored = context.supply.fetch(self.name, files)
        if not files:
            return
        archives = self.directory / "archives"
        context.store.lay_out(stored, archives)
        if context.chroots.isolation == "none":
            self.step(f"installing {len(files)} packages")
            self.binds[archives] = commands.ARCHIVES
            if self.run(commands.layer_argv([one.file for one in files])).exit_status:
                raise self.failure(what)
            return
        try:
            for layer in decided(context, self.base.key, files):
                self._layers.add(layer, archives)
                self.note(f"layer {layer.key}: {len(layer.packages)} packages\n")
        except BuildError as error:
            raise self.failure(what) from error
        self.session = replace(self.session, layers=self._layers.places)

    def failure(self, what: str) -> BuildError:
        """Return the error for what failed, with the lines of the log that say why."""
        top = self.session.upper
        config_logs = regular_files(top, commands.BUILD_DIRECTORY, "**/config.log")
        newest = max(config_logs, key=lambda path: path.stat().st_mtime, default=None)
        path = str(newest.relative_to(top)) if newest else ""
        details = describe_failure(
            tail(self.log), self.session.read(path, most=1 << 20) if path else "", path)
        lacking = "".join(f"{one.words}. " for one in self.lacking())
        return BuildError(f"{self.title}: {what}", details, f"{lacking}{self.where}")

    @property
    def where(self) -> str:
        """Where to look when something failed."""
        return (f"The whole log is {self.log}. Enter the build root with "
                f"'{self.context.shell_command(self.name)}'.")

    def tail(self) -> str:
        """Return the end of the log, as far as causes are looked for."""
        return tail(self.log, most=_CAUSES)

    def lacking(self) -> tuple[Named, ...]:
        """Return the packages of the archive that have what the log says was not found."""
        return name_missing(self.context, self.name, missing_of(self.tail()))

    def tool(self, argv: Sequence[str], directory: Path, environment: Mapping[str, str]
             ) -> process.Completed:
        """Run a tool inside in a copy of a directory, with more environment; bring back the deb it makes."""
        inside = f"/debxcross/wrap/{directory.name}"
        self.session.put(directory, inside)
        assignments = [f"{name}={value}" for name, value in sorted(environment.items())]
        done = self.session.run(["env", *assignments, *argv], directory=inside)
        for deb in self.session.files(inside, "*.deb"):
            self.session.take(f"{inside}/{deb.name}", directory / deb.name)
        return done

    def keep(self, directory: str, *, failed: bool = False) -> None:
        """Keep the root for ``shell``, which begins in ``directory``."""
        keep(self.context, self.session, self.name, directory, failed=failed)
