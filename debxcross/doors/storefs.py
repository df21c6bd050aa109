# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a file system can hold a store, and which parts of one others may see.

What a store needs is tried, and what is lacking is named.
"""
from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from debxcross.doors.files import raise_for_os_error
from debxcross.errors import StoreError


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


def show_parts(store: Path, names: Sequence[str]) -> Path:
    """Have links to these parts of a store, and to nothing else, in its directory public/; return it.

    Raises StoreError and DiskFullError.
    """
    public = store / "public"
    try:
        for name in names:
            link = public / name
            link.parent.mkdir(0o755, parents=True, exist_ok=True)
            target = os.path.relpath(store / name, link.parent)
            if not link.is_symlink() or os.readlink(link) != target:
                link.unlink(missing_ok=True)
                link.symlink_to(target)
    except OSError as error:
        raise_for_os_error(error, store)
    return public
