# SPDX-License-Identifier: GPL-3.0-or-later
"""Feeds a hostile input to what reads its kind, in a child process with bounded memory.

The child is forked, so that nothing is imported anew: a command takes milliseconds.
"""
from __future__ import annotations

import importlib
import io
import os
import pkgutil
import re
import resource
import shutil
import sys
import tarfile
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import debxcross
from debxcross.errors import DebxcrossError
from tests.corpus import Content

SECRET = b"wh0-reads-this-has-left-his-place"
#: Bytes of address space that a command may take beside what the tests have.
_ROOM = 256 << 20
_LONGEST = 60.0


#: Programs of their own, which are not part of the command line's process.
_PROGRAMS = re.compile(r"\.(trials\.|trials$|apt_child|apt_archive|chroot_enter|pep517_child)")


def load_everything() -> None:
    """Import all of the package, so that children need not."""
    for module in pkgutil.walk_packages(debxcross.__path__, "debxcross."):
        if not _PROGRAMS.search(module.name):
            importlib.import_module(module.name)


@dataclass(frozen=True)
class Outcome:
    """What an input got: exit status, all that was said, seconds of processors."""

    status: int
    said: str
    seconds: float


@dataclass(frozen=True)
class Bench:
    """A directory to work in.

    ``archive`` is a signed one with its ``keyring``, ``keys`` has the key of a repository.
    """

    directory: Path
    outside: Path
    archive: Path
    keyring: Path
    signer: Path
    keys: Path

    def put(self, name: str, content: bytes) -> Path:
        """Write a file of the input."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.replace(b"@OUTSIDE@", os.fsencode(self.outside)))
        return path

    def link(self, name: str, target: Path) -> None:
        """Leave a symbolic link where a file of the input is looked for."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)

    def fifo(self, name: str) -> None:
        """Leave a FIFO where a file of the input is looked for."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(path)

    def lay(self, content: Content, name: str) -> None:
        """Lay an input out: its bytes as ``name``, its files below it, or as it does so itself."""
        if isinstance(content, bytes):
            self.put(name, content)
        elif isinstance(content, Mapping):
            for inner, body in content.items():
                self.put(f"{name}/{inner}", body)
        else:
            content(self)

    def keep_keys(self) -> None:
        """Give the repository's state a key that is there already: making one takes long."""
        shutil.copytree(self.keys, self.directory / "state/keys", ignore=shutil.ignore_patterns("S.*"))

    def mirror(self, archive: Path, more: str = "") -> None:
        """Write the settings that name an archive."""
        self.put("debxcross.toml", (f'[mirrors]\nmain = ["file:{archive}"]\nsecurity = ["file:{archive}"]\n'
                                    f'keyrings = ["{self.keyring}"]\n{more}').encode())

    def command(self, *arguments: str) -> Outcome:
        """Run the command line as a shell would."""
        def work() -> int:
            from debxcross.cli import main

            sys.argv = ["debxcross", *arguments]
            try:
                main()
            except SystemExit as done:
                return int(done.code or 0)
            return 0
        return self.step(work)

    def step(self, work: Callable[[], object]) -> Outcome:
        """Call something in a child; an error of ours is shown as the command line shows it."""
        said = self.directory / ".said"
        pid = os.fork()
        if not pid:
            _in_child(self.directory, said, work)
        started, usage = time.monotonic(), None
        while usage is None:
            done, status, found = os.wait4(pid, os.WNOHANG)
            if done:
                usage = found
            elif time.monotonic() - started > _LONGEST:
                os.kill(pid, 9)
                os.wait4(pid, 0)
                return Outcome(-9, f"it did not end within {_LONGEST} s", _LONGEST)
            else:
                time.sleep(0.002)
        text = said.read_text(errors="replace")
        for path, word in ((self.directory, "HERE"), (self.outside, "OUTSIDE"), (self.archive, "ARCHIVE")):
            text = text.replace(str(path), word)
        return Outcome(os.waitstatus_to_exitcode(status), text, usage.ru_utime + usage.ru_stime)


def _in_child(directory: Path, said: Path, work: Callable[[], object]) -> None:
    status = 70
    try:
        output = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for number, descriptor in ((0, os.open(os.devnull, os.O_RDONLY)), (1, output), (2, output)):
            os.dup2(descriptor, number)
        sys.stdin = sys.__stdin__ = open(0)
        sys.stdout = sys.__stdout__ = io.TextIOWrapper(open(1, "wb", 0), write_through=True)
        sys.stderr = sys.__stderr__ = io.TextIOWrapper(open(2, "wb", 0), write_through=True)
        os.chdir(directory)
        for name in ("home", "tmp"):
            (directory / name).mkdir(exist_ok=True)
        os.environ.clear()
        os.environ.update({
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(directory / "home"), "COLUMNS": "1000",
            "TMPDIR": str(directory / "tmp"), "LC_ALL": "C.UTF-8",
            "DEBXCROSS_STORE": str(directory / "store")})
        own = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGESIZE")
        resource.setrlimit(resource.RLIMIT_AS, (own + _ROOM, own + _ROOM))
        try:
            answer = work()
            status = answer if isinstance(answer, int) else 0
        except DebxcrossError as error:
            print(f"{error.brief}\n{error.details}\n{error.resolution}")
            status = error.exit_status
        except SystemExit as done:
            status = int(done.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def tar_of(files: Mapping[str, bytes], kind: bytes = tarfile.REGTYPE, target: str = "") -> bytes:
    """Return a tar archive; members are of ``kind``, and links lead to ``target``."""
    with io.BytesIO() as result:
        with tarfile.open(fileobj=result, mode="w", format=tarfile.GNU_FORMAT) as archive:
            for name, content in files.items():
                header = tarfile.TarInfo(name)
                header.size, header.type, header.linkname = len(content), kind, target
                archive.addfile(header, io.BytesIO(content))
        return result.getvalue()
