# SPDX-License-Identifier: GPL-3.0-or-later
"""The use cases of a repository: publish, verify, go back, clean up, serve, keys, devices."""
from __future__ import annotations

import shlex
import socket
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from debxcross import config
from debxcross.core import openpgp
from debxcross.core.url import without_password
from debxcross.doors import apt, ftparchive, gpg
from debxcross.doors.fetch import fetch
from debxcross.doors.files import read_named
from debxcross.doors.httpserver import Server
from debxcross.doors.store import Store
from debxcross.doors.web import make_transfer
from debxcross.errors import FetchError, PublishError, UsageError
from debxcross.repository.core import device
from debxcross.repository.core.index import RepositorySettings
from debxcross.repository.core.manifest import Manifest, parse_manifest
from debxcross.repository.core.snapshots import snapshot_name
from debxcross.repository.steps import (
    adopt, device as devicefiles, gc, generation, given, keys as keyrepo, readable, verify as verifyrepo,
)
from debxcross.repository.steps.gc import Collected
from debxcross.repository.steps.keys import KeyState
from debxcross.repository.steps.publish import Publication, publish, read_manifest
from debxcross.repository.steps.rollback import rollback
from debxcross.repository.steps.verify import Findings
from debxcross.steps.archive import installable


@dataclass(frozen=True)
class Wish:
    """What is asked of a release's settings; None or () leaves what the repository has."""

    release: str | None = None
    suite: str | None = None
    component: str | None = None
    origin: str | None = None
    label: str | None = None
    url: str | None = None
    description: str | None = None
    architectures: tuple[str, ...] = ()


class Repository:
    """A web root with its state directory."""

    def __init__(self, directory: Path, state: Path | None = None) -> None:
        self.root = directory.absolute()
        self.manifest = read_manifest(self.root)
        self._state = state
        self._configuration = config.load()

    def state(self, settings: RepositorySettings | None = None) -> Path:
        """Return the state directory; without --state it goes by the repository's origin."""
        if self._state is not None:
            return self._state.absolute()
        if settings is None:
            settings = self.settings(Wish())
        return self._configuration.keys / settings.name

    def codename(self, name: str | None) -> str:
        """Return the release that is meant.  Raises UsageError naming those there are."""
        known = sorted(self.manifest.releases) if self.manifest else []
        if name is None and len(known) == 1:
            return known[0]
        if name is None or name not in known:
            what = ("holds no repository" if not known
                    else f"has no release {name!r}" if name else "has several releases")
            raise UsageError(f"{self.root} {what}", resolution=(
                f"Name one with --release: {', '.join(known)}." if known
                else "Make one with: debxcross repo publish DIR FILE.deb"))
        return name

    def settings(self, wish: Wish, files: Sequence[Path] = ()) -> RepositorySettings:
        """Return the settings of a release: as it is, with what is wished; or of a new one.

        Raises ConfigurationError, UsageError.
        """
        known = self.manifest.releases if self.manifest else {}
        name = wish.release or (sorted(known)[0] if len(known) == 1 else None if known else "bookworm")
        wished = {field: value for field in ("suite", "component", "origin", "label", "url", "description")
                  if (value := getattr(wish, field)) is not None}
        if self.manifest and name in known and name is not None:
            settings = self.manifest.settings(name)
            # What nobody chose does not bind: the first package for an architecture widens it.
            wanted = wish.architectures or (_architectures(files) if settings.guessed else ())
            architectures = tuple(dict.fromkeys((*settings.architectures, *wanted)))
            return replace(settings, **wished, architectures=architectures,
                           guessed=settings.guessed and not wanted)
        if name is None:
            self.codename(None)
            raise AssertionError("codename() refuses several releases")
        defaults: dict[str, Any] = {
            "origin": self._configuration.repository_origin, "label": self._configuration.repository_label,
            "url": self._configuration.repository_url or f"http://{socket.gethostname()}:8000/",
            "description": f"Packages for {name} devices", "suite": name,
        }
        if self.manifest:
            defaults.update(origin=self.manifest.origin, label=self.manifest.label, url=self.manifest.url)
        known_ones = wish.architectures or _architectures(files)
        return RepositorySettings(**{**defaults, **wished}, codename=name, guessed=not known_ones,
                                  architectures=known_ones or (apt.build_architecture(),))

    def publish(self, wish: Wish, paths: Sequence[Path], *, replace_older: bool,
                new_date: bool = False) -> Publication:
        """Publish files and what directories hold.  See repository.steps.publish."""
        files = adopt.given_files(list(paths))
        if paths and not files:
            raise UsageError("there is nothing to publish in " + ", ".join(map(str, paths)),
                             resolution="Name .deb, .dsc, .buildinfo or .log files, or a directory of them.")
        settings = self.settings(wish, files)
        done = publish(self.root, self.state(settings), settings, files, now=time.time,
                       replace=replace_older, new_date=new_date)
        return replace(done, warnings=(*done.warnings, *_guessed(settings)))

    def take_over(self, wish: Wish, source: Path) -> tuple[Publication, ...]:
        """Publish what a directory of debs, a flat repository, or a tree of reprepro or aptly, lists.

        Raises PublishError, with nothing published, when something of it cannot be taken.
        """
        releases = adopt.read_tree(source, wish.architectures)
        if not releases:
            return (self.publish(wish, [source], replace_older=False),)
        for release in releases:
            for component, files in release.files.items():
                given.read_given(files, component, wish.architectures)
                readable.check_debs([file for file in files if file.suffix == ".deb"],
                                    release.codename or wish.release or "")
        made = []
        for release in releases:
            for component, files in sorted(release.files.items()):
                wished = replace(
                    wish, release=release.codename or wish.release, suite=wish.suite or release.suite or None,
                    component=component, origin=wish.origin or _usable(release.origin),
                    label=wish.label or _usable(release.label),
                    architectures=wish.architectures or release.architectures)
                done = self.publish(wished, files, replace_older=False)
                made.append(replace(done, warnings=(*done.warnings, *release.left)))
                self.manifest = read_manifest(self.root)
        return tuple(made)

    def republish(self) -> tuple[Publication, ...]:
        """Publish every release as it is, with the keys of now."""
        manifest = self.manifest or Manifest("", "", "")
        return tuple(self.publish(Wish(name), (), replace_older=False) for name in sorted(manifest.releases))

    def rollback(self, release: str | None, snapshot: str) -> Publication:
        """Publish an older snapshot's content once more."""
        settings = self.settings(Wish(self.codename(release)))
        return rollback(self.root, self.state(settings), settings, snapshot, now=time.time)

    def collect(self, generations: int, days: int, *, dry_run: bool) -> Collected:
        """Remove what no kept generation needs."""
        self.codename(next(iter(self.manifest.releases), None) if self.manifest else None)
        return gc.collect(self.root, self.state(), now=time.time(), generations=generations,
                          seconds=days * 86400, dry_run=dry_run)

    def listing(self) -> dict[str, Any]:
        """Return what is published, for people and programs."""
        self.codename(next(iter(self.manifest.releases), None) if self.manifest else None)
        assert self.manifest is not None
        releases = []
        for name in sorted(self.manifest.releases):
            found = self.live(name)
            releases.append({
                "codename": name, "date": found.release.date, "components": list(found.release.components),
                "architectures": list(found.release.architectures), "signed_by": list(found.signers),
                "packages": [{"name": entry.package, "version": entry.version, "size": entry.size,
                              "architecture": entry.architecture, "component": entry.component,
                              "path": entry.path, "sha256": entry.sha256} for entry in found.content.entries],
                "sources": [{"name": one.source, "version": one.version} for one in found.content.sources],
                "snapshots": [snapshot_name(date) for date in generation.snapshots(self.root, name)]})
        return {"origin": self.manifest.origin, "url": self.manifest.url, "releases": releases}

    def live(self, codename: str) -> generation.Generation:
        """Return what is live of a release, by its own key file.  Raises PublishError."""
        keyring = self.root / f"{self.settings(Wish(codename)).keyring_package}.gpg"
        found = generation.read_generation(self.root / "dists" / codename, keyring)
        if found is None:
            raise PublishError(f"dists/{codename}/InRelease is missing", "",
                               "Restore it, or publish everything again: debxcross repo publish DIR DIR/pool")
        return found

    def warnings(self) -> tuple[str, ...]:
        """Return warnings about keys that are about to expire; () where there are no keys here."""
        try:
            return keyrepo.warnings(self.state() / "keys", time.time())
        except UsageError:
            return ()

    def keys(self) -> tuple[KeyState, ...]:
        """Return the keys of the repository."""
        return keyrepo.list_keys(self.state() / "keys")

    def add_key(self, brought: Path | None, signer: str) -> tuple[str, ...]:
        """Add a key and publish with it; return the fingerprints that came."""
        user = f"{self.settings(Wish(*sorted(self.manifest.releases)[:1] if self.manifest else ())).origin}"
        came = keyrepo.add(self.state() / "keys", f"{user} archive signing key", time.time(), brought=brought,
                           signer=tuple(shlex.split(signer)))
        self.republish()
        return tuple(key.fingerprint for key in came)

    def retire_key(self, fingerprint: str, *, force: bool) -> str:
        """Retire a key and publish without it; return its fingerprint."""
        key = keyrepo.retire(self.state() / "keys", fingerprint, time.time(), force=force)
        self.republish()
        return key.fingerprint

    def device(self, release: str | None, target: str, *, no_clock: bool, sources: bool
               ) -> tuple[str, dict[str, bytes], str]:
        """Return the set-up script for a device, the same as files below its root, and a warning."""
        settings = self.settings(Wish(self.codename(release)))
        wanted = device.device_release(target)
        keys = openpgp.public_keys((self.root / f"{settings.keyring_package}.gpg").read_bytes())
        components = self.live(settings.codename).release.components
        script = devicefiles.install_script(settings, keys, components, wanted.form, sources=sources,
                                            no_clock=no_clock and wanted.checks_date)
        warning = ("Debian 13 and later refuse a signature from the future, whatever they are told: "
                   "set the clock before apt-get update" if no_clock and wanted.checks_signature else "")
        return script, devicefiles.device_files(settings, keys, components, wanted, no_clock=no_clock,
                                                sources=sources), warning

    def serve(self, address: str, port: int, told: Callable[[str], None] | None) -> Server:
        """Return a server for the web root, which listens already."""
        self.codename(next(iter(self.manifest.releases), None) if self.manifest else None)
        return Server(self.root, address, port, told=told)


def _usable(text: str) -> str | None:
    """Return an Origin or Label that may be kept; aptly's default ". bookworm" is no name."""
    return text if any(letter.isalnum() and letter.isascii() for letter in text) and "," not in text else None


def _architectures(files: Sequence[Path]) -> tuple[str, ...]:
    """Return the architectures that debs are for; none for debs that are for all."""
    controls = ftparchive.read_controls([path for path in files if path.suffix == ".deb" and path.is_file()])
    found = {dict(control.fields).get("Architecture", "all") for control in controls.values()}
    return tuple(sorted(found - {"all"}))


def _guessed(settings: RepositorySettings) -> tuple[str, ...]:
    return (f"only devices of {' and '.join(settings.architectures)}, as this machine is, find the packages: "
            "each is for any, and none was named; name others with --arch",
            ) if settings.guessed else ()


def verify_installable(directory: Path, releases: Sequence[str], found: Findings) -> None:
    """Add to ``found`` what no device could install, for each release and architecture.

    Raises FetchError, VerificationError, HostError when the release's archives cannot be asked.
    """
    repository, configuration = Repository(directory), config.load()
    store = Store(configuration.store)
    for name in releases or generation.codenames(repository.root):
        live = repository.live(name)
        # An index may be empty, and then "all" is not for its devices either.
        own = {entry.architecture for entry in live.content.entries} - {"all"}
        for architecture in sorted(own):
            problems = installable.not_installable(
                configuration, store, name, architecture, live.content, found.notes.append)
            for package, why in sorted(problems.items()):
                found.bad(f"dists/{name}", f"{package}:{architecture} cannot be installed: {'; '.join(why)}")


def verify(where: str, key: Path | None, releases: Sequence[str], state: Path | None) -> Findings:
    """Verify a repository at a path or an address.

    Without ``key`` the key directory of this machine is believed; where it has none, the
    repository's own key file, and a note says so.  Raises FetchError, PublishError.
    """
    if "://" not in where:
        repository = Repository(Path(where), state)
        names = tuple(releases) or generation.codenames(repository.root)
        if not names:
            repository.codename(None)
        keyring, note = _local_keyring(repository, key)
        found = verifyrepo.verify(verifyrepo.here(repository.root), keyring, time.time(), names,
                                  root=repository.root)
    else:
        transfer = make_transfer(retries=1)
        with tempfile.TemporaryDirectory(prefix="debxcross-verify-") as name:
            place = verifyrepo.remote(where, Path(name), transfer)
            path = fetch([f"{where.rstrip('/')}/repository.json"], Path(name, "manifest"), transfer=transfer)
            manifest = parse_manifest(_fetched(path).decode("utf-8", "replace"))
            names = tuple(releases) or tuple(sorted(manifest.releases))
            own = place(f"{manifest.settings(names[0]).keyring_package}.gpg")
            if key is None and own is None:
                raise FetchError(f"{without_password(where)} has no key file", "",
                                 "Name the key with --key FILE.")
            keyring, note = (_read_key(key), "") if key else (_fetched(own) if own else b"", _UNTOLD)
            found = verifyrepo.verify(place, keyring, time.time(), names)
    if note:
        found.notes.append(note)
    return found


_UNTOLD = "believed the repository's own key file; name the key that you trust with --key FILE"


def _local_keyring(repository: Repository, key: Path | None) -> tuple[bytes, str]:
    if key is not None:
        return _read_key(key), ""
    try:
        return gpg.export_public(repository.state() / "keys"), ""
    except (PublishError, UsageError):
        files = sorted(repository.root.glob("*-archive-keyring.gpg"))
        if not files:
            raise UsageError("no key is known", resolution="Name the key with --key FILE.") from None
        return files[0].read_bytes(), _UNTOLD


def _fetched(path: Path) -> bytes:
    try:
        return read_named(path)
    except OSError as error:
        raise FetchError(f"what arrived as {path.name} is too large", str(error),
                         "Ask who serves the repository.") from error


def _read_key(path: Path) -> bytes:
    try:
        return openpgp.dearmor(read_named(path))
    except OSError as error:
        raise UsageError(f"the key {path} cannot be read", str(error),
                         "Name another with --key FILE.") from error
