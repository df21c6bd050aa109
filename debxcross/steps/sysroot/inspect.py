# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at foreign programs against a sysroot or a release, as file, readelf and ldd would together."""
from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from debxcross.core.architecture import Architecture
from debxcross.core.gate import ElfFacts
from debxcross.core.sysroot.check import find_library
from debxcross.core.sysroot.inspection import Collection, Inspection, judge, judge_objects
from debxcross.core.sysroot.needs import ElfNeeds, machine_faults
from debxcross.core.sysroot.tree import link_inside, member_fault, merged
from debxcross.doors import deb, elf
from debxcross.doors.wheelfile import open_wheel
from debxcross.errors import UsageError
from debxcross.steps.sysroot.verify import Contents


@dataclass(frozen=True)
class Device:
    """What a program is to run on: a sysroot's tree when there is one, else only a release's name.

    ``packages`` maps the libraries that a release has to their packages; None when nobody asked.
    """

    host: Architecture
    release: str = ""
    directory: Path | None = None
    links: Mapping[str, str] = field(default_factory=dict)
    files: frozenset[str] = frozenset()
    packages: Mapping[str, str] | None = None

    @property
    def name(self) -> str:
        """How a person calls it."""
        return " ".join(filter(None, (self.release, self.host.name)))

    @staticmethod
    def of(contents: Contents, directory: Path, host: Architecture, release: str) -> Device:
        """Return the device that a sysroot stands for."""
        return Device(host, release, directory, contents.links, contents.files)


@dataclass(frozen=True)
class Package:
    """The machine code of a .deb or a wheel, as it would lie in the device's tree.

    ``code`` maps paths without leading slash to the files' bytes; ``links`` are the package's
    symbolic links.  ``below`` is where a wheel would be installed, "" for a .deb.
    """

    code: Mapping[str, bytes]
    links: Mapping[str, str] = field(default_factory=dict)
    below: str = ""


#: Where Python's installers put what a wheel holds; any place inside the tree is as good.
_SITE = "usr/local/lib/python3/dist-packages"


def inspect(path: Path, device: Device | None) -> tuple[Inspection | Collection, ...]:
    """Look at one file, or at every one inside of a .deb, a wheel or a static library.

    Raises UsageError when it cannot be read or holds nothing that could be looked at,
    GateError for a damaged package.
    """
    try:
        with path.open("rb") as file:
            head = file.read(80)
            if head.startswith(b"\x7fELF") and len(head) >= _ELF_HEADER:
                return (_one(str(path), file, "", device, Package({})),)
        if head.startswith(b"!<arch>\ndebian-binary"):
            return _all(path, "Debian package", _of_deb(path), device)
        if head.startswith(b"!<arch>\n"):
            objects = elf.read_all(path.read_bytes(), path.name)
            if objects:
                return (judge_objects(str(path), objects, device.host if device else None,
                                      device.name if device else ""),)
        if path.name.endswith(".whl"):
            return _all(path, "wheel", _of_wheel(path), device)
    except OSError as error:
        raise UsageError(f"{path} cannot be read", error.strerror or str(error), "Check the name.") from error
    raise _no_elf(path, head)


def _of_deb(path: Path) -> Package:
    code, links = {}, {}
    for member in deb.members(path):
        place = merged(member.path)
        if member.type == "symlink" and not member_fault(member.path, "symlink", 0, member.link_target):
            links[place] = link_inside(member.path, member.link_target)
        elif member.type == "file" and (content := member.read()).startswith(b"\x7fELF"):
            code[place] = content
    return Package(code, links)


def _of_wheel(path: Path) -> Package:
    with open_wheel(path) as (wheel, read):
        return Package({f"{_SITE}/{file.path}": read(file.path) for file in wheel.files if file.elf},
                       below=_SITE)


def _all(
    path: Path, what: str, package: Package, device: Device | None
) -> tuple[Inspection | Collection, ...]:
    if not package.code:
        return (Collection(str(path), f"{what} without machine code: the same for every architecture"),)
    return tuple(
        _one(f"{path}: {inside.removeprefix(f'{package.below}/')}", io.BytesIO(content), inside,
             device, package)
        for inside, content in sorted(package.code.items()))


def _one(
    name: str, file: IO[bytes], inside: str, device: Device | None, package: Package
) -> Inspection:
    """Look at one ELF file; ``inside`` is where it lies in the tree, "" for nowhere."""
    facts = elf.read(file, inside or Path(name).name)
    assert facts is not None, "it begins as an ELF file"
    needs = elf.read_needs(file)
    if device is None:
        return Inspection(name, facts, needs, {}, "", ())
    if not inside and device.directory is not None:
        place, tree = Path(name).absolute(), device.directory.absolute()
        inside = str(place.relative_to(tree)) if place.is_relative_to(tree) else ""
    found, offered = _libraries(replace(facts, path=inside), needs, device, package)
    return Inspection(name, facts, needs, found, device.name,
                      judge(facts, needs, device.host, found, offered, device.release))


#: Bytes of the shorter of the two ELF headers (System V ABI, chapter 4).
_ELF_HEADER = 52
#: How files begin that people take for programs of the device.
_KNOWN = ((b"\x7fELF", "the beginning of one, cut off"),
          (b"MZ", "a program for Windows or EFI"), (b"\xcf\xfa\xed\xfe", "a program for macOS"),
          (b"\xca\xfe\xba\xbe", "a Java class or a program for macOS"), (b"dex\n", "code for Android"),
          (b"\0asm", "WebAssembly"), (b"BC\xc0\xde", "LLVM bitcode"), (b"\x1f\x8b", "compressed by gzip"),
          (b"\xfd7zXZ", "compressed by xz"), (b"(\xb5/\xfd", "compressed by zstd"),
          (b"PK\x03\x04", "a zip archive, and no wheel by its name"))


def _no_elf(path: Path, head: bytes) -> UsageError:
    if head.startswith(b"#!"):
        interpreter = head[2:].partition(b"\n")[0].decode("utf-8", "replace").strip()
        return UsageError(f"{path} is a script for {interpreter}",
                          resolution="Scripts have no architecture: inspect the interpreter instead.")
    if head.startswith(b"!<arch>\n"):
        return UsageError(f"{path} is an archive without object files",
                          resolution="Name programs, libraries, .debs and wheels.")
    known = next((what for begin, what in _KNOWN if head.startswith(begin)), "")
    known = known or ("empty" if not head else "")
    return UsageError(f"{path} is no ELF file" + (f": it is {known}" if known else ""),
                      resolution="Name programs, libraries, .debs and wheels.")


def _libraries(
    user: ElfFacts, needs: ElfNeeds, device: Device, package: Package
) -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
    """Return where each needed library is, and the symbol versions of those that are in the sysroot."""
    if machine_faults(user, needs, device.host):
        return {}, {}
    links = {**device.links, **package.links}
    files = device.files | package.code.keys()
    found = {name: find_library(name, user, device.host, links, files) for name in user.needed}
    directory = device.directory
    if directory is None:
        return _of_release(found, device), {}

    def versions(place: str) -> tuple[str, ...]:
        if place in package.code:
            return elf.read_needs(io.BytesIO(package.code[place])).defines
        with (directory / place).open("rb") as file:
            return elf.read_needs(file).defines

    # The dynamic linker itself offers versions too, under the name that symbols give.
    others = {library: find_library(library, user, device.host, links, files)
              for library, _ in needs.versions if library not in found}
    return found, {name: versions(place) for name, place in {**others, **found}.items() if place}


def _of_release(found: Mapping[str, str], device: Device) -> dict[str, str]:
    """Return where libraries are that the archive's packages have, beside those that were found."""
    if device.packages is None:
        return {name: place for name, place in found.items() if place}
    return {name: place or f"package {device.packages[name]}" if place or name in device.packages else ""
            for name, place in found.items()}
