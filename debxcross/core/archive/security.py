# SPDX-License-Identifier: GPL-3.0-or-later
"""Security updates that the host architecture has missed: what is behind, and since when."""
from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from debian.debian_support import Version


#: BEHIND is built; UNCHANGED has only Architecture: all packages, which are taken as they are.
BEHIND, UNCHANGED, EXCLUDED = "behind", "unchanged", "excluded"
_CVE = re.compile(r"\bCVE-\d{4}-\d{4,}\b")  # cve.org's syntax since 2014
#: The first and the last line of an entry (deb-changelog(5)).
_HEADER = re.compile(r"^\S+ \((?P<version>[A-Za-z0-9.+:~-]+)\)(?P<distributions>[^;\n]*);", re.MULTILINE)
_TRAILER = re.compile(r"^ -- .*>  (?P<date>.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Comparison:
    """A source as the two architectures have it; an empty version means that they do not.

    ``since`` is the date (YYYY-MM-DD) of the oldest changelog entry that the host
    architecture lacks, "" as long as the source has not been fetched; ``fixes`` are the
    CVE identifiers that these entries name.
    """

    source: str
    build_version: str
    host_version: str
    state: str
    reason: str
    since: str = ""
    fixes: tuple[str, ...] = ()


def compare(source: str, build_version: str, host_version: str, only_all: bool, host: str) -> Comparison:
    """Decide what is to be done about one source; ``only_all`` tells that it compiles nothing."""
    if not host_version:
        state, reason = EXCLUDED, f"the release has no package of it for {host}"
    elif Version(build_version or "0") <= Version(host_version):
        state, reason = EXCLUDED, f"not behind: {host} has {host_version}"
    elif only_all:
        state, reason = UNCHANGED, (
            "nothing to build: its packages are Architecture: all and are published as the archive has them")
    else:
        state, reason = BEHIND, f"{host} has {host_version}"
    return Comparison(source, build_version, host_version, state, reason)


def missed(changelog: str, host_version: str) -> tuple[str, tuple[str, ...]]:
    """Return ``since`` and ``fixes`` of a Comparison, from a debian/changelog's text.

    The date is the one its author wrote under the entry (deb-changelog(5)), as the archive
    keeps no date of the upload.
    """
    since = ""
    fixes: set[str] = set()
    headers = list(_HEADER.finditer(changelog))
    ends = [header.start() for header in headers[1:]] + [len(changelog)]
    for header, end in zip(headers, ends):
        try:
            if Version(header["version"]) <= Version(host_version):
                break
        except ValueError:
            continue  # an entry of no version is none
        trailer = _TRAILER.search(changelog, header.end(), end)
        if trailer and header["distributions"].strip() != "UNRELEASED":
            since = _day(trailer["date"]) or since
        fixes.update(_CVE.findall(changelog, header.end(), end))
    return since, tuple(sorted(fixes, key=_cve_number))


def _day(date: str) -> str:
    try:
        return parsedate_to_datetime(date).date().isoformat()
    except (ValueError, OverflowError):  # numbers that no clock has
        return ""


def _cve_number(identifier: str) -> tuple[int, int]:
    _, year, number = identifier.split("-")
    return int(year), int(number)


def table(comparisons: Sequence[Comparison], build: str, host: str) -> tuple[str, ...]:
    """Return the lines of the table that ``plan`` shows: what is behind first, then by name."""
    rows = [("source", build, host, "missing since", "fixes")]
    rows += [
        (one.source, one.build_version or "-", one.host_version or "-", *_missing(one))
        for one in sorted(comparisons, key=lambda one: (one.state == EXCLUDED, one.source))]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return tuple(
        "  ".join((*(f"{cell:<{width}}" for cell, width in zip(row, widths)), row[4])).rstrip()
        for row in rows)


def _missing(one: Comparison) -> tuple[str, str]:
    if one.state == EXCLUDED:
        return "not behind" if one.host_version else "not there", ""
    count = len(one.fixes)
    return one.since or "unknown", f"{count} CVE{'' if count == 1 else 's'}" if count else ""
