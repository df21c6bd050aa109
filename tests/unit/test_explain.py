# SPDX-License-Identifier: GPL-3.0-or-later
"""Which input changed, in words."""
from __future__ import annotations

import json
from typing import Any

import pytest

from debxcross.core.chain.history import CONTRADICTED, Change, Entry, Explanation, changes, moment, package

BEFORE: dict[str, Any] = {
    "kind": "build-source", "schema": 1, "source": "zlib", "version": "1.2-1",
    "files": [["zlib_1.2.orig.tar.gz", "a" * 64], ["zlib_1.2-1.dsc", "b" * 64]], "patches": [],
    "profiles": ["cross", "nocheck"], "options": "nocheck parallel=0", "build": "amd64", "host": "armel",
    "environment": ["libc6:armel=2.36-9 " + "c" * 64, "debhelper_13.11.4_all.deb " + "d" * 64],
}


def words(**now: Any) -> list[str]:
    return [change.words for change in changes(BEFORE, {**BEFORE, **now})]


def test_nothing_changed() -> None:
    assert words() == []


@pytest.mark.parametrize("now, expected", [
    ({"version": "1.2-2"}, "the version changed from 1.2-1 to 1.2-2"),
    ({"schema": 2}, "the recipe changed from 1 to 2"),
    ({"profiles": ["cross"]}, "the build profiles changed from cross nocheck to cross"),
    ({"profiles": []}, "the build profiles changed from cross nocheck to none"),
    ({"patches": ["mend-it " + "e" * 64]}, "the patch mend-it is new"),
    ({"patches": ["e" * 64]}, "the patch with sha256 eeeeeeeeeeee… is new"),
    ({"files": [["zlib_1.2.orig.tar.gz", "f" * 64], ["zlib_1.2-1.dsc", "b" * 64]]},
     "the file zlib_1.2.orig.tar.gz has other bytes"),
    ({"environment": ["libc6:armel=2.36-9 " + "c" * 64, "debhelper_13.11.5_all.deb " + "e" * 64]},
     "debhelper:all changed from 13.11.4 to 13.11.5"),
    ({"environment": ["libc6:armel=2.36-9 " + "f" * 64, "debhelper_13.11.4_all.deb " + "d" * 64]},
     "libc6:armel (2.36-9) has other bytes"),
    ({"environment": ["libc6:armel=2.36-9 " + "c" * 64]}, "debhelper:all is gone (13.11.4)"),
    ({"environment": [*BEFORE["environment"], "bc_1%3a2_amd64.deb " + "d" * 64]}, "bc:amd64 is new (1:2)"),
    ({"templates": "a" * 64}, "the set of control templates is new"),
    ({"something-new": "x"}, "something-new is new (x)"),
])
def test_every_change_has_its_words(now: dict[str, Any], expected: str) -> None:
    assert words(**now) == [expected]


def test_a_wheels_inputs() -> None:
    before = {"pin": {"name": "cffi", "version": "1.15.1", "sha256": "a" * 64},
              "tools": [{"name": "wheel", "version": "0.37.1", "sha256": "b" * 64}], "templates": "c" * 64}
    after = {"pin": {"name": "cffi", "version": "1.15.1", "sha256": "f" * 64},
             "tools": [{"name": "wheel", "version": "0.37.2", "sha256": "d" * 64}], "templates": "e" * 64}
    assert [one.words for one in changes(before, after)] == [
        "the build tool wheel changed from 0.37.1 to 0.37.2",
        "the pinned file of cffi (1.15.1) has other bytes",
        "the set of control templates has other bytes"]


def test_records_without_a_digest_are_compared_field_by_field() -> None:
    before = {"member": {"name": "cffi", "host_needs": ["libffi-dev"], "pin": {"version": "1"}}}
    after = {"member": {"name": "cffi", "host_needs": [], "pin": {"version": "2"}}}
    assert [one.words for one in changes(before, after)] == [
        "the member cffi: host_needs changed from libffi-dev to none",
        "the member cffi: pin has other bytes"]


def test_own_inputs_are_told_before_packages() -> None:
    found = words(version="1.2-2", environment=["aaa_1_all.deb " + "c" * 64])
    assert found[0].startswith("the version") and len(found) == 4


def test_a_package_added_for_the_member_stands_after_the_bases() -> None:
    both = ["zlib1g:armel=1 " + "a" * 64, "zlib1g_2_armel.deb " + "b" * 64]
    assert [one.words for one in changes({"environment": both[:1]}, {"environment": both})] == [
        "zlib1g:armel changed from 1 to 2"]


@pytest.mark.parametrize("line, expected", [
    ("adduser:all=3.134 " + "c" * 64, ("adduser:all", "3.134", "c" * 64)),
    ("automake_1%3a1.16.5-1.3_all.deb " + "c" * 64, ("automake:all", "1:1.16.5-1.3", "c" * 64)),
    ("./zlib1g_1.2_armel.deb " + "c" * 64, ("zlib1g:armel", "1.2", "c" * 64)),
])
def test_lines_of_an_environment(line: str, expected: tuple[str, str, str]) -> None:
    assert package(line) == expected


HISTORY = (
    Entry("a" * 64, 1_760_000_000, "built", "r1"),
    Entry("a" * 64, 1_760_000_060, "built again", "r1"),
    Entry("b" * 64, 1_750_000_000, "built", "r1", (Change("debhelper:all", "13.11.4", "13.11.5"),)),
    Entry("c" * 64, 1_760_000_120, "substituted", "r2",
          tuple(Change(f"p{n}:all", "1", "2") for n in range(10))),
)


def explanation(*found: Change) -> Explanation:
    return Explanation("zlib", "1.2-1", "bookworm", "armel", "ready", "the store has no result",
                       "d" * 64, found, HISTORY)


def test_text_tells_early_cutoff_and_cuts_long_lists() -> None:
    text = explanation(Change("the version", "1.2-1", "1.2-2")).to_text()
    assert "Since its last result of 2025-10-09 08:55 UTC:\n  - the version changed from 1.2-1" in text
    assert "built again: the same bytes as before, so nothing behind it was rebuilt" in text
    assert "    - debhelper:all changed from 13.11.4 to 13.11.5" in text
    assert "substituted: other bytes than before" in text
    assert "and 2 more; --json has them all" in text
    # The newest first, in the order of events and not of a clock that was set back.
    assert text.index("substituted") < text.index("2025-06-15") < text.index("built again")


def test_other_bytes_from_the_same_inputs_are_called_so() -> None:
    twice = Explanation("zlib", "1", "bookworm", "armel", "cached", "", "", (), (
        HISTORY[0], Entry("a" * 64, 1_760_000_060, "built again", "r2")))
    assert "other bytes from the same inputs; 'debxcross reproduce' shows where" in twice.to_text()


def test_a_forced_build_that_contradicts_the_result_says_so() -> None:
    told = Explanation("zlib", "1", "bookworm", "armel", "cached", "", "", (), (
        HISTORY[0], Entry("a" * 64, 1_760_000_060, CONTRADICTED, "r1"))).to_text()
    assert "built again with other bytes, from the same inputs: what was there stands" in told
    assert "the same bytes" not in told


def test_json_has_everything() -> None:
    document = json.loads(explanation(Change("x", "", "1")).to_json())
    assert document["changes"] == [{"what": "x", "before": "", "after": "1", "words": "x is new (1)"}]
    assert [entry["state"] for entry in document["history"]] == [
        "substituted", "built", "built again", "built"]
    assert len(document["history"][0]["changes"]) == 10


def test_moments_are_utc() -> None:
    assert moment(0) == "1970-01-01 00:00 UTC"
