# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to the changelog inside a deb, for thousands of them: only what is needed is read.

Source: Policy 12.7 (where changelogs are, and their names).
"""
from __future__ import annotations

import gzip
import tarfile
from pathlib import Path
from typing import IO

from debxcross.doors.debfile import Damage, entries, opened
from debxcross.errors import PackageError

#: A changelog may lie at the very end of a deb, so those of larger ones are left out: bytes as
#: they are packed, and as they are not.
_LARGEST_DEB, _FARTHEST = 32 << 20, 1 << 30
_BLOCK = 1 << 16
#: Never shown: whoever asks for a changelog wants one or nothing.
_DAMAGE = Damage(PackageError, "Fetch it again")


def changelog(deb: Path, package: str, longest: int) -> str:
    """Return the start of a package's changelog, ``longest`` characters; "" when it has none of its own.

    Nothing is told of a deb that is large, damaged or compressed with zstd, for which a process
    would have to be started.
    """
    try:
        with opened(deb, _DAMAGE) as found:
            if deb.stat().st_size > _LARGEST_DEB or found.compression("data") == "zst":
                return ""
            with found.tar("data") as stream:
                return _first(stream, f"./usr/share/doc/{package}/", longest)
    except (OSError, PackageError):
        return ""


def _first(stream: IO[bytes], directory: str, longest: int) -> str:
    """Return Debian's own changelog of a directory, else upstream's; read no further than it."""
    upstream = ""
    for archive, information in entries(stream, _BLOCK):
        if information.offset_data + information.size > _FARTHEST:
            break
        if not information.isreg() or not information.name.startswith(directory):
            continue
        name = information.name.removeprefix(directory)
        if name == "changelog.Debian.gz":
            return _text(archive, information, longest)
        if name == "changelog.gz":
            upstream = _text(archive, information, longest)
    return upstream


def _text(archive: tarfile.TarFile, information: tarfile.TarInfo, longest: int) -> str:
    packed = archive.extractfile(information)
    assert packed is not None
    with gzip.open(packed) as text:
        # A character of UTF-8 has at most four bytes.
        return text.read(4 * longest).decode("utf-8", "replace")[:longest]
