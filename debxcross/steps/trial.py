# SPDX-License-Identifier: GPL-3.0-or-later
"""The trial: an emulated device installs from the repository with plain apt and uses the result.

The device's network is a private loopback with one web server on it, the repository's.
Debian's own packages were fetched and verified before, as everything is.
"""
from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from debxcross.core import recipe
from debxcross.core.key import digest
from debxcross.core.trial import TrialResult, judge, parse_report
from debxcross.doors.apt import parse_print_uris, raise_for_apt
from debxcross.doors.chroot import Session
from debxcross.errors import TrialError
from debxcross.steps.context import Context
from debxcross.steps.root import BaseRoot

PORT = 8000
_PROGRAM = Path(__file__).resolve().parents[1] / "trials" / "python.py"


@dataclass(frozen=True)
class TrialWork:
    """What the device is to do.  ``published`` is the digest of what the repository offers."""

    repository: Path
    codename: str
    published: str
    packages: tuple[str, ...]
    python: str
    smoke: Mapping[str, str]


def trial_key(work: TrialWork, device: BaseRoot) -> str:
    """Return the identity of a trial: passed once, it need not be repeated."""
    return digest({
        "kind": "trial", "published": work.published, "device": device.key, "packages": work.packages,
        "python": work.python, "smoke": work.smoke, "program": _PROGRAM.read_text(),
    })


def try_on_device(context: Context, work: TrialWork, device: BaseRoot, step: str) -> tuple[TrialResult, ...]:
    """Install and exercise; return what was tried.

    Raises TrialError (installation failed or something does not work) or EmulatorError.
    """
    log = context.log(step)
    with context.store.work(context.chroots.remove) as directory:
        session = context.chroots.session(device.directory, directory)
        return _Device(context, work, session, log, step).carry_out(directory)


class _Device:
    def __init__(self, context: Context, work: TrialWork, session: Session, log: Path, step: str) -> None:
        self.context, self.work, self.session, self.log, self.step = context, work, session, log, step
        self.binds = {context.apt.lists: recipe.LISTS}

    def carry_out(self, directory: Path) -> tuple[TrialResult, ...]:
        """Set up, update, install, exercise."""
        work = self.work
        self._say("fetching what the device takes from Debian")
        self._fetch(directory)
        self._say("setting the device up with the published files")
        self._set_up()
        # The index files of Debian are there already, and its archive is out of reach.
        self._apt("update", "-o", "Dir::Etc::sourcelist=/etc/apt/sources.list.d/repository.sources",
                  "-o", "Dir::Etc::sourceparts=-", "-o", "APT::Get::List-Cleanup=0")
        self._say(f"apt-get install {' '.join(work.packages)}")
        self._apt("install", "-y", "--no-install-recommends", *work.packages)
        if not work.python:
            return (TrialResult("install", True, 0, " ".join(work.packages)),)
        return self._exercise()

    def _say(self, text: str) -> None:
        self.context.busy(self.step, text)
        with self.log.open("a") as log:
            log.write(f"\n==> {text}\n")

    def _apt(self, *arguments: str) -> None:
        done = self.session.run(["apt-get", "-q", *arguments], binds=self.binds, log=self.log,
                                serve=self.work.repository, port=PORT)
        if done.exit_status:
            told = [line for line in self.log.read_text(errors="replace").splitlines()
                    if line.startswith(("E:", "W:", "Err:", "dpkg:", "qemu"))]
            raise TrialError(
                f"'apt-get {arguments[0]}' failed on the emulated device", "\n".join(told[-12:]),
                f"The whole log is {self.log}. --no-trial leaves the trial out.")

    def _fetch(self, directory: Path) -> None:
        """Let apt outside decide, on the device's own package status, what Debian must lend."""
        context, work = self.context, self.work
        index = (work.repository / "dists" / work.codename / "main" / f"binary-{context.host.name}"
                 / "Packages").read_text()
        status = (self.session.base / "var/lib/dpkg/status").read_text()
        view = context.apt.view(directory / "apt", context.world.for_device(), status=status, local=index)
        answer = view.run(["apt-get", "install", "--print-uris", "-qq", "-y", "--no-install-recommends",
                           "-o", "Acquire::ForceHash=SHA256", *work.packages])
        raise_for_apt(answer, f"{' '.join(work.packages)} cannot be installed on the device's release")
        files = context.fetch_packages(self.step, parse_print_uris(answer.stdout))
        context.store.lay_out(files, self.session.upper / "var/cache/apt/archives")

    def _set_up(self) -> None:
        context, work = self.context, self.work
        files = work.repository / "device" / work.codename
        sources = next(iter(sorted(files.glob("*-bookworm-and-later.sources")))).read_text()
        # The published file, with the address that this network has for the repository.
        here = re.sub(r"^URIs: .*$", f"URIs: http://127.0.0.1:{PORT}/", sources, flags=re.MULTILINE)
        self.session.write("/etc/apt/sources.list.d/repository.sources", here)
        self.session.write("/etc/apt/preferences.d/repository.pref",
                           next(iter(sorted(files.glob("*.pref")))).read_text())
        self.session.run(["sh", "-c", recipe.device_script(
            context.world.for_device().sources_list(context.apt.mirror_files))],
            binds=self.binds, log=self.log).check(
                TrialError, "the emulated device could not be set up", f"Read {self.log}.")

    def _exercise(self) -> tuple[TrialResult, ...]:
        self._say(f"importing and exercising everything with Python {self.work.python}")
        self.session.write("/root/trial.py", _PROGRAM.read_text())
        self.session.write("/root/smoke.json", json.dumps(dict(self.work.smoke)))
        done = self.session.run(
            [f"python{self.work.python}", "/root/trial.py", "/root/smoke.json", *self._installed()])
        with self.log.open("a") as log:
            log.write(done.stdout + done.stderr)
        results = parse_report(done.stdout)
        for note in judge(results, done.stdout + done.stderr):
            self.context.events.tell("note", self.step, note)
        return results

    def _installed(self) -> Sequence[str]:
        """Return the packages on the device that came from the repository."""
        status = (self.session.upper / "var/lib/dpkg/status").read_text()
        index = (self.work.repository / "dists" / self.work.codename / "main"
                 / f"binary-{self.context.host.name}" / "Packages").read_text()
        ours = {line.split(": ")[1] for line in index.splitlines() if line.startswith("Package: ")}
        names = {line.split(": ")[1] for line in status.splitlines() if line.startswith("Package: ")}
        return sorted(ours & names)
