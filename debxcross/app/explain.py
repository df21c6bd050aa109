# SPDX-License-Identifier: GPL-3.0-or-later
"""The use cases that ask about a member of the last run: why is it rebuilt, is it reproducible?"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from debxcross.app.build import Application, remembered_request
from debxcross.app.interrupts import interruptible
from debxcross.app.look import status
from debxcross.core.chain.history import Explanation
from debxcross.errors import GateError, InterruptedRunError, UsageError
from debxcross.events import Listener
from debxcross.run.status import read_events
from debxcross.steps.chain.explain import explain
from debxcross.steps.chain.reproduce import Reproduction, reproduce


def explain_member(directory: Path, member: str, store: Path | None,
                   listeners: Sequence[Listener]) -> Explanation:
    """Return why a member of the last run below ``directory`` stands as it stands."""
    application = _last_run(directory, member, store, listeners)
    with interruptible(application.interrupt):
        context = application.context()
        return explain(context, application.prepared(context), member)


def reproduce_member(directory: Path, member: str, store: Path | None, output: Path | None,
                     jobs: int | None, listeners: Sequence[Listener]) -> Reproduction:
    """Build a member of the last run again and compare.  Raises GateError when bytes differ."""
    application = _last_run(directory, member, store, listeners, jobs)
    place = (output or directory / "reproduce" / member).absolute()
    try:
        with interruptible(application.interrupt):
            context = application.context()
            found = reproduce(
                context, application.prepared(context), member, application.index(context), place)
    except KeyboardInterrupt:
        raise InterruptedRunError(
            "interrupted", "The second build has been ended; the first result stands.",
            "Run the same command again.") from None
    if not found.identical:
        more = "" if found.report else " With the Debian package diffoscope installed, it is shown in detail."
        raise GateError(f"{member} has other bytes when it is built again",
                        f"{found.to_text()}\n{found.report}".rstrip(), f"Both builds are in {place}.{more}")
    return found


def _last_run(directory: Path, member: str, store: Path | None, listeners: Sequence[Listener],
              jobs: int | None = None) -> Application:
    """Open the last run below a directory again.  Raises UsageError when it has no such member."""
    status(directory)
    log = directory / "logs" / "events.jsonl"
    request = remembered_request(read_events(log.read_text(errors="replace"))[0].data["request"])
    application = Application(replace(request, store=store or request.store, jobs=jobs), listeners)
    if member not in application.chain.members:
        raise UsageError(f"the last run has no member {member!r}", "",
                         f"Its members: {', '.join(application.chain.members)}.")
    return application
