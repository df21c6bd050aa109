# SPDX-License-Identifier: GPL-3.0-or-later
"""The site's pages that are made: the reference of commands, and the order of all pages.

Pages stay plain Markdown, as a forge shows them: docs/index.md is a page of lists of links, and
the site's navigation is read from it.
"""
from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence

from manual.commands import Command, every

_LINK = re.compile(r"\[([^\]]*)\]\(([^)#\s]+\.md)[)#]")
_INDEX = "docs/index.md"


def navigation(index: str, pages: Sequence[str] = ()) -> str:
    """Return the index with a hidden toctree for each of its sections: the pages its lists name.

    A page belongs to the first section that names it.  ``pages`` are all there are, as paths from
    the root; those that no list names come last.
    """
    parts, seen = re.split(r"^(?=## )", index, flags=re.MULTILINE), {_INDEX}
    text = parts[0]
    for part in parts[1:]:
        items = re.findall(r"^- .*", part, re.MULTILINE)
        named = {_path(page): title for item in items for title, page in _LINK.findall(item)[:1]}
        new = {page: title for page, title in named.items() if page not in seen}
        seen.update(new)
        text += part.rstrip("\n") + "\n\n"
        if new:
            text += _toctree(part.splitlines()[0].removeprefix("## "), new) + "\n"
    rest = {page: "" for page in pages if page not in seen}
    return text + (_toctree("Further pages", rest) if rest else "")


def _toctree(caption: str, pages: Mapping[str, str]) -> str:
    """Return the toctree of pages with the titles that the index gives them; "" leaves a page its own."""
    paths = {f"/{page.removesuffix('.md')}": title for page, title in pages.items()}
    entries = "".join(f"{title} <{path}>\n" if title else f"{path}\n" for path, title in paths.items())
    return f"```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{entries}```\n"


def _path(link: str) -> str:
    """Return the path from the root of a page that the index links to."""
    return posixpath.normpath(posixpath.join("docs", link))


def reference(introduction: str, root: Command) -> str:
    """Return the page of all commands below its introduction: usage, words and options of each."""
    return introduction.rstrip("\n") + "\n\n" + "\n".join(_lines(root))


def _lines(root: Command) -> Iterator[str]:
    for command in every(root):
        yield f"## {command.title}\n"
        yield f"```text\n{command.title} {command.usage}\n```\n"
        yield from (f"{_text(paragraph)}\n" for paragraph in command.paragraphs)
        for names, text in command.options:
            yield f"`{names}`\n: {_text(text) or '…'}\n"
        for one in command.below:
            yield f"- [{one.title}](#{one.page}): {_text(one.summary)}."
        if command.below:
            yield ""


def _text(text: str) -> str:
    """Return text of --help in which nothing is Markdown."""
    return re.sub(r"([\\`*_\[\]<>|])", r"\\\1", text)
