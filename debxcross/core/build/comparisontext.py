# SPDX-License-Identifier: GPL-3.0-or-later
"""Comparisons for people and programs: one line a package, JSON, a page."""
from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from html import escape

from debxcross.core.build.differences import (
    GAINED, KINDS, LOST, TOOLCHAIN, UNEXPLAINED, Comparison, Difference,
)
from debxcross.core.build.natives import SAME

_KIND_WORDS = {LOST: "lost", UNEXPLAINED: "unexplained", GAINED: "gained", TOOLCHAIN: "other toolchain"}
#: What differs → how several of it are called.
_PLURALS = {"import": "imports", "export": "exports", "needed": "libraries", "hardening": "hardening",
            "symbols": "symbols", "relation": "relations", "conffile": "conffiles", "trigger": "triggers",
            "script": "parts", "shlibs": "lines"}
#: So many names, and so many places, stand in a package's one line.
_NAMES_TOLD, _PLACES_TOLD = 6, 3
#: So many names stand in a line of the whole report; JSON has all.
_NAMES_LISTED = 40


def grouped(differences: Iterable[Difference]) -> tuple[tuple[Difference, ...], ...]:
    """Put differences together that are of one kind and one place, such as lost symbols of a file."""
    groups: dict[tuple[str, ...], list[Difference]] = {}
    for one in differences:
        groups.setdefault((one.kind, one.where, one.what, one.accepted), []).append(one)
    return tuple(tuple(group) for group in groups.values())


def _group_words(group: Sequence[Difference], told: int) -> str:
    """Say what a group is: the place and the names in it."""
    first = group[0]
    names = [one.name for one in group if one.name]
    if first.what == "package":
        return "the whole package"
    if not names:
        return f"{first.where} ({first.what})" if first.what != "file" else first.where
    shown = ", ".join(names[:told]) + (f" and {len(names) - told} more" if len(names) > told else "")
    return f"{first.where}: {_PLURALS.get(first.what, first.what)} {shown}"


def package_line(one: Comparison) -> str:
    """Return a package's one line: what is worst in it first, and how much of its code is the same."""
    head = " ".join(filter(None, (one.package, one.version, one.architecture)))
    if one.damage:
        return f"{head}: damaged: {one.damage.splitlines()[0]}"
    if not one.against:
        return f"{head}: not compared: {'; '.join(one.notes)}"
    against = "" if one.how in (SAME, "") and one.against == f"{one.version} {one.architecture}" \
        else f" (against {one.against})"
    parts = []
    for kind in KINDS:
        if not (count := one.counts[kind]):
            continue
        groups = grouped(found for found in one.differences if found.kind == kind and not found.accepted)
        words = "; ".join(_group_words(group, _NAMES_TOLD) for group in groups[:_PLACES_TOLD])
        more = f"; {len(groups) - _PLACES_TOLD} more places" if len(groups) > _PLACES_TOLD else ""
        shown = f" [{words}{more}]" if kind in (LOST, UNEXPLAINED) else ""
        parts.append(f"{_KIND_WORDS[kind]} {count}{shown}")
    if accepted := sum(1 for found in one.differences if found.accepted):
        parts.append(f"accepted {accepted}")
    code = one.code
    if code.files and code.same_bits < code.files:
        parts.append(f"code the same in {code.same_text} of {code.files} files")
    return f"{head}{against}: {', '.join(parts) or _nothing(one)}"


def _nothing(one: Comparison) -> str:
    return "the same" if one.how == SAME else "nothing lost"


def render(comparisons: Sequence[Comparison], verbose: bool = False) -> str:
    """Return one line a package, in the given order, and a line that sums up.

    ``verbose`` tells every difference below its package.
    """
    lines = []
    for one in comparisons:
        lines.append(package_line(one))
        if verbose:
            lines += [f"    note: {note}" for note in one.notes if one.against]
            for kind in KINDS:
                groups = grouped(found for found in one.differences if found.kind == kind)
                lines += [f"    {_KIND_WORDS[kind]}: {text}" for group in groups for text in sentences(group)]
    return "\n".join([*lines, summary_line(comparisons)])


def sentences(group: Sequence[Difference]) -> list[str]:
    """Tell of differences that grouped() put together: one by one, or many names in one line."""
    if len(group) > 2 and group[0].name:
        return [_group_words(group, _NAMES_LISTED) + _reason(group[0])]
    return [described(one) for one in group]


def described(one: Difference) -> str:
    """Return a difference's sentence, with the reason when it is accepted."""
    return one.sentence + _reason(one)


def _reason(one: Difference) -> str:
    return f" (accepted: {one.accepted})" if one.accepted else ""


def summary_line(comparisons: Sequence[Comparison]) -> str:
    """Return a line with the sums over all packages."""
    compared = [one for one in comparisons if one.against]
    files, text, bits = (sum(getattr(one.code, name) for one in compared)
                         for name in ("files", "same_text", "same_bits"))
    counts = [(sum(1 for one in compared if one.counts[kind]), _KIND_WORDS[kind]) for kind in KINDS]
    parts = [f"{len(compared)} of {_plural(len(comparisons), 'package')} compared",
             *(f"{count} with {word}" for count, word in counts if count)]
    if damaged := sum(1 for one in comparisons if one.damage):
        parts.append(f"{damaged} damaged")
    if files:
        parts.append(f"of {_plural(files, 'file')} with code {text} have the same code, {bits} the same bits")
    return "; ".join(parts) + "."


def _plural(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def render_json(comparisons: Sequence[Comparison]) -> str:
    """Return everything as JSON."""
    return json.dumps({"packages": [one.data() for one in comparisons]}, indent=2)


_STYLE = """
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
code { overflow-wrap: anywhere }
details { border-top: 1px solid #8888; padding: .5rem 0 }
summary { cursor: pointer }
h3 { font-size: 1rem; margin: .5rem 0 0 }
.lost h3, .count-lost, .damaged { color: #c22 }
.unexplained h3, .count-unexplained { color: #a60 }
.count { margin-left: .5rem; white-space: nowrap }
"""


def render_html(comparisons: Sequence[Comparison], title: str) -> str:
    """Return a page that needs nothing else: a fold for each package, those with losses open."""
    folds = "".join(_fold(one) for one in comparisons)
    return (f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
            f'<meta name="viewport" content="width=device-width">\n<title>{escape(title)}</title>\n'
            f"<style>{_STYLE}</style>\n<h1>{escape(title)}</h1>\n"
            f"<p>{escape(summary_line(comparisons))}</p>\n{folds}</html>\n")


def _fold(one: Comparison) -> str:
    counts = "".join(f'<span class="count count-{kind}">{_KIND_WORDS[kind]} {count}</span>'
                     for kind, count in one.counts.items() if count)
    if one.damage:
        counts = '<span class="count damaged">damaged</span>'
    state = counts or f'<span class="count">{_nothing(one) if one.against else "not compared"}</span>'
    notes = [*([f"against {one.against}"] if one.against else []), *one.notes,
             *([one.damage] if one.damage else [])]
    body = "".join(f"<p>{escape(note)}</p>\n" for note in notes)
    for kind in KINDS:
        lines = [text for group in grouped(found for found in one.differences if found.kind == kind)
                 for text in sentences(group)]
        if lines:
            listed = "".join(f"<li><code>{escape(line)}</code></li>\n" for line in lines)
            body += f'<div class="{kind}"><h3>{_KIND_WORDS[kind]}</h3>\n<ul>\n{listed}</ul></div>\n'
    opened = " open" if one.damage or one.counts[LOST] else ""
    return (f"<details{opened}><summary><strong>{escape(one.package)}</strong> {escape(one.version)} "
            f"{escape(one.architecture)}{state}</summary>\n{body}</details>\n")
