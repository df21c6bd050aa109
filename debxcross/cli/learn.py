# SPDX-License-Identifier: GPL-3.0-or-later
"""The command that writes files of answers."""
from __future__ import annotations

from pathlib import Path

import click

from debxcross.app.learn import learn as write_answers
from debxcross.app.request import Request
from debxcross.cli import report

_path = click.Path(path_type=Path)


@click.command("learn")
@click.argument("source", metavar="SOURCE[=VERSION][/SUITE]")
@click.option("--arch", required=True, metavar="ARCH", help="The host architecture.")
@click.option("--release", default="bookworm", show_default=True, metavar="SUITE",
              help="The release to build in and for.")
@click.option("--answers", "directory", type=_path, metavar="DIR", default="answers", show_default=True,
              help="Where the file SOURCE/ARCH.cache goes.")
@click.option("--output", type=_path, metavar="DIR",
              help="Where the builds leave their logs and packages, in learn/.  [default: out/ARCH]")
@click.option("--store", type=_path, metavar="DIR",
              help="Where everything fetched and built is kept.  [default: $XDG_CACHE_HOME/debxcross]")
@click.option("--jobs", "-j", type=click.IntRange(1), metavar="N", help="Processors to use.  [default: all]")
@click.option("--patches", type=_path, multiple=True, metavar="DIR", help="More rules patches.  Repeatable.")
@click.option("--without", multiple=True, metavar="SUITE",
              help="Leave out this suite of the release, such as bookworm-security.  Repeatable.")
def learn(
    source: str, arch: str, release: str, directory: Path, output: Path | None, store: Path | None,
    jobs: int | None, patches: tuple[Path, ...], without: tuple[str, ...],
) -> None:
    """Write down what an emulated device answers to SOURCE's configure.

    Builds it three or four times: with the emulator, without, and without but with the file, which must
    give the bytes of the first.
    """
    report.terminate_like_interrupt()
    request = Request(arch, targets=(source,), release=release, output=output, store=store, jobs=jobs,
                      patches=patches, without=without)
    with report.listener(False) as listener:
        found = write_answers(request, directory, (listener,))
    if found.path is None:
        click.echo(f"{source}: the emulated device answers what dpkg-cross and configure do")
    else:
        click.echo(f"{found.path}: {len(found.answers.values) + len(found.answers.defines)} answers")
    for name in found.undecided:
        click.echo(f"{name} has several answers in one build; a file cannot give them")
