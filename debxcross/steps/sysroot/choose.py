# SPDX-License-Identifier: GPL-3.0-or-later
"""Chooses what goes into a sysroot: apt, an earlier manifest, results of a run."""
from __future__ import annotations

import difflib
import glob
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from debxcross.core.architecture import Architecture
from debxcross.core.archive.predict import stanza_text
from debxcross.core.artifact import StoredFile
from debxcross.core.border import read_as, read_json
from debxcross.core.build.environment import PackageFile
from debxcross.core.key import digest
from debxcross.core.sysroot.manifest import SysrootManifest
from debxcross.core.url import below
from debxcross.doors import deb
from debxcross.doors.apt import AptRoot, parse_print_uris, raise_for_apt
from debxcross.doors.files import read
from debxcross.doors.process import Completed
from debxcross.doors.store import Store
from debxcross.errors import FetchError, UnsatisfiableError, UsageError
from debxcross.steps.context import Context

STEP = "sysroot"


@dataclass(frozen=True)
class Chosen:
    """A .deb of the store that goes into a sysroot, and where it came from (see SysrootPackage)."""

    file: StoredFile
    origin: str
    path: str


def local_results(store: Store, directory: Path, host: Architecture, release: str) -> tuple[StoredFile, ...]:
    """Return the .debs of an earlier run whose results are below ``directory``, from the store.

    Raises UsageError when there was no such run, or one for another architecture or release.
    """
    try:
        summary = read_json(read(directory / "summary.json"))
        found = (summary["architecture"], summary["release"])
        files = tuple(read_as(StoredFile, {"name": one["file"], "sha256": one["sha256"], "size": one["size"]})
                      for one in summary["debs"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"there are no results of a run below {directory}", str(error),
            "--results names the output directory of 'debxcross build-dep-chain' or 'build'.") from error
    if found != (host.name, release):
        raise UsageError(
            f"the results below {directory} are for {found[1]} {found[0]}, not for {release} {host.name}",
            resolution="Name the same architecture and --release as for the build.")
    for file in files:
        if not store.has(file):
            kept = next(iter(sorted(directory.glob(f"repo/pool/**/{glob.escape(file.name)}"))), None)
            if kept is None or store.put(kept).sha256 != file.sha256:
                raise UsageError(f"{file.name} is neither in the store nor below {directory}",
                                 resolution="Run the build again, then this.")
    return tuple(file for file in files if "-dbgsym_" not in file.name)


def resolve(
    context: Context, release: str, packages: Sequence[str], results: Sequence[StoredFile],
    wider: Callable[[], AptRoot | None],
) -> tuple[Chosen, ...]:
    """Let apt choose everything that ``packages`` need, ``results`` before the archive; fetch it.

    ``wider`` opens an apt that also sees the build architecture, to say more of wrong names; None
    where there is no network for it.
    Raises UsageError for names that do not exist (nearest ones offered) or are for another
    architecture, UnsatisfiableError in apt's words, FetchError and VerificationError.
    """
    host = context.host.name
    for name in packages:
        if name.partition(":")[2] not in ("", host, "any", "all"):
            raise UsageError(f"{name} is for another architecture than the sysroot, {host}",
                             resolution=f"Name it without an architecture: {name.partition(':')[0]}")
    names = tuple(dict.fromkeys(name.partition(":")[0] for name in packages))
    context.busy(STEP, f"resolving {' '.join(names)}")
    world = context.world.for_device()
    if context.world.without_archive:
        raise UnsatisfiableError(
            f"{release} does not carry {host}", "A sysroot is made of an archive's packages.",
            "Choose another --release.  Sources are built all the same: debxcross build SOURCE "
            f"--arch {host} (docs/no-archive.md).")
    if not world.suites:
        raise UnsatisfiableError(f"{release} does not carry {host}", resolution="Choose another --release.")
    local = _local_index(context, results)
    question = digest({"names": names, "state": context.apt.state(world), "local": local, "schema": 1})
    found = context.store.memo("sysroot", question)
    if found is None:
        with context.store.work(context.chroots.remove) as directory:
            # An apt that sees the device alone shows the same as a view, and has its cache ready.
            alone = context.world.architectures == (host,) and not local
            view = context.apt if alone else context.apt.view(directory / "apt", world, local=local)
            answer = view.run(["apt-get", "install", "--print-uris", "-qq", "-y",
                               "-o", "Acquire::ForceHash=SHA256", *names])
            if answer.exit_status:
                _raise_for_names(
                    context, view, release, names, {one.name.split("_")[0] for one in results}, wider)
                # Asked for addresses only, apt keeps to itself which packages are in each other's way.
                answer = view.run(["apt-get", "install", "--simulate", "-q", "-y", *names])
                _raise_for_relations(answer, release, names, host)
            raise_for_apt(answer, f"apt could not choose {' '.join(names)} for {release} {host}")
            found = [vars(one) for one in parse_print_uris(answer.stdout)]
        context.store.remember("sysroot", question, found)
    return fetch_chosen(context, tuple(PackageFile(**one) for one in found), STEP)


def fetch_chosen(context: Context, files: Sequence[PackageFile], step: str) -> tuple[Chosen, ...]:
    """Have these packages in the store; return them with where they came from."""
    stored = context.supply.fetch(step, files)
    return tuple(Chosen(file, *_origin(context, one.uri)) for file, one in zip(stored, files))


def _raise_for_relations(answer: Completed, release: str, names: Sequence[str], host: str) -> None:
    """Raise UnsatisfiableError in apt's words, with a next move that fits a sysroot."""
    together = "cannot be together" if len(names) > 1 else "cannot be"
    try:
        raise_for_apt(answer, f"{' '.join(names)} {together} in a sysroot for {release} {host}")
    except UnsatisfiableError as error:
        raise UnsatisfiableError(
            error.brief, error.details,
            "Of packages that conflict, leave one out or make a sysroot for each. What is missing "
            "comes from another --release, or from your own build with --results.") from error


def _local_index(context: Context, results: Sequence[StoredFile]) -> str:
    return "\n".join(
        stanza_text(deb.read_facts(context.store.path(one.sha256)).control, one.name, one.size, one.sha256)
        for one in results)


def _origin(context: Context, uri: str) -> tuple[str, str]:
    """Return which archive a URI of apt's is in, and the path below the archive's base."""
    for use in context.world.suites:
        for base in (f"mirror+file:{context.apt.mirror_files[use.archive.role]}", *use.archive.uris):
            if (rest := below(uri, base)) is not None:
                return use.archive.role, rest
    return "local", ""


def _raise_for_names(
    context: Context, view: AptRoot, release: str, names: Sequence[str], local: set[str],
    wider: Callable[[], AptRoot | None],
) -> None:
    """Raise UsageError when names are what is wrong: all of them, with the nearest known ones.

    ``view`` sees what the device sees; see resolve for ``wider``.
    """
    host, build = context.host.name, context.build.name
    said = []
    for name in names:
        if name in local or view.run(["apt-cache", "show", name]).stdout.strip():
            continue
        providers = view.run(["apt-cache", "showpkg", name]).stdout.partition("Reverse Provides:")[2]
        if found := sorted({line.split()[0] for line in providers.splitlines() if line.strip()}):
            if len(found) > 1:
                said.append(f"{name}: virtual; choose one of {', '.join(found[:8])}")
        elif (build != host and (every := wider()) is not None
              and every.run(["apt-cache", "show", f"{name}:{build}"]).stdout.strip()):
            said.append(f"{name}: {release} has it for {build}, not for {host}")
        else:
            known = sorted(set(view.run(["apt-cache", "pkgnames"]).stdout.split()))
            near = difflib.get_close_matches(name, known, n=3, cutoff=0.7)
            said.append(f"{name}: no such package" + (f"; did you mean {' or '.join(near)}?" if near else ""))
    if said:
        raise UsageError(
            f"{release} has no {' and no '.join(line.partition(':')[0] for line in said)} for {host}",
            "\n".join(said), "Correct the names given with --package.")


def locked(manifest: SysrootManifest) -> tuple[Chosen, ...]:
    """Return the packages that a manifest names."""
    return tuple(Chosen(StoredFile(one.file, one.sha256, one.size), one.origin, one.path)
                 for one in manifest.packages)


def fetch_locked(context: Context, chosen: Sequence[Chosen]) -> None:
    """Have the packages of a manifest in the store, by digest, whatever the indexes offer by now.

    Raises FetchError for what no mirror has any more.
    """
    bases = {use.archive.role: use.archive.uris for use in context.world.suites}
    files = []
    for one in chosen:
        if one.origin not in bases and not context.store.has(one.file):
            raise FetchError(
                f"{one.file.name} is a result of a build and not in the store",
                f"sha256 {one.file.sha256}", "Build it again (results are bit-identical), or copy the store.")
        base = bases.get(one.origin, ("",))[0].rstrip("/")
        mirrors = len(bases.get(one.origin, ())) > 1
        prefix = f"mirror+file:{context.apt.mirror_files[one.origin]}" if mirrors else base
        files.append(PackageFile(f"{prefix}/{one.path}", one.file.name, one.file.size, one.file.sha256))
    context.supply.fetch(STEP, files)
