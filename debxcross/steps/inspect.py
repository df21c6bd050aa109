# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at foreign programs against a sysroot or a release, as file, readelf and ldd would together."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from debxcross.core.architecture import Architecture
from debxcross.core.elfneeds import ElfNeeds, machine_faults
from debxcross.core.gate import ElfFacts
from debxcross.core.inspection import Inspection, judge
from debxcross.core.treecheck import find_library
from debxcross.doors import elf
from debxcross.errors import UsageError
from debxcross.steps.sysroot_verify import Contents


@dataclass(frozen=True)
class Device:
    """What a program is to run on: a sysroot's tree when there is one, else only a release's name."""

    host: Architecture
    release: str = ""
    directory: Path | None = None
    links: Mapping[str, str] = field(default_factory=dict)
    files: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """How a person calls it."""
        return " ".join(filter(None, (self.release, self.host.name)))

    @staticmethod
    def of(contents: Contents, directory: Path, host: Architecture, release: str) -> Device:
        """Return the device that a sysroot stands for."""
        return Device(host, release, directory, contents.links, contents.files)


def inspect(path: Path, device: Device | None) -> Inspection:
    """Look at one file.  Raises UsageError when it cannot be read or is no ELF file."""
    try:
        with path.open("rb") as file:
            facts = elf.read(file, path.name)
            if facts is None:
                file.seek(0)
                raise _no_elf(path, file.read(80))
            needs = elf.read_needs(file)
    except OSError as error:
        raise UsageError(f"{path} cannot be read", error.strerror or str(error), "Check the name.") from error
    if device is None:
        return Inspection(str(path), facts, needs, {}, "", ())
    found, offered = _libraries(path, facts, needs, device)
    return Inspection(str(path), facts, needs, found, device.name,
                      judge(facts, needs, device.host, found, offered, device.release))


def _no_elf(path: Path, head: bytes) -> UsageError:
    if head.startswith(b"#!"):
        interpreter = head[2:].partition(b"\n")[0].decode("utf-8", "replace").strip()
        return UsageError(f"{path} is a script for {interpreter}",
                          resolution="Scripts have no architecture: inspect the interpreter instead.")
    if head.startswith(b"!<arch>\n"):
        return UsageError(f"{path} is an archive of object files or a .deb",
                          resolution="Unpack it and inspect what is inside.")
    return UsageError(f"{path} is no ELF file", resolution="Name programs and shared libraries.")


def _libraries(
    path: Path, facts: ElfFacts, needs: ElfNeeds, device: Device
) -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
    """Return where each needed library is, and the symbol versions of those that are in the sysroot."""
    if device.directory is None or machine_faults(facts, needs, device.host):
        return {}, {}
    found, offered = {}, {}
    inside = path.absolute().is_relative_to(device.directory.absolute())
    relative = str(path.absolute().relative_to(device.directory.absolute())) if inside else ""
    user = ElfFacts(**{**vars(facts), "path": relative})
    for name in facts.needed:
        found[name] = find_library(name, user, device.host, device.links, device.files)
        if found[name]:
            with (device.directory / found[name]).open("rb") as file:
                offered[name] = elf.read_needs(file).defines
    # The dynamic linker itself offers versions too, under the name that symbols give.
    for name in {library for library, _ in needs.versions} - set(found):
        if place := find_library(name, user, device.host, device.links, device.files):
            with (device.directory / place).open("rb") as file:
                offered[name] = elf.read_needs(file).defines
    return found, offered
