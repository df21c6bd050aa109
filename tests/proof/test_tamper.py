# SPDX-License-Identifier: GPL-3.0-or-later
"""One byte flipped in each kind of file: `repo verify` names it, and apt refuses what it reads."""
from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from debxcross.repository.steps.verify import here, verify
from tests.integration.archive import TinySource, make_source
from tests.proof.bench import CODENAME, Bench, served
from tests.tools import need

#: Kind → the file, and how a client meets it ("" when no client reads it).
KINDS = {
    "InRelease": (f"dists/{CODENAME}/InRelease", "update"),
    "Release": (f"dists/{CODENAME}/Release", "update without InRelease"),
    "Release.gpg": (f"dists/{CODENAME}/Release.gpg", "update without InRelease"),
    "Packages": (f"dists/{CODENAME}/main/binary-amd64/Packages", "update plain"),
    "Packages.gz": (f"dists/{CODENAME}/main/binary-amd64/Packages.gz", "update gz"),
    "Packages.xz": (f"dists/{CODENAME}/main/binary-amd64/Packages.xz", "update"),
    "Sources.xz": (f"dists/{CODENAME}/main/source/Sources.xz", "update"),
    "SHA256SUMS": (f"dists/{CODENAME}/main/builds/SHA256SUMS", ""),
    "deb": ("pool/main/t/tiny/tiny_1_amd64.deb", "download"),
    "dsc": ("pool/main/h/hello/hello_1.0.dsc", "source"),
    "source archive": ("pool/main/h/hello/hello_1.0.tar.xz", "source"),
    "buildinfo": ("pool/main/t/tiny/tiny_1_amd64.buildinfo", ""),
    "log": ("pool/main/t/tiny/tiny_1_amd64.log", ""),
    "key": ("debxcross-archive-keyring.gpg", ""),
    "armored key": ("debxcross-archive-keyring.asc", ""),
    "sources file": (f"device/{CODENAME}/debxcross-bookworm-and-later.sources", ""),
    "install script": (f"device/{CODENAME}/install.sh", ""),
    "front page": ("index.html", ""),
    "package page": (f"packages/{CODENAME}/tiny.html", ""),
    "style": ("page.css", ""),
    "script": ("page.js", ""),
}


class Apt:
    """This machine's apt with a root of its own."""

    def __init__(self, directory: Path, bench: Bench) -> None:
        self.directory = directory
        for name in ("etc/apt/apt.conf.d", "etc/apt/preferences.d", "etc/apt/sources.list.d",
                     "var/lib/apt/lists/partial",
                     "var/cache/apt/archives/partial", "var/lib/dpkg", "got"):
            (directory / name).mkdir(parents=True)
        (directory / "var/lib/dpkg/status").touch()
        keyring = directory / "keyring.gpg"
        keyring.write_bytes((bench.web / "debxcross-archive-keyring.gpg").read_bytes())
        (directory / "etc/apt/sources.list").write_text(
            "".join(f"{kind} [arch=amd64 signed-by={keyring}] {bench.url} {CODENAME} main\n"
                    for kind in ("deb", "deb-src")))
        (directory / "apt.conf").write_text(
            f'Dir "{directory}";\nDir::State::status "{directory}/var/lib/dpkg/status";\n'
            'APT::Architecture "amd64";\nAPT::Architectures { "amd64"; };\nAPT::Sandbox::User "root";\n'
            'Acquire::Languages "none";\nAcquire::Retries "0";\n')

    def works(self, *arguments: str) -> bool:
        done = subprocess.run(["apt-get", *arguments], cwd=self.directory / "got", text=True, timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8",
                                   "APT_CONFIG": str(self.directory / "apt.conf")})
        return done.returncode == 0 and not any(
            line.startswith(("E:", "W:", "Err")) for line in done.stdout.splitlines())

    def client(self, how: str) -> bool:
        """Meet a file as a client does; tell whether apt is content."""
        if how == "download":
            return self.works("update") and self.works("download", "tiny")
        if how == "source":
            return self.works("update") and self.works("source", "--download-only", "hello")
        return self.works("update")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    need("apt-get", "dpkg-source")
    bench = Bench(tmp_path)
    make_source(TinySource("hello"), bench.debs)
    for kind in ("buildinfo", "log"):
        (bench.debs / f"tiny_1_amd64.{kind}").write_text(f"the {kind} of a build\n")
    with served(bench):
        bench.publish(bench.deb("tiny", "1"), bench.debs / "hello_1.0.dsc",
                      bench.debs / "tiny_1_amd64.buildinfo", bench.debs / "tiny_1_amd64.log")
        yield bench


def flip(path: Path) -> bytes:
    """Change one bit in the middle of a file, under this name only; return what was there."""
    content = path.read_bytes()
    changed = bytearray(content)
    changed[len(content) // 2] ^= 1
    path.unlink()  # its other names keep their bytes
    path.write_bytes(changed)
    return content


def hide(bench: Bench, how: str) -> dict[Path, bytes]:
    """Take away what a client would rather read than the damaged file; return what it held."""
    dists = bench.web / "dists" / CODENAME
    better = {"update without InRelease": ["InRelease"], "update gz": ["Packages.xz"],
              "update plain": ["Packages.xz", "Packages.gz"]}.get(how, [])
    contents = {path.read_bytes() for name in better for path in dists.rglob(name)}
    hidden = {path: path.read_bytes() for path in dists.rglob("*")
              if path.is_file() and path.read_bytes() in contents and b"Package" not in path.read_bytes()[:7]}
    for path in hidden:
        path.unlink()
    return hidden


@pytest.mark.slow
def test_every_flipped_byte_is_named_and_refused(bench: Bench, tmp_path: Path) -> None:
    assert bench.verify().faults == []
    refused = 0
    for kind, (name, how) in KINDS.items():
        path = bench.web / name
        keyring = (bench.web / "debxcross-archive-keyring.gpg").read_bytes()
        apt = Apt(tmp_path / kind.replace(" ", "-"), bench)
        assert apt.client("download") and apt.client("source"), kind
        changed = [path]
        if how.startswith("update"):
            # A client asks for the index by its hash.
            changed += [one for one in path.parent.glob("by-hash/SHA256/*")
                        if one.read_bytes() == path.read_bytes()]
        before = [flip(one) for one in changed]
        told = _verify(bench, keyring)
        assert any(name == fault or name in fault for fault in told), (kind, told)
        if how:
            fresh = Apt(tmp_path / f"{kind.replace(' ', '-')}-after", bench)
            (fresh.directory / "keyring.gpg").write_bytes(keyring)
            hidden = hide(bench, how)
            assert not fresh.client(how), f"apt takes a damaged {kind}"
            refused += 1
            for one, content in hidden.items():
                one.write_bytes(content)
        for one, content in zip(changed, before):
            one.write_bytes(content)
        assert bench.verify().faults == [], kind
    print(f"\ntamper: {len(KINDS)} kinds of files, each named by verify; {refused} read and refused by apt")


def _verify(bench: Bench, keyring: bytes) -> list[str]:
    return [fault.path for fault in verify(here(bench.web), keyring, bench.now, (CODENAME,),
                                           root=bench.web).faults]
