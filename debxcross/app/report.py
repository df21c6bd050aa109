# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the report of a run beside its results: a page, the same as Markdown, and JUnit XML."""
from __future__ import annotations

import base64
import hashlib
import os
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from debxcross.app.eventlog import is_alive, run_events
from debxcross.core.border import is_name
from debxcross.doors import files
from debxcross.doors.regular import tail
from debxcross.doors.template import data_directory, render
from debxcross.errors import UsageError
from debxcross.run.page import Sources, markdown, values
from debxcross.run.report import RunReport, read_report
from debxcross.run.since import Difference, since

#: The page, below a run's output directory.
PAGE = Path("report/index.html")
#: Where a workflow of GitHub (and of those that follow it) shows Markdown.
SUMMARY = "GITHUB_STEP_SUMMARY"
#: So many bytes of a failed step's log stand in the page, of all of them together this many.
_MOST_OF_A_LOG, _MOST_OF_LOGS = 64 << 10, 512 << 10
#: A step's summary may have 1 MiB.
_MOST_OF_SUMMARY = 1 << 20


def write_report(directory: Path, environment: Mapping[str, str] | None = None) -> Path:
    """Write report/index.html, summary.md and junit.xml of the last run below ``directory``; return the page.

    Where ``environment`` names a file for a CI's summary, the Markdown is added to it.  Raises UsageError
    when there was no run, StoreError or DiskFullError when the files cannot be written.
    """
    report = read_report(run_events(directory), time.time(), is_alive)
    place = data_directory("report-templates")
    style, logs = (place / "page.css").read_text(), _logs(directory, report)
    found = values(Sources(
        report, _since_last(directory, report),
        {name: f"../logs/{quote(path.name)}" for name, path in logs.items()},
        _tails(logs, report), style, _policy(style)))
    target = directory / PAGE.parent
    try:
        files.make_directory(target)
        files.check_ours(target)
    except OSError as error:
        files.raise_for_os_error(error, directory)
    summary = render("summary.md", markdown(found), place, often=True)
    files.write(target / "summary.md", summary)
    files.write(target / "junit.xml", render("junit.xml", found, place, escape=True, often=True))
    files.write(directory / PAGE, render("index.html", found, place, escape=True, often=True))
    _add_to_summary(summary, os.environ if environment is None else environment)
    return directory / PAGE


def _policy(style: str) -> str:
    """Return a policy that allows this style sheet, and nothing else at all."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; "
            "form-action 'none'")


def _since_last(directory: Path, report: RunReport) -> tuple[Difference, ...] | None:
    """Return what differs from the run before, None when there was none like this one."""
    try:
        before = read_report(run_events(directory, before=True), time.time(), lambda _: False)
    except UsageError:
        return None
    return since(before, report)


def _logs(directory: Path, report: RunReport) -> dict[str, Path]:
    """Return the logs that are there, by step."""
    paths = {step.name: directory / "logs" / f"{step.name}.log" for step in report.steps
             if is_name(step.name)}
    return {name: path for name, path in paths.items() if path.is_file() and not path.is_symlink()}


def _tails(logs: Mapping[str, Path], report: RunReport) -> dict[str, str]:
    """Return the end of the log of each step that failed; the more there are, the less of each."""
    failed = [step.name for step in report.steps if step.status.state == "failed" and step.name in logs]
    most = min(_MOST_OF_A_LOG, _MOST_OF_LOGS // max(1, len(failed)))
    return {name: tail(logs[name], most=most) for name in failed}


def _add_to_summary(text: str, environment: Mapping[str, str]) -> None:
    """Add the Markdown to the file that a CI shows; one that cannot be written is the CI's affair."""
    path = environment.get(SUMMARY, "")
    content = text.encode()
    if not path or len(content) > _MOST_OF_SUMMARY:
        return
    try:
        with open(path, "ab") as file:
            file.write(content)
    except OSError as error:
        files.raise_for_os_error(error, Path(path).parent)
