# SPDX-License-Identifier: GPL-3.0-or-later
"""The door through which files appear: written beside their place, flushed, renamed over it.

A reader sees the old bytes or the new ones.  A writer that is killed, or a disk that is full,
leaves the old file as it was, and at most a file ".NAME.XXXXXXXX" beside it.
"""
from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from debxcross.errors import DiskFullError, StoreError


@contextmanager
def appearing(target: Path, mode: int | None = None) -> Iterator[BinaryIO]:
    """Open a file for writing that gets its name when the block ends, and is gone when it raises.

    ``mode`` is its permission bits; without it the umask decides.  Raises OSError.
    """
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    # A file that is private is so from its first moment.
    made = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC,
                   0o666 if mode is None else mode)
    try:
        with open(made, "wb") as file:
            if mode is not None:
                os.fchmod(file.fileno(), mode)  # whatever the umask is
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write(
    target: Path, content: bytes | str, mode: int | None = None, *, below: Path | None = None
) -> None:
    """Let a file appear with this content, text as UTF-8, and these permission bits.

    ``below`` is the directory that errors name; what is between it and the file is made.
    Raises DiskFullError, and StoreError for whatever else the file system refuses.
    """
    try:
        if below is not None:
            target.parent.mkdir(parents=True, exist_ok=True)
        with appearing(target, mode) as file:
            file.write(content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise_for_os_error(error, below or target.parent)


def read_json(path: Path, *, below: Path) -> Any | None:
    """Return what a file of JSON holds; None when it is not there or damaged, cut short for example.

    Raises StoreError, which names ``below``, when it may not or cannot be read.
    """
    try:
        return json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):  # no JSON, or no UTF-8
        return None
    except OSError as error:
        raise_for_os_error(error, below)


def file_digest(path: Path) -> tuple[str, int]:
    """Return a file's sha256 (hex) and size in bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()


def raise_for_os_error(error: OSError, directory: Path) -> NoReturn:
    """Turn what the file system said into an error with its next move."""
    said = f"{error.strerror}: {error.filename}" if error.filename else error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        raise DiskFullError(
            f"no space left on the device below {directory}", said,
            "Free some space or name another place (--store, --output); then run the same command again: "
            "what is finished is kept.",
        ) from error
    raise StoreError(
        f"cannot use {directory}", said,
        "Check the directory's owner and permissions, or name another place (--store, --output).",
    ) from error
