# SPDX-License-Identifier: GPL-3.0-or-later
"""Wraps a member's wheel as a deb inside its build root, and judges both."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from debxcross.core import gate
from debxcross.core.artifact import StoredFile
from debxcross.core.build.buildinfo import buildinfo, file_name
from debxcross.core.build.environment import Environment
from debxcross.core.gate import ElfFacts, Verdict
from debxcross.core.wheel import cross
from debxcross.core.wheel.deb import WrapSettings, active_requirements, deb_version, device_environment
from debxcross.doors import elf
from debxcross.doors.deb import read_facts
from debxcross.doors.wheelfile import open_wheel
from debxcross.steps.build.buildroot import BuildRoot
from debxcross.steps.build.gates import judge_debs, judge_processor, own_paths, pass_or_raise
from debxcross.steps.wheel.deb import wrap_wheel
from debxcross.steps.wheel.inputs import WheelSpec


@dataclass(frozen=True)
class Wrapping:
    """One wheel on its way into a deb; ``epoch`` is the time of its source in seconds."""

    root: BuildRoot
    spec: WheelSpec
    wheel: Path
    pinned: StoredFile
    epoch: int

    def deb(self) -> Path:
        """Wrap inside the build root: its dpkg tools and its libraries decide the bytes."""
        self.root.step(f"wrapping {self.wheel.name}")
        output = self.root.directory / "wrap"
        output.mkdir(parents=True, exist_ok=True)
        libraries = "" if self.spec.member.pure else cross.SYSROOT
        return wrap_wheel(self.wheel, self._settings(), output, self.root.tool, libraries)

    def _settings(self) -> WrapSettings:
        member, spec, host = self.spec.member, self.spec, self.root.context.host
        return WrapSettings(
            host_architecture=host.name, python=member.python, names=spec.names,
            maintainer=spec.maintainer, source_date_epoch=self.epoch,
            device_environment=device_environment(host, spec.full_version),
            provenance=(f"{self.pinned.name} sha256:{self.pinned.sha256}",
                        *((f"made of {spec.origin}",) if spec.origin else ()), *self._told()),
            changes=tuple(f"debxcross rules patch {one.name}: {one.description}" for one in spec.patches),
            epochs=spec.epochs, also_requires=member.also_requires, replaces=member.replaces,
            revision=member.revision or "1", debian=spec.debian,
        )

    def _told(self) -> tuple[str, ...]:
        """Return what the deb tells of patches and tools."""
        patched = tuple(f"patched with {one.name} sha256:{one.sha256}" for one in self.spec.patches)
        if self.spec.member.python == "2.7" or self.spec.member.pure:
            return patched
        return (*patched, *(f"built with {tool.file} sha256:{tool.sha256}" for tool in self.spec.tools))

    def judge(self, deb: Path) -> None:
        """Raise GateError when wheel or deb must not be kept."""
        self.root.step("checking the wheel and its deb")
        context, member = self.root.context, self.spec.member
        facts: list[ElfFacts] = []
        verdicts: list[Verdict] = []
        with open_wheel(self.wheel) as (content, read):
            for file in content.files:
                if file.elf and (found := elf.read(code := read(file.path), file.path)):
                    facts.append(found)
                    verdicts += judge_processor([found], code, file.path, context.host)
        verdicts += gate.wheel_verdicts(
            self.wheel.name, facts, context.host, cross.extension_suffixes(member.python, context.host))
        settings = self._settings()
        package = deb.name.split("_")[0]
        verdicts += judge_debs([deb], context.host, package, deb_version(content.version, package, settings),
                               own_paths(context.store.directory))
        if member.resolved_for:
            verdicts.append(gate.requirements_verdict(
                self.wheel.name, member.requires, active_requirements(content, settings)))
        pass_or_raise(context, verdicts, member.name)

    def information(self, deb: Path, files: Sequence[StoredFile], environment: Environment) -> StoredFile:
        """Write the .buildinfo of the deb, which dpkg-buildpackage writes of others."""
        context = self.root.context
        stored = context.store.put(deb)
        text = buildinfo(read_facts(deb).control, stored, context.build.name, environment, files, self.epoch)
        return context.store.put_bytes(text.encode(), file_name(deb.name, context.host.name))
