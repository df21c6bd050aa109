# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between two runs of one chain: members that stand otherwise, packages that are others."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from debxcross.core.artifact import StoredFile
from debxcross.run.report import RunReport, Step
from debxcross.run.status import human_size

#: What a member that has a result is.
_DONE = ("built", "cached")


@dataclass(frozen=True)
class Difference:
    """One thing that differs: ``sign`` is "+" (new), "−" (gone) or "~" (another one)."""

    sign: str
    what: str
    how: str = ""


def named(file: StoredFile) -> tuple[str, str, str]:
    """Return package, version and architecture of a .deb by its name; the version has no epoch there."""
    package, _, rest = file.name.removesuffix(".deb").partition("_")
    version, _, architecture = rest.rpartition("_")
    return package, version, architecture


def since(before: RunReport, now: RunReport) -> tuple[Difference, ...] | None:
    """Return what differs from the run before; None when that was one of something else."""
    one, other = before.status, now.status
    if (one.chain, one.architecture, one.release) != (other.chain, other.architecture, other.release):
        return None
    old, new = ({step.name: step for step in run.steps} for run in (before, now))
    found = [Difference("+", name, "is new in the chain") for name in new if name not in old]
    found += [Difference("−", name, "is no longer in the chain") for name in old if name not in new]
    for name in new:
        if name in old:
            found += _member(old[name], new[name])
    both = [name for name in new if name in old
            and {old[name].status.state, new[name].status.state} <= set(_DONE)]
    before_files = _packages(before, {name: old[name] for name in both})
    files = _packages(now, {name: new[name] for name in both})
    found += [Difference("+", package, f"{version}, {human_size(file.size)}")
              for (package, _), (version, file) in files.items() if (package, _) not in before_files]
    found += [Difference("−", package, version)
              for (package, _), (version, _file) in before_files.items() if (package, _) not in files]
    for key, (version, file) in files.items():
        if key in before_files and before_files[key][1].sha256 != file.sha256:
            found.append(Difference("~", key[0], _package(*before_files[key], version, file)))
    return tuple(found)


def _member(before: Step, now: Step) -> list[Difference]:
    """Say how a member that stands otherwise does; found or built, it is there."""
    states = ["done" if step.status.state in _DONE else step.status.state for step in (before, now)]
    if states[0] == states[1]:
        return []
    return [Difference("~", now.name, f"was {states[0]}, is {states[1]}")]


def _packages(run: RunReport, steps: Mapping[str, Step]) -> dict[tuple[str, str], tuple[str, StoredFile]]:
    """Return version and file of each package of these steps, by name and architecture."""
    versions = run.published.versions if run.published else {}
    found = {}
    for step in steps.values():
        for file in run.files(step):
            package, version, architecture = named(file)
            found[package, architecture] = (versions.get(file.sha256, version), file)
    return found


def _package(old_version: str, old: StoredFile, version: str, file: StoredFile) -> str:
    how = "other bytes" if old_version == version else f"{old_version} → {version}"
    grown = file.size - old.size
    if not grown:
        return how
    return f"{how}, {'+' if grown > 0 else '−'}{human_size(abs(grown))}"
