# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks: written once a chain is built, moved member by member."""
from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from debxcross.app.opening import Opening
from debxcross.app.request import Request
from debxcross.app.interrupts import interruptible
from debxcross.core.chain.lock import PARTS, Lock, check, to_text
from debxcross.doors import files
from debxcross.errors import UnsupportedError, UsageError
from debxcross.events import Listener
from debxcross.steps.chain import replay
from debxcross.steps.chain.lock import make_lock
from debxcross.steps.chain.plan import raise_for
from debxcross.steps.held import Held


def write_lock(request: Request, path: Path, update: Sequence[str] = (),
               listeners: Sequence[Listener] = ()) -> Lock:
    """Write the lock of a chain to ``path`` and return it.

    ``update`` names members, or the parts of core.lock.PARTS, that move to what the archives
    have now; everything else stays as the lock at ``path`` says.  The file changes by one
    rename.  Raises UsageError for a name that is not there or a chain that is not built,
    LockError for an old lock of another run.
    """
    opening = Opening(request, listeners)
    replay.check_lockable(opening.chain)
    known = (*opening.chain.members, *PARTS)
    if unknown := sorted(set(update) - set(known)):
        raise UsageError(f"the lock has no {', '.join(unknown)}", resolution=f"It has: {', '.join(known)}.")
    if not os.access(path.absolute().parent, os.W_OK):
        raise UsageError(f"the lock {path} cannot be written",
                         resolution="Name a file in a directory that exists and is yours with -o.")
    with interruptible(opening.interrupt):
        lock = _made(opening, path, update)
    files.write(path, to_text(lock))
    return lock


def _made(opening: Opening, path: Path, update: Sequence[str]) -> Lock:
    context = opening.context()
    prepared = opening.prepared(context)
    if update:
        old = replay.read(path)
        check(old, opening.chain, context.build.name, context.host.name, str(path))
        context = replace(context, held=Held(context.host.name, old, frozenset(update)))
        prepared = replay.merged(opening.prepared(context), prepared, update)
    if prepared.chain.added:
        raise UnsupportedError(
            f"the chain {prepared.chain.name} lacks sources that its members need, so it cannot be locked",
            f"For {context.host.name}, which no archive has, these are built too: "
            f"{', '.join(sorted(prepared.chain.added))}.",
            "Name them in [[source]] tables of the chain.")
    raise_for(prepared.problems)
    return make_lock(context, prepared)
