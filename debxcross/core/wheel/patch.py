# SPDX-License-Identifier: GPL-3.0-or-later
"""Patches to source archives of the package index: rules patches in another directory.

They are in ``sdists/PROJECT/NAME.patch`` beside those of Debian's sources, for a project and a
Debian source may have one name.  Versions in their header are PEP 440's, compared as such.
"""
from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from debian.debian_support import DpkgArchTable

from debxcross.core.patch import Applicability, RulesPatch, applicability, diff_of
from debxcross.core.wheel.index import normalise
from debxcross.core.wheel.version import debian_version
from debxcross.errors import ConfigurationError, GateError

#: The directory beside those of Debian's sources.
SDISTS = "sdists"


def place(project: str) -> str:
    """Return the directory of a project's patches, below one with rules patches."""
    return f"{SDISTS}/{normalise(project)}"


def read_versions(rule: RulesPatch) -> RulesPatch:
    """Return a patch with its range in versions that Debian orders as PEP 440 does.

    Raises ConfigurationError for what is no version.
    """
    try:
        return replace(rule, versions=tuple((relation, debian_version(version.replace("~", "")))
                                            for relation, version in rule.versions))
    except GateError as error:
        raise ConfigurationError(
            f"the rules patch {rule.source}/{rule.name} has a faulty range", error.brief,
            "Write versions as the package index does: Applies-Versions: >= 1.2, << 2.0rc1.") from error


def decide(rule: RulesPatch, version: str, sdist: bool, host: str, available: Callable[[str], bool],
           table: DpkgArchTable) -> Applicability:
    """Decide whether a patch, with its versions read, applies to a release of its project."""
    if not sdist:
        return Applicability(False, "is for an sdist, and a wheel is taken here")
    return applicability(rule, debian_version(version), host, available, table)


def narrowed(rule: RulesPatch, paths: Sequence[str]) -> RulesPatch | None:
    """Return what of a patch is about these files (paths below the top), None when nothing is."""
    parts = re.split(r"^(?=diff --git |Index: |--- )", diff_of(rule.text), flags=re.MULTILINE)
    kept, head = "", ""
    for part in parts:
        if not part.startswith("--- "):
            head = part  # "diff" and "Index" lines belong to what follows
            continue
        names = {match[1] for match in re.finditer(r"^(?:---|\+\+\+) [^/\s]+/([^\t\n]+)", part, re.MULTILINE)}
        if names & set(paths):
            kept += head + part
        head = ""
    return replace(rule, text=kept) if kept else None


def applied(rules: Sequence[RulesPatch], versions: Mapping[str, str], host: str,
            available: Callable[[str], bool], table: DpkgArchTable) -> tuple[RulesPatch, ...]:
    """Return the patches that apply to sdists of these versions, by place."""
    return tuple(rule for rule in rules if rule.source in versions and decide(
        rule, versions[rule.source], True, host, available, table).applies)
