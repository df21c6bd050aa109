# SPDX-License-Identifier: GPL-3.0-or-later
"""What GnuPG lists of the keys in a home, and which part of each signs.

Source: GnuPG's doc/DETAILS, "Format of the colon listings".
"""
from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from debxcross.core.signing import SigningKey, Subkey

#: GnuPG's letters for keys that do not count: expired, revoked, invalid, disabled.
_DEAD = ("e", "r", "i", "d")


def parse_keys(listing: str, grips: Collection[str], *, external: bool = False) -> tuple[SigningKey, ...]:
    """Read a ``--with-colons`` listing (GnuPG's doc/DETAILS).

    ``grips`` are the keygrips whose secret part is there; with an ``external`` signer all
    are taken to be.
    """
    found = []
    for block in re.split(r"^(?=pub:)", listing, flags=re.MULTILINE)[1:]:
        lines = [line.split(":") + [""] * 16 for line in block.splitlines()]
        user_id = next((fields[9] for fields in lines if fields[0] == "uid"), "")
        parts = [part for part in _parts(lines) if part.signs]
        here = [part for part in parts if external or part.grip in grips]
        primary = _subkey(lines[0], next((fields[9] for fields in lines if fields[0] == "fpr"), ""))
        using = _signer(primary, here or parts)
        # A key that expired or was revoked says so itself; of its parts none counts any more.
        secret = external or any(part.usable or primary.validity in _DEAD for part in here)
        found.append(SigningKey(
            primary.fingerprint, primary.algorithm, primary.bits, primary.created, primary.expires,
            primary.validity, user_id, secret,
            subkey=using if using and using.fingerprint != primary.fingerprint else None))
    return tuple(sorted(found, key=lambda key: (key.created, key.fingerprint)))


@dataclass(frozen=True)
class _Part:
    """A primary key or a subkey: whether it may sign, and its keygrip."""

    key: Subkey
    signs: bool
    grip: str

    @property
    def usable(self) -> bool:
        return self.key.validity not in _DEAD


def _subkey(record: Sequence[str], fingerprint: str) -> Subkey:
    return Subkey(fingerprint, int(record[3] or 0), int(record[2] or 0), int(record[5] or 0),
                  int(record[6] or 0), record[1])


def _parts(lines: Sequence[Sequence[str]]) -> Iterator[_Part]:
    """Yield the primary key and the subkeys of one key's listing; "fpr" and "grp" follow each."""
    starts = [number for number, fields in enumerate(lines) if fields[0] in ("pub", "sub")]
    for start, end in zip(starts, [*starts[1:], len(lines)]):
        told = {fields[0]: fields[9] for fields in reversed(lines[start:end])}
        record = lines[start]
        yield _Part(_subkey(record, told.get("fpr", "")), "s" in record[11], told.get("grp", ""))


def _signer(primary: Subkey, parts: Sequence[_Part]) -> Subkey | None:
    """Return the part that gpg signs with: the newest subkey that counts, else the primary key.

    When none counts any more, it is the newest that expired.
    """
    using = [part.key for part in parts if part.usable]
    subkeys = [key for key in using if key.fingerprint != primary.fingerprint]
    expired = [part.key for part in parts if part.key.validity == "e"]
    return max(subkeys or using or expired, key=lambda key: key.created, default=None)
