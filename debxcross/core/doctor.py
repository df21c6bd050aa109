# SPDX-License-Identifier: GPL-3.0-or-later
"""What this machine can do, judged: facts gathered by the door ``host``, verdicts made here.

"missing" stops every run; "warning" takes something away (isolation, trials on an emulated
device).  The check named "isolation" says what the warnings about namespaces amount to.
"""
from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from debxcross.core.architecture import Architecture
from debxcross.core.bounds import IDS_OF_A_ROOT

#: How many ids are given for the users of build roots: as many as Debian's adduser gives.
SUBORDINATE_IDS = 65536
#: A whole chain with its build roots takes about this many bytes.
ROOM = 10 * 1000**3
LITTLE_ROOM = 5 * 1000**3
NO_ROOM = 1000**3
#: The first kernel with a binfmt_misc of its own in every user namespace.
BINFMT_IN_NAMESPACES = (6, 7)

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

#: The Debian package that has them, the programs, and what they are for.
PROGRAMS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("apt", ("apt-get",), "resolves build dependencies"),
    ("apt-utils", ("apt-ftparchive",), "indexes the repository"),
    ("arch-test", ("arch-test",), "lets mmdebstrap make foreign roots"),
    ("dpkg", ("dpkg-deb",), "makes and reads packages"),
    ("dpkg-dev", ("dpkg-source",), "unpacks and packs sources"),
    ("gpg", ("gpg",), "signs the repository"),
    ("gpgv", ("gpgv",), "verifies signatures"),
    ("mmdebstrap", ("mmdebstrap",), "makes build roots"),
    ("mount", ("mount",), "mounts overlays"),
    ("util-linux", ("setpriv", "unshare"), "isolates builds"),
)


@dataclass(frozen=True)
class Trial:
    """Whether something that was really tried worked, and what it said if it did not."""

    ok: bool
    said: str = ""


@dataclass(frozen=True)
class DirectoryFacts:
    """A directory (or the nearest one above it that exists); ``free`` is in bytes."""

    path: str
    file_system: str
    free: int
    writable: bool
    hard_links: bool
    rename: bool


@dataclass(frozen=True)
class BinfmtEntry:
    """A file in /proc/sys/fs/binfmt_misc: which interpreter runs which kind of program."""

    name: str
    interpreter: str
    flags: str
    enabled: bool


@dataclass(frozen=True)
class HostFacts:
    """What was found on this machine.

    ``programs`` are paths by name; ``sysctls`` values by name where the kernel has them;
    ``subuids`` and ``subgids`` the length of the user's longest range; ``free_ids`` the first of a
    range that nobody has; ``container`` is "" on a machine of its own;
    ``binfmt`` is None where binfmt_misc is not mounted.
    """

    system: str
    debian: bool
    release: str
    kernel: str
    machine: str
    container: str
    user: str
    uid: int
    programs: Mapping[str, str]
    keyring: bool
    python_apt: Trial
    user_namespaces: Trial
    id_mapping: Trial
    overlay: Trial
    subuids: int
    subgids: int
    store: DirectoryFacts
    output: DirectoryFacts
    sysctls: Mapping[str, str] = field(default_factory=dict)
    binfmt: tuple[BinfmtEntry, ...] | None = None
    free_ids: int = 100000
    seccomp: Trial = Trial(True)


@dataclass(frozen=True)
class Check:
    """A verdict ("ok", "warning" or "missing"), what was found, and the command that mends it.

    ``packages`` are the Debian packages among the mend, so that one command can have them all.
    """

    name: str
    verdict: str
    found: str
    mend: str = ""
    packages: tuple[str, ...] = ()


def examine(facts: HostFacts, architectures: Sequence[Architecture]) -> tuple[Check, ...]:
    """Judge the machine, for these host architectures."""
    return (
        _system(facts),
        Check("user", "ok", "root" if facts.uid == 0 else f"{facts.user} (uid {facts.uid})"),
        Check("container", "ok", facts.container or "none"),
        *_programs(facts),
        _python_apt(facts),
        _keyring(facts),
        *_namespaces(facts),
        _isolation(facts),
        _seccomp(facts),
        *_directories(facts),
        *(_emulation(facts, architecture) for architecture in architectures),
    )


def ready(checks: Iterable[Check]) -> bool:
    """Tell whether nothing that every run needs is missing."""
    return all(check.verdict != "missing" for check in checks)


def isolation(facts: HostFacts) -> str:
    """Return the value of ``--isolation`` that can work here: "unshare" or "none".

    Also for root: the users of build roots must not be those of the machine.
    """
    usable = facts.user_namespaces.ok and facts.id_mapping.ok and facts.overlay.ok
    return "unshare" if usable and min(facts.subuids, facts.subgids) >= IDS_OF_A_ROOT else "none"


def _root(facts: HostFacts, command: str) -> str:
    return command if facts.uid == 0 else f"sudo {command}"


def _install(facts: HostFacts, *packages: str) -> str:
    return _root(facts, f"apt install {' '.join(packages)}")


def _system(facts: HostFacts) -> Check:
    found = f"{facts.system}, Linux {facts.kernel}, {facts.machine}"
    if facts.debian:
        return Check("system", "ok", found)
    return Check("system", "warning",
                 f"{found}: not Debian, so packages may have other names than those told here")


def _programs(facts: HostFacts) -> Iterator[Check]:
    for package, programs, purpose in PROGRAMS:
        absent = [program for program in programs if program not in facts.programs]
        if absent:
            yield Check(package, "missing", f"no {' and no '.join(absent)}, which {purpose}",
                        _install(facts, package), (package,))
        else:
            yield Check(package, "ok", ", ".join(facts.programs[program] for program in programs))


def _python_apt(facts: HostFacts) -> Check:
    if facts.python_apt.ok:
        return Check("python3-apt", "ok", f"/usr/bin/python3 has it ({facts.python_apt.said})")
    return Check("python3-apt", "missing", f"/usr/bin/python3 cannot import apt_pkg: {facts.python_apt.said}",
                 _install(facts, "python3-apt"), ("python3-apt",))


def _keyring(facts: HostFacts) -> Check:
    package = "debian-archive-keyring"
    if facts.keyring:
        return Check(package, "ok", KEYRING)
    return Check(package, "missing", f"no {KEYRING}, which verifies Debian's archives",
                 _install(facts, package), (package,))


def _namespaces(facts: HostFacts) -> Iterator[Check]:
    yield _user_namespaces(facts)
    yield _subordinate_ids(facts)
    store = facts.store
    if facts.overlay.ok:
        yield Check("overlayfs", "ok", f"works in {store.path} ({store.file_system})")
    elif facts.uid != 0 and not facts.user_namespaces.ok:
        yield Check("overlayfs", "warning", "cannot be tried without user namespaces")
    else:
        yield Check("overlayfs", "warning",
                    f"does not work in {store.path} ({store.file_system}): {facts.overlay.said}",
                    "Put the store on ext4, xfs or btrfs." if store.file_system in _UNSUITABLE
                    else _container_mend(facts))


# What overlayfs refuses as an upper layer, by the kernel's names.
_UNSUITABLE = ("9p", "cifs", "exfat", "nfs", "nfs4", "ntfs3", "overlay", "smb3", "vfat", "virtiofs")


def _container_mend(facts: HostFacts) -> str:
    if not facts.container:
        return ""
    return "Start the container with --privileged, or build on the machine itself."


def _user_namespaces(facts: HostFacts) -> Check:
    name = "user namespaces"
    if facts.user_namespaces.ok:
        return Check(name, "ok", "tried, usable")
    for setting, bad, good in _SETTINGS:
        if facts.sysctls.get(setting) == bad:
            return Check(name, "warning", f"denied: {setting} is {bad}",
                         _root(facts, f"sysctl --write {setting}={good}"))
    return Check(name, "warning", f"denied: {facts.user_namespaces.said}", _container_mend(facts))


# Kernel settings that deny user namespaces, the denying value and a good one.  The second
# is Debian's own (gone since trixie), the third Ubuntu's.
_SETTINGS = (
    ("user.max_user_namespaces", "0", "15000"),
    ("kernel.unprivileged_userns_clone", "0", "1"),
    ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
)


def _subordinate_ids(facts: HostFacts) -> Check:
    name = "subordinate ids"
    if "newuidmap" not in facts.programs:
        return Check(name, "warning", "no newuidmap, which gives a build root its users",
                     _install(facts, "uidmap"), ("uidmap",))
    found = f"{facts.subuids} user ids and {facts.subgids} group ids"
    if min(facts.subuids, facts.subgids) < IDS_OF_A_ROOT:
        # In a rootless container there may be no more than 65536 ids altogether.
        last = facts.free_ids + SUBORDINATE_IDS - 1 if facts.free_ids > 1 else IDS_OF_A_ROOT
        ids = f"{facts.free_ids}-{last}"
        return Check(name, "warning", f"{found} for {facts.user}; {SUBORDINATE_IDS} of each are needed",
                     _root(facts, f"usermod --add-subuids {ids} --add-subgids {ids} {facts.user}"))
    if facts.user_namespaces.ok and not facts.id_mapping.ok:
        return Check(name, "warning", f"{found}, but they cannot be mapped: {facts.id_mapping.said}",
                     _install(facts, "--reinstall", "uidmap"))
    return Check(name, "ok", found)


def _isolation(facts: HostFacts) -> Check:
    if isolation(facts) == "unshare":
        return Check("isolation", "ok", "--isolation unshare: builds run in throw-away overlays, offline")
    if facts.uid == 0:
        return Check("isolation", "warning",
                     "builds cannot be kept from this system: roots are copied, and share ids and network",
                     "Mend the warnings above. In a container that is thrown away, add --isolation none.")
    return Check("isolation", "missing",
                 f"{facts.user} cannot isolate builds; without isolation they need root",
                 "Mend the warnings above, or, in a throw-away container, become root and add "
                 "--isolation none.")


def _seccomp(facts: HostFacts) -> Check:
    package = "python3-seccomp"
    if facts.seccomp.ok:
        return Check(package, "ok", "keeps system calls from build roots that they do not need")
    return Check(package, "warning", "cannot be used, so build roots may make every system call",
                 _install(facts, package), (package,))


def _gigabytes(size: int) -> str:
    return f"{size / 1000**3:.1f} GB"


def _directories(facts: HostFacts) -> Iterator[Check]:
    for name, directory in (("store", facts.store), ("output", facts.output)):
        place = f"{directory.path} ({directory.file_system})"
        if not directory.writable:
            yield Check(name, "missing", f"{facts.user} cannot write in {place}",
                        f"Choose another directory for the {name}.")
            continue
        if not directory.rename:
            yield Check(name, "missing", f"{place} cannot rename a directory in one step",
                        f"Put the {name} on a local file system such as ext4.")
            continue
        links = "" if directory.hard_links else "; no hard links, so files are copied"
        found = f"{_gigabytes(directory.free)} free in {place}{links}"
        if directory.free < LITTLE_ROOM:
            yield Check(name, "missing" if directory.free < NO_ROOM else "warning",
                        f"{found}; a whole chain takes about {_gigabytes(ROOM)}",
                        f"Make room, or choose another directory for the {name}.")
        else:
            short = f"; a whole chain takes about {_gigabytes(ROOM)}" if directory.free < ROOM else ""
            yield Check(name, "ok" if directory.hard_links else "warning", found + short)


def runs_natively(machine: str, architecture: Architecture) -> bool:
    """Tell whether a machine (uname -m) runs an architecture's programs without an emulator.

    What an x32 kernel is called does not tell it from amd64's, which usually runs no such program.
    """
    if machine == "x86_64":
        return architecture.name in ("amd64", "i386")
    return architecture.uname == machine


def _emulation(facts: HostFacts, architecture: Architecture) -> Check:
    """Judge the emulation of one architecture; only trials on a device's system need it."""
    name = f"emulation of {architecture.name}"
    if runs_natively(facts.machine, architecture):
        return Check(name, "ok", f"not needed: {facts.machine} runs it")
    packages = _emulator_packages(facts)
    programs = (architecture.qemu_binary, f"qemu-{architecture.qemu}")
    program = next((facts.programs[one] for one in programs if one in facts.programs), "")
    entry = registered(facts.binfmt or (), architecture)
    if not program:
        return Check(name, "warning", f"no {programs[0]}: what is built cannot be tried here",
                     _install(facts, *packages), packages)
    if facts.binfmt is None:
        problem = "binfmt_misc is not mounted"
        mend = _root(facts, "mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc")
    elif entry is None:
        problem = "it is not registered in binfmt_misc"
        mend = _root(facts, "systemctl restart systemd-binfmt.service")
    elif not entry.enabled:
        problem = f"binfmt_misc has it, but disabled ({entry.name})"
        mend = f"echo 1 | {_root(facts, f'tee /proc/sys/fs/binfmt_misc/{entry.name}')}"
    elif "F" not in entry.flags:
        problem = f"{entry.interpreter} is registered without the flag F, so build roots do not see it"
        mend = _install(facts, "--reinstall", *packages)
    else:
        return Check(name, "ok", f"{program}, registered as {entry.name} with flags {entry.flags}")
    if facts.container:
        mend = f"On the machine that runs the container: {mend}"
    if kernel_version(facts.kernel) >= BINFMT_IN_NAMESPACES and facts.user_namespaces.ok:
        problem += "; this kernel can also register it inside a user namespace"
    return Check(name, "warning", f"{program}: {problem}", mend)


def _emulator_packages(facts: HostFacts) -> tuple[str, ...]:
    # Until bookworm qemu-user was not static; since trixie it is, and registers separately.
    old = facts.release in ("buster", "bullseye", "bookworm")
    return ("qemu-user-static",) if old else ("qemu-user", "qemu-user-binfmt")


def registered(entries: Iterable[BinfmtEntry], architecture: Architecture) -> BinfmtEntry | None:
    """Find the registration; binfmt-support, systemd and containers name it differently."""
    qemu = architecture.qemu
    interpreters = (f"qemu-{qemu}-static", f"qemu-{qemu}", f"{qemu}-binfmt-P")
    for entry in entries:
        if entry.name == f"qemu-{qemu}" or entry.interpreter.rpartition("/")[2] in interpreters:
            return entry
    return None


def works_in_roots(entry: BinfmtEntry | None) -> bool:
    """Tell whether a registration is on and holds its interpreter open (flag F), so that roots need none."""
    return entry is not None and entry.enabled and "F" in entry.flags


def kernel_version(release: str) -> tuple[int, int]:
    """Return the major and minor number of a kernel release such as "6.1.0-25-amd64"."""
    match = re.match(r"(\d+)\.(\d+)", release)
    return (int(match[1]), int(match[2])) if match else (0, 0)


#: What a mend begins with that is a command, after sudo: the others are sentences.
_CURES = ("apt ", "sysctl ", "usermod ", "mount ", "systemctl ", "echo 1 | ")


def cures(checks: Sequence[Check]) -> tuple[str, ...]:
    """Return the commands among the mends, in order, each once; all packages in one of them.

    They ask nothing: who runs them has been asked.
    """
    packages = sorted({name for check in checks for name in check.packages})
    sudo = "sudo " if any(check.mend.startswith("sudo ") for check in checks) else ""
    commands = [f"{sudo}apt-get install --yes {' '.join(packages)}"] if packages else []
    for check in checks:
        if not check.packages and check.mend.removeprefix("sudo ").startswith(_CURES):
            commands.append(check.mend.replace("apt install ", "apt-get install --yes "))
    return tuple(dict.fromkeys(commands))


def render_checks(checks: Sequence[Check], width: int) -> str:
    """Write the verdicts as a table for people, and what to type; no newline at the end."""
    size = max((len(check.name) for check in checks), default=0)
    left = " " * (9 + size + 2)
    lines: list[str] = []
    for check in checks:
        lines += _fold(f"{check.verdict:<9}{check.name:<{size}}  ", check.found, left, width)
        # A sentence may be folded; a command is left whole, to be pasted.
        if check.mend.endswith("."):
            lines += _fold(f"{left}next: ", check.mend, f"{left}      ", width)
        elif check.mend:
            lines.append(f"{left}next: {check.mend}")
    packages = sorted({name for check in checks for name in check.packages})
    wanted = [check.mend for check in checks if check.packages]
    if len(wanted) > 1:
        sudo = "sudo " if wanted[0].startswith("sudo ") else ""
        lines += ["", f"All packages at once: {sudo}apt install {' '.join(packages)}"]
    verdict = "This machine is ready." if ready(checks) else "This machine is not ready yet."
    return "\n".join([*lines, "", verdict])


def _fold(start: str, text: str, left: str, width: int) -> list[str]:
    return textwrap.wrap(text, max(width, len(left) + 20), initial_indent=start, subsequent_indent=left,
                         break_long_words=False, break_on_hyphens=False) or [start.rstrip()]


def checks_json(checks: Sequence[Check]) -> str:
    """Write the verdicts as JSON: ``ready`` and ``checks`` with the fields of Check."""
    return json.dumps({"ready": ready(checks), "checks": [asdict(check) for check in checks]}, indent=2)
