# SPDX-License-Identifier: GPL-3.0-or-later
"""Requirements that are read, and those that mean nothing."""
from __future__ import annotations

import pytest
from packaging.requirements import InvalidRequirement

from debxcross.core.wheel.pep508 import read_requirement


@pytest.mark.parametrize("text", [
    "six", "six>=1.16,<2", "six[extra]; python_version < '3.12'", "six; extra == 'test'",
    "six; sys_platform == 'win32' or platform_machine in 'armv7l aarch64'",
])
def test_what_means_something_is_read(text: str) -> None:
    assert read_requirement(text).name == "six"


@pytest.mark.parametrize("text", [
    "", "six six", 'six; python_version ~= "x"', 'six; os_name ~= "x"', 'six; os_name === "1"',
    "six; '1' > 'x'", "s" * 256, f"six>={'9' * 5000}",
    "six; os_name == 'nt' and os_name ~= 'x'", f"six; {'(' * 5000}os_name == 'x'{')' * 5000}",
])
def test_what_means_nothing_is_one_error(text: str) -> None:
    with pytest.raises(InvalidRequirement):
        read_requirement(text)
