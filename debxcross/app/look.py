# SPDX-License-Identifier: GPL-3.0-or-later
"""The use cases that look: at a run, at its logs, into its build roots, at the machine."""
from __future__ import annotations

import stat
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from debxcross import config
from debxcross.app.build import open_root
from debxcross.app.eventlog import is_alive, run_events
from debxcross.app.opening import Opening
from debxcross.app.request import remembered_request
from debxcross.core.architecture import architecture
from debxcross.core.border import is_name
from debxcross.core.doctor import Check, examine
from debxcross.doors import process
from debxcross.doors.chroot import Chroots
from debxcross.doors.host import gather
from debxcross.errors import HostError, UsageError
from debxcross.events import Listener
from debxcross.run.status import RunStatus, fold
from debxcross.steps.build.keep import is_kept, kept


def status(directory: Path) -> RunStatus:
    """Return the RunStatus of the last run whose results are below ``directory``.

    Raises UsageError when there was none.
    """
    return fold(run_events(directory), time.time(), is_alive)


def log_path(directory: Path, member: str) -> Path:
    """Return a member's log file of the last run.  Raises UsageError naming those there are."""
    path = directory / "logs" / f"{member}.log"
    if not is_name(member) or not stat.S_ISREG(_mode(path)):
        logs = sorted(one.stem for one in (directory / "logs").glob("*.log"))
        raise UsageError(f"there is no log of {member!r} below {directory}",
                         resolution=f"Logs there: {', '.join(logs) or 'none'}.")
    return path


def _mode(path: Path) -> int:
    """Return a file's type and permissions, of a link its own; 0 when there is none."""
    try:
        return path.lstat().st_mode
    except OSError:
        return 0


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


def mend(commands: Sequence[str], tell: Callable[[str], None]) -> None:
    """Run the commands that mend a machine, on this terminal; ``tell`` hears each before it runs.

    Raises HostError when one fails; those after it are not run.
    """
    for command in commands:
        tell(command)
        if status := process.attend(command):
            raise HostError(f"'{command}' ended with status {status}", "What it said stands above.",
                            "Mend that, then 'debxcross doctor' again.")


def shell(directory: Path, member: str, store: Path | None, command: Sequence[str],
          listeners: Sequence[Listener]) -> None:
    """Become a shell (or ``command``) in a member's build root; does not return.

    The root of a failed build is entered as it was left; that of a finished member is made
    anew, with source unpacked and build dependencies installed.  Raises UsageError for a
    member the run does not have, or one that cannot be entered.
    """
    opening = last_run(directory, member, listeners, store=store, same_indexes=True)
    host = opening.host.name
    if not is_kept(opening.store, member, host):
        open_root(opening, member)
    root = kept(opening.store, member, host)
    chroots = Chroots(root.isolation, opening.bounds)
    for warning in chroots.warnings():
        opening.events.tell("warning", text=warning)
    session = chroots.session(root.base, root.place, root.layers)
    process.become(session.command_line(command or ("/bin/bash",), directory=root.directory))


def last_run(directory: Path, member: str, listeners: Sequence[Listener], *, store: Path | None = None,
             jobs: int | None = None, same_indexes: bool = False) -> Opening:
    """Open the last run below a directory again, for one of its members.

    Raises UsageError when there was none, or it has no such member.
    """
    request = next((one.data["request"] for one in run_events(directory) if "request" in one.data), None)
    if request is None:
        raise UsageError(f"no run is known below {directory}", "Its events do not tell what was asked for.",
                         "Run it again.")
    request = remembered_request(request)
    opening = Opening(replace(request, store=store or request.store, jobs=jobs, same_indexes=same_indexes),
                      listeners)
    if member not in opening.chain.members:
        raise UsageError(f"the last run has no member {member!r}",
                         resolution=f"Its members: {', '.join(opening.chain.members)}.")
    return opening
