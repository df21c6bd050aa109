# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands around a sysroot."""
from __future__ import annotations

import json
from pathlib import Path

import click

from debxcross.app import sysroot as app
from debxcross.cli import report

_path = click.Path(path_type=Path)
_store = click.option("--store", type=_path, metavar="DIR", help="Where packages are kept.  "
                      "[default: $XDG_CACHE_HOME/debxcross]")


_without = click.option("--without", multiple=True, metavar="SUITE",
                        help="Do without this suite of the release, such as one a mirror has half of.  "
                        "Repeatable.")


@click.group("sysroot")
def sysroot() -> None:
    """Make and check the tree of headers and libraries that programs are cross-compiled against."""


@sysroot.command("create")
@click.argument("arch")
@click.option("--output", type=_path, required=True, metavar="FILE|DIR",
              help="An archive (NAME.tar.zst, NAME.tar), else a directory.")
@click.option("--release", default="bookworm", show_default=True, metavar="SUITE",
              help="The release on the device.")
@click.option("--package", "packages", multiple=True, metavar="NAME",
              help="One more package, with all that it needs.  Repeatable.")
@click.option("--only", is_flag=True, help="Only the packages named: not the usual ones for C, C++, OpenSSL, "
              "zlib, libffi and Python 3.")
@click.option("--results", type=_path, metavar="DIR",
              help="The output of an earlier run, such as out/ARCH: its packages come before the archive's.")
@click.option("--from-lock", type=_path, metavar="FILE|DIR",
              help="The manifest of a sysroot, or its directory: make the same again.")
@click.option("--path-exclude", multiple=True, metavar="[PACKAGE:]PATTERN",
              help="Leave out paths, as dpkg's option does; of one package only if named.  Repeatable.")
@click.option("--path-include", multiple=True, metavar="[PACKAGE:]PATTERN",
              help="Take paths all the same.  Repeatable.")
@click.option("--no-default-excludes", is_flag=True, help="Take documentation, programs and all the rest.")
@click.option("--force", is_flag=True, help="Replace what is at --output.")
@click.option("--refresh", is_flag=True, help="Fetch the package indexes even when they are recent.")
@_without
@_store
def create(
    arch: str, output: Path, release: str, packages: tuple[str, ...], only: bool, results: Path | None,
    from_lock: Path | None, path_exclude: tuple[str, ...], path_include: tuple[str, ...],
    no_default_excludes: bool, force: bool, refresh: bool, without: tuple[str, ...], store: Path | None,
) -> None:
    """Make a sysroot for ARCH: unpacked packages, nothing of them run, relocatable.

    Prints sha256 and name of the archive, or the directory's name.
    """
    given = click.get_current_context().get_parameter_source("release")
    if from_lock and (packages or only or results or path_exclude or path_include or no_default_excludes
                      or given is not click.core.ParameterSource.DEFAULT):
        raise click.UsageError("--from-lock decides release, packages and paths; leave those options out.")
    filters = app.filters(path_exclude, path_include)
    report.terminate_like_interrupt()
    with report.listener(False) as listener:
        made = app.create(app.SysrootRequest(
            arch, output, release, packages, only, results, from_lock, filters, not no_default_excludes,
            force, store, refresh, without), (listener,))
    click.echo(f"{made.sha256}  {made.output}" if made.sha256 else str(made.output))


@sysroot.command("verify")
@click.argument("path", type=_path)
@click.option("--no-programs", is_flag=True, help="Only read the tree; build and run nothing.")
@click.option("--isolation", type=click.Choice(["unshare", "none"]), default="unshare", show_default=True,
              help="How the build root is entered; none is for throw-away containers.")
@click.option("--logs", type=_path, metavar="DIR", help="Keep the logs of the programs below DIR.")
@_without
@_store
def verify(path: Path, no_programs: bool, isolation: str, logs: Path | None, without: tuple[str, ...],
           store: Path | None) -> None:
    """Check the sysroot at PATH (an archive or a directory), then build and run programs with it.

    One line per check on standard output; the exit status is 21 when one failed.
    """
    report.terminate_like_interrupt()
    with report.listener(False) as listener:
        well = app.verify(app.VerifyRequest(path, not no_programs, isolation, store, logs, without),
                          lambda verdict: click.echo(app.verdict_line(verdict)), (listener,))
    if not well:
        raise click.exceptions.Exit(21)


@click.command("inspect")
@click.argument("files", nargs=-1, required=True, type=_path, metavar="FILE...")
@click.option("--sysroot", "tree", type=_path, metavar="PATH",
              help="What runs on the device: libraries are looked for in it.")
@click.option("--release", metavar="SUITE", help="The release on the device, with --arch.")
@click.option("--arch", metavar="ARCH", help="The device's architecture, with --release.")
@click.option("--offline", is_flag=True,
              help="Do not ask the release's archive which package has a library.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON to standard output.")
@_without
@_store
def inspect(
    files: tuple[Path, ...], tree: Path | None, release: str | None, arch: str | None, offline: bool,
    as_json: bool, without: tuple[str, ...], store: Path | None,
) -> None:
    """Tell what FILEs are, what they need, and whether they will run on the device.

    FILEs are programs and libraries, also inside of .debs and wheels.
    The exit status is 21 when one of them will not.
    """
    report.terminate_like_interrupt()
    with report.listener(False) as listener:
        found = app.inspect(
            app.InspectRequest(files, tree, release, arch, store, offline, without), (listener,))
    click.echo(json.dumps([one.data() for one in found], indent=2) if as_json
               else "\n\n".join(one.text() for one in found))
    if any(one.faults for one in found):
        raise click.exceptions.Exit(21)
