# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds a wheel for the host architecture, or takes a pure one, and wraps it as a deb."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from debxcross.core import gate
from debxcross.core.artifact import Artifact, StoredFile
from debxcross.core.build import commands
from debxcross.core.build.buildinfo import buildinfo, file_name
from debxcross.core.build.environment import Environment, PackageFile
from debxcross.core.build.log import describe_failure
from debxcross.core.chain.chain import PinnedFile
from debxcross.core.key import digest
from debxcross.core.wheel import cross
from debxcross.core.wheel.crates import Crate
from debxcross.core.wheel.cross import extension_suffixes, numpy_configuration
from debxcross.core.wheel.deb import WrapSettings, active_requirements, deb_version, device_environment
from debxcross.core.wheel.index import Pin, is_file_of, normalise
from debxcross.core.wheel.metadata import check_release
from debxcross.doors import elf
from debxcross.doors.apt import parse_print_uris, raise_for_apt
from debxcross.doors.deb import read_facts
from debxcross.doors.index import Index
from debxcross.doors.process import Completed
from debxcross.doors.sdist import newest_time
from debxcross.doors.wheelfile import install_tools, open_wheel, unpack
from debxcross.errors import BuildError, GateError, PatchError, UnsatisfiableError
from debxcross.steps.build.baseroot import BaseRoot
from debxcross.steps.build.gates import judge_debs
from debxcross.steps.build.keep import keep
from debxcross.steps.build.source import offered
from debxcross.steps.context import Context
from debxcross.steps.wheel.crates import fetch_crates
from debxcross.steps.wheel.deb import wrap_wheel
from debxcross.steps.wheel.hooks import CRATES, HookBuild, sdist_facts
from debxcross.steps.wheel.inputs import (
    WheelWork, inputs_of, inputs_of_wheel, known_environment, known_key, packages_here, packages_there,
    remember,
)
from debxcross.steps.wheel.patches import patch_tree
from debxcross.steps.wheel.sysroot import make_sysroot

#: The last version of Python 2.7, which is what markers are evaluated for.
_FULL_VERSION = {"2.7": "2.7.18"}


def fetch_pin(context: Context, index: Index, member: str, pin: PinnedFile) -> StoredFile:
    """Have a pinned file of the index in the store, verified.

    Raises GateError when the file's name is of another project or version than the pin's.
    """
    wanted = Pin(normalise(pin.name), pin.version)
    if not is_file_of(pin.file, wanted):
        raise GateError(f"{pin.file} is not a file of {pin.name} {pin.version}", "",
                        "Correct name, version or file of this pin.")
    # Not by the digest alone: the same bytes pinned as another release are to be looked at again.
    key = digest([wanted, pin.file, pin.sha256])
    memo = context.store.memo("pin", key)
    held = context.held(member)
    known = [StoredFile(**memo)] if memo is not None else [
        file.stored for file in (held.files if held else ()) if file.sha256 == pin.sha256]
    if known and context.store.has(known[0]):
        return known[0]
    context.check_online(member, [f"{pin.file} ({pin.sha256[:12]}…)"])
    context.busy(member, f"fetching {pin.file}")
    with context.store.work(context.chroots.remove) as directory:
        path = index.file_for(wanted, directory, kind=pin.file, sha256=pin.sha256)
        stored = context.store.put(path, pin.file)
    context.store.remember("pin", key, stored)
    return stored


def build_wheel(
    context: Context, work: WheelWork, base: BaseRoot, local: tuple[StoredFile, ...], index: Index,
    *, again: bool = False,
) -> tuple[str, Artifact]:
    """Return ("cached" or "built", the artifact) of a wheel member: its wheel and its deb.

    Raises FetchError, VerificationError, UnsatisfiableError, BuildError, GateError.
    """
    name = work.member.name
    key = known_key(context, work, base, local)
    if key and not again and (artifact := context.artifact(name, key)):
        return "cached", artifact
    with context.store.lock(f"wheel-{name}-{context.host.name}",
                            lambda: context.busy(name, "another run builds it")):
        if key and not again and (artifact := context.artifact(name, key)):
            return "cached", artifact
        pinned = fetch_pin(context, index, name, work.member.pin)
        tools = tuple(fetch_pin(context, index, name, tool) for tool in work.tools)
        with context.store.work(context.chroots.remove) as directory:
            return _Build(context, work, base, local, directory).carry_out(pinned, tools, again)


def resolve(context: Context, work: WheelWork, base: BaseRoot, local: tuple[StoredFile, ...],
            tools: tuple[StoredFile, ...]) -> Environment:
    """Return a member's environment: remembered, or resolved now in a throw-away root."""
    if work.member.pure:
        return Environment(base.packages, ())
    if environment := known_environment(context, work, base, local):
        return environment
    with context.store.work(context.chroots.remove) as directory:
        return _Build(context, work, base, local, directory).resolve(tools)


class _Build:
    """One wheel in one throw-away root."""

    def __init__(self, context: Context, work: WheelWork, base: BaseRoot, local: tuple[StoredFile, ...],
                 directory: Path) -> None:
        self.context, self.work, self.base, self.local = context, work, base, local
        self.directory = directory
        self.member = work.member
        self.log = context.log(self.member.name)
        self.session = context.chroots.session(base.directory, directory)
        self.binds: dict[Path, str] = {}
        #: What apt adds of the device's packages, and the module with its interpreter's settings.
        self.device: tuple[PackageFile, ...] = ()
        self.settings_module = ""

    def carry_out(
        self, pinned: StoredFile, tools: tuple[StoredFile, ...], again: bool
    ) -> tuple[str, Artifact]:
        """Build (or take) the wheel, wrap it, gate it, commit it."""
        store = self.context.store
        environment = Environment(self.base.packages, ())
        store.lay_out((pinned,), self.directory / "source")
        wheel = self.directory / "source" / pinned.name
        if not self.member.pure:
            try:
                environment = self._prepare(tools)
                key = digest(inputs_of(self.context, self.work, environment))
                if not again and (artifact := self.context.artifact(self.member.name, key)):
                    return "cached", artifact
                wheel = self._wheel(pinned, environment, again)
            except (BuildError, PatchError, UnsatisfiableError):
                keep(self.context, self.session, self.member.name, commands.BUILD_DIRECTORY, failed=True)
                raise
        with open_wheel(wheel) as (content, _):
            check_release(wheel.name, content, self.member.pin.name, self.member.pin.version)
        deb = self._wrap(wheel, pinned)
        self._judge(wheel, deb)
        inputs = inputs_of(self.context, self.work, environment)
        files = (store.put(deb), store.put(wheel), self._information(deb, (pinned, *tools), environment),
                 store.put(self.log))
        artifact = Artifact(digest(inputs), self.member.name, files, {
            "kind": "wheel", "source": self.member.name, "version": self.member.pin.version,
            "file": pinned.name, "sha256": pinned.sha256, "tools": [tool.name for tool in tools],
            "patches": [one.name for one in self.work.patches],
            "inputs": inputs,
        })
        return "built", self.context.commit(artifact)

    def _information(self, deb: Path, files: Sequence[StoredFile], environment: Environment) -> StoredFile:
        """Write the .buildinfo of the deb, which dpkg-buildpackage writes of others."""
        stored = self.context.store.put(deb)
        text = buildinfo(read_facts(deb).control, stored, self.context.build.name, environment, files,
                         newest_time(self.directory / "source" / files[0].name))
        return self.context.store.put_bytes(text.encode(), file_name(deb.name, self.context.host.name))

    def _step(self, text: str) -> None:
        self.context.busy(self.member.name, text)
        with self.log.open("a") as log:
            log.write(f"\n==> {text}\n")

    def resolve(self, tools: tuple[StoredFile, ...]) -> Environment:
        """Ask apt, no more."""
        return self._prepare(tools)

    def _prepare(self, tools: tuple[StoredFile, ...]) -> Environment:
        context = self.context
        self._step("resolving the build environment")
        context.store.lay_out(offered(context, self.member.name, self.local), self.directory / "debs")
        tools_directory = self.directory / "tools"
        for tool in tools:
            context.store.lay_out((tool,), self.directory / "tool-wheels")
            if self.member.python == "2.7":
                unpack(self.directory / "tool-wheels" / tool.name, tools_directory)
            else:
                install_tools(self.directory / "tool-wheels" / tool.name, tools_directory,
                              f"/usr/bin/python{self.member.python}")
        tools_directory.mkdir(exist_ok=True)
        for header in sorted(tools_directory.glob("numpy/*core/include/numpy/_numpyconfig.h")):
            header.write_text(numpy_configuration(header.read_text(), context.host))
        self.binds = {
            self.directory / "source": commands.SOURCE, self.directory / "debs": commands.DEBS,
            tools_directory: commands.TOOLS, context.apt.lists: commands.LISTS,
        }
        world = context.world.for_build_root()
        script = commands.apt_script(
            world.sources_list(context.apt.mirror_files, commands.LOCAL), world.preferences(),
            commands.apt_options(context.build.name, context.host.name))
        self.session.run(["sh", "-c", script], binds=self.binds, log=self.log).check(
            BuildError, f"{self.member.name}: the build root's apt could not be set up",
            f"Read {self.log}.")
        here = self._ask(packages_here(context, self.work))
        self.device = self._ask(packages_there(context, self.work))
        environment = Environment(self.base.packages, tuple(sorted(
            {file.sha256: file for file in (*here, *self.device)}.values(), key=lambda file: file.file)))
        context.compare(self.member.name, environment.added, self.local)
        remember(context, self.work, self.base, self.local, environment)
        return environment

    def _ask(self, packages: Sequence[str]) -> tuple[PackageFile, ...]:
        """Return what apt would add to the base root for these packages."""
        answer = self.session.run(commands.install_argv(packages, "--print-uris", "-q"), binds=self.binds)
        try:
            raise_for_apt(answer, f"{self.member.name}: {' '.join(packages)} cannot be installed together")
        except UnsatisfiableError as error:
            raise self.context.unsatisfied(self.member.name, error) from error
        return parse_print_uris(answer.stdout)

    def _wheel(self, pinned: StoredFile, environment: Environment, again: bool) -> Path:
        """Return the wheel: that of a deb which was wrapped in another way before, or built now."""
        context = self.context
        key = digest(inputs_of_wheel(context, self.work, environment))
        memo = context.store.memo("wheel", key)
        if not again and memo is not None and context.store.has(known := StoredFile(**memo)):
            self._step("the wheel is in the store")
            self._make_sysroot()
            context.store.lay_out((known,), self.directory / "wheel")
            return self.directory / "wheel" / known.name
        self._install(environment)
        self._make_sysroot()
        wheel = self._build(pinned)
        context.store.remember("wheel", key, context.store.put(wheel))
        return wheel

    def _make_sysroot(self) -> None:
        """Unpack what is the device's as a sysroot, of which nothing runs."""
        self._step(f"making the sysroot of {self.context.host.name}")
        self.settings_module = make_sysroot(
            self.context, self.base, self.device, self.member.python, self.member.name, self.session.upper)

    def _install(self, environment: Environment) -> None:
        """Install what runs here."""
        context, name = self.context, self.member.name
        files = context.fetch_packages(name, environment.added)
        archives = self.directory / "archives"
        context.store.lay_out(files, archives)
        (archives / "partial").mkdir()
        self.binds[archives] = commands.ARCHIVES
        self._step(f"installing {len(environment.added) - len(self.device)} packages")
        done = self.session.run(
            commands.install_argv(packages_here(context, self.work), *commands.OFFLINE), binds=self.binds,
            log=self.log)
        if done.exit_status:
            raise self._failure("its build environment could not be installed")

    def _build(self, sdist: StoredFile) -> Path:
        if self.member.python != "2.7":
            return self._build_with_hooks(sdist)
        member, host, top = self.member, self.context.host, sdist.name.removesuffix(".tar.gz")
        tree = f"{commands.BUILD_DIRECTORY}/{top}"
        script = commands.unpack_sdist_script(f"{commands.SOURCE}/{sdist.name}", member.python)
        done = self.session.run(["sh", "-c", script], binds=self.binds, user=commands.BUILDER, log=self.log)
        if done.exit_status:
            raise self._failure("the sdist could not be unpacked")
        patch_tree(self.session, self.binds, self.log, tree, member, self.work.patches,
                   self.context.shell_command(member.name), self._step)
        self._step(f"setup.py bdist_wheel with Python {member.python}")
        script = commands.wheel_script(
            tree, member.python, host.name, cross.include_directory(member.python),
            cross.environment(member.python, host, commands.TOOLS, self.settings_module))
        done = self.session.run(["sh", "-c", script], binds=self.binds, user=commands.BUILDER, log=self.log)
        made = sorted((self.session.upper / commands.WHEELS.lstrip("/")).glob("*.whl"))
        if done.exit_status or len(made) != 1:
            raise self._failure("the wheel could not be built")
        return made[0]

    def _build_with_hooks(self, sdist: StoredFile) -> Path:
        path = self.directory / "source" / sdist.name
        texts = self.directory / "texts"
        texts.mkdir()
        top, facts = sdist_facts(path, self.member.pin, self.work.patches, texts)
        crates: tuple[Crate, ...] = ()
        if self.work.rust:
            crates, files = fetch_crates(self.context, self.member.name, path)
            self.context.store.lay_out(files, self.directory / "crates")
            self.binds[self.directory / "crates"] = CRATES
        build = HookBuild(
            self.session, self.binds, self.log, self.member, self.work.tools, self.context.host, facts, top,
            newest_time(path), self.context.jobs,
            device_environment(self.context.build, self._full_version),
            self.context.shell_command(self.member.name), self.settings_module, crates, self.work.patches)
        try:
            return build.carry_out(self._step)
        except BuildError as error:
            raise error if error.resolution else self._failure(error.brief) from error

    def _failure(self, what: str) -> BuildError:
        return BuildError(
            f"{self.member.name} {self.member.pin.version}: {what}",
            describe_failure(self.log.read_text(errors="replace"), "", ""),
            f"The whole log is {self.log}. Enter the build root with "
            f"'{self.context.shell_command(self.member.name)}'.")

    def _wrap(self, wheel: Path, pinned: StoredFile) -> Path:
        """Wrap inside the build root: its dpkg tools and its libraries decide the bytes."""
        self._step(f"wrapping {wheel.name}")
        output = self.session.upper / "debxcross/wrap"
        output.mkdir(parents=True, exist_ok=True)
        libraries = "" if self.member.pure else cross.SYSROOT
        return wrap_wheel(wheel, self._settings(pinned), output, self._tool, libraries)

    def _settings(self, pinned: StoredFile) -> WrapSettings:
        member = self.member
        return WrapSettings(
            host_architecture=self.context.host.name, python=member.python, names=self.work.names,
            maintainer=self.work.maintainer,
            source_date_epoch=newest_time(self.directory / "source" / pinned.name),
            device_environment=device_environment(self.context.host, self._full_version),
            provenance=(f"{pinned.name} sha256:{pinned.sha256}", *self._patch_lines(), *self._tool_lines()),
            changes=tuple(f"debxcross rules patch {one.name}: {one.description}"
                          for one in self.work.patches),
            epochs=self.work.epochs, also_requires=member.also_requires, replaces=member.replaces,
            revision=member.revision or "1",
        )

    @property
    def _full_version(self) -> str:
        member = self.member
        return member.resolved_for or _FULL_VERSION.get(member.python, f"{member.python}.0")

    def _patch_lines(self) -> tuple[str, ...]:
        return tuple(f"patched with {one.name} sha256:{one.sha256}" for one in self.work.patches)

    def _tool_lines(self) -> tuple[str, ...]:
        if self.member.python == "2.7" or self.member.pure:
            return ()
        return tuple(f"built with {tool.file} sha256:{tool.sha256}" for tool in self.work.tools)

    def _tool(self, argv: Sequence[str], directory: Path, environment: Mapping[str, str]) -> Completed:
        inside = "/" + str(directory.relative_to(self.session.upper))
        assignments = [f"{name}={value}" for name, value in sorted(environment.items())]
        return self.session.run(["env", *assignments, *argv], directory=inside)

    def _judge(self, wheel: Path, deb: Path) -> None:
        self._step("checking the wheel and its deb")
        facts = []
        with open_wheel(wheel) as (content, read):
            for file in content.files:
                if file.elf and (found := elf.read(read(file.path), file.path)):
                    facts.append(found)
        python = self.member.python
        verdicts = list(gate.wheel_verdicts(
            wheel.name, facts, self.context.host, extension_suffixes(python, self.context.host)))
        settings = self._settings(StoredFile(self.member.pin.file, self.member.pin.sha256, 0))
        package = deb.name.split("_")[0]
        verdicts += judge_debs([deb], self.context.host, package,
                               deb_version(content.version, package, settings),
                               (str(self.context.store.directory), str(Path.home())))
        if self.member.resolved_for:
            verdicts.append(gate.requirements_verdict(
                wheel.name, self.member.requires, active_requirements(content, settings)))
        gate.raise_for(verdicts, self.member.name)
