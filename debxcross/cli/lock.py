# SPDX-License-Identifier: GPL-3.0-or-later
"""The command that writes locks."""
from __future__ import annotations

from pathlib import Path

import click

from debxcross.app.request import Request
from debxcross.app.lock import write_lock
from debxcross.cli import options, report

_path = click.Path(path_type=Path)


@click.command("lock")
@click.argument("arch")
@click.option("--chain", metavar="NAME|FILE", default="python2.7", show_default=True,
              help="A chain that ships, or your own TOML file.")
@click.option("--output", "-o", type=_path, metavar="FILE", default="debxcross.lock", show_default=True,
              help="The lock file.")
@click.option("--update", multiple=True, metavar="MEMBER",
              help="Move only this (a member, build-root, device-root or device).  Repeatable.")
@click.option("--store", type=_path, metavar="DIR",
              help="The store the chain was built in.  [default: $XDG_CACHE_HOME/debxcross]")
@click.option("--patches", type=_path, multiple=True, metavar="DIR",
              help="More rules patches, as the build had them.  Repeatable.")
@click.option("--refresh", is_flag=True, help="Fetch the package indexes even when they are recent.")
@click.option("--without", multiple=True, metavar="SUITE",
              help="Leave a suite out, as the build did.  Repeatable.")
@options.answers
def lock(
    arch: str, chain: str, output: Path, update: tuple[str, ...], store: Path | None,
    patches: tuple[Path, ...], refresh: bool, without: tuple[str, ...], answers: str | None,
    answers_from: tuple[Path, ...],
) -> None:
    """Pin everything a chain's build for ARCH takes from outside, by digest.

    Build the chain first; then 'build-dep-chain ARCH --locked FILE' repeats exactly that.
    """
    report.terminate_like_interrupt()
    request = Request(arch, chain, store=store, patches=patches, refresh=refresh, without=without,
                      answers=answers or "", answers_from=answers_from)
    with report.listener(False) as listener:
        made = write_lock(request, output, update, (listener,))
    click.echo(f"{output}: {len(made.members)} members, {len(made.packages)} packages, "
               f"{len(made.files)} files")
