# SPDX-License-Identifier: GPL-3.0-or-later
"""The order: after what is needed, equals by name, a circle walked once."""
from __future__ import annotations

import itertools

import pytest

from debxcross.core.chain.order import behind, edges, find_cycle, stable_order
from debxcross.errors import CycleError

NEEDS = {
    "python2.7": ("libffi", "openssl", "zlib"), "openssl": ("zlib",), "zlib": (), "libffi": (),
    "cryptography": ("cffi", "openssl", "python2.7"), "cffi": ("libffi", "python2.7"),
}


def test_needed_first_and_equals_by_name() -> None:
    assert stable_order(NEEDS) == ("libffi", "zlib", "openssl", "python2.7", "cffi", "cryptography")


def test_order_does_not_depend_on_how_it_was_written() -> None:
    found = {stable_order(dict(items)) for items in itertools.permutations(NEEDS.items())}
    assert len(found) == 1


def test_needs_outside_the_chain_are_the_archives() -> None:
    assert stable_order({"b": ("libc6",), "a": ("b",)}) == ("b", "a")


def test_edges_lead_to_the_member_that_provides() -> None:
    needs = {"openssl": ("zlib1g-dev", "debhelper"), "zlib": ("zlib1g-dev",), "six": ()}
    provides = {"zlib": ("zlib1g", "zlib1g-dev"), "openssl": ("libssl-dev",)}
    assert edges(needs, provides) == {"openssl": ("zlib",), "zlib": (), "six": ()}


def test_the_circle_is_walked_and_bystanders_are_not_accused() -> None:
    needs = {"a": ("b",), "b": ("c",), "c": ("d",), "d": ("b",), "e": ()}
    with pytest.raises(CycleError) as caught:
        stable_order(needs)
    assert caught.value.details == "b needs c needs d needs b"
    assert "b, c, d need each other" in caught.value.brief and "profile" in caught.value.resolution
    assert find_cycle({"x": ("x",)}) == ("x", "x")


def test_behind_is_everything_directly_or_not() -> None:
    assert behind("cffi", NEEDS) == ("libffi", "openssl", "python2.7", "zlib")
    assert behind("zlib", NEEDS) == () == behind("unknown", NEEDS)
    assert behind("a", {"a": ("b",), "b": ("a",)}) == ("a", "b")
