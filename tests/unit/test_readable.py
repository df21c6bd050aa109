# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from debxcross.errors import PublishError
from debxcross.repository.core import readable
from debxcross.repository.core.device import DEVICE_RELEASES, release_of
from debxcross.repository.core.release import STEP_BACK, ahead, check_clock


@pytest.mark.parametrize("fields", [
    {"Depends": "libc6 (>= 2.36), libgcc-s1 (>=3.0) | libgcc1:any ( << 1:2~ ) ,\n zlib1g(=1:1.2.13-1)"},
    {"Depends": ""}, {"Recommends": "a.b+c-d | x"}, {"Enhances": "one | two"},
    {"Breaks": "old (<< 2), older (< 3)"},
    {"Provides": "virtual, other (= 1)"}, {"Multi-Arch": "Same", "Architecture": "armel"},
    {"Essential": "yes"},
    {"Version": "2147483647:1"}, {"Depends": "py (= 10)"}, {"Suggests": "Upper_case"},
])
def test_fields_that_apt_and_dpkg_read(fields: dict[str, str]) -> None:
    readable.check_control("tiny", tuple(fields.items()))


@pytest.mark.parametrize(("fields", "words"), [
    ({"Depends": "libc6 (>= 2.36"}, "Depends"), ({"Depends": "libc6,"}, "Depends"),
    ({"depends": "a b"}, "a b"), ({"Pre-Depends": "a (>> )"}, "Pre-Depends"),
    ({"Depends": "a (== 1)"}, "== 1"), ({"Depends": "|a"}, "Depends"),
    ({"Conflicts": "a | b"}, "alternatives"),
    ({"Provides": "a (>= 1)"}, "only '='"), ({"Depends": "a [armel]"}, "armel"),
    ({"Depends": "a <!nocheck>"}, "nocheck"), ({"Depends": "b, a (=1)"}, "space"),
    ({"Multi-Arch": "yes"}, "Multi-Arch"), ({"Multi-Arch": "same", "Architecture": "all"}, "all"),
    ({"Essential": "true"}, "Essential"), ({"Version": "2147483648:1"}, "epoch"),
    ({"Replaces": "${misc:Replaces}"}, "misc"),
])
def test_fields_that_apt_or_dpkg_cannot_read(fields: dict[str, str], words: str) -> None:
    with pytest.raises(PublishError) as raised:
        readable.check_control("tiny", tuple(fields.items()))
    assert words in raised.value.brief and "tiny" in raised.value.brief and raised.value.resolution


def test_a_stanza_is_as_large_as_apt_can_read() -> None:
    line = "Package: tiny\n"
    readable.check_stanza("tiny", line + " " + "x" * (readable.LARGEST_STANZA - len(line) - 2) + "\n")
    readable.check_stanza("tiny", line * readable.MOST_FIELDS)
    for text in (line + " " + "é" * (readable.LARGEST_STANZA // 2) + "\n", line * (readable.MOST_FIELDS + 1)):
        with pytest.raises(PublishError, match="too large"):
            readable.check_stanza("tiny", text)


@pytest.mark.parametrize(("codename", "number"), [
    ("bullseye", 11), ("bullseye-backports", 11), ("bookworm", 12), ("boards", None), ("noble", None)])
def test_a_code_name_means_a_release(codename: str, number: int | None) -> None:
    release = release_of(codename)
    assert (release.number if release else None) == number


def test_zstd_is_read_from_debian_12_on() -> None:
    assert {one.number for one in DEVICE_RELEASES.values() if not one.reads_zstd} == {8, 9, 10, 11}


def test_a_clock_may_go_back_a_little() -> None:
    for last in (None, 0, 1000, 1000 + STEP_BACK):
        check_clock(1000.0, last, "bookworm")
    with pytest.raises(PublishError, match="ahead") as raised:
        check_clock(1000.0, 1001 + STEP_BACK, "bookworm")
    assert "--new-date" in raised.value.resolution and "1970" in raised.value.details


@pytest.mark.parametrize(("seconds", "words"), [
    (400 * 86400, "400 days"), (30 * 3600, "30 hours"), (2 * 3600, "2 hours"), (4000, "4000 seconds")])
def test_how_far_ahead_is_said_in_the_right_unit(seconds: int, words: str) -> None:
    assert ahead(5.0 + seconds, 5.0) == words


CONTROL = "Package: tool\nVersion: 1\nDescription: a test\n more\n"


@pytest.mark.parametrize(("text", "words"), [
    (CONTROL, ""), (f"\n{CONTROL}\n", ""), (f"{CONTROL}\nPackage: other\n", "describes 2 packages"),
    ("\n", "describes 0 packages"), (f"{CONTROL}version: 2\n", "has version twice"),
    (CONTROL.rstrip(), "does not end"), (f"{CONTROL}hello\n", "is no field: 'hello'"),
    (f"{CONTROL}X: y\n", "is no field: 'X: y'"),
])
def test_control_files_as_dpkg_reads_them(text: str, words: str) -> None:
    """All of these were tried with dpkg 1.21.22: it unpacks the first two and no other."""
    assert words in readable.control_fault(text) and bool(words) == bool(readable.control_fault(text))
