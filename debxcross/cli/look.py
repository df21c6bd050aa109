# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that look: at a run, at a log, into a build root, at the machine."""
from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from debxcross.app import look as app
from debxcross.cli import report
from debxcross.run.plain import visible

_LONGEST_LINE = 1 << 16
_path = click.Path(path_type=Path)


def run_directory(arch: str | None, output: Path | None) -> Path:
    """Return where the run is that the options name: of an architecture, or the newest below out/."""
    if output is not None:
        return output
    if arch is not None:
        return app.default_output(arch)
    runs = app.known_runs(Path("out"))
    return runs[0] if runs else Path("out")


_output = click.option("--output", type=_path, metavar="DIR",
                       help="Where the run's results are.  [default: out/ARCH]")


@click.command("status")
@click.argument("arch", required=False)
@_output
@click.option("--json", "as_json", is_flag=True, help="Write JSON to standard output.")
def status(arch: str | None, output: Path | None, as_json: bool) -> None:
    """Show how the members of the last run stand (of ARCH, or the newest below out/)."""
    from debxcross.run.status import render_status, status_json

    found = app.status(run_directory(arch, output))
    click.echo(status_json(found) if as_json else render_status(found, report.width()))


@click.command("log")
@click.argument("member")
@click.option("--arch", metavar="ARCH", help="The run's host architecture.  [default: the newest run's]")
@_output
@click.option("--raw", is_flag=True, help="Every byte as it was written, on a terminal too.")
def log(member: str, arch: str | None, output: Path | None, raw: bool) -> None:
    """Show MEMBER's log of the last run.

    On a terminal control sequences are left out: a build could set the title or the clipboard.
    """
    path = app.log_path(run_directory(arch, output), member)
    sys.stdout.flush()
    if raw or not sys.stdout.isatty():
        with path.open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
        return
    # A carriage return ends a line here: it could write over what stands before it.
    with path.open(encoding="utf-8", errors="replace") as text:
        # A line may have any length; only so much of it is held.
        while line := text.readline(_LONGEST_LINE):
            sys.stdout.write(visible(line))


@click.command("report")
@click.argument("arch", required=False)
@_output
def report_run(arch: str | None, output: Path | None) -> None:
    """Write the report of the last run (of ARCH, or the newest below out/); print where its page is.

    Every run that ends writes its own: DIR/report/index.html, summary.md and junit.xml.  This is for one that
    was killed or still runs.
    """
    from debxcross.app.report import write_report

    click.echo(write_report(run_directory(arch, output)))


@click.command("shell", context_settings={"ignore_unknown_options": True})
@click.argument("member")
@click.argument("command", nargs=-1)
@click.option("--arch", metavar="ARCH", help="The host architecture.  [default: the newest run's]")
@click.option("--store", type=_path, metavar="DIR", help="The store of the run.")
@_output
def shell(member: str, command: tuple[str, ...], arch: str | None, store: Path | None,
          output: Path | None) -> None:
    """Enter the build root of MEMBER: as its build failed, or made anew with the unpacked source.

    With COMMAND, run that instead of a shell.  Leave changes nothing in the store.
    """
    with report.listener(False) as listener:
        app.shell(run_directory(arch, output), member, store, command, (listener,))


@click.command("doctor")
@click.argument("arch", nargs=-1)
@click.option("--store", type=_path, metavar="DIR", help="The store to check.")
@_output
@click.option("--json", "as_json", is_flag=True, help="Write JSON to standard output.")
@click.option("--fix", is_flag=True, help="Run the commands that mend the faults, after asking.")
@click.option("--yes", "-y", is_flag=True, help="With --fix: do not ask.")
def doctor(arch: tuple[str, ...], store: Path | None, output: Path | None, as_json: bool, fix: bool,
           yes: bool) -> None:
    """Check this machine for building and trying ARCH (armel when none is named)."""
    from debxcross.core.doctor import checks_json, cures, ready, render_checks

    checks = app.doctor(arch or ("armel",), store, output)
    commands = cures(checks) if fix else ()
    if commands and (yes or _agreed(commands)):
        app.mend(commands, lambda command: click.echo(f"$ {command}", err=True))
        checks = app.doctor(arch or ("armel",), store, output)
    click.echo(checks_json(checks) if as_json else render_checks(checks, report.width()))
    if not ready(checks):
        raise click.exceptions.Exit(4)


def _agreed(commands: Sequence[str]) -> bool:
    """Show what would be run, and ask; without a terminal nobody agrees."""
    click.echo("These commands mend what was found:", err=True)
    for command in commands:
        click.echo(f"    {command}", err=True)
    if not sys.stdin.isatty():
        click.echo("Nobody can be asked here: --yes runs them.", err=True)
        return False
    return click.confirm("Run them?", err=True)
