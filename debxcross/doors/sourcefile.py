# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to source packages as files: reads debian/control without unpacking the rest."""
from __future__ import annotations

import gzip
import re
import tarfile
from collections.abc import Mapping
from pathlib import Path

from debxcross.errors import GateError

_CONTROL = re.compile(r"(^|/)debian/control\Z")


def read_control(files: Mapping[str, Path]) -> str:
    """Return the text of debian/control; ``files`` maps the names in the .dsc to paths.

    Formats 1.0 (it stands in the .diff.gz, or in a native tarball) and 3.0 (in the
    .debian.tar.*, or native); see dpkg-source(1).  Raises GateError when it is nowhere.
    """
    for name, path in sorted(files.items()):
        if name.endswith(".diff.gz"):
            with gzip.open(path, "rt", encoding="utf-8", errors="replace") as diff:
                return control_in_diff(diff.read())
    tarballs = sorted(name for name in files if re.search(r"\.tar\.(gz|xz|bz2|lzma)\Z", name))
    for name in sorted(tarballs, key=lambda one: ".debian.tar." not in one):
        with tarfile.open(files[name]) as archive:
            for member in archive:
                if _CONTROL.search(member.name) and member.isfile():
                    file = archive.extractfile(member)
                    assert file is not None, "a regular file can be read"
                    return file.read().decode("utf-8", "replace")
    raise GateError(f"no debian/control in {', '.join(sorted(files))}",
                    resolution="This is not a Debian source package that can be built.")


def control_in_diff(diff: str) -> str:
    """Return debian/control from a diff that adds it."""
    lines: list[str] = []
    inside = False
    for line in diff.splitlines():
        if line.startswith("+++ "):
            inside = bool(_CONTROL.search(line.split("\t")[0].split(" ")[1]))
        elif line.startswith("--- "):
            inside = False
        elif inside and line.startswith("+"):
            lines.append(line[1:])
    return "\n".join(lines) + "\n"
