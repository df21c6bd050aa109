# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at foreign programs against a sysroot or a release, as file, readelf and ldd would together."""
from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from debxcross.core.architecture import Architecture
from debxcross.core.gate import ElfFacts, beyond, loaded_by_others
from debxcross.core.sysroot.check import find_library
from debxcross.core.sysroot.inspection import (
    Collection,
    Inspection,
    judge,
    judge_by_others,
    judge_objects,
)
from debxcross.core.sysroot.needs import ElfNeeds, machine_faults, processor_cautions
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

    ``code`` maps paths without leading slash to the files' bytes, ``archives`` those of static
    libraries; ``links`` are the package's symbolic links.  ``below`` is where a wheel would be
    installed, "" for a .deb.
    """

    code: Mapping[str, bytes]
    links: Mapping[str, str] = field(default_factory=dict)
    archives: Mapping[str, bytes] = field(default_factory=dict)
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
                facts = elf.read(file, path.name)
                if facts is not None and loaded_by_others(facts):
                    return _by_others(str(path), [facts], device)
                return (_one(str(path), file, "", device, Package({})),)
        if head.startswith(b"!<arch>\ndebian-binary"):
            return _all(path, "Debian package", _of_deb(path), device)
        if head.startswith(b"!<arch>\n"):
            if found := _archive(str(path), path.name, path.read_bytes(), device):
                return found
        if path.name.endswith(".whl"):
            return _all(path, "wheel", _of_wheel(path), device)
    except OSError as error:
        raise UsageError(f"{path} cannot be read", error.strerror or str(error), "Check the name.") from error
    raise _no_elf(path, head)


#: How programs and libraries, archives of object files, and compressed kernel modules begin.
_CODE = (b"\x7fELF", b"!<arch>\n", b"\xfd7zXZ\0")


def _of_deb(path: Path) -> Package:
    code, links, archives = {}, {}, {}
    for member in deb.members(path):
        place = merged(member.path)
        if member.type == "symlink" and not member_fault(member.path, "symlink", 0, member.link_target):
            links[place] = link_inside(member.path, member.link_target)
        elif member.type == "file":
            content = elf.unpacked(member.path, member.read_if(_CODE))
            if content.startswith(b"\x7fELF"):
                code[place] = content
            elif content.startswith(b"!<arch>\n") and place.endswith(".a"):
                archives[place] = content
    return Package(code, links, archives)


def _of_wheel(path: Path) -> Package:
    with open_wheel(path) as (wheel, read):
        return Package({f"{_SITE}/{file.path}": read(file.path) for file in wheel.files if file.elf},
                       below=_SITE)


def _all(
    path: Path, what: str, package: Package, device: Device | None
) -> tuple[Inspection | Collection, ...]:
    """Look at everything in a package: each program and library, and all else kind by kind."""
    one_by_one: list[Inspection] = []
    objects: list[ElfFacts] = []
    others: list[ElfFacts] = []
    for inside, content in sorted(package.code.items()):
        facts = elf.read(content, inside)
        assert facts is not None, "it begins as an ELF file"
        if loaded_by_others(facts):
            others.append(facts)
        elif facts.type == "ET_REL":
            objects.append(facts)
        else:
            one_by_one.append(_one(f"{path}: {inside.removeprefix(f'{package.below}/')}", io.BytesIO(content),
                                   inside, device, package))
    found: list[Inspection | Collection] = [*one_by_one, *_by_others(str(path), others, device)]
    if objects:
        found.append(judge_objects(str(path), objects, device.host if device else None,
                                   device.name if device else "", what=""))
    for inside, content in sorted(package.archives.items()):
        found += _archive(f"{path}: {inside}", inside, content, device)
    return tuple(found) or (Collection(
        str(path), f"{what} without machine code: the same for every architecture"),)


def _by_others(name: str, found: Sequence[ElfFacts], device: Device | None) -> tuple[Collection, ...]:
    """Describe what no process of the device loads, one line for each kind."""
    kinds = dict.fromkeys(loaded_by_others(facts) for facts in found)
    return tuple(judge_by_others(name, kind, [facts for facts in found if loaded_by_others(facts) == kind],
                                 device.host if device else None, device.name if device else "")
                 for kind in kinds)


def _archive(name: str, path: str, content: bytes, device: Device | None) -> tuple[Collection, ...]:
    objects = elf.read_all(content, path)
    if not objects:
        return ()
    host = device.host if device else None
    wanted = host is not None and any(beyond(facts, host) for facts in objects)
    return (judge_objects(name, objects, host, device.name if device else "",
                          elf.chooses(content, path) if wanted else ""),)


def _one(
    name: str, file: IO[bytes], inside: str, device: Device | None, package: Package
) -> Inspection:
    """Look at one ELF file; ``inside`` is where it lies in the tree, "" for nowhere."""
    facts = elf.read(file, inside or Path(name).name)
    assert facts is not None, "it begins as an ELF file"
    needs = elf.read_needs(file)
    if device is None:
        return Inspection(name, facts, needs, {}, "", ())
    if beyond(facts, device.host):
        file.seek(0)
        needs = replace(needs, chooses=elf.chooses(file.read(), inside or name))
    if not inside and device.directory is not None:
        place, tree = Path(name).absolute(), device.directory.absolute()
        inside = str(place.relative_to(tree)) if place.is_relative_to(tree) else ""
    found, offered = _libraries(replace(facts, path=inside), needs, device, package)
    return Inspection(name, facts, needs, found, device.name,
                      judge(facts, needs, device.host, found, offered, device.release),
                      processor_cautions(facts, needs, device.host))


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
    found = {name: find_library(name, user, device.host, links, files) or _alternative(name, device)
             for name in user.needed}
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


def _alternative(library: str, device: Device) -> str:
    """Return where a sysroot has a library that update-alternatives links to on a device, "" for nowhere.

    Debian's packages of such libraries provide a virtual package of the library's name.
    """
    beside = f"usr/lib/{device.host.multiarch}/"
    place = next((path for path in sorted(device.files) if path.startswith(beside)
                  and path.endswith(f"/{library}") and path.count("/") == beside.count("/") + 1), "")
    if not place or device.directory is None:
        return ""
    status = device.directory / "var/lib/dpkg/status"
    provided = re.search(rf"^Provides:.*(?<![\w.+-]){re.escape(library)}(?![\w.+-])",
                         status.read_text() if status.exists() else "", re.MULTILINE)
    return place if provided else ""


def _of_release(found: Mapping[str, str], device: Device) -> dict[str, str]:
    """Return where libraries are that the archive's packages have, beside those that were found."""
    if device.packages is None:
        return {name: place for name, place in found.items() if place}
    return {name: place or f"package {device.packages[name]}" if place or name in device.packages else ""
            for name, place in found.items()}
