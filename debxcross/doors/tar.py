# SPDX-License-Identifier: GPL-3.0-or-later
"""The door that packs a tree into an archive, the same bytes for the same tree, and unpacks it again.

Names are sorted; owner, group and times are fixed; of the mode only "executable" is kept.
One level of zstd, and always its format for several threads, which is the same for any number of them.
"""
from __future__ import annotations

import ctypes
import errno
import os
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from debxcross.doors import process
from debxcross.errors import HostError, PackageError, UsageError

#: Level 9 would make it a twentieth smaller in one and a half times the time.
_LEVEL = 6
#: Not what the machine has, where 1 would mean another format in later versions of zstd.
_THREADS = 2
ENDINGS = (".tar.zst", ".tar")
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


def paths(directory: Path) -> Iterator[str]:
    """Yield every path below a directory, parents first, in the same order on every file system."""
    root = str(directory)
    for parent, directories, files in os.walk(root):
        directories.sort()
        inside = parent[len(root) + 1:]
        # A link to a directory is walked over as a directory, but not into.
        for name in sorted((*directories, *files)):
            yield f"{inside}/{name}" if inside else name


def pack(directory: Path, target: Path, time: int) -> None:
    """Pack a tree into ``target`` (.tar or .tar.zst); every time in it is ``time``.

    Raises OSError, also for a disk that is full, and HostError when there is no zstd.
    """
    if not target.name.endswith(".zst"):
        with target.open("wb") as file:
            _write(directory, file, time)
        return
    # Through a pipe, so that packing and compressing happen at the same time.
    read, write = os.pipe()
    with ThreadPoolExecutor(1) as pool:
        try:
            packing = pool.submit(_write, directory, open(write, "wb"), time)
            done = process.run(
                ["zstd", "--quiet", "--force", f"-{_LEVEL}", f"-T{_THREADS}", "--no-progress",
                 "-o", str(target.absolute())], stdin_path=Path(f"/dev/fd/{read}"))
        finally:
            os.close(read)  # where zstd has ended before all was read, packing ends too
    if os.strerror(errno.ENOSPC) in done.stderr:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
    done.check(HostError, f"{target.name} could not be compressed")
    packing.result()


def _write(directory: Path, file: BinaryIO, time: int) -> None:
    with file, tarfile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(paths(directory)):
            _add(archive, directory / path, path, time)


def _add(archive: tarfile.TarFile, path: Path, name: str, time: int) -> None:
    information = tarfile.TarInfo(name)
    information.mtime = time
    if path.is_symlink():
        information.type, information.linkname, information.mode = tarfile.SYMTYPE, os.readlink(path), 0o777
        archive.addfile(information)
    elif path.is_dir():
        information.type, information.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(information)
    else:
        found = path.stat()
        information.size, information.mode = found.st_size, 0o755 if found.st_mode & 0o100 else 0o644
        with path.open("rb") as file:
            archive.addfile(information, file)


def set_times(directory: Path, time: int) -> None:
    """Give everything below a directory, and itself, one time."""
    stamp = (time * 10**9, time * 10**9)
    for path in paths(directory):
        os.utime(f"{directory}/{path}", ns=stamp, follow_symlinks=False)
    os.utime(directory, ns=stamp)


def extract(archive: Path, directory: Path) -> None:
    """Unpack an archive that pack() made into a new directory.  PackageError when it is damaged."""
    directory.mkdir(parents=True)
    process.run([
        "tar", "--extract", "--no-same-owner", "--file", str(archive.absolute()),
        *(("--zstd",) if archive.name.endswith(".zst") else ()), "--directory", str(directory.absolute()),
    ]).check(PackageError, f"{archive} cannot be unpacked", "Make it again with 'debxcross sysroot create'.")


def put_in_place(made: Path, output: Path, force: bool) -> bool:
    """Rename what was made to where it is wanted; with ``force``, over what is there, in one step.

    Returns whether ``made`` now holds what was there before, for the caller to delete.
    Raises UsageError when something is there and must not be replaced.
    """
    if made.is_dir():
        number = _exchange(made, output) if output.exists() and force else None
        if number == 0:
            return True
        if number:
            raise OSError(number, os.strerror(number), str(output))
    elif force:
        made.rename(output)
        return False
    if output.exists() or output.is_symlink():
        raise UsageError(f"{output} exists already", resolution="--force replaces it, by one rename.")
    made.rename(output)
    return False


def _exchange(one: Path, other: Path) -> int:
    """Exchange two names with renameat2(2); return 0 or the error's number."""
    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "renameat2"):
        return errno.ENOSYS
    done = library.renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE)
    return ctypes.get_errno() if done else 0
