# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads requirements (PEP 508) that somebody else wrote: whatever is wrong with one is one error.

A marker may be well-formed and mean nothing: ``os_name ~= "x"`` compares what has no order, and
``"1" > "x"`` names no variable.  packaging tells only when it is asked for the answer, by errors
that depend on its version.
"""
from __future__ import annotations

from packaging.requirements import InvalidRequirement, Requirement

from debxcross.core.border import LONGEST_NAME

#: The variables of some device, as core/wheel/deb.py gives them.
_SOME_DEVICE = {
    "extra": "", "implementation_name": "cpython", "implementation_version": "3.11.2", "os_name": "posix",
    "platform_machine": "armv7l", "platform_python_implementation": "CPython", "platform_release": "",
    "platform_system": "Linux", "platform_version": "", "python_full_version": "3.11.2",
    "python_version": "3.11", "sys_platform": "linux",
}


def read_requirement(text: str) -> Requirement:
    """Read a requirement whose marker has an answer.  Raises InvalidRequirement (a ValueError)."""
    try:
        requirement = Requirement(text)
    except RecursionError:
        raise InvalidRequirement("its marker is nested too deeply") from None
    if len(requirement.name) > LONGEST_NAME:
        raise InvalidRequirement(f"its name has {len(requirement.name)} characters")
    if any(len(one.version) > LONGEST_NAME for one in requirement.specifier):
        # Python reads no number of more than 4,300 digits.
        raise InvalidRequirement("a version in it has too many characters")
    try:
        if requirement.marker is not None:
            requirement.marker.evaluate(_SOME_DEVICE)
    except (ValueError, KeyError) as error:
        raise InvalidRequirement(f"its marker has no answer: {error}") from error
    return requirement
