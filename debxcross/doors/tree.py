# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to source trees: which files are in one, the digest of all of them, and a tar of just these.

What counts of a file is its path, whether it can be executed, and its bytes; of a symbolic link where it
leads.  Digests of files are remembered by path, size, times and inode, as git's index has them: nobody
can set a ctime, so a file with the stamp it had is the file it was.
"""
from __future__ import annotations

import hashlib
import io
import os
import posixpath
import re
import stat
import tarfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from io import BufferedReader
from pathlib import Path

from debxcross.core.border import is_line
from debxcross.errors import ConfigurationError, UsageError

#: Where version control keeps its own files.
CONTROLLED = frozenset((".git", ".hg", ".svn", ".bzr", "_darcs", ".jj", ".pijul", "CVS"))
#: A file that was changed so many nanoseconds before it was looked at may change again without another
#: stamp: the kernel's clock for stamps ticks every few milliseconds.
_YOUNG = 20_000_000
_FILE, _PROGRAM, _LINK, _DIRECTORY = "file", "program", "link", "directory"
#: How a file begins that stands for one that Git LFS keeps elsewhere.
_POINTER = re.compile(rb"version \S+/spec/v\d+\noid sha256:")


@dataclass(frozen=True)
class Tree:
    """The files of a source: rows of path, kind, and sha256 or target, by path.

    Directories stand in it when they are empty.  ``known`` is a text to be remembered.
    """

    top: Path
    rows: tuple[tuple[str, str, str], ...]
    known: str

    @cached_property
    def digest(self) -> str:
        """The identity of the file set (hex sha256)."""
        text = "".join(f"{kind}\0{value}\0{path}\0" for path, kind, value in self.rows)
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()

    def text(self, path: str) -> str | None:
        """Return the text of one of the files; None when the tree has no such file."""
        if not any(row[0] == path and row[1] in (_FILE, _PROGRAM) for row in self.rows):
            return None
        with _opened(f"{self.top}/{path}") as file:
            return file.read().decode("utf-8", "replace")


def all_names(top: Path) -> Iterator[str]:
    """Yield the paths of all files below a directory but version control's, and of empty directories."""
    root = str(top)
    for parent, directories, files in os.walk(root, onerror=_raise):
        directories[:] = [name for name in directories if name not in CONTROLLED]
        inside = parent[len(root) + 1:]
        # A link to a directory is among the directories, and is not walked into.
        links = [name for name in directories if os.path.islink(f"{parent}/{name}")]
        for name in (*files, *links):
            if name not in CONTROLLED:  # a worktree's .git is a file
                yield f"{inside}/{name}" if inside else name
        if inside and not directories and not files:
            yield inside


def _raise(error: OSError) -> None:
    raise error


def read_tree(top: Path, names: Iterable[str], known: str = "") -> Tree:
    """Return the files of a tree, of which ``names`` are all; what is not there any more is left out.

    ``known`` is what an earlier Tree of this directory remembered.  Raises ConfigurationError, with every
    fault, for a link out of the tree, a name with a control character, a special file, a pointer of Git LFS.
    """
    before = dict(line.rpartition("\t")[::2] for line in known.splitlines())
    rows, told, faults = [], [], []
    root, young = str(top), time.time_ns() - _YOUNG
    for name in names:
        try:
            found = os.lstat(f"{root}/{name}")
        except (FileNotFoundError, NotADirectoryError):
            continue
        if stat.S_ISREG(found.st_mode):
            kind = _PROGRAM if found.st_mode & stat.S_IXUSR else _FILE
            stamp = f"{name}\t{found.st_ino} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"
            value = before.get(stamp) or _digest(f"{root}/{name}", found.st_size)
            if found.st_ctime_ns < young:
                told.append(f"{stamp}\t{value}\n")
        elif stat.S_ISLNK(found.st_mode):
            kind, value = _LINK, os.readlink(f"{root}/{name}")
        elif stat.S_ISDIR(found.st_mode):
            kind, value = _DIRECTORY, ""
        else:
            kind, value = "special", ""
        if fault := _fault(name, kind, value):
            faults.append(fault)
        rows.append((name, kind, value))
    if faults:
        more = [f"and {len(faults) - 20} more"] if len(faults) > 20 else []
        raise ConfigurationError(
            f"{top} has {len(faults)} file{'s' if len(faults) > 1 else ''} that cannot be part of a source",
            "\n".join((*faults[:20], *more)),
            "Remove or replace them; in a git repository, ignored files do not count.")
    return Tree(top, tuple(sorted(rows)), "".join(told))


def _digest(path: str, size: int) -> str:
    with _opened(path) as file:
        if size < 1024:
            content = file.read()
            return "pointer" if _POINTER.match(content) else hashlib.sha256(content).hexdigest()
        return hashlib.file_digest(file, "sha256").hexdigest()


def _opened(path: str) -> BufferedReader:
    return open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")


def _fault(name: str, kind: str, value: str) -> str:
    if not (name.isascii() and name.isprintable() or is_line(name)):
        return f"{ascii(name)}: its name has a character that no path may have"
    if kind == "special":
        return f"{name}: a socket, FIFO or device"
    if kind == _LINK and (value.startswith("/") or posixpath.normpath(
            posixpath.join(posixpath.dirname(name), value)).split("/")[0] == ".."):
        return f"{name}: a symbolic link out of the tree, to {ascii(value)}"
    if value == "pointer":
        return f"{name}: stands for a file that Git LFS keeps elsewhere; 'git lfs pull' fetches it"
    return ""


def pack(tree: Tree, target: Path, mtime: int) -> None:
    """Write a tar of a tree: sorted, owned by root, everything at one time, in seconds since 1970.

    The same tree gives the same bytes.  Raises UsageError when a file is not what it was when its
    digest was taken.
    """
    with target.open("wb") as file, tarfile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT,
                                                 encoding="utf-8", errors="surrogateescape") as archive:
        for path, kind, value in tree.rows:
            one = tarfile.TarInfo(path)
            one.mtime, one.mode = mtime, 0o644 if kind == _FILE else 0o755
            if kind == _LINK:
                one.type, one.linkname = tarfile.SYMTYPE, value
            elif kind == _DIRECTORY:
                one.type = tarfile.DIRTYPE
            content = _content(tree, path, value) if kind in (_FILE, _PROGRAM) else b""
            one.size = len(content)
            archive.addfile(one, io.BytesIO(content))


def _content(tree: Tree, path: str, sha256: str) -> bytes:
    try:
        with _opened(f"{tree.top}/{path}") as file:
            content = file.read()
    except OSError:
        content = b""
    if hashlib.sha256(content).hexdigest() != sha256:
        raise UsageError(f"{tree.top}/{path} has changed while it was read",
                         resolution="Run the same command again when nobody writes to it.")
    return content
