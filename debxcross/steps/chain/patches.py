# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rules patches apply to a chain's members."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from debxcross.core.chain.chain import Chain, WheelMember
from debxcross.core.patch import Applicability, RulesPatch, applicability
from debxcross.core.wheel.patch import decide, place
from debxcross.steps.archive.probe import Probe
from debxcross.steps.context import Context

#: (patch, applies, reason) of one member.
Patches = tuple[tuple[RulesPatch, bool, str], ...]
#: Tells whether the release has a package for the host architecture.
Available = Callable[[str], bool]


def places(chain: Chain) -> dict[str, WheelMember | None]:
    """Return where the patches of a chain's members are, with the member if it is a wheel."""
    return {**{member.name: None for member in chain.sources},
            **{place(member.name): member for member in chain.wheels}}


def verdict(context: Context, rule: RulesPatch, version: str, wheel: WheelMember | None,
            available: Available = lambda package: True) -> Applicability:
    """Decide whether a patch applies to a source of this version, or to a wheel's sdist."""
    host, table = context.host.name, context.table
    if wheel is not None:
        return decide(rule, version, not wheel.pure, host, available, table)
    return applicability(rule, version, host, available, table)


def decided(context: Context, facts: Probe, chain: Chain, patches: Sequence[RulesPatch]
            ) -> dict[str, Patches]:
    """Return every patch of each member, with the decision on it."""
    host = context.host.name

    def available(package: str) -> bool:
        return host in facts.packages.get(package, {})

    versions = _versions(facts, chain)
    found: dict[str, Patches] = {}
    for where, wheel in places(chain).items():
        judged = [(rule, verdict(context, rule, versions[where], wheel, available))
                  for rule in patches if rule.source == where]
        found[wheel.name if wheel else where] = tuple((rule, one.applies, one.reason) for rule, one in judged)
    return found


def outdated(context: Context, facts: Probe, chain: Chain, patches: Sequence[RulesPatch]) -> tuple[str, ...]:
    """Return a warning for each patch whose range the member has left."""
    wheels, versions = places(chain), _versions(facts, chain)
    judged = [(rule, verdict(context, rule, versions[rule.source], wheels[rule.source])) for rule in patches]
    return tuple(f"the rules patch {rule.source}/{rule.name} matches nothing any more: it {one.reason}"
                 for rule, one in judged if one.outdated)


def _versions(facts: Probe, chain: Chain) -> Mapping[str, str]:
    return {**{name: source.version for name, source in facts.sources.items()},
            **{place(member.name): member.pin.version for member in chain.wheels}}
