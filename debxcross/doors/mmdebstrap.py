# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to mmdebstrap, which makes base roots from packages."""
from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from debxcross.core.build.log import tells_of_full_disk
from debxcross.doors import process
from debxcross.doors.chroot import Chroots
from debxcross.doors.regular import tail
from debxcross.doors.watch import Watch
from debxcross.errors import HostError


def make_root(
    chroots: Chroots, target: Path, release: str, sources_list: Path, architectures: Sequence[str],
    packages: Sequence[str], *, apt_options: Path, dpkg_options: Sequence[str],
    commands: Sequence[str], log: Path, variant: str = "buildd",
    hooks: Sequence[str] = (), epoch: int | None = None,
) -> None:
    """Make a root at ``target`` (which must not exist) with mmdebstrap and unpack it.

    ``commands`` are shell commands run in the new root before it is packed; ``hooks`` are
    more of mmdebstrap's own arguments, such as "--setup-hook=…".  With ``epoch``, no file is
    younger than that (SOURCE_DATE_EPOCH).  Raises HostError with the log's tail, DiskFullError or
    BoundError; the target is then gone.
    """
    tar = target.with_suffix(".tar")
    # Packages' scripts run: as root of the machine only where there is nothing else.
    mode = "root" if chroots.isolation == "none" else "unshare"
    argv = [
        "mmdebstrap", f"--mode={mode}", f"--variant={variant}", "--format=tar",
        f"--architectures={','.join(architectures)}", f"--aptopt={apt_options}",
        # The user _apt may not be let through to our keyrings and lists of mirrors.
        '--aptopt=APT::Sandbox::User "root"',
        *(f"--dpkgopt={option}" for option in dpkg_options),
        *((f"--include={','.join(packages)}",) if packages else ()),
        *(f"--customize-hook=chroot \"$1\" sh -c '{command}'" for command in commands),
        *hooks,
        *(("--skip=check/canmount",) if chroots.isolation == "none" else ()),
        release, str(tar), str(sources_list),
    ]
    # A directory of our own: ended in the middle, mmdebstrap leaves its own behind.
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", "/tmp"), prefix="debxcross-") as scratch:
        place = Path(scratch)
        place.chmod(0o755)
        environment = {"TMPDIR": scratch}
        if epoch is not None:
            environment["SOURCE_DATE_EPOCH"] = str(epoch)
        # The target's own directory is a throw-away one, whose name would tell nobody anything.
        watch = Watch(chroots.bounds, log, target.parent.parent, place.parent)
        try:
            done = process.run(argv, log=log, environment=environment, until=watch)
            if done.exit_status == 0:
                done = _unpack(chroots, tar, target, log)
            if watch.met or watch.look() or done.exit_status:
                if target.exists():
                    chroots.remove(target)
                raise watch.bound_error(argv[:1]) if watch.met else _failed(done, log, watch)
        finally:
            tar.unlink(missing_ok=True)
            for left in place.iterdir():
                chroots.remove(left)


def _unpack(chroots: Chroots, tar: Path, target: Path, log: Path) -> process.Completed:
    """Unpack a root's tar; its files get the root's ids, and nothing but ``target`` can be written."""
    chroots.make_directory(target)
    return process.run(
        chroots.as_owner(["tar", "--extract", "--numeric-owner", "--preserve-permissions",
                          "--exclude=./dev/*"]),
        log=log, directory=target, stdin_path=tar)


def _failed(done: process.Completed, log: Path, watch: Watch) -> HostError:
    said = tail(log) if log.exists() else ""
    if watch.full or tells_of_full_disk(said):
        return watch.error(said, "--store; TMPDIR, where mmdebstrap unpacks")
    lines = said.splitlines()
    told = [line for line in lines if line.startswith(("E:", "W:", "dpkg: error", "tar: "))] or lines
    with log.open("a") as file:  # some 6 kB of packages and hooks
        file.write(f"{done.ending}\n")
    return HostError(
        "the base root could not be made", "\n".join(told[-12:]),
        f"The whole log, with the command at its end, is {log}. "
        "Run 'debxcross doctor' if it speaks of namespaces or subuids.")
