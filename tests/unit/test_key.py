# SPDX-License-Identifier: GPL-3.0-or-later
"""Canonical forms: one byte string for one value."""
from __future__ import annotations

from collections import OrderedDict
from pathlib import PurePosixPath

import pytest

from debxcross.core.artifact import Artifact, StoredFile
from debxcross.core.key import canonical, digest, plain


def test_the_form_is_fixed() -> None:
    # Every key in every store depends on these bytes: a change needs a new recipe.SCHEMA.
    assert canonical({"b": (1, None), "a": StoredFile("ä", "00", 3)}) == (
        b'{"a":{"name":"\\u00e4","sha256":"00","size":3},"b":[1,null]}')
    assert digest("") == "12ae32cb1ec02d01eda3581b127c1fee3b0dc53572ed6baf239721a03d82e126"


def test_equal_values_have_one_form() -> None:
    assert canonical([1, 2]) == canonical((1, 2))
    assert canonical({"a": 1, "b": 2}) == canonical(OrderedDict((("b", 2), ("a", 1))))
    assert canonical({"x", "y", "z"}) == canonical(frozenset("zyx"))


@pytest.mark.parametrize(("one", "other"), [
    ("1", 1), (True, 1), (None, ""), ((), ""), (("a", "b"), ("b", "a")), (("ab",), ("a", "b")), ({}, ()),
    ((("a",), "b"), ("a", ("b",))),
])
def test_different_values_have_different_forms(one: object, other: object) -> None:
    assert digest(one) != digest(other)


@pytest.mark.parametrize("value", [1.5, b"x", PurePosixPath("/x"), object(), StoredFile, [{"a": 0.1}]])
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="has no canonical form"):
        plain(value)


def test_debs_of_an_artifact() -> None:
    files = tuple(StoredFile(name, "00", 1) for name in (
        "a_1_armel.deb", "b_1_all.deb", "a_1_amd64.deb", "a_1_armel.buildinfo"))
    assert Artifact("k", "a", files).debs("armel") == files[:2]
