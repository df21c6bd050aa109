# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: parse, call the application, print, exit.

Standard output carries data, standard error the narration.  Every command is imported when
it is called, so that --help stays quick.
"""
from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from debxcross import __version__
from debxcross.errors import DebxcrossError

#: Command → module and function.
_COMMANDS = {
    "init": ("begin", "init"),
    "build-dep-chain": ("build", "build_dep_chain"),
    "build": ("build", "build"),
    "wheel": ("wheel", "wheel"),
    "plan": ("build", "plan"),
    "lock": ("lock", "lock"),
    "learn": ("learn", "learn"),
    "status": ("look", "status"),
    "log": ("look", "log"),
    "report": ("look", "report_run"),
    "shell": ("look", "shell"),
    "sysroot": ("sysroot", "sysroot"),
    "inspect": ("sysroot", "inspect"),
    "explain": ("explain", "explain"),
    "reproduce": ("explain", "reproduce"),
    "compare": ("compare", "compare"),
    "bug-report": ("explain", "bug_report"),
    "store": ("store", "store"),
    "repo": ("repo", "repo"),
    "doctor": ("look", "doctor"),
}
_HELP = {
    "init": "Begin a project here: four questions, then a chain, its settings and the next command.",
    "build-dep-chain": "Build a chain, publish it as an apt repository, try it on an emulated device.",
    "build": "Build any Debian sources, published as an apt repository.",
    "wheel": "Turn PyPI requirements into debs, published as an apt repository.",
    "plan": "Show what would be built, in which order, why, and what cannot work.",
    "lock": "Pin everything a chain's build takes from outside, by digest.",
    "learn": "Write down what an emulated device answers to a source's configure.",
    "status": "Show how the members of the last run stand.",
    "log": "Show a member's log of the last run.",
    "report": "Write the report of the last run: a page, Markdown and JUnit XML.",
    "shell": "Enter the build root of a failed or finished member.",
    "sysroot": "Make and check a tree to cross-compile your own programs against.",
    "inspect": "Tell what a program needs, and whether it will run on the device.",
    "explain": "Tell why a member is rebuilt: which input changed, and since when.",
    "reproduce": "Build a member again and compare the bytes.",
    "compare": "Hold packages against Debian's own: what was lost, gained, or is unexplained.",
    "bug-report": "Write a report for Debian: what a source loses, or why it fails, when cross-built.",
    "store": "Look into the store, clean it, verify it, carry it, share it.",
    "repo": "Publish any debs; verify, roll back, clean and serve a repository; its keys and devices.",
    "doctor": "Check this machine, with the command that mends each fault.",
}

#: Set when a shell asks what could stand next: nothing will run.
_COMPLETING = "_DEBXCROSS_COMPLETE"

#: As a program ends that SIGPIPE ended: 128 and the signal's number.
_GONE = 141


@contextmanager
def _told_when_gone() -> Iterator[None]:
    """Turn a failed write into OutputGone: click would end with status 1, or with a traceback."""
    from debxcross.cli.report import OutputGone, output_gone

    try:
        yield
    except OSError as error:
        if output_gone(error):
            raise OutputGone from error
        raise


def _loaded(name: str) -> click.Command:
    module, function = _COMMANDS[name]
    command: click.Command = getattr(importlib.import_module(f"debxcross.cli.{module}"), function)
    return command


class _Commands(click.Group):
    def list_commands(self, context: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        if _COMPLETING in os.environ:
            from debxcross.cli.completion import light

            return light(name, tuple(_COMMANDS), _loaded)
        return _loaded(name)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_HELP.items()))

    def make_context(self, *arguments: Any, **more: Any) -> click.Context:
        with _told_when_gone():
            return super().make_context(*arguments, **more)  # --help writes here

    def invoke(self, context: click.Context) -> Any:
        with _told_when_gone():
            return super().invoke(context)

    def resolve_command(self, context: click.Context, arguments: list[str]) -> Any:
        name = arguments[0]
        if name not in _COMMANDS and not context.resilient_parsing:
            import difflib

            near = difflib.get_close_matches(name, _COMMANDS, n=2)
            guess = f" Did you mean {' or '.join(near)}?" if near else ""
            context.fail(f"No such command {name!r}.{guess}")
        return super().resolve_command(context, arguments)


@click.group(cls=_Commands, invoke_without_command=True,
             context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="debxcross")
@click.pass_context
def _group(context: click.Context) -> None:
    """Cross-build chains of Debian source packages and Python wheels for devices.

    The results are a signed apt repository that devices point at.  Start with
    'debxcross init'.  Without a command it tells what is here and what to do next.
    """
    if context.invoked_subcommand is None:
        from debxcross.cli.begin import show_where

        show_where()


def program() -> click.Group:
    """Return the commands, for what describes them (manual/)."""
    return _group


def main() -> None:
    """Run the command line; exit with the status of the error's class (docs/errors.md)."""
    # The users inside build roots read what is laid out for them; what is secret has its own mode.
    os.umask(0o022)
    from debxcross.cli.report import OutputGone, be_silent, nobody_reads, output_gone

    try:
        status = _status()
        sys.stdout.flush()
    except OutputGone:
        status = _GONE
    except OSError as error:
        if not output_gone(error):
            raise
        status = _GONE
    if status == _GONE or nobody_reads():
        # Whoever read our output has seen enough.
        be_silent()
        status = _GONE
    sys.exit(status)


def _status() -> int:
    """Run the command and return its exit status, its error shown."""
    try:
        # Outside its standalone mode click returns the status of an Exit.
        return int(_group(standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted. Run the same command again: what is finished is kept.", err=True)
        return 130
    except DebxcrossError as error:
        from debxcross.cli.report import show_error

        show_error(error)
        return error.exit_status
