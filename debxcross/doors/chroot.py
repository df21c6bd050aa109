# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to roots: base roots from mmdebstrap, and commands inside throw-away overlays.

Ordinary users and root run the same code.  A root's users have ids of a subordinate range
(subuid(5)), on the disk and while they run: neither the machine's root nor whoever runs us has an id
inside.  docs/security.md tells what that and the rest of chroot_inside.sh and chroot_enter.py keep out.
With isolation "none" (a container that is itself throw-away and allows no namespaces) a root is
copied instead of overlaid and entered with chroot alone; it then shares ids and network.
"""
from __future__ import annotations

import functools
import os
import pwd
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from debxcross.core.bounds import IDS_OF_A_ROOT, Bounds, ranges
from debxcross.core.build.log import tells_of_full_disk
from debxcross.doors import process
from debxcross.doors.regular import open_regular, regular_files, tail
from debxcross.doors.watch import Watch, of_this_machine
from debxcross.errors import BuildError, DiskFullError, HostError

_INSIDE = Path(__file__).with_name("chroot_inside.sh")
#: Where a root sees what is being copied into it.
_PUT = "/debxcross/put"
#: What isolation "none" leaves open, for whoever chooses it.
UNPROTECTED = (
    "--isolation none does not protect this system: what builds run, the scripts of all packages among it, "
    "has its network, its users' ids and its kernel's settings; only chroot(2) and missing capabilities "
    "keep it from files. It is for containers that are thrown away")


@functools.cache
def subordinate_ids(uid: int) -> tuple[int, int] | None:
    """Return the first user id and the first group id of the user's ranges that a root fits in.

    None when there are none.  Where the files name none, getsubids(1) asks the name services.
    """
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = str(uid)
    found = []
    for kind, options in (("subuid", ()), ("subgid", ("-g",))):
        text = Path("/etc", kind).read_text(errors="replace") if Path("/etc", kind).exists() else ""
        if not list(ranges(text, user, uid)) and process.find("getsubids"):
            text = process.run(["getsubids", *options, user]).stdout
        fit = [first for first, count in ranges(text, user, uid) if count >= IDS_OF_A_ROOT]
        found.append(fit[0] if fit else None)
    first, group = found
    return None if first is None or group is None else (first, group)


@dataclass(frozen=True)
class Chroots:
    """How this run enters roots, and what commands in them may take."""

    isolation: str = "unshare"
    bounds: Bounds = field(default_factory=Bounds)

    @property
    def _is_root(self) -> bool:
        return os.geteuid() == 0

    @property
    def _method(self) -> str:
        if self.isolation == "none":
            return "copy"
        # Without userxattr, an overlay in a user namespace cannot delete directories of the base.
        identity = ["0", "0", "4294967295"]
        mapped = not self._is_root or Path("/proc/self/uid_map").read_text().split() != identity
        return "overlay-userxattr" if mapped else "overlay"

    @property
    def _ids(self) -> tuple[int, int]:
        """Return the first of the root's user ids and group ids.  Raises HostError without a range."""
        if self.isolation == "none":
            return 0, 0
        found = subordinate_ids(os.geteuid())
        if found is None:
            raise HostError(
                "there are no subordinate ids for the users of build roots",
                f"/etc/subuid and /etc/subgid must both give this user {IDS_OF_A_ROOT} ids in one range.",
                "Run 'debxcross doctor': it names the command that makes a range.")
        return found

    def root_name(self, key: str) -> str:
        """Return how the directory of a base root is called: by its key, and by who owns its files.

        The owners are no part of what a root is, but a root of other owners cannot be entered.
        """
        found = None if self.isolation == "none" else subordinate_ids(os.geteuid())
        return f"{key}-{found[0]}" if found else key

    def owns(self, base: Path) -> bool:
        """Tell whether a base root's files belong to the users of the roots that are entered here."""
        try:
            owner = base.stat().st_uid
        except OSError:
            return False
        return owner == (0 if self.isolation == "none" else (subordinate_ids(os.geteuid()) or (-1,))[0])

    def warnings(self) -> tuple[str, ...]:
        """Return what every run is to be told of this isolation."""
        return (UNPROTECTED,) if self.isolation == "none" else ()

    def as_owner(self, argv: Sequence[str]) -> tuple[str, ...]:
        """Return argv run as the root's root, without any privilege over the machine or its user's files."""
        if self.isolation == "none":
            return tuple(argv)
        uid, gid = self._ids
        return ("unshare", "--user", f"--map-users={uid},0,{IDS_OF_A_ROOT}",
                f"--map-groups={gid},0,{IDS_OF_A_ROOT}", "--setuid", "0", "--setgid", "0", "--", *argv)

    def make_directory(self, path: Path) -> None:
        """Make a directory that belongs to the root's root.  Raises HostError."""
        path.mkdir()
        process.run([*self.namespaces(), "chown", self.first_here, str(path)]).check(
            HostError, f"cannot give {path} to the users of build roots",
            "Run 'debxcross doctor': it tells whether their ids can be used.")

    def namespaces(self, *more: str) -> tuple[str, ...]:
        """Return the argv before a command that has the privileges of (mapped) root in new namespaces.

        An ordinary user gets a user namespace where id 0 is he himself, and the root's ids come next.
        """
        user: tuple[str, ...] = ()
        if not self._is_root:
            uid, gid = self._ids
            user = ("--user", "--map-root-user", f"--map-users={uid},1,{IDS_OF_A_ROOT}",
                    f"--map-groups={gid},1,{IDS_OF_A_ROOT}")
        return ("unshare", *user, *more, "--") if user or more else ()

    def _enter(self, network: bool) -> tuple[str, ...]:
        """Return the argv of all the namespaces; ``network`` keeps the machine's."""
        return self.namespaces("--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child",
                               *(() if network else ("--net",)))

    @property
    def first_here(self) -> str:
        """Return "UID:GID", the root's root as namespaces() numbers it."""
        uid, gid = self._ids if self._is_root or self.isolation == "none" else (1, 1)
        return f"{uid}:{gid}"

    def check(self, place: Path | None = None) -> None:
        """Raise HostError when roots cannot be entered on this machine, with the cure.

        With an empty directory ``place``, also when there can be none on its file system.
        """
        if self.isolation == "none":
            if not self._is_root:
                raise HostError(
                    "--isolation none needs root",
                    resolution="It is for throw-away containers, where one usually is root. "
                               "Elsewhere leave it out: namespaces need no privileges.")
            return
        for argv in ((*self._enter(False), "true"), self.as_owner(["true"])):
            done = process.run(argv)
            if done.exit_status:
                raise HostError(
                    "this machine does not let us make namespaces", done.stderr.strip(),
                    "Run 'debxcross doctor': it tells which setting is in the way and the command that "
                    "mends it. In a throw-away container use --isolation none.")
        if place is not None:
            self._check_overlay(place)

    def _check_overlay(self, place: Path) -> None:
        for name in ("lower", "upper", "work", "merged"):
            (place / name).mkdir()
        done = process.run(
            [*self._enter(False), "mount", "-t", "overlay", "-o",
             "lowerdir=lower,upperdir=upper,workdir=work"
             + (",userxattr" if self._method == "overlay-userxattr" else ""), "overlay", "merged"],
            directory=place)
        if done.exit_status:
            raise HostError(
                f"no build root can be laid over another below {place.parent}", done.stderr.strip(),
                "Put the store on ext4, xfs, btrfs or tmpfs with --store ('debxcross doctor' tries it); the "
                "file system of a container is often an overlay itself. In a throw-away container, add "
                "--isolation none.")

    def remove(self, path: Path) -> None:
        """Delete a directory whatever users its files belong to."""
        argv = ("rm", "-rf", "--one-file-system", str(path))
        # Without a range there are no files of other users either.
        if not self._is_root and process.run(argv).exit_status == 0:
            return
        process.run([*self.namespaces(), *argv]).check(
            HostError, f"cannot delete {path}", "Its files may belong to others: delete it as root.")

    def move(self, source: Path, target: Path) -> None:
        """Rename a directory over another, whatever users they belong to."""
        if target.exists():
            self.remove(target)
        self.rename(source, target)

    def rename(self, source: Path, target: Path) -> None:
        """Rename a directory, whatever users it belongs to."""
        # A directory's own ".." changes with it, for which it must be writable.
        process.run([*self.namespaces(), "mv", "--no-target-directory", str(source), str(target)]).check(
            HostError, f"cannot rename {source} to {target}")

    def session(self, base: Path, directory: Path, layers: Sequence[Path] = ()) -> Session:
        """Return a throw-away root over ``base`` and ``layers``, the lowest first.

        Its changes are kept below ``directory``.  With isolation none there are no layers.
        """
        session = Session(self, base, directory, tuple(layers))
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
        prefix = () if self.isolation == "none" else self._enter(network)
        bounds = of_this_machine(self.bounds)
        # The kernel's own limits stand a little above those that are told by name.  It counts memory that is
        # reserved only, which some programs do beyond all measure: just where somebody set a limit.
        memory = bounds.memory + (bounds.memory >> 3) if self.bounds.memory else -1
        limits = (bounds.processes + 64, memory, bounds.open_files, bounds.file_size)
        return (
            *prefix, "sh", str(_INSIDE), self._method, session.lower, str(session.upper),
            str(session.overlay_work), str(session.root), str(binds), sys.executable, serve,
            self.first_here, str(IDS_OF_A_ROOT), ":".join(map(str, limits)), user, directory, *command,
        )


@dataclass(frozen=True)
class Session:
    """A throw-away root.  Commands in it see each other's changes; the base never changes."""

    chroots: Chroots
    base: Path
    directory: Path
    layers: tuple[Path, ...] = ()

    @property
    def lower(self) -> str:
        """What is below, a line each, the highest first."""
        return "\n".join(map(str, (*reversed(self.layers), self.base)))

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
        status, when there was no room meanwhile, and BoundError when it took too much; either ends it.
        """
        argv = self.command_line(command, binds=binds, user=user, directory=directory, network=network,
                                 serve=f"{port}:{serve}" if serve else "-")
        begin = log.stat().st_size if log and log.exists() else 0
        watch = Watch(self.chroots.bounds, log, self.directory.parent, *((log.parent,) if log else ()))
        done = process.run(argv, log=log, stdin=stdin, timeout=timeout, until=watch)
        if watch.met:
            raise watch.bound_error(command)
        said = tail(log, begin) if log else done.stdout + done.stderr
        if watch.look() or done.exit_status and tells_of_full_disk(said):
            raise watch.error(said, "--store, --output")
        return watch.explained(done, said)

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file into the root as (mapped) root."""
        self.run(["sh", "-c", 'umask 022; mkdir -p "$(dirname "$1")" && cat > "$1" && chmod "$2" "$1"', "sh",
                  path, f"{mode:o}"], stdin=text).check(HostError, f"cannot write {path} in the build root")

    def put(self, tree: Path, path: str) -> None:
        """Copy a directory's content into the root, where it belongs to (mapped) root.

        Nothing is ever written into a root from outside: what is inside may have made a link of any
        part of a path there.
        """
        shown = f"{_PUT}/{tree.name}"
        script = 'mkdir -p "$2" && cp -R --preserve=mode,timestamps,links "$1/." "$2"'
        if self.chroots.isolation == "none":
            script += ' && rm -r "$1"'  # there it is a copy, which would be taken for the next one's
        self.run(["sh", "-c", script, "sh", shown, path], binds={tree: shown}).check(
            HostError, f"cannot copy {tree.name} to {path} in the build root")

    def take(self, path: str, target: Path) -> Path:
        """Copy a regular file out of what has changed in the root.  Raises BuildError."""
        try:
            with open_regular(self.upper, path) as file, target.open("wb") as out:
                shutil.copyfileobj(file, out)
        except OSError as error:
            raise self._unreadable(path, error) from error
        return target

    def files(self, directory: str, pattern: str) -> tuple[Path, ...]:
        """Return the files among what has changed that match a pattern (see regular_files).

        Raises BuildError when one of them is a link, a FIFO or the like: nothing good leaves those.
        """
        try:
            return regular_files(self.upper, directory, pattern, strict=True)
        except OSError as error:
            raise self._unreadable(directory, error) from error

    def read(self, path: str, most: int = 64 << 20) -> str:
        """Return the text of a file as it is now, whether it has changed or is a layer's or the base root's.

        At most the last ``most`` bytes; a link, or what is no regular file, is a BuildError.
        """
        top = next((one for one in (self.upper, *reversed(self.layers))
                    if os.path.lexists(one / path.lstrip("/"))), self.base)
        try:
            with open_regular(top, path) as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - most))
                return file.read().decode(errors="replace")
        except OSError as error:
            raise self._unreadable(path, error) from error

    @staticmethod
    def _unreadable(path: str, error: OSError) -> BuildError:
        return BuildError(f"cannot read {path} of the build root", str(error.strerror or error),
                          "Only a regular file counts, and none of its directories may be a link.")
