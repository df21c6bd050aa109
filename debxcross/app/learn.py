# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes down what an emulated device answers to a source's configure, and tries the file."""
from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from debxcross.app.build import Build, plan
from debxcross.app.request import Request
from debxcross.core.architecture import architecture
from debxcross.core.build.answers import (
    EMULATOR, FILE, NONE, Answers, differences, range_of, render, undefined,
)
from debxcross.doors import files
from debxcross.doors.answers import place
from debxcross.doors.host import emulator
from debxcross.errors import GateError, HostError, UsageError
from debxcross.events import Listener

_PART = re.compile(r"^==> .*$", re.MULTILINE)


@dataclass(frozen=True)
class Learned:
    """What was learned; ``path`` is None when dpkg-cross's answers are the device's.

    ``undecided`` are variables with several answers in one build, which a file cannot give.
    """

    path: Path | None
    answers: Answers
    undecided: tuple[str, ...]


def learn(request: Request, directory: Path, listeners: Sequence[Listener] = ()) -> Learned:
    """Build the one source of a request with and without an emulator, and write the answers that differ.

    A third build, without emulation and with the file, must give the bytes of the first.  If it does not, a
    fourth is told also what the first defined in config.h; else the file is as it was before and GateError
    raised.  Raises UsageError for more than one source, HostError where there is no emulator, and what a
    build raises.
    """
    if len(request.targets) != 1:
        raise UsageError("one source is learned at a time", resolution="Call it once for each source.")
    host = architecture(request.architecture)
    words = emulator(host)
    if not words:
        raise HostError(f"no emulator of {host.name} is registered that works in build roots",
                        resolution="'debxcross doctor' tells what is missing, and the cure.")
    source = re.split("[=/]", request.targets[0])[0]
    version = _version(request, source)
    emulated = _built(request, source, EMULATOR, listeners)
    plain = _built(request, source, NONE, listeners)
    values, undecided = differences(emulated.logs, plain.logs)
    path = place(directory, source, host.name)
    answers = Answers(source, host.name, range_of(version), tuple(sorted(values.items())))
    if not values and emulated.debs == plain.debs:
        return Learned(None, answers, undecided)
    path.parent.mkdir(parents=True, exist_ok=True)
    request = replace(request, answers_from=(*request.answers_from, directory))
    with _unless_proved(path):
        told = _told(request, path, answers, words, listeners)
        if told.debs != emulated.debs and (defines := undefined(emulated.logs, told.logs)):
            answers = replace(answers, defines=tuple(defines.items()))
            told = _told(request, path, answers, words, listeners)
        if told.debs != emulated.debs:
            raise _insufficient(request, source, emulated, told)
    return Learned(path, answers, undecided)


@contextmanager
def _unless_proved(path: Path) -> Iterator[None]:
    """Have the file as it was before, or not at all, when the block raises."""
    before = path.read_text() if path.exists() else None
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        if before is not None:
            files.write(path, before)
        raise


def _told(request: Request, path: Path, answers: Answers, words: str, listeners: Sequence[Listener]
          ) -> _Built:
    """Write the answers and build with them."""
    files.write(path, render(answers, words))
    return _built(request, answers.source, FILE, listeners)


def _insufficient(request: Request, source: str, emulated: _Built, told: _Built) -> GateError:
    differ = sorted(name for name, sha256 in emulated.debs.items() if told.debs.get(name) != sha256)
    return GateError(
        f"{source}: {len(differ)} packages built with the answers are not those built under emulation",
        "\n".join(differ), f"Compare {_output(request, EMULATOR)} with {_output(request, FILE)}. A build "
        "that runs programs of its own needs the emulator (answers = \"emulator\" in a chain).")


@dataclass(frozen=True)
class _Built:
    """What a build left: its config.logs, its packages' digests by file name."""

    logs: tuple[str, ...]
    debs: Mapping[str, str]


def _output(request: Request, mode: str) -> Path:
    return request.directory / "learn" / mode


def _built(request: Request, source: str, mode: str, listeners: Sequence[Listener]) -> _Built:
    """Build anew, since only a build leaves the logs of configure.

    What an earlier build left is removed: a repository takes no other bytes of a version that it has.
    """
    output = _output(request, mode)
    shutil.rmtree(output, ignore_errors=True)
    # A build that must guess may well lose something: that is what is to be found out.
    summary = Build(replace(request, output=output, answers=mode, rebuild=(source,), trial=False, twin=False),
                    listeners).run()
    log = output / "logs" / f"{source}.config.log"
    texts = _PART.split(log.read_text())[1:] if log.exists() else []
    return _Built(tuple(texts), {one["file"]: one["sha256"] for one in summary["debs"]
                                 if one["member"] == source})


def _version(request: Request, source: str) -> str:
    found, problems = plan(replace(request, output=_output(request, NONE), answers=NONE))
    if problems:
        raise problems[0]
    return next(member.version for member in found.members if member.name == source)
