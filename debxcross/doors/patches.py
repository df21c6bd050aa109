# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to directories of rules patches: SOURCE/NAME.patch and sdists/PROJECT/NAME.patch.

Beside a source's patches lies what its packages may lack of what Debian's own have.
"""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from debxcross.core.build.losses import AcceptedLoss, parse_accepted
from debxcross.core.patch import RulesPatch, parse
from debxcross.core.wheel.index import normalise
from debxcross.core.wheel.patch import SDISTS, place
from debxcross.doors.files import read_named
from debxcross.errors import ConfigurationError

#: The file beside a source's patches.
ACCEPTED = "accept-losses"


def read_patches(directories: Sequence[Path], sources: Iterable[str]) -> tuple[RulesPatch, ...]:
    """Return all patches for these sources, in the order of directories, then of names.

    A later directory's patch replaces an earlier one's of the same name.  Raises
    ConfigurationError for a directory that is not there, a file that is not UTF-8 (a patch must
    reach the source byte by byte) or a faulty header.
    """
    found: dict[tuple[str, str], RulesPatch] = {}
    for directory in directories:
        if not directory.is_dir():
            raise ConfigurationError(f"the patch directory {directory} does not exist",
                                     resolution="It holds <source>/<name>.patch files; check the path.")
        for source in sorted(sources):
            for path in sorted((directory / source).glob("*.patch")):
                found[source, path.stem] = parse(source, path.stem, _text(path))
    return tuple(found.values())


def read_sdist_patches(directories: Sequence[Path]) -> tuple[RulesPatch, ...]:
    """Return all patches to sdists: ``sdists/<project>/<name>.patch``, the project as PEP 503 has it."""
    projects = sorted({path.name for directory in directories for path in (directory / SDISTS).glob("*")})
    faulty = [name for name in projects if name != normalise(name)]
    if faulty:
        raise ConfigurationError(
            f"patches to sdists are in {', '.join(faulty)}, which no project is called",
            resolution=f"Directories have the normalised names (PEP 503): {normalise(faulty[0])}.")
    return read_patches(directories, [place(name) for name in projects])


def read_accepted(directories: Sequence[Path], source: str) -> tuple[AcceptedLoss, ...]:
    """Return what a source may lose, by the files SOURCE/accept-losses: a line "PATTERN: reason" each.

    Empty lines and those that begin with "#" are comments.  Raises ConfigurationError for any other.
    """
    found = []
    for directory in directories:
        path = directory / source / ACCEPTED
        for number, line in enumerate(_text(path).splitlines() if path.is_file() else (), 1):
            if not line.strip() or line.startswith("#"):
                continue
            accepted = parse_accepted(line)
            if accepted is None:
                raise ConfigurationError(
                    f"{path}:{number} accepts no loss", line,
                    "Write PATTERN: reason, such as /usr/share/zsh/*: needs to run curl.")
            found.append(accepted)
    return tuple(found)


def _text(path: Path) -> str:
    try:
        # No translation: a patch to a file with DOS line ends has them too.
        return read_named(path, pipes=False).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the rules patch {path} cannot be read", str(error),
                                 "It must be a file in UTF-8.") from error
