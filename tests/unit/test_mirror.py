# SPDX-License-Identifier: GPL-3.0-or-later
"""What a mirror's Release files say, and the words for its state."""
from __future__ import annotations

import pytest

from debxcross.core.archive.mirror import (
    ReleaseFile, age, check_names, date, older_state, read_release, stale,
)
from debxcross.core.archive.world import Archive, SuiteUse
from debxcross.errors import VerificationError

TEXT = """\
-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA512

Origin: Debian
Codename: trixie-security
Date: Wed, 25 Nov 2026 10:00:00 UTC
Valid-Until: Wed, 02 Dec 2026 10:00:00 UTC
Architectures: all amd64 armhf
Components: updates/main updates/non-free-firmware
SHA256:
 0000 12 main/binary-amd64/Packages
"""
MAIN = Archive("main", ("http://mirror.example/debian",), (), names=(("trixie", "stable"),))
STALE = Archive("main", ("http://mirror.example/debian",), (), expired=True)
DAY = 86400.0


def release(codename: str = "", until: float | None = None) -> ReleaseFile:
    return ReleaseFile(codename, (), (), until, "")


def test_the_fields_of_a_release_file() -> None:
    found = read_release(TEXT, "ab")
    assert found == ReleaseFile("trixie-security", ("all", "amd64", "armhf"),
                                ("main", "non-free-firmware"), 1796205600.0, "ab")


@pytest.mark.parametrize("text", ["", "Valid-Until: soon\n", "Valid-Until:\n", "Suite: x\n"])
def test_what_is_not_there_is_empty(text: str) -> None:
    assert read_release(text, "") == release()


def test_a_suite_in_another_directory_must_be_that_suite() -> None:
    uses = (SuiteUse("trixie", MAIN, ()), SuiteUse("bookworm", MAIN, ()))
    check_names(uses, {"trixie": release("trixie"), "bookworm": release("whatever")})
    check_names(uses, {})
    with pytest.raises(VerificationError) as raised:
        check_names(uses, {"trixie": release("forky")})
    assert raised.value.details == "dists/stable has the Codename forky, not trixie"


def test_what_is_past_its_date_is_named_where_that_is_allowed() -> None:
    releases = {"sid": release("sid", 1000 * DAY)}
    assert stale((SuiteUse("sid", STALE, ()),), releases, 999 * DAY) == ""
    assert stale((SuiteUse("sid", MAIN, ()),), releases, 1003 * DAY) == ""
    assert stale((SuiteUse("forky", STALE, ()),), releases, 1003 * DAY) == ""
    said = stale((SuiteUse("sid", STALE, ()),), releases, 1003 * DAY)
    assert said.startswith("the mirror is stale: sid by 3 days (its Valid-Until is 1972-09-27 00:00 UTC)")
    snapshot = Archive("main", ("http://mirror.example/archive/debian/20250520T000000Z/",), (), expired=True)
    assert stale((SuiteUse("sid", snapshot, ()),), releases, 1003 * DAY) == ""


@pytest.mark.parametrize("seconds,words", [
    (-5, "0 seconds"), (0, "0 seconds"), (119, "119 seconds"), (120, "2 minutes"), (7199, "119 minutes"),
    (7200, "2 hours"), (47 * 3600, "47 hours"), (48 * 3600, "2 days"), (400 * DAY, "400 days")])
def test_ages(seconds: float, words: str) -> None:
    assert age(seconds) == words


def test_an_older_state_is_told_with_its_age_and_the_cause() -> None:
    assert date(0) == "1970-01-01 00:00 UTC"
    assert older_state(0, 7200, "nobody answers") == (
        "indexes of 2 hours ago (1970-01-01 00:00 UTC) are used, the last that were fetched whole: nobody "
        "answers. --refresh insists on new ones")
