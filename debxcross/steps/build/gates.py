# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks every gate about .debs: reads them through the doors, judges with core.gate."""
from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from debxcross.core import gate
from debxcross.core.architecture import Architecture
from debxcross.core.gate import ElfFacts, Verdict
from debxcross.doors import deb, elf
from debxcross.steps.context import Context

_MAGIC = (b"\x7fELF", b"!<arch>\n")


def own_paths(store: Path) -> tuple[str, ...]:
    """Return this machine's paths that must not show in a result, of which the user's home is one."""
    return gate.telling_paths((str(store), f"{store}/work", f"{store}/roots", os.path.expanduser("~")))


def judge_debs(
    paths: Iterable[Path], host: Architecture, source: str, version: str, forbidden: Sequence[str]
) -> Iterator[Verdict]:
    """Yield every verdict on these .debs.

    ``source`` and ``version`` are what they must come from; ``forbidden`` are paths of this
    machine that must not show in any program.
    """
    for path in paths:
        control = deb.read_facts(path).control
        yield from gate.deb_architecture_verdicts(control, host, source, version)
        facts: list[ElfFacts] = []
        leaks: list[str] = []
        for name, content in _programs(path):
            found = elf.read_all(content, name)
            facts.extend(found)
            yield from judge_processor(found, content, name, host)
            if not name.startswith("usr/lib/debug/"):
                leaks.extend(elf.find_strings(content, [text.encode() for text in forbidden]))
        yield from gate.deb_elf_verdicts(control, facts, host)
        yield from gate.leak_verdicts(control["Package"], leaks, forbidden)
        if not control["Package"].endswith("-dbgsym"):
            yield gate.depends_verdict(control, facts)


def judge_processor(found: Sequence[ElfFacts], content: bytes, path: str,
                    host: Architecture) -> tuple[Verdict, ...]:
    """Judge the processor that a file wants, or all objects of an archive together; () for any.

    ``found`` is what the file's ``content`` says of itself.
    """
    wanted = [what for facts in found for what in gate.beyond(facts, host)]
    return (gate.processor_verdict(path, wanted, elf.chooses(content, path), host),) if wanted else ()


def pass_or_raise(context: Context, verdicts: Sequence[Verdict], member: str) -> None:
    """Tell of what is only worth a caution; raise GateError or ArchitectureGateError for what failed."""
    gate.raise_for(verdicts, member)
    if caution := gate.caution(verdicts):
        context.events.tell("note", member, caution)


def _programs(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield path and bytes of the ELF files and archives in a .deb."""
    for member in deb.members(path):
        if member.type != "file" or member.size < 4:
            continue
        if content := member.read_if(_MAGIC):
            yield member.path, content
