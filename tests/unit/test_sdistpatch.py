# SPDX-License-Identifier: GPL-3.0-or-later
"""Patches to sdists: where they are, ranges in PEP 440's order, and what of them is metadata."""
from __future__ import annotations

import pytest
from debian.debian_support import DpkgArchTable

from debxcross.core.patch import RulesPatch, parse
from debxcross.core.wheel.patch import applied, decide, narrowed, place, read_versions
from debxcross.errors import ConfigurationError

DIFF = """\
diff --git a/setup.py b/setup.py
--- a/setup.py
+++ b/setup.py
@@ -1 +1 @@
-old
+new
--- /dev/null
+++ b/extra.c
@@ -0,0 +1 @@
+int x;
"""


def rule(more: str = "", name: str = "tidy") -> RulesPatch:
    return read_versions(parse(
        place("My.Lamp"), name, f"Description: Tidy up\nOrigin: vendor, test\n{more}\n{DIFF}"))


def verdict(more: str, version: str, sdist: bool = True) -> tuple[bool, str]:
    found = decide(rule(more), version, sdist, "armel", lambda package: package == "libx-dev",
                   DpkgArchTable.load_arch_table())
    return found.applies, found.reason


def test_they_are_beside_those_of_debians_sources() -> None:
    assert place("My.Lamp") == "sdists/my-lamp" and rule().source == "sdists/my-lamp"


@pytest.mark.parametrize(("more", "version", "applies"), [
    ("", "1.0", True),
    ("Applies-Versions: >= 1.0, << 2.0\n", "2.0rc1", True),  # a candidate is before the release
    ("Applies-Versions: >= 1.0, << 2.0\n", "2.0", False),
    ("Applies-Versions: = 1.0\n", "1.0.0", True),  # the same in PEP 440, not in Debian
    ("Applies-Versions: << 1.0.post1\n", "1.0", True),
    ("Applies-Versions: >= 1.0rc2\n", "1.0rc1", False),
    ("Applies-Architectures: mipsel\n", "1.0", False),
    ("Applies-If: available libx-dev\n", "1.0", True),
    ("Applies-If: unavailable libx-dev\n", "1.0", False),
])
def test_ranges(more: str, version: str, applies: bool) -> None:
    assert verdict(more, version)[0] is applies


def test_a_wheel_is_not_patched() -> None:
    assert verdict("", "1.0", sdist=False) == (False, "is for an sdist, and a wheel is taken here")


def test_a_range_that_is_none() -> None:
    with pytest.raises(ConfigurationError, match="sdists/my-lamp/tidy has a faulty range"):
        rule("Applies-Versions: >= 1.x\n")


def test_only_those_of_the_same_project_apply() -> None:
    table = DpkgArchTable.load_arch_table()
    assert applied([rule()], {place("my_lamp"): "1"}, "armel", lambda package: False, table) == (rule(),)
    assert applied([rule()], {place("other"): "1"}, "armel", lambda package: False, table) == ()


def test_what_a_patch_does_to_some_files() -> None:
    one = narrowed(rule(), ("setup.py", "PKG-INFO"))
    assert one is not None and "+new" in one.text and "int x" not in one.text
    assert one.text.startswith("diff --git a/setup.py")
    assert narrowed(rule(), ("PKG-INFO",)) is None
    other = narrowed(rule(), ("extra.c",))
    assert other is not None and other.text.startswith("--- /dev/null")
