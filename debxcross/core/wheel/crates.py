# SPDX-License-Identifier: GPL-3.0-or-later
"""The crates of a Rust extension: what Cargo.lock names, and how Cargo finds them offline.

Sources: The Cargo Book ("Cargo.toml vs Cargo.lock", "Source Replacement" with directory
sources and .cargo-checksum.json).
"""
from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from debxcross.errors import UnsupportedError, VerificationError

_CHECKSUM = re.compile(r"[0-9a-f]{64}\Z")
_NAME = re.compile(r"[A-Za-z0-9_-]+\Z")
_VERSION = re.compile(r"[0-9A-Za-z.+-]+\Z")


@dataclass(frozen=True)
class Crate:
    """A crate by name, version and sha256 (hex); ``registry`` is the index that Cargo.lock names."""

    name: str
    version: str
    sha256: str
    registry: str

    @property
    def file(self) -> str:
        """The name of its archive."""
        return f"{self.name}-{self.version}.crate"


def parse_lock(document: Mapping[str, Any], sdist: str) -> tuple[Crate, ...]:
    """Read a parsed Cargo.lock; parts of the sdist itself have no source there.

    Raises UnsupportedError for a crate that comes from elsewhere than a registry.
    """
    found = []
    packages = document.get("package", [])
    if not isinstance(packages, list) or not all(isinstance(one, dict) for one in packages):
        raise UnsupportedError(f"{sdist} has a Cargo.lock of another form",
                               "package: must be an array of tables",
                               "Choose another release of it.")
    for package in packages:
        source = package.get("source")
        if source is None:
            continue
        crate = Crate(str(package.get("name")), str(package.get("version")),
                      str(package.get("checksum", "")), str(source).removeprefix("registry+"))
        if not str(source).startswith(("registry+", "sparse+")) or not _CHECKSUM.match(crate.sha256) \
                or not _NAME.match(crate.name) or not _VERSION.match(crate.version):
            raise UnsupportedError(
                f"{sdist} needs the crate {crate.name} {crate.version} from {source}",
                "Only crates of a registry with a checksum in Cargo.lock can be verified.",
                "Choose another release of it.")
        found.append(crate)
    return tuple(sorted(set(found), key=lambda crate: (crate.name, crate.version)))


def lock_folders(paths: Iterable[str]) -> tuple[str, ...]:
    """Return the folders ("" or "rust/") of the lock files that count, sorted.

    One below another one's folder belongs to tests or to a crate that is brought along; one
    without a manifest beside it to nobody.
    """
    known = set(paths)
    folders = sorted(path.removesuffix("Cargo.lock") for path in known
                     if path.rpartition("/")[2] == "Cargo.lock"
                     and f"{path.removesuffix('Cargo.lock')}Cargo.toml" in known)
    return tuple(one for one in folders
                 if not any(one != other and one.startswith(other) for other in folders))


def check_crate(crate: Crate, sha256: str, sdist: str) -> None:
    """Raise VerificationError when a crate's archive has another digest than Cargo.lock gives."""
    if sha256 != crate.sha256:
        raise VerificationError(
            f"{crate.file} is not the file that {sdist} was locked with",
            f"Cargo.lock: sha256 {crate.sha256}; fetched: {sha256}",
            "The registry, or a mirror in Cargo's configuration, serves another file.")


def cargo_configuration(directory: str, crates: Iterable[Crate] = ()) -> str:
    """Return Cargo's config.toml that takes every crate, of whatever registry, from a directory.

    Cargo's own registry is called crates-io whatever its address is; Cargo refuses a second
    name for it.
    """
    lines = ["[source.crates-io]", 'replace-with = "vendored"']
    others = sorted({crate.registry for crate in crates if not crate.registry.endswith("/crates.io-index")})
    for number, registry in enumerate(others):
        lines += ["", f"[source.registry-{number}]", f"registry = {json.dumps(registry)}",
                  'replace-with = "vendored"']
    lines += ["", "[source.vendored]", f"directory = {json.dumps(directory)}"]
    return "\n".join(lines) + "\n"


def vendor_script(crates: str, directory: str) -> str:
    """Return the script that unpacks the crates in one directory for Cargo to read.

    Cargo compares nothing but the digest of the whole, which was verified when it was fetched.
    """
    return (
        "set -eu\n"
        f"mkdir -p {directory}\n"
        f"cd {directory}\n"
        f"for crate in {crates}/*.crate; do\n"
        "  tar --extract --no-same-owner --file \"$crate\"\n"
        "  name=$(basename \"$crate\" .crate)\n"
        "  sum=$(sha256sum < \"$crate\" | cut -d' ' -f1)\n"
        "  printf '{\"files\":{},\"package\":\"%s\"}' \"$sum\" > \"$name/.cargo-checksum.json\"\n"
        "done\n"
    )
