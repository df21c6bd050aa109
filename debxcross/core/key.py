# SPDX-License-Identifier: GPL-3.0-or-later
"""Identities: the digest of everything that can change the bytes, and of nothing else."""
from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any


def plain(value: Any) -> Any:
    """Turn frozen dataclasses, tuples and mappings into JSON's types, keys sorted."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return plain(fields)
    if isinstance(value, Mapping):
        return {str(name): plain(value[name]) for name in sorted(value, key=str)}
    if isinstance(value, (set, frozenset)):
        return sorted((plain(item) for item in value), key=repr)
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, (str, int, bool)):
        return value
    raise TypeError(f"{type(value).__name__} has no canonical form")


def canonical(value: Any) -> bytes:
    """Return the one byte string that stands for a value (JSON, sorted keys, no white space)."""
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":")).encode()


def digest(value: Any) -> str:
    """Return the sha256 (64 hex digits) of a value's canonical form."""
    return hashlib.sha256(canonical(value)).hexdigest()
