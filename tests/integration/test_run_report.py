# SPDX-License-Identifier: GPL-3.0-or-later
"""The report beside the results of real runs on a tiny archive: one that goes well, one that does not."""
from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as xml
from pathlib import Path

import pytest

from benchmarks.many import make_chain
from tests.tools import need

ROOT = Path(__file__).resolve().parents[2]
MAIN = "import sys; sys.argv[0] = 'debxcross'; from debxcross.cli import main; main()"
HOST = "armel"


def run(directory: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", MAIN, *arguments], cwd=directory, text=True, capture_output=True, timeout=120,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(directory), "COLUMNS": "200",
             "LC_ALL": "C.UTF-8", **environment})


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chain of three members whose results are in the store."""
    need("apt-get", "apt-ftparchive", "dpkg", "dpkg-source", "gpg", "gpgv")
    directory = tmp_path_factory.mktemp("desk")
    make_chain(directory, HOST, 3)
    return directory


def test_a_run_that_goes_well_and_the_same_again(desk: Path) -> None:
    told = desk / "summary.md"
    first = run(desk, "build-dep-chain", HOST, "--chain", "./many.toml", "--no-trial",
                GITHUB_STEP_SUMMARY=str(told))
    assert first.returncode == 0, first.stderr
    place = desk / "out" / HOST / "report"
    page = (place / "index.html").read_text()
    assert "Done in" in page and "libmany002-dev" in page and 'href="../logs/events.jsonl"' in page
    assert "Since the last run" not in page
    assert told.read_text() == (place / "summary.md").read_text()
    assert xml.parse(place / "junit.xml").getroot().get("failures") == "0"
    assert str(place / "index.html") in first.stdout

    again = run(desk, "build-dep-chain", HOST, "--chain", "./many.toml", "--no-trial")
    assert again.returncode == 0
    lines = (again.stderr + again.stdout).splitlines()
    assert len(lines) <= 10, "\n".join(lines)
    assert "Nothing has changed: 3 packages" in again.stdout
    assert "byte for byte" in (place / "index.html").read_text()


def test_a_run_that_fails_has_a_report_too(desk: Path) -> None:
    (desk / "bad.toml").write_text('[chain]\nname = "bad"\nrelease = "sid"\n\n[[source]]\nname = "nowhere"\n')
    failed = run(desk, "build-dep-chain", HOST, "--chain", "./bad.toml", "--no-trial", "--output", "bad")
    assert failed.returncode not in (0, 1)
    page = (desk / "bad/report/index.html").read_text()
    assert "Failed after" in page and "nowhere" in page and f"exit status {failed.returncode}" in page
    assert xml.parse(desk / "bad/report/junit.xml").getroot().get("errors") == "1"


def test_a_report_can_be_had_of_a_run_that_was_killed(desk: Path) -> None:
    run(desk, "build-dep-chain", HOST, "--chain", "./many.toml", "--no-trial", "--output", "killed")
    events = desk / "killed/logs/events.jsonl"
    # What kill -9 leaves: events that end in the middle of a line.
    events.write_bytes(events.read_bytes()[:-300])
    (desk / "killed/report/index.html").unlink()
    done = run(desk, "report", "--output", "killed")
    assert done.stdout.strip() == "killed/report/index.html" and done.returncode == 0, done.stderr
    assert "Interrupted after" in (desk / "killed/report/index.html").read_text()


def test_a_report_of_no_run_says_what_to_name(desk: Path) -> None:
    done = run(desk, "report", "--output", "nowhere")
    assert done.returncode == 2 or "no run is known below nowhere" in done.stderr
    assert not (desk / "nowhere").exists()


def test_a_report_that_cannot_be_written_does_not_decide(desk: Path) -> None:
    (desk / "odd").mkdir()
    (desk / "odd/report").write_text("in the way")
    done = run(desk, "build-dep-chain", HOST, "--chain", "./many.toml", "--no-trial", "--output", "odd")
    assert done.returncode == 0 and "there is no report of this run" in done.stderr
