# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan as people, programs and Graphviz read it."""
from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from debxcross.core.chain.plan import STATES, Plan, PlannedMember

PLAN = Plan(
    "python2.7", "bookworm", "amd64", "armel",
    (
        PlannedMember("zlib", "source", "1:1.2.13.dfsg-1", "bookworm (source)", "cached",
                      "nothing that can change its bytes has changed", key="5a" * 32,
                      packages=("minizip", "zlib1g", "zlib1g-dev")),
        PlannedMember("openssl", "source", "1.1.1w-0+deb11u4", "bullseye-security (source)", "ready",
                      "the store has no result for these inputs", ("zlib",), "c4" * 32),
        PlannedMember("python2.7", "source", "2.7.18-8+deb11u1", "bullseye (source)", "waiting",
                      "waits for openssl", ("openssl", "zlib"),
                      patches=(("drop-bsddb-check", False, "libdb-dev is available for armel"),
                               ("keep", True, "its range matches"))),
        PlannedMember("cffi", "wheel", "1.15.1", "the package index (cffi-1.15.1.tar.gz), for Python 2.7",
                      "blocked", "python2.7 cannot be built", ("python2.7",)),
    ),
    ("bookworm-security does not carry armel",), ("a patch matches nothing any more",),
    ("libssl1.1 would not be installable\n    Add its source",),
)


@pytest.mark.parametrize(("name", "text"), [
    ("plan.txt", PLAN.to_text()), ("plan.json", PLAN.to_json()), ("plan.dot", PLAN.to_dot())])
def test_golden(name: str, text: str, golden: Path) -> None:
    assert text + "\n" == (golden / "plan" / name).read_text()


def test_json_says_everything() -> None:
    value = json.loads(PLAN.to_json())
    assert [member["state"] for member in value["members"]] == ["cached", "ready", "waiting", "blocked"]
    assert {member.state for member in PLAN.members} <= set(STATES)
    assert value["problems"] == list(PLAN.problems) and value["host_architecture"] == "armel"
    assert value["members"][2]["patches"][1] == ["keep", True, "its range matches"]


def test_no_heading_over_nothing() -> None:
    text = replace(PLAN, notes=(), warnings=(), problems=()).to_text()
    assert not any(word in text for word in ("Notes", "Warnings", "Cannot work"))
    assert replace(PLAN, members=()).to_text().startswith("python2.7: bookworm")
    assert not any(line != line.rstrip() for line in PLAN.to_text().splitlines())
