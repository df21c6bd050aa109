# SPDX-License-Identifier: GPL-3.0-or-later
"""The crates of a Rust extension: what Cargo.lock names, and where a registry has them.

Sources: The Cargo Book ("Cargo.toml vs Cargo.lock", "Registry Index" with config.json,
"Source Replacement" with directory sources and .cargo-checksum.json).
"""
from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlunsplit

from debxcross.errors import UnsupportedError

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
    for package in document.get("package", ()):
        source = package.get("source")
        if source is None:
            continue
        crate = Crate(str(package.get("name")), str(package.get("version")),
                      str(package.get("checksum", "")), str(source).partition("+")[2])
        if not str(source).startswith(("registry+", "sparse+")) or not _CHECKSUM.match(crate.sha256) \
                or not _NAME.match(crate.name) or not _VERSION.match(crate.version):
            raise UnsupportedError(
                f"{sdist} needs the crate {crate.name} {crate.version} from {source}",
                "Only crates of a registry with a checksum in Cargo.lock can be verified.",
                "Choose another release of it.")
        found.append(crate)
    return tuple(sorted(set(found), key=lambda crate: (crate.name, crate.version)))


def configuration_url(registry: str) -> str:
    """Return where the configuration of a registry's index is.

    The registry that Cargo has built in is named in Cargo.lock by its old index, HOST-index in
    a repository; Cargo itself asks index.HOST instead ("sparse" protocol).
    """
    last = registry.rstrip("/").rpartition("/")[2].removesuffix(".git")
    if last.endswith("-index"):
        host = f"index.{last.removesuffix('-index')}"
        return urlunsplit(("https", host, "/config.json", "", ""))
    return f"{registry.rstrip('/')}/config.json"


def download_url(configuration: Mapping[str, Any], crate: Crate) -> str:
    """Return the address of a crate, as the index's "dl" says."""
    template = str(configuration.get("dl", ""))
    markers = {"{crate}": crate.name, "{version}": crate.version, "{sha256-checksum}": crate.sha256}
    if not any(marker in template for marker in (*markers, "{prefix}", "{lowerprefix}")):
        return f"{template.rstrip('/')}/{crate.name}/{crate.version}/download"
    prefix = _prefix(crate.name)
    for marker, value in {**markers, "{prefix}": prefix, "{lowerprefix}": prefix.lower()}.items():
        template = template.replace(marker, value)
    return template


def _prefix(name: str) -> str:
    if len(name) <= 2:
        return str(len(name))
    return f"3/{name[0]}" if len(name) == 3 else f"{name[:2]}/{name[2:4]}"


def cargo_configuration(directory: str) -> str:
    """Return Cargo's config.toml that takes every crate from a directory."""
    return (f'[source.crates-io]\nreplace-with = "vendored"\n\n'
            f"[source.vendored]\ndirectory = {json.dumps(directory)}\n")


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
