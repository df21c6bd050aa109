# SPDX-License-Identifier: GPL-3.0-or-later
"""What two builds of a package differ in: each difference of one of four kinds."""
from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

LOST, GAINED, UNEXPLAINED, TOOLCHAIN = "lost", "gained", "unexplained", "other-toolchain"
#: The kinds, the worst first.
KINDS = (LOST, UNEXPLAINED, GAINED, TOOLCHAIN)
#: What ``--fail-on`` takes beside the kinds: a package with nothing to compare it with.
UNCOMPARED = "uncompared"


@dataclass(frozen=True)
class Difference:
    """One difference of a package from the one it is held against.

    ``what`` is what differs: "package", "file", "mode", "owner", "link", "content", "field",
    "relation", "script", "conffile", "trigger", "shlibs", "symbols", "needed", "soname", "export",
    "import", "hardening", "code" or "damage".  ``where`` is the file's path with leading slash, or
    the control field or file; ``name`` is what is lost or gained in it, such as a symbol;
    ``accepted`` is the reason why somebody accepts it.
    """

    kind: str
    package: str
    what: str
    where: str
    name: str
    before: str
    after: str
    sentence: str
    accepted: str = ""

    @property
    def subject(self) -> str:
        """What accepts it when it is lost (core.build.losses): ``where``, and ``name`` if there is one."""
        return f"{self.where} {self.name}".strip()


@dataclass(frozen=True)
class Code:
    """How many ELF files (archives of objects too) were compared, and how many are the same.

    ``same_text`` counts those whose machine code is identical, ``same_bits`` those identical whole.
    """

    files: int = 0
    same_text: int = 0
    same_bits: int = 0


@dataclass(frozen=True)
class Comparison:
    """A package held against another; ``against`` says which, "" when there was none.

    ``how`` is one of core.build.natives' ways; ``notes`` say what was not compared and why;
    ``damage`` is why a .deb could not be read.
    """

    package: str
    version: str
    architecture: str
    against: str = ""
    how: str = ""
    differences: tuple[Difference, ...] = ()
    code: Code = Code()
    notes: tuple[str, ...] = ()
    damage: str = ""

    @property
    def counts(self) -> dict[str, int]:
        """How many differences of each kind nobody accepts, the worst kind first."""
        found = Counter(one.kind for one in self.differences if not one.accepted)
        return {kind: found[kind] for kind in KINDS}

    def fails_on(self, kinds: Iterable[str]) -> bool:
        """Tell whether this is a failure for somebody who does not bear these kinds; damage always is."""
        wanted = set(kinds)
        return bool(self.damage or any(one.kind in wanted for one in self.differences if not one.accepted)
                    or UNCOMPARED in wanted and not self.against)

    def data(self) -> dict[str, Any]:
        """Return everything as JSON's values."""
        return {
            "package": self.package, "version": self.version, "architecture": self.architecture,
            "against": self.against, "how": self.how, "counts": self.counts, "damage": self.damage,
            "notes": list(self.notes),
            "code": {"files": self.code.files, "same_text": self.code.same_text,
                     "same_bits": self.code.same_bits},
            "differences": [{
                "kind": one.kind, "what": one.what, "where": one.where, "name": one.name,
                "before": one.before, "after": one.after, "sentence": one.sentence,
                "accepted": one.accepted,
            } for one in self.differences]}


def worst_first(comparisons: Iterable[Comparison]) -> tuple[Comparison, ...]:
    """Sort comparisons: the damaged, then by what they lost, by what is unexplained, and so on."""
    return tuple(sorted(comparisons, key=lambda one: (
        not one.damage, *(-count for count in one.counts.values()), one.package, one.architecture)))


def sorted_differences(differences: Iterable[Difference]) -> tuple[Difference, ...]:
    """Sort differences: the worst kind first, then by place and name."""
    return tuple(sorted(differences, key=lambda one: (KINDS.index(one.kind), one.where, one.what, one.name)))
