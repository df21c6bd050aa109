# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories of answers: whose file counts, and what is wrong with one."""
from __future__ import annotations

from pathlib import Path

import pytest

from debxcross.core.architecture import architecture
from debxcross.core.build import device
from debxcross.core.build.answers import Told
from debxcross.doors import process
from debxcross.doors.answers import place, read_answers, read_usual
from debxcross.errors import ConfigurationError


def write(directory: Path, value: str, source: str = "rsync", named: str = "rsync") -> None:
    path = place(directory, source, "armhf")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"Source: {named}\nArchitecture: armhf\nApplies-Versions: >= 1\n\na_cv_b={value}\n")


def test_a_later_directory_replaces_an_earlier_ones_answers(tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        (tmp_path / name).mkdir()
    write(tmp_path / "one", "first")
    write(tmp_path / "two", "second")
    write(tmp_path / "two", "unasked", "grep")
    found = read_answers([tmp_path / "one", tmp_path / "two", tmp_path / "three"], ["rsync", "sed"], "armhf")
    assert {name: one.values for name, one in found.items()} == {"rsync": (("a_cv_b", "second"),)}
    assert read_answers([tmp_path / "one"], ["rsync"], "armel") == {}


def test_faults_of_directories_and_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="does not exist"):
        read_answers([tmp_path / "absent"], ["rsync"], "armhf")
    write(tmp_path, "yes", "sed", "rsync")
    with pytest.raises(ConfigurationError, match="1 fault"):
        read_answers([tmp_path], ["sed"], "armhf")
    place(tmp_path, "sed", "armhf").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_answers([tmp_path], ["sed"], "armhf")


def test_usual_settings_are_read_from_every_directory(tmp_path: Path) -> None:
    for name, text in (("one", "[a]\nanswers = 'none'\nwhy = 'x'\n[b]\nanswers = 'file'\nwhy = 'x'\n"),
                       ("two", "[a]\nanswers = 'emulator'\nwhy = 'y'\n"), ("three", None)):
        (tmp_path / name).mkdir()
        if text:
            (tmp_path / name / "sources.toml").write_text(text)
    assert read_usual([tmp_path / "one", tmp_path / "two", tmp_path / "three"]) == {
        "a": "emulator", "b": "file"}
    (tmp_path / "one/sources.toml").write_text("[a\n")
    with pytest.raises(ConfigurationError, match="not a TOML file"):
        read_usual([tmp_path / "one"])


def test_a_tool_without_its_device_fails_and_says_so(tmp_path: Path) -> None:
    tool = tmp_path / "python3-config"
    tool.write_text(device.files(architecture("s390x"), Told(), ("libpython3-dev",))[
        "bin/python3-config"])
    tool.chmod(0o755)
    done = process.run([str(tool), "--cflags"])
    assert (done.exit_status, done.stdout) == (1, "")
    assert "there is none for s390x in this build root (s390x-linux-gnu-python3-config)" in done.stderr
