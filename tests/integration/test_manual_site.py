# SPDX-License-Identifier: GPL-3.0-or-later
"""The manual pages as man(1) reads them, and the site as Sphinx makes it."""
from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.tools import need

CHECKOUT = Path(__file__).resolve().parents[2]
#: Debian's Sphinx is seen by Debian's interpreter.
PYTHON = "/usr/bin/python3"
pytestmark = pytest.mark.slow


def run(*command: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=CHECKOUT,
                          env={**os.environ, "PYTHONPATH": str(CHECKOUT), "LC_ALL": "C.UTF-8", **variables})


def test_man_has_nothing_to_say_against_a_page(tmp_path: Path) -> None:
    need("man")
    assert run(PYTHON, "-m", "manual", "man", tmp_path, SOURCE_DATE_EPOCH="1795564800").returncode == 0
    pages = sorted(tmp_path.iterdir())
    assert len(pages) > 30
    for page in pages:
        # -Z: for its warnings only; the text would be the same without.
        found = run("man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", page, MANWIDTH="80")
        assert (found.returncode, found.stderr) == (0, ""), page
    text = run("man", "-l", tmp_path / "debxcross-build-dep-chain.1", MANWIDTH="80").stdout
    assert "SYNOPSIS\n       debxcross build-dep-chain [OPTIONS] ARCH\n" in text
    assert "       -j, --jobs N\n" in text and "2026-11-25" in text


def test_the_site_is_made_without_a_warning(tmp_path: Path) -> None:
    need("sphinx-build")
    source, site = tmp_path / "source", tmp_path / "site"
    assert run(PYTHON, "-m", "manual", "site-source", source).returncode == 0
    made = run(PYTHON, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "-c", "manual", source, site)
    assert (made.returncode, made.stderr) == (0, "")
    for page in ("docs/index", "docs/commands", "docs/howto/rotate-key", "README"):
        text = (site / f"{page}.html").read_text()
        assert 'name="viewport"' in text
        # Nothing is loaded from elsewhere.
        assert not re.findall(r'<(?:script|link)[^>]*(?:src|href)="https?:', text)
    # The search is a script beside the pages; no server is asked.
    assert '"docs/commands"' in (site / "searchindex.js").read_text()
