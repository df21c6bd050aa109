# SPDX-License-Identifier: GPL-3.0-or-later
"""The keyring package: how devices that are set up learn of a new key."""
from __future__ import annotations

import gzip
import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from debxcross.core.signing import keyring_version
from debxcross.doors import process
from debxcross.doors.files import file_digest
from debxcross.doors.template import render
from debxcross.errors import PublishError
from debxcross.repository.core.index import IndexEntry, RepositorySettings
from debxcross.repository.core.release import format_date
from debxcross.repository.steps.generation import Keys


def keyring_argv(tree: Path, deb: Path) -> tuple[str, ...]:
    """Return the command that packs a tree of files as a deb which dpkg of Debian 8 can read."""
    return ("dpkg-deb", "--root-owner-group", "-Zxz", "--build", str(tree), str(deb))


def keyring_deb(root: Path, directory: Path, settings: RepositorySettings, keys: Keys,
                old: Sequence[IndexEntry]) -> Path:
    """Return the keyring package; one that was published or made before is used again.

    Another dpkg may pack the same files into other bytes, and a name never gets those.
    """
    version = keyring_version(keys.found)
    for entry in old:
        pooled = root / entry.path
        if entry.identity == (settings.keyring_package, version, "all") and pooled.is_file() \
                and file_digest(pooled)[0] == entry.sha256:
            return pooled
    deb = directory / f"{settings.keyring_package}_{version}_all.deb"
    if not deb.exists():
        directory.mkdir(parents=True, exist_ok=True)
        date = max(key.latest for key in keys.found)
        with tempfile.TemporaryDirectory(dir=directory) as name:
            tree, new = Path(name, "tree"), Path(name, "new.deb")
            _write_tree(tree, settings, keys, version, date)
            process.run(keyring_argv(tree, new), environment={"SOURCE_DATE_EPOCH": str(date)}).check(
                PublishError, "dpkg-deb could not pack the keyring package", "See what it says above.")
            with new.open("rb") as file:
                os.fsync(file.fileno())
            os.replace(new, deb)
    return deb


def _write_tree(tree: Path, settings: RepositorySettings, keys: Keys, version: str, date: int) -> None:
    package = settings.keyring_package
    values = {
        "package": package, "version": version, "origin": settings.origin, "name": settings.name,
        "fingerprints": [key.fingerprint for key in keys.signing],
        "installed_size": len(keys.published) // 1024 + 8,
        "date": format_date(date).replace("UTC", "+0000"),
    }

    def rendered(part: str) -> bytes:
        return render(f"keyring-{part}.j2", values).encode()

    installed = {
        f"usr/share/keyrings/{package}.gpg": keys.published,
        f"usr/share/doc/{package}/copyright": rendered("copyright"),
        f"usr/share/doc/{package}/changelog.gz": gzip.compress(rendered("changelog"), mtime=0),
    }
    sums = "".join(f"{hashlib.md5(content, usedforsecurity=False).hexdigest()}  {name}\n"
                   for name, content in sorted(installed.items()))
    control = {"DEBIAN/control": rendered("control"), "DEBIAN/postinst": rendered("postinst"),
               "DEBIAN/md5sums": sums.encode()}
    for name, content in {**installed, **control}.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(content)
    for path in (tree, *tree.rglob("*")):
        path.chmod(0o755 if path.is_dir() or path.name == "postinst" else 0o644)
        os.utime(path, (date, date))
