# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads out of .debs what two builds are compared by; what was read once is remembered."""
from __future__ import annotations

import hashlib
import re
import tempfile
import zlib
from pathlib import Path
from typing import IO

from debxcross.core.build.facts import SCHEMA, CodeFacts, FileFacts, PackageFacts, facts_from
from debxcross.core.key import digest
from debxcross.doors import deb
from debxcross.doors.deb import Member
from debxcross.doors.elfdetails import read_code
from debxcross.doors.files import file_digest
from debxcross.doors.store import Store

_MEMO = "deb-facts"
_DIGITS = 32
#: Files above this, in bytes, are kept on disk while they are looked at.
_IN_MEMORY = 16 << 20
#: The essence of larger texts, in bytes, is not looked for.
_LARGEST_TEXT = 16 << 20
#: Comments and the title line, with a date and the generator's name, of manual pages (groff_man(7), mdoc(7)).
_MANUAL_NOISE = re.compile(rb"""^(['.]\\".*|\.(TH|Dd)\b.*)\n""", re.MULTILINE)


def remembered_facts(store: Store, sha256: str) -> PackageFacts | None:
    """Return what was read of a .deb before; None when it was not."""
    value = store.memo(_MEMO, _key(sha256))
    return facts_from(value) if value is not None else None


def read_deb(store: Store, path: Path) -> PackageFacts:
    """Return what a .deb is made of.  Raises GateError when it is damaged."""
    sha256, _ = file_digest(path)
    facts = remembered_facts(store, sha256)
    if facts is None:
        facts = _read(path, sha256)
        store.remember(_MEMO, _key(sha256), facts)
    return facts


def _key(sha256: str) -> str:
    return digest({"deb": sha256, "schema": SCHEMA})


def _read(path: Path, sha256: str) -> PackageFacts:
    control = deb.read_facts(path)
    files: list[FileFacts] = []
    code: list[CodeFacts] = []
    for member in deb.members(path):
        content, essence, size = "", "", member.size
        if member.type == "file":
            with tempfile.SpooledTemporaryFile(_IN_MEMORY) as file:
                member.save(file)
                content, essence, size = _digests(file, member)
                if (found := read_code(file, member.path)) is not None:
                    code.append(found)
        files.append(FileFacts(member.path, member.type, member.mode, member.owner, member.link_target,
                               content, essence, size))
    return PackageFacts(sha256, control.control, deb.packed_at(path), control.texts, tuple(files), tuple(code))


def _digests(file: IO[bytes], member: Member) -> tuple[str, str, int]:
    """Return the digest of a file's bytes, that of what counts in them ("" for the same), and its size."""
    file.seek(0)
    whole = hashlib.sha256()
    while block := file.read(1 << 20):
        whole.update(block)
    manual = member.path.startswith("usr/share/man/")
    if member.size > _LARGEST_TEXT or not (manual or member.path.endswith(".gz")):
        return whole.hexdigest()[:_DIGITS], "", member.size
    file.seek(0)
    text = file.read()
    if member.path.endswith(".gz"):
        try:
            text = zlib.decompressobj(31).decompress(text, _LARGEST_TEXT)
        except zlib.error:
            return whole.hexdigest()[:_DIGITS], "", member.size
    if manual:
        text = _MANUAL_NOISE.sub(b"", text)
    return whole.hexdigest()[:_DIGITS], hashlib.sha256(text).hexdigest()[:_DIGITS], len(text)
