# SPDX-License-Identifier: GPL-3.0-or-later
"""The Release file: what it says, when it may say it, and what must never change in it.

Source: https://wiki.debian.org/DebianRepository/Format and apt's own reader.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

from debxcross.core.stanza import parse_stanzas
from debxcross.errors import PublishError
from debxcross.repository.core.index import IndexFile, RepositorySettings
from debxcross.repository.core.simple import is_page

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class PublishedRelease:
    """What a Release file says.

    ``date`` is in seconds since the epoch; ``files`` maps a path below dists/CODENAME to
    (sha256 in hex, size in bytes).
    """

    origin: str
    label: str
    suite: str
    codename: str
    components: tuple[str, ...]
    date: int
    architectures: tuple[str, ...]
    files: Mapping[str, tuple[str, int]]


#: Seconds that a clock may be set back; the Date of the next publication then is the last one's
#: and a second.  More is a clock that is wrong, or was.
STEP_BACK = 3600


def next_date(now: float, last: int | None) -> int:
    """Return the Date of the next publication, in seconds since the epoch.

    apt silently ignores a Release that is older than the one it has, and HTTP compares
    times to the second, so the Date grows by at least one second.
    """
    return int(now) if last is None else max(int(now), last + 1)


def check_clock(now: float, last: int | None, codename: str) -> None:
    """Raise PublishError when the newest publication's Date is further ahead than STEP_BACK.

    Devices refuse such a Release, and would refuse every later one, as no Date may go back.
    """
    if last is None or last <= now + STEP_BACK:
        return
    raise PublishError(
        f"the last publication of {codename} is dated {ahead(last, now)} ahead of this machine's clock",
        f"Last publication: {format_date(last)}\nThis machine's clock: {format_date(int(now))}\n"
        "Devices whose clock is right refuse a Release from the future.",
        "When this machine's clock is wrong, set it. When it was wrong at the last publication, begin "
        "anew with: debxcross repo publish DIR --new-date. It takes the publications with later dates "
        "away; a device that has taken one of them must remove /var/lib/apt/lists/* once.")


def ahead(date: float, now: float) -> str:
    """Say how far a date is ahead: "400 days", "5 hours"."""
    days, hours = round((date - now) / 86400), round((date - now) / 3600)
    return f"{days} days" if days > 1 else f"{hours} hours" if hours > 1 else f"{int(date - now)} seconds"


def format_date(date: int) -> str:
    """Return the Date field's form of seconds since the epoch, in UTC, in any locale."""
    moment = datetime.fromtimestamp(date, timezone.utc)
    return (f"{_DAYS[moment.weekday()]}, {moment.day:02} {_MONTHS[moment.month - 1]} "
            f"{moment.year:04} {moment:%H:%M:%S} UTC")


def index_path(component: str, architecture: str, compression: str) -> str:
    """Return the named index below dists/CODENAME; "source" counts as an architecture."""
    if architecture == "source":
        return f"{component}/source/Sources{compression}"
    return f"{component}/binary-{architecture}/Packages{compression}"


def release_text(settings: RepositorySettings, components: Sequence[str], architectures: Sequence[str],
                 files: Sequence[IndexFile], date: int) -> str:
    """Return the text of Release.

    MD5Sum is for the oldest clients of apt; it asks by-hash only for the strongest digest listed.
    Valid-Until is left out: devices are switched off for months.  Snapshots tells apt 2.7
    and later where an older state lies, which only an address can.
    """
    snapshots = f"{settings.url.rstrip('/')}/snapshots/@SNAPSHOTID@/" \
        if settings.url.startswith(("http:", "https:")) else "no"
    lines = [
        f"Origin: {settings.origin}",
        f"Label: {settings.label}",
        f"Suite: {settings.suite}",
        f"Codename: {settings.codename}",
        f"Date: {format_date(date)}",
        "Acquire-By-Hash: yes",
        "No-Support-for-Architecture-all: Packages",
        f"Snapshots: {snapshots}",
        f"Architectures: {' '.join(sorted(architectures))}",
        f"Components: {' '.join(sorted(components))}",
        *([f"Description: {settings.description}"] if settings.description else []),
    ]
    ordered = sorted(files, key=lambda file: file.path)
    lines += ["MD5Sum:", *(f" {file.md5sum} {file.size:16} {file.path}" for file in ordered
                           if not is_page(file.path))]
    lines += ["SHA256:", *(f" {file.sha256} {file.size:16} {file.path}" for file in ordered)]
    return "\n".join(lines) + "\n"


def parse_release(text: str) -> PublishedRelease:
    """Read a Release that release_text() wrote; PublishError when it is something else."""
    try:
        (fields,) = parse_stanzas(text)
        found = dict(fields)
        listed = (line.split() for line in found["SHA256"].strip().splitlines())
        return PublishedRelease(
            found["Origin"], found["Label"], found["Suite"], found["Codename"],
            tuple(found["Components"].split()), int(parsedate_to_datetime(found["Date"]).timestamp()),
            tuple(found["Architectures"].split()),
            {path: (sha256, int(size)) for sha256, size, path in listed})
    except (KeyError, ValueError, TypeError, OverflowError) as error:
        raise PublishError(
            "the published Release cannot be read", f"{type(error).__name__}: {error}",
            "It was not written by debxcross: publish into an empty web root, or take its packages "
            "over with 'debxcross repo import'.") from error


def check_same_repository(settings: RepositorySettings, published: PublishedRelease) -> None:
    """Raise PublishError when the settings would change what clients have confirmed.

    apt stops at a changed Origin or Label until somebody confirms it on every device.
    """
    for field, new, old in (("Origin", settings.origin, published.origin),
                            ("Label", settings.label, published.label),
                            ("Suite", settings.suite, published.suite),
                            ("Codename", settings.codename, published.codename)):
        if new != old:
            raise PublishError(
                f"{field} would change from {old!r} to {new!r}",
                "Every device would refuse the repository until somebody confirms the change there.",
                f"Set it back to {old!r}, or publish into another web root.")
