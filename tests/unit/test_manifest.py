# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest

from debxcross.errors import PublishError
from debxcross.repository.core.index import RepositorySettings
from debxcross.repository.core.manifest import Change, Manifest, parse_manifest

SETTINGS = RepositorySettings("bookworm", "stable", ("amd64", "armel"), "http://example.invalid/", "Boards",
                              "Our boards", "main", "some text")


def test_a_manifest_reads_back() -> None:
    change = Change(5, "bookworm", ("a 1 armel",), ("b 1 all",), 2)
    manifest = Manifest("", "", "").with_release(SETTINGS).with_change(change)
    assert parse_manifest(manifest.to_text()) == manifest
    assert manifest.settings("bookworm") == SETTINGS


def test_changes_are_few_and_the_newest_come_first() -> None:
    manifest = Manifest("", "", "")
    for date in range(30):
        manifest = manifest.with_change(Change(date, "bookworm"))
    assert [change.date for change in manifest.changes] == list(range(29, 9, -1))
    many = {("package", f"{number}", "armel") for number in range(60)}
    change = Change.of(1, "bookworm", set(), many)
    assert (len(change.added), change.removed, change.more) == (50, (), 10)


def test_a_newer_layout_is_left_alone() -> None:
    text = json.dumps({"format": 2, "anything": "else"})
    with pytest.raises(PublishError, match="layout 2") as raised:
        parse_manifest(text)
    assert "newer" in raised.value.resolution


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', '{"format": "x"}', "null"])
def test_what_is_no_manifest_is_refused(text: str) -> None:
    with pytest.raises(PublishError, match="cannot be read"):
        parse_manifest(text)
