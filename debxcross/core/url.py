# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses with and without what nobody else may read."""
from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit


def without_password(url: str) -> str:
    """Return an address that can be shown: user name and password are left out."""
    try:
        parts = urlsplit(url)
    except ValueError:  # no address; it is shown in the message that says so
        return url.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def with_login(url: str, asked: str) -> str:
    """Return ``url`` with the login of ``asked`` when both are on one host: its links need it."""
    parts, login = urlsplit(url), urlsplit(asked)
    same = without_password(asked).startswith(f"{parts.scheme}://{parts.netloc}/")
    return urlunsplit(parts._replace(netloc=login.netloc if same else parts.netloc))
