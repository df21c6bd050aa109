# SPDX-License-Identifier: GPL-3.0-or-later
"""What a step leaves behind: files by digest, with where they came from."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class StoredFile:
    """A file of an artifact: its name, its sha256 (hex) and its size in bytes."""

    name: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Artifact:
    """The immutable result of the step with this key.

    ``provenance`` is what ``explain`` and the summary tell; it is not part of any key.
    """

    key: str
    member: str
    files: tuple[StoredFile, ...]
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def debs(self, host: str) -> tuple[StoredFile, ...]:
        """Return the binary packages for the host architecture (or for all) among the files."""
        return tuple(file for file in self.files if file.name.endswith((f"_{host}.deb", "_all.deb")))

    @property
    def packages(self) -> frozenset[tuple[str, str]]:
        """The file name and sha256 of every binary package: the bytes that matter."""
        return frozenset((file.name, file.sha256) for file in self.files if file.name.endswith(".deb"))
