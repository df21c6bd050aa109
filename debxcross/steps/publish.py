# SPDX-License-Identifier: GPL-3.0-or-later
"""Publishing: debs become the next signed generation of an apt repository.

    WEB_ROOT/
      pool/main/z/zlib/…                        debs; a name never gets other bytes
      dists/CODENAME/main/binary-ARCH/by-hash/  every index ever published, by sha256
      dists/CODENAME/main/binary-ARCH/Packages  and .gz, .xz: hard links to the newest
      dists/CODENAME/Release, Release.gpg       for clients that do not ask for InRelease
      dists/CODENAME/InRelease                  the commit: all the rest is there before it
      NAME-archive-keyring.gpg and .asc         the public key
      device/CODENAME/…                         what to put onto a device, and how
      .staging/                                 not yet published; 0700, gone after each run
    STATE/                                      outside the web root
      keys/  stanzas/  keyring/  publish.lock

A run that is killed leaves the old generation: its InRelease, its by-hash indexes and its
debs are untouched.  What a generation contains is read back from its verified InRelease;
of the state directory only the keys cannot be made again.
"""
from __future__ import annotations

import errno
import fcntl
import gzip
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from debxcross.core import repository
from debxcross.core.repository import IndexEntry, IndexFile, PublishedRelease, RepositorySettings
from debxcross.doors import ftparchive, gpg, process
from debxcross.doors.store import file_digest
from debxcross.doors.template import data_directory, render
from debxcross.errors import DiskFullError, PublishError

#: The templates in repo/ and what they become below device/CODENAME.
DEVICE_FILES = (
    ("device-embedded.sources.j2", "{name}-bookworm-and-later.sources"),
    ("device-path.sources.j2", "{name}-stretch-to-bullseye.sources"),
    ("device-old.list.j2", "{name}-jessie.list"),
    ("device.pref.j2", "{name}.pref"),
    ("device-README.txt.j2", "README.txt"),
)
_BLOCK = 1 << 20


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
    """A generation: its Date in seconds since the epoch, all its packages, the key's fingerprint.

    ``changed`` is False when the same was published already and no file was written.
    """

    date: int
    codename: str
    packages: tuple[PublishedPackage, ...]
    fingerprint: str
    changed: bool


@dataclass(frozen=True)
class _Previous:
    """The generation that is live: its Release as read, the text of it, its packages."""

    release: PublishedRelease
    text: str
    entries: tuple[IndexEntry, ...]


class _Tree:
    """Writes below the web root: whole files by rename, 0644 and 0755 whatever the umask."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.staging = root / ".staging"
        self._touched: set[Path] = set()
        self._count = 0
        self.directory(root)
        shutil.rmtree(self.staging, ignore_errors=True)
        self.staging.mkdir(mode=0o700)

    def directory(self, path: Path) -> None:
        """Make a directory and those above it."""
        if not path.is_dir():
            self.directory(path.parent)
            path.mkdir()
            path.chmod(0o755)
            self._touched.add(path.parent)

    def stage(self, content: bytes) -> Path:
        """Write content to a file that is not published yet."""
        path = self._next()
        path.write_bytes(content)
        return path

    def stage_copy(self, source: Path) -> tuple[Path, str]:
        """Copy a file to one that is not published yet; return it with its sha256."""
        path, digest = self._next(), hashlib.sha256()
        with source.open("rb") as reader, path.open("wb") as writer:
            while block := reader.read(_BLOCK):
                digest.update(block)
                writer.write(block)
        return path, digest.hexdigest()

    def _next(self) -> Path:
        self._count += 1
        return self.staging / str(self._count)

    def place(self, staged: Path, name: str, mtime: int | None = None) -> None:
        """Give a staged file its published name, once its bytes are on the disk."""
        target = self.root / name
        self.directory(target.parent)
        with staged.open("rb") as file:
            os.fchmod(file.fileno(), 0o644)
            if mtime is not None:
                os.utime(file.fileno(), (mtime, mtime))
            os.fsync(file.fileno())
        os.replace(staged, target)
        self._touched.add(target.parent)

    def link(self, existing: str, name: str) -> None:
        """Give a published file a second name, in place of what had it before."""
        staged, target = self._next(), self.root / name
        os.link(self.root / existing, staged)
        os.replace(staged, target)
        # rename(2) does nothing when both names are the same file already.
        staged.unlink(missing_ok=True)
        self._touched.add(target.parent)

    def sync(self) -> None:
        """Put the names on the disk: what comes after relies on them."""
        for directory in sorted(self._touched):
            _sync_directory(directory)
        self._touched.clear()


def publish(web_root: Path, state: Path, settings: RepositorySettings, debs: Sequence[Path], *,
            now: Callable[[], float]) -> Publication:
    """Publish debs: they join what is published, and replace older packages of their sources.

    ``state`` keeps the keys and the stanzas, and must lie outside ``web_root``; ``now`` tells
    the time in seconds since the epoch.  Several runs at a time wait for each other.

    Raises PublishError (what was published before still stands), DiskFullError.
    """
    web_root, state = web_root.absolute(), state.absolute()
    if state.resolve().is_relative_to(web_root.resolve()):
        raise PublishError(f"the state directory {state} lies inside the web root",
                           "It holds the secret key, and everybody can read the web root.",
                           "Name a state directory outside the web root.")
    try:
        state.mkdir(parents=True, exist_ok=True)
        with _locked(state / "publish.lock"):
            tree = _Tree(web_root)
            try:
                return _publish(tree, state, settings, debs, now)
            finally:
                shutil.rmtree(tree.staging, ignore_errors=True)
    except OSError as error:
        kind = DiskFullError if error.errno in (errno.ENOSPC, errno.EDQUOT) else PublishError
        raise kind(f"cannot publish to {web_root}", str(error),
                   "Check space, owner and permissions there and in the state directory, "
                   "then publish again: what was published before still stands.") from error


def _publish(tree: _Tree, state: Path, settings: RepositorySettings, debs: Sequence[Path],
             now: Callable[[], float]) -> Publication:
    home = state / "keys"
    key = gpg.make_key(home, f"{settings.origin} archive signing key")
    public = gpg.export_public(home, key.fingerprint)
    previous = _previous(tree, settings, tree.stage(gpg.export_public(home)))
    old = previous.entries if previous else ()
    keyring = _keyring_deb(tree.root, state / "keyring", settings, key, public, old)
    given = _read_debs([*debs, keyring], state / "stanzas", settings.component)
    entries = repository.merge(old, [entry for entry, _ in given], settings.architectures)
    _check_pool(tree.root, given, entries)

    carried = previous.release.architectures if previous else ()
    architectures = sorted({*settings.architectures, *carried})
    contents = _indexes(settings.component, entries, architectures)
    files = [IndexFile.of(path, content) for path, content in contents.items()]
    same = previous is not None and _is_live(tree.root, settings, architectures, files, previous)
    armored = gpg.export_public(home, key.fingerprint, armored=True)

    changed = _fill_pool(tree, given)
    for name, content in _public_files(settings, key, public, armored).items():
        changed |= _write_if_other(tree, name, content)
    if previous is not None and same:
        date = previous.release.date
    else:
        date = repository.next_date(now(), previous.release.date if previous else None)
        text = repository.release_text(settings, architectures, files, date)
        _commit(tree, f"dists/{settings.codename}", contents, _sign(tree, home, key, public, text), date)
        changed = True
    tree.sync()
    packages = tuple(
        PublishedPackage(*entry.identity, entry.path, entry.size, entry.sha256) for entry in entries)
    return Publication(date, settings.codename, packages, key.fingerprint, changed)


def _previous(tree: _Tree, settings: RepositorySettings, keyring: Path) -> _Previous | None:
    """Read the live generation, believing only what our own signature vouches for."""
    dists = tree.root / "dists" / settings.codename
    if not (dists / "InRelease").exists():
        return None
    text = gpg.verify(keyring, dists / "InRelease").text
    release = repository.parse_release(text)
    repository.check_same_repository(settings, release)
    entries: dict[tuple[str, str, str], IndexEntry] = {}
    for path, sha256 in sorted(release.files.items()):
        if not path.endswith("/Packages"):
            continue
        index = dists / Path(path).parent / "by-hash" / "SHA256" / sha256
        content = index.read_bytes() if index.exists() else b""
        if hashlib.sha256(content).hexdigest() != sha256:
            raise PublishError(f"the published index {index} is damaged or missing", "",
                               "Restore the web root, or publish everything into an empty one.")
        entries.update((entry.identity, entry) for entry in repository.parse_index(content.decode()))
    return _Previous(release, text, tuple(entries.values()))


def _read_debs(debs: Sequence[Path], cache: Path, component: str) -> list[tuple[IndexEntry, Path]]:
    by_digest = {}
    for path in debs:
        if not path.is_file():
            raise PublishError(f"there is no file {path}", resolution="Build it first, then publish again.")
        by_digest[file_digest(path)[0]] = path
    controls = ftparchive.read_controls(by_digest, cache)
    return [
        (repository.index_entry(control.fields, component=component, md5sum=control.md5sum,
                                sha256=sha256, size=control.size), by_digest[sha256])
        for sha256, control in sorted(controls.items())
    ]


def _check_pool(root: Path, given: Sequence[tuple[IndexEntry, Path]], entries: Sequence[IndexEntry]) -> None:
    """Before anything is written: no name gets other bytes, and nothing listed is missing."""
    names: dict[str, str] = {}
    for entry, path in given:
        pooled = root / entry.path
        first = names.setdefault(entry.path, file_digest(pooled)[0] if pooled.exists() else entry.sha256)
        if first != entry.sha256:
            raise PublishError(
                f"{pooled.name} is published already with other bytes",
                f"published: sha256 {first}\ngiven: {path}, sha256 {entry.sha256}",
                "Give the package a new version (debchange --local), build it and publish again.")
    for entry in entries:
        pooled = root / entry.path
        if entry.path not in names and not (pooled.is_file() and pooled.stat().st_size == entry.size):
            raise PublishError(
                f"{entry.path} is listed, but it is missing or cut short in the pool", "",
                f"Restore it, or publish the packages of source {entry.source} again.")


def _indexes(component: str, entries: Sequence[IndexEntry], architectures: Sequence[str]) -> dict[str, bytes]:
    """Return the content of every index by its path below dists/CODENAME."""
    contents = {}
    for architecture in architectures:
        plain = repository.index_text(entries, architecture).encode()
        for compression in repository.COMPRESSIONS:
            path = repository.index_path(component, architecture, compression)
            contents[path] = ftparchive.compress(plain, compression)
    return contents


def _is_live(root: Path, settings: RepositorySettings, architectures: Sequence[str],
             files: Sequence[IndexFile], previous: _Previous) -> bool:
    """Tell whether a new generation would say what the live one says, and that one is whole."""
    dists = root / "dists" / settings.codename
    text = repository.release_text(settings, architectures, files, previous.release.date)
    # A run that was killed may have left newer named files beside the older InRelease.
    return (text == previous.text
            and _has(dists / "Release", text.encode()) and (dists / "Release.gpg").is_file()
            and all((dists / name).is_file() and file_digest(dists / name)[0] == file.sha256
                    for file in files for name in (file.path, file.by_hash_path)))


def _has(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content


def _fill_pool(tree: _Tree, given: Sequence[tuple[IndexEntry, Path]]) -> bool:
    new = [(entry, path) for entry, path in given if not (tree.root / entry.path).exists()]
    for entry, path in new:
        staged, sha256 = tree.stage_copy(path)
        if sha256 != entry.sha256:
            raise PublishError(f"{path} changed while it was being published", "",
                               "Wait until nobody writes to it, then publish again.")
        tree.place(staged, entry.path)
    tree.sync()
    return bool(new)


def _write_if_other(tree: _Tree, name: str, content: bytes) -> bool:
    other = not _has(tree.root / name, content)
    if other:
        tree.place(tree.stage(content), name)
    return other


def _public_files(settings: RepositorySettings, key: gpg.SigningKey, public: bytes,
                  armored: bytes) -> dict[str, bytes]:
    """Return the key files and the device files by their path below the web root."""
    values = repository.device_values(settings, key.fingerprint, armored.decode())
    templates = data_directory("repo")
    files = {f"{settings.keyring_package}.gpg": public, f"{settings.keyring_package}.asc": armored}
    for template, name in DEVICE_FILES:
        path = f"device/{settings.codename}/{name.format(name=settings.name)}"
        files[path] = render(template, values, templates).encode()
    return files


def _sign(tree: _Tree, home: Path, key: gpg.SigningKey, public: bytes, text: str) -> Mapping[str, Path]:
    """Return Release and its signatures as staged files, after gpgv accepted them."""
    keyring, release = tree.stage(public), tree.stage(text.encode())
    staged = {"Release": release, "Release.gpg": tree.staging / "Release.gpg",
              "InRelease": tree.staging / "InRelease"}
    gpg.detached_sign(home, key.fingerprint, release, staged["Release.gpg"])
    gpg.clearsign(home, key.fingerprint, release, staged["InRelease"])
    detached = gpg.verify(keyring, release, staged["Release.gpg"])
    clear = gpg.verify(keyring, staged["InRelease"])
    if {detached.fingerprint, clear.fingerprint} != {key.fingerprint} or clear.text != text:
        raise PublishError("the new InRelease does not verify", f"signed by {clear.fingerprint}",
                           "Nothing was published; check the key directory, then publish again.")
    return staged


def _commit(tree: _Tree, dists: str, contents: Mapping[str, bytes], signed: Mapping[str, Path],
            date: int) -> None:
    """Put a generation in place; its last rename, of InRelease, is what makes it live."""
    files = [IndexFile.of(path, content) for path, content in contents.items()]
    for file in files:
        name = f"{dists}/{file.by_hash_path}"
        if _has(tree.root / name, contents[file.path]):
            # An index that comes back must look newer than the one that clients have.
            os.utime(tree.root / name, (date, date))
        else:
            tree.place(tree.stage(contents[file.path]), name, date)
    tree.sync()
    for file in files:
        tree.link(f"{dists}/{file.by_hash_path}", f"{dists}/{file.path}")
    tree.sync()
    for name in ("Release", "Release.gpg", "InRelease"):
        tree.place(signed[name], f"{dists}/{name}", date)
        tree.sync()


def keyring_argv(tree: Path, deb: Path) -> tuple[str, ...]:
    """Return the command that packs a tree of files as a deb which dpkg of Debian 8 can read."""
    return ("dpkg-deb", "--root-owner-group", "-Zxz", "--build", str(tree), str(deb))


def _keyring_deb(root: Path, directory: Path, settings: RepositorySettings, key: gpg.SigningKey,
                 public: bytes, old: Sequence[IndexEntry]) -> Path:
    """Return the keyring package; one that was published or made before is used again.

    Another dpkg may pack the same files into other bytes, and a name never gets those.
    """
    version = repository.keyring_version(key.created, key.expires, key.fingerprint)
    for entry in old:
        pooled = root / entry.path
        if entry.identity == (settings.keyring_package, version, "all") and pooled.is_file() \
                and file_digest(pooled)[0] == entry.sha256:
            return pooled
    deb = directory / f"{settings.keyring_package}_{version}_all.deb"
    if not deb.exists():
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=directory) as name:
            tree, new = Path(name, "tree"), Path(name, "new.deb")
            _write_keyring_tree(tree, settings, key, version, public)
            process.run(keyring_argv(tree, new), environment={"SOURCE_DATE_EPOCH": str(key.created)}).check(
                PublishError, "dpkg-deb could not pack the keyring package", "See what it says above.")
            with new.open("rb") as file:
                os.fsync(file.fileno())
            os.replace(new, deb)
        _sync_directory(directory)
    return deb


def _write_keyring_tree(tree: Path, settings: RepositorySettings, key: gpg.SigningKey, version: str,
                        public: bytes) -> None:
    package = settings.keyring_package
    values = {
        "package": package, "version": version, "origin": settings.origin, "name": settings.name,
        "fingerprint": key.fingerprint, "installed_size": 2 * (len(public) // 1024 + 1) + 7,
        "date": repository.format_date(key.created).replace("UTC", "+0000"),
    }

    def rendered(part: str) -> bytes:
        return render(f"keyring-{part}.j2", values).encode()

    installed = {
        f"etc/apt/keyrings/{settings.name}.gpg": public,
        f"usr/share/keyrings/{package}.gpg": public,
        f"usr/share/doc/{package}/copyright": rendered("copyright"),
        f"usr/share/doc/{package}/changelog.gz": gzip.compress(rendered("changelog"), mtime=0),
    }
    sums = "".join(f"{hashlib.md5(content, usedforsecurity=False).hexdigest()}  {name}\n"
                   for name, content in sorted(installed.items()) if not name.startswith("etc/"))
    control = {"DEBIAN/control": rendered("control"), "DEBIAN/conffiles": rendered("conffiles"),
               "DEBIAN/md5sums": sums.encode()}
    for name, content in {**installed, **control}.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(content)
    for path in (tree, *tree.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (key.created, key.created))


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock that ends with this process, however it ends."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
