# SPDX-License-Identifier: GPL-3.0-or-later
"""A law: same inputs, same keys, in any process, wherever and however it was started."""
from __future__ import annotations

import sys
from pathlib import Path

from debxcross.doors import process
from tests.tools import need

ROOT = Path(__file__).parents[2]
PROGRAM = """
import os, time
os.umask(int(os.environ["MASK"]))
from debxcross.core.build import commands
from debxcross.core.artifact import StoredFile
from debxcross.core.build.environment import (Environment, InstalledPackage, PackageFile, RootRecipe,
                                        resolution_key, source_inputs)
from debxcross.core.key import digest
from debxcross.core.patch import RulesPatch
from debxcross.core.archive.source import SourcePackage

base = tuple(InstalledPackage(name, "armel", "1", "aa") for name in {"libc6", "zlib1g", "gcc-12-base"})
added = tuple(PackageFile("http://x.example/" + name, name, 1, "bb") for name in {"a.deb", "b.deb", "c.deb"})
files = tuple(StoredFile(name, name, 1) for name in {"x.dsc", "x.orig.tar.gz", "x.debian.tar.xz"})
source = SourcePackage("x", "1-1", "bookworm", files, "", "", ())
patches = (RulesPatch("x", "p", "words", "--- a/x\\n+++ b/x\\n"),)
environment = Environment(base, added)
print(digest(source_inputs(source, patches, "1-1", ("cross", "nocheck"), "amd64", "armel", environment)))
print(resolution_key(base, "state", {"host": "armel", "profiles": ("cross",)}, {"bb", "aa", "cc"}))
print(RootRecipe("bookworm", "amd64", "armel", base, (), commands.root_commands()).key)
print(digest({"set": frozenset("abcdef"), "nested": {"z": {"y", "x"}, "a": (1, None, True)}}))
"""


def keys(directory: Path, **environment: str) -> list[str]:
    done = process.run([sys.executable, "-c", PROGRAM], directory=directory, timeout=15,
                       environment={"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", **environment})
    assert done.exit_status == 0, done.stderr
    return done.stdout.splitlines()


def test_keys_are_the_same_in_two_processes(tmp_path: Path) -> None:
    need("setpriv")
    one = keys(Path("/"), PYTHONHASHSEED="1", HOME="/", TZ="UTC", MASK="0")
    other = keys(tmp_path, PYTHONHASHSEED="4242", HOME=str(tmp_path), TZ="Pacific/Kiritimati", MASK="63",
                 LC_ALL="C", DEB_BUILD_OPTIONS="parallel=64", SOURCE_DATE_EPOCH="7", MAKEFLAGS="-j9")
    assert one == other
    assert len(set(one)) == 4 and all(len(key) == 64 for key in one)
