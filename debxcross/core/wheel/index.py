# SPDX-License-Identifier: GPL-3.0-or-later
"""The simple index of Python packages: names, pages, files and pins, as plain values.

Sources: PEP 503 (HTML pages, normalised names), PEP 592 (yanked files), PEP 629 (versions
of the interface), PEP 691 and 700 (JSON pages), PEP 427 and 425 (wheel file names and tags).
Nothing here opens a connection; urllib.parse only takes addresses apart.
"""
from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

from packaging.requirements import Requirement
from packaging.utils import parse_wheel_filename
from packaging.version import Version

from debxcross.core.border import (
    Empty, Line, Name, Sha256, Size, is_line, is_name, is_sha256, is_size, read_json, shown,
)
from debxcross.core.url import without_password
from debxcross.errors import FetchError

#: What to ask an index for, best first (PEP 691).
ACCEPT = ("application/vnd.pypi.simple.v1+json, "
          "application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1")

#: Endings of source distributions, in the order in which they are preferred.
SDIST_ENDINGS = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")


@dataclass(frozen=True)
class Page:
    """A page as it arrived: the address it came from in the end, its type and its bytes."""

    url: str
    content_type: str
    body: bytes


@dataclass(frozen=True)
class IndexFile:
    """A file that an index offers.

    ``sha256`` is 64 hex digits, or "" when the index gives no such digest; ``size`` is in
    bytes, or None when the index does not say; ``requires_python`` is "" for no demand;
    ``metadata`` says that METADATA is offered beside it, at the same address with
    ".metadata" behind (PEP 658, PEP 714).
    """

    name: Name
    url: Line
    sha256: Sha256 | Empty = ""
    requires_python: Line = ""
    yanked: bool = False
    size: Size | None = None
    metadata: bool = False


@dataclass(frozen=True)
class Pin:
    """A project at one version; ``name`` is normalised, ``version`` as it was written."""

    name: str
    version: str


def normalise(name: str) -> str:
    """Return a project's name the way PEP 503 compares names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def bare(requirement: Requirement) -> str:
    """Return a requirement without its marker, spelt in the one way that can be compared."""
    extras = f"[{','.join(sorted(map(normalise, requirement.extras)))}]" if requirement.extras else ""
    return f"{normalise(requirement.name)}{extras}{requirement.specifier}"


def parse_page(page: Page) -> tuple[IndexFile, ...]:
    """Read a project's page, HTML or JSON, and return its files by name.

    FetchError when the page is damaged, or speaks a later version of the interface.
    """
    kind = page.content_type.partition(";")[0].strip().lower()
    files = _json_files(page) if kind.endswith("json") else _html_files(page)
    return tuple(sorted(files, key=lambda file: (file.name, file.url)))


def _unreadable(page: Page, details: str) -> FetchError:
    return FetchError(
        f"the index page {without_password(page.url)} cannot be read", details,
        "Check that the index URL is that of a simple index (PEP 503 or 691), often ending in /simple.")


def _check_version(page: Page, version: str) -> None:
    if version.partition(".")[0] != "1":
        raise _unreadable(page, f"it speaks version {version} of the interface; known is 1.x")


def _file_name(page: Page, name: str) -> str:
    """Return ``name`` if it can stand for a file in one directory (an index is not trusted)."""
    if not is_name(name):
        raise _unreadable(page, f"it names a file {shown([name])}")
    return name


def _address(page: Page, base: str, link: str) -> str:
    """Return where a link leads: a page of the network leads nowhere but into the network."""
    url = urljoin(base, link)
    kinds = ("http", "https")
    if not is_line(url) or (urlsplit(page.url).scheme in kinds and urlsplit(url).scheme not in kinds):
        raise _unreadable(page, f"it links to {shown([without_password(url)])}")
    return url


def _digest(hashes: Mapping[str, Any]) -> str:
    value = str(hashes.get("sha256", "")).lower()
    return value if is_sha256(value) else ""


def _text(value: object) -> str:
    if not is_line(value):
        raise ValueError(f"{shown([value])} is no text")
    return str(value)


def _json_files(page: Page) -> Iterator[IndexFile]:
    try:
        value = read_json(page.body)
        _check_version(page, str(value["meta"]["api-version"]))
        for file in value["files"]:
            size = file.get("size")
            if size is not None and not is_size(size):
                raise ValueError(f"a file of {shown([size])} bytes")
            yield IndexFile(
                _file_name(page, file["filename"]),
                _address(page, page.url, _text(file["url"])),
                _digest(file["hashes"]),
                _text(file.get("requires-python") or ""),
                # The value is true, false or the reason, which may be any string (PEP 691).
                file.get("yanked", False) is not False,
                size,
                bool(file.get("core-metadata", file.get("dist-info-metadata", False))),
            )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unreadable(page, f"{type(error).__name__}: {error}") from error


class _Anchors(HTMLParser):
    """Collects what PEP 503 puts into a page: anchors, a base address, the version."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.anchors: list[dict[str, str]] = []
        self.base = ""
        self.version = "1.0"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "a" and "href" in values:
            self.anchors.append(values)
        elif tag == "base" and not self.base:
            self.base = values.get("href", "")
        elif tag == "meta" and values.get("name") == "pypi:repository-version":
            self.version = values.get("content", "1.0")


def _html_files(page: Page) -> Iterator[IndexFile]:
    parser = _Anchors()
    try:
        parser.feed(page.body.decode("utf-8", "replace"))
        parser.close()
        _check_version(page, parser.version)
        yield from _linked(page, parser.anchors, urljoin(page.url, parser.base))
    except (ValueError, AssertionError) as error:  # no addresses; html.parser asserts what it meets
        raise _unreadable(page, f"{type(error).__name__}: {error}") from error


def _linked(page: Page, anchors: Sequence[Mapping[str, str]], base: str) -> Iterator[IndexFile]:
    for anchor in anchors:
        parts = urlsplit(urljoin(base, anchor["href"]))
        name = unquote(parts.path.rpartition("/")[2])
        if not name or not (name.endswith(".whl") or name.endswith(SDIST_ENDINGS)):
            continue  # pages also carry links to signatures, eggs and parent directories
        algorithm, _, value = parts.fragment.partition("&")[0].partition("=")
        yield IndexFile(
            _file_name(page, name),
            _address(page, base, urlunsplit(parts._replace(fragment=""))),
            _digest({algorithm: value}),
            _text(anchor.get("data-requires-python", "")),
            "data-yanked" in anchor,
            metadata=bool({"data-core-metadata", "data-dist-info-metadata"} & set(anchor)),
        )


def sdist_version(file_name: str, project: str) -> Version | None:
    """Return the version of a source distribution of ``project``; None for any other file.

    Old sdists have dashes in names and versions, so every dash is tried as the border.
    """
    ending = next((ending for ending in SDIST_ENDINGS if file_name.endswith(ending)), None)
    if ending is None:
        return None
    stem = file_name[: -len(ending)]
    for border in re.finditer("-", stem):
        if normalise(stem[: border.start()]) == normalise(project):
            try:
                return Version(stem[border.end():])
            except ValueError:
                continue
    return None


def wheel_tags(file_name: str, pin: Pin) -> tuple[str, ...]:
    """Return the tags ("py3-none-any") of a wheel of this project and version, sorted; else ()."""
    try:
        name, version, _, tags = parse_wheel_filename(file_name)
        if name != pin.name or version != Version(pin.version):
            return ()
    except ValueError:
        return ()
    return tuple(sorted(str(tag) for tag in tags))


def is_file_of(file_name: str, pin: Pin) -> bool:
    """Tell whether a file's name says that it is of this project and version."""
    try:
        return bool(wheel_tags(file_name, pin)) or sdist_version(file_name, pin.name) == Version(pin.version)
    except ValueError:
        return False


def same_release(name: str, version: str, pin: Pin) -> bool:
    """Tell whether metadata's name and version are those of a pin (PEP 503, PEP 440)."""
    try:
        return normalise(name) == pin.name and Version(version) == Version(pin.version)
    except ValueError:
        return False


def _nothing(pin: Pin, what: str, files: Sequence[IndexFile]) -> FetchError:
    return FetchError(
        f"the index has no {what} of {pin.name} {pin.version}",
        "It offers:\n" + "\n".join(f"  {file.name}" for file in files[-40:]) if files
        else "It offers no file of that project.",
        "Check name and version, or configure an index that has it.",
    )


def choose_sdist(files: Sequence[IndexFile], pin: Pin) -> IndexFile:
    """Return the source distribution of a pinned version, .tar.gz before other formats.

    A yanked file is good for an exact pin (PEP 592).  FetchError lists what there is.
    """
    wanted = Version(pin.version)
    found = [file for file in files if sdist_version(file.name, pin.name) == wanted]
    for ending in SDIST_ENDINGS:
        for file in found:
            if file.name.endswith(ending):
                return file
    raise _nothing(pin, "source distribution", files)


def choose_wheel(files: Sequence[IndexFile], pin: Pin, tags: Sequence[str]) -> IndexFile:
    """Return the wheel of a pinned version whose tag comes first in ``tags``.

    ``tags`` are such as ("cp27-cp27mu-manylinux1_x86_64", "py2-none-any"), best first.  Of
    several builds of one version the highest is taken (PEP 427).  FetchError lists what there is.
    """
    wheels = [file for file in files if wheel_tags(file.name, pin)]
    wheels.sort(key=lambda file: parse_wheel_filename(file.name)[2])
    by_tag = {tag: file for file in wheels for tag in wheel_tags(file.name, pin)}
    for tag in tags:
        if tag in by_tag:
            return by_tag[tag]
    raise _nothing(pin, f"wheel for {' or '.join(tags) or 'any tag'}", files)
