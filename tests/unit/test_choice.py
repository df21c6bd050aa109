# SPDX-License-Identifier: GPL-3.0-or-later
"""Which packages of a source are wanted, and which may be left out unasked."""
from __future__ import annotations

import pytest

from debxcross.core.archive.choice import Choice, spared

MADE = ("libmulti-dev", "libmulti1", "multi-doc", "multi-tools")


@pytest.mark.parametrize("choice,kept", [
    (Choice(), MADE),
    (Choice(("libmulti*",)), ("libmulti-dev", "libmulti1")),
    (Choice(("libmulti1",)), ("libmulti1",)),
    (Choice((), ("*-doc", "multi-tools")), ("libmulti-dev", "libmulti1")),
    (Choice(("libmulti*",), ("*-dev",)), ("libmulti1",)),
    (Choice(("nothing",)), ()),
])
def test_what_is_kept(choice: Choice, kept: tuple[str, ...]) -> None:
    assert choice.of(MADE) == kept
    # Debug symbols go where their package goes.
    assert choice.of(f"{name}-dbgsym" for name in MADE) == tuple(f"{name}-dbgsym" for name in kept)


def test_asked_for_by_name_is_more_than_wanted() -> None:
    assert Choice().wants("multi-doc") and not Choice().names("multi-doc")
    assert Choice(("multi-*",)).names("multi-doc")
    assert not Choice(("multi-*",), ("multi-doc",)).names("multi-doc")


def test_patterns_that_nothing_has_are_told() -> None:
    assert Choice(("libmulti1", "libmulti9"), ("*-udeb",)).strange(MADE) == ("libmulti9", "*-udeb")


GROUPS = {"multi": MADE, "lone": ("lone",)}


def test_what_nobody_asked_for_is_spared() -> None:
    problems = {"multi-tools": ["no libnothing1"], "libmulti1": ["no libc9"]}
    assert spared(problems, GROUPS, {"libmulti1"}) == {"multi-tools": ("no libnothing1",)}
    assert spared({}, GROUPS, set()) == {}


def test_a_source_of_which_nothing_would_be_left_is_not_spared() -> None:
    assert spared({"lone": ["no libc9"], **{name: ["no libc9"] for name in MADE}}, GROUPS, set()) == {}
