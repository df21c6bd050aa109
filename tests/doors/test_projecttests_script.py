# SPDX-License-Identifier: GPL-3.0-or-later
"""The script that runs the tests in an sdist, run by a shell: what is installed is tested, nothing else."""
from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from debxcross.core.chain.projecttests import outcome, script


def offer(directory: Path, files: dict[str, str], form: str) -> str:
    """Write an sdist into a directory; return its name."""
    directory.mkdir()
    if form == "zip":
        with zipfile.ZipFile(directory / "lamp-1.0.zip", "w") as archive:
            for path, text in files.items():
                archive.writestr(f"lamp-1.0/{path}", text)
        return "lamp-1.0.zip"
    tree = directory.parent / "tree-of-it"
    for path, text in files.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text)
    with tarfile.open(directory / "lamp-1.0.tar.gz", "w:gz") as tar:
        tar.add(tree, "lamp-1.0")
    return "lamp-1.0.tar.gz"


def run(directory: Path, name: str) -> tuple[int, str]:
    """Run the script with an interpreter that has pytest."""
    programs = directory.parent / "bin"
    programs.mkdir()
    (programs / "python3").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (programs / "python3").chmod(0o755)
    done = subprocess.run(["sh", "-c", script(name, str(directory), "3")], capture_output=True, text=True,
                          timeout=60, env={"PATH": f"{programs}:{os.environ['PATH']}"})
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("form,folder", [("tar.gz", "tests"), ("zip", "test")])
def test_what_is_installed_is_tested_without_the_project_s_settings(
    tmp_path: Path, form: str, folder: str
) -> None:
    place = tmp_path / "1"
    name = offer(place, {
        "lamp.py": "", "setup.cfg": "[tool:pytest]\naddopts = --no-such-option\n",
        f"{folder}/test_lamp.py": "import pathlib\n\ndef test_source_is_gone():\n"
                                  "    assert not list(pathlib.Path('..').rglob('lamp.py'))\n"}, form)
    status, said = run(place, name)
    assert outcome("lamp", status, said).text == "1 passed", said


def test_tests_that_fail_and_none_at_all(tmp_path: Path) -> None:
    name = offer(tmp_path / "1", {"tests/test_lamp.py": "def test_light():\n    assert False\n"}, "tar.gz")
    result = outcome("lamp", *run(tmp_path / "1", name))
    assert not result.ok and result.text == "1 failed: tests/test_lamp.py::test_light"
    other = tmp_path / "other"
    other.mkdir()
    name = offer(other / "1", {"lamp.py": ""}, "tar.gz")
    assert outcome("lamp", *run(other / "1", name)).text == "not run: its sdist has none"
