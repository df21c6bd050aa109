# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable

import pytest

from debxcross.core.wheel.requirement import (
    ProjectOptions, Wanted, decoded, parse_options, read_requirements,
)
from debxcross.errors import ConfigurationError

ONE, TWO = "1" * 64, "2" * 64


def reader(**files: str) -> Callable[[str], str]:
    named = {name.replace("_", "/") + ".txt": text for name, text in files.items()}
    return lambda name: named[name]


def test_files_include_others_relative_to_themselves() -> None:
    found = read_requirements(("six",), ("a/b.txt",), (), reader(
        a_b="# a comment\n-r c.txt\nattrs>=20 ; python_version > '3'  # why\n-c d.txt\n",
        a_c="requests[socks]==2.*\n", a_d="idna<4\n"))
    assert [one.text for one in found.wanted] == [
        "six", "requests[socks]==2.*", "attrs>=20 ; python_version > '3'"]
    assert found.wanted[1].origin == "a/c.txt:1"
    assert [one.text for one in found.constraints] == ["idna<4"]
    assert not found.require_hashes


def test_hashes_on_continued_lines() -> None:
    text = f"six==1.16.0 \\\n  --hash=sha256:{ONE} \\\n  --hash=sha256:{TWO}\n"
    found = read_requirements((), ("r.txt",), (), lambda name: text)
    assert found.wanted == (Wanted("six==1.16.0", "r.txt:1", (ONE, TWO)),)
    assert found.require_hashes


def test_one_hash_makes_all_need_one() -> None:
    text = f"six==1.16.0 --hash=sha256:{ONE}\nattrs==20\n"
    with pytest.raises(ConfigurationError) as caught:
        read_requirements((), ("r.txt",), (), lambda name: text)
    assert caught.value.details == "r.txt:2: attrs==20 has no --hash, but others have"


def test_all_faults_at_once() -> None:
    text = ("six ==\n-e hg+https://x.example\n--no-index\nfoo @ https://x.example/foo.zip\n--frobnicate\n"
            "--no-binary=a b\nbar --hash=md5:00\n-r r.txt\n")
    with pytest.raises(ConfigurationError) as caught:
        read_requirements((), ("r.txt",), (), lambda name: text)
    assert caught.value.brief == "the requirements have 8 faults"
    lines = caught.value.details.splitlines()
    assert [line.partition(": ")[0] for line in lines] == [
        "r.txt:1", "r.txt:2", "r.txt:3", "r.txt:4", "r.txt:5", "r.txt:6", "r.txt:7", "r.txt"]
    assert "of version control systems only git is known" in lines[1]
    assert "files come from indexes" in lines[2] and "give its digest" in lines[3]
    assert "'a b' is neither a project nor :all: nor :none:" in lines[5]
    assert lines[7] == "r.txt: includes itself"


def test_nothing_required() -> None:
    with pytest.raises(ConfigurationError, match="1 fault") as caught:
        read_requirements((), ("r.txt",), (), lambda name: "# nothing\n")
    assert caught.value.details == "nothing is required"


def test_options_per_project() -> None:
    found = parse_options({"Ruamel.YAML": {"host-needs": ["libyaml-dev"], "smoke": "import ruamel"}}, "x")
    assert found == {"ruamel-yaml": ProjectOptions(host_needs=("libyaml-dev",), smoke="import ruamel")}
    with pytest.raises(ConfigurationError) as caught:
        parse_options({"a": {"host-need": ["x"], "smoke": 3}, "b": 1, "c": {"settings": "x"}}, "x.toml")
    assert caught.value.details.splitlines() == [
        "a.host-need: unknown key; did you mean 'host-needs'?", "a.smoke: must be a string",
        "b: must be a table: [b]", "c.settings: must be a list of strings"]


@pytest.mark.parametrize("content", [
    "\ufeffsix>=1.16\n".encode(), "six>=1.16\r\n".encode("utf-16"), "\ufeffsix>=1.16".encode("utf-16-be"),
    "six>=1.16".encode("utf-32"), "# caf\xe9\n# -*- coding: latin-1 -*-\nsix>=1.16".encode("latin-1"),
    b"six>=1.16",
])
def test_requirements_of_other_editors(content: bytes) -> None:
    found = read_requirements((), ("r.txt",), (), lambda name: decoded(content, name))
    assert [one.text for one in found.wanted] == ["six>=1.16"]


@pytest.mark.parametrize(("content", "words"), [
    ("# caf\xe9\n".encode("latin-1"), "cannot be read as utf-8"),
    ("# coding: klingon\n".encode(), "says that it is in klingon, which is not known here"),
])
def test_texts_that_cannot_be_read(content: bytes, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        decoded(content, "r.txt")
    assert "UTF-8" in caught.value.resolution
