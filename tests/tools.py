# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of the outside world share."""
from __future__ import annotations

import os

import pytest

from debxcross.doors import process


def need(*programs: str) -> None:
    """Skip the test when a program is not installed; fail it where DEBXCROSS_REQUIRE_TOOLS=1."""
    absent = [program for program in programs if process.find(program) is None]
    if not absent:
        return
    message = f"not installed: {', '.join(absent)}"
    if os.environ.get("DEBXCROSS_REQUIRE_TOOLS") == "1":
        pytest.fail(message)
    pytest.skip(message)
