# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of a source's packages are wanted, and which of those that are made somebody asked for."""
from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True)
class Choice:
    """Shell patterns of package names: all but ``without`` are wanted, or of them only ``packages``."""

    packages: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    def wants(self, package: str) -> bool:
        """Tell whether a package is wanted; debug symbols belong to the package itself."""
        name = package.removesuffix("-dbgsym")
        return (not self.packages or _matches(name, self.packages)) and not _matches(name, self.without)

    def of(self, packages: Iterable[str]) -> tuple[str, ...]:
        """Return those packages that are wanted, in their order."""
        return tuple(name for name in packages if self.wants(name))

    def names(self, package: str) -> bool:
        """Tell whether a package is asked for by name, which is more than being wanted."""
        return _matches(package, self.packages) and self.wants(package)

    def strange(self, known: Collection[str]) -> tuple[str, ...]:
        """Return the patterns that none of the known packages has."""
        return tuple(pattern for pattern in (*self.packages, *self.without)
                     if not any(fnmatchcase(name, pattern) for name in known))


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def spared(problems: Mapping[str, Sequence[str]], groups: Mapping[str, Collection[str]],
           asked: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Return the packages to leave out because no device could install them and nobody asked for them.

    ``problems`` are packages with what stands in the way, ``groups`` what each source leaves.  A
    source of which nothing would be left was itself asked for: its packages are none of them.
    """
    return {name: tuple(problems[name]) for packages in groups.values()
            if set(packages) - set(problems) for name in packages
            if name in problems and name not in asked}
