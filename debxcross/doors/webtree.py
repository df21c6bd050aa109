# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to a web root: whole files by rename, 0644 and 0755 whatever the umask.

What is not published yet lies in WEB_ROOT/.staging (0700), which is gone after each run; a
lock on WEB_ROOT is held meanwhile.
"""
from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import IO

from debxcross.errors import DebxcrossError, DiskFullError, PublishError

#: What locks a web root where a directory cannot be locked (NFS wants a file open for writing).
_LOCK = ".lock"
_BLOCK = 1 << 20
#: More files than this at a time are put on the disk by one sync(2): an fsync(2) each would
#: take longer than everything else together.
_MANY = 32


class WebTree:
    """Writes below a web root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.staging = root / ".staging"
        self._touched: set[Path] = set()
        self._known: set[str] = set()
        self._unflushed: list[str] = []
        self._count = 0
        self.directory(root)
        shutil.rmtree(self.staging, ignore_errors=True)
        self.staging.mkdir(mode=0o700)
        # With the usual umask new files have the right mode already.
        self._wants_mode = stat.S_IMODE(self.stage(b"").stat().st_mode) != 0o644

    def directory(self, path: Path) -> None:
        """Make a directory and those above it."""
        if str(path) in self._known:
            return
        if not path.is_dir():
            self.directory(path.parent)
            path.mkdir()
            path.chmod(0o755)
            self._touched.add(path.parent)
        self._known.add(str(path))

    def stage(self, content: bytes) -> Path:
        """Write content to a file that is not published yet."""
        path = self.next()
        path.write_bytes(content)
        return path

    def stage_copy(self, source: IO[bytes]) -> tuple[Path, str]:
        """Copy an open file to one that is not published yet; return it with its sha256."""
        path, digest = self.next(), hashlib.sha256()
        with path.open("wb", buffering=0) as writer:
            while block := source.read(_BLOCK):
                digest.update(block)
                writer.write(block)
        return path, digest.hexdigest()

    def next(self) -> Path:
        """Return a name in the staging directory that nothing has yet."""
        self._count += 1
        return Path(f"{self.staging}/{self._count}")

    def place(self, staged: Path, name: str, mtime: int | None = None, *, flush: bool = True) -> None:
        """Give a staged file its published name, once its bytes are on the disk.

        Without ``flush`` the bytes are only safe after the next sync(), which is for files
        that nothing refers to before.
        """
        target = f"{self.root}/{name}"
        parent = target.rpartition("/")[0]
        if parent not in self._known:
            self.directory(Path(parent))
        if self._wants_mode:
            staged.chmod(0o644)
        if mtime is not None:
            os.utime(staged, (mtime, mtime))
        if flush:
            _sync(staged, os.O_RDONLY)
        else:
            self._unflushed.append(target)
        os.replace(staged, target)
        self._touched.add(Path(parent))

    def write(self, name: str, content: bytes, *, flush: bool = True) -> bool:
        """Give content a published name unless it has it already; tell whether it was written."""
        if holds(self.root / name, content):
            return False
        self.place(self.stage(content), name, flush=flush)
        return True

    def link(self, existing: str, name: str) -> None:
        """Give a published file a second name, in place of what had it before."""
        staged, target = self.next(), self.root / name
        _link(self.root / existing, staged)
        self.directory(target.parent)
        os.replace(staged, target)
        # rename(2) does nothing when both names are the same file already.
        staged.unlink(missing_ok=True)
        self._touched.add(target.parent)

    def place_links(self, names: Mapping[str, str], directory: str) -> None:
        """Make a directory that appears whole: ``names`` are its files → published files."""
        staged = self.next()
        staged.mkdir()
        for name, existing in sorted(names.items()):
            (staged / name).parent.mkdir(parents=True, exist_ok=True)
            _link(self.root / existing, staged / name)
        for path in (staged, *sorted(staged.rglob("*"))):
            if path.is_dir():
                path.chmod(0o755)
        target = self.root / directory
        self.directory(target.parent)
        os.rename(staged, target)
        self._touched.add(target.parent)

    def symlink(self, name: str, target: str) -> None:
        """Make a symbolic link unless there is something of that name."""
        path = self.root / name
        self.directory(path.parent)
        if not path.is_symlink() and not path.exists():
            path.symlink_to(target)
            self._touched.add(path.parent)

    def remove(self, name: str) -> None:
        """Remove a file or a whole directory, in one rename as clients see it."""
        staged = self.next()
        os.rename(self.root / name, staged)
        self._touched.add((self.root / name).parent)
        self._known.clear()
        if staged.is_dir() and not staged.is_symlink():
            shutil.rmtree(staged)
        else:
            staged.unlink()

    def sync(self) -> None:
        """Put bytes and names on the disk: what comes after relies on them."""
        if len(self._unflushed) + len(self._touched) > _MANY:
            os.sync()
        else:
            for path in self._unflushed:
                _sync(path, os.O_RDONLY)
            for directory in sorted(self._touched):
                if directory.is_dir():
                    _sync(directory, os.O_RDONLY | os.O_DIRECTORY)
        self._unflushed.clear()
        self._touched.clear()


def holds(path: Path, content: bytes) -> bool:
    """Tell whether a file has this content."""
    try:
        return os.stat(path).st_size == len(content) and path.read_bytes() == content
    except (FileNotFoundError, NotADirectoryError):
        return False


def _link(existing: Path, new: Path) -> None:
    try:
        os.link(existing, new)
    except OSError as error:
        # FAT and some network file systems have no hard links.
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK):
            raise
        shutil.copy2(existing, new)


def _sync(path: Path | str, flags: int) -> None:
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def opened(web_root: Path, state: Path) -> Iterator[WebTree]:
    """Yield the tree while nobody else changes it; the staging directory goes at the end.

    Raises PublishError or DiskFullError, naming the file, for what the system refuses, and
    PublishError when ``state``, which holds the secret key, lies inside the web root.
    """
    if state.resolve().is_relative_to(web_root.resolve()):
        raise PublishError(f"the state directory {state} lies inside the web root",
                           "It holds the secret key, and everybody can read the web root.",
                           "Name a state directory outside the web root.")
    try:
        state.mkdir(parents=True, exist_ok=True)
        _make_root(web_root)
        # Two runs may have the same web root and two state directories.
        with _locked(state / "publish.lock"), _root_locked(web_root):
            tree = WebTree(web_root)
            try:
                yield tree
            finally:
                shutil.rmtree(tree.staging, ignore_errors=True)
    except OSError as error:
        raise os_error(error, web_root) from error


def _make_root(web_root: Path) -> None:
    """Make a web root that everybody can read, unless it is there."""
    if not web_root.is_dir():
        web_root.mkdir(parents=True, exist_ok=True)
        web_root.chmod(0o755)


def os_error(error: OSError, web_root: Path) -> DebxcrossError:
    """Return the error of a system call that failed, naming the file."""
    again = ("there and in the state directory, then run the same command again: "
             "what was published before still stands.")
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFullError(f"no space left to publish to {web_root}", str(error),
                             f"Free some space {again}")
    return PublishError(f"cannot publish to {web_root}", str(error), f"Check owner and permissions {again}")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock that ends with this process, however it ends."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _root_locked(web_root: Path) -> Iterator[None]:
    """Hold a lock on a web root that ends with this process, however it ends."""
    descriptor = os.open(web_root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            other: AbstractContextManager[None] = nullcontext()
        except OSError as error:
            if error.errno not in (errno.EBADF, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL):
                raise
            other = _locked(web_root / _LOCK)
        with other:
            yield
    finally:
        os.close(descriptor)
