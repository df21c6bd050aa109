# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares a run of the chain's source builds with bare dpkg-buildpackage in the same roots.

    .venv/bin/python benchmarks/overhead.py [ARCH] [SOURCE…]

Both sides build every named source (all of the default chain) on a base root that is ready:
first bare dpkg-buildpackage, one after the other, in the prepared build roots that
`debxcross shell` would enter; then one run of debxcross, with --rebuild, of a chain that has
only these sources.  Prints the times and their ratio.  What they need must be in the store:
run the chain before.  All of it takes half an hour on two processors.
"""
from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

import debxcross
from debxcross.core import recipe
from debxcross.core.chain import DEFAULT_PROFILES

DEBXCROSS = Path(sys.executable).with_name("debxcross")


def seconds(argv: list[str]) -> float:
    """Return the wall time of a command that must end well, in seconds."""
    started = time.perf_counter()
    done = subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(argv)} ended with status {done.returncode}:\n{done.stderr[-2000:]}")
    return time.perf_counter() - started


def chain_of(sources: list[str], directory: Path) -> Path:
    """Write a chain with only these sources of the default chain; return its path."""
    with Path(debxcross.__file__).with_name("chains").joinpath("python2.7.toml").open("rb") as file:
        chain = tomllib.load(file)
    lines = ["[chain]", 'name = "overhead"', f'release = "{chain["chain"]["release"]}"']
    for table in chain["source"]:
        if table["name"] in sources:
            lines += ["[[source]]", *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
    path = directory / "overhead.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def bare_build(arch: str, source: str, output: Path) -> float:
    """Return the wall time of dpkg-buildpackage alone in a prepared root of a source."""
    # The first command makes and keeps the root; the second is timed, and only it.
    enter = [str(DEBXCROSS), "shell", source, "--output", str(output), "--"]
    seconds([*enter, "true"])
    build = architecture_of_this_machine()
    argv = recipe.build_argv(arch, build, DEFAULT_PROFILES, os.cpu_count() or 1)
    return seconds([*enter, "runuser", "-u", recipe.BUILDER, "--", *argv])


def architecture_of_this_machine() -> str:
    """Return dpkg's name of it."""
    return subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True,
                          check=True).stdout.strip()


def main() -> None:
    """Measure and print."""
    arch = sys.argv[1] if len(sys.argv) > 1 else "armel"
    sources = sys.argv[2:] or ["zlib", "libffi", "openssl", "python2.7"]
    with tempfile.TemporaryDirectory(prefix="debxcross-overhead-") as temporary:
        output = Path(temporary, "out")
        run = [str(DEBXCROSS), "build-dep-chain", arch, "--no-trial", "--output", str(output),
               "--chain", str(chain_of(sources, Path(temporary)))]
        seconds(run)
        bare = 0.0
        for source in sources:
            taken = bare_build(arch, source, output)
            bare += taken
            print(f"dpkg-buildpackage alone, {source:<12} {taken:8.1f}s", flush=True)
        whole = seconds([*run, *(word for source in sources for word in ("--rebuild", source))])
    print(f"{'sum of these':<38} {bare:8.1f}s")
    print(f"{'debxcross, everything':<38} {whole:8.1f}s")
    print(f"{'ratio (target 1.10)':<38} {whole / bare:8.2f}")


if __name__ == "__main__":
    main()
