# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import tomllib

import pytest

from debxcross.core.chain.chain import Chain, DebianPackage, PinnedFile, Trial, WheelMember, parse
from debxcross.core.chain.file import to_toml
from debxcross.errors import ConfigurationError

TOOL = PinnedFile("cython", "3.1", "cython-3.1-py3-none-any.whl", "1" * 64)
PIN = PinnedFile("lamp", "1.0", "lamp-1.0.tar.gz", "2" * 64)
MEMBER = WheelMember(
    "lamp", "3.11", PIN, ("cython==3.1",), ("libyaml-dev",), "python3-lamp", 'print("ü\\n")\n',
    ("cmake",), ("A=b",), ("setup-args=-Dx=1",), ("six>=1",), ("attrs",), "3.11.2", 1, ("python3-lamp-bin",))
CHAIN = Chain("wheels", "bookworm", (), (MEMBER,), (TOOL,), trial=Trial(("python3-lamp",), "3.11"),
              summary="1 wheel", debian=(DebianPackage("six", "python3-six", 2),))


def test_what_is_written_is_what_is_read() -> None:
    assert parse(tomllib.loads(to_toml(CHAIN, ("a note",))), "x") == CHAIN
    assert to_toml(CHAIN, ("a note",)).startswith("# a note\n\n[chain]\n")
    assert to_toml(CHAIN).startswith("[chain]\n")


def test_faults_of_the_new_keys() -> None:
    text = to_toml(CHAIN).replace("epoch = 1", "epoch = -1").replace('"cython==3.1"', '"cython==3.2"')
    with pytest.raises(ConfigurationError) as caught:
        parse(tomllib.loads(text), "x")
    assert "wheel[lamp].epoch: must be a whole number, 0 or more, not -1" in caught.value.details
    assert "'cython==3.2' is not among the [[build-tool]] tables" in caught.value.details
