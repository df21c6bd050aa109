# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses with and without what nobody else may read."""
from __future__ import annotations

import base64
import string
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit, urlunsplit

from debxcross.errors import without_logins


def without_password(url: str) -> str:
    """Return an address that can be shown: user name and password are left out."""
    try:
        parts = urlsplit(url)
    except ValueError:  # no address; it is shown in the message that says so
        return without_logins(url).rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def with_login(url: str, asked: str) -> str:
    """Return ``url`` with the login of ``asked`` when both are on one host: its links need it."""
    parts, login = urlsplit(url), urlsplit(asked)
    same = without_password(asked).startswith(f"{parts.scheme}://{parts.netloc}/")
    return urlunsplit(parts._replace(netloc=login.netloc if same else parts.netloc))


def below(url: str, base: str) -> str | None:
    """Return what follows a base address in an address, whatever their logins; None when it is elsewhere."""
    start, place = f"{without_password(base).rstrip('/')}/", without_password(url)
    return place.removeprefix(start).lstrip("/") if place.startswith(start) else None


def login_of(parts: SplitResult) -> str:
    """Return the login in an address as a header's value (RFC 7617, in UTF-8); "" for none."""
    if parts.username is None:
        return ""
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return f"Basic {base64.b64encode(login.encode()).decode()}"


def joined(place: str, location: str) -> str:
    """Return where a redirect leads.  Raises ValueError for what is no address.

    Servers send what is not ASCII as it is; http.client reads it as Latin-1.
    """
    return urljoin(place, quote(location, safe=string.punctuation, encoding="iso-8859-1"))
