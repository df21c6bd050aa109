# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import re
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from debxcross.doors import web as door
from debxcross.doors.trouble import Trouble
from debxcross.doors.web import Transfer, make_transfer, opened
from debxcross.errors import ConfigurationError, InterruptedRunError
from tests.tools import need


class Handler(BaseHTTPRequestHandler):
    """Answers with its path; /drops after that ends the connection without saying so, /to/… redirects."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.seen.append((self.client_address[1], self.path, headers))
        if self.path.startswith("/to/"):
            self.answer(302, b"elsewhere", ("Location", self.path.removeprefix("/to/")))
        elif self.path.startswith("/none"):
            self.answer(404, b"no such thing")
        else:
            self.answer(200, self.path.encode())
        self.close_connection = self.path.endswith("/drops")

    def answer(self, status: int, body: bytes, *more: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (*more, ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    """A web server on loopback that keeps connections open, and who asked for what on which of them."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[tuple[int, str, dict[str, str]]] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def transfer(**settings: Any) -> Transfer:
    return make_transfer(**{"proxies": {}, "timeout": 5.0, **settings})


def body(over: Transfer, url: str) -> bytes:
    with opened(over, url, {}) as answer:
        return b"".join(answer.blocks)


def test_one_connection_serves_many_requests_and_outlives_what_is_not_there(server: Server) -> None:
    over = transfer()
    for path in ("/a", "/none", "/b", "/to//c", "/d"):
        try:
            body(over, server.url + path)
        except Trouble as trouble:
            assert trouble.absent and path == "/none"
    assert [path for _, path, _ in server.seen] == ["/a", "/none", "/b", "/to//c", "/c", "/d"]
    assert len({port for port, _, _ in server.seen}) == 1


def test_a_connection_that_the_server_let_go_is_opened_again(server: Server) -> None:
    over = transfer()
    assert [body(over, f"{server.url}/{name}") for name in ("drops", "a", "drops", "b")] == [
        b"/drops", b"/a", b"/drops", b"/b"]
    there, proxied = "http://nowhere.invalid", transfer(proxies={"http": server.url})
    assert [body(proxied, f"{there}/{name}") for name in ("drops", "a", "drops", "b")] == [
        f"{there}/{name}".encode() for name in ("drops", "a", "drops", "b")]


def test_a_body_nobody_read_spoils_nothing(server: Server) -> None:
    over = transfer()
    with opened(over, f"{server.url}/unread", {}):
        pass
    assert body(over, f"{server.url}/next") == b"/next"


def test_many_threads_share(server: Server) -> None:
    over, found = transfer(), []
    threads = [threading.Thread(target=lambda name=name: found.append(body(over, f"{server.url}/{name}")))
               for name in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted(f"/{name}".encode() for name in range(24))


def test_redirects_end(server: Server) -> None:
    assert body(transfer(), f"{server.url}/to//a") == b"/a"
    assert body(transfer(), f"{server.url}/to/{server.url}/b") == b"/b"
    with pytest.raises(Trouble, match="redirects more than 10 times"):
        body(transfer(), f"{server.url}/to/" + "/to/" * 12 + "/a")


def test_no_redirect_out_of_https() -> None:
    with pytest.raises(Trouble, match="from https to http://a.example/x"):
        door.redirected("https://a.example/y", "http://me:secret@a.example/x")
    assert door.redirected("https://a.example/y", "https://b.example/x") == "https://b.example/x"
    assert door.redirected("https://a.example/y/z", "../x") == "https://a.example/x"
    with pytest.raises(Trouble, match="not an address"):
        door.redirected("https://a.example/y", "//[broken")


def test_what_redirects_to_a_file_is_refused(server: Server, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    with pytest.raises(Trouble, match="addresses of the kind 'file' are not supported"):
        body(transfer(), f"{server.url}/to/{(tmp_path / 'secret').as_uri()}")


def test_files(tmp_path: Path) -> None:
    (tmp_path / "a b").write_bytes(b"here")
    with opened(transfer(), (tmp_path / "a b").as_uri(), {}) as answer:
        assert (answer.status, answer.length, b"".join(answer.blocks)) == (200, 4, b"here")
    for url, said in (((tmp_path / "none").as_uri(), "no such file"), (tmp_path.as_uri(), "Is a directory"),
                      ("file://elsewhere/a", "files of elsewhere cannot be read")):
        with pytest.raises(Trouble, match=said):
            body(transfer(), url)


def test_an_error_of_whoever_reads_is_theirs(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"here")
    for url in ((tmp_path / "a").as_uri(), f"{server.url}/a"):
        with pytest.raises(FileNotFoundError, match="theirs"), opened(transfer(), url, {}):
            raise FileNotFoundError(2, "theirs")


def test_proxies_get_their_login_and_no_proxy_is_heard(
        server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.url.replace("http://", "http://me:p%40ss@"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("HTTP_PROXY", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    over = make_transfer(timeout=5.0)
    assert body(over, "http://nowhere.invalid/a") == b"http://nowhere.invalid/a"
    assert body(over, f"{server.url}/b") == b"/b"
    logins = [headers.get("proxy-authorization") for _, _, headers in server.seen]
    assert logins == ["Basic " + base64.b64encode(b"me:p@ss").decode(), None]
    # As people write it: without a scheme.
    bare = transfer(proxies={"http": server.url.removeprefix("http://"), "https": "", "ftp": "x"})
    assert body(bare, "http://nowhere.invalid/c") == b"http://nowhere.invalid/c"


def test_names_and_ports_where_nobody_is() -> None:
    for url, said in (("http://nowhere.invalid/a", "not known|resolution|No address"),
                      ("http://127.0.0.1:1/a", "refused"), ("http://[broken/a", "not an address"),
                      ("ftp://127.0.0.1/x", "kind 'ftp'")):
        with pytest.raises(Trouble, match=said) as caught:
            body(transfer(), url)
        assert "object at 0x" not in str(caught.value)


def test_who_hangs_up_is_asked_once_more(server: Server) -> None:
    asked = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        def hang_up() -> None:
            for _ in range(2):
                asked.append(listening.accept()[0].close())
        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(Trouble) as caught:
            body(transfer(), f"http://127.0.0.1:{listening.getsockname()[1]}/a")
        thread.join()
    assert caught.value.again and re.search("closed connection|reset by peer", str(caught.value))
    assert len(asked) == 2


def test_certificates(tmp_path: Path) -> None:
    assert door.certificates({}) is None
    assert door.certificates({"SSL_CERT_FILE": "/b", "PIP_CERT": "/a"}) == Path("/a")
    assert door.certificates({"SSL_CERT_FILE": "/b", "PIP_CERT": ""}) == Path("/b")
    with pytest.raises(ConfigurationError) as caught:
        make_transfer(authorities=tmp_path / "none.pem")
    assert caught.value.brief == f"the certificate authorities in {tmp_path / 'none.pem'} cannot be read"


@pytest.mark.parametrize(("name", "mine", "other"), [
    ("DNS:localhost", "localhost", "127.0.0.1"), ("IP:127.0.0.1", "127.0.0.1", "localhost")])
def test_https(server: Server, tmp_path: Path, name: str, mine: str, other: str) -> None:
    need("openssl")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", "/CN=x", "-addext", f"subjectAltName={name}", "-keyout", "key", "-out", "cert"],
                   cwd=tmp_path, check=True, capture_output=True)
    here = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    here.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    server.socket = here.wrap_socket(server.socket, server_side=True)
    place = f"https://{mine}:{server.server_port}"
    with pytest.raises(Trouble, match=r"its certificate is not trusted \(self.signed"):
        body(transfer(), f"{place}/a")
    trusting = transfer(authorities=tmp_path / "cert")
    assert [body(trusting, f"{place}/a"), body(trusting, f"{place}/b")] == [b"/a", b"/b"]
    assert len({port for port, _, _ in server.seen}) == 1
    with pytest.raises(Trouble, match=f"not trusted .*'{other}' doesn't match"):
        body(trusting, f"{place}/a".replace(mine, other))
    with pytest.raises(Trouble, match="redirects from https to http://127"):
        body(trusting, f"{place}/to/http://127.0.0.1:1/x")


@contextmanager
def answering(*answers: bytes | Callable[[socket.socket], None]) -> Iterator[tuple[str, list[bytes]]]:
    """A server that gives each connection the next answer, as it is; its address, and the requests."""
    requests: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)

        def serve() -> None:
            for answer in answers:
                with suppress(OSError), listening.accept()[0] as connection:
                    requests.append(connection.recv(65536))
                    answer(connection) if callable(answer) else connection.sendall(answer)
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}", requests
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def trickle(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(100):
        connection.sendall(b"x")
        time.sleep(0.05)


def test_a_stop_is_heard_while_a_body_trickles() -> None:
    started = time.monotonic()
    over = transfer(stopping=lambda: time.monotonic() - started > 0.3)
    with answering(trickle) as (url, _), pytest.raises(InterruptedRunError):
        body(over, url)
    assert time.monotonic() - started < 3


def test_who_waits_for_silence_hears_that_the_line_was_cut() -> None:
    for silent in (b"", b"HTTP/1.0 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"):
        stop, over = threading.Event(), threading.Event()
        waiting = transfer(timeout=30, stopping=stop.is_set)

        def answer(connection: socket.socket) -> None:
            connection.sendall(silent)
            threading.Timer(0.2, lambda: (stop.set(), waiting.web.hang_up())).start()
            over.wait(20)

        with answering(answer) as (url, _):
            started = time.monotonic()
            with pytest.raises((InterruptedRunError, Trouble)):
                body(waiting, url)
                waiting.check()
            assert stop.is_set() and time.monotonic() - started < 5
            over.set()


def test_a_signal_may_cut_the_lines_at_any_moment() -> None:
    over = transfer()
    with over.web._lock:  # as when the handler runs in a thread that has it
        over.web.hang_up()


def test_what_arrived_before_silence_is_given_on() -> None:
    def stall(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 100)
        time.sleep(0.6)

    got = b""
    with answering(stall) as (url, _), pytest.raises(Trouble, match="no byte for 0.3 seconds"), \
            opened(transfer(timeout=0.3), url, {}) as answer:
        for block in answer.blocks:
            got += block
    assert got == b"x" * 100


@pytest.mark.parametrize(("answer", "said"), [
    (b"", "closed connection"),
    (b"nonsense\r\n\r\n", "nonsense"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "2 bytes read|IncompleteRead"),
])
def test_what_the_server_did_is_told_in_plain_words(answer: bytes, said: str) -> None:
    with answering(answer, answer) as (url, _), pytest.raises(Trouble, match=said) as caught:
        body(transfer(), url)
    assert caught.value.again


def test_two_equal_lengths_are_one() -> None:
    double = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nContent-Length: 10\r\n\r\nab"
    with answering(double) as (url, _), opened(transfer(), url, {}) as answer:
        assert answer.length == 10
        with pytest.raises(Trouble, match="after 2 of 10 bytes"):
            answer.check_length(2)


def test_logins_and_redirects_are_in_utf_8() -> None:
    moved = ("HTTP/1.1 302 Found\r\nLocation: /café%20x\r\n"
             "Content-Length: 0\r\nConnection: close\r\n\r\n").encode()
    with answering(moved, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") as (url, requests):
        assert body(transfer(), url.replace("//", "//me:p%C3%A4ss%E2%82%AC@")) == b"ok"
    assert f"Basic {base64.b64encode('me:päss€'.encode()).decode()}".encode() in requests[0]
    assert requests[1].startswith(b"GET /caf%C3%A9%20x ") and b"Basic" not in requests[1]


@pytest.mark.parametrize("proxy", [
    "http://[::1:3128", "socks5h://me:s3cret@127.0.0.1:1", "me:s3cret@proxy:31x",
    "http://me:s3#cret@proxy:1"])
def test_a_proxy_that_is_none_harms_only_who_needs_it(server: Server, tmp_path: Path, proxy: str) -> None:
    over = transfer(proxies={"http": proxy})
    (tmp_path / "a").write_bytes(b"here")
    assert body(over, (tmp_path / "a").as_uri()) == b"here"
    with pytest.raises(Trouble, match="the proxy .* cannot be used") as caught:
        body(over, f"{server.url}/a")
    assert "s3" not in str(caught.value)
