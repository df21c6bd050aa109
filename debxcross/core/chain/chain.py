# SPDX-License-Identifier: GPL-3.0-or-later
"""A chain: which sources and wheels to build, for which release.  The order is not in it."""
from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

from debxcross.core import release as releases
from debxcross.core.archive.choice import Choice
from debxcross.core.archive.origin import Origin
from debxcross.core.border import is_name, is_text, is_word
from debxcross.core.build.answers import MODES
from debxcross.core.build.losses import AcceptedLoss, parse_accepted
from debxcross.core.chain import origin as origins
from debxcross.core.chain.archive import ChainArchive, parse_archives
from debxcross.core.chain.faults import Faults
from debxcross.core.wheel.direct import is_origin
from debxcross.core.wheel.index import normalise
from debxcross.core.wheel.pep508 import read_requirement
from debxcross.errors import ConfigurationError

#: Profiles every cross build gets unless the chain says otherwise (wiki.debian.org/BuildProfileSpec).
DEFAULT_PROFILES = ("cross", "nocheck", "noudeb", "nobiarch", "noinsttest")
#: What nobody needs in a build root; documentation also differs between native and cross
#: builds of one version, which Multi-Arch: same would refuse to install side by side.
DEFAULT_PATH_EXCLUDES = (
    "/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*",
    "/usr/share/lintian/*", "/usr/share/bug/*",
)
_SOURCE_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+\Z")  # Policy 5.6.1
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+(:[a-z0-9-]+)?\Z")
_NO_PACKAGE = "is not NAME or NAME:ARCHITECTURE"
_CHOSEN = re.compile(r"[a-z0-9*?][a-z0-9+.*?-]*\Z")
_VERSION = re.compile(r"(\d+:)?[0-9][A-Za-z0-9.+~-]*\Z")  # Policy 5.6.12
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
#: What a device is asked to install: a package, perhaps at a version or from a suite (apt-get(8)).
_WANTED = re.compile(r"[a-z0-9][a-z0-9+.-]+(:[a-z0-9-]+)?([=/][A-Za-z0-9.+:~-]+)?\Z")
#: A path-exclude of dpkg(1): a shell pattern against paths with a leading slash.
_PATTERN = re.compile(r"[/*][^\s\x00-\x1f\x7f-\x9f]*\Z")
_PROFILE = re.compile(r"[a-z0-9][a-z0-9+.-]*\Z")  # wiki.debian.org/BuildProfileSpec
_PROJECT = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?\Z")  # PEP 508
_PYTHON = re.compile(r"(2\.7|3\.\d{1,3})\Z", re.ASCII)


@dataclass(frozen=True)
class SourceMember:
    """A Debian source package to build; an empty version means the newest of the suite.

    ``build_packages`` are packages of the build machine that its build root has beside the
    build dependencies.  A ``revision`` above 0 gives the packages a version of their own.
    ``accept_losses`` are what its packages may lack of what Debian's own have; no key has them.
    ``answers`` is who answers what its configure cannot try (core.build.answers.MODES; "" decides).
    ``packages`` and ``without_packages`` are patterns (core.archive.choice.Choice).
    With an ``origin`` it is a source of one's own; its name is "" until the origin has been read.
    ``why`` says what it is built for when nobody named it; no key has that.
    """

    name: str
    suite: str = ""
    version: str = ""
    profiles: tuple[str, ...] = ()
    build_packages: tuple[str, ...] = ()
    revision: int = 0
    accept_losses: tuple[AcceptedLoss, ...] = ()
    answers: str = ""
    origin: Origin | None = None
    why: str = ""
    packages: tuple[str, ...] = ()
    without_packages: tuple[str, ...] = ()

    @property
    def choice(self) -> Choice:
        """Which of its packages are wanted."""
        return Choice(self.packages, self.without_packages)


@dataclass(frozen=True)
class DebMember:
    """A package that was built elsewhere: judged, offered to build roots and published."""

    name: str
    origin: Origin


@dataclass(frozen=True)
class PinnedFile:
    """A file of the package index, by name, version, file name and sha256."""

    name: str
    version: str
    file: str
    sha256: str


@dataclass(frozen=True)
class WheelMember:
    """A PyPI package to build (an sdist) or to wrap (a pure wheel) as a deb.

    ``python`` is "2.7" or "3.N".  ``build_requires`` names pinned build tools of the chain,
    which run on the build machine; ``host_needs`` names Debian packages of the host
    architecture, headers and libraries.  ``smoke`` is Python code for the trial.

    For Python 3: ``build_packages`` are Debian packages of the build machine, ``environment``
    and ``settings`` ("name=value") go to the build.  ``requires`` are the requirements it was
    resolved with, for the Python ``resolved_for`` ("3.11.2"); what the built wheel says must be
    the same.  ``also_requires`` come from extras of what it requires.  ``epoch`` is that of
    Debian's package of the same name; ``replaces`` are others that hold parts of the project;
    ``revision`` is that of the deb, "1" when empty.  ``optional_modules`` are those that work only
    with something the project does not require; the trial tells when they cannot be imported.
    ``origin`` is where a file comes from that is in no index (core.wheel.direct.Origin); with
    ``no_binary`` a build that leaves its compiled modules out has failed.
    """

    name: str
    python: str
    pin: PinnedFile
    build_requires: tuple[str, ...] = ()
    host_needs: tuple[str, ...] = ()
    package: str = ""
    smoke: str = ""
    build_packages: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    also_requires: tuple[str, ...] = ()
    resolved_for: str = ""
    epoch: int = 0
    replaces: tuple[str, ...] = ()
    revision: str = ""
    optional_modules: tuple[str, ...] = ()
    origin: str = ""
    no_binary: bool = False

    @property
    def pure(self) -> bool:
        """True when the file is a wheel for any platform, which is wrapped, not built."""
        return self.pin.file.endswith("-none-any.whl")

    @property
    def projects(self) -> frozenset[str]:
        """The normalised names of itself and of what it was resolved to require."""
        texts = (*self.requires, *self.also_requires)
        return frozenset(normalise(name) for name in (self.name, *(Requirement(text).name for text in texts)))


@dataclass(frozen=True)
class DebianPackage:
    """A project of which the release has a package; it is taken from there unless the chain makes it.

    ``version`` is Debian's ("" when not known), with which relations on the package are compared.
    """

    name: str
    package: str
    epoch: int = 0
    version: str = ""


@dataclass(frozen=True)
class Trial:
    """What the emulated device installs and runs.

    ``before`` are packages it has from Debian already when it meets the repository; they
    are upgraded.  Then ``packages`` are installed, all for ``python`` is imported, and
    every one of ``commands`` (shell) must end with status 0.
    """

    packages: tuple[str, ...] = ()
    python: str = ""
    before: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()

    @property
    def wanted(self) -> bool:
        """Whether there is anything to try."""
        return bool(self.packages or self.before)


@dataclass(frozen=True)
class Chain:
    """Members and what they share.  Built in and for ``release``.

    The sources that ``security`` names are built only where the host architecture is behind.
    """

    name: str
    release: str
    sources: tuple[SourceMember, ...]
    wheels: tuple[WheelMember, ...] = ()
    build_tools: tuple[PinnedFile, ...] = ()
    tool_suites: tuple[str, ...] = ()
    without_suites: tuple[str, ...] = ()
    profiles: tuple[str, ...] = DEFAULT_PROFILES
    path_excludes: tuple[str, ...] = DEFAULT_PATH_EXCLUDES
    trial: Trial = Trial()
    summary: str = ""
    security: tuple[str, ...] = ()
    debian: tuple[DebianPackage, ...] = ()
    #: Results of sources are not held against Debian's own packages.
    without_twin: bool = False
    debs: tuple[DebMember, ...] = ()
    archives: tuple[ChainArchive, ...] = ()

    @property
    def members(self) -> tuple[str, ...]:
        """The names of all members, sources first."""
        return (*(one.name for one in self.sources), *(one.name for one in self.wheels),
                *(one.name for one in self.debs))

    @property
    def own(self) -> tuple[SourceMember | DebMember, ...]:
        """The members that do not come from an archive or an index."""
        return (*(one for one in self.sources if one.origin), *self.debs)

    @property
    def added(self) -> frozenset[str]:
        """The members that nobody named: others need them (core.chain.closure)."""
        return frozenset(source.name for source in self.sources if source.why)

    def without(self, names: Collection[str]) -> Chain:
        """Return the chain without these members."""
        return replace(self, sources=tuple(one for one in self.sources if one.name not in names),
                       wheels=tuple(one for one in self.wheels if one.name not in names),
                       debs=tuple(one for one in self.debs if one.name not in names))

    def archived(self) -> Chain:
        """Return the chain without the sources that no archive is asked for."""
        return replace(self, sources=tuple(one for one in self.sources if one.origin is None))

    def below(self, directory: str) -> Chain:
        """Return the chain with the paths of its own members relative to a directory."""
        def placed(origin: Origin | None) -> Origin | None:
            return replace(origin, base=directory) if origin else None

        return replace(self, sources=tuple(replace(one, origin=placed(one.origin)) for one in self.sources),
                       debs=tuple(replace(one, origin=replace(one.origin, base=directory))
                                  for one in self.debs))

    def wheel(self, name: str) -> WheelMember | None:
        """Return the wheel member with this name, if it is one."""
        return next((wheel for wheel in self.wheels if wheel.name == name), None)


def parse(document: Mapping[str, Any], origin: str) -> Chain:
    """Make a Chain of a parsed TOML document; ``origin`` names the file in messages.

    Raises ConfigurationError with every fault at once, each with its key.
    """
    faults = Faults()
    faults.known(document, ("chain", "source", "wheel", "deb", "build-tool", "debian", "trial", "security",
                            "archive"), "")
    head = faults.one(document, "chain")
    if not head:
        faults.add("chain", "missing: a [chain] table with at least 'name' and 'release'")
    faults.known(head, ("name", "release", "summary", "profiles", "path-excludes", "tool-suites",
                        "without-suites"), "chain.")
    release_name = faults.text(head, "release", "chain.", needed=bool(head))
    if release_name and release_name not in releases.RELEASES:
        known = ", ".join(releases.RELEASES)
        faults.add("chain.release", f"unknown release {release_name!r}; known: {known}")
    tool_suites = faults.texts(head, "tool-suites", "chain.")
    without_suites = faults.texts(head, "without-suites", "chain.")
    for key, suites in (("tool-suites", tool_suites), ("without-suites", without_suites)):
        for suite in suites:
            if not releases.is_suite(suite):
                faults.add(f"chain.{key}", f"unknown suite {suite!r}")
    security = _security(faults, faults.one(document, "security"))
    archives = parse_archives(faults, document, releases.RELEASES[release_name].suites
                              if release_name in releases.RELEASES else ())
    added = [one.name for one in archives]
    sources = (*(source_member(faults, *one, added) for one in faults.tables(document, "source")), *security)
    tools = tuple(_pin(faults, where, table) for where, table in faults.tables(document, "build-tool"))
    wheels = tuple(_wheel(faults, *one, tools) for one in faults.tables(document, "wheel"))
    debs = tuple(_deb(faults, *one) for one in faults.tables(document, "deb"))
    names = [*(one.name for one in sources), *(one.name for one in wheels), *(one.name for one in debs)]
    for name in sorted(name for name, count in Counter(names).items() if name and count > 1):
        faults.add(name, "named more than once")
    if not names:
        faults.add("source", "missing: a chain has at least one [[source]], [[wheel]] or [[deb]]")
    chain = Chain(
        name=faults.text(head, "name", "chain.", needed=bool(head)),
        release=release_name,
        sources=sources, wheels=wheels, build_tools=tools,
        tool_suites=tool_suites,
        without_suites=without_suites,
        profiles=faults.texts(head, "profiles", "chain.", DEFAULT_PROFILES, _PROFILE),
        # Each becomes a line of a dpkg.cfg(5), which can also name programs to run.
        path_excludes=faults.texts(head, "path-excludes", "chain.", DEFAULT_PATH_EXCLUDES, _PATTERN),
        trial=_trial(faults, faults.one(document, "trial")),
        summary=faults.text(head, "summary", "chain.", rule=is_text),
        security=tuple(member.name for member in security),
        debian=tuple(_debian(faults, *one) for one in faults.tables(document, "debian")),
        archives=archives,
        debs=debs,
    )
    if faults.said:
        raise chain_error(origin, faults.said)
    return chain


def chain_error(origin: str, faults: list[str]) -> ConfigurationError:
    """Return the one error that tells all faults of a chain file."""
    count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
    return ConfigurationError(
        f"the chain {origin} has {count}", "\n".join(faults),
        "Mend the keys named above; docs/chains.md describes each of them.",
    )


def _security(faults: Faults, table: Mapping[str, Any]) -> tuple[SourceMember, ...]:
    faults.known(table, ("sources",), "security.")
    names = faults.texts(table, "sources", "security.")
    return tuple(source_member(faults, "security.sources: ", {"name": name}) for name in names)


def _trial(faults: Faults, table: Mapping[str, Any]) -> Trial:
    faults.known(table, ("packages", "python", "before", "commands"), "trial.")
    return Trial(
        faults.texts(table, "packages", "trial.", pattern=_WANTED),
        faults.text(table, "python", "trial.", pattern=_PYTHON),
        faults.texts(table, "before", "trial.", pattern=_WANTED),
        faults.texts(table, "commands", "trial.", rule=is_text))


def source_member(faults: Faults, where: str, table: Mapping[str, Any], added: Collection[str] = ()
                  ) -> SourceMember:
    faults.known(table, ("name", "suite", "version", "profiles", "build-packages", "revision",
                         "accept-losses", "answers", "packages", "without-packages", *origins.KEYS), where)
    suite = faults.text(table, "suite", where)
    if suite and suite not in added and not releases.is_suite(suite):
        faults.add(f"{where}suite", f"unknown suite {suite!r}")
    # They become a line of a control file.
    packages = faults.texts(table, "build-packages", where, pattern=_PACKAGE, fault=_NO_PACKAGE)
    revision = table.get("revision", 0)
    if type(revision) is not int or not 0 <= revision < 1000:
        faults.add(f"{where}revision", f"must be a whole number from 0 to 999, not {revision!r}")
        revision = 0
    answers = faults.text(table, "answers", where)
    if answers and answers not in MODES:
        faults.add(f"{where}answers", f"must be one of {', '.join(MODES)}, not {answers!r}")
    return SourceMember(
        faults.text(table, "name", where, needed=True, pattern=_SOURCE_NAME), suite,
        faults.text(table, "version", where, pattern=_VERSION),
        faults.texts(table, "profiles", where, pattern=_PROFILE),
        packages, revision, _accepted(faults, where, table), answers, origins.origin_of(faults, where, table),
        packages=_chosen(faults, where, table, "packages"),
        without_packages=_chosen(faults, where, table, "without-packages"),
    )


def _deb(faults: Faults, where: str, table: Mapping[str, Any]) -> DebMember:
    faults.known(table, ("name", "path", "url", "sha256"), where)
    return DebMember(faults.text(table, "name", where, needed=True, pattern=_SOURCE_NAME),
                     origins.deb_origin(faults, where, table))


def _chosen(faults: Faults, where: str, table: Mapping[str, Any], key: str) -> tuple[str, ...]:
    return faults.texts(table, key, where, pattern=_CHOSEN, fault="is no pattern of a package's name")


def _accepted(faults: Faults, where: str, table: Mapping[str, Any]) -> tuple[AcceptedLoss, ...]:
    found = []
    for text in faults.texts(table, "accept-losses", where):
        accepted = parse_accepted(text)
        if accepted is None:
            faults.add(f"{where}accept-losses", f"{text!r} is not 'PATTERN: reason'")
        else:
            found.append(accepted)
    return tuple(found)


_PIN_KEYS = ("name", "version", "file", "sha256")


def _pin(faults: Faults, where: str, table: Mapping[str, Any], more: tuple[str, ...] = ()) -> PinnedFile:
    faults.known(table, (*_PIN_KEYS, *more), where)
    return PinnedFile(
        faults.text(table, "name", where, needed=True, pattern=_PROJECT),
        faults.text(table, "version", where, needed=True, rule=is_word),
        faults.text(table, "file", where, needed=True, rule=is_name),
        faults.text(table, "sha256", where, needed=True, pattern=_SHA256),
    )


def _debian(faults: Faults, where: str, table: Mapping[str, Any]) -> DebianPackage:
    faults.known(table, ("name", "package", "epoch", "version"), where)
    return DebianPackage(
        faults.text(table, "name", where, needed=True, pattern=_PROJECT),
        faults.text(table, "package", where, needed=True, pattern=_SOURCE_NAME),
        faults.number(table, "epoch", where), faults.text(table, "version", where, pattern=_VERSION))


def _wheel(
    faults: Faults, where: str, table: Mapping[str, Any], tools: tuple[PinnedFile, ...]
) -> WheelMember:
    lists = ("build-requires", "environment", "settings", "requires", "also-requires", "optional-modules")
    packages = ("host-needs", "build-packages", "replaces")
    pin = _pin(faults, where, table, (
        "python", "package", "smoke", "resolved-for", "epoch", "revision", "origin", "no-binary", *lists,
        *packages))
    wheel = WheelMember(
        pin.name,
        faults.text(table, "python", where, needed=True, pattern=_PYTHON),
        pin,
        package=faults.text(table, "package", where, pattern=_SOURCE_NAME),
        smoke=faults.text(table, "smoke", where, rule=is_text),
        resolved_for=faults.text(table, "resolved-for", where, pattern=re.compile(r"\d+\.\d+\.\d+\Z")),
        epoch=faults.number(table, "epoch", where),
        revision=faults.text(table, "revision", where, pattern=re.compile(r"[A-Za-z0-9+.~]+\Z")),
        origin=faults.text(table, "origin", where, rule=is_origin),
        no_binary=faults.flag(table, "no-binary", where),
        **{key.replace("-", "_"): faults.texts(table, key, where) for key in lists},
        **{key.replace("-", "_"): faults.texts(table, key, where, pattern=_PACKAGE, fault=_NO_PACKAGE)
           for key in packages},
    )
    for key, texts in (("requires", wheel.requires), ("also-requires", wheel.also_requires)):
        for text in texts:
            try:
                read_requirement(text)
            except InvalidRequirement:
                faults.add(f"{where}{key}", f"{text!r} is not a requirement (PEP 508)")
    known = {text for tool in tools for text in (tool.name, f"{tool.name}=={tool.version}")}
    for name in wheel.build_requires:
        if name not in known:
            faults.add(f"{where}build-requires", f"{name!r} is not among the [[build-tool]] tables")
    return wheel
