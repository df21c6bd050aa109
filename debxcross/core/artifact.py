# SPDX-License-Identifier: GPL-3.0-or-later
"""What a step leaves behind: files by digest, with where they came from."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from debxcross.core.border import Line, Name, Sha256, Size, is_line, is_sha256, read_as

#: What of an artifact's provenance, and of its inputs, is a line of text where it is told.
_TEXTS = ("kind", "source", "version", "suite", "dsc", "file", "sha256", "host", "build", "origin")


@dataclass(frozen=True)
class StoredFile:
    """A file of an artifact: its name, its sha256 (hex) and its size in bytes."""

    name: Name
    sha256: Sha256
    size: Size


@dataclass(frozen=True)
class Artifact:
    """The immutable result of the step with this key.

    ``provenance`` is what ``explain`` and the summary tell; it is not part of any key.
    """

    key: Sha256
    member: Line
    files: tuple[StoredFile, ...]
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def debs(self, host: str) -> tuple[StoredFile, ...]:
        """Return the binary packages for the host architecture (or for all) among the files."""
        return tuple(file for file in self.files if file.name.endswith((f"_{host}.deb", "_all.deb")))

    @property
    def packages(self) -> frozenset[tuple[str, str]]:
        """The file name and sha256 of every binary package: the bytes that matter."""
        return frozenset((file.name, file.sha256) for file in self.files if file.name.endswith(".deb"))


def artifact_from(value: Any, key: str) -> Artifact:
    """Make an artifact of what JSON gave; every store, export and substitute is read by this alone.

    Raises ValueError, in words, unless it is the artifact with this key: its files have names of
    one component, each once, and digests of 64 hexadecimal digits.
    """
    found = read_as(Artifact, value)
    names = [file.name for file in found.files]
    if found.key != key or not is_sha256(key):
        raise ValueError("it is the entry of another key")
    if len(set(names)) != len(names):
        raise ValueError("it names a file twice")
    _check_told(found.provenance, "provenance", ("patches", "tools", "build-packages"))
    inputs = read_as(dict[str, Any], found.provenance.get("inputs", {}))
    _check_told(inputs, "inputs", ("environment", "patches"))
    read_as(tuple[tuple[Line, Line], ...], inputs.get("files", []))
    return found


def _check_told(told: Mapping[str, Any], where: str, lists: tuple[str, ...]) -> None:
    """Raise ValueError unless what explain() and the publication tell is lines, or lists of them."""
    for key in _TEXTS:
        if not is_line(told.get(key, "")):
            raise ValueError(f"{where}.{key} is no text")
    for key in lists:
        read_as(tuple[Line, ...], told.get(key, []))
