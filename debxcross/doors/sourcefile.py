# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to source packages as files: reads debian/control without unpacking the rest."""
from __future__ import annotations

import gzip
import lzma
import re
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from debxcross.errors import GateError

#: The file itself, not one of a test's data: dpkg-source unpacks one leading directory at most.
_CONTROL = re.compile(r"(\./)?([^/]+/)?debian/control\Z")


def read_control(files: Mapping[str, Path]) -> str:
    """Return the text of debian/control; ``files`` maps the names in the .dsc to paths.

    Formats 1.0 (it stands in the .diff.gz, or in a native tarball) and 3.0 (in the
    .debian.tar.*, or native); see dpkg-source(1).  Raises GateError when it is nowhere.
    """
    tarballs = sorted(name for name in files if re.search(r"\.tar\.(gz|xz|bz2|lzma)\Z", name))
    for name in (*sorted(name for name in files if name.endswith(".diff.gz")),
                 *sorted(tarballs, key=lambda one: ".debian.tar." not in one)):
        try:
            control = _in_diff(files[name]) if name.endswith(".diff.gz") else _in_tarball(files[name])
        except (OSError, EOFError, tarfile.TarError, lzma.LZMAError, zlib.error) as error:
            raise GateError(f"{name} cannot be read", str(error),
                            "Fetch the source again; if its digest is right, it cannot be built.") from error
        if control:
            return control
    raise GateError(f"no debian/control in {', '.join(sorted(files))}",
                    resolution="This is not a Debian source package that can be built.")


def _in_diff(path: Path) -> str:
    with gzip.open(path, "rt", encoding="utf-8", errors="replace") as diff:
        return control_in_diff(diff.read())


def _in_tarball(path: Path) -> str:
    with tarfile.open(path) as archive:
        for member in archive:
            if _CONTROL.match(member.name) and member.isfile():
                file = archive.extractfile(member)
                assert file is not None, "a regular file can be read"
                return file.read().decode("utf-8", "replace")
    return ""


def control_in_diff(diff: str) -> str:
    """Return debian/control from a diff that adds it, "" when it does not."""
    lines: list[str] = []
    inside = False
    for line in diff.splitlines():
        if line.startswith("+++ "):
            inside = bool(_CONTROL.match(line.split("\t")[0].split(" ")[1]))
        elif line.startswith("--- "):
            inside = False
        elif inside and line.startswith("+"):
            lines.append(line[1:])
    return "".join(f"{line}\n" for line in lines)
