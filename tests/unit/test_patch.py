# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules patches: headers, ranges, failed hunks, and what a patched package says of itself."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from debian.changelog import Changelog
from debian.debian_support import DpkgArchTable, Version

from debxcross.core.patch import (RulesPatch, applicability, changelog_with, diff_of, failed_hunks, parse,
                                  version_suffix)
from debxcross.errors import ConfigurationError

SHIPPED = sorted((Path(__file__).parents[2] / "rules-patches").glob("*/*.patch"))
DIFF = """\
--- a/debian/control
+++ b/debian/control
@@ -14,3 +14,3 @@
 bzip2,
-libdb-dev,
 help2man
@@ -40,2 +39,1 @@
-old
 new
--- a/debian/control.in
+++ b/debian/control.in
@@ -14,3 +14,2 @@
 in,
-libdb-dev,
 help2man
--- a/debian/rules
+++ b/debian/rules
@@ -813,3 +813,2 @@
 clean:
-\ttest -f _bsddb.so
 install:
"""
HEADER = """\
Description: Build without _bsddb
 More words.
Origin: vendor, debxcross
Applies-Versions: >= 2.7.18-1~, << 2.8
Applies-Architectures: armel linux-mipsel
Applies-If: unavailable libdb-dev

"""
PATCH = parse("python2.7", "no-bsddb", HEADER + DIFF)

# What patch(1) 2.7.6 printed, with the arguments of core.build.commands.PATCH_ARGV.
ALL_FAILED = """\
patching file debian/control
Hunk #1 FAILED at 14.
1 out of 2 hunks FAILED
patching file debian/control.in
Hunk #1 FAILED at 14.
1 out of 1 hunk FAILED
patching file debian/rules
Hunk #1 FAILED at 813.
1 out of 1 hunk FAILED
"""
SECOND_FAILED = """\
patching file debian/control
Hunk #1 succeeded at 16 with fuzz 1 (offset 2 lines).
Hunk #2 FAILED at 40.
1 out of 2 hunks FAILED
patching file debian/control.in
patching file debian/rules
"""
FILE_IS_GONE = """\
can't find file to patch at input line 24
Perhaps you used the wrong -p or --strip option?
The text leading up to this was:
--------------------------
|--- a/debian/control.in
|+++ b/debian/control.in
--------------------------
No file to patch.  Skipping patch.
1 out of 1 hunk ignored
"""
CHANGELOG = """\
python2.7 (2.7.18-8+deb11u1) bullseye-security; urgency=medium

  * Non-maintainer upload by the Security Team.

 -- A. Person <person@example.org>  Tue, 19 Sep 2023 21:12:46 +0200

python2.7 (2.7.18-8) unstable; urgency=medium

  * Fix the build.

 -- Another <another@example.org>  Mon, 30 Aug 2021 10:51:47 +0200
"""


def available(*names: str) -> Callable[[str], bool]:
    return lambda name: name in names


def test_the_header_is_read() -> None:
    assert PATCH.description == "Build without _bsddb"
    assert PATCH.versions == ((">=", "2.7.18-1~"), ("<<", "2.8"))
    assert PATCH.architectures == ("armel", "linux-mipsel")
    assert PATCH.condition == ("unavailable", "libdb-dev")
    assert diff_of(PATCH.text) == DIFF


def test_description_that_starts_on_its_second_line() -> None:
    text = "Description:\n Words come late.\nAuthor: A. Person <person@example.org>\n\n" + DIFF
    assert parse("x", "y", text).description == "Words come late."


def test_mail_from_git_is_a_patch() -> None:
    text = ("From 0123456789 Mon Sep 17 00:00:00 2001\nFrom: A. Person <person@example.org>\n"
            "Subject: [PATCH] Words\n\n---\n debian/rules | 1 -\n\n"
            "diff --git a/debian/rules b/debian/rules\n")
    assert parse("x", "y", text + DIFF).description == "[PATCH] Words"


def test_all_faults_of_a_header_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse("python2.7", "bad", "Applies-Versions: > 1.0, >= 2\nApplies-If: sunny weather\n")
    assert caught.value.brief == "the rules patch python2.7/bad has 5 faults"
    assert caught.value.details.splitlines() == [
        "there is no diff in it", "Description: missing (DEP-3)", "Origin or Author: missing (DEP-3)",
        "Applies-Versions: '> 1.0' is not a relation such as '>= 1.2-3'",
        "Applies-If: 'sunny weather' is not 'available PACKAGE' or 'unavailable PACKAGE'"]


def test_the_digest_is_the_diffs_and_the_names() -> None:
    retold = parse("python2.7", "no-bsddb", HEADER.replace("More words", "Other words") + DIFF)
    assert retold.sha256 == PATCH.sha256
    assert replace(PATCH, name="other").sha256 != PATCH.sha256
    assert replace(PATCH, text=PATCH.text.replace("-old", "-odd")).sha256 != PATCH.sha256


@pytest.mark.parametrize(("version", "host", "has", "applies", "outdated", "reason"), [
    ("2.7.18-8+deb11u1", "armel", (), True, False, "libdb-dev is not available for armel"),
    ("2.7.18-1~", "mipsel", (), True, False, "libdb-dev is not available for mipsel"),
    ("2.7.18-8", "armel", ("libdb-dev",), False, False, "libdb-dev is available for armel"),
    ("2.7.18-8", "riscv64", (), False, False, "is for armel linux-mipsel, this is riscv64"),
    ("2.7.16-2", "armel", (), False, True, "is for versions >= 2.7.18-1~, this is 2.7.16-2"),
    ("2.8", "armel", (), False, True, "is for versions << 2.8, this is 2.8"),
    ("1:2.7.18-8", "armel", (), False, True, "is for versions << 2.8, this is 1:2.7.18-8"),
])
def test_the_range(version: str, host: str, has: tuple[str, ...], applies: bool, outdated: bool, reason: str,
                   table: DpkgArchTable) -> None:
    found = applicability(PATCH, version, host, available(*has), table)
    assert (found.applies, found.outdated, found.reason) == (applies, outdated, reason)


@pytest.mark.parametrize(("relation", "holding"), [
    ("<<", ["1.0~rc1"]), ("<=", ["1.0~rc1", "1.0"]), ("=", ["1.0"]),
    (">=", ["1.0", "1.0-1"]), (">>", ["1.0-1"]),
])
def test_relations_compare_as_dpkg_does(relation: str, holding: list[str], table: DpkgArchTable) -> None:
    rule = replace(PATCH, versions=((relation, "1.0"),), architectures=(), condition=None)
    assert [version for version in ("1.0~rc1", "1.0", "1.0-1")
            if applicability(rule, version, "armel", available(), table).applies] == holding


def test_available_is_the_other_condition(table: DpkgArchTable) -> None:
    rule = replace(PATCH, versions=(), architectures=(), condition=("available", "libdb-dev"))
    assert applicability(rule, "1", "armel", available("libdb-dev"), table).applies
    assert not applicability(rule, "1", "armel", available(), table).applies


def test_failed_hunks_are_those_of_the_right_files() -> None:
    said = failed_hunks(PATCH, ALL_FAILED)
    assert [line for line in said.splitlines() if ", hunk " in line] == [
        "debian/control, hunk 1:", "debian/control.in, hunk 1:", "debian/rules, hunk 1:"]
    assert said.count("bzip2") == said.count(" in,") == 1  # control is not control.in
    assert failed_hunks(PATCH, SECOND_FAILED) == "debian/control, hunk 2:\n@@ -40,2 +39,1 @@\n-old\n new"


def test_what_is_not_understood_is_shown_as_it_is() -> None:
    assert failed_hunks(PATCH, FILE_IS_GONE) == FILE_IS_GONE.strip()
    assert failed_hunks(PATCH, "patching file elsewhere\nHunk #9 FAILED at 1.\n").startswith("patching")


def test_a_binnmu_is_an_entry_of_a_binary_only_upload() -> None:
    text = changelog_with(CHANGELOG, "2.7.18-8+deb11u1", (), "+b2", rebuild=True)
    first = text.splitlines()[0]
    assert "(2.7.18-8+deb11u1+b2)" in first and first.endswith(", binary-only=yes")
    assert Changelog(text).version == "2.7.18-8+deb11u1+b2"


def test_an_archive_version_gets_a_suffix_and_the_date_below() -> None:
    old = Changelog(CHANGELOG)
    new = Changelog(changelog_with(CHANGELOG, "2.7.18-8+deb11u1", (PATCH,), "+debxcross1"))
    assert str(new.version) == "2.7.18-8+deb11u1+debxcross1" and len(list(new)) == 3
    assert Version(str(old.version)) < Version(str(new.version)) < Version("2.7.18-8+deb11u2")
    assert (new.date, new.author, new.distributions) == (old.date, old.author, "bullseye-security")
    top = next(iter(new))
    assert [line for line in top.changes() if line] == [
        "  * debxcross rules patch no-bsddb: Build without _bsddb"]
    # The old text stays byte for byte, an empty line below the new entry.
    text = changelog_with(CHANGELOG, "2.7.18-8+deb11u1", (PATCH,), "+debxcross1")
    assert text.endswith(f"\n -- {old.author}  {old.date}\n\n{CHANGELOG}")


def test_a_revision_without_patches_says_that_nothing_changed() -> None:
    new = Changelog(changelog_with(CHANGELOG, "2.7.18-8+deb11u1", (), "+debxcross2"))
    assert str(new.version) == "2.7.18-8+deb11u1+debxcross2"
    assert [line for line in next(iter(new)).changes() if line] == [
        "  * Built again by debxcross; the source is unchanged."]


@pytest.mark.parametrize(("revision", "patched", "carried", "suffix"), [
    (0, False, True, ""), (0, True, False, ""), (0, True, True, "+debxcross1"),
    (2, False, True, "+debxcross2"), (2, True, False, "+debxcross2"), (10, True, True, "+debxcross10")])
def test_the_version_is_our_own_where_it_must_be(
        revision: int, patched: bool, carried: bool, suffix: str) -> None:
    assert version_suffix(revision, patched, carried) == suffix


def test_without_a_suffix_the_top_entry_is_told_more() -> None:
    two = (PATCH, replace(PATCH, name="second", description="Other"))
    new = Changelog(changelog_with(CHANGELOG, "2.7.18-8+deb11u1", two, ""))
    assert str(new.version) == "2.7.18-8+deb11u1" and len(list(new)) == 2
    assert [line for line in next(iter(new)).changes() if line] == [
        "  * Non-maintainer upload by the Security Team.",
        "  * debxcross rules patch no-bsddb: Build without _bsddb",
        "  * debxcross rules patch second: Other"]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_shipped_patches(path: Path, table: DpkgArchTable) -> None:
    rule: RulesPatch = parse(path.parent.name, path.stem, path.read_text())
    assert rule.versions, "a patch says which versions it is for"
    # A hunk's header counts its lines; patch(1) refuses others as malformed.
    old = new = 0
    for line in diff_of(rule.text).splitlines():
        if line.startswith("@@"):
            assert (old, new) == (0, 0), path
            ranges = [part[1:].split(",") for part in line.split()[1:3]]
            old, new = (int(part[1]) if len(part) > 1 else 1 for part in ranges)
        elif old or new:
            old -= line[:1] in ("", " ", "-")
            new -= line[:1] in ("", " ", "+")
    assert (old, new) == (0, 0)


def test_the_bsddb_patch_is_for_where_berkeley_db_is_missing(table: DpkgArchTable) -> None:
    path = next(path for path in SHIPPED if path.stem == "drop-bsddb-check")
    rule = parse("python2.7", path.stem, path.read_text())
    assert applicability(rule, "2.7.18-8+deb11u1", "armel", available(), table).applies
    assert not applicability(rule, "2.7.18-8+deb11u1", "armel", available("libdb-dev"), table).applies
