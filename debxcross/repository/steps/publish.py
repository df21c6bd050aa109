# SPDX-License-Identifier: GPL-3.0-or-later
"""Publishing: debs become the next signed generation of an apt repository.

    WEB_ROOT/
      pool/main/z/zlib/…                        debs, sources, .buildinfo, logs; a name never gets other bytes
      dists/CODENAME/main/binary-ARCH/by-hash/  every index of the kept generations, by sha256
      dists/CODENAME/main/binary-ARCH/Packages  and .gz, .xz: hard links to the newest; so is source/Sources
      dists/CODENAME/main/wheels-ARCH/          an index for pip: pages for each project, by hash as well
      dists/CODENAME/Release, Release.gpg       for clients that do not ask for InRelease
      dists/CODENAME/InRelease                  the commit: all the rest is there before it
      snapshots/20261120T043805Z/               each publication, for ever the same until collected
      NAME-archive-keyring.gpg and .asc         the public keys
      device/CODENAME/…                         what to put onto a device, and how
      index.html, packages/CODENAME/…           the same for people
      repository.json                           what the repository is called; its newest changes
      .staging/                                 not yet published; 0700, gone after each run
    STATE/                                      outside the web root
      keys/  keyring/  publish.lock  unchanged.json

A run that is killed leaves the old generation: its InRelease, its by-hash indexes and its
debs are untouched.  What a generation contains is read back from its verified InRelease;
of the state directory only the keys cannot be made again.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from debxcross.core.signing import expiry_warnings
from debxcross.doors.files import read_named
from debxcross.doors.webtree import WebTree, opened
from debxcross.errors import PublishError
from debxcross.repository.core import index, release, simple, sources
from debxcross.repository.core.index import IndexFile, RepositorySettings
from debxcross.repository.core.manifest import Change, Manifest, parse_manifest
from debxcross.repository.steps import generation, readable, unchanged
from debxcross.repository.steps.device import public_files
from debxcross.repository.steps.generation import Content, Generation, Keys
from debxcross.repository.steps.given import Given, Pooled, fill_pool, missing_from_pool, read_given
from debxcross.repository.steps.keyring import keyring_deb
from debxcross.repository.steps.pages import write_pages

MANIFEST = "repository.json"


@dataclass(frozen=True)
class PublishedPackage:
    """A package that devices can install; ``path`` below the web root, ``size`` in bytes."""

    name: str
    version: str
    architecture: str
    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Publication:
    """A generation: its Date in seconds since the epoch, all its packages, its signing keys.

    ``changed`` is False when the same was published already and no file was written;
    ``warnings`` tell of keys that are about to expire, and of packages that cannot be
    installed together.
    """

    date: int
    codename: str
    packages: tuple[PublishedPackage, ...]
    fingerprints: tuple[str, ...]
    changed: bool
    warnings: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the oldest key that signs."""
        return self.fingerprints[0]


#: Says what comes after what a generation lists, with what is given.
Decision = Callable[[Content, Given], Content]


def publish(web_root: Path, state: Path, settings: RepositorySettings, files: Sequence[Path], *,
            now: Callable[[], float], replace: bool = True, new_date: bool = False) -> Publication:
    """Publish files: .deb, .dsc (with the files it names beside it), .whl, .buildinfo and .log.

    They join what is published; with ``replace`` they replace older packages of their
    sources, without it versions stand side by side.  ``state`` keeps the keys, and must lie
    outside ``web_root``; ``now`` tells the time in seconds since the epoch.  With ``new_date``
    publications from the future are taken away, and the new one has the Date of now.  Several
    runs at a time wait for each other.

    Raises PublishError (what was published before still stands), DiskFullError.
    """
    def decide(old: Content, given: Given) -> Content:
        return Content(
            index.merge(old.entries, given.entries, settings.architectures, replace=replace),
            sources.merge_sources(old.sources, given.sources, replace=replace),
            {**given.companions, **old.companions},
            simple.merge_wheels(old.wheels, given.wheels, settings.architectures, int(now()),
                                replace=replace))

    web_root, state = web_root.absolute(), state.absolute()
    files = [path.parent.resolve() / path.name for path in files]
    with opened(web_root, state) as tree:
        read_manifest(web_root)
        memo = state / "unchanged.json"
        stamps = unchanged.given_stamps(files)
        question = unchanged.question(web_root, state, settings, stamps, replace)
        if question and not new_date and (known := unchanged.recall(memo, question, web_root, now())):
            return Publication(known.date, settings.codename,
                               tuple(PublishedPackage(*one) for one in known.packages),
                               known.fingerprints, False, known.warnings)
        publication = issue(tree, state, settings, files, decide, now, new_date=new_date)
        # A file that was changed while it was read has another stamp now.
        stamps = stamps if unchanged.given_stamps(files) == stamps else ""
        question = unchanged.question(web_root, state, settings, stamps, replace)
        unchanged.remember(memo, question, unchanged.Known(
            publication.date, tuple(tuple(vars(one).values()) for one in publication.packages),
            publication.fingerprints, publication.warnings), now())
        return publication


def read_manifest(root: Path) -> Manifest | None:
    """Read repository.json; None when there is none.  PublishError for one of a newer layout."""
    path = root / MANIFEST
    if not path.exists():
        return None
    try:
        return parse_manifest(read_named(path, pipes=False).decode("utf-8", "replace"))
    except OSError as error:
        raise PublishError(f"{path} cannot be read", str(error),
                           "Put the repository's own there again.") from error


def issue(tree: WebTree, state: Path, settings: RepositorySettings, files: Sequence[Path],
          decide: Decision, now: Callable[[], float], *, new_date: bool = False) -> Publication:
    """Make the next generation of what ``decide`` says, unless that is what is live.

    With ``new_date`` the publications from the future are taken away first.
    """
    root, codename = tree.root, settings.codename
    manifest = read_manifest(root) or Manifest(settings.origin, settings.label, settings.url)
    keys = generation.open_keys(state / "keys", f"{settings.origin} archive signing key")
    previous = generation.read_generation(root / "dists" / codename, tree.stage(keys.known))
    if previous is not None:
        release.check_same_repository(settings, previous.release)
    last = generation.last_date(root, codename, previous)
    if not new_date:
        release.check_clock(now(), last, codename)
    old = previous.content if previous else Content()
    keyring = keyring_deb(root, state / "keyring", settings, keys, old.entries)
    # It stays in the component that the devices have known it in.
    component = next((entry.component for entry in old.entries if entry.package == settings.keyring_package),
                     settings.component)
    given = read_given(files, settings.component, settings.architectures) + read_given(
        [keyring], component, settings.architectures)
    content = _own_words(decide(old, given), settings, keyring)
    new = _missing(root, given, content, keys, previous)
    unlisted = _unlisted_debs(given, old)
    readable.check_debs([one.file for one in unlisted], codename)
    components = sorted({settings.component, *(previous.release.components if previous else ())})
    changed = fill_pool(tree, new)
    differences = readable.differences(root, content.entries, {one.path for one in unlisted})
    for name, text in public_files(settings, keys, components).items():
        changed |= tree.write(name, text)
    if new_date:
        generation.remove_future(tree, codename, now())
        stays = previous if previous and previous.release.date <= now() else None
        last = generation.last_date(root, codename, stays)
    live = _make_live(tree, settings, components, content, keys, previous,
                      lambda: release.next_date(now(), last))
    if previous is None or live.release.date != previous.release.date:
        manifest, changed = manifest.with_change(_change(live, previous)), True
    generation.remove_pages(tree, codename, previous, live)
    changed |= generation.keep_snapshot(tree, codename, live.release)
    manifest = manifest.with_release(settings)
    changed |= tree.write(MANIFEST, manifest.to_text().encode())
    changed |= write_pages(tree, manifest, settings, keys, live, previous)
    tree.sync()
    packages = tuple(PublishedPackage(*entry.identity, entry.path, entry.size, entry.sha256)
                     for entry in content.entries)
    return Publication(live.release.date, codename, packages,
                       tuple(key.fingerprint for key in keys.signing), changed,
                       (*expiry_warnings(keys.found, now()), *differences))


def _unlisted_debs(given: Given, old: Content) -> tuple[Pooled, ...]:
    """Return the given debs that the live generation does not list."""
    names = old.names()
    return tuple(one for one in given.pooled
                 if one.path.endswith(".deb") and names.get(one.path) != one.sha256)


def _own_words(content: Content, settings: RepositorySettings, keyring: Path) -> Content:
    """Leave only what belongs together: the newest keyring package, and logs of listed builds."""
    version = keyring.name.split("_")[1]
    entries = tuple(entry for entry in content.entries
                    if entry.package != settings.keyring_package or entry.version == version)
    return Content(entries, content.sources, index.kept_companions(content.companions, entries),
                   content.wheels)


def _missing(root: Path, given: Given, content: Content, keys: Keys,
             previous: Generation | None) -> tuple[Pooled, ...]:
    """Before anything is written: no name gets other bytes, and nothing listed is missing."""
    def listed() -> Mapping[str, str]:
        return generation.listed_files(root, keys)

    live = previous.content if previous else Content()
    names = live.names()
    new = missing_from_pool(root, [one for one in given.pooled if one.path not in names or not one.companion],
                            live, listed)
    generation.check_pool(root, {one.path for one in new}, content.sizes())
    return new


def _make_live(tree: WebTree, settings: RepositorySettings, components: Sequence[str], content: Content,
               keys: Keys, previous: Generation | None, dated: Callable[[], int]) -> Generation:
    """Return the generation that is live in the end: the previous one, or a new one.

    ``dated`` tells the Date of a new one; one from the future does not stay.
    """
    codename = settings.codename
    carried = previous.release.architectures if previous else ()
    architectures = sorted({*settings.architectures, *carried})
    contents = generation.indexes(tree.root, content, components, architectures, codename, previous)
    files = [IndexFile.of(path, one) for path, one in contents.items()]
    date = dated()
    if previous is not None and previous.release.date < date and generation.is_live(
            tree.root, settings, components, architectures, files, previous, keys):
        return previous
    text = release.release_text(settings, components, architectures, files, date)
    generation.commit(tree, codename, contents, generation.sign(tree, keys, text), date)
    return Generation(release.parse_release(text), text, content,
                      tuple(sorted(key.fingerprint for key in keys.signing)))


def _change(live: Generation, previous: Generation | None) -> Change:
    return Change.of(live.release.date, live.release.codename,
                     {entry.identity for entry in previous.content.entries} if previous else set(),
                     {entry.identity for entry in live.content.entries})
