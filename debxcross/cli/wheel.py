# SPDX-License-Identifier: GPL-3.0-or-later
"""The command that turns requirements of PyPI into debs."""
from __future__ import annotations

from pathlib import Path

import click

from debxcross.app.request import Request
from debxcross.app.wheel import WheelRequest, lock
from debxcross.cli import options
from debxcross.cli.build import run
from debxcross.events import Event

_resolving = options.together(
    click.option("--requirement", "-r", "files", type=options.PATH, multiple=True, metavar="FILE",
                 help="A requirements file.  Repeatable."),
    click.option("--constraint", "-c", "constraints", type=options.PATH, multiple=True, metavar="FILE",
                 help="A constraints file.  Repeatable."),
    click.option("--require-hashes", is_flag=True, help="Take only files whose sha256 is given."),
    click.option("--projects", type=options.PATH, multiple=True, metavar="FILE",
                 help="TOML: what the builds of projects need beyond their metadata.  Repeatable."),
    click.option("--python", default="", metavar="X.Y",
                 help="The device's Python.  [default: the release's]"),
    click.option("--prefer", type=click.Choice(["pypi", "debian"]), default="pypi", show_default=True,
                 help="Where dependencies come from that Debian has in a version that will do."),
    click.option("--debian-names", "policy", type=click.Choice(["replace", "prefix", "refuse"]),
                 default="replace", show_default=True,
                 help="What to do about packages that Debian has, too."),
)

# Options of building that are left out here belong to 'build-dep-chain --chain chain.toml'.
_running = options.together(
    options.jobs,
    click.option("--dry-run", "-n", is_flag=True, help="Resolve, show the plan and stop."),
    options.json_lines,
    options.keep_going,
    options.isolation,
    options.no_trial,
)


@click.command("wheel")
@click.argument("requirements", nargs=-1, metavar="REQUIREMENT...")
@click.option("--arch", required=True, metavar="ARCH", help="The host architecture.")
@click.option("--release", default="bookworm", show_default=True, metavar="SUITE",
              help="The release to build in and for.")
@_resolving
@options.places
@_running
@options.refresh
@options.patches
@options.without
def wheel(
    requirements: tuple[str, ...], arch: str, release: str, files: tuple[Path, ...],
    constraints: tuple[Path, ...], require_hashes: bool, projects: tuple[Path, ...], python: str,
    prefer: str, policy: str, output: Path | None, store: Path | None, jobs: int | None, dry_run: bool,
    json_lines: bool, keep_going: bool, isolation: str, no_trial: bool, refresh: bool,
    patches: tuple[Path, ...], without: tuple[str, ...],
) -> None:
    """Turn PyPI requirements, and all they need, into debs for --arch in a signed apt repository.

    What was chosen is written to chain.toml in the output directory, every file pinned by its
    sha256; 'debxcross build-dep-chain ARCH --chain chain.toml' builds the same again.
    """
    locked = lock(WheelRequest(
        Request(arch, release=release, output=output, store=store, jobs=jobs, keep_going=keep_going,
                isolation=isolation, trial=not no_trial, refresh=refresh, patches=patches,
                without=without),
        requirements, files, constraints, projects, require_hashes, python, prefer, policy), (_narrate,))
    for note in locked.notes:
        click.echo(f"note: {note}", err=True)
    run(locked.request, dry_run, json_lines)
    locked.check()


def _narrate(event: Event) -> None:
    if event.kind == "activity":
        click.echo(f"{event.member}: {event.text}", err=True)
