# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to downloads: the only opener of http, https and file addresses.

A file becomes visible under its name by one rename, after its digest was checked.  With a
known digest the unfinished file has a name made of that digest, so that a later run (or
the next mirror, since the bytes are the same) resumes it; without one nothing unfinished
is kept.  Proxies and certificate authorities come from the usual environment variables.
"""
from __future__ import annotations

import base64
import errno
import fcntl
import hashlib
import http.client
import os
import ssl
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeVar

from debxcross import __version__
from debxcross.core.pypi import Page, with_login, without_password
from debxcross.errors import (ConfigurationError, DebxcrossError, DiskFullError, FetchError, HostError,
                              InterruptedRunError, VerificationError)

_BLOCK = 1 << 16
_PAGE_LIMIT = 64 << 20
#: Where certificate authorities are named, first match wins; SSL_CERT_FILE is OpenSSL's own.
_CERTIFICATE_VARIABLES = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
#: Answers that a later attempt may change (RFC 9110, RFC 6585); so are all of 500 and above.
_PASSING = (408, 425, 429)
_ABSENT = (404, 410)

_Result = TypeVar("_Result")


class Progress(Protocol):
    """Hears how much has arrived: bytes so far, bytes in all (None when nobody said)."""

    def __call__(self, done: int, total: int | None) -> None: ...


@dataclass(frozen=True)
class Transfer:
    """How to fetch: how often to try again, after what pause, and when to give up.

    ``pause`` is in seconds and doubles with every round; ``timeout`` is the number of
    seconds without a byte after which a connection counts as dead.
    """

    opener: urllib.request.OpenerDirector
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


class _Trouble(Exception):
    """One attempt at one address failed: why, and what that says about another attempt."""

    def __init__(self, text: str, again: bool = False, wrong: bool = False, status: int = 0) -> None:
        super().__init__(text)
        self.again, self.wrong, self.status = again, wrong, status
        self.absent = status in _ABSENT


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never from https to http."""

    def redirect_request(self, req: urllib.request.Request, *args: Any) -> urllib.request.Request | None:
        target = super().redirect_request(req, *args)
        if target is not None and req.type == "https" and target.type != "https":
            raise _Trouble(f"redirects from https to {without_password(target.full_url)}")
        return target


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
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler(None if proxies is None else dict(proxies)),
        urllib.request.HTTPSHandler(context=context),
        _Redirects(),
    )
    return Transfer(opener, retries, pause, timeout, stopping or (lambda: False))


def fetch(
    urls: Sequence[str], destination: Path, *, sha256: str | None = None, size: int | None = None,
    transfer: Transfer | None = None, progress: Progress | None = None,
) -> Path:
    """Fetch a file from the first of ``urls`` that has it, verified, and return ``destination``.

    ``sha256`` is 64 hex digits, ``size`` is in bytes; either may be unknown.  All places
    are tried before any is tried again.  Raises FetchError (naming every place and what
    it said), VerificationError (nothing of the file stays), DiskFullError, HostError for a
    directory that cannot be written, and InterruptedRunError.
    """
    transfer = transfer or make_transfer()
    wanted = sha256.lower() if sha256 else None
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        with _unfinished(destination, wanted) as part:
            receipt = _Receipt(part.file, transfer, wanted, size, progress)
            if not receipt.is_complete():
                try:
                    _rounds(urls, receipt.receive, transfer, destination.name)
                except (FetchError, InterruptedRunError):
                    part.keep = receipt.worth_keeping
                    raise
            part.publish(destination)
    except OSError as error:
        raise _disk_error(error, destination.parent) from error
    return destination


def read_page(url: str, accept: str, transfer: Transfer | None = None) -> Page | None:
    """Return a page, or None when the place says that there is none (404 or 410).

    At most 64 MiB.  Raises FetchError and InterruptedRunError.
    """
    transfer = transfer or make_transfer()

    def receive(place: str) -> Page | None:
        try:
            with _opened(transfer, place, {"Accept": accept}) as response:
                blocks, got = [], 0
                for block in _blocks(response, transfer):
                    got += len(block)
                    if got > _PAGE_LIMIT:
                        raise _Trouble(f"the page is larger than {_PAGE_LIMIT >> 20} MiB")
                    blocks.append(block)
                _check_length(response, got)
                kind = response.headers.get("Content-Type", "")
                return Page(with_login(response.url, place), kind, b"".join(blocks))
        except _Trouble as trouble:
            if trouble.absent:
                return None
            raise

    return _rounds((url,), receive, transfer, without_password(url))


def _rounds(urls: Sequence[str], attempt: Callable[[str], _Result], transfer: Transfer,
            name: str) -> _Result:
    """Try every place, then again those where another attempt makes sense, with growing pauses."""
    troubles: dict[str, _Trouble] = {}
    left = list(dict.fromkeys(urls))
    for turn in range(transfer.retries + 1):
        if turn:
            transfer.wait(transfer.pause * 2 ** (turn - 1))
        for url in left:
            transfer.check()
            try:
                return attempt(url)
            except _Trouble as trouble:
                troubles[url] = trouble
        left = [url for url in left if troubles[url].again]
        if not left:
            break
    raise _failure(name, troubles)


def _failure(name: str, troubles: Mapping[str, _Trouble]) -> FetchError:
    details = "\n".join(f"{without_password(url)}: {trouble}" for url, trouble in troubles.items())
    if any(trouble.wrong for trouble in troubles.values()):
        return VerificationError(
            f"{name} arrived, but it is not the file that was asked for", details,
            "Nothing of it was kept. Either the place serves another file (a captive portal, a "
            "mirror in the middle of an update) or the pinned digest is out of date.")
    if troubles and all(trouble.absent for trouble in troubles.values()):
        return FetchError(
            f"{name} is at none of the configured places", details,
            "Archives remove old files: configure another mirror, an archive of old releases or a "
            "snapshot that still has it.")
    return FetchError(
        f"{name} could not be fetched", details or "no place to fetch it from is configured",
        "Check the network, http_proxy and https_proxy, or configure another mirror; what has "
        "arrived so far is resumed.")


@contextmanager
def _opened(transfer: Transfer, url: str, headers: Mapping[str, str]) -> Iterator[Any]:
    """Open an address; what goes wrong becomes a _Trouble."""
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError as error:
        raise _Trouble(f"not an address: {error}") from error
    if parts.scheme not in ("http", "https", "file"):
        raise _Trouble(f"addresses of the kind {parts.scheme!r} are not supported")
    request = urllib.request.Request(without_password(url), headers={
        "User-Agent": f"debxcross/{__version__}", "Accept-Encoding": "identity", **headers})
    if parts.username is not None:
        login = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        # Unredirected: a login is for the host it was given for.
        request.add_unredirected_header(
            "Authorization", "Basic " + base64.b64encode(login.encode()).decode())
    try:
        response = transfer.opener.open(request, timeout=transfer.timeout)
    except urllib.error.HTTPError as error:
        error.close()
        raise _Trouble(f"{error.code} {error.reason}", status=error.code,
                       again=error.code >= 500 or error.code in _PASSING) from error
    except urllib.error.URLError as error:
        raise _connection_trouble(error.reason, transfer) from error
    except (http.client.HTTPException, OSError) as error:
        raise _connection_trouble(error, transfer) from error
    with response:
        yield response


def _connection_trouble(reason: object, transfer: Transfer) -> _Trouble:
    if isinstance(reason, ssl.SSLCertVerificationError):
        return _Trouble(f"its certificate is not trusted ({reason.verify_message}); "
                        "SSL_CERT_FILE can name more authorities")
    if isinstance(reason, FileNotFoundError):
        return _Trouble("no such file", status=404)
    if isinstance(reason, (PermissionError, IsADirectoryError)):
        return _Trouble(f"{reason.strerror}")
    if isinstance(reason, TimeoutError):
        return _Trouble(f"no byte for {transfer.timeout:g} seconds", again=True)
    return _Trouble(f"{reason}" or type(reason).__name__, again=True)


def _blocks(response: Any, transfer: Transfer) -> Iterator[bytes]:
    """Yield what arrives as it arrives; read1 returns after one packet, so stops are heard."""
    while True:
        try:
            block = response.read1(_BLOCK)
        except (http.client.HTTPException, OSError) as error:
            raise _connection_trouble(error, transfer) from error
        if not block:
            return
        yield block
        transfer.check()


def _length(response: Any) -> int | None:
    value = response.headers.get("Content-Length", "")
    return int(value) if value.isdecimal() else None


def _check_length(response: Any, got: int) -> None:
    if (announced := _length(response)) is not None and got < announced:
        raise _Trouble(f"the connection ended after {got} of {announced} bytes", again=True)


class _Receipt:
    """Receives one file into an open file, keeping count and digest over all attempts."""

    def __init__(self, file: BinaryIO, transfer: Transfer, sha256: str | None, size: int | None,
                 progress: Progress | None) -> None:
        self._file, self._transfer, self._progress = file, transfer, progress
        self._sha256, self._size = sha256, size
        self._digest, self._done = hashlib.sha256(), 0
        self.wrong = False
        for block in iter(lambda: file.read(_BLOCK), b""):
            self._count(block)

    def _count(self, block: bytes) -> None:
        self._digest.update(block)
        self._done += len(block)

    def _write(self, block: bytes) -> None:
        rest = memoryview(block)
        while rest:  # an unbuffered file may take less than it is given
            rest = rest[self._file.write(rest):]
        self._count(block)

    def _restart(self) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._digest, self._done = hashlib.sha256(), 0

    @property
    def worth_keeping(self) -> bool:
        """Whether a later run can resume what is here."""
        return self._sha256 is not None and self._done > 0 and not self.wrong

    def is_complete(self) -> bool:
        """Say whether what an earlier run left is already the whole file."""
        return self._sha256 is not None and self._digest.hexdigest() == self._sha256

    def receive(self, url: str) -> None:
        """Fetch the rest of the file, or all of it, from one place; _Trouble when that fails."""
        if self._sha256 is None or (self._size is not None and self._done >= self._size):
            self._restart()
        resumed = self._done > 0
        try:
            self._attempt(url)
        except _Trouble as trouble:
            if not (trouble.wrong and resumed):
                raise
            # The older part may be to blame: once more, from the first byte.
            self._attempt(url)

    def _attempt(self, url: str) -> None:
        headers = {"Range": f"bytes={self._done}-"} if self._done else {}
        try:
            with _opened(self._transfer, url, headers) as response:
                before = self._accept_range(response)
                length = _length(response)
                total = self._size if length is None else before + length
                for block in _blocks(response, self._transfer):
                    self._write(block)
                    if self._size is not None and self._done > self._size:
                        break
                    if self._progress:
                        self._progress(self._done, total)
                else:
                    _check_length(response, self._done - before)
        except _Trouble as trouble:
            # 416: the older part is longer than what this place has.
            if headers and trouble.status == 416:
                self._restart()
                return self._attempt(url)
            raise
        self._verify()

    def _accept_range(self, response: Any) -> int:
        """Return at which byte the answer starts; an answer to no range starts from zero."""
        status = getattr(response, "status", None)
        start = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
        if status != 206:
            self._restart()
        elif start != str(self._done):
            self._restart()
            raise _Trouble("it answered with another range than the one asked for", again=True)
        return self._done

    def _verify(self) -> None:
        found = self._digest.hexdigest()
        if self._size is not None and self._done != self._size:
            text = f"expected {self._size} bytes, found {'more' if self._done > self._size else self._done}"
        elif self._sha256 is not None and found != self._sha256:
            text = f"expected sha256 {self._sha256}, found {found}"
        else:
            return
        self._restart()
        self.wrong = True
        raise _Trouble(text, wrong=True)


@dataclass
class _Part:
    """An unfinished file beside the one it is to become."""

    path: Path
    file: BinaryIO
    keep: bool = False

    def publish(self, destination: Path) -> None:
        """Give the finished file its name, durably."""
        self.file.flush()
        os.fchmod(self.file.fileno(), 0o644)
        os.fsync(self.file.fileno())
        os.replace(self.path, destination)
        self.keep = True
        directory = os.open(destination.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


@contextmanager
def _unfinished(destination: Path, sha256: str | None) -> Iterator[_Part]:
    """Open the unfinished file; it is removed at the end unless it was published or is kept."""
    part = _resumable(destination, sha256) if sha256 else None
    if part is None:
        number, name = tempfile.mkstemp(".part", f".{destination.name}.", destination.parent)
        part = _Part(Path(name), os.fdopen(number, "r+b", buffering=0))
    try:
        yield part
    finally:
        if not part.keep:
            part.path.unlink(missing_ok=True)
        part.file.close()


def _resumable(destination: Path, sha256: str) -> _Part | None:
    """Open what an earlier run may have left; None when another run is writing to it now."""
    path = destination.parent / f".{destination.name}.{sha256[:16]}.part"
    file = open(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b", buffering=0)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The other run may have given the file its final name between open and lock.
        if os.fstat(file.fileno()).st_ino == os.stat(path).st_ino:
            return _Part(path, file)
    except (BlockingIOError, FileNotFoundError):
        pass
    file.close()
    return None


def _disk_error(error: OSError, directory: Path) -> DebxcrossError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFullError(
            f"no space left in {directory}", str(error),
            f"Free space there ('df -h {directory}' shows how much is left) and run the command again.")
    return HostError(f"{directory} cannot be written", str(error),
                     "Check that the directory exists and belongs to you.")
