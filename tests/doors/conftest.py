# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions over a tiny base root: a few programs of this machine with their libraries."""
from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from debxcross.doors import process
from debxcross.doors.chroot import Chroots, Session
from debxcross.errors import HostError
from tests.tools import need

PROGRAMS = ("bash", "cat", "chmod", "chown", "dirname", "env", "hostname", "id", "ln", "ls", "mkdir", "mknod",
            "mv", "readlink", "rm", "rmdir", "setpriv", "sh", "sleep", "stat", "touch", "true")
BUILDER = "builder:x:1000:1000::/nonexistent:/bin/sh\n"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smallest root that sessions work with."""
    need("ldd", "unshare", "setpriv", "mount", *PROGRAMS)
    base = tmp_path_factory.mktemp("base") / "root"
    for name in ("dev", "proc", "tmp", "root", "etc", "build", "usr/bin", "usr/lib", "usr/lib64", "usr/sbin"):
        (base / name).mkdir(parents=True)
    for name in ("bin", "lib", "lib64", "sbin"):
        (base / name).symlink_to(f"usr/{name}")
    for program in PROGRAMS:
        copy(Path(process.find(program) or ""), base / "usr/bin" / program)
        libraries = process.run(["ldd", process.find(program) or ""]).stdout
        for library in re.findall(r"(/\S+) \(0x", libraries):
            copy(Path(library), base / "usr" / library.removeprefix("/usr").lstrip("/"))
    (base / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n" + BUILDER)
    (base / "etc/group").write_text("root:x:0:\nbuilder:x:1000:\n")
    (base / "build/old").mkdir()
    (base / "build/old/file").write_text("of the base\n")
    return base


def copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source.resolve(), target)


@pytest.fixture
def chroots() -> Chroots:
    chroots = Chroots()
    try:
        chroots.check()
    except HostError as error:
        if os.environ.get("DEBXCROSS_REQUIRE_TOOLS") == "1":
            raise
        pytest.skip(error.brief)
    return chroots


@pytest.fixture
def session(chroots: Chroots, base: Path, tmp_path: Path) -> Iterator[Session]:
    session = chroots.session(base, tmp_path / "session")
    yield session
    chroots.remove(session.directory)
    assert not session.directory.exists()
