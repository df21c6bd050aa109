# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds a wheel for Python 3 in a build root: the back end's own hooks, told about the host."""
from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement
from packaging.version import Version

from debxcross.core.border import Line, Name, read_as, read_json, read_toml
from debxcross.core.build import commands
from debxcross.core.chain.chain import PinnedFile, WheelMember
from debxcross.core.patch import RulesPatch
from debxcross.core.wheel import backend, crates as backend_crates, cross
from debxcross.core.wheel.backend import SdistFacts
from debxcross.core.wheel.crates import Crate
from debxcross.core.wheel.index import Pin, normalise, same_release
from debxcross.core.wheel.pep508 import read_requirement
from debxcross.doors.process import Completed
from debxcross.doors.regular import tail
from debxcross.doors.sdist import read_texts
from debxcross.doors.template import program_file
from debxcross.errors import BuildError, GateError
from debxcross.steps.build.buildroot import BuildRoot
from debxcross.steps.wheel.inputs import WheelSpec
from debxcross.steps.wheel.patches import patch_texts, patch_tree

#: Where the build root sees the crates, and where they are unpacked.
CRATES, _VENDOR = "/debxcross/crates", "/build/vendor"
_LOCK_HEAD = 400
HOOKS = program_file("doors/pep517_child.py")


def is_metadata(path: str) -> bool:
    """Tell whether a file of an sdist, by its path below the top, says something about it."""
    name = path.rpartition("/")[2]
    return (path in ("PKG-INFO", "pyproject.toml", "setup.py") or name in ("Cargo.toml", "Cargo.lock")
            or (path.count("/") <= 2 and name in ("requires.txt", "PKG-INFO")))


def read_sdist(path: Path, pin: Pin) -> tuple[str, dict[str, str]]:
    """Return an sdist's top directory and its metadata's texts.

    Raises GateError for an sdist that must not be used, or is another release than the pin's.
    """
    top, texts = read_texts(path, is_metadata)
    check_identity(path.name, pin, texts.get("PKG-INFO", ""))
    # Of a lock file the version counts, which stands at its top.
    return top, {path: text[:_LOCK_HEAD] if path.endswith("Cargo.lock") else text
                 for path, text in texts.items()}


def parse_sdist(name: str, texts: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return what counts of an sdist's pyproject.toml, and its texts."""
    try:
        pyproject = read_toml(texts.get("pyproject.toml", ""))
    except ValueError as error:
        raise GateError(f"{name}: pyproject.toml cannot be read", str(error),
                        "Choose another release of the project.") from error
    return {key: pyproject[key] for key in ("build-system", "project") if key in pyproject}, dict(texts)


def sdist_facts(path: Path, pin: PinnedFile, rules: Sequence[RulesPatch], directory: Path
                ) -> tuple[str, SdistFacts]:
    """Return an sdist's top directory and what it says of itself, patches applied.

    ``directory`` is empty and private.
    """
    top, texts = read_sdist(path, Pin(normalise(pin.name), pin.version))
    pyproject, texts = parse_sdist(path.name, patch_texts(texts, rules, pin.version, directory))
    return top, backend.read_facts(path.name, normalise(pin.name), pin.version, pyproject, texts)


def named(text: str, default: Pin = Pin("", "")) -> tuple[str, str]:
    """Return the name and the version that a PKG-INFO tells."""
    info = HeaderParser().parsestr(text)
    return str(info.get("Name", default.name)).strip(), str(info.get("Version", default.version)).strip()


def unmet(answer: Sequence[str], tools: Sequence[PinnedFile], markers: Mapping[str, str]) -> list[str]:
    """Return what a back end asks for that is neither among the tools nor a program of Debian's."""
    have = {normalise(tool.name): Version(tool.version) for tool in tools}
    missing = []
    for text in answer:
        try:
            requirement = read_requirement(text)
        except InvalidRequirement:
            missing.append(text)
            continue
        name = normalise(requirement.name)
        if requirement.marker and not requirement.marker.evaluate({**markers, "extra": ""}):
            continue
        if name in backend.PROGRAMS:
            continue
        if name not in have or not requirement.specifier.contains(have[name], prereleases=True):
            missing.append(text)
    return missing


def check_identity(file_name: str, pin: Pin, text: str) -> None:
    """Raise GateError when PKG-INFO is about something else than the file was pinned as."""
    name, version = named(text, pin)
    if not same_release(name, version, pin):
        raise GateError(f"{file_name} says that it is {name} {version}", "From its PKG-INFO.",
                        "Do not use it; choose another release of the project.")


@dataclass(frozen=True)
class HookBuild:
    """One build: where it happens, what of, with which pinned tools.

    ``top`` is the sdist's top directory, ``epoch`` its newest file's time in seconds; ``markers``
    are the marker variables (PEP 508) of the interpreter in the build root; ``settings_module`` has
    the settings of the host's interpreter.
    """

    root: BuildRoot
    spec: WheelSpec
    facts: SdistFacts
    top: str
    epoch: int
    markers: Mapping[str, str]
    settings_module: str
    crates: tuple[Crate, ...] = ()

    @property
    def member(self) -> WheelMember:
        """The member that is built."""
        return self.spec.member

    @property
    def tree(self) -> str:
        """The source tree inside the root."""
        return f"{commands.BUILD_DIRECTORY}/{self.top}"

    def carry_out(self) -> Path:
        """Return the wheel.  Raises BuildError, with what the build asked of the network if it did."""
        self._set_up()
        patch_tree(self.root, self.tree, self.member.pin.version, self.spec.patches)
        self.root.step(f"asking {self.facts.system.backend} what else it needs")
        self._check_requirements(self._hook("requires", "its back end does not answer", tuple[Line, ...]))
        self.root.step(f"{self.facts.system.backend}: build_wheel for Python {self.member.python}")
        name = self._hook("wheel", "the wheel could not be built", Name)
        made = [path for path in self.root.session.files(commands.WHEELS, "*.whl") if path.name == name]
        if not made:
            raise GateError(f"the back end of {self.member.name} says it made {name!r}, which is not there",
                            resolution=f"Read {self.root.log}.")
        return made[0]

    def _set_up(self) -> None:
        """Unpack the sdist; put the cross files in their places."""
        member, python, host = self.member, self.member.python, self.root.context.host
        session = self.root.session
        session.write(cross.MESON_FILE, cross.meson_text(python, host))
        session.write(cross.CMAKE_FILE, cross.cmake_text(python, host, commands.TOOLS))
        session.write(commands.HOOKS, HOOKS.read_text())
        if self.crates:
            session.write(f"{cross.CARGO_HOME}/config.toml",
                          backend_crates.cargo_configuration(_VENDOR, self.crates))
            session.run(["chown", "-R", commands.BUILDER, cross.CARGO_HOME])
            self._run(["sh", "-c", backend_crates.vendor_script(CRATES, _VENDOR)], commands.BUILDER,
                      "the crates could not be unpacked")
        self._run(["sh", "-c", commands.unpack_sdist_script(f"{commands.SOURCE}/{member.pin.file}", python)],
                  commands.BUILDER, "the sdist could not be unpacked")

    def _run(self, command: list[str], user: str, failure: str, stdin: str = "") -> Completed:
        done = self.root.run(command, user=user, stdin=stdin)
        if done.exit_status:
            if asked := backend.asked_network(tail(self.root.log)):
                raise BuildError(
                    f"{self.member.name} {self.member.pin.version} wants the network while it is built",
                    asked, "Builds have none. What it fetches must be a build requirement or a Debian "
                    "package: name it for this project in a file given with --projects.")
            raise BuildError(failure)
        return done

    def _settings(self) -> list[str]:
        more = []
        if self.facts.family.compiled == "meson":
            more = [f"setup-args=--cross-file={cross.MESON_FILE}", f"compile-args=-j{self.root.context.jobs}"]
        return [*more, *self.member.settings]

    def _hook(self, hook: str, failure: str, kind: Any) -> Any:
        """Call a hook and return its answer, which must be of a kind (core.border.read_as)."""
        request = {"backend": self.facts.system.backend, "backend_path": self.facts.system.backend_path,
                   "settings": self._settings(), "directory": commands.WHEELS}
        python, context = self.member.python, self.root.context
        environment = {
            **cross.environment(python, context.host, commands.TOOLS, self.settings_module),
            "SOURCE_DATE_EPOCH": str(self.epoch), "CMAKE_BUILD_PARALLEL_LEVEL": str(context.jobs)}
        script = commands.hook_script(hook, self.tree, python, context.host.name,
                                      cross.include_directory(python), environment, self.member.environment)
        self._run(["sh", "-c", script], commands.BUILDER, failure, json.dumps(request))
        try:
            return read_as(kind, read_json(self.root.session.read(commands.ANSWER)))
        except ValueError as error:
            raise GateError(f"the back end of {self.member.name} answers nothing that counts", str(error),
                            f"Read {self.root.log}.") from error

    def _check_requirements(self, answer: Sequence[str]) -> None:
        """Raise BuildError when the back end wants something that was not resolved for it."""
        if missing := unmet(answer, self.spec.tools, self.markers):
            raise BuildError(
                f"the build of {self.member.name} {self.member.pin.version} needs {', '.join(missing)}",
                "Its back end asks for this only when it runs.",
                f"Name it in a file given with --projects: [{self.member.name}] build-requires = "
                f"{json.dumps(missing)}.")
