# SPDX-License-Identifier: GPL-3.0-or-later
"""A chain: which sources and wheels to build, for which release.  The order is not in it."""
from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

from debxcross.core import release as releases
from debxcross.core.build.answers import MODES
from debxcross.core.build.losses import AcceptedLoss, parse_accepted
from debxcross.core.wheel.index import normalise
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
_VERSION = re.compile(r"(\d+:)?[0-9][A-Za-z0-9.+~-]*\Z")  # Policy 5.6.12
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True)
class SourceMember:
    """A Debian source package to build; an empty version means the newest of the suite.

    ``build_packages`` are packages of the build machine that its build root has beside the
    build dependencies.  A ``revision`` above 0 gives the packages a version of their own.
    ``accept_losses`` are what its packages may lack of what Debian's own have; no key has them.
    ``answers`` is who answers what its configure cannot try (core.build.answers.MODES; "" decides).
    """

    name: str
    suite: str = ""
    version: str = ""
    profiles: tuple[str, ...] = ()
    build_packages: tuple[str, ...] = ()
    revision: int = 0
    accept_losses: tuple[AcceptedLoss, ...] = ()
    answers: str = ""


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
    """A project that is taken from the release's own packages."""

    name: str
    package: str
    epoch: int = 0


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

    @property
    def members(self) -> tuple[str, ...]:
        """The names of all members, sources first."""
        return (*(source.name for source in self.sources), *(wheel.name for wheel in self.wheels))

    def without(self, names: Collection[str]) -> Chain:
        """Return the chain without these members."""
        return replace(self, sources=tuple(one for one in self.sources if one.name not in names),
                       wheels=tuple(one for one in self.wheels if one.name not in names))

    def wheel(self, name: str) -> WheelMember | None:
        """Return the wheel member with this name, if it is one."""
        return next((wheel for wheel in self.wheels if wheel.name == name), None)


class _Faults:
    """Reads values out of TOML tables and remembers every fault with its key."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def add(self, key: str, text: str) -> None:
        self.said.append(f"{key}: {text}")

    def known(self, table: Mapping[str, Any], keys: tuple[str, ...], where: str) -> None:
        for key in table:
            if key not in keys:
                near = difflib.get_close_matches(key, keys, n=1)
                guess = f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(keys)}"
                self.add(f"{where}{key}", f"unknown key{guess}")

    def text(
        self, table: Mapping[str, Any], key: str, where: str, *, needed: bool = False,
        pattern: re.Pattern[str] | None = None, default: str = "",
    ) -> str:
        if key not in table:
            if needed:
                self.add(f"{where}{key}", "missing")
            return default
        value: object = table[key]
        if not isinstance(value, str):
            self.add(f"{where}{key}", f"must be a string, not {value!r}")
            return default
        if needed and not value:
            self.add(f"{where}{key}", "must not be empty")
        elif pattern and value and not pattern.match(value):
            self.add(f"{where}{key}", f"{value!r} is not valid here")
        return value

    def texts(self, table: Mapping[str, Any], key: str, where: str,
              default: tuple[str, ...] = ()) -> tuple[str, ...]:
        value = table.get(key, default)
        if not isinstance(value, (list, tuple)) or not all(isinstance(one, str) for one in value):
            self.add(f"{where}{key}", f"must be a list of strings, not {value!r}")
            return default
        return tuple(value)

    def number(self, table: Mapping[str, Any], key: str, where: str) -> int:
        value = table.get(key, 0)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            self.add(f"{where}{key}", f"must be a whole number, 0 or more, not {value!r}")
            return 0
        return value

    def tables(self, table: Mapping[str, Any], key: str) -> list[tuple[str, Mapping[str, Any]]]:
        value = table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            self.add(key, f"must be an array of tables: [[{key}]]")
            return []
        return [(f"{key}[{one.get('name', number + 1)}].", one) for number, one in enumerate(value)]

    def one(self, table: Mapping[str, Any], key: str) -> Mapping[str, Any]:
        value = table.get(key, {})
        if not isinstance(value, dict):
            self.add(key, f"must be a table: [{key}]")
            return {}
        return value


def parse(document: Mapping[str, Any], origin: str) -> Chain:
    """Make a Chain of a parsed TOML document; ``origin`` names the file in messages.

    Raises ConfigurationError with every fault at once, each with its key.
    """
    faults = _Faults()
    faults.known(document, ("chain", "source", "wheel", "build-tool", "debian", "trial", "security"), "")
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
    sources = (*(_source(faults, *one) for one in faults.tables(document, "source")), *security)
    tools = tuple(_pin(faults, where, table) for where, table in faults.tables(document, "build-tool"))
    wheels = tuple(_wheel(faults, *one, tools) for one in faults.tables(document, "wheel"))
    names = [*(source.name for source in sources), *(wheel.name for wheel in wheels)]
    for name in sorted({name for name in names if name and names.count(name) > 1}):
        faults.add(name, "named more than once")
    if not names:
        faults.add("source", "missing: a chain has at least one [[source]] or [[wheel]]")
    chain = Chain(
        name=faults.text(head, "name", "chain.", needed=bool(head)),
        release=release_name,
        sources=sources,
        wheels=wheels,
        build_tools=tools,
        tool_suites=tool_suites,
        without_suites=without_suites,
        profiles=faults.texts(head, "profiles", "chain.", DEFAULT_PROFILES),
        path_excludes=faults.texts(head, "path-excludes", "chain.", DEFAULT_PATH_EXCLUDES),
        trial=_trial(faults, faults.one(document, "trial")),
        summary=faults.text(head, "summary", "chain."),
        security=tuple(member.name for member in security),
        debian=tuple(_debian(faults, *one) for one in faults.tables(document, "debian")),
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


def _security(faults: _Faults, table: Mapping[str, Any]) -> tuple[SourceMember, ...]:
    faults.known(table, ("sources",), "security.")
    names = faults.texts(table, "sources", "security.")
    return tuple(_source(faults, "security.sources: ", {"name": name}) for name in names)


def _trial(faults: _Faults, table: Mapping[str, Any]) -> Trial:
    faults.known(table, ("packages", "python", "before", "commands"), "trial.")
    return Trial(
        faults.texts(table, "packages", "trial."), faults.text(table, "python", "trial."),
        faults.texts(table, "before", "trial."), faults.texts(table, "commands", "trial."))


def _source(faults: _Faults, where: str, table: Mapping[str, Any]) -> SourceMember:
    faults.known(table, ("name", "suite", "version", "profiles", "build-packages", "revision",
                         "accept-losses", "answers"), where)
    suite = faults.text(table, "suite", where)
    if suite and not releases.is_suite(suite):
        faults.add(f"{where}suite", f"unknown suite {suite!r}")
    packages = faults.texts(table, "build-packages", where)
    for package in packages:
        # They become a line of a control file.
        if not _PACKAGE.match(package):
            faults.add(f"{where}build-packages", f"{package!r} is not NAME or NAME:ARCHITECTURE")
    revision = table.get("revision", 0)
    if type(revision) is not int or not 0 <= revision < 1000:
        faults.add(f"{where}revision", f"must be a whole number from 0 to 999, not {revision!r}")
        revision = 0
    answers = faults.text(table, "answers", where)
    if answers and answers not in MODES:
        faults.add(f"{where}answers", f"must be one of {', '.join(MODES)}, not {answers!r}")
    return SourceMember(
        faults.text(table, "name", where, needed=True, pattern=_SOURCE_NAME), suite,
        faults.text(table, "version", where, pattern=_VERSION), faults.texts(table, "profiles", where),
        packages, revision, _accepted(faults, where, table), answers,
    )


def _accepted(faults: _Faults, where: str, table: Mapping[str, Any]) -> tuple[AcceptedLoss, ...]:
    found = []
    for text in faults.texts(table, "accept-losses", where):
        accepted = parse_accepted(text)
        if accepted is None:
            faults.add(f"{where}accept-losses", f"{text!r} is not 'PATTERN: reason'")
        else:
            found.append(accepted)
    return tuple(found)


_PIN_KEYS = ("name", "version", "file", "sha256")


def _pin(faults: _Faults, where: str, table: Mapping[str, Any], more: tuple[str, ...] = ()) -> PinnedFile:
    faults.known(table, (*_PIN_KEYS, *more), where)
    return PinnedFile(
        faults.text(table, "name", where, needed=True),
        faults.text(table, "version", where, needed=True),
        faults.text(table, "file", where, needed=True),
        faults.text(table, "sha256", where, needed=True, pattern=_SHA256),
    )


def _debian(faults: _Faults, where: str, table: Mapping[str, Any]) -> DebianPackage:
    faults.known(table, ("name", "package", "epoch"), where)
    return DebianPackage(
        faults.text(table, "name", where, needed=True), faults.text(table, "package", where, needed=True),
        faults.number(table, "epoch", where))


def _wheel(
    faults: _Faults, where: str, table: Mapping[str, Any], tools: tuple[PinnedFile, ...]
) -> WheelMember:
    lists = ("build-requires", "host-needs", "build-packages", "environment", "settings", "requires",
             "also-requires", "replaces", "optional-modules")
    pin = _pin(faults, where, table, (
        "python", "package", "smoke", "resolved-for", "epoch", "revision", *lists))
    wheel = WheelMember(
        pin.name,
        faults.text(table, "python", where, needed=True, pattern=re.compile(r"(2\.7|3\.\d+)\Z")),
        pin,
        package=faults.text(table, "package", where),
        smoke=faults.text(table, "smoke", where),
        resolved_for=faults.text(table, "resolved-for", where, pattern=re.compile(r"\d+\.\d+\.\d+\Z")),
        epoch=faults.number(table, "epoch", where),
        revision=faults.text(table, "revision", where, pattern=re.compile(r"[A-Za-z0-9+.~]+\Z")),
        **{key.replace("-", "_"): faults.texts(table, key, where) for key in lists},
    )
    for key, texts in (("requires", wheel.requires), ("also-requires", wheel.also_requires)):
        for text in texts:
            try:
                Requirement(text)
            except InvalidRequirement:
                faults.add(f"{where}{key}", f"{text!r} is not a requirement (PEP 508)")
    known = {text for tool in tools for text in (tool.name, f"{tool.name}=={tool.version}")}
    for name in wheel.build_requires:
        if name not in known:
            faults.add(f"{where}build-requires", f"{name!r} is not among the [[build-tool]] tables")
    return wheel


_TARGET = re.compile(r"(?P<name>[^=/]+)(=(?P<version>[^/]+))?(/(?P<suite>.+))?\Z")


def parse_target(text: str) -> SourceMember:
    """Read ``SOURCE[=VERSION][/SUITE]`` from the command line, as apt-get source writes it."""
    match = _TARGET.match(text)
    faults = _Faults()
    table = {key: value for key, value in (match.groupdict() if match else {}).items() if value}
    member = _source(faults, f"{text}: ", table)
    if faults.said:
        raise ConfigurationError(
            f"{text!r} does not name a source", "\n".join(faults.said),
            "Write SOURCE, SOURCE=VERSION, SOURCE/SUITE or SOURCE=VERSION/SUITE, such as expat/bookworm.")
    return member
