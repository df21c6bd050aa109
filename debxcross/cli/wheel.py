# SPDX-License-Identifier: GPL-3.0-or-later
"""The command that turns requirements of PyPI into debs."""
from __future__ import annotations

import sys
from pathlib import Path

import click

from debxcross.app.request import Request
from debxcross.app.wheel import Lacking, Locked, PipOptions, WheelRequest, lock, lock_again
from debxcross.cli import options
from debxcross.cli.build import run
from debxcross.errors import UsageError
from debxcross.events import Event

_resolving = options.together(
    click.option("--requirement", "-r", "files", type=options.PATH, multiple=True, metavar="FILE",
                 help="A requirements file.  Repeatable."),
    click.option("--constraint", "-c", "constraints", type=options.PATH, multiple=True, metavar="FILE",
                 help="A constraints file.  Repeatable."),
    click.option("--require-hashes", is_flag=True, help="Take only files whose sha256 is given."),
    click.option("--index-url", "-i", default="", metavar="URL",
                 help="The index, instead of the one that pip is configured for."),
    click.option("--extra-index-url", "extra_index_urls", multiple=True, metavar="URL",
                 help="One more index; the best file wins, wherever it is.  Repeatable."),
    click.option("--no-binary", multiple=True, metavar="NAMES",
                 help="Build these projects, or :all:, from their sdists.  Repeatable."),
    click.option("--only-binary", multiple=True, metavar="NAMES",
                 help="Take only wheels of these projects, or :all:.  Repeatable."),
    click.option("--pre", is_flag=True, help="Releases before a final one count, too."),
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
    click.option("--test", is_flag=True,
                 help="Run the tests that the built projects ship in their sdists on the emulated device, "
                      "five minutes for each."),
    click.option("--auto-needs/--no-auto-needs", "auto_needs", default=None,
                 help="Add what a failed build lacked (a header's package, a build requirement) and try it "
                      "again, once.  [default: ask in a terminal, else only say it]"),
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
    constraints: tuple[Path, ...], require_hashes: bool, index_url: str, extra_index_urls: tuple[str, ...],
    no_binary: tuple[str, ...], only_binary: tuple[str, ...], pre: bool, projects: tuple[Path, ...],
    python: str, prefer: str, policy: str, output: Path | None, store: Path | None, jobs: int | None,
    dry_run: bool, json_lines: bool, keep_going: bool, isolation: str, no_trial: bool, test: bool,
    auto_needs: bool | None, refresh: bool, patches: tuple[Path, ...], without: tuple[str, ...],
) -> None:
    """Turn PyPI requirements, and all they need, into debs for --arch in a signed apt repository.

    A REQUIREMENT is a project of the index (NAME, NAME==VERSION, NAME[EXTRA]>=VERSION), a directory with
    pyproject.toml or setup.py (./DIR), a wheel or sdist, or NAME @ URL with file:, https: or git+…@COMMIT.

    What was chosen is written to chain.toml in the output directory, every file pinned by its
    sha256; 'debxcross build-dep-chain ARCH --chain chain.toml' builds the same again.
    """
    if test and no_trial:
        raise UsageError("--test runs tests in the trial, which --no-trial leaves out",
                         resolution="Leave one of the two out.")
    asked = WheelRequest(
        Request(arch, release=release, output=output, store=store, jobs=jobs, keep_going=keep_going,
                isolation=isolation, trial=not no_trial, test=test, refresh=refresh, patches=patches,
                without=without),
        requirements, files, constraints, projects, require_hashes, python, prefer, policy,
        pip=PipOptions(index_url, extra_index_urls, no_binary, only_binary, pre))
    locked = lock(asked, (_narrate,))
    _show_notes(locked)
    lacking = Lacking()
    try:
        run(locked.request, dry_run, json_lines, (lacking,))
    except click.exceptions.Exit:
        if not lacking.members or not _add(lacking, auto_needs, json_lines):
            raise
        locked = lock_again(asked, locked, lacking, (_narrate,))
        _show_notes(locked)
        run(locked.request, dry_run, json_lines)
    locked.check()


def _show_notes(locked: Locked) -> None:
    for note in locked.notes:
        click.echo(f"note: {note}", err=True)


def _add(lacking: Lacking, auto_needs: bool | None, json_lines: bool) -> bool:
    """Tell whether what builds lacked is to be added: as said, else as somebody at the terminal answers."""
    if auto_needs is not None or json_lines or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return bool(auto_needs)
    return click.confirm(f"Add {lacking.words}, and try again?", default=True, err=True)


def _narrate(event: Event) -> None:
    if event.kind == "activity":
        click.echo(f"{event.member}: {event.text}", err=True)
