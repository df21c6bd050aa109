# SPDX-License-Identifier: GPL-3.0-or-later
"""What an apt repository lists: pool paths, index entries, and who may replace what.

Sources: Debian Policy 5.6.1, 5.6.7 and 5.6.12 for names and versions, dak and
https://wiki.debian.org/DebianRepository/Format for paths and fields, dpkg's
``Dpkg::Control::FieldsCore`` (CTRL_INDEX_PKG) for the order of an entry's fields.
"""
from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from debxcross.core.border import is_relative, is_sha256, shown, size_of
from debxcross.core.stanza import Fields, hostile
from debxcross.errors import ConfigurationError, PublishError
from debxcross.repository.core import readable


_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")  # Policy 5.6.1 and 5.6.7
_VERSION = re.compile(r"(?:[0-9]+:)?[0-9][A-Za-z0-9.+~]*(?:-[A-Za-z0-9.+~]+)*")  # Policy 5.6.12
_ARCHITECTURE = re.compile(r"[a-z0-9][a-z0-9-]*")
_SOURCE = re.compile(r"(?P<name>[a-z0-9][a-z0-9+.-]+)(?: \((?P<version>[^()\s]+)\))?")
_COMPANION = re.compile(r"(?P<source>[a-z0-9][a-z0-9+.-]+)_[0-9][A-Za-z0-9.+~-]*_[a-z0-9][a-z0-9-]*"
                        r"\.(?:buildinfo|log)")
_SUITE = re.compile(r"[a-z0-9][a-z0-9+.-]*")
_LINE = re.compile(r"[^\x00-\x1f\x7f]*")
_URL = re.compile(r"[a-z][a-z0-9+.-]*:/[^\x00-\x20\x7f]*")

_PASSWORD = re.compile(r"[^/]*://[^/]*:[^/]*@")

#: The indexes' forms: the ending of the file's name.
COMPRESSIONS = ("", ".gz", ".xz")

#: The list of .buildinfo files and logs below a component; apt asks only for indexes it knows.
BUILDS = "builds/SHA256SUMS"

_FIRST_FIELDS = (
    "Package", "Package-Type", "Source", "Version", "Kernel-Version", "Built-For-Profiles",
    "Auto-Built-Package", "Architecture", "Subarchitecture", "Installer-Menu-Item",
    "Build-Essential", "Essential", "Protected", "Origin", "Bugs", "Maintainer",
    "Installed-Size", "Pre-Depends", "Depends", "Recommends", "Suggests", "Enhances",
    "Conflicts", "Breaks", "Replaces", "Provides", "Built-Using", "Static-Built-Using",
    "Filename", "Size", "MD5sum", "SHA256", "Section", "Priority", "Multi-Arch", "Homepage",
    "Description", "Tag", "Task",
)
_FIELD_RANK = {name: rank for rank, name in enumerate(_FIRST_FIELDS)}
_SPELLING = {name.lower(): name for name in _FIRST_FIELDS}
#: What only the archive may say about a package; a package's own words on it are dropped.
_ARCHIVE_FIELDS = frozenset(
    {"filename", "size", "md5sum", "sha1", "sha256", "sha512", "status", "conffiles", "description-md5"})


@dataclass(frozen=True)
class RepositorySettings:
    """What a repository calls itself and where devices find it.

    ``architectures`` are Debian names (the build and the host architecture); each has an
    index even when it is empty; they are ``guessed`` when nobody named one and no package was
    for one, and are then this machine's.  ``url`` is what devices put into their sources,
    without "dists".  Raises ConfigurationError with all faults at once.
    """

    codename: str
    suite: str
    architectures: tuple[str, ...]
    url: str
    origin: str = "debxcross"
    label: str = "debxcross"
    component: str = "main"
    description: str = "Packages cross-built by debxcross"
    guessed: bool = False

    def __post_init__(self) -> None:
        faults = [
            f"{field}: {value!r} is not valid"
            for field, value, rule in (
                ("codename", self.codename, _SUITE), ("suite", self.suite, _SUITE),
                ("component", self.component, _ARCHITECTURE), ("url", self.url, _URL),
                ("origin", self.origin, _LINE), ("label", self.label, _LINE),
                ("description", self.description, _LINE),
            ) if not rule.fullmatch(value)
        ]
        if _PASSWORD.match(self.url):
            faults = [fault for fault in faults if not fault.startswith("url: ")]
            faults.append("url: it holds a password, and everybody can read what is published; name it "
                          "without, and give the devices the password in /etc/apt/auth.conf.d")
        faults += [f"architectures: {name!r} is not valid" for name in self.architectures
                   if not _ARCHITECTURE.fullmatch(name) or name in ("all", "source")]
        if not self.architectures:
            faults.append("architectures: none is named")
        if not _PACKAGE.fullmatch(self.name):
            faults.append(f"origin: {self.origin!r} holds too few letters to name files after")
        if "," in self.origin:
            faults.append(f"origin: a comma ends the word in a pin file: {self.origin!r}")
        if faults:
            raise ConfigurationError("the repository's settings have faults", "\n".join(faults),
                                     "Correct the repository section of the project file.")

    @property
    def name(self) -> str:
        """The origin as a word for file and package names: "My Boards" gives "my-boards"."""
        return re.sub(r"[^a-z0-9]+", "-", self.origin.lower()).strip("-")

    @property
    def keyring_package(self) -> str:
        """The package that carries the archive's public key."""
        return f"{self.name}-archive-keyring"


@dataclass(frozen=True)
class IndexEntry:
    """One package as a Packages index lists it.

    ``path`` is below the web root, ``size`` in bytes, ``sha256`` in hex, ``text`` the whole
    stanza that ends with one line break.
    """

    package: str
    version: str
    architecture: str
    source: str
    path: str
    size: int
    sha256: str
    text: str

    @property
    def identity(self) -> tuple[str, str, str]:
        """What may exist only once: package, version and architecture."""
        return self.package, self.version, self.architecture

    @property
    def component(self) -> str:
        """The component that lists it."""
        return self.path.split("/", 2)[1]

    @property
    def source_identity(self) -> tuple[str, str]:
        """Source and source version; a rebuilt binary's version is another one."""
        stanza = self.text.partition("\nSource: ")[2].partition("\n")[0]
        return self.source, stanza.partition(" (")[2].rstrip(")") or self.version

    @property
    def build_prefix(self) -> str:
        """How the names of its build's .buildinfo and log start."""
        source, version = self.source_identity
        return f"{source}_{version.partition(':')[2] or version}_"


@dataclass(frozen=True)
class IndexFile:
    """A file that Release vouches for; ``path`` is below dists/CODENAME, ``size`` in bytes."""

    path: str
    size: int
    md5sum: str
    sha256: str

    @staticmethod
    def of(path: str, content: bytes) -> IndexFile:
        """Describe content that goes to ``path``."""
        return IndexFile(path, len(content), hashlib.md5(content, usedforsecurity=False).hexdigest(),
                         hashlib.sha256(content).hexdigest())

    @property
    def by_hash_path(self) -> str:
        """The name that never gets other content (apt 1.2 and later asks for it)."""
        directory = self.path.rpartition("/")[0]
        return f"{directory}/by-hash/SHA256/{self.sha256}"


def pool_path(component: str, source: str, package: str, version: str, architecture: str) -> str:
    """Return where a deb lives below the web root.

    dak's rule: a directory by the source's first letter, or its first four letters when it
    starts with "lib"; the epoch is no part of a file name.
    """
    plain_version = version.partition(":")[2] or version
    return f"{pool_directory(component, source)}/{package}_{plain_version}_{architecture}.deb"


def pool_directory(component: str, source: str) -> str:
    """Return the directory of everything that belongs to a source, below the web root."""
    prefix = source[:4] if source.startswith("lib") else source[0]
    return f"pool/{component}/{prefix}/{source}"


def companion_path(component: str, name: str) -> str:
    """Return where a build's .buildinfo or log lives; PublishError for a name that tells no build.

    Its name is SOURCE_VERSION_ARCHITECTURE.buildinfo or .log, as dpkg-genbuildinfo and sbuild
    write it, with the version's epoch left out.
    """
    match = _COMPANION.fullmatch(name)
    if not match:
        raise PublishError(
            f"{name!r} does not tell whose build it belongs to", "",
            "Name it SOURCE_VERSION_ARCHITECTURE.buildinfo or SOURCE_VERSION_ARCHITECTURE.log.")
    return f"{pool_directory(component, match['source'])}/{name}"


def builds_text(companions: Mapping[str, str]) -> str:
    """Return the list of .buildinfo files and logs (path → sha256) in the form of sha256sum(1)."""
    return "".join(f"{sha256}  {path}\n" for path, sha256 in sorted(companions.items()))


def parse_builds(text: str) -> dict[str, str]:
    """Read builds_text()."""
    return {path: sha256 for sha256, _, path in (line.partition("  ") for line in text.splitlines())}


def kept_companions(companions: Mapping[str, str], entries: Iterable[IndexEntry]) -> dict[str, str]:
    """Return the .buildinfo files and logs (path → sha256) of builds whose packages are listed."""
    builds = {f"{entry.path.rpartition('/')[0]}/{entry.build_prefix}" for entry in entries}
    return {path: sha256 for path, sha256 in companions.items() if f"{path.rpartition('_')[0]}_" in builds}


def index_entry(fields: Fields, *, component: str, md5sum: str, sha256: str, size: int) -> IndexEntry:
    """Make the entry of a deb from its control fields; PublishError when they break Policy."""
    found = {name.lower(): value for name, value in fields}
    package, version = found.get("package", ""), found.get("version", "")
    architecture = found.get("architecture", "")
    for what, value, rule in (("Package", package, _PACKAGE), ("Version", version, _VERSION),
                              ("Architecture", architecture, _ARCHITECTURE)):
        if not rule.fullmatch(value):
            raise hostile(what, value)
    match = _SOURCE.fullmatch(found.get("source", package))
    if not match or not _VERSION.fullmatch(match["version"] or version):
        raise hostile("Source", found["source"])
    path = pool_path(component, match["name"], package, version, architecture)
    kept = [(_SPELLING.get(name.lower(), name), value) for name, value in fields
            if name.lower() not in _ARCHIVE_FIELDS and (value or name.lower() not in readable.RELATIONS)]
    if any(not _printable(value) for _, value in kept):
        raise hostile("control character in", package)
    kept += [("Filename", path), ("Size", str(size)), ("MD5sum", md5sum), ("SHA256", sha256)]
    last = len(_FIRST_FIELDS)
    kept.sort(key=lambda field: (_FIELD_RANK.get(field[0], last), field[0]))
    text = "".join(f"{name}: {value}\n" if value[:1] != "\n" else f"{name}:{value}\n"
                   for name, value in kept)
    readable.check_stanza(package, text)
    return IndexEntry(package, version, architecture, match["name"], path, size, sha256, text)


def _printable(value: str) -> bool:
    return all(character in "\n\t" or character.isprintable() or ord(character) > 0x9f
               for character in value)


def parse_index(text: str) -> tuple[IndexEntry, ...]:
    """Read back an index that index_text() wrote; its stanzas are kept to the letter.

    Raises PublishError for a text that is another one, such as one whose paths lead elsewhere.
    """
    return tuple(_read_back(block.strip("\n")) for block in text.split("\n\n") if block.strip())


def _read_back(block: str) -> IndexEntry:
    found = dict(line.partition(": ")[::2] for line in block.split("\n") if line[:1] != " ")
    try:
        source = found.get("Source", found["Package"]).partition(" ")[0]
        if not (is_relative(found["Filename"]) and is_sha256(found["SHA256"])):
            raise ValueError(shown([found["Filename"], found["SHA256"]]))
        return IndexEntry(
            found["Package"], found["Version"], found["Architecture"], source, found["Filename"],
            size_of(found["Size"]), found["SHA256"], f"{block}\n")
    except (KeyError, ValueError) as error:
        raise PublishError(
            "a published Packages index cannot be read", f"{type(error).__name__}: {error}",
            "It is not what debxcross wrote: go back with 'debxcross repo rollback'.") from error


def index_text(entries: Iterable[IndexEntry], architecture: str) -> str:
    """Return the Packages index of one architecture; Architecture: all is merged into each."""
    return "".join(f"{entry.text}\n" for entry in sorted(entries, key=_order)
                   if entry.architecture in (architecture, "all"))


def _order(entry: IndexEntry) -> tuple[str, str, str]:
    return entry.identity


def merge(old: Iterable[IndexEntry], given: Sequence[IndexEntry], architectures: Sequence[str], *,
          replace: bool = True) -> tuple[IndexEntry, ...]:
    """Return what is published next: the given packages, and what they do not replace.

    With ``replace`` a source that is given replaces all its older packages for
    ``architectures`` (and Architecture: all); without, versions stand side by side.  Those
    for other architectures, and all other sources, stay.  Several versions of a package may
    be given.

    Raises PublishError when two of the given have one identity but other bytes, when one has
    that of a published package of another source or component, or one is for an architecture
    that is not among ``architectures``.
    """
    covered = {*architectures, "all"}
    result: dict[tuple[str, str, str], IndexEntry] = {}
    for entry in given:
        if entry.architecture not in covered:
            raise PublishError(
                f"{entry.package} is for {entry.architecture}, which is not published here",
                f"The repository is for {', '.join(architectures)}.",
                "Publish it into a repository for its architecture, or add that one with --arch.")
        other = result.setdefault(entry.identity, entry)
        if other.sha256 != entry.sha256:
            raise PublishError(
                f"two files claim to be {entry.package} {entry.version} for {entry.architecture}",
                f"{other.path}: sha256 {other.sha256}\n{entry.path}: sha256 {entry.sha256}",
                "Give one of them another version.")
    replaced = {entry.source for entry in given} if replace else set()
    for entry in old:
        if entry.source not in replaced or entry.architecture not in covered:
            other = result.setdefault(entry.identity, entry)
            # Where the paths are equal, the pool tells.
            if other.path != entry.path and other.sha256 != entry.sha256:
                raise PublishError(
                    f"{entry.package} {entry.version} for {entry.architecture} is published already with "
                    "other bytes", f"published: {entry.path}\ngiven: {other.path}",
                    "Give it a new version, then build and publish again.")
    return tuple(sorted(result.values(), key=_order))
