# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the tests that projects ship in their sdists on the emulated device."""
from __future__ import annotations

from collections.abc import Callable, Mapping

from debxcross.core.artifact import StoredFile
from debxcross.core.chain.chain import Chain
from debxcross.core.chain.projecttests import TIME_S, outcome, script
from debxcross.core.chain.trial import TrialResult
from debxcross.doors.process import Completed
from debxcross.steps.build.buildroot import BuildRoot
from debxcross.steps.context import Context
from debxcross.steps.wheel.pins import fetch_pin

#: The Debian package that runs tests; it is no project's own requirement.
RUNNER = "python3-pytest"
_PLACE = "/root/tests"


def sdists_to_test(context: Context, chain: Chain, names: tuple[str, ...], step: str
                   ) -> dict[str, StoredFile]:
    """Return the sdists of those of a chain's wheels that were built, by project."""
    return {member.name: fetch_pin(context, step, member.pin) for member in chain.wheels
            if not member.pure and member.name in names}


def run_tests(root: BuildRoot, sdists: Mapping[str, StoredFile], python: str,
              argv: Callable[..., list[str]]) -> tuple[TrialResult, ...]:
    """Run the tests of each project, one after the other; ``argv`` makes a command the device's."""
    results = []
    for number, (project, sdist) in enumerate(sorted(sdists.items()), 1):
        root.step(f"running the tests of {project}, {TIME_S} s at most ({number} of {len(sdists)})")
        place = f"{_PLACE}/{number}"
        files = root.directory / f"tests-{number}"
        root.context.store.lay_out((sdist,), files)
        root.session.put(files, place)
        done: Completed = root.noted(argv("sh", "-c", script(sdist.name, place, python)))
        root.session.run(["rm", "-rf", place])
        results.append(outcome(project, done.exit_status, done.stdout + done.stderr))
    return tuple(results)
