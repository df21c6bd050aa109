# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds a wheel for the host architecture in a build root, against a sysroot of the device."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from debxcross.core.artifact import StoredFile
from debxcross.core.build import commands
from debxcross.core.build.environment import Environment, PackageFile
from debxcross.core.key import digest
from debxcross.core.wheel import cross
from debxcross.core.wheel.crates import Crate
from debxcross.core.wheel.cross import numpy_configuration
from debxcross.core.wheel.deb import device_environment
from debxcross.doors.sdist import newest_time
from debxcross.doors.wheelfile import install_tools, unpack
from debxcross.errors import BuildError
from debxcross.steps.build.buildroot import BuildRoot
from debxcross.steps.build.turn import Turn
from debxcross.steps.wheel.configs import answer_configs
from debxcross.steps.wheel.crates import fetch_crates
from debxcross.steps.wheel.failure import failed
from debxcross.steps.wheel.hooks import CRATES, HookBuild, sdist_facts
from debxcross.steps.wheel.inputs import WheelSpec, inputs_of_wheel, packages_here, packages_there
from debxcross.steps.wheel.patches import patch_tree
from debxcross.steps.wheel.pins import fetch_pin
from debxcross.steps.wheel.sysroot import make_sysroot


@dataclass(frozen=True)
class WheelBuild:
    """One wheel in one throw-away root."""

    turn: Turn
    spec: WheelSpec
    root: BuildRoot

    def prepare(self) -> Environment:
        """Ask apt what the build machine and the device's sysroot need."""
        context, root = self.turn.context, self.root
        root.step("resolving the build environment")
        context.store.lay_out(self.turn.offered, root.directory / "debs")
        root.binds[root.directory / "debs"] = commands.DEBS
        here, device = (self.turn.chosen({"packages": names}, partial(self._choose, names))
                        for names in (packages_here(context, self.spec), packages_there(context, self.spec)))
        added = {file.sha256: file for file in (*here, *device)}.values()
        return Environment(root.base.packages, tuple(sorted(added, key=lambda file: file.file)), device, here)

    def _choose(self, packages: Sequence[str]) -> tuple[PackageFile, ...]:
        self.root.show_apt()
        return self.root.choose(
            commands.install_argv(packages, "--print-uris", "-q"),
            f"{self.root.name}: {' '.join(packages)} cannot be installed together")

    def install(self, environment: Environment) -> str:
        """Install what runs here and make the sysroot of what does not; return the settings' module."""
        self.root.install(environment.here, "its build environment could not be installed")
        return self._make_sysroot(environment)

    def wheel(self, pinned: StoredFile, environment: Environment, again: bool) -> Path:
        """Return the wheel: that of a deb which was wrapped in another way before, or built now."""
        context, root = self.turn.context, self.root
        key = digest(inputs_of_wheel(context, self.spec, environment))
        memo = context.store.memo("wheel", key)
        if not again and memo is not None and context.store.has(known := StoredFile(**memo)):
            root.step("the wheel is in the store")
            self._make_sysroot(environment)
            context.store.lay_out((known,), root.directory / "wheel")
            return root.directory / "wheel" / known.name
        settings_module = self.install(environment)
        answer_configs(self.root, environment.device)
        self._show_tools()
        wheel = (self._build_with_setup(pinned, settings_module) if self.spec.member.python == "2.7"
                 else self._build_with_hooks(pinned, settings_module))
        context.store.remember("wheel", key, context.store.put(wheel))
        return wheel

    def _make_sysroot(self, environment: Environment) -> str:
        """Unpack what is the device's as a sysroot, of which nothing runs."""
        root = self.root
        root.step(f"making the sysroot of {self.turn.context.host.name}")
        return make_sysroot(self.turn.context, root.base, environment.device, self.spec.member.python,
                            root.name, root.session)

    def _show_tools(self) -> None:
        """Let the root see the sdist, which lies there already, and the unpacked tools."""
        context, root, python = self.turn.context, self.root, self.spec.member.python
        tools = root.directory / "tools"
        for pin in self.spec.tools:
            tool = fetch_pin(context, root.name, pin)
            context.store.lay_out((tool,), root.directory / "tool-wheels")
            wheel = root.directory / "tool-wheels" / tool.name
            if python == "2.7":
                unpack(wheel, tools)
            else:
                install_tools(wheel, tools, f"/usr/bin/python{python}")
        tools.mkdir(exist_ok=True)
        for header in sorted(tools.glob("numpy/*core/include/numpy/_numpyconfig.h")):
            header.write_text(numpy_configuration(header.read_text(), context.host))
        root.binds.update({root.directory / "source": commands.SOURCE, tools: commands.TOOLS})

    def _build_with_setup(self, sdist: StoredFile, settings_module: str) -> Path:
        """Build with setup.py, as Python 2.7 does."""
        member, host, root = self.spec.member, self.turn.context.host, self.root
        tree = f"{commands.BUILD_DIRECTORY}/{sdist.name.removesuffix('.tar.gz')}"
        script = commands.unpack_sdist_script(f"{commands.SOURCE}/{sdist.name}", member.python)
        if root.run(["sh", "-c", script], user=commands.BUILDER).exit_status:
            raise root.failure("the sdist could not be unpacked")
        patch_tree(root, tree, member.pin.version, self.spec.patches)
        root.step(f"setup.py bdist_wheel with Python {member.python}")
        script = commands.wheel_script(
            tree, member.python, host.name, cross.include_directory(member.python),
            cross.environment(member.python, host, commands.TOOLS, settings_module))
        done = root.run(["sh", "-c", script], user=commands.BUILDER)
        made = root.session.files(commands.WHEELS, "*.whl")
        if done.exit_status or len(made) != 1:
            raise root.failure("the wheel could not be built")
        return made[0]

    def _build_with_hooks(self, sdist: StoredFile, settings_module: str) -> Path:
        context, root = self.turn.context, self.root
        path = root.directory / "source" / sdist.name
        texts = root.directory / "texts"
        texts.mkdir()
        top, facts = sdist_facts(path, self.spec.member.pin, self.spec.patches, texts)
        crates: tuple[Crate, ...] = ()
        if self.spec.rust:
            crates, files = fetch_crates(context, root.name, path)
            context.store.lay_out(files, root.directory / "crates")
            root.binds[root.directory / "crates"] = CRATES
        build = HookBuild(
            root, self.spec, facts, top, newest_time(path),
            device_environment(context.build, self.spec.full_version), settings_module, crates)
        try:
            return build.carry_out()
        except BuildError as error:
            raise error if error.resolution else failed(root, self.spec, error.brief) from error
