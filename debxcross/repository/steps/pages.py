# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps the web pages at the repository's root; only those that change are written again."""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from debxcross.doors.changelog import changelog
from debxcross.doors.template import data_directory
from debxcross.doors.webtree import WebTree
from debxcross.repository.core import pages
from debxcross.repository.core.index import IndexEntry, RepositorySettings
from debxcross.repository.core.manifest import Manifest
from debxcross.repository.core.pages import PackageFiles
from debxcross.repository.core.sources import SourceEntry
from debxcross.repository.steps.generation import Content, Generation, Keys

_ASSETS = ("page.css", "page.js")
_LONGEST_CHANGELOG = 8000


def write_pages(tree: WebTree, manifest: Manifest, settings: RepositorySettings, keys: Keys,
                live: Generation, previous: Generation | None) -> bool:
    """Bring the pages of a release up to the live generation; tell whether one was written.

    A run that was killed before the release's list was written, which comes last, makes all
    pages again.
    """
    directory = f"packages/{settings.codename}"
    shown = previous if previous and _shows(tree.root / directory / "index.html", previous) else None
    now, before = _by_name(live.content), _by_name(shown.content) if shown else {}
    wanted = [name for name, value in now.items() if before.get(name) != value]
    changed = False
    for name, text in package_pages(tree.root, settings, live.content, wanted):
        changed |= tree.write(name, text, flush=False)
    for name in sorted(before.keys() - now.keys()):
        tree.remove(f"{directory}/{pages.page_name(name)}")
        changed = True
    fingerprints = [key.fingerprint for key in keys.signing]
    for name, text in main_pages(manifest, settings, fingerprints, live):
        changed |= tree.write(name, text, flush=False)
    return changed


def main_pages(manifest: Manifest, settings: RepositorySettings, fingerprints: Sequence[str],
               live: Generation) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of all pages but those of packages; the release's list comes last."""
    for name in _ASSETS:
        yield name, (data_directory("repo") / name).read_bytes()
    arguments = (manifest, settings, fingerprints, live.release.date, live.content.entries)
    single = len(manifest.releases) == 1
    front = pages.list_page(*arguments, True) if single else pages.front_page(manifest)
    yield "index.html", front.encode()
    yield f"packages/{settings.codename}/index.html", pages.list_page(*arguments, False).encode()


def package_pages(root: Path, settings: RepositorySettings, content: Content,
                  names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of these packages' pages."""
    entries = _by_name(content)
    sources = {source.identity: source for source in content.sources}
    builds = defaultdict(list)
    for path in sorted(content.companions):
        builds[f"{path.rpartition('_')[0]}_"].append(path)
    for name in names:
        ordered = pages.newest_first(entries[name][0])
        beside = [_beside(entry, sources, builds) for entry in ordered]
        log = changelog(root / ordered[0].path, name, _LONGEST_CHANGELOG)
        text = pages.package_page(settings, ordered, [replace(beside[0], changelog=log), *beside[1:]])
        yield f"packages/{settings.codename}/{pages.page_name(name)}", text.encode()


def _shows(page: Path, generation: Generation) -> bool:
    """Tell whether a release's list is that of a generation."""
    wanted = pages.marker(generation.release.codename, generation.release.date)
    try:
        with page.open("rb") as file:
            return f'name="generation" content="{wanted}"'.encode() in file.read(1024)
    except FileNotFoundError:
        return False


def _by_name(content: Content) -> dict[str, tuple[list[IndexEntry], list[str]]]:
    """Return by package what its page depends on: its entries, and what its builds left."""
    sources = {source.identity for source in content.sources}
    builds = defaultdict(list)
    for path in sorted(content.companions):
        builds[f"{path.rpartition('_')[0]}_"].append(path)
    found: dict[str, tuple[list[IndexEntry], list[str]]] = {}
    for entry in content.entries:
        entries, beside = found.setdefault(entry.package, ([], []))
        entries.append(entry)
        if builds or sources:
            beside += builds.get(f"{entry.path.rpartition('/')[0]}/{entry.build_prefix}", [])
            beside += ["source"] if entry.source_identity in sources else []
    return found


def _beside(entry: IndexEntry, sources: Mapping[tuple[str, str], SourceEntry],
            builds: Mapping[str, Sequence[str]]) -> PackageFiles:
    """Return what is published of the build of a package."""
    source = sources.get(entry.source_identity)
    # A package for all architectures was built on one of them.
    paths = sorted(builds.get(f"{entry.path.rpartition('/')[0]}/{entry.build_prefix}", ()),
                   key=lambda path: (f"_{entry.architecture}." not in path, path))
    log, buildinfo = (next((path for path in paths if path.endswith(kind)), "")
                      for kind in (".log", ".buildinfo"))
    return PackageFiles(f"{source.directory}/{source.dsc.name}" if source else "", log, buildinfo)
