# SPDX-License-Identifier: GPL-3.0-or-later
"""What the proofs share: a repository to maltreat, a web server over it, real devices.

Devices are Debian roots, made by mmdebstrap from the mirror it takes by itself and kept in
$DEBXCROSS_PROOF_ROOTS (or in a directory of this run).
"""
from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from debxcross.doors import gpg
from debxcross.doors.httpserver import Server
from debxcross.repository.core.index import RepositorySettings
from debxcross.repository.steps.publish import Publication, publish
from debxcross.repository.steps.verify import Findings, here, verify
from tests.playground import make_deb
from tests.tools import need

CHECKOUT = Path(__file__).resolve().parents[2]
RELEASES = tuple(os.environ.get("DEBXCROSS_PROOF_RELEASES", "bullseye bookworm trixie").split())
CODENAME = "boards"


class Bench:
    """A repository, its state, and debs to publish."""

    def __init__(self, directory: Path) -> None:
        need("gpg", "gpgv", "apt-ftparchive", "dpkg-deb")
        self.directory = directory
        self.web, self.state, self.debs = (directory / name for name in ("web", "state", "debs"))
        self.debs.mkdir(parents=True, exist_ok=True)
        self.url = f"file:{self.web}"
        self.now = 1_700_000_000.0

    def settings(self) -> RepositorySettings:
        return RepositorySettings(CODENAME, CODENAME, ("amd64", "armel"), self.url)

    def deb(self, package: str, version: str, architecture: str = "amd64") -> Path:
        return make_deb(self.debs / f"{package}_{version}_{architecture}.deb",
                        {"Package": package, "Version": version, "Architecture": architecture},
                        {f"usr/share/tiny/{package}": version.encode()})

    def publish(self, *files: Path, replace: bool = True) -> Publication:
        return publish(self.web, self.state, self.settings(), files, now=lambda: self.now, replace=replace)

    def verify(self) -> Findings:
        keyring = gpg.export_public(self.state / "keys")
        return verify(here(self.web), keyring, self.now, (CODENAME,), root=self.web)

    def command(self, *files: Path) -> list[str]:
        """Return the command line that publishes files, as another process."""
        return [sys.executable, "-m", "debxcross", "repo", "publish", str(self.web), *map(str, files),
                "--state", str(self.state), "--release", CODENAME, "--url", self.url, "--replace"]


@contextmanager
def served(bench: Bench) -> Iterator[Server]:
    """Serve a bench's web root on loopback."""
    bench.web.mkdir(exist_ok=True)
    server = Server(bench.web, "127.0.0.1", 0)
    bench.url = f"http://127.0.0.1:{server.port}/"
    threading.Thread(target=server.serve, daemon=True).start()
    try:
        yield server
    finally:
        server.stop()


class Device:
    """A Debian root whose only source is the bench's repository."""

    def __init__(self, release: str, root: Path, base: Path) -> None:
        self.release, self.root = release, root
        subprocess.run(["cp", "-a", "--reflink=auto", str(base), str(root)], check=True)
        for path in (root / "etc/apt/sources.list", *(root / "etc/apt/sources.list.d").glob("*")):
            path.unlink(missing_ok=True)

    def run(self, *argv: str, seconds: float = 120.0) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8",
                       "DEBIAN_FRONTEND": "noninteractive"}
        return subprocess.run(["chroot", str(self.root), *argv], text=True, env=environment, cwd="/",
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds)

    def set_up(self, bench: Bench) -> str:
        """Run the published install script; return what is wrong, or ""."""
        script = bench.web / "device" / CODENAME / "install.sh"
        shutil.copy(script, self.root / "root/install.sh")
        readme = (script.parent / "README.txt").read_text().splitlines()
        told = next(line.strip() for line in readme if len(line.strip()) == 40)
        return wrong(self.run("sh", "/root/install.sh", told))

    def update(self) -> str:
        return wrong(self.run("apt-get", "-o", "Acquire::Retries=0", "update"))

    def download(self, package: str) -> str:
        done = self.run("sh", "-c", f"cd /tmp && rm -f {package}_* && "
                        f"apt-get -o Acquire::Retries=0 download {package} && test -s {package}_*.deb")
        return wrong(done)


def wrong(done: subprocess.CompletedProcess[str]) -> str:
    """Return what apt complains of; its exit status alone is 0 for a lot of things."""
    ours = [line for line in done.stdout.splitlines() if line.startswith(("E:", "W:", "Err:", "error:"))
            # What a root without /dev/pts, and root downloading into /tmp, are told.
            and "posix_openpt" not in line and "unsandboxed" not in line]
    return "\n".join(ours) or (done.stdout if done.returncode else "")


def base_roots(directory: Path) -> dict[str, Path]:
    """Return a base root by release; skip where they cannot be made."""
    need("mmdebstrap", "chroot")
    if os.geteuid():
        pytest.skip("needs root for chroot")
    place = Path(os.environ.get("DEBXCROSS_PROOF_ROOTS", str(directory)))
    place.mkdir(parents=True, exist_ok=True)
    roots = {}
    for release in RELEASES:
        root = place / release
        if not (root / "usr/bin/apt-get").exists():
            subprocess.run(["mmdebstrap", "--mode=root", "--variant=apt", "--include=libfaketime", release,
                            str(root)], check=True, timeout=600, stdout=subprocess.DEVNULL)
        roots[release] = root
    return roots


def in_threads(works: Sequence[Callable[[], None]]) -> list[threading.Thread]:
    threads = [threading.Thread(target=work, daemon=True) for work in works]
    for thread in threads:
        thread.start()
    return threads
