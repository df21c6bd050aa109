# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong, one class per condition, and what to do next.

Every error carries three things: ``brief`` (one line: what failed), ``details`` (what is
known about it, such as the last lines of a log) and ``resolution`` (the next move, in
words that can be acted on).  The exit status belongs to the class of error, so that
scripts can tell them apart; docs/errors.md lists them.

Errors cross threads and process borders, so they pickle: all arguments are positional.
"""
from __future__ import annotations

import re

#: User name and password in an address, wherever it stands in a text: a password may hold what is
#: not allowed there, but neither white space nor a quote nor a slash.
_LOGIN = re.compile(r"(?<=://)[^\s/\"'<>]+@")


def without_logins(text: str) -> str:
    """Return a text whose addresses have no user name and password in them."""
    return _LOGIN.sub("", text) if "@" in text else text


#: Lines of an error, and characters of a line: whoever writes a file that is read here could choose them.
_MOST_LINES, _LONGEST_LINE = 500, 2000


def bounded(text: str) -> str:
    """Return a text that people can read: its first lines, each cut, with a note of what was left out."""
    lines = text.split("\n") if len(text) > _MOST_LINES else [text]
    if len(lines) > _MOST_LINES:
        lines = [*lines[:_MOST_LINES - 1], f"… and {len(lines) - _MOST_LINES + 1} more lines"]
    return "\n".join(
        line if len(line) <= _LONGEST_LINE
        else f"{line[:_LONGEST_LINE - 40]}… and {len(line) - _LONGEST_LINE + 40} more characters"
        for line in lines)


class DebxcrossError(Exception):
    """Base of all errors a user is meant to see.  Exit status 1."""

    exit_status = 1
    #: The word that ``status`` and the JSON events show for this class of failure.
    failure_class = "error"

    def __init__(self, brief: str, details: str = "", resolution: str = "") -> None:
        # Errors quote what programs and servers said, who may quote addresses.
        brief, details, resolution = (bounded(without_logins(text)) for text in (brief, details, resolution))
        super().__init__(brief, details, resolution)
        self.brief = brief
        self.details = details
        self.resolution = resolution

    def __str__(self) -> str:
        return self.brief


class UsageError(DebxcrossError):
    """The command line names something that does not exist."""

    exit_status = 2
    failure_class = "usage"


class ConfigurationError(DebxcrossError):
    """A configuration or chain file has faults; all of them are in ``details``."""

    exit_status = 3
    failure_class = "configuration"


class HostError(DebxcrossError):
    """This machine lacks something: a tool, namespaces, a subuid range, emulation."""

    exit_status = 4
    failure_class = "host"


class DiskFullError(HostError):
    """No space left where the store or the output is."""

    exit_status = 5
    failure_class = "host"


class FetchError(DebxcrossError):
    """A file could not be had from any configured place."""

    exit_status = 10
    failure_class = "fetch"


class UnreachableError(FetchError):
    """A file could not be had because nobody answers: the network is gone, or a server is."""

    exit_status = 10
    failure_class = "fetch"


class VerificationError(FetchError):
    """A file arrived, but its signature or digest is wrong; nothing of it is used."""

    exit_status = 11
    failure_class = "fetch"


class UnsupportedError(DebxcrossError):
    """The release has no cross compiler for this architecture, or no such source."""

    exit_status = 12
    failure_class = "unsatisfiable"


class UnsatisfiableError(DebxcrossError):
    """Dependencies cannot be satisfied, on the build root or on the device."""

    exit_status = 13
    failure_class = "unsatisfiable"


class SkewError(UnsatisfiableError):
    """A Multi-Arch: same package has different versions for the two architectures."""

    exit_status = 14
    failure_class = "skew"


class CycleError(DebxcrossError):
    """The members of a chain need each other in a circle."""

    exit_status = 15
    failure_class = "unsatisfiable"


class PatchError(DebxcrossError):
    """A rules patch does not apply."""

    exit_status = 16
    failure_class = "patch"


class LockError(DebxcrossError):
    """A lock is faulty, for another run, or not what there is: nothing unlocked was used."""

    exit_status = 17
    failure_class = "lock"


class BuildError(DebxcrossError):
    """The package's own build failed."""

    exit_status = 20
    failure_class = "compile"


class GateError(DebxcrossError):
    """A build ended with status 0, but its result is not what it must be."""

    exit_status = 21
    failure_class = "gate"


class ArchitectureGateError(GateError):
    """A result contains code for another architecture."""

    exit_status = 22
    failure_class = "wrong-architecture"


class TrialError(DebxcrossError):
    """The emulated device could not install or use the results."""

    exit_status = 23
    failure_class = "gate"


class EmulatorError(TrialError):
    """The emulator itself crashed, as far as can be told; or a test program of configure did in it."""

    exit_status = 24
    failure_class = "emulator"


class PublishError(DebxcrossError):
    """The repository could not be published; what was published before still stands."""

    exit_status = 25
    failure_class = "publish"


class PackageError(DebxcrossError):
    """A .deb is damaged, or has what must not be unpacked; nothing of it is used."""

    exit_status = 26
    failure_class = "package"


class BoundError(DebxcrossError):
    """A command took more of the machine than the limits allow, and was ended."""

    exit_status = 27
    failure_class = "bound"


class StoreError(DebxcrossError):
    """The store is damaged, of a newer layout, or on an unsuitable file system."""

    exit_status = 30
    failure_class = "host"


class BusyError(DebxcrossError):
    """Another run holds what this run needs."""

    exit_status = 31
    failure_class = "host"


class ChainFailedError(DebxcrossError):
    """One or more members failed while others went on (``--keep-going``)."""

    exit_status = 40
    failure_class = "failed"


class InterruptedRunError(DebxcrossError):
    """Ctrl-C or SIGTERM: children are ended, the store is whole."""

    exit_status = 130
    failure_class = "interrupted"
