# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to this machine: what it is and what it lets us do, tried rather than guessed.

Nothing here fails because something is missing: that is what the facts say.
"""
from __future__ import annotations

import os
import platform
import pwd
import shutil
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from debxcross.core.architecture import Architecture
from debxcross.core.bounds import free_range, ranges
from debxcross.core.doctor import (
    KEYRING, PROGRAMS, SUBORDINATE_IDS, BinfmtEntry, DirectoryFacts, HostFacts, Trial, registered,
    runs_natively, works_in_roots,
)
from debxcross.doors import process
from debxcross.errors import HostError

_SYSCTLS = ("kernel.apparmor_restrict_unprivileged_userns", "kernel.unprivileged_userns_clone",
            "user.max_user_namespaces")
_BINFMT = Path("/proc/sys/fs/binfmt_misc")

#: No trial takes longer than this, in seconds.
PATIENCE = 20.0

# What a build needs of overlayfs: reading through, copying up, deleting, replacing a
# directory; and a /proc of its own.  $1 are the mount options.  overlayfs leaves a directory
# that only (mapped) root can delete.
_TRY_OVERLAY = """\
set -e
mount -t overlay -o "$1,lowerdir=lower,upperdir=upper,workdir=work" overlay merged
echo more >> merged/kept
rm -r merged/gone merged/directory
mkdir merged/directory
test ! -e merged/directory/inner
mount -t proc proc proc
umount proc merged
"""


def gather(store: Path, output: Path, architectures: Sequence[Architecture]) -> HostFacts:
    """Find out what a run on this machine can count on.

    ``store`` and ``output`` need not exist yet: then the nearest directory above is asked.
    Trials leave nothing behind.  Raises nothing of its own.
    """
    release = _os_release()
    user = _user()
    uid = os.geteuid()
    place = _existing(store)
    return HostFacts(
        system=release.get("PRETTY_NAME", "an unknown system"),
        debian=release.get("ID") == "debian",
        release=release.get("VERSION_CODENAME", ""),
        kernel=platform.release(),
        machine=platform.machine(),
        container=_container(),
        user=user,
        uid=uid,
        programs=_programs(architectures),
        keyring=Path(KEYRING).is_file(),
        python_apt=_try(["/usr/bin/python3", "-c", "import apt, apt_pkg; print(apt_pkg.VERSION)"]),
        user_namespaces=_try(["unshare", "--user", "--map-root-user", "true"]),
        id_mapping=_try(["unshare", "--user", "--map-root-user", "--map-auto", "true"]),
        overlay=_overlay(place, uid),
        subuids=_subordinate_ids("subuid", user, uid),
        subgids=_subordinate_ids("subgid", user, uid),
        store=_directory(store),
        output=_directory(output),
        sysctls=_sysctls(),
        binfmt=_binfmt(_BINFMT),
        free_ids=_free_ids(),
        # As chroot_enter.py has it: by our interpreter, from Debian's packages.
        seccomp=_try([sys.executable, "-I", "-S", "-c",
                      "import sys; sys.path.append('/usr/lib/python3/dist-packages'); import seccomp"]),
    )


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _os_release() -> dict[str, str]:
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {}


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _container() -> str:
    """Name the kind of container this runs in, "" if there is no mark of one."""
    if name := _read(Path("/run/systemd/container")).strip():
        return name
    if Path("/run/.containerenv").exists():
        return "podman"
    if Path("/.dockerenv").exists():
        return "docker"
    for kind in ("kubepods", "docker", "lxc"):
        if f"/{kind}" in _read(Path("/proc/1/cgroup")):
            return kind
    return ""


def _programs(architectures: Iterable[Architecture]) -> dict[str, str]:
    wanted = {"newuidmap", *(program for _, programs, _ in PROGRAMS for program in programs)}
    for architecture in architectures:
        wanted |= {architecture.qemu_binary, f"qemu-{architecture.qemu}"}
    found = ((name, process.find(name)) for name in sorted(wanted))
    return {name: path for name, path in found if path is not None}


def _try(argv: Sequence[str], directory: Path | None = None) -> Trial:
    try:
        done = process.run(argv, directory=directory, timeout=PATIENCE)
    except HostError as error:
        return Trial(False, error.brief)
    said = (done.stdout if done.exit_status == 0 else done.stderr).strip().splitlines()
    return Trial(done.exit_status == 0, said[-1] if said else "")


def _overlay(place: Path, uid: int) -> Trial:
    """Try, in this directory, what the door ``chroot`` does for every build."""
    try:
        scratch = Path(tempfile.mkdtemp(prefix=".doctor-", dir=place))
    except OSError as error:
        return Trial(False, error.strerror or "cannot make a directory")
    # Ordinary users cannot write trusted.* attributes, where overlayfs keeps its marks.
    user, options = (("--user", "--map-root-user"), "userxattr") if uid else ((), "rw")
    try:
        for name in ("lower/gone", "lower/directory", "upper", "work", "merged", "proc"):
            (scratch / name).mkdir(parents=True)
        (scratch / "lower/kept").write_text("some\n")
        (scratch / "lower/directory/inner").write_text("some\n")
        return _try(["unshare", *user, "--mount", "--pid", "--ipc", "--uts", "--net", "--fork",
                     "--kill-child", "--", "sh", "-c", _TRY_OVERLAY, "sh", options], scratch)
    finally:
        _delete(scratch)


def _delete(scratch: Path) -> None:
    inner = scratch / "work/work"
    if inner.is_dir():
        inner.chmod(0o700)
    shutil.rmtree(scratch, ignore_errors=True)


def _subordinate_ids(kind: str, user: str, uid: int) -> int:
    """Return the length of the user's longest range; getsubids also asks the name services."""
    try:
        done = process.run(["getsubids", *(["-g"] if kind == "subgid" else []), user], timeout=PATIENCE)
        text = done.stdout
    except HostError:
        text = ""
    return max(longest_range(text, user, uid), longest_range(_read(Path("/etc") / kind), user, uid))


def longest_range(text: str, user: str, uid: int) -> int:
    """Return the longest range of a user in the lines of subuid(5) or of getsubids(1)."""
    return max((count for _, count in ranges(text, user, uid)), default=0)


def _free_ids() -> int:
    """Return the first of a range of ids that nobody has, and that exist here (uid_map)."""
    first = free_range((_read(Path("/etc/subuid")), _read(Path("/etc/subgid"))))
    maps = [line.split() for line in _read(Path("/proc/self/uid_map")).splitlines()]
    end = max((int(inside) + int(count) for inside, _, count in maps), default=0)
    return first if first + SUBORDINATE_IDS <= end else 1


def _existing(path: Path) -> Path:
    """Return the path, or the nearest directory above it that exists as far as one can see."""
    absolute = path.absolute()
    # Not Path.is_dir(), which raises PermissionError.
    return next(place for place in (absolute, *absolute.parents) if os.path.isdir(place))


def _directory(path: Path) -> DirectoryFacts:
    place = _existing(path)
    kind = file_system(_read(Path("/proc/self/mountinfo")), os.path.realpath(place))
    counts = os.statvfs(place)
    free = counts.f_bavail * counts.f_frsize
    try:
        scratch = Path(tempfile.mkdtemp(prefix=".doctor-", dir=place))
    except OSError:
        return DirectoryFacts(str(place), kind, free, False, False, False)
    try:
        return DirectoryFacts(str(place), kind, free, True, _hard_links(scratch), _renames(scratch))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def file_system(mountinfo: str, path: str) -> str:
    """Return the type of the file system a path is on, from the lines of proc_pid_mountinfo(5)."""
    best, kind = "", "unknown"
    for line in mountinfo.splitlines():
        fields, _, rest = line.partition(" - ")
        point = fields.split(" ")[4].replace("\\040", " ") if fields.count(" ") >= 4 else ""
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        # Of several mounts on one point the last is what is seen.
        if point and inside and len(point) >= len(best):
            best, kind = point, rest.split(" ")[0]
    return kind


def _hard_links(scratch: Path) -> bool:
    one = scratch / "one"
    one.write_text("")
    try:
        os.link(one, scratch / "two")
    except OSError:
        return False
    return os.path.samefile(one, scratch / "two")


def _renames(scratch: Path) -> bool:
    (scratch / "old").mkdir()
    (scratch / "old/inner").write_text("")
    try:
        os.rename(scratch / "old", scratch / "new")
    except OSError:
        return False
    return (scratch / "new/inner").exists() and not (scratch / "old").exists()


def _sysctls() -> dict[str, str]:
    values = {name: _read(Path("/proc/sys") / name.replace(".", "/")).strip() for name in _SYSCTLS}
    return {name: value for name, value in values.items() if value}


def _binfmt(directory: Path) -> tuple[BinfmtEntry, ...] | None:
    """Read the registrations; None where binfmt_misc is not mounted (it then has no "status")."""
    if not (directory / "status").exists():
        return None
    names = sorted(path.name for path in directory.iterdir() if path.name not in ("register", "status"))
    return tuple(parse_binfmt(name, _read(directory / name)) for name in names)


def emulator_stamp(architecture: Architecture, directory: Path = _BINFMT) -> str:
    """Return what tells one state of emulator() from another, without starting anything."""
    entry = registered(_binfmt(directory) or (), architecture)
    if entry is None:
        return platform.machine()
    path = os.path.realpath(entry.interpreter)
    changed = os.stat(path).st_mtime_ns if os.path.exists(path) else 0
    return f"{platform.machine()} {path} {changed} {entry.flags} {entry.enabled}"


def emulator(architecture: Architecture, directory: Path = _BINFMT) -> str:
    """Return the words of the emulator that the kernel starts for an architecture in any root.

    It is "" when the kernel starts none there.  The words are the program's own, name and version, or say
    that the processor needs none.
    """
    if runs_natively(platform.machine(), architecture):
        return f"{platform.machine()} itself"
    entry = registered(_binfmt(directory) or (), architecture)
    if entry is None or not works_in_roots(entry):
        return ""
    # Under a name that ends in -binfmt-P, QEMU runs for the kernel only.
    done = process.run([os.path.realpath(entry.interpreter), "--version"], timeout=PATIENCE)
    return done.stdout.splitlines()[0] if done.exit_status == 0 and done.stdout else entry.interpreter


def parse_binfmt(name: str, text: str) -> BinfmtEntry:
    """Parse what the kernel shows of a registration (Documentation/admin-guide/binfmt-misc.rst)."""
    lines = text.splitlines()
    values = dict(line.split(" ", 1) for line in lines if " " in line)
    return BinfmtEntry(name, values.get("interpreter", ""), values.get("flags:", ""),
                       lines[:1] == ["enabled"])
