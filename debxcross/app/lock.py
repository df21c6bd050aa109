# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks: written once a chain is built, moved member by member."""
from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from debxcross.app.build import Application, Request
from debxcross.app.interrupts import interruptible
from debxcross.core.chain.lock import PARTS, Lock, check, to_text
from debxcross.doors import files
from debxcross.errors import UsageError
from debxcross.events import Listener
from debxcross.steps.chain import lock as locking, prepare as preparing


def write_lock(request: Request, path: Path, update: Sequence[str] = (),
               listeners: Sequence[Listener] = ()) -> Lock:
    """Write the lock of a chain to ``path`` and return it.

    ``update`` names members, or the parts of core.lock.PARTS, that move to what the archives
    have now; everything else stays as the lock at ``path`` says.  The file changes by one
    rename.  Raises UsageError for a name that is not there or a chain that is not built,
    LockError for an old lock of another run.
    """
    application = Application(request, listeners)
    locking.check_lockable(application.chain)
    known = (*application.chain.members, *PARTS)
    if unknown := sorted(set(update) - set(known)):
        raise UsageError(f"the lock has no {', '.join(unknown)}", resolution=f"It has: {', '.join(known)}.")
    if not os.access(path.absolute().parent, os.W_OK):
        raise UsageError(f"the lock {path} cannot be written",
                         resolution="Name a file in a directory that exists and is yours with -o.")
    with interruptible(application.interrupt):
        lock = _made(application, path, update)
    files.write(path, to_text(lock))
    return lock


def _made(application: Application, path: Path, update: Sequence[str]) -> Lock:
    context = application.context()
    prepared = application.prepared(context)
    if update:
        old = locking.read(path)
        check(old, application.chain, context.build.name, context.host.name, str(path))
        context = replace(context, lock=old, unlocked=frozenset(update))
        prepared = locking.merged(application.prepared(context), prepared, update)
    preparing.raise_for(prepared.problems)
    return locking.make_lock(context, prepared, application.index(context))
