# SPDX-License-Identifier: GPL-3.0-or-later
"""What every error has in common."""
from __future__ import annotations

import pickle

from debxcross.errors import BuildError, bounded


def test_an_error_can_be_read_whatever_it_quotes() -> None:
    error = BuildError("b" * 10**6, "line\n" * 10**5 + "x" * 10**6, "r")
    assert len(error.brief) <= 2000 and error.brief.endswith(" more characters")
    lines = error.details.split("\n")
    assert len(lines) == 500 and lines[-1] == "… and 99502 more lines"
    assert vars(pickle.loads(pickle.dumps(error))) == vars(error)


def test_what_people_can_read_stays_as_it_is() -> None:
    for text in ("", "one line", "two\nlines\n", "\n" * 400, "x" * 2000):
        assert bounded(text) == text
