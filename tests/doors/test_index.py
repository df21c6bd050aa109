# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from debxcross.core.wheel.index import Page, Pin
from debxcross.doors import fetch, index, process, web
from debxcross.errors import ConfigurationError, FetchError, VerificationError
from tests.tools import need

SIX = Pin("six", "1.16.0")


def make_index(directory: Path, project: str, files: dict[str, bytes], digests: bool = True) -> str:
    """Write a simple index with one project as plain files and return its file: address."""
    page = directory / project
    page.mkdir(parents=True)
    anchors = ""
    for name, content in files.items():
        (page / name).write_bytes(content)
        fragment = f"#sha256={hashlib.sha256(content).hexdigest()}" if digests else ""
        anchors += f'<a href="{name}{fragment}">{name}</a>\n'
    (page / "index.html").write_text(f"<!DOCTYPE html><html><body>{anchors}</body></html>")
    return directory.as_uri()


def open_index(url: str, *extra: str) -> index.Index:
    transfer = web.make_transfer(proxies={}, retries=0)
    return index.Index(
        url, lambda url, accept: fetch.read_page(url, accept, transfer),
        lambda urls, destination, *, sha256, size: fetch.fetch(
            urls, destination, sha256=sha256, size=size, transfer=transfer), extra)


FILES = {"six-1.16.0.tar.gz": b"source", "six-1.16.0-py2.py3-none-any.whl": b"wheel",
         "six-1.15.0.tar.gz": b"old"}


@pytest.mark.parametrize(("kind", "name"), [
    ("sdist", "six-1.16.0.tar.gz"), ("wheel", "six-1.16.0-py2.py3-none-any.whl"),
    ("six-1.15.0.tar.gz", "six-1.15.0.tar.gz")])
def test_files_are_fetched_by_kind_or_name(tmp_path: Path, kind: str, name: str) -> None:
    simple = open_index(make_index(tmp_path / "simple", "six", FILES))
    pinned = hashlib.sha256(FILES[name]).hexdigest()
    path = simple.file_for(SIX, tmp_path / "got", kind=kind, sha256=pinned)
    assert (path.name, path.read_bytes()) == (name, FILES[name])
    assert simple.file_for(SIX, tmp_path / "again", kind=kind).read_bytes() == FILES[name]


def test_index_that_disagrees_with_the_pin_is_refused_before_fetching(tmp_path: Path) -> None:
    simple = open_index(make_index(tmp_path / "simple", "six", FILES))
    with pytest.raises(VerificationError) as caught:
        simple.file_for(SIX, tmp_path / "got", sha256="0" * 64)
    assert "0" * 64 in caught.value.details and hashlib.sha256(b"source").hexdigest() in caught.value.details
    assert not (tmp_path / "got").exists()


def test_index_without_digests(tmp_path: Path) -> None:
    simple = open_index(make_index(tmp_path / "simple", "six", FILES, digests=False))
    with pytest.raises(VerificationError) as caught:
        simple.file_for(SIX, tmp_path / "got")
    assert caught.value.resolution == "Pin its sha256 in the chain file."
    with pytest.raises(VerificationError):
        simple.file_for(SIX, tmp_path / "got", sha256="0" * 64)
    simple.file_for(SIX, tmp_path / "got", sha256=hashlib.sha256(b"source").hexdigest())


def test_other_indexes_are_asked_for_what_the_first_lacks(tmp_path: Path) -> None:
    first = make_index(tmp_path / "first", "six", {"six-1.15.0.tar.gz": b"old"})
    second = make_index(tmp_path / "second", "six", FILES)
    assert open_index(first, second).choose(SIX).url.startswith(second)
    assert open_index(first, second).choose(Pin("six", "1.15.0")).url.startswith(first)
    with pytest.raises(FetchError) as caught:
        open_index(first).choose(SIX)
    assert "six-1.15.0.tar.gz" in caught.value.details
    with pytest.raises(FetchError) as caught:
        open_index(first, second).choose(SIX, "six-9.whl")
    assert caught.value.brief == "no configured index has the file six-9.whl"


def test_unknown_project_names_every_index(tmp_path: Path) -> None:
    urls = [make_index(tmp_path / name, "six", FILES) for name in ("a", "b")]
    with pytest.raises(FetchError) as caught:
        open_index(*urls).choose(Pin("seven", "1"))
    assert caught.value.details.splitlines() == [f"{url}/seven/index.html: not found" for url in urls]


def test_page_addresses() -> None:
    def nothing(url: str, accept: str) -> Page | None:
        return None

    simple = index.Index("https://index.example/simple/", nothing, open_index("file:///x").fetch)
    assert simple.page_url(simple.url, "Ruamel.YAML") == "https://index.example/simple/ruamel-yaml/"
    assert simple.page_url("file:///srv/simple", "six") == "file:///srv/simple/six/index.html"


HOME, PREFIX = Path("/h"), Path("/v")


def test_places_of_pip_conf() -> None:
    assert [str(path) for path in index.pip_files({}, HOME, PREFIX)] == [
        "/etc/xdg/pip/pip.conf", "/etc/pip.conf", "/h/.pip/pip.conf", "/h/.config/pip/pip.conf",
        "/v/pip.conf"]
    environment = {"XDG_CONFIG_DIRS": "/x:/y", "XDG_CONFIG_HOME": "/c", "PIP_CONFIG_FILE": "/none/p.conf"}
    assert [str(path) for path in index.pip_files(environment, HOME, PREFIX)] == [
        "/x/pip/pip.conf", "/y/pip/pip.conf", "/etc/pip.conf", "/h/.pip/pip.conf", "/c/pip/pip.conf",
        "/v/pip.conf", "/none/p.conf"]
    assert index.pip_files({"PIP_CONFIG_FILE": "/dev/null"}, HOME, PREFIX) == ()


def test_settings_later_files_and_variables_win(tmp_path: Path) -> None:
    user = tmp_path / ".config/pip"
    user.mkdir(parents=True)
    (user / "pip.conf").write_text("[global]\nindex-url = https://user.example/simple\n"
                                   "extra_index_url =\n  https://a.example\n  https://b.example\n"
                                   "cert = /c.pem\n"
                                   "[install]\nindex-url = https://not.example\n")
    prefix = tmp_path / "venv"
    prefix.mkdir()
    nothing = {"XDG_CONFIG_DIRS": str(tmp_path / "none")}
    settings = index.pip_settings(nothing, tmp_path, prefix)
    assert settings.index_url == "https://user.example/simple"
    assert settings.extra_index_urls == ("https://a.example", "https://b.example")
    assert settings.certificates == "/c.pem"
    (prefix / "pip.conf").write_text("[global]\nindex-url = https://venv.example/simple\n")
    assert index.pip_settings(nothing, tmp_path, prefix).index_url == "https://venv.example/simple"
    variables = {**nothing, "PIP_INDEX_URL": "https://z", "PIP_EXTRA_INDEX_URL": "https://x https://y"}
    settings = index.pip_settings(variables, tmp_path, prefix)
    assert (settings.index_url, settings.extra_index_urls) == ("https://z", ("https://x", "https://y"))


def test_broken_pip_conf_is_named(tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text("no section\n")
    with pytest.raises(ConfigurationError) as caught:
        index.pip_settings({"PIP_CONFIG_FILE": str(tmp_path / "pip.conf")}, tmp_path, tmp_path / "none")
    assert caught.value.brief == f"pip's settings in {tmp_path / 'pip.conf'} cannot be read"


def test_configured_index_needs_no_pip() -> None:
    assert index.default_index_url(index.PipSettings("https://index.example/simple")) \
        == "https://index.example/simple"


def test_pip_itself_knows_the_default() -> None:
    need("pip3")
    found = index.default_index_url(index.PipSettings())
    assert found.startswith("https://") and found.rstrip("/").endswith("/simple")
    assert process.run(index.default_index_argv(sys.executable)).exit_status in (0, 1)


def test_logins_go_where_they_belong_and_are_remembered_nowhere() -> None:
    sha256 = "ab" * 32
    page = (f'<a href="six-1.tar.gz#sha256={sha256}">a</a>'
            f'<a href="https://files.example/six-2.tar.gz#sha256={sha256}">b</a>')
    fetched: list[str] = []

    def fetch(urls: Sequence[str], destination: Path, *, sha256: str | None, size: int | None) -> Path:
        fetched.extend(urls)
        return destination

    some = index.Index("https://me:secret@index.example/simple", lambda url, accept: Page(
        url, "text/html", page.encode()), fetch)
    ((url, files),) = some.files("six")
    assert url == "https://index.example/simple"
    assert [file.url for file in files] == [
        "https://index.example/simple/six/six-1.tar.gz", "https://files.example/six-2.tar.gz"]
    for version in ("1", "2"):
        some.file_for(Pin("six", version), Path("/x"))
    assert fetched == ["https://me:secret@index.example/simple/six/six-1.tar.gz",
                       "https://files.example/six-2.tar.gz"]
