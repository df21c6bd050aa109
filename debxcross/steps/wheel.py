# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds a wheel for the host architecture, or takes a pure one, and wraps it as a deb."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from debxcross.core import gate, recipe
from debxcross.core.artifact import Artifact, StoredFile
from debxcross.core.buildlog import describe_failure
from debxcross.core.chain import PinnedFile, WheelMember
from debxcross.core.environment import Environment, PackageFile, resolution_key
from debxcross.core.key import digest
from debxcross.core.pypi import Pin, normalise
from debxcross.core.wrap import WrapSettings, device_environment
from debxcross.doors import elf
from debxcross.doors.apt import parse_print_uris, raise_for_apt
from debxcross.doors.index import Index
from debxcross.doors.process import Completed
from debxcross.doors.sdist import newest_time
from debxcross.doors.template import data_directory
from debxcross.doors.wheelfile import open_wheel, unpack
from debxcross.errors import BuildError, UnsatisfiableError, UnsupportedError
from debxcross.steps.context import Context
from debxcross.steps.gates import judge_debs
from debxcross.steps.keep import forget, keep
from debxcross.steps.root import BaseRoot
from debxcross.steps.source import world_state
from debxcross.steps.wrap import wrap_wheel

#: The last version of Python 2.7, which is what markers are evaluated for.
_FULL_VERSION = {"2.7": "2.7.18"}


@dataclass(frozen=True)
class WheelWork:
    """What is known about a wheel member before its turn comes."""

    member: WheelMember
    tools: tuple[PinnedFile, ...]
    names: Mapping[str, str]
    maintainer: str

    @property
    def packages(self) -> bool:
        """Whether a build environment is needed."""
        return not self.member.pure


def check_supported(member: WheelMember) -> None:
    """Raise UnsupportedError for a wheel that cannot be built yet, before anything is built."""
    if not member.pure and member.python != "2.7":
        raise UnsupportedError(
            f"{member.name}: building extension modules for Python {member.python} is not supported",
            resolution="Only Python 2.7 sdists and pure wheels can be members so far.")


def _templates() -> str:
    directory = data_directory("control-templates")
    return digest({path.name: path.read_text() for path in sorted(directory.glob("*.j2"))})


def _packages(context: Context, work: WheelWork) -> tuple[str, ...]:
    return recipe.wheel_packages(work.member.python, context.build.name, context.host.name,
                                 work.member.host_needs)


def inputs_of(context: Context, work: WheelWork, environment: Environment) -> Mapping[str, Any]:
    """Return what the step's key is the digest of, in this environment."""
    return {
        "kind": "build-wheel", "schema": recipe.SCHEMA, "pin": work.member.pin,
        "python": work.member.python, "tools": work.tools, "names": work.names,
        "maintainer": work.maintainer, "templates": _templates(), "host": context.host.name,
        "environment": environment.identity,
    }


def _question(context: Context, work: WheelWork, base: BaseRoot, local: Sequence[StoredFile]) -> str:
    return resolution_key(base.packages, world_state(context), _packages(context, work),
                          [file.sha256 for file in local])


def known_key(context: Context, work: WheelWork, base: BaseRoot, local: Sequence[StoredFile]) -> str | None:
    """Return the step's key when nothing needs to run to know it, else None."""
    inputs = known_inputs(context, work, base, local)
    return digest(inputs) if inputs else None


def known_inputs(
    context: Context, work: WheelWork, base: BaseRoot, local: Sequence[StoredFile]
) -> Mapping[str, Any] | None:
    """Return what the step's key is the digest of, when nothing needs to run to know it."""
    if work.member.pure:
        return inputs_of(context, work, Environment(base.packages, ()))
    added = context.memo(work.member.name, "environment", _question(context, work, base, local))
    if added is None:
        return None
    return inputs_of(context, work, Environment(base.packages, tuple(PackageFile(**one) for one in added)))


def fetch_pin(context: Context, index: Index, member: str, pin: PinnedFile) -> StoredFile:
    """Have a pinned file of the index in the store, verified."""
    memo = context.store.memo("pin", pin.sha256)
    if memo is not None and context.store.has(stored := StoredFile(**memo)):
        return stored
    context.busy(member, f"fetching {pin.file}")
    with context.store.work(context.chroots.remove) as directory:
        path = index.file_for(
            Pin(normalise(pin.name), pin.version), directory, kind=pin.file, sha256=pin.sha256)
        stored = context.store.put(path, pin.file)
    context.store.remember("pin", pin.sha256, stored)
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
                self._install(environment)
                wheel = self._build(pinned)
            except (BuildError, UnsatisfiableError):
                keep(self.context, self.session, self.member.name, recipe.BUILD_DIRECTORY)
                raise
        deb = self._wrap(wheel, pinned)
        self._judge(wheel, deb)
        inputs = inputs_of(self.context, self.work, environment)
        files = (store.put(deb), store.put(wheel), store.put(self.log))
        artifact = Artifact(digest(inputs), self.member.name, files, {
            "kind": "wheel", "source": self.member.name, "version": self.member.pin.version,
            "file": pinned.name, "sha256": pinned.sha256, "tools": [tool.name for tool in tools],
            "inputs": inputs,
        })
        store.commit(artifact)
        forget(self.context, self.member.name)
        return "built", artifact

    def _step(self, text: str) -> None:
        self.context.busy(self.member.name, text)
        with self.log.open("a") as log:
            log.write(f"\n==> {text}\n")

    def _prepare(self, tools: tuple[StoredFile, ...]) -> Environment:
        context = self.context
        self._step("resolving the build environment")
        context.store.lay_out(self.local, self.directory / "debs")
        tools_directory = self.directory / "tools"
        for tool in tools:
            context.store.lay_out((tool,), self.directory / "tool-wheels")
            unpack(self.directory / "tool-wheels" / tool.name, tools_directory)
        tools_directory.mkdir(exist_ok=True)
        self.binds = {
            self.directory / "source": recipe.SOURCE, self.directory / "debs": recipe.DEBS,
            tools_directory: recipe.TOOLS, context.apt.lists: recipe.LISTS,
        }
        world = context.world.for_build_root()
        script = recipe.apt_script(
            world.sources_list(context.apt.mirror_files, recipe.LOCAL), world.preferences(),
            recipe.apt_options(context.build.name, context.host.name))
        self.session.run(["sh", "-c", script], binds=self.binds, log=self.log).check(
            BuildError, f"{self.member.name}: the build root's apt could not be set up",
            f"Read {self.log}.")
        packages = _packages(context, self.work)
        answer = self.session.run(recipe.install_argv(packages, "--print-uris", "-qq"), binds=self.binds)
        raise_for_apt(answer, f"{self.member.name}: {' '.join(packages)} cannot be installed together")
        environment = Environment(self.base.packages, parse_print_uris(answer.stdout))
        context.store.remember(
            "environment", _question(context, self.work, self.base, self.local), environment.added)
        return environment

    def _install(self, environment: Environment) -> None:
        context = self.context
        files = context.fetch_packages(self.member.name, environment.added)
        archives = self.directory / "archives"
        context.store.lay_out(files, archives)
        (archives / "partial").mkdir()
        self.binds[archives] = recipe.ARCHIVES
        self._step(f"installing {len(environment.added)} packages")
        done = self.session.run(
            recipe.install_argv(_packages(context, self.work), *recipe.OFFLINE), binds=self.binds,
            log=self.log)
        if done.exit_status:
            raise self._failure("its build environment could not be installed")

    def _build(self, sdist: StoredFile) -> Path:
        self._step(f"setup.py bdist_wheel with Python {self.member.python}")
        script = recipe.wheel_script(
            f"{recipe.SOURCE}/{sdist.name}", sdist.name.removesuffix(".tar.gz"), self.member.python,
            self.context.host)
        done = self.session.run(["sh", "-c", script], binds=self.binds, user=recipe.BUILDER, log=self.log)
        made = sorted((self.session.upper / recipe.WHEELS.lstrip("/")).glob("*.whl"))
        if done.exit_status or len(made) != 1:
            raise self._failure("the wheel could not be built")
        return made[0]

    def _failure(self, what: str) -> BuildError:
        return BuildError(
            f"{self.member.name} {self.member.pin.version}: {what}",
            describe_failure(self.log.read_text(errors="replace"), "", ""),
            f"The whole log is {self.log}. Enter the build root with "
            f"'debxcross shell {self.member.name} --arch {self.context.host.name}'.")

    def _wrap(self, wheel: Path, pinned: StoredFile) -> Path:
        """Wrap inside the build root: its dpkg tools and its libraries decide the bytes."""
        self._step(f"wrapping {wheel.name}")
        settings = WrapSettings(
            host_architecture=self.context.host.name, python=self.member.python, names=self.work.names,
            maintainer=self.work.maintainer,
            source_date_epoch=newest_time(self.directory / "source" / pinned.name),
            device_environment=device_environment(
                self.context.host, _FULL_VERSION.get(self.member.python, f"{self.member.python}.0")),
            provenance=(f"{pinned.name} sha256:{pinned.sha256}",),
        )
        output = self.session.upper / "debxcross/wrap"
        output.mkdir(parents=True, exist_ok=True)
        return wrap_wheel(wheel, settings, output, self._tool)

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
        # Python 2.7 has no ABI tag in the name of an extension module (PEP 3149 is of 3.2).
        verdicts = list(gate.wheel_verdicts(wheel.name, facts, self.context.host, (".so",)))
        control_source = deb.name.split("_")[0]
        version = deb.name.split("_")[1]
        verdicts += judge_debs([deb], self.context.host, control_source, version,
                               (str(self.context.store.directory), str(Path.home())))
        gate.raise_for(verdicts, self.member.name)
