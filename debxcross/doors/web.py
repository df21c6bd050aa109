# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to the web: the only opener of http, https and file addresses.

Connections are kept open and shared by all threads of a run: a hundred small packages do not cost a
hundred name look-ups and handshakes.  Proxies and certificate authorities come from the usual
environment variables.  Whatever goes wrong is a Trouble, which says whether to try again.
"""
from __future__ import annotations

import http.client
import os
import ssl
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, NewConnectionError, ProtocolError, TimeoutError as SilenceError

from debxcross import __version__
from debxcross.core.pypi import without_password
from debxcross.errors import ConfigurationError, InterruptedRunError

#: Small enough that a slow connection, too, gives up control within seconds.
_BLOCK = 1 << 14
#: Where certificate authorities are named, first match wins; SSL_CERT_FILE is OpenSSL's own.
_CERTIFICATE_VARIABLES = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
#: Answers that a later attempt may change (RFC 9110, RFC 6585); so are all of 500 and above.
_PASSING = (408, 425, 429)
_ABSENT = (404, 410)
_ELSEWHERE = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 10
#: More than the threads of a run, so that none closes the connection of another.
_CONNECTIONS = 16
#: A longer body of an error is not read only to keep its connection.
_SMALL_BODY = 1 << 16


class Trouble(Exception):
    """One attempt at one address failed: why, and what that says about another attempt."""

    def __init__(self, text: str, again: bool = False, wrong: bool = False, status: int = 0) -> None:
        super().__init__(text)
        self.again, self.wrong, self.status = again, wrong, status
        self.absent = status in _ABSENT


class Web:
    """Open connections to web servers, direct and through proxies, for any number of threads.

    ``proxies`` is scheme to URL, with a login where it wants one; no_proxy is heard.
    """

    def __init__(self, proxies: Mapping[str, str], trusted: ssl.SSLContext) -> None:
        self._settings: dict[str, Any] = {"maxsize": _CONNECTIONS, "ssl_context": trusted}
        self._direct = urllib3.PoolManager(**self._settings)
        self._through = {scheme: self._proxy(url) for scheme, url in proxies.items()
                         if scheme in ("http", "https") and url}

    def _proxy(self, url: str) -> urllib3.PoolManager:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        headers = {}
        if parts.username is not None:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            headers = urllib3.make_headers(proxy_basic_auth=login)
        try:
            return urllib3.ProxyManager(without_password(parts.geturl()), proxy_headers=headers,
                                        **self._settings)
        except (HTTPError, ValueError) as error:
            raise ConfigurationError(f"{without_password(url)} is no proxy", str(error),
                                     "Correct http_proxy or https_proxy.") from error

    def ask(self, url: str, headers: Mapping[str, str], timeout: float) -> Any:
        """Return the answer to one GET, its body unread, redirects not followed."""
        parts = urlsplit(url)
        manager = self._through.get(parts.scheme, self._direct)
        if manager is not self._direct and urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2]):
            manager = self._direct
        return manager.urlopen(
            "GET", url, headers=dict(headers), redirect=False, retries=False, preload_content=False,
            decode_content=False, enforce_content_length=False,
            timeout=urllib3.Timeout(connect=timeout, read=timeout))


@dataclass(frozen=True)
class Transfer:
    """How to fetch: over what, how often to try again, after what pause, and when to give up.

    ``pause`` is in seconds and doubles with every round; ``timeout`` is the number of
    seconds without a byte after which a connection counts as dead.
    """

    web: Web
    retries: int = 3
    pause: float = 1.0
    timeout: float = 60.0
    stopping: Callable[[], bool] = lambda: False

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
        value = self.headers.get("Content-Length", "")
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
        login = (f"{unquote(parts.username)}:{unquote(parts.password or '')}"
                 if parts.username is not None else None)
        place = without_password(url)
    except ValueError as error:
        raise Trouble(f"not an address: {error}") from error
    if parts.scheme == "file":
        with _file(parts, place, transfer) as answer:
            yield answer
        return
    sent = {"User-Agent": f"debxcross/{__version__}", "Accept-Encoding": "identity", **headers}
    given = urllib3.make_headers(basic_auth=login) if login is not None else {}
    for _ in range(_MOST_REDIRECTS):
        response = _ask(transfer, place, {**sent, **given})
        if response.status not in _ELSEWHERE or not response.headers.get("Location"):
            break
        _finish(response)
        place, given = redirected(place, response.headers["Location"]), {}
    else:
        raise Trouble(f"redirects more than {_MOST_REDIRECTS} times")
    with response:
        if response.status >= 300:
            status, reason = response.status, response.reason
            _finish(response)
            raise Trouble(f"{status} {reason}", status=status, again=status >= 500 or status in _PASSING)
        yield Answer(place, response.status, response.headers, _blocks(response.read, transfer))


def redirected(place: str, location: str) -> str:
    """Return where a redirect leads.  Raises Trouble for one that leaves https."""
    try:
        target = urljoin(place, location)
        if urlsplit(place).scheme == "https" and urlsplit(target).scheme != "https":
            raise Trouble(f"redirects from https to {without_password(target)}")
        return without_password(target)
    except ValueError as error:
        raise Trouble(f"redirects to {location!r}, which is not an address") from error


def _ask(transfer: Transfer, place: str, headers: Mapping[str, str]) -> Any:
    if urlsplit(place).scheme not in ("http", "https"):
        raise Trouble(f"addresses of the kind {urlsplit(place).scheme!r} are not supported")
    try:
        try:
            return transfer.web.ask(place, headers, transfer.timeout)
        except ProtocolError:
            # Of a connection that was kept open, the server may just have let go.
            return transfer.web.ask(place, headers, transfer.timeout)
    except (HTTPError, http.client.HTTPException, OSError, ValueError) as error:
        raise _connection_trouble(error, transfer) from error


def _finish(response: Any) -> None:
    """End an answer whose body nobody wants, so that its connection serves again where that is cheap."""
    length = response.headers.get("Content-Length", "")
    if length.isdecimal() and int(length) <= _SMALL_BODY:
        response.drain_conn()
    response.close()


@contextmanager
def _file(parts: SplitResult, place: str, transfer: Transfer) -> Iterator[Answer]:
    if parts.netloc not in ("", "localhost"):
        raise Trouble(f"files of {parts.netloc} cannot be read; write file:///PATH")
    try:
        file = open(unquote(parts.path), "rb")
    except FileNotFoundError as error:
        raise Trouble("no such file", status=404) from error
    except OSError as error:
        raise Trouble(f"{error.strerror}") from error
    with file:
        size = str(os.fstat(file.fileno()).st_size)
        yield Answer(place, 200, {"Content-Length": size}, _blocks(file.read, transfer))


def _blocks(read: Callable[[int], bytes], transfer: Transfer) -> Iterator[bytes]:
    """Yield what arrives as it arrives, so that stops are heard."""
    while True:
        try:
            block = read(_BLOCK)
        except (HTTPError, http.client.HTTPException, OSError) as error:
            raise _connection_trouble(error, transfer) from error
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
        inner = [one for one in found.args if isinstance(one, BaseException)]
        found = inner[0] if inner else found.__cause__ or found.__context__
