# SPDX-License-Identifier: GPL-3.0-or-later
"""What apt and dpkg of Debian 8 to 13 can read of a package's words about itself.

One stanza that apt cannot parse makes the whole index unreadable on every device; what
dpkg cannot parse stops an installation.

Sources: apt 1.0.9 to 3.0, apt-pkg/tagfile.cc (the buffer is doubled up to 1,048,704 bytes, and
1.0.9 knows 255 fields) and deblistparser.cc (ParseDepends); dpkg 1.17 to 1.22, lib/dpkg/fields.c
and parse.c; Debian Policy 7.1.
"""
from __future__ import annotations

import re
from collections.abc import Mapping

from debxcross.core.stanza import Fields
from debxcross.errors import PublishError

#: Bytes of a stanza; apt was seen to read 1,048,692 and no more.
LARGEST_STANZA = 1_000_000
#: Fields of a stanza.
MOST_FIELDS = 250
#: Relations with alternatives, and those without.
_ALTERNATIVES = ("depends", "pre-depends", "recommends", "suggests", "enhances")
_PLAIN = ("conflicts", "breaks", "replaces", "provides")
#: Fields that apt of Debian 8 cannot parse when they are empty.
RELATIONS = frozenset((*_ALTERNATIVES, *_PLAIN))
_RELATION = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9+._-]*(?::[A-Za-z0-9][A-Za-z0-9-]*)?"
    r"(?:\s*\(\s*(?P<operator><<|<=|=|>=|>>|<|>)?\s*(?P<version>(?:[0-9]+:)?[A-Za-z0-9.+~:-]+)\s*\))?")
#: apt wants four characters from the operator to the field's end: "(=1)" has three.
_SHORT = re.compile(r"\(\s*\S{0,3}\Z")
_WORDS = {"multi-arch": ("no", "same", "foreign", "allowed"), "essential": ("yes", "no"),
          "protected": ("yes", "no"), "important": ("yes", "no")}
#: dpkg keeps epochs in an int.
_LARGEST_EPOCH = 2**31 - 1


def check_stanza(name: str, text: str) -> None:
    """Raise PublishError for a stanza that some apt cannot read, and all others of its index with it."""
    size, fields = len(text.encode("utf-8", "surrogateescape")), text.count("\n") - text.count("\n ")
    if size <= LARGEST_STANZA and fields <= MOST_FIELDS:
        return
    what = f"{size} bytes" if size > LARGEST_STANZA else f"{fields} fields"
    raise PublishError(
        f"{name} has too large a control file: {what} in the index",
        f"apt reads at most {LARGEST_STANZA} bytes and {MOST_FIELDS} fields of one package; with more, it "
        "could read nothing of this repository on any device.",
        "Make the field shorter that is so long (a relation, the description), then build and publish again.")


def control_fault(text: str) -> str:
    """Return why dpkg (lib/dpkg/parse.c) cannot read a package's file control; "" when it can."""
    if not text.endswith("\n"):
        return "its control file does not end with a line's end"
    seen = set()
    stanzas = [stanza for stanza in re.split(r"\n[ \t\r]*\n", text.strip("\n")) if stanza.strip()]
    if len(stanzas) != 1:
        return f"its control file describes {len(stanzas)} packages"
    for line in stanzas[0].split("\n"):
        if line.startswith((" ", "\t", "#")):
            continue
        name, colon, _ = line.partition(":")
        if not colon or len(name) < 2 or name != name.strip():
            return f"its control file has a line that is no field: {line[:80]!r}"
        if name.lower() in seen:
            return f"its control file has {name} twice"
        seen.add(name.lower())
    return ""


def check_control(name: str, fields: Fields) -> None:
    """Raise PublishError for control fields that apt or dpkg cannot parse."""
    fault = _fault({name.lower(): value for name, value in fields})
    if fault:
        raise PublishError(
            f"{name} has a control file that apt and dpkg cannot read: {fault[:200]}",
            "dpkg would refuse the package, and apt the whole index.",
            "Correct its debian/control (Debian Policy 7.1 has the syntax of relations), then build and "
            "publish again.")


def _fault(found: Mapping[str, str]) -> str:
    for field, words in _WORDS.items():
        if field in found and found[field].lower() not in words:
            return f"{field.title()} is {found[field][:40]!r}, not one of {', '.join(words)}"
    if found.get("multi-arch", "").lower() == "same" and found.get("architecture") == "all":
        return "Multi-Arch is 'same', and Architecture is 'all'"
    epoch = found.get("version", "").partition(":")[0]
    if ":" in found.get("version", "") and int(epoch) > _LARGEST_EPOCH:
        return f"the epoch {epoch[:40]} is too large"
    for field in (*_ALTERNATIVES, *_PLAIN):
        fault = _relation_fault(found.get(field, ""), field)
        if fault:
            return fault
    return ""


def _relation_fault(value: str, field: str) -> str:
    if not value.strip():
        return ""
    for group in value.split(","):
        alternatives = group.split("|")
        if len(alternatives) > 1 and field in _PLAIN:
            return f"alternatives in {field.title()}: {group.strip()!r}"
        for one in alternatives:
            match = _RELATION.fullmatch(one.strip())
            if not match:
                return f"{one.strip()!r} in {field.title()}"
            if field == "provides" and match["version"] and match["operator"] not in ("=", None):
                return f"{one.strip()!r} in Provides, where only '=' may stand"
    if _SHORT.search(value.rstrip()):
        return f"{value.rstrip()[-40:]!r} at the end of {field.title()}: put a space behind the operator"
    return ""
