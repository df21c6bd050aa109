# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to the changelog inside a deb, for thousands of them.

Sources: deb(5), tar(5).  Only what is needed is read: doors/deb.py is the careful reader.
"""
from __future__ import annotations

import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

#: A changelog may lie at the very end of a deb, so those of larger ones are left out.
_LARGEST_DEB = 32 << 20
_MAGIC = b"!<arch>\n"
_OPENERS: Mapping[bytes, Callable[[bytes], bytes]] = {
    b"data.tar.xz": lzma.decompress, b"data.tar.gz": gzip.decompress, b"data.tar": bytes}
_BLOCK = 512


def changelog(deb: Path, package: str, longest: int) -> str:
    """Return the start of a package's changelog, ``longest`` characters; "" when it has none of its own.

    Nothing is told of a deb that is large, damaged or compressed with something else.
    """
    names = [f"./usr/share/doc/{package}/{name}".encode() for name in ("changelog.Debian.gz", "changelog.gz")]
    try:
        with deb.open("rb") as file:
            content = file.read(_LARGEST_DEB + 1)
        if len(content) > _LARGEST_DEB:
            return ""
        found = {name: body for name, body in _files(_data(content)) if name in names}
        text = next((found[name] for name in names if name in found), b"")
        return gzip.decompress(text).decode("utf-8", "replace")[:longest] if text else ""
    except (OSError, EOFError, ValueError, lzma.LZMAError, zlib.error):
        return ""


def _data(content: bytes) -> bytes:
    """Return the tar archive of a deb's files."""
    position = len(_MAGIC)
    while position + 60 <= len(content):
        name = content[position:position + 16].rstrip(b" /")
        size = int(content[position + 48:position + 58])
        position += 60
        if name in _OPENERS:
            return _OPENERS[name](content[position:position + size])
        position += size + size % 2
    return b""


def _files(archive: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and content of the regular files of a tar archive; long names are passed over."""
    position = 0
    while position + _BLOCK <= len(archive) and archive[position]:
        header = archive[position:position + _BLOCK]
        size = int(header[124:136].rstrip(b" \0") or b"0", 8)
        position += _BLOCK
        if header[156:157] in (b"0", b"\0"):
            yield header[:100].rstrip(b"\0"), archive[position:position + size]
        position += (size + _BLOCK - 1) // _BLOCK * _BLOCK
