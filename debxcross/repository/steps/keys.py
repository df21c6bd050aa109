# SPDX-License-Identifier: GPL-3.0-or-later
"""Exchanging a repository's keys so that no device notices.

A new key signs beside the old one at once, and the keyring package carries both; so devices
that upgrade learn of it while the old one still counts.  Only when they had the time for
that is the old key retired.
"""
from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from debxcross.core.border import Moment, read_as, read_json
from debxcross.core.signing import SigningKey, expiry_warnings, key_fault
from debxcross.doors import files, gpg
from debxcross.errors import PublishError, UsageError

_ADDED = "added.json"
_DAY = 86400
#: Days that devices have to learn of a new key before the old one may go.
DAYS = 90


@dataclass(frozen=True)
class KeyState:
    """A key with what it does: "signs", "retired", or why it cannot sign."""

    key: SigningKey
    state: str


def warnings(home: Path, now: float) -> tuple[str, ...]:
    """Return warnings about keys that are about to expire; () where there are no keys."""
    return expiry_warnings(gpg.keys(home), now) if home.is_dir() and any(home.iterdir()) else ()


def list_keys(home: Path) -> tuple[KeyState, ...]:
    """Return all keys of a home, the oldest first.  Raises PublishError when there is none."""
    states = []
    for key in gpg.keys(home):
        fault = key_fault(key, str(home))
        states.append(KeyState(key, "retired" if key.retired else fault[0] if fault else "signs"))
    return tuple(states)


def add(home: Path, user_id: str, now: float, *, brought: Path | None = None,
        signer: Sequence[str] = ()) -> tuple[SigningKey, ...]:
    """Add a key: a new one, or those of a file (with ``signer`` their public part is enough).

    Returns the keys that came, and those that were there and changed: with a longer life, or
    another subkey.  Raises PublishError, and leaves the home as it was, when one
    of them cannot sign for devices of Debian 8 to 13.
    """
    if not home.exists() and brought is None:
        return (gpg.make_key(home, user_id),)
    before = {key.fingerprint: key for key in gpg.keys(home)} if home.exists() else {}
    if brought is not None:
        _try_out(home, brought, signer)
        gpg.import_key(home, brought)
        if signer:
            gpg.set_signer(home, signer)
    else:
        gpg.add_key(home, user_id)
    found = gpg.keys(home)
    if before:
        _remember(home, {key.fingerprint: now for key in found if key.fingerprint not in before})
    return tuple(key for key in found if before.get(key.fingerprint) != key)


def _try_out(home: Path, brought: Path, signer: Sequence[str]) -> None:
    """Import a brought key into a home of its own first: a bad one must not come into ours."""
    if not brought.is_file():
        raise UsageError(f"there is no file {brought}", resolution="Name a file that holds the key.")
    with tempfile.TemporaryDirectory(prefix="debxcross-key-") as name:
        trial = Path(name, "home")
        gpg.import_key(trial, brought)
        if signer:
            gpg.set_signer(trial, signer)
        for key in gpg.keys(trial):
            if fault := key_fault(key, str(home)):
                raise PublishError(fault[0], f"It was read from {brought}; nothing was changed.", fault[1])


def retire(home: Path, fingerprint: str, now: float, *, force: bool = False) -> SigningKey:
    """Let a key sign no more, and return it.  Give all or the end of its fingerprint.

    Raises UsageError for an unknown key, PublishError when no other key could sign, or when
    the devices had less than 90 days to learn of the others and not ``force``.
    """
    found = gpg.keys(home)
    matches = [key for key in found if key.fingerprint.endswith(fingerprint.upper().replace(" ", ""))]
    if len(matches) != 1 or not fingerprint.strip():
        raise UsageError(f"{fingerprint!r} is not the fingerprint of one key",
                         resolution="Keys: " + ", ".join(key.fingerprint for key in found) + ".")
    key = matches[0]
    if key.retired:
        return key
    others = [one for one in found if one != key and not one.retired and key_fault(one, str(home)) is None]
    if not others:
        raise PublishError(f"{key.fingerprint} is the only key that signs", "",
                           "Add another with 'debxcross repo key add', and publish with both for a while.")
    added = _read(home)
    days = max((now - added.get(one.fingerprint, one.created)) / _DAY for one in others)
    if days < DAYS and not force:
        raise PublishError(
            f"devices had {int(days)} days to learn of another key", "A device that did not upgrade since "
            "does not know it, and would refuse everything that comes.",
            f"Wait until {DAYS} days have passed, or say --force when you know that all devices upgraded.")
    gpg.retire_key(home, key.fingerprint)
    return key


def _read(home: Path) -> dict[str, float]:
    try:
        return read_as(dict[str, Moment], read_json((home / _ADDED).read_bytes()))
    except (OSError, ValueError):
        # Without it the day a key was made counts.
        return {}


def _remember(home: Path, added: dict[str, float]) -> None:
    files.write(home / _ADDED, json.dumps({**_read(home), **added}, sort_keys=True), 0o600)
