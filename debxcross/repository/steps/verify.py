# SPDX-License-Identifier: GPL-3.0-or-later
"""Verifies a repository, here or at an address: all that a client would check, and more.

A client checks what it happens to ask for.  Here every file that the signature vouches for
is read, under each of its names, and what no signature covers (pages, device files) is
made again and compared.
"""
from __future__ import annotations

import gzip
import hashlib
import lzma
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from debxcross.core import openpgp
from debxcross.core.signing import expiry_warnings, key_fault
from debxcross.doors import ftparchive, gpg
from debxcross.doors.fetch import fetch
from debxcross.doors.files import file_digest
from debxcross.doors.web import Transfer
from debxcross.errors import DebxcrossError, FetchError, PublishError
from debxcross.repository.core import (
    index, readable as readable_fields, release as releasefile, simple, sources as sourceindex,
)
from debxcross.repository.core.index import IndexEntry
from debxcross.repository.core.manifest import Manifest, parse_manifest
from debxcross.repository.core.release import PublishedRelease
from debxcross.repository.core.simple import WheelEntry
from debxcross.repository.core.sources import SourceEntry
from debxcross.repository.steps import generation, readable
from debxcross.repository.steps.device import public_files
from debxcross.repository.steps.generation import Content, Generation, Keys
from debxcross.repository.steps.pages import main_pages, package_pages

#: apt refuses a Release that is further ahead than this, in seconds.
_FUTURE = 10


@dataclass(frozen=True)
class Fault:
    """A file (below the web root) and what is wrong with it."""

    path: str
    what: str


@dataclass
class Findings:
    """What was found so far: faults, things worth knowing, and how much was looked at."""

    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    files: int = 0
    packages: int = 0

    def bad(self, path: str, what: str) -> None:
        """Tell of a fault, once."""
        if (fault := Fault(path, what)) not in self.faults:
            self.faults.append(fault)


#: Returns a local copy of a file below the web root, None when it is not there.
Place = Callable[[str], Path | None]


def here(root: Path) -> Place:
    """Return how to read a web root of this machine."""
    def place(path: str) -> Path | None:
        return root / path if (root / path).is_file() else None
    return place


def remote(url: str, directory: Path, transfer: Transfer) -> Place:
    """Return how to read a web root at an address; files pass through ``directory``."""
    def place(path: str) -> Path | None:
        target = directory / hashlib.sha256(path.encode()).hexdigest()
        if target.exists():
            return target
        try:
            return fetch([f"{url.rstrip('/')}/{path}"], target, transfer=transfer)
        except FetchError:
            return None
    return place


class Verifier:
    """One verification of one repository."""

    def __init__(self, place: Place, keyring: bytes, now: float, *, root: Path | None = None) -> None:
        self.place, self.keyring, self.now, self.root = place, keyring, now, root
        self.found = Findings()
        #: Pool files that are sound: path → sha256.
        self._read: dict[str, str] = {}

    def keys(self, names: Sequence[str]) -> None:
        """Check strength, self-signatures and expiry of the keys that are trusted and published."""
        with tempfile.TemporaryDirectory(prefix="debxcross-keys-") as name:
            home, believed = Path(name, "home"), Path(name, "keyring")
            believed.write_bytes(self.keyring)
            gpg.import_key(home, believed)
            found = gpg.keys(home)
        published = {key.fingerprint for path in names if (file := self.place(path))
                     for key in _public_keys(file)}
        used = [key for key in found if not published or key.fingerprint in published]
        for key in used:
            # Nobody has the secret part here, and nobody needs it.
            fault = key_fault(replace(key, secret=True), "HOME")
            if fault:
                self.found.bad("the key", fault[0])
        self.found.notes += expiry_warnings(used, self.now)

    def release(self, dists: str, codename: str, *, live: bool) -> Generation | None:
        """Check one generation; return it when its indexes could be read."""
        release = self._signed(dists, codename, live)
        if release is None:
            return None
        texts = {}
        for path, (sha256, size) in sorted(release.files.items()):
            by_hash = f"{dists}/{path.rpartition('/')[0]}/by-hash/SHA256/{sha256}"
            content = None
            for name in (f"{dists}/{path}", by_hash):
                found = self._content(name, sha256, size)
                content = content if found is None else found
            if content is not None:
                texts[path] = content
        self._forms(dists, texts)
        for architecture in release.architectures:
            for component in release.components:
                path = releasefile.index_path(component, architecture, "")
                if path not in release.files:
                    self.found.bad(f"{dists}/{path}", "is not listed, though Release names its architecture")
        return self._parsed(dists, release, texts)

    def _signed(self, dists: str, codename: str, live: bool) -> PublishedRelease | None:
        files = {name: self.place(f"{dists}/{name}") for name in ("InRelease", "Release", "Release.gpg")}
        for name, path in files.items():
            if path is None:
                self.found.bad(f"{dists}/{name}", "is missing")
        inrelease, plain, detached = files.values()
        if inrelease is None:
            return None
        self.found.files += 3
        with tempfile.NamedTemporaryFile(prefix="debxcross-keyring-") as keyring:
            keyring.write(self.keyring)
            keyring.flush()
            try:
                text = gpg.verify(Path(keyring.name), inrelease, strangers=True).text
                release = releasefile.parse_release(text)
            except PublishError as error:
                brief = error.brief.partition("/InRelease ")[2] or error.brief
                self.found.bad(f"{dists}/InRelease", brief)
                return None
            if plain and detached:
                try:
                    gpg.verify(Path(keyring.name), plain, detached, strangers=True)
                    gpg.verify_with_sqv(Path(keyring.name), plain, detached)
                except PublishError as error:
                    self.found.bad(f"{dists}/Release.gpg", f"does not sign Release: {error.brief}")
        if plain and plain.read_bytes() != text.encode():
            self.found.bad(f"{dists}/Release", "says something else than InRelease")
        if release.codename != codename:
            self.found.bad(f"{dists}/InRelease", f"is of {release.codename}")
        if live and release.date > self.now + _FUTURE:
            self.found.bad(
                f"{dists}/InRelease", f"is from the future, by {releasefile.ahead(release.date, self.now)}: "
                "set this machine's clock, or begin anew with: debxcross repo publish DIR --new-date")
        return release

    def _content(self, name: str, sha256: str, size: int) -> bytes | None:
        path = self.place(name)
        if path is None:
            self.found.bad(name, "is missing")
            return None
        self.found.files += 1
        content = path.read_bytes()
        if len(content) != size or hashlib.sha256(content).hexdigest() != sha256:
            self.found.bad(name, f"is damaged: expected {size} bytes with sha256 {sha256}")
            return None
        return content

    def _forms(self, dists: str, texts: dict[str, bytes]) -> None:
        """Check that the compressed forms hold what the plain one does."""
        expand = {".gz": gzip.decompress, ".xz": lzma.decompress}
        for path, content in texts.items():
            form = path[-3:]
            plain = texts.get(path[:-3])
            if form in expand and plain is not None and expand[form](content) != plain:
                self.found.bad(f"{dists}/{path}", "holds something else than the plain index")

    def _parsed(self, dists: str, release: PublishedRelease, texts: dict[str, bytes]) -> Generation:
        entries: dict[tuple[str, str, str], IndexEntry] = {}
        sources: list[SourceEntry] = []
        companions: dict[str, str] = {}
        wheels: list[WheelEntry] = []
        for path, content in texts.items():
            try:
                if path.endswith("/Packages"):
                    for entry in index.parse_index(content.decode()):
                        entries[entry.identity] = entry
                elif path.endswith("/Sources"):
                    sources += sourceindex.parse_sources(content.decode())
                elif path.endswith(f"/{index.BUILDS}"):
                    companions.update(index.parse_builds(content.decode()))
                elif path.endswith(f"/{simple.LIST}"):
                    wheels += simple.parse_list(content.decode())
            except (PublishError, ValueError, KeyError) as error:
                self.found.bad(f"{dists}/{path}", f"cannot be read: {error!r}")
        listed = Content(tuple(entries[identity] for identity in sorted(entries)), tuple(sources), companions,
                         tuple(wheels))
        return Generation(release, "", listed, ())

    def pool(self, content: Content) -> None:
        """Read every file of the pool that a generation lists."""
        sizes = dict(content.sizes())
        for path, sha256 in sorted(content.names().items()):
            if self._read.get(path) == sha256:
                continue
            file = self.place(path)
            if file is None:
                self.found.bad(path, "is listed, but missing")
                continue
            self.found.files += 1
            digest, size = file_digest(file)
            if digest != sha256 or size != sizes.get(path, size):
                self.found.bad(path, f"is damaged: expected sha256 {sha256}, found {digest}")
            else:
                self._read[path] = sha256
                if self.root is None:
                    file.unlink()
        self.found.packages = max(self.found.packages, len(content.entries))

    def sound(self, content: Content) -> list[IndexEntry]:
        """Return the packages whose debs are what the index says."""
        return [entry for entry in content.entries if self._read.get(entry.path) == entry.sha256]

    def stanzas(self, content: Content) -> None:
        """Compare what the indexes say of each deb with what the deb says of itself."""
        if self.root is None:
            return
        sound = self.sound(content)
        try:
            controls = ftparchive.read_controls([self.root / entry.path for entry in sound])
        except PublishError as error:
            self.found.bad("pool", error.brief)
            return
        for entry in sound:
            control = controls[self.root / entry.path]
            try:
                made = index.index_entry(control.fields, component=entry.component, md5sum=control.md5sum,
                                         sha256=control.sha256, size=control.size)
                readable_fields.check_control(entry.package, control.fields)
            except PublishError as error:
                self.found.bad(entry.path, error.brief)
                continue
            if made.text != entry.text:
                self.found.bad(entry.path, "says something else of itself than its index does")

    def key_files(self, manifest: Manifest, codename: str, live: Generation) -> None:
        """Compare key files, device files and pages with what they must be."""
        settings = manifest.settings(codename)
        path = f"{settings.keyring_package}.gpg"
        file = self.place(path)
        if file is None:
            self.found.bad(path, "is missing")
            return
        if not any(entry.package == settings.keyring_package for entry in live.content.entries):
            self.found.bad(path, f"{settings.keyring_package} is not listed: a new key reaches nobody")
        try:
            found = openpgp.public_keys(file.read_bytes())
        except PublishError as error:
            self.found.bad(path, error.brief)
            return
        trusted = {key.fingerprint: key.content for key in openpgp.public_keys(self.keyring)}
        if any(trusted.get(key.fingerprint) != key.content for key in found):
            self.found.bad(path, "holds another key than the one that is trusted")
            return
        keys = Keys(Path(), (), (), file.read_bytes(), b"")
        for name, text in public_files(settings, keys, live.release.components).items():
            self._same(name, text)

    def pages(self, manifest: Manifest, codename: str, live: Generation) -> None:
        """Compare the web pages with those that this debxcross would write."""
        if self.root is None:
            return
        settings = manifest.settings(codename)
        file = self.place(f"{settings.keyring_package}.gpg")
        keys = [key.fingerprint for key in openpgp.public_keys(file.read_bytes())] if file else []
        names = sorted({entry.package for entry in live.content.entries})
        for name, text in (*main_pages(manifest, settings, keys, live),
                           *package_pages(self.root, settings, live.content, names)):
            self._same(name, text)

    def _same(self, name: str, text: bytes) -> None:
        file = self.place(name)
        self.found.files += 1
        if file is None:
            self.found.bad(name, "is missing")
        elif file.read_bytes() != text:
            self.found.bad(name, "is not what was published there; publish again to write it anew")

    def strangers(self, listed: set[str]) -> None:
        """Note what lies in the pool and is listed nowhere."""
        if self.root is None:
            return
        pooled = {str(path.relative_to(self.root)) for path in (self.root / "pool").rglob("*")
                  if path.is_file()}
        if unknown := sorted(pooled - listed):
            more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
            self.found.notes.append(f"listed nowhere ('repo gc' removes it): {', '.join(unknown[:3])}{more}")


def verify(place: Place, keyring: bytes, now: float, codenames: Sequence[str], *,
           root: Path | None = None) -> Findings:
    """Verify releases of a repository; with ``root`` its snapshots, pages and strays too.

    Raises PublishError when there is nothing to verify.
    """
    verifier = Verifier(place, keyring, now, root=root)
    manifest = _manifest(verifier, place)
    settings = [manifest.settings(name) for name in sorted(manifest.releases)] if manifest else []
    verifier.keys([f"{one.keyring_package}.gpg" for one in settings[:1]])
    listed: set[str] = set()
    for codename in codenames:
        live = verifier.release(f"dists/{codename}", codename, live=True)
        if live is None:
            continue
        verifier.pool(live.content)
        verifier.stanzas(live.content)
        if root:
            _unpacking(verifier.found, root, verifier.sound(live.content), codename)
        listed |= live.content.names().keys()
        if manifest and codename in manifest.releases:
            verifier.key_files(manifest, codename, live)
            verifier.pages(manifest, codename, live)
        for date in generation.snapshots(root, codename) if root else ():
            directory = generation.snapshot_directory(date, codename)
            if old := verifier.release(directory, codename, live=False):
                verifier.pool(old.content)
                listed |= old.content.names().keys()
    verifier.strangers(listed)
    return verifier.found


def _unpacking(found: Findings, root: Path, entries: Sequence[IndexEntry], codename: str) -> None:
    """Look for what dpkg of the release cannot unpack, alone or beside another instance."""
    bad = dict(readable.faults(root, entries, codename))
    for path, what in bad.items():
        found.bad(path, what)
    found.notes += readable.differences(root, [entry for entry in entries if entry.path not in bad])


def _public_keys(path: Path) -> tuple[openpgp.PublicKey, ...]:
    try:
        return openpgp.public_keys(path.read_bytes())
    except PublishError:
        return ()  # The key files are judged on their own.


def _manifest(verifier: Verifier, place: Place) -> Manifest | None:
    path = place("repository.json")
    if path is None:
        verifier.found.bad("repository.json", "is missing")
        return None
    try:
        return parse_manifest(path.read_text("utf-8", "replace"))
    except DebxcrossError as error:
        verifier.found.bad("repository.json", error.brief)
        return None
