# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands as --help describes them, as values that pages are written from."""
from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import click


@dataclass(frozen=True)
class Command:
    """A command: its words, how it is called, what it does.

    ``words`` is ("debxcross", "repo", "publish"); ``usage`` is what may follow them; ``options``
    are pairs as --help has them ("-j, --jobs N", what it is for); ``below`` are its own commands.
    """

    words: tuple[str, ...]
    usage: str
    paragraphs: tuple[str, ...]
    options: tuple[tuple[str, str], ...]
    below: tuple[Command, ...] = ()

    @property
    def page(self) -> str:
        """The name of its manual page: "debxcross-repo-publish"."""
        return "-".join(self.words)

    @property
    def title(self) -> str:
        """The command as it is typed: "debxcross repo publish"."""
        return " ".join(self.words)

    @property
    def summary(self) -> str:
        """The first sentence of what it does, without its full stop."""
        first = re.split(r"(?<=[^.])\.(?= |\Z)", self.paragraphs[0], maxsplit=1)[0] if self.paragraphs else ""
        return first.rstrip(".")


def read(command: click.Command, name: str, parent: click.Context | None = None) -> Command:
    """Return a click command, and those below it, as values."""
    # Nothing of this may depend on the terminal's width: that of the text is made here.
    context = click.Context(command, parent, info_name=name, terminal_width=10000, max_content_width=10000)
    words = tuple(context.command_path.split())
    options = tuple(record for parameter in command.get_params(context)
                    if (record := parameter.get_help_record(context)) is not None)
    below: tuple[Command, ...] = ()
    if isinstance(command, click.Group):
        below = tuple(
            read(found, one, context) for one in command.list_commands(context)
            if (found := command.get_command(context, one)) is not None and not found.hidden)
    return Command(words, " ".join(command.collect_usage_pieces(context)),
                   tuple(_paragraphs(command.help or "")), tuple(map(_clean, options)), below)


def every(command: Command) -> Iterator[Command]:
    """Yield a command and all below it, in the order of --help."""
    yield command
    for one in command.below:
        yield from every(one)


def _clean(record: tuple[str, str]) -> tuple[str, str]:
    return record[0], re.sub(r"\s+", " ", record[1]).strip()


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in re.split(r"\n\s*\n", text.replace("\b", "").strip()):
        if paragraph.strip():
            yield re.sub(r"\s+", " ", paragraph).strip()
