# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to the names that a shell's completion offers: read from files, quickly, and never an error.

Somebody waits for each of these between two keys, so nothing heavy is imported: a chain is
read as TOML only, not judged, and a file that cannot be read has no names.
"""
from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from debxcross.doors import files
from debxcross.errors import DebxcrossError

_PACKAGE = Path(__file__).resolve().parents[1]
_CHAINS = _PACKAGE / "chains"
#: The table of commands that packaging leaves beside the code (manual/__main__.py).
_SHIPPED = _PACKAGE / "completion.json"
#: A chain or a table of commands that is larger than this (bytes) has no names.
_LARGEST = 1 << 22


def chains() -> tuple[str, ...]:
    """Return the names of the chains that ship."""
    return tuple(sorted(path.stem for path in _CHAINS.glob("*.toml")))


def chain_members(chain: str) -> tuple[str, ...]:
    """Return the names of a chain's members, in the file's order; of a chain that ships, or of a file."""
    path = Path(chain) if "/" in chain or chain.endswith(".toml") else _CHAINS / f"{chain}.toml"
    try:
        document = tomllib.loads(files.read(path, _LARGEST).decode())
    except (OSError, ValueError, RecursionError):
        return ()
    security = document.get("security")
    named = security.get("sources") if isinstance(security, dict) else None
    tables = [table for kind in ("source", "wheel") if isinstance(document.get(kind), list)
              for table in document[kind] if isinstance(table, dict)]
    names = [table.get("name") for table in tables] + (named if isinstance(named, list) else [])
    return tuple(name for name in names if isinstance(name, str))


def logs(output: Path) -> tuple[str, ...]:
    """Return the members that have a log below the output directory of a run."""
    return tuple(sorted(path.stem for path in (output / "logs").glob("*.log")))


def snapshots(root: Path) -> tuple[str, ...]:
    """Return the names of a repository's snapshots, the newest first."""
    return tuple(sorted((path.name for path in (root / "snapshots").glob("*Z")), reverse=True))


def commands(stamped: str, cache: Path) -> Mapping[str, Any] | None:
    """Return the table of commands: that of packaging, else the one remembered with this stamp."""
    shipped = _read(_SHIPPED)
    if shipped is not None:
        return shipped
    remembered = _read(cache) or {}
    table = remembered.get("commands")
    return table if remembered.get("stamp") == stamped and isinstance(table, dict) else None


def remember(stamped: str, table: Mapping[str, Any], cache: Path) -> None:
    """Remember the table of commands; where nothing can be written it is made again next time."""
    try:
        files.write(cache, json.dumps({"stamp": stamped, "commands": table}), 0o600, below=cache.parent)
    except (DebxcrossError, OSError):
        pass


def stamp(version: str) -> str:
    """Return what changes whenever a module of the command line does."""
    found = sorted((entry.name, entry.stat().st_mtime_ns, entry.stat().st_size)
                   for entry in os.scandir(_PACKAGE / "cli") if entry.name.endswith(".py"))
    return json.dumps([version, found])


def _read(path: Path) -> dict[str, Any] | None:
    try:
        document = json.loads(files.read(path, _LARGEST))
    except (OSError, ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
