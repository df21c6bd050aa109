# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds one source package: unpack, patch, resolve, build offline, judge."""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from debxcross.core import gate, patch
from debxcross.core.archive.binaries import (
    ArchiveBinary, archive_versions, binary_versions, is_rebuild,
)
from debxcross.core.archive.choice import Choice
from debxcross.core.archive.source import SourcePackage, expected_binaries, parts
from debxcross.core.archive.taken import Taken
from debxcross.core.architecture import Architecture
from debxcross.core.artifact import StoredFile
from debxcross.core.build import answers, commands, device
from debxcross.core.build.environment import Environment, PackageFile, source_inputs
from debxcross.core.build.losses import AcceptedLoss, compared_packages
from debxcross.core.chain.lock import SCHEME, LockedFile, LockedMember
from debxcross.core.patch import RulesPatch
from debxcross.doors.apt import parse_print_uris, raise_for_apt
from debxcross.doors.regular import regular_files
from debxcross.errors import BuildError, EmulatorError, PatchError, UnsupportedError
from debxcross.steps.archive.probe import fetch_source
from debxcross.steps.build.buildroot import BuildRoot
from debxcross.steps.build.gates import judge_debs, own_paths, pass_or_raise
from debxcross.steps.build.losses import check_losses
from debxcross.steps.build.own import SourceMaker
from debxcross.steps.build.turn import Made, Turn
from debxcross.steps.build.twin import make_twins
from debxcross.steps.context import Context


@dataclass(frozen=True)
class SourceWork:
    """A source package to build.

    ``suffix`` is what the version gets when the source is changed or built as a binNMU;
    ``binaries`` are what the archive has of this source and version.  With ``twin`` the results
    are held against Debian's own packages; ``accepted`` is what they may have lost.  ``own`` is
    what was taken in where the source is not the archive's; ``choice`` tells which packages are kept.
    """

    source: SourcePackage
    patches: tuple[RulesPatch, ...]
    profiles: tuple[str, ...]
    suffix: str = ""
    build_packages: tuple[str, ...] = ()
    binaries: tuple[ArchiveBinary, ...] = ()
    twin: bool = False
    accepted: tuple[AcceptedLoss, ...] = ()
    told: answers.Told = answers.Told()
    own: Taken | None = None
    choice: Choice = Choice()
    kind: str = "source"

    @property
    def name(self) -> str:
        """The source's name."""
        return self.source.name

    @property
    def version(self) -> str:
        """The version the results will have."""
        return self.source.version + self.suffix

    @property
    def source_version(self) -> str:
        """The version of the source that the results name; a binNMU's is the archive's."""
        return self.source.version if is_rebuild(self.suffix) else self.version

    def versions(self, names: Iterable[str]) -> dict[str, str]:
        """Return the versions that these binary packages will have."""
        return binary_versions(self.binaries, names, self.source.version, self.suffix)

    @property
    def origin(self) -> str:
        """The suite or the place it is taken from."""
        return self.own.words if self.own else f"{self.source.suite} (source)"

    @property
    def directory(self) -> str:
        """The build directory inside the root, named as dpkg-source names it."""
        upstream = self.source.version.split(":", 1)[-1]
        if "-" in upstream:
            upstream = upstream.rsplit("-", 1)[0]
        return f"{commands.BUILD_DIRECTORY}/{self.source.name}-{upstream}"

    @property
    def sources(self) -> tuple[StoredFile, ...]:
        """The files of the source, which are published beside the results; a tree's are among these."""
        return self.source.files

    @property
    def _contents(self) -> tuple[tuple[str, str], ...]:
        """The names and digests that stand for the source in keys."""
        if self.own is not None:
            return self.own.files
        return tuple(sorted((file.name, file.sha256) for file in self.source.files))

    def parts(self, context: Context) -> str:
        """Return what of the source is built (core.archive.source.parts)."""
        return parts(self.source, context.host.name, self.profiles, context.table)

    def target(self, context: Context) -> Architecture:
        """Return for which architecture the build runs: the build's own when all packages are for all."""
        return context.build if self.parts(context) == "all" else context.host

    @property
    def asked_for(self) -> Mapping[str, Any]:
        """The member's own build packages, which show in the inputs only by what they bring."""
        return {"build-packages": self.build_packages}

    @property
    def trees(self) -> tuple[str, ...]:
        """The trees whose build dependencies apt installs."""
        return ("./", commands.BUILD_PACKAGES) if self.build_packages else ("./",)

    def question(self, context: Context) -> Mapping[str, Any]:
        """Return what decides the build dependencies."""
        return {
            "files": [sha256 for _, sha256 in self._contents],
            "patches": [one.sha256 for one in self.patches],
            "profiles": self.profiles, "host": self.target(context).name, "version": self.version,
            **({"packages": self.build_packages} if self.build_packages else {}),
        }

    def inputs(self, context: Context, environment: Environment) -> Mapping[str, Any]:
        """Return what the step's key is the digest of, in this environment."""
        inputs = source_inputs(self.source, self.patches, self.version, self.profiles,
                               context.build.name, self.target(context).name, environment)
        if self.choice != Choice():
            inputs = {**inputs, "chosen": self.choice}
        if self.own is not None:
            inputs = {**inputs, "files": self._contents, "parts": self.parts(context)}
        if self.target(context) == context.build:
            return inputs
        # What is not told is not in the key: then it stays what it was.
        return {**inputs, **device.inputs(self.told, environment.names)}

    def locked(self, context: Context) -> LockedMember:
        """Return what a lock says of the source; only apt knows the directory of its files in the pool."""
        one = self.source
        if self.own is not None:
            return self._locked_own(self.own)
        fetch_source(context, one)
        done = context.apt.run(["apt-get", "source", "--print-uris", "--download-only", "-qq",
                                "-o", "Acquire::ForceHash=SHA256", f"{one.name}={one.version}"])
        raise_for_apt(done, f"the archives do not tell where the source {one.name} {one.version} is")
        places = {file.sha256: context.supply.placed(file).uri.removeprefix(SCHEME)
                  for file in parse_print_uris(done.stdout)}
        return LockedMember(
            one.name, self.kind, one.version, one.suite, self.suffix,
            tuple(LockedFile(file.name, file.sha256, file.size, places[file.sha256]) for file in one.files),
            tuple((rule.name, rule.sha256) for rule in self.patches), (), self.told.identity)

    def _locked_own(self, own: Taken) -> LockedMember:
        if own.commit.changed:
            raise UnsupportedError(
                f"{self.name} cannot be locked: {own.words}", "Nobody else has these files.",
                "Commit them, or take them back with 'git stash'; then build and lock again.")
        return LockedMember(
            self.name, self.kind, self.source.version, "", self.suffix, (),
            tuple((rule.name, rule.sha256) for rule in self.patches), (), self.told.identity, own.identity)

    def fetch(self, turn: Turn) -> None:
        """Have the source's files in the store."""
        self.files(turn)

    def files(self, turn: Turn) -> tuple[StoredFile, ...]:
        """Return the files of the source, which are in the store then; those of a tree are made."""
        if self.own is not None:
            return SourceMaker(turn.context, self.own, turn.base).files()
        fetch_source(turn.context, self.source)
        return self.source.files

    def prepare(self, turn: Turn, root: BuildRoot) -> Environment:
        """Unpack, patch and ask apt."""
        return SourceBuild(turn, self, root).prepare()

    def install(self, turn: Turn, root: BuildRoot, environment: Environment) -> None:
        """Install the build dependencies."""
        SourceBuild(turn, self, root).install(environment)

    def build(self, turn: Turn, root: BuildRoot, environment: Environment, again: bool) -> Made:
        """Install the build dependencies, run dpkg-buildpackage, judge what it made."""
        build = SourceBuild(turn, self, root)
        build.install(environment)
        return build.carry_out(environment)


def _dsc(files: Iterable[StoredFile]) -> StoredFile:
    return next(file for file in files if file.name.endswith(".dsc"))


def write_build_packages(context: Context, work: SourceWork, directory: Path) -> Path:
    """Write the tree that asks for a member's own build packages, and return where it is."""
    tree = directory / "build-packages"
    (tree / "debian").mkdir(parents=True, exist_ok=True)
    (tree / "debian/control").write_text(
        commands.build_packages_control(work.build_packages, context.build.name))
    return tree


@dataclass(frozen=True)
class SourceBuild:
    """One build in one throw-away root."""

    turn: Turn
    work: SourceWork
    root: BuildRoot

    def prepare(self) -> Environment:
        """Unpack, patch and ask apt; return the environment."""
        context, work, root = self.turn.context, self.work, self.root
        root.step("unpacking the source")
        sources = work.files(self.turn)
        for name, files, inside in (("source", sources, commands.SOURCE),
                                    ("debs", self.turn.offered, commands.DEBS)):
            context.store.lay_out(files, root.directory / name)
            root.binds[root.directory / name] = inside
        if work.build_packages:
            root.binds[write_build_packages(context, work, root.directory)] = commands.BUILD_PACKAGES
        unpacked = root.run(["sh", "-c", commands.unpack_script(
            f"{commands.SOURCE}/{_dsc(sources).name}", work.directory)], user=commands.BUILDER)
        if unpacked.exit_status:
            raise root.failure("the source could not be unpacked")
        self._patch()
        return Environment(root.base.packages, self._chosen())

    def _chosen(self) -> tuple[PackageFile, ...]:
        """Return which packages apt wants; it reads debian/control and nothing else of a tree."""
        root, work = self.root, self.work
        parts = work.parts(self.turn.context)
        try:
            control = root.session.read(f"{work.directory}/debian/control")
        except BuildError:  # a link, which apt follows
            return self._choose()
        return self.turn.chosen({
            "control": control, "profiles": work.profiles, "host": work.target(self.turn.context).name,
            "packages": work.build_packages, **({"parts": parts} if parts != "any" else {})}, self._choose)

    def _choose(self) -> tuple[PackageFile, ...]:
        """Ask the apt inside which packages the tree's build dependencies are."""
        context, work, root = self.turn.context, self.work, self.root
        root.step("resolving build dependencies")
        root.show_apt()
        return root.choose(
            commands.build_dep_argv(
                work.target(context).name, context.build.name, work.profiles, "--print-uris", "-q",
                trees=work.trees, parts=work.parts(context)),
            f"the build dependencies of {work.name} cannot be satisfied", work.directory)

    def _patch(self) -> None:
        """Apply the rules patches; say so in the changelog, with the version that results."""
        work, root = self.work, self.root
        if not work.patches and not work.suffix:
            return
        for one in work.patches:
            root.step(f"applying {one.name}")
            done = root.noted(commands.PATCH_ARGV, stdin=patch.diff_of(one.text), user=commands.BUILDER,
                              directory=work.directory)
            if done.exit_status:
                raise PatchError(
                    f"the rules patch {one.source}/{one.name} does not apply to {work.source.version}",
                    patch.failed_hunks(one, done.stdout),
                    f"Refresh the patch, or narrow its Applies-Versions. The tree is kept: "
                    f"{self.turn.context.shell_command(work.name)}")
        changelog = f"{work.directory}/debian/changelog"
        text = patch.changelog_with(root.session.read(changelog), work.source.version, work.patches,
                                    work.suffix, is_rebuild(work.suffix))
        root.session.write(changelog, text)

    def install(self, environment: Environment) -> None:
        """Install the build dependencies, offline."""
        self.root.install(environment.added, "the build dependencies could not be installed")

    def carry_out(self, environment: Environment) -> Made:
        """Run dpkg-buildpackage, judge every result, put all of it into the store."""
        context, work, root = self.turn.context, self.work, self.root
        target, sources = work.target(context).name, work.files(self.turn)
        root.step(f"dpkg-buildpackage -a{target}")
        done = root.run(
            commands.build_argv(target, context.build.name, work.profiles, context.jobs,
                                self._show_device(environment), work.parts(context)),
            user=commands.BUILDER, directory=work.directory)
        self._check_answers()
        if done.exit_status:
            raise root.failure("the build failed")
        root.step("checking the results")
        debs, *others = (root.session.files(commands.BUILD_DIRECTORY, pattern)
                         for pattern in ("*.deb", "*.buildinfo", "*.changes"))
        debs = tuple(path for path in debs if work.choice.wants(path.name.split("_")[0]))
        checks, lost = self._judge(debs)
        files = [context.store.put(path) for path in (*debs, *(path for paths in others for path in paths))]
        files.append(context.store.put(root.log))
        if work.own is not None and work.own.contents is not None:
            files += sources  # no archive has them: they stay, go and travel with the result
        if work.own is None and work.suffix and not is_rebuild(work.suffix):
            files += make_twins(root, debs, work.source.version,
                                archive_versions(work.binaries, context.build.name))
        return Made(tuple(files), {
            "source": work.name, "version": work.version, "suite": work.source.suite,
            "dsc": _dsc(sources).sha256, "patches": [one.name for one in work.patches], **checks,
            **({"origin": work.own.words, "commit": work.own.commit.name} if work.own else {}),
            "answers": work.told.mode, "emulator": work.told.emulator,
            **({"accepted-losses": lost} if lost else {})})

    def _show_device(self, environment: Environment) -> Mapping[str, str]:
        """Lay out what the build hears of the device; return the variables that lead there."""
        context, root = self.turn.context, self.root
        if self.work.target(context) == context.build:
            return {}
        present = device.files(context.host, self.work.told, environment.names)
        place = root.directory / "device"
        for name, text in present.items():
            path = place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            path.chmod(0o755 if name.startswith("bin/") else 0o644)
        if present:
            root.binds[place] = device.PLACE
        return device.environment(context.host, self.work.told, environment.names)

    def _check_answers(self) -> None:
        """Keep what configure found out beside the log.

        Raises EmulatorError for a test program that crashed in the emulator: configure took that for an
        answer.
        """
        top = self.root.session.upper
        places = [str(path.relative_to(top))
                  for path in sorted(regular_files(top, commands.BUILD_DIRECTORY, "**/config.log"))]
        texts = {place: self.root.session.read(place) for place in places}
        if not texts:
            return
        log = self.turn.context.log(f"{self.work.name}.config")
        log.write_text("".join(f"==> {path}\n{text}\n" for path, text in texts.items()))
        crashed = [f"{path}: {one.words}" for path, text in texts.items() for one in answers.crashes(text)]
        if self.work.told.mode == answers.EMULATOR and crashed:
            raise EmulatorError(
                f"{self.work.name}: {len(crashed)} test programs of configure crashed in the emulator "
                f"({self.work.told.emulator})", "\n".join(crashed),
                f"A crash is no answer. Write the answer into {self.work.name}/{self.turn.context.host.name}"
                f".cache (docs/answers.md); the variables stand in {log}. Or set answers = \"none\".")

    def _judge(self, debs: Sequence[Path]) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Raise GateError for what must not be kept; return what to tell of the checks, and accepted losses."""
        context, work = self.turn.context, self.work
        verdicts = list(judge_debs(debs, context.host, work.name, work.source_version,
                                   own_paths(context.store.directory)))
        names = [path.name.split("_")[0] for path in debs]
        expected = work.choice.of(
            expected_binaries(work.source, context.host.name, work.profiles, context.table))
        verdicts.append(gate.expected_binaries_verdict(work.name, expected, names))
        failed = gate.failed(verdicts)
        self.root.note(f"{len(verdicts)} checks, {len(failed)} failed\n{gate.describe(failed)}\n")
        pass_or_raise(context, verdicts, work.name)
        if not work.twin:
            return {"checks": len(verdicts)}, ()
        held, lost = check_losses(self.root, debs, work.profiles, work.accepted)
        return {"checks": len(verdicts) + len(held), "compared": compared_packages(held)}, lost
