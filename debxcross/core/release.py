# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian releases: which suites belong to one, and which archive serves a suite.

Which architectures a suite still carries is not written here: its signed InRelease says so.
"""
from __future__ import annotations

import difflib
from dataclasses import dataclass

from debxcross.errors import UsageError


@dataclass(frozen=True)
class Release:
    """A release by code name, with the suites a build for it uses, most basic first."""

    name: str
    suites: tuple[str, ...]


RELEASES = {
    release.name: release
    for release in (
        *(Release(name, (name, f"{name}-updates", f"{name}-security"))
          for name in ("bullseye", "bookworm", "trixie", "forky")),
        Release("sid", ("sid",)),
    )
}


def release(name: str) -> Release:
    """Return the release with this code name; UsageError offers the nearest names."""
    if name in RELEASES:
        return RELEASES[name]
    near = difflib.get_close_matches(name, RELEASES, n=2, cutoff=0.4)
    guess = f"Did you mean {' or '.join(near)}? " if near else ""
    raise UsageError(f"unknown release {name!r}",
                     resolution=f"{guess}Known releases (code names): {', '.join(RELEASES)}.")


def archive_role(suite: str) -> str:
    """Return which archive has a suite: "security" or "main" (Debian's own layout)."""
    return "security" if suite.endswith("-security") else "main"


def is_suite(name: str) -> bool:
    """Tell whether a name is a suite of a known release."""
    return any(name in known.suites for known in RELEASES.values())
