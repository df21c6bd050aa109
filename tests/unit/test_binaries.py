# SPDX-License-Identifier: GPL-3.0-or-later
"""binNMUs and versions of binaries that are not their source's."""
from __future__ import annotations

import pytest

from debxcross.core.archive.binaries import (
    ArchiveBinary, binary_versions, is_rebuild, kept_by_devices, rebuild_suffix, without_rebuild,
)


def bzip2(here: str, there: str, same: bool = True) -> tuple[ArchiveBinary, ...]:
    """Return what bookworm has of bzip2 1.0.8-5, with the given binNMU numbers."""
    return (ArchiveBinary("libbz2-1.0", "amd64", f"1.0.8-5{here}", same),
            ArchiveBinary("bzip2", "amd64", f"1.0.8-5{here}", False),
            ArchiveBinary("libbz2-1.0", "armhf", f"1.0.8-5{there}", same),
            ArchiveBinary("bzip2", "armhf", f"1.0.8-5{there}", False))


@pytest.mark.parametrize(("here", "there", "same", "suffix"), [
    ("+b1", "+b1", True, "+b1"), ("", "", True, ""), ("+b10", "+b9", True, "+b10"),
    ("+b1", "+b2", True, "+b1"),   # dpkg wants the build architecture's version in the build root
    ("", "+b2", True, ""), ("+b1", "+b2", False, "+b2"),  # nothing pulls them together: the device counts
])
def test_which_binnmu_ours_is(here: str, there: str, same: bool, suffix: str) -> None:
    assert rebuild_suffix(bzip2(here, there, same), "amd64", "armhf") == suffix


def test_what_is_not_in_the_archive_is_no_binnmu() -> None:
    assert rebuild_suffix((), "amd64", "armhf") == ""
    assert not is_rebuild("+debxcross1") and not is_rebuild("") and is_rebuild("+b12")
    assert without_rebuild("1:1.1.2-0+deb12u1+b3") == "1:1.1.2-0+deb12u1"


def test_versions_of_binaries() -> None:
    """libbpf 1.1.2-0+deb12u1 gives its packages an epoch."""
    known = (ArchiveBinary("libbpf-dev", "amd64", "1:1.1.2-0+deb12u1", True),)
    assert binary_versions(known, ("libbpf-dev", "new"), "1.1.2-0+deb12u1", "") == {
        "libbpf-dev": "1:1.1.2-0+deb12u1", "new": "1.1.2-0+deb12u1"}
    assert binary_versions(bzip2("+b1", "+b1"), ("bzip2",), "1.0.8-5", "+b1") == {"bzip2": "1.0.8-5+b1"}
    assert binary_versions(bzip2("+b1", "+b1"), ("bzip2",), "1.0.8-5", "+debxcross1") == {
        "bzip2": "1.0.8-5+debxcross1"}


def test_what_a_device_keeps() -> None:
    versions = {"libbz2-1.0": "1.0.8-5+b1", "bzip2": "1.0.8-5+b1"}
    assert kept_by_devices(bzip2("+b1", "+b1"), versions, "armhf") == ()
    assert kept_by_devices(bzip2("+b1", "+b2"), versions, "armhf") == (
        "bzip2 1.0.8-5+b2", "libbz2-1.0 1.0.8-5+b2")
