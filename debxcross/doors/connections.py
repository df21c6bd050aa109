# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections to web servers, as urllib3 keeps them; a part of the door to the web.

It is loaded when something is to be fetched: a run that fetches nothing does without urllib3.
"""
from __future__ import annotations

import http.client
import ssl
import threading
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import SplitResult, urlsplit

import urllib3
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, NewConnectionError, ProtocolError, ProxyError
from urllib3.exceptions import TimeoutError as SilenceError
from urllib3.util.ssl_match_hostname import CertificateError

from debxcross.core.url import login_of, without_password
from debxcross.doors.trouble import Trouble

#: More than the threads of a run, so that none closes the connection of another.
_CONNECTIONS = 16


class Connections:
    """Open connections, direct and through proxies, for any number of threads.

    ``proxies`` is scheme to URL, with a login where it wants one, None for http_proxy and the like;
    no_proxy is heard.  A proxy is
    looked at when it is needed: not all who have a faulty one in their environment use it.
    ``opened`` hears of every socket, ``waits`` that a thread waits for what one brings.
    """

    def __init__(self, proxies: Mapping[str, str] | None, trusted: ssl.SSLContext,
                 opened: Callable[[Any], None], waits: Callable[[Any], None]) -> None:
        # urllib3 compares the name itself; it tells Python none that it could compare with where
        # the host is an address (urllib3 1.26).
        trusted.check_hostname = False
        self._settings: dict[str, Any] = {"maxsize": _CONNECTIONS, "ssl_context": trusted}
        self._pools = _pools(opened, waits)
        self._direct = urllib3.PoolManager(**self._settings)
        self._direct.pool_classes_by_scheme = self._pools
        given = urllib.request.getproxies() if proxies is None else proxies
        self._proxies = {scheme: url for scheme, url in given.items() if url}
        self._through: dict[str, urllib3.PoolManager] = {}
        self._lock = threading.Lock()

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

    def ask(self, url: str, headers: Mapping[str, str], timeout: float, again: Callable[[], None]) -> Any:
        """Return the answer to one GET, its body unread, redirects not followed.

        ``again`` is called before a second attempt, and may raise.
        """
        def once() -> Any:
            return self._manager(urlsplit(url)).urlopen(
                "GET", url, headers=dict(headers), redirect=False, retries=False, preload_content=False,
                decode_content=False, enforce_content_length=False,
                timeout=urllib3.Timeout(connect=timeout, read=timeout))
        try:
            return once()
        except (ProtocolError, ProxyError):
            again()
            # Of a connection that was kept open, the server may just have let go.
            return once()


def _pools(opened: Callable[[Any], None], waits: Callable[[Any], None]) -> dict[str, Any]:
    """Return urllib3's pools by scheme, with connections that tell of their sockets.

    They tell when one is open, and when the head of an answer, or of a proxy's, is waited for.
    """
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


@contextmanager
def told(timeout: float, check: Callable[[], None]) -> Iterator[None]:
    """Make a Trouble of what urllib3 and the system raise; ``check`` may have another for it."""
    try:
        yield
    except (HTTPError, http.client.HTTPException, OSError, ValueError) as error:
        check()
        raise _trouble(error, timeout) from error


def _trouble(error: BaseException, timeout: float) -> Trouble:
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Trouble(f"its certificate is not trusted ({cause.verify_message}); "
                           "SSL_CERT_FILE can name more authorities")
        if isinstance(cause, CertificateError):
            return Trouble(f"its certificate is not trusted ({cause})")
    if any(isinstance(cause, (TimeoutError, SilenceError)) and not isinstance(cause, NewConnectionError)
           for cause in causes):
        return Trouble(f"no byte for {timeout:g} seconds", again=True)
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
