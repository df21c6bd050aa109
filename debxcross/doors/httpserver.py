# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to devices on a bench network: a web server for one directory of files.

It knows what apt asks for (RFC 9110, RFC 9111, RFC 9112): GET and HEAD, keep-alive and
pipelining, Range with If-Range, If-Modified-Since.  One thread per connection, and the
kernel sends the files.  For the open internet use a web server that is made for it.
"""
from __future__ import annotations

import os
import re
import socket
import stat
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate, parsedate_to_datetime
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

from debxcross.errors import HostError

_TYPES = {
    ".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8", ".json": "application/json", ".txt": "text/plain; charset=utf-8",
    ".log": "text/plain; charset=utf-8", ".buildinfo": "text/plain; charset=utf-8",
    ".sh": "text/plain; charset=utf-8", ".sources": "text/plain; charset=utf-8",
    ".whl": "application/zip", ".v1_json": "application/vnd.pypi.simple.v1+json",
    ".deb": "application/vnd.debian.binary-package", ".gz": "application/gzip", ".xz": "application/x-xz",
}
#: What never gets other bytes under its name may be kept for ever, all else only until asked again.
_IMMUTABLE = re.compile(r"/(pool/.*\.(deb|dsc|whl|tar\.\w+)|dists/.*/by-hash/.*|snapshots/.*)")
#: The directories of an index for pip, which also has its pages as JSON (PEP 691).
_SIMPLE = re.compile(r"/.*/wheels-[^/]+/([^/]+/)?")
_LONGEST_HEAD = 16384
#: A client that asks nothing for so many seconds, or takes nothing, is gone.
_IDLE_SECONDS = 60
#: A request that has begun must be whole after so many seconds.
_HEAD_SECONDS = 15
#: When all places are taken, the client goes that has kept us waiting longest, if so many seconds.
_PATIENCE = 5
#: A client takes so many bytes in _IDLE_SECONDS, or it is gone: 2 kB a second.
_BLOCK = 1 << 17
#: Pages may show and load what this server has, and nothing else; core.pages says the same in them.
_POLICY = ("default-src 'none'; style-src 'self'; script-src 'self'; img-src data:; base-uri 'none'; "
           "form-action 'none'; frame-ancestors 'none'")
_SMALL = 1 << 15
_REASONS = {200: "OK", 206: "Partial Content", 301: "Moved Permanently", 304: "Not Modified",
            400: "Bad Request", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
            416: "Range Not Satisfiable", 431: "Request Header Fields Too Large",
            503: "Service Unavailable", 505: "HTTP Version Not Supported"}


@dataclass(frozen=True)
class Request:
    """A request's head; ``path`` is decoded and without the query, ``headers`` by small name."""

    method: str
    path: str
    headers: dict[str, str]
    keep_alive: bool


class _Bad(Exception):
    """The request gets this status, and the connection ends."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def parse_request(head: bytes) -> Request:
    """Read a request's head, without its last empty line; _Bad for what is none."""
    lines = head.decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/"):
        raise _Bad(400)
    method, target, version = words
    if version not in ("HTTP/1.0", "HTTP/1.1"):
        raise _Bad(505)
    headers = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or name != name.strip():
            raise _Bad(400)
        headers[name.lower()] = value.strip()
    if not target.startswith("/"):
        # A proxy's form names the host once more.
        target = re.sub(r"^http://[^/]*", "", target) or "/"
    path = os.fsdecode(unquote_to_bytes(target.partition("?")[0].partition("#")[0]))
    if not path.startswith("/") or not _CONTROL.isdisjoint(path):
        raise _Bad(400)
    connection = headers.get("connection", "").lower()
    keep = "keep-alive" in connection if version == "HTTP/1.0" else "close" not in connection
    # A body would be read as the next request.
    return Request(method, path, headers, keep and not _has_body(headers))


#: No name in a repository has one, and a line of a header ends at one.
_CONTROL = frozenset(map(chr, (*range(32), 127)))


def _has_body(headers: dict[str, str]) -> bool:
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


def _page(request: Request) -> str:
    """Return the path of what is asked for: in an index for pip its clients get the page as JSON."""
    wants_json = "application/vnd.pypi.simple.v1+json" in request.headers.get("accept", "").lower()
    return f"{request.path}index.v1_json" if wants_json and _SIMPLE.fullmatch(request.path) else request.path


def wanted_range(request: Request, size: int, mtime: int) -> tuple[int, int] | None:
    """Return the bytes (start, end) that are asked for; None for all of them.

    Only one range is known, all that apt asks for; _Bad when it lies behind the end.
    """
    condition = request.headers.get("if-range")
    # More digits than these are no size; Python refuses to read very many.
    match = re.fullmatch(r"bytes=([0-9]{0,20})-([0-9]{0,20})", request.headers.get("range", ""))
    if not match or match[0] == "bytes=-" or condition is not None and _time(condition) != mtime:
        return None
    if not match[1]:
        start, end = max(0, size - int(match[2])), size
    else:
        start, end = int(match[1]), min(size, int(match[2]) + 1) if match[2] else size
    if start >= size:
        raise _Bad(416)
    return (start, end) if start < end else None


@lru_cache(maxsize=4096)
def _date(mtime: int) -> str:
    return formatdate(mtime, usegmt=True)


@lru_cache(maxsize=4096)
def _time(text: str) -> int | None:
    try:
        return int(parsedate_to_datetime(text).timestamp())
    except (ValueError, TypeError, OverflowError, IndexError):
        return None  # A year may be too far for the clock.


class Server:
    """Serves a directory until stop() is called.

    ``told`` hears a line for each answer.  When there are ``most`` connections, a new one takes the
    place of the one that kept us waiting longest; when none did for long, it gets 503.
    Raises HostError when the address cannot be had.
    """

    def __init__(self, root: Path, address: str, port: int, *, most: int = 1000,
                 told: Callable[[str], None] | None = None) -> None:
        self._root = os.path.realpath(root)
        self._told = told
        self._places = _Places(most)
        try:
            self._socket = socket.create_server((address, port), backlog=512, reuse_port=False)
        except OSError as error:
            raise HostError(f"cannot listen on {address}, port {port}", str(error),
                            "Name another with --port or --bind.") from error
        self.port: int = self._socket.getsockname()[1]
        self._stopping = threading.Event()

    def serve(self) -> None:
        """Take connections until stop() is called."""
        while not self._stopping.is_set():
            try:
                connection, peer = self._socket.accept()
            except OSError:
                if self._stopping.is_set():
                    return
                # No file descriptor is left, or the client is gone: the next one may do better.
                self._stopping.wait(0.05)
                continue
            free = self._places.take(connection)
            try:
                threading.Thread(target=self._connection, args=(connection, peer[0], free),
                                 daemon=True).start()
            except RuntimeError:
                # No thread is left; who asks again may find one.
                self._places.leave(connection)
                connection.close()

    def stop(self) -> None:
        """Take no more connections."""
        self._stopping.set()
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._socket.close()

    def _connection(self, connection: socket.socket, peer: str, free: bool) -> None:
        try:
            with connection:
                _wait_at_most(connection, _IDLE_SECONDS, socket.SO_SNDTIMEO)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if free:
                    self._requests(connection, peer)
                else:
                    _send_head(connection, 503, {"Retry-After": "5"}, keep=False)
        except (OSError, ValueError):
            pass  # The client is gone, or had to go.
        finally:
            self._places.leave(connection)

    def _requests(self, connection: socket.socket, peer: str) -> None:
        rest = b""
        while True:
            self._places.waiting(connection)
            _wait_at_most(connection, _HEAD_SECONDS if rest else _IDLE_SECONDS)
            deadline = 0.0
            while b"\r\n\r\n" not in rest:
                if len(rest) > _LONGEST_HEAD:
                    return _send_head(connection, 431, {}, keep=False)
                got = connection.recv(65536)
                if not got:
                    return None
                rest += got
                # Byte after byte does not make the time longer.
                deadline = deadline or time.monotonic() + _HEAD_SECONDS
                if b"\r\n\r\n" not in rest:
                    _wait_at_most(connection, max(0.001, deadline - time.monotonic()))
            head, _, rest = rest.partition(b"\r\n\r\n")
            try:
                request = parse_request(head.lstrip(b"\r\n"))
                status = self._answer(connection, request)
            except _Bad as error:
                return _send_head(connection, error.status, {}, keep=False)
            if self._told:
                shown = "".join(one if one.isprintable() else "?" for one in request.path)
                self._told(f"{peer} {status} {request.method} {shown}")
            if not request.keep_alive:
                return None

    def _answer(self, connection: socket.socket, request: Request) -> int:
        keep = request.keep_alive
        if request.method not in ("GET", "HEAD"):
            _send_head(connection, 405, {"Allow": "GET, HEAD"}, keep=False)
            raise ConnectionAbortedError
        page = _page(request)
        with _opened(self._root, page) as found:
            if isinstance(found, str):
                status = 301 if found else 404
                place = {"Location": quote(os.fsencode(found))} if found else {}
                _send_head(connection, status, place, keep=keep)
                return status
            status_of = os.fstat(found)
            size, mtime = status_of.st_size, int(status_of.st_mtime)
            cached = "public, max-age=31536000, immutable" if _IMMUTABLE.match(request.path) else "no-cache"
            headers = {"Last-Modified": _date(mtime), "Cache-Control": cached,
                       "Accept-Ranges": "bytes", "X-Content-Type-Options": "nosniff"}
            condition = request.headers.get("if-modified-since")
            since = _time(condition) if condition else None
            if since is not None and mtime <= since:
                _send_head(connection, 304, headers, keep=keep)
                return 304
            try:
                part = wanted_range(request, size, mtime)
            except _Bad:
                _send_head(connection, 416, {"Content-Range": f"bytes */{size}"}, keep=keep)
                return 416
            start, end = part or (0, size)
            if part:
                headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
            name = page if not page.endswith("/") else "index.html"
            headers["Content-Type"] = _TYPES.get(os.path.splitext(name)[1], "application/octet-stream")
            if _SIMPLE.fullmatch(request.path):
                headers["Vary"] = "Accept"
            if name.endswith(".html"):
                headers["Content-Security-Policy"] = _POLICY
            status = 206 if part else 200
            wanted = end - start if request.method == "GET" else 0
            # A small file travels with its head, in one call.
            body = os.pread(found, wanted, start) if wanted <= _SMALL else b""
            _send_head(connection, status, headers, keep=keep, length=end - start, body=body,
                       more=wanted > _SMALL)
            self._send_file(connection, found, start + len(body), start + wanted)
            return status

    def _send_file(self, connection: socket.socket, file: int, start: int, end: int) -> None:
        since, taken = time.monotonic(), 0
        while start < end:
            sent = os.sendfile(connection.fileno(), file, start, min(end - start, _BLOCK))
            if sent == 0:
                # It was cut short under our hands; the client must not take it for whole.
                raise ConnectionAbortedError
            start, taken = start + sent, taken + sent
            if taken >= _BLOCK:
                self._places.waiting(connection)
                since, taken = time.monotonic(), 0
            elif time.monotonic() - since > _IDLE_SECONDS:
                raise TimeoutError


class _Places:
    """The places for connections, and since when each one keeps us waiting."""

    def __init__(self, most: int) -> None:
        self._most, self._since = most, dict[socket.socket, float]()
        self._lock = threading.Lock()

    def take(self, connection: socket.socket) -> bool:
        """Give a connection a place; False when there is none and nobody has to go."""
        now = time.monotonic()
        with self._lock:
            if len(self._since) >= self._most:
                slowest = min(self._since, key=lambda one: self._since[one], default=None)
                if slowest is None or self._since[slowest] > now - _PATIENCE:
                    return False
                del self._since[slowest]
                try:
                    # Its thread wakes up from whatever it waits for.
                    slowest.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # It is gone already.
            self._since[connection] = now
            return True

    def waiting(self, connection: socket.socket) -> None:
        """Note that from now on a connection keeps us waiting."""
        with self._lock:
            if connection in self._since:
                self._since[connection] = time.monotonic()

    def leave(self, connection: socket.socket) -> None:
        """Take the place of a connection back."""
        with self._lock:
            self._since.pop(connection, None)


def _wait_at_most(connection: socket.socket, seconds: float, what: int = socket.SO_RCVTIMEO) -> None:
    """Let each later call wait so many seconds at most; the kernel counts, so that it costs nothing."""
    whole = int(seconds)
    connection.setsockopt(socket.SOL_SOCKET, what, struct.pack("ll", whole, int((seconds - whole) * 1e6)))


@contextmanager
def _opened(root: str, path: str) -> Iterator[int | str]:
    """Yield a file descriptor, else where a directory is rightly named, else "" for nothing.

    Nothing outside the root is opened, whatever dots or links say, and nothing that is hidden.
    """
    if any(part.startswith(".") for part in path.split("/")):
        yield ""
        return
    wanted = f"{root}/{path.strip('/')}" + ("/index.html" if path.endswith("/") else "")
    try:
        descriptor = os.open(wanted, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        yield ""
        return
    try:
        mode = os.fstat(descriptor).st_mode
        # Where it really is tells the kernel, after all links.
        if not os.readlink(f"/proc/self/fd/{descriptor}").startswith(f"{root}/"):
            yield ""
        elif stat.S_ISREG(mode):
            yield descriptor
        else:
            yield "/" + path.strip("/") + "/" if stat.S_ISDIR(mode) and not path.endswith("/") else ""
    finally:
        os.close(descriptor)


def _send_head(connection: socket.socket, status: int, headers: dict[str, str], *, keep: bool,
               length: int | None = None, body: bytes = b"", more: bool = False) -> None:
    if status >= 300 and status != 304:
        body = f"{status} {_REASONS[status]}\n".encode()
    lines = [f"HTTP/1.1 {status} {_REASONS[status]}", "Server: debxcross",
             *(f"{name}: {value}" for name, value in headers.items())]
    if status != 304:
        lines.append(f"Content-Length: {len(body) if length is None else length}")
    lines.append(f"Connection: {'keep-alive' if keep else 'close'}")
    # The first bytes of a large file travel in the same packet.
    connection.sendall("\r\n".join((*lines, "", "")).encode("latin-1", "replace") + body,
                       socket.MSG_MORE if more else 0)
