# SPDX-License-Identifier: GPL-3.0-or-later
"""Completes a chain for an architecture that no archive has: what its members need is built too."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from debxcross.core.border import read_as, read_toml
from debxcross.core.chain.chain import Chain, SourceMember
from debxcross.core.chain.closure import NO_SOURCE, Closure, Included, Setting, reasons
from debxcross.doors.template import program_file
from debxcross.steps.archive import probe
from debxcross.steps.build import shims
from debxcross.steps.context import Context

#: The name under which the work is told.
STEP = "closure"
_SETTINGS = program_file("closures/sources.toml")


def read_settings() -> dict[str, Setting]:
    """Return how sources are built that others need, by name."""
    document = read_toml(_SETTINGS.read_text())
    return {name: read_as(Setting, one) for name, one in document.items()}


def closed(context: Context, chain: Chain, settings: Mapping[str, Setting]) -> Chain:
    """Return the chain with every source that must be built first; the same where an archive has them.

    What nothing makes is told in a note: apt judges in its own words when the plan is made.
    """
    if not context.world.without_archive or chain.security:
        return chain
    found = _ask(context, chain, settings)
    host, why = context.host.name, reasons(found)
    for name, package in found.unmet:
        if package != NO_SOURCE:
            there = f" ({name} is built for {why[name]})" if why[name] else ""
            context.events.tell("note", name, (
                f"nothing makes {package} for {host}, which {name} needs{there}; leave it out, or drop what "
                "needs it with a rules patch (docs/no-archive.md)"))
    named = {member.name: member for member in chain.sources}
    members = []
    for one in found.sources:
        setting = settings.get(one.source, Setting())
        member = named.get(one.source) or SourceMember(
            one.source, profiles=_own(one, chain), why=why[one.source])
        if not member.build_packages:
            member = replace(member, build_packages=tuple(
                f"{name.removesuffix(':HOST')}:{context.host.name}" if name.endswith(":HOST") else name
                for name in setting.packages))
        members.append(member if member.profiles else replace(member, profiles=_own(one, chain)))
    return replace(chain, sources=tuple(members))


def _own(included: Included, chain: Chain) -> tuple[str, ...]:
    """Return the profiles of a member's own, () when they are the chain's."""
    return () if included.profiles == chain.profiles else included.profiles


def _ask(context: Context, chain: Chain, settings: Mapping[str, Setting]) -> Closure:
    names = [member.name for member in chain.sources]
    stand_ins = shims.wanted(context).shims
    request = {"ask": "behind", "sources": names, "build": context.build.name, "question": {
        "host": context.host.name, "profiles": list(chain.profiles), "shims": [one.name for one in stand_ins],
        "settings": {name: vars(one) for name, one in sorted(settings.items())}}}
    context.busy(STEP, f"asking apt what must be built for {' '.join(names)}")
    said = probe.remembered(context, "behind", request, context.world)
    return Closure(tuple(Included(**{**one, "profiles": tuple(one["profiles"])}) for one in said["sources"]),
                   {name: tuple(needed) for name, needed in said["needs"].items()},
                   tuple((name, package) for name, package in said["unmet"]))
