# SPDX-License-Identifier: GPL-3.0-or-later
"""The door through which files appear: written beside their place, flushed, renamed over it.

A reader sees the old bytes or the new ones.  A writer that is killed, or a disk that is full,
leaves the old file as it was, and at most a file ".NAME.XXXXXXXX" beside it.
"""
from __future__ import annotations

import errno
import grp
import hashlib
import os
import pwd
import secrets
import shlex
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from debxcross.core import border
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
        return border.read_json(path.read_bytes(), whole=True)
    except (FileNotFoundError, ValueError):  # no JSON, or none that debxcross wrote
        return None
    except OSError as error:
        raise_for_os_error(error, below)


def open_regular(path: Path, flags: int = os.O_RDONLY, mode: int = 0o666) -> int:
    """Open a file that somebody else may have left there; return its descriptor.

    A symbolic link is not followed, a FIFO not waited for, and only a regular file with one name is
    opened: writing to another one would change a file elsewhere.  Raises OSError.
    """
    number = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, mode)
    found = os.fstat(number)
    if not stat.S_ISREG(found.st_mode) or flags & (os.O_WRONLY | os.O_RDWR) and found.st_nlink > 1:
        os.close(number)
        raise OSError(errno.EINVAL, "it is not a regular file of one name", str(path))
    return number


def read(path: Path, most: int = 64 << 20) -> bytes:
    """Return the bytes of a file that somebody else may have left there.  Raises OSError.

    It has at most ``most`` bytes, or EFBIG is raised.
    """
    with open(open_regular(path), "rb") as file:
        return _at_most(file, most, path)


def _at_most(file: BinaryIO, most: int, path: Path) -> bytes:
    """Read a file to its end; OSError (EFBIG) when that is after more than ``most`` bytes."""
    # In parts: read(most) would take that much memory for the smallest file.
    found = bytearray()
    while block := file.read(1 << 20):
        found += block
        if len(found) > most:
            raise OSError(errno.EFBIG, f"it has more than {most >> 20} MB", str(path))
    return bytes(found)


#: A text that a user writes by hand, or a lock, is far below this.
_LONGEST_TEXT = 64 << 20


def read_named(path: Path, *, pipes: bool = True) -> bytes:
    """Return the bytes of a file that a user named, which may be a link: 64 MB at most.  Raises OSError.

    It may be a pipe, as a shell's <(command) is, but for a file that was found in a directory
    (``pipes`` False) that would be a wait without end: then only a regular one is read.
    """
    # Only opening a FIFO waits: that of a shell has its writer already.
    number = os.open(path, os.O_RDONLY | os.O_CLOEXEC | (0 if pipes else os.O_NONBLOCK))
    with open(number, "rb") as file:
        if not pipes and not stat.S_ISREG(os.fstat(number).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", str(path))
        return _at_most(file, _LONGEST_TEXT, path)


def make_directory(path: Path) -> None:
    """Make a directory in one of our own; a symbolic link that stands there is refused.

    Raises OSError.
    """
    path.mkdir(parents=True, exist_ok=True)
    if path.is_symlink():
        raise OSError(errno.ELOOP, "it is a symbolic link", str(path))


def check_ours(directory: Path) -> None:
    """Raise StoreError, with the command that mends it, for a directory that others can change.

    It must belong to this user or to root (for root under sudo(8), to the user who called), and
    nobody else may write to it.  The owner's own group may, where it has no other member: that is
    usual with the umask 002.
    """
    found = directory.stat()
    name, quoted = directory, shlex.quote(str(directory))
    if found.st_uid not in _trusted():
        raise StoreError(
            f"the directory {name} belongs to {_user(found.st_uid)}",
            "Whoever owns it can change what is used and run here.",
            f"Name another directory. If it is yours all the same: chown -R {os.geteuid()} {quoted}")
    others = bool(found.st_mode & stat.S_IWOTH) or (
        bool(found.st_mode & stat.S_IWGRP) and not _private_group(found.st_gid, found.st_uid))
    if others:
        raise StoreError(
            f"others may write to the directory {name}",
            f"Its mode is {stat.S_IMODE(found.st_mode):04o}; what they put there would be used and run here.",
            f"If nobody has put anything there: chmod go-w {quoted}. Else name another directory.")


def check_temporary() -> None:
    """Raise StoreError when others may change what is in the directory for temporary files.

    /tmp is everybody's, but in a sticky directory (chmod(1)) nobody can touch what is not his.
    """
    directory = Path(tempfile.gettempdir())
    found = directory.stat()
    if not found.st_mode & stat.S_ISVTX or found.st_uid not in _trusted():
        check_ours(directory)


def _trusted() -> set[int]:
    """Return the users whose directories are used: this one, root, and who called sudo."""
    trusted, caller = {0, os.geteuid()}, os.environ.get("SUDO_UID", "")
    return trusted | {int(caller)} if os.geteuid() == 0 and caller.isdecimal() else trusted


def _private_group(gid: int, uid: int) -> bool:
    """Tell whether a group is one user's own: the primary group of nobody else, without other members."""
    try:
        owner = pwd.getpwuid(uid)
        members = set(grp.getgrgid(gid).gr_mem)
    except KeyError:
        return gid == uid  # a container without a name for either
    return owner.pw_gid == gid and members <= {owner.pw_name}


def _user(uid: int) -> str:
    try:
        return f"{pwd.getpwuid(uid).pw_name} ({uid})"
    except KeyError:
        return f"the user {uid}"


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
