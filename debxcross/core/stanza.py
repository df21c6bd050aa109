# SPDX-License-Identifier: GPL-3.0-or-later
"""Control stanzas as an apt index has them, read without believing them."""
from __future__ import annotations

import re

from debxcross.errors import PublishError

#: The fields of one control stanza in their order: (name, value); a value of more than one
#: line keeps its line breaks and the white space that starts each further line.
Fields = tuple[tuple[str, str], ...]
_FIELD_NAME = re.compile(r"[!-,./-9;-~][!-9;-~]*")


def parse_stanzas(text: str) -> tuple[Fields, ...]:
    """Read deb822 text; PublishError for a line that is no field and for a repeated field."""
    return tuple(_parse_stanza(block) for block in re.split(r"\n(?:[ \t]*\n)+", text) if block.strip())


def _parse_stanza(block: str) -> Fields:
    fields: list[tuple[str, str]] = []
    for line in block.strip("\n").split("\n"):
        name, colon, value = line.partition(":")
        if line[:1] in (" ", "\t") and fields:
            fields[-1] = (fields[-1][0], f"{fields[-1][1]}\n{line}")
        elif colon and _FIELD_NAME.fullmatch(name):
            fields.append((name, value.strip()))
        else:
            raise hostile("line", line)
    seen = [name.lower() for name, _ in fields]
    for name in seen:
        if seen.count(name) > 1:
            raise hostile("repeated field", name)
    return tuple(fields)


def hostile(what: str, value: str) -> PublishError:
    """Return the error for a control field that could do harm as a file name or a line of an index."""
    return PublishError(
        f"a package has a bad {what}: {value[:80]!r}",
        "Names, versions and architectures become file names and index lines, so the rules "
        "of Debian Policy 5.6 are held.",
        "Rebuild the package with a valid debian/control and changelog, then publish again.")
