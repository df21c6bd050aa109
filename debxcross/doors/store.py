# SPDX-License-Identifier: GPL-3.0-or-later
"""The store: everything fetched and built, by content, on one file system.

    DIR/
      layout                    the number of this layout; a newer one is refused
      objects/ab/abcd…          files by sha256, read-only, never changed
      artifacts/ab/KEY.json     what the step with this key left: names and digests
      memo/KIND/ab/KEY.json     answers worth keeping (facts, resolved environments)
      roots/KEY/                unpacked base roots; roots/KEY.json beside it is the commit
      apt/ID/                   isolated apt directories with verified indexes
      kept/NAME/                overlays of failed builds, for ``shell``
      work/ID/                  throw-away directories, each held by a lock while in use
      locks/                    files to flock; a lock ends with its process

Everything becomes visible by one rename, after its bytes are on the disk: a file is
complete or not there.  Objects are committed before the artifact that names them.
"""
from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NoReturn

from debxcross.core.artifact import Artifact, StoredFile
from debxcross.core.key import canonical
from debxcross.errors import DiskFullError, StoreError

LAYOUT = 1
_BLOCK = 1 << 20


def file_digest(path: Path) -> tuple[str, int]:
    """Return a file's sha256 (hex) and size in bytes."""
    digest = hashlib.sha256()
    size = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            size += len(block)
    return digest.hexdigest(), size


def raise_for_os_error(error: OSError, directory: Path) -> NoReturn:
    """Turn what the file system said into an error with its next move."""
    said = f"{error.strerror}: {error.filename}" if error.filename else error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        raise DiskFullError(
            f"no space left on the device below {directory}", said,
            "Free some space or name another place with --store; then run the same command again: "
            "what is finished is kept.",
        ) from error
    raise StoreError(
        f"cannot use {directory}", said,
        "Check the directory's owner and permissions, or name another place with --store.",
    ) from error


class Store:
    """One store directory.  Safe for any number of processes at a time."""

    def __init__(self, directory: Path) -> None:
        """Open the store, making it when it is not there.

        Raises StoreError for a store of a newer layout or a directory that cannot be used,
        DiskFullError when there is no space.
        """
        self.directory = directory
        try:
            layout = directory / "layout"
            if not layout.exists():
                self._write(layout, f"{LAYOUT}\n".encode())
            found = layout.read_text(errors="replace").strip()
            if found != str(LAYOUT):
                raise StoreError(
                    f"the store {directory} has layout {found or 'unknown'}, this debxcross knows {LAYOUT}",
                    resolution="Use the debxcross that made it, or another directory with --store.")
            for name in ("objects", "artifacts", "memo", "roots", "apt", "kept", "work", "locks"):
                (directory / name).mkdir(exist_ok=True)
        except OSError as error:
            raise_for_os_error(error, directory)

    # Objects

    def path(self, sha256: str) -> Path:
        """Return where the object with this digest is, or would be."""
        return self.directory / "objects" / sha256[:2] / sha256

    def has(self, *files: StoredFile) -> bool:
        """Tell whether all these files are there, with the right sizes."""
        try:
            return all(self.path(file.sha256).stat().st_size == file.size for file in files)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise_for_os_error(error, self.directory)

    def put(self, path: Path, name: str = "") -> StoredFile:
        """Take a file in by content (a copy; the caller's file stays) and return what it is."""
        sha256, size = file_digest(path)
        stored = StoredFile(name or path.name, sha256, size)
        if not self.has(stored):
            self._write(self.path(sha256), path)
        return stored

    def put_bytes(self, content: bytes, name: str) -> StoredFile:
        """Take a small file in by content and return what it is."""
        stored = StoredFile(name, hashlib.sha256(content).hexdigest(), len(content))
        if not self.has(stored):
            self._write(self.path(stored.sha256), content)
        return stored

    def lay_out(self, files: tuple[StoredFile, ...], directory: Path) -> None:
        """Put files, under their names, into a directory: hard links where possible."""
        directory.mkdir(parents=True, exist_ok=True)
        for file in files:
            target = directory / file.name
            target.unlink(missing_ok=True)
            try:
                os.link(self.path(file.sha256), target)
            except FileNotFoundError:
                raise StoreError(
                    f"the store has lost {file.name} ({file.sha256[:12]}…)",
                    resolution="Run the command again with --rebuild for the member it belongs to.") from None
            except OSError:  # another file system, or too many links
                self._write(target, self.path(file.sha256))

    # Artifacts and memos

    def artifact(self, key: str) -> Artifact | None:
        """Return the artifact of a step, when it and all its files are there."""
        value = self._read(self._entry("artifacts", key))
        if value is None:
            return None
        try:
            files = tuple(StoredFile(**file) for file in value["files"])
            found = Artifact(key, value["member"], files, value["provenance"])
        except (KeyError, TypeError):
            return None  # damaged
        return found if self.has(*files) else None

    def commit(self, artifact: Artifact) -> None:
        """Make an artifact visible; its files must have been put before."""
        self._write(self._entry("artifacts", artifact.key), canonical(artifact))

    def memo(self, kind: str, key: str) -> Any | None:
        """Return a remembered answer, or None."""
        return self._read(self._entry(f"memo/{kind}", key))

    def remember(self, kind: str, key: str, value: Any) -> None:
        """Keep an answer (JSON values or frozen dataclasses)."""
        self._write(self._entry(f"memo/{kind}", key), canonical(value))

    def _entry(self, kind: str, key: str) -> Path:
        return self.directory / kind / key[:2] / f"{key}.json"

    def _read(self, path: Path) -> Any | None:
        try:
            return json.loads(path.read_bytes())
        except (FileNotFoundError, ValueError):  # no JSON, or no UTF-8
            return None  # a damaged entry counts as missing: it is made again
        except OSError as error:
            raise_for_os_error(error, self.directory)

    # Directories and locks

    @contextmanager
    def lock(self, name: str, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Hold a lock, by name; ``waiting`` is called once when somebody else has it."""
        with self._lock_file(self.directory / "locks" / name) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting()
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextmanager
    def work(self, remove: Callable[[Path], None]) -> Iterator[Path]:
        """Give a fresh directory, held while in use; ``remove`` deletes it afterwards.

        Build roots hold files of other users, which only the chroot door can delete.
        """
        path = self.directory / "work" / secrets.token_hex(6)
        lock = path.with_suffix(".lock")
        with self._lock_file(path.with_suffix(".new")) as file:
            # Held before it has the name that abandoned() looks for.
            fcntl.flock(file, fcntl.LOCK_EX)
            try:
                path.with_suffix(".new").rename(lock)
                path.mkdir()
            except OSError as error:
                raise_for_os_error(error, self.directory)
            try:
                yield path
            finally:
                if path.exists():
                    remove(path)
                lock.unlink()

    def abandoned(self) -> tuple[Path, ...]:
        """Return work directories whose process is gone (it was killed)."""
        found = []
        for lock in sorted((self.directory / "work").glob("*.lock")):
            try:
                with lock.open("r+") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    found.append(lock.with_suffix(""))
            except (BlockingIOError, FileNotFoundError):
                continue
        return tuple(found)

    def forget_work(self, path: Path) -> None:
        """Drop the lock file of a work directory that has been deleted."""
        path.with_suffix(".lock").unlink(missing_ok=True)

    def _lock_file(self, path: Path) -> IO[str]:
        try:
            return path.open("a")
        except OSError as error:
            raise_for_os_error(error, self.directory)

    def _write(self, path: Path, content: bytes | Path) -> None:
        """Write beside, flush to the disk, rename; DiskFullError leaves nothing behind."""
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as out:
                if isinstance(content, bytes):
                    out.write(content)
                else:
                    with content.open("rb") as file:
                        while block := file.read(_BLOCK):
                            out.write(block)
                out.flush()
                os.fsync(out.fileno())
            temporary.chmod(0o444)
            temporary.rename(path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise_for_os_error(error, self.directory)
