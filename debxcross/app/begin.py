# SPDX-License-Identifier: GPL-3.0-or-later
"""The first contact: begins a project, and tells where one is in it."""
from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from debxcross.app.look import known_runs, status
from debxcross.app.report import PAGE
from debxcross.app.request import Request, chain_names
from debxcross.config import PROJECT_FILE
from debxcross.core.border import read_toml
from debxcross.core.chain.begin import (
    Beginning, address, chain_text, device, name_for, settings_text, sources,
)
from debxcross.core.chain.chain import parse
from debxcross.core.release import RELEASES
from debxcross.core.release import release as known_release
from debxcross.doors import files
from debxcross.errors import DebxcrossError, UsageError
from debxcross.run.status import RunStatus

#: So many files are looked into for chains, and a chain has at most so many bytes.
_MOST_FILES, _MOST_BYTES = 200, 1 << 20


@dataclass(frozen=True)
class Question:
    """One question: what is asked, what no answer means (None: it must be answered), who checks an answer.

    ``check`` raises UsageError for an answer that cannot be used.
    """

    text: str
    default: str | None
    check: Callable[[str], object]


def questions() -> dict[str, Question]:
    """Return the questions, by the option that answers each, in the order to ask them."""
    return {
        "device": Question(
            "Which device? Its Debian architecture, or what 'uname -m' says there", "armhf", device),
        "release": Question(
            f"Which Debian release is on it? {', '.join(RELEASES)}", Request("").release, _release),
        "build": Question(
            "What to build? Debian sources, such as 'mosquitto zlib', or one chain that ships: "
            f"{', '.join(chain_names())}", None, _wanted),
        "url": Question("Where will devices find the repository? Its address; nothing leaves that open",
                        "", address)}


def beginning(answers: Mapping[str, str], name: str) -> Beginning:
    """Return what a project is to be from the answers to all questions.  Raises UsageError."""
    shipped, targets = _wanted(answers["build"])
    return Beginning(name_for(name), device(answers["device"]), _release(answers["release"]), targets,
                     shipped, address(answers["url"]))


def _release(text: str) -> str:
    return known_release(text.strip().lower()).name


def _wanted(text: str) -> tuple[str, tuple[str, ...]]:
    """Return a chain that ships or "", and sources."""
    targets = sources(text)
    shipped = [target for target in targets if target in chain_names()]
    if shipped and len(targets) > 1:
        raise UsageError(
            f"{shipped[0]} is a chain that ships, and cannot be a part of another",
            resolution="Name the chain alone. A source of that name is written with its suite: "
                       f"{shipped[0]}/SUITE.")
    if not targets:
        raise UsageError("nothing is named to be built", resolution="Name a Debian source, such as zlib.")
    return (shipped[0], ()) if shipped else ("", targets)


@dataclass(frozen=True)
class Where:
    """What there is in a directory: ``chains`` by file, with what they are; runs, the newest first.

    ``reports`` are the pages of reports by the run's directory.
    """

    chains: Mapping[str, str]
    runs: tuple[tuple[Path, RunStatus], ...]
    reports: Mapping[Path, Path]

    @property
    def next_command(self) -> str:
        """What to type now."""
        if self.runs:
            directory, run = self.runs[0]
            if run.state == "running":
                return f"debxcross status --output {directory}"
            failed = [member.name for member in run.members if member.state == "failed" and member.log]
            if run.state == "failed" and failed:
                return f"debxcross log {failed[0]} --output {directory}"
            if run.state == "failed":
                return f"debxcross status --output {directory}"
        if self.chains:
            arch = self.runs[0][1].architecture if self.runs else "ARCH"
            verb = "build-dep-chain" if self.runs else "plan"
            name = self._last_chain() or next(iter(self.chains))
            return f"debxcross {verb} {arch} --chain ./{name}"
        return f"debxcross build-dep-chain {self.runs[0][1].architecture}" if self.runs else "debxcross init"

    def _last_chain(self) -> str:
        """Return the chain file of the newest run, "" when it is not here."""
        named = [name for name, what in self.chains.items() if self.runs
                 and what.partition(":")[0] == self.runs[0][1].chain]
        return named[0] if named else ""


def where(directory: Path) -> Where:
    """Look at the chains and runs of a directory; what cannot be read is no chain and no run."""
    chains = {}
    for path in sorted(directory.glob("*.toml"))[:_MOST_FILES]:
        if path.name != PROJECT_FILE.name and (what := _chain(path)):
            chains[path.name] = what
    runs = []
    for place in known_runs(directory / "out"):
        try:
            runs.append((place.relative_to(directory), status(place)))
        except DebxcrossError:
            continue
    return Where(chains, tuple(runs), {
        place: place / PAGE for place, _ in runs if (directory / place / PAGE).is_file()})


def _chain(path: Path) -> str:
    """Return what a chain file is in one line; "" for another file."""
    try:
        chain = parse(read_toml(files.read(path, _MOST_BYTES).decode()), str(path))
    except (OSError, ValueError, DebxcrossError):
        return ""
    members = f"{len(chain.members)} member{'' if len(chain.members) == 1 else 's'}"
    return f"{chain.name}: {members} for {chain.release}"


def begin(directory: Path, beginning: Beginning) -> tuple[tuple[str, ...], str]:
    """Write a project's files; return their names, and what to add by hand to a file that was there.

    Nothing is written when the chain file is there already: UsageError.  Also raises StoreError.
    """
    written = []
    settings = settings_text(beginning)
    if beginning.chain_file and os.path.lexists(directory / beginning.chain_file):
        raise UsageError(f"there is a file {beginning.chain_file} already", resolution=(
            "Name the chain otherwise with --name, or edit that file; nothing was written."))
    if beginning.chain_file:
        files.write(directory / beginning.chain_file, chain_text(beginning))
        written.append(beginning.chain_file)
    if not os.path.lexists(directory / PROJECT_FILE):
        files.write(directory / PROJECT_FILE, settings)
        return (*written, str(PROJECT_FILE)), ""
    return tuple(written), "" if not beginning.url or _has_url(directory / PROJECT_FILE, beginning.url) \
        else f"[repository]\nurl = \"{beginning.url}\""


def _has_url(path: Path, url: str) -> bool:
    try:
        return bool(tomllib.loads(path.read_text()).get("repository", {}).get("url") == url)
    except (OSError, ValueError, AttributeError):
        return False
