# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import fcntl
import hashlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from debxcross.doors import fetch as door
from debxcross.doors.fetch import fetch, read_page
from debxcross.doors.web import Transfer, make_transfer
from debxcross.errors import FetchError, HostError, InterruptedRunError, VerificationError
from tests.tools import need

BODY = bytes(range(256)) * 2000
SHA256 = hashlib.sha256(BODY).hexdigest()
Answer = Callable[[Any], None]


class Server:
    """A web server on loopback that plays, per path, a list of answers; the last one repeats."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Answer]] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
                answers = server.answers.get(self.path, [status(404)])
                (answers.pop(0) if len(answers) > 1 else answers[0])(self)

            def log_message(self, format: str, *arguments: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def ranges(self) -> list[str]:
        return [headers.get("range", "") for _, headers in self.requests]


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.http.shutdown()
    server.http.server_close()
    thread.join()


def status(number: int, **headers: str) -> Answer:
    def answer(handler: Any) -> None:
        handler.send_response(number)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
    return answer


def sends(body: bytes, cut: int | None = None, ranges: bool = True, kind: str = "") -> Answer:
    """Answer with a body; ``cut`` bytes of it only, though all of it is announced."""
    def answer(handler: Any) -> None:
        wanted = handler.headers.get("Range", "") if ranges else ""
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if start >= len(body) and wanted:
            return status(416)(handler)
        handler.send_response(206 if wanted else 200)
        if wanted:
            handler.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        if kind:
            handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(body) - start))
        handler.end_headers()
        handler.wfile.write(body[start:start + cut] if cut is not None else body[start:])
    return answer


def transfer(**settings: Any) -> Transfer:
    return make_transfer(**{"proxies": {}, "pause": 0.01, "timeout": 5.0, **settings})


def part_of(destination: Path) -> Path:
    return destination.parent / f".{destination.name}.{SHA256[:16]}.part"


def test_a_verified_file_appears_whole_whatever_the_umask(server: Server, tmp_path: Path) -> None:
    server.answers["/a"] = [sends(BODY)]
    told: list[tuple[int, int | None]] = []
    before = os.umask(0o077)
    try:
        path = fetch([f"{server.url}/a"], tmp_path / "new" / "a.deb", sha256=SHA256.upper(), size=len(BODY),
                     transfer=transfer(), progress=lambda done, total: told.append((done, total)))
    finally:
        os.umask(before)
    assert path.read_bytes() == BODY
    assert path.stat().st_mode & 0o777 == 0o644
    assert os.listdir(path.parent) == ["a.deb"]
    assert told[-1] == (len(BODY), len(BODY)) and told == sorted(told)


def test_mirrors_are_asked_in_order(server: Server, tmp_path: Path) -> None:
    server.answers["/2"] = [sends(BODY)]
    server.answers["/3"] = [sends(BODY)]
    fetch([f"{server.url}/{n}" for n in (1, 2, 3)], tmp_path / "a", sha256=SHA256, transfer=transfer())
    assert [path for path, _ in server.requests] == ["/1", "/2"]


def test_absent_everywhere_names_every_place_and_asks_none_again(server: Server, tmp_path: Path) -> None:
    server.answers["/2"] = [status(410)]
    urls = [f"{server.url}/1", f"{server.url}/2", (tmp_path / "none").as_uri()]
    with pytest.raises(FetchError) as caught:
        fetch(urls, tmp_path / "a.deb", sha256=SHA256, transfer=transfer())
    assert caught.value.brief == "a.deb is at none of the configured places"
    assert caught.value.details.splitlines() == [
        f"{urls[0]}: 404 Not Found", f"{urls[1]}: 410 Gone", f"{urls[2]}: no such file"]
    assert "snapshot" in caught.value.resolution
    assert len(server.requests) == 2
    assert os.listdir(tmp_path) == []


def test_passing_trouble_is_tried_again(server: Server, tmp_path: Path) -> None:
    server.answers["/a"] = [status(503), status(429), sends(BODY)]
    fetch([f"{server.url}/a"], tmp_path / "a", sha256=SHA256, transfer=transfer())
    assert len(server.requests) == 3


def test_lasting_trouble_is_named(server: Server, tmp_path: Path) -> None:
    server.answers["/a"] = [status(500)]
    server.answers["/b"] = [status(403)]
    with pytest.raises(FetchError) as caught:
        fetch([f"{server.url}/a", f"{server.url}/b"], tmp_path / "a", transfer=transfer(retries=2))
    assert type(caught.value) is FetchError
    assert caught.value.details.splitlines() == [
        f"{server.url}/a: 500 Internal Server Error", f"{server.url}/b: 403 Forbidden"]
    assert [path for path, _ in server.requests] == ["/a", "/b", "/a", "/a"]


def test_short_body_is_resumed_at_the_next_mirror(server: Server, tmp_path: Path) -> None:
    server.answers["/a"] = [sends(BODY, cut=1000)]
    server.answers["/b"] = [sends(BODY)]
    fetch([f"{server.url}/a", f"{server.url}/b"], tmp_path / "a", sha256=SHA256, transfer=transfer())
    assert server.ranges() == ["", "bytes=1000-"]


def test_short_body_without_digest_starts_again(server: Server, tmp_path: Path) -> None:
    server.answers["/a"] = [sends(BODY, cut=1000), sends(BODY)]
    assert fetch([f"{server.url}/a"], tmp_path / "a", transfer=transfer()).read_bytes() == BODY
    assert server.ranges() == ["", ""]


def test_short_bodies_for_ever_leave_something_to_resume(server: Server, tmp_path: Path) -> None:
    server.answers["/a"] = [sends(BODY, cut=1000)]
    with pytest.raises(FetchError) as caught:
        fetch([f"{server.url}/a"], tmp_path / "a", sha256=SHA256, transfer=transfer(retries=1))
    assert "the connection ended after 1000 of 511000 bytes" in caught.value.details
    assert os.listdir(tmp_path) == [part_of(tmp_path / "a").name]
    server.answers["/a"] = [sends(BODY)]
    assert fetch([f"{server.url}/a"], tmp_path / "a", sha256=SHA256, transfer=transfer()).read_bytes() == BODY
    assert server.ranges()[-1] == "bytes=2000-"


@pytest.mark.parametrize(("part", "ranges", "requests"), [
    (BODY[:5000], True, ["bytes=5000-"]),
    (BODY[:5000], False, ["bytes=5000-"]),                       # the server answers with everything
    (b"x" * 5000, True, ["bytes=5000-", ""]),                    # the older part is to blame
    (BODY + b"more", True, [f"bytes={len(BODY) + 4}-", ""]),     # 416
    (BODY, True, []),
])
def test_what_an_earlier_run_left(server: Server, tmp_path: Path, part: bytes, ranges: bool,
                                  requests: list[str]) -> None:
    part_of(tmp_path / "a").write_bytes(part)
    server.answers["/a"] = [sends(BODY, ranges=ranges)]
    path = fetch([f"{server.url}/a"], tmp_path / "a", sha256=SHA256, transfer=transfer())
    assert path.read_bytes() == BODY
    assert server.ranges() == requests
    assert os.listdir(tmp_path) == ["a"]


def test_what_another_run_is_writing_to_is_left_alone(server: Server, tmp_path: Path) -> None:
    server.answers["/a"] = [sends(BODY)]
    with open(part_of(tmp_path / "a"), "wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        other.write(BODY[:100])
        other.flush()
        path = fetch([f"{server.url}/a"], tmp_path / "a", sha256=SHA256, transfer=transfer())
    assert path.read_bytes() == BODY
    assert server.ranges() == [""]
    assert part_of(path).read_bytes() == BODY[:100]


def test_wrong_digest_keeps_nothing_and_names_both(server: Server, tmp_path: Path) -> None:
    server.answers["/a"] = [sends(b"captive portal")]
    with pytest.raises(VerificationError) as caught:
        fetch([f"{server.url}/a"], tmp_path / "a", sha256=SHA256, transfer=transfer())
    found = hashlib.sha256(b"captive portal").hexdigest()
    assert caught.value.details == f"{server.url}/a: expected sha256 {SHA256}, found {found}"
    assert os.listdir(tmp_path) == []
    assert len(server.requests) == 1


def test_wrong_digest_at_one_mirror_is_no_end(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"older")
    server.answers["/a"] = [sends(b"captive portal")]
    server.answers["/b"] = [sends(BODY)]
    fetch([f"{server.url}/a", f"{server.url}/b"], tmp_path / "a", sha256=SHA256, transfer=transfer())
    assert (tmp_path / "a").read_bytes() == BODY


@pytest.mark.parametrize("size", [10, len(BODY) + 1])
def test_wrong_size(server: Server, tmp_path: Path, size: int) -> None:
    server.answers["/a"] = [sends(BODY)]
    with pytest.raises(VerificationError) as caught:
        fetch([f"{server.url}/a"], tmp_path / "a", size=size, transfer=transfer())
    assert f"expected {size} bytes, found" in caught.value.details
    assert os.listdir(tmp_path) == []


def test_silence_is_noticed(server: Server, tmp_path: Path) -> None:
    server.answers["/a"] = [lambda handler: time.sleep(0.6)]
    with pytest.raises(FetchError) as caught:
        fetch([f"{server.url}/a"], tmp_path / "a", transfer=transfer(timeout=0.2, retries=0))
    assert caught.value.details == f"{server.url}/a: no byte for 0.2 seconds"


def test_nobody_listens(server: Server, tmp_path: Path) -> None:
    server.answers["/a"] = [sends(BODY)]
    fetch(["http://127.0.0.1:1/a", f"{server.url}/a"], tmp_path / "a", sha256=SHA256, transfer=transfer())
    with pytest.raises(FetchError) as caught:
        fetch(["http://127.0.0.1:1/a"], tmp_path / "b", transfer=transfer(retries=1))
    assert "refused" in caught.value.details


def test_stopping_keeps_what_can_be_resumed(server: Server, tmp_path: Path) -> None:
    server.answers["/a"] = [sends(BODY)]
    got: list[int] = []
    with pytest.raises(InterruptedRunError):
        fetch([f"{server.url}/a"], tmp_path / "a", sha256=SHA256,
              progress=lambda done, total: got.append(done), transfer=transfer(stopping=lambda: bool(got)))
    assert part_of(tmp_path / "a").stat().st_size == got[-1]
    with pytest.raises(InterruptedRunError):
        fetch([f"{server.url}/a"], tmp_path / "b", transfer=transfer(stopping=lambda: True))
    assert not (tmp_path / "b").exists() and len(server.requests) == 1


def test_a_pause_is_interruptible(server: Server, tmp_path: Path) -> None:
    server.answers["/a"] = [status(500)]
    begin = time.monotonic()
    with pytest.raises(InterruptedRunError):
        fetch([f"{server.url}/a"], tmp_path / "a",
              transfer=transfer(pause=60.0, stopping=lambda: len(server.requests) > 0))
    assert time.monotonic() - begin < 5


def test_file_addresses(tmp_path: Path) -> None:
    source = tmp_path / "with space.deb"
    source.write_bytes(BODY)
    assert fetch([source.as_uri()], tmp_path / "b", sha256=SHA256, transfer=transfer()).read_bytes() == BODY
    with pytest.raises(FetchError) as caught:
        fetch(["ftp://127.0.0.1/x", tmp_path.as_uri(), "http://me:secret@[broken/a", "file:///a%00b"],
              tmp_path / "c", transfer=transfer(retries=0))
    assert "addresses of the kind 'ftp' are not supported" in caught.value.details
    assert "[broken/a: not an address" in caught.value.details and "secret" not in caught.value.details
    assert "null byte" in caught.value.details
    with pytest.raises(FetchError) as caught:
        fetch([], tmp_path / "c", transfer=transfer())
    assert caught.value.details == "no place to fetch it from is configured"


def test_two_at_once_for_one_file(server: Server, tmp_path: Path) -> None:
    server.answers["/a"] = [sends(BODY)]
    threads = [threading.Thread(target=fetch, args=([f"{server.url}/a"], tmp_path / "a"),
                                kwargs={"sha256": SHA256, "transfer": transfer()}) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "a").read_bytes() == BODY
    assert os.listdir(tmp_path) == ["a"]


def test_a_directory_that_cannot_be_is_named(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HostError) as caught:
        fetch([f"{server.url}/a"], tmp_path / "file" / "a", transfer=transfer())
    assert caught.value.brief == f"{tmp_path / 'file'} cannot be written"


def test_full_disk_is_named(tmp_path: Path) -> None:
    need("unshare", "mount")
    (tmp_path / "source").write_bytes(BODY)
    (tmp_path / "small").mkdir()
    script = ("import sys; from pathlib import Path; from debxcross.doors.fetch import fetch\n"
              "try: fetch([Path(sys.argv[1]).as_uri()], Path(sys.argv[2]) / 'a', sha256='0' * 64)\n"
              "except Exception as error:\n"
              "    import os; print(type(error).__name__, error.brief, os.listdir(sys.argv[2]))")
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c",
         'mount -t tmpfs -o size=64k tmpfs "$4" || exit 77; exec "$1" -c "$2" "$3" "$4"',
         "sh", sys.executable, script, str(tmp_path / "source"), str(tmp_path / "small")],
        capture_output=True, text=True, timeout=30, check=False,
        env={**os.environ, "PYTHONPATH": str(Path(door.__file__).parents[2])})
    if done.returncode in (1, 77) and not done.stdout:
        pytest.skip(f"no mount namespace: {done.stderr.strip()}")
    assert done.stdout.strip() == f"DiskFullError no space left in {tmp_path / 'small'} []", done.stderr


def test_login_goes_to_its_host_only_and_into_no_message(server: Server, tmp_path: Path) -> None:
    server.answers["/a"] = [status(302, Location=server.url.replace("127.0.0.1", "localhost") + "/b")]
    server.answers["/b"] = [sends(BODY)]
    secret = server.url.replace("http://", "http://me:p%40ss@")
    fetch([f"{secret}/a"], tmp_path / "a", sha256=SHA256, transfer=transfer())
    logins = [headers.get("authorization") for _, headers in server.requests]
    assert logins == ["Basic " + base64.b64encode(b"me:p@ss").decode(), None]
    with pytest.raises(FetchError) as caught:
        fetch([f"{secret}/c"], tmp_path / "c", transfer=transfer())
    assert "p%40ss" not in repr(caught.value)


def test_pages(server: Server) -> None:
    server.answers["/simple/six/"] = [status(503), sends(b"<a>", kind="text/html; charset=utf-8")]
    server.answers["/moved/"] = [status(301, Location="/simple/six/")]
    page = read_page(f"{server.url}/moved/", "text/html", transfer())
    assert page is not None
    assert (page.url, page.content_type, page.body) == (
        f"{server.url}/simple/six/", "text/html; charset=utf-8", b"<a>")
    assert server.requests[0][1]["accept"] == "text/html"
    assert read_page(f"{server.url}/none/", "text/html", transfer()) is None
    server.answers["/broken/"] = [status(500)]
    with pytest.raises(FetchError):
        read_page(f"{server.url}/broken/", "text/html", transfer(retries=1))


def drips(first: bytes, body: bytes = b"x", seconds: float = 0.05) -> Answer:
    """Answer a byte now and then, for ever, after ``first``."""
    def answer(handler: Any) -> None:
        handler.wfile.write(first)
        with suppress(OSError):
            while True:
                handler.wfile.write(body)
                handler.wfile.flush()
                time.sleep(seconds)
    return answer


@pytest.mark.parametrize("first", [
    b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX-A: ",
    b"HTTP/1.1 ", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=",
], ids=["body", "no-length", "header", "status-line", "chunks", "chunk-extension"])
@pytest.mark.parametrize("known", [True, False])
def test_a_drip_is_ended(server: Server, tmp_path: Path, first: bytes, known: bool) -> None:
    server.answers["/a"] = [drips(first)]
    started = time.monotonic()
    with pytest.raises(FetchError) as caught:
        fetch([f"{server.url}/a"], tmp_path / "a", sha256=SHA256 if known else None,
              transfer=transfer(timeout=0.8, retries=3))
    assert time.monotonic() - started < 8, "each read met its time-out, and the whole none"
    assert not (tmp_path / "a").exists()
    assert len(server.requests) <= 2 and caught.value.brief == "a could not be fetched"
    with pytest.raises(FetchError):
        read_page(f"{server.url}/a", "*/*", transfer(timeout=0.8, retries=0))


def test_a_drip_is_told_in_plain_words(server: Server, tmp_path: Path) -> None:
    server.answers["/a"] = [drips(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")]
    with pytest.raises(FetchError) as caught:
        fetch([f"{server.url}/a"], tmp_path / "a", transfer=transfer(timeout=0.8))
    assert caught.value.details == f"{server.url}/a: fewer than 2048 bytes in 1 seconds"


def test_a_slow_server_that_is_fast_enough_is_waited_for(server: Server, tmp_path: Path) -> None:
    def answer(handler: Any) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 65536\r\n\r\n")
        for _ in range(16):
            handler.wfile.write(b"x" * 4096)
            time.sleep(0.1)
    server.answers["/a"] = [answer]
    fetch([f"{server.url}/a"], tmp_path / "a", transfer=transfer(timeout=0.5, retries=0))
    assert (tmp_path / "a").stat().st_size == 65536


def test_a_file_of_unknown_size_has_a_bound(server: Server, tmp_path: Path) -> None:
    server.answers["/a"] = [drips(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536, 0.0)]
    over = replace(transfer(retries=0), largest=1 << 20)
    with pytest.raises(VerificationError) as caught:
        fetch([f"{server.url}/a"], tmp_path / "a", sha256=SHA256, transfer=over)
    assert "more than 1048576 bytes" in caught.value.details and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("special", ["/dev/zero", "/dev/null", "fifo", "directory"])
def test_only_regular_files_of_this_machine_are_read(tmp_path: Path, special: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "directory").mkdir()
    place = Path(special) if special.startswith("/") else tmp_path / special
    for sha256 in (None, SHA256):
        with pytest.raises(FetchError) as caught:
            fetch([place.as_uri()], tmp_path / "a", sha256=sha256, transfer=transfer())
        assert "regular file" in caught.value.details or "directory" in caught.value.details
