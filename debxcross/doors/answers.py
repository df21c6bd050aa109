# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to directories of answers: SOURCE/ARCH.cache (core.build.answers describes the files)."""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from debxcross.core.border import read_toml
from debxcross.core.build.answers import Answers, parse, parse_usual
from debxcross.doors.files import read_named
from debxcross.errors import ConfigurationError


def place(directory: Path, source: str, architecture: str) -> Path:
    """Return where a directory has the answers for a source on an architecture."""
    return directory / source / f"{architecture}.cache"


def read_answers(directories: Sequence[Path], sources: Iterable[str], architecture: str
                 ) -> Mapping[str, Answers]:
    """Return the answers for these sources; a later directory's replace an earlier one's.

    Raises ConfigurationError for a directory that is not there and for a faulty file.
    """
    found: dict[str, Answers] = {}
    for directory in directories:
        if not directory.is_dir():
            raise ConfigurationError(f"the directory of answers {directory} does not exist",
                                     resolution="It holds <source>/<arch>.cache files; check the path.")
        for source in sorted(sources):
            path = place(directory, source, architecture)
            if path.exists():
                found[source] = parse(_text(path), source, architecture)
    return found


def read_usual(directories: Sequence[Path]) -> Mapping[str, str]:
    """Return the sources with a usual setting, from each directory's sources.toml; later ones win."""
    found: dict[str, str] = {}
    for path in (directory / "sources.toml" for directory in directories):
        if path.exists():
            try:
                document = read_toml(_text(path))
            except ValueError as error:
                raise ConfigurationError(f"{path} is not a TOML file", str(error),
                                         "Mend the line named above.") from error
            found |= parse_usual(document, str(path))
    return found


def _text(path: Path) -> str:
    try:
        return read_named(path, pipes=False).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the answers {path} cannot be read", str(error),
                                 "They must be a file in UTF-8.") from error
