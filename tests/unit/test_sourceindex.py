# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from debxcross.errors import PublishError
from debxcross.repository.core import sources
from debxcross.repository.core.sources import SourceFile

DSC = (
    "Format: 3.0 (quilt)\nSource: zlib\nBinary: zlib1g, zlib1g-dev\nArchitecture: any\nVersion: 1:1.2-1\n"
    "Maintainer: A B <a@b.invalid>\nPackage-List:\n zlib1g deb libs optional arch=any\n"
    "Checksums-Sha1:\n " + "1" * 40 + " 5 zlib_1.2.orig.tar.gz\n"
    "Checksums-Sha256:\n " + "2" * 64 + " 5 zlib_1.2.orig.tar.gz\n"
    "Files:\n " + "3" * 32 + " 5 zlib_1.2.orig.tar.gz\n")
FILE = SourceFile("zlib_1.2-1.dsc", 7, "4" * 32, "5" * 64)


def test_a_dsc_becomes_a_stanza_that_reads_back() -> None:
    entry = sources.source_entry(DSC, FILE, "main")
    assert (entry.identity, entry.directory, entry.component) == (
        ("zlib", "1:1.2-1"), "pool/main/z/zlib", "main")
    assert [file.name for file in entry.files] == ["zlib_1.2-1.dsc", "zlib_1.2.orig.tar.gz"]
    assert entry.text.startswith("Package: zlib\nFormat: 3.0 (quilt)\n") and "Sha1" not in entry.text
    assert f"\n {'5' * 64} 7 zlib_1.2-1.dsc\n" in entry.text
    text = sources.sources_text([entry])
    assert sources.parse_sources(text) == (entry,)
    assert sources.parse_sources("") == ()


def test_a_signature_is_taken_off() -> None:
    signed = (f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n{DSC}"
              "-----BEGIN PGP SIGNATURE-----\n\nabc\n-----END PGP SIGNATURE-----\n")
    made, wanted = (sources.source_entry(text, FILE, "main") for text in (signed, DSC))
    assert made.text == wanted.text


@pytest.mark.parametrize(("old", "new"), [
    ("Source: zlib", "Source: ../zlib"), ("Version: 1:1.2-1", "Version: 1/2"),
    (" 5 zlib_1.2.orig.tar.gz\nFiles", " 5 ../zlib\nFiles"), ("2" * 64, "2" * 63), ("3" * 32, "x" * 32),
    (" 5 zlib_1.2.orig.tar.gz\nFiles", " 5 other.tar.gz\nFiles"), ("A B", "A \x07 B"),
    ("Source: zlib\n", ""), ("Version: 1:1.2-1\n", "Version: 1:1.2-1\n\nSource: more\n"),
])
def test_a_hostile_dsc_is_refused(old: str, new: str) -> None:
    assert old in DSC
    with pytest.raises(PublishError) as raised:
        sources.source_entry(DSC.replace(old, new), FILE, "main")
    assert raised.value.resolution


def test_sources_join_or_replace() -> None:
    older = sources.source_entry(DSC, FILE, "main")
    newer = sources.source_entry(DSC.replace("1:1.2-1", "1:1.2-2"), FILE, "main")
    assert sources.merge_sources([older], [newer], replace=False) == (older, newer)
    assert sources.merge_sources([older], [newer], replace=True) == (newer,)
    assert sources.merge_sources([older], [], replace=True) == (older,)
    other = sources.source_entry(DSC, SourceFile(FILE.name, 8, "6" * 32, "7" * 64), "main")
    with pytest.raises(PublishError, match="two source packages"):
        sources.merge_sources([], [older, other], replace=False)
