# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that build, and the plan of what they would build."""
from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from debxcross.app import build as building
from debxcross.app.request import Request
from debxcross.cli import report
from debxcross.errors import DebxcrossError, UsageError
from debxcross.events import Listener

_Function = TypeVar("_Function", bound=Callable[..., Any])


def _options(*options: Callable[[_Function], _Function]) -> Callable[[_Function], _Function]:
    def decorate(function: _Function) -> _Function:
        for option in reversed(options):
            function = option(function)
        return function
    return decorate


_path = click.Path(path_type=Path)
_chain = click.option("--chain", metavar="NAME|FILE", default="python2.7", show_default=True,
                      help="A chain that ships, or your own TOML file.")
_places = _options(
    click.option("--output", type=_path, metavar="DIR", help="Where the results go.  [default: out/ARCH]"),
    click.option("--store", type=_path, metavar="DIR",
                 help="Where everything fetched and built is kept.  [default: $XDG_CACHE_HOME/debxcross]"),
)
_patches = click.option("--patches", type=_path, multiple=True, metavar="DIR",
                        help="More rules patches: DIR/SOURCE/NAME.patch, DIR/sdists/PROJECT/NAME.patch.  "
                        "Repeatable.")
_refresh = click.option("--refresh", is_flag=True,
                        help="Fetch the package indexes even when they are recent.")
_without = click.option("--without", multiple=True, metavar="SUITE",
                        help="Leave out this suite of the release, such as bookworm-security.  Repeatable.")
_running = _options(
    click.option("--jobs", "-j", type=click.IntRange(1), metavar="N",
                 help="Processors to use.  [default: all]"),
    click.option("--dry-run", "-n", is_flag=True, help="Show the plan and stop."),
    click.option("--json", "json_lines", is_flag=True, help="Write events as JSON lines to standard output."),
    click.option("--keep-going", "-k", is_flag=True, help="After a failure, build what does not need it."),
    click.option("--isolation", type=click.Choice(["unshare", "none"]), default="unshare", show_default=True,
                 help="How build roots are entered; none is for throw-away containers."),
    click.option("--rebuild", multiple=True, metavar="MEMBER", help="Build this again.  Repeatable."),
    click.option("--substitute", multiple=True, metavar="URL",
                 help="Take results from this signed store instead of building.  Repeatable."),
    click.option("--substitute-key", type=_path, multiple=True, metavar="FILE",
                 help="A key to trust substitutes by: their signer.gpg.  Repeatable."),
)


@click.command("build-dep-chain")
@click.argument("arch")
@_chain
@_places
@_running
@click.option("--locked", type=_path, metavar="FILE",
              help="Build with exactly what this lock names, or refuse.")
@click.option("--offline", is_flag=True, help="With --locked: take everything from the store, no network.")
@click.option("--no-trial", is_flag=True, help="Do not install and run the results on an emulated device.")
@_patches
@_refresh
@_without
def build_dep_chain(
    arch: str, chain: str, output: Path | None, store: Path | None, jobs: int | None, dry_run: bool,
    json_lines: bool, keep_going: bool, isolation: str, rebuild: tuple[str, ...],
    substitute: tuple[str, ...], substitute_key: tuple[Path, ...], locked: Path | None, offline: bool,
    no_trial: bool,
    patches: tuple[Path, ...], refresh: bool, without: tuple[str, ...],
) -> None:
    """Build a chain for ARCH, publish it as a signed apt repository, and try it.

    The last step is an emulated device that installs from the repository with plain apt,
    imports every extension module and exercises the rest.
    """
    _run(Request(
        arch, chain, output=output, store=store, jobs=jobs, keep_going=keep_going, isolation=isolation,
        rebuild=rebuild, trial=not no_trial, patches=patches, refresh=refresh,
        without=without, substitutes=substitute, substitute_keys=substitute_key, locked=locked,
        offline=offline), dry_run, json_lines)


def _no_lock(context: click.Context, option: click.Parameter, value: object) -> None:
    if value:
        raise UsageError(
            "locks are for chains, and 'debxcross build' has none",
            resolution="Name the sources in [[source]] tables of a chain file; build, lock and repeat that "
                       "with build-dep-chain (docs/locks.md).")


@click.command("build")
@click.argument("targets", nargs=-1, required=True, metavar="SOURCE[=VERSION][/SUITE]...")
@click.option("--arch", required=True, metavar="ARCH", help="The host architecture.")
@click.option("--release", default="bookworm", show_default=True, metavar="SUITE",
              help="The release to build in and for.")
@_places
@_running
@click.option("--locked", hidden=True, expose_value=False, callback=_no_lock)
@click.option("--offline", is_flag=True, hidden=True, expose_value=False, callback=_no_lock)
@_patches
@_refresh
@_without
def build(
    targets: tuple[str, ...], arch: str, release: str, output: Path | None, store: Path | None,
    jobs: int | None, dry_run: bool, json_lines: bool, keep_going: bool, isolation: str,
    rebuild: tuple[str, ...], substitute: tuple[str, ...], substitute_key: tuple[Path, ...],
    patches: tuple[Path, ...], refresh: bool, without: tuple[str, ...],
) -> None:
    """Build any Debian sources for --arch and publish them as a signed apt repository."""
    _run(Request(
        arch, targets=targets, release=release, output=output, store=store, jobs=jobs,
        keep_going=keep_going, isolation=isolation, rebuild=rebuild, patches=patches, refresh=refresh,
        without=without, substitutes=substitute, substitute_keys=substitute_key),
        dry_run, json_lines)


@click.command("plan")
@click.argument("arch")
@_chain
@click.option("--format", "form", type=click.Choice(["text", "json", "dot"]), default="text",
              show_default=True, help="text for people, json for programs, dot for Graphviz.")
@_places
@_patches
@_refresh
@_without
def plan(
    arch: str, chain: str, form: str, output: Path | None, store: Path | None, patches: tuple[Path, ...],
    refresh: bool, without: tuple[str, ...],
) -> None:
    """Show what would be built for ARCH, in which order, why, and what cannot work.

    Asks the archives, downloads the sources, builds nothing.
    """
    _plan(Request(arch, chain, output=output, store=store, patches=patches, refresh=refresh,
                  without=without), form)


def _plan(request: Request, form: str) -> None:
    with report.planning() as listener:
        found, problems = building.plan(request, (listener,))
    click.echo({"text": found.to_text, "json": found.to_json, "dot": found.to_dot}[form]())
    if problems:
        raise click.exceptions.Exit(problems[0].exit_status)


def _run(request: Request, dry_run: bool, json_lines: bool, listeners: Sequence[Listener] = ()) -> None:
    if dry_run:
        _plan(request, "json" if json_lines else "text")
        return
    report.terminate_like_interrupt()
    with report.listener(json_lines) as listener:
        run = building.Build(request, (listener, *listeners))
        try:
            summary = run.run()
        except DebxcrossError as error:
            raise click.exceptions.Exit(error.exit_status) from error  # the listener has shown it
    if json_lines:
        click.echo(json.dumps({"kind": "summary", "data": summary}))
    else:
        from debxcross.run.status import render_summary

        click.echo(render_summary(summary, report.width()))
    if run.partial is not None:
        raise click.exceptions.Exit(run.partial.exit_status)
