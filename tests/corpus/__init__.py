# SPDX-License-Identifier: GPL-3.0-or-later
"""Inputs nobody should write, each fed through the real command or step, with what it gets.

An input is data: what kind it is of, what is wrong with it, and its bytes (or files, or what makes
them).  ``feeds.py`` says for each kind which command reads it, ``expected.toml`` what each gets (exit
status and words), ``tests/integration/test_hostile_corpus.py`` feeds them all, and docs/hostile-corpus.md
is the table of all.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Bytes of the one file, files by name, or what makes them below a directory.
Content = bytes | Mapping[str, bytes] | Callable[[Path], Any]


@dataclass(frozen=True)
class Hostile:
    """One hostile input.

    In ``content``, @OUTSIDE@ stands for a directory in which nothing may be read or written.
    """

    kind: str
    wrong: str
    content: Content

    @property
    def name(self) -> str:
        """What tests call it."""
        return f"{self.kind}: {self.wrong}"
