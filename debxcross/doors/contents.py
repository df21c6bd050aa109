# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to an archive's Contents index: which package has which file.

Source: the Debian wiki's "DebianRepository/Format", "Contents" indices: a path without leading
slash, white space, and the packages with their sections, between commas.
"""
from __future__ import annotations

import gzip
import lzma
import re
from pathlib import Path
from typing import IO

from debxcross.core.architecture import Architecture


def name(architecture: str) -> str:
    """Return the name of an architecture's index, or that of "all"."""
    return f"Contents-{architecture}"


def settings(architecture: str) -> tuple[tuple[str, str], ...]:
    """Return what apt is told so that it fetches and verifies these indexes, and no others.

    ``architecture`` is Debian's name of one, or "all".
    """
    target = "Acquire::IndexTargets::deb::Contents-deb"
    index = name(architecture)
    return (
        ("Acquire::IndexTargets::deb::Packages::DefaultEnabled", "false"),
        # With $(ARCHITECTURE) apt would fetch the one of "all" as well, which is the largest.
        (f"{target}::MetaKey", f"$(COMPONENT)/{index}"),
        (f"{target}::ShortDescription", index),
        (f"{target}::Description", f"$(RELEASE)/$(COMPONENT) {index}"),
        # Unpacked it takes ten times the space; Python does not read apt's own choice, lz4.
        (f"{target}::KeepCompressed", "true"),
        (f"{target}::KeepCompressedAs", "gz"),
    )


def files(lists: Path) -> tuple[Path, ...]:
    """Return the Contents indexes among apt's lists."""
    return tuple(sorted(path for path in lists.glob("*_Contents-*") if path.is_file()))


def libraries(path: Path, host: Architecture) -> dict[str, str]:
    """Return the packages of each library where the dynamic linker looks by itself.

    Libraries are named as programs need them ("libz.so.1"), packages without their section;
    of several the first in the alphabet counts.
    """
    line_of = re.compile(
        rb"(?:usr/)?lib(?:64)?/(?:" + re.escape(host.multiarch.encode()) + rb"/)?"
        rb"([^/\s]+\.so[^/\s]*)\s+(\S+)\n?\Z")
    found: dict[str, str] = {}
    with _open(path) as file:
        for line in file:
            # Two million lines: the pattern alone would take several seconds.
            if b".so" in line and (match := line_of.match(line)):
                names = [one.rpartition("/")[2] for one in match[2].decode("utf-8", "replace").split(",")]
                library = match[1].decode("utf-8", "replace")
                found[library] = min([*names, found.get(library, names[0])])
    return found


def owners(path: Path, names: frozenset[str]) -> dict[str, list[tuple[str, str, str]]]:
    """Return (path, section, package) of every file that is called like one of ``names``, by that name.

    Names are in lower case, and so compared; sections are without an archive's area.
    """
    wanted = frozenset(one.encode() for one in names)
    found: dict[str, list[tuple[str, str, str]]] = {}
    with _open(path) as file:
        for line in file:
            where, _, packages = line.rstrip().replace(b"\t", b" ").rpartition(b" ")
            called = where.rstrip().rpartition(b"/")[2].lower()
            if called not in wanted:
                continue
            text = where.strip().decode("utf-8", "replace")
            for one in packages.decode("utf-8", "replace").split(","):
                place, _, package = one.rpartition("/")
                found.setdefault(called.decode(), []).append((text, place.rpartition("/")[2], package))
    return found


def _open(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        head = file.read(6)
    if head.startswith(b"\x1f\x8b"):
        return gzip.open(path, "rb")  # type: ignore[return-value]
    return lzma.open(path, "rb") if head.startswith(b"\xfd7zXZ") else path.open("rb")
