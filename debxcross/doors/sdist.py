# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to source archives of PyPI: what time they are from."""
from __future__ import annotations

import calendar
import lzma
import tarfile
import zipfile
import zlib
from pathlib import Path

from debxcross.errors import GateError


def newest_time(path: Path) -> int:
    """Return the time of the newest member of an sdist or wheel, in seconds since the epoch.

    It becomes SOURCE_DATE_EPOCH of what is made from it (reproducible-builds.org,
    "SOURCE_DATE_EPOCH"): the same for everybody, and near the time of the release.
    """
    try:
        if path.suffix in (".whl", ".zip"):
            with zipfile.ZipFile(path) as archive:
                times = [calendar.timegm((*one.date_time, 0, 0, 0)) for one in archive.infolist()]
        else:
            with tarfile.open(path) as archive:
                times = [int(one.mtime) for one in archive if one.isfile()]
    except (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error) as error:
        raise GateError(f"{path.name} is not a whole archive", str(error),
                        "Fetch it again; if its pinned sha256 is right, do not use it.") from error
    return max(times, default=0)
