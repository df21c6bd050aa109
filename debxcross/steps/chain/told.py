# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells what the report of a run shows beside what happened: notes, changed inputs, gates, the repository."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from debxcross.core.artifact import Artifact, StoredFile
from debxcross.core.chain.history import Change
from debxcross.core.key import digest
from debxcross.steps.context import Context

#: So many changed inputs of a member are told; `explain` has them all.
_MOST_CHANGES = 40


def tell_notes(context: Context, notes: Sequence[str]) -> None:
    """Tell the notes of the plan; those that a run into this directory has told before are marked.

    They are in the report and in 'plan' all the same.
    """
    for note in notes:
        question = digest({"note": note, "place": str(context.logs)})
        if context.store.memo("note", question) is not None:
            context.events.tell("note", text=note, said=True)
        else:
            context.events.tell("note", text=note)
            context.store.remember("note", question, note)


def tell_changes(context: Context, member: str, changes: Sequence[Change]) -> None:
    """Tell what of a member's inputs changed since its last result."""
    if changes:
        context.events.tell("changes", member, changes=[asdict(one) for one in changes[:_MOST_CHANGES]])


def tell_gates(context: Context, artifact: Artifact) -> None:
    """Tell what the gates found when a result was made, in this run or an earlier one."""
    provenance = artifact.provenance
    told = {word: provenance[word] for word in ("checks", "compared") if word in provenance}
    if told:
        context.events.tell("gates", artifact.member, **told, accepted=provenance.get("accepted-losses", ()))


def tell_repository(context: Context, step: str, published: Mapping[str, Any],
                    beside: Sequence[StoredFile]) -> None:
    """Tell what is published, where; ``beside`` are files that no member made."""
    told = {word: published.get(word, "") for word in ("repository", "url", "fingerprint")}
    context.events.tell(
        "repository", step, **told, device=list(published.get("device", ())),
        beside=[asdict(file) for file in beside],
        # File names have no epochs.
        versions={sha256: version for sha256, version in published.get("versions", {}).items()
                  if ":" in version})
