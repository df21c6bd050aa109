# SPDX-License-Identifier: GPL-3.0-or-later
"""The beginning of a project: four answers, and the files they become."""
from __future__ import annotations

import tomllib

import pytest

from debxcross.core.chain.begin import (
    Beginning, address, chain_text, device, name_for, settings_text, sources,
)
from debxcross.core.chain.chain import parse
from debxcross.errors import UsageError


@pytest.mark.parametrize("said, architecture", [
    ("armhf", "armhf"), (" armv7l\n", "armhf"), ("armv5tel", "armel"), ("armv5tejl", "armel"),
    ("aarch64", "arm64"), ("riscv64", "riscv64"), ("MIPS", "mipsel"), ("ppc64le", "ppc64el"),
    ("x86_64", "amd64"), ("i686", "i386"), ("loongarch64", "loong64")])
def test_a_device_is_named_as_debian_or_as_its_kernel_does(said: str, architecture: str) -> None:
    assert device(said) == architecture


@pytest.mark.parametrize("said", ["", "armv9", "arm hf", "../x", "x" * 500])
def test_an_unknown_device_is_told_with_what_is_known(said: str) -> None:
    with pytest.raises(UsageError, match="unknown architecture") as caught:
        device(said)
    assert "armhf" in caught.value.resolution


def test_sources_come_with_spaces_and_commas() -> None:
    assert sources(" zlib, mosquitto\texpat/sid  zlib ") == ("zlib", "mosquitto", "expat/sid")
    assert sources(" ") == ()


@pytest.mark.parametrize("text", ["Zlib", "zlib/nowhere", "zlib=", "zlib zlib/sid", "a/../b", "-x", "$(x)"])
def test_what_names_no_source_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        sources(text)


@pytest.mark.parametrize("text", ["http://repo.example/", "https://repo.example:8443/boards", "", "  "])
def test_addresses(text: str) -> None:
    assert address(text) == text.strip()


@pytest.mark.parametrize("text", ["repo.example", "ftp://repo.example/", "http://", "http://a b/",
                                  "file:/srv/x", "http://x/\x1b[2J", "javascript:alert(1)"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        address(text)


@pytest.mark.parametrize("directory, name", [
    ("gateway", "gateway"), ("My Board_2", "my-board-2"), ("..", "board"), ("日本", "board"), ("/", "board"),
    ("-x-", "x")])
def test_a_chain_is_called_as_its_directory(directory: str, name: str) -> None:
    assert name_for(directory) == name


def test_what_is_written_can_be_read() -> None:
    begin = Beginning("board", "armel", "bookworm", ("zlib", "openssl=1.1.1w-0+deb11u1/bullseye"),
                      url="http://repo.example/")
    chain = parse(tomllib.loads(chain_text(begin)), "board.toml")
    assert (chain.name, chain.release, chain.trial.wanted) == ("board", "bookworm", False)
    assert [(one.name, one.version, one.suite) for one in chain.sources] == [
        ("zlib", "", ""), ("openssl", "1.1.1w-0+deb11u1", "bullseye")]
    assert tomllib.loads(settings_text(begin)) == {
        "repository": {"label": "board", "url": "http://repo.example/"}}
    assert begin.command("plan") == "debxcross plan armel --chain ./board.toml"


def test_a_chain_that_ships_needs_no_file() -> None:
    begin = Beginning("board", "armel", "bookworm", shipped="python2.7")
    assert (begin.chain_file, begin.command("plan")) == ("", "debxcross plan armel --chain python2.7")
    assert "url" not in tomllib.loads(settings_text(begin))["repository"]
