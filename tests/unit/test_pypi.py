# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest

from debxcross.core.url import with_login, without_password
from debxcross.core.wheel.index import (
    IndexFile, Page, Pin, choose_sdist, choose_wheel, normalise, parse_page, sdist_version,
    wheel_tags,
)
from debxcross.errors import FetchError

A = "a" * 64
URL = "https://index.example/simple/cffi/"


def html(body: str, url: str = URL) -> tuple[IndexFile, ...]:
    return parse_page(Page(url, "text/html; charset=utf-8", body.encode()))


def as_json(value: object) -> tuple[IndexFile, ...]:
    return parse_page(Page(URL, "application/vnd.pypi.simple.v1+json", json.dumps(value).encode()))


@pytest.mark.parametrize(("name", "expected"), [
    ("Pillow", "pillow"), ("ruamel.yaml", "ruamel-yaml"), ("a__b-.-c", "a-b-c"), ("enum34", "enum34")])
def test_normalise(name: str, expected: str) -> None:
    assert normalise(name) == expected


def test_html_page() -> None:
    files = html(f'''<!DOCTYPE html><html><head>
      <meta name="pypi:repository-version" content="1.1"></head><body>
      <a href="../../packages/cffi-1.15.1.tar.gz#sha256={A}" data-requires-python="&gt;=2.7">cffi</a>
      <a href="https://files.example/cffi-1.15.0-cp27-cp27mu-manylinux1_x86_64.whl#md5=123" data-yanked>x</a>
      <a href="cffi%2Bx-1.tar.gz">y</a> <a href="..">up</a> <a name="top">no link</a></body></html>''')
    assert files == (
        IndexFile("cffi+x-1.tar.gz", URL + "cffi%2Bx-1.tar.gz"),
        IndexFile("cffi-1.15.0-cp27-cp27mu-manylinux1_x86_64.whl",
                  "https://files.example/cffi-1.15.0-cp27-cp27mu-manylinux1_x86_64.whl", yanked=True),
        IndexFile("cffi-1.15.1.tar.gz", "https://index.example/packages/cffi-1.15.1.tar.gz", A, ">=2.7"),
    )


def test_html_base_address() -> None:
    (file,) = html('<base href="/files/"><a href="x-1.tar.gz">x</a>')
    assert file.url == "https://index.example/files/x-1.tar.gz"


def test_json_page() -> None:
    files = as_json({"meta": {"api-version": "1.1"}, "name": "cffi", "files": [
        {"filename": "cffi-1.15.1.tar.gz", "url": "/p/cffi-1.15.1.tar.gz", "hashes": {"sha256": A.upper()},
         "requires-python": ">=3", "yanked": "broken", "size": 508501},
        {"filename": "cffi-1.0.zip", "url": "https://f.example/cffi-1.0.zip", "hashes": {}, "yanked": False},
    ]})
    assert files == (
        IndexFile("cffi-1.0.zip", "https://f.example/cffi-1.0.zip"),
        IndexFile("cffi-1.15.1.tar.gz", "https://index.example/p/cffi-1.15.1.tar.gz", A, ">=3", True, 508501),
    )


def test_json_empty_reason_still_means_yanked() -> None:
    (file,) = as_json({"meta": {"api-version": "1.0"}, "files": [
        {"filename": "a-1.zip", "url": "a-1.zip", "hashes": {}, "yanked": ""}]})
    assert file.yanked


@pytest.mark.parametrize("value", [
    {}, [], {"meta": {"api-version": "2.0"}, "files": []}, {"meta": {"api-version": "1.0"}},
    {"meta": {"api-version": "1.0"}, "files": [{"filename": "../../etc/x", "url": "x", "hashes": {}}]},
    {"meta": {"api-version": "1.0"}, "files": [{"filename": ".x", "url": "x", "hashes": {}}]},
    {"meta": {"api-version": "1.0"}, "files": ["x"]},
])
def test_damaged_or_hostile_json_is_refused(value: object) -> None:
    with pytest.raises(FetchError) as caught:
        as_json(value)
    assert caught.value.brief == f"the index page {URL} cannot be read"
    assert caught.value.details


def test_later_version_in_html_is_refused_and_names_can_not_leave_the_directory() -> None:
    with pytest.raises(FetchError):
        html('<meta name="pypi:repository-version" content="2.0">')
    with pytest.raises(FetchError):
        html('<a href="..%2F..%2Fetc%2Fx-1.tar.gz">x</a>')


@pytest.mark.parametrize(("file", "project", "version"), [
    ("cffi-1.15.1.tar.gz", "cffi", "1.15.1"), ("ruamel.yaml-0.17.tar.bz2", "ruamel-yaml", "0.17"),
    ("python-dateutil-2.8.2.zip", "python-dateutil", "2.8.2"), ("a-1.0-1.tar.gz", "a", "1.0.post1"),
    ("python-dateutil-2.8.2.zip", "python", None), ("cffi-1.15.1-py3-none-any.whl", "cffi", None),
    ("cffi-x.tar.gz", "cffi", None)])
def test_sdist_version(file: str, project: str, version: str | None) -> None:
    found = sdist_version(file, project)
    assert (found and str(found)) == version


FILES = tuple(IndexFile(name, f"https://f.example/{name}") for name in (
    "enum34-1.1.10-py2-none-any.whl", "enum34-1.1.10-py3-none-any.whl", "enum34-1.1.10.tar.gz",
    "enum34-1.1.10.zip", "enum34-1.1.9.tar.gz"))
PIN = Pin("enum34", "1.1.10")


def test_choose_sdist() -> None:
    assert choose_sdist(FILES, PIN).name == "enum34-1.1.10.tar.gz"
    assert choose_sdist(FILES[:2] + FILES[3:], PIN).name == "enum34-1.1.10.zip"
    with pytest.raises(FetchError) as caught:
        choose_sdist(FILES, Pin("enum34", "2.0"))
    assert caught.value.brief == "the index has no source distribution of enum34 2.0"
    assert "enum34-1.1.9.tar.gz" in caught.value.details


def test_choose_wheel() -> None:
    assert choose_wheel(FILES, PIN, ["py2-none-any"]).name == FILES[0].name
    tags = ["cp27-cp27mu-linux_armv5tel", "py3-none-any", "py2-none-any"]
    assert choose_wheel(FILES, PIN, tags) == FILES[1]
    with pytest.raises(FetchError) as caught:
        choose_wheel(FILES, PIN, ["cp311-cp311-linux_armv5tel"])
    assert caught.value.brief == "the index has no wheel for cp311-cp311-linux_armv5tel of enum34 1.1.10"


def test_the_highest_build_of_a_wheel_wins() -> None:
    names = ("a-1-10-py3-none-any.whl", "a-1-9-py3-none-any.whl", "a-1-py3-none-any.whl")
    files = tuple(IndexFile(name, name) for name in names)
    assert choose_wheel(files, Pin("a", "1"), ["py3-none-any"]).name == names[0]


def test_wheel_tags_are_expanded() -> None:
    six = Pin("six", "1.16")
    assert wheel_tags("six-1.16.0-py2.py3-none-any.whl", six) == ("py2-none-any", "py3-none-any")
    assert wheel_tags("six-1.16.0-py2.py3-none-any.whl", Pin("seven", "1.16")) == ()
    assert wheel_tags("nonsense.whl", Pin("six", "1")) == ()


def test_logins_are_hidden_and_kept_on_their_host() -> None:
    secret = "https://me:p%40ss@index.example/simple/six/"
    assert without_password(secret) == "https://index.example/simple/six/"
    assert with_login("https://index.example/other", secret) == "https://me:p%40ss@index.example/other"
    assert with_login("https://else.example/other", secret) == "https://else.example/other"
    with pytest.raises(FetchError) as caught:
        parse_page(Page(secret, "application/json", b"<html>"))
    assert "p%40ss" not in repr(caught.value)
