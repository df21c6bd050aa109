# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys: everything that can change the bytes is in them, and nothing else."""
from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from debxcross.core.archive.source import SourcePackage
from debxcross.core.artifact import StoredFile
from debxcross.core.build import commands
from debxcross.core.build.environment import (
    Environment, InstalledPackage, PackageFile, RootRecipe, resolution_key, source_inputs,
)
from debxcross.core.key import digest
from debxcross.core.patch import RulesPatch

DIFF = "--- a/debian/rules\n+++ b/debian/rules\n@@ -1 +1 @@\n-a\n+b\n"
BASE = (InstalledPackage("gcc-12", "amd64", "12.2.0-14", "aa"),
        InstalledPackage("libc6", "armel", "2.36-9", "bb"))
ADDED = (PackageFile("http://mirror.example/zlib1g-dev_1_armel.deb", "zlib1g-dev_1_armel.deb", 10, "cc"),
         PackageFile("http://mirror.example/debhelper_13_all.deb", "debhelper_13_all.deb", 20, "dd"))
SOURCE = SourcePackage("openssl", "1.1.1w-0+deb11u4", "bullseye-security", (
    StoredFile("openssl.dsc", "11", 1), StoredFile("openssl.orig.tar.gz", "22", 2)), "debhelper", "", ())
INPUTS: dict[str, Any] = {
    "source": SOURCE, "version": "1.1.1w-0+deb11u4",
    "patches": (RulesPatch("openssl", "one", "words", DIFF),),
    "profiles": ("cross", "nocheck"), "build": "amd64", "host": "armel",
    "environment": Environment(BASE, ADDED),
}


def source_key(**inputs: Any) -> str:
    return digest(source_inputs(**inputs))


KEY = source_key(**INPUTS)
ROOT = RootRecipe("bookworm", "amd64", "armel", BASE, ("force-unsafe-io",), ("mkdir /build",))


@pytest.mark.parametrize("changes", [
    {"source": replace(SOURCE, name="openssl3")},
    {"source": replace(SOURCE, files=(StoredFile("openssl.dsc", "12", 1), SOURCE.files[1]))},
    {"source": replace(SOURCE, files=(SOURCE.files[0], StoredFile("openssl.orig.tar.gz", "23", 2)))},
    {"patches": ()},
    {"patches": (RulesPatch("openssl", "one", "words", DIFF.replace("+b", "+c")),)},
    {"patches": (*INPUTS["patches"], RulesPatch("openssl", "two", "words", DIFF))},
    {"version": "1.1.1w-0+deb11u4+debxcross1"},
    {"profiles": ("cross",)}, {"profiles": ("cross", "nocheck", "nodoc")},
    {"build": "arm64"}, {"host": "armhf"},
    {"environment": Environment((replace(BASE[0], version="12.2.0-15"), BASE[1]), ADDED)},
    {"environment": Environment((replace(BASE[0], sha256="ab"), BASE[1]), ADDED)},
    {"environment": Environment((replace(BASE[0], architecture="armel"), BASE[1]), ADDED)},
    {"environment": Environment(BASE[:1], ADDED)},
    {"environment": Environment(BASE, (replace(ADDED[0], sha256="cd"), ADDED[1]))},
    {"environment": Environment(BASE, (replace(ADDED[0], file="zlib1g-dev_2_armel.deb"), ADDED[1]))},
    {"environment": Environment(BASE, ADDED[:1])},
])
def test_every_input_changes_the_key(changes: dict[str, Any]) -> None:
    assert source_key(**{**INPUTS, **changes}) != KEY


@pytest.mark.parametrize("changes", [
    {"source": replace(SOURCE, suite="bullseye")},
    {"source": replace(SOURCE, files=SOURCE.files[::-1])},
    {"patches": (RulesPatch("openssl", "one", "other words", "Description: other words\n\n" + DIFF,
                            versions=((">=", "1"),)),)},
    {"environment": Environment(BASE[::-1], ADDED[::-1])},
    {"environment": Environment(BASE, tuple(replace(one, uri="http://other.example/") for one in ADDED))},
])
def test_where_it_came_from_and_the_order_do_not(changes: dict[str, Any]) -> None:
    assert source_key(**{**INPUTS, **changes}) == KEY


def test_patches_count_in_their_order() -> None:
    two = (*INPUTS["patches"], RulesPatch("openssl", "two", "words", DIFF))
    assert source_key(**{**INPUTS, "patches": two}) != source_key(**{**INPUTS, "patches": two[::-1]})


def test_the_schema_is_in_every_key(monkeypatch: pytest.MonkeyPatch) -> None:
    question = resolution_key(BASE, "state", "what", ())
    monkeypatch.setattr(commands, "SCHEMA", commands.SCHEMA + 1)
    assert source_key(**INPUTS) != KEY and resolution_key(BASE, "state", "what", ()) != question
    assert replace(ROOT, schema=commands.SCHEMA).key != ROOT.key


def test_questions_to_apt() -> None:
    key = resolution_key(BASE, "state", {"host": "armel"}, ("11", "22"))
    assert key == resolution_key(BASE[::-1], "state", {"host": "armel"}, ("22", "11"))
    others = [resolution_key(BASE[:1], "state", {"host": "armel"}, ("11", "22")),
              resolution_key(BASE, "other", {"host": "armel"}, ("11", "22")),
              resolution_key(BASE, "state", {"host": "armhf"}, ("11", "22")),
              resolution_key(BASE, "state", {"host": "armel"}, ("11",))]
    assert len({key, *others}) == 5


@pytest.mark.parametrize("changes", [
    {"release": "trixie"}, {"build_architecture": "arm64"}, {"host_architecture": "armhf"},
    {"packages": BASE[:1]}, {"packages": (BASE[0], replace(BASE[1], sha256="bc"))},
    {"dpkg_options": ()}, {"commands": ()}, {"variant": "apt"},
])
def test_every_part_of_a_root_recipe_changes_its_key(changes: dict[str, Any]) -> None:
    assert replace(ROOT, **changes).key != ROOT.key


def test_words() -> None:
    assert BASE[1].words == "libc6:armel=2.36-9"
    assert Environment(BASE, ADDED).identity == (
        "gcc-12:amd64=12.2.0-14 aa", "libc6:armel=2.36-9 bb",
        "debhelper_13_all.deb dd", "zlib1g-dev_1_armel.deb cc")
