# SPDX-License-Identifier: GPL-3.0-or-later
"""Times how long a tree of 50 000 files takes to be read when nothing in it has changed.

    .venv/bin/python benchmarks/tree.py [FILES]

The tree is made below the temporary directory, once as it is and once as a git work tree, and read three
times: the first reads every file.  Prints seconds, and those of this process' own processor time, which a
loaded machine stretches less; the target is 1 s.
"""
from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from debxcross.core.archive.origin import Origin  # noqa: E402
from debxcross.doors.store import Store  # noqa: E402
from debxcross.steps.archive.intake import Intake  # noqa: E402

CONTROL = ("Source: many\nMaintainer: A <a@example.org>\n\nPackage: many\nArchitecture: any\n"
           "Description: many\n")
CHANGELOG = ("many (1) unstable; urgency=low\n\n  * x\n\n"
             " -- A <a@example.org>  Mon, 02 Nov 2026 10:00:00 +0000\n")


def make(top: Path, files: int) -> None:
    for number in range(files):
        path = top / f"d{number // 100}/f{number}.c"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"int f{number}(void) {{ return {number}; }}\n" * 20)
    (top / "debian/source").mkdir(parents=True)
    for name, text in (("control", CONTROL), ("changelog", CHANGELOG), ("source/format", "3.0 (native)\n")):
        (top / "debian" / name).write_text(text)


def no_transfer() -> NoReturn:
    raise AssertionError("nothing is fetched")


def main(files: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        top = Path(directory, "tree")
        make(top, files)
        intake = Intake(Store(Path(directory, "store")), no_transfer)
        for what in ("directory", "git work tree"):
            if what != "directory":
                for argv in (("init", "--quiet"), ("add", "."), (
                        "-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "--quiet", "-mx")):
                    subprocess.run(("git", *argv), cwd=top, check=True)
            for turn in ("first", "second", "third"):
                started, used = time.monotonic(), time.process_time()
                intake.take(Origin("path", str(top)))
                print(f"{what:14} {turn:7} {time.monotonic() - started:6.2f} s   "
                      f"processor {time.process_time() - used:5.2f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000)
