# SPDX-License-Identifier: GPL-3.0-or-later
"""The texts apt reads, and which suites a build root and a device may see."""
from __future__ import annotations

from dataclasses import replace

from debian.deb822 import Deb822

from debxcross.core.archive.world import (
    LOCAL_PRIORITY, TOOL_PRIORITY, Archive, SuiteUse, World, apt_configuration,
)

MAIN = Archive("main", ("http://mirror.example/debian", "http://other.example/debian"), ("/k/archive.gpg",))
SECURITY = Archive("security", ("http://security.example",), ("/k/archive.gpg", "/k/more.gpg"))
BOTH = ("amd64", "armel")
WORLD = World("amd64", "armel", (
    SuiteUse("bookworm", MAIN, BOTH, source=True),
    SuiteUse("bookworm-security", SECURITY, BOTH, source=True),
    SuiteUse("bullseye", MAIN, BOTH, source=True, priority=TOOL_PRIORITY),
    SuiteUse("sid", MAIN, (), source=True),
))
CARRIED = WORLD.with_carried({
    "bookworm": ("amd64", "arm64", "armel"), "bookworm-security": ("amd64", "arm64"),
    "bullseye": ("amd64", "arm64"), "sid": ("amd64",)})


def names(world: World) -> list[str]:
    return [use.suite for use in world.suites]


def test_sources_list() -> None:
    assert CARRIED.sources_list({"main": "/x/mirrors.main"}, "/x/local").splitlines() == [
        "deb [trusted=yes] file:/x/local ./",
        "deb [arch=amd64,armel signed-by=/k/archive.gpg] mirror+file:/x/mirrors.main bookworm main",
        "deb-src [signed-by=/k/archive.gpg] mirror+file:/x/mirrors.main bookworm main",
        "deb [arch=amd64 signed-by=/k/archive.gpg,/k/more.gpg] http://security.example "
        "bookworm-security main",
        "deb-src [signed-by=/k/archive.gpg,/k/more.gpg] http://security.example bookworm-security main",
        "deb [arch=amd64 signed-by=/k/archive.gpg] mirror+file:/x/mirrors.main bullseye main",
        "deb-src [signed-by=/k/archive.gpg] mirror+file:/x/mirrors.main bullseye main",
        "deb-src [signed-by=/k/archive.gpg] mirror+file:/x/mirrors.main sid main",
    ]


def test_archives_of_snapshots_may_be_old() -> None:
    old = Archive("main", ("http://mirror.example/archive/debian/20250520T000000Z/",), ("/k/archive.gpg",))
    assert old.snapshot and Archive("main", (old.uris[0].rstrip("/"),), ()).snapshot
    # A mirror of today must be of today, also where a snapshot stands behind it.
    assert not Archive("main", (*MAIN.uris, *old.uris), ()).snapshot
    assert not MAIN.snapshot and not Archive("main", (), ()).snapshot
    world = World("amd64", "armel", (SuiteUse("bookworm", old, BOTH, source=True),
                                     SuiteUse("bookworm-security", SECURITY, BOTH)))
    assert world.sources_list({}).splitlines() == [
        f"deb [arch=amd64,armel signed-by=/k/archive.gpg check-valid-until=no] {old.uris[0]} bookworm main",
        f"deb-src [signed-by=/k/archive.gpg check-valid-until=no] {old.uris[0]} bookworm main",
        "deb [arch=amd64,armel signed-by=/k/archive.gpg,/k/more.gpg] http://security.example "
        "bookworm-security main"]


def test_before_the_probe_all_architectures_are_asked_for() -> None:
    lines = WORLD.sources_list({"main": "/m"}).splitlines()
    assert not any("trusted" in line for line in lines)
    assert all("arch=amd64,armel" in line for line in lines if line.startswith("deb "))


def test_preferences() -> None:
    lines = WORLD.preferences().splitlines()
    assert [dict(one) for one in Deb822.iter_paragraphs(lines, use_apt_pkg=False)] == [
        {"Package": "*", "Pin": "release o=debxcross-local", "Pin-Priority": str(LOCAL_PRIORITY)},
        {"Package": "*", "Pin": "release n=bullseye", "Pin-Priority": str(TOOL_PRIORITY)},
    ]
    # apt_preferences(5): over 1000 even downgrades; under 500 the release wins.
    assert LOCAL_PRIORITY > 1000 and TOOL_PRIORITY < 500


def test_build_roots_see_suites_with_both_architectures_and_the_tools() -> None:
    root = CARRIED.for_build_root()
    assert names(root) == ["bookworm", "bullseye"]
    assert CARRIED.left_out() == ("bookworm-security",)
    assert "deb-src" not in root.sources_list({"main": "/m"})
    assert root.binaries_for(root.suites[1]) == ("amd64",)


def test_devices_see_neither_tools_nor_other_architectures() -> None:
    device = CARRIED.for_device()
    assert names(device) == ["bookworm"] and device.architectures == ("armel",)
    assert device.sources_list({"main": "/m"}) == (
        "deb [arch=armel signed-by=/k/archive.gpg] mirror+file:/m bookworm main\n")
    carrying = WORLD.with_carried({use.suite: BOTH for use in WORLD.suites})
    assert names(carrying.for_device()) == ["bookworm", "bookworm-security"]
    unread = WORLD.for_device()
    assert names(unread) == ["bookworm", "bookworm-security"] and not any(use.source for use in unread.suites)


def test_where_no_suite_has_the_architecture() -> None:
    """Build roots have the build architecture of every suite, devices only what is for all architectures."""
    orphan = replace(WORLD, host_architecture="powerpc", suites=tuple(
        replace(use, architectures=("amd64", "powerpc") if use.architectures else ())
        for use in WORLD.suites))
    assert not orphan.without_archive, "before the probe a suite may have it"
    orphan = orphan.with_carried({use.suite: BOTH for use in orphan.suites})
    assert orphan.without_archive and not CARRIED.without_archive and not World("a", "b", ()).without_archive
    root = orphan.for_build_root()
    assert set(names(root)) == {"bookworm", "bookworm-security", "bullseye"} and orphan.left_out() == ()
    text = root.sources_list({"main": "/m"})
    assert "arch=amd64 " in text and "powerpc" not in text
    device = orphan.for_device()
    assert (device.build_architecture, device.architectures) == ("powerpc", ("powerpc", "amd64"))
    assert names(device) == ["bookworm", "bookworm-security"]
    # apt then lets no package of amd64 serve, however foreign.
    text = apt_configuration("/r", device.build_architecture, device.architectures)
    assert 'APT::Architecture "powerpc";' in text and 'BarbarianArchitectures { "amd64"; }' in text


def test_native_builds_have_one_architecture() -> None:
    world = World("amd64", "amd64", (SuiteUse("bookworm-security", SECURITY, ("amd64",)),)).with_carried(
        {"bookworm-security": ("amd64",)})
    assert world.architectures == ("amd64",) and names(world.for_build_root()) == ["bookworm-security"]


def test_apt_configuration_shuts_the_machine_out() -> None:
    lines = apt_configuration("/r", "amd64", BOTH, (("Acquire::http::Proxy", "http://proxy.example:3128"),))
    assert 'Dir "/r";' in lines and 'Dir::State::status "/r/var/lib/dpkg/status";' in lines
    assert 'APT::Architectures { "amd64"; "armel"; };' in lines
    assert 'APT::BarbarianArchitectures { "armel"; };' in lines
    assert 'Acquire::http::Proxy "http://proxy.example:3128";' in lines
    assert "Barbarian" not in apt_configuration("/r", "amd64", ("amd64",))
