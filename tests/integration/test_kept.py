# SPDX-License-Identifier: GPL-3.0-or-later
"""Build roots kept for ``shell``, and what a note that was cut short does: nothing."""
from __future__ import annotations

from pathlib import Path

import pytest

from debxcross.doors.chroot import Session
from debxcross.errors import UsageError
from debxcross.steps.build import keep
from debxcross.steps.context import Context
from tests.contexts import make_context

#: A directory that belongs to root, as base roots do where there are no namespaces.
BASE = Path("/usr")


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return make_context(tmp_path)


def keep_one(context: Context, *, failed: bool) -> Path:
    """Keep a root of zlib; return its note."""
    directory = context.logs / "session"
    directory.mkdir(parents=True)
    keep.keep(context, Session(context.chroots, BASE, directory, (BASE,)), "zlib", "/build", failed=failed)
    note, = (context.store.directory / "kept").glob("*.json")
    return note


def test_a_root_is_kept_until_its_member_is_built(context: Context) -> None:
    keep_one(context, failed=False)
    assert keep.is_kept(context.store, "zlib", "armel")
    root = keep.kept(context.store, "zlib", "armel")
    assert root.place.is_dir()
    assert root == keep.KeptRoot(root.place, BASE, (BASE,), "/build", "none")
    assert context.store.kept.layers() == {BASE}
    keep.forget(context, "zlib", built=False)  # its result was in the store
    assert keep.is_kept(context.store, "zlib", "armel")
    keep.forget(context, "zlib", built=True)
    assert not keep.is_kept(context.store, "zlib", "armel") and not root.place.exists()


def test_a_root_over_files_of_other_owners_is_not_entered(context: Context, tmp_path: Path) -> None:
    """Such as base roots of an older version, and of a range of ids that has changed."""
    keep_one(context, failed=False)
    note = context.store.kept.note("zlib-armel")
    assert note is not None
    gone = str(tmp_path / "gone")
    for change in ({"isolation": "unshare"}, {"base": gone}, {"layers": [gone]}):
        context.store.kept.write_note("zlib-armel", {**note, **change})
        assert not keep.is_kept(context.store, "zlib", "armel")


def test_the_root_of_a_failed_build_goes_with_the_first_result(context: Context) -> None:
    keep_one(context, failed=True)
    keep.forget(context, "zlib", built=False)
    assert list((context.store.directory / "kept").iterdir()) == []


def test_a_note_that_was_cut_short_counts_as_none(context: Context) -> None:
    note = keep_one(context, failed=False)
    whole = note.read_bytes()
    for content in (*(whole[:size] for size in range(len(whole))), b"[]", b"{}", b"\xff"):
        note.unlink(missing_ok=True)
        note.write_bytes(content)
        assert not keep.is_kept(context.store, "zlib", "armel")
        with pytest.raises(UsageError) as raised:
            keep.kept(context.store, "zlib", "armel")
        assert raised.value.resolution == "Kept are: none."
    # The next build that succeeds drops what nobody can enter.
    keep.forget(context, "zlib", built=False)
    assert list((context.store.directory / "kept").iterdir()) == []


def test_another_root_takes_the_place_of_one_without_a_note(context: Context) -> None:
    keep_one(context, failed=True).unlink()
    keep_one(context, failed=True)
    assert keep.is_kept(context.store, "zlib", "armel")
