# SPDX-License-Identifier: GPL-3.0-or-later
"""Base roots and kept roots: two halves each, one of which counts."""
from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from debxcross.doors.store import Store
from debxcross.errors import StoreError

PACKAGES = [{"name": "libc6", "architecture": "armel", "version": "2.36", "sha256": "ab" * 32}]
#: What is left of a file of JSON when a disk was full or somebody wrote into it.
DAMAGED = (b"", b"{", b'{"base": "/x", "dir', b"\xff", b"3", b"null")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def made(tmp_path: Path) -> Path:
    directory = tmp_path / "made"
    (directory / "etc").mkdir(parents=True)
    return directory


def test_a_base_root_appears_with_its_list(store: Store, tmp_path: Path) -> None:
    assert store.roots.packages("aa") is None and store.roots.keys() == ()
    place = store.roots.commit("aa", made(tmp_path), PACKAGES)
    assert place == store.roots.place("aa") and (place / "etc").is_dir()
    assert store.roots.packages("aa") == PACKAGES and store.roots.keys() == ("aa",)
    assert sorted(path.name for path in place.parent.iterdir()) == ["aa", "aa.json"]
    store.roots.drop("aa", shutil.rmtree)
    assert store.roots.packages("aa") is None and list(place.parent.iterdir()) == []


def test_a_base_root_that_cannot_have_its_place_leaves_no_list(store: Store, tmp_path: Path) -> None:
    (store.roots.place("aa") / "in the way").mkdir(parents=True)
    with pytest.raises(StoreError, match="cannot use"):
        store.roots.commit("aa", made(tmp_path), PACKAGES)
    assert [path.name for path in store.roots.place("aa").parent.iterdir()] == ["aa"]
    assert store.roots.packages("aa") is None and store.leftovers() == ()


def test_base_roots_are_known_by_either_half(store: Store) -> None:
    roots = store.directory / "roots"
    (roots / "aa").mkdir()
    (roots / "bb.json").write_text("[]")
    (roots / "cc.tmp").write_text("[]")
    (roots / ".dd.json.0123abcd").write_text("[]")
    assert store.roots.keys() == ("aa", "bb")
    assert store.roots.packages("aa") is None and store.roots.packages("bb") is None
    assert [path.name for path in store.leftovers()] == [".dd.json.0123abcd", "cc.tmp"]


@pytest.mark.parametrize("content", [*DAMAGED, b"{}"])
def test_a_base_root_whose_list_is_damaged_is_not_there(store: Store, content: bytes) -> None:
    store.roots.place("aa").mkdir()
    (store.directory / "roots" / "aa.json").write_bytes(content)
    assert store.roots.packages("aa") is None and store.roots.keys() == ("aa",)


def layer(store: Store, tmp_path: Path, key: str, age: int = 0) -> Path:
    place = store.layers.commit(key, made(tmp_path / key), PACKAGES)
    listed = store.directory / "layers" / f"{key}.json"
    os.utime(listed, (1000 - age, 1000 - age))
    return place


def test_the_layers_that_were_used_last_stay(store: Store, tmp_path: Path) -> None:
    for number, key in enumerate(("aa", "bb", "cc", "dd", "ee")):
        layer(store, tmp_path, key, age=number)
    with store.layers.used("ee") as place:
        assert place == store.layers.place("ee")
    store.layers.trim(2, {store.layers.place("cc")}, shutil.rmtree)
    assert store.layers.keys() == ("aa", "cc", "ee")
    assert not store.layers.place("bb").exists()


def test_a_layer_in_use_is_deleted_by_nobody(store: Store, tmp_path: Path) -> None:
    layer(store, tmp_path, "aa")
    with store.layers.used("aa"), store.layers.used("aa"):
        Store(store.directory).layers.trim(0, (), shutil.rmtree)
        assert store.layers.keys() == ("aa",)
    store.layers.trim(0, (), shutil.rmtree)
    assert store.layers.keys() == ()


def test_a_layer_that_is_not_whole_is_not_used(store: Store, tmp_path: Path) -> None:
    with store.layers.used("aa") as place:
        assert place is None
    shutil.rmtree(layer(store, tmp_path, "aa"))
    with store.layers.used("aa") as place:
        assert place is None
    store.layers.trim(0, (), lambda path: None)
    assert store.layers.keys() == ()


def test_a_kept_root_has_a_note(store: Store) -> None:
    kept = store.kept
    assert kept.note("zlib-armel") is None and kept.names() == ()
    kept.place("zlib-armel").mkdir()
    kept.write_note("zlib-armel", {"base": "/x"})
    kept.write_note("zlib-armel", {"base": "/y"})
    kept.place("python2.7-armel").mkdir()
    assert kept.note("zlib-armel") == {"base": "/y"} and kept.note("python2.7-armel") is None
    assert kept.names() == ("python2.7-armel", "zlib-armel")
    kept.drop("zlib-armel", shutil.rmtree)
    kept.drop("zlib-armel", shutil.rmtree)
    assert kept.names() == ("python2.7-armel",)


@pytest.mark.parametrize("content", [*DAMAGED, b"[]"])
def test_a_note_that_cannot_be_read_is_none(store: Store, content: bytes) -> None:
    note = store.directory / "kept" / "zlib-armel.json"
    note.write_bytes(content)
    assert store.kept.note("zlib-armel") is None
    note.unlink()
    note.mkdir()
    assert store.kept.note("zlib-armel") is None


def test_an_unfinished_note_is_a_leftover(store: Store) -> None:
    (store.directory / "kept" / ".zlib-armel.json.0123abcd").write_text("{")
    assert [path.name for path in store.leftovers()] == [".zlib-armel.json.0123abcd"]
    assert store.kept.names() == ()
