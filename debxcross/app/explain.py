# SPDX-License-Identifier: GPL-3.0-or-later
"""The use cases that ask about a member of the last run: why is it rebuilt, is it reproducible?"""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from debxcross.app.interrupts import interruptible
from debxcross.app.look import last_run
from debxcross.core.chain.history import Explanation
from debxcross.errors import GateError, InterruptedRunError
from debxcross.events import Listener
from debxcross.steps.chain.explain import explain
from debxcross.steps.chain.reproduce import Reproduction, reproduce


def explain_member(directory: Path, member: str, store: Path | None,
                   listeners: Sequence[Listener]) -> Explanation:
    """Return why a member of the last run below ``directory`` stands as it stands."""
    opening = last_run(directory, member, listeners, store=store)
    with interruptible(opening.interrupt):
        context = opening.context()
        return explain(context, opening.prepared(context), member)


def reproduce_member(directory: Path, member: str, store: Path | None, output: Path | None,
                     jobs: int | None, listeners: Sequence[Listener]) -> Reproduction:
    """Build a member of the last run again and compare.  Raises GateError when bytes differ."""
    opening = last_run(directory, member, listeners, store=store, jobs=jobs)
    place = (output or directory / "reproduce" / member).absolute()
    try:
        with interruptible(opening.interrupt):
            context = opening.context()
            found = reproduce(context, opening.prepared(context), member, place)
    except KeyboardInterrupt:
        raise InterruptedRunError(
            "interrupted", "The second build has been ended; the first result stands.",
            "Run the same command again.") from None
    if not found.identical:
        more = "" if found.report else " With the Debian package diffoscope installed, it is shown in detail."
        raise GateError(f"{member} has other bytes when it is built again",
                        f"{found.to_text()}\n{found.report}".rstrip(), f"Both builds are in {place}.{more}")
    return found
