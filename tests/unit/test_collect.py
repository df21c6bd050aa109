# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a store stays, and what can go."""
from __future__ import annotations

import json

import pytest

from debxcross.core.store.gc import Damage, Inventory, Listing, Thing, collection, live, names_in, size_words


def sha(letter: str) -> str:
    return letter * 64


OLD, NEW = "1" * 64, "2" * 64
INVENTORY = Inventory(
    artifacts=(Thing(OLD, "zlib 1 armel", frozenset({sha("a"), sha("c")})),
               Thing(NEW, "zlib 2 armel", frozenset({sha("b"), sha("c")}))),
    roots=(Thing("3" * 64, "root", frozenset({sha("d")}), 700), Thing("4" * 64, "older", frozenset(), 600)),
    indexes=(Thing("idx", "idx", frozenset(), 50),),
    memos=(Thing("m1", "environment", frozenset({sha("a")}), 5),
           Thing("m2", "environment", frozenset({sha("c"), sha("9")}), 5),
           Thing("m3", "facts", frozenset({sha("e")}), 5), Thing("m4", "sound", frozenset(), 5)),
    objects={sha(letter): 10 for letter in "abcdef"},
    histories=((OLD, NEW), ("4" * 64, "3" * 64), ("idx",)),
)


def gone(keep: int, named: frozenset[str] = frozenset(), sources: bool = True) -> dict[str, set[str]]:
    found = collection(INVENTORY, live(INVENTORY, keep, named, sources))
    return {name: {thing.key[0] if len(thing.key) == 64 else thing.key for thing in getattr(found, name)}
            for name in ("artifacts", "roots", "indexes", "memos", "objects")}


def test_the_newest_results_stay_with_all_they_are_made_of() -> None:
    assert gone(1) == {"artifacts": {"1"}, "roots": {"4"}, "indexes": set(), "memos": {"m1"},
                       "objects": {"a", "f"}}


def test_two_of_each_keep_everything_that_is_named() -> None:
    assert gone(2) == {"artifacts": set(), "roots": set(), "indexes": set(), "memos": set(), "objects": {"f"}}


def test_sources_go_only_when_asked() -> None:
    assert "e" in gone(1, sources=False)["objects"] and "m3" in gone(1, sources=False)["memos"]
    assert "e" not in gone(1)["objects"]


def test_what_a_lock_names_stays() -> None:
    assert gone(1, frozenset({OLD}))["artifacts"] == set()
    assert gone(1, frozenset({sha("f")}))["objects"] == {"a"}


def test_keep_none() -> None:
    found = gone(0)
    assert found["artifacts"] == {"1", "2"} and found["roots"] == {"3", "4"} and found["indexes"] == {"idx"}


def test_a_result_used_again_counts_as_new() -> None:
    again = Inventory(artifacts=INVENTORY.artifacts, objects=INVENTORY.objects,
                      histories=((OLD, NEW, OLD),))
    assert [thing.key for thing in collection(again, live(again, 1)).artifacts] == [NEW]


def test_answers_that_name_nothing_that_goes_stay() -> None:
    # m2 names one object that never was here: its answer is as good as before.
    assert gone(1)["memos"] == {"m1"}


@pytest.mark.parametrize("text, count", [
    ("x " + "a" * 64 + " y", 1), ("a" * 63, 0), ("a" * 65, 0), ("A" * 64, 0),
    ("sha256:" + "b" * 64 + "\n" + "b" * 64, 1),
])
def test_digests_are_found_in_any_text(text: str, count: int) -> None:
    assert len(names_in(text)) == count


def test_a_dry_run_says_so() -> None:
    found = collection(INVENTORY, live(INVENTORY, 1))
    assert "zlib 1 armel" in found.to_text()
    assert found.to_text().endswith("Nothing was deleted: add --delete to do it.")
    document = json.loads(found.to_json())
    assert document["done"] is False and document["size"] == 600 + 20 + 5
    assert collection(INVENTORY, live(INVENTORY, 9, frozenset(INVENTORY.objects))).to_text().startswith(
        "Nothing to delete; ")


def test_damage_is_told_line_by_line() -> None:
    assert "nothing is damaged" in Damage(7).to_text() and not Damage(7).found
    text = Damage(7, ("file ab",), (), ("base root cd",)).to_text()
    assert text.splitlines()[:2] == ["dropped: file ab", "dropped: base root cd"]
    assert "7 files checked, 2 things dropped" in text


def test_a_listing() -> None:
    found = Listing((("zlib 1 armel", OLD, "2026-11-20 05:00 UTC", 1234),), (), (("files", 3, 5_000_000),))
    assert found.to_text().splitlines() == [
        "zlib 1 armel  111111111111  2026-11-20 05:00 UTC     1.2 kB", "", "",
        "     3 files                    5.0 MB"]
    assert json.loads(found.to_json())["totals"] == {"files": {"count": 3, "size": 5_000_000}}


@pytest.mark.parametrize("size, words", [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"),
                                         (730_000_000, "730 MB"), (2_300_000_000, "2.3 GB")])
def test_sizes_in_words(size: int, words: str) -> None:
    assert size_words(size) == words
