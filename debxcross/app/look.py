# SPDX-License-Identifier: GPL-3.0-or-later
"""The use cases that look: at a run, at its logs, into its build roots, at the machine."""
from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from debxcross import config
from debxcross.app.build import Application, remembered_request
from debxcross.core.architecture import architecture
from debxcross.core.doctor import Check, examine
from debxcross.doors import process
from debxcross.doors.chroot import Chroots
from debxcross.doors.host import gather
from debxcross.errors import UsageError
from debxcross.events import Listener
from debxcross.run.status import RunStatus, fold, read_events
from debxcross.steps.build.keep import is_kept, kept


def status(directory: Path) -> RunStatus:
    """Return the RunStatus of the last run whose results are below ``directory``.

    Raises UsageError when there was none.
    """
    log = directory / "logs" / "events.jsonl"
    if not log.is_file():
        raise UsageError(
            f"no run is known below {directory}",
            resolution="Name the architecture or --output of a run, such as: debxcross status armel")
    return fold(read_events(log.read_text(errors="replace")), time.time(), _alive)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def log_path(directory: Path, member: str) -> Path:
    """Return a member's log file of the last run.  Raises UsageError naming those there are."""
    path = directory / "logs" / f"{member}.log"
    if "/" in member or not path.is_file():
        logs = sorted(one.stem for one in (directory / "logs").glob("*.log"))
        raise UsageError(f"there is no log of {member!r} below {directory}",
                         resolution=f"Logs there: {', '.join(logs) or 'none'}.")
    return path


def default_output(name: str) -> Path:
    """Return where the results for an architecture go.  Raises UsageError for an unknown one."""
    return Path("out") / architecture(name).name


def known_runs(directory: Path) -> tuple[Path, ...]:
    """Return the output directories below ``directory``, the one with the newest run first."""
    logs = sorted(directory.glob("*/logs/events.jsonl"), key=lambda path: path.stat().st_mtime, reverse=True)
    return tuple(path.parent.parent for path in logs)


def doctor(names: Sequence[str], store: Path | None, output: Path | None) -> tuple[Check, ...]:
    """Examine this machine for these host architectures."""
    architectures = [architecture(name) for name in names]
    configuration = config.load(store=store)
    return examine(gather(configuration.store, output or Path("out"), architectures), architectures)


def shell(directory: Path, member: str, store: Path | None, command: Sequence[str],
          listeners: Sequence[Listener]) -> None:
    """Become a shell (or ``command``) in a member's build root; does not return.

    The root of a failed build is entered as it was left; that of a finished member is made
    anew, with source unpacked and build dependencies installed.  Raises UsageError for a
    member the run does not have, or one that cannot be entered.
    """
    log = directory / "logs" / "events.jsonl"
    run = status(directory)
    request = remembered_request(read_events(log.read_text(errors="replace"))[0].data["request"])
    application = Application(replace(request, store=store or request.store, same_indexes=True), listeners)
    if member not in application.chain.members:
        raise UsageError(f"the last run has no member {member!r}",
                         resolution=f"Its members: {', '.join(application.chain.members)}.")
    if not is_kept(application.store, member, run.architecture):
        application.open_root(member)
    place, base, inside, isolation = kept(application.store, member, run.architecture)
    session = Chroots(isolation).session(base, place)
    process.become(session.command_line(command or ("/bin/bash",), directory=inside))
