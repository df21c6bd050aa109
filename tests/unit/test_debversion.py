# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions compare in Debian as they do in PEP 440, and relations mean what specifiers mean."""
from __future__ import annotations

import itertools
import random
import re

import pytest
from debian.debian_support import version_compare
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from debxcross.core.wheel.version import (
    debian_version, misjudged, rebuilt, relations, revision_above, upstream_version,
)
from debxcross.errors import GateError, UnsupportedError

#: The suffixes that PEP 440 lists in its summary, in combination, and the next releases.
SUFFIXES = (".dev1", "a1.dev1", "a1", "a1+5", "a1.post1.dev1", "a1.post1", "a2", "b1", "rc1.dev2", "rc1", "",
            "+1", "+1.2", "+2", ".post1.dev1", ".post1", ".post1+1", ".post2", ".0.1.dev1", ".0.1", ".1a1",
            ".1")


def _random_version(generator: random.Random) -> str:
    numbers = [generator.choice((0, 0, 1, 2, 10)) for _ in range(generator.randint(1, 4))]
    text = ".".join(map(str, numbers))
    if generator.random() < 0.1:
        text = "1!" + text
    if generator.random() < 0.4:
        text += generator.choice(("a", "b", "rc")) + str(generator.randint(0, 11))
    if generator.random() < 0.4:
        text += f".post{generator.randint(0, 11)}"
    if generator.random() < 0.4:
        text += f".dev{generator.randint(0, 11)}"
    if generator.random() < 0.2:
        text += f"+{generator.randint(1, 11)}"
    return text


def _sign(left: Version, right: Version) -> int:
    return (left > right) - (left < right)


@pytest.mark.parametrize("version, expected", [
    ("1.16.0", "1.16"),
    ("0.0", "0"),
    ("10.20", "10.20"),
    ("1.0rc1", "1~rc1"),
    ("1.5.post1", "1.5+post1"),
    ("1.5.dev3", "1.5~~dev3"),
    ("1.5a2.post1.dev3", "1.5~a2+post1~~dev3"),
    ("1.5+ubuntu-1", "1.5+~ubuntu.1"),
    ("2!1.0", "2:1"),
    ("v1.0-ALPHA", "1~a0"),
])
def test_spelling(version: str, expected: str) -> None:
    assert debian_version(version) == expected


def test_order_of_random_pairs() -> None:
    generator = random.Random(440)
    for _ in range(3000):
        left, right = _random_version(generator), _random_version(generator)
        compared = version_compare(f"{debian_version(left)}-1", f"{debian_version(right)}-1")
        assert compared == _sign(Version(left), Version(right)), (left, right)


def test_order_of_one_release_s_relatives() -> None:
    versions = [f"1.5{suffix}" for suffix in SUFFIXES]
    for left, right in itertools.product(versions, versions):
        compared = version_compare(debian_version(left), debian_version(right))
        assert compared == _sign(Version(left), Version(right)), (left, right)


def test_what_is_no_version() -> None:
    with pytest.raises(GateError, match="'1.0-final-x' is not a version"):
        debian_version("1.0-final-x")


@pytest.mark.parametrize("specifiers, expected", [
    ("", ("p",)),
    ("==1.16.0", ("p (>= 1.16)", "p (<< 1.16+a~)")),
    ("~=1.4.2", ("p (>= 1.4.2)", "p (<< 1.5~~)")),
    ("~=1.4.0", ("p (>= 1.4)", "p (<< 1.5~~)")),
    ("~=2.2.post3", ("p (>= 2.2+post3)", "p (<< 3~~)")),
    ("<2.0", ("p (<< 2~~)",)),
    ("<2.0rc1", ("p (<< 2~rc1)",)),
    ("<=1.5", ("p (<< 1.5+a~)",)),
    (">1.5", ("p (>= 1.5+q~)",)),
    ("==1.4.*", ("p (>= 1.4~~)", "p (<< 1.5~~)")),
    ("==1.0.*", ("p (>= 1~~)", "p (<< 1.1~~)")),
    ("!=1.5", ("p (<< 1.5) | p (>= 1.5+a~)",)),
    ("!=3.0.*,>=2.7", ("p (>= 2.7)", "p (<< 3~~) | p (>= 3.1~~)")),
    ("==1!1.4.*", ("p (>= 1:1.4~~)", "p (<< 1:1.5~~)")),
    ("===1.0", ("p (>= 1)", "p (<< 1+a~)")),
    ("<3,>=1.21.1", ("p (>= 1.21.1)", "p (<< 3~~)")),
])
def test_relations(specifiers: str, expected: tuple[str, ...]) -> None:
    assert relations("p", SpecifierSet(specifiers)) == expected


def test_arbitrary_equality_has_no_relation() -> None:
    with pytest.raises(UnsupportedError) as caught:
        relations("python3-odd", SpecifierSet("===first"))
    assert caught.value.resolution


def _satisfied(clause: str, version: str) -> bool:
    """Whether a package of this Debian version meets a relation, as dpkg decides it."""
    operators = {">=": (0, 1), "<<": (-1,)}
    for alternative in clause.split(" | "):
        match = re.fullmatch(r"p \((>=|<<) (.+)\)", alternative)
        assert match, alternative
        if version_compare(version, match[2]) in operators[match[1]]:
            return True
    return False


def _agree(specifier: str, version: str) -> None:
    debian = f"{debian_version(version)}-1"
    met = all(_satisfied(clause, debian) for clause in relations("p", SpecifierSet(specifier)))
    assert met == SpecifierSet(specifier).contains(version, prereleases=True), (specifier, version)


def test_relations_mean_what_the_specifiers_mean() -> None:
    generator = random.Random(508)
    checked = 0
    while checked < 3000:
        operator = generator.choice(("==", "!=", "<=", ">=", "<", ">", "~="))
        wanted, version = _random_version(generator).partition("+")[0], _random_version(generator)
        if Version(wanted).epoch != Version(version).epoch:  # packaging 23 forgets epochs before ".*"
            continue
        if operator in ("==", "!=") and not Version(wanted).epoch and generator.random() < 0.5:
            wanted = f"{'.'.join(map(str, Version(wanted).release))}.*"
        elif operator in ("<", ">"):  # packaging 23 has its own mind about relatives of suffixed versions
            wanted = ".".join(map(str, Version(wanted).release))
        elif operator == "~=" and len(Version(wanted).release) < 2:
            continue
        _agree(operator + wanted, version)
        checked += 1


@pytest.mark.parametrize("operator", ["==", "!=", "<=", ">=", "~="])
def test_relations_between_one_release_s_relatives(operator: str) -> None:
    for wanted, version in itertools.product(SUFFIXES, SUFFIXES):
        if "+" not in wanted or operator in ("==", "!="):
            _agree(f"{operator}1.5{wanted}", f"1.5{version}")


@pytest.mark.parametrize("version, met", [("1.5+abc", True), ("1.5+abcd", False), ("1.5", False),
                                          ("1.5+abc.1", False), ("1.5.post1", False)])
def test_a_local_label_is_met_by_itself_only(version: str, met: bool) -> None:
    clauses = relations("p", SpecifierSet("==1.5+abc"))
    assert all(_satisfied(clause, f"{debian_version(version)}-2") for clause in clauses) == met


def test_relations_with_the_epoch_that_debian_has() -> None:
    assert relations("python3-numpy", SpecifierSet(">=1.20,<2"), 1) == (
        "python3-numpy (>= 1:1.20)", "python3-numpy (<< 1:2~~)")
    assert relations("x", SpecifierSet("!=1"), 1) == ("x (<< 1:1) | x (>= 1:1+a~)",)
    assert relations("x", SpecifierSet("==2!1"), 1) == ("x (>= 2:1)", "x (<< 2:1+a~)")
    assert relations("x", SpecifierSet(""), 1) == ("x",)


@pytest.mark.parametrize(("specifiers", "theirs", "expected"), [
    ("==22.2.0", "22.2.0-1", ("p (>= 22.2)", "p (<< 22.2.0+a~)")),
    ("<=5.1.0", "5.1.0+dfsg-2+b1", ("p (<< 5.1.0+dfsg+a~)",)),
    ("==2.28.1", "2.28.1+dfsg-1", ("p (>= 2.28.1)", "p (<< 2.28.1+dfsg+a~)")),
    ("==6.0", "6.0-3+b2", ("p (>= 6)", "p (<< 6.0+a~)")),
    ("==1.9", "1:2.0+really1.9-1", ("p (>= 1:1.9)", "p (<< 1:2.0+really1.9+a~)")),
    ("!=1.0", "1.0-1", ("p (<< 1) | p (>= 1.0+a~)",)),
    (">5.1.0", "5.1.0-1", ("p (>= 5.1.0+q~)",)),
    (">=2", "2.0+really1.9-1", ("p (>= 2.0+really1.9+a~)",)),
    # Nothing changes where they agree already, or where nobody knows.
    ("==1.5", "1.5-1", ("p (>= 1.5)", "p (<< 1.5+a~)")),
    ("<2", "1.5-1", ("p (<< 2~~)",)),
    (">=1", "0.9-1", ("p (>= 1)",)),
    ("==1.0", "20230101git-1", ("p (>= 1)", "p (<< 1+a~)")),
])
def test_relations_that_debians_own_package_meets(
    specifiers: str, theirs: str, expected: tuple[str, ...]
) -> None:
    epoch = int(theirs.partition(":")[0]) if ":" in theirs else 0
    found = relations("p", SpecifierSet(specifiers), epoch, theirs)
    assert found == expected
    assert misjudged("p", SpecifierSet(specifiers), epoch, theirs) == (
        found != relations("p", SpecifierSet(specifiers), epoch))
    version = upstream_version(theirs)
    if version is not None:
        assert all(_satisfied(clause, theirs) for clause in found) == (
            SpecifierSet(specifiers).contains(version))
        # A later update of the release's package is judged the same.
        assert all(_satisfied(clause, f"{theirs}+deb12u1") for clause in found) == (
            SpecifierSet(specifiers).contains(version))


@pytest.mark.parametrize(("ours", "theirs", "revision"), [
    ("1.6.1", "1.6.0-3", "1"), ("1.6.1", "1.6.1-1", "1+debxcross1"), ("2.1", "2.1-2+b1", "2+b1+debxcross1"),
    ("2:0.5", "2:0.5-1", "1+debxcross1"), ("1.17", "1.17.0-1", ""), ("1.24.2", "1.24.2+dfsg-1", ""),
    ("1.0", "1.1-1", ""), ("9", "1:1-1", ""),
])
def test_revision_above_debians(ours: str, theirs: str, revision: str) -> None:
    assert revision_above(ours, theirs) == revision
    if revision:
        for later in (theirs, f"{theirs}+b9", f"{theirs}+deb12u3"):
            newest = f"{ours}-{revision}"
            assert version_compare(newest, later) > 0 or later.startswith("2.1-2+b1")


def test_a_rebuilt_wheel_counts_above_the_first() -> None:
    tags: list[tuple[()] | tuple[int, str]] = [(), (1, ""), (2, ""), (2, "a"), (10, ""), (10, "_x")]
    debs = [f"1.0-{rebuilt('1', tag)}" for tag in tags]
    assert debs[:2] == ["1.0-1", "1.0-1+build1"]
    assert all(version_compare(one, other) < 0 for one, other in itertools.pairwise(debs))
    assert version_compare("1.0-1+debxcross1", f"1.0-{rebuilt('1+debxcross1', (1, ''))}") < 0
    assert rebuilt("", (1, "")) == ""


@pytest.mark.parametrize(("theirs", "version"), [
    ("1:1.24.2-1", "1.24.2"), ("2.28.1+dfsg-1", "2.28.1"), ("1.0~rc1-2", "1.0rc1"), ("20230101git-1", None),
    ("2.0+really1.9-1", "1.9")])
def test_what_debian_packages(theirs: str, version: str | None) -> None:
    assert upstream_version(theirs) == (Version(version) if version else None)
