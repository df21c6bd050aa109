# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from debxcross.core import openpgp
from debxcross.errors import PublishError


def packet(tag: int, body: bytes) -> bytes:
    """Return a packet with an old header and a length of two octets (RFC 4880, 4.2.1)."""
    return bytes([0x81 | tag << 2]) + len(body).to_bytes(2, "big") + body


KEY = packet(6, b"\x04\0\0\0\1\1\0\x08\xff")
USER = packet(13, b"a user")


def certification(digest: int, kind: int = 0x13) -> bytes:
    return packet(2, bytes([4, kind, 1, digest]) + b"rest")


def test_armor_reads_back_and_has_the_known_check_sum() -> None:
    # gpg --enarmor of the same bytes ends with =hxYT... the CRC-24 of "123456789" is 21CF02.
    assert "=Ic8C" in openpgp.armor(b"123456789")
    for content in (b"", b"x", bytes(range(256)) * 3):
        text = openpgp.armor(content)
        assert openpgp.dearmor(text.encode()) == content
        assert max(map(len, text.splitlines())) <= 64
    assert openpgp.dearmor(KEY) == KEY


@pytest.mark.parametrize("text", [b"-----BEGIN PGP X-----\n\n*\n-----END", b"-----BEGIN PGP X-----\n\nAA\n"])
def test_broken_armor_is_refused(text: bytes) -> None:
    with pytest.raises(PublishError):
        openpgp.dearmor(text)


def test_keys_are_told_apart_with_their_packets() -> None:
    other = packet(6, b"\x04\0\0\0\2\1\0\x08\xfe")
    first, second = openpgp.public_keys(KEY + USER + certification(10) + other)
    assert first.content == KEY + USER + certification(10) and second.content == other
    assert first.fingerprint != second.fingerprint and len(first.fingerprint) == 40
    assert first.fingerprint.upper() == first.fingerprint


@pytest.mark.parametrize(("digest", "weak"), [
    (1, ("MD5",)), (2, ("SHA-1",)), (3, ("RIPEMD-160",)), (8, ()), (10, ())])
def test_weak_self_signatures_are_named(digest: int, weak: tuple[str, ...]) -> None:
    key, = openpgp.public_keys(KEY + USER + certification(digest))
    assert key.weak == weak
    # A signature of another kind, or that belongs to no user id, says nothing about it.
    assert openpgp.public_keys(KEY + USER + certification(digest, 0x18))[0].weak == ()
    assert openpgp.public_keys(KEY + certification(digest, 0x1f))[0].weak == ()


@pytest.mark.parametrize("content", [
    b"no packets", KEY[:-1], KEY[:2], USER, packet(6, b"\x03old"), packet(6, b""), b"\xc6", b"\xc6\xe1rest"])
def test_what_is_no_key_is_refused(content: bytes) -> None:
    with pytest.raises(PublishError):
        openpgp.public_keys(content)


def test_new_headers_are_read() -> None:
    body = b"\x04" + b"k" * 300
    long = b"\xc6" + bytes([192 + (301 - 192 >> 8), 301 - 192 & 255]) + body
    longer = b"\xc6\xff" + (301).to_bytes(4, "big") + body
    for content in (long, longer):
        assert [(tag, found) for tag, found, _ in openpgp.packets(content)] == [(6, body)]
    assert list(openpgp.packets(b"\xcd\x03abc")) == [(13, b"abc", b"\xcd\x03abc")]


def test_the_newest_signature_is_dated() -> None:
    def signed(seconds: int, before: bytes = b"", *, kind: int = 0x18) -> bytes:
        hashed = before + b"\5\2" + seconds.to_bytes(4, "big")
        return packet(2, bytes([4, kind, 1, 8]) + len(hashed).to_bytes(2, "big") + hashed + b"\0\0rest")

    long = b"\xc0\x00\x65" + bytes(191)  # A subpacket of 192 bytes, whose length takes two (section 5.2.3.1).
    for parts, changed in (
            ((signed(7, kind=0x13),), 7), ((signed(7), signed(9)), 9), ((signed(9), signed(7)), 9),
            ((signed(5, long),), 5), ((signed(5, b"\xff\0\0\0\2\x65\0"),), 5), ((), 0)):
        key, = openpgp.public_keys(KEY + USER + b"".join(parts))
        assert key.changed == changed
    # What is cut short, or covered by no signature, tells nothing.
    for body in (b"\4\x18\1\x08\0\6\5\2\0\0", b"\4\x18\1\x08\0\0\0\6\5\2\0\0\0\1", b"\3\5\x18\0\0\0\1",
                 b"\4"):
        assert openpgp.signed_at(body) == 0
