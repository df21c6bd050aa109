# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostile servers and clients: mirrors, package indexes, substitutes, trees to import, answers, requests."""
from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import shutil
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.corpus import Hostile
from tests.corpus.packages import CONTROL, bomb, deb
from tests.corpus.texts import swap
from tests.integration.archive import SigningHome, sign
from tests.integration.test_resolve import PYPROJECT, info
from tests.unit.test_fuzz_parsers import ARTIFACT, DSC, KEY, SHA

DEEP = b"[" * 100000


# Mirrors: what a signed archive says


def _index(name: str, change: Callable[[bytes], bytes], *, signed: bool = True) -> Callable[[Any], Path]:
    """Return what makes a copy of the archive with an index changed, and Release right for it."""
    def make(bench: Any) -> Path:
        copy = Path(shutil.copytree(bench.archive, bench.directory / "mirror", symlinks=True))
        release = copy / "dists/sid"
        path = release / name
        path.write_bytes(change(path.read_bytes()))
        text = (release / "Release").read_text()
        if name != "Release":
            head = text.partition("MD5Sum:")[0].partition("SHA1:")[0].partition("SHA256:")[0]
            listed = "".join(f" {hashlib.sha256(one.read_bytes()).hexdigest()} {one.stat().st_size} "
                             f"{one.relative_to(release)}\n" for one in sorted(release.glob("main/*/*")))
            (release / "Release").write_text(f"{head}SHA256:\n{listed}")
        if signed:
            sign(release, SigningHome(bench.signer, bench.keyring))
        return copy
    return make


def _replaced(old: str, new: str) -> Callable[[bytes], bytes]:
    def change(text: bytes) -> bytes:
        assert old.encode() in text, (old, text[:500])
        return text.replace(old.encode(), new.encode())
    return change


def _unsigned(bench: Any) -> Path:
    copy = Path(shutil.copytree(bench.archive, bench.directory / "mirror", symlinks=True))
    (copy / "dists/sid/InRelease").unlink()
    return copy


def _other_source(bench: Any) -> Path:
    copy = Path(shutil.copytree(bench.archive, bench.directory / "mirror", symlinks=True))
    next(copy.rglob("alpha_1.0.dsc")).write_bytes(b"Format: 3.0 (native)\n")
    return copy


def _linked_source(bench: Any) -> Path:
    copy = Path(shutil.copytree(bench.archive, bench.directory / "mirror", symlinks=True))
    source = next(copy.rglob("alpha_1.0.dsc"))
    source.unlink()
    source.symlink_to(bench.outside / "secret")
    return copy


_SOURCES, _HERE = "main/source/Sources", "main/binary-armel/Packages"
_MIRRORS = (
    ("Release changed after it was signed", lambda bench: _tampered(bench)),
    ("no signature", _unsigned),
    ("Packages that is not what Release says", lambda bench: _appended(bench)),
    ("Packages without a colon", _index(_HERE, lambda text: b"hello\n\n" + text)),
    ("Packages with a NUL", _index(_HERE, lambda text: text + b"\nPackage: \0\nVersion: 1\n")),
    ("Packages that is no UTF-8", _index(
        _HERE, lambda text: text.replace(b"Nobody", b"\xff\xfe"))),
    ("Packages with a version of ten thousand digits",
     _index(_HERE, lambda text: text.replace(b"Version: 1.0-1", b"Version: " + b"9" * 10000, 1))),
    ("Packages with a hundred thousand dependencies",
     _index(_HERE, lambda text: text + b"\nPackage: big\nVersion: 1\nArchitecture: armel\nDepends: "
            + b", ".join(b"x%d" % number for number in range(100000)) + b"\nFilename: x\nSize: 1\nSHA256: "
            + SHA.encode() + b"\n")),
    ("Sources of nothing", _index(_SOURCES, lambda text: b"")),
    ("Sources with a file named ../x", _index(_SOURCES, _replaced(" alpha_1.0.tar.xz", " ../../x.tar.xz"))),
    ("Sources with a directory that leads out",
     _index(_SOURCES, _replaced("Directory: pool/sid", "Directory: ../../../../../../etc"))),
    ("Sources with a size of 2^70",
     _index(_SOURCES, lambda text: text.replace(b" 1", b" 1180591620717411303424", 3))),
    ("Sources with a binary that is an option",
     _index(_SOURCES, _replaced("Binary: libalpha-dev", "Binary: -oX=1"))),
    ("a .dsc of other bytes", _other_source),
    ("a .dsc that is a link out", _linked_source),
    ("Release of a size of 2^64",
     _index("Release", lambda text: text.replace(b" main/", b"99999999999999999999 main/"))),
    ("Release that names files elsewhere",
     _index("Release", lambda text: text.replace(b" main/binary", b" ../../../main/binary"))),
    ("Release of another suite", _index("Release", lambda text: text.replace(b": sid", b": evil"))),
)


def _tampered(bench: Any) -> Path:
    copy = Path(shutil.copytree(bench.archive, bench.directory / "mirror", symlinks=True))
    path = copy / "dists/sid/InRelease"
    path.write_bytes(path.read_bytes().replace(b"Origin: Tiny", b"Origin: Evil"))
    return copy


def _appended(bench: Any) -> Path:
    copy = Path(shutil.copytree(bench.archive, bench.directory / "mirror", symlinks=True))
    with (copy / "dists/sid" / _HERE).open("ab") as file:
        file.write(b"\nPackage: evil\nVersion: 1\n")
    return copy


# Pages of a package index, and sdists in it


def _sdist(files: Mapping[str, bytes]) -> bytes:
    with io.BytesIO() as result:
        with tarfile.open(fileobj=result, mode="w:gz") as archive:
            for name, body in {"lamp-1.0/PKG-INFO": info("lamp", "1.0"),
                               "lamp-1.0/pyproject.toml": PYPROJECT.encode(), **files}.items():
                header = tarfile.TarInfo(name)
                header.size = len(body)
                archive.addfile(header, io.BytesIO(body))
        return result.getvalue()


def _sold(content: bytes, name: str = "lamp-1.0.tar.gz") -> dict[str, bytes]:
    """Return an index that has an sdist of the project lamp."""
    page = f'<a href="{name}#sha256={hashlib.sha256(content).hexdigest()}">{name}</a>'
    return {f"lamp/{name}": content, "lamp/index.html": page.encode()}


def _page(text: str | bytes) -> dict[str, bytes]:
    return {"lamp/index.html": text.encode() if isinstance(text, str) else text}


_LINK = f'<a href="{{}}#sha256={SHA}">lamp-1.0.tar.gz</a>'
_PAGES = (
    ("a file named ../x", _page(f'<a href="x#sha256={SHA}">../lamp-1.0.tar.gz</a>')),
    ("a link to a file of the machine", _page(_LINK.format("file://@OUTSIDE@/secret"))),
    ("a link to a device", _page(_LINK.format("file:///dev/zero"))),
    ("a base that is another scheme", _page('<base href="javascript:x">' + _LINK.format("lamp-1.0.tar.gz"))),
    ("a link of a broken address", _page(_LINK.format("http://[::1/lamp-1.0.tar.gz"))),
    ("a digest that is no digest", _page('<a href="lamp-1.0.tar.gz#sha256=xyz">lamp-1.0.tar.gz</a>')),
    ("an interface of version 9", _page('<meta name="pypi:repository-version" content="9.0">')),
    ("a hundred thousand open elements", _page("<div>" * 100000 + _LINK.format("x"))),
    ("no UTF-8", _page(b"\xff\xfe<a href=x>")),
    ("a version of ten thousand digits", _page(_LINK.format("lamp-" + "9" * 10000 + ".tar.gz"))),
    ("an expression for Python that is none", _page(
        f'<a data-requires-python="&gt;;rm" href="lamp-1.0.tar.gz#sha256={SHA}">lamp-1.0.tar.gz</a>')),
)
_SDISTS = (
    ("other bytes than the page says", {**_sold(_sdist({})), "lamp/lamp-1.0.tar.gz": b"x"}),
    ("no archive", _sold(b"no archive")),
    ("unpacks to five hundred megabytes", _sold(bomb(500))),
    ("PKG-INFO of a hundred megabytes",
     _sold(_sdist({"lamp-1.0/PKG-INFO": b"Name: lamp\n" + b"x" * (100 << 20)}))),
    ("PKG-INFO of another project", _sold(_sdist({"lamp-1.0/PKG-INFO": info("evil", "1.0")}))),
    ("PKG-INFO whose marker has no answer", _sold(_sdist({"lamp-1.0/PKG-INFO": info(
        "lamp", "1.0", ['other; os_name ~= "x"'])}))),
    ("PKG-INFO whose marker is nested two thousand deep", _sold(_sdist({"lamp-1.0/PKG-INFO": info(
        "lamp", "1.0", ["other; " + "(" * 2000 + 'os_name=="x"' + ")" * 2000])}))),
    ("pyproject.toml nested a hundred thousand deep",
     _sold(_sdist({"lamp-1.0/pyproject.toml": b"a = " + DEEP}))),
    ("pyproject.toml whose back end lies elsewhere", _sold(_sdist({"lamp-1.0/pyproject.toml": swap(
        PYPROJECT, "[build-system]", '[build-system]\nbackend-path = ["../../../etc"]')}))),
    ("a build requirement whose marker has no answer", _sold(_sdist({"lamp-1.0/pyproject.toml": swap(
        PYPROJECT, '"setuptools"]', '"setuptools; \'1\' > \'x\'"]')}))),
    ("two top directories, one of them ..", _sold(_sdist({"../evil/PKG-INFO": b"x"}))),
)


# Substitutes


def _shared(listed: Mapping[str, str] | bytes, files: Mapping[str, bytes]) -> dict[str, Any]:
    return {"listed": listed, "files": files}


_NAME = f"artifacts/{KEY[:2]}/{KEY}.json"


def _entry(content: bytes) -> dict[str, Any]:
    return _shared({_NAME: hashlib.sha256(content).hexdigest()}, {_NAME: content})


_SUBSTITUTES = (
    ("no list", {"listed": None, "files": {}}),
    ("a list that is no text", _shared(b"\xff\xfe\0", {})),
    ("a list nested a hundred thousand deep", _shared(DEEP, {})),
    ("a list whose names lead out", _shared({"../../../secret": SHA}, {})),
    ("an entry of other bytes", _shared({_NAME: SHA}, {_NAME: b"{}"})),
    ("an entry nested a hundred thousand deep", _entry(DEEP)),
    ("an entry whose file is ../x", _entry(ARTIFACT.replace("libfoo_1_armel.deb", "../x").encode())),
    ("an entry whose digest is a path", _entry(ARTIFACT.replace(SHA, "../" * 20).encode())),
    ("an entry of another member", _entry(ARTIFACT.replace('"foo"', '"evil"').encode())),
    ("an entry whose file is not there", _entry(ARTIFACT.encode())),
)


# Trees that repo import reads


def _tree(index: bytes, name: str = "Packages", release: str = "", debs: Mapping[str, bytes] | None = None
          ) -> dict[str, bytes]:
    place = f"dists/bookworm/main/binary-armhf/{name}"
    text = release or "Codename: bookworm\nArchitectures: armhf\nComponents: main\nSHA256:\n" + (
        f" {hashlib.sha256(index).hexdigest()} {len(index)} main/binary-armhf/{name}\n")
    return {place: index, "dists/bookworm/Release": text.encode(), **(debs or {})}


def _stanza(filename: str, body: bytes = b"x", size: str = "") -> bytes:
    return (f"{CONTROL}Filename: {filename}\nSize: {size or len(body)}\n"
            f"SHA256: {hashlib.sha256(body).hexdigest()}\n").encode()


_TREES = (
    ("a file that leads out", _tree(_stanza("../outside/secret", b"x"))),
    ("a file with an absolute path", _tree(_stanza("@OUTSIDE@/secret"))),
    ("a file that is not there", _tree(_stanza("pool/gone.deb"))),
    ("a deb of other bytes", _tree(_stanza("pool/x.deb"), debs={"pool/x.deb": deb()})),
    ("an index that unpacks to five hundred megabytes", _tree(bomb(500), "Packages.gz")),
    ("an index cut off", _tree(lzma.compress(_stanza("pool/x.deb") * 50)[:-20], "Packages.xz")),
    ("an index without a colon", _tree(b"hello\n")),
    ("an index that Release does not list", _tree(
        b"Package: x\n", release="Codename: bookworm\nArchitectures: armhf\nComponents: main\nSHA256:\n"
        f" {SHA} 99 main/binary-armhf/Packages\n")),
    ("Release with a code name that is a path", _tree(
        b"", release="Codename: ../../x\nArchitectures: armhf\nComponents: main\n")),
    ("Release with a component that leads out", _tree(
        b"", release="Codename: bookworm\nArchitectures: armhf\nComponents: ../../../outside\n")),
    ("Release with an architecture that leads out", _tree(
        b"", release="Codename: bookworm\nArchitectures: ../../x\nComponents: main\n")),
    ("Release of nothing", _tree(b"", release="no field\n")),
    ("a Sources whose .dsc leads out", {**_tree(gzip.compress(b""), "Packages.gz"),
     "dists/bookworm/main/source/Sources": swap(
        DSC.partition("\n\n")[2].partition("\n\n-----")[0], "Format:",
        "Package: foo\nDirectory: ../outside\nFormat:")
        .replace(b"foo_2.0.orig.tar.gz", b"secret")}),
)


# What clients ask `repo serve`

_REQUESTS = (
    ("a path that leads out", b"GET /../outside/secret HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("the same in percents", b"GET /%2e%2e/outside/secret HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("the same in percents twice", b"GET /%252e%252e/outside/secret HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("a slash in percents", b"GET /..%2foutside%2fsecret HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("a link out", b"GET /link HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("a FIFO", b"GET /pipe HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("a hidden file", b"GET /.staging/1 HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("a NUL", b"GET /a%00b HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("a line break, which would add a header", b"GET /a%0d%0aX-Evil:%201/ HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("a header without a name", b"GET / HTTP/1.1\r\nHost: x\r\n: x\r\n\r\n"),
    ("a hundred thousand headers", b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 100000 + b"\r\n"),
    ("a header of a megabyte", b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"b" * (1 << 20) + b"\r\n\r\n"),
    ("a path of a megabyte", b"GET /" + b"a" * (1 << 20) + b" HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("a range of five thousand digits",
     b"GET /file HTTP/1.1\r\nHost: x\r\nRange: bytes=" + b"9" * 5000 + b"-\r\n\r\n"),
    ("ten thousand ranges",
     b"GET /file HTTP/1.1\r\nHost: x\r\nRange: bytes=" + b"0-0," * 1500 + b"1-1\r\n\r\n"),
    ("a year of twenty digits",
     b"GET /file HTTP/1.1\r\nHost: x\r\nIf-Modified-Since: Mon, 01 Jan " + b"9" * 20
     + b" 00:00:00 GMT\r\n\r\n"),
    ("a method nobody knows", b"EVIL / HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("a body that is not read", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n"),
    ("two lengths", b"GET /file HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"),
    ("chunks and a length",
     b"GET /file HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n"),
    ("a version nobody knows", b"GET / HTTP/9.9\r\nHost: x\r\n\r\n"),
    ("no request", b"\x16\x03\x01\x02\x00" * 100),
)


# What servers answer when a repository is fetched

_HEAD = b"HTTP/1.1 200 OK\r\n"
_ANSWERS = (
    ("nothing", b""),
    ("no HTTP", b"\x16\x03\x01garbage\r\n\r\n"),
    ("a length of 2^70", _HEAD + b"Content-Length: 1180591620717411303424\r\n\r\nx"),
    ("a negative length", _HEAD + b"Content-Length: -5\r\n\r\nx"),
    ("less than it announced", _HEAD + b"Content-Length: 500\r\n\r\n{}"),
    ("a chunk without end", _HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nxx"),
    ("a chunk of no size", _HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nxx"),
    ("a hundred thousand headers", _HEAD + b"A: b\r\n" * 100000 + b"\r\n"),
    ("a header of ten megabytes", _HEAD + b"A: " + b"b" * (10 << 20) + b"\r\n\r\n"),
    ("a way to a file of the machine",
     b"HTTP/1.1 302 x\r\nLocation: file://@OUTSIDE@/secret\r\nContent-Length: 0\r\n\r\n"),
    ("a way to itself", b"HTTP/1.1 302 x\r\nLocation: /repository.json\r\nContent-Length: 0\r\n\r\n"),
    ("a way to nowhere", b"HTTP/1.1 302 x\r\nLocation: http://[\r\nContent-Length: 0\r\n\r\n"),
    ("compressed zeros without end", _HEAD + b"Content-Encoding: gzip\r\nContent-Length: "
     + str(len(bomb(500))).encode() + b"\r\n\r\n" + bomb(500)),
    ("JSON nested a hundred thousand deep", _HEAD + b"Content-Length: 100000\r\n\r\n" + DEEP),
    ("escape sequences in its reason", b"HTTP/1.1 500 \x1b]0;x\x07\r\nContent-Length: 0\r\n\r\n"),
)
INPUTS = tuple(Hostile(kind, *row) for kind, rows in (
    ("mirror", _MIRRORS), ("index page", _PAGES), ("sdist", _SDISTS), ("substitute", _SUBSTITUTES),
    ("tree to import", _TREES), ("request", _REQUESTS), ("server's answer", _ANSWERS),
) for row in rows)
