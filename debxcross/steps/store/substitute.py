# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes results from another machine's store instead of building them, and vouches for one's own.

The owner of a store signs a list of its artifacts and resolved environments, each with the
sha256 of its entry; a plain web server shows the store's directory public/.  A substitute's list is
believed when a trusted key signed it, an entry when its bytes have the listed sha256, and a
file when its bytes have the sha256 the entry names.  What is not so is told by name, and
the member is built instead.
"""
from __future__ import annotations

import hashlib
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from debxcross.core.artifact import Artifact, StoredFile, artifact_from
from debxcross.core.border import read_json
from debxcross.core.chain import answers
from debxcross.core.openpgp import dearmor
from debxcross.core.store import signed as substitute
from debxcross.doors import gpg
from debxcross.doors.entries import entry_name
from debxcross.doors.fetch import fetch, read_page
from debxcross.doors.files import read_named
from debxcross.doors.store import Store
from debxcross.doors.web import Transfer
from debxcross.errors import ConfigurationError, FetchError, PublishError, VerificationError
from debxcross.events import Events

_HOME = "store"
#: What others may read of a store.  Not apt/ and memo/machine: they may hold passwords of mirrors.
_PUBLIC = (substitute.LIST, "signer.gpg", "objects", "artifacts", "memo/environment")
_USER = "debxcross store signing key"


class Substitute:
    """One store of somebody else, read over HTTP; one that does not answer is not asked again."""

    def __init__(self, url: str, keyring: Path, transfer: Transfer, store: Store, events: Events) -> None:
        self.url = url.rstrip("/")
        self._keyring, self._transfer, self._store, self._events = keyring, transfer, store, events
        self._listed: Mapping[str, str] | None = None
        #: Keys of the artifacts that came from here.
        self.given: set[str] = set()
        self._lock = threading.Lock()

    def artifact(self, member: str, key: str) -> Artifact | None:
        """Return the artifact with this key, with all its files in our store; None when it has none."""
        name = entry_name("artifacts", key)
        entry = self._entry(name, member)
        if entry is None:
            return None
        try:
            found = artifact_from(read_json(entry, whole=True), key)
            if found.member != member:
                raise ValueError("it is the entry of another member")
        except ValueError as error:
            self._refuse(member, f"its entry {key[:12]}… is not that of {member}: {error}", name)
            return None
        self._events.tell("activity", member, f"substituting from {self.url}")
        for file in found.files:
            try:
                if not self._store.has(file):
                    self._fetch(file)
            except FetchError as error:
                self._refuse(member, f"{file.name}: {error.details or error.brief}", name, error)
                return None
        self._store.commit(found)
        self.given.add(key)
        return found

    def memo(self, member: str, kind: str, key: str) -> Any | None:
        """Return a remembered answer of the substitute, or None."""
        name = entry_name(f"memo/{kind}", key)
        entry = self._entry(name, member)
        if entry is None:
            return None
        try:
            value = read_json(entry, whole=True)
            fault = answers.fault(kind, value)
        except ValueError as error:
            fault = str(error)
        if fault:
            self._refuse(member, f"its answer {key[:12]}… is none: {fault}", name)
            return None
        return value

    def _fetch(self, file: StoredFile) -> None:
        path = self._store.path(file.sha256)
        fetch((f"{self.url}/objects/{file.sha256[:2]}/{file.sha256}",), path, sha256=file.sha256,
              size=file.size, transfer=self._transfer)
        path.chmod(0o444)

    def _entry(self, name: str, member: str) -> bytes | None:
        expected = self._list().get(name)
        if expected is None:
            return None
        try:
            page = read_page(f"{self.url}/{name}", "*/*", self._transfer)
        except FetchError as error:
            self._refuse(member, error.details or error.brief, name, error)
            return None
        if page is None or hashlib.sha256(page.body).hexdigest() != expected:
            self._refuse(member, f"{name} is not the entry that was signed", name)
            return None
        return page.body

    def _list(self) -> Mapping[str, str]:
        """Return the sha256 of every entry that is vouched for, by name; read once."""
        with self._lock:
            if self._listed is None:
                try:
                    self._listed = self._read_list()
                except (FetchError, PublishError) as error:
                    self._listed = {}
                    self._warn(f"nothing is taken from it: {error.brief}")
            return self._listed

    def _read_list(self) -> Mapping[str, str]:
        page = read_page(f"{self.url}/{substitute.LIST}", "*/*", self._transfer)
        if page is None:
            raise FetchError("it has no signed list ('debxcross store sign' makes one)")
        with tempfile.TemporaryDirectory(prefix="debxcross-list-") as directory:
            signed = Path(directory, "signed")
            signed.write_bytes(page.body)
            text = gpg.verify(self._keyring, signed).text
        listed = substitute.parse_list(text)
        if listed is None:
            raise VerificationError("its signed list is of another layout")
        return listed

    def _refuse(self, member: str, what: str, name: str, error: FetchError | None = None) -> None:
        """Say what is wrong with an entry, and ask no more for it; for nothing at all when it is gone."""
        self._warn(f"{what}; {member} is built instead", member)
        with self._lock:
            gone = error is not None and not isinstance(error, VerificationError)
            self._listed = {} if gone else {
                other: sha256 for other, sha256 in (self._listed or {}).items() if other != name}

    def _warn(self, what: str, member: str = "") -> None:
        self._events.tell("warning", member, f"the substitute {self.url}: {what}")


def open_substitutes(
    urls: Sequence[str], keys: Sequence[Path], store: Store, transfer: Transfer, events: Events
) -> tuple[Substitute, ...]:
    """Return the substitutes at these addresses, trusting these key files (binary or armored).

    Raises ConfigurationError when there is no key to check them with, or one cannot be read.
    """
    if not urls:
        return ()
    if not keys:
        raise ConfigurationError(
            "no key is trusted for substitutes", f"--substitute {urls[0]} needs one.",
            "Get the file signer.gpg from the owner of that store by a way you trust, and name it with "
            "--substitute-key or as substitutes.keys in debxcross.toml.")
    parts = []
    for path in keys:
        try:
            parts.append(dearmor(read_named(path)))
        except (OSError, PublishError) as error:
            raise ConfigurationError(
                f"the key file {path} cannot be read", str(error),
                "Name the file that 'debxcross store sign' wrote: signer.gpg.") from error
    keyring = store.put_bytes(b"".join(parts), "keyring.gpg")
    return tuple(Substitute(url, store.path(keyring.sha256), transfer, store, events) for url in urls)


def sign(store: Store, keys: Path) -> tuple[Path, str, int]:
    """Vouch for every result of the store.

    Returns the directory that others may read, the key's fingerprint and how many entries.

    The key is made at first use, in ``keys``.  Entries whose files are not all there are left
    out.  Raises PublishError.
    """
    home = keys / _HOME
    key = gpg.make_key(home, _USER)
    listed = {}
    for kind in ("artifacts", "memo/environment"):
        for entry_key, value in store.entries.all(kind):
            if value is not None and (kind != "artifacts" or store.artifact(entry_key) is not None):
                listed[entry_name(kind, entry_key)] = store.entries.sha256(kind, entry_key)
    with tempfile.TemporaryDirectory(prefix="debxcross-list-") as directory:
        document, signed = Path(directory, "list"), Path(directory, "signed")
        document.write_text(substitute.list_text(listed))
        gpg.sign(home, (key.fingerprint,), document, clear=signed, detached=Path(directory, "apart"))
        store.write("signer.gpg", gpg.export_public(home, (key.fingerprint,)))
        store.write(substitute.LIST, signed.read_bytes())
    return store.show(_PUBLIC), key.fingerprint, len(listed)
