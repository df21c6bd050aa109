# SPDX-License-Identifier: GPL-3.0-or-later
"""What the emulated device said, and what it means."""
from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from debxcross.core.border import read_as, read_json
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


@dataclass(frozen=True)
class TrialResult:
    """One thing tried: ``signal`` 0 means that it ended by itself; ``attempts`` counts the tries.

    What is ``optional`` may fail, but not crash.
    """

    name: str
    ok: bool
    signal: int
    text: str
    attempts: int = 1
    optional: bool = False

    @property
    def failed(self) -> bool:
        """Whether it counts against the device."""
        return not self.ok and not (self.optional and not self.signal)


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


def judge(results: Sequence[TrialResult], machine_output: str, processor: str = "") -> tuple[str, ...]:
    """Return what is worth a note when everything worked: a crash that did not come back, what is missing.

    ``processor`` is the value of QEMU_CPU, for what meets an illegal instruction.
    Raises TrialError naming every trial that failed; EmulatorError when all failures are the
    emulator's own.
    """
    failed = [result for result in results if result.failed]
    if not results:
        raise TrialError("the device reported nothing", machine_output[-1500:],
                         "Read the trial's log; --no-trial leaves the trial out.")
    if failed:
        details = "\n".join(f"{result.name}: {_ending(result, processor)}{_last_line(result)}"
                            for result in failed)
        brief = f"{len(failed)} of {len(results)} trials failed on the device"
        if all(is_emulators(result) for result in failed):
            raise EmulatorError(
                f"{brief}, all in the emulator itself", details,
                "Try another version of QEMU (qemu-user-static), or a real device; "
                "--no-trial leaves the trial out.")
        raise TrialError(brief, details, "Read the trial's log for the whole output.")
    return (*(
        f"{result.name} crashed and worked when tried again ({result.attempts} attempts): the emulator's mood"
        for result in results if result.ok and result.attempts > 1),
        *(f"{result.name} does not work, which is optional: {_last_line(result)}"
          for result in results if not result.ok))


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
