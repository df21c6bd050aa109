# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the error of a full disk out of what the system says where this program itself writes."""
from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from debxcross.doors.files import raise_for_os_error


@contextmanager
def room_needed(directory: Path) -> Iterator[None]:
    """Raise DiskFullError, which names ``directory``, for want of room; let other errors through."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise_for_os_error(error, directory)
        raise
