# SPDX-License-Identifier: GPL-3.0-or-later
"""The index of Python packages beside the debs: names, what replaces what, pages that pip can read."""
from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from debxcross.core.artifact import StoredFile
from debxcross.core.wheel.index import Page, parse_page
from debxcross.errors import PublishError
from debxcross.repository.core.simple import (
    WheelEntry, index_pages, is_page, list_text, merge_wheels, parse_list, wheel_entry,
)

ONE, TWO = "1" * 64, "2" * 64
BOTH = ("armel", "armhf")


def entry(name: str = "lamp-1.0-py3-none-any.whl", project: str = "lamp", version: str = "1.0",
          sha256: str = ONE, requires: str = "", architectures: tuple[str, ...] = ()) -> WheelEntry:
    return wheel_entry(StoredFile(name, sha256, 7), project, version, requires, component="main",
                       architectures=architectures)


@pytest.mark.parametrize("tag,architecture,published", [
    ("py3-none-any", "all", "py3-none-any"),
    ("cp311-cp311-linux_armv7l", "armhf", "cp311-cp311-linux_armv7l.linux_armv8l"),
    ("cp311-cp311-linux_armv5tel", "armel",
     "cp311-cp311-linux_armv5tel.linux_armv5tejl.linux_armv6l.linux_armv7l.linux_armv8l"),
    ("cp37-abi3-linux_aarch64", "arm64", "cp37-abi3-linux_aarch64"),
    ("cp311-cp311-linux_riscv64", "riscv64", "cp311-cp311-linux_riscv64"),
    ("cp311-cp311-linux_mips", "mipsel", "cp311-cp311-linux_mips.linux_mips64"),
    ("cp311-cp311-manylinux_2_17_armv7l.manylinux2014_armv7l", "armhf",
     "cp311-cp311-manylinux_2_17_armv7l.manylinux2014_armv7l"),
    ("cp311-cp311-linux_armv6l", "armhf", "cp311-cp311-linux_armv6l"),
    ("cp27-cp27mu-linux_x86_64", "amd64", "cp27-cp27mu-linux_x86_64"),
])
def test_a_wheel_is_published_for_the_kernels_of_its_architecture(
    tag: str, architecture: str, published: str
) -> None:
    one = entry(f"lamp-1.0-{tag}.whl", architectures=(architecture,))
    assert one.architecture == architecture
    assert one.path == f"pool/main/wheels/11/{'1' * 16}/lamp-1.0-{published}.whl"


@pytest.mark.parametrize("name", [
    "lamp.whl", "lamp-x-py3-none-any.whl", "lamp-1.0-cp311-cp311-win32.whl",
    "lamp-1.0-cp311-cp311-macosx_11_0_arm64.whl", "lamp-1.0-py3-none-an\ny.whl",
    "../lamp-1.0-py3-none-any.whl",
    "lamp-1.0-py3-none-any.whl\u202e", "lamp-1.0-cp311-cp311-linux_vax.whl",
])
def test_names_that_are_not_published(name: str) -> None:
    with pytest.raises(PublishError):
        entry(name)


def test_a_demand_that_is_no_line_is_not_published() -> None:
    with pytest.raises(PublishError):
        entry(requires=">=3\nFilename: /etc/passwd")


def merged(old: tuple[WheelEntry, ...], *given: WheelEntry, **more: Any) -> list[str]:
    return [f"{one.version} {one.architecture}" for one in merge_wheels(old, given, BOTH, 5, **more)]


def test_what_a_given_wheel_replaces() -> None:
    hf = entry("lamp-1.0-cp311-cp311-linux_armv7l.whl")
    el = entry("lamp-1.0-cp311-cp311-linux_armv5tel.whl", sha256=TWO)
    newer = entry("lamp-2.0-cp311-cp311-linux_armv7l.whl", version="2.0")
    pure = entry("lamp-3.0-py3-none-any.whl", version="3.0")
    old = merge_wheels((), (hf, el), BOTH, 1)
    assert merged(old, newer) == ["1.0 armel", "2.0 armhf"]
    assert merged(old, newer, replace=False) == ["1.0 armel", "1.0 armhf", "2.0 armhf"]
    assert merged(old, pure) == ["3.0 all"]
    two = entry("lamp-0.9-cp27-cp27mu-linux_armv7l.whl", version="0.9")
    assert merged(old, two) == ["0.9 armhf", "1.0 armel", "1.0 armhf"]


def test_the_first_publication_counts_as_the_time_of_upload() -> None:
    (old,) = merge_wheels((), (entry(),), BOTH, 100)
    assert merge_wheels((old,), (entry(),), BOTH, 200) == (old,)
    (new,) = merge_wheels((old,), (entry(sha256=TWO),), BOTH, 200)
    assert (new.uploaded, new.sha256) == (200, TWO)


def test_wheels_that_cannot_be_published_together() -> None:
    with pytest.raises(PublishError, match="two files are called lamp-1.0-py3-none-any.whl"):
        merge_wheels((), (entry(), entry(sha256=TWO)), BOTH, 1)
    with pytest.raises(PublishError, match="is for arm64, which is not published here"):
        merge_wheels((), (entry("lamp-1.0-cp311-cp311-linux_aarch64.whl"),), BOTH, 1)


def test_the_list_is_read_back() -> None:
    entries = merge_wheels((), (
        entry(requires=">=3.8,<4"), entry("a_b-1!2.0+x.1-py3-none-any.whl", "A.b", "1!2.0+x.1")),
        BOTH, 1764072000)
    assert parse_list(list_text(entries)) == entries
    assert [one.project for one in entries] == ["a-b", "lamp"]


@pytest.mark.parametrize("old,new", [
    ("Filename: pool", "Filename: ../pool"), ("Filename: pool", "Filename: /pool"), ("Size: 7", "Size: x"),
    (f"SHA256: {ONE}", "SHA256: 1"), ("Project: lamp", "Project: La_mp"), ("Project: lamp", "Project: ../x"),
    ("Version: 1.0", "Version: x"), ("Uploaded", "Upload"), ("-any.whl", "-any.exe"),
])
def test_a_list_that_is_another_one(old: str, new: str) -> None:
    text = list_text(merge_wheels((), (entry(),), BOTH, 1))
    assert old in text
    with pytest.raises(PublishError, match="a published list of wheels cannot be read"):
        parse_list(text.replace(old, new))


def test_both_forms_of_a_page_say_the_same_as_our_own_reader_reads_them() -> None:
    entries = merge_wheels((), (
        entry(requires=">=3.8,<4"), entry("lamp-1.0-cp311-cp311-linux_armv7l.whl", sha256=TWO),
        entry("lamp-1.0-cp311-cp311-linux_armv5tel.whl", sha256="3" * 64)), BOTH, 1764072000)
    pages = dict(index_pages(entries, "main", BOTH))
    address = "http://board:8000/dists/bookworm/main/wheels-armhf/lamp/"
    html = parse_page(Page(address, "text/html", pages["main/wheels-armhf/lamp/index.html"]))
    data = parse_page(Page(address, "application/vnd.pypi.simple.v1+json",
                           pages["main/wheels-armhf/lamp/index.v1_json"]))
    assert [replace(one, size=None) for one in data] == list(html)
    assert [(one.sha256, one.requires_python, one.size) for one in data] == [
        (TWO, "", 7), (ONE, ">=3.8,<4", 7)]
    assert data[1].url == f"http://board:8000/pool/main/wheels/11/{'1' * 16}/lamp-1.0-py3-none-any.whl"
    value = json.loads(pages["main/wheels-armhf/lamp/index.v1_json"])
    assert value["meta"] == {"api-version": "1.1"} and value["versions"] == ["1.0"]
    assert {one["upload-time"] for one in value["files"]} == {"2025-11-25T12:00:00.000000Z"}
    assert json.loads(pages["main/wheels-armel/index.v1_json"])["projects"] == [{"name": "lamp"}]
    assert b'<a href="lamp/">lamp</a>' in pages["main/wheels-armel/index.html"]
    assert all(is_page(path) for path in pages if path != "main/wheels/Wheels")
    assert dict(index_pages(entries, "contrib", BOTH)) == {}


def test_what_is_shown_is_escaped() -> None:
    one = replace(entry(), requires_python='>=3"><script>alert(1)</script>')
    page = dict(index_pages((one,), "main", ("armhf",)))["main/wheels-armhf/lamp/index.html"].decode()
    assert "<script" not in page and "default-src &#x27;none&#x27;" not in page
    assert 'content="default-src \'none\'' in page and "&lt;script&gt;" in page
    plus = entry("a_b-1!2.0+x.1-py3-none-any.whl", "A.b", "1!2.0+x.1")
    page = dict(index_pages((plus,), "main", ("armhf",)))["main/wheels-armhf/a-b/index.html"].decode()
    assert "a_b-1%212.0%2Bx.1-py3-none-any.whl#sha256" in page


@pytest.mark.parametrize("path", [
    "main/binary-armhf/Packages", "main/wheels/Wheels", "main/wheels-armhf/a/b/index.html",
    "wheels-armhf/index.html",
])
def test_other_files_are_no_pages(path: str) -> None:
    assert not is_page(path)
