# SPDX-License-Identifier: GPL-3.0-or-later
"""The use case that writes a report for Debian about a source of the last run."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from debxcross.app.interrupts import interruptible
from debxcross.app.look import last_run, status
from debxcross.core.build.bugreport import BugReport, is_reportable, kind_of
from debxcross.core.chain.chain import Chain
from debxcross.errors import UsageError
from debxcross.events import Listener
from debxcross.steps.chain.explain import history
from debxcross.steps.context import Context

#: Failures of a source; others are those of a machine, a network or a setting.
_OF_SOURCES = ("gate", "wrong-architecture", "compile", "unsatisfiable")


def report_bug(directory: Path, member: str, store: Path | None, listeners: Sequence[Listener]) -> BugReport:
    """Return what Debian should know of a source of the last run below ``directory``.

    Raises UsageError for a member that is no Debian source, that failed for a reason of this
    machine's, or of which there is nothing to report.
    """
    run = next((one for one in status(directory).members if one.name == member), None)
    error = run.error if run and run.state in ("failed", "excluded") else None
    failure = run.failure_class if run and error else ""
    if error and failure not in _OF_SOURCES:
        raise UsageError(f"{member} failed for a reason that is not its source's: {error.brief}",
                         resolution=error.resolution)
    opening = last_run(directory, member, listeners, store=store, same_indexes=True)
    with interruptible(opening.interrupt):
        context = opening.context()
        prepared = opening.prepared(context)
    if member not in prepared.sources:
        raise UsageError(f"{member} is no Debian source of the last run",
                         resolution=f"Its sources: {', '.join(sorted(prepared.sources)) or 'none'}.")
    work = prepared.sources[member]
    lost = () if error else _accepted(context, prepared.chain, member)
    report = BugReport(
        member, work.source.version, work.source.suite, context.build.name, context.host.name, work.profiles,
        kind_of(failure, lost), error.brief if error else "",
        error.details if error else "", lost, work.patches, work.told)
    if not is_reportable(report):
        raise UsageError(f"there is nothing to report of {member}",
                         "It was built, lost nothing, and needed neither a patch nor an answer.",
                         "'debxcross compare' shows what it was held against.")
    return report


def _accepted(context: Context, chain: Chain, member: str) -> tuple[str, ...]:
    entries = history(context.store, member, chain, context.host.name)
    artifact = context.store.artifact(entries[-1].key) if entries else None
    return tuple(artifact.provenance.get("accepted-losses", ())) if artifact else ()
