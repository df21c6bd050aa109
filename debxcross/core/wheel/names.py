# SPDX-License-Identifier: GPL-3.0-or-later
"""How the projects of PyPI are called in Debian, and which packages hold parts of them.

Sources: dh-python's map of projects to packages (dist/cpython3_fallback), which is made of the
packages for all architectures only; Debian's Python policy, 4.3 (module names of packages: an
underscore becomes a dash, a dot stays), and the names that the release itself has or provides.
"""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from debxcross.core.wheel.index import normalise

#: Of more projects than these a package is a collection (python3-azure has 269).
_FEW = 3
_PREFIX = "python3-"


@dataclass(frozen=True)
class Names:
    """How projects are called in Debian, by normalised name; empty without dh-python's map.

    ``packages`` are the names to take.  ``holders`` are packages with files of a project that do not
    stand for it: collections, and programs of another name.  ``found`` maps what projects would be
    called (the part behind "python3-", normalised) to the package that the release has or provides.
    """

    packages: Mapping[str, str] = field(default_factory=dict)
    holders: Mapping[str, str] = field(default_factory=dict)
    found: Mapping[str, str] = field(default_factory=dict)

    def package(self, project: str) -> str:
        """Return the Debian package of a project for Python 3: the map's, the release's, the policy's."""
        name = normalise(project)
        return self.packages.get(name) or self._found(name) or f"{_PREFIX}{name}"

    def holder(self, project: str) -> str:
        """Return the package that holds a project among others, "" for none."""
        return self.holders.get(normalise(project), "")

    def _found(self, name: str) -> str:
        if name in self.found:
            return self.found[name]
        # dbus-python is python3-dbus, unless the map has another project of that name.
        short = name.removeprefix("python-").removesuffix("-python")
        package = self.found.get(short, "")
        return package if package not in self.packages.values() else ""

    def within(self, offered: Iterable[str], provided: Mapping[str, Sequence[str]]) -> Names:
        """Return the names with those of a release.

        ``offered`` are its packages; ``provided`` maps virtual packages to those that provide them,
        of which only one for Python 3 stands for the project.
        """
        found = {normalise(virtual.removeprefix(_PREFIX)): providers[0]
                 for virtual, providers in sorted(provided.items())
                 if virtual.startswith(_PREFIX) and len(providers) == 1 and providers[0].startswith(_PREFIX)}
        found.update({normalise(package.removeprefix(_PREFIX)): package
                      for package in sorted(offered) if package.startswith(_PREFIX)})
        return replace(self, found=found)

    def apart(self, projects: Iterable[str]) -> Names:
        """Return names under which no two of these projects, made together, are called the same.

        The package stays with the project of its name, else with the first by name; the files of the
        others are in Debian's package, too.
        """
        called: dict[str, list[str]] = {}
        for project in sorted(map(normalise, projects)):
            called.setdefault(self.package(project), []).append(project)
        packages, holders = dict(self.packages), dict(self.holders)
        for package, several in called.items():
            owner = next((one for one in several if package in (one, f"{_PREFIX}{one}")), several[0])
            for other in several:
                if other != owner:
                    packages[other], holders[other] = f"{_PREFIX}{other}", package
        return replace(self, packages=packages, holders=holders)


def parse_names(text: str) -> Names:
    """Read dh-python's map (dist/cpython3_fallback): "PROJECT PACKAGE [relation rules]" a line."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        words = line.split("#")[0].split()
        if len(words) >= 2 and not words[1].startswith("pypy"):
            found.setdefault(normalise(words[0]), words[1].rstrip(";"))
    projects: dict[str, list[str]] = {}
    for project, package in found.items():
        projects.setdefault(package, []).append(project)
    # Two projects of one package are as a rule one project twice: PIL and Pillow.
    own = {project: package for project, package in found.items()
           if len(projects[package]) <= _FEW
           and (package.startswith(_PREFIX) or package == project)}
    return Names(own, {project: package for project, package in found.items() if project not in own})
