# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to the web: the only opener of http, https and file addresses.

Connections are kept open and shared by all threads of a run: a hundred small packages do not cost a
hundred name look-ups and handshakes.  Proxies and certificate authorities come from the usual
environment variables.  Whatever goes wrong is a Trouble, which says whether to try again.
"""
from __future__ import annotations

import http.client
import os
import socket
import ssl
import stat
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit
from weakref import WeakSet

import urllib3
from urllib3.exceptions import HTTPError, NewConnectionError, ProtocolError, ProxyError
from urllib3.exceptions import TimeoutError as SilenceError
from urllib3.util.ssl_match_hostname import CertificateError

from debxcross import __version__
from debxcross.core.url import joined, login_of, without_password
from debxcross.errors import ConfigurationError, InterruptedRunError

_BLOCK = 1 << 16
#: Where certificate authorities are named, first match wins; SSL_CERT_FILE is OpenSSL's own.
_CERTIFICATE_VARIABLES = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
#: Answers that a later attempt may change (RFC 9110, RFC 6585); so are all of 500 and above.
_PASSING = (408, 425, 429)
_ABSENT = (404, 410)
_ELSEWHERE = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 10
#: More than the threads of a run, so that none closes the connection of another.
_CONNECTIONS = 16
_SLACK = 1.25  # A connection without a byte is dead before it counts as slow.
#: A longer body of an error is not read only to keep its connection.
_SMALL_BODY = 1 << 16


class Watch:
    """Ends a connection whose server is slower than ``slowest`` bytes in every ``period`` seconds.

    A time-out of each read does not: a server that sends a byte now and then, of a head or a
    body, never meets one.  The first period is that of the answer's head.
    """

    def __init__(self, period: float, slowest: float) -> None:
        self._period, self._least = period, max(1, int(period * slowest))
        self._sock: socket.socket | None = None
        self._timer: threading.Timer | None = None
        self._got = self._before = 0
        #: Whether the connection was ended for being slow.
        self.ended = False

    def start(self, sock: socket.socket) -> None:
        """Watch this connection from now on."""
        self._sock = sock
        if self._timer is None:
            self._wind()

    def count(self, size: int) -> None:
        """Note how many more bytes of the body have arrived."""
        self._got += size

    def stop(self) -> None:
        """Watch no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _wind(self) -> None:
        self._timer = threading.Timer(self._period, self._look)
        self._timer.daemon = True
        self._timer.start()

    def _look(self) -> None:
        if self._got - self._before >= self._least:
            self._before = self._got
            self._wind()
            return
        self.ended = True
        with suppress(OSError):
            if self._sock is not None:
                self._sock.shutdown(socket.SHUT_RDWR)

    def check(self) -> None:
        """Raise Trouble when the connection was ended; who gave a good part before is asked again."""
        if self.ended:
            raise Trouble(f"fewer than {self._least} bytes in {self._period:g} seconds",
                          again=self._got >= self._least)


class Trouble(Exception):
    """One attempt at one address failed: why, and what that says about another attempt."""

    def __init__(self, text: str, again: bool = False, wrong: bool = False, status: int = 0) -> None:
        super().__init__(text)
        self.again, self.wrong, self.status = again, wrong, status
        self.absent = status in _ABSENT


class Web:
    """Open connections to web servers, direct and through proxies, for any number of threads.

    ``proxies`` is scheme to URL, with a login where it wants one; no_proxy is heard.  A proxy is
    looked at when it is needed: not all who have a faulty one in their environment use it.
    """

    def __init__(self, proxies: Mapping[str, str], trusted: ssl.SSLContext) -> None:
        # urllib3 compares the name itself; it tells Python none that it could compare with where
        # the host is an address (urllib3 1.26).
        trusted.check_hostname = False
        self._settings: dict[str, Any] = {"maxsize": _CONNECTIONS, "ssl_context": trusted}
        self._sockets: WeakSet[socket.socket] = WeakSet()
        self._cut = False
        #: The watch of each thread's present request.
        self._watches = threading.local()
        self._pools = _pools(self._opened, self._waits)
        self._direct = urllib3.PoolManager(**self._settings)
        self._direct.pool_classes_by_scheme = self._pools
        self._proxies = {scheme: url for scheme, url in proxies.items() if url}
        self._through: dict[str, urllib3.PoolManager] = {}
        # A signal's handler may hang up while its own thread has the lock.
        self._lock = threading.RLock()

    def _manager(self, parts: SplitResult) -> urllib3.PoolManager:
        url = self._proxies.get(parts.scheme)
        if url is None or urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2]):
            return self._direct
        with self._lock:
            if url not in self._through:
                self._through[url] = self._proxy(url)
            return self._through[url]

    def _proxy(self, url: str) -> urllib3.PoolManager:
        try:
            full = url if "://" in url else f"http://{url}"
            login = login_of(urlsplit(full))
            manager = urllib3.ProxyManager(
                without_password(full), proxy_headers={"Proxy-Authorization": login} if login else {},
                proxy_ssl_context=self._settings["ssl_context"], **self._settings)
            manager.pool_classes_by_scheme = self._pools
            return manager
        except (HTTPError, ValueError) as error:
            place = url.rpartition("@")[2]
            raise Trouble(f"the proxy {place} cannot be used (http_proxy, https_proxy and the like): "
                          f"{type(error).__name__}") from error

    def _opened(self, sock: socket.socket) -> None:
        with self._lock:
            self._sockets.add(sock)
        if self._cut:
            self.hang_up()

    def _waits(self, sock: socket.socket) -> None:
        """Hear that a thread waits for what a connection brings."""
        watch: Watch | None = getattr(self._watches, "one", None)
        if watch is not None:
            watch.start(sock)

    @contextmanager
    def watched(self, period: float, slowest: float) -> Iterator[Watch]:
        """Watch the connections that this thread uses for one request."""
        self._watches.one = watch = Watch(period, slowest)
        try:
            yield watch
        finally:
            watch.stop()

    def hang_up(self) -> None:
        """Cut all connections, also those to come: whoever waits for bytes of one finds it at its end."""
        self._cut = True
        with self._lock:
            sockets = list(self._sockets)
        for sock in sockets:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def ask(self, url: str, headers: Mapping[str, str], timeout: float) -> Any:
        """Return the answer to one GET, its body unread, redirects not followed."""
        return self._manager(urlsplit(url)).urlopen(
            "GET", url, headers=dict(headers), redirect=False, retries=False, preload_content=False,
            decode_content=False, enforce_content_length=False,
            timeout=urllib3.Timeout(connect=timeout, read=timeout))


def _pools(opened: Callable[[Any], None], waits: Callable[[Any], None]) -> dict[str, Any]:
    """Return urllib3's pools by scheme, with connections that tell of their sockets.

    They tell when one is open, and when the head of an answer, or of a proxy's, is waited for.
    """
    from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

    def telling(pool: Any) -> Any:
        plain = pool.ConnectionCls

        def connect(connection: Any) -> None:
            plain.connect(connection)
            opened(connection.sock)

        def getresponse(connection: Any, *more: Any, **named: Any) -> Any:
            waits(connection.sock)
            return plain.getresponse(connection, *more, **named)

        def _tunnel(connection: Any) -> None:
            waits(connection.sock)
            plain._tunnel(connection)
        return type(pool.__name__, (pool,), {"ConnectionCls": type(plain.__name__, (plain,), {
            "connect": connect, "getresponse": getresponse, "_tunnel": _tunnel})})

    return {"http": telling(HTTPConnectionPool), "https": telling(HTTPSConnectionPool)}


@dataclass(frozen=True)
class Transfer:
    """How to fetch: over what, how often to try again, after what pause, and when to give up.

    ``pause`` is in seconds and doubles with every round; ``timeout`` is the number of
    seconds without a byte after which a connection counts as dead, and so does one that brings
    fewer than ``slowest`` bytes a second in as many seconds.  A file whose size nobody knows
    may have ``largest`` bytes.  So every transfer ends: after its size divided by ``slowest``.
    """

    web: Web
    retries: int = 3
    pause: float = 1.0
    timeout: float = 60.0
    stopping: Callable[[], bool] = lambda: False
    slowest: float = 2048.0
    largest: int = 4 << 30

    def check(self) -> None:
        """Raise InterruptedRunError when the run is to end."""
        if self.stopping():
            raise InterruptedRunError("interrupted")

    def wait(self, seconds: float) -> None:
        """Sleep, but hear within a tenth of a second that the run is to end."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.check()
            time.sleep(min(left, 0.1))


def certificates(environment: Mapping[str, str]) -> Path | None:
    """Return the file or directory of certificate authorities the environment names, or None."""
    for variable in _CERTIFICATE_VARIABLES:
        if environment.get(variable):
            return Path(environment[variable])
    return None


def make_transfer(
    *, proxies: Mapping[str, str] | None = None, authorities: Path | None = None, retries: int = 3,
    pause: float = 1.0, timeout: float = 60.0, stopping: Callable[[], bool] | None = None,
) -> Transfer:
    """Return how to fetch.  ``proxies`` is scheme to URL; None takes http_proxy and the like.

    ``authorities`` is a file or directory of trusted certificates; None asks the
    environment, then OpenSSL's defaults.  ConfigurationError when it cannot be read.
    """
    trusted = authorities or certificates(os.environ)
    try:
        if trusted is None:
            context = ssl.create_default_context()
        elif trusted.is_dir():
            context = ssl.create_default_context(capath=str(trusted))
        else:
            context = ssl.create_default_context(cafile=str(trusted))
    except OSError as error:
        raise ConfigurationError(
            f"the certificate authorities in {trusted} cannot be read", str(error),
            f"Correct the setting (one of {', '.join(_CERTIFICATE_VARIABLES)}, or pip's 'cert').",
        ) from error
    web = Web(urllib.request.getproxies() if proxies is None else proxies, context)
    return Transfer(web, retries, pause, timeout, stopping or (lambda: False))


@dataclass(frozen=True)
class Answer:
    """What an address answered: where it was in the end, and the body as blocks that arrive.

    ``length`` is the announced number of bytes of the body, None when nobody said; ``status``
    is 200 for files of this machine, too.
    """

    url: str
    status: int
    headers: Mapping[str, str]
    blocks: Iterator[bytes]

    @property
    def length(self) -> int | None:
        """How many bytes the body has, as announced."""
        values = {value.strip() for value in self.headers.get("Content-Length", "").split(",")}
        value = values.pop() if len(values) == 1 else ""
        return int(value) if value.isdecimal() else None

    def check_length(self, got: int) -> None:
        """Raise Trouble when fewer bytes arrived than were announced."""
        if self.length is not None and got < self.length:
            raise Trouble(f"the connection ended after {got} of {self.length} bytes", again=True)


@contextmanager
def opened(transfer: Transfer, url: str, headers: Mapping[str, str]) -> Iterator[Answer]:
    """Open an address, which may hold a login for its host; what goes wrong becomes a Trouble.

    Redirects are followed, but never from https to http, and never with the login.
    """
    try:
        parts = urlsplit(url)
        login = login_of(parts)
        place = without_password(url)
    except ValueError as error:
        raise Trouble(f"not an address: {error}") from error
    if parts.scheme == "file":
        with _file(parts, place, transfer) as answer:
            yield answer
        return
    sent = {"User-Agent": f"debxcross/{__version__}", "Accept-Encoding": "identity", **headers}
    given = {"Authorization": login} if login else {}
    for _ in range(_MOST_REDIRECTS):
        with transfer.web.watched(_SLACK * transfer.timeout, transfer.slowest) as watch:
            with _ask(transfer, place, {**sent, **given}, watch) as response:
                answer = Answer(place, response.status, response.headers,
                                _blocks(_reader(response), transfer, watch))
                if answer.status < 300:
                    yield answer
                    return
                _read_small(answer)
        if answer.status not in _ELSEWHERE or not answer.headers.get("Location"):
            raise Trouble(f"{answer.status} {response.reason}", status=answer.status,
                          again=answer.status >= 500 or answer.status in _PASSING)
        place, given = redirected(place, answer.headers["Location"]), {}
    raise Trouble(f"redirects more than {_MOST_REDIRECTS} times")


def redirected(place: str, location: str) -> str:
    """Return where a redirect leads.  Raises Trouble for one that leaves https."""
    try:
        target = joined(place, location)
        if urlsplit(place).scheme == "https" and urlsplit(target).scheme != "https":
            raise Trouble(f"redirects from https to {without_password(target)}")
        return without_password(target)
    except ValueError as error:
        raise Trouble(f"redirects to {location!r}, which is not an address") from error


def _ask(transfer: Transfer, place: str, headers: Mapping[str, str], watch: Watch) -> Any:
    if urlsplit(place).scheme not in ("http", "https"):
        raise Trouble(f"addresses of the kind {urlsplit(place).scheme!r} are not supported")
    try:
        try:
            return transfer.web.ask(place, headers, transfer.timeout)
        except (ProtocolError, ProxyError):
            transfer.check()
            watch.check()
            # Of a connection that was kept open, the server may just have let go.
            return transfer.web.ask(place, headers, transfer.timeout)
    except (HTTPError, http.client.HTTPException, OSError, ValueError) as error:
        watch.check()
        raise _connection_trouble(error, transfer) from error


def _reader(response: Any) -> Callable[[int], bytes]:
    """Return what reads what has arrived of a body, where urllib3 would wait for a whole block."""
    def read(size: int) -> bytes:
        # At the end it is urllib3's turn, which gives the connection back.
        return bytes(response._fp.read1(size) or response.read(size))
    return read


def _read_small(answer: Answer) -> None:
    """Read a short body that nobody wants, so that its connection serves again."""
    with suppress(Trouble):
        if answer.length is not None and answer.length <= _SMALL_BODY:
            for _ in answer.blocks:
                pass


@contextmanager
def _file(parts: SplitResult, place: str, transfer: Transfer) -> Iterator[Answer]:
    if parts.netloc not in ("", "localhost"):
        raise Trouble(f"files of {parts.netloc} cannot be read; write file:///PATH")
    try:
        # A FIFO is not waited for.
        file = open(os.open(unquote(parts.path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    except FileNotFoundError as error:
        raise Trouble("no such file", status=404) from error
    except (OSError, ValueError) as error:
        raise Trouble(getattr(error, "strerror", None) or f"{error}") from error
    with file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise Trouble("it is no regular file")
        length = {"Content-Length": str(found.st_size)}
        yield Answer(place, 200, length, _blocks(file.read, transfer, Watch(0, 0)))


def _blocks(read: Callable[[int], bytes], transfer: Transfer, watch: Watch) -> Iterator[bytes]:
    """Yield what arrives as it arrives, so that stops are heard."""
    while True:
        try:
            block = read(_BLOCK)
        except (HTTPError, http.client.HTTPException, OSError) as error:
            watch.check()
            raise _connection_trouble(error, transfer) from error
        watch.check()
        watch.count(len(block))
        if not block:
            return
        yield block
        transfer.check()


def _connection_trouble(error: BaseException, transfer: Transfer) -> Trouble:
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Trouble(f"its certificate is not trusted ({cause.verify_message}); "
                           "SSL_CERT_FILE can name more authorities")
        if isinstance(cause, CertificateError):
            return Trouble(f"its certificate is not trusted ({cause})")
    if any(isinstance(cause, (TimeoutError, SilenceError)) and not isinstance(cause, NewConnectionError)
           for cause in causes):
        return Trouble(f"no byte for {transfer.timeout:g} seconds", again=True)
    reason = causes[-1]
    return Trouble(f"{reason}" or type(reason).__name__, again=True)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it wraps, outermost first: urllib3 wraps what the system said."""
    found: BaseException | None = error
    while found is not None:
        yield found
        if not isinstance(found, HTTPError):
            return
        inner = [one for one in found.args if isinstance(one, BaseException)]
        context = None if found.__suppress_context__ else found.__context__
        found = inner[0] if inner else found.__cause__ or context
