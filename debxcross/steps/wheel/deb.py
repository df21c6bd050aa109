# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrap a wheel as a deb: the same wheel and settings give the same bytes.

The work directory, a child of the output directory, looks like this::

    debian/control         what dpkg-shlibdeps wants to see
    root/                  the files of the deb
    root/DEBIAN/           control, md5sums, postinst, prerm
    PACKAGE_VERSION_ARCH.deb
"""
from __future__ import annotations

import gzip
import hashlib
import io
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from debxcross.core.wheel.deb import (
    DebFile, DebTree, Member, Template, WrapSettings, deb_tree, fix_shebang, installed_size,
)
from debxcross.core.wheel.files import is_namespace
from debxcross.core.wheel.metadata import Wheel
from debxcross.doors import process
from debxcross.doors.process import Completed
from debxcross.doors.template import render
from debxcross.doors.wheelfile import Reader, open_wheel
from debxcross.errors import BuildError, GateError

#: In bytes; what declares a namespace and a licence is smaller.
_LARGEST_NAMESPACE = 4096
#: Runs argv in a directory with more environment; paths in argv are relative to the directory.
ToolRunner = Callable[[Sequence[str], Path, Mapping[str, str]], Completed]


def run_here(argv: Sequence[str], directory: Path, environment: Mapping[str, str]) -> Completed:
    """Run a tool on this machine, not in a build root."""
    return process.run(argv, directory=directory, environment=environment)


def shlibdeps_argv(paths: Sequence[str], libraries: str = "") -> tuple[str, ...]:
    """Return the command that prints the dependencies of ELF files below root/.

    ``libraries`` is a tree in which libraries and their packages' metadata are looked for first.
    """
    return ("dpkg-shlibdeps", "-O", *([f"-S{libraries}"] if libraries else ()),
            *(f"-eroot/{path}" for path in paths))


def build_argv(file_name: str) -> tuple[str, ...]:
    """Return the command that makes the deb of what is below root/."""
    return ("dpkg-deb", "--root-owner-group", "-Zxz", "--build", "root", file_name)


def wrap_wheel(wheel: Path, settings: WrapSettings, output: Path,
               run: ToolRunner = run_here, libraries: str = "") -> Path:
    """Wrap a wheel as a deb in the directory ``output`` and return the deb's path.

    ``libraries`` is the sysroot that the wheel was built against, as ``run`` sees it, "" for none.
    The deb appears by a rename, replacing an older one of its name.  Raises GateError for a
    wheel that is not what it must be or needs libraries of no known package,
    ConfigurationError for faulty settings or templates, BuildError when dpkg-deb fails.
    """
    with open_wheel(wheel) as (content, read):
        left_out = _namespaces(content, read) if settings.major == "3" else frozenset()
        tree = deb_tree(content, settings, left_out=left_out)
        work = output / f".wrap-{tree.package}"
        shutil.rmtree(work, ignore_errors=True)  # of a run that was killed
        work.mkdir(parents=True)
        try:
            values = {"tree": tree, "wheel": content, "settings": settings}
            digests = {file.path: _write(work / "root" / file.path, file.mode,
                                         _bytes(file, read, values, settings))
                       for file in tree.files}
            libraries = _shared_library_depends(tree, settings, work, run, libraries)
            tree = deb_tree(content, settings, libraries, left_out)
            _write_control(tree, content, settings, work / "root", digests)
            _normalise(work / "root", settings.source_date_epoch)
            run(
                build_argv(tree.file_name), work,
                # Threads would make the compressed bytes depend on the machine.
                {"SOURCE_DATE_EPOCH": str(settings.source_date_epoch), "DPKG_DEB_THREADS_MAX": "1"},
            ).check(BuildError, f"dpkg-deb cannot build {tree.file_name}",
                    "Read dpkg-deb's message above; the disk may be full.")
            return (work / tree.file_name).replace(output / tree.file_name)
        finally:
            shutil.rmtree(work, ignore_errors=True)


def _namespaces(wheel: Wheel, read: Reader) -> frozenset[str]:
    """Return the modules that only declare a namespace: other projects have the same one."""
    return frozenset(
        file.path for file in wheel.files
        if file.path.endswith("/__init__.py") and 0 < file.size <= _LARGEST_NAMESPACE
        and is_namespace(read(file.path).decode("utf-8", "replace")))


def _write(path: Path, mode: int, content: bytes) -> tuple[str, int]:
    """Write a file and return its md5 (hex) and size in bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)
    return hashlib.md5(content, usedforsecurity=False).hexdigest(), len(content)


def _bytes(file: DebFile, read: Reader, values: Mapping[str, object],
           settings: WrapSettings) -> bytes:
    source = file.source
    if isinstance(source, Member):
        content = read(source.path)
        return fix_shebang(content, source.interpreter) if source.interpreter else content
    if isinstance(source, Template):
        content = render(source.name, values).encode()
        return _compressed(content) if source.compressed else content
    return source


def _compressed(content: bytes) -> bytes:
    """Return what ``gzip -9n`` makes: without a name and a time."""
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=buffer, mtime=0) as file:
        file.write(content)
    return buffer.getvalue()


def _shared_library_depends(
    tree: DebTree, settings: WrapSettings, work: Path, run: ToolRunner, libraries: str
) -> str:
    """Return the relations on packages with shared libraries, "" when nothing needs any."""
    paths = [file.path for file in tree.files if file.elf]
    if not paths:
        return ""
    # With DEBIAN/ there dpkg-shlibdeps knows libraries of the package itself for what they are.
    (work / "root" / "DEBIAN").mkdir()
    _write(work / "debian" / "control", 0o644,
           render("shlibdeps-control.j2", {"tree": tree, "settings": settings}).encode())
    done = run(shlibdeps_argv(paths, libraries), work, {"DEB_HOST_ARCH": settings.host_architecture})
    done.check(GateError, f"the libraries that {tree.package} needs are in no known package",
               "Install the packages of these libraries for the host architecture where it is built.")
    for line in done.stdout.splitlines():
        if line.startswith("shlibs:Depends="):
            return line.partition("=")[2]
    return ""  # a module that uses nothing but the interpreter's symbols


def _write_control(tree: DebTree, wheel: Wheel, settings: WrapSettings, root: Path,
                   digests: Mapping[str, tuple[str, int]]) -> None:
    """Write root/DEBIAN; ``digests`` are md5 (hex) and size in bytes by path."""
    parents = {parent for path in digests for parent in Path(path).parents}
    values = {
        "tree": tree,
        "wheel": wheel,
        "settings": settings,
        "installed_size": installed_size([size for _, size in digests.values()], len(parents)),
    }
    control = root / "DEBIAN"
    _write(control / "control", 0o644, render("control.j2", values).encode())
    md5sums = "".join(f"{digests[path][0]}  {path}\n" for path in sorted(digests))
    _write(control / "md5sums", 0o644, md5sums.encode())
    for script in tree.maintainer_scripts:
        _write(control / script, 0o755, render(f"{script}.j2", values).encode())


def _normalise(root: Path, source_date_epoch: int) -> None:
    """Give directories mode 755, and everything this time, whatever umask and clock are here."""
    for directory, _, names in os.walk(root, topdown=False):
        for name in names:
            os.utime(os.path.join(directory, name), (source_date_epoch, source_date_epoch))
        os.chmod(directory, 0o755)
        os.utime(directory, (source_date_epoch, source_date_epoch))
