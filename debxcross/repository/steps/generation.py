# SPDX-License-Identifier: GPL-3.0-or-later
"""Generations of a repository: read one that stands, put the next one in its place.

A generation is what one signed InRelease vouches for.  What is live, and what was, is read
back from files whose digests that signature covers; nothing else is believed.
"""
from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from debxcross.core.signing import SigningKey
from debxcross.doors import ftparchive, gpg
from debxcross.doors.files import file_digest
from debxcross.doors.webtree import WebTree, holds
from debxcross.errors import PublishError, UsageError
from debxcross.repository.core import (
    index as repository, release as releasefile, simple, sources as sourceindex,
)
from debxcross.repository.core.index import IndexEntry, IndexFile, RepositorySettings
from debxcross.repository.core.release import PublishedRelease
from debxcross.repository.core.simple import WheelEntry
from debxcross.repository.core.snapshots import snapshot_date, snapshot_name
from debxcross.repository.core.sources import SourceEntry

SNAPSHOTS = "snapshots"


@dataclass(frozen=True)
class Content:
    """What a generation lists; ``companions`` are .buildinfo files and logs, path → sha256.

    ``wheels`` are what the index of Python packages has.
    """

    entries: tuple[IndexEntry, ...] = ()
    sources: tuple[SourceEntry, ...] = ()
    companions: Mapping[str, str] = field(default_factory=dict)
    wheels: tuple[WheelEntry, ...] = ()

    def names(self) -> dict[str, str]:
        """Return every pool file that is listed: path → sha256."""
        return {**{entry.path: entry.sha256 for entry in self.entries},
                **{f"{source.directory}/{file.name}": file.sha256
                   for source in self.sources for file in source.files},
                **{wheel.path: wheel.sha256 for wheel in self.wheels}, **self.companions}

    def versions(self) -> dict[str, str]:
        """Return whose version each pool file is, with the epoch: path → version."""
        return {**{f"{source.directory}/{file.name}": source.version
                   for source in self.sources for file in source.files},
                **{entry.path: entry.version for entry in self.entries}}

    def sizes(self) -> Iterator[tuple[str, int]]:
        """Yield path and size of every package's and source's file, and of every wheel."""
        yield from ((entry.path, entry.size) for entry in self.entries)
        yield from ((wheel.path, wheel.size) for wheel in self.wheels)
        yield from ((f"{source.directory}/{file.name}", file.size)
                    for source in self.sources for file in source.files)


@dataclass(frozen=True)
class Generation:
    """A generation: its Release, the text of it, what it lists, who signed it."""

    release: PublishedRelease
    text: str
    content: Content
    signers: tuple[str, ...]


@dataclass(frozen=True)
class Keys:
    """The keys of a repository.

    ``signing`` sign; ``published`` are the public keys that devices get (those of
    ``signing``, in their order, then others that are not retired), ``known`` all the home has.
    """

    home: Path
    found: tuple[SigningKey, ...]
    signing: tuple[SigningKey, ...]
    published: bytes
    known: bytes = field(repr=False)


def open_keys(home: Path, user_id: str) -> Keys:
    """Return the keys of a home; make the first one if there is none."""
    if not home.exists() or not any(home.iterdir()):
        gpg.make_key(home, user_id)
    return read_keys(home)


def read_keys(home: Path) -> Keys:
    """Return the keys of a home; PublishError when there is none or none can sign."""
    found = gpg.keys(home)
    signing = gpg.signing_keys(found, home)
    names = [key.fingerprint for key in signing]
    return Keys(home, found, signing, gpg.export_public(home, names), gpg.export_public(home))


def codenames(root: Path) -> tuple[str, ...]:
    """Return the releases that are published below a web root."""
    return tuple(sorted(path.parent.name for path in (root / "dists").glob("*/InRelease")))


def read_generation(directory: Path, keyring: Path) -> Generation | None:
    """Read the generation of dists/CODENAME or of a snapshot's; None when there is none.

    ``keyring`` is a file of public keys.  Raises PublishError for a signature that is not by
    one of them, and for an index that is damaged or missing.
    """
    if not (directory / "InRelease").exists():
        return None
    signed = gpg.verify(keyring, directory / "InRelease", strangers=True)
    release = releasefile.parse_release(signed.text)
    entries: dict[tuple[str, str, str], IndexEntry] = {}
    sources: list[SourceEntry] = []
    companions: dict[str, str] = {}
    wheels: list[WheelEntry] = []
    for path, (sha256, _) in sorted(release.files.items()):
        if not path.endswith(("/Packages", "/Sources", f"/{repository.BUILDS}", f"/{simple.LIST}")):
            continue
        text = _read_index(directory, path, sha256)
        if path.endswith("/Packages"):
            entries.update((entry.identity, entry) for entry in repository.parse_index(text))
        elif path.endswith("/Sources"):
            sources += sourceindex.parse_sources(text)
        elif path.endswith(f"/{simple.LIST}"):
            wheels += simple.parse_list(text)
        else:
            companions.update(repository.parse_builds(text))
    content = Content(tuple(entries[identity] for identity in sorted(entries)), tuple(sources), companions,
                      tuple(wheels))
    return Generation(release, signed.text, content, signed.fingerprints)


def _read_index(directory: Path, path: str, sha256: str) -> str:
    index = directory / Path(path).parent / "by-hash" / "SHA256" / sha256
    content = index.read_bytes() if index.exists() else b""
    if hashlib.sha256(content).hexdigest() != sha256:
        raise PublishError(f"the published index {index} is damaged or missing", "",
                           "Restore the web root, or publish everything into an empty one: "
                           "debxcross repo publish NEW POOL")
    return content.decode()


def snapshots(root: Path, codename: str) -> tuple[int, ...]:
    """Return the Dates of a release's snapshots, the newest first."""
    dates = [date for path in (root / SNAPSHOTS).glob(f"*/dists/{codename}/InRelease")
             if (date := snapshot_date(path.parents[2].name)) is not None]
    return tuple(sorted(dates, reverse=True))


def snapshot_directory(date: int, codename: str) -> str:
    """Return where a snapshot's dists/CODENAME lies below the web root."""
    return f"{SNAPSHOTS}/{snapshot_name(date)}/dists/{codename}"


def find_snapshot(root: Path, codename: str, name: str) -> int:
    """Return the Date of a snapshot by its name; "previous" is the one before the live one."""
    dates = snapshots(root, codename)
    if name == "previous" and len(dates) > 1:
        return dates[1]
    date = snapshot_date(name)
    if date not in dates or date is None:
        raise UsageError(f"{codename} has no snapshot {name!r}", resolution="Snapshots there: " + (
            ", ".join(snapshot_name(one) for one in dates) or "none") + ".")
    return date


def last_date(root: Path, codename: str, previous: Generation | None) -> int | None:
    """Return the newest Date that any client may have seen; None when nothing was published."""
    dates = snapshots(root, codename)
    known = (*((previous.release.date,) if previous else ()), *dates[:1])
    return max(known, default=None)


def listed_files(root: Path, keys: Keys) -> dict[str, str]:
    """Return every pool file that a live generation or a snapshot lists: path → sha256."""
    listed: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="debxcross-") as name:
        keyring = Path(name, "keyring")
        keyring.write_bytes(keys.known)
        for signed in sorted([*root.glob("dists/*/InRelease"), *root.glob("snapshots/*/dists/*/InRelease")]):
            found = read_generation(signed.parent, keyring)
            listed.update(found.content.names() if found else {})
    return listed


def check_pool(root: Path, placed: Set[str], listed: Iterable[tuple[str, int]]) -> None:
    """Raise PublishError when something that is to be listed (path, size) is missing in the pool."""
    for path, size in listed:
        if path in placed:
            continue
        try:
            whole = os.stat(root / path).st_size == size
        except FileNotFoundError:
            whole = False
        if not whole:
            raise PublishError(f"{path} is listed, but it is missing or cut short in the pool", "",
                               "Restore it, or publish that package again.")


def indexes(root: Path, content: Content, components: Sequence[str], architectures: Sequence[str],
            codename: str, previous: Generation | None) -> dict[str, bytes]:
    """Return the content of every index by its path below dists/CODENAME.

    The compressed forms of an index that did not change are those that are there.
    """
    plain, lists = {}, {}
    for component in components:
        inside = [entry for entry in content.entries if entry.component == component]
        for architecture in architectures:
            path = releasefile.index_path(component, architecture, "")
            plain[path] = repository.index_text(inside, architecture).encode()
        plain[releasefile.index_path(component, "source", "")] = sourceindex.sources_text(
            source for source in content.sources if source.component == component).encode()
        lists[f"{component}/{repository.BUILDS}"] = repository.builds_text(
            {path: sha256 for path, sha256 in content.companions.items()
             if path.split("/")[1] == component}).encode()
        lists.update(simple.index_pages(content.wheels, component, architectures))
    dists = root / "dists" / codename
    with ThreadPoolExecutor(2) as pool:
        futures = {f"{path}{form}": pool.submit(_form, dists, path, form, text, previous)
                   for path, text in plain.items() for form in repository.COMPRESSIONS}
        return {**{path: future.result() for path, future in futures.items()}, **lists}


def _form(dists: Path, path: str, form: str, content: bytes, previous: Generation | None) -> bytes:
    if form and previous is not None:
        old = previous.release.files
        if old.get(path, ("", 0))[0] == hashlib.sha256(content).hexdigest() and f"{path}{form}" in old:
            sha256 = old[f"{path}{form}"][0]
            there = dists / Path(path).parent / "by-hash" / "SHA256" / sha256
            if there.is_file() and file_digest(there)[0] == sha256:
                return there.read_bytes()
    return ftparchive.compress(content, form)


def is_live(root: Path, settings: RepositorySettings, components: Sequence[str], architectures: Sequence[str],
            files: Sequence[IndexFile], previous: Generation, keys: Keys) -> bool:
    """Tell whether a new generation would say what the live one says, and that one is whole."""
    dists = root / "dists" / settings.codename
    text = releasefile.release_text(settings, components, architectures, files, previous.release.date)
    # A run that was killed may have left newer named files beside the older InRelease.
    signers = tuple(sorted(key.fingerprint for key in keys.signing))
    return (text == previous.text and previous.signers == signers
            and holds(dists / "Release", text.encode()) and (dists / "Release.gpg").is_file()
            and all((dists / name).is_file() and file_digest(dists / name)[0] == file.sha256
                    for file in files for name in (file.path, file.by_hash_path)))


def sign(tree: WebTree, keys: Keys, text: str) -> Mapping[str, Path]:
    """Return Release and its signatures as staged files, after gpgv and sqv accepted them."""
    release = tree.stage(text.encode())
    staged = {"Release": release, "Release.gpg": tree.staging / "Release.gpg",
              "InRelease": tree.staging / "InRelease"}
    fingerprints = tuple(key.fingerprint for key in keys.signing)
    gpg.sign(keys.home, fingerprints, release, clear=staged["InRelease"], detached=staged["Release.gpg"])
    keyring = tree.stage(keys.published)
    detached = gpg.verify(keyring, release, staged["Release.gpg"])
    clear = gpg.verify(keyring, staged["InRelease"])
    gpg.verify_with_sqv(keyring, release, staged["Release.gpg"])
    wanted = tuple(sorted(fingerprints))
    if (detached.fingerprints, clear.fingerprints, clear.text) != (wanted, wanted, text):
        raise PublishError("the new InRelease does not verify", f"signed by {' '.join(clear.fingerprints)}",
                           "Nothing was published; check the key directory, then publish again.")
    return staged


def commit(tree: WebTree, codename: str, contents: Mapping[str, bytes], signed: Mapping[str, Path],
           date: int) -> None:
    """Put a generation in place; its last rename, of InRelease, is what makes it live."""
    dists = f"dists/{codename}"
    files = [IndexFile.of(path, content) for path, content in contents.items()]
    for file in files:
        name = f"{dists}/{file.by_hash_path}"
        if holds(tree.root / name, contents[file.path]):
            # An index that comes back must look newer than the one that clients have.
            os.utime(tree.root / name, (date, date))
        else:
            # Nothing refers to it before the InRelease, which waits for the disk.
            tree.place(tree.stage(contents[file.path]), name, date, flush=False)
    tree.sync()
    for file in files:
        tree.link(f"{dists}/{file.by_hash_path}", f"{dists}/{file.path}")
    tree.sync()
    for name in ("Release", "Release.gpg", "InRelease"):
        tree.place(signed[name], f"{dists}/{name}", date)
        tree.sync()


def remove_pages(tree: WebTree, codename: str, previous: Generation | None, live: Generation) -> None:
    """Remove the pages of Python projects that are listed no more; by their hashes they stay for a while."""
    for path in sorted(set(previous.release.files if previous else ()) - set(live.release.files)):
        if simple.is_page(path) and (tree.root / "dists" / codename / path).exists():
            tree.remove(f"dists/{codename}/{path}")


def keep_snapshot(tree: WebTree, codename: str, release: PublishedRelease) -> bool:
    """Give the live generation its snapshot unless it has one; tell whether one was made."""
    directory = snapshot_directory(release.date, codename)
    if (tree.root / directory).exists():
        return False
    dists = f"dists/{codename}"
    names = {name: f"{dists}/{name}" for name in ("Release", "Release.gpg", "InRelease")}
    for path, (sha256, _) in release.files.items():
        by_hash = f"{path.rpartition('/')[0]}/by-hash/SHA256/{sha256}"
        names[path] = names[by_hash] = f"{dists}/{by_hash}"
    tree.symlink(f"{SNAPSHOTS}/{snapshot_name(release.date)}/pool", "../../pool")
    tree.place_links(names, directory)
    return True


def read_snapshot(tree: WebTree, state: Path, directory: str) -> Generation:
    found = read_generation(tree.root / directory, tree.stage(gpg.export_public(state / "keys")))
    if found is None:
        raise PublishError(f"{directory}/InRelease is missing", "", "Restore the snapshot, or name another.")
    return found


def remove_future(tree: WebTree, codename: str, now: float) -> None:
    """Take the snapshots away whose Date is later than ``now``: no device with a right clock took them."""
    for date in snapshots(tree.root, codename):
        if date > now:
            directory = snapshot_directory(date, codename)
            tree.remove(directory)
            remove_empty(tree, tree.root / directory)
    tree.sync()


def remove_empty(tree: WebTree, path: Path) -> None:
    """Remove the directories above a removed file that it leaves empty."""
    for parent in path.parents:
        if parent in (tree.root, tree.root / "pool", tree.root / "snapshots"):
            return
        left = sorted(parent.iterdir())
        if [one.name for one in left] == ["pool"] and left[0].is_symlink():
            left[0].unlink()
            left = []
        if left:
            return
        parent.rmdir()
