# SPDX-License-Identifier: GPL-3.0-or-later
"""A program of its own: goes into a root for good, and becomes a command there.

    chroot_enter.py MODE ROOT FIRST COUNT USER BOUNDS COMMAND...

chroot_inside.sh starts it, with the machine's interpreter, when everything is mounted below ROOT.  With
MODE "pivot" it makes ROOT the only file system there is (pivot_root(2)).  Then it enters a user namespace
whose ids 0 to COUNT - 1 are those from FIRST ("UID:GID") on of the namespace it starts in, so that neither
the machine's root nor the user who runs us has a number inside; and last a mount namespace of that one, in
which no mount that was made before can be changed or taken away (user_namespaces(7), "locked").  With
MODE "chroot" there are no namespaces, and ROOT is entered by chroot(2).

In both, capabilities and system calls that apt, dpkg and maintainer scripts do not need are given up before
anything of ROOT runs; the latter where python3-seccomp is installed.  BOUNDS is
"PROCESSES:BYTES:FILES:FILESIZE", the limits of getrlimit(2), -1 for none.  Nothing of this package is used.
"""
from __future__ import annotations

import ctypes
import errno
import os
import resource
import sys
from collections.abc import Sequence

# Where Debian's packages are: the interpreter was started without them, for they take time to find.
sys.path.append("/usr/lib/python3/dist-packages")
try:
    import seccomp
except ImportError:
    seccomp = None

# unshare(2), mount(2), umount2(2), prctl(2), keyctl(2), capabilities(7)
_NEW_USER, _NEW_MOUNTS = 0x10000000, 0x00020000
_READ_ONLY, _NO_SUID, _NO_DEVICES, _NO_PROGRAMS, _REMOUNT, _BIND = 1, 2, 4, 8, 32, 4096
_DETACH = 2
_BOUNDING_READ, _BOUNDING_DROP, _NO_NEW_PRIVILEGES, _DEATH_SIGNAL = 23, 24, 38, 1
_JOIN_SESSION_KEYRING = 1
#: The number of the system call keyctl, which the C library has no function for.
_KEYCTL = {"x86_64": 250, "aarch64": 219, "riscv64": 219, "ppc64le": 271, "s390x": 280}
#: What installing packages takes: owners, modes, other users, file capabilities.
_KEPT = {
    "chown": 0, "dac_override": 1, "fowner": 3, "fsetid": 4, "kill": 5, "setgid": 6, "setuid": 7,
    "net_bind_service": 10, "setfcap": 31,
}
_SIGKILL = 9
#: Much of the kernel that no build needs: keys, programs and modules in the kernel, measuring, rings.
_REFUSED = (
    "add_key", "request_key", "keyctl", "bpf", "perf_event_open", "userfaultfd", "open_by_handle_at",
    "kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module",
    "io_uring_setup", "io_uring_enter", "io_uring_register",
)
#: ioctl_tty(2), TIOCSTI and TIOCLINUX: they type into the terminal that "shell" hands in.
_REFUSED_OF_TERMINALS = (0x5412, 0x541C)

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: object) -> int:
    """Call a function of the C library.  Raises OSError with its name when it fails."""
    passed = [one.encode() if isinstance(one, str) else one for one in arguments]
    result = int(getattr(_libc, name)(*passed))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


def _enter_root(root: str) -> None:
    """Make ROOT, a mount point, the only file system there is."""
    os.chdir(root)
    _call("pivot_root", ".", ".")
    # The old one is mounted over the new one now.
    _call("umount2", ".", _DETACH)
    os.chdir("/")


def _enter_users(first: str, count: int) -> None:
    """Enter a user namespace of the ids from "UID:GID" on, as its root.

    A child that stays outside writes the maps, which takes privileges of the outer namespace.
    """
    wait, go = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(go)
        os.read(wait, 1)
        for name, outside in zip(("uid_map", "gid_map"), first.split(":")):
            with open(f"/proc/{os.getppid()}/{name}", "w") as file:
                file.write(f"0 {outside} {count}\n")
        os._exit(0)
    _call("unshare", _NEW_USER)
    os.close(wait)
    os.close(go)
    if os.waitpid(child, 0)[1]:
        raise OSError(0, f"the ids from {first} on cannot be mapped")
    os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)


def _lock_mounts() -> None:
    """Enter a mount namespace of the user namespace, and see to it that there is no other after it."""
    # With namespaces of its own a process would have every capability again, though over little.
    with open("/proc/sys/user/max_user_namespaces", "w") as file:
        file.write("0\n")
    _call("unshare", _NEW_MOUNTS)
    _call("mount", "/proc/sys", "/proc/sys", None, _BIND, None)
    _call("mount", None, "/proc/sys", None,
          _BIND | _REMOUNT | _READ_ONLY | _NO_SUID | _NO_DEVICES | _NO_PROGRAMS, None)


def _give_up(user: str) -> None:
    """Give up what the command does not need."""
    if (keyctl := _KEYCTL.get(os.uname().machine)) is not None:
        # The session keyring of whoever runs us is no business of the command's.
        _libc.syscall(keyctl, _JOIN_SESSION_KEYRING, None)
    number = 0
    while _libc.prctl(_BOUNDING_READ, number, 0, 0, 0) >= 0:
        if number not in _KEPT.values():
            _call("prctl", _BOUNDING_DROP, number, 0, 0, 0)
        number += 1
    if seccomp is not None:
        _refuse_calls()
    if user != "root":
        _call("prctl", _NO_NEW_PRIVILEGES, 1, 0, 0, 0)


def _refuse_calls() -> None:
    """Refuse some system calls, of every kind of program that this machine runs, as if it had none."""
    rules = seccomp.SyscallFilter(defaction=seccomp.ALLOW)
    # Otherwise programs with the set-user-ID bit would lose it, which is for the user root only.
    rules.set_attr(seccomp.Attr.CTL_NNP, 0)
    for kind in {"x86_64": ("X86", "X32"), "aarch64": ("ARM",)}.get(os.uname().machine, ()):
        rules.add_arch(getattr(seccomp.Arch, kind))
    for name in _REFUSED:
        rules.add_rule(seccomp.ERRNO(errno.ENOSYS), name)
    for request in _REFUSED_OF_TERMINALS:
        rules.add_rule(seccomp.ERRNO(errno.EPERM), "ioctl",
                       seccomp.Arg(1, seccomp.MASKED_EQ, 0xFFFFFFFF, request))
    rules.load()


def _bound(bounds: str) -> None:
    processes, data, files, size = map(int, bounds.split(":"))
    for kind, most in ((resource.RLIMIT_NPROC, processes), (resource.RLIMIT_DATA, data),
                       (resource.RLIMIT_FSIZE, size)):
        _lower(kind, most, most)
    # fakeroot and others close every number up to the soft limit, which stays small.
    _lower(resource.RLIMIT_NOFILE, min(1024, files), files)
    # 0 would still start a program of core(5)'s that takes the image by a pipe, outside.
    _lower(resource.RLIMIT_CORE, 1, 1)


def _lower(kind: int, soft: int, hard: int) -> None:
    before = resource.getrlimit(kind)[1]
    if hard != resource.RLIM_INFINITY:
        hard = hard if before == resource.RLIM_INFINITY else min(hard, before)
        resource.setrlimit(kind, (min(soft, hard), hard))


def main(argv: Sequence[str]) -> None:
    """Do what the module's text says; does not return."""
    mode, root, first, count, user, bounds, *command = argv
    _call("prctl", _DEATH_SIGNAL, _SIGKILL, 0, 0, 0)
    if mode == "pivot":
        _enter_root(root)
        _enter_users(first, int(count))
        _lock_mounts()
        _call("prctl", _DEATH_SIGNAL, _SIGKILL, 0, 0, 0)
    else:
        os.chroot(root)
        os.chdir("/")
    os.umask(0o022)
    _bound(bounds)
    _give_up(user)
    os.execv(command[0], command)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except OSError as error:
        sys.exit(f"the root cannot be entered: {error.strerror or error}")
