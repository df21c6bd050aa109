# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to processes: everything that runs outside this interpreter passes here.

It is the only importer of ``sh``.  Children get an argv list, a small fixed environment
(never the caller's), no terminal, and a session of their own so that all of a child's
descendants can be ended together.  They die with us, even when we are killed with
SIGKILL: ``setpriv --pdeathsig`` asks the kernel for that.
"""
from __future__ import annotations

import os
import shlex
import shutil
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NoReturn

from debxcross.errors import BoundError, DebxcrossError, HostError, InterruptedRunError

#: What children see unless told otherwise.  Nothing of the caller's environment leaks in.
MINIMAL_ENVIRONMENT: Mapping[str, str] = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
    "TZ": "UTC",
}

#: More than this of standard output and error together, in bytes, is nothing that anybody wants to read.
_MOST_OUTPUT = 64 << 20
#: How often a child is looked at, in seconds.
_LOOKS = 0.05

_running: set[int] = set()
#: A signal's handler may end the children while its own thread has the lock.
_running_lock = threading.RLock()
_stopping = threading.Event()


@dataclass(frozen=True)
class Completed:
    """A finished process: its argv, exit status (negative: the signal) and standard output."""

    argv: tuple[str, ...]
    exit_status: int
    stdout: str
    stderr: str
    environment: Mapping[str, str] = field(default_factory=dict)

    def check(self, error: type[DebxcrossError], brief: str, resolution: str = "") -> Completed:
        """Return self when the exit status is 0, else raise ``error`` with the output's tail."""
        if self.exit_status == 0:
            return self
        tail = "\n".join((self.stderr or self.stdout).strip().splitlines()[-25:])
        raise error(brief, f"{tail}\n\n{self.ending}".strip(), resolution)

    @property
    def ending(self) -> str:
        """Say how it ended, with the command ready to paste."""
        assignments = [f"{name}={value}" for name, value in sorted(self.environment.items())]
        argv = ("env", *assignments, *self.argv) if assignments else self.argv
        return describe(argv, self.exit_status)


def describe(argv: Sequence[str], exit_status: int) -> str:
    """Say how a command ended, with the command ready to paste."""
    ending = (
        f"ended by signal {signal.Signals(-exit_status).name}"
        if exit_status < 0
        else f"ended with status {exit_status}"
    )
    return f"{ending}: {shlex.join(argv)}"


def find(program: str) -> str | None:
    """Return the path of a program, or None; /usr/sbin counts for ordinary users too."""
    return shutil.which(program, path=MINIMAL_ENVIRONMENT["PATH"])


def run(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
    log: Path | None = None,
    stdin: str = "",
    stdin_path: Path | None = None,
    stdout_path: Path | None = None,
    timeout: float | None = None,
    until: Callable[[int], bool] | None = None,
) -> Completed:
    """Run ``argv`` to its end and return how it went; a non-zero status is not an error here.

    ``environment`` is added to MINIMAL_ENVIRONMENT.  With ``log``, standard output and
    error are appended to that file (and Completed.stdout/stderr are empty); with
    ``stdout_path`` standard output alone goes there, byte for byte.  ``timeout`` is in seconds.
    ``until`` is called with the child's process id, several times a second; the child and all its
    descendants are ended when it says so.

    Raises HostError when the program is not installed or runs out of time, BoundError when it
    prints without end, and InterruptedRunError when terminate_all() was called meanwhile.
    """
    import sh

    if _stopping.is_set():
        raise InterruptedRunError("interrupted")
    full = _with_death_signal(argv)
    # In memory: where a disk is full, programs end with status 0 all the same and half an answer is left.
    with open(os.memfd_create("out"), "w+b") as out, open(os.memfd_create("err"), "w+b") as err:
        log_file = open(log, "ab") if log else None
        stdout_file = open(stdout_path, "wb") if stdout_path else None
        stdin_file = open(stdin_path, "rb") if stdin_path else None
        try:
            command = sh.Command(full[0])(
                *full[1:],
                _bg=True,
                _bg_exc=False,
                _new_session=True,
                _tty_in=False,
                _tty_out=False,
                _in=stdin_file if stdin_file else stdin,
                _out=stdout_file or log_file or out,
                _err=log_file or err,
                _env={**MINIMAL_ENVIRONMENT, **(environment or {})},
                _cwd=str(directory) if directory else "/",
                _encoding="utf-8",  # not the caller's locale
                _timeout=timeout,
                _timeout_signal=signal.SIGKILL,
            )
            with _Watch(command.pid, (out, err), until) as watch:
                status = _wait(command, argv, timeout)
        finally:
            for file in (log_file, stdout_file, stdin_file):
                if file:
                    file.close()
        if watch.endless:
            raise BoundError(
                f"{argv[0]!r} printed more than {_MOST_OUTPUT >> 20} MB", describe(argv, status),
                "An answer is never that long: something in it ran away. Nothing of it is used.")
        out.seek(0)
        err.seek(0)
        texts = [file.read().decode("utf-8", "replace") for file in (out, err)]
    if _stopping.is_set():
        raise InterruptedRunError("interrupted")
    return Completed(tuple(argv), status, texts[0], texts[1], dict(environment or {}))


def _with_death_signal(argv: Sequence[str]) -> tuple[str, ...]:
    """Return argv with its program's path, to be ended with us.  Raises HostError."""
    program = find(argv[0]) if "/" not in argv[0] else argv[0]
    setpriv = find("setpriv")
    if program is None:
        raise HostError(
            f"the program {argv[0]!r} is not installed",
            resolution="Run 'debxcross doctor': it names the package that has it.",
        )
    if setpriv is None:
        raise HostError("the program 'setpriv' is not installed",
                        resolution="Install the Debian package util-linux.")
    return setpriv, "--pdeathsig", "KILL", "--", program, *argv[1:]


def _wait(command: Any, argv: Sequence[str], timeout: float | None) -> int:
    """Return a child's exit status when it has ended.  Raises HostError after its time."""
    import sh

    with _running_lock:
        _running.add(command.pid)
    if _stopping.is_set():
        _end_session(command.pid, signal.SIGTERM)
    try:
        command.wait()
        return 0
    except sh.ErrorReturnCode as error:
        return int(error.exit_code)
    except sh.TimeoutException as error:
        raise HostError(
            f"no end after {timeout:g} seconds: {shlex.join(argv)}",
            resolution="The network or the machine may be stuck; run the command again.",
        ) from error
    finally:
        with _running_lock:
            _running.discard(command.pid)
        if _stopping.is_set() or timeout is not None:
            # sh ends the leader only, and SIGTERM can be ignored: what outlived it goes now.
            _end_session(command.pid, signal.SIGKILL)


class _Watch:
    """Looks at a child while it runs; ends it when it prints without end, or when ``until`` says so."""

    def __init__(self, pid: int, output: Sequence[IO[bytes]], until: Callable[[int], bool] | None) -> None:
        self._pid, self._output, self._until = pid, output, until
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        #: Whether it was ended for what it printed.
        self.endless = False

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(_LOOKS):
            self.endless = sum(os.fstat(file.fileno()).st_size for file in self._output) > _MOST_OUTPUT
            if self.endless or self._until is not None and self._until(self._pid):
                _end_session(self._pid, signal.SIGKILL)
                return


def descendants(pid: int) -> tuple[int, int]:
    """Return how many tasks a process has with all its descendants, and their memory in bytes.

    A task is a process or a thread; memory is what is in use and not shared (proc_pid_statm(5)).
    """
    tasks = pages = 0
    todo = [pid]
    while todo:
        place = f"/proc/{todo.pop()}"
        try:
            threads = os.listdir(f"{place}/task")
            resident, shared = _words(f"{place}/statm")[1:3]
            pages += int(resident) - int(shared)
        except (OSError, ValueError):
            continue  # it has ended, or is hidden
        tasks += len(threads)
        for thread in threads:
            try:
                todo.extend(int(one) for one in _words(f"{place}/task/{thread}/children"))
            except OSError:
                continue
    return tasks, pages * os.sysconf("SC_PAGE_SIZE")


def _words(path: str) -> list[bytes]:
    with open(path, "rb") as file:
        return file.read().split()


def _end_session(pid: int, number: int) -> None:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def terminate_all() -> None:
    """End every running child with its descendants; later calls of run() raise.

    SIGTERM first; what is still there after two seconds gets SIGKILL.
    """
    _stopping.set()
    with _running_lock:
        pids = sorted(_running)
    for pid in pids:
        _end_session(pid, signal.SIGTERM)
    if pids:
        timer = threading.Timer(2.0, _kill_rest, args=(pids,))
        timer.daemon = True
        timer.start()


def _kill_rest(pids: Sequence[int]) -> None:
    with _running_lock:
        left = [pid for pid in pids if pid in _running]
    for pid in left:
        _end_session(pid, signal.SIGKILL)


def attend(command: str) -> int:
    """Run a line of sh(1) on this terminal, with everything of its user's; return its exit status.

    It may ask for a password.
    """
    import subprocess

    return subprocess.run(["sh", "-c", command], check=False).returncode


def become(argv: Sequence[str]) -> NoReturn:
    """Replace this process by an interactive command, which keeps the terminal.

    Raises HostError when the program is not installed.
    """
    program = find(argv[0])
    if program is None:
        raise HostError(f"the program {argv[0]!r} is not installed", resolution="Run 'debxcross doctor'.")
    os.execve(program, list(argv), {**MINIMAL_ENVIRONMENT, "TERM": os.environ.get("TERM", "dumb")})
