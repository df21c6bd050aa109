# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands around a repository."""
from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeVar

import click

from debxcross.app import repository as app
from debxcross.app.repository import Repository, Wish

_Function = TypeVar("_Function", bound=Callable[..., Any])

_path = click.Path(path_type=Path)
_directory = click.argument("directory", type=_path, metavar="DIR")
_state = click.option("--state", type=_path, metavar="DIR",
                      help="Where the keys are.  [default: by the repository's origin]")
_release = click.option("--release", metavar="CODENAME", help="The release.  [default: the only one]")
_json = click.option("--json", "as_json", is_flag=True, help="Write JSON to standard output.")


def _wishes(function: _Function) -> _Function:
    for option in reversed((
        click.option("--release", metavar="CODENAME",
                     help="The release to publish for.  [default: the only one; bookworm at first]"),
        click.option("--arch", "architectures", multiple=True, metavar="ARCH",
                     help="An architecture with an index, even an empty one.  Repeatable."),
        click.option("--component", metavar="NAME", help="Where these packages go.  [default: main]"),
        click.option("--suite", metavar="NAME", help="Suite of a new release.  [default: its code name]"),
        click.option("--origin", metavar="TEXT", help="Who publishes; for a new repository."),
        click.option("--label", metavar="TEXT", help="What it is called; for a new repository."),
        click.option("--description", metavar="TEXT", help="One line about the release."),
        click.option("--url", metavar="URL", help="Where devices find it."),
    )):
        function = option(function)
    return function


@click.group("repo")
def repo() -> None:
    """Publish debs as a signed apt repository that devices can trust; check it, keep it, serve it."""


@repo.command("publish")
@_directory
@click.argument("files", nargs=-1, type=_path, metavar="FILE...")
@_wishes
@click.option("--replace", is_flag=True, help="Leave out older packages of the same sources.")
@click.option("--new-date", is_flag=True,
              help="Begin anew at this machine's date when the last publication's lies in the future.")
@_state
@_json
def publish(directory: Path, files: tuple[Path, ...], replace: bool, new_date: bool, state: Path | None,
            as_json: bool, **wishes: Any) -> None:
    """Publish FILEs (.deb, .dsc, .whl, .buildinfo, .log; directories are searched) in DIR.

    Wheels come into an index for pip beside that for apt (docs/repository.md).

    The first time makes the repository and its key.  Versions stand side by side unless
    --replace is given; the same name and version with other bytes is refused.
    """
    repository = Repository(directory, state)
    done = repository.publish(Wish(**wishes), files, replace_older=replace, new_date=new_date)
    _told(done, repository, as_json)


def _told(done: Any, repository: Repository, as_json: bool) -> None:
    _warn(done.warnings)
    if as_json:
        click.echo(json.dumps({"codename": done.codename, "date": done.date, "changed": done.changed,
                               "packages": len(done.packages), "fingerprints": done.fingerprints}))
        return
    state = "published" if done.changed else "unchanged"
    click.echo(f"{state}: {done.codename}, {len(done.packages)} packages, {_moment(done.date)}")
    click.echo(f"key: {' '.join(done.fingerprints)}")
    if done.changed:
        click.echo(f"A device is set up by: debxcross repo device-setup {repository.root} "
                   f"--release {done.codename}", err=True)


def _moment(date: int) -> str:
    return f"{datetime.fromtimestamp(date, timezone.utc):%Y-%m-%d %H:%M:%S} UTC"


def _warn(warnings: tuple[str, ...]) -> None:
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)


@repo.command("import")
@_directory
@click.argument("source", type=_path)
@_wishes
@_state
@_json
def take_over(directory: Path, source: Path, state: Path | None, as_json: bool, **wishes: Any) -> None:
    """Publish in DIR what SOURCE has: debs, a flat repository, or a tree of reprepro or aptly.

    Indexes are read in whatever form they are there.  When one cannot be, or lists what is
    missing, nothing is published; --arch names the architectures that were copied.
    """
    repository = Repository(directory, state)
    for done in repository.take_over(Wish(**wishes), source):
        _told(done, repository, as_json)


@repo.command("list")
@_directory
@_state
@_json
def listing(directory: Path, state: Path | None, as_json: bool) -> None:
    """List what DIR publishes, with its snapshots."""
    repository = Repository(directory, state)
    found = repository.listing()
    _warn(repository.warnings())
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    for release in found["releases"]:
        names = "  ".join(" ".join(release[field]) for field in ("architectures", "components"))
        click.echo(f"{release['codename']}  {_moment(release['date'])}  {names}")
        for package in release["packages"]:
            click.echo(f"  {package['name']} {package['version']} {package['architecture']}")
        for source in release["sources"]:
            click.echo(f"  {source['name']} {source['version']} source")
        for name in release["snapshots"]:
            click.echo(f"  snapshot {name}")


@repo.command("verify")
@click.argument("where", metavar="DIR|URL")
@click.option("--key", type=_path, metavar="FILE", help="The key to believe.  [default: that of --state]")
@click.option("--release", "releases", multiple=True, metavar="CODENAME",
              help="Only this release.  Repeatable.")
@click.option("--installable", is_flag=True,
              help="Also ask the releases' own archives whether apt could install every package.")
@_state
@_json
def verify(where: str, key: Path | None, releases: tuple[str, ...], installable: bool, state: Path | None,
           as_json: bool) -> None:
    """Check all that a client would check, and more; exit status 11 when something is wrong.

    Every index under each of its names, every deb and source file, signatures with gpgv and
    sqv, key strength and expiry; of a local repository also its snapshots and web pages.
    """
    found = app.verify(where, key, releases, state)
    if installable and "://" in where:
        raise click.UsageError("--installable needs a directory.")
    if installable:
        app.verify_installable(Path(where), releases, found)
    if as_json:
        click.echo(json.dumps({"files": found.files, "packages": found.packages, "notes": found.notes,
                               "faults": [vars(fault) for fault in found.faults]}, indent=1))
    else:
        for fault in found.faults:
            click.echo(f"{fault.path}: {fault.what}")
        click.echo(f"{found.packages} packages, {found.files} files read, {len(found.faults)} faults")
    for note in found.notes:
        click.echo(f"note: {note}", err=True)
    if found.faults:
        raise click.exceptions.Exit(11)


@repo.command("rollback")
@_directory
@click.argument("snapshot")
@_release
@_state
@_json
def rollback(directory: Path, snapshot: str, release: str | None, state: Path | None, as_json: bool) -> None:
    """Publish SNAPSHOT (its name, or "previous") once more, as the newest state.

    Devices see it as an update; packages already installed go down only with a pin above 1000.
    """
    repository = Repository(directory, state)
    _told(repository.rollback(release, snapshot), repository, as_json)


@repo.command("gc")
@_directory
@click.option("--keep", type=click.IntRange(3), default=3, show_default=True, metavar="N",
              help="Keep at least N generations.")
@click.option("--days", type=click.IntRange(7), default=7, show_default=True, metavar="N",
              help="Keep what was live within N days.")
@click.option("--dry-run", "-n", is_flag=True, help="Only show what would go.")
@_state
@_json
def gc(directory: Path, keep: int, days: int, dry_run: bool, state: Path | None, as_json: bool) -> None:
    """Remove old snapshots, and the files that nothing lists any more."""
    repository = Repository(directory, state)
    found = repository.collect(keep, days, dry_run=dry_run)
    _warn(repository.warnings())
    if as_json:
        click.echo(json.dumps({"snapshots": found.snapshots, "files": found.files, "bytes": found.size}))
        return
    for name in (*found.snapshots, *found.files):
        click.echo(name)
    click.echo(f"{len(found.snapshots)} snapshots and {len(found.files)} files, {found.size / 1e6:.1f} MB, "
               f"{'would go' if dry_run else 'are gone'}")


@repo.command("serve")
@_directory
@click.option("--bind", default="0.0.0.0", show_default=True, metavar="ADDRESS", help="Where to listen.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, metavar="N",
              help="0 takes any free one.")
@click.option("--quiet", is_flag=True, help="Do not print a line for each request.")
def serve(directory: Path, bind: str, port: int, quiet: bool) -> None:
    """Serve DIR to devices on this network until Ctrl-C."""
    told = None if quiet else _print_request
    server = Repository(directory).serve(bind, port, told)
    click.echo(f"serving {directory} on port {server.port}", err=True)
    try:
        server.serve()
    except KeyboardInterrupt:
        server.stop()


def _print_request(line: str) -> None:
    sys.stderr.write(f"{line}\n")


@repo.group("key")
def key() -> None:
    """Look after the keys that sign, so that no device ever notices a change."""


@key.command("list")
@_directory
@_state
@_json
def key_list(directory: Path, state: Path | None, as_json: bool) -> None:
    """List the keys, what they do, and until when."""
    repository = Repository(directory, state)
    found = repository.keys()
    _warn(repository.warnings())
    if as_json:
        click.echo(json.dumps([{**asdict(one.key), "until": one.key.until, "state": one.state}
                               for one in found], indent=1))
        return
    for one in found:
        until = _moment(one.key.until)[:10] if one.key.until else "never"
        subkey = f"  signs with subkey {one.key.subkey.fingerprint}" if one.key.subkey else ""
        click.echo(f"{one.key.fingerprint}  {one.state}  expires {until}  {one.key.user_id}{subkey}")


@key.command("add")
@_directory
@click.option("--file", "brought", type=_path, metavar="FILE",
              help="Bring this key (secret, or only public with --signer).  [default: make one]")
@click.option("--signer", default="", metavar="COMMAND",
              help="Sign with 'COMMAND clearsign|detach-sign KEYS DOCUMENT OUTPUT'.")
@_state
def key_add(directory: Path, brought: Path | None, signer: str, state: Path | None) -> None:
    """Add a key and publish with it beside the others; the keyring package tells the devices."""
    if signer and brought is None:
        raise click.UsageError("--signer needs --file with the public key.")
    repository = Repository(directory, state)
    for fingerprint in repository.add_key(brought, signer):
        click.echo(fingerprint)
    _warn(repository.warnings())


@key.command("retire")
@_directory
@click.argument("fingerprint")
@click.option("--force", is_flag=True, help="Even when devices had less than 90 days to learn of another.")
@_state
def key_retire(directory: Path, fingerprint: str, force: bool, state: Path | None) -> None:
    """Let a key sign no more, and publish without it."""
    repository = Repository(directory, state)
    click.echo(f"retired {repository.retire_key(fingerprint, force=force)}")
    _warn(repository.warnings())


@repo.command("device-setup")
@_directory
@click.option("--release", "target", required=True, metavar="RELEASE",
              help="The device's own Debian release: a code name or a number, 8 to 14.")
@click.option("--from", "release", metavar="CODENAME",
              help="The repository's release.  [default: the device's if there, else the only one]")
@click.option("--no-clock", is_flag=True, help="For boards that start in 1970: do not compare dates.")
@click.option("--sources", is_flag=True, help="Point at the source packages too (deb-src).")
@click.option("--output", type=_path, metavar="DIR", help="Write the files below DIR instead, as below /.")
@_state
def device_setup(directory: Path, target: str, release: str | None, no_clock: bool, sources: bool,
                 output: Path | None, state: Path | None) -> None:
    """Print a script that points a device here, or write the files it would write.

    The script compares the key with the fingerprint that it is given: sh setup.sh FINGERPRINT
    """
    repository = Repository(directory, state)
    if release is None and repository.manifest and target in repository.manifest.releases:
        release = target
    script, files, warning = repository.device(release, target, no_clock=no_clock, sources=sources)
    _warn((*repository.warnings(), *((warning,) if warning else ())))
    if output is None:
        click.echo(script, nl=False)
        return
    for name, content in sorted(files.items()):
        path = output / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o644)
        click.echo(path)
