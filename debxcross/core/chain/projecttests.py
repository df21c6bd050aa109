# SPDX-License-Identifier: GPL-3.0-or-later
"""A project's own tests on the device: how they are run, and what came of it.

Source: pytest's documentation ("Exit codes", "Command-line Flags"), timeout(1).
"""
from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from debxcross.core.chain.trial import HARDWARE, TESTS, TrialResult

#: A project's tests are ended after so many seconds; emulation takes some ten times as long as a device.
TIME_S = 300
#: What timeout(1) ends with, and what the script ends with where there is nothing to run.
_TIMED_OUT, _KILLED, _NOTHING = 124, 137, 90
#: pytest's own: interrupted, broken, wrongly called, nothing collected.
_FAILED, _INTERRUPTED, _NONE_COLLECTED = 1, 2, 5
_COUNT = re.compile(r"(\d+) (passed|failed|errors?|skipped|xfailed|xpassed)\b")
_MISSING = re.compile(r"No module named ['\"]([\w.]+)")
#: What a test says that wants a device node.
_NODE = re.compile(r"[\"'/ ]/(dev|sys)/\w")
_MOST_NAMES = 5


@dataclass(frozen=True)
class _Counts:
    passed: int = 0
    failed: int = 0
    errors: int = 0
    skipped: int = 0

    @property
    def words(self) -> str:
        named = (("passed", self.passed), ("failed", self.failed), ("in error", self.errors),
                 ("skipped", self.skipped))
        return ", ".join(f"{number} {what}" for what, number in named if number) or "nothing was collected"


def script(sdist: str, directory: str, python: str) -> str:
    """Return the script that runs the tests in an sdist that lies in a directory of the device.

    Only the directories of tests stay, so that what is installed is what is tested; settings of the
    project's, which may want plugins, do not count.
    """
    file, place = shlex.quote(sdist), shlex.quote(directory)
    unpack = (f"python{python} -m zipfile -e {file} tree" if sdist.endswith(".zip")
              else f"tar --extract --no-same-owner --file {file} --directory tree")
    return (
        f"set -e\ncd {place}\nmkdir tree run\n{unpack}\n"
        "for name in tests test conftest.py; do\n"
        "  if test -e tree/*/$name; then cp -R tree/*/$name run/; fi\ndone\n"
        f"rm -r tree {file}\n"
        f"if ! test -d run/tests && ! test -d run/test; then exit {_NOTHING}; fi\n"
        "cd run\nprintf '[pytest]\\n' > pytest.ini\n"
        # Reasons are cut at the width of the terminal.
        "export COLUMNS=300\n"
        f"exec timeout --kill-after=10 {TIME_S} python{python} -m pytest -q --color=no --tb=line -rfE "
        "-p no:cacheprovider --continue-on-collection-errors\n")


def outcome(project: str, exit_status: int, output: str) -> TrialResult:
    """Return what came of a project's tests as one trial; what says nothing of the build is no failure."""
    name, counts = f"tests of {project}", _counts(output)
    words, missing = counts.words, sorted(set(_MISSING.findall(output)))
    if exit_status == _NOTHING:
        return _noted(name, "not run: its sdist has none")
    if exit_status in (_TIMED_OUT, _KILLED):
        return _noted(name, f"ended after {TIME_S} s")
    if exit_status > 128:
        return TrialResult(name, False, exit_status - 128, _last(output), kind=TESTS)
    if exit_status == 0:
        return TrialResult(name, True, 0, words, kind=TESTS)
    if exit_status == _NONE_COLLECTED or not counts.failed and missing:
        wants = f"; some want {', '.join(missing[:_MOST_NAMES])}, which only tests need" if missing else ""
        return _noted(name, words + wants)
    why = re.findall(r"^(?:FAILED|ERROR) \S+ - (.*)", output, re.MULTILINE)
    if why and len(why) == counts.failed + counts.errors and all(map(_wants_hardware, why)):
        return _noted(name, f"{words}; what failed wants hardware: {why[0][:100]}")
    if exit_status in (_FAILED, _INTERRUPTED):
        named = re.findall(r"^(?:FAILED|ERROR) (\S+)", output, re.MULTILINE)
        more = f" and {len(named) - _MOST_NAMES} more" if len(named) > _MOST_NAMES else ""
        return TrialResult(name, False, 0, f"{words}: {', '.join(named[:_MOST_NAMES])}{more}", kind=TESTS)
    return _noted(name, f"not run: pytest ended with status {exit_status}: {_last(output)}")


def _wants_hardware(reason: str) -> bool:
    return bool(HARDWARE.search(reason) or _NODE.search(reason))


def _noted(name: str, words: str) -> TrialResult:
    return TrialResult(name, True, 0, words, kind=TESTS)


def _counts(output: str) -> _Counts:
    """Read the last line that counts."""
    for line in reversed(output.splitlines()):
        if found := dict((what.rstrip("s") if what.startswith("error") else what, int(number))
                         for number, what in _COUNT.findall(line)):
            return _Counts(found.get("passed", 0), found.get("failed", 0), found.get("error", 0),
                           found.get("skipped", 0))
    return _Counts()


def _last(output: str) -> str:
    lines = [line for line in output.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "nothing was said"
