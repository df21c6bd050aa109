# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes manual pages, the table that completion uses, and the source of the site."""
from __future__ import annotations

import json
import os
import shutil
from datetime import datetime, timezone
from pathlib import Path

import click

from debxcross import __version__
from debxcross.cli import program
from debxcross.cli.completion import described
from manual import roff, site
from manual.commands import Command, every, read

ROOT = Path(__file__).resolve().parents[1]
#: Name of a page about a file → its page in docs, and what it is.
_FILES = {
    "debxcross.toml": ("configuration.md", "settings of debxcross"),
    "debxcross-chain": ("chains.md", "which sources and wheels debxcross builds"),
    "debxcross-rules-patches": ("rules-patches.md", "patches that debxcross applies to sources"),
}

#: What debxcross(1) says of files.
_PLACES = """\
| | |
|---|---|
| `/etc/debxcross.toml`, `~/.config/debxcross.toml`, `debxcross.toml` | settings: **debxcross.toml**(5) |
| `~/.cache/debxcross` | the store: everything that was fetched and built |
| `~/.local/share/debxcross` | the keys that sign repositories: back this up |
| `out/ARCH` | what a run leaves: the repository, logs, packages |
"""


def _document(name: str) -> str:
    return (ROOT / "docs" / name).read_text()


def _commands() -> Command:
    return read(program(), "debxcross")


def _date() -> str:
    """Return the date that stands below pages: SOURCE_DATE_EPOCH, so that a package is reproducible."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    return f"{datetime.fromtimestamp(int(epoch), timezone.utc):%Y-%m-%d}" if epoch else ""


def manual_pages(date: str) -> tuple[roff.Page, ...]:
    """Return every manual page: of each command, and of each kind of file."""
    root = _commands()
    more = [("exit status", roff.section(_document("errors.md"), "Exit status")),
            ("environment", roff.section(_document("configuration.md"), "Environment")),
            ("files", _PLACES)]
    return (
        *(roff.command_page(one, root, __version__, date, more if one == root else ())
          for one in every(root)),
        *(roff.file_page(name, summary, _document(document), __version__, date)
          for name, (document, summary) in _FILES.items()))


@click.group()
def main() -> None:
    """Make what documents debxcross."""


@main.command()
@click.argument("directory", type=click.Path(path_type=Path))
def man(directory: Path) -> None:
    """Write the manual pages into DIRECTORY."""
    directory.mkdir(parents=True, exist_ok=True)
    for page in manual_pages(_date()):
        (directory / page.file).write_text(page.text)


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
def completion(file: Path) -> None:
    """Write the table of commands that completion uses into FILE."""
    group = program()
    context = click.Context(group)
    found = ((name, group.get_command(context, name)) for name in group.list_commands(context))
    file.write_text(json.dumps({name: described(command) for name, command in found if command}))


@main.command("site-source")
@click.argument("directory", type=click.Path(path_type=Path))
def site_source(directory: Path) -> None:
    """Write what Sphinx makes the site of into DIRECTORY: the pages where the checkout has them."""
    shutil.rmtree(directory, ignore_errors=True)
    for name in ("docs", "examples", "benchmarks"):
        shutil.copytree(ROOT / name, directory / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "COPYING", "Makefile"):
        shutil.copy(ROOT / name, directory / name)
    index, commands = directory / "docs/index.md", directory / "docs/commands.md"
    pages = sorted(str(path.relative_to(directory)) for path in directory.rglob("*.md")
                   if "examples" not in path.parts)
    index.write_text(site.navigation(index.read_text(), pages))
    commands.write_text(site.reference(commands.read_text(), _commands()))


if __name__ == "__main__":
    main()
