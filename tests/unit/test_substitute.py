# SPDX-License-Identifier: GPL-3.0-or-later
"""The signed list of a store."""
from __future__ import annotations

import pytest

from debxcross.core.store.signed import list_text, parse_list

LISTED = {"memo/environment/ab/abcd.json": "b" * 64, "artifacts/12/1234.json": "a" * 64}


def test_a_list_is_read_back() -> None:
    text = list_text(LISTED)
    assert text.splitlines()[1] == f"{'a' * 64}  artifacts/12/1234.json"
    assert parse_list(text) == LISTED
    assert parse_list(list_text({})) == {}


@pytest.mark.parametrize("text", [
    "", "debxcross store, layout 2\n", f"{'a' * 64}  artifacts/12/1234.json\n",
    f"debxcross store, layout 1\n{'a' * 64}  ../../etc/x.json\n",
    f"debxcross store, layout 1\n{'a' * 64}  /artifacts/12/12.json\n",
    f"debxcross store, layout 1\n{'a' * 63}  artifacts/12/12.json\n",
    "debxcross store, layout 1\nanything else\n",
])
def test_what_is_no_list_is_refused(text: str) -> None:
    assert parse_list(text) is None
