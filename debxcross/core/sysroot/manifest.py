# SPDX-License-Identifier: GPL-3.0-or-later
"""What a sysroot is: ordered packages and filters.  The directory is only its shadow.

The manifest is written into every sysroot and is at the same time its lock: read back, it
names every package by digest, so that the same tree can be made again.
"""
from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from debxcross.core.architecture import ARCHITECTURES, Architecture
from debxcross.core.border import (
    is_line, is_relative, is_sha256, is_size, read_json, shown,
)
from debxcross.core.build.environment import is_deb
from debxcross.core.key import plain
from debxcross.core.release import RELEASES
from debxcross.core.sysroot.filter import PathFilter
from debxcross.errors import ConfigurationError

SCHEMA = 1
_MOST_TOLD = 40
#: The last second that a file's time can have everywhere: 2106-02-07, 32 bits (gzip, cpio).
_LAST_TIME = (1 << 32) - 1
#: Where a sysroot keeps what did not come from a package.
OWN = "debxcross"
MANIFEST = f"{OWN}/manifest.json"
#: Asked for unless --only is given; the C++ library's name has the compiler's version in it.
DEFAULT_PACKAGES = ("libc6-dev", "libffi-dev", "libpython3-dev", "libssl-dev", "zlib1g-dev")


@dataclass(frozen=True)
class SysrootPackage:
    """A package of a sysroot.

    ``architecture`` is the .deb's own (the host's or all); ``origin`` says which archive has
    it: "main", "security", or "local" for a result of debxcross; ``path`` is where it is
    below that archive's base, "" for a local one.
    """

    name: str
    version: str
    architecture: str
    file: str
    size: int
    sha256: str
    origin: str
    path: str = ""


@dataclass(frozen=True)
class SysrootManifest:
    """Everything that decides a sysroot's bytes; ``requested`` is only told.

    ``source_date_epoch`` is the time of the newest package, in seconds since the epoch.
    """

    architecture: str
    release: str
    requested: tuple[str, ...]
    packages: tuple[SysrootPackage, ...]
    filters: tuple[PathFilter, ...]
    source_date_epoch: int
    schema: int = SCHEMA

    def text(self) -> str:
        """Return the manifest as it is written."""
        return json.dumps(plain(self), indent=1, sort_keys=True) + "\n"


def parse_manifest(text: str, where: str) -> SysrootManifest:
    """Read a manifest back.  Raises ConfigurationError with every fault; ``where`` names the file."""
    try:
        document = read_json(text)
    except ValueError as error:
        raise _no_manifest(where, [f"it is no JSON: {error}"]) from error
    if not isinstance(document, dict):
        raise _no_manifest(where, ["it is no JSON object"])
    if type(document.get("schema")) is not int or document["schema"] != SCHEMA:
        schema = shown([document.get("schema")])
        raise _no_manifest(where, [f"schema: {schema}; this debxcross knows {SCHEMA}"])
    faults: list[str] = []
    for key, known in (("architecture", ARCHITECTURES), ("release", RELEASES)):
        if not isinstance(document.get(key), str) or document[key] not in known:
            faults.append(f"{key}: unknown: {shown([document.get(key)])}")
    if not is_size(document.get("source_date_epoch")) or document["source_date_epoch"] > _LAST_TIME:
        faults.append("source_date_epoch: must be a whole number of seconds")
    requested = document.get("requested")
    if not isinstance(requested, list) or not all(map(is_line, requested)):
        faults.append("requested: must be a list of names")
    packages = _entries(document, "packages", SysrootPackage, faults)
    filters = _entries(document, "filters", PathFilter, faults)
    for number, package in enumerate(packages):
        texts = (package.name, package.version, package.architecture, package.origin)
        if not (is_deb(package.file) and is_sha256(package.sha256) and is_size(package.size)
                and (not package.path or is_relative(package.path)) and all(map(is_line, texts))):
            faults.append(f"packages[{number}]: not a package: {shown([package.file, package.sha256])}")
    if len(faults) > _MOST_TOLD:
        faults[_MOST_TOLD:] = [f"and {len(faults) - _MOST_TOLD} more"]
    if faults:
        raise _no_manifest(where, faults)
    return SysrootManifest(document["architecture"], document["release"], tuple(requested or ()), packages,
                           filters, document["source_date_epoch"])


def _entries(document: Mapping[str, Any], key: str, kind: type[Any], faults: list[str]) -> tuple[Any, ...]:
    value = document.get(key)
    if not isinstance(value, list):
        faults.append(f"{key}: must be a list")
        return ()
    types = {name: {"str": str, "int": int, "bool": bool}[field.type]
             for name, field in kind.__dataclass_fields__.items()}
    found = []
    for number, one in enumerate(value):
        if not isinstance(one, dict) or set(one) != set(types):
            faults.append(f"{key}[{number}]: must have exactly {', '.join(types)}")
        elif wrong := [name for name, kind_of in types.items() if not isinstance(one[name], kind_of)]:
            faults.append(f"{key}[{number}]: wrong type: {', '.join(wrong)}")
        else:
            found.append(kind(**one))
    return tuple(found)


def _no_manifest(where: str, faults: Sequence[str]) -> ConfigurationError:
    return ConfigurationError(f"{where} is not the manifest of a sysroot", "\n".join(faults),
                              "Use the manifest.json of a sysroot that debxcross made, unchanged.")


@dataclass(frozen=True)
class Tuning:
    """How code for an architecture is made and tried.

    ``flags`` are GCC's and clang's; ``emulate`` are options of the emulator that make it the
    oldest processor Debian supports there.
    """

    flags: tuple[str, ...] = ()
    emulate: tuple[str, ...] = ()


#: Debian's baselines (ArchitectureSpecificsMemo of the Debian wiki); armel's gateways are ARM926EJ-S.
TUNING: Mapping[str, Tuning] = {
    "armel": Tuning(("-march=armv5te", "-mtune=arm926ej-s"), ("-cpu", "arm926")),
    "armhf": Tuning(("-march=armv7-a+fp", "-mthumb"), ("-cpu", "cortex-a7")),
    "arm64": Tuning(("-march=armv8-a",), ("-cpu", "cortex-a53")),
    "i386": Tuning(("-march=i686",)),
    "mipsel": Tuning(("-march=mips32r2",)),
    "mips64el": Tuning(("-march=mips64r2",)),
    "riscv64": Tuning(("-march=rv64gc", "-mabi=lp64d")),
}


def tuning(architecture: Architecture) -> Tuning:
    """Return the tuning of an architecture; that of the compiler's default where there is no better."""
    return TUNING.get(architecture.name, Tuning())


def status_stanza(control: Mapping[str, str]) -> str:
    """Return a package's stanza in a dpkg status database: unpacked is what it is."""
    fields = {"Package": control["Package"], "Status": "install ok unpacked",
              **{name: value for name, value in control.items() if name != "Package"}}
    return "".join(f"{name}: {value}\n" for name, value in fields.items())


def info_name(control: Mapping[str, str]) -> str:
    """Return how dpkg's info files of a package begin: with the architecture when it is Multi-Arch: same."""
    if control.get("Multi-Arch") == "same":
        return f"{control['Package']}:{control['Architecture']}"
    return control["Package"]


def path_list(paths: Iterable[str]) -> str:
    """Return dpkg's list of a package's paths: every directory and file, with leading slash."""
    found = set()
    for path in paths:
        while path:
            found.add(path)
            path = path.rpartition("/")[0]
    return "/.\n" + "".join(f"/{path}\n" for path in sorted(found))


#: NumPy's names of the formats of long double, which cannot be tried out without running: what
#: it asks Meson for as the property longdouble_format.
LONG_DOUBLE = {
    **dict.fromkeys(("armel", "armhf", "mipsel", "mipsr6el", "sh4"), "IEEE_DOUBLE_LE"),
    **dict.fromkeys(("alpha", "arm64", "loong64", "mips64el", "mips64r6el", "riscv64"), "IEEE_QUAD_LE"),
    **dict.fromkeys(("amd64", "x32"), "INTEL_EXTENDED_16_BYTES_LE"), "i386": "INTEL_EXTENDED_12_BYTES_LE",
    **dict.fromkeys(("hppa", "mips"), "IEEE_DOUBLE_BE"), "m68k": "MOTOROLA_EXTENDED_12_BYTES_BE",
    **dict.fromkeys(("mips64", "s390x", "sparc64"), "IEEE_QUAD_BE"),
    "ppc64el": "IBM_DOUBLE_DOUBLE_LE", **dict.fromkeys(("powerpc", "ppc64"), "IBM_DOUBLE_DOUBLE_BE"),
}
#: Variable of make and CMake → program of binutils.
_TOOLS = (("AR", "ar"), ("NM", "nm"), ("OBJCOPY", "objcopy"), ("RANLIB", "ranlib"), ("STRIP", "strip"))


def python_prefix(python: str) -> tuple[str, str]:
    """Return where a sysroot has include/ and lib/ of Python as in any prefix, and the library directory.

    The library directory has only the module of build variables.  Some builds (cryptography's)
    look for headers from there.
    """
    return f"{OWN}/python", f"{OWN}/python/lib/python{python}"


def needed(controls: Iterable[Mapping[str, str]], others: Mapping[str, Mapping[str, str]]) -> set[str]:
    """Return the names in ``others`` that packages depend on, directly or through each other.

    ``controls`` and the values of ``others`` are packages' control fields; all alternatives count.
    """
    found: set[str] = set()
    waiting = list(controls)
    while waiting:
        control = waiting.pop()
        for field in ("Depends", "Pre-Depends"):
            names = re.findall(r"(?:^|[,|])\s*([a-z0-9][a-z0-9+.-]+)", control.get(field, ""))
            new = (set(names) & others.keys()) - found
            found |= new
            waiting += [others[name] for name in sorted(new)]
    return found


@dataclass(frozen=True)
class OwnFile:
    """A file that debxcross adds to a sysroot: its path, its template and what that is filled with."""

    path: str
    template: str
    values: Mapping[str, Any]
    executable: bool = False


def own_files(host: Architecture, compiler: str, python: str, sysconfigdata: str) -> tuple[OwnFile, ...]:
    """Return the files that show a sysroot to build systems.

    ``compiler`` is GCC's major version in the sysroot, "" when it has no C++ library;
    ``python`` is such as "3.11", "" when it has no headers of Python; ``sysconfigdata`` is the
    name of that Python's module of build variables.
    """
    tuned = tuning(host)
    common: dict[str, Any] = {
        "architecture": host.name, "triplet": host.gnu_triplet, "multiarch": host.multiarch,
        "flags": " ".join(tuned.flags), "emulate": " ".join(tuned.emulate), "qemu": f"qemu-{host.qemu}",
        "rust_target": host.rust_target, "rust_variable": host.rust_target.replace("-", "_"),
        "uname": host.uname, "meson_family": host.meson_family, "meson_cpu": host.meson_cpu,
        "endian": "little" if host.elf.little_endian else "big", "python": python,
        "sysconfigdata": sysconfigdata, "python_platform": host.wheel_platform.replace("_", "-", 1),
        "longdouble": LONG_DOUBLE.get(host.name, ""), "tools": _TOOLS, "example": "sysroot",
    }
    programs: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("cc", "cc", {"driver": "gcc", "variable": "CC", "cxx": ""}),
        ("c++", "cc", {"driver": "g++", "variable": "CXX", "cxx": compiler}),
        ("clang", "clang", {"driver": "clang", "variable": "CLANG"}),
        ("clang++", "clang", {"driver": "clang++", "variable": "CLANGXX"}),
        ("pkg-config", "pkg-config", {}),
        ("run", "run", {}),
    )
    texts = ["env.sh", "toolchain.cmake", "meson.ini", "cargo.toml", *(["python.sh"] if python else [])]
    return (
        *(OwnFile(f"{OWN}/bin/{host.name}-{name}", f"{template}.j2", {**common, **more}, True)
          for name, template, more in programs),
        *(OwnFile(f"{OWN}/{name}", f"{name}.j2", common) for name in texts),
        *([OwnFile(f"{python_prefix(python)[1]}/{sysconfigdata}.py", "sysconfigdata.j2", common)]
          if python else []),
    )
