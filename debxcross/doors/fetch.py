# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to downloads: files by address and digest, and pages.

A file becomes visible under its name by one rename, after its digest was checked.  With a
known digest the unfinished file has a name made of that digest, so that a later run (or
the next mirror, since the bytes are the same) resumes it; without one nothing unfinished
is kept.
"""
from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar

from debxcross.core.url import with_login, without_password
from debxcross.core.wheel.index import Page
from debxcross.doors.trouble import Trouble
from debxcross.doors.web import Answer, Transfer, make_transfer, opened
from debxcross.errors import (
    DebxcrossError, DiskFullError, FetchError, HostError, InterruptedRunError, UnreachableError,
    VerificationError,
)

_BLOCK = 1 << 16
_PAGE_LIMIT = 64 << 20

_Result = TypeVar("_Result")


class Progress(Protocol):
    """Hears how much has arrived: bytes so far, bytes in all (None when nobody said)."""

    def __call__(self, done: int, total: int | None) -> None: ...


def fetch(
    urls: Sequence[str], destination: Path, *, sha256: str | None = None, size: int | None = None,
    transfer: Transfer | None = None, progress: Progress | None = None,
) -> Path:
    """Fetch a file from the first of ``urls`` that has it, verified, and return ``destination``.

    ``sha256`` is 64 hex digits, ``size`` is in bytes; either may be unknown.  All places
    are tried before any is tried again.  Raises FetchError (naming every place and what
    it said), VerificationError (nothing of the file stays), DiskFullError, HostError for a
    directory that cannot be written, and InterruptedRunError.
    """
    transfer = transfer or make_transfer()
    wanted = sha256.lower() if sha256 else None
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        with _unfinished(destination, wanted) as part:
            receipt = _Receipt(part.file, transfer, wanted, size, progress)
            if not receipt.is_complete():
                try:
                    _rounds(urls, receipt.receive, transfer, destination.name)
                except (FetchError, InterruptedRunError):
                    part.keep = receipt.worth_keeping
                    raise
            part.publish(destination)
    except OSError as error:
        raise _disk_error(error, destination.parent) from error
    return destination


def read_page(url: str, accept: str, transfer: Transfer | None = None) -> Page | None:
    """Return a page, or None when the place says that there is none (404 or 410).

    At most 64 MiB.  Raises FetchError and InterruptedRunError.
    """
    transfer = transfer or make_transfer()

    def receive(place: str) -> Page | None:
        try:
            with opened(transfer, place, {"Accept": accept}) as answer:
                blocks, got = [], 0
                for block in answer.blocks:
                    got += len(block)
                    if got > _PAGE_LIMIT:
                        raise Trouble(f"the page is larger than {_PAGE_LIMIT >> 20} MiB")
                    blocks.append(block)
                answer.check_length(got)
                kind = answer.headers.get("Content-Type", "")
                return Page(with_login(answer.url, place), kind, b"".join(blocks))
        except Trouble as trouble:
            if trouble.absent:
                return None
            raise

    return _rounds((url,), receive, transfer, without_password(url))


def _rounds(urls: Sequence[str], attempt: Callable[[str], _Result], transfer: Transfer,
            name: str) -> _Result:
    """Try every place, then again those where another attempt makes sense, with growing pauses."""
    troubles: dict[str, Trouble] = {}
    left = list(dict.fromkeys(urls))
    for turn in range(transfer.retries + 1):
        if turn:
            transfer.wait(transfer.pause * 2 ** (turn - 1))
        for url in left:
            transfer.check()
            try:
                return attempt(url)
            except Trouble as trouble:
                troubles[url] = trouble
        left = [url for url in left if troubles[url].again]
        if not left:
            break
    raise _failure(name, troubles)


def _failure(name: str, troubles: Mapping[str, Trouble]) -> FetchError:
    details = "\n".join(f"{without_password(url)}: {trouble}" for url, trouble in troubles.items())
    if any(trouble.wrong for trouble in troubles.values()):
        return VerificationError(
            f"{name} arrived, but it is not the file that was asked for", details,
            "Nothing of it was kept. Either the place serves another file (a captive portal, a "
            "mirror in the middle of an update) or the pinned digest is out of date.")
    if troubles and all(trouble.absent for trouble in troubles.values()):
        return FetchError(
            f"{name} is at none of the configured places", details,
            "Archives remove old files: configure another mirror, an archive of old releases or a "
            "snapshot that still has it.")
    kind = UnreachableError if troubles and all(one.again and not one.status for one in troubles.values()
                                                ) else FetchError
    return kind(
        f"{name} could not be fetched", details or "no place to fetch it from is configured",
        "Check the network, http_proxy and https_proxy, or configure another mirror; what has "
        "arrived so far is resumed.")


class _Receipt:
    """Receives one file into an open file, keeping count and digest over all attempts."""

    def __init__(self, file: BinaryIO, transfer: Transfer, sha256: str | None, size: int | None,
                 progress: Progress | None) -> None:
        self._file, self._transfer, self._progress = file, transfer, progress
        self._sha256, self._size = sha256, size
        self._digest, self._done = hashlib.sha256(), 0
        self.wrong = False
        for block in iter(lambda: file.read(_BLOCK), b""):
            self._count(block)

    def _count(self, block: bytes) -> None:
        self._digest.update(block)
        self._done += len(block)

    def _write(self, block: bytes) -> None:
        rest = memoryview(block)
        while rest:  # an unbuffered file may take less than it is given
            rest = rest[self._file.write(rest):]
        self._count(block)

    def _restart(self) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._digest, self._done = hashlib.sha256(), 0

    @property
    def worth_keeping(self) -> bool:
        """Whether a later run can resume what is here."""
        return self._sha256 is not None and self._done > 0 and not self.wrong

    def is_complete(self) -> bool:
        """Say whether what an earlier run left is already the whole file."""
        return self._sha256 is not None and self._digest.hexdigest() == self._sha256

    def receive(self, url: str) -> None:
        """Fetch the rest of the file, or all of it, from one place; Trouble when that fails."""
        if self._sha256 is None or (self._size is not None and self._done >= self._size):
            self._restart()
        resumed = self._done > 0
        try:
            self._attempt(url)
        except Trouble as trouble:
            if not (trouble.wrong and resumed):
                raise
            # The older part may be to blame: once more, from the first byte.
            self._attempt(url)

    def _attempt(self, url: str) -> None:
        headers = {"Range": f"bytes={self._done}-"} if self._done else {}
        try:
            with opened(self._transfer, url, headers) as answer:
                before = self._accept_range(answer)
                total = self._size if answer.length is None else before + answer.length
                for block in answer.blocks:
                    self._write(block)
                    if self._size is not None and self._done > self._size:
                        break
                    if self._size is None and self._done > self._transfer.largest:
                        self._restart()
                        raise Trouble(f"it has more than {self._transfer.largest} bytes, and its size is "
                                      "not known beforehand", wrong=True)
                    if self._progress:
                        self._progress(self._done, total)
                else:
                    answer.check_length(self._done - before)
        except Trouble as trouble:
            # 416: the older part is longer than what this place has.
            if headers and trouble.status == 416:
                self._restart()
                return self._attempt(url)
            raise
        self._verify()

    def _accept_range(self, answer: Answer) -> int:
        """Return at which byte the answer starts; an answer to no range starts from zero."""
        start = answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
        if answer.status != 206:
            self._restart()
        elif start != str(self._done):
            self._restart()
            raise Trouble("it answered with another range than the one asked for", again=True)
        return self._done

    def _verify(self) -> None:
        found = self._digest.hexdigest()
        if self._size is not None and self._done != self._size:
            text = f"expected {self._size} bytes, found {'more' if self._done > self._size else self._done}"
        elif self._sha256 is not None and found != self._sha256:
            text = f"expected sha256 {self._sha256}, found {found}"
        else:
            return
        self._restart()
        self.wrong = True
        raise Trouble(text, wrong=True)


@dataclass
class _Part:
    """An unfinished file beside the one it is to become."""

    path: Path
    file: BinaryIO
    keep: bool = False

    def publish(self, destination: Path) -> None:
        """Give the finished file its name, durably."""
        self.file.flush()
        os.fchmod(self.file.fileno(), 0o644)
        os.fsync(self.file.fileno())
        os.replace(self.path, destination)
        self.keep = True
        directory = os.open(destination.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


@contextmanager
def _unfinished(destination: Path, sha256: str | None) -> Iterator[_Part]:
    """Open the unfinished file; it is removed at the end unless it was published or is kept."""
    part = _resumable(destination, sha256) if sha256 else None
    if part is None:
        number, name = tempfile.mkstemp(".part", f".{destination.name}.", destination.parent)
        part = _Part(Path(name), os.fdopen(number, "r+b", buffering=0))
    try:
        yield part
    finally:
        if not part.keep:
            part.path.unlink(missing_ok=True)
        part.file.close()


def _resumable(destination: Path, sha256: str) -> _Part | None:
    """Open what an earlier run may have left; None when another run is writing to it now."""
    path = destination.parent / f".{destination.name}.{sha256[:16]}.part"
    file = open(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b", buffering=0)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The other run may have given the file its final name between open and lock.
        if os.fstat(file.fileno()).st_ino == os.stat(path).st_ino:
            return _Part(path, file)
    except (BlockingIOError, FileNotFoundError):
        pass
    file.close()
    return None


def _disk_error(error: OSError, directory: Path) -> DebxcrossError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFullError(
            f"no space left in {directory}", str(error),
            f"Free space there ('df -h {directory}' shows how much is left) and run the command again.")
    return HostError(f"{directory} cannot be written", str(error),
                     "Check that the directory exists and belongs to you.")
