# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps build roots of failed builds (and those made anew) for ``shell`` to enter."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from debxcross.core.border import is_line
from debxcross.doors.chroot import Chroots, Session
from debxcross.doors.roots import layers_in
from debxcross.doors.store import Store
from debxcross.errors import UsageError
from debxcross.steps.context import Context


def _name(member: str, architecture: str) -> str:
    return f"{member}-{architecture}"


def keep(context: Context, session: Session, member: str, directory: str, *, failed: bool = False) -> None:
    """Move a session's directory out of the throw-away place; an older one is replaced.

    ``failed`` roots are as a failed build left them; the others were made for ``shell``.
    """
    kept_roots, name = context.store.kept, _name(member, context.host.name)
    kept_roots.drop_note(name)
    context.chroots.move(session.directory, kept_roots.place(name))
    kept_roots.write_note(name, {
        "base": str(session.base), "layers": [str(one) for one in session.layers], "directory": directory, "isolation": context.chroots.isolation,
        "failed": failed})


def forget(context: Context, member: str, *, built: bool) -> None:
    """Drop what is kept of a member that has a result now; nothing where nothing is kept.

    A root that ``shell`` made stands until the member is ``built`` anew.
    """
    name = _name(member, context.host.name)
    note = _note(context.store, name)
    if note is None or built or note.get("failed", True):
        context.store.kept.drop(name, context.chroots.remove)


def is_kept(store: Store, member: str, architecture: str) -> bool:
    """Tell whether a root of this member is kept."""
    return _note(store, _name(member, architecture)) is not None


def _note(store: Store, name: str) -> Mapping[str, Any] | None:
    """Return what is noted of a kept root; a note that lacks something counts as none."""
    note = store.kept.note(name)
    if note is None or not all(is_line(note.get(key)) for key in ("base", "directory", "isolation")):
        return None
    # Files of other owners, by an older version or before the ids changed, cannot be entered.
    chroots = Chroots(str(note["isolation"]))
    return note if all(chroots.owns(one) for one in (Path(note["base"]), *layers_in(note))) else None


@dataclass(frozen=True)
class KeptRoot:
    """A root that is kept: where it is, what it stands on, the build directory in it, its isolation."""

    place: Path
    base: Path
    layers: tuple[Path, ...]
    directory: str
    isolation: str


def kept(store: Store, member: str, architecture: str) -> KeptRoot:
    """Return a member's kept root.

    Raises UsageError when there is none.
    """
    name = _name(member, architecture)
    note = _note(store, name)
    if note is None:
        others = [other for other in store.kept.names() if _note(store, other) is not None]
        raise UsageError(
            f"no build root of {member} for {architecture} is kept",
            resolution=f"Kept are: {', '.join(others) or 'none'}.")
    return KeptRoot(store.kept.place(name), Path(note["base"]), layers_in(note), note["directory"],
                    note["isolation"])
