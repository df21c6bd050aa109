# SPDX-License-Identifier: GPL-3.0-or-later
"""The example projects: their chains and settings can be read."""
from __future__ import annotations

from pathlib import Path

import pytest

from debxcross.config import load
from debxcross.core.border import read_toml
from debxcross.core.chain.chain import parse

PROJECTS = sorted((Path(__file__).parents[2] / "examples").glob("*/debxcross.toml"))


def test_there_are_projects() -> None:
    assert [path.parent.name for path in PROJECTS] == ["gateway"]


@pytest.mark.parametrize("settings", PROJECTS, ids=lambda path: str(path.parent.name))
def test_chain_and_settings_can_be_read(settings: Path) -> None:
    place = settings.parent
    assert load({"HOME": "/home/person"}, (settings,)).repository_url.startswith("http")
    chain = parse(read_toml((place / f"{place.name}.toml").read_text()), place.name)
    assert chain.name == place.name and chain.trial.wanted
    assert f"--chain ./{place.name}.toml" in (place / "README.md").read_text()
