# SPDX-License-Identifier: GPL-3.0-or-later
"""The store: everything fetched and built, by content, on one file system.

    DIR/
      layout                    the number of this layout; a newer one is refused
      objects/ab/abcd…          files by sha256, read-only, never changed
      artifacts/ab/KEY.json     what the step with this key left: names and digests
      memo/KIND/ab/KEY.json     answers worth keeping (facts, resolved environments, histories)
      roots/KEY/                unpacked base roots; roots/KEY.json beside it is the commit
      layers/KEY/               what was installed over a base root; layers/KEY.json likewise
      apt/ID/                   isolated apt directories with verified indexes
      kept/NAME/                overlays of failed builds, for ``shell``
      work/ID/                  throw-away directories, each held by a lock while in use
      locks/                    files to flock; a lock ends with its process
      signed, signer.gpg        what ``store sign`` vouches for, and the key to check it with
      public/                   links to what others may read: what a web server shows

Everything becomes visible by one rename, after its bytes are on the disk: a file is
complete or not there.  Objects are committed before the artifact that names them, and go
after it.  Whoever has the store open shares ``locks/use``; who deletes holds it alone.
Nothing outside of doors joins a name to the store's directory.
"""
from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any

from debxcross.core.artifact import Artifact, StoredFile, artifact_from
from debxcross.core.border import is_name, is_sha256
from debxcross.core.key import canonical
from debxcross.doors import files
from debxcross.doors.entries import Entries
from debxcross.doors.files import appearing, check_ours, file_digest, raise_for_os_error
from debxcross.doors.locks import Locks
from debxcross.doors.roots import BaseRoots, KeptRoots, Layers
from debxcross.doors.storefs import check_file_system, show_parts
from debxcross.errors import StoreError

LAYOUT = 1
_BLOCK = 1 << 20


class _OtherBytes(Exception):
    """A stream's bytes are not those it was to have."""


def _linked(source: Path, target: Path) -> bool:
    try:
        os.link(source, target)
        return True
    except OSError:  # too many links
        return False


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
                directory.mkdir(0o755, parents=True, exist_ok=True)
                check_file_system(directory)
                files.write(layout, f"{LAYOUT}\n", 0o444)
            found = layout.read_text(errors="replace").strip()
            if found != str(LAYOUT):
                raise StoreError(
                    f"the store {directory} has layout {found or 'unknown'}, this debxcross knows {LAYOUT}",
                    resolution="Use the debxcross that made it, or another directory with --store.")
            for name in ("", "objects", "artifacts", "memo", "roots", "layers", "apt", "kept", "work",
                         "locks"):
                (directory / name).mkdir(0o755, exist_ok=True)
                check_ours(directory / name)
        except OSError as error:
            raise_for_os_error(error, directory)
        self._locks = Locks(directory)
        self.entries, self.roots, self.kept = Entries(directory), BaseRoots(directory), KeptRoots(directory)
        self.layers = Layers(directory)

    # Objects

    def path(self, sha256: str) -> Path:
        """Return where the object with this digest is, or would be.  ValueError for what is no digest."""
        if not is_sha256(sha256):
            raise ValueError(f"{sha256[:80]!r} is no sha256")
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
            self._copy(path, self.path(sha256))
        return stored

    def put_bytes(self, content: bytes, name: str) -> StoredFile:
        """Take a small file in by content and return what it is."""
        stored = StoredFile(name, hashlib.sha256(content).hexdigest(), len(content))
        if not self.has(stored):
            files.write(self.path(stored.sha256), content, 0o444, below=self.directory)
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
        Raises StoreError for a name that is a path, before anything is written.
        """
        if strange := [file.name for file in files if not is_name(file.name)]:
            raise StoreError(
                f"a result names the file {strange[0][:160]!r}, which is no file's name", "",
                "Run 'debxcross store verify', then run the command again with --rebuild for that member.")
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
                self._copy(source, target)

    # Artifacts and memos

    def artifact(self, key: str) -> Artifact | None:
        """Return the artifact of a step, when it and all its files are there."""
        value = self.entries.read("artifacts", key)
        if value is None:
            return None
        found = artifact_from(value, key)
        return found if self.has(*found.files) else None

    def commit(self, artifact: Artifact) -> Artifact:
        """Make an artifact visible, whose files must have been put before; return what stands."""
        earlier = self.artifact(artifact.key)
        if earlier is not None and earlier.packages != artifact.packages:
            return earlier  # it may be published, and others were built on it
        self.entries.write("artifacts", artifact.key, canonical(artifact))
        return artifact

    def memo(self, kind: str, key: str) -> Any | None:
        """Return a remembered answer; None when there is none, or one that has not the shape of its kind."""
        return self.entries.read(f"memo/{kind}", key)

    def remember(self, kind: str, key: str, value: Any) -> None:
        """Keep an answer (JSON values or frozen dataclasses)."""
        self.entries.write(f"memo/{kind}", key, canonical(value))

    def write(self, name: str, content: bytes) -> None:
        """Write a file of the store itself by its name."""
        files.write(self.directory / name, content, 0o444, below=self.directory)

    def show(self, names: Sequence[str]) -> Path:
        """Have links to these parts, and to nothing else, in a directory to be served; return it."""
        return show_parts(self.directory, names)

    # Looking and deleting

    def objects(self) -> Iterator[tuple[str, int]]:
        """Yield the digest and size of every object, sorted; unfinished downloads are none."""
        for path in sorted((self.directory / "objects").glob("??/*")):
            if not path.name.startswith("."):
                yield path.name, path.stat().st_size

    def leftovers(self) -> tuple[Path, ...]:
        """Return the unfinished files of writers and downloads that did not come back."""
        found = [path for kind in ("objects", "artifacts", "memo") for path in
                 (self.directory / kind).rglob(".*") if path.is_file()]
        return tuple(sorted((*found, *(path for roots in (self.roots, self.layers, self.kept)
                                       for path in roots.leftovers()))))

    def drop_object(self, sha256: str) -> None:
        """Delete an object."""
        try:
            self.path(sha256).unlink(missing_ok=True)
        except OSError as error:
            raise_for_os_error(error, self.directory)

    def _copy(self, source: Path, target: Path) -> None:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with source.open("rb") as file, appearing(target, 0o444) as out:
                shutil.copyfileobj(file, out, _BLOCK)
        except OSError as error:
            raise_for_os_error(error, self.directory)

    # Directories and locks

    def apt_directory(self, name: str) -> Path:
        """Return where the isolated apt directory of this name is, or would be."""
        return self.directory / "apt" / name

    def apt_directories(self) -> tuple[Path, ...]:
        """Return all isolated apt directories, sorted."""
        return tuple(sorted((self.directory / "apt").iterdir()))

    def alone(self) -> AbstractContextManager[None]:
        """Hold the store alone, to delete.  Raises BusyError when somebody else has it open."""
        return self._locks.alone()

    def lock(self, name: str, waiting: Callable[[], None] = lambda: None) -> AbstractContextManager[None]:
        """Hold a lock, by name; ``waiting`` is called once when somebody else has it."""
        return self._locks.held(name, waiting)

    def work(self, remove: Callable[[Path], None]) -> AbstractContextManager[Path]:
        """Give a fresh directory, held while in use; ``remove`` deletes it afterwards."""
        return self._locks.work(remove)

    def abandoned(self) -> tuple[Path, ...]:
        """Return work directories whose process is gone (it was killed)."""
        return self._locks.abandoned()

    def forget_work(self, path: Path) -> None:
        """Drop the lock file of a work directory that has been deleted."""
        self._locks.forget_work(path)
