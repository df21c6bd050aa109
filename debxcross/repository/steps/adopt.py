# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what another publisher left: a directory of debs, or the tree of reprepro or aptly."""
from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from debxcross.core.stanza import parse_stanzas
from debxcross.errors import PublishError, UsageError
from debxcross.repository.core import index as repository


@dataclass
class Imported:
    """A release as it was found; ``files`` are debs and .dsc by component."""

    codename: str
    suite: str
    origin: str
    label: str
    architectures: tuple[str, ...]
    files: dict[str, list[Path]] = field(default_factory=dict)


def given_files(paths: list[Path]) -> tuple[Path, ...]:
    """Return files as they were named, and of directories everything that can be published."""
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted(one for one in path.rglob("*") if one.is_file() and one.suffix in (".deb", ".dsc"))
        found += inside + sorted(one for one in path.rglob("*") if one.is_file() and _is_companion(one))
    return tuple(dict.fromkeys(found))


def _is_companion(path: Path) -> bool:
    if path.suffix not in (".buildinfo", ".log"):
        return False
    try:
        repository.companion_path("main", path.name)
    except PublishError:
        return False
    return True


def read_tree(source: Path) -> tuple[Imported, ...]:
    """Return the releases of a published tree; none for a plain directory.

    What its indexes list is believed without a look at its signature: the directory is ours.
    Raises UsageError when there is no such directory, PublishError for a listed file that is
    missing.
    """
    if not source.is_dir():
        raise UsageError(f"there is no directory {source}", resolution="Name a directory with debs.")
    # aptly keeps the tree it publishes one level down.
    root = source / "public" if (source / "public" / "dists").is_dir() else source
    releases = []
    for path in sorted(root.glob("dists/*/Release")):
        try:
            (fields,) = parse_stanzas(path.read_text("utf-8", "replace"))
        except ValueError:
            raise PublishError(f"{path} is no Release file", "",
                               "Name the directory of the debs instead.") from None
        found = dict(fields)
        codename = found.get("Codename", path.parent.name)
        release = Imported(codename, found.get("Suite", codename), found.get("Origin", ""),
                           found.get("Label", ""), tuple(sorted(
                               {*found.get("Architectures", "").split()} - {"all", "source"})))
        for component in found.get("Components", "main").split():
            # Of "updates/main" the last word is the component.
            name = component.rpartition("/")[2]
            release.files[name] = (_listed(root, path.parent / name)
                                   or _listed(root, path.parent / component))
        releases.append(release)
    return tuple(releases)


def _listed(root: Path, directory: Path) -> list[Path]:
    """Return the files that the plain indexes of a component list."""
    found: dict[Path, None] = {}
    for index in sorted(directory.glob("binary-*/Packages")):
        for fields in parse_stanzas(index.read_text("utf-8", "replace")):
            found[_inside(root, dict(fields).get("Filename", ""), index)] = None
    for index in sorted(directory.glob("source/Sources")):
        for fields in parse_stanzas(index.read_text("utf-8", "replace")):
            stanza = dict(fields)
            names = [line.split()[-1] for line in stanza.get("Files", "").split("\n") if line.strip()]
            found.update((_inside(root, f"{stanza.get('Directory', '')}/{name}", index), None)
                         for name in names if name.endswith(".dsc"))
    return list(found)


def _inside(root: Path, name: str, index: Path) -> Path:
    path = root / name
    if not path.resolve().is_relative_to(root.resolve()) or not path.is_file():
        raise PublishError(f"{name or 'a package'} is listed in {index}, but not there", "",
                           "Repair the old repository, or name the directory of its debs instead.")
    return path
