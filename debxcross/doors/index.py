# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to the index of Python packages, as the user's pip is configured to reach it.

Which index that is comes from pip's own settings (``pip help config`` gives the order of
the files), and when there are none from pip itself: no host name stands here.  Pages and
files travel through functions handed in, which the composition root takes from the
door to downloads.
"""
from __future__ import annotations

import configparser
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from debxcross.core.url import with_login, without_password
from debxcross.core.wheel.index import (
    ACCEPT, IndexFile, Page, Pin, choose_sdist, choose_wheel, normalise, parse_page,
)
from debxcross.doors import process
from debxcross.errors import ConfigurationError, FetchError, VerificationError


class ReadPage(Protocol):
    """Returns the page at an address, or None when there is none; see doors.fetch.read_page."""

    def __call__(self, url: str, accept: str) -> Page | None: ...


class FetchFile(Protocol):
    """Fetches a verified file from the first place that has it; see doors.fetch.fetch."""

    def __call__(self, urls: Sequence[str], destination: Path, *, sha256: str | None,
                 size: int | None) -> Path: ...


@dataclass(frozen=True)
class PipSettings:
    """What pip is told about indexes; each is "" (or empty) when pip is told nothing."""

    index_url: str = ""
    extra_index_urls: tuple[str, ...] = ()
    certificates: str = ""


def pip_files(environment: Mapping[str, str], home: Path, prefix: Path) -> tuple[Path, ...]:
    """Return the places of pip.conf, later ones winning over earlier ones.

    Order: system-wide, the user's, the virtual environment's (``prefix``), PIP_CONFIG_FILE,
    as pip's ``OVERRIDE_ORDER`` has it.  An existing PIP_CONFIG_FILE replaces the user's
    files, and /dev/null there switches all files off.
    """
    named = environment.get("PIP_CONFIG_FILE", "")
    if named == os.devnull:
        return ()
    system = (environment.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")
    files = [Path(directory) / "pip/pip.conf" for directory in system if directory]
    files.append(Path("/etc/pip.conf"))
    if not (named and Path(named).exists()):
        configured = environment.get("XDG_CONFIG_HOME")
        files.append(home / ".pip/pip.conf")
        files.append((Path(configured) if configured else home / ".config") / "pip/pip.conf")
    files.append(prefix / "pip.conf")
    if named:
        files.append(Path(named))
    return tuple(files)


def pip_settings(environment: Mapping[str, str] | None = None, home: Path | None = None,
                 prefix: Path | None = None) -> PipSettings:
    """Return pip's settings from its files and PIP_* variables; ConfigurationError for a broken file."""
    variables = os.environ if environment is None else environment
    values: dict[str, str] = {}
    for path in pip_files(variables, home or Path.home(), prefix or Path(sys.prefix)):
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError) as error:
            raise ConfigurationError(f"pip's settings in {path} cannot be read", str(error),
                                     "Correct the file; 'pip config debug' shows what pip reads.") from error
        if parser.has_section("global"):
            values.update({name.replace("_", "-"): value for name, value in parser.items("global")})
    for name in ("index-url", "extra-index-url", "cert"):
        values[name] = variables.get("PIP_" + name.upper().replace("-", "_")) or values.get(name, "")
    return PipSettings(values["index-url"].strip(), tuple(values["extra-index-url"].split()),
                       values["cert"].strip())


def default_index_argv(python: str) -> tuple[str, ...]:
    """Return the command that prints pip's built-in index URL."""
    return (python, "-c", "from pip._internal.models.index import PyPI; print(PyPI.simple_url)")


def default_index_url(settings: PipSettings | None = None) -> str:
    """Return the index URL pip would use; ConfigurationError when neither settings nor a pip say it."""
    known = pip_settings() if settings is None else settings
    if known.index_url:
        return known.index_url
    for python in dict.fromkeys((sys.executable, process.find("python3"))):
        if python:
            completed = process.run(default_index_argv(python), timeout=60)
            if completed.exit_status == 0 and completed.stdout.strip():
                return completed.stdout.strip()
    raise ConfigurationError(
        "no index of Python packages is configured",
        "pip's settings name none, and pip itself is not installed",
        "Install python3-pip, or set the URL: 'pip config set global.index-url URL' or PIP_INDEX_URL.")


@dataclass(frozen=True)
class Index:
    """A simple index, with others to ask when it does not have a file."""

    url: str
    read: ReadPage
    fetch: FetchFile
    extra_urls: tuple[str, ...] = ()

    def page_url(self, base: str, name: str) -> str:
        """Return the address of a project's page; a local directory has its page in index.html."""
        page = f"{base.rstrip('/')}/{normalise(name)}/"
        return page + "index.html" if base.startswith("file:") else page

    def address(self, file: IndexFile) -> str:
        """Return where a file is, with the login of the index that is on the same host."""
        return next((full for base in (self.url, *self.extra_urls)
                     if (full := with_login(file.url, base)) != file.url), file.url)

    def files(self, name: str) -> tuple[tuple[str, tuple[IndexFile, ...]], ...]:
        """Return what each index that knows a project offers of it, by its URL, in the order of the indexes.

        Neither URLs nor files have a login.  FetchError when none knows it, or when one cannot be asked:
        going on without it would make the choice depend on the network's mood.
        """
        bases = tuple(dict.fromkeys((self.url, *self.extra_urls)))
        asked = [self.page_url(base, name) for base in bases]
        pages = [self.read(url, ACCEPT) for url in asked]
        # They are remembered, so without a login.
        found = tuple(
            (without_password(base), tuple(
                replace(file, url=without_password(file.url)) for file in parse_page(page)))
            for base, page in zip(bases, pages) if page is not None)
        if not found:
            raise FetchError(
                f"no configured index has the project {name}",
                "\n".join(f"{without_password(url)}: not found" for url in asked),
                "Check the name, or name another index in PIP_INDEX_URL or PIP_EXTRA_INDEX_URL.")
        return found

    def choose(self, pin: Pin, kind: str = "sdist", tags: Sequence[str] = ("py3-none-any",),
               sha256: str = "") -> IndexFile:
        """Return the file of a pin: ``kind`` is "sdist", "wheel" (see ``tags``) or a file's name.

        The first index that has it wins; one with this ``sha256`` before one with another.  FetchError
        when none has.
        """
        missing: FetchError | None = None
        found = self.files(pin.name)
        if sha256:
            for _, files in found:
                for file in files:
                    if (file.name, file.sha256) == (kind, sha256):
                        return file
        for _, files in found:
            try:
                if kind == "sdist":
                    return choose_sdist(files, pin)
                if kind == "wheel":
                    return choose_wheel(files, pin, tags)
                for file in files:
                    if file.name == kind:
                        return file
            except FetchError as error:
                missing = missing or error
        raise missing or FetchError(
            f"no configured index has the file {kind}", "",
            "Check the name, or name another index in PIP_INDEX_URL or PIP_EXTRA_INDEX_URL.")

    def file_for(self, pin: Pin, directory: Path, *, kind: str = "sdist",
                 tags: Sequence[str] = ("py3-none-any",), sha256: str | None = None) -> Path:
        """Fetch the file of a pin into ``directory`` and return its path there.

        ``sha256`` is the pinned digest; without one the index's own is taken.  Raises
        VerificationError when the index or the file disagrees, or when nobody gives a digest.
        """
        file = self.choose(pin, kind, tags, (sha256 or "").lower())
        expected = sha256.lower() if sha256 else file.sha256
        place = without_password(file.url)
        if not expected:
            raise VerificationError(
                f"{file.name} has no digest", f"{place}: the index gives no sha256",
                "Pin its sha256 in the chain file.")
        if file.sha256 and file.sha256 != expected:
            raise VerificationError(
                f"{file.name} is not the file that was pinned",
                f"{place}: expected sha256 {expected}, the index has {file.sha256}",
                "Either the index serves another file or the pinned digest is wrong; nothing was fetched.")
        return self.fetch((self.address(file),), directory / file.name, sha256=expected, size=file.size)
