# SPDX-License-Identifier: GPL-3.0-or-later
"""What a device is told about a repository: one way per Debian release, 8 to 14.

Sources: sources.list(5) and the changelogs of apt 1.0.9 to 3.1.  deb822 sources came with
apt 1.1, Signed-By as a path with 1.1, an embedded key with 2.3.10.  A Release "from the
future" is refused since 1.5, where Check-Date came too; before that nobody looks.
"""
from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from debxcross.core.openpgp import PublicKey, armor
from debxcross.errors import UsageError
from debxcross.repository.core.index import RepositorySettings


@dataclass(frozen=True)
class DeviceRelease:
    """A Debian release as its apt sees repositories.

    ``form`` is "list" (one-line source, key among the machine's own), "path" (deb822
    source that names a key file) or "embedded" (the key is part of the source);
    ``checks_date`` whether its apt minds a Release from the future, ``checks_signature``
    whether its verifier (sqv) minds a signature from the future, which no setting changes.
    """

    name: str
    number: int
    form: str
    checks_date: bool
    checks_signature: bool = False

    @property
    def reads_zstd(self) -> bool:
        """Whether its dpkg unpacks members compressed with zstd (since 1.21.18)."""
        return self.number >= 12


DEVICE_RELEASES = {release.name: release for release in (
    DeviceRelease("jessie", 8, "list", False),
    DeviceRelease("stretch", 9, "path", False),
    DeviceRelease("buster", 10, "path", True),
    DeviceRelease("bullseye", 11, "path", True),
    DeviceRelease("bookworm", 12, "embedded", True),
    DeviceRelease("trixie", 13, "embedded", True, True),
    DeviceRelease("forky", 14, "embedded", True, True),
)}

#: The source templates in repo/ by form.
SOURCE_TEMPLATES = {"list": "device-old.list.j2", "path": "device-path.sources.j2",
                    "embedded": "device-embedded.sources.j2"}


#: How a source of the form "embedded" goes on before its key, which ends it.
BEFORE_KEY = "\nSigned-By:\n"


@dataclass(frozen=True)
class Placement:
    """Where a device wants its three files: the source, the pins, the key ("" when embedded)."""

    source: str
    pins: str
    key: str


def release_of(codename: str) -> DeviceRelease | None:
    """Return the Debian release that a repository's code name means, None when it means none.

    "bullseye-boards" counts as bullseye, as "bullseye-backports" does.
    """
    return DEVICE_RELEASES.get(codename.partition("-")[0])


def device_release(name: str) -> DeviceRelease:
    """Return a release by code name or number; UsageError offers the nearest names."""
    for release in DEVICE_RELEASES.values():
        if name in (release.name, str(release.number)):
            return release
    near = difflib.get_close_matches(name, DEVICE_RELEASES, n=2, cutoff=0.4)
    guess = f"Did you mean {' or '.join(near)}? " if near else ""
    raise UsageError(f"no device set-up is known for the release {name!r}",
                     resolution=f"{guess}Known: {', '.join(DEVICE_RELEASES)}.")


def placement(settings: RepositorySettings, form: str) -> Placement:
    """Return the paths of a device's files, below its root directory.

    The key file of the newer forms is the one the keyring package carries, so that an
    upgrade of that package is all a rotated key needs.
    """
    name = settings.name
    key = {"list": f"etc/apt/trusted.gpg.d/{name}.gpg",
           "path": f"usr/share/keyrings/{settings.keyring_package}.gpg", "embedded": ""}[form]
    ending = "list" if form == "list" else "sources"
    return Placement(f"etc/apt/sources.list.d/{name}.{ending}", f"etc/apt/preferences.d/{name}.pref", key)


def device_values(settings: RepositorySettings, keys: Sequence[PublicKey], components: Sequence[str], *,
                  no_clock: bool = False, sources: bool = False) -> dict[str, object]:
    """Return what the device files' templates need.

    ``embedded_key`` is the armored keys as the further lines of a deb822 field; ``no_clock``
    is for boards that start in 1970; ``sources`` also points at the source packages.
    """
    armored = armor(b"".join(key.content for key in keys))
    embedded = "\n".join(f" {line}" if line.strip() else " ." for line in armored.strip().splitlines())
    return {
        "name": settings.name, "origin": settings.origin, "label": settings.label,
        "codename": settings.codename, "component": " ".join(sorted(components)),
        "url": settings.url.rstrip("/"), "keyring_package": settings.keyring_package,
        "fingerprint": keys[0].fingerprint, "fingerprints": [key.fingerprint for key in keys],
        "embedded_key": embedded, "no_clock": no_clock, "types": "deb deb-src" if sources else "deb",
    }
