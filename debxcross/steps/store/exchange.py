# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries a store's content to another machine in one file, and takes it in there.

The file is a plain tar archive: the layout's number, then objects, answers, results and the
end, so that nothing is taken in before what it names.  The same content gives the same
bytes.  Base roots travel as their packages; the other machine makes them of those.
"""
from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from debxcross.core.artifact import Artifact, StoredFile, artifact_from
from debxcross.core.border import is_size, read_json, shown
from debxcross.core.chain import answers
from debxcross.core.key import canonical
from debxcross.core.store.gc import Inventory, collection, live, size_words
from debxcross.doors.debfile import SmallHeaders
from debxcross.doors.entries import entry_name
from debxcross.doors.files import appearing, raise_for_os_error
from debxcross.doors.store import LAYOUT, Store
from debxcross.errors import StoreError, UsageError
from debxcross.steps.store.gc import HISTORY, names_in_files, take_inventory

#: Answers that are about one machine or one output directory, not about the archives.
_AT_HOME = ("machine", "publication")
_NAME = re.compile(
    r"(?:(?P<object>objects/(?P<two>[0-9a-f]{2})/(?P<sha256>(?P=two)[0-9a-f]{62}))"
    r"|(?P<kind>artifacts|memo/[a-z-]{1,40})/(?P<start>[0-9a-f]{2})/(?P<key>(?P=start)[0-9a-f]{62})\.json)\Z")
_LARGEST_ENTRY = 64 << 20
#: The last member; a file without it was cut short.
_END = "end"


@dataclass(frozen=True)
class Exchange:
    """What was written or taken in: how many files, answers and results, and the bytes of the files."""

    objects: int
    memos: int
    artifacts: int
    size: int

    def to_text(self) -> str:
        """Return it as a line for people."""
        return (f"{self.artifacts} results, {self.objects} files ({size_words(self.size)}), "
                f"{self.memos} remembered answers")

    def to_json(self) -> str:
        """Return it as JSON."""
        return json.dumps({"results": self.artifacts, "files": self.objects, "size": self.size,
                           "answers": self.memos})


def export(store: Store, target: Path, keep: int, named: Sequence[Path]) -> Exchange:
    """Write what ``store gc`` would keep (the newest ``keep`` results of every member) into a file.

    ``named`` are files whose digests go along too.  The file appears by one rename.
    """
    inventory = take_inventory(store, sizes=False)
    kept = live(inventory, keep, names_in_files(named))
    going = collection(inventory, kept)
    gone = {(memo.title, memo.key) for memo in going.memos}
    memos = [(memo.title, memo.key) for memo in inventory.memos
             if (memo.title, memo.key) not in gone and memo.title not in _AT_HOME]
    memos += [(HISTORY, key) for key, value in store.entries.all(f"memo/{HISTORY}") if value is not None]
    artifacts = [artifact for thing in inventory.artifacts
                 if thing.key in kept.keys and (artifact := store.artifact(thing.key))]
    try:
        with appearing(target) as file, tarfile.open(fileobj=file, mode="w") as tar:
            _add(tar, "layout", f"{LAYOUT}\n".encode())
            for sha256 in sorted(kept.objects):
                with store.path(sha256).open("rb") as stream:
                    tar.addfile(_header(f"objects/{sha256[:2]}/{sha256}", inventory.objects[sha256]), stream)
            for kind, key in sorted(memos):
                _add(tar, entry_name(f"memo/{kind}", key), canonical(store.memo(kind, key)))
            for artifact in artifacts:
                _add(tar, entry_name("artifacts", artifact.key), canonical(artifact))
            _add(tar, _END, b"")
    except OSError as error:
        raise_for_os_error(error, target.parent)
    return Exchange(len(kept.objects), len(memos), len(artifacts), _bytes(inventory, kept.objects))


def _bytes(inventory: Inventory, objects: frozenset[str]) -> int:
    return sum(inventory.objects[sha256] for sha256 in objects)


def _header(name: str, size: int) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.size, header.mode = size, 0o444
    return header


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    tar.addfile(_header(name, len(content)), io.BytesIO(content))


def take_in(store: Store, source: Path) -> Exchange:
    """Take an exported file in; what the store has already stays as it is.

    Every file is compared with its digest.  Raises UsageError for what is no export,
    StoreError for a damaged one; what was whole before the damage has been taken in.
    """
    taken = _Intake(store, source)
    try:
        with tarfile.open(source, mode="r:", tarinfo=SmallHeaders) as tar:
            first = tar.next()
            if first is None or first.name != "layout":
                raise UsageError(f"{source} is no exported store",
                                 resolution="Name a file that 'debxcross store export' wrote.")
            layout = taken.read(tar, first).decode("ascii", "replace").strip()
            if layout != str(LAYOUT):
                raise StoreError(
                    f"{source} is of a store with layout {layout}, this debxcross knows {LAYOUT}",
                    "", "Use the debxcross that made it.")
            while (member := tar.next()) is not None and member.name != _END:
                taken.take(tar, member)
            if member is None:
                raise _damaged(source, "it is cut short")
    except FileNotFoundError:
        raise UsageError(f"there is no file {source}", "", "Check the path.") from None
    except tarfile.TarError as error:
        raise _damaged(source, str(error)) from error
    except OSError as error:
        raise_for_os_error(error, store.directory)
    return taken.done()


def _damaged(source: Path, what: str) -> StoreError:
    return StoreError(f"{source} is damaged", what,
                      "Copy it again and repeat the import: what was whole has been taken in.")


class _Intake:
    """Takes members of an export in, one after the other."""

    def __init__(self, store: Store, source: Path) -> None:
        self._store, self._source = store, source
        self._objects = self._memos = self._artifacts = self._size = 0

    def done(self) -> Exchange:
        """Return what was taken in."""
        return Exchange(self._objects, self._memos, self._artifacts, self._size)

    def read(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
        """Return the bytes of a small member."""
        stream = tar.extractfile(member) if member.isfile() and member.size <= _LARGEST_ENTRY else None
        if stream is None:
            raise _damaged(self._source, f"{member.name} is not what an export holds")
        content = stream.read()
        if len(content) != member.size:
            raise _damaged(self._source, f"{member.name} is cut short")
        return content

    def take(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        """Take one member in."""
        match = _NAME.match(member.name)
        if match is None or not member.isfile() or not is_size(member.size):
            raise _damaged(self._source, f"{shown([member.name])} is not what an export holds")
        if match["object"]:
            self._take_object(tar, member, match["sha256"])
            return
        key, kind = match["key"], match["kind"].removeprefix("memo/")
        try:
            value = read_json(self.read(tar, member), whole=True)
            if kind == "artifacts":
                self._take_artifact(artifact_from(value, key))
                return
            if kind in _AT_HOME:
                raise ValueError("such an answer is about one machine and stays there")
            if fault := answers.fault(kind, value):
                raise ValueError(fault)
        except ValueError as error:
            raise _damaged(self._source, f"{member.name} is no entry: {error}") from error
        if self._store.memo(kind, key) is None:
            self._store.remember(kind, key, value)
            self._memos += 1

    def _take_artifact(self, artifact: Artifact) -> None:
        if self._store.has(*artifact.files) and self._store.artifact(artifact.key) is None:
            self._store.commit(artifact)
            self._artifacts += 1

    def _take_object(self, tar: tarfile.TarFile, member: tarfile.TarInfo, sha256: str) -> None:
        if self._store.has(StoredFile(sha256, sha256, member.size)):
            return
        stream = tar.extractfile(member)
        if stream is None or not self._store.put_stream(stream, sha256):
            raise _damaged(self._source, f"{member.name} has other bytes than its name says")
        self._objects += 1
        self._size += member.size
