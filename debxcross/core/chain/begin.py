# SPDX-License-Identifier: GPL-3.0-or-later
"""A project's beginning: from four answers (device, release, what to build, where it will live) to files."""
from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from urllib.parse import urlsplit

from debxcross.core.architecture import ARCHITECTURES, architecture
from debxcross.core.border import is_line
from debxcross.core.chain.target import parse_target
from debxcross.errors import ConfigurationError, UsageError

#: What `uname -m` says where it is neither Debian's name nor the table's (Linux, arch/arm/kernel/setup.c).
_UNAMES = {"armv4tl": "armel", "armv5tejl": "armel", "armv6l": "armel", "armv8l": "armhf", "i486": "i386",
           "i586": "i386", "arm": "armel", "riscv": "riscv64",
           # What several architectures call themselves means the one that Debian had longest.
           "x86_64": "amd64", "mips": "mipsel", "mips64": "mips64el"}
_NAME = re.compile(r"[a-z0-9][a-z0-9.+-]*")


@dataclass(frozen=True)
class Beginning:
    """What a project is to be.

    ``sources`` are targets (SOURCE[=VERSION][/SUITE]); with ``shipped``, the name of a chain that ships,
    there are none.  ``url`` is where devices will find the repository, "" when nobody knows yet.
    """

    name: str
    architecture: str
    release: str
    sources: tuple[str, ...] = ()
    shipped: str = ""
    url: str = ""

    @property
    def chain_file(self) -> str:
        """The name of its chain file; "" when the chain ships."""
        return "" if self.shipped else f"{self.name}.toml"

    @property
    def chain(self) -> str:
        """What --chain is."""
        return self.shipped or f"./{self.chain_file}"

    def command(self, verb: str) -> str:
        """Return a command line for it, such as that of "plan"."""
        return f"debxcross {verb} {self.architecture} --chain {shlex.quote(self.chain)}"


def device(text: str) -> str:
    """Return the architecture that a device's `uname -m` or Debian's name means.  Raises UsageError."""
    word = text.strip().lower()
    if word in _UNAMES:
        return _UNAMES[word]
    named = (one.name for one in ARCHITECTURES.values() if word == one.uname)
    return next(named, "") or architecture(word).name


def sources(text: str) -> tuple[str, ...]:
    """Return the targets that a text names, with spaces or commas between; one counts once.

    Raises UsageError for what is none.
    """
    targets = tuple(dict.fromkeys(word for word in re.split(r"[\s,]+", text) if word))
    try:
        names = [parse_target(target).name for target in targets]
    except ConfigurationError as error:
        raise UsageError(error.brief, error.details, error.resolution) from error
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        raise UsageError(f"{', '.join(double)}: named more than once", resolution="Name each source once.")
    return targets


def address(text: str) -> str:
    """Check where the repository will live: an http or https address, or "".  Raises UsageError."""
    text = text.strip()
    parts = urlsplit(text) if is_line(text) and " " not in text else None
    if text and (parts is None or parts.scheme not in ("http", "https") or not parts.hostname):
        raise UsageError(f"{text!r} is no address of a repository",
                         resolution="Write one that devices can reach: http:// or https://, a host, a path.")
    return text


def name_for(text: str) -> str:
    """Return the name of a chain for a directory's: lower case letters, digits and ".+-"."""
    found = "".join(_NAME.findall(text.lower().replace(" ", "-").replace("_", "-")))
    return found.strip(".-+") or "board"


def chain_text(begin: Beginning) -> str:
    """Return the chain file."""
    lines = [
        "# What is built; docs/chains.md has every key.  Build dependencies decide the order.",
        "[chain]", f"name = {json.dumps(begin.name)}", f"release = {json.dumps(begin.release)}"]
    for target in begin.sources:
        member = parse_target(target)
        lines += ["", "[[source]]", f"name = {json.dumps(member.name)}"]
        lines += [f"{key} = {json.dumps(value)}" for key, value in (
            ("version", member.version), ("suite", member.suite)) if value]
    lines += ["", "# An emulated device installs these packages and runs these commands.  Name some that",
              "# the sources make ('debxcross plan --format json' lists them), and take the # away.",
              "# [trial]", '# packages = ["PACKAGE"]', '# commands = ["PROGRAM --version"]']
    return "\n".join(lines) + "\n"


def settings_text(begin: Beginning) -> str:
    """Return the project's configuration file."""
    url = f"url = {json.dumps(begin.url)}" if begin.url else '# url = "http://…/"'
    return (f"# Settings of this project; docs/configuration.md has all.\n[repository]\n"
            f"label = {json.dumps(begin.name)}\n# Where devices find what is published.\n{url}\n")
