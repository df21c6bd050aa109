# SPDX-License-Identifier: GPL-3.0-or-later
"""The first contact: the command that begins a project, and what debxcross alone says."""
from __future__ import annotations

import sys
from pathlib import Path

import click

from debxcross import __version__
from debxcross.app import begin as app
from debxcross.errors import UsageError
from debxcross.run.plain import clean, duration


@click.command("init")
@click.option("--device", metavar="ARCH",
              help="The device's Debian architecture, or what 'uname -m' says on it.")
@click.option("--release", metavar="NAME", help="The Debian release on the device, by code name.")
@click.option("--build", multiple=True, metavar="SOURCE|CHAIN",
              help="A Debian source (SOURCE[=VERSION][/SUITE]), or one chain that ships.  Repeatable.")
@click.option("--url", metavar="URL", help="Where devices will find the repository; '' leaves it open.")
@click.option("--name", metavar="NAME", help="The chain's name.  [default: the directory's]")
def init(device: str | None, release: str | None, build: tuple[str, ...], url: str | None,
         name: str | None) -> None:
    """Begin a project here: four questions, then a chain file, debxcross.toml and the next command.

    A question whose option is given is not asked.  Nothing is written before all are answered.
    """
    given = {"device": device, "release": release, "build": " ".join(build) if build else None, "url": url}
    beginning = app.beginning(_answers(given), name or Path.cwd().name)
    written, rest = app.begin(Path(), beginning)
    click.echo(f"Wrote {' and '.join(written)}." if written else "Nothing was to be written.")
    if rest:
        click.echo(f"debxcross.toml was there and stays as it is; add to it:\n\n{rest}")
    click.echo(f"\nNext, see what would be built, and whether it can be:\n    {beginning.command('plan')}\n"
               f"then build, publish and try it:\n    {beginning.command('build-dep-chain')}\n"
               f"'debxcross doctor {beginning.architecture}' tells whether this machine is ready.")


def _answers(given: dict[str, str | None]) -> dict[str, str]:
    """Return an answer to every question; those that options gave are checked before anything is asked."""
    questions = app.questions()
    for option, text in given.items():
        if text is not None:
            questions[option].check(text)
    try:
        return {option: _ask(question) if (text := given[option]) is None else text
                for option, question in questions.items()}
    except click.Abort:
        if not sys.stdin.isatty():
            click.echo("", err=True)
            raise UsageError("not every question was answered", resolution=(
                "Give --device, --release, --build and --url, or answer on a terminal. "
                "Nothing was written.")) from None
        click.echo("\nNothing was written.", err=True)
        raise click.exceptions.Exit(130) from None


def _ask(question: app.Question) -> str:
    """Ask until the answer is good.  Raises Abort at the end of the input and at Ctrl-C."""
    while True:
        text: str = click.prompt(question.text, default=question.default, err=True,
                                 show_default=bool(question.default))
        try:
            question.check(text)
            return text
        except UsageError as error:
            click.echo(f"{error.brief}. {error.resolution}", err=True)


def show_where() -> None:
    """Say what is here (chains, last runs), and what to type next."""
    found = app.where(Path())
    lines = [f"debxcross {__version__} cross-builds Debian sources and wheels for devices."]
    if found.chains:
        size = max(map(len, found.chains))
        lines += ["", "Chains here:", *(f"    {name:<{size}}  {clean(what)}"
                                        for name, what in found.chains.items())]
    if found.runs:
        lines += ["", "Last runs:"]
    for directory, run in found.runs:
        words = {"running": "running for", "done": "done after", "failed": "failed after",
                 "interrupted": "interrupted after"}
        lines.append(f"    {directory}  {clean(run.chain)}: {words[run.state]} {duration(run.seconds)}")
        if directory in found.reports:
            lines.append(f"        {found.reports[directory]}")
    lines += ["", "Next:", f"    {found.next_command}", "", "'debxcross --help' lists the commands."]
    click.echo("\n".join(lines))
