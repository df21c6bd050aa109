# SPDX-License-Identifier: GPL-3.0-or-later
"""The command that holds packages against Debian's own, or against others."""
from __future__ import annotations

from pathlib import Path

import click

from debxcross.app import compare as app
from debxcross.cli import options, report
from debxcross.cli.look import run_directory

#: What --fail-on takes: the kinds of differences, and packages that there was nothing to compare with.
_FAILURES = ("lost", "unexplained", "gained", "other-toolchain", "uncompared")


@click.command("compare")
@click.argument("paths", nargs=-1, type=options.PATH, metavar="[OUT|DIR|FILE.deb]...")
@click.option("--with", "against", default="native", show_default=True, metavar="native|DIR",
              help="What the packages are held against: Debian's own, or those in DIR.")
@click.option("--fail-on", multiple=True, type=click.Choice([*_FAILURES, "nothing"]),
              help="End with status 21 when there is a difference of this kind, or a package with nothing "
                   "to compare it with.  Repeatable.  [default: lost]")
@click.option("--release", default="bookworm", show_default=True, metavar="SUITE",
              help="Whose packages are Debian's own, where no run tells it.")
@click.option("-v", "--verbose", is_flag=True, help="Tell every difference below its package.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON to standard output.")
@click.option("--html", type=options.PATH, metavar="FILE", help="Also write a page.")
@options.refresh
@options.without
@click.option("--store", type=options.PATH, metavar="DIR",
              help="Where everything fetched is kept.  [default: $XDG_CACHE_HOME/debxcross]")
def compare(
    paths: tuple[Path, ...], against: str, fail_on: tuple[str, ...], release: str, verbose: bool,
    as_json: bool, html: Path | None, refresh: bool, without: tuple[str, ...], store: Path | None,
) -> None:
    """Tell what packages have lost or gained against Debian's own of the same version.

    PATHs are outputs of runs, directories of .debs, or .debs; without any, the output of the
    newest run below out/.  One line a package, the worst first.  The exit status is 21 when
    something is lost, or a .deb is damaged.
    """
    report.terminate_like_interrupt()
    places = paths or (run_directory(None, None),)
    with report.listener(False) as listener:
        found = app.compare_packages(app.CompareRequest(
            places, None if against == "native" else Path(against), release, store, refresh, without),
            (listener,))
    if html is not None:
        app.write_page(found, places, html)
    click.echo(app.written(found, "json" if as_json else "all" if verbose else "lines"))
    wanted = fail_on or ("lost",)
    if any(one.fails_on(wanted) for one in found):
        raise click.exceptions.Exit(21)
