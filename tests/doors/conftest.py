# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions over a tiny base root."""
from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from debxcross.doors.chroot import Chroots, Session
from debxcross.errors import HostError
from tests.smallroot import give_to_roots, make_plain


def usable() -> Chroots:
    """Return the door to roots; skip where this machine has none."""
    chroots = Chroots()
    try:
        chroots.check()
    except HostError as error:
        if os.environ.get("DEBXCROSS_REQUIRE_TOOLS") == "1":
            raise
        pytest.skip(error.brief)
    return chroots


@pytest.fixture(scope="module")
def plain_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smallest root that sessions work with, owned by whoever runs the tests."""
    base = tmp_path_factory.mktemp("base") / "root"
    make_plain(base)
    return base


@pytest.fixture(scope="module")
def base(plain_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The same, owned by the users of build roots."""
    usable()
    target = tmp_path_factory.mktemp("owned") / "root"
    give_to_roots(plain_base, target)
    yield target
    Chroots().remove(target)


@pytest.fixture
def chroots() -> Chroots:
    return usable()


@pytest.fixture
def session(chroots: Chroots, base: Path, tmp_path: Path) -> Iterator[Session]:
    session = chroots.session(base, tmp_path / "session")
    yield session
    chroots.remove(session.directory)
    assert not session.directory.exists()
