# SPDX-License-Identifier: GPL-3.0-or-later
"""What the repository remembers for itself: a file cut short, or of other content, counts as none."""
from __future__ import annotations

import time
from pathlib import Path

import pytest

from debxcross.errors import PublishError
from debxcross.repository.steps import keys, unchanged
from debxcross.repository.steps.unchanged import Known
from tests.tools import need

OTHER_CONTENT = (b"[]", b"3", b"null", b"\xff", b'{"a": 1}', b'{"a": null}', b'{"a": 1' + b"0" * 400 + b"}")


@pytest.fixture
def memo(tmp_path: Path) -> Path:
    unchanged.remember(tmp_path / "memo.json", "question", Known(5, (), ("AB",), ("a warning",)), 100.0)
    return tmp_path / "memo.json"


def test_a_publication_is_remembered_for_a_day(memo: Path) -> None:
    known = Known(5, (), ("AB",), ("a warning",))
    assert unchanged.recall(memo, "question", memo.parent, 101.0) == known
    assert unchanged.recall(memo, "another", memo.parent, 101.0) is None
    assert unchanged.recall(memo, "question", memo.parent, 100.0 + 86400) is None


def test_a_publication_remembered_by_half_is_worked_out_again(memo: Path) -> None:
    content = memo.read_bytes()
    for short in (*(content[:size] for size in range(len(content))), *OTHER_CONTENT):
        memo.write_bytes(short)
        assert unchanged.recall(memo, "question", memo.parent, 101.0) is None
    memo.unlink()
    memo.mkdir()
    assert unchanged.recall(memo, "question", memo.parent, 101.0) is None


def test_where_it_is_not_known_when_a_key_came_the_day_it_was_made_counts(tmp_path: Path) -> None:
    need("gpg")
    home, now = tmp_path / "keys", time.time()
    old, = keys.add(home, "Old <old@example.org>", now)
    new, = keys.add(home, "New <new@example.org>", now - 100 * 86400)
    noted = home / "added.json"
    assert noted.stat().st_mode & 0o777 == 0o600 and new.fingerprint.encode() in noted.read_bytes()
    content = noted.read_bytes()
    for short in (b"", content[:-1], content[:10], *OTHER_CONTENT):
        noted.write_bytes(short.replace(b'"a"', f'"{new.fingerprint}"'.encode())
                          if short.endswith((b"null}", b"00}")) else short)
        with pytest.raises(PublishError, match="devices had 0 days to learn of another key"):
            keys.retire(home, old.fingerprint, now)
    noted.write_bytes(content)
    assert keys.retire(home, old.fingerprint, now).fingerprint == old.fingerprint
