# SPDX-License-Identifier: GPL-3.0-or-later
"""The [[archive]] tables of a chain: archives and components beside those of its release."""
from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from debxcross.core.border import is_relative, is_word
from debxcross.core.chain.faults import Faults
from debxcross.core.release import archive_role

_NAME = re.compile(r"[a-z][a-z0-9-]*\Z")
_SUITE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*(/[A-Za-z0-9][A-Za-z0-9.+-]*)*\Z")
_COMPONENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*(/[A-Za-z0-9][A-Za-z0-9.+-]*)*\Z")
_URL = re.compile(r"(https?|file)://?[^\[\]]+\Z")
_FINGERPRINT = re.compile(r"[0-9A-F]{40}\Z")
#: What locks, mirrors and the tool itself call archives of their own.
_TAKEN = ("main", "security", "index", "local", "device")
#: Where Debian's packages and administrators put keyrings (sources.list(5), "Signed-By").
KEYRINGS = ("/usr/share/keyrings/", "/etc/apt/keyrings/")


@dataclass(frozen=True)
class ChainArchive:
    """An archive that build roots and devices see beside the release.

    Without ``url`` it is a suite or a component of Debian's own mirrors.  ``key`` is a path (below
    the chain file's directory, or of an installed keyring) or a fingerprint of 40 digits.  ``pin``
    is apt's priority, 0 for the usual one, which is below the release's.
    """

    name: str
    suite: str
    url: str = ""
    components: tuple[str, ...] = ()
    key: str = ""
    pin: int = 0

    @property
    def fingerprint(self) -> str:
        """The key's fingerprint when ``key`` is one, else ""."""
        text = self.key.replace(" ", "").upper().removeprefix("0X")
        return text if _FINGERPRINT.match(text) else ""

    @property
    def role(self) -> str:
        """Which mirrors serve it: those of Debian, or its own, by its name."""
        return self.name if self.url else archive_role(self.suite)


def parse_archives(faults: Faults, document: Mapping[str, Any], suites: Collection[str]
                   ) -> tuple[ChainArchive, ...]:
    """Read the [[archive]] tables; ``suites`` are those of the release."""
    found = tuple(_archive(faults, *one, suites) for one in faults.tables(document, "archive"))
    for name in sorted(name for name, count in Counter(one.name for one in found).items()
                       if name and count > 1):
        faults.add("archive", f"{name} is named more than once")
    return found


def _archive(faults: Faults, where: str, table: Mapping[str, Any], suites: Collection[str]) -> ChainArchive:
    faults.known(table, ("name", "url", "suite", "components", "key", "pin"), where)
    url = faults.text(table, "url", where, rule=is_word)
    if url and not _URL.match(url):
        faults.add(f"{where}url", f"{url!r} is no address that begins with http:, https: or file:")
    suite = faults.text(table, "suite", where, needed=True)
    if suite and not _SUITE.match(suite):
        faults.add(f"{where}suite", f"{suite!r} is no directory below dists" + (
            "; an archive without dists cannot be used" if suite.endswith("/") else ""))
    name = faults.text(table, "name", where, needed=bool(url), pattern=_NAME) or suite
    if name in _TAKEN or url and name in suites:
        faults.add(f"{where}name", f"{name!r} is taken")
    if not url and name != suite:
        faults.add(f"{where}name", "an archive without a url is named by its suite")
    components = faults.texts(table, "components", where, pattern=_COMPONENT)
    if not url and suite in suites and not set(components) - {"main"}:
        faults.add(f"{where}components", f"missing: main of {suite} is there already")
    pin = faults.number(table, "pin", where)
    if pin > 1000 or "pin" in table and not pin:
        faults.add(f"{where}pin", f"must be a whole number from 1 to 1000, not {table['pin']!r}")
    elif pin and not url and suite in suites:
        faults.add(f"{where}pin", f"components of {suite} count as {suite} itself")
    key = _key(faults, where, table, url)
    return ChainArchive(name, suite, url.rstrip("/"), components or ("main",), key, pin)


def _key(faults: Faults, where: str, table: Mapping[str, Any], url: str) -> str:
    key = faults.text(table, "key", where, needed=bool(url))
    if key and not url:
        faults.add(f"{where}key", "what Debian's own mirrors have is signed by Debian's keys")
    elif key and not ChainArchive("", "", key=key).fingerprint and not is_relative(
            key.removeprefix("/") if key.startswith(KEYRINGS) else key.removeprefix("./")):
        faults.add(f"{where}key", f"{key!r} leads out of the chain's directory; installed keyrings are in "
                                  f"{' and '.join(KEYRINGS)}")
    return key
