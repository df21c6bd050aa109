# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from debxcross.repository.core.snapshots import kept, snapshot_date, snapshot_name

DAY = 86400


def test_a_name_reads_back() -> None:
    assert snapshot_name(1795149485) == "20261120T043805Z"
    assert snapshot_date("20261120T043805Z") == 1795149485


@pytest.mark.parametrize("name", ["", "latest", "20261120T043805", "20261320T043805Z", "../20261120T043805Z"])
def test_other_names_are_none(name: str) -> None:
    assert snapshot_date(name) is None


def test_three_generations_stay_however_old() -> None:
    assert kept([1, 2, 3, 4, 5], 1000 * DAY) == (5, 4, 3)
    assert kept([], 0) == ()
    assert kept([7], 1000 * DAY, generations=0) == (7,)


def test_what_was_replaced_within_seven_days_stays() -> None:
    now = 100 * DAY
    dates = [1 * DAY, 50 * DAY, 94 * DAY, 95 * DAY, 96 * DAY, 97 * DAY]
    # 50 was live until 94, six days ago; 1 only until 50.
    assert kept(dates, now) == (97 * DAY, 96 * DAY, 95 * DAY, 94 * DAY, 50 * DAY)
    assert kept(dates, now, seconds=3 * DAY + DAY // 2) == (97 * DAY, 96 * DAY, 95 * DAY)
