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

#: Where the build root has the cross file, the toolchain file, and a prefix like /usr for
#: whoever looks for headers beside the library directory.
CROSS = "/build/cross"
MESON_FILE = f"{CROSS}/meson.cross"
CMAKE_FILE = f"{CROSS}/toolchain.cmake"
CARGO_HOME = "/build/cargo"

#: NumPy's names of the formats of long double, which cannot be tried out without running.
_LONG_DOUBLE = {
    "amd64": "INTEL_EXTENDED_16_BYTES_LE", "i386": "INTEL_EXTENDED_12_BYTES_LE",
    "arm64": "IEEE_QUAD_LE", "riscv64": "IEEE_QUAD_LE", "loong64": "IEEE_QUAD_LE",
    "mips64el": "IEEE_QUAD_LE", "armel": "IEEE_DOUBLE_LE", "armhf": "IEEE_DOUBLE_LE",
    "mipsel": "IEEE_DOUBLE_LE", "ppc64el": "IBM_DOUBLE_DOUBLE_LE", "s390x": "IEEE_QUAD_BE",
}


def sysconfig_name(python: str, host: Architecture) -> str:
    """Return the module with the settings of the host's interpreter, as Debian names the file."""
    platform = "linux_" if int(python.partition(".")[2]) >= 13 else ""
    return f"_sysconfigdata__{platform}{host.multiarch}"


def library_directory(python: str) -> str:
    """Return the directory with that one module: a real file, for PyO3 resolves links."""
    return f"{CROSS}/lib/python{python}"


def extension_suffixes(python: str, host: Architecture) -> tuple[str, ...]:
    """Return the endings of extension modules for CPython ``python`` (PEP 3149)."""
    if python == "2.7":
        return (".so",)
    return (f".cpython-{python.replace('.', '')}-{host.multiarch}.so", ".abi3.so")


def environment(python: str, host: Architecture, tools: str) -> Mapping[str, str]:
    """Return the variables that turn builds for the build machine into builds for the host.

    ``tools`` is the directory with the build requirements.  The three of CPython go together:
    without _PYTHON_HOST_PLATFORM a wheel is tagged for the build machine with the host's
    code inside.  Meson takes CFLAGS and its kin for the host machine when it has a cross file.
    """
    triplet = host.gnu_triplet
    rust = host.rust_target.replace("-", "_")
    return {
        "PATH": f"{tools}/bin:/usr/bin:/bin",
        "PYTHONPATH": f"{library_directory(python)}:{tools}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
        "PYTHONHASHSEED": "0",
        "_PYTHON_SYSCONFIGDATA_NAME": sysconfig_name(python, host),
        "_PYTHON_HOST_PLATFORM": host.wheel_platform.replace("_", "-", 1),
        "CC": f"{triplet}-gcc", "CXX": f"{triplet}-g++", "AR": f"{triplet}-ar",
        "STRIP": f"{triplet}-strip", "RANLIB": f"{triplet}-ranlib",
        "LDSHARED": f"{triplet}-gcc -shared", "LDCXXSHARED": f"{triplet}-g++ -shared",
        "PKG_CONFIG_LIBDIR": f"/usr/lib/{host.multiarch}/pkgconfig:/usr/share/pkgconfig",
        "CMAKE_TOOLCHAIN_FILE": CMAKE_FILE,
        "HOME": "/build",
        "CARGO_BUILD_TARGET": host.rust_target,
        f"CARGO_TARGET_{rust.upper()}_LINKER": f"{triplet}-gcc",
        f"CC_{rust}": f"{triplet}-gcc",
        "PYO3_PYTHON": f"/usr/bin/python{python}",
        "PYO3_CROSS_LIB_DIR": library_directory(python),
        "PYO3_CROSS_PYTHON_VERSION": python,
        "PKG_CONFIG_ALLOW_CROSS": "1",
        "OPENSSL_NO_VENDOR": "1",
        "CARGO_HOME": CARGO_HOME,
        "CARGO_PROFILE_RELEASE_STRIP": "true",
        "CARGO_NET_OFFLINE": "true",
    }


def meson_text(python: str, host: Architecture) -> str:
    """Return Meson's cross file."""
    triplet = host.gnu_triplet
    long_double = _LONG_DOUBLE[host.name]
    endian = "little" if host.elf.little_endian else "big"
    return (
        "[binaries]\n"
        f"c = '{triplet}-gcc'\n"
        f"cpp = '{triplet}-g++'\n"
        f"ar = '{triplet}-ar'\n"
        f"strip = '{triplet}-strip'\n"
        f"python = '/usr/bin/python{python}'\n"
        "pkg-config = '/usr/bin/pkg-config'\n\n"
        "[properties]\n"
        "needs_exe_wrapper = true\n"
        f"longdouble_format = '{long_double}'\n"
        f"pkg_config_libdir = ['/usr/lib/{host.multiarch}/pkgconfig', '/usr/share/pkgconfig']\n\n"
        "[host_machine]\n"
        "system = 'linux'\n"
        f"cpu_family = '{host.meson_family}'\n"
        f"cpu = '{host.meson_cpu}'\n"
        f"endian = '{endian}'\n"
    )


def cmake_text(python: str, host: Architecture) -> str:
    """Return CMake's toolchain file.  The root is multiarch, so no sysroot is set."""
    triplet = host.gnu_triplet
    include = f"/usr/include/python{python}"
    return (
        "set(CMAKE_SYSTEM_NAME Linux)\n"
        f"set(CMAKE_SYSTEM_PROCESSOR {host.uname})\n"
        f"set(CMAKE_C_COMPILER {triplet}-gcc)\n"
        f"set(CMAKE_CXX_COMPILER {triplet}-g++)\n"
        f"set(CMAKE_LIBRARY_ARCHITECTURE {host.multiarch})\n"
        "set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)\n"
        "set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY BOTH)\n"
        "set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE BOTH)\n"
        f"list(APPEND CMAKE_SYSTEM_LIBRARY_PATH /usr/lib/{host.multiarch})\n"
        f"list(APPEND CMAKE_SYSTEM_INCLUDE_PATH /usr/include/{host.multiarch})\n"
        f"set(Python_EXECUTABLE /usr/bin/python{python})\n"
        f"set(Python3_EXECUTABLE /usr/bin/python{python})\n"
        f"set(Python_INCLUDE_DIR {include})\n"
        f"set(Python3_INCLUDE_DIR {include})\n"
        f"set(Python_SOABI cpython-{python.replace('.', '')}-{host.multiarch})\n"
        f"set(Python3_SOABI cpython-{python.replace('.', '')}-{host.multiarch})\n"
    )


#: Sizes in bytes that numpy's header writes down: long, pointer, long double.
_SIZES = {"armel": (4, 4, 8), "armhf": (4, 4, 8), "mipsel": (4, 4, 8), "i386": (4, 4, 12)}


def numpy_configuration(text: str, host: Architecture) -> str:
    """Return numpy's _numpyconfig.h of the build machine with the sizes of the host.

    numpy.get_include() leads to the headers of the numpy that runs, whose sizes are those of the
    build machine; code compiled with them is silently wrong on another.
    """
    long_double_default = 8 if _LONG_DOUBLE[host.name].startswith("IEEE_DOUBLE") else 16
    long, pointer, long_double = _SIZES.get(host.name, (8, 8, long_double_default))
    sizes = {"LONG": long, "PY_INTPTR_T": pointer, "INTP": pointer, "UINTP": pointer,
             "LONGDOUBLE": long_double, "COMPLEX_LONGDOUBLE": 2 * long_double}
    for name, size in sizes.items():
        text = re.sub(rf"^(#define NPY_SIZEOF_{name}) \d+$", rf"\1 {size}", text, flags=re.MULTILINE)
    return text
