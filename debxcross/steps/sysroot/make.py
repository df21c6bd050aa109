# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a sysroot: packages chosen by apt, unpacked with every check, links and scripts mended.

No maintainer script runs and nothing of the packages is executed.  Everything is made beside
its place and renamed into it.
"""
from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from debxcross.core.architecture import Architecture
from debxcross.core.key import digest
from debxcross.core.sysroot.filter import chooser
from debxcross.core.sysroot.manifest import (
    MANIFEST, OWN, SysrootManifest, SysrootPackage, info_name, own_files, path_list, python_prefix,
    status_stanza,
)
from debxcross.core.sysroot.tree import MERGED
from debxcross.doors import tar
from debxcross.doors.files import file_digest, raise_for_os_error
from debxcross.doors.store import Store
from debxcross.doors.template import data_directory, render
from debxcross.doors.unpack import Tree, Unpacked
from debxcross.errors import PackageError, UsageError
from debxcross.steps.sysroot.choose import Chosen

#: Decompression is what takes the time, and it runs outside of Python's lock.
_UNPACKED_AT_ONCE = 4


@dataclass(frozen=True)
class Made:
    """A finished sysroot: where it is, what it is, and its archive's digest ("" for a directory)."""

    output: Path
    manifest: SysrootManifest
    sha256: str
    size: int
    left_out_links: tuple[str, ...]


# Choosing


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
    store: Store, busy: Callable[[str], None], host: Architecture, manifest: SysrootManifest,
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
    store: Store, busy: Callable[[str], None], host: Architecture, manifest: SysrootManifest,
    chosen: Sequence[Chosen], directory: Path,
) -> tuple[SysrootManifest, tuple[str, ...]]:
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
