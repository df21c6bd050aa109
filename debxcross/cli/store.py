# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands around the store: look into it, clean it, carry it, sign it."""
from __future__ import annotations

import json
from pathlib import Path

import click

from debxcross.app import store as app

_path = click.Path(path_type=Path)
_store = click.option("--store", "directory", type=_path, metavar="DIR",
                      help="The store.  [default: $XDG_CACHE_HOME/debxcross]")
_json = click.option("--json", "as_json", is_flag=True, help="Write JSON to standard output.")
_keep = click.option("--keep", type=click.IntRange(0), default=2, show_default=True, metavar="N",
                     help="Keep the newest N results of every chain's members, per architecture.")
_lock = click.option("--lock", "named", type=_path, multiple=True, metavar="FILE",
                     help="Keep what this lock (or any file with sha256 digests) names.  Repeatable.")


@click.group("store")
def store() -> None:
    """Look into the store, clean it, verify it, carry it to another machine, share it."""


@store.command("ls")
@_store
@_json
def ls(directory: Path | None, as_json: bool) -> None:
    """List the results and base roots in the store, and what everything takes."""
    found = app.list_store(directory)
    click.echo(found.to_json() if as_json else found.to_text())


@store.command("gc")
@_keep
@_lock
@click.option("--sources", is_flag=True,
              help="Delete fetched sources too that no kept result is made of; mirrors may have lost them.")
@click.option("--kept-roots", is_flag=True, help="Delete the build roots kept for 'shell' too.")
@click.option("--delete", is_flag=True, help="Delete; without it, only show what would go.")
@_store
@_json
def gc(keep: int, named: tuple[Path, ...], sources: bool, kept_roots: bool, delete: bool,
       directory: Path | None, as_json: bool) -> None:
    """Show what nobody needs any more, and with --delete delete it.

    What a kept result is made of stays: its source, its build environment, its base root.
    """
    found = app.clean(directory, keep, named, sources=not sources, kept_roots=kept_roots, delete=delete)
    click.echo(found.to_json() if as_json else found.to_text())


@store.command("verify")
@_store
@_json
def verify(directory: Path | None, as_json: bool) -> None:
    """Compare everything with the digest it goes by, and drop what is damaged."""
    found = app.verify(directory)
    click.echo(found.to_json() if as_json else found.to_text())
    if found.found:
        raise click.exceptions.Exit(30)


@store.command("export")
@click.argument("file", type=_path)
@_keep
@_lock
@_store
@_json
def export(file: Path, keep: int, named: tuple[Path, ...], directory: Path | None, as_json: bool) -> None:
    """Write results, and all they are made of, into one FILE for a machine without network."""
    found = app.export(directory, file, keep, named)
    click.echo(found.to_json() if as_json else f"{file}: {found.to_text()}")


@store.command("import")
@click.argument("file", type=_path)
@_store
@_json
def take_in(file: Path, directory: Path | None, as_json: bool) -> None:
    """Take in a FILE that export wrote; every byte is compared with its digest."""
    found = app.take_in(directory, file)
    click.echo(found.to_json() if as_json else f"taken in: {found.to_text()}")


@store.command("sign")
@_store
@_json
def sign(directory: Path | None, as_json: bool) -> None:
    """Vouch for the store's results, so that others may --substitute them.

    Writes the files 'signed' and 'signer.gpg', and the directory 'public' with links to what
    others may read.  Any web server that shows that directory serves the store; one that shows
    more would show what is private.  Run it again after a build.
    """
    place, fingerprint, entries = app.sign(directory)
    if as_json:
        click.echo(json.dumps({"directory": str(place), "fingerprint": fingerprint, "entries": entries}))
        return
    click.echo(f"{entries} entries signed with {fingerprint}")
    click.echo(f"Serve {place}, and give {place}/signer.gpg to those who are to trust it:")
    click.echo("  debxcross build-dep-chain ARCH --substitute URL --substitute-key signer.gpg")
