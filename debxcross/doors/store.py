# SPDX-License-Identifier: GPL-3.0-or-later
"""The store: everything fetched and built, by content, on one file system.

    DIR/
      layout                    the number of this layout; a newer one is refused
      objects/ab/abcd…          files by sha256, read-only, never changed
      artifacts/ab/KEY.json     what the step with this key left: names and digests
      memo/KIND/ab/KEY.json     answers worth keeping (facts, resolved environments, histories)
      roots/KEY/                unpacked base roots; roots/KEY.json beside it is the commit
      apt/ID/                   isolated apt directories with verified indexes
      kept/NAME/                overlays of failed builds, for ``shell``
      work/ID/                  throw-away directories, each held by a lock while in use
      locks/                    files to flock; a lock ends with its process
      signed, signer.gpg        what ``store sign`` vouches for, and the key to check it with

Everything becomes visible by one rename, after its bytes are on the disk: a file is
complete or not there.  Objects are committed before the artifact that names them, and go
after it.  Whoever has the store open shares ``locks/use``; who deletes holds it alone.
"""
from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from debxcross.core.artifact import Artifact, StoredFile
from debxcross.core.key import canonical
from debxcross.doors.files import appearing, file_digest, raise_for_os_error
from debxcross.errors import BusyError, StoreError

LAYOUT = 1
_BLOCK = 1 << 20
#: How long a run waits for somebody who deletes, in seconds.
_PATIENCE = 60.0


class _OtherBytes(Exception):
    """A stream's bytes are not those it was to have."""


def _linked(source: Path, target: Path) -> bool:
    try:
        os.link(source, target)
        return True
    except OSError:  # too many links
        return False


def check_file_system(directory: Path) -> None:
    """Raise StoreError, naming everything at once, when a store cannot live in this directory."""
    place = directory / f".check-{secrets.token_hex(4)}"
    faults = []
    try:
        place.mkdir()
        for what, attempt in _NEEDS:
            try:
                if not attempt(place):
                    faults.append(what)
            except OSError as error:
                faults.append(f"{what} ({error.strerror})")
    finally:
        shutil.rmtree(place, ignore_errors=True)
    if faults:
        raise StoreError(
            f"the file system of {directory} lacks what a store needs", "\n".join(faults),
            "Name a directory on a local file system such as ext4, xfs, btrfs or tmpfs with --store; "
            "results (--output) may be anywhere.")


def _locks(place: Path) -> bool:
    with (place / "lock").open("w") as one, (place / "lock").open("w") as other:
        fcntl.flock(one, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _renames(place: Path) -> bool:
    (place / "old").write_text("old")
    (place / "new").write_text("new")
    (place / "new").rename(place / "old")
    return (place / "old").read_text() == "new"


def _links(place: Path) -> bool:
    (place / "link").symlink_to("nowhere")
    return (place / "link").is_symlink()


def _modes(place: Path) -> bool:
    (place / "modes").touch()
    (place / "modes").chmod(0o750)
    return (place / "modes").stat().st_mode & 0o777 == 0o750


def _names(place: Path) -> bool:
    (place / "Name::x").touch()
    return not (place / "name::x").exists()


def _owners(place: Path) -> bool:
    if os.geteuid():
        return True
    (place / "owned").touch()
    try:
        os.chown(place / "owned", 1000, 1000)
    except OSError as error:
        # A namespace that maps nobody else: not the file system's fault.
        return error.errno == errno.EINVAL
    return True


#: What roots and entries need of a file system, and how to find out.
_NEEDS: tuple[tuple[str, Callable[[Path], bool]], ...] = (
    ("locks that exclude (flock)", _locks),
    ("renaming over a file", _renames),
    ("symbolic links", _links),
    ("permissions of files", _modes),
    ("names with capital letters and colons", _names),
    ("files of other users", _owners),
    ("programs that can be run (it is mounted noexec)",
     lambda place: not os.statvfs(place).f_flag & os.ST_NOEXEC),
)


class Store:
    """One store directory.  Safe for any number of processes at a time."""

    def __init__(self, directory: Path) -> None:
        """Open the store, making it when it is not there.

        Raises StoreError for a newer layout, a directory that cannot be used or a file system
        that lacks something, DiskFullError, and BusyError when somebody deletes from it.
        """
        self.directory = directory
        try:
            layout = directory / "layout"
            if not layout.exists():
                directory.mkdir(parents=True, exist_ok=True)
                check_file_system(directory)
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
        #: Shared as long as this store is open.
        self._use = self._lock_file(directory / "locks" / "use")
        os.fchmod(self._use.fileno(), 0o644)
        self._share()

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

    def put_stream(self, stream: IO[bytes], sha256: str) -> bool:
        """Take an object in from an open file; False, and nothing taken, when its bytes are others."""
        path = self.path(sha256)
        digest = hashlib.sha256()
        try:
            path.parent.mkdir(exist_ok=True)
            with appearing(path, 0o444) as out:
                while block := stream.read(_BLOCK):
                    digest.update(block)
                    out.write(block)
                if digest.hexdigest() != sha256:
                    raise _OtherBytes
        except _OtherBytes:
            return False
        except OSError as error:
            raise_for_os_error(error, self.directory)
        return True

    def lay_out(self, files: tuple[StoredFile, ...], directory: Path, *, copies: bool = False) -> None:
        """Put files, under their names, into a directory: hard links, but copies outside the store.

        Whoever writes to a link would change the object; with ``copies`` nothing done to it is seen.
        """
        directory.mkdir(parents=True, exist_ok=True)
        inside = directory.resolve().is_relative_to(self.directory.resolve())
        for file in files:
            target = directory / file.name
            target.unlink(missing_ok=True)
            source = self.path(file.sha256)
            if not source.exists():
                raise StoreError(
                    f"the store has lost {file.name} ({file.sha256[:12]}…)",
                    resolution="Run the command again with --rebuild for the member it belongs to.")
            if copies or not (inside and _linked(source, target)):
                self._write(target, source)

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

    def commit(self, artifact: Artifact) -> Artifact:
        """Make an artifact visible, whose files must have been put before; return what stands."""
        earlier = self.artifact(artifact.key)
        if earlier is not None and earlier.packages != artifact.packages:
            return earlier  # it may be published, and others were built on it
        self._write(self._entry("artifacts", artifact.key), canonical(artifact))
        return artifact

    def memo(self, kind: str, key: str) -> Any | None:
        """Return a remembered answer, or None."""
        return self._read(self._entry(f"memo/{kind}", key))

    def remember(self, kind: str, key: str, value: Any) -> None:
        """Keep an answer (JSON values or frozen dataclasses)."""
        self._write(self._entry(f"memo/{kind}", key), canonical(value))

    def write(self, name: str, content: bytes) -> None:
        """Write a file of the store itself by its name."""
        self._write(self.directory / name, content)

    # Looking and deleting

    def objects(self) -> Iterator[tuple[str, int]]:
        """Yield the digest and size of every object, sorted; unfinished downloads are none."""
        for path in sorted((self.directory / "objects").glob("??/*")):
            if not path.name.startswith("."):
                yield path.name, path.stat().st_size

    def entries(self, kind: str) -> Iterator[tuple[str, Any | None]]:
        """Yield key and value (None: damaged) of every entry of "artifacts" or "memo/KIND", sorted."""
        for path in sorted((self.directory / kind).glob("??/*.json")):
            yield path.stem, self._read(path)

    def memo_kinds(self) -> tuple[str, ...]:
        """Return the kinds of answers there are."""
        return tuple(sorted(path.name for path in (self.directory / "memo").iterdir()))

    def root_keys(self) -> tuple[str, ...]:
        """Return the keys of all base roots, also of those that lack their entry or directory."""
        paths = (self.directory / "roots").iterdir()
        return tuple(sorted({path.name.removesuffix(".json") for path in paths if path.suffix != ".tmp"}))

    def leftovers(self) -> tuple[Path, ...]:
        """Return the unfinished files of writers and downloads that did not come back."""
        found = [path for kind in ("objects", "artifacts", "memo") for path in
                 (self.directory / kind).rglob(".*") if path.is_file()]
        return tuple(sorted((*found, *(self.directory / "roots").glob("*.tmp"))))

    def drop_object(self, sha256: str) -> None:
        """Delete an object."""
        self._drop(self.path(sha256))

    def drop_entry(self, kind: str, key: str) -> None:
        """Delete an entry of "artifacts" or "memo/KIND"."""
        self._drop(self._entry(kind, key))

    def _drop(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise_for_os_error(error, self.directory)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the store alone, to delete.  Raises BusyError when somebody else has it open."""
        try:
            fcntl.flock(self._use, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError(
                f"the store {self.directory} is in use",
                "A run, or another command that has the store open, could lose what it works with.",
                "Wait until the run has ended ('debxcross status' shows it), then run this again.") from None
        try:
            yield
        finally:
            self._share()

    def _share(self) -> None:
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                fcntl.flock(self._use, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise BusyError(
                        f"the store {self.directory} is being cleaned", "",
                        "Wait until 'debxcross store gc' has ended, then run this again.") from None
                time.sleep(0.1)
            except OSError as error:
                raise_for_os_error(error, self.directory)

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
        """Let a file appear, from bytes or another file; DiskFullError leaves nothing behind."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with appearing(path, 0o444) as out:
                if isinstance(content, bytes):
                    out.write(content)
                else:
                    with content.open("rb") as file:
                        shutil.copyfileobj(file, out, _BLOCK)
        except OSError as error:
            raise_for_os_error(error, self.directory)
