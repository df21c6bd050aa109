# SPDX-License-Identifier: GPL-3.0-or-later
"""A wheel as a member of a chain: taken as it is or built, then wrapped as a deb."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from debxcross.core.artifact import StoredFile
from debxcross.core.build import commands
from debxcross.core.build.environment import Environment
from debxcross.core.chain.lock import LockedMember
from debxcross.core.patch import RulesPatch
from debxcross.core.wheel.direct import parse_origin
from debxcross.core.wheel.files import is_compiled
from debxcross.core.wheel.metadata import check_release
from debxcross.doors.sdist import newest_time, read_texts
from debxcross.doors.wheelfile import open_wheel
from debxcross.errors import GateError, UsageError
from debxcross.steps.build.buildroot import BuildRoot
from debxcross.steps.build.turn import Made, Turn
from debxcross.steps.context import Context
from debxcross.steps.wheel.build import WheelBuild
from debxcross.steps.wheel.inputs import WheelSpec, inputs_of, packages_here, packages_there
from debxcross.steps.wheel.local import restore
from debxcross.steps.wheel.pins import fetch_pin, locked_pin
from debxcross.steps.wheel.wrapping import Wrapping


def _place(text: str) -> str:
    """Return what a lock says of where a file is from that is in no index; "" for one of the index."""
    if not text:
        return ""
    origin = parse_origin(text)
    return (f"git/{origin.commit}" if origin.git else f"tree/{origin.tree}/{origin.commit}".rstrip("/")
            if origin.tree else "file")


@dataclass(frozen=True)
class WheelWork:
    """A pinned wheel or sdist, of the package index or of a place of its own; see steps.build.turn.Work."""

    spec: WheelSpec
    kind: str = "wheel"

    @property
    def name(self) -> str:
        """The project's name, as the chain has it."""
        return self.spec.member.name

    @property
    def version(self) -> str:
        """The project's version (PEP 440)."""
        return self.spec.member.pin.version

    @property
    def origin(self) -> str:
        """The pinned file, and for which Python."""
        member = self.spec.member
        place = "the package index"
        if member.origin:
            place = self.spec.origin or parse_origin(member.origin).place
        return f"{place} ({member.pin.file}), for Python {member.python}"

    @property
    def directory(self) -> str:
        """Where the sdist is unpacked inside the root."""
        return commands.BUILD_DIRECTORY

    @property
    def patches(self) -> tuple[RulesPatch, ...]:
        """The patches that apply to the sdist."""
        return self.spec.patches

    @property
    def sources(self) -> tuple[StoredFile, ...]:
        """No files: the index has the sdist."""
        return ()

    @property
    def asked_for(self) -> Mapping[str, Any]:
        """Nothing: the whole member is among the inputs."""
        return {}

    def question(self, context: Context) -> tuple[str, ...] | None:
        """Return the packages that apt is asked for; None for a wheel that is taken as it is."""
        if self.spec.member.pure:
            return None
        return (*packages_here(context, self.spec), *packages_there(context, self.spec))

    def inputs(self, context: Context, environment: Environment) -> Mapping[str, Any]:
        """Return what the step's key is the digest of, in this environment."""
        return inputs_of(context, self.spec, environment)

    def locked(self, context: Context) -> LockedMember:
        """Return what a lock says of the wheel: the pinned files, with where the index has them."""
        own = locked_pin(context, self.name, self.spec.member.pin, _place(self.spec.member.origin))
        files = sorted((own, *(locked_pin(context, self.name, pin) for pin in self.spec.tools)),
                       key=lambda file: file.name)
        return LockedMember(self.name, self.kind, self.version, "", "", tuple(files),
                            tuple((rule.name, rule.sha256) for rule in self.patches), ())

    def fetch(self, turn: Turn) -> None:
        """Have the pinned file and the tools in the store."""
        if self.spec.member.origin:
            restore(turn.context, turn.base, self.spec)
        for pin in (self.spec.member.pin, *self.spec.tools):
            fetch_pin(turn.context, self.name, pin)

    def prepare(self, turn: Turn, root: BuildRoot) -> Environment:
        """Ask apt; a wheel that is taken as it is needs nothing of the archive."""
        if self.spec.member.pure:
            return Environment(root.base.packages, ())
        return WheelBuild(turn, self.spec, root).prepare()

    def install(self, turn: Turn, root: BuildRoot, environment: Environment) -> None:
        """Raise UsageError: nothing can be done by hand in the root of a wheel that was built."""
        raise UsageError(f"{self.name} is a wheel; only its failed builds can be entered",
                         resolution=f"Its log: debxcross log {self.name}")

    def tell_of_sources(self, context: Context, sdist: Path) -> None:
        """Warn when nothing was compiled though there was something: many projects go on without a word.

        Raises GateError when a wheel without compiled modules is not wanted.
        """
        _, texts = read_texts(sdist, is_compiled)
        if sources := sorted(texts):
            more = f" and {len(sources) - 3} more" if len(sources) > 3 else ""
            if self.spec.member.no_binary:
                raise GateError(
                    f"{self.name} {self.version} was built without any compiled module",
                    f"Its sdist has {', '.join(sources[:3])}{more}, and --no-binary asked for the build.",
                    f"Its log says why: debxcross log {self.name}. What it lacks can be named for it in a "
                    "file given with --projects; without --no-binary it is taken as it is.")
            context.events.tell("warning", self.name, (
                f"{self.name} {self.version} was built without any compiled module, though its sdist has "
                f"{', '.join(sources[:3])}{more}: its log says why"))

    def build(self, turn: Turn, root: BuildRoot, environment: Environment, again: bool) -> Made:
        """Build or take the wheel, wrap it, judge both."""
        member, store = self.spec.member, turn.context.store
        pinned = fetch_pin(turn.context, self.name, member.pin)
        tools = tuple(fetch_pin(turn.context, self.name, tool) for tool in self.spec.tools)
        store.lay_out((pinned,), root.directory / "source")
        wheel = root.directory / "source" / pinned.name
        epoch = newest_time(wheel)
        if not member.pure:
            wheel = WheelBuild(turn, self.spec, root).wheel(pinned, environment, again)
        with open_wheel(wheel) as (content, _):
            check_release(wheel.name, content, member.pin.name, member.pin.version)
            compiled = any(file.elf for file in content.files)
        if not compiled and not member.pure:
            self.tell_of_sources(turn.context, root.directory / "source" / pinned.name)
        wrapping = Wrapping(root, self.spec, wheel, pinned, epoch)
        deb = wrapping.deb()
        wrapping.judge(deb)
        information = wrapping.information(deb, (pinned, *tools), environment)
        return Made((store.put(deb), store.put(wheel), information, store.put(root.log)), {
            "source": member.name, "version": member.pin.version, "file": pinned.name,
            "sha256": pinned.sha256, "tools": [tool.name for tool in tools],
            **({"origin": self.spec.origin} if self.spec.origin else {}),
            "patches": [one.name for one in self.patches]})
