# SPDX-License-Identifier: GPL-3.0-or-later
"""Unit tests are values in, values out: while one runs, no process starts and no socket opens."""
from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from debian.debian_support import DpkgArchTable

GOLDEN = Path(__file__).parent.parent / "golden"

#: Audit events (PEP 578, the table in Python's library reference) of what is forbidden here.
_FORBIDDEN = frozenset((
    "subprocess.Popen", "os.system", "os.fork", "os.forkpty", "os.exec", "os.spawn", "os.posix_spawn",
    "pty.spawn", "socket.__new__", "socket.connect", "socket.bind", "socket.getaddrinfo",
))
_guarding = False


def _guard(event: str, arguments: tuple[Any, ...]) -> None:
    if _guarding and event in _FORBIDDEN:
        # Failed is no Exception, so that no handler of the code under test swallows it.
        pytest.fail(f"a unit test must not reach the outside world: {event}")


# An audit hook cannot be taken out again, hence the switch; it also sees what C code does.
sys.addaudithook(_guard)


@pytest.fixture(autouse=True)
def no_outside_world() -> Iterator[None]:
    """Fail a unit test that starts a process or opens a socket."""
    global _guarding
    _guarding = True
    yield
    _guarding = False


@pytest.fixture(scope="session")
def table() -> DpkgArchTable:
    """dpkg's own tables of architectures, read as files."""
    return DpkgArchTable.load_arch_table()


@pytest.fixture()
def golden() -> Path:
    """The directory of expected texts."""
    return GOLDEN
