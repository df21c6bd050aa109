# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked instead of a device's config program, run with one."""
from __future__ import annotations

from pathlib import Path

import pytest

from debxcross.core.wheel import cross
from debxcross.doors import process


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A config program that repeats its arguments, and the one that is asked instead."""
    (tmp_path / "lamp_config").write_text('#!/bin/sh\n[ "$1" != --unknown ] || exit 3\necho "$*"\n')
    asked = tmp_path / "asked"
    asked.write_text(cross.config_program("lamp_config").replace(cross.CONFIGS, str(tmp_path)))
    for path in tmp_path.iterdir():
        path.chmod(0o755)
    return asked


@pytest.mark.parametrize(("said", "answer"), [
    ("/usr", "SR/usr"), ("-I/usr/include/pg -L/usr/lib -lpq", "-ISR/usr/include/pg -LSR/usr/lib -lpq"),
    ("PostgreSQL 15.20 (Debian 15.20-0+deb12u1)", "PostgreSQL 15.20 (Debian 15.20-0+deb12u1)"),
    ("-Wl,-rpath,/usr/lib --prefix=/usr", "-Wl,-rpath,/usr/lib --prefix=SR/usr"),
    ("SR/usr/include /usrlocal", "SR/usr/include /usrlocal"),
])
def test_paths_are_those_of_the_sysroot(program: Path, said: str, answer: str) -> None:
    done = process.run([str(program), *said.replace("SR", cross.SYSROOT).split()])
    assert (done.exit_status, done.stdout) == (0, answer.replace("SR", cross.SYSROOT) + "\n")


def test_a_question_that_it_does_not_know(program: Path) -> None:
    assert process.run([str(program), "--unknown"]).exit_status == 3


def test_which_programs_are_asked() -> None:
    names = ("pg_config", "geos-config", "config", "autoconfig", "x-config-data")
    assert [name for name in names if cross.CONFIG_PROGRAM.fullmatch(f"usr/bin/{name}")] == [
        "pg_config", "geos-config"]
