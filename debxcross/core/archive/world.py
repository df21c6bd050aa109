# SPDX-License-Identifier: GPL-3.0-or-later
"""What apt may see: suites, where they come from, and how much each counts.

A World is turned into the three texts apt reads (sources.list, preferences, apt.conf).
The same texts are used by the isolated apt outside and by the apt inside a build root, so
both see the same index files and come to the same decisions.
"""
from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from debxcross.errors import without_logins

#: Results of this run win over everything, even when their version is lower: openssl 1.1.1
#: of the chain against 3.0 of the release.  Only in build roots, never on devices.
LOCAL_PRIORITY = 1001
LOCAL_ORIGIN = "debxcross-local"
#: Suites that only lend tools the release does not have.
TOOL_PRIORITY = 200
#: Archives that a chain adds: below the release (500), so that what the release has comes from there.
ARCHIVE_PRIORITY = 400
#: The archives of Debian, by what this tool calls them.
DEBIAN = ("main", "security")
#: How archives of snapshots name a time in their addresses: …/archive/debian/20250520T000000Z/
_SNAPSHOT = re.compile(r"/\d{8}T\d{6}Z(/|\Z)")


@dataclass(frozen=True)
class Archive:
    """A mirror network: its base URIs in the order they are tried, and its keyring files.

    ``expired`` says that its indexes may be past their Valid-Until; ``names`` are suites, with the
    directory below dists that has them where that is called otherwise.
    """

    role: str
    uris: tuple[str, ...]
    keyrings: tuple[str, ...]
    expired: bool = False
    names: tuple[tuple[str, str], ...] = ()

    @property
    def snapshot(self) -> bool:
        """Whether every mirror shows the archive as it was at a time that its address tells.

        Its Release files are then older than their Valid-Until, and rightly so.
        """
        return bool(self.uris) and all(_SNAPSHOT.search(uri) for uri in self.uris)

    @property
    def added(self) -> bool:
        """Whether it is none of Debian's, but one that a chain names."""
        return self.role not in DEBIAN

    def uri(self, mirror_files: Mapping[str, str]) -> str:
        """Return how a sources.list calls it: by its list of mirrors where there are several.

        So is one that a chain names: the role in the list's name tells its indexes from others'.
        """
        listed = self.added or len(self.uris) > 1
        return f"mirror+file:{mirror_files[self.role]}" if listed else self.uris[0]


@dataclass(frozen=True)
class SuiteUse:
    """How a suite is used: for which architectures' binaries, for sources, at which pin.

    ``priority`` 0 leaves apt's default (500).  ``carried`` is what InRelease lists; it is
    empty until the probe has read it, and so is ``pinned``, by which apt's preferences can name it
    (None for the suites of Debian that the tool knows: their code name).
    """

    suite: str
    archive: Archive
    architectures: tuple[str, ...]
    source: bool = False
    priority: int = 0
    carried: tuple[str, ...] = ()
    components: tuple[str, ...] = ("main",)
    pinned: str | None = None

    @property
    def added(self) -> bool:
        """Whether it is beside the release: a chain names it ([[archive]])."""
        return self.pinned is not None

    @property
    def place(self) -> str:
        """The directory below dists that has the suite."""
        return dict(self.archive.names).get(self.suite, self.suite)


@dataclass(frozen=True)
class World:
    """Everything apt may choose from."""

    build_architecture: str
    host_architecture: str
    suites: tuple[SuiteUse, ...]

    @property
    def architectures(self) -> tuple[str, ...]:
        """Build and host architecture, without repetition."""
        return tuple(dict.fromkeys((self.build_architecture, self.host_architecture)))

    @property
    def without_archive(self) -> bool:
        """Whether no suite of the release carries the host architecture.

        Its libraries are then shims (core.build.shims) and what is built.  A suite that has not been
        read may carry it; with a lock there are no suites, and the lock tells.
        """
        host = self.host_architecture
        own = [use for use in self.suites
               if use.architectures and use.priority != TOOL_PRIORITY and not use.added]
        return bool(own) and not any(host in (use.carried or (host,)) for use in own)

    def binaries_for(self, suite: SuiteUse) -> tuple[str, ...]:
        """Return the architectures whose binaries are really used from a suite."""
        if not suite.carried:
            return suite.architectures
        return tuple(name for name in suite.architectures if name in suite.carried)

    def sources_list(self, mirror_files: Mapping[str, str], local: str = "", *, logins: bool = False) -> str:
        """Return a sources.list; only with ``logins`` are the mirrors' passwords in it.

        ``mirror_files`` maps an archive's role to the file with its list of mirrors, used
        where there are several (apt-transport-mirror(1)).  ``local`` is the directory of
        the results of this run; the tool wrote it itself, hence trusted.
        """
        lines = []
        if local:
            lines.append(f"deb [trusted=yes] file:{local} ./")
        for use in self.suites:
            archive = use.archive
            uri = archive.uri(mirror_files)
            uri = uri if logins else without_logins(uri)
            trust = f"signed-by={','.join(archive.keyrings)}"
            trust += " check-valid-until=no" if archive.snapshot or archive.expired else ""
            components = " ".join(use.components)
            if architectures := self.binaries_for(use):
                options = f"[arch={','.join(architectures)} {trust}]"
                lines.append(f"deb {options} {uri} {use.place} {components}")
            if use.source:
                lines.append(f"deb-src [{trust}] {uri} {use.place} {components}")
        return "\n".join(lines) + "\n"

    def renamed(self, mirror_files: Mapping[str, str]) -> tuple[tuple[str, str, str], ...]:
        """Return (address, directory below dists, suite) of suites whose directory is called otherwise."""
        return tuple((without_logins(use.archive.uri(mirror_files)).rstrip("/"), use.place, use.suite)
                     for use in self.suites if use.place != use.suite)

    def preferences(self) -> str:
        """Return apt preferences: local results first, tool suites last.

        The local results are named by their Release's Origin: ``Pin: origin ""`` would also
        match every archive that is reached through a list of mirrors.
        """
        local = f"Package: *\nPin: release o={LOCAL_ORIGIN}\nPin-Priority: {LOCAL_PRIORITY}\n"
        return "\n".join(filter(None, (local, self.pins())))

    def pins(self) -> str:
        """Return the part of preferences() that is about the archives."""
        return "\n".join(
            f"Package: *\nPin: release {words}\nPin-Priority: {use.priority}\n"
            for use in self.suites if use.priority for words in self._pinned(use))

    @staticmethod
    def _pinned(use: SuiteUse) -> tuple[str, ...]:
        if use.pinned is None:
            return (f"n={use.suite}",)
        return tuple(f"{use.pinned},c={component}" for component in use.components if use.pinned)

    def with_carried(self, carried: Mapping[str, tuple[str, ...]]) -> World:
        """Return the world with what each suite's InRelease says it carries."""
        return replace(self, suites=tuple(
            replace(use, carried=carried.get(use.suite, ())) for use in self.suites))

    def with_pins(self, pins: Mapping[str, str]) -> World:
        """Return the world in which apt's preferences can name the suites that a chain adds."""
        return replace(self, suites=tuple(
            replace(use, pinned=pins.get(use.suite, "")) if use.added else use for use in self.suites))

    def of_release(self) -> World:
        """Return what base roots are made of: the release's suites alone, no tools, nothing added."""
        return replace(self, suites=tuple(
            use for use in self.suites if use.priority != TOOL_PRIORITY and not use.added))

    def for_build_root(self) -> World:
        """Return what a build root may see: suites that carry both architectures, and tool suites.

        A suite with one of the two would put libX:amd64 and libX:HOST at different
        versions, which Multi-Arch: same forbids (dpkg, "MultiArch/Spec").  Where no suite has the
        host architecture, each gives what the build architecture needs.  What a chain adds counts
        less, and may have one alone.
        """
        both = {self.build_architecture} if self.without_archive else set(self.architectures)
        return replace(self, suites=tuple(
            replace(use, source=False) for use in self.suites
            if use.architectures and (use.priority == TOOL_PRIORITY or both <= set(use.carried)
                                      or use.added and both & set(use.carried))))

    def for_device(self) -> World:
        """Return what the device sees of Debian: the release's suites with its architecture.

        Before the probe has read what a suite carries, it may have it.  Where no suite has it, the
        packages for all architectures are found in the build architecture's indexes, of which
        BarbarianArchitectures keeps the rest out.
        """
        host = self.host_architecture
        if self.without_archive:
            build = self.build_architecture
            return World(host, build, tuple(
                replace(use, architectures=(build,), source=False) for use in self.suites
                if use.architectures and use.priority != TOOL_PRIORITY))
        return World(host, host, tuple(
            replace(use, architectures=(host,), source=False) for use in self.suites
            if use.architectures and use.priority != TOOL_PRIORITY and host in (use.carried or (host,))))

    def left_out(self) -> tuple[str, ...]:
        """Return the suites of the release that for_build_root() leaves out."""
        kept = {use.suite for use in self.for_build_root().suites}
        return tuple(use.suite for use in self.suites if use.architectures and use.suite not in kept)


def apt_configuration(
    directory: str,
    build_architecture: str,
    architectures: tuple[str, ...],
    acquire: tuple[tuple[str, str], ...] = (),
    retries: int = 3,
    renamed: tuple[tuple[str, str, str], ...] = (),
) -> str:
    """Return an apt.conf for an apt that sees nothing of the machine but ``acquire``.

    ``acquire`` are the machine's own download settings (proxies, certificates), name and
    value.  BarbarianArchitectures (apt 2.3.10) keeps apt from taking a host-architecture
    interpreter for a tool that is asked for with ``:any`` (Debian bug #1071246).  ``renamed`` is for
    our own questions (World.renamed); apt keeps what it does not know.
    """
    foreign = [name for name in architectures if name != build_architecture]
    lines = [
        f'Dir "{directory}";',
        f'Dir::State::status "{directory}/var/lib/dpkg/status";',
        'Dir::Log "/dev/null";',
        f'APT::Architecture "{build_architecture}";',
        "APT::Architectures { " + " ".join(f'"{name}";' for name in architectures) + " };",
        'APT::Sandbox::User "";',
        'APT::Install-Recommends "false";',
        'Acquire::Languages "none";',
        f'Acquire::Retries "{retries}";',
        *(f'APT::BarbarianArchitectures {{ "{name}"; }};' for name in foreign),
        *(f'{name} "{value}";' for name, value in acquire),
        *(f'debxcross::renamed:: "{" ".join(words)}";' for words in renamed),
    ]
    return "\n".join(lines) + "\n"
