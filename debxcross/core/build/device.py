# SPDX-License-Identifier: GPL-3.0-or-later
"""What a build root has so that a build hears of the device, not of the machine it runs on.

Answers for build systems (core.build.answers says whose), and the tools that say where libraries are:
a build that calls "pkg-config" without the triplet in front asks the build machine's, which knows
nothing of the device's libraries, and goes on without them.
"""
from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping

from debxcross.core.architecture import Architecture
from debxcross.core.build.answers import EMULATOR, Told, define_line

#: Where all of it lies in a build root, read-only.
PLACE = "/debxcross/device"
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
#: Package → the tools that it has with and without a triplet.  Of Debian's other *-config programs there is
#: none with a triplet: they belong to Multi-Arch: same packages, whose files are alike for all architectures.
_TOOLS = {
    "pkgconf": ("pkg-config", "pkgconf"), "pkg-config": ("pkg-config",), "libpython3-dev": ("python3-config",),
}
#: No program that configure starts gets more time of a processor, in seconds: one that has lost its way in
#: the emulator is ended by SIGXCPU, which counts as a crash.
_MOST_SECONDS = 600
#: Raised whenever the same answers or tools would give other bytes.
SCHEMA = 1


def tools(told: Told, packages: Iterable[str]) -> tuple[str, ...]:
    """Return the tools of a build root that must answer for the device; ``packages`` are its packages' names."""
    return () if not told.tools else tuple(sorted({tool for package in packages for tool in _TOOLS.get(package, ())}))


def inputs(told: Told, packages: Iterable[str]) -> Mapping[str, object]:
    """Return what of all this can change the bytes; empty where a build hears nothing of the device."""
    found: dict[str, object] = {}
    if named := tools(told, packages):
        found["device-tools"] = (*named, str(SCHEMA))
    if told.answers:
        found["answers"] = f"{told.mode} {SCHEMA}"
        found["answered"] = (*(f"{name}={value}" for name, value in sorted(told.answered.items())),
                             *(define_line(*one) for one in told.defines))
    return found


def files(host: Architecture, told: Told, packages: Iterable[str]) -> Mapping[str, str]:
    """Return the files of PLACE by name; those in bin are programs, to be found before all others."""
    names = set(packages)
    found = {f"bin/{tool}": _tool(host, tool) for tool in tools(told, names)}
    if told.answers:
        found["config.site"] = site_script(host, told)
    if told.mode == EMULATOR:
        # The kernel starts QEMU; CMake only wants to have an emulator.
        found["toolchain.cmake"] = 'set(CMAKE_CROSSCOMPILING_EMULATOR "/usr/bin/env")\n'
        if "meson" in names:
            found |= {"meson.ini": "[properties]\nneeds_exe_wrapper = false\n", "bin/meson": _MESON}
    return found


def site_script(host: Architecture, told: Told) -> str:
    """Return the site script (autoconf, "Setting Site Defaults") that configure reads first.

    dpkg-cross's own script comes first, if it has one for the architecture, and looks for other files
    beside $ac_site_file.  With an emulator, configure is told that what it compiles can be run, and tries
    so; programs are still compiled by the build machine's compiler.
    """
    return "".join((
        "debxcross_site=$ac_site_file\n",
        f"ac_site_file=/etc/dpkg-cross/cross-config.{host.name}\n",
        'if test -r "$ac_site_file"; then . "$ac_site_file"; fi\n',
        "ac_site_file=$debxcross_site\n",
        *(f"{name}={shlex.quote(value)}\n" for name, value in sorted(told.answered.items())),
        # configure has begun confdefs.h by now, and makes config.h of it.
        *(f"printf '%s\\n' {shlex.quote(define_line(*one))} >> confdefs.h\n" for one in told.defines),
        *((f"ulimit -S -t {_MOST_SECONDS}\ncross_compiling=no\n",) if told.mode == EMULATOR else ())))


def environment(host: Architecture, told: Told, packages: Iterable[str]
                ) -> Mapping[str, str]:
    """Return the variables of dpkg-buildpackage that lead to these files."""
    present = files(host, told, packages)
    variables = {}
    if "config.site" in present:
        variables["CONFIG_SITE"] = f"{PLACE}/config.site"
    if "toolchain.cmake" in present:
        variables["CMAKE_TOOLCHAIN_FILE"] = f"{PLACE}/toolchain.cmake"
    if any(name.startswith("bin/") for name in present):
        variables["PATH"] = f"{PLACE}/bin:{_PATH}"
    if "bin/pkg-config" in present:
        # Meson and autoconf-archive ask this for what runs on the build machine.
        variables["PKG_CONFIG_FOR_BUILD"] = "/usr/bin/pkg-config"
    return variables


def _tool(host: Architecture, tool: str) -> str:
    return f"""\
#!/bin/sh
if [ -x /usr/bin/{host.gnu_triplet}-{tool} ]; then
    exec /usr/bin/{host.gnu_triplet}-{tool} "$@"
fi
echo "{tool}: there is none for {host.name} in this build root ({host.gnu_triplet}-{tool})" >&2
exit 1
"""


#: Meson takes more than one cross file; this one adds to debhelper's.
_MESON = f"""\
#!/bin/sh
case " $* " in
*" --cross-file"*) exec /usr/bin/meson "$@" --cross-file={PLACE}/meson.ini ;;
*) exec /usr/bin/meson "$@" ;;
esac
"""
