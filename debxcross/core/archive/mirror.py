# SPDX-License-Identifier: GPL-3.0-or-later
"""What a mirror's signed Release files say of themselves, and what users must hear of its state."""
from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

from debxcross.core.archive.world import SuiteUse, World
from debxcross.errors import UnsupportedError, VerificationError

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


@dataclass(frozen=True)
class ReleaseFile:
    """The fields of a Release file that matter here; ``valid_until`` is in seconds since the epoch.

    It is None where the file has no such field, or one that is no date.  ``pin`` is how
    apt_preferences(5) names the release, "o=…,l=…,n=…".
    """

    codename: str
    architectures: tuple[str, ...]
    components: tuple[str, ...]
    valid_until: float | None
    sha256: str
    pin: str = ""


def read_release(text: str, sha256: str) -> ReleaseFile:
    """Read a Release file (with or without its signature); a field that is not there is empty."""
    # What follows the list of files, or a signature, has no field of these names.
    fields = {name: value.strip() for name, value in re.findall(r"^([A-Za-z-]+):(.*)$", text, re.MULTILINE)}
    return ReleaseFile(
        fields.get("Codename", ""), tuple(fields.get("Architectures", "").split()),
        # Debian's security archive calls them updates/main.
        tuple(name.rpartition("/")[2] for name in fields.get("Components", "").split()),
        _seconds(fields.get("Valid-Until", "")), sha256, ",".join(
            f"{letter}={fields[name]}" for letter, name in _PINS if "," not in fields.get(name, ",")))


#: The words of apt_preferences(5) for fields of a Release file.
_PINS = (("o", "Origin"), ("l", "Label"), ("n", "Codename"), ("a", "Suite"))


def _seconds(date: str) -> float | None:
    try:
        found = parsedate_to_datetime(date)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return found.replace(tzinfo=found.tzinfo or timezone.utc).timestamp()


def check_names(uses: Iterable[SuiteUse], releases: Mapping[str, ReleaseFile]) -> None:
    """Raise VerificationError when a suite under another name (mirrors.suites) is not that suite."""
    wrong = [f"dists/{use.place} has the Codename {releases[use.suite].codename or 'of nothing'}, "
             f"not {use.suite}" for use in uses
             if use.place != use.suite and not use.archive.added and use.suite in releases
             and releases[use.suite].codename != use.suite]
    if wrong:
        raise VerificationError(
            "the mirror has another suite under that name", "\n".join(wrong),
            "Nothing of it is used. Mend mirrors.suites in debxcross.toml.")


def check_served(uses: Iterable[SuiteUse], releases: Mapping[str, ReleaseFile]) -> None:
    """Raise VerificationError for a Release that was signed for another suite than asked for.

    One key signs many suites; apt warns only ("Conflicting distribution") when a mirror serves
    one of them under the name of another.
    """
    for use in uses:
        found = releases.get(use.suite)
        if found is None or not found.codename or use.archive.added or use.place != use.suite:
            continue
        if use.suite != found.codename and f"a={use.suite}" not in found.pin.split(","):
            raise VerificationError(
                f"what the mirror has as {use.suite} was signed as {found.codename}", "",
                "Nothing of it is used. Name another mirror (mirrors.* in debxcross.toml).")


def check_added(world: World, releases: Mapping[str, ReleaseFile]) -> None:
    """Raise UnsupportedError, with every fault at once, when what a chain adds is not there.

    ``releases`` are what the suites' Release files say.
    """
    host, faults = world.host_architecture, []
    own = {(releases[use.suite].pin, component) for use in world.suites
           if not use.added and use.suite in releases for component in use.components}
    for use in world.suites:
        if (found := releases.get(use.suite)) is None:
            continue
        if use.added and not {host, "all"} & set(found.architectures):
            faults.append(f"{use.suite} does not carry {host}; it carries "
                          f"{' '.join(found.architectures) or 'nothing'}")
        if absent := sorted(set(use.components) - set(found.components)) if found.components else ():
            faults.append(f"{use.suite} has no component {' and no '.join(absent)}; it has "
                          f"{' '.join(found.components)}")
        if use.added and any((found.pin, component) in own for component in use.components):
            faults.append(f"{use.suite} says that it is the release itself ({found.pin}): leave out its url")
    if faults:
        count = "an archive is" if len(faults) == 1 else f"{len(faults)} archives are"
        raise UnsupportedError(f"{count} not what the chain says", "\n".join(faults),
                               "Mend the [[archive]] tables of the chain.")


def stale(uses: Iterable[SuiteUse], releases: Mapping[str, ReleaseFile], now: float) -> str:
    """Return what users must hear of suites past their Valid-Until that are used all the same; "" for none.

    Those of an archive of snapshots are past it by nature.
    """
    late = [f"{use.suite} by {age(now - until)} (its Valid-Until is {date(until)})"
            for use in uses if use.archive.expired and not use.archive.snapshot
            and use.suite in releases
            and (until := releases[use.suite].valid_until) is not None and until < now]
    return (f"the mirror is stale: {'; '.join(late)}. Updates since then are missing; it is used because "
            "mirrors.check-valid-until is false") if late else ""


def older_state(fetched: float, now: float, why: str) -> str:
    """Return what users must hear when the last whole indexes are used because new ones cannot be had.

    ``fetched`` is when those were fetched, in seconds since the epoch; ``why`` is one line.
    """
    return (f"indexes of {age(now - fetched)} ago ({date(fetched)}) are used, the last that were fetched "
            f"whole: {why}. --refresh insists on new ones")


def age(seconds: float) -> str:
    """Return a span of time in the largest unit of which there is more than one."""
    for unit, name in ((_DAY, "day"), (_HOUR, "hour"), (_MINUTE, "minute")):
        if seconds >= 2 * unit:
            return f"{int(seconds // unit)} {name}s"
    return f"{max(0, int(seconds))} seconds"


def date(seconds: float) -> str:
    """Return a moment as people write it, in UTC."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
