# SPDX-License-Identifier: GPL-3.0-or-later
"""Licences as copyright files have them: without the texts that every Debian system has.

Sources: Debian Policy 12.5 (/usr/share/common-licenses), and lintian, for which a copyright
file that holds one of them whole has an error.
"""
from __future__ import annotations

import re
from collections.abc import Sequence

from debxcross.core.wheel.metadata import Wheel

#: Texts that Debian has in /usr/share/common-licenses, by what they begin with.
_COMMON = (
    (r"apache license version 2\.0", "Apache-2.0"),
    (r"gnu general public license version 2", "GPL-2"),
    (r"gnu general public license version 3", "GPL-3"),
    (r"gnu lesser general public license version 2\.1", "LGPL-2.1"),
    (r"gnu lesser general public license version 3", "LGPL-3"),
    (r"mozilla public license version 2\.0", "MPL-2.0"),
)
#: The notice that the Apache licence wants instead of its text.
_APACHE_NOTICE = re.compile(r"under\s+the\s+Apache\s+License,?\s+Version\s+2\.0", re.IGNORECASE)
_END = re.compile(r"^\W*END OF TERMS AND CONDITIONS\W*$", re.MULTILINE)


def _pointer(name: str) -> str:
    return ("On Debian systems the full text of this license is in the file\n"
            f"/usr/share/common-licenses/{name}.")


def shortened(text: str) -> str:
    """Return a licence text with pointers in place of whole licences that Debian has.

    One that begins with such a licence is nothing else; in the midst of a collection, as
    projects with vendored code have it, the licence is cut out up to its last line.  A notice of the
    Apache licence gets the pointer, too.
    """
    words = re.sub(r"\W*\s+\W*", " ", text[:400].strip()).lower()
    for start, name in _COMMON:
        if re.match(start, words):
            return _pointer(name)
    for start, name in _COMMON:
        title = r"\W*\s\W*".join(start.split(" "))
        for found in reversed(list(re.finditer(rf"^\W*{title}\b", text, re.MULTILINE | re.IGNORECASE))):
            following = text.find("\n", found.end())
            end = _END.search(text, found.end())
            # A title alone is a mention; the licence begins on lines of its own.
            if end and following - found.end() < 40 and end.end() - found.start() < 60_000:
                text = f"{text[:found.start()]}\n{_pointer(name)}\n{text[end.end():]}"
    if _APACHE_NOTICE.search(text) and (pointer := _pointer("Apache-2.0")) not in text:
        return f"{text.rstrip()}\n\n{pointer}\n"
    return text


def licence_paragraph(wheel: Wheel) -> tuple[str, tuple[str, ...]]:
    """Return DEP-5's short name of the licence and its text, folded."""
    name = re.sub(r"[^\w.+-]+", "-", wheel.license or "unknown", flags=re.ASCII).strip("-")
    lines: list[str] = []
    for text in wheel.license_texts:
        text = shortened(text)
        lines += ["", *text.strip("\n").splitlines()] if lines else text.strip("\n").splitlines()
    if not lines:
        lines = [f"The wheel's metadata says {wheel.license or 'nothing about its license'}"
                 " and has no text of a license."]
    return name or "unknown", folded(lines)


def folded(lines: Sequence[str]) -> tuple[str, ...]:
    """Return lines as the continuation of a field (Policy 5.6.13): indented, blank ones as " ."."""
    result = []
    for line in lines:
        text = "".join(letter for letter in line.expandtabs().rstrip() if letter.isprintable())
        # " .x" is reserved; with one more space the line is taken as it is.
        result.append(f"  {text}" if text.startswith(".") else f" {text}" if text else " .")
    return tuple(result)
