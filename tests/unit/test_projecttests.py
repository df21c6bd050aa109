# SPDX-License-Identifier: GPL-3.0-or-later
"""What a project's own tests on the device mean, by what pytest says and ends with."""
from __future__ import annotations

import pytest

from debxcross.core.chain.projecttests import outcome

FAILURES = "F..\nFAILED tests/test_a.py::test_one - assert 1 == 2\n1 failed, 2 passed, 1 skipped in 0.52s\n"
WANTS = ("E   ModuleNotFoundError: No module named 'hypothesis'\nERROR tests/test_b.py\n"
         "2 passed, 1 error in 0.31s\n")


@pytest.mark.parametrize("status,output,ok,text", [
    (0, "...\n12 passed, 3 skipped, 1 warning in 3.20s\n", True, "12 passed, 3 skipped"),
    (1, FAILURES, False, "2 passed, 1 failed, 1 skipped: tests/test_a.py::test_one"),
    (1, WANTS, True, "2 passed, 1 in error; some want hypothesis, which only tests need"),
    (1, FAILURES + WANTS.replace("2 passed, 1 error", "1 failed, 2 passed, 1 error"), False,
     "2 passed, 1 failed, 1 in error: tests/test_a.py::test_one, tests/test_b.py"),
    (1, 'FAILED t.py::test_open - UInputError: "/dev/uinput" does not exist\n1 failed, 11 passed\n', True,
     '11 passed, 1 failed; what failed wants hardware: UInputError: "/dev/uinput" does not exist'),
    (1, "FAILED t.py::test_a - not run on a Raspberry Pi\nFAILED t.py::test_b - assert 1\n2 failed\n", False,
     "2 failed: t.py::test_a, t.py::test_b"),
    (2, "ERROR tests/test_c.py - SyntaxError\n1 error in 0.1s\n", False, "1 in error: tests/test_c.py"),
    (5, "no tests ran in 0.01s\n", True, "nothing was collected"),
    (4, "ERROR: usage: pytest\n", True, "not run: pytest ended with status 4: ERROR: usage: pytest"),
    (90, "", True, "not run: its sdist has none"),
    (124, "....", True, "ended after 300 s"),
    (139, "Fatal Python error: Segmentation fault\n", False, "Fatal Python error: Segmentation fault"),
])
def test_each_end(status: int, output: str, ok: bool, text: str) -> None:
    found = outcome("lamp", status, output)
    assert (found.name, found.ok, found.text, found.kind) == ("tests of lamp", ok, text, "tests")
    assert found.signal == (11 if status == 139 else 0)


def test_the_names_of_many_failures_are_cut() -> None:
    output = "".join(f"FAILED tests/test_{number}.py\n" for number in range(8)) + "8 failed in 1s\n"
    assert outcome("lamp", 1, output).text.endswith("tests/test_4.py and 3 more")
