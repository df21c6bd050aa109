# SPDX-License-Identifier: GPL-3.0-or-later
"""A store's entries: small JSON files, each with the key it goes by.

The kind of an entry is "artifacts" or "memo/NAME"; the name of its file is KIND/ab/KEY.json.  An
entry that has not the shape of its kind is damaged, whoever wrote it.
"""
from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from debxcross.core.artifact import artifact_from
from debxcross.core.chain import answers
from debxcross.doors import files
from debxcross.doors.files import raise_for_os_error


#: Kinds whose values may hold passwords of mirrors and proxies.
_PRIVATE = ("memo/machine",)


def entry_name(kind: str, key: str) -> str:
    """Return the name of an entry's file, relative to its store."""
    return f"{kind}/{key[:2]}/{key}.json"


class Entries:
    """The entries of one store.  Whatever the file system refuses is StoreError or DiskFullError."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        for kind in _PRIVATE:
            with suppress(OSError):  # where there is none yet; an older debxcross let everybody look
                (directory / kind).chmod(0o700)

    def _path(self, kind: str, key: str) -> Path:
        return self._directory / entry_name(kind, key)

    def read(self, kind: str, key: str) -> Any | None:
        """Return an entry's value; None when it is not there or damaged: it is made again then."""
        return self._sound(kind, key, self._path(kind, key))

    def _sound(self, kind: str, key: str, path: Path) -> Any | None:
        """Return an entry's value when it has the shape of its kind."""
        value = files.read_json(path, below=self._directory)
        if kind != "artifacts":
            return None if answers.fault(kind.removeprefix("memo/"), value) else value
        try:
            artifact_from(value, key)
        except ValueError:
            return None
        return value

    def write(self, kind: str, key: str, content: bytes) -> None:
        """Let an entry appear, whose JSON text is given."""
        if kind in _PRIVATE:
            try:
                (self._directory / kind).mkdir(0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise_for_os_error(error, self._directory)
        files.write(self._path(kind, key), content, 0o444, below=self._directory)

    def all(self, kind: str) -> Iterator[tuple[str, Any | None]]:
        """Yield key and value (None: damaged) of every entry of a kind, sorted."""
        for path in sorted((self._directory / kind).glob("??/*.json")):
            yield path.stem, self._sound(kind, path.stem, path)

    def memo_kinds(self) -> tuple[str, ...]:
        """Return the kinds of remembered answers there are: "memo/NAME"."""
        return tuple(sorted(f"memo/{path.name}" for path in (self._directory / "memo").iterdir()))

    def size(self, kind: str, key: str) -> int:
        """Return the bytes of an entry that is there."""
        return self._path(kind, key).stat().st_size

    def sha256(self, kind: str, key: str) -> str:
        """Return the sha256 (hex) of the bytes of an entry that is there."""
        return hashlib.sha256(self._path(kind, key).read_bytes()).hexdigest()

    def drop(self, kind: str, key: str) -> None:
        """Delete an entry, if it is there."""
        try:
            self._path(kind, key).unlink(missing_ok=True)
        except OSError as error:
            raise_for_os_error(error, self._directory)
