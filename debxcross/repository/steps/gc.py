# SPDX-License-Identifier: GPL-3.0-or-later
"""Removes what no kept generation of a repository needs."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from debxcross.doors.webtree import opened
from debxcross.repository.core.snapshots import GENERATIONS, SECONDS, kept
from debxcross.repository.steps import generation
from debxcross.repository.steps.publish import read_manifest


@dataclass(frozen=True)
class Collected:
    """What was removed: names of snapshots, paths below the web root, and bytes."""

    snapshots: tuple[str, ...]
    files: tuple[str, ...]
    size: int


def collect(web_root: Path, state: Path, *, now: float, generations: int = GENERATIONS,
            seconds: int = SECONDS, dry_run: bool = False) -> Collected:
    """Remove snapshots that are neither among the newest nor replaced too recently, and their files.

    Every file that a live or kept generation lists stays, as does every index by its hash;
    so a client that read the oldest kept index can still finish.  At least the three newest
    generations and those of the last seven days are kept, whatever is asked.
    Raises PublishError, before anything is removed, when one cannot be read.
    """
    web_root, state = web_root.absolute(), state.absolute()
    with opened(web_root, state) as tree:
        read_manifest(web_root)
        needed: set[str] = set()
        old: list[str] = []
        for codename in generation.codenames(web_root):
            dates = generation.snapshots(web_root, codename)
            stay = kept(dates, now, generations=max(generations, GENERATIONS), seconds=max(seconds, SECONDS))
            old += [generation.snapshot_directory(date, codename) for date in dates if date not in stay]
            for directory in (f"dists/{codename}", *(
                    generation.snapshot_directory(date, codename) for date in stay)):
                found = generation.read_snapshot(tree, state, directory)
                needed |= found.content.names().keys()
                needed |= {f"dists/{codename}/{path.rpartition('/')[0]}/by-hash/SHA256/{sha256}"
                           for path, (sha256, _) in found.release.files.items()}
        candidates = [*web_root.glob("dists/*/*/*/by-hash/SHA256/*"),
                      *web_root.glob("dists/*/*/*/*/by-hash/SHA256/*"),  # pages of Python projects
                      *(path for path in (web_root / "pool").rglob("*") if path.is_file())]
        files = sorted(name for path in candidates
                       if (name := str(path.relative_to(web_root))) not in needed)
        size = sum((web_root / name).stat().st_size for name in files)
        if not dry_run:
            # Snapshots first: nothing that is still offered may miss its files.
            for directory in old:
                tree.remove(directory)
                generation.remove_empty(tree, web_root / directory)
            tree.sync()
            for name in files:
                tree.remove(name)
                generation.remove_empty(tree, web_root / name)
            tree.sync()
        return Collected(tuple(sorted(snapshot_name_of(one) for one in old)), tuple(files), size)


def snapshot_name_of(directory: str) -> str:
    """Return the name of the snapshot that a directory belongs to."""
    return directory.split("/")[1]
