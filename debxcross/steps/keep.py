# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps build roots of failed builds (and those made anew) for ``shell`` to enter."""
from __future__ import annotations

import json
from pathlib import Path

from debxcross.doors.chroot import Session
from debxcross.doors.store import Store
from debxcross.errors import UsageError
from debxcross.steps.context import Context


def _place(store: Store, member: str, architecture: str) -> Path:
    return store.directory / "kept" / f"{member}-{architecture}.root"


def keep(context: Context, session: Session, member: str, directory: str) -> None:
    """Move a session's directory out of the throw-away place; an older one is replaced."""
    place = _place(context.store, member, context.host.name)
    context.chroots.move(session.directory, place)
    place.with_suffix(".json").write_text(json.dumps(
        {"base": str(session.base), "directory": directory, "isolation": context.chroots.isolation}))


def forget(context: Context, member: str) -> None:
    """Drop what is kept of a member: it has been built meanwhile."""
    place = _place(context.store, member, context.host.name)
    if place.exists():
        place.with_suffix(".json").unlink(missing_ok=True)
        context.chroots.remove(place)


def is_kept(store: Store, member: str, architecture: str) -> bool:
    """Tell whether a root of this member is kept."""
    return _place(store, member, architecture).with_suffix(".json").is_file()


def kept(store: Store, member: str, architecture: str) -> tuple[Path, Path, str, str]:
    """Return a kept root's directory, its base root, the build directory in it and the isolation.

    Raises UsageError when there is none.
    """
    place = _place(store, member, architecture)
    try:
        value = json.loads(place.with_suffix(".json").read_text())
    except FileNotFoundError:
        others = sorted(path.stem for path in (store.directory / "kept").glob("*.json"))
        raise UsageError(
            f"no build root of {member} for {architecture} is kept",
            resolution=f"Kept are: {', '.join(others) or 'none'}.") from None
    return place, Path(value["base"]), value["directory"], value["isolation"]
