# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds: from a request to a plan, and from the plan to a published repository."""
from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from debxcross.app.eventlog import event_log
from debxcross.app.interrupts import interruptible
from debxcross.app.opening import Opening
from debxcross.app.report import PAGE, write_report
from debxcross.app.request import Request, absolute, to_json
from debxcross.core.chain import order
from debxcross.core.chain.plan import Plan
from debxcross.doors import files
from debxcross.errors import (
    ChainFailedError, DebxcrossError, DiskFullError, InterruptedRunError, UnreachableError, UsageError,
)
from debxcross.events import Listener, data_of
from debxcross.run.schedule import DONE, Node, run_graph
from debxcross.steps.archive import security
from debxcross.steps.chain.plan import known_results, make_plan
from debxcross.steps.chain.prepare import ensure_base, promised_base, turn_of
from debxcross.steps.chain.publication import PublicationSettings
from debxcross.steps.chain.run import REPOSITORY, Run, RunSettings
from debxcross.steps.disk import room_needed

#: More members than this at a time only fight for the disk.
_MOST_AT_ONCE = 4


def plan(request: Request, listeners: Sequence[Listener] = ()) -> tuple[Plan, tuple[DebxcrossError, ...]]:
    """Return the plan of a request, and what cannot work."""
    opening = Opening(request, listeners)
    with interruptible(opening.interrupt):
        context = opening.context()
        opening.clean(context)
        prepared = opening.prepared(context)
        judged = make_plan(context, prepared, request.rebuild, keep_going=request.keep_going)
        # A run can do without the dates, for which sources are fetched that nobody builds.
        found = replace(judged.plan, security=security.dated(context, prepared.updates))
        return found, (*judged.problems, *judged.left_out.values())


def open_root(opening: Opening, member: str) -> None:
    """Make a finished member's build root anew and keep it.  Raises UsageError for a wheel."""
    context = opening.context()
    prepared = opening.prepared(context)
    prepared.work_of(member)
    base = promised_base(context, prepared)
    results = known_results(context, prepared, base) if base else {}
    turn = turn_of(context, prepared, member, base, results)
    if turn is None:
        raise UsageError(f"the build root of {member} cannot be made: what it needs is not built",
                         resolution="Run the chain first.")
    made, _ = ensure_base(context, prepared, member)
    security.fetch_beside(context, prepared.updates, member, order.behind(member, prepared.needs))
    replace(turn, base=made).open()


class Build:
    """A run of a request, recorded in its output directory."""

    def __init__(self, request: Request, listeners: Sequence[Listener] = ()) -> None:
        self.opening = Opening(request, listeners)
        self.request, self.chain, self.events = request, self.opening.chain, self.opening.events
        #: What a run that left something out ends with, although there are results.
        self.partial: ChainFailedError | None = None
        #: Errors of members, which the schedule has told already.
        self._told: list[DebxcrossError] = []

    def run(self) -> Mapping[str, Any]:
        """Build everything, publish, try; return the summary (also in DIR/summary.json).

        With ``keep_going`` what can be built is; ``partial`` says afterwards what is missing.
        Every error that leaves here has been told as an event, with what to do next.
        """
        started = time.time()
        try:
            with event_log(self.request.directory) as write:
                self.events.listen(write)
                try:
                    return self._recorded_run(started)
                finally:
                    self._report()
        except DebxcrossError as error:
            if error not in self._told:
                # There is nothing to write it to, but somebody listens.
                self.events.tell("error", **data_of(error))
            raise

    def _recorded_run(self, started: float) -> Mapping[str, Any]:
        request = self.request
        self.events.tell(
            "run-started", text=self.chain.name, chain=self.chain.name, architecture=self.opening.host.name,
            release=self.chain.release, pid=os.getpid(),
            members=list(Run.rows(self.chain, request.trial)),
            request=to_json(replace(
                request, output=request.directory, store=self.opening.store.directory,
                targets=tuple(map(absolute, request.targets)),
                patches=tuple(path.absolute() for path in request.patches),
                answers_from=tuple(path.absolute() for path in request.answers_from),
                locked=request.locked.absolute() if request.locked else None,
                chain=self._chain_argument())))
        try:
            try:
                with room_needed(request.directory), interruptible(self.opening.interrupt):
                    summary = self._run()
                    summary["seconds"] = round(time.time() - started, 1)
                    summary["report"] = str(request.directory / PAGE)
                    files.write(request.directory / "summary.json", json.dumps(summary, indent=2) + "\n")
            except KeyboardInterrupt:
                self.opening.interrupt()
                raise InterruptedRunError("interrupted") from None
        except InterruptedRunError:
            error = InterruptedRunError(
                "interrupted", "Everything that ran has been ended; nothing half-done is visible.",
                "Run the same command again: what is finished is kept.")
            self._failed(error, started)
            raise error from None
        except DebxcrossError as error:
            self._failed(error, started)
            raise
        if self.partial is not None:
            self._failed(self.partial, started)
        else:
            self._ended(None, started)
        return summary

    def _report(self) -> None:
        """Write the report of a run, however it ended; that there is none is told, and no more."""
        try:
            write_report(self.request.directory)
        except DebxcrossError as error:
            self.events.tell("warning", text=f"there is no report of this run: {error.brief}")

    def _failed(self, error: DebxcrossError, started: float) -> None:
        if error not in self._told:
            self._told = [*self._told, error]
            self.events.tell("error", **data_of(error))
        self._ended(error, started)

    def _chain_argument(self) -> str:
        """Return --chain so that it means the same from another directory."""
        name = self.request.chain
        return str(Path(name).absolute()) if "/" in name or name.endswith(".toml") else name

    def _ended(self, error: DebxcrossError | None, started: float) -> None:
        seconds = round(time.time() - started, 2)
        status = error.exit_status if error else 0
        self.events.tell("run-ended", ok=error is None, seconds=seconds, exit_status=status)

    def _run(self) -> dict[str, Any]:
        opening, configuration = self.opening, self.opening.configuration
        context = opening.context()
        opening.clean(context)
        run = Run(context, opening.prepared(context), RunSettings(
            PublicationSettings(
                self.request.directory, configuration.keys, configuration.repository_origin,
                configuration.repository_label, configuration.repository_url),
            self.request.rebuild, self.request.trial, self.request.keep_going, self.request.test))
        run.start()
        self._told = list(run.left_out.values())
        waits = run.waits()
        outcomes = run_graph(
            [Node(name, needs, waits.get(name, ())) for name, needs in run.needs().items()], run.work,
            workers=max(1, min(_MOST_AT_ONCE, context.jobs)), keep_going=self.request.keep_going,
            events=self.events, stopping=lambda: opening.stopping, interrupt=opening.interrupt)
        failed = {name: one.error for name, one in outcomes.items() if one.error}
        missing = {**run.left_out, **failed}
        self._told += failed.values()
        published = REPOSITORY in outcomes and outcomes[REPOSITORY].state in DONE
        if missing and not (published and self.request.keep_going):
            raise _one_of(list(missing.values()))
        summary = run.summary({name: (one.state, one.seconds) for name, one in outcomes.items()}, failed)
        summary["warnings"] = list(context.supply.cautions)
        if missing or summary["left_out"]:
            self.partial = ChainFailedError(
                f"{len(failed)} failed, {len(summary['left_out'])} left out; everything else is published",
                "\n".join((*(f"{name} failed: {error.brief}" for name, error in failed.items()),
                           *(f"{one['name']} left out: {one['reason']}" for one in summary["left_out"]))),
                "Each is told above; 'debxcross log MEMBER' shows the log of one.")
        return summary


def _one_of(errors: Sequence[DebxcrossError]) -> DebxcrossError:
    """Return the error for a run that made nothing of what was asked."""
    # One disk that is full, or one network that is gone, is one cause, however many members met it.
    if len(errors) == 1 or any(all(isinstance(error, kind) for error in errors)
                               for kind in (DiskFullError, UnreachableError)):
        return errors[0]
    return ChainFailedError(
        f"{len(errors)} members failed", "\n".join(error.brief for error in errors),
        "Each is told above; 'debxcross status' shows them all, 'debxcross log MEMBER' one.")
