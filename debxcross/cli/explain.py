# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that tell of one member: why it is rebuilt, is it reproducible, what should Debian know."""
from __future__ import annotations

from pathlib import Path

import click

from debxcross.app import bugreport, explain as app
from debxcross.cli import report
from debxcross.cli.look import run_directory

_path = click.Path(path_type=Path)
_arch = click.option("--arch", metavar="ARCH", help="The host architecture.  [default: the newest run's]")
_store = click.option("--store", type=_path, metavar="DIR", help="The store of the run.")
_output = click.option("--output", type=_path, metavar="DIR",
                       help="Where the run's results are.  [default: out/ARCH]")
_json = click.option("--json", "as_json", is_flag=True, help="Write JSON to standard output.")


@click.command("explain")
@click.argument("member")
@_arch
@_output
@_store
@_json
def explain(member: str, arch: str | None, output: Path | None, store: Path | None, as_json: bool) -> None:
    """Tell which input of MEMBER changed since its last result, and what happened before.

    Compares with the inputs of today; builds nothing.
    """
    with report.listener(False) as listener:
        found = app.explain_member(run_directory(arch, output), member, store, (listener,))
    click.echo(found.to_json() if as_json else found.to_text())


@click.command("reproduce")
@click.argument("member")
@_arch
@_output
@_store
@click.option("--jobs", "-j", type=click.IntRange(1), metavar="N",
              help="As many as the first build had; the second gets another number.  [default: all]")
@click.option("--to", type=_path, metavar="DIR",
              help="Where .debs that differ are put.  [default: OUTPUT/reproduce/MEMBER]")
@_json
def reproduce(member: str, arch: str | None, output: Path | None, store: Path | None, jobs: int | None,
              to: Path | None, as_json: bool) -> None:
    """Build MEMBER of the last run again, in a build root of its own, and compare the bytes."""
    report.terminate_like_interrupt()
    with report.listener(False) as listener:
        found = app.reproduce_member(run_directory(arch, output), member, store, to, jobs, (listener,))
    click.echo(found.to_json() if as_json else found.to_text())


@click.command("bug-report")
@click.argument("member")
@_arch
@_output
@_store
def bug_report(member: str, arch: str | None, output: Path | None, store: Path | None) -> None:
    """Write a report for Debian's bug tracker about the source MEMBER of the last run.

    It tells what was lost, or why the build failed, how to see it, the device's answers to
    configure, and the patches that mend it here.  Read it again before you mail it.
    """
    with report.listener(False) as listener:
        found = bugreport.report_bug(run_directory(arch, output), member, store, (listener,))
    click.echo(found.text(), nl=False)
