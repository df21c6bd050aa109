# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to the web: the only opener of http, https and file addresses.

Connections are kept open and shared by all threads of a run: a hundred small packages do not cost a
hundred name look-ups and handshakes.  Proxies and certificate authorities come from the usual
environment variables.  Whatever goes wrong is a Trouble, which says whether to try again.
"""
from __future__ import annotations

import os
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache, partial
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, unquote, urlsplit
from weakref import WeakSet

from debxcross import __version__
from debxcross.core.url import joined, login_of, without_password
from debxcross.doors.trouble import Trouble
from debxcross.errors import ConfigurationError, InterruptedRunError

if TYPE_CHECKING:
    import ssl

    from debxcross.doors.connections import Connections

_BLOCK = 1 << 16
#: Where certificate authorities are named, first match wins; SSL_CERT_FILE is OpenSSL's own.
_CERTIFICATE_VARIABLES = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
#: Answers that a later attempt may change (RFC 9110, RFC 6585); so are all of 500 and above.
_PASSING = (408, 425, 429)
_ELSEWHERE = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 10
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


class Web:
    """Connections to web servers for any number of threads, which can be cut all at once.

    ``proxies`` is scheme to URL, None for those of the environment; ``trusted`` makes what decides
    whom to believe.  Both are asked for with the first request.
    """

    def __init__(self, proxies: Mapping[str, str] | None, trusted: Callable[[], ssl.SSLContext]) -> None:
        self._proxies, self._trusted = proxies, trusted
        self._connections: Connections | None = None
        self._sockets: WeakSet[socket.socket] = WeakSet()
        self._cut = False
        #: The watch of each thread's present request.
        self._watches = threading.local()
        # A signal's handler may hang up while its own thread has the lock.
        self._lock = threading.RLock()

    @property
    def connections(self) -> Connections:
        """The connections, from the first request on."""
        from debxcross.doors.connections import Connections

        with self._lock:
            if self._connections is None:
                self._connections = Connections(self._proxies, self._trusted(), self._opened, self._waits)
            return self._connections

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
    context = cache(partial(_context, trusted))
    if trusted is not None:
        try:
            context()
        except OSError as error:
            raise ConfigurationError(
                f"the certificate authorities in {trusted} cannot be read", str(error),
                f"Correct the setting (one of {', '.join(_CERTIFICATE_VARIABLES)}, or pip's 'cert').",
            ) from error
    return Transfer(Web(proxies, context), retries, pause, timeout, stopping or (lambda: False))


def _context(trusted: Path | None) -> ssl.SSLContext:
    import ssl

    if trusted is None:
        return ssl.create_default_context()
    if trusted.is_dir():
        return ssl.create_default_context(capath=str(trusted))
    return ssl.create_default_context(cafile=str(trusted))


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
                                _blocks(_reader(response, transfer, watch), transfer, watch))
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
    from debxcross.doors.connections import told

    def again() -> None:
        transfer.check()
        watch.check()
    with told(transfer.timeout, watch.check):
        return transfer.web.connections.ask(place, headers, transfer.timeout, again)


def _reader(response: Any, transfer: Transfer, watch: Watch) -> Callable[[int], bytes]:
    """Return what reads what has arrived of a body, where urllib3 would wait for a whole block."""
    from debxcross.doors.connections import told

    def read(size: int) -> bytes:
        with told(transfer.timeout, watch.check):
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
        yield Answer(place, 200, length, _blocks(partial(_read, file), transfer, Watch(0, 0)))


def _read(file: BufferedReader, size: int) -> bytes:
    try:
        return file.read(size)
    except OSError as error:
        raise Trouble(f"{error}", again=True) from error


def _blocks(read: Callable[[int], bytes], transfer: Transfer, watch: Watch) -> Iterator[bytes]:
    """Yield what arrives as it arrives, so that stops are heard."""
    while True:
        block = read(_BLOCK)
        watch.check()
        watch.count(len(block))
        if not block:
            return
        yield block
        transfer.check()
