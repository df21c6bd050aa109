# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs that try a sysroot out: one for each language and build system."""
from __future__ import annotations

import fnmatch
from collections.abc import Collection
from dataclasses import dataclass

from debxcross.core.architecture import Architecture


@dataclass(frozen=True)
class Example:
    """One program: its directory below examples/, what it takes, what it says when it works.

    ``paths`` are shell patterns of which each must match something in the sysroot; ``package``
    brings them; ``tools`` are packages for the build machine ("{host}" is the host
    architecture); ``says`` must be in what it prints.
    """

    name: str
    title: str
    says: str
    tools: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    package: str = ""


EXAMPLES = (
    Example("c", "C", "hello from C: glibc "),
    Example("cxx", "C++", "hello from C++: 1.41421, exceptions and threads work",
            paths=("usr/include/c++/*/vector",), package="libstdc++-N-dev"),
    Example("openssl", "C with OpenSSL and zlib", "sha256 begins ", ("pkg-config",),
            ("usr/include/openssl/ssl.h", "usr/include/zlib.h"), "libssl-dev and zlib1g-dev"),
    Example("cmake-boost-python", "CMake with Boost.Python", "hello from Boost.Python", ("cmake", "python3"),
            ("usr/include/boost/python.hpp", "usr/include/python3*/Python.h"), "libboost-python-dev"),
    Example("meson", "Meson", "hello from Meson: crc32 cbf43926", ("meson", "pkg-config"),
            ("usr/include/zlib.h",), "zlib1g-dev"),
    Example("cargo", "Cargo", "hello from Rust on ", ("cargo", "rustc", "libstd-rust-dev:{host}")),
    Example("python-extension", "a Python extension", "hello from a Python extension: 42",
            ("pkg-config", "python3", "python3-setuptools", "python3-wheel"),
            ("usr/include/python3*/Python.h",), "libpython3-dev"),
)


def possible(example: Example, files: Collection[str]) -> bool:
    """Tell whether a sysroot with these files has what an example takes."""
    return all(fnmatch.filter(files, pattern) for pattern in example.paths)


def tool_packages(examples: Collection[Example], host: Architecture) -> tuple[str, ...]:
    """Return the packages for the build machine that examples take, beside the cross compiler."""
    return tuple(sorted({tool.format(host=host.name) for example in examples for tool in example.tools}))
