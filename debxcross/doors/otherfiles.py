# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to files that others left: only regular files, and none that a link puts somewhere else.

A directory of somebody else's may hold a link to a private file, which would be published,
or a FIFO, which would be waited for; and what was looked at may be exchanged before it is read.
"""
from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import os
import stat
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from debxcross.doors import process
from debxcross.errors import PublishError

#: Endings of compressed indexes; zstd goes through its own program.
_READERS: Mapping[str, Callable[[IO[bytes]], Any]] = {
    "": lambda file: file, ".xz": lzma.LZMAFile, ".gz": lambda file: gzip.GzipFile(fileobj=file),
    ".bz2": bz2.BZ2File, ".lzma": lzma.LZMAFile}
FORMS = (*_READERS, ".zst")
#: Bytes of an index as plain text; that of Debian's main has 50 MB.
_LARGEST = 1 << 28
_NEXT = "Repair the old repository, or name the directory of its debs instead."
_FAULTS = (lzma.LZMAError, zlib.error, EOFError, gzip.BadGzipFile)


def found(directory: Path, wanted: Callable[[Path], bool]) -> list[Path]:
    """Return the real paths of files below a directory whose names are wanted, in order.

    A link counts as what it leads to, when that lies in the directory.  Raises PublishError
    for one that leads elsewhere or nowhere, for what is no regular file, and for a
    directory that cannot be read: nothing that is wanted is passed over.
    """
    def refuse(error: OSError) -> None:
        raise PublishError(f"{error.filename} cannot be searched", str(error),
                           "Check its owner and permissions.")

    base = directory.resolve()
    result = []
    for place, _, names in os.walk(base, onerror=refuse):
        result += [path for name in names if wanted(path := Path(place, name))]
    return sorted(dict.fromkeys(real(path, base) for path in result))


def real(path: Path, base: Path) -> Path:
    """Return the real path of a regular file below ``base`` (a real path); PublishError for another."""
    target = path.resolve()
    if not target.is_relative_to(base):
        raise PublishError(f"{path} is a link that leads out of {base}", f"It leads to {target}.",
                           "Name that file itself if it is to be published, or remove the link.")
    try:
        regular = stat.S_ISREG(os.lstat(target).st_mode)
    except OSError as error:
        raise PublishError(f"{path} cannot be read", str(error),
                           "Restore it, or remove what names it.") from error
    if not regular:
        raise PublishError(f"{path} is no regular file", "", "Remove it from the directory.")
    return target


@contextmanager
def opened(path: Path) -> Iterator[io.BufferedReader]:
    """Open a file by its real path; PublishError when a link or something else has taken its place."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise PublishError(f"{path} cannot be read", str(error), "Restore it, then publish again.") from error
    with open(descriptor, "rb") as file:
        # Where it really is tells the kernel, after all links.
        if not stat.S_ISREG(os.fstat(descriptor).st_mode) \
                or os.readlink(f"/proc/self/fd/{descriptor}") != os.path.abspath(path):
            raise PublishError(f"{path} is not the regular file that was found there", "",
                               "Wait until nobody changes the directory, then publish again.")
        yield file


def digest_of(path: Path) -> tuple[str, int]:
    """Return sha256 (hex) and size in bytes of a file by its real path."""
    with opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()


def index_text(path: Path, form: str, wanted: Mapping[str, str]) -> str | None:
    """Return the text of an index in one of FORMS; None when it has not one of the ``wanted`` digests.

    These are hashlib's names of algorithms and digests in hex; empty for an index that nobody
    vouches for.  Raises PublishError when it is damaged or too large.
    """
    with opened(path) as file:
        for algorithm, digest in wanted.items():
            if hashlib.file_digest(file, algorithm).hexdigest() != digest:
                return None
            file.seek(0)
        try:
            content = _zstd(path) if form == ".zst" else _READERS[form](file).read(_LARGEST + 1)
        except (*_FAULTS, OSError) as error:
            raise PublishError(f"{path} is damaged", str(error), _NEXT) from error
    if len(content) > _LARGEST:
        raise PublishError(f"{path} holds more than {_LARGEST >> 20} MiB of text", "",
                           "Name the directory of the debs instead.")
    return bytes(content).decode("utf-8", "replace")


def _zstd(path: Path) -> bytes:
    with tempfile.TemporaryDirectory(prefix="debxcross-") as name:
        target = Path(name, "index")
        process.run(("prlimit", f"--fsize={_LARGEST + 1}", "--", "zstd", "-dc", str(path)),
                    stdout_path=target).check(
            PublishError, f"{path} cannot be decompressed, or is too large", _NEXT)
        return target.read_bytes()
