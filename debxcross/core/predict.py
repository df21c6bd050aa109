# SPDX-License-Identifier: GPL-3.0-or-later
"""Predicts the packages a build will leave, so that apt can judge them before they exist.

The build architecture's stanza of the same source version tells the Depends that the host
architecture's package will have, up to what dpkg-shlibdeps finds for that architecture.
Hard-coded dependencies, such as libpython2.7-stdlib's on libssl1.1, show this way before
anything is compiled.
"""
from __future__ import annotations

from collections.abc import Iterable, Mapping

from debian.deb822 import Deb822

_FIELDS = ("Package", "Source", "Version", "Multi-Arch", "Pre-Depends", "Depends", "Conflicts", "Breaks",
           "Provides", "Replaces", "Essential", "Description")


def predicted_stanzas(stanzas: Iterable[str], names: Iterable[str], host: str) -> str:
    """Return a Packages text for ``names``, made of another architecture's stanzas.

    Where there is no stanza, nothing is known and nothing is offered.
    """
    wanted = set(names)
    texts = []
    for text in stanzas:
        stanza = Deb822(text.splitlines())
        if stanza["Package"] not in wanted:
            continue
        fields = {key: stanza[key] for key in _FIELDS if key in stanza}
        fields["Architecture"] = host
        texts.append(stanza_text(fields, f"predicted/{stanza['Package']}.deb", 1, "0" * 64))
    return "\n".join(texts)


def stanza_text(control: Mapping[str, str], filename: str, size: int, sha256: str) -> str:
    """Return one stanza of a Packages file."""
    fields = {**control, "Filename": filename, "Size": str(size), "SHA256": sha256}
    return "".join(f"{key}: {value}\n" for key, value in fields.items() if value)
