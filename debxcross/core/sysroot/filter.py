# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files of a package are taken: dpkg's path-exclude and path-include.

Source: dpkg(1), ``--path-exclude``: shell patterns against the path with its leading slash,
``*`` matches slashes too, of all patterns the last one that matches decides.
"""
from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby

from debxcross.core.sysroot.tree import merged
from debxcross.errors import ConfigurationError

_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+\Z")


@dataclass(frozen=True)
class PathFilter:
    """One pattern; ``package`` "" means every package."""

    include: bool
    pattern: str
    package: str = ""


def _excludes(*patterns: str) -> tuple[PathFilter, ...]:
    return tuple(PathFilter(False, pattern) for pattern in patterns)


#: What a cross compiler and an emulated program never look at.
DEFAULT_FILTERS = (
    *_excludes(
        # Documentation, translations, desktop files.
        "/usr/share/*", "/usr/lib/python*/lib2to3/*", "/usr/lib/python*/pydoc_data/*",
        # Programs: they are the device's, and nothing here can run them.  Configuration and state.
        "/usr/bin/*", "/usr/sbin/*", "/usr/games/*", "/usr/libexec/*", "/usr/src/*",
        "/etc/*", "/var/*", "/usr/lib/systemd/*", "/usr/lib/udev/*", "/usr/lib/modules/*",
        "/usr/lib/dbus-1.0/*", "/usr/lib/apt/*", "/usr/lib/dpkg/*", "/usr/lib/debug/*",
        "/usr/lib/tmpfiles.d/*", "/usr/lib/sysusers.d/*", "/usr/lib/init/*", "/usr/lib/lsb/*",
        # Character set converters, and the tests and tools of Python.
        "/usr/lib/*/gconv/*", "/usr/lib/python*/test/*", "/usr/lib/python*/idlelib/*",
        "/usr/lib/python*/ensurepip/*", "/usr/lib/python*/turtledemo/*",
        # Static and position-independent copies of Python, and what instruments programs.
        "/usr/lib/libpython*.a", "/usr/lib/*/libpython*.a", "/usr/lib/python*/config-*/*.a",
        "/usr/lib/gcc/*/lib?san.a", "/usr/lib/gcc/*/libasan*", "/usr/lib/gcc/*/libtsan*",
        "/usr/lib/gcc/*/libubsan*", "/usr/lib/gcc/*/liblsan*", "/usr/lib/gcc/*/libhwasan*",
        "/usr/lib/*/libasan.so*", "/usr/lib/*/libtsan.so*", "/usr/lib/*/libubsan.so*",
        "/usr/lib/*/liblsan.so*", "/usr/lib/*/libhwasan.so*",
        # Large static libraries that have a shared twin; "--path-include '*.a'" brings them back.
        "/usr/lib/*/libcrypto.a", "/usr/lib/*/libssl.a", "/usr/lib/*/libstdc++.a", "/usr/lib/*/libgomp.a",
        "/usr/lib/*/libexpat*.a", "/usr/lib/*/libcrypt.a", "/usr/lib/*/libtirpc.a", "/usr/lib/*/libnsl.a",
        "/usr/lib/*/libboost_*.a",
        # A compiler brings its own.
        "/usr/lib/gcc/*/include/*", "/usr/lib/gcc/*/plugin/*", "/usr/lib/gcc/*/cc1*",
        "/usr/lib/gcc/*/lto*", "*.la",
    ),
    *(PathFilter(True, pattern) for pattern in (
        "/usr/share/pkgconfig/*", "/usr/share/aclocal/*", "/usr/share/cmake/*", "/usr/share/cmake-*",
        "/usr/share/*/cmake/*", "/usr/share/gir-1.0/*", "/usr/share/wayland*",
        "/usr/share/dbus-1/interfaces/*",
        # These have no shared twin, and CMake stops where a file is missing that its target names.
        "/usr/lib/*/libboost_exception.a", "/usr/lib/*/libboost_test_exec_monitor.a",
        # The old way of asking a library for its flags; these are scripts.
        "/usr/bin/*-config",
    )),
)


def parse_filter(text: str, include: bool) -> PathFilter:
    """Read ``[PACKAGE:]PATTERN``.  Raises ConfigurationError for a pattern that can match nothing.

    Patterns of directories that are links since the merge of /usr mean the real ones.
    """
    package, colon, pattern = text.partition(":")
    if not colon or not _PACKAGE.match(package):
        package, pattern = "", text
    if not pattern.startswith(("/", "*", "?", "[")):
        raise ConfigurationError(
            f"the pattern {text!r} can match nothing",
            "Paths are matched with their leading slash, as dpkg does.",
            f"Write {f'{package}:' if package else ''}/{pattern}")
    if pattern.startswith("/"):
        pattern = "/" + merged(pattern[1:])
    return PathFilter(include, pattern, package)


def chooser(filters: Iterable[PathFilter], package: str) -> Callable[[str], bool]:
    """Return the function that tells of a package's path (without leading slash) whether it is taken."""
    meant = [one for one in filters if one.package in ("", package)]
    groups: list[tuple[bool, re.Pattern[str]]] = [
        (include, re.compile("|".join(fnmatch.translate(one.pattern) for one in group)))
        for include, group in groupby(reversed(meant), key=lambda one: one.include)]

    def chosen(path: str) -> bool:
        return next((include for include, pattern in groups if pattern.match(f"/{path}")), True)
    return chosen
