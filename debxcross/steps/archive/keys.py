# SPDX-License-Identifier: GPL-3.0-or-later
"""The archives that a chain names in [[archive]] tables, each with the one key that is believed."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from debxcross.config import Configuration
from debxcross.core.archive.world import Archive
from debxcross.core.chain.archive import KEYRINGS, ChainArchive
from debxcross.core.chain.lock import Lock
from debxcross.core.openpgp import PublicKey, dearmor, public_keys
from debxcross.doors import files
from debxcross.doors.store import Store
from debxcross.errors import ConfigurationError, PublishError

#: More than any keyring has, in bytes.
_LARGEST = 16 << 20
_TRUSTED = "/etc/apt/trusted.gpg.d/"


def added_archives(configuration: Configuration, store: Store, archives: Sequence[ChainArchive],
                   chain: Path, lock: Lock | None) -> dict[str, Archive]:
    """Return the archives with an address of their own, by role; ``chain`` is the chain file.

    Their keys come into the store; with a lock everything is believed by its digest.  Raises
    ConfigurationError with every fault at once.
    """
    if lock is not None:
        return {one.role: Archive(one.role, (one.url,), ()) for one in archives if one.url}
    found, faults, directory = {}, [], chain.absolute().parent
    for one in archives:
        if not one.url:
            continue
        try:
            key = store.put_bytes(_key(one, directory, configuration.keyrings), f"{one.name}.gpg")
        except ValueError as error:
            faults.append(f"archive[{one.name}].key: {error}")
            continue
        found[one.role] = Archive(one.role, (one.url,), (str(store.path(key.sha256)),),
                                  not configuration.check_valid_until, ((one.name, one.suite),))
    if faults:
        raise ConfigurationError(
            f"{len(faults)} archive{'s have' if len(faults) > 1 else ' has'} no usable key",
            "\n".join(faults),
            "Put the archive's key beside the chain file and name it in key, or install the package with "
            "its keyring.")
    return found


def _key(one: ChainArchive, directory: Path, keyrings: Sequence[str]) -> bytes:
    """Return the binary key of an archive.  Raises ValueError: what is wrong, in words."""
    if one.fingerprint:
        return _by_fingerprint(one.fingerprint, keyrings)
    path = Path(one.key) if one.key.startswith("/") else directory / one.key
    if not one.key.startswith("/") and not path.resolve().is_relative_to(directory.resolve()):
        raise ValueError(f"{one.key} leads out of the chain's directory")
    return b"".join(key.content for key in _read(path, one.key))


def _read(path: Path, name: str) -> tuple[PublicKey, ...]:
    try:
        keys = public_keys(dearmor(files.read(path.resolve(), _LARGEST)))
    except OSError as error:
        raise ValueError(f"{name} cannot be read: {error.strerror or error}") from error
    except PublishError as error:
        raise ValueError(f"{name} is no OpenPGP key: {error.details}") from error
    if not keys:
        raise ValueError(f"{name} has no key in it")
    return keys


def _by_fingerprint(fingerprint: str, keyrings: Sequence[str]) -> bytes:
    places = (path for place in (*KEYRINGS, _TRUSTED) for path in sorted(Path(place).glob("*"))
              if path.suffix in (".gpg", ".asc", ".pgp"))
    for path in (*map(Path, keyrings), *places):
        try:
            keys = _read(path, str(path))
        except ValueError:
            continue  # somebody else's file
        for key in keys:
            if key.fingerprint.upper() == fingerprint:
                return key.content
    raise ValueError(f"no keyring of this machine has the key {fingerprint}")
