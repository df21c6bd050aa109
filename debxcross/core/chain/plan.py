# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan: every member with its state and the reason for it, and how it is shown."""
from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from debxcross.core.archive.security import Comparison, table
from debxcross.core.key import plain

STATES = ("cached", "waiting", "ready", "building", "built", "failed", "blocked", "excluded")


@dataclass(frozen=True)
class PlannedMember:
    """One step of the plan.

    ``kind`` is "source" or "wheel"; ``key`` is empty as long as it waits for others'
    digests; ``patches`` are (name, applies, reason).
    """

    name: str
    kind: str
    version: str
    origin: str
    state: str
    reason: str
    needs: tuple[str, ...] = ()
    key: str = ""
    patches: tuple[tuple[str, bool, str], ...] = ()
    packages: tuple[str, ...] = ()

    @property
    def record(self) -> dict[str, Any]:
        """What a run tells of it in one record: everything but patches and packages."""
        return {"name": self.name, "kind": self.kind, "version": self.version, "origin": self.origin,
                "state": self.state, "reason": self.reason, "needs": list(self.needs), "key": self.key}


def state_before(key: str | None, cached: bool, missing: Sequence[str], again: bool) -> tuple[str, str]:
    """Return a member's state before anything is built, and the reason.

    ``key`` is None as long as something must run to know it; ``cached`` says that there is a
    result; ``missing`` are the members it needs without a known result; ``again`` is a wish.
    """
    if again:
        return "ready", "to be rebuilt, as asked"
    if cached:
        return "cached", "nothing that can change its bytes has changed"
    if missing:
        return "waiting", f"waits for {', '.join(missing)}"
    if key is None:
        return "ready", "its build environment is not resolved yet"
    return "ready", "the store has no result for these inputs"


@dataclass(frozen=True)
class Plan:
    """What a run would do.  ``problems`` are what cannot work; with any, nothing is built.

    ``security`` is how far the sources of a chain's [security] table are behind.
    """

    chain: str
    release: str
    build_architecture: str
    host_architecture: str
    members: tuple[PlannedMember, ...]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    security: tuple[Comparison, ...] = ()

    def to_json(self) -> str:
        """Return the plan as indented JSON."""
        return json.dumps(plain(self), indent=2)

    def to_dot(self) -> str:
        """Return the plan as a graph for Graphviz: an arrow points to what is needed."""
        lines = [f"digraph {json.dumps(self.chain)} {{", "  rankdir=RL;", "  node [shape=box];"]
        colours = {"cached": "palegreen", "ready": "lightblue", "waiting": "lightyellow", "blocked": "salmon"}
        for member in self.members:
            label = f"{member.name}\\n{member.version}\\n{member.state}"
            shape = ", shape=ellipse" if member.kind == "wheel" else ""
            lines.append(f'  "{member.name}" [label="{label}", style=filled, '
                         f'fillcolor={colours.get(member.state, "white")}{shape}];')
            lines += [f'  "{member.name}" -> "{needed}";' for needed in member.needs]
        return "\n".join([*lines, "}"])

    def to_text(self) -> str:
        """Return the plan for people."""
        lines = [
            f"{self.chain}: {self.release}, built on {self.build_architecture} "
            f"for {self.host_architecture}", ""]
        names = max((len(member.name) for member in self.members), default=0)
        versions = max((len(member.version) for member in self.members), default=0)
        for number, member in enumerate(self.members, 1):
            lines.append(f"{number:3}. {member.name:<{names}}  {member.version:<{versions}}  "
                         f"{member.state:<7}  {member.reason}")
            lines.append(f"     {'':<{names}}  from {member.origin}")
            for name, applies, reason in member.patches:
                word = "applied" if applies else "not applied"
                lines.append(f"     {'':<{names}}  patch {name} {word}: {reason}")
        if self.security:
            lines += ["", "Security updates:"]
            lines += [f"  {line}" for line in table(
                self.security, self.build_architecture, self.host_architecture)]
        for title, texts in (("Notes", self.notes), ("Warnings", self.warnings),
                             ("Cannot work", self.problems)):
            if texts:
                lines += ["", f"{title}:", *(f"  - {text}" for text in texts)]
        return "\n".join(lines)
