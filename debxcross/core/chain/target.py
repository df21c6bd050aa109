# SPDX-License-Identifier: GPL-3.0-or-later
"""A word of the command line that names a source."""
from __future__ import annotations

import re

from debxcross.core.chain import origin as origins
from debxcross.core.chain.chain import SourceMember, source_member
from debxcross.core.chain.faults import Faults
from debxcross.errors import ConfigurationError

#: What a word of the command line that names a source may be.
TARGETS = ("Write SOURCE, SOURCE=VERSION, SOURCE/SUITE or SOURCE=VERSION/SUITE, such as expat/bookworm; or "
           "./DIRECTORY, FILE.dsc or git+URL@REF for a source of your own.")
_TARGET = re.compile(r"(?P<name>[^=/]+)(=(?P<version>[^/]+))?(/(?P<suite>.+))?\Z")


def parse_target(text: str, base: str = "") -> SourceMember:
    """Read ``SOURCE[=VERSION][/SUITE]`` from the command line, as apt-get source writes it.

    What names a source of one's own (core.chain.origin.target_origin) has no name yet; relative paths are
    below ``base``.
    """
    if origins.is_own(text):
        try:
            return SourceMember("", origin=origins.target_origin(text, base))
        except ValueError as error:
            raise ConfigurationError(f"{text!r} does not name a source", str(error), TARGETS) from error
    match = _TARGET.match(text)
    faults = Faults()
    table = {key: value for key, value in (match.groupdict() if match else {}).items() if value}
    member = source_member(faults, f"{text}: ", table)
    if faults.said:
        raise ConfigurationError(
            f"{text!r} does not name a source", "\n".join(faults.said),
            TARGETS)
    return member
