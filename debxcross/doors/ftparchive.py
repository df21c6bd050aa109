# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to apt-ftparchive: control fields and digests of debs, kept by sha256.

apt-ftparchive reads thousands of debs in one process, in every compression that dpkg knows.
It looks only at debs that were never seen before: a deb's stanza depends on nothing but its
bytes, so it is kept as CACHE/ab/abcd….json and an index is made by joining.
"""
from __future__ import annotations

import gzip
import json
import lzma
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from debxcross.core.repository import Fields, parse_stanzas
from debxcross.doors import process
from debxcross.errors import PublishError

#: xz needs a second for an index of 10,000 packages at its best level, a fifth of it at 2.
_LARGE_INDEX = 1 << 20


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


def read_controls(debs: Mapping[str, Path], cache: Path) -> dict[str, DebControl]:
    """Return the control of each deb; ``debs`` is sha256 (hex) → path, and so is the answer.

    Raises PublishError that names every file that is no deb, or not the one announced.
    """
    known = {sha256: control for sha256 in sorted(debs) if (control := _recall(cache, sha256))}
    new = {sha256: debs[sha256].absolute() for sha256 in sorted(debs) if sha256 not in known}
    if new:
        known.update(_scan(new, cache))
    return known


def _scan(debs: Mapping[str, Path], cache: Path) -> dict[str, DebControl]:
    with tempfile.TemporaryDirectory(prefix="debxcross-debs-") as name:
        for sha256, path in debs.items():
            Path(name, f"{sha256}.deb").symlink_to(path)
        done = process.run(packages_argv(Path(name)))
    found = {}
    for fields in parse_stanzas(done.stdout):
        control = _control(fields)
        found[control.sha256] = control
    # apt-ftparchive leaves out what it cannot read and still ends with status 0.
    missing = sorted(str(path) for sha256, path in debs.items() if sha256 not in found)
    if missing:
        raise PublishError("not a readable deb: " + ", ".join(missing), done.stderr.strip(),
                           "Build it again; check it with: dpkg-deb --info FILE")
    for sha256 in debs:
        _keep(cache, found[sha256])
    return {sha256: found[sha256] for sha256 in debs}


def _control(fields: Fields) -> DebControl:
    digests = {name: value for name, value in fields if name in ("Size", "MD5sum", "SHA256", "Filename")}
    rest = tuple(field for field in fields if field[0] not in digests)
    return DebControl(rest, int(digests["Size"]), digests["MD5sum"], digests["SHA256"])


def _recall(cache: Path, sha256: str) -> DebControl | None:
    try:
        value = json.loads((cache / sha256[:2] / f"{sha256}.json").read_bytes())
        fields = tuple((str(name), str(text)) for name, text in value["fields"])
        return DebControl(fields, int(value["size"]), str(value["md5sum"]), sha256)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        # What cannot be read is made again.
        return None


def _keep(cache: Path, control: DebControl) -> None:
    path = cache / control.sha256[:2] / f"{control.sha256}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    value = {"fields": control.fields, "size": control.size, "md5sum": control.md5sum}
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(value))
    os.replace(temporary, path)


def compress(content: bytes, compression: str) -> bytes:
    """Return ``content`` in the form of a file's ending ("", ".gz", ".xz"), always the same bytes."""
    if compression == ".gz":
        return gzip.compress(content, mtime=0)
    if compression == ".xz":
        return lzma.compress(content, preset=6 if len(content) < _LARGE_INDEX else 2)
    return content
