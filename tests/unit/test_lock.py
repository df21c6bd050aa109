# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks as text: written, read again, compared, and what a faulty one is told."""
from __future__ import annotations

import tomllib
from dataclasses import replace
from typing import Any

import pytest

from debxcross.core.build.environment import InstalledPackage, PackageFile
from debxcross.core.build.losses import AcceptedLoss
from debxcross.core.chain.chain import Chain, PinnedFile, SourceMember, WheelMember
from debxcross.core.chain.lock import (
    SCHEMA, SHIMS, Lock, LockedFile, LockedMember, chain_digest, check, deviations, parse, to_text,
)
from debxcross.errors import LockError
from debxcross.steps.held import Held

ONE, TWO, THREE, FOUR = (digit * 64 for digit in "1234")
LIBC = PackageFile("archive:main/pool/g/glibc/libc6_2.36-9_armel.deb", "libc6_2.36-9_armel.deb", 10, ONE)
BASH = PackageFile("archive:security/pool/b/bash/bash_5.2_amd64.deb", "bash_1%3a5.2_amd64.deb", 20, TWO)
ZLIB = LockedMember(
    "zlib", "source", "1:1.2.13.dfsg-1", "bookworm", "+debxcross1",
    (LockedFile("zlib_1.dsc", THREE, 30, "main/pool/z/zlib/zlib_1.dsc"),
     LockedFile("zlib_1.orig.tar.gz", FOUR, 40, "main/pool/z/zlib/zlib_1.orig.tar.gz")),
    (("second", ONE), ("first", TWO)), (BASH,))
SIX = LockedMember("six", "wheel", "1.16.0", "", "", (
    LockedFile("six-1.16.0-py2.py3-none-any.whl", FOUR, 50, "index/six/1.16.0"),), (), ())
CHAIN = Chain("tiny", "bookworm", (SourceMember("zlib"),), (
    WheelMember("six", "2.7", PinnedFile("six", "1.16.0", "six-1.16.0-py2.py3-none-any.whl", FOUR)),))
LOCK = Lock(
    "tiny", chain_digest(CHAIN), "bookworm", "amd64", "armel",
    (("bookworm", THREE), ("bookworm-security", FOUR)),
    {"build-root": (BASH, LIBC), "device-root": (LIBC,), "device": ()}, (SIX, ZLIB))
TEXT = to_text(LOCK)


def document(**changes: Any) -> dict[str, Any]:
    return {**tomllib.loads(TEXT), **changes}


def test_what_is_written_is_read() -> None:
    assert parse(tomllib.loads(TEXT), "x") == LOCK


def test_answers_stand_only_where_there_are_some() -> None:
    """A lock of an earlier debxcross is read, and written as it was."""
    assert "answers" not in TEXT
    told = replace(LOCK, members=(SIX, replace(ZLIB, answers=f"file {ONE}")))
    assert f'answers = "file {ONE}"\n' in to_text(told)
    assert parse(tomllib.loads(to_text(told)), "x") == told


def test_what_shims_are_made_of_stands_only_where_there_are_some() -> None:
    assert "shims" not in TEXT
    cross = PackageFile("archive:main/pool/c/x.deb", "libc6-powerpc-cross_2.36-8cross1_all.deb", 10, THREE)
    told = replace(LOCK, parts={**LOCK.parts, SHIMS: (cross,)})
    assert f'"libc6-powerpc-cross 2.36-8cross1 all {THREE} 10 main/pool/c/x.deb",\n' in to_text(told)
    assert parse(tomllib.loads(to_text(told)), "x") == told
    assert Held("powerpc", told).part(SHIMS) == (cross,) and Held("armel", LOCK).part(SHIMS) == ()


def test_one_line_for_a_package() -> None:
    lines = [line.strip() for line in TEXT.splitlines()]
    assert lines.count(f'"libc6 2.36-9 armel {ONE} 10 main/pool/g/glibc/libc6_2.36-9_armel.deb",') == 2
    assert f'"bash 1:5.2 amd64 {TWO} 20 security/pool/b/bash/bash_5.2_amd64.deb",' in lines
    assert f'"six-1.16.0-py2.py3-none-any.whl {FOUR} 50 index/six/1.16.0",' in lines
    assert TEXT.startswith("# ") and f"schema = {SCHEMA}\n" in TEXT


def test_what_a_chain_leaves_out_is_not_in_its_identity() -> None:
    """A key that only a newer debxcross knows must not outdate a lock."""
    assert chain_digest(CHAIN) == chain_digest(replace(CHAIN, summary="other words"))
    assert chain_digest(CHAIN) == "1f2e92f0c4dfc154b2657d98d68ba29f10e67f7a04668699192fe72a2da50903"
    accepting = SourceMember("zlib", accept_losses=(AcceptedLoss("/usr/bin/*", "not wanted"),))
    assert chain_digest(CHAIN) == chain_digest(replace(CHAIN, sources=(accepting,)))
    other = replace(CHAIN, sources=(SourceMember("zlib", revision=1),))
    assert chain_digest(CHAIN) != chain_digest(other)


def test_the_text_does_not_depend_on_any_order_but_that_of_patches() -> None:
    turned = replace(
        LOCK, members=LOCK.members[::-1], archives=LOCK.archives[::-1],
        parts={name: files[::-1] for name, files in reversed(LOCK.parts.items())})
    assert to_text(turned) == TEXT
    patches = replace(ZLIB, patches=ZLIB.patches[::-1])
    assert to_text(replace(LOCK, members=(SIX, patches))) != TEXT
    assert parse(tomllib.loads(TEXT), "x").members[1].patches == (("second", ONE), ("first", TWO))


def test_package_files_speak_of_packages() -> None:
    assert BASH.package == InstalledPackage("bash", "amd64", "1:5.2", TWO)
    assert LOCK.packages == (BASH, LIBC)
    assert [file.name for file in LOCK.files] == [
        "six-1.16.0-py2.py3-none-any.whl", "zlib_1.dsc", "zlib_1.orig.tar.gz"]


@pytest.mark.parametrize("schema", [None, 0, SCHEMA + 1, "1"])
def test_another_schema_is_refused_before_anything_else(schema: object) -> None:
    with pytest.raises(LockError, match=f"has schema {schema!r}, this debxcross knows {SCHEMA}") as raised:
        parse({"schema": schema, "packages": 7}, "my.lock")
    assert "debxcross lock" in raised.value.resolution


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(LockError, match="my.lock has 7 faults") as raised:
        parse(document(
            chain=7, archives={"bookworm": 1},
            packages={"build-root": ["libc6 2.36", f"a b c {ONE} many d"], "device": "none",
                      "device-root": []},
            member=[{**tomllib.loads(TEXT)["member"][0], "files": [f"x {ONE} y z w"], "suite": []}]),
            "my.lock")
    assert raised.value.details.splitlines() == [
        "chain: must be a string, not 7",
        "archives.bookworm: must be a string, not 1",
        "packages.build-root: 'libc6 2.36' is not a line of 6 words with a digest",
        f"packages.build-root: 'a b c {ONE} many d' is not a line of 6 words with a digest",
        "packages.device: must be a list, not 'none'",
        "member[six].suite: must be a string, not []",
        f"member[six].files: 'x {ONE} y z w' is not a line of 4 words with a digest",
    ]


def test_missing_tables_are_faults() -> None:
    with pytest.raises(LockError) as raised:
        parse({"schema": SCHEMA}, "my.lock")
    assert "packages: must be a table; it is missing" in raised.value.details
    assert "member: must be a list; it is missing" in raised.value.details


def test_a_lock_for_this_run_passes() -> None:
    check(LOCK, CHAIN, "amd64", "armel", "my.lock")
    check(LOCK, replace(CHAIN, summary="other words"), "amd64", "armel", "my.lock")


@pytest.mark.parametrize("chain, build, host, words", [
    (replace(CHAIN, name="other", release="trixie"), "arm64", "armhf", [
        "chain: the lock is for tiny, this run for other",
        "release: the lock is for bookworm, this run for trixie",
        "build architecture: the lock is for amd64, this run for arm64",
        "host architecture: the lock is for armel, this run for armhf"]),
    (replace(CHAIN, sources=(*CHAIN.sources, SourceMember("expat"))), "amd64", "armel", [
        "the chain has members that the lock does not know: expat"]),
    (replace(CHAIN, profiles=("cross",)), "amd64", "armel", [
        "the chain tiny is not what it was when the lock was written"]),
])
def test_a_lock_of_something_else_is_refused(chain: Chain, build: str, host: str, words: list[str]) -> None:
    with pytest.raises(LockError, match="my.lock is not for this run") as raised:
        check(LOCK, chain, build, host, "my.lock")
    found = raised.value.details.splitlines()
    assert [line for line in found if line in words] == words
    assert f"debxcross lock {host}" in raised.value.resolution


def test_deviations_name_each_package() -> None:
    newer = replace(LIBC, file="libc6_2.36-10_armel.deb", sha256=THREE)
    other = replace(BASH, file="bash_1%3a5.2_armel.deb")
    assert deviations((BASH, LIBC), (LIBC, BASH)) == ()
    assert deviations((BASH, LIBC), (replace(BASH, uri="file:/x"), newer, other)) == (
        "bash:armel 1:5.2 is needed, but not in the lock",
        f"libc6:armel is locked at 2.36-9 ({ONE[:12]}…), found 2.36-10 ({THREE[:12]}…)")
    assert deviations((BASH, LIBC), (LIBC,)) == ("bash:amd64 1:5.2 is in the lock, but not needed",)
    assert deviations((LIBC,), (replace(LIBC, sha256=FOUR),)) == (
        f"libc6:armel is locked at 2.36-9 ({ONE[:12]}…), found 2.36-9 ({FOUR[:12]}…)",)
