# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of ``wheel`` that exclude each other."""
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MAIN = "import sys; sys.argv[0] = 'debxcross'; from debxcross.cli import main; main()"


def test_tests_without_a_trial(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MAIN, "wheel", "six", "--arch", "armel", "--test", "--no-trial"],
        cwd=tmp_path, text=True, capture_output=True, timeout=60,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "COLUMNS": "1000"})
    assert done.returncode == 2, done.stderr
    assert "--test runs tests in the trial, which --no-trial leaves out" in done.stderr
    assert not list(tmp_path.iterdir()), "nothing was begun"
