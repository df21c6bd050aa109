# SPDX-License-Identifier: GPL-3.0-or-later
"""Publishes the same packages with debxcross, reprepro and aptly, and serves them beside nginx.

    .venv/bin/python benchmarks/repository.py [COUNT]

All three sign with one key and write Packages, .gz and .xz for two architectures.  COUNT
(10,000) tiny debs (xz, as dpkg makes them), each with a changelog, are made first.  debxcross
also writes a page for each package, keeps a snapshot and verifies what it signed.  Servers are
asked by ab (apache2-utils), 200 connections at a time, kept alive.  Needs reprepro, aptly,
nginx and ab.
"""
from __future__ import annotations

import gzip
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.playground import make_deb  # noqa: E402

DEBXCROSS = Path(sys.executable).with_name("debxcross")
CONNECTIONS, REQUESTS = 200, 4000


def make_debs(directory: Path, count: int) -> None:
    """Make tiny debs of different sources."""
    directory.mkdir()
    chance = random.Random(1)
    for number in range(count):
        name = f"{'lib' if number % 3 == 0 else ''}{chance.choice('abcdefghijklmnopqrstuvwxyz')}tiny{number}"
        text = (f"{name} (1.0-1) unstable; urgency=low\n\n  * Tiny {number}.\n\n"
                " -- Nobody <nobody@example.org>  Sat, 01 Jan 2022 00:00:00 +0000\n")
        make_deb(directory / f"{name}_1.0-1_armel.deb",
                 {"Package": name, "Version": "1.0-1", "Section": "misc", "Priority": "optional",
                  "Depends": f"libc6 (>= 2.{number % 40})", "Installed-Size": "12",
                  "Description": f"tiny package {number}\n Some text about it, the same for\n all of them."},
                 {f"usr/share/doc/{name}/changelog.Debian.gz": gzip.compress(text.encode(), mtime=0),
                  f"usr/share/tiny/{name}": chance.randbytes(500)})


def timed(argv: list[str], environment: dict[str, str] | None = None) -> tuple[float, float, float]:
    """Run a command that must end well; return wall and CPU time in seconds and peak memory in MB."""
    started = time.perf_counter()
    child = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                             env={**os.environ, **(environment or {})})
    assert child.stderr is not None
    told = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - started
    if status:
        raise SystemExit(f"{' '.join(argv)[:300]} ended with status {status}:\n{told.decode()[-2000:]}")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


class Publisher:
    """One of the three: how it publishes a directory, one more deb, and the same again."""

    def __init__(self, name: str, work: Path, home: Path) -> None:
        self.name, self.work, self.home = name, work / name, home
        self.work.mkdir()
        self.environment = {"GNUPGHOME": str(home)}

    def run(self, *steps: list[str]) -> tuple[float, float, float]:
        walls, cpus, memories = zip(*(timed(step, self.environment) for step in steps))
        return sum(walls), sum(cpus), max(memories)

    def publish(self, debs: list[str]) -> tuple[float, float, float]:
        raise NotImplementedError


class Debxcross(Publisher):
    """debxcross repo publish; directories and all."""

    def publish(self, debs: list[str]) -> tuple[float, float, float]:
        state = self.work / "state"
        if not state.exists():
            shutil.copytree(self.home, state / "keys", ignore=shutil.ignore_patterns("S.*"))
        return self.run([str(DEBXCROSS), "repo", "publish", str(self.work / "web"), *debs,
                         "--state", str(state), "--url", "http://127.0.0.1/", "--arch", "amd64",
                         "--arch", "armel"])


class Reprepro(Publisher):
    """reprepro includedeb."""

    def publish(self, debs: list[str]) -> tuple[float, float, float]:
        conf = self.work / "conf" / "distributions"
        if not conf.exists():
            conf.parent.mkdir()
            conf.write_text("Codename: bookworm\nArchitectures: amd64 armel\nComponents: main\n"
                            "SignWith: yes\nDebIndices: Packages Release . .gz .xz\n")
        files = [str(path) for name in debs
                 for path in (sorted(Path(name).glob("*.deb")) if Path(name).is_dir() else [Path(name)])]
        return self.run(["reprepro", "-s", "-b", str(self.work), "includedeb", "bookworm", *files])


class Aptly(Publisher):
    """aptly repo add, then publish."""

    def publish(self, debs: list[str]) -> tuple[float, float, float]:
        conf, steps = self.work / "conf", []
        aptly = ["aptly", f"-config={conf}"]
        if first := not conf.exists():
            conf.write_text(json.dumps({"rootDir": str(self.work), "architectures": ["amd64", "armel"],
                                        "skipContentsPublishing": True}))
            steps.append([*aptly, "repo", "create", "-distribution=bookworm", "repo"])
        steps.append([*aptly, "repo", "add", "repo", *debs])
        how = ["repo", "-batch", "repo"] if first else ["update", "-batch", "bookworm"]
        steps.append([*aptly, "publish", *how])
        return self.run(*steps)


def make_home(directory: Path) -> Path:
    """Make a key that all three sign with."""
    directory.mkdir(mode=0o700)
    subprocess.run(["gpg", "--homedir", str(directory), "--batch", "--quiet", "--passphrase", "",
                    "--quick-generate-key", "bench", "rsa4096", "sign", "1y"], check=True,
                   stderr=subprocess.DEVNULL)
    return directory


def publishing(work: Path, count: int) -> Path:
    """Print the table of publishing; return debxcross's web root."""
    debs = work / "debs"
    print(f"making {count} debs …", file=sys.stderr)
    make_debs(debs, count + 1)
    one = work / "one"
    one.mkdir()
    last = sorted(debs.iterdir())[count // 2]
    extra = Path(shutil.move(last, one / last.name))
    home = make_home(work / "home")
    print(f"| {count} packages, seconds (of processors) | first | one more | the same again | memory |")
    print("|---|---|---|---|---|")
    for kind in (Debxcross, Reprepro, Aptly):
        publisher = kind(kind.__name__.lower(), work, home)
        found = [publisher.publish([str(given)]) for given in (debs, extra, extra)]
        seconds = " | ".join(f"{wall:.2f} s ({cpu:.2f} s)" for wall, cpu, _ in found)
        print(f"| {publisher.name} | {seconds} | {max(memory for *_, memory in found):.0f} MB |", flush=True)
    again = Debxcross("again", work, home)
    again.work = work / "debxcross"
    again.publish([str(debs)])
    seconds, *_ = again.publish([str(debs)])
    print(f"\nall {count} once more, unchanged, with debxcross: {seconds:.2f} s")
    return work / "debxcross" / "web"


def ab(url: str) -> tuple[float, float, int]:
    """Return requests a second, MB a second, and how many failed."""
    argv = ["ab", "-q", "-k", "-r", "-n", str(REQUESTS), "-c", str(CONNECTIONS), url]
    done = subprocess.run(argv, text=True, capture_output=True, check=True).stdout
    rate = float(re.search(r"Requests per second:\s+([\d.]+)", done)[1])  # type: ignore[index]
    size = int(re.search(r"Document Length:\s+(\d+)", done)[1])  # type: ignore[index]
    failed = int(re.search(r"Failed requests:\s+(\d+)", done)[1])  # type: ignore[index]
    failed += int((re.search(r"Non-2xx responses:\s+(\d+)", done) or ["", "0"])[1])
    return rate, rate * size / 1e6, failed


def serving(work: Path, web: Path) -> None:
    """Print the table of serving."""
    large = web / "pool" / "large.deb"
    large.write_bytes(random.Random(2).randbytes(1 << 20))
    names = {"InRelease": "dists/bookworm/InRelease",
             "Packages.xz": "dists/bookworm/main/binary-armel/Packages.xz",
             "a deb of 1 MiB": "pool/large.deb"}
    config = work / "nginx.conf"
    site = (ROOT / "repo" / "nginx.conf").read_text().replace("/srv/repository", str(web)).replace(
        "listen 8000", "listen 127.0.0.1:8099")
    config.write_text(f"daemon off; user root; pid {work}/nginx.pid; error_log {work}/error.log;\n"
                      f"events {{ worker_connections 1024; }}\nhttp {{ access_log off; {site} }}\n")
    commands: dict[str, tuple[list[str], int]] = {
        "repo serve": ([str(DEBXCROSS), "repo", "serve", str(web), "--quiet", "--bind", "127.0.0.1", "--port",
                        "8098"], 8098),
        "nginx": (["nginx", "-c", str(config)], 8099)}
    print(f"\n| {REQUESTS} requests, {CONNECTIONS} connections | " + " | ".join(names) + " | failed |")
    print("|---|" + "---|" * (len(names) + 1))
    for name, (argv, port) in commands.items():
        server = subprocess.Popen(argv, stderr=subprocess.DEVNULL)
        try:
            time.sleep(1)
            found = [ab(f"http://127.0.0.1:{port}/{path}") for path in names.values()]
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(10)
        cells = " | ".join(f"{rate:.0f}/s, {speed:.0f} MB/s" for rate, speed, _ in found)
        print(f"| {name} | {cells} | {sum(failed for *_, failed in found)} |", flush=True)


def main() -> None:
    """Measure and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory(prefix="debxcross-bench-") as name:
        work = Path(name)
        try:
            serving(work, publishing(work, count))
        finally:
            subprocess.run(["gpgconf", "--homedir", str(work / "home"), "--kill", "all"], check=False)


if __name__ == "__main__":
    main()
