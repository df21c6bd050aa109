# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate of losses: what a member lost against its reference, what is accepted, which line decided.

A build ends with status 0 when its configure finds a library no longer; only the packages tell.
"""
from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from debxcross.core.build.comparisontext import described, grouped, sentences
from debxcross.core.build.differences import LOST, Comparison, Difference
from debxcross.core.gate import Verdict
from debxcross.errors import GateError

GATE = "losses"
#: What the verdict on a package that lost nothing expects.
_NOTHING = "nothing lost"
#: Longer lines of a log are commands of a compiler, not answers.
_LONGEST_LINE = 400
#: Answers of configure (also in config.log and its cache), Meson, CMake and pkg-config; WORD stands for what
#: was looked for, PART for the beginning of a word.
_DECISIVE = (
    r"checking (for|whether|if) .*WORD.*(\.\.\.|:) ?(\(cached\) )?(no\b|not found|cross|guessing no|assuming no)",
    r"\w*_cv_\w*WORD\w*=.?no\b", r"WORD.*found: no\b", r"could not find .*WORD", r"looking for .*WORD.* - not found",
    r"performing test \S*WORD\S* - failed", r"no package '\S*WORD\S*' found",
    r"package \S*WORD\S* was not found", r"WORD\S*( is)? not found", r"cannot find -lWORD\b",
    r"\bno-PART\w*\b.*\[", r"WORD.*(skipped|disabled|not available|cross.?compil)")
_DENIAL = re.compile(r"\bno\b|not found|could not find|cannot find|failed|cross|disabled|skipped|not available",
                     re.IGNORECASE)
_CHECKING = re.compile(r"configure:\d+: checking ", re.IGNORECASE)
_RESULT = re.compile(r"configure:\d+: result: (?P<answer>.*)")
_NEGATIVE = re.compile(r"(no|guessing no|assuming no|not found|cross.*)\Z", re.IGNORECASE)


@dataclass(frozen=True)
class AcceptedLoss:
    """A loss that somebody accepts: a shell pattern, and the reason.

    The pattern is one of a place ("/usr/share/zsh/*", or the name of a package), or, after a
    space, one of what is lost in it ("/usr/sbin/chronyd libnettle.so.8", "Depends libreadline8"):
    who accepts that a file is gone does not accept what another one has lost.
    """

    pattern: str
    reason: str

    def accepts(self, difference: Difference) -> bool:
        """Tell whether a lost thing is what is meant."""
        place, _, name = self.pattern.partition(" ")
        return (bool(name) == bool(difference.name) and fnmatch.fnmatchcase(difference.where, place)
                and fnmatch.fnmatchcase(difference.name, name))


def parse_accepted(text: str) -> AcceptedLoss | None:
    """Read "PATTERN: reason"; None when one of the two is missing."""
    pattern, separator, reason = text.partition(": ")
    if not separator or not pattern.strip() or not reason.strip():
        return None
    return AcceptedLoss(pattern.strip(), reason.strip())


@dataclass(frozen=True)
class LogLine:
    """A line of a log: the log's name, the line's number from 1, its text."""

    log: str
    number: int
    text: str

    def __str__(self) -> str:
        return f"{self.log}:{self.number}: {self.text}"


def accept(comparison: Comparison, rules: Sequence[AcceptedLoss]) -> Comparison:
    """Return a comparison in which the losses that a rule accepts carry its reason."""
    def judged(one: Difference) -> Difference:
        rule = next((rule for rule in rules if one.kind == LOST and rule.accepts(one)), None)
        return replace(one, accepted=rule.reason) if rule else one
    return replace(comparison, differences=tuple(map(judged, comparison.differences)))


def losses(comparisons: Iterable[Comparison]) -> tuple[Difference, ...]:
    """Return everything that packages have lost, in their order, what is accepted too."""
    return tuple(one for comparison in comparisons for one in comparison.differences if one.kind == LOST)


def loss_verdicts(comparisons: Sequence[Comparison]) -> tuple[Verdict, ...]:
    """Judge what was lost: one verdict for each loss, or one for a package that lost nothing.

    A loss that is accepted is ok, and its ``found`` has the reason; so is a package that there is
    nothing to compare with, and says so.
    """
    verdicts = []
    for comparison in comparisons:
        lost = losses((comparison,))
        if not lost:
            found = (f"compared with {comparison.against}: nothing is lost" if comparison.against
                     else f"not compared: {'; '.join(comparison.notes)}")
            verdicts.append(Verdict(GATE, not comparison.damage, comparison.package, _NOTHING,
                                    comparison.damage or found))
        verdicts += [Verdict(GATE, bool(one.accepted), one.package, one.subject, described(one))
                     for one in lost]
    return tuple(verdicts)


def compared_packages(verdicts: Sequence[Verdict]) -> list[dict[str, str]]:
    """Return of each package that lost nothing what it was held against, or why against none."""
    return [{"subject": one.subject, "found": one.found} for one in verdicts if one.expected == _NOTHING]


def raise_for_losses(member: str, comparisons: Sequence[Comparison], logs: Mapping[str, str]) -> None:
    """Raise GateError when a member lost what nobody accepts, with the lines of ``logs`` that decided.

    ``logs`` are texts of configure's, CMake's and Meson's logs and of the build's own, by name.
    """
    lost = [one for one in losses(comparisons) if not one.accepted]
    if not lost:
        return
    lines: list[str] = []
    told: set[LogLine] = set()
    denials = answers(logs)
    for group in grouped(lost):
        lines += [f"{group[0].package}: {text}" for text in sentences(group)]
        decided = dict.fromkeys(line for one in group for line in deciding_lines(one, denials) if line not in told)
        lines += [f"    {line}" for line in list(decided)[:3]]
        told.update(decided)
    count = len(lost)
    raise GateError(
        f"{member} was built, but has lost {count} thing{'s' if count > 1 else ''} that Debian's own package has",
        "\n".join(lines),
        "Make the build find it (a rules patch, a build dependency with the right architecture), or accept "
        f"the loss, with a reason, in the chain: accept-losses = [\"{lost[0].subject}: why\"].")


def answers(logs: Mapping[str, str]) -> tuple[LogLine, ...]:
    """Return the lines of logs that deny something, among which deciding_lines() looks.

    The question and the answer that config.log has in two lines are one.
    """
    found: list[LogLine] = []
    for name, text in logs.items():
        asked: LogLine | None = None
        for number, line in enumerate(text.splitlines(), 1):
            line = line.strip()
            if len(line) > _LONGEST_LINE:
                continue
            if result := _RESULT.match(line):
                if asked and _NEGATIVE.match(result["answer"].strip()):
                    found.append(replace(asked, text=f"{asked.text} ... {result['answer'].strip()}"))
                asked = None
            elif _DENIAL.search(line):
                found.append(LogLine(name, number, line))
            elif _CHECKING.match(line):
                asked = LogLine(name, number, line)
    return tuple(found)


def deciding_lines(lost: Difference, denials: Sequence[LogLine], most: int = 3) -> tuple[LogLine, ...]:
    """Return those of answers() that decided about something lost, at most ``most``; () for none."""
    words = "|".join(re.escape(word) for word in searched_words(lost))
    if not words:
        return ()
    word = rf"(?<![a-z0-9])(lib|have_)?({words})(?![a-z0-9])"
    patterns = [pattern.replace("WORD", word).replace("PART", f"({words})") for pattern in _DECISIVE]
    decisive, named = re.compile("|".join(patterns), re.IGNORECASE), re.compile(words, re.IGNORECASE)
    unique: dict[str, LogLine] = {}
    for line in denials:
        if named.search(line.text) and decisive.search(line.text):
            unique.setdefault(line.text, line)
    return tuple(sorted(list(unique.values())[:most], key=lambda line: (line.log, line.number)))


def searched_words(lost: Difference) -> tuple[str, ...]:
    """Return what logs call something lost: "gnutls" for libgnutls.so.30 and for libgnutls30."""
    name = lost.name or lost.where.rpartition("/")[2]
    if lost.what == "needed":
        return (re.sub(r"\Alib|\.so.*\Z|-?\d[\d.]*\.so.*\Z", "", name),)
    if lost.what == "relation":
        first = name.split(" | ")[0].split(":")[0]
        return (re.sub(r"\Alib|-?[\d.]+(t64)?(-\w+)?\Z", "", first),)
    if lost.what == "import":
        # With large files (LFS), glibc's functions are called by another name.
        return tuple(dict.fromkeys((re.sub(r"64\Z", "", re.sub(r"\A__|_chk\Z", "", name)), name)))
    if lost.what == "hardening":
        return ("fortify", name) if name.endswith("_chk") else (name,)
    if lost.what == "file":
        parts = lost.where.strip("/").split("/")
        stem = re.sub(r"\A(lib|_)|\.\w+\Z", "", parts[-1].split(".so")[0])
        # A file of completions or plug-ins is looked for by the name of its directory's owner, too.
        owner = parts[2] if parts[:2] == ["usr", "share"] and len(parts) > 3 else ""
        return tuple(filter(None, (stem, owner if owner not in ("man", "doc") else "")))
    return (name,) if name else ()
