# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a sysroot: packages chosen by apt, unpacked with every check, links and scripts mended.

No maintainer script runs and nothing of the packages is executed.  Everything is made beside
its place and renamed into it.
"""
from __future__ import annotations

import difflib
import errno
import json
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from debxcross.core.architecture import Architecture
from debxcross.core.artifact import StoredFile
from debxcross.core.environment import PackageFile
from debxcross.core.key import digest
from debxcross.core.pathfilter import chooser
from debxcross.core.predict import stanza_text
from debxcross.core.sysroot import (
    MANIFEST, OWN, Manifest, SysrootPackage, info_name, own_files, path_list, python_prefix, status_stanza,
)
from debxcross.core.tree import MERGED
from debxcross.doors import deb, tar
from debxcross.doors.apt import AptRoot, parse_print_uris, raise_for_apt
from debxcross.doors.process import Completed
from debxcross.doors.store import Store, file_digest, raise_for_os_error
from debxcross.doors.template import data_directory, render
from debxcross.doors.unpack import Tree, Unpacked
from debxcross.errors import FetchError, PackageError, UnsatisfiableError, UsageError
from debxcross.steps.context import Context

STEP = "sysroot"
#: Decompression is what takes the time, and it runs outside of Python's lock.
_UNPACKED_AT_ONCE = 4


@dataclass(frozen=True)
class Chosen:
    """A .deb of the store that goes into a sysroot, and where it came from (see SysrootPackage)."""

    file: StoredFile
    origin: str
    path: str


@dataclass(frozen=True)
class Made:
    """A finished sysroot: where it is, what it is, and its archive's digest ("" for a directory)."""

    output: Path
    manifest: Manifest
    sha256: str
    size: int
    left_out_links: tuple[str, ...]


# Choosing

def local_results(store: Store, directory: Path, host: Architecture, release: str) -> tuple[StoredFile, ...]:
    """Return the .debs of an earlier run whose results are below ``directory``, from the store.

    Raises UsageError when there was no such run, or one for another architecture or release.
    """
    try:
        summary = json.loads((directory / "summary.json").read_text())
        found = (summary["architecture"], summary["release"])
        files = tuple(StoredFile(one["file"], one["sha256"], one["size"]) for one in summary["debs"])
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
            kept = next(iter(sorted(directory.glob(f"repo/pool/**/{file.name}"))), None)
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
    stored = context.fetch_packages(step, files)
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
            if uri.startswith(f"{base.rstrip('/')}/"):
                return use.archive.role, uri.removeprefix(base.rstrip("/")).lstrip("/")
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


def locked(manifest: Manifest) -> tuple[Chosen, ...]:
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
    context.fetch_packages(STEP, files)


# Making

#: What people also call archives by.
_OTHER_ARCHIVES = (".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tzst", ".zst", ".zip", ".gz", ".xz")


def check_output(output: Path, force: bool) -> None:
    """Raise UsageError when a sysroot must not be put at ``output``."""
    if output.name.endswith(_OTHER_ARCHIVES) and not output.name.endswith(tar.ENDINGS):
        raise UsageError(f"{output.name} names a kind of archive that is not made",
                         resolution=f"Archives end in {' or '.join(tar.ENDINGS)}; all else is a directory.")
    archive = output.name.endswith(tar.ENDINGS)
    if output.is_dir() and (archive or not (output / MANIFEST).is_file()) and any(output.iterdir()):
        raise UsageError(f"{output} exists already, and is no sysroot",
                         resolution="Name another place; --force replaces only sysroots.")
    if (output.exists() or output.is_symlink()) and not force:
        raise UsageError(f"{output} exists already", resolution="--force replaces it, by one rename.")


def make(
    store: Store, busy: Callable[[str], None], host: Architecture, manifest: Manifest,
    chosen: Sequence[Chosen], output: Path, *, force: bool,
) -> Made:
    """Make the sysroot and put it at ``output``: an archive when its name says so, else a directory.

    Of ``manifest``, packages and time are filled in.  Raises UsageError when there is
    something at ``output`` already, PackageError for a package that is not sound.
    """
    check_output(output, force)
    archive = output.name.endswith(tar.ENDINGS)
    # Beside the output, where a rename is possible; the name is the same in every run, so that
    # what a killed run left is found.
    place = output.with_name(f".{output.name}.debxcross")
    with store.lock(f"sysroot-{digest(str(output))[:16]}", lambda: busy("another run makes it; waiting")):
        _remove(place)
        try:
            place.mkdir(parents=True)
            made = place / "tree"
            manifest, left_out = build_tree(store, busy, host, manifest, chosen, made)
            sha256, size = "", 0
            if archive:
                busy("packing")
                packed = place / f"packed{''.join(e for e in tar.ENDINGS if output.name.endswith(e))}"
                tar.pack(made, packed, manifest.source_date_epoch)
                sha256, size = file_digest(packed)
                made = packed
            else:
                tar.set_times(made, manifest.source_date_epoch)
            tar.put_in_place(made, output, force)
        except OSError as error:
            raise_for_os_error(error, output.parent)
        finally:
            _remove(place)
    return Made(output, manifest, sha256, size, left_out)


def _remove(path: Path) -> None:
    if path.exists():
        shutil.rmtree(path)


def build_tree(
    store: Store, busy: Callable[[str], None], host: Architecture, manifest: Manifest,
    chosen: Sequence[Chosen], directory: Path,
) -> tuple[Manifest, tuple[str, ...]]:
    """Make the tree of a sysroot at ``directory``, which must not exist.

    Returns the manifest with packages and time, and the links that were left out, as they led
    nowhere.  Raises PackageError for a package that is not sound.
    """
    tree = Tree(directory)
    busy(f"unpacking {len(chosen)} packages")
    # The largest first, so that none is left for a single thread at the end.
    order = sorted(chosen, key=lambda one: (-one.file.size, one.file.name))
    choose = partial(chooser, manifest.filters)
    with ThreadPoolExecutor(min(_UNPACKED_AT_ONCE, os.cpu_count() or 1)) as pool:
        results = list(pool.map(lambda one: _unpack(store, tree, one, choose), order))
    unpacked = sorted(zip(order, results), key=lambda pair: (pair[1].control["Package"], pair[0].file.name))
    for one, found in unpacked:
        if found.control["Architecture"] not in (host.name, "all"):
            raise PackageError(
                f"{one.file.name} is for {found.control['Architecture']}, not for {host.name}",
                resolution="Leave it out, or make a sysroot for its architecture.")
    left_out = tree.finish()
    for name in MERGED:
        if (directory / "usr" / name).is_dir():
            (directory / name).symlink_to(f"usr/{name}")
    packages = tuple(SysrootPackage(
        found.control["Package"], found.control["Version"], found.control["Architecture"], one.file.name,
        one.file.size, one.file.sha256, one.origin, one.path) for one, found in unpacked)
    manifest = replace(manifest, packages=packages,
                       source_date_epoch=max((found.time for _, found in unpacked), default=0))
    _write_database(directory, [found for _, found in unpacked], set(left_out))
    _write_own_files(directory, host)
    _write(directory / MANIFEST, manifest.text())
    return manifest, left_out


def _unpack(
    store: Store, tree: Tree, one: Chosen, choose: Callable[[str], Callable[[str], bool]]
) -> Unpacked:
    try:
        return tree.unpack(store.path(one.file.sha256), choose)
    except PackageError as error:
        # The store knows it by digest, people by name.
        name = store.path(one.file.sha256).name
        raise PackageError(error.brief.replace(name, one.file.name), error.details,
                           error.resolution) from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise_for_os_error(error, tree.directory)
        raise


def _write(path: Path, text: str, executable: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    path.chmod(0o755 if executable else 0o644)


def _write_database(directory: Path, unpacked: Sequence[Unpacked], left_out: set[str]) -> None:
    """Write dpkg's database, and what makes ``dpkg-shlibdeps -SDIRECTORY`` take libraries from here.

    dpkg-shlibdeps asks a package's build tree for DEBIAN/shlibs and DEBIAN/symbols; the whole
    sysroot is one such tree.
    """
    info = directory / "var/lib/dpkg/info"
    for one in unpacked:
        name = info_name(one.control)
        _write(info / f"{name}.list", path_list(path for path in one.paths if path not in left_out))
    _write(info / "format", "1\n")
    _write(directory / "var/lib/dpkg/status", "\n".join(status_stanza(one.control) for one in unpacked))
    _write(directory / "var/lib/dpkg/available", "")
    _write(directory / "DEBIAN/shlibs", "".join(one.shlibs for one in unpacked))
    _write(directory / "DEBIAN/symbols", "".join(one.symbols for one in unpacked))


def facts_of(directory: Path, host: Architecture) -> Mapping[str, str]:
    """Return what a tree has: "compiler" (GCC's version), "python" and "sysconfigdata" ("" for none)."""
    compilers = [path.name for path in (directory / "usr/include/c++").glob("*") if path.name.isdigit()]
    pythons = []
    for path in (directory / "usr/include").glob("python3.*"):
        if re.fullmatch(r"python3\.\d+", path.name) and (path / "Python.h").exists():
            pythons.append(path.name.removeprefix("python"))
    python = max(pythons, key=lambda text: int(text.split(".")[1]), default="")
    data = [path for path in sorted((directory / f"usr/lib/python{python}").glob("_sysconfigdata_*.py"))
            if path.stem.endswith(host.multiarch) and not path.is_symlink()] if python else []
    return {"compiler": max(compilers, key=int, default=""), "python": python if data else "",
            "sysconfigdata": data[0].stem if data else ""}


def _write_own_files(directory: Path, host: Architecture) -> None:
    facts = facts_of(directory, host)
    templates = data_directory("sysroot-templates")
    for file in own_files(host, facts["compiler"], facts["python"], facts["sysconfigdata"]):
        text = render(file.template, file.values, templates)
        if file.template == "sysconfigdata.j2":
            original = directory / f"usr/lib/python{facts['python']}" / f"{facts['sysconfigdata']}.py"
            text = original.read_text() + text
        _write(directory / file.path, text, file.executable)
    if facts["python"]:
        here = directory / python_prefix(facts["python"])[0] / "include"
        here.mkdir()
        name = f"python{facts['python']}"
        (here / name).symlink_to(os.path.relpath(directory / "usr/include" / name, here))
    _link_compiler_libraries(directory, host, facts["compiler"])


def _link_compiler_libraries(directory: Path, host: Architecture, compiler: str) -> None:
    """Show the libraries that come with GCC (libstdc++.so…) without GCC's own object code.

    libgcc belongs to the compiler that is used; the C++ library to the device.
    """
    here = directory / OWN / "lib"
    here.mkdir()
    gcc = directory / "usr/lib/gcc" / host.gnu_triplet / compiler
    for path in sorted(gcc.glob("lib*")) if compiler else ():
        if path.suffix in (".so", ".a") and not path.name.startswith("libgcc"):
            (here / path.name).symlink_to(os.path.relpath(path, here))
