# SPDX-License-Identifier: GPL-3.0-or-later
"""A tiny base root: a few programs of this machine with their libraries."""
from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from debxcross.doors import process
from debxcross.doors.chroot import Chroots
from debxcross.errors import HostError
from tests.tools import need

PROGRAMS = ("bash", "cat", "chmod", "chown", "cp", "dirname", "env", "head", "hostname", "id", "ln", "ls",
            "mkdir", "mknod", "mount", "mv", "readlink", "rm", "rmdir", "setpriv", "sh", "sleep", "stat",
            "touch", "true", "umount", "unshare")
BUILDER = "builder:x:1000:1000::/nonexistent:/bin/sh\n"


def make_plain(base: Path, programs: Sequence[str] = PROGRAMS) -> None:
    """Make the smallest root that sessions work with, owned by whoever runs the tests."""
    need("ldd", "unshare", "setpriv", "mount", *programs)
    for name in ("dev", "proc", "tmp", "root", "etc", "build", "usr/bin", "usr/lib", "usr/lib64", "usr/sbin"):
        (base / name).mkdir(parents=True)
    for name in ("bin", "lib", "lib64", "sbin"):
        (base / name).symlink_to(f"usr/{name}")
    for program in programs:
        _copy(Path(process.find(program) or ""), base / "usr/bin" / program)
        libraries = process.run(["ldd", process.find(program) or ""]).stdout
        for library in re.findall(r"(/\S+) \(0x", libraries):
            _copy(Path(library), base / "usr" / library.removeprefix("/usr").lstrip("/"))
    (base / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n" + BUILDER)
    (base / "etc/group").write_text("root:x:0:\nbuilder:x:1000:\n")
    (base / "build/old").mkdir()
    (base / "build/old/file").write_text("of the base\n")


def give_to_roots(plain: Path, target: Path) -> None:
    """Make a copy of a root that belongs to the users of build roots."""
    tar = target.with_suffix(".tar")
    process.run(["tar", "--create", "--owner=0", "--group=0", "--file", str(tar), "."],
                directory=plain).check(HostError, "tar")
    Chroots().make_directory(target)
    process.run(Chroots().as_owner(["tar", "--extract", "--preserve-permissions"]),
                directory=target, stdin_path=tar).check(HostError, "tar")
    tar.unlink()


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source.resolve(), target)
