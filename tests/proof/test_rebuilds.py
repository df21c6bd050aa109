# SPDX-License-Identifier: GPL-3.0-or-later
"""What is built again, and what is not: forced, with another tool, with a patch; and what explain says.

A real small chain is built several times, so this needs the configured mirror and some
minutes.  DEBXCROSS_PROOF_STORE names a store on the same file system whose files and base roots
are used, which saves making them; its results are not.
"""
from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.tools import need

pytestmark = [pytest.mark.slow, pytest.mark.network]

ROOT = Path(__file__).resolve().parents[2]
MAIN = "import sys; sys.argv[0] = 'debxcross'; from debxcross.cli import main; main()"
CHAIN = """\
[chain]
name = "rebuilds"
release = "bookworm"
without-suites = ["bookworm-security"]

[[source]]
name = "libpng1.6"

[[source]]
name = "zlib"
"""
SAME = "the same bytes as before, so nothing behind it was rebuilt for its sake"


class Bench:
    """A directory with the chain, and runs of it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.store = directory / "store"
        if known := os.environ.get("DEBXCROSS_PROOF_STORE"):
            self.store.mkdir()
            subprocess.run(["cp", "--archive", "--link", *(f"{known}/{name}" for name in (
                "layout", "objects", "roots", "apt")), str(self.store)], check=True)
        self.chain("")

    def chain(self, more: str) -> None:
        """Write the chain; ``more`` belongs to zlib, which is the last."""
        (self.directory / "rebuilds.toml").write_text(CHAIN + more)

    def patch(self, word: str) -> None:
        """Write the user's patch: the library says another word in its copyright."""
        line = '   " deflate 1.2.13 Copyright 1995-2022 Jean-loup Gailly and Mark Adler ";\n'
        (self.directory / "patches/zlib").mkdir(parents=True, exist_ok=True)
        (self.directory / "patches/zlib/say-a-word.patch").write_text(
            "Description: Say a word\nAuthor: Nobody <nobody@example.org>\n\n"
            "--- a/deflate.c\n+++ b/deflate.c\n@@ -54,3 +54,3 @@\n const char deflate_copyright[] =\n"
            f"-{line}+{line.replace('1.2.13', f'1.2.13 {word}')} /*\n")

    def debxcross(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", MAIN, *arguments, "--store", str(self.store), "--output", "out"],
            cwd=self.directory, text=True, capture_output=True, timeout=900,
            env={**os.environ, "PYTHONPATH": str(ROOT), "DEBXCROSS_KEYS": str(self.directory / "keys")})
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout

    def run(self, *arguments: str) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """Return the state of every member and the sha256 of every .deb."""
        self.debxcross("build-dep-chain", "armel", "--chain", "./rebuilds.toml", *arguments)
        summary = json.loads((self.directory / "out/summary.json").read_text())
        return ({one["name"]: one["state"] for one in summary["members"]},
                {one["name"]: one["sha256"] for one in summary["debs"]})

    def explained(self, member: str) -> Any:
        """Return what explain says, for programs."""
        return json.loads(self.debxcross("explain", member, "--json"))

    def last(self, member: str) -> tuple[str, list[str]]:
        """Return how a member's last result came to be, and what had changed."""
        entry = self.explained(member)["history"][0]
        return entry["state"], [change["words"] for change in entry["changes"]]


def test_what_is_rebuilt_and_what_is_not(tmp_path: Path) -> None:
    need("mmdebstrap", "unshare", "gpg")
    bench = Bench(tmp_path)
    _, first = bench.run()

    # Asked for again: the same bytes, and nothing behind it is built.
    states, debs = bench.run("--rebuild", "zlib")
    assert (states["zlib"], states["libpng1.6"], debs) == ("built", "cached", first)
    assert bench.last("zlib") == ("built again", [])
    assert f"built again: {SAME}" in bench.debxcross("explain", "zlib")
    assert bench.explained("libpng1.6")["state"] == "cached"

    # A tool more in zlib's environment alone: another key, the same bytes.
    bench.chain('build-packages = ["patchelf"]\n')
    assert [change["words"] for change in bench.explained("zlib")["changes"]] == [
        "the build packages changed from none to patchelf"]
    states, debs = bench.run()
    assert (states["zlib"], states["libpng1.6"], debs) == ("built", "cached", first)
    state, changes = bench.last("zlib")
    assert (state, [words.split(" (")[0] for words in changes]) == ("built", ["patchelf:amd64 is new"])
    assert f"built: {SAME}" in bench.debxcross("explain", "zlib")
    assert bench.last("libpng1.6")[0] in ("built", "found")

    # A patch that changes the library: what is linked with it is built again.
    bench.chain("")
    bench.patch("hello")
    states, patched = bench.run("--patches", "patches")
    assert (states["zlib"], states["libpng1.6"]) == ("built", "built")
    assert patched["zlib1g"] != first["zlib1g"]
    state, changes = bench.last("zlib")
    assert "the patch say-a-word is new" in changes
    state, changes = bench.last("libpng1.6")
    assert state == "built"
    assert [words for words in changes if words.startswith("zlib1g-dev:armel changed from ")
            and words.endswith("+debxcross1")], changes

    # Before anything is built: what changed since.
    bench.patch("goodbye")
    found = bench.explained("zlib")
    assert found["state"] == "ready"
    assert [change["words"] for change in found["changes"]] == ["the patch say-a-word has other bytes"]
    assert bench.explained("libpng1.6")["reason"].startswith("waits for zlib")
