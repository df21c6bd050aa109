# SPDX-License-Identifier: GPL-3.0-or-later
"""What debian/control lets one know of packages that are not built yet."""
from __future__ import annotations

import pytest
from debian.deb822 import Deb822
from debian.debian_support import DpkgArchTable

from debxcross.core.archive.predict import (
    dummy_name, dummy_stanza, needed_elsewhere, predicted_stanzas, stanza_text,
)
from debxcross.core.archive.source import from_fields

# Of python2.7's debian/control, abbreviated; the kinds of relations are all there.
CONTROL = """\
Source: python2.7
Section: python
Build-Depends: debhelper

Package: python2.7
Architecture: any
Multi-Arch: allowed
Priority: optional
Depends: libpython2.7-stdlib (= ${binary:Version}), mime-support,
# a comment of debian/control
 ${shlibs:Depends}, ${misc:Depends}
Suggests: python2.7-doc, binutils
Conflicts: python-profiler (<= 2.7.1-2)
Description: Interactive high-level object-oriented language (version 2.7)
 Words.

Package: libpython2.7-stdlib
Architecture: any
Multi-Arch: same
Pre-Depends: ${misc:Pre-Depends}
Depends: libpython2.7-minimal (= ${binary:Version}), libssl1.1 (>= 1.1.1), mime-support | media-types,
 libgpm2 [linux-any], libfoo [amd64 i386], libtest <!nocheck>, libcross <cross>,
 libnative [!armel] | libother
Provides: ${python:Provides}, python-stdlib-all (= ${source:Version})
Breaks: python (<< 2.7)

Package: python2.7-doc
Architecture: all
Depends: libjs-sphinxdoc
"""
VERSION = "2.7.18-8+deb11u1"


@pytest.fixture()
def stanzas(table: DpkgArchTable) -> dict[str, Deb822]:
    text = predicted_stanzas(CONTROL, VERSION, dict.fromkeys(("libpython2.7-stdlib", "python2.7"), VERSION),
                             "armel", ("cross", "nocheck"), table)
    return {one["Package"]: one for one in Deb822.iter_paragraphs(text.splitlines(), use_apt_pkg=False)}


def test_only_the_wanted_packages(stanzas: dict[str, Deb822]) -> None:
    assert sorted(stanzas) == ["libpython2.7-stdlib", "python2.7"]


def test_hand_written_relations_stay_and_unknown_ones_go(stanzas: dict[str, Deb822]) -> None:
    assert stanzas["libpython2.7-stdlib"]["Depends"] == (
        f"libpython2.7-minimal (= {VERSION}), libssl1.1 (>= 1.1.1), mime-support | media-types, libgpm2, "
        "libcross, libother")
    assert stanzas["python2.7"]["Depends"] == f"libpython2.7-stdlib (= {VERSION}), mime-support"
    assert stanzas["python2.7"]["Conflicts"] == "python-profiler (<= 2.7.1-2)"
    assert stanzas["libpython2.7-stdlib"]["Provides"] == f"python-stdlib-all (= {VERSION})"
    assert stanzas["libpython2.7-stdlib"]["Breaks"] == "python (<< 2.7)"
    assert "Pre-Depends" not in stanzas["libpython2.7-stdlib"] and "Suggests" not in stanzas["python2.7"]


def test_binaries_have_versions_of_their_own(table: DpkgArchTable) -> None:
    text = predicted_stanzas(CONTROL, VERSION, {"python2.7": "2:9+b1", "libpython2.7-stdlib": "9+b1"},
                             "armel", (), table)
    assert "Depends: libpython2.7-stdlib (= 2:9+b1), mime-support\n" in text
    assert f"Provides: python-stdlib-all (= {VERSION})\n" in text, "the source has its own version still"


def test_nothing_is_left_that_a_packages_file_must_not_have(stanzas: dict[str, Deb822]) -> None:
    for stanza in stanzas.values():
        assert not any(mark in value for value in stanza.values() for mark in ("${", "[", "<!", "<cross"))
        assert {"Filename", "Size", "SHA256"} <= set(stanza.keys())


def test_identity_and_multi_arch(stanzas: dict[str, Deb822]) -> None:
    stdlib = stanzas["libpython2.7-stdlib"]
    assert (stdlib["Architecture"], stdlib["Version"], stdlib["Multi-Arch"]) == ("armel", VERSION, "same")


def test_stanzas_are_parted_by_empty_lines_and_empty_fields_left_out() -> None:
    text = stanza_text({"Package": "x", "Depends": ""}, "x.deb", 7, "ab")
    assert text == "Package: x\nFilename: x.deb\nSize: 7\nSHA256: ab\n"


def test_a_package_stands_for_what_a_build_needs(table: DpkgArchTable) -> None:
    one = from_fields({
        "Package": "tiny", "Version": "1", "Checksums-Sha256": f"{64 * 'a'} 1 tiny_1.dsc",
        "Build-Depends": "debhelper-compat (= 13), libfoo-dev (>= 2) [armel] | libbar-dev, python3:any, "
                         "perl:native, check <!nocheck>, libx-dev [amd64]",
        "Build-Depends-Arch": "libarch-dev", "Build-Conflicts": "libold-dev"}, "sid")
    fields = Deb822(dummy_stanza(one, "amd64", "armel", ("cross", "nocheck"), ("gawk",), table))
    assert fields["Package"] == dummy_name("tiny") and fields["Architecture"] == "armel"
    assert fields["Depends"] == ("debhelper-compat (= 13), libfoo-dev (>= 2) | libbar-dev, python3:any, "
                                 "perl:amd64, libarch-dev, gawk:amd64")
    assert fields["Conflicts"] == "libold-dev"


def test_what_packages_need_of_others() -> None:
    controls = [{"Package": "libz1", "Depends": "libc6 (>= 2.36)"},
                {"Package": "libz-dev", "Provides": "libz-headers (= 1)", "Pre-Depends": "dpkg (>= 1.15)",
                 "Depends": "libz1 (= 1),\n libc6-dev | libc-dev, gone | libz1"},
                {"Package": "prog", "Depends": "libz-headers, libc6 (>= 2.36)"}, {"Package": "empty"}]
    assert needed_elsewhere(controls) == ("dpkg (>= 1.15)", "libc6 (>= 2.36)", "libc6-dev | libc-dev")
    assert needed_elsewhere([]) == ()
