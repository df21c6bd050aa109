# SPDX-License-Identifier: GPL-3.0-or-later
"""A store's roots: base roots with the list of what is in them, and build roots kept for ``shell``.

Roots hold files of other users, which only the chroot door can delete: whoever drops one hands
in the function that does.
"""
from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from debxcross.core import border
from debxcross.core.build.environment import InstalledPackage
from debxcross.core.key import canonical
from debxcross.doors import files
from debxcross.doors.files import appearing, raise_for_os_error
from debxcross.errors import StoreError


class BaseRoots:
    """Base roots: the directory KEY, and beside it KEY.json, whose appearance commits the root.

    A key here is a recipe's and, after a hyphen, who owns the root's files (Chroots.root_name).
    """

    def __init__(self, store: Path, name: str = "roots") -> None:
        self._store, self._directory = store, store / name

    def place(self, key: str) -> Path:
        """Return where the root with this key is, or would be."""
        return self._directory / key

    def _list(self, key: str) -> Path:
        return self._directory / f"{key}.json"

    def packages(self, key: str) -> list[Any] | None:
        """Return what is listed as installed in a root (JSON); None when either half is not there."""
        listed: list[Any] | None = files.read_json(self._list(key), below=self._store)
        try:
            border.read_as(tuple[InstalledPackage, ...], listed)
        except ValueError:
            return None
        return listed if self.place(key).is_dir() else None

    def commit(self, key: str, made: Path, packages: object,
               rename: Callable[[Path, Path], object] = Path.rename) -> Path:
        """Give a finished root its place, and then its list; return the place, which must be free.

        Who may not write in a root may not rename it either: ``rename`` is whoever can.

        Raises DiskFullError and StoreError.
        """
        target = self.place(key)
        try:
            # Written before the root has its name: it is the file that may find no room.
            with appearing(self._list(key), 0o444) as file:
                file.write(canonical(packages))
                rename(made, target)
        except OSError as error:
            raise_for_os_error(error, self._store)
        return target

    def keys(self) -> tuple[str, ...]:
        """Return the keys of all base roots, also of those that lack their list or directory."""
        unfinished = self.leftovers()
        return tuple(sorted({path.name.removesuffix(".json") for path in self._directory.iterdir()
                             if path not in unfinished}))

    def leftovers(self) -> tuple[Path, ...]:
        """Return the unfinished lists; ".tmp" ends the names of those that debxcross wrote once."""
        return tuple(path for pattern in (".*.json.*", "*.tmp") for path in self._directory.glob(pattern))

    def drop(self, key: str, remove: Callable[[Path], None]) -> None:
        """Delete a root: the list first, so that no half of it counts."""
        self._list(key).unlink(missing_ok=True)
        remove(self.place(key))


class Layers(BaseRoots):
    """What is installed over base roots: kept like those, but only as many as are in use.

    Who works with a layer holds its list (a shared lock), and who deletes one holds it alone.
    """

    def __init__(self, store: Path) -> None:
        super().__init__(store, "layers")

    @contextmanager
    def used(self, key: str) -> Iterator[Path | None]:
        """Give a layer's place, which nobody deletes meanwhile; None when it is not there."""
        try:
            file = self._list(key).open("rb")
        except FileNotFoundError:
            yield None
            return
        with file:
            fcntl.flock(file, fcntl.LOCK_SH)
            # Deleted, or made anew, between the two calls.
            there = self.packages(key) is not None and _same(file.fileno(), self._list(key))
            if there:
                with suppress(OSError):  # another user's store
                    os.utime(self._list(key))
            yield self.place(key) if there else None

    def trim(self, most: int, spared: Collection[Path], remove: Callable[[Path], None]) -> None:
        """Delete all but the ``most`` that were used last, those ``spared``, and those that are in use."""
        known = [key for key in self.keys() if self._list(key).exists()]
        for key in sorted(known, key=self._last_use, reverse=True)[most:]:
            if self.place(key) in spared:
                continue
            with suppress(BlockingIOError, FileNotFoundError), self._list(key).open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self.drop(key, remove)

    def _last_use(self, key: str) -> int:
        try:
            return self._list(key).stat().st_mtime_ns
        except FileNotFoundError:
            return 0


def _same(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


class KeptRoots:
    """Build roots kept for ``shell``: the directory NAME.root, and beside it its note, NAME.json."""

    def __init__(self, store: Path) -> None:
        self._store, self._directory = store, store / "kept"

    def place(self, name: str) -> Path:
        """Return where the root of this name is, or would be."""
        return self._directory / f"{name}.root"

    def _note(self, name: str) -> Path:
        return self._directory / f"{name}.json"

    def note(self, name: str) -> Mapping[str, Any] | None:
        """Return what is noted of a root; None when there is no note, or none that can be read."""
        try:
            value = files.read_json(self._note(name), below=self._store)
        except StoreError:
            return None
        return value if isinstance(value, dict) else None

    def write_note(self, name: str, note: Mapping[str, Any]) -> None:
        """Note something of a root, by one rename.  Raises DiskFullError and StoreError."""
        files.write(self._note(name), canonical(note), 0o444, below=self._store)

    def layers(self) -> frozenset[Path]:
        """Return the layers that kept roots stand on."""
        return frozenset(one for name in self.names() for one in layers_in(self.note(name) or {}))

    def drop_note(self, name: str) -> None:
        """Delete a note, if it is there: the root is kept no more."""
        self._note(name).unlink(missing_ok=True)

    def drop(self, name: str, remove: Callable[[Path], None]) -> None:
        """Delete a note and its root, as far as they are there."""
        self.drop_note(name)
        if self.place(name).exists():
            remove(self.place(name))

    def names(self) -> tuple[str, ...]:
        """Return the names of all that have a note or a directory, sorted."""
        return tuple(sorted({path.stem for path in self._directory.iterdir()
                             if path.suffix in (".json", ".root") and not path.name.startswith(".")}))

    def leftovers(self) -> tuple[Path, ...]:
        """Return the unfinished notes."""
        return tuple(self._directory.glob(".*.json.*"))


def layers_in(note: Mapping[str, Any]) -> tuple[Path, ...]:
    """Return the layers that a note of a kept root names, the lowest first."""
    listed = note.get("layers", ())
    return tuple(Path(one) for one in listed if border.is_line(one)) if isinstance(listed, list) else ()
