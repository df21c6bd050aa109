# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to roots: base roots from mmdebstrap, and commands inside throw-away overlays.

Ordinary users and root run the same code; the difference is one user namespace.  With
isolation "none" (a container that is itself throw-away and allows no namespaces) a root is
copied instead of overlaid and entered with chroot alone; it then shares the network.
"""
from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from debxcross.core.build.log import lines_that_matter, tells_of_full_disk
from debxcross.doors import process
from debxcross.errors import DiskFullError, HostError

_INSIDE = Path(__file__).with_name("chroot_inside.sh")
#: A disk with less room than this counts as full: a program may have found too little, in bytes and files.
_LEAST_ROOM = 16 << 20
_LEAST_FILES = 64
#: How often a disk is looked at, in seconds.
_LOOKS = 0.05


class _Room:
    """Watches, while something runs, whether the disk of some directory gets full.

    Exit status 0 does not tell: a configure script that has no room for its test programs
    concludes that the compiler cannot do what was tried, and goes on.
    """

    def __init__(self, *places: Path) -> None:
        self._places = places
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        #: The first directory that was full.
        self.full: Path | None = None

    def __enter__(self) -> _Room:
        self._thread.start()
        return self

    def __exit__(self, *error: Any) -> None:
        self._over.set()
        self._thread.join()
        self._look()

    def _watch(self) -> None:
        self._look()
        while self.full is None and not self._over.wait(_LOOKS):
            self._look()

    def _look(self) -> None:
        for place in self._places:
            status = os.statvfs(place)
            # Some file systems do not count files.
            few = status.f_files and status.f_favail < _LEAST_FILES
            if few or status.f_bavail * status.f_frsize < _LEAST_ROOM:
                self.full = self.full or place

    def error(self, said: str, cure: str) -> DiskFullError:
        """Return what to raise; ``said`` is the output of what ran, ``cure`` names the other places."""
        pieces = ["\n".join(lines_that_matter(said))] if tells_of_full_disk(said) else []
        if self.full:
            pieces.append(f"Less than {_LEAST_ROOM >> 20} MB were left for a moment. Not every program that "
                          "finds no room\nsays so, or fails: nothing of this is kept.")
        return DiskFullError(
            f"no space left on the device below {self.full or self._places[0]}", "\n\n".join(pieces),
            f"Free some space or name another place ({cure}); then run the same command again: "
            "what is finished is kept.")


def _unshare(network: bool, user: bool) -> tuple[str, ...]:
    """Return the argv that makes the namespaces; ``network`` keeps the machine's."""
    return (
        "unshare",
        *(("--user", "--map-root-user", "--map-auto") if user else ()),
        "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child",
        *(() if network else ("--net",)),
        "--",
    )


@dataclass(frozen=True)
class Chroots:
    """How this run enters roots."""

    isolation: str = "unshare"

    @property
    def _needs_user_namespace(self) -> bool:
        return self.isolation == "unshare" and os.geteuid() != 0

    @property
    def _method(self) -> str:
        if self.isolation == "none":
            return "copy"
        # Without userxattr, an overlay in a user namespace cannot delete directories of the base.
        identity = ["0", "0", "4294967295"]
        mapped = self._needs_user_namespace or Path("/proc/self/uid_map").read_text().split() != identity
        return "overlay-userxattr" if mapped else "overlay"

    def _as_root(self, argv: Sequence[str]) -> tuple[str, ...]:
        """Return argv run as (mapped) root, so that it may own and delete a root's files."""
        if self._needs_user_namespace:
            return ("unshare", "--user", "--map-root-user", "--map-auto", "--", *argv)
        return tuple(argv)

    def check(self, place: Path | None = None) -> None:
        """Raise HostError when roots cannot be entered on this machine, with the cure.

        With an empty directory ``place``, also when there can be none on its file system.
        """
        if self.isolation == "none":
            if os.geteuid() != 0:
                raise HostError(
                    "--isolation none needs root",
                    resolution="It is for throw-away containers, where one usually is root. "
                               "Elsewhere leave it out: namespaces need no privileges.")
            return
        done = process.run([*_unshare(False, self._needs_user_namespace), "true"])
        if done.exit_status == 0:
            if place is not None:
                self._check_overlay(place)
            return
        raise HostError(
            "this machine does not let us make namespaces",
            done.stderr.strip(),
            "Run 'debxcross doctor': it tells which setting is in the way and the command that mends it. "
            "In a throw-away container use --isolation none.",
        )

    def _check_overlay(self, place: Path) -> None:
        for name in ("lower", "upper", "work", "merged"):
            (place / name).mkdir()
        done = process.run(
            [*_unshare(False, self._needs_user_namespace), "mount", "-t", "overlay", "-o",
             "lowerdir=lower,upperdir=upper,workdir=work"
             + (",userxattr" if self._method == "overlay-userxattr" else ""), "overlay", "merged"],
            directory=place)
        if done.exit_status:
            raise HostError(
                f"no build root can be laid over another below {place.parent}", done.stderr.strip(),
                "Put the store on ext4, xfs, btrfs or tmpfs with --store ('debxcross doctor' tries it); the "
                "file system of a container is often an overlay itself. In a throw-away container, add "
                "--isolation none.")

    def make_root(
        self, target: Path, release: str, sources_list: Path, architectures: Sequence[str],
        packages: Sequence[str], *, apt_options: Path, dpkg_options: Sequence[str],
        commands: Sequence[str], log: Path, variant: str = "buildd",
        hooks: Sequence[str] = (), epoch: int | None = None,
    ) -> None:
        """Make a root at ``target`` (which must not exist) with mmdebstrap and unpack it.

        ``commands`` are shell commands run in the new root before it is packed; ``hooks`` are
        more of mmdebstrap's own arguments, such as "--setup-hook=…".  With ``epoch``, no file is
        younger than that (SOURCE_DATE_EPOCH).  Raises HostError with the log's tail; the target
        is then gone.
        """
        tar = target.with_suffix(".tar")
        mode = "unshare" if self._needs_user_namespace else "root"
        argv = [
            "mmdebstrap", f"--mode={mode}", f"--variant={variant}", "--format=tar",
            f"--architectures={','.join(architectures)}", f"--aptopt={apt_options}",
            # The user _apt may not be let through to our keyrings and lists of mirrors.
            '--aptopt=APT::Sandbox::User "root"',
            *(f"--dpkgopt={option}" for option in dpkg_options),
            *((f"--include={','.join(packages)}",) if packages else ()),
            *(f"--customize-hook=chroot \"$1\" sh -c '{command}'" for command in commands),
            *hooks,
            *(("--skip=check/canmount",) if self.isolation == "none" else ()),
            release, str(tar), str(sources_list),
        ]
        environment = {"TMPDIR": os.environ["TMPDIR"]} if "TMPDIR" in os.environ else {}
        if epoch is not None:
            environment["SOURCE_DATE_EPOCH"] = str(epoch)
        # The target's own directory is a throw-away one, whose name would tell nobody anything.
        places = (target.parent.parent, Path(environment.get("TMPDIR", "/tmp")))
        room = _Room(*(place for place in places if place.is_dir()))
        try:
            with room:
                done = process.run(argv, log=log, environment=environment)
                if done.exit_status == 0:
                    target.mkdir()
                    done = process.run(self._as_root(
                        ["tar", "--extract", "--numeric-owner", "--preserve-permissions",
                         "--exclude=./dev/*", "--directory", str(target), "--file", str(tar)]), log=log)
            if done.exit_status or room.full:
                if target.exists():
                    self.remove(target)
                raise self._root_failed(done, log, room)
        finally:
            tar.unlink(missing_ok=True)

    @staticmethod
    def _root_failed(done: process.Completed, log: Path, room: _Room) -> HostError:
        said = log.read_text(errors="replace") if log.exists() else ""
        if room.full or tells_of_full_disk(said):
            return room.error(said, "--store; TMPDIR, where mmdebstrap unpacks")
        lines = said.splitlines()
        told = [line for line in lines if line.startswith(("E:", "W:", "dpkg: error", "tar: "))] or lines
        with log.open("a") as file:  # some 6 kB of packages and hooks
            file.write(f"{done.ending}\n")
        return HostError(
            "the base root could not be made", "\n".join(told[-12:]),
            f"The whole log, with the command at its end, is {log}. "
            "Run 'debxcross doctor' if it speaks of namespaces or subuids.")

    def remove(self, path: Path) -> None:
        """Delete a directory whatever users its files belong to."""
        argv = ["rm", "-rf", "--one-file-system", str(path)]
        # Without a subuid range there are no files of other users either.
        if self._needs_user_namespace and process.run(argv).exit_status == 0:
            return
        process.run(self._as_root(argv)).check(
            HostError, f"cannot delete {path}", "Its files may belong to others: delete it as root.")

    def move(self, source: Path, target: Path) -> None:
        """Rename a directory over another."""
        if target.exists():
            self.remove(target)
        source.rename(target)

    def session(self, base: Path, directory: Path) -> Session:
        """Return a throw-away root over ``base``; its changes are kept below ``directory``."""
        session = Session(self, base, directory)
        for part in (session.upper, session.overlay_work, session.root):
            part.mkdir(parents=True, exist_ok=True)
        if self.isolation == "none" and not (session.root / "usr").exists():
            process.run(["cp", "-a", "--reflink=auto", f"{base}/.", str(session.root)]).check(
                DiskFullError, f"cannot copy the base root to {session.root}",
                "Free some space, then run the same command again.")
        return session

    def argv(
        self, session: Session, command: Sequence[str], *, binds: Path, user: str, directory: str,
        network: bool, serve: str,
    ) -> tuple[str, ...]:
        """Return the whole command line that runs ``command`` inside a session's root."""
        prefix = () if self.isolation == "none" else _unshare(network, self._needs_user_namespace)
        return (
            *prefix, "sh", str(_INSIDE), self._method, str(session.base), str(session.upper),
            str(session.overlay_work), str(session.root), str(binds), sys.executable, serve, user, directory,
            *command,
        )


@dataclass(frozen=True)
class Session:
    """A throw-away root.  Commands in it see each other's changes; the base never changes."""

    chroots: Chroots
    base: Path
    directory: Path

    @property
    def upper(self) -> Path:
        """Where the changes are (with isolation none: the whole root)."""
        return self.root if self.chroots.isolation == "none" else self.directory / "upper"

    @property
    def overlay_work(self) -> Path:
        """Overlayfs's own directory."""
        return self.directory / "overlay-work"

    @property
    def root(self) -> Path:
        """Where the root is mounted, in the namespace only (with isolation none: a copy)."""
        return self.directory / "root"

    def command_line(
        self, command: Sequence[str], *, binds: Mapping[Path, str] | None = None,
        user: str = "root", directory: str = "/", network: bool = False, serve: str = "-",
    ) -> tuple[str, ...]:
        """Return the argv that runs a command inside; it can be pasted into a shell."""
        table = self.directory / "binds"
        table.write_text("".join(f"{outside}\t{inside}\n" for outside, inside in (binds or {}).items()))
        return self.chroots.argv(
            self, command, binds=table, user=user, directory=directory, network=network, serve=serve)

    def run(
        self, command: Sequence[str], *, binds: Mapping[Path, str] | None = None,
        user: str = "root", directory: str = "/", network: bool = False,
        log: Path | None = None, stdin: str = "", timeout: float | None = None,
        serve: Path | None = None, port: int = 0,
    ) -> process.Completed:
        """Run a command inside and return how it went.  Binds are read-only.

        With ``serve``, a web server for that directory listens at 127.0.0.1:``port`` of the
        root's own network as long as the command runs.  Raises DiskFullError, whatever the exit
        status, when there was no room meanwhile.
        """
        argv = self.command_line(command, binds=binds, user=user, directory=directory, network=network,
                                 serve=f"{port}:{serve}" if serve else "-")
        begin = log.stat().st_size if log and log.exists() else 0
        with _Room(self.directory.parent, *((log.parent,) if log else ())) as room:
            done = process.run(argv, log=log, stdin=stdin, timeout=timeout)
        said = _text_from(log, begin) if log else done.stdout + done.stderr
        if room.full or done.exit_status and tells_of_full_disk(said):
            raise room.error(said, "--store, --output")
        return done

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file into the root as (mapped) root."""
        self.run(["sh", "-c", 'umask 022; mkdir -p "$(dirname "$1")" && cat > "$1" && chmod "$2" "$1"', "sh",
                  path, f"{mode:o}"], stdin=text).check(HostError, f"cannot write {path} in the build root")


def _text_from(path: Path, begin: int) -> str:
    with path.open("rb") as file:
        file.seek(begin)
        return file.read().decode(errors="replace")
