# SPDX-License-Identifier: GPL-3.0-or-later
"""The signed list of what a store vouches for."""
from __future__ import annotations

import re
from collections.abc import Mapping

#: The list's name in a store's directory.
LIST = "signed"
_TITLE = "debxcross store, layout 1"
_LINE = re.compile(r"(?P<sha256>[0-9a-f]{64})  (?P<name>[a-z]+(?:/[a-z0-9-]+)+\.json)\Z")


def list_text(listed: Mapping[str, str]) -> str:
    """Return the list: a title, then a line per entry as sha256sum writes it."""
    return "\n".join([_TITLE, *(f"{listed[name]}  {name}" for name in sorted(listed)), ""])


def parse_list(text: str) -> Mapping[str, str] | None:
    """Return the sha256 of each entry by its name; None for a list of another layout."""
    lines = text.splitlines()
    if not lines or lines[0] != _TITLE:
        return None
    found = {}
    for line in lines[1:]:
        match = _LINE.match(line)
        if line and match is None:
            return None
        if match:
            found[match["name"]] = match["sha256"]
    return found
