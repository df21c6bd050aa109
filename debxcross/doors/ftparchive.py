# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to apt-ftparchive: control fields and digests of debs, in one process for thousands.

It reads every compression that dpkg knows, and 10,000 small debs in half a second, so
nothing is kept of what it says.
"""
from __future__ import annotations

import gzip
import lzma
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from debxcross.core.stanza import Fields, parse_stanzas
from debxcross.doors import process
from debxcross.errors import PublishError

#: xz needs a second for an index of 10,000 packages at its best level, a fifth of it at 2.
_LARGE_INDEX = 1 << 20
_GZIP_LEVEL = 6


@dataclass(frozen=True)
class DebControl:
    """A deb's control fields, with its size in bytes and its digests in hex."""

    fields: Fields
    size: int
    md5sum: str
    sha256: str


def packages_argv(directory: Path) -> tuple[str, ...]:
    """Return the command that prints a stanza for each deb below a directory."""
    return ("apt-ftparchive", "-o", "APT::FTPArchive::SHA1=false", "-o", "APT::FTPArchive::SHA512=false",
            "packages", str(directory))


def read_controls(debs: Sequence[Path]) -> dict[Path, DebControl]:
    """Return the control of each deb.

    Raises PublishError that names every file that is no deb.
    """
    if not debs:
        return {}
    real = {path: os.path.realpath(path) for path in debs}
    targets = sorted(set(real.values()))
    with tempfile.TemporaryDirectory(prefix="debxcross-debs-") as name:
        directory = os.path.dirname(targets[0])
        if not _holds_just(directory, targets):
            directory = name
            for number, target in enumerate(targets):
                Path(name, f"{number}.deb").symlink_to(target)
        done = process.run(packages_argv(Path(directory)))
        # It tells the name of some of the links and the target of others.
        found = {os.path.realpath(path) if directory == name else path: control
                 for path, control in map(_control, parse_stanzas(done.stdout))}
    # It leaves out what it cannot read and still ends with status 0.
    missing = sorted(str(path) for path, target in real.items() if target not in found)
    if missing:
        raise PublishError("not a readable deb: " + ", ".join(missing), done.stderr.strip(),
                           "Build it again; check it with: dpkg-deb --info FILE")
    return {path: found[target] for path, target in real.items()}


def _holds_just(directory: str, targets: Sequence[str]) -> bool:
    """Tell whether a directory holds these debs, no other one, and no directory or link."""
    with os.scandir(directory) as entries:
        found = [(entry.path, entry.is_file(follow_symlinks=False)) for entry in entries]
    return (all(plain for _, plain in found)
            and sorted(path for path, _ in found if path.endswith(".deb")) == list(targets))


def _control(fields: Fields) -> tuple[str, DebControl]:
    told = {name: value for name, value in fields if name in ("Size", "MD5sum", "SHA256", "Filename")}
    rest = tuple(field for field in fields if field[0] not in told)
    return told["Filename"], DebControl(
        rest, int(told["Size"]), told["MD5sum"], told["SHA256"])


def compress(content: bytes, compression: str) -> bytes:
    """Return ``content`` in the form of a file's ending ("", ".gz", ".xz"), always the same bytes."""
    if compression == ".gz":
        return gzip.compress(content, _GZIP_LEVEL, mtime=0)
    if compression == ".xz":
        return lzma.compress(content, preset=6 if len(content) < _LARGE_INDEX else 2)
    return content
