# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to directories of rules patches: ``<source>/<name>.patch``."""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from debxcross.core.patch import RulesPatch, parse
from debxcross.errors import ConfigurationError


def read_patches(directories: Sequence[Path], sources: Iterable[str]) -> tuple[RulesPatch, ...]:
    """Return all patches for these sources, in the order of directories, then of names.

    A later directory's patch replaces an earlier one's of the same name.  Raises
    ConfigurationError for a directory that is not there or a faulty header.
    """
    found: dict[tuple[str, str], RulesPatch] = {}
    for directory in directories:
        if not directory.is_dir():
            raise ConfigurationError(f"the patch directory {directory} does not exist",
                                     resolution="It holds <source>/<name>.patch files; check the path.")
        for source in sorted(sources):
            for path in sorted((directory / source).glob("*.patch")):
                found[source, path.stem] = parse(source, path.stem, path.read_text(errors="replace"))
    return tuple(found.values())
