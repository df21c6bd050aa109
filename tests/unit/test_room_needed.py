# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from debxcross.errors import DiskFullError
from debxcross.steps.disk import room_needed


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_want_of_room_is_told_with_the_place(number: int) -> None:
    with pytest.raises(DiskFullError) as raised, room_needed(Path("/srv/store")):
        raise OSError(number, os.strerror(number), "/srv/store/work/1/binds")
    assert "/srv/store" in raised.value.brief and "/srv/store/work/1/binds" in raised.value.details


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(PermissionError), room_needed(Path("/srv/store")):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
