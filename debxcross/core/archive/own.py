# SPDX-License-Identifier: GPL-3.0-or-later
"""What a source tree of one's own says of itself: debian/control, debian/changelog, its format.

From them comes what a .dsc would say (Policy 5.4), before there is one.
"""
from __future__ import annotations

import configparser
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import format_datetime, parsedate_to_datetime

from debian.changelog import Changelog, ChangelogParseError
from debian.deb822 import Deb822
from debian.debian_support import Version

from debxcross.core.archive.source import BinaryEntry, SourcePackage
from debxcross.errors import ConfigurationError

#: The formats that are built (dpkg-source(1)).
NATIVE, QUILT, OLD = "3.0 (native)", "3.0 (quilt)", "1.0"
FORMATS = (NATIVE, QUILT, OLD)
#: The files of debian/ that are read, and which must be there.
READ = {"changelog": True, "control": True, "source/format": False, "gbp.conf": False}
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+\Z")


@dataclass(frozen=True)
class TopEntry:
    """The newest entry of a changelog; ``time`` is in seconds since 1970."""

    source: str
    version: str
    time: int
    maintainer: str


@dataclass(frozen=True)
class Upstream:
    """How a git repository keeps what is upstream's: gbp.conf(5); ``tag`` is the tag of the version."""

    tag: str
    pristine: bool


def top_entry(changelog: str, where: str) -> TopEntry:
    """Read the top of debian/changelog.  Raises ConfigurationError that names ``where`` it was read."""
    try:
        block = Changelog(changelog, max_blocks=1, strict=True)[0]
        entry = TopEntry(str(block.package), str(block.version),
                         int(parsedate_to_datetime(str(block.date)).timestamp()), str(block.author))
    except (ChangelogParseError, IndexError, ValueError, TypeError, OverflowError) as error:
        raise _faulty(where, "changelog", f"{error or 'it has no entry'} (deb-changelog(5))") from error
    if not _NAME.match(entry.source):
        raise _faulty(where, "changelog", f"{entry.source!r} is no source's name (Policy 5.6.1)")
    return entry


def source_of(control: str, entry: TopEntry, where: str) -> SourcePackage:
    """Return the source that a tree's debian/control describes; it has no files yet.

    Its Architecture: all packages are built too.  Raises ConfigurationError that names ``where``.
    """
    lines = [line for line in control.splitlines() if not line.startswith("#")]
    try:
        stanzas = [one for one in Deb822.iter_paragraphs(lines, use_apt_pkg=False) if one]
    except ValueError as error:
        raise _faulty(where, "control", str(error)) from error
    if not stanzas or "Source" not in stanzas[0] or not stanzas[1:]:
        raise _faulty(where, "control", "it needs a source's stanza and one for each package (Policy 5.2)")
    head, binaries = stanzas[0], stanzas[1:]
    if head["Source"] != entry.source:
        raise _faulty(where, "control",
                      f"its source is {head['Source']}, that of debian/changelog is {entry.source}")
    for number, one in enumerate(binaries, 1):
        if "Package" not in one or "Architecture" not in one:
            raise _faulty(where, "control", f"the package's stanza {number} lacks Package or Architecture")
        if not _NAME.match(one["Package"]):
            raise _faulty(where, "control", f"{one['Package']!r} is no package's name (Policy 5.6.7)")
    entries = tuple(_entry(one) for one in binaries)
    indep = any("all" in one.architectures for one in entries)

    def joined(field: str) -> str:
        return ", ".join(filter(None, (head.get(f"{field}{kind}", "").strip().rstrip(",")
                                       for kind in ("-Arch", *(("-Indep",) if indep else ())))))

    return SourcePackage(
        entry.source, entry.version, "", (), head.get("Build-Depends", ""), joined("Build-Depends"), entries,
        ", ".join(filter(None, (head.get("Build-Conflicts", ""), joined("Build-Conflicts")))), with_all=True)


def _entry(stanza: Mapping[str, str]) -> BinaryEntry:
    # <a b> <c> is "a+b,c" in a Package-List.
    lists = re.findall(r"<([^>]*)>", stanza.get("Build-Profiles", ""))
    udeb = stanza.get("Package-Type", stanza.get("XC-Package-Type", "deb")) == "udeb"
    return BinaryEntry(stanza["Package"], tuple(stanza["Architecture"].split()),
                       ",".join("+".join(one.split()) for one in lists), udeb)


def provided(control: str) -> Mapping[str, tuple[str, ...]]:
    """Return the virtual packages of each package in a debian/control that has some."""
    lines = [line for line in control.splitlines() if not line.startswith("#")]
    return {one["Package"]: tuple(re.findall(r"(?:^|,)\s*([a-z0-9][a-z0-9+.-]+)", one["Provides"]))
            for one in Deb822.iter_paragraphs(lines, use_apt_pkg=False)
            if one.get("Provides") and "Package" in one}


def format_of(text: str, version: str, where: str) -> str:
    """Return a tree's source format, checked; without the file it is 1.0 (dpkg-source(1)).

    Raises ConfigurationError for one that is not built, and for a native source with a revision.
    """
    found = text.strip().splitlines()[0].strip() if text.strip() else OLD
    if found not in FORMATS:
        raise ConfigurationError(
            f"{where} has the source format {found!r}", f"These are built: {', '.join(FORMATS)}.",
            f"Write {NATIVE!r} into debian/source/format, or {QUILT!r} with an upstream tarball beside the "
            "tree.")
    if found == NATIVE and "-" in version.split(":", 1)[-1]:
        raise ConfigurationError(
            f"{where} is native, but its version {version} has a revision",
            "What stands behind a hyphen is a revision (Policy 5.6.12); a native source has none.",
            f"Write the version without a hyphen into debian/changelog, or {QUILT!r} into "
            "debian/source/format.")
    return found


def needs_orig(form: str, version: str) -> bool:
    """Tell whether a source of this format and version wants an upstream tarball."""
    return form == QUILT or form == OLD and "-" in version.split(":", 1)[-1]


def upstream_version(version: str) -> str:
    """Return a version without epoch and revision."""
    version = version.split(":", 1)[-1]
    return version.rpartition("-")[0] if "-" in version else version


def upstream_of(gbp_conf: str, version: str) -> Upstream:
    """Read what a gbp.conf says of upstream; what it does not say is gbp's default (gbp.conf(5))."""
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(gbp_conf)
    except configparser.Error:
        parser = configparser.RawConfigParser()
    sections = [name for name in ("buildpackage", "export-orig") if parser.has_section(name)]
    told = {**parser.defaults(), **{key: value for name in sections for key, value in parser.items(name)}}
    tag = re.sub(r"%\((?:hash|version)\)s", _tag_version(upstream_version(version)),
                 told.get("upstream-tag", "upstream/%(version)s").strip("'\""))
    return Upstream(tag, told.get("pristine-tar", "false").lower() in ("true", "1", "yes"))


def _tag_version(version: str) -> str:
    """Return a version as DEP-14 writes it in a tag."""
    return re.sub(r"\.(?=\.|$|lock$)", ".#", version.replace(":", "%").replace("~", "_"))


def git_suffix(time: int, commit: str, tree: str, changed: bool) -> str:
    """Return what a version gets of a commit: "+git<its date>.<its name>", in UTC to the second.

    A later commit sorts above an earlier one.  What is not committed adds the digest of the tree.
    """
    date = datetime.fromtimestamp(time, timezone.utc).strftime("%Y%m%d%H%M%S")
    return f"+git{date}.{commit[:7]}" + (f"+{tree[:7]}" if changed else "")


def changelog_entry(entry: TopEntry, version: str, words: str, time: int) -> str:
    """Return a changelog entry to stand above the others, for a version that a commit gave."""
    date = format_datetime(datetime.fromtimestamp(time, timezone.utc))
    return (f"{entry.source} ({version}) UNRELEASED; urgency=medium\n\n  * Built from {words}.\n\n"
            f" -- {entry.maintainer}  {date}\n\n")


def newer(version: str, than: str) -> bool:
    """Tell whether a version is newer than another (Policy 5.6.12)."""
    return bool(Version(version) > Version(than))


def orig_names(names: Sequence[str], source: str, version: str) -> tuple[str, ...]:
    """Return which of these files are upstream tarballs of a source's version (dpkg-source(1))."""
    prefix = re.escape(f"{source}_{upstream_version(version)}.orig")
    pattern = re.compile(prefix + r"(-[A-Za-z0-9-]+)?\.tar\.(gz|bz2|xz|lzma)\Z")
    return tuple(sorted(name for name in names if pattern.match(name)))


def _faulty(where: str, file: str, what: str) -> ConfigurationError:
    return ConfigurationError(f"{where}: debian/{file} cannot be used", what, f"Mend debian/{file} there.")
