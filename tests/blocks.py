# SPDX-License-Identifier: GPL-3.0-or-later
"""Code blocks of pages, and those that are marked to be run.

A comment that no reader sees stands before a block that the tests run::

    <!-- run -->
    ```console
    $ debxcross repo list board
    bookworm  ...
    ```

A line of dots alone stands for any lines of output, dots in a line for any text.
``fails=25`` in the comment is the exit status of the last command.
"""
from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_FENCE = re.compile(r"^(?P<mark><!-- run(?P<how>[^\n]*?)-->\n+)?^(?P<fence>```+)(?P<language>[\w-]*)\n"
                    r"(?P<text>.*?)^(?P=fence)[ ]*$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language ("" when none is named), its text, and the line it begins in.

    ``run`` tells whether the tests run it; ``fails`` is the exit status that its last command has.
    """

    language: str
    text: str
    line: int
    run: bool
    fails: int = 0

    def steps(self) -> Iterator[tuple[str, str]]:
        """Yield each command after "$ ", with the output that is shown below it."""
        for part in re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            yield command, output


def blocks(page: str) -> Iterator[Block]:
    """Yield the fenced blocks of a page that begin at the margin."""
    for found in _FENCE.finditer(page):
        fails = re.search(r"fails=(\d+)", found["how"] or "")
        yield Block(found["language"], found["text"], page.count("\n", 0, found.start("fence")) + 1,
                    found["mark"] is not None, int(fails.group(1)) if fails else 0)


def agrees(shown: str, output: str) -> bool:
    """Tell whether output is what a page shows; dots stand for anything."""
    lines = [".*" if line.strip() == "..." else re.escape(line).replace(r"\.\.\.", "[^\n]*") + "\n"
             for line in shown.splitlines()]
    return re.fullmatch("".join(lines), output if output.endswith("\n") or not output else f"{output}\n",
                        re.DOTALL) is not None
