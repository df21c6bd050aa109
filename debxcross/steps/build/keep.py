# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps build roots of failed builds (and those made anew) for ``shell`` to enter."""
from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from debxcross.doors.chroot import Session
from debxcross.doors.store import Store
from debxcross.errors import UsageError
from debxcross.steps.context import Context


def _place(store: Store, member: str, architecture: str) -> Path:
    return store.directory / "kept" / f"{member}-{architecture}.root"


def keep(context: Context, session: Session, member: str, directory: str, *, failed: bool = False) -> None:
    """Move a session's directory out of the throw-away place; an older one is replaced.

    ``failed`` roots are as a failed build left them; the others were made for ``shell``.
    """
    place = _place(context.store, member, context.host.name)
    note = place.with_suffix(".json")
    note.unlink(missing_ok=True)
    context.chroots.move(session.directory, place)
    context.store.write(f"kept/{note.name}", json.dumps(
        {"base": str(session.base), "directory": directory, "isolation": context.chroots.isolation,
         "failed": failed}).encode())


def forget(context: Context, member: str, *, built: bool) -> None:
    """Drop what is kept of a member that has a result now; nothing where nothing is kept.

    A root that ``shell`` made stands until the member is ``built`` anew.
    """
    place = _place(context.store, member, context.host.name)
    note = _note(place)
    if note is not None and not (built or note.get("failed", True)):
        return
    place.with_suffix(".json").unlink(missing_ok=True)
    if place.exists():
        context.chroots.remove(place)


def is_kept(store: Store, member: str, architecture: str) -> bool:
    """Tell whether a root of this member is kept."""
    return _note(_place(store, member, architecture)) is not None


def _note(place: Path) -> Mapping[str, Any] | None:
    """Return what is noted of a kept root; a note that cannot be read counts as none."""
    try:
        value = json.loads(place.with_suffix(".json").read_bytes())
    except (OSError, ValueError):
        return None
    complete = isinstance(value, dict) and {"base", "directory", "isolation"} <= value.keys()
    return value if complete else None


def kept(store: Store, member: str, architecture: str) -> tuple[Path, Path, str, str]:
    """Return a kept root's directory, its base root, the build directory in it and the isolation.

    Raises UsageError when there is none.
    """
    place = _place(store, member, architecture)
    value = _note(place)
    if value is None:
        notes = sorted((store.directory / "kept").glob("*.json"))
        others = [path.stem for path in notes if _note(path.with_suffix(".root")) is not None]
        raise UsageError(
            f"no build root of {member} for {architecture} is kept",
            resolution=f"Kept are: {', '.join(others) or 'none'}.")
    return place, Path(value["base"]), value["directory"], value["isolation"]
