# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares a run of the chain's source builds with bare dpkg-buildpackage in the same roots.

    .venv/bin/python benchmarks/overhead.py [ARCH] [SOURCE…]

Both sides build every named source (all of the default chain) in one go, interleaved by
nothing else, on a base root that is ready: first bare dpkg-buildpackage, one after the
other, in the prepared build roots that `debxcross shell` would enter; then one run of
debxcross with --rebuild.  Prints the times and their ratio.  The default chain takes about
a quarter of an hour on two processors.
"""
from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

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


def bare_build(arch: str, source: str) -> float:
    """Return the wall time of dpkg-buildpackage alone in a prepared root of a source."""
    # The first command makes and keeps the root; the second is timed, and only it.
    seconds([str(DEBXCROSS), "shell", source, "--arch", arch, "--", "true"])
    build = architecture_of_this_machine()
    argv = recipe.build_argv(arch, build, DEFAULT_PROFILES, os.cpu_count() or 1)
    return seconds([str(DEBXCROSS), "shell", source, "--arch", arch, "--",
                    "runuser", "-u", recipe.BUILDER, "--", *argv])


def architecture_of_this_machine() -> str:
    """Return dpkg's name of it."""
    return subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True,
                          check=True).stdout.strip()


def main() -> None:
    """Measure and print."""
    arch = sys.argv[1] if len(sys.argv) > 1 else "armel"
    sources = sys.argv[2:] or ["zlib", "libffi", "openssl", "python2.7"]
    bare = {source: bare_build(arch, source) for source in sources}
    rebuild = [word for source in sources for word in ("--rebuild", source)]
    whole = seconds([str(DEBXCROSS), "build-dep-chain", arch, "--no-trial", *rebuild])
    for source, time_taken in bare.items():
        print(f"dpkg-buildpackage alone, {source:<12} {time_taken:8.1f}s")
    print(f"{'sum of these':<38} {sum(bare.values()):8.1f}s")
    print(f"{'debxcross, everything':<38} {whole:8.1f}s")
    print(f"{'ratio (target 1.10)':<38} {whole / sum(bare.values()):8.2f}")


if __name__ == "__main__":
    main()
