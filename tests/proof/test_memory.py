# SPDX-License-Identifier: GPL-3.0-or-later
"""A law: debxcross itself needs at most 200 MB, whatever the sizes of logs and debs.

zlib is built for real, by a rules patch that prints 2 GB and puts 300 MB into a package; then what was
published is verified, carried away and looked at.  This needs the configured mirror.
"""
from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from debxcross.doors.chroot import Chroots

pytestmark = [pytest.mark.slow, pytest.mark.network]

ROOT = Path(__file__).parents[2]
LOG, DEB = 2 << 30, 300 << 20
MOST = 200_000
#: Prints LOG bytes while it builds, and puts DEB bytes that cannot be compressed into a package.
PATCH = ROOT / "tests/data/much.patch"
#: The most memory that a program had resident, as the kernel tells it at its end (proc(5), VmHWM), in kB.
MAIN = """
import atexit, re, sys
from debxcross.cli import main
def tell():
    print(re.search(r"VmHWM:\\s*(\\d+) kB", open("/proc/self/status").read())[1], file=open(sys.argv[0], "w"))
sys.argv[:2] = sys.argv[1:2]
atexit.register(tell)
main()
"""


def peak(directory: Path, *arguments: str) -> int:
    """Run the command line; return the most memory it had, in kB."""
    done = subprocess.run(
        [sys.executable, "-c", MAIN, str(directory / "peak"), *arguments], cwd=directory, text=True,
        capture_output=True, timeout=3000,
        env={**os.environ, "PYTHONPATH": str(ROOT), "DEBXCROSS_STORE": str(directory / "store"),
             "DEBXCROSS_KEYS": str(directory / "keys")})
    assert done.returncode == 0, done.stderr[-3000:]
    return int((directory / "peak").read_text())


def test_much_output_and_large_packages_need_little_memory(tmp_path: Path) -> None:
    (tmp_path / "patches/zlib").mkdir(parents=True)
    shutil.copy(PATCH, tmp_path / "patches/zlib")
    (tmp_path / "debxcross.toml").write_text("[limits]\nlog-size = 4096\n")
    output, found = str(tmp_path / "out"), {}
    build = ("build", "zlib", "--arch", "armel", "--patches", "patches", "--output", output)
    found["build"] = peak(tmp_path, *build)
    (deb,) = tmp_path.glob("out/repo/pool/**/zlib1g-dev_*.deb")
    (log,) = tmp_path.glob("out/logs/zlib.log")
    assert deb.stat().st_size >= DEB and log.stat().st_size >= LOG
    found["the same again"] = peak(tmp_path, *build)
    found["inspect"] = peak(tmp_path, "inspect", "--offline", str(deb))
    found["repo verify"] = peak(tmp_path, "repo", "verify", f"{output}/repo")
    found["repo publish"] = peak(tmp_path, "repo", "publish", "web", str(deb), "--state", "state")
    found["store verify"] = peak(tmp_path, "store", "verify")
    found["store export"] = peak(tmp_path, "store", "export", "export.tar")
    found["store import"] = peak(tmp_path, "store", "import", "export.tar", "--store", "other")
    found["log"] = peak(tmp_path, "log", "zlib", "--arch", "armel", "--output", output)
    for path in (tmp_path / "store/roots").iterdir() if (tmp_path / "store/roots").is_dir() else ():
        if path.is_dir():
            Chroots().remove(path)
    print(found)
    assert max(found.values()) <= MOST, found
