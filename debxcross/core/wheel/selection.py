# SPDX-License-Identifier: GPL-3.0-or-later
"""Which indexes are asked, and which of their files may be taken, as pip's options say.

Source: pip's documented options (``--index-url``, ``--extra-index-url``, ``--no-binary``,
``--only-binary``, ``--pre``) of ``pip install`` and of its requirements files.
"""
from __future__ import annotations

import re
from dataclasses import dataclass, replace

from debxcross.core.wheel.index import normalise

ALL, NONE = ":all:", ":none:"
_PROJECT = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")  # PEP 508


@dataclass(frozen=True)
class Selection:
    """What pip's options say of indexes and files.

    ``index_url`` replaces the configured index ("" leaves it), ``extra_index_urls`` are asked beside
    those that are configured; both may hold a login.  ``no_binary`` and ``only_binary`` are normalised
    names, or ALL.  With ``pre`` versions before a final one count, too.
    """

    index_url: str = ""
    extra_index_urls: tuple[str, ...] = ()
    no_binary: frozenset[str] = frozenset()
    only_binary: frozenset[str] = frozenset()
    pre: bool = False

    def wheels(self, name: str) -> bool:
        """Tell whether wheels of a project may be taken."""
        if name in self.only_binary or name in self.no_binary:
            return name not in self.no_binary
        return ALL not in self.no_binary or ALL in self.only_binary

    def sdists(self, name: str) -> bool:
        """Tell whether sdists of a project may be taken."""
        if name in self.only_binary or name in self.no_binary:
            return name not in self.only_binary
        return ALL not in self.only_binary

    def without_binary(self, value: str) -> Selection:
        """Return the selection after --no-binary.  Raises ValueError: what is wrong, in words."""
        chosen, other = _chosen(value, self.no_binary, self.only_binary)
        return replace(self, no_binary=chosen, only_binary=other)

    def with_only_binary(self, value: str) -> Selection:
        """Return the selection after --only-binary.  Raises ValueError: what is wrong, in words."""
        chosen, other = _chosen(value, self.only_binary, self.no_binary)
        return replace(self, only_binary=chosen, no_binary=other)


def _chosen(value: str, chosen: frozenset[str], other: frozenset[str]
            ) -> tuple[frozenset[str], frozenset[str]]:
    """Return both sets after an option named these projects: the later option counts for each of them."""
    for name in (part.strip() for part in value.split(",")):
        if name == ALL:
            chosen, other = frozenset((ALL,)), frozenset()
        elif name == NONE:
            chosen = frozenset()
        elif _PROJECT.fullmatch(name):
            chosen, other = chosen | {normalise(name)}, other - {normalise(name)}
        else:
            raise ValueError(f"{name!r} is neither a project nor {ALL} nor {NONE}")
    return chosen, other
