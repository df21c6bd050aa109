# SPDX-License-Identifier: GPL-3.0-or-later
"""The archive's signing keys: which of them are fit to sign, and when to replace them."""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone

#: RFC 4880 section 9.1 and RFC 9580: RSA, EdDSA.  sqv of Debian 13 refuses DSA.
_RSA, _EDDSA = 1, 22
_SMALLEST_RSA = 3072
_DAY = 86400
#: Days before a key expires at which the wording of the warning grows sharper.
WARNING_DAYS = (90, 30, 7)
#: Goes into the keyring package's version: raise it when its templates or files change.
KEYRING_RECIPE = 2
_NEVER = 9999999999


@dataclass(frozen=True)
class Subkey:
    """A part of a key that signs in its place; the fields are as those of SigningKey."""

    fingerprint: str
    algorithm: int
    bits: int
    created: int
    expires: int
    validity: str


@dataclass(frozen=True)
class SigningKey:
    """A primary key of a home.

    ``algorithm`` is RFC 4880's number, ``bits`` its length; ``created`` and ``expires`` are in
    seconds since the epoch (``expires`` 0: never); ``validity`` is GnuPG's letter ("e" expired,
    "r" revoked, "u" our own); ``secret`` says whether the home can sign with it or with one
    of its subkeys; ``retired`` whether it signs no more; ``weak`` names digests of its
    self-signatures that today's verifiers refuse; ``subkey`` is the subkey that gpg signs
    with, or that signed until it expired, None when the primary key itself does (which part
    signs depends on the home, so it is left out when keys are compared); ``changed`` is
    when the key's newest self-signature was made.
    """

    fingerprint: str
    algorithm: int
    bits: int
    created: int
    expires: int
    validity: str
    user_id: str
    secret: bool
    retired: bool = False
    weak: tuple[str, ...] = ()
    subkey: Subkey | None = field(default=None, compare=False)
    changed: int = 0

    @property
    def until(self) -> int:
        """When its signatures stop to count, in seconds since the epoch; 0: never.

        Devices refuse a signature once the subkey that made it has expired, or the primary key.
        """
        return min((one for one in (self.expires, self.subkey.expires if self.subkey else 0) if one),
                   default=0)

    @property
    def signer(self) -> str:
        """The part that signs, for people: "key FINGERPRINT", or "subkey …", if that expires first."""
        if self.subkey and self.subkey.expires and self.subkey.expires == self.until:
            return f"subkey {self.subkey.fingerprint} of the signing key {self.fingerprint}"
        return f"signing key {self.fingerprint}"

    @property
    def latest(self) -> int:
        """When something about the key changed last, in seconds since the epoch."""
        return max(self.created, self.changed)


def key_fault(key: SigningKey, home: str) -> tuple[str, str] | None:
    """Say why a key cannot sign for devices of Debian 8 to 13, and the next move; or None."""
    if key.subkey and key.subkey.validity == "e" and key.validity != "e":
        return (f"the {key.signer} has expired",
                f"Run: gpg --homedir {home} --quick-set-expire {key.fingerprint} 5y "
                f"{key.subkey.fingerprint}; or prolong it where its primary key is and take it in with "
                "'debxcross repo key add DIR --file FILE'. Then publish again.")
    if not key.secret:
        return (f"the secret part of key {key.fingerprint} is missing",
                f"Restore {home}/private-keys-v1.d from its backup.")
    if key.validity == "e":
        return (f"the signing key {key.fingerprint} has expired",
                f"Run: gpg --homedir {home} --quick-set-expire {key.fingerprint} 5y; then publish "
                "again, and give the devices the new key file.")
    if key.validity == "i":
        made = f"{datetime.fromtimestamp(key.created, timezone.utc):%Y-%m-%d}"
        return (f"the signing key {key.fingerprint}, made on {made}, is not valid",
                "When that day lies ahead, the clock was wrong when the key was made: set it, or publish "
                "everything into an empty directory with a new key (debxcross repo publish NEW DIR/pool "
                "--state NEWSTATE); devices then need the new key file.")
    if key.validity in ("r", "d"):
        return (f"the signing key {key.fingerprint} is revoked or not valid",
                "Move the key directory away to get a new key; devices then need its key file.")
    if not all(part.algorithm == _EDDSA or part.algorithm == _RSA and part.bits >= _SMALLEST_RSA
               for part in (key, key.subkey) if part):
        return (f"the signing key {key.fingerprint} is too weak for today's apt",
                f"Use RSA of at least {_SMALLEST_RSA} bits, or Ed25519.")
    if key.weak:
        return (f"the signing key {key.fingerprint} has a self-signature with {', '.join(key.weak)}",
                "Debian 13 refuses it. Renew the self-signature with: gpg --cert-digest-algo SHA512 "
                f"--quick-set-expire {key.fingerprint} 5y")
    return None


def expiry_warnings(keys: Iterable[SigningKey], now: float) -> tuple[str, ...]:
    """Return a warning for each key in use that expires within the next 90 days.

    An expired key stops every device; apt ends with status 0 all the same, so nobody notices.
    """
    warnings = []
    for key in keys:
        days = (key.until - now) / _DAY
        if key.retired or not key.until or days > WARNING_DAYS[0]:
            continue
        urgency = "" if days > WARNING_DAYS[1] else "soon: " if days > WARNING_DAYS[2] else "NOW: "
        state = "has expired" if days <= 0 else f"expires in {max(1, int(days))} days"
        warnings.append(
            f"{urgency}the {key.signer} {state} "
            f"({datetime.fromtimestamp(key.until, timezone.utc):%Y-%m-%d}); prolong it, or add another "
            "with 'debxcross repo key add', and publish")
    return tuple(warnings)


def keyring_version(keys: Sequence[SigningKey]) -> str:
    """Return the keyring package's version.

    It grows with a newer key, with whatever is changed in one (a longer life, another
    subkey), with another key, and with a key that is retired: none of these ever goes back.
    """
    using = [key for key in keys if not key.retired]
    made = datetime.fromtimestamp(max(key.latest for key in keys), timezone.utc)
    life = max(key.expires or _NEVER for key in using)
    return (f"{made:%Y%m%d%H%M%S}.{len(keys)}.{len(keys) - len(using)}.{life}.{KEYRING_RECIPE}"
            f"+{using[0].fingerprint[:8].lower()}")
