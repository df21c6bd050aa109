# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds the versions of one's own members against what is published, before anything is built.

A version that is published never gets other bytes, and devices take only what is newer.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from debian.debian_support import Version

from debxcross.core.chain.plan import PlannedMember
from debxcross.errors import DebxcrossError, PublishError
from debxcross.repository.core.index import parse_index
from debxcross.steps.chain.prepare import Prepared
from debxcross.steps.context import Context

#: How a version becomes another one.
_CURE = "Give it a new version: 'dch -i' in its tree, or version-suffix = \"git\" in its [[source]] table."


def web_root(context: Context) -> Path:
    """Return where this run publishes."""
    return context.logs.parent / "repo"


def published(context: Context, release: str) -> Mapping[str, frozenset[str]]:
    """Return the versions of each package that devices of this architecture are offered."""
    index = web_root(context) / f"dists/{release}/main/binary-{context.host.name}/Packages"
    if not index.is_file():
        return {}
    found: dict[str, set[str]] = {}
    for entry in parse_index(index.read_text(errors="replace")):
        found.setdefault(entry.package, set()).add(entry.version)
    return {package: frozenset(versions) for package, versions in found.items()}


def compare(context: Context, prepared: Prepared, members: Sequence[PlannedMember]
            ) -> tuple[tuple[str, ...], Mapping[str, DebxcrossError]]:
    """Return warnings, and an error for each member of one's own that is older than what is published."""
    own = [work for work in prepared.sources.values() if work.own is not None]
    if not own:
        return (), {}
    known = published(context, prepared.chain.release)
    states = {member.name: member.state for member in members}
    errors: dict[str, DebxcrossError] = {}
    taken = []
    for work in own:
        versions = work.versions(prepared.expected[work.name])
        older = sorted(f"{package} {version} is published" for package, mine in versions.items()
                       for version in known.get(package, ()) if Version(version) > Version(mine))
        if older:
            errors[work.name] = PublishError(
                f"{work.name} {work.version} is older than what is published", "\n".join(older),
                f"Devices would keep what they have. {_CURE}")
        elif states.get(work.name) in ("ready", "waiting") and any(
                mine in known.get(package, ()) for package, mine in versions.items()):
            taken.append(f"{work.name} {work.version}")
    warnings = (f"published already: {', '.join(taken)}. What is built again with other bytes cannot be "
                f"published under that version. {_CURE}",) if taken else ()
    return warnings, errors
