# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the tables of a chain file and remembers everything that is wrong, each with its key."""
from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from typing import Any

from debxcross.core.border import is_line

#: So many faults of one kind are told; a guess at what was meant takes time.
_MOST_TOLD = 20


class Faults:
    """Reads values out of TOML tables and remembers every fault with its key."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def add(self, key: str, text: str) -> None:
        self.said.append(f"{key}: {text}")

    def known(self, table: Mapping[str, Any], keys: tuple[str, ...], where: str) -> None:
        unknown = [key for key in table if key not in keys]
        for key in unknown[:_MOST_TOLD]:
            near = difflib.get_close_matches(key[:80], keys, n=1)
            guess = f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(keys)}"
            self.add(f"{where}{key}", f"unknown key{guess}")
        if more := unknown[_MOST_TOLD:]:
            self.add(where.rstrip(".") or "the file", f"{len(more)} more unknown keys")

    def text(
        self, table: Mapping[str, Any], key: str, where: str, *, needed: bool = False,
        pattern: re.Pattern[str] | None = None, rule: Callable[[object], bool] = is_line,
    ) -> str:
        if key not in table:
            if needed:
                self.add(f"{where}{key}", "missing")
            return ""
        value: object = table[key]
        if not isinstance(value, str):
            self.add(f"{where}{key}", f"must be a string, not {value!r}")
            return ""
        if needed and not value:
            self.add(f"{where}{key}", "must not be empty")
        elif value and not (pattern.match(value) if pattern else rule(value)):
            self.add(f"{where}{key}", f"{value!r} is not valid here")
        return value

    def texts(self, table: Mapping[str, Any], key: str, where: str, default: tuple[str, ...] = (),
              pattern: re.Pattern[str] | None = None, rule: Callable[[object], bool] = is_line,
              fault: str = "is not valid here") -> tuple[str, ...]:
        """Return a list of texts.  They become words and lines of commands and configuration files."""
        value = table.get(key, default)
        if not isinstance(value, (list, tuple)) or not all(isinstance(one, str) for one in value):
            self.add(f"{where}{key}", f"must be a list of strings, not {value!r}")
            return default
        for one in value:
            if not (pattern.match(one) if pattern else rule(one)):
                self.add(f"{where}{key}", f"{one!r} {fault}")
        return tuple(value)

    def number(self, table: Mapping[str, Any], key: str, where: str) -> int:
        value = table.get(key, 0)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            self.add(f"{where}{key}", f"must be a whole number, 0 or more, not {value!r}")
            return 0
        return value

    def flag(self, table: Mapping[str, Any], key: str, where: str) -> bool:
        value = table.get(key, False)
        if not isinstance(value, bool):
            self.add(f"{where}{key}", f"must be true or false, not {value!r}")
            return False
        return value

    def tables(self, table: Mapping[str, Any], key: str) -> list[tuple[str, Mapping[str, Any]]]:
        value = table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            self.add(key, f"must be an array of tables: [[{key}]]")
            return []
        return [(f"{key}[{one.get('name', number + 1)}].", one) for number, one in enumerate(value)]

    def one(self, table: Mapping[str, Any], key: str) -> Mapping[str, Any]:
        value = table.get(key, {})
        if not isinstance(value, dict):
            self.add(key, f"must be a table: [{key}]")
            return {}
        return value
