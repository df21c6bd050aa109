# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds one source package: resolve, look up, fetch, build offline, gate, commit."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from debxcross.core import gate, patch
from debxcross.core.archive.source import SourcePackage, expected_binaries
from debxcross.core.artifact import Artifact, StoredFile
from debxcross.core.build import commands
from debxcross.core.build.environment import Environment, PackageFile, resolution_key, source_inputs
from debxcross.core.build.log import describe_failure
from debxcross.core.key import digest
from debxcross.core.patch import RulesPatch
from debxcross.doors import process
from debxcross.doors.apt import parse_print_uris, raise_for_apt
from debxcross.errors import BuildError, PatchError, UnsatisfiableError
from debxcross.steps.build.baseroot import BaseRoot
from debxcross.steps.build.gates import judge_debs
from debxcross.steps.build.keep import keep
from debxcross.steps.build.twin import make_twins
from debxcross.steps.context import Context


@dataclass(frozen=True)
class SourceWork:
    """What is known about a source member before its turn comes."""

    source: SourcePackage
    patches: tuple[RulesPatch, ...]
    profiles: tuple[str, ...]
    suffix: str = ""
    build_packages: tuple[str, ...] = ()

    @property
    def version(self) -> str:
        """The version the results will have."""
        return self.source.version + self.suffix

    @property
    def directory(self) -> str:
        """The build directory inside the root, named as dpkg-source names it."""
        upstream = self.source.version.split(":", 1)[-1]
        if "-" in upstream:
            upstream = upstream.rsplit("-", 1)[0]
        return f"{commands.BUILD_DIRECTORY}/{self.source.name}-{upstream}"

    @property
    def trees(self) -> tuple[str, ...]:
        """The trees whose build dependencies apt installs."""
        return ("./", commands.BUILD_PACKAGES) if self.build_packages else ("./",)


def write_build_packages(context: Context, work: SourceWork, directory: Path) -> Path:
    """Write the tree that asks for a member's own build packages, and return where it is."""
    tree = directory / "build-packages"
    (tree / "debian").mkdir(parents=True, exist_ok=True)
    (tree / "debian/control").write_text(
        commands.build_packages_control(work.build_packages, context.build.name))
    return tree


def world_state(context: Context, member: str) -> str:
    """Return the digest of what apt inside a member's build root can see of the archive."""
    if (held := context.held(member)) is not None:
        return digest({"locked": sorted((file.file, file.sha256) for file in held.packages)})
    return context.apt.state(context.world.for_build_root())


def offered(context: Context, member: str, local: tuple[StoredFile, ...]) -> tuple[StoredFile, ...]:
    """Return the .debs that lie in a member's build root: results of others, and what its lock names.

    With a lock that is all there is to choose from.
    """
    held = context.held(member)
    return (*local, *context.fetch_packages(member, held.packages)) if held else local


def _question(context: Context, work: SourceWork, base: BaseRoot, local: Sequence[StoredFile]) -> str:
    what = {
        "files": [file.sha256 for file in work.source.files], "patches": [one.sha256 for one in work.patches],
        "profiles": work.profiles, "host": context.host.name, "version": work.version,
        **({"packages": work.build_packages} if work.build_packages else {}),
    }
    return resolution_key(base.packages, world_state(context, work.source.name), what,
                          [file.sha256 for file in local])


def known_key(context: Context, work: SourceWork, base: BaseRoot, local: Sequence[StoredFile]) -> str | None:
    """Return the step's key when nothing needs to run to know it, else None."""
    inputs = known_inputs(context, work, base, local)
    return digest(inputs) if inputs else None


def known_inputs(
    context: Context, work: SourceWork, base: BaseRoot, local: Sequence[StoredFile]
) -> Mapping[str, Any] | None:
    """Return what the step's key is the digest of, when nothing needs to run to know it."""
    added = context.memo(work.source.name, "environment", _question(context, work, base, local))
    if added is None:
        return None
    environment = Environment(base.packages, tuple(PackageFile(**one) for one in added))
    return inputs_of(context, work, environment)


def inputs_of(context: Context, work: SourceWork, environment: Environment) -> Mapping[str, Any]:
    """Return what the step's key is the digest of, in this environment."""
    return source_inputs(work.source, work.patches, work.version, work.profiles,
                         context.build.name, context.host.name, environment)


def build_source(
    context: Context, work: SourceWork, base: BaseRoot, local: tuple[StoredFile, ...], *, again: bool = False
) -> tuple[str, Artifact]:
    """Return ("cached" or "built", the artifact) of a source member.

    ``local`` are the .debs of the members it needs; ``again`` builds even when the store has
    the result.  Raises UnsatisfiableError, PatchError, BuildError, GateError and their kin.
    """
    name = work.source.name
    key = known_key(context, work, base, local)
    if key and not again and (artifact := context.artifact(name, key)):
        return "cached", artifact
    with context.store.lock(f"{name}-{context.host.name}",
                            lambda: context.busy(name, "another run builds it")):
        if key and not again and (artifact := context.artifact(name, key)):
            return "cached", artifact
        with context.store.work(context.chroots.remove) as directory:
            build = _Build(context, work, base, local, directory)
            return build.carry_out(again)


def resolve(context: Context, work: SourceWork, base: BaseRoot, local: tuple[StoredFile, ...]) -> Environment:
    """Return a member's environment: remembered, or resolved now in a throw-away root."""
    added = context.memo(work.source.name, "environment", _question(context, work, base, local))
    if added is not None:
        return Environment(base.packages, tuple(PackageFile(**one) for one in added))
    with context.store.work(context.chroots.remove) as directory:
        return _Build(context, work, base, local, directory).resolve()


def remember(context: Context, work: SourceWork, base: BaseRoot, local: Sequence[StoredFile],
             environment: Environment) -> None:
    """Keep what apt answered, for the next run."""
    context.store.remember("environment", _question(context, work, base, local), environment.added)


def open_root(context: Context, work: SourceWork, base: BaseRoot, local: tuple[StoredFile, ...]) -> None:
    """Make a member's build root as it is just before dpkg-buildpackage, and keep it for ``shell``."""
    with context.store.work(context.chroots.remove) as directory:
        # The log of the build itself stays what `log` shows.
        build = _Build(context, work, base, local, directory, log=f"{work.source.name}.shell")
        build.prepare_only()


class _Build:
    """One build in one throw-away root."""

    def __init__(self, context: Context, work: SourceWork, base: BaseRoot, local: tuple[StoredFile, ...],
                 directory: Path, log: str = "") -> None:
        self.context, self.work, self.base, self.local = context, work, base, local
        self.directory = directory
        self.name = work.source.name
        self.log = context.log(log or self.name)
        self.session = context.chroots.session(base.directory, directory)
        self.binds: dict[Path, str] = {}

    def carry_out(self, again: bool) -> tuple[str, Artifact]:
        """Prepare, look up by the key that is now known, build if needed."""
        try:
            environment = self._prepare()
            key = digest(inputs_of(self.context, self.work, environment))
            if not again and (artifact := self.context.artifact(self.name, key)):
                return "cached", artifact
            self._install(environment)
            self._build()
            return "built", self._collect(key, environment)
        except (BuildError, UnsatisfiableError, PatchError):
            keep(self.context, self.session, self.name, self.work.directory, failed=True)
            raise

    def prepare_only(self) -> None:
        """Unpack, patch, install the build dependencies, keep the root."""
        self._install(self._prepare())
        keep(self.context, self.session, self.name, self.work.directory)

    def _step(self, text: str) -> None:
        self.context.busy(self.name, text)
        with self.log.open("a") as log:
            log.write(f"\n==> {text}\n")

    def _run(self, command: Sequence[str], *, user: str = "root", directory: str = "/",
             log: bool = True) -> process.Completed:
        return self.session.run(command, binds=self.binds, user=user, directory=directory,
                                log=self.log if log else None)

    def resolve(self) -> Environment:
        """Unpack, patch and ask apt, no more."""
        return self._prepare()

    def _prepare(self) -> Environment:
        """Unpack, patch and ask apt; return the environment (remembered for the next run)."""
        context, work = self.context, self.work
        self._step("unpacking the source")
        for name, files, inside in (("source", work.source.files, commands.SOURCE),
                                    ("debs", offered(context, self.name, self.local), commands.DEBS)):
            context.store.lay_out(files, self.directory / name)
            self.binds[self.directory / name] = inside
        self.binds[context.apt.lists] = commands.LISTS
        if work.build_packages:
            self.binds[write_build_packages(context, work, self.directory)] = commands.BUILD_PACKAGES
        world = context.world.for_build_root()
        self._run(["sh", "-c", commands.apt_script(
            world.sources_list(context.apt.mirror_files, commands.LOCAL), world.preferences(),
            commands.apt_options(context.build.name, context.host.name))]).check(
                BuildError, f"{self.name}: the build root's apt could not be set up",
                f"Read {self.log}.")
        unpacked = self._run(["sh", "-c", commands.unpack_script(
            f"{commands.SOURCE}/{work.source.dsc.name}", work.directory)], user=commands.BUILDER)
        if unpacked.exit_status:
            raise self._failure("the source could not be unpacked")
        self._patch()
        self._step("resolving build dependencies")
        answer = self._run(commands.build_dep_argv(
            context.host.name, context.build.name, work.profiles, "--print-uris", "-q",
            trees=work.trees), directory=work.directory, log=False)
        with self.log.open("a") as log:
            log.write(answer.stdout + answer.stderr)
        try:
            raise_for_apt(answer, f"the build dependencies of {self.name} cannot be satisfied")
        except UnsatisfiableError as error:
            raise context.unsatisfied(self.name, error) from error
        environment = Environment(self.base.packages, parse_print_uris(answer.stdout))
        context.compare(self.name, environment.added, self.local)
        remember(context, work, self.base, self.local, environment)
        return environment

    def _patch(self) -> None:
        """Apply the rules patches; say so in the changelog, with the version that results."""
        if not self.work.patches and not self.work.suffix:
            return
        for one in self.work.patches:
            self._step(f"applying {one.name}")
            done = self.session.run(
                commands.PATCH_ARGV, stdin=patch.diff_of(one.text),
                binds=self.binds, user=commands.BUILDER, directory=self.work.directory)
            with self.log.open("a") as log:
                log.write(done.stdout + done.stderr)
            if done.exit_status:
                raise PatchError(
                    f"the rules patch {one.source}/{one.name} does not apply to {self.work.source.version}",
                    patch.failed_hunks(one, done.stdout),
                    f"Refresh the patch, or narrow its Applies-Versions. The tree is kept: "
                    f"{self.context.shell_command(self.name)}")
        changelog = f"{self.work.directory}/debian/changelog"
        outside = self.session.upper / changelog.lstrip("/")
        text = patch.changelog_with(outside.read_text(), self.work.source.version, self.work.patches,
                                    self.work.suffix)
        self.session.write(changelog, text)

    def _install(self, environment: Environment) -> None:
        context = self.context
        files = context.fetch_packages(self.name, environment.added)
        archives = self.directory / "archives"
        context.store.lay_out(files, archives)
        (archives / "partial").mkdir()
        self.binds[archives] = commands.ARCHIVES
        self._step(f"installing {len(environment.added)} build dependencies")
        done = self._run(commands.build_dep_argv(
            context.host.name, context.build.name, self.work.profiles, *commands.OFFLINE,
            trees=self.work.trees), directory=self.work.directory)
        if done.exit_status:
            raise self._failure("the build dependencies could not be installed")

    def _build(self) -> None:
        context, work = self.context, self.work
        self._step(f"dpkg-buildpackage -a{context.host.name}")
        done = self._run(
            commands.build_argv(context.host.name, context.build.name, work.profiles, context.jobs),
            user=commands.BUILDER, directory=work.directory)
        if done.exit_status:
            raise self._failure("the build failed")

    def _failure(self, what: str) -> BuildError:
        log = self.log.read_text(errors="replace")
        tree = self.session.upper / commands.BUILD_DIRECTORY.lstrip("/")
        config_logs = sorted(tree.rglob("config.log"), key=lambda path: path.stat().st_mtime)
        newest = config_logs[-1] if config_logs else None
        details = describe_failure(
            log, newest.read_text(errors="replace") if newest else "",
            str(newest.relative_to(self.session.upper)) if newest else "")
        return BuildError(
            f"{self.name} {self.work.version}: {what}", details,
            f"The whole log is {self.log}. Enter the build root with "
            f"'{self.context.shell_command(self.name)}'.")

    def _collect(self, key: str, environment: Environment) -> Artifact:
        """Gate every result, then commit it."""
        context, work = self.context, self.work
        self._step("checking the results")
        made = self.session.upper / commands.BUILD_DIRECTORY.lstrip("/")
        debs = sorted(made.glob("*.deb"))
        verdicts = list(judge_debs(debs, context.host, work.source.name, work.version,
                                   (str(context.store.directory), str(Path.home()))))
        names = [path.name.split("_")[0] for path in debs]
        expected = expected_binaries(work.source, context.host.name, work.profiles, context.table)
        verdicts.append(gate.expected_binaries_verdict(work.source.name, expected, names))
        with self.log.open("a") as log:
            failed = gate.failed(verdicts)
            log.write(f"{len(verdicts)} checks, {len(failed)} failed\n{gate.describe(failed)}\n")
        gate.raise_for(verdicts, self.name)
        files = [context.store.put(path) for path in (
            *debs, *sorted(made.glob("*.buildinfo")), *sorted(made.glob("*.changes")))]
        files.append(context.store.put(self.log))
        if work.suffix:
            files += make_twins(context, self.session, self.binds, self.name, debs, work.source.version,
                                work.version)
        artifact = Artifact(key, self.name, tuple(files), {
            "kind": "source", "source": work.source.name, "version": work.version,
            "suite": work.source.suite, "dsc": work.source.dsc.sha256,
            "patches": [one.name for one in work.patches], "checks": len(verdicts),
            "build-packages": work.build_packages,
            "inputs": inputs_of(context, work, environment),
        })
        return context.commit(artifact)
