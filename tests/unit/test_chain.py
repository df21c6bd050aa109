# SPDX-License-Identifier: GPL-3.0-or-later
"""Chain files: read whole, every fault at once and with its key."""
from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from debxcross.core.build.losses import AcceptedLoss
from debxcross.core.chain.chain import DEFAULT_PROFILES, SourceMember, parse
from debxcross.core.chain.target import parse_target
from debxcross.errors import ConfigurationError

SHIPPED = sorted((Path(__file__).parents[2] / "debxcross" / "chains").glob("*.toml"))
PIN: dict[str, Any] = {"name": "six", "version": "1.16.0", "file": "six-1.16.0-py2.py3-none-any.whl",
                       "sha256": "8a" * 32}
GOOD: dict[str, Any] = {"chain": {"name": "x", "release": "bookworm"}, "source": [{"name": "zlib"}]}


def faults(document: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        parse(document, "x.toml")
    said: list[str] = caught.value.details.splitlines()
    assert f"{len(said)} fault" in caught.value.brief and "x.toml" in caught.value.brief
    return said


def test_defaults() -> None:
    chain = parse(GOOD, "x.toml")
    assert chain.sources == (SourceMember("zlib"),) and chain.members == ("zlib",)
    assert chain.profiles == DEFAULT_PROFILES and "/usr/share/doc/*" in chain.path_excludes
    assert chain.wheel("zlib") is None and chain.trial.packages == ()


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_chains_parse(path: Path) -> None:
    chain = parse(tomllib.loads(path.read_text()), path.name)
    assert chain.name == path.stem and chain.summary
    for wheel in chain.wheels:
        compile(wheel.smoke, wheel.name, "exec")
        assert not (wheel.pure and (wheel.host_needs or wheel.build_requires))


def test_accepted_losses() -> None:
    texts = ["/usr/share/zsh/*: needs to run curl", "Depends libreadline8: no editing wanted: it is a server"]
    chain = parse({**GOOD, "source": [{"name": "curl", "accept-losses": texts}]}, "x.toml")
    assert chain.sources[0].accept_losses == (
        AcceptedLoss("/usr/share/zsh/*", "needs to run curl"),
        AcceptedLoss("Depends libreadline8", "no editing wanted: it is a server"))


def test_there_is_a_default_chain() -> None:
    assert "python2.7" in [path.stem for path in SHIPPED]


def test_all_faults_at_once_each_with_its_key() -> None:
    said = faults({
        "chain": {"name": 7, "release": "bookwurm", "profiles": "nocheck", "sumary": "typing",
                  "tool-suites": ["bullseye", "warty"]},
        "source": [{"name": "Zlib", "suite": "woody"}, {"version": "1.0"}, {"name": "a!", "version": "one"}],
        "wheel": [{**PIN, "python": "2.8", "sha256": "beef", "build-requires": ["wheel"]}],
        "surce": [],
    })
    assert said == [
        "surce: unknown key; did you mean 'source'?",
        "chain.sumary: unknown key; did you mean 'summary'?",
        "chain.release: unknown release 'bookwurm'; known: bullseye, bookworm, trixie, forky, sid",
        "chain.tool-suites: unknown suite 'warty'",
        "source[Zlib].suite: unknown suite 'woody'",
        "source[Zlib].name: 'Zlib' is not valid here",
        "source[2].name: missing",
        "source[a!].name: 'a!' is not valid here",
        "source[a!].version: 'one' is not valid here",
        "wheel[six].sha256: 'beef' is not valid here",
        "wheel[six].python: '2.8' is not valid here",
        "wheel[six].build-requires: 'wheel' is not among the [[build-tool]] tables",
        "chain.name: must be a string, not 7",
        "chain.profiles: must be a list of strings, not 'nocheck'",
    ]


@pytest.mark.parametrize(("changes", "expected"), [
    ({"chain": {}}, ["chain: missing: a [chain] table with at least 'name' and 'release'"]),
    ({"source": []}, ["source: missing: a chain has at least one [[source]], [[wheel]] or [[deb]]"]),
    ({"source": {"name": "zlib"}}, ["source: must be an array of tables: [[source]]",
                                    "source: missing: a chain has at least one [[source]], [[wheel]] or "
                                    "[[deb]]"]),
    ({"source": [{"name": "zlib"}, {"name": "zlib"}]}, ["zlib: named more than once"]),
    ({"source": [{}, {}]}, ["source[1].name: missing", "source[2].name: missing"]),
    ({"source": [{"name": ""}]}, ["source[].name: must not be empty"]),
    ({"source": [{"name": "zlib", "revision": "2"}]},
     ["source[zlib].revision: must be a whole number from 0 to 999, not '2'"]),
    ({"source": [{"name": "curl", "accept-losses": ["/usr/share/zsh/*: needs to run curl", "/usr/bin/*",
                                                    "x: "]}]},
     ["source[curl].accept-losses: '/usr/bin/*' is not 'PATTERN: reason'",
      "source[curl].accept-losses: 'x: ' is not 'PATTERN: reason'"]),
    ({"source": [{"name": "zlib", "revision": -1}]},
     ["source[zlib].revision: must be a whole number from 0 to 999, not -1"]),
    ({"source": [{"name": "zlib", "build-packages": ["patchelf", "x86:amd64", "a b", "a, b", "x\ny"]}]},
     [f"source[zlib].build-packages: {name!r} is not NAME or NAME:ARCHITECTURE"
      for name in ("a b", "a, b", "x\ny")]),
    ({"trial": ["python2.7"]}, ["trial: must be a table: [trial]"]),
    ({"wheel": [{**PIN, "python": ""}]}, ["wheel[six].python: must not be empty"]),
])
def test_single_faults(changes: dict[str, Any], expected: list[str]) -> None:
    assert faults({**GOOD, **changes}) == expected


@pytest.mark.parametrize(("text", "member"), [
    ("expat", SourceMember("expat")),
    ("expat/bookworm", SourceMember("expat", "bookworm")),
    ("expat=2.5.0-1", SourceMember("expat", "", "2.5.0-1")),
    ("openssl=1:1.1.1w-0+deb11u1/bullseye-security",
     SourceMember("openssl", "bullseye-security", "1:1.1.1w-0+deb11u1")),
])
def test_targets_are_written_as_apt_get_source_does(text: str, member: SourceMember) -> None:
    assert parse_target(text) == member


@pytest.mark.parametrize("text", [
    "", "expat=", "expat/", "expat/nowhere", "Expat", "a=b", "expat=1=2"])
def test_what_names_no_source_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="does not name a source") as caught:
        parse_target(text)
    assert "SOURCE=VERSION/SUITE" in caught.value.resolution


def test_requirements_that_are_none() -> None:
    wheel = {**PIN, "python": "3.11", "requires": ["a>=1", ">=2"], "also-requires": ["b b"],
             "revision": "1_2"}
    assert faults({"chain": {"name": "x", "release": "bookworm"}, "wheel": [wheel]}) == [
        "wheel[six].revision: '1_2' is not valid here",
        "wheel[six].requires: '>=2' is not a requirement (PEP 508)",
        "wheel[six].also-requires: 'b b' is not a requirement (PEP 508)"]
