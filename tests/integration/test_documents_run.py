# SPDX-License-Identifier: GPL-3.0-or-later
"""What pages show is what happens: blocks marked with <!-- run --> are typed, page by page."""
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.blocks import agrees, blocks
from tests.tools import need

CHECKOUT = Path(__file__).resolve().parents[2]
PAGES = [path for path in sorted([*(CHECKOUT / "docs").rglob("*.md"), CHECKOUT / "README.md"])
         if any(block.run for block in blocks(path.read_text()))]


@pytest.mark.parametrize("page", PAGES, ids=[str(path.relative_to(CHECKOUT)) for path in PAGES])
def test_a_page_shows_what_happens(page: Path, tmp_path: Path) -> None:
    need("gpg", "gpgv", "apt-ftparchive", "dpkg-deb")
    program = tmp_path / "bin" / "debxcross"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(CHECKOUT)!r})\n"
                       "from debxcross.cli import main\nmain()\n")
    program.chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    environment = {"HOME": str(tmp_path), "PATH": f"{program.parent}:/usr/bin:/bin", "LC_ALL": "C.UTF-8",
                   "COLUMNS": "100"}
    for block in blocks(page.read_text()):
        steps = list(block.steps()) if block.run else []
        for number, (command, shown) in enumerate(steps, 1):
            done = subprocess.run(["sh", "-c", command], cwd=work, env=environment, check=False, timeout=120,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            assert agrees(shown, done.stdout), f"line {block.line}: {command}\n{done.stdout}"
            assert done.returncode == (block.fails if number == len(steps) else 0), command
