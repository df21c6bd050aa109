# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to source packages as files: reads one file of debian/ without unpacking the rest."""
from __future__ import annotations

import errno
import gzip
import lzma
import re
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from debxcross.doors.debfile import SmallHeaders
from debxcross.errors import GateError

#: Bytes of a text that is read: the largest changelogs and diffs of Debian have a few megabytes.
_LONGEST_TEXT = 64 << 20


def read_control(files: Mapping[str, Path]) -> str:
    """Return the text of debian/control; ``files`` maps the names in the .dsc to paths.

    Formats 1.0 (it stands in the .diff.gz, or in a native tarball) and 3.0 (in the
    .debian.tar.*, or native); see dpkg-source(1).  Raises GateError when it is nowhere.
    """
    return _read(files, "control")


def read_changelog(files: Mapping[str, Path]) -> str:
    """Return the text of debian/changelog, found and told as read_control() does."""
    return _read(files, "changelog")


def _read(files: Mapping[str, Path], wanted: str) -> str:
    tarballs = sorted(name for name in files if re.search(r"\.tar\.(gz|xz|bz2|lzma)\Z", name))
    for name in (*sorted(name for name in files if name.endswith(".diff.gz")),
                 *sorted(tarballs, key=lambda one: ".debian.tar." not in one)):
        try:
            text = (_in_diff if name.endswith(".diff.gz") else _in_tarball)(files[name], wanted)
        except (OSError, EOFError, tarfile.TarError, lzma.LZMAError, zlib.error) as error:
            raise GateError(f"{name} cannot be read", str(error),
                            "Fetch the source again; if its digest is right, it cannot be built.") from error
        if text:
            return text
    raise GateError(f"no debian/{wanted} in {', '.join(sorted(files))}",
                    resolution="This is not a Debian source package that can be built.")


def _pattern(wanted: str) -> re.Pattern[str]:
    """The file itself, not one of a test's data: dpkg-source unpacks one leading directory at most."""
    return re.compile(rf"(\./)?([^/]+/)?debian/{wanted}\Z")


def _in_diff(path: Path, wanted: str) -> str:
    with gzip.open(path, "rb") as diff:
        text = _bounded(diff).decode("utf-8", "replace")
    return file_in_diff(text.replace("\r\n", "\n").replace("\r", "\n"), wanted)


def _bounded(file: IO[bytes] | gzip.GzipFile) -> bytes:
    found = bytearray()
    while block := file.read(1 << 20):
        found += block
        if len(found) > _LONGEST_TEXT:
            raise OSError(errno.EFBIG, f"it unpacks to more than {_LONGEST_TEXT >> 20} MB")
    return bytes(found)


def _in_tarball(path: Path, wanted: str) -> str:
    pattern = _pattern(wanted)
    with tarfile.open(path, tarinfo=SmallHeaders) as archive:
        for member in archive:
            if pattern.match(member.name) and member.isfile():
                file = archive.extractfile(member)
                assert file is not None, "a regular file can be read"
                return _bounded(file).decode("utf-8", "replace")
    return ""


def file_in_diff(diff: str, wanted: str) -> str:
    """Return a file of debian/ from a diff that adds it, "" when it does not."""
    pattern = _pattern(wanted)
    lines: list[str] = []
    inside = False
    for line in diff.splitlines():
        if line.startswith("+++ "):
            inside = bool(pattern.match(line.split("\t")[0].split(" ")[1]))
        elif line.startswith("--- "):
            inside = False
        elif inside and line.startswith("+"):
            lines.append(line[1:])
    return "".join(f"{line}\n" for line in lines)
