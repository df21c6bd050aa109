# SPDX-License-Identifier: GPL-3.0-or-later
"""What the emulated device said, and what it means."""
from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePosixPath

from debxcross.core.border import read_as, read_json
from debxcross.core.wheel.index import normalise
from debxcross.errors import EmulatorError, TrialError
from debian.deb822 import Deb822
from debian.debian_support import Version

#: What QEMU's user-mode emulators print when they themselves give up, not the program.
_EMULATOR = re.compile(
    r"qemu(-[a-z0-9]+(-static)?)?: (?!uncaught target signal)|tcg/|Unsupported (syscall|ioctl|setsockopt)|"
    r"qemu: unhandled CPU exception")


#: How SIGILL looks in what programs, shells, dpkg and QEMU say.
_ILLEGAL = re.compile(r"[Ii]llegal [Ii]nstruction|\bSIGILL\b|uncaught target signal 4\b")
#: SIGILL's number, the same on every architecture (signal(7)).
SIGILL = 4
#: What the loader says of a file that is wrong itself, whatever it was wanted for.
_BROKEN = re.compile(
    r"undefined symbol|cannot open shared object file|wrong ELF class|invalid ELF header|file too short|"
    r"Exec format error|version [`']\S+' not found|cannot allocate memory in static TLS")
#: What a library that is no module is told by the interpreter (Python 3 and 2).
_NO_MODULE = re.compile(r"dynamic module does not define (module export|init) function")
#: A module that looks at the machine when it is imported, as RPi.GPIO and its kin do.
HARDWARE = re.compile(
    r"can only be (run|used) on|must be (run|used) on an? |not (running|run) on an? |"
    r"Raspberry Pi|BeagleBone|Jetson|unsupported (board|hardware)|board not supported|"
    r"(could|can) ?not (determine|detect|find) .*\b(board|model|hardware|chip|SOC)\b|"
    r"\[Errno \d+\] .*'/(dev|sys|proc)/", re.IGNORECASE)
_TESTS = re.compile(r"(^|[._])tests?([._]|$)")


#: So many characters of what a trial said are told.
_MOST_TEXT = 300
#: The kind of trial that is a project's own tests.
TESTS = "tests"


@dataclass(frozen=True)
class TrialResult:
    """One thing tried: ``signal`` 0 means that it ended by itself; ``attempts`` counts the tries.

    What is ``optional`` may fail, but not crash.  ``kind`` is "import" of a ``module`` or "compile",
    both of a file ``path`` of a ``package``, TESTS, or "" for anything else; ``missing`` is the module that
    an import failed for because nothing of that name is installed.
    """

    name: str
    ok: bool
    signal: int
    text: str
    attempts: int = 1
    optional: bool = False
    kind: str = ""
    module: str = ""
    package: str = ""
    path: str = ""
    missing: str = ""

    @property
    def record(self) -> dict[str, str | int | bool]:
        """What a run tells of it; of a long text its end."""
        return {"name": self.name, "ok": self.ok, "text": self.text[-_MOST_TEXT:], "signal": self.signal,
                "attempts": self.attempts, "optional": self.optional}


def excuse(result: TrialResult, required: Collection[str] = ()) -> str:
    """Return why a failure does not count against the device, "" when it does.

    ``required`` are the normalised names of the projects that its own project requires.
    """
    if result.ok or result.signal:
        return ""
    if result.optional:
        return "which is optional"
    if result.kind == "compile":
        return "and stays as it is: it is no module for this Python"
    if result.kind != "import" or _BROKEN.search(result.text) or _ILLEGAL.search(result.text):
        return ""
    if _TESTS.search(result.module):
        return "and is only the project's own test"
    if result.missing and normalise(result.missing) not in required:
        return f"for want of {result.missing}, which the project does not require"
    if HARDWARE.search(result.text):
        return "without the hardware it is for"
    if _NO_MODULE.search(result.text) and PurePosixPath(result.path).name.count(".") == 1:
        return "and is a library, no module"
    return ""


def _unusable(results: Sequence[TrialResult]) -> set[str]:
    """Return the packages of which nothing can be imported, for want of something."""
    tried: dict[str, list[TrialResult]] = {}
    for result in results:
        if result.kind == "import":
            tried.setdefault(result.package, []).append(result)
    return {package for package, several in tried.items()
            if not any(result.ok for result in several) and any(result.missing for result in several)}


def parse_report(output: str) -> tuple[TrialResult, ...]:
    """Read the JSON lines of trials/python.py; other lines (warnings) are passed over."""
    found = []
    for line in output.splitlines():
        if line.startswith("{"):
            with suppress(ValueError):
                found.append(read_as(TrialResult, read_json(line)))
    return tuple(found)


def is_emulators(result: TrialResult) -> bool:
    """Tell whether a failure is the emulator's own: QEMU itself says so."""
    return not result.ok and bool(_EMULATOR.search(result.text))


def illegal(text: str, signal: int, processor: str) -> str:
    """Say that something met an instruction its processor does not have, "" when it did not.

    ``processor`` is the value of QEMU_CPU, "" when the machine itself ran the program.
    """
    if signal != SIGILL and not _ILLEGAL.search(text):
        return ""
    where = f"the baseline processor (QEMU_CPU={processor})" if processor else "this machine's processor"
    return f"illegal instruction on {where}"


def excused(results: Sequence[TrialResult], required: Mapping[str, Collection[str]]) -> dict[str, str]:
    """Return what failed and does not count, by the trial's name, in words with the reason.

    Of a package of which nothing can be imported, what is missing is no excuse.
    """
    unusable = _unusable(results)
    return {
        result.name: f"{result.name} does not work, {why}: {_last_line(result)}" for result in results
        if (why := excuse(result, required.get(result.package, ())))
        and (result.optional or not result.missing or result.package not in unusable)}


def judge(results: Sequence[TrialResult], machine_output: str, processor: str = "",
          required: Mapping[str, Collection[str]] | None = None) -> tuple[str, ...]:
    """Return what is worth a note when everything worked: a crash that did not come back, what is excused.

    ``processor`` is the value of QEMU_CPU, for what meets an illegal instruction; ``required`` are the
    projects (normalised names) that those of each package require.  Raises TrialError naming every
    trial that failed; EmulatorError when all failures are the emulator's own.
    """
    noted = excused(results, required or {})
    failed = [result for result in results if not result.ok and result.name not in noted]
    if not results:
        raise TrialError("the device reported nothing", machine_output[-1500:],
                         "Read the trial's log; --no-trial leaves the trial out.")
    if failed:
        details = "\n".join((
            *(f"{result.name}: {_ending(result, processor)}{_last_line(result)}" for result in failed),
            *(f"noted: {text}" for text in noted.values())))
        brief = f"{len(failed)} of {len(results)} trials failed on the device"
        if all(is_emulators(result) for result in failed):
            raise EmulatorError(
                f"{brief}, all in the emulator itself", details,
                "Try another version of QEMU (qemu-user-static), or a real device; "
                "--no-trial leaves the trial out.")
        raise TrialError(
            brief, details, "Read the trial's log for the whole output. What needs hardware, or something "
            "that the project does not require, is named in optional-modules (--projects).")
    return (*(
        f"{result.name} crashed and worked when tried again ({result.attempts} attempts): the emulator's mood"
        for result in results if result.ok and result.attempts > 1),
        *noted.values())


def _last_line(result: TrialResult) -> str:
    return result.text.splitlines()[-1] if result.text else ""


def _ending(result: TrialResult, processor: str) -> str:
    told = illegal(result.text, result.signal, processor)
    ended = f"ended by signal {result.signal} in {result.attempts} attempts: " if result.signal else ""
    return f"{told}; {ended}" if told else ended


def versions(text: str) -> dict[str, str]:
    """Return the version of each package of a Packages file or of dpkg's database."""
    return {stanza["Package"]: stanza["Version"]
            for stanza in Deb822.iter_paragraphs(text.splitlines(), use_apt_pkg=False)
            if "Version" in stanza}


def same_version(text: str, other: str) -> set[str]:
    """Return the names of the packages that both texts (see ``versions``) have in one version."""
    found, others = versions(text), versions(other)
    return {name for name, version in found.items() if others.get(name) == version}


def came_from(index: str, before: str, after: str) -> set[str]:
    """Return the names of the packages that a device has as the index offers them, and had not before."""
    return same_version(index, after) - same_version(index, before)


def upgraded(before: str, after: str, index: str) -> TrialResult:
    """Judge an upgrade by dpkg's database before and after, and by what was on offer.

    It worked when something was upgraded and no installed package is older than offered.
    """
    old, new, offered = versions(before), versions(after), versions(index)
    kept = [f"{name} {new[name]}, not {version}" for name, version in sorted(offered.items())
            if name in new and Version(new[name]) < Version(version)]
    changed = [f"{name} {old[name]} → {new[name]}" for name in sorted(offered)
               if name in old and old[name] != new.get(name, old[name])]
    said = f"not upgraded: {'; '.join(kept)}" if kept else "; ".join(changed) or "nothing was upgraded"
    return TrialResult("apt-get upgrade", bool(changed) and not kept, 0, said)
