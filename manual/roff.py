# SPDX-License-Identifier: GPL-3.0-or-later
"""Manual pages: Markdown and commands in the language of man(7).

Sources: man(7), groff_char(7), man-pages(7).  A table of Markdown becomes a list of its rows,
because a page is read in 80 columns.
"""
from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markdown_it.token import Token

from manual.commands import Command, every


@dataclass(frozen=True)
class Page:
    """A manual page: its name, section ("1", "5") and text in roff."""

    name: str
    section: str
    text: str

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{self.name}.{self.section}"


def escaped(text: str) -> str:
    """Return text in which nothing is a request or an escape; hyphens can be searched and pasted."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", text, flags=re.MULTILINE)


def head(name: str, section: str, summary: str, version: str, date: str) -> str:
    """Return how a page begins, up to its NAME; ``date`` is "2026-11-25"."""
    return (f'.TH "{escaped(name.upper())}" "{section}" "{date}" "debxcross {escaped(version)}" '
            f'"debxcross"\n.nh\n.ad l\n.SH NAME\n{escaped(name)} \\- {escaped(summary)}\n')


def command_page(command: Command, root: Command, version: str, date: str,
                 more: Sequence[tuple[str, str]] = ()) -> Page:
    """Return a command's page; ``more`` are further sections as (heading, Markdown)."""
    parts = [head(command.page, "1", command.summary, version, date), ".SH SYNOPSIS\n",
             f"\\fB{escaped(command.title)}\\fR {escaped(command.usage)}\n", ".SH DESCRIPTION\n"]
    parts.append(".PP\n".join(f"{escaped(text)}\n" for text in command.paragraphs))
    if command.options:
        parts.append(".SH OPTIONS\n")
        parts += [f".TP\n{_option(names)}\n{escaped(text) or '.br'}\n" for names, text in command.options]
    if command.below:
        parts.append(".SH COMMANDS\n")
        parts += [f".TP\n\\fB{escaped(one.page)}\\fR(1)\n{escaped(one.summary)}.\n" for one in command.below]
    for heading, text in more:
        parts += [f".SH {_quoted(heading.upper())}\n", markdown(text)]
    if not more:
        parts.append(".SH EXIT STATUS\n0 when everything was done. "
                     "\\fBdebxcross\\fR(1) lists what every other status means.\n")
    parts.append(".SH SEE ALSO\n" + ",\n".join(f"\\fB{escaped(name)}\\fR({section})"
                                               for name, section in _related(command, root)) + "\n")
    return Page(command.page, "1", "".join(parts))


#: Pages about files.
FILE_PAGES = ("debxcross.toml", "debxcross-chain", "debxcross-rules-patches")


def _related(command: Command, root: Command) -> Iterator[tuple[str, str]]:
    above = [one for one in every(root) if command in one.below]
    names = {one.page for parent in above for one in (parent, *parent.below)} | {root.page}
    for name in sorted(names - {command.page}):
        yield name, "1"
    for name in FILE_PAGES:
        yield name, "5"


def _option(names: str) -> str:
    """Return "-j, --jobs N" with what is typed in bold and what is put in its place in italics."""
    parts = []
    for one in names.split(", "):
        flag, _, value = one.partition(" ")
        parts.append(f"\\fB{escaped(flag)}\\fR" + (f" \\fI{escaped(value)}\\fR" if value else ""))
    return ", ".join(parts)


def file_page(name: str, summary: str, text: str, version: str, date: str) -> Page:
    """Return the page about a file, made of a page in Markdown whose title is left out."""
    related = [("debxcross", "1"), *((one, "5") for one in FILE_PAGES if one != name)]
    return Page(name, "5", head(name, "5", summary, version, date) + ".SH DESCRIPTION\n" + markdown(text)
                + ".SH SEE ALSO\n"
                + ",\n".join(f"\\fB{escaped(one)}\\fR({section})" for one, section in related) + "\n")


def section(text: str, heading: str) -> str:
    """Return what stands in Markdown below a heading of the second level.  Raises KeyError."""
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if found is None:
        raise KeyError(heading)
    return found.group(1)


def markdown(text: str) -> str:
    """Return Markdown as roff: what stands below a title."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    return "".join(_blocks(tokens))


def _quoted(text: str) -> str:
    return '"' + escaped(text).replace('"', "\\(dq") + '"'


def _blocks(tokens: Sequence[Token]) -> Iterator[str]:
    place = 0
    items: list[str] = []
    while place < len(tokens):
        token = tokens[place]
        if token.type == "heading_open":
            if token.tag != "h1":
                request = {"h2": ".SH"}.get(token.tag, ".SS")
                plain = _inline(tokens[place + 1], plain=True)
                yield f"{request} {_quoted(plain.upper() if request == '.SH' else plain)}\n"
            place += 2
        elif token.type == "paragraph_open":
            # The first paragraph of an item stands behind its mark.
            if not (place and tokens[place - 1].type == "list_item_open"):
                yield ".PP\n" if not items else ".IP\n"
            yield _inline(tokens[place + 1]) + "\n"
            place += 2
        elif token.type in ("fence", "code_block"):
            yield f".PP\n.RS 4\n.EX\n{escaped(token.content)}.EE\n.RE\n"
        elif token.type in ("bullet_list_open", "ordered_list_open"):
            if items:
                yield ".RS 4\n"
            items.append("\\(bu" if token.type == "bullet_list_open" else "1.")
        elif token.type == "list_item_open":
            yield f".IP {items[-1]} 4\n"
            if items[-1] != "\\(bu":
                items[-1] = f"{int(items[-1][:-1]) + 1}."
        elif token.type in ("bullet_list_close", "ordered_list_close"):
            items.pop()
            if items:
                yield ".RE\n"
        elif token.type == "table_open":
            end = next(n for n in range(place, len(tokens)) if tokens[n].type == "table_close")
            yield from _table(tokens[place:end])
            place = end
        elif token.type in ("blockquote_open", "blockquote_close"):
            yield ".RS 4\n" if token.type.endswith("open") else ".RE\n"
        place += 1


def _table(tokens: Sequence[Token]) -> Iterator[str]:
    """Yield each row as an item: its first cell, then the others, the middle ones with their heading."""
    rows: list[list[Token]] = []
    for place, token in enumerate(tokens):
        if token.type == "tr_open":
            rows.append([])
        elif token.type in ("th_open", "td_open"):
            rows[-1].append(tokens[place + 1])
    headings = [_inline(cell, plain=True) for cell in rows[0]]
    for row in rows[1:]:
        yield f".TP\n{_inline(row[0]) or chr(92) + '&'}\n"
        cells = [(heading, _inline(cell)) for heading, cell in zip(headings[1:], row[1:], strict=True)]
        middle = "; ".join(f"{escaped(heading)}: {text}" if heading else text
                           for heading, text in cells[:-1] if text)
        last = cells[-1][1] if cells else ""
        yield f"{middle}.\n.br\n{last}\n" if middle and last else f"{middle or last or chr(92) + '&'}\n"


_MARKS: Mapping[str, str] = {"strong_open": "\\fB", "strong_close": "\\fR", "em_open": "\\fI",
                             "em_close": "\\fR"}


def _inline(token: Token, *, plain: bool = False) -> str:
    text, targets = "", list[str]()
    for one in token.children or ():
        if one.type == "text":
            text += one.content if plain else escaped(one.content)
        elif one.type == "code_inline":
            text += one.content if plain else f"\\fB{escaped(one.content)}\\fR"
        elif one.type == "softbreak":
            text += " " if plain else "\n"
        elif one.type == "hardbreak":
            text += " " if plain else "\n.br\n"
        elif one.type == "link_open":
            targets.append(str(one.attrs.get("href", "")))
        elif one.type == "link_close":
            # A link to another page of the documentation says nothing here.
            target = targets.pop()
            text += f" <{escaped(target)}>" if "://" in target and not plain else ""
        elif not plain:
            text += _MARKS.get(one.type, "")
    # What was the middle of a line may begin one here.
    return text if plain else re.sub(r"^([.'](?!br$))", r"\\&\1", text, flags=re.MULTILINE)
