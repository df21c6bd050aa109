# SPDX-License-Identifier: GPL-3.0-or-later
"""What completion offers for a word of a command line: names of architectures, chains, members, …

Nothing here asks the network or opens the store.
"""
from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from debxcross import __version__
from debxcross.core.architecture import ARCHITECTURES
from debxcross.core.release import RELEASES
from debxcross.doors import words

#: What --update of 'lock' moves beside members.
_PLACES = ("build-root", "device-root", "device")
#: Devices may be older than any release that something is built for.
_DEVICES = ("jessie", "stretch", "buster")
#: The parameters typed so far, by name.
Given = Mapping[str, Any]


def architectures(given: Given) -> tuple[str, ...]:
    """Return the architectures of devices."""
    return tuple(ARCHITECTURES)


def chains(given: Given) -> tuple[str, ...]:
    """Return the chains that ship."""
    return words.chains()


def releases(given: Given) -> tuple[str, ...]:
    """Return the releases that something can be built or published for."""
    return tuple(RELEASES)


def device_releases(given: Given) -> tuple[str, ...]:
    """Return the releases that a device may have."""
    return (*_DEVICES, *(name for name in RELEASES if name != "sid"))


def suites(given: Given) -> tuple[str, ...]:
    """Return the suites that a run can do without: of the release that was named, or of any."""
    named = RELEASES.get(str(given.get("release")))
    return tuple(suite for release in ([named] if named else RELEASES.values())
                 for suite in release.suites if suite != release.name)


def members(given: Given) -> tuple[str, ...]:
    """Return the members of the chain that was named, or of the default one."""
    return words.chain_members(str(given.get("chain") or "python2.7"))


def movable(given: Given) -> tuple[str, ...]:
    """Return what a lock can move: members, and the other places that packages come to."""
    return (*members(given), *_PLACES)


def logs(given: Given) -> tuple[str, ...]:
    """Return the members of the run that was named by its output or architecture, or of the newest."""
    if given.get("output"):
        return words.logs(Path(given["output"]))
    if given.get("arch"):
        return words.logs(Path("out") / str(given["arch"]))
    runs = sorted(Path("out").glob("*/logs"), key=lambda path: path.stat().st_mtime, reverse=True)
    return words.logs(runs[0].parent) if runs else ()


def snapshots(given: Given) -> tuple[str, ...]:
    """Return the snapshots of the repository that was named."""
    found = words.snapshots(Path(given["directory"])) if given.get("directory") else ()
    return ("previous", *found) if found else ()


def commands(make: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the table of commands, made only when none is remembered of this very program.

    To make it every module of the command line is imported, which takes longer than a key press.
    """
    stamp, cache = words.stamp(__version__), _cache()
    table = words.commands(stamp, cache)
    if table is None:
        table = make()
        words.remember(stamp, table, cache)
    return table


def _cache() -> Path:
    # The XDG base directory specification: a relative path in the variable is ignored.
    value = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(value) if value.startswith("/") else Path.home() / ".cache"
    return base / "debxcross-completion.json"
