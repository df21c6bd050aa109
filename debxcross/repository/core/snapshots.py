# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots: the name of a publication, and how long one is kept."""
from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timezone

#: What `repo gc` keeps at least: so many generations, and whatever a client may have read
#: the index of within so many seconds.
GENERATIONS = 3
SECONDS = 7 * 86400

_NAME = re.compile(r"[0-9]{8}T[0-9]{6}Z")


def snapshot_name(date: int) -> str:
    """Return the name of the publication with this Date: "20261120T043805Z"."""
    return f"{datetime.fromtimestamp(date, timezone.utc):%Y%m%dT%H%M%SZ}"


def snapshot_date(name: str) -> int | None:
    """Return the Date that a snapshot's name tells, or None for another name."""
    if not _NAME.fullmatch(name):
        return None
    try:
        return int(datetime.strptime(name, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc).timestamp())
    except ValueError:
        return None


def kept(dates: Sequence[int], now: float, *, generations: int = GENERATIONS,
         seconds: int = SECONDS) -> tuple[int, ...]:
    """Return which publications stay, the newest first.

    A client may still use what was replaced less than ``seconds`` ago, however long it had
    been live before; so the date that counts is that of the next publication.
    """
    ordered = sorted(set(dates), reverse=True)
    return tuple(date for place, date in enumerate(ordered)
                 if place < max(1, generations) or ordered[place - 1] > now - seconds)
