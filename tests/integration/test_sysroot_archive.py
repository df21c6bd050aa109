# SPDX-License-Identifier: GPL-3.0-or-later
"""Sysroots from a tiny signed archive, by the command line: what apt chooses, and names that are wrong.

Also which package of it has a library that a program needs.
"""
from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from debxcross.app.opening import Opening
from debxcross.app.request import Request
from debxcross.core.chain.chain import Chain
from debxcross.doors import process
from tests.integration.archive import SigningHome, TinyPackage, make_suite, signing_home, toolchain
from tests.playground import make_elf
from tests.tools import need

ROOT = Path(__file__).resolve().parents[2]
HOST = "armel"
MAIN = "import sys; sys.argv[0] = 'debxcross'; from debxcross.cli import main; main()"
Run = Callable[..., subprocess.CompletedProcess[str]]

PACKAGES = (
    TinyPackage("libgood1", HOST, files={"usr/lib/arm-linux-gnueabi/libgood.so.1": b"library"}),
    TinyPackage("libgood-dev", HOST, fields={"Depends": "libgood1 (= 1.0-1)"}, files={
        "usr/include/good.h": b"int good;", "usr/share/doc/libgood-dev/copyright": b"free"}),
    TinyPackage("libblas3", HOST, fields={"Provides": "libblas.so.3"},
                files={"usr/lib/arm-linux-gnueabi/blas/libblas.so.3": b"library"}),
    TinyPackage("liba-blas0", HOST, fields={"Provides": "libblas.so.3"}),
    TinyPackage("libodd-dev", HOST, fields={"Conflicts": "libgood-dev"}),
    TinyPackage("libpoor-dev", HOST, fields={"Depends": "libgone1"}),
    TinyPackage("libone-dev", HOST, fields={"Provides": "libsome-dev"}),
    TinyPackage("libtwo-dev", HOST, fields={"Provides": "libsome-dev"}),
)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, SigningHome, str]]:
    need("apt-get", "apt-ftparchive", "dpkg", "gpg", "gpgv")
    build = process.run(["dpkg", "--print-architecture"]).stdout.strip()
    directory = tmp_path_factory.mktemp("archive")
    with signing_home(directory / "keyring.gpg") as home:
        foreign = TinyPackage("libelsewhere-dev", build)
        make_suite(directory, "sid", home, architectures=(build, HOST),
                   packages=(*toolchain(build, HOST), *PACKAGES, foreign), contents=True)
        yield directory, home, build


@pytest.fixture()
def create(archive: tuple[Path, SigningHome, str], tmp_path: Path) -> Run:
    """Return what runs ``sysroot create`` in a directory with a debxcross.toml and an empty store."""
    return partial(command(archive, tmp_path), "sysroot", "create", HOST, "--output", "made")


def command(
    archive: tuple[Path, SigningHome, str], tmp_path: Path, *prefix: str, mirror: str = ""
) -> Run:
    """Return what runs the command line in a directory with a debxcross.toml and an empty store.

    ``prefix`` is a command that runs another; ``mirror`` is an address instead of the directory's.
    """
    directory, home, _ = archive
    mirror = mirror or f"file:{directory}"
    (tmp_path / "debxcross.toml").write_text(
        f'[mirrors]\nmain = ["{mirror}"]\nsecurity = ["{mirror}"]\nkeyrings = ["{home.keyring}"]\n')

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*prefix, sys.executable, "-c", MAIN, *arguments],
            cwd=tmp_path, text=True, capture_output=True, timeout=120, env={
                "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(tmp_path),
                "DEBXCROSS_STORE": str(tmp_path / "store"), "COLUMNS": "1000", "LC_ALL": "C.UTF-8"})
    return run


def only(*packages: str) -> tuple[str, ...]:
    return ("--release", "sid", "--only", *(word for name in packages for word in ("--package", name)))


def test_apt_chooses_the_closure(create: Run, tmp_path: Path) -> None:
    done = create(*only("libgood-dev"))
    assert (done.returncode, done.stdout) == (0, f"{tmp_path}/made\n"), done.stderr
    manifest = json.loads((tmp_path / "made/debxcross/manifest.json").read_text())
    assert [(one["name"], one["origin"]) for one in manifest["packages"]] == [
        ("libgood-dev", "main"), ("libgood1", "main")]
    assert (tmp_path / "made/usr/include/good.h").read_text() == "int good;"
    assert not (tmp_path / "made/usr/share/doc").exists()


def test_a_lock_fetches_what_the_indexes_no_longer_choose(
    create: Run, archive: tuple[Path, SigningHome, str], tmp_path: Path
) -> None:
    """Another store, so that the packages must come from the archive, by digest."""
    assert create(*only("libgood-dev")).returncode == 0
    (tmp_path / "made").rename(tmp_path / "first")
    (tmp_path / "store").rename(tmp_path / "old-store")
    done = create("--from-lock", "first")
    assert done.returncode == 0, done.stderr
    contents = [sorted((str(path.relative_to(tree)), path.read_bytes()) for path in tree.rglob("*")
                       if path.is_file() and not path.is_symlink())
                for tree in (tmp_path / "first", tmp_path / "made")]
    assert contents[0] == contents[1]


def test_the_same_bytes_for_another_user_elsewhere(
    archive: tuple[Path, SigningHome, str], tmp_path: Path
) -> None:
    if os.geteuid():
        pytest.skip("only root becomes another user")
    need("setpriv", "zstd")
    first = command(archive, tmp_path)("sysroot", "create", HOST, *only("libgood-dev"),
                                       "--output", "made.tar.zst")
    # pytest's directories are closed to others, the archive among them.
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o777)
        shutil.copytree(archive[0], place / "archive")
        (place / "archive").chmod(0o755)
        keyring = Path(shutil.copy(archive[1].keyring, place / "keyring.gpg"))
        other = command((place / "archive", SigningHome(place, keyring), ""), place,
                        "setpriv", "--reuid", "nobody", "--clear-groups",
                        "env", "TZ=Pacific/Kiritimati", "LC_ALL=tr_TR.UTF-8",
                        "sh", "-c", 'umask 077; exec "$@"', "sh")
        if other("--version").returncode:
            pytest.skip("nobody cannot read the checkout or the interpreter")
        second = other("sysroot", "create", HOST, *only("libgood-dev"), "--output", "some/where.tar.zst")
        assert second.returncode == 0, second.stderr
        assert (place / "some/where.tar.zst").owner() == "nobody"
    assert first.stdout.split()[0] == second.stdout.split()[0]


@pytest.mark.parametrize(("packages", "said"), [
    (("libgod-dev",), "libgod-dev: no such package; did you mean libgood-dev"),
    (("libgod-dev", "xyzzy"), "xyzzy: no such package"),
    (("libelsewhere-dev",), "libelsewhere-dev: sid has it for BUILD, not for armel"),
    (("libgood-dev:BUILD",), "libgood-dev:BUILD is for another architecture than the sysroot, armel"),
    (("libsome-dev",), "libsome-dev: virtual; choose one of libone-dev, libtwo-dev"),
    (("libgood-dev", "libodd-dev"), "libodd-dev : Conflicts: libgood-dev"),
    (("libgood-dev", "libodd-dev"), "Next: Of packages that conflict, leave one out"),
    (("libpoor-dev",), "libpoor-dev : Depends: libgone1"),
])
def test_names_that_cannot_be_had(
    create: Run, archive: tuple[Path, SigningHome, str], tmp_path: Path, packages: tuple[str, ...], said: str
) -> None:
    build = archive[2]
    done = create(*only(*(name.replace("BUILD", build) for name in packages)))
    assert done.returncode in (2, 13), done.stderr
    assert said.replace("BUILD", build) in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "made").exists() and not list(tmp_path.glob(".made*"))


def test_which_package_has_a_library(archive: tuple[Path, SigningHome, str], tmp_path: Path) -> None:
    run = command(archive, tmp_path)
    needed = ("libgood.so.1", "libblas.so.3", "libgone.so.1")
    (tmp_path / "program").write_bytes(make_elf(HOST, needed=needed))
    for _ in range(2):  # the second answer is a remembered one
        done = run("inspect", "program", "--release", "sid", "--arch", HOST, "--json")
        (found,) = json.loads(done.stdout)
        assert (done.returncode, found["needed"]) == (
            21, {"libgood.so.1": "package libgood1", "libgone.so.1": "",
                 "libblas.so.3": "package libblas3, by an alternative"}), done.stderr
        assert found["faults"] == ["libgone.so.1 is missing"]
    shutil.rmtree(tmp_path / "store")
    done = run("inspect", "program", "--release", "bookworm", "--arch", HOST, "--offline", "--json")
    assert done.returncode == 0 and not (tmp_path / "store/apt").exists()
    assert json.loads(done.stdout)[0]["needed"] == {name: None for name in needed}


def test_an_archive_without_contents(archive: tuple[Path, SigningHome, str], tmp_path: Path) -> None:
    directory, home, build = archive
    bare = tmp_path / "bare"
    bare.mkdir()
    make_suite(bare, "sid", home, architectures=(build, HOST), packages=PACKAGES)
    run = command((bare, home, build), tmp_path)
    (tmp_path / "program").write_bytes(make_elf(HOST))
    done = run("inspect", "program", "--release", "sid", "--arch", HOST)
    assert done.returncode == 10 and "no Contents index for armel" in done.stderr, done.stderr
    assert "--offline does without" in done.stderr


class Mirror(ThreadingHTTPServer):
    """A web server on loopback with a directory; of .debs it can be told to send a part, and then nothing."""

    daemon_threads = True

    def __init__(self, directory: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(Handler, directory=str(directory)))
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.stalls, self.began, self.over = False, threading.Event(), threading.Event()


class Handler(SimpleHTTPRequestHandler):
    server: Mirror

    def do_GET(self) -> None:
        if not (self.server.stalls and self.path.endswith(".deb")):
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        self.wfile.write(b"!<arch>\n")
        self.server.began.set()
        self.server.over.wait(30)

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


@pytest.fixture
def mirror(archive: tuple[Path, SigningHome, str], tmp_path: Path) -> Iterator[Mirror]:
    """Serve a copy of the archive, which may be damaged: tmp_path/archive."""
    shutil.copytree(archive[0], tmp_path / "archive")
    server = Mirror(tmp_path / "archive")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.over.set()
    server.shutdown()
    server.server_close()
    thread.join()


def test_wrong_names_are_told_without_a_network(
    archive: tuple[Path, SigningHome, str], mirror: Mirror, tmp_path: Path
) -> None:
    run = command(archive, tmp_path, mirror=mirror.url)
    assert run("sysroot", "create", HOST, *only("libgood-dev"), "--output", "made").returncode == 0
    shutil.rmtree(tmp_path / "archive/dists")
    done = run("sysroot", "create", HOST, *only("libgod-dev", "libelsewhere-dev"), "--output", "other")
    assert done.returncode == 2, done.stderr
    assert "libgod-dev: no such package; did you mean libgood-dev" in done.stderr
    assert "libelsewhere-dev: no such package" in done.stderr


def test_what_a_build_has_just_fetched_is_not_fetched_again(
    archive: tuple[Path, SigningHome, str], mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = command(archive, tmp_path, mirror=mirror.url)
    monkeypatch.chdir(tmp_path)
    Opening(Request(HOST, release="sid", store=tmp_path / "store"), (), Chain("sid", "sid", ())).context()
    shutil.rmtree(tmp_path / "archive/dists")
    done = run("sysroot", "create", HOST, *only("libgood-dev"), "--output", "made")
    assert done.returncode == 0, done.stderr
    refreshed = run("sysroot", "create", HOST, *only("libgood-dev"), "--output", "other", "--refresh")
    assert refreshed.returncode == 10, refreshed.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_downloads_at_once(
    archive: tuple[Path, SigningHome, str], mirror: Mirror, tmp_path: Path, number: signal.Signals
) -> None:
    mirror.stalls = True
    command(archive, tmp_path, mirror=mirror.url)
    program = f"import signal; signal.signal(signal.SIGINT, signal.default_int_handler); {MAIN}"
    running = subprocess.Popen(
        [sys.executable, "-c", program, "sysroot", "create", HOST, *only("libgood-dev"), "--output", "made"],
        cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={
            "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(tmp_path),
            "DEBXCROSS_STORE": str(tmp_path / "store"), "LC_ALL": "C.UTF-8"})
    try:
        assert mirror.began.wait(60)
        started = time.monotonic()
        running.send_signal(number)
        said = running.communicate(timeout=20)[1]
        assert time.monotonic() - started < 5
        assert running.returncode == 130 and "Traceback" not in said, said
        assert "Run the same command again" in said
        assert not (tmp_path / "made").exists()
    finally:
        running.kill()
        running.wait()
