# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace

import pytest
from debian.debian_support import NativeVersion

from debxcross.core.signing import SigningKey, Subkey, expiry_warnings, key_fault, keyring_version

DAY = 86400
KEY = SigningKey("AB" * 20, 1, 4096, 1_795_149_485, 1_795_149_485 + 1825 * DAY, "u", "a key", True)


@pytest.mark.parametrize(("change", "words"), [
    ({"secret": False}, "secret part"), ({"validity": "e"}, "has expired"), ({"validity": "r"}, "revoked"),
    ({"algorithm": 17}, "too weak"), ({"bits": 2048}, "too weak"), ({"bits": 3071}, "too weak"),
    ({"weak": ("SHA-1",)}, "self-signature with SHA-1"),
])
def test_a_key_that_devices_refuse_is_refused(change: dict[str, object], words: str) -> None:
    fault = key_fault(replace(KEY, **change), "/home")
    assert fault and words in fault[0] and fault[1]


@pytest.mark.parametrize("change", [{}, {"bits": 3072}, {"algorithm": 22, "bits": 255}])
def test_a_good_key(change: dict[str, object]) -> None:
    assert key_fault(replace(KEY, **change), "/home") is None


@pytest.mark.parametrize(("days", "words"), [
    (89, "expires in 89 days"), (29, "soon: "), (6.5, "NOW: "), (0.5, "expires in 1 days"),
    (-1, "has expired")])
def test_expiry_is_told_in_time(days: float, words: str) -> None:
    warning, = expiry_warnings([KEY], KEY.expires - days * DAY)
    assert words in warning and KEY.fingerprint in warning and "repo key add" in warning


def test_no_warning_without_need() -> None:
    assert expiry_warnings([KEY], KEY.expires - 91 * DAY) == ()
    assert expiry_warnings([replace(KEY, retired=True), replace(KEY, expires=0)], KEY.expires) == ()


def test_the_keyring_version_never_goes_back() -> None:
    younger = replace(KEY, fingerprint="CD" * 20, created=KEY.created + 1, expires=KEY.expires + 1)
    brought = replace(KEY, fingerprint="EF" * 20, created=KEY.created - 9, expires=1)
    steps = [
        [KEY], [replace(KEY, expires=KEY.expires + 1)], [replace(KEY, expires=0)],
        [brought, replace(KEY, expires=0)], [replace(brought, retired=True), replace(KEY, expires=0)],
        [brought, KEY, younger], [brought, replace(KEY, retired=True), younger],
        [replace(brought, retired=True), replace(KEY, retired=True), younger],
    ]
    versions = [keyring_version(keys) for keys in steps]
    assert versions == sorted(set(versions), key=NativeVersion)


SUBKEY = Subkey("CD" * 20, 22, 255, KEY.created, KEY.created + 100 * DAY, "u")


def test_a_subkey_that_signs_expires_too() -> None:
    key = replace(KEY, expires=0, subkey=SUBKEY)
    assert key.until == SUBKEY.expires and replace(key, expires=KEY.created + DAY).until == KEY.created + DAY
    warning, = expiry_warnings([key], SUBKEY.expires - 20 * DAY)
    assert SUBKEY.fingerprint in warning and KEY.fingerprint in warning and "soon" in warning
    assert expiry_warnings([replace(key, subkey=replace(SUBKEY, expires=0))], KEY.expires) == ()


@pytest.mark.parametrize(("change", "words"), [
    ({"validity": "e"}, "subkey " + "CD" * 20), ({"algorithm": 17}, "too weak"),
    ({"algorithm": 1, "bits": 2048}, "too weak")])
def test_a_subkey_that_devices_refuse_is_refused(change: dict[str, object], words: str) -> None:
    fault = key_fault(replace(KEY, subkey=replace(SUBKEY, **change)), "/home")
    assert fault and words in fault[0]


def test_a_changed_key_raises_the_keyring_version() -> None:
    """A subkey's life, a new subkey: the primary key's own fields stay as they are."""
    versions = [keyring_version([replace(KEY, changed=changed)])
                for changed in (0, KEY.created, KEY.created + 1, KEY.created + DAY)]
    assert versions[0] == versions[1]
    assert versions[1:] == sorted(set(versions), key=NativeVersion)
