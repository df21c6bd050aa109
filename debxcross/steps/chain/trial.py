# SPDX-License-Identifier: GPL-3.0-or-later
"""The trial: an emulated device installs from the repository with plain apt and uses the result.

The device's network is a private loopback with one web server on it, the repository's.
Debian's own packages were fetched and verified before, as everything is.
"""
from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from debxcross.core.artifact import StoredFile
from debxcross.core.build import commands
from debxcross.core.chain.chain import Trial
from debxcross.core.chain.projecttests import TIME_S
from debxcross.core.chain.trial import (
    TESTS,
    TrialResult,
    came_from,
    excused,
    illegal,
    judge,
    parse_report,
    same_version,
    upgraded,
)
from debxcross.core.key import digest
from debxcross.core.processor import baseline
from debxcross.doors import process
from debxcross.doors.apt import parse_print_uris, raise_for_apt
from debxcross.doors.regular import tail
from debxcross.doors.template import program_file
from debxcross.errors import TrialError
from debxcross.steps.build.baseroot import BaseRoot, device_index
from debxcross.steps.build.buildroot import BuildRoot
from debxcross.steps.chain.projecttests import RUNNER, run_tests
from debxcross.steps.context import Context

PORT = 8000
_HERE = f"http://127.0.0.1:{PORT}/"
#: apt-get(8), "Diagnostics"; anything else is a crash, perhaps the emulator's.
_APT_SAYS_NO = 100
_PROGRAM = program_file("trials/python.py")


@dataclass(frozen=True)
class TrialWork:
    """What the device is to do.

    ``published`` is the digest of what the repository offers; ``optional`` are modules that may be
    missing something; ``required`` are the projects that those of each package require; ``tests`` are
    the sdists of the projects whose own tests are run.
    """

    repository: Path
    codename: str
    published: str
    trial: Trial
    smoke: Mapping[str, str]
    optional: tuple[str, ...] = ()
    required: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tests: Mapping[str, StoredFile] = field(default_factory=dict)


def trial_key(work: TrialWork, device: BaseRoot, processor: Sequence[str]) -> str:
    """Return the identity of a trial: passed once, it need not be repeated.

    ``processor`` is what the emulator may be asked to be.
    """
    return digest({
        "kind": "trial", "published": work.published, "device": device.key, "trial": work.trial,
        "smoke": work.smoke, "optional": work.optional, "required": work.required,
        "program": _PROGRAM.read_text(),
        "processor": processor,
        **({"tests": work.tests, "seconds": TIME_S} if work.tests else {}),
    })


def ensure_tried(context: Context, work: TrialWork, device: BaseRoot,
                 step: str) -> tuple[str, dict[str, Any]]:
    """Return "cached" when exactly this was tried before, else "built"; and what the summary tells of it.

    Raises what try_on_device() does.
    """
    key = trial_key(work, device, baseline(context.host.name).qemu)
    known: dict[str, Any] | None = context.store.memo("trial", key)
    if known is not None:
        if results := context.store.memo("trial-results", key):
            context.events.tell("trial", step, results=results)
        return "cached", known
    tried = try_on_device(context, work, device, step)
    context.store.remember("trial-results", key, [one.record for one in tried])
    told = {"packages": list(work.trial.packages or work.trial.before),
            "passed": sum(result.ok for result in tried),
            "imported": sum(result.ok and result.kind == "import" for result in tried),
            "noted": list(excused(tried, work.required).values()),
            **({"tests": [f"{one.name}: {one.text}" for one in tried if one.kind == TESTS]}
               if work.tests else {})}
    context.store.remember("trial", key, told)
    return "built", told


def try_on_device(context: Context, work: TrialWork, device: BaseRoot, step: str) -> tuple[TrialResult, ...]:
    """Install and exercise; return what was tried.

    Raises TrialError (installation failed or something does not work) or EmulatorError.
    """
    with context.store.work(context.chroots.remove) as directory:
        return Device(work, BuildRoot(context, device, step, directory)).carry_out()


def tell_results(context: Context, step: str, results: Sequence[TrialResult]) -> None:
    """Tell what was tried, and how it ended; the trial's log has the whole output."""
    context.events.tell("trial", step, results=[one.record for one in results])


class Device:
    """An emulated device, in a throw-away root over the device's base root."""

    def __init__(self, work: TrialWork, root: BuildRoot) -> None:
        self.work, self.root, self.context, self.session = work, root, root.context, root.session
        root.binds[root.context.apt.lists] = commands.LISTS
        #: What a lock lets the device have of Debian.
        self.held = device_index(root.context)
        #: Names of the packages that the device took from the repository.
        self.taken: set[str] = set()
        #: The value of QEMU_CPU, "" when the machine runs the device's programs itself.
        self.processor = ""

    def carry_out(self) -> tuple[TrialResult, ...]:
        """Set up, update, upgrade, install, exercise."""
        trial = self.work.trial
        self._choose_processor()
        self._show_debian()
        if trial.before:
            self._install(trial.before)
        before = self._status()
        self.root.step("setting the device up with the published files")
        self._set_up()
        # The index files of Debian are there already, and its archive is out of reach.
        self._apt("update", "-o", "Dir::Etc::sourcelist=/etc/apt/sources.list.d/repository.sources",
                  "-o", "Dir::Etc::sourceparts=-", "-o", "APT::Get::List-Cleanup=0")
        results = []
        if trial.before:
            self.root.step("apt-get upgrade")
            self._apt("upgrade", "-y")
            results.append(upgraded(before, self._status(), self._index()))
            self.taken |= came_from(self._index(), before, self._status())
        if trial.packages:
            self._install(trial.packages)
            results.append(TrialResult("install", True, 0, " ".join(trial.packages)))
        self._tell_untried()
        results += [self._command(command) for command in trial.commands]
        tell_results(self.context, self.root.name, results)
        judge(results, "", self.processor)
        return (*results, *(self._exercise() if trial.python else ()), *self._tests())

    def _choose_processor(self) -> None:
        """Make the emulator the oldest processor of the architecture, as far as its version can.

        Emulators stop at a name they do not know; where such a one does no harm, there is none.
        """
        if self._starts_as("no-such-processor"):
            return
        oldest = baseline(self.context.host.name)
        self.processor = next((name for name in oldest.qemu if self._starts_as(name)), "")
        if self.processor:
            self.root.step(f"the device is as its oldest: {oldest.name} (QEMU_CPU={self.processor})")
        else:
            self.context.events.tell("note", self.root.name, (
                f"this version of {self.context.host.qemu_binary} is none of the oldest processors "
                f"({oldest.name}): the trial runs on the one it chooses itself"))

    def _starts_as(self, name: str) -> bool:
        return self.session.run(["env", f"QEMU_CPU={name}", "true"]).exit_status == 0

    def _argv(self, *command: str) -> list[str]:
        """Return a command line for the device's processor."""
        return [*(["env", f"QEMU_CPU={self.processor}"] if self.processor else ()), *command]

    def _apt(self, *arguments: str) -> None:
        done = self.session.run(self._argv("apt-get", "-q", *arguments), binds=self.root.binds,
                                log=self.root.log, serve=self.work.repository, port=PORT)
        if done.exit_status:
            self._fail(arguments[0], tail(self.root.log))

    def _fail(self, command: str, said: str) -> NoReturn:
        told = [line for line in said.splitlines() if line.startswith(("E:", "W:", "Err:", "dpkg:", "qemu"))]
        why = illegal(said, 0, self.processor)
        raise TrialError(
            f"'apt-get {command}' failed on the emulated device" + (f": {why}" if why else ""),
            "\n".join(told[-12:]),
            f"The whole log is {self.root.log}. --no-trial leaves the trial out.")

    def _status(self) -> str:
        """Return dpkg's database on the device as it is now."""
        return self.session.read("/var/lib/dpkg/status")

    def _index(self) -> str:
        """Return what the repository offers to the device."""
        return (self.work.repository / "dists" / self.work.codename / "main"
                / f"binary-{self.context.host.name}" / "Packages").read_text()

    def _install(self, packages: Sequence[str]) -> None:
        """Install, after the device's apt has said what Debian must lend.

        It decides itself, because between two packages of the same version but with other bytes
        apt takes the one whose index it read first.
        """
        self.root.step("asking apt on the device what it takes from Debian")
        argv = ("install", "-y", "--no-install-recommends")
        answer = self.session.run(self._argv(
            "apt-get", "-q", *argv, "--print-uris", "-o", "Acquire::ForceHash=SHA256", *packages),
            binds=self.root.binds)
        if answer.exit_status not in (0, _APT_SAYS_NO):
            self._fail("install --print-uris", answer.stderr)
        raise_for_apt(answer, f"{' '.join(packages)} cannot be installed on the device")
        chosen = parse_print_uris(answer.stdout)
        ours = {one for one in chosen if one.uri.startswith(_HERE)}
        files = self.context.supply.fetch(self.root.name, [one for one in chosen if one not in ours])
        archives = self.root.directory / "archives"
        self.context.store.lay_out(files, archives)
        self.session.put(archives, "/var/cache/apt/archives")
        self.root.step(f"apt-get install {' '.join(packages)}")
        self._apt(*argv, *packages)
        self.taken |= {one.package.name for one in ours}

    def _tell_untried(self) -> None:
        """Tell of which packages the device has Debian's own, so that ours were not tried."""
        same = sorted(same_version(self._index(), self._status()) - self.taken)
        if same:
            self.context.events.tell("note", self.root.name, (
                f"of {', '.join(same)} the device has Debian's own package, whose version is the same: ours "
                "was not tried (a 'revision' in the chain gives it a version of its own)"))

    def _command(self, command: str) -> TrialResult:
        self.root.step(command)
        done = self.root.noted(self._argv("sh", "-c", command))
        said = done.stdout + done.stderr
        # A shell tells with 128 + N that signal N ended its command.
        return TrialResult(command, done.exit_status == 0, max(0, done.exit_status - 128),
                           "\n".join(said.strip().splitlines()[-4:]))

    def _show_debian(self) -> None:
        apt, world = self.context.apt, self.context.world.for_device()
        if self.held:
            view = apt.view(self.root.directory / "debian", world, local=self.held)
            self.root.binds = {view.lists: commands.LISTS}
        if pins := world.pins():
            self.session.write("/etc/apt/preferences.d/archives.pref", pins)
        self.session.run(["sh", "-c", commands.device_script(
            world.sources_list(apt.mirror_files, commands.LOCAL if self.held else ""))],
            binds=self.root.binds, log=self.root.log).check(
                TrialError, "the emulated device could not be set up", f"Read {self.root.log}.")

    def _set_up(self) -> None:
        work = self.work
        files = work.repository / "device" / work.codename
        sources = next(iter(sorted(files.glob("*-bookworm-and-later.sources")))).read_text()
        # The published file, with the address that this network has for the repository.
        here = re.sub(r"^URIs: .*$", f"URIs: {_HERE}", sources, flags=re.MULTILINE)
        self.session.write("/etc/apt/sources.list.d/repository.sources", here)
        self.session.write("/etc/apt/preferences.d/repository.pref",
                           next(iter(sorted(files.glob("*.pref")))).read_text())

    def _tests(self) -> tuple[TrialResult, ...]:
        """Run the projects' own tests.  Raises TrialError naming the projects whose tests fail."""
        if not self.work.tests:
            return ()
        self._install((RUNNER,))
        results = run_tests(self.root, self.work.tests, self.work.trial.python, self._argv)
        tell_results(self.context, self.root.name, results)
        if failed := [one for one in results if not one.ok]:
            raise TrialError(
                f"the tests of {len(failed)} of {len(results)} projects failed on the device",
                "\n".join(f"{one.name}: {'signal ' + str(one.signal) + ': ' if one.signal else ''}{one.text}"
                          for one in results),
                f"Read {self.root.log}. Tests that want a network, hardware or a real processor fail here "
                "whatever was built; without --test none is run.")
        return results

    def _exercise(self) -> tuple[TrialResult, ...]:
        self.root.step(f"importing and exercising everything with Python {self.work.trial.python}")
        self.session.write("/root/trial.py", _PROGRAM.read_text())
        self.session.write("/root/what.json", json.dumps(
            {"smoke": dict(self.work.smoke), "optional": self.work.optional}))
        done = self.root.noted(self._argv(
            f"python{self.work.trial.python}", "/root/trial.py", "/root/what.json", *sorted(self.taken)))
        if done.exit_status:
            # The trials run in processes of their own; only their parent can end badly here.
            why = illegal(done.stderr, done.exit_status - 128, self.processor)
            raise TrialError(
                f"the trial program itself failed after {done.stdout.count(chr(10))} trials"
                + (f": {why}" if why else ""),
                f"{done.stderr[-1500:]}\n{process.describe(done.argv[-6:], done.exit_status)}",
                f"The whole log is {self.root.log}. If the emulator crashed, try another version of it.")
        results = parse_report(done.stdout)
        tell_results(self.context, self.root.name, results)
        for note in judge(results, done.stdout + done.stderr, self.processor, self.work.required):
            self.context.events.tell("note", self.root.name, note)
        return results
