# SPDX-License-Identifier: GPL-3.0-or-later
"""What belongs to the program is installed with it: setup.cfg names every data file."""
from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: Those that the program looks for, and the examples that pages name.
DIRECTORIES = sorted({"examples", *(
    name for path in (ROOT / "debxcross").rglob("*.py")
    for name in re.findall(r'data_directory\("([\w-]+)"\)', path.read_text()))})


def setting(section: str) -> dict[str, list[str]]:
    parser = configparser.ConfigParser()
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(ROOT / "setup.cfg")
    return {name: [one.strip() for one in re.split(r"[,\n]", value) if one.strip()]
            for name, value in parser[section].items()}


@pytest.mark.parametrize("directory", DIRECTORIES)
def test_every_data_file_is_installed_where_it_is_looked_for(directory: str) -> None:
    installed = {f"{target.removeprefix('share/debxcross/')}/{path.name}"
                 for target, patterns in setting("options.data_files").items()
                 for pattern in patterns for path in ROOT.glob(pattern) if path.is_file()}
    there = {str(path.relative_to(ROOT)) for path in (ROOT / directory).rglob("*")
             if path.is_file() and "__pycache__" not in path.parts}
    assert there - installed == set()


def test_the_directories_are_found() -> None:
    assert {"answers", "control-templates", "repo", "rules-patches", "sysroot-templates"} <= set(DIRECTORIES)


def test_every_file_of_the_package_is_installed() -> None:
    known = setting("options.package_data")
    installed = {path for package, patterns in known.items() for pattern in patterns
                 for path in (ROOT / package.replace(".", "/")).glob(pattern)}
    there = {path for path in (ROOT / "debxcross").rglob("*") if path.is_file()
             and path.suffix not in (".py", ".pyc") and path.name != "completion.json"}
    assert there - installed == set()
