# SPDX-License-Identifier: GPL-3.0-or-later
"""What tells build systems of Python packages about the host architecture, as texts.

Sources: CPython's sysconfig (_init_posix reads _PYTHON_SYSCONFIGDATA_NAME, get_platform
reads _PYTHON_HOST_PLATFORM), Meson's manual ("Cross compilation", "Machine files"), CMake's
manual (cmake-toolchains(7)), meson-python's, and NumPy's meson.build (longdouble_format).
"""
from __future__ import annotations

import re
from collections.abc import Mapping

from debxcross.core.architecture import Architecture
from debxcross.core.sysroot.manifest import LONG_DOUBLE, OWN, python_prefix

#: Where the build root has the sysroot of the device, and the files that are made for one build.
SYSROOT = "/debxcross/sysroot"
CROSS = "/build/cross"
MESON_FILE = f"{CROSS}/meson.cross"
CMAKE_FILE = f"{CROSS}/toolchain.cmake"
CARGO_HOME = "/build/cargo"
#: Where the device's config programs are, and where what is asked instead of them is.
CONFIGS, PROGRAMS = f"{CROSS}/configs", f"{CROSS}/bin"
#: The path of a config program in a package: pg_config, geos-config.
CONFIG_PROGRAM = re.compile(r"usr/bin/[\w.+-]+[-_]config")


def program(host: Architecture, name: str) -> str:
    """Return one of the sysroot's own programs: "cc", "c++", "pkg-config"."""
    return f"{SYSROOT}/{OWN}/bin/{host.name}-{name}"


def include_directory(python: str) -> str:
    """Return where the headers of the host's interpreter are."""
    return f"{SYSROOT}/usr/include/python{python}"


def settings_directory(python: str, host: Architecture) -> str:
    """Return the directory with the module that has the settings of the host's interpreter, alone.

    Python 2.7 ignores _PYTHON_SYSCONFIGDATA_NAME (bpo-28833 came with 3.6); its directory is
    Debian's, which has the settings of one architecture.  PyO3 wants a real file, not a link.
    """
    if python == "2.7":
        return f"{SYSROOT}/usr/lib/python{python}/plat-{host.multiarch}"
    return f"{SYSROOT}/{python_prefix(python)[1]}"


def extension_suffixes(python: str, host: Architecture) -> tuple[str, ...]:
    """Return the endings of extension modules that CPython ``python`` looks for (PEP 3149), in its order.

    They are importlib.machinery.EXTENSION_SUFFIXES of Debian's interpreter.
    """
    if python == "2.7":
        return (".so",)
    return (f".cpython-{python.replace('.', '')}-{host.multiarch}.so", ".abi3.so", ".so")


def environment(python: str, host: Architecture, tools: str, settings: str) -> Mapping[str, str]:
    """Return the variables that turn builds for the build machine into builds for the host.

    ``tools`` is the directory with the build requirements, ``settings`` the name of the module in
    settings_directory().  The three of CPython go together: without _PYTHON_HOST_PLATFORM a
    wheel is tagged for the build machine with the host's code inside.  Meson takes CFLAGS and
    its kin for the host machine when it has a cross file.  pkg-config itself is told too, as
    not every project looks at PKG_CONFIG.
    """
    triplet, cc, cxx = host.gnu_triplet, program(host, "cc"), program(host, "c++")
    rust, libraries = host.rust_target.replace("-", "_"), f"{SYSROOT}/usr/lib/{host.multiarch}"
    cargo = {"CARGO_BUILD_TARGET": host.rust_target, f"CARGO_TARGET_{rust.upper()}_LINKER": cc,
             f"CC_{rust}": cc} if rust else {}
    directory = settings_directory(python, host)
    return {
        "PATH": f"{PROGRAMS}:{tools}/bin:/usr/bin:/bin",
        "PYTHONPATH": f"{directory}:{tools}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
        "PYTHONHASHSEED": "0",
        "_PYTHON_SYSCONFIGDATA_NAME": settings,
        "_PYTHON_HOST_PLATFORM": host.wheel_platform.replace("_", "-", 1),
        "CC": cc, "CXX": cxx, "AR": f"{triplet}-ar",
        "STRIP": f"{triplet}-strip", "RANLIB": f"{triplet}-ranlib",
        "LDSHARED": f"{cc} -shared", "LDCXXSHARED": f"{cxx} -shared",
        "PKG_CONFIG": program(host, "pkg-config"),
        "PKG_CONFIG_SYSROOT_DIR": SYSROOT,
        "PKG_CONFIG_LIBDIR": f"{libraries}/pkgconfig:{SYSROOT}/usr/share/pkgconfig",
        "CMAKE_TOOLCHAIN_FILE": CMAKE_FILE,
        "HOME": "/build",
        **cargo,
        "PYO3_PYTHON": f"/usr/bin/python{python}",
        "PYO3_CROSS_LIB_DIR": directory,
        "PYO3_CROSS_PYTHON_VERSION": python,
        "PKG_CONFIG_ALLOW_CROSS": "1",
        "OPENSSL_NO_VENDOR": "1",
        "CARGO_HOME": CARGO_HOME,
        "CARGO_PROFILE_RELEASE_STRIP": "true",
        "CARGO_NET_OFFLINE": "true",
    }


def config_program(name: str) -> str:
    """Return the program that is asked for a config program of the device: its answer, in the sysroot.

    What stands behind a comma is for the device's own use (-Wl,-rpath,/usr/lib).
    """
    return (
        "#!/bin/sh\n"
        f'answer=$({CONFIGS}/{name} "$@") || exit\n'
        "printf '%s\\n' \"$answer\" | "
        f"sed -E 's#(^|[[:space:]=]|-[A-Za-z])/usr(/|$)#\\1{SYSROOT}/usr\\2#g'\n")


def meson_text(python: str, host: Architecture) -> str:
    """Return Meson's cross file.

    The sysroot's own has a program that runs what was compiled, which the build root has not.
    """
    endian = "little" if host.elf.little_endian else "big"
    return (
        "[binaries]\n"
        f"c = '{program(host, 'cc')}'\n"
        f"cpp = '{program(host, 'c++')}'\n"
        f"ar = '{host.gnu_triplet}-ar'\n"
        f"strip = '{host.gnu_triplet}-strip'\n"
        f"python = '/usr/bin/python{python}'\n"
        f"pkg-config = '{program(host, 'pkg-config')}'\n\n"
        "[properties]\n"
        "needs_exe_wrapper = true\n"
        f"longdouble_format = '{LONG_DOUBLE[host.name]}'\n\n"
        "[host_machine]\n"
        "system = 'linux'\n"
        f"cpu_family = '{host.meson_family}'\n"
        f"cpu = '{host.meson_cpu}'\n"
        f"endian = '{endian}'\n"
    )


def cmake_text(python: str, host: Architecture, tools: str) -> str:
    """Return CMake's toolchain file: the sysroot's, and what it cannot know of this build.

    Nothing compiled can be run here; the build requirements in ``tools`` bring packages for CMake.
    scikit-build-core puts the headers of the interpreter that runs into the cache, where only
    other variables win over them.
    """
    suffix = f"cpython-{python.replace('.', '')}-{host.multiarch}"
    return (
        f"include({SYSROOT}/{OWN}/toolchain.cmake)\n"
        "unset(CMAKE_CROSSCOMPILING_EMULATOR)\n"
        f"list(APPEND CMAKE_FIND_ROOT_PATH {tools})\n"
        + "".join(f"set({name}_EXECUTABLE /usr/bin/python{python})\n"
                  f"set({name}_INCLUDE_DIR {include_directory(python)})\n"
                  f"set({name}_SOABI {suffix})\n" for name in ("Python", "Python3"))
    )


#: Sizes in bytes that numpy's header writes down: long, pointer, long double.
_SIZES = {"armel": (4, 4, 8), "armhf": (4, 4, 8), "mipsel": (4, 4, 8), "i386": (4, 4, 12)}


def numpy_configuration(text: str, host: Architecture) -> str:
    """Return numpy's _numpyconfig.h of the build machine with the sizes of the host.

    numpy.get_include() leads to the headers of the numpy that runs, whose sizes are those of the
    build machine; code compiled with them is silently wrong on another.
    """
    long_double_default = 8 if LONG_DOUBLE[host.name].startswith("IEEE_DOUBLE") else 16
    long, pointer, long_double = _SIZES.get(host.name, (8, 8, long_double_default))
    sizes = {"LONG": long, "PY_INTPTR_T": pointer, "INTP": pointer, "UINTP": pointer,
             "LONGDOUBLE": long_double, "COMPLEX_LONGDOUBLE": 2 * long_double}
    for name, size in sizes.items():
        text = re.sub(rf"^(#define NPY_SIZEOF_{name}) \d+$", rf"\1 {size}", text, flags=re.MULTILINE)
    return text
