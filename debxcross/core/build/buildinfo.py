# SPDX-License-Identifier: GPL-3.0-or-later
"""What a .deb that no dpkg-buildpackage made was built from and in: deb-buildinfo(5)."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

from debxcross.core.artifact import StoredFile
from debxcross.core.build.environment import Environment, InstalledPackage


def file_name(deb: str, host: str) -> str:
    """Return what the .buildinfo of a .deb that is its own source is called."""
    return f"{deb.rpartition('_')[0]}_{host}.buildinfo"


def buildinfo(
    control: Mapping[str, str], deb: StoredFile, build: str, environment: Environment,
    files: Sequence[StoredFile], source_date_epoch: int,
) -> str:
    """Return the text of a .buildinfo; ``control`` are the .deb's fields.

    ``files`` are what it was made of that Debian does not have, in a field of our own.  There
    is no Build-Date: the same build gives the same text.
    """
    installed = {(one.name, one.architecture): one for one in environment.base}
    # What was added for the build stands in for an older one of the base.
    installed.update({(one.package.name, one.package.architecture): one.package
                      for one in environment.added})
    packages = sorted(_relation(one, build) for one in installed.values())
    fields = {
        "Format": "1.0", "Source": control["Package"], "Binary": control["Package"],
        "Architecture": control["Architecture"], "Version": control["Version"],
        "Checksums-Sha256": f"\n {deb.sha256} {deb.size} {deb.name}",
        "Build-Architecture": build,
        "Pinned-Files": "".join(f"\n {one.sha256} {one.size} {one.name}" for one in files),
        "Installed-Build-Depends": "\n " + ",\n ".join(packages),
        "Environment": f'\n SOURCE_DATE_EPOCH="{source_date_epoch}"',
    }
    return "".join(f"{name}:{value if value.startswith(chr(10)) else f' {value}'}\n"
                   for name, value in fields.items() if value)


def _relation(package: InstalledPackage, build: str) -> str:
    foreign = package.architecture not in (build, "all")
    return f"{package.name}{f':{package.architecture}' if foreign else ''} (= {package.version})"
