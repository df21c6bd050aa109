# SPDX-License-Identifier: GPL-3.0-or-later
"""What a mirror's Release files say, and the words for its state."""
from __future__ import annotations

import pytest

from debxcross.core.archive.mirror import (
    ReleaseFile, age, check_added, check_names, date, older_state, read_release, stale,
)
from debxcross.core.archive.world import Archive, SuiteUse, World
from debxcross.errors import UnsupportedError, VerificationError

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
                                ("main", "non-free-firmware"), 1796205600.0, "ab",
                                "o=Debian,n=trixie-security")


@pytest.mark.parametrize("text", ["", "Valid-Until: soon\n", "Valid-Until:\n", "Suites: x\n"])
def test_what_is_not_there_is_empty(text: str) -> None:
    assert read_release(text, "") == release()


def test_a_field_with_a_comma_cannot_be_named_in_preferences() -> None:
    found = read_release("Origin: One, Two\nLabel: L\nCodename: c\nSuite: s\n", "")
    assert found.pin == "l=L,n=c,a=s"


VENDOR = Archive("vendor", ("http://vendor.example/debian",), (), names=(("vendor", "stable"),))
WORLD = World("amd64", "armel", (
    SuiteUse("bookworm", Archive("main", ("http://mirror.example/debian",), ()), ("amd64", "armel")),
    SuiteUse("vendor", VENDOR, ("amd64", "armel"), priority=400, components=("main", "extra"), pinned="")))


def test_an_added_archive_counts_by_its_own_names() -> None:
    assert WORLD.pins() == ""  # not read yet
    told = WORLD.with_carried({"bookworm": ("amd64", "armel"), "vendor": ("armel",)}).with_pins(
        {"bookworm": "n=bookworm", "vendor": "o=Vendor,n=stable"})
    assert told.pins() == "".join(
        f"{gap}Package: *\nPin: release o=Vendor,n=stable,c={component}\nPin-Priority: 400\n"
        for gap, component in (("", "main"), ("\n", "extra")))
    # It may lack the build architecture, and base roots are made without it.
    assert [use.suite for use in told.for_build_root().suites] == ["bookworm", "vendor"]
    assert [use.suite for use in told.for_device().suites] == ["bookworm", "vendor"]
    assert [use.suite for use in told.of_release().suites] == ["bookworm"]
    line = told.sources_list({"vendor": "/x/mirrors-vendor.txt"}).splitlines()[-1]
    assert line == "deb [arch=armel signed-by=] mirror+file:/x/mirrors-vendor.txt stable main extra"


def release_of(*architectures: str, components: tuple[str, ...] = ("main",), pin: str = "") -> ReleaseFile:
    return ReleaseFile("", architectures, components, None, "", pin)


def test_faults_of_added_archives_are_told_at_once() -> None:
    check_added(WORLD, {"vendor": release_of("all", components=("main", "extra"))})
    check_added(WORLD, {})
    with pytest.raises(UnsupportedError) as raised:
        check_added(WORLD, {"bookworm": release_of("amd64", pin="o=D"),
                            "vendor": release_of("amd64", pin="o=D")})
    assert raised.value.details.splitlines() == [
        "vendor does not carry armel; it carries amd64", "vendor has no component extra; it has main",
        "vendor says that it is the release itself (o=D): leave out its url"]


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
