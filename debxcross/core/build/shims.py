# SPDX-License-Identifier: GPL-3.0-or-later
"""Shims: what stands for the C library and the compiler's where no suite carries an architecture.

Debian's cross compilers bring their target's libraries as packages for all machines, such as
libc6-powerpc-cross with /usr/powerpc-linux-gnu/lib/libc.so.6.  apt, dpkg-shlibdeps and builds want
libc6:powerpc with /lib/powerpc-linux-gnu/libc.so.6.  A shim is that package: the libraries where dpkg
looks for them, at the version that the build architecture's package of the same name has, so that
Multi-Arch: same holds.  Headers and link libraries stay where the cross compiler looks first,
/usr/TRIPLET, so a -dev shim is nothing but its name.

A shim exists in build roots only; it is never published.
"""
from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from debian.deb822 import PkgRelation

from debxcross.core.architecture import Architecture
from debxcross.core.border import Line
from debxcross.core.build.environment import PackageFile

#: Raised whenever the same packages would give other shims.
SCHEMA = 1
#: What a shim is made of: the C library, the kernel's headers, the compiler's own libraries.
_MADE = re.compile(r"libc6(\.1)?(-dev)?|linux-libc-dev|libgcc-s\d+|libstdc\+\+\d+|"
                   r"lib(atomic|gomp|itm|asan|lsan|tsan|ubsan|hwasan|quadmath|ssp)\d+")
#: Architectures whose ABI differs have other names for the same: alpha, m68k, hppa.
_TWINS = {"libc6.1": "libc6", "libc6.1-dev": "libc6-dev", "libgcc-s2": "libgcc-s1", "libgcc-s4": "libgcc-s1"}


@dataclass(frozen=True)
class Twin:
    """What the build architecture's package says that a shim stands beside."""

    version: Line
    depends: Line = ""
    provides: Line = ""


@dataclass(frozen=True)
class Shim:
    """A package to be made: its name, its twin, and the cross package it is made of, None for an empty one."""

    name: str
    twin: Twin
    cross: PackageFile | None = None


def shim_name(cross: str, host: str, compiler: str) -> str:
    """Return the package that a cross package stands for, "" for one without a shim.

    ``compiler`` is GCC's major version: libraries of other versions have no shims.
    """
    name = cross.removesuffix(f"-{host}-cross")
    if name == cross:
        return ""
    made = _MADE.fullmatch(name) or name in (f"libgcc-{compiler}-dev", f"libstdc++-{compiler}-dev")
    return name if made else ""


def twin_name(shim: str) -> str:
    """Return what the build architecture calls the package that a shim is."""
    return _TWINS.get(shim, shim)


def base_name(compiler: str) -> str:
    """Return the package that all of the compiler's libraries depend on; no cross package has it."""
    return f"gcc-{compiler}-base"


def shims(cross: Iterable[PackageFile], twins: Mapping[str, Twin], host: str, compiler: str
          ) -> tuple[Shim, ...]:
    """Return the shims to make of these cross packages, by name.

    What the build architecture has no package for (``twins``) gets none: nothing could want it.
    """
    found = {}
    for file in cross:
        name = shim_name(file.package.name, host, compiler)
        if name and (twin := twins.get(twin_name(name))):
            found[name] = Shim(name, twin, file)
    base = base_name(compiler)
    if found and base in twins:
        found[base] = Shim(base, twins[base])
    return tuple(found[name] for name in sorted(found))


def missing(made: Iterable[Shim], host: Architecture, compiler: str) -> tuple[str, ...]:
    """Return the shims without which nothing can be built, as far as they cannot be made."""
    names = {one.name for one in made}
    wanted = (host.libc, f"{host.libc}-dev", "linux-libc-dev", f"libgcc-{compiler}-dev",
              f"libstdc++-{compiler}-dev", "libstdc++6")
    return tuple(name for name in wanted if name not in names)


def cross_compilers(host: Architecture, present: Container[str]) -> tuple[str, ...]:
    """Return what brings the cross compilers; ``present`` are the packages that the release has.

    Where there is no crossbuild-essential (riscv64 in bookworm), gcc, g++ and what it would bring
    beside them; () when those are not there either.
    """
    if host.crossbuild_package in present:
        return (host.crossbuild_package,)
    alone = (*host.compiler_packages, "dpkg-cross")
    return alone if all(name in present for name in alone) else ()


def root_packages(host: Architecture, compilers: Iterable[str], made: Iterable[str]) -> tuple[str, ...]:
    """Return what a base root has beside Build-Essential, like commands.root_packages: all shims are libraries."""
    return ("fakeroot", *compilers, *(f"{name}:{host.name}" for name in made))


def control_of(shim: Shim, host: str, others: Iterable[str]) -> dict[str, str]:
    """Return the fields of a shim's control file; ``others`` are the names of all shims.

    It depends on what its twin depends on, as far as that is a shim too: the rest is the build
    architecture's affair, or is built.
    """
    names = {twin_name(one): one for one in others}
    origin = f"{shim.cross.package.name} {shim.cross.package.version}" if shim.cross else "nothing"
    fields = {
        "Package": shim.name, "Version": shim.twin.version, "Architecture": host, "Multi-Arch": "same",
        "Priority": "optional", "Section": "libs", "Maintainer": "debxcross <debxcross@localhost>",
        "Depends": _depends(shim.twin.depends, names), "Provides": shim.twin.provides,
        "Description": f"stands for {shim.name} in build roots; made of {origin}"}
    return {name: value for name, value in fields.items() if value}


def _depends(text: str, names: Mapping[str, str]) -> str:
    kept = []
    for group in PkgRelation.parse_relations(text) if text else []:
        known = [one for one in group if one["name"] in names]
        for one in known:
            one["name"] = names[one["name"]]
        if known:
            kept.append(known)
    return str(PkgRelation.str(kept))


def places(paths: Iterable[str], host: Architecture, name: str) -> dict[str, str]:
    """Return where the libraries of a cross package go in its shim: path in the shim by path there.

    Paths have no leading slash.  Only shared libraries move, those of the C library and libgcc
    into /lib as in Debian; a name that is there twice is taken from lib.
    """
    top = "lib" if name in (host.libc, "linux-libc-dev") or name.startswith("libgcc-s") else "usr/lib"
    found: dict[str, str] = {}
    for path in sorted(paths):
        directory, file = PurePosixPath(path).parent, PurePosixPath(path).name
        if re.fullmatch(rf"usr/{re.escape(host.gnu_triplet)}/lib(64|x32)?", str(directory)) and ".so." in file:
            target = f"{top}/{host.multiarch}/{file}"
            if target not in found.values():
                found[path] = target
    return found


def owners(text: str, host: str) -> str:
    """Return a cross package's shlibs or symbols file as its shim has it: with true names.

    libc6-powerpc-cross says "libc6:powerpc", libgcc-s1-powerpc-cross "libgcc-s1-powerpc-cross".
    """
    return text.replace(f"-{host}-cross", "").replace(f":{host}", "")
