# SPDX-License-Identifier: GPL-3.0-or-later
"""The tree works from any web server, from a directory, and from a stick without links."""
from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from debxcross.doors.httpserver import Server
from tests.proof.bench import CHECKOUT, CODENAME, Bench
from tests.proof.test_tamper import Apt
from tests.tools import need


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


@contextmanager
def running(*argv: str, port: int) -> Iterator[str]:
    """Run a server until the end of the block; yield its address."""
    server = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with socket.socket() as one:
                if one.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.terminate()
        server.wait(10)


@contextmanager
def nginx(web: Path, work: Path) -> Iterator[str]:
    need("nginx")
    port = free_port()
    site = (CHECKOUT / "repo/nginx.conf").read_text().replace("/srv/repository", str(web)).replace(
        "listen 8000", f"listen 127.0.0.1:{port}")
    (work / "nginx.conf").write_text(
        f"daemon off; user root; pid {work}/nginx.pid; error_log {work}/error.log;\nevents {{}}\n"
        f"http {{ access_log off; {site} }}\n")
    with running("nginx", "-c", str(work / "nginx.conf"), port=port) as url:
        for name, words in (("dists/%s/InRelease" % CODENAME, "no-cache"),
                            ("pool/main/t/tiny/tiny_1_amd64.deb", "immutable")):
            with urllib.request.urlopen(url + name, timeout=10) as answer:
                assert words in answer.headers["Cache-Control"] and answer.headers["ETag"] is None
        yield url


@contextmanager
def python(web: Path, work: Path) -> Iterator[str]:
    port = free_port()
    argv = (sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "--directory", str(web), str(port))
    with running(*argv, port=port) as url:
        yield url


@contextmanager
def ours(web: Path, work: Path) -> Iterator[str]:
    server = Server(web, "127.0.0.1", 0)
    threading.Thread(target=server.serve, daemon=True).start()
    yield f"http://127.0.0.1:{server.port}/"
    server.stop()


@contextmanager
def directory(web: Path, work: Path) -> Iterator[str]:
    yield f"file:{web}"


@contextmanager
def stick(web: Path, work: Path) -> Iterator[str]:
    """Copy as a file system without links would hold it, without the snapshots."""
    shutil.copytree(web, work / "stick", ignore=shutil.ignore_patterns("snapshots"))
    assert not any(path.is_symlink() for path in (work / "stick").rglob("*"))
    yield f"copy:{work / 'stick'}"


SERVERS = (nginx, python, ours, directory, stick)


@pytest.mark.slow
@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.__name__)
def test_a_device_reads_the_tree(tmp_path: Path, server: Callable[[Path, Path], Iterator[str]]) -> None:
    bench = Bench(tmp_path)
    bench.publish(bench.deb("tiny", "1"))
    with server(bench.web, tmp_path) as url:  # type: ignore[attr-defined]
        bench.url = url
        apt = Apt(tmp_path / "apt", bench)
        assert apt.client("download")
