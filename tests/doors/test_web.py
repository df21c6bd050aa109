# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from debxcross.doors import web as door
from debxcross.doors.web import Transfer, Trouble, make_transfer, opened
from debxcross.errors import ConfigurationError
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
        self.close_connection = self.path == "/drops"

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
    with pytest.raises(ConfigurationError, match="is no proxy"):
        transfer(proxies={"http": "socks5://me:secret@127.0.0.1:1"})


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
    assert caught.value.again and "object at 0x" not in str(caught.value)
    assert len(asked) == 2


def test_certificates(server: Server, tmp_path: Path) -> None:
    assert door.certificates({}) is None
    assert door.certificates({"SSL_CERT_FILE": "/b", "PIP_CERT": "/a"}) == Path("/a")
    assert door.certificates({"SSL_CERT_FILE": "/b", "PIP_CERT": ""}) == Path("/b")
    with pytest.raises(ConfigurationError) as caught:
        make_transfer(authorities=tmp_path / "none.pem")
    assert caught.value.brief == f"the certificate authorities in {tmp_path / 'none.pem'} cannot be read"
    need("openssl")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                    "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", "key", "-out",
                    "cert"], cwd=tmp_path, check=True, capture_output=True)
    here = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    here.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    server.socket = here.wrap_socket(server.socket, server_side=True)
    place = f"https://localhost:{server.server_port}/a"
    with pytest.raises(Trouble, match=r"its certificate is not trusted \(self.signed"):
        body(transfer(), place)
    trusting = transfer(authorities=tmp_path / "cert")
    assert [body(trusting, place), body(trusting, place)] == [b"/a", b"/a"]
    assert len({port for port, _, _ in server.seen}) == 1
    with pytest.raises(Trouble, match="redirects from https to http://127"):
        body(trusting, place.replace("/a", "/to/http://127.0.0.1:1/x"))
