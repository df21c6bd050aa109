# SPDX-License-Identifier: GPL-3.0-or-later
"""The program for the device, run here: what it tries of the packages that a fake dpkg lists."""
from __future__ import annotations

import json
from pathlib import Path

import pytest

from debxcross.core.chain.trial import TrialResult, parse_report
from debxcross.doors import process
from debxcross.doors.template import program_file
from tests.tools import need

MODULES = {
    "lamp/__init__.py": "",
    "lamp/shade.so": "no ELF file",
    "bulb.py": "import lamp.filament",
    "wants.py": "try:\n    import _nothing_here\nexcept ImportError:\n    raise ImportError('install it')",
    "81d2__mypyc.py": "",
    "lamp/old.py": "print 'Python 2'",
    "lamp/{{app}}.py": "import {{ app }}",
}


@pytest.fixture
def device(tmp_path: Path) -> Path:
    site = tmp_path / "usr/lib/python3/dist-packages"
    for name, text in MODULES.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(text)
    (tmp_path / "list").write_text("".join(f"{site / name}\n" for name in MODULES))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/dpkg").write_text(f"#!/bin/sh\ncat {tmp_path}/list\n")
    (tmp_path / "bin/dpkg").chmod(0o755)
    (tmp_path / "what.json").write_text(json.dumps({"smoke": {"smoke": "assert 1"}, "optional": ["bulb"]}))
    return tmp_path


def run(device: Path, interpreter: str) -> dict[str, TrialResult]:
    done = process.run(
        [interpreter, str(program_file("trials/python.py")), str(device / "what.json"), "python3-lamp"],
        environment={"PATH": f"{device}/bin:/usr/bin:/bin",
                     "PYTHONPATH": str(device / "usr/lib/python3/dist-packages")})
    assert done.exit_status == 0, done.stderr
    return {result.name: result for result in parse_report(done.stdout)}


def test_what_is_tried(device: Path) -> None:
    need("python3")
    found = run(device, "/usr/bin/python3")
    assert found["smoke"].ok and found["import lamp (python3-lamp)"].ok
    assert found["import 81d2__mypyc (python3-lamp)"].ok
    shade = found["import lamp.shade (python3-lamp)"]
    assert not shade.ok and (shade.kind, shade.module, shade.package) == (
        "import", "lamp.shade", "python3-lamp")
    assert shade.path.endswith("/lamp/shade.so") and "shade.so" in shade.text
    bulb = found["import bulb (python3-lamp)"]
    assert (bulb.ok, bulb.optional, bulb.missing) == (False, True, ""), "lamp itself is there"
    assert found["import wants (python3-lamp)"].missing == "_nothing_here"


def test_what_py3compile_left_as_it_is(device: Path) -> None:
    need("py3compile")
    done = process.run(["/usr/bin/python3", "-m", "compileall", "-q", str(device / "usr")])
    assert done.exit_status == 1
    left = [result for name, result in run(device, "/usr/bin/python3").items() if result.kind == "compile"]
    assert sorted(result.path.rpartition("/")[2] for result in left) == ["old.py", "{{app}}.py"]
    assert not any(result.ok for result in left) and all("Error" in result.text for result in left)
