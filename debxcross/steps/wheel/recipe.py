# SPDX-License-Identifier: GPL-3.0-or-later
"""Projects by place: what decides the sdist that a directory becomes, and what is typed to make it."""
from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from debxcross.core.build import commands
from debxcross.core.chain.chain import PinnedFile
from debxcross.core.wheel.backend import SdistFacts
from debxcross.core.wheel.index import normalise

#: Raised whenever the same tree in the same environment would become an sdist of other bytes.
SCHEMA = 1
#: The time of a tree that no commit tells the time of, in seconds since the epoch: 2 February 2020, as
#: hatchling has it.  Times of files are no part of a file set, and zip archives know none before 1980.
NO_TIME = 1580601600
#: Build requirements that read a project's version out of its repository, which the build root has not.
_VERSION_TOOLS = frozenset((
    "setuptools-scm", "hatch-vcs", "setuptools-git-versioning", "versioningit", "pbr", "vcs-versioning",
    "poetry-dynamic-versioning", "dunamai"))


@dataclass(frozen=True)
class SdistRecipe:
    """What an sdist is made of: a file set, and what its own back end needs to pack it.

    ``tree`` is the digest of the file set, ``time`` that of everything in the sdist, in seconds since the
    epoch; ``packages`` are Debian's for the build machine; ``environment`` and ``settings`` are "name=value".
    """

    name: str
    tree: str
    time: int
    facts: SdistFacts
    tools: tuple[PinnedFile, ...]
    python: str
    packages: tuple[str, ...]
    environment: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()

    def inputs(self) -> Mapping[str, Any]:
        """Return what its key is the digest of, beside the environment."""
        return {"kind": "make-sdist", "schema": SCHEMA, "tree": self.tree, "time": self.time,
                "tools": self.tools, "python": self.python, "packages": self.packages,
                "environment": self.environment, "settings": self.settings}

    @property
    def directory(self) -> str:
        """Where the file set is unpacked in the build root."""
        return f"{commands.BUILD_DIRECTORY}/{self.name}"

    @property
    def request(self) -> Mapping[str, Any]:
        """What doors.pep517_child is asked."""
        system = self.facts.system
        return {"backend": system.backend, "backend_path": system.backend_path, "settings": self.settings,
                "directory": commands.WHEELS}

    def unpack_script(self, archive: str) -> str:
        """Return the script that unpacks the file set."""
        return (f"mkdir -p {shlex.quote(self.directory)} && "
                f"tar --extract --no-same-owner --directory {shlex.quote(self.directory)} "
                f"--file {shlex.quote(archive)}\n")

    def hook_script(self, hook: str) -> str:
        """Return the script that calls one of the back end's hooks for sdists (PEP 517)."""
        environment = {
            "HOME": commands.BUILD_DIRECTORY, "PYTHONPATH": commands.TOOLS, "PYTHONNOUSERSITE": "1",
            "PATH": f"{commands.TOOLS}/bin:/usr/local/bin:/usr/bin:/bin", "SOURCE_DATE_EPOCH": str(self.time)}
        exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in environment.items())
        own = "".join(f"export {shlex.quote(one)}\n" for one in self.environment)
        return (f"set -eu\ncd {shlex.quote(self.directory)}\n{exports}{own}"
                f"exec python{self.python} {commands.HOOKS} {hook} {commands.ANSWER}\n")

    @property
    def advice(self) -> str:
        """What to do when its version cannot be told; "" when nothing reads it out of a repository."""
        asked = {normalise(tool.name) for tool in self.tools} & _VERSION_TOOLS
        if not asked:
            return ""
        variable = "PBR_VERSION" if asked == {"pbr"} else "SETUPTOOLS_SCM_PRETEND_VERSION"
        return (f" The build root has the files, not the repository, which {', '.join(sorted(asked))} "
                f"would ask for the version: name it in a file given with --projects: [{self.name}] "
                f"environment = [\"{variable}=1.0\"].")


def static_name(pyproject: Mapping[str, Any]) -> str:
    """Return the name that a pyproject.toml tells before anything runs, normalised; "" for none."""
    project = pyproject.get("project")
    name = project.get("name") if isinstance(project, Mapping) else None
    return normalise(name) if isinstance(name, str) else ""


def no_project(paths: Iterable[str]) -> bool:
    """Tell whether these paths lack what every project of Python has (PEP 517)."""
    return not {"pyproject.toml", "setup.py"} & set(paths)
