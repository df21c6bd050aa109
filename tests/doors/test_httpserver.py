# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import http.client
import os
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from pathlib import Path

import pytest

from debxcross.doors import httpserver
from debxcross.doors.httpserver import Server
from debxcross.errors import HostError

MTIME = 1_700_000_000
CONTENT = bytes(range(256)) * 4000


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "web"
    files = {"index.html": b"<p>front", "dists/a/InRelease": b"signed", "empty": b"",
             "pool/main/t/tiny/tiny_1_a.deb": CONTENT, "dists/a/by-hash/SHA256/00": b"index",
             ".staging/1": b"secret", "sub/index.html": b"sub"}
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
        os.utime(root / name, (MTIME, MTIME))
    (tmp_path / "outside").write_bytes(b"outside")
    (root / "link").symlink_to(tmp_path / "outside")
    (root / "snap").symlink_to("pool")
    os.mkfifo(root / "pipe")
    return root


@pytest.fixture
def server(root: Path) -> Iterator[Server]:
    server = Server(root, "127.0.0.1", 0)
    threading.Thread(target=server.serve, daemon=True).start()
    yield server
    server.stop()


def get(server: Server, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, headers=names)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def talk(server: Server, text: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(text)
        connection.shutdown(socket.SHUT_WR)
        got = b""
        while block := connection.recv(65536):
            got += block
        return got


def test_files_come_whole_with_their_dates(server: Server) -> None:
    status, headers, body = get(server, "/pool/main/t/tiny/tiny_1_a.deb")
    assert (status, body) == (200, CONTENT)
    assert headers["Last-Modified"] == formatdate(MTIME, usegmt=True)
    assert headers["Content-Length"] == str(len(CONTENT))
    assert get(server, "/empty")[::2] == (200, b"")
    assert get(server, "/?query")[2] == b"<p>front"
    assert get(server, "/dists/a/InRelease", "HEAD")[::2] == (200, b"")


@pytest.mark.parametrize(("path", "kept"), [
    ("/pool/main/t/tiny/tiny_1_a.deb", True), ("/dists/a/by-hash/SHA256/00", True),
    ("/dists/a/InRelease", False), ("/", False)])
def test_only_what_never_changes_may_be_kept(server: Server, path: str, kept: bool) -> None:
    assert ("immutable" in get(server, path)[1]["Cache-Control"]) is kept
    assert kept or get(server, path)[1]["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(("asked", "start", "end"), [
    ("bytes=0-0", 0, 1), ("bytes=1000-", 1000, len(CONTENT)), ("bytes=-5", len(CONTENT) - 5, len(CONTENT)),
    ("bytes=5-99999999", 5, len(CONTENT))])
def test_a_download_goes_on_where_it_stopped(server: Server, asked: str, start: int, end: int) -> None:
    status, headers, body = get(server, "/snap/main/t/tiny/tiny_1_a.deb", Range=asked)
    assert (status, body) == (206, CONTENT[start:end])
    assert headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(CONTENT)}"


def test_a_range_of_another_state_gives_the_whole_file(server: Server) -> None:
    path, same = "/pool/main/t/tiny/tiny_1_a.deb", formatdate(MTIME, usegmt=True)
    assert get(server, path, Range="bytes=9-", If_Range=same)[0] == 206
    assert get(server, path, Range="bytes=9-", If_Range=formatdate(MTIME - 1, usegmt=True))[0] == 200
    assert get(server, path, Range="bytes=1-2,4-5")[0] == 200
    status, headers, _ = get(server, path, Range=f"bytes={len(CONTENT)}-")
    assert (status, headers["Content-Range"]) == (416, f"bytes */{len(CONTENT)}")


def test_what_a_client_has_is_not_sent_again(server: Server) -> None:
    for since, status in ((MTIME, 304), (MTIME + 5, 304), (MTIME - 1, 200)):
        found = get(server, "/dists/a/InRelease", If_Modified_Since=formatdate(since, usegmt=True))
        assert found[0] == status
    assert get(server, "/dists/a/InRelease", If_Modified_Since="yesterday")[0] == 200


@pytest.mark.parametrize("path", [
    "/none", "/.staging/1", "/link", "/../outside", "/%2e%2e/outside", "/pool/../../outside", "/pipe",
    "/dists/", "/index.html/x", "/pool/%00"])
def test_nothing_else_is_shown(server: Server, path: str) -> None:
    status, _, body = get(server, path)
    assert status in (400, 404) and b"outside" not in body and b"secret" not in body


def test_a_directory_is_named_with_a_slash(server: Server) -> None:
    status, headers, _ = get(server, "/sub")
    assert (status, headers["Location"]) == (301, "/sub/")
    assert get(server, "/sub/")[2] == b"sub"


def test_requests_in_one_packet_are_answered_in_order(server: Server) -> None:
    request = b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n"
    got = talk(server, request % b"/dists/a/InRelease" + request % b"/none" + request % b"/sub/index.html")
    assert got.index(b"signed") < got.index(b"404") < got.index(b"sub")
    assert got.count(b"HTTP/1.1 ") == 3


@pytest.mark.parametrize(("text", "status"), [
    (b"nonsense\r\n\r\n", 400), (b"GET / HTTP/3\r\n\r\n", 505), (b"POST / HTTP/1.1\r\n\r\n", 405),
    (b"GET / HTTP/1.1\r\nbad header\r\n\r\n", 400), (b"GET / HTTP/1.1\r\nX: " + b"y" * 20000, 431)])
def test_bad_requests_are_told_so(server: Server, text: bytes, status: int) -> None:
    assert talk(server, text).startswith(b"HTTP/1.1 %d " % status)


def test_old_clients_and_those_that_say_so_are_hung_up_on(server: Server) -> None:
    assert talk(server, b"GET / HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n").count(b"<p>front") == 1
    assert b"Connection: close" in talk(server, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")


def test_many_clients_at_once(server: Server) -> None:
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: get(server, "/pool/main/t/tiny/tiny_1_a.deb")[2], range(200)))
    assert all(answer == CONTENT for answer in answers)


def test_too_many_are_told_to_come_back(root: Path) -> None:
    server = Server(root, "127.0.0.1", 0, most=1)
    threading.Thread(target=server.serve, daemon=True).start()
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as first:
        first.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert first.recv(100).startswith(b"HTTP/1.1 200")
        assert get(server, "/")[0] == 503
    server.stop()


def test_a_taken_port_names_the_next_move(server: Server, root: Path) -> None:
    with pytest.raises(HostError) as raised:
        Server(root, "127.0.0.1", server.port)
    assert "--port" in raised.value.resolution


@pytest.mark.parametrize("head", [
    b"If-Modified-Since: Sat, 01 Jan 99999999999999999999 00:00:00 GMT",
    b"If-Modified-Since: Sat, 01 Jan 0001 00:00:00 +9999", b"If-Range: Sat, 31 Dec 9999 23:59:59 -2359",
    b"Range: bytes=0-" + b"9" * 5000, b"Range: bytes=" + b"9" * 19 + b"-"])
def test_numbers_that_are_too_large_do_no_harm(server: Server, head: bytes) -> None:
    got = talk(server, b"GET /dists/a/InRelease HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n")
    assert got.startswith((b"HTTP/1.1 200", b"HTTP/1.1 416", b"HTTP/1.1 304")), got


def test_a_path_adds_no_header(server: Server, root: Path) -> None:
    (root / "sub\r\nX-Evil: 1").mkdir()
    (root / "sub é").mkdir()
    for path, status in (("/sub%0d%0aX-Evil:%201", 400), ("/sub%C3%A9", 404), ("/sub%20%C3%A9", 301)):
        got, headers, _ = get(server, path)
        assert got == status and "X-Evil" not in headers
    assert get(server, "/sub%20%C3%A9")[1]["Location"] == "/sub%20%C3%A9/"


def test_pages_may_load_nothing_from_elsewhere(server: Server) -> None:
    assert "default-src 'none'" in get(server, "/")[1]["Content-Security-Policy"]
    assert "Content-Security-Policy" not in get(server, "/dists/a/InRelease")[1]


def test_slow_requests_do_not_last(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Byte after byte a request could last for ever, if each byte gave it new time."""
    monkeypatch.setattr(httpserver, "_HEAD_SECONDS", 0.6)
    server = Server(root, "127.0.0.1", 0)
    threading.Thread(target=server.serve, daemon=True).start()
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as slow:
        begun = time.monotonic()
        with pytest.raises(OSError):
            while time.monotonic() < begun + 5:
                slow.sendall(b"x")
                time.sleep(0.1)
    assert 0.5 < time.monotonic() - begun < 3
    server.stop()


@pytest.mark.parametrize("begin", [b"", b"GET /", b"GET /pool/main/t/tiny/big HTTP/1.1\r\n\r\n"],
                         ids=["silent", "half a request", "takes nothing"])
def test_slow_clients_keep_nobody_out(root: Path, monkeypatch: pytest.MonkeyPatch, begin: bytes) -> None:
    monkeypatch.setattr(httpserver, "_PATIENCE", 0.3)
    with (root / "pool/main/t/tiny/big").open("wb") as file:
        file.truncate(1 << 28)
    server = Server(root, "127.0.0.1", 0, most=3)
    threading.Thread(target=server.serve, daemon=True).start()
    slow = [socket.create_connection(("127.0.0.1", server.port), timeout=10) for _ in range(3)]
    for connection in slow:
        connection.sendall(begin)
    time.sleep(0.8)
    assert get(server, "/")[0] == 200
    for connection in slow:
        connection.close()
    server.stop()
