# SPDX-License-Identifier: GPL-3.0-or-later
"""Which sources are behind, since when, and whether an upgrade brought them."""
from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from debxcross.core.archive.security import BEHIND, EXCLUDED, UNCHANGED, Comparison, compare, missed, table
from debxcross.core.archive.source import SourcePackage
from debxcross.core.artifact import StoredFile
from debxcross.core.build.environment import PackageFile
from debxcross.core.chain.chain import SourceMember, Trial, parse
from debxcross.core.chain.plan import Plan
from debxcross.core.chain.trial import came_from, same_version, upgraded, versions
from debxcross.errors import ConfigurationError, UsageError
from debxcross.steps.archive.probe import Probe
from debxcross.steps.archive.security import Offer, Updates, narrowed, stored
from debxcross.steps.chain.prepare import Prepared, local_debs

CHAINS = Path(__file__).parents[2] / "debxcross" / "chains"
DOCUMENT: dict[str, Any] = {
    "chain": {"name": "x", "release": "bookworm"}, "source": [{"name": "extra"}],
    "security": {"sources": ["openssl", "tzdata", "zlib"]}}


def entry(version: str, date: str, text: str, distribution: str = "bookworm-security") -> str:
    return (f"openssl ({version}) {distribution}; urgency=medium\n\n  * {text}\n\n"
            f" -- A B <a@b.invalid>  {date}\n")


CHANGELOG = "\n".join((
    entry("3.0.22-1~deb12u2", "Mon, 09 Nov 2026 23:30:00 +0100", "Fix a regression."),
    entry("3.0.22-1~deb12u1", "Sat, 07 Nov 2026 12:00:00 +0000",
          "CVE-2026-10001 (and CVE-2026-9999),\n    CVE-2026-10001 again."),
    entry("3.0.21-1~deb12u1", "Thu, 01 Oct 2026 08:00:00 +0000", "CVE-2025-1234, CVE-26-1 is none.",
          "bookworm"),
    entry("3.0.20-1~deb12u2", "Tue, 07 Jul 2026 08:00:00 +0000", "CVE-2024-1111"),
))


@pytest.mark.parametrize(("build", "host", "only_all", "state", "word"), [
    ("3.0.22-1~deb12u2", "3.0.20-1~deb12u2", False, BEHIND, "armel has 3.0.20-1~deb12u2"),
    ("2026f-0+deb12u1", "2026b-0+deb12u1", True, UNCHANGED, "Architecture: all"),
    ("1.0-1", "1.0-1", False, EXCLUDED, "not behind: armel has 1.0-1"),
    ("1.0-1", "1.0-1", True, EXCLUDED, "not behind"),
    ("1.0~rc1-1", "1.0-1", False, EXCLUDED, "not behind"),
    ("9:1.0-1", "10.0-1", False, BEHIND, "armel has 10.0-1"),
    ("", "1.0-1", False, EXCLUDED, "not behind"),
    ("1.0-1", "", False, EXCLUDED, "no package of it for armel"),
    ("", "", True, EXCLUDED, "no package of it for armel"),
])
def test_what_is_done_about_a_source(build: str, host: str, only_all: bool, state: str, word: str) -> None:
    one = compare("openssl", build, host, only_all, "armel")
    assert one.state == state and word in one.reason
    assert (one.source, one.build_version, one.host_version, one.since) == ("openssl", build, host, "")


def test_missing_since_the_first_entry_that_the_host_lacks() -> None:
    assert missed(CHANGELOG, "3.0.20-1~deb12u2") == (
        "2026-10-01", ("CVE-2025-1234", "CVE-2026-9999", "CVE-2026-10001"))
    # The author's own day, not the day it was in Greenwich.
    assert missed(CHANGELOG, "3.0.22-1~deb12u1") == ("2026-11-09", ())
    assert missed(CHANGELOG, "3.0.22-1~deb12u2") == ("", ())


@pytest.mark.parametrize(("changelog", "since"), [
    ("", ""),
    ("this is no changelog\n", ""),
    (entry("2.0", "some day in May", "x") + "\n" + entry("1.0", "Tue, 07 Jul 2026 08:00:00 +0000", "y"), ""),
    (entry("2.0", "Mon, 09 Nov 2026 23:30:00 +0100", "x", "UNRELEASED"), ""),
])
def test_a_date_nobody_wrote_is_not_made_up(changelog: str, since: str) -> None:
    assert missed(changelog, "1.0")[0] == since


FOUND = (
    Comparison("zlib", "1:1.2.13.dfsg-1", "1:1.2.13.dfsg-1", EXCLUDED, ""),
    Comparison("firefox-esr", "140.1-1", "", EXCLUDED, ""),
    Comparison("tzdata", "2026f-0", "2026b-0", UNCHANGED, ""),
    Comparison("openssl", "3.0.22-1", "3.0.20-1", BEHIND, "", "2026-10-01",
               ("CVE-2026-9999", "CVE-2026-10001")),
    Comparison("expat", "2.5.0-1", "2.4.0-1", BEHIND, "", "2026-09-01", ("CVE-2026-1",)),
)


def test_the_table() -> None:
    assert table(FOUND, "amd64", "armel") == (
        "source       amd64            armel            missing since  fixes",
        "expat        2.5.0-1          2.4.0-1          2026-09-01     1 CVE",
        "openssl      3.0.22-1         3.0.20-1         2026-10-01     2 CVEs",
        "tzdata       2026f-0          2026b-0          unknown",
        "firefox-esr  140.1-1          -                not there",
        "zlib         1:1.2.13.dfsg-1  1:1.2.13.dfsg-1  not behind",
    )


def test_the_plan_has_the_table_only_where_something_is_compared() -> None:
    plan = Plan("x", "bookworm", "amd64", "armel", (), security=FOUND)
    assert "\nSecurity updates:\n  source       amd64 " in plan.to_text()
    assert '"fixes": [\n        "CVE-2026-9999",' in plan.to_json()
    assert "Security" not in Plan("x", "bookworm", "amd64", "armel", ()).to_text()


# The chain file

def test_security_sources_are_members() -> None:
    chain = parse(DOCUMENT, "x.toml")
    assert chain.members == ("extra", "openssl", "tzdata", "zlib")
    assert chain.security == ("openssl", "tzdata", "zlib")
    assert parse({**DOCUMENT, "security": {}}, "x.toml").security == ()


def test_a_trial_may_be_an_upgrade_alone() -> None:
    chain = parse({**DOCUMENT, "trial": {"before": ["openssl"], "commands": ["openssl version"]}}, "x.toml")
    assert chain.trial == Trial((), "", ("openssl",), ("openssl version",)) and chain.trial.wanted
    assert not parse(DOCUMENT, "x.toml").trial.wanted


@pytest.mark.parametrize(("security", "said"), [
    ({"source": ["zlib"]}, "security.source: unknown key; did you mean 'sources'?"),
    ({"sources": "zlib"}, "security.sources: must be a list of strings, not 'zlib'"),
    ({"sources": ["Zlib"]}, "security.sources: name: 'Zlib' is not valid here"),
    ({"sources": ["zlib", "zlib"]}, "zlib: named more than once"),
    ({"sources": ["extra"]}, "extra: named more than once"),
    (["zlib"], "security: must be a table: [security]"),
])
def test_faults_of_the_table(security: object, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse({**DOCUMENT, "security": security}, "x.toml")
    assert caught.value.details == said


def test_the_chain_that_ships_tries_what_it_builds() -> None:
    chain = parse(tomllib.loads((CHAINS / "security-bookworm.toml").read_text()), "x")
    assert {"openssl", "zlib", "expat", "xz-utils", "tzdata"} <= set(chain.security)
    assert chain.security == tuple(sorted(chain.security))
    assert "openssl" in chain.trial.before
    assert any(command.startswith("openssl version") for command in chain.trial.commands)


# What is done about it

def offer(name: str, architecture: str) -> Offer:
    file = f"{name}_1_{architecture}.deb"
    return Offer(PackageFile(f"http://mirror.invalid/{file}", file, 7, "5a" * 32), architecture,
                 f"Package: {name}\nArchitecture: {architecture}\n")


def updates() -> Updates:
    return Updates(
        FOUND, {"openssl": SourcePackage("openssl", "3.0.22-1", "bookworm-security", (), "", "", ())},
        {"openssl": (offer("libssl3", "amd64"), offer("libssl-doc", "all")),
         "tzdata": (offer("tzdata", "all"),)})


def test_the_chain_is_narrowed_to_what_is_behind() -> None:
    chain = parse({**DOCUMENT, "security": {"sources": ["openssl", "tzdata", "zlib"]}}, "x.toml")
    assert narrowed(chain, updates()).sources == (
        SourceMember("extra"), SourceMember("openssl", "bookworm-security", "3.0.22-1"))
    assert narrowed(chain, Updates()) == chain


def test_what_lies_beside_a_result_and_what_is_published() -> None:
    assert [file.file for file in updates().beside(["openssl", "nothing"])] == [
        "libssl3_1_amd64.deb", "libssl-doc_1_all.deb"]
    assert [file.file for file in updates().published()] == ["libssl-doc_1_all.deb", "tzdata_1_all.deb"]
    assert stored(updates().beside(["tzdata"])) == (StoredFile("tzdata_1_all.deb", "5a" * 32, 7),)
    assert updates().stanzas("all") == (
        "Package: libssl-doc\nArchitecture: all\n\nPackage: tzdata\nArchitecture: all\n")
    assert set(versions(updates().stanzas("all", "amd64"))) == set()
    assert updates().stanzas("all", "amd64").count("\n\n") == 2


def test_whoever_needs_a_result_is_offered_what_lies_beside_it() -> None:
    needs = {"openssl": (), "libssh2": ("openssl",), "unzip": ()}
    prepared = Prepared(parse(DOCUMENT, "x"), Probe({}, {}, ""), {}, {}, {}, needs, {}, (), (), (),
                        updates())
    made = StoredFile("libssl3_1_armel.deb", "6b" * 32, 8)
    log = StoredFile("openssl.log", "7c" * 32, 9)
    assert local_debs(prepared, "libssh2", {"openssl": (made, log)}) == (
        made, *stored(updates().beside(["openssl"])))
    # Neither a member itself nor one that does not need it sees the newer library.
    assert local_debs(prepared, "openssl", {}) == local_debs(prepared, "unzip", {"openssl": (made,)}) == ()
    assert local_debs(prepared, "libssh2", {}) is None


def test_what_is_excluded_cannot_be_asked_for() -> None:
    assert [one.name for one in updates().excluded()] == ["zlib", "firefox-esr", "tzdata"]
    assert {one.state for one in updates().excluded()} == {"excluded"}
    updates().check_built(["openssl", "expat", "extra"])
    with pytest.raises(UsageError, match="zlib is excluded") as caught:
        updates().check_built(["openssl", "zlib"])
    assert "debxcross build zlib" in caught.value.resolution


# The upgrade

def database(**packages: str) -> str:
    return "\n".join(f"Package: {name}\nStatus: install ok installed\nVersion: {version}\n"
                     for name, version in packages.items())


BEFORE = database(libssl3="3.0.20-1", openssl="3.0.20-1", bash="5.2-1")
OFFERED = database(libssl3="3.0.22-1", openssl="3.0.22-1", tzdata="2026f-0")


def test_an_upgrade_that_worked() -> None:
    result = upgraded(BEFORE, database(libssl3="3.0.22-1", openssl="3.0.22-1", bash="5.2-1"), OFFERED)
    assert (result.name, result.ok) == ("apt-get upgrade", True)
    assert result.text == "libssl3 3.0.20-1 → 3.0.22-1; openssl 3.0.20-1 → 3.0.22-1"


def test_a_package_that_was_kept_back_is_named() -> None:
    result = upgraded(BEFORE, database(libssl3="3.0.22-1", openssl="3.0.20-1", bash="5.2-1"), OFFERED)
    assert not result.ok and result.text == "not upgraded: openssl 3.0.20-1, not 3.0.22-1"


@pytest.mark.parametrize("offered", ["", database(tzdata="2026f-0")])
def test_an_upgrade_of_nothing_is_no_success(offered: str) -> None:
    result = upgraded(BEFORE, BEFORE, offered)
    assert not result.ok and result.text == "nothing was upgraded"


def test_a_package_that_the_upgrade_removed_is_not_told_as_changed() -> None:
    result = upgraded(BEFORE, database(libssl3="3.0.22-1"), OFFERED)
    assert result.ok and result.text == "libssl3 3.0.20-1 → 3.0.22-1"


def test_what_a_device_has_in_the_version_on_offer() -> None:
    after = database(libssl3="3.0.22-1", openssl="3.0.20-1", bash="5.2-1", tzdata="2026f-0")
    assert same_version(OFFERED, after) == {"libssl3", "tzdata"}


def test_what_came_from_the_offer_is_what_was_not_there_before() -> None:
    before = database(libssl3="3.0.20-1", tzdata="2026f-0")
    after = database(libssl3="3.0.22-1", tzdata="2026f-0", openssl="3.0.22-1", bash="5.2-1")
    assert came_from(OFFERED, before, after) == {"libssl3", "openssl"}


def test_a_date_that_no_clock_has_is_no_date() -> None:
    good, (since, fixes) = CHANGELOG, missed(CHANGELOG, "3.0.20-1~deb12u2")
    for zone in re.findall(r"[+-][0-9]{4}$", good, re.MULTILINE):
        good = good.replace(zone, "9" * 30)
    assert since and good != CHANGELOG and missed(good, "3.0.20-1~deb12u2") == ("", fixes)
