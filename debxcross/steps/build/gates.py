# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks every gate about .debs: reads them through the doors, judges with core.gate."""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from debxcross.core import gate
from debxcross.core.architecture import Architecture
from debxcross.core.gate import ElfFacts, Verdict
from debxcross.doors import deb, elf

_MAGIC = (b"\x7fELF", b"!<arch>\n")


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
        facts, leaks = _programs(path, forbidden)
        yield from gate.deb_elf_verdicts(control, facts, host)
        yield from gate.leak_verdicts(control["Package"], leaks, forbidden)
        if not control["Package"].endswith("-dbgsym"):
            yield gate.depends_verdict(control, facts)


def _programs(path: Path, forbidden: Sequence[str]) -> tuple[list[ElfFacts], list[str]]:
    facts: list[ElfFacts] = []
    leaks: list[str] = []
    needles = [text.encode() for text in forbidden]
    for member in deb.members(path):
        if member.type != "file" or member.size < 4:
            continue
        content = member.read()
        if not content.startswith(_MAGIC):
            continue
        facts.extend(elf.read_all(content, member.path))
        if not member.path.startswith("usr/lib/debug/"):
            leaks.extend(elf.find_strings(content, needles))
    return facts, leaks
