# SPDX-License-Identifier: GPL-3.0-or-later
"""As much of OpenPGP as an archive must know: armor, packets, what a public key is made of.

Sources: RFC 4880 sections 4.2 (packet headers), 5.2 (signatures), 6 (armor), 9 (algorithms),
12.2 (fingerprints).  Nothing here verifies a signature: gpgv and sqv do.
"""
from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from debxcross.errors import PublishError

_PUBLIC_KEY, _SIGNATURE, _USER_ID = 6, 2, 13
#: Certifications of a user id, generic to positive (section 5.2.1).
_CERTIFICATIONS = (0x10, 0x11, 0x12, 0x13)
#: Section 9.4: MD5, SHA-1, RIPE-MD/160; sqv of Debian 13 takes none of them.
_WEAK_DIGESTS = {1: "MD5", 2: "SHA-1", 3: "RIPEMD-160"}
_LINE = 64
#: The subpacket that says when a signature was made (section 5.2.3.4).
_CREATED = 2


@dataclass(frozen=True)
class PublicKey:
    """A primary key in a keyring: its fingerprint, and the binary packets that belong to it.

    ``weak`` names the digests of its self-signatures that today's verifiers refuse;
    ``changed`` is when the newest signature on any of its parts was made, in seconds since
    the epoch: whatever is done to a key (a longer life, a subkey) is such a signature.
    """

    fingerprint: str
    content: bytes
    weak: tuple[str, ...]
    changed: int = 0


def armor(content: bytes, kind: str = "PUBLIC KEY BLOCK") -> str:
    """Return binary packets as ASCII armor, with the check sum that older readers want."""
    text = base64.b64encode(content).decode()
    lines = [text[start:start + _LINE] for start in range(0, len(text), _LINE)]
    return "\n".join((f"-----BEGIN PGP {kind}-----", "", *lines, check_sum(content),
                      f"-----END PGP {kind}-----", ""))


def check_sum(content: bytes) -> str:
    """Return the line that ends the armor of binary packets: "=" and 24 bits in base64."""
    return f"={base64.b64encode(_crc24(content).to_bytes(3, 'big')).decode()}"


def _crc24(content: bytes) -> int:
    value = 0xB704CE
    for byte in content:
        value ^= byte << 16
        for _ in range(8):
            value <<= 1
            if value & 0x1000000:
                value ^= 0x1864CFB
    return value & 0xFFFFFF


def dearmor(content: bytes) -> bytes:
    """Return the binary packets of an armored block; binary content is returned as it is."""
    if not content.lstrip().startswith(b"-----BEGIN PGP "):
        return content
    body, after_headers = [], False
    for line in content.decode("ascii", "replace").strip().splitlines()[1:]:
        if line.startswith("-----END") or after_headers and line.startswith("="):
            break
        if after_headers:
            body.append(line.strip())
        after_headers = after_headers or not line.strip()
    try:
        return base64.b64decode("".join(body), validate=True)
    except ValueError as error:  # binascii.Error is one; so is what is no ASCII
        raise _unreadable(str(error)) from error


def _unreadable(details: str) -> PublishError:
    return PublishError("this is no OpenPGP key", details,
                        "Export it with: gpg --export FINGERPRINT > FILE")


def packets(content: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield (tag, body, whole packet); PublishError for what is no row of packets."""
    position = 0
    while position < len(content):
        start, first = position, content[position]
        position += 1
        try:
            if not first & 0x80:
                raise _unreadable(f"byte {start} starts no packet")
            if first & 0x40:
                tag, length, position = first & 0x3F, *_new_length(content, position)
            else:
                tag, octets = first >> 2 & 0x0F, (1, 2, 4, 0)[first & 3]
                length = int.from_bytes(content[position:position + octets], "big") if octets \
                    else len(content) - position
                position += octets
        except IndexError:
            raise _unreadable("it is cut short") from None
        if position + length > len(content):
            raise _unreadable("it is cut short")
        yield tag, content[position:position + length], content[start:position + length]
        position += length


def _new_length(content: bytes, position: int) -> tuple[int, int]:
    first = content[position]
    if first < 192:
        return first, position + 1
    if first < 224:
        return (first - 192 << 8) + content[position + 1] + 192, position + 2
    if first == 255:
        return int.from_bytes(content[position + 1:position + 5], "big"), position + 5
    raise _unreadable("it has a packet of unknown length")


def public_keys(content: bytes) -> tuple[PublicKey, ...]:
    """Return the primary keys of a binary keyring in its order.

    Raises PublishError for what is none.  Only keys of version 4 are known, which is all that gpgv
    of Debian 8 to 12 reads.
    """
    found: list[tuple[bytes, list[bytes], list[str], list[int]]] = []
    user = False
    for tag, body, whole in packets(content):
        if tag == _PUBLIC_KEY:
            if body[:1] != b"\x04":
                raise _unreadable(f"its version is {body[:1].hex() or 'missing'}, not 04")
            if len(body) > 0xFFFF:
                raise _unreadable("it is longer than a key can be")
            found.append((body, [], [], [0]))
        elif not found:
            raise _unreadable(f"it starts with a packet of kind {tag}")
        user = tag == _USER_ID or user and tag == _SIGNATURE
        found[-1][1].append(whole)
        if user and tag == _SIGNATURE and len(body) < 4:
            raise _unreadable("it has a signature that is cut short")
        if tag == _SIGNATURE:
            found[-1][3].append(signed_at(body))
        if user and tag == _SIGNATURE and body[:1] == b"\x04" and body[1] in _CERTIFICATIONS:
            if body[3] in _WEAK_DIGESTS:
                found[-1][2].append(_WEAK_DIGESTS[body[3]])
    return tuple(PublicKey(fingerprint(body), b"".join(parts), tuple(sorted(set(weak))), max(times))
                 for body, parts, weak, times in found)


def signed_at(body: bytes) -> int:
    """Return when a signature packet says it was made, in seconds since the epoch; 0 if nowhere.

    Only what the signature covers is believed (section 5.2.3: the hashed subpackets).
    """
    if body[:1] != b"\x04":
        return 0
    position, end = 6, min(6 + int.from_bytes(body[4:6], "big"), len(body))
    # Six bytes are the shortest subpacket of this kind.
    while position + 6 <= end:
        length, position = _subpacket_length(body, position)
        if length == 5 and body[position] & 0x7F == _CREATED:
            return int.from_bytes(body[position + 1:position + 5], "big")
        position += max(1, length)
    return 0


def _subpacket_length(body: bytes, position: int) -> tuple[int, int]:
    """Read a subpacket's length (section 5.2.3.1), which differs from a packet's from 224 on."""
    first = body[position]
    if 224 <= first < 255:
        return (first - 192 << 8) + body[position + 1] + 192, position + 2
    return _new_length(body, position)


def fingerprint(body: bytes) -> str:
    """Return the fingerprint of a version 4 public key packet's body (section 12.2)."""
    material = b"\x99" + len(body).to_bytes(2, "big") + body
    return hashlib.sha1(material, usedforsecurity=False).hexdigest().upper()
