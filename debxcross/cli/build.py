# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that build, and the plan of what they would build."""
from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click

from debxcross.app import build as building
from debxcross.app.request import Request
from debxcross.cli import options, report
from debxcross.errors import DebxcrossError, UsageError
from debxcross.events import Listener

_running = options.together(
    options.jobs,
    click.option("--dry-run", "-n", is_flag=True, help="Show the plan and stop."),
    options.json_lines,
    options.keep_going,
    options.isolation,
    click.option("--rebuild", multiple=True, metavar="MEMBER", help="Build this again.  Repeatable."),
    click.option("--substitute", multiple=True, metavar="URL",
                 help="Take results from this signed store instead of building.  Repeatable."),
    click.option("--substitute-key", type=options.PATH, multiple=True, metavar="FILE",
                 help="A key to trust substitutes by: their signer.gpg.  Repeatable."),
)


@click.command("build-dep-chain")
@click.argument("arch")
@options.chain
@options.places
@_running
@click.option("--locked", type=options.PATH, metavar="FILE",
              help="Build with exactly what this lock names, or refuse.")
@click.option("--offline", is_flag=True, help="With --locked: take everything from the store, no network.")
@options.no_trial
@options.no_twin
@options.patches
@options.refresh
@options.without
@options.answers
@options.closure
def build_dep_chain(
    arch: str, chain: str, output: Path | None, store: Path | None, jobs: int | None, dry_run: bool,
    json_lines: bool, keep_going: bool, isolation: str, rebuild: tuple[str, ...],
    substitute: tuple[str, ...], substitute_key: tuple[Path, ...], locked: Path | None, offline: bool,
    no_trial: bool, no_twin: bool, patches: tuple[Path, ...], refresh: bool, without: tuple[str, ...],
    answers: str | None, answers_from: tuple[Path, ...], closure: bool,
) -> None:
    """Build a chain for ARCH, publish it as a signed apt repository, and try it.

    The last step is an emulated device that installs from the repository with plain apt,
    imports every extension module and exercises the rest.
    """
    run(Request(
        arch, chain, output=output, store=store, jobs=jobs, keep_going=keep_going, isolation=isolation,
        rebuild=rebuild, trial=not no_trial, patches=patches, refresh=refresh,
        without=without, substitutes=substitute, substitute_keys=substitute_key, locked=locked,
        offline=offline, twin=not no_twin, answers=answers or "", answers_from=answers_from, closure=closure),
        dry_run, json_lines)


def _no_lock(context: click.Context, option: click.Parameter, value: object) -> None:
    if value:
        raise UsageError(
            "locks are for chains, and 'debxcross build' has none",
            resolution="Name the sources in [[source]] tables of a chain file; build, lock and repeat that "
                       "with build-dep-chain (docs/locks.md).")


@click.command("build")
@click.argument("targets", nargs=-1, required=True,
                metavar="SOURCE[=VERSION][/SUITE]|DIR|FILE.dsc|git+URL@REF...")
@click.option("--arch", required=True, metavar="ARCH", help="The host architecture.")
@click.option("--release", default="bookworm", show_default=True, metavar="SUITE",
              help="The release to build in and for.")
@options.places
@_running
@click.option("--locked", hidden=True, expose_value=False, callback=_no_lock)
@click.option("--offline", is_flag=True, hidden=True, expose_value=False, callback=_no_lock)
@options.no_twin
@options.patches
@options.refresh
@options.without
@options.answers
@options.closure
def build(
    targets: tuple[str, ...], arch: str, release: str, output: Path | None, store: Path | None,
    jobs: int | None, dry_run: bool, json_lines: bool, keep_going: bool, isolation: str,
    rebuild: tuple[str, ...], substitute: tuple[str, ...], substitute_key: tuple[Path, ...],
    no_twin: bool, patches: tuple[Path, ...], refresh: bool, without: tuple[str, ...],
    answers: str | None, answers_from: tuple[Path, ...], closure: bool,
) -> None:
    """Build any Debian sources for --arch and publish them as a signed apt repository.

    A source is one of the archive, or your own: a directory with debian/ in it (./DIR), a .dsc, a commit,
    tag or branch of a git repository (docs/own-sources.md).
    """
    run(Request(
        arch, targets=targets, release=release, output=output, store=store, jobs=jobs,
        keep_going=keep_going, isolation=isolation, rebuild=rebuild, patches=patches, refresh=refresh,
        without=without, substitutes=substitute, substitute_keys=substitute_key, twin=not no_twin,
        answers=answers or "", answers_from=answers_from, closure=closure), dry_run, json_lines)


@click.command("plan")
@click.argument("arch")
@options.chain
@click.option("--format", "form", type=click.Choice(["text", "json", "dot"]), default="text",
              show_default=True, help="text for people, json for programs, dot for Graphviz.")
@options.places
@options.patches
@options.refresh
@options.without
@options.answers
@options.closure
def plan(
    arch: str, chain: str, form: str, output: Path | None, store: Path | None, patches: tuple[Path, ...],
    refresh: bool, without: tuple[str, ...], answers: str | None, answers_from: tuple[Path, ...],
    closure: bool,
) -> None:
    """Show what would be built for ARCH, in which order, why, and what cannot work.

    Asks the archives, downloads the sources, builds nothing.
    """
    _plan(Request(arch, chain, output=output, store=store, patches=patches, refresh=refresh,
                  without=without, answers=answers or "", answers_from=answers_from,
                  closure=closure), form)


def _plan(request: Request, form: str) -> None:
    with report.planning() as listener:
        found, problems = building.plan(request, (listener,))
    click.echo({"text": found.to_text, "json": found.to_json, "dot": found.to_dot}[form]())
    if problems:
        raise click.exceptions.Exit(problems[0].exit_status)


def run(request: Request, dry_run: bool, json_lines: bool, listeners: Sequence[Listener] = ()) -> None:
    """Carry a request out and show its summary, or its plan only; click's Exit after a failure."""
    if dry_run:
        _plan(request, "json" if json_lines else "text")
        return
    report.terminate_like_interrupt()
    with report.listener(json_lines) as listener:
        build = building.Build(request, (listener, *listeners))
        try:
            summary = build.run()
        except DebxcrossError as error:
            raise click.exceptions.Exit(error.exit_status) from error  # the listener has shown it
    if json_lines:
        click.echo(json.dumps({"kind": "summary", "data": summary}))
    else:
        from debxcross.run.status import render_summary

        click.echo(render_summary(summary, report.width()))
    if build.partial is not None:
        raise click.exceptions.Exit(build.partial.exit_status)
