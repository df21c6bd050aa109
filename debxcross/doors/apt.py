# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to apt outside build roots: an isolated directory, verified indexes, questions.

apt itself verifies signatures, downloads sources and decides what can be installed.
Nothing of the machine's own apt is touched; only its mirrors and its download settings
are read.
"""
from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from debxcross.core.archive.mirror import ReleaseFile, check_served, read_release
from debxcross.core.archive.world import World, apt_configuration
from debxcross.core.border import is_name, is_sha256, read_json, size_of
from debxcross.core.build.commands import LOCAL, LOCAL_RELEASE
from debxcross.core.build.environment import PackageFile
from debxcross.core.key import digest
from debxcross.doors import files, process
from debxcross.errors import (
    DebxcrossError, DiskFullError, FetchError, HostError, UnreachableError, UnsatisfiableError,
    UnsupportedError, VerificationError, without_logins,
)

_PACKAGE_ROOT = Path(__file__).resolve().parents[2]


def _private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, from its first byte on."""
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def ask(request: Mapping[str, Any], configuration: Path | None = None) -> Any:
    """Ask python-apt, in a child process of its own, and return its answer."""
    environment = {"PYTHONPATH": str(_PACKAGE_ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    if configuration is not None:
        environment["APT_CONFIG"] = str(configuration)
    done = process.run(
        [sys.executable, "-m", "debxcross.doors.apt_child"],
        stdin=json.dumps(request), environment=environment)
    if done.exit_status:
        if "No module named 'apt" in done.stderr:
            raise HostError("this Python has no python-apt",
                            resolution="Install python3-apt and run debxcross with /usr/bin/python3 "
                                       "(make an environment with --system-site-packages).")
        if "must put some 'deb-src'" in done.stderr:
            raise UnsupportedError(
                "the archives have no source packages", "Their indexes of sources are empty.",
                "Name a mirror that has them (mirrors.main in debxcross.toml).")
        if "No space left on device" in done.stderr:
            done.check(DiskFullError, "no space left while apt read the indexes",
                       "Free some space, then run the same command again: what is finished is kept.")
        done.check(HostError, "apt could not answer", "Run 'debxcross doctor'.")
    try:
        return read_json(done.stdout)
    except ValueError as error:
        raise VerificationError(
            "what apt says of the indexes cannot be read", str(error),
            "An index of the mirror is odd: name another (mirrors.main, mirrors.security in debxcross.toml).",
        ) from error


def build_architecture() -> str:
    """Return the Debian name of the machine's architecture."""
    done = process.run(["dpkg", "--print-architecture"])
    return done.check(HostError, "dpkg does not tell this machine's architecture").stdout.strip()


#: apt's words for a signature that is not there or not right, and for bytes that are other ones.
_UNSIGNED = "GPG error|not signed|NO_PUBKEY|invalid signature|EXPKEYSIG|BADSIG"
_OTHER_BYTES = "has unexpected size|Mirror sync in progress"
_NOBODY = (r"Could not (resolve|connect)|Unable to connect|Connection (refused|reset|failed|timed out)|"
           r"Network is unreachable|No route to host|Temporary failure|[Tt]imed out")


def between_states(error: FetchError) -> bool:
    """Tell whether indexes could not be had because the mirror has those of two states.

    Then one is not what the signed Release says, while the Release itself is signed and valid.
    """
    return (re.search(f"Hash Sum mismatch|{_OTHER_BYTES}", error.details) is not None
            and not re.search(rf"{_UNSIGNED}|is (expired|not valid yet)", error.details))


def raise_for_apt(done: process.Completed, brief: str) -> None:
    """Raise the error that fits what apt said; nothing when it ended well."""
    if done.exit_status == 0:
        return
    said = _words(done) or "\n".join((done.stderr + done.stdout).splitlines()[-15:])
    details = f"{said}\n\n{done.ending}"
    error: type[DebxcrossError]
    if re.search(f"{_UNSIGNED}|Hash Sum mismatch", said):
        error, cure = VerificationError, (
            "Nothing of it is used. Check the mirror and the keyring "
            "(mirrors.* and mirrors.keyrings in debxcross.toml).")
    elif re.search(r"is (expired|not valid yet)", said):
        error, cure = VerificationError, (
            "Compare this machine's clock with a watch. If it is right, the mirror is stale: name another "
            "(mirrors.main, mirrors.security in debxcross.toml), or take what it has with "
            "mirrors.check-valid-until = false; archives of snapshots may be old.")
    elif re.search(_OTHER_BYTES, said):
        error, cure = FetchError, (
            "The mirror is between two states, or its cache is stale. Try again later, configure another "
            "mirror (mirrors.main, mirrors.security in debxcross.toml), name the directory in which it is "
            "whole (mirrors.suites), or leave that suite out with --without SUITE.")
    elif re.search(r"No space left|enough free space", said):
        error, cure = DiskFullError, "Free some space, then run the same command again."
        brief = f"no space left: {brief}"
    elif re.search(rf"\b404\b|Failed to fetch|(have|has) a Release file|Unable to fetch|{_NOBODY}", said):
        error, cure = UnreachableError if re.search(_NOBODY, said) else FetchError, (
            "Check the network and the mirrors; add a fallback mirror, such as an archive of old "
            "releases, to mirrors.main or mirrors.security in debxcross.toml.")
    else:
        error, cure = UnsatisfiableError, (
            "These are apt's own words. Add the source of what is missing to the chain, or take it from "
            "another suite.")
    raise error(brief, details, cure)


def _words(done: process.Completed) -> str:
    """Return what apt says went wrong: unmet dependencies (on standard output) and its E: and W: lines.

    Indented lines belong to the one above them.
    """
    kept: list[str] = []
    keeping = False
    for line in (*done.stdout.splitlines(), *done.stderr.splitlines()):
        if not line.startswith(" "):
            keeping = line.startswith(("The following packages have unmet dependencies", "E:", "W:"))
        if keeping:
            kept.append(line.rstrip())
    return "\n".join(kept)


@dataclass(frozen=True)
class AptRoot:
    """An isolated apt directory for a world; a view names in ``over`` what it looks into."""

    directory: Path
    world: World
    acquire: tuple[tuple[str, str], ...]
    over: Path | None = None

    @property
    def configuration(self) -> Path:
        """The file that APT_CONFIG names."""
        return self.directory / "apt.conf"

    @property
    def lists(self) -> Path:
        """Where apt keeps the verified indexes."""
        return self.directory / "var/lib/apt/lists"

    @property
    def mirror_files(self) -> dict[str, str]:
        """Return the file with each archive's mirrors, by role."""
        # Their paths stand in the names of index files, which a view shares with the directory
        # it looks into.
        place = self.over or self.directory
        return {use.archive.role: str(place / f"mirrors-{use.archive.role}.txt")
                for use in self.world.suites}

    def write(self, status: str = "", local: str = "") -> None:
        """Write the files apt reads; ``status`` is a dpkg status database's text.

        Those with the mirrors' and proxies' passwords are for this user alone.
        """
        for name in ("etc/apt/apt.conf.d", "etc/apt/preferences.d", "etc/apt/sources.list.d",
                     "etc/apt/trusted.gpg.d", "var/lib/apt/lists/partial",
                     "var/cache/apt/archives/partial", "var/lib/dpkg"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        files = self.mirror_files
        for use in () if self.over else self.world.suites:
            lines = [f"{uri}\tpriority:{number}" for number, uri in enumerate(use.archive.uris, 1)]
            _private(Path(files[use.archive.role]), "\n".join(lines) + "\n")
        world = self.world
        _private(self.directory / "etc/apt/sources.list", world.sources_list(files, local, logins=True))
        (self.directory / "etc/apt/preferences").write_text(world.preferences())
        (self.directory / "var/lib/dpkg/status").write_text(status)
        _private(self.configuration, apt_configuration(
            str(self.directory), world.build_architecture, world.architectures, self.acquire,
            # With a fallback at hand the next mirror is asked, not the same one again.
            0 if any(len(use.archive.uris) > 1 for use in world.suites) else 3, world.renamed(files)))

    def view(self, directory: Path, world: World, *, status: str = "", local: str = "") -> AptRoot:
        """Return another apt over the same verified indexes: a part of the world, other packages.

        ``local`` is the text of a Packages file that is offered beside the archive.
        """
        view = AptRoot(directory, world, self.acquire, self.over or self.directory)
        view.write(status, LOCAL if local else "")
        for path in self.lists.glob("*_*"):
            (view.lists / path.name).symlink_to(path)
        if local:
            # The names apt gives to what it has of "deb file:/debxcross/local ./".
            name = f"{LOCAL.replace('/', '_')}_._"
            (view.lists / f"{name}Packages").write_text(local)
            (view.lists / f"{name}Release").write_text(LOCAL_RELEASE)
        return view

    def update(self, maximum_age: float) -> bool:
        """Fetch and verify the indexes unless they are younger than ``maximum_age`` seconds.

        Returns whether apt was asked.  Raises FetchError or VerificationError in apt's words,
        HostError for a keyring that is not there; fall_back() then goes back to what was whole.
        """
        # An older debxcross let everybody read them.
        for path in (self.configuration, self.directory / "etc/apt/sources.list",
                     *self.directory.glob("mirrors-*.txt")):
            path.chmod(0o600)
        if self.is_fresh(maximum_age):
            return False
        keyrings = {keyring for use in self.world.suites for keyring in use.archive.keyrings}
        if absent := sorted(keyring for keyring in keyrings if not Path(keyring).is_file()):
            raise HostError(
                f"the keyring {absent[0]} does not exist", "apt cannot verify the archive without it.",
                "Install the Debian package debian-archive-keyring, or name your mirror's keyring in "
                "mirrors.keyrings in debxcross.toml.")
        if self._stamp.exists() and not self._whole.exists():
            self._keep()  # an older debxcross fetched them
        done = self.run(["apt-get", "update", "-q", "--error-on=any"])
        raise_for_apt(done, "the package indexes could not be fetched")
        check_served(self.world.suites, self.releases())
        self._keep()
        self._stamp.touch()
        return True

    @property
    def _stamp(self) -> Path:
        return self.directory / "updated"

    @property
    def _whole(self) -> Path:
        """Links to the indexes of the last update in which nothing failed."""
        return self.directory / "whole"

    def _keep(self) -> None:
        new = self.directory / "whole.new"
        for path in (new, self._whole):
            shutil.rmtree(path, ignore_errors=True)
        new.mkdir()
        # apt never writes into a file that has its name already.
        for path in self.lists.glob("*_*"):
            os.link(path, new / path.name)
        new.rename(self._whole)

    def fall_back(self) -> float | None:
        """Have the indexes of the last update in which nothing failed; return when that was.

        In seconds since the epoch; None, with nothing changed, when there never was one.  An update
        that failed may have replaced those of some suites.
        """
        if not (self._stamp.exists() and self._whole.exists()):
            return None
        kept = {path.name for path in self._whole.iterdir()}
        for name in kept:
            link = self.lists / f"partial/{name}"
            link.unlink(missing_ok=True)
            os.link(self._whole / name, link)
            link.replace(self.lists / name)
            link.unlink(missing_ok=True)  # of two names of one file, rename(2) leaves both
        for path in self.lists.glob("*_*"):
            if path.name not in kept:
                path.unlink()
        return self._stamp.stat().st_mtime

    def is_fresh(self, maximum_age: float) -> bool:
        """Say whether the indexes were fetched less than ``maximum_age`` seconds ago."""
        return self._stamp.exists() and 0 <= time.time() - self._stamp.stat().st_mtime < maximum_age

    def run(self, argv: Sequence[str], **more: Any) -> process.Completed:
        """Run an apt tool on this directory."""
        return process.run(argv, environment={"APT_CONFIG": str(self.configuration)}, **more)

    def releases(self) -> dict[str, ReleaseFile]:
        """Return what the InRelease of each suite says, by suite."""
        places = {(use.archive.role if use.archive.added else "", use.place.replace("/", "_")): use.suite
                  for use in self.world.suites}
        roles = {role for role, _ in places}
        found = {}
        for path in sorted(self.lists.glob("*_dists_*Release")):
            head, _, tail = path.name.partition("_dists_")
            listed = re.search(r"_mirrors-([a-z0-9-]+)\.txt\Z", head)
            role = listed[1] if listed and listed[1] in roles else ""
            place = tail.removesuffix("_InRelease").removesuffix("_Release")
            data = path.read_bytes()
            found[places.get((role, place), place)] = read_release(
                data.decode(errors="replace"), hashlib.sha256(data).hexdigest())
        return found

    def show_pins(self) -> None:
        """Write apt's preferences anew: what archives are called is known when they have been read."""
        path, text = self.directory / "etc/apt/preferences", self.world.preferences()
        if path.read_text() != text:
            files.write(path, text)

    def carried(self) -> dict[str, tuple[str, ...]]:
        """Return the architectures each suite's InRelease lists."""
        return {suite: one.architectures for suite, one in self.releases().items()}

    def release_digests(self) -> dict[str, str]:
        """Return the sha256 of each index's InRelease, by suite."""
        return {suite: one.sha256 for suite, one in self.releases().items()}

    def state(self, world: World) -> str:
        """Return a digest of everything this apt's answers for ``world`` depend on."""
        suites = {use.suite for use in world.suites}
        releases = {name: value for name, value in self.release_digests().items() if name in suites}
        return digest({"world": world, "releases": releases})

    def ask(self, request: Mapping[str, Any]) -> Any:
        """Ask python-apt about this directory."""
        return ask(request, self.configuration)

    def download_source(self, name: str, version: str, directory: Path) -> tuple[Path, ...]:
        """Fetch and verify a source package with ``apt-get source``; return its files.

        Raises FetchError naming the file and where it was looked for, VerificationError for
        a wrong digest.
        """
        directory.mkdir(parents=True, exist_ok=True)
        done = self.run(
            ["apt-get", "source", "--download-only", "-q", f"{name}={version}"], directory=directory)
        raise_for_apt(done, f"the source {name} {version} could not be fetched")
        return tuple(sorted(path for path in directory.iterdir() if path.is_file()))


#: A line of ``apt-get --print-uris``: 'URI' FILENAME SIZE HASH
_URI_LINE = re.compile(r"^'(?P<uri>[^']+)' (?P<file>\S+) (?P<size>\d+) (?P<hash>\S*)$", re.MULTILINE)


def parse_print_uris(text: str) -> tuple[PackageFile, ...]:
    """Read the output of ``apt-get --print-uris``, by file name.

    Addresses have no logins: they are remembered, locked and shown.  Raises VerificationError when
    the strongest digest offered is not SHA256, or a name is that of no file.
    """
    found = []
    for match in _URI_LINE.finditer(text):
        kind, _, value = match["hash"].partition(":")
        if not (is_name(match["file"]) and len(match["size"]) < 20):
            raise VerificationError(
                f"the index names a file {match['file'][:160]!r}", match[0][:400],
                "Nothing of it is used. Check the mirror.")
        if kind != "SHA256" or not is_sha256(value):
            raise VerificationError(
                f"the index has no SHA256 for {match['file']}", match[0],
                "Use a repository whose Packages files carry SHA256.")
        found.append(PackageFile(without_logins(match["uri"]), match["file"], size_of(match["size"]), value))
    return tuple(sorted(found, key=lambda one: one.file))
