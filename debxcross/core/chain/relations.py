# SPDX-License-Identifier: GPL-3.0-or-later
"""What relations of a chain's wheels on Debian's packages must be told of."""
from __future__ import annotations

from packaging.requirements import Requirement

from debxcross.core.chain.chain import Chain, WheelMember
from debxcross.core.wheel import version
from debxcross.core.wheel.index import normalise


def misjudged(chain: Chain, member: WheelMember) -> dict[str, str]:
    """Return the versions of Debian's packages that relations of a wheel's deb must be told of.

    They are those that the requirements would judge in another way; see core.wheel.version.relations.
    """
    known = {normalise(one.name): one for one in chain.debian if one.version}
    found = {}
    for requirement in map(Requirement, (*member.requires, *member.also_requires)):
        one = known.get(normalise(requirement.name))
        if one and version.misjudged(one.package, requirement.specifier, one.epoch, one.version):
            found[one.package] = one.version
    return found
