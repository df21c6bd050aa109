# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares wheels built cross by debxcross with the same built by pip under emulation.

    .venv/bin/python benchmarks/wheels.py [ARCH] [REQUIREMENT…]

First the resolution, twice: the second is from a warm index.  Then one run that builds what
was resolved, with --rebuild.  Then, in a root of ARCH made by mmdebstrap, pip builds the
same versions from the same sdists, one after the other.  Needs root, emulation and a
network.  cffi, cryptography and numpy (the default) take more than an hour under emulation.
"""
from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from typing import Any

DEBXCROSS = Path(sys.executable).with_name("debxcross")
#: What pip needs in the emulated root, whatever is built.
PACKAGES = ("build-essential", "ca-certificates", "cargo", "libffi-dev", "libssl-dev", "libyaml-dev",
            "ninja-build", "pkg-config", "python3-dev", "python3-pip", "python3-venv")


def seconds(argv: list[str], environment: dict[str, str] | None = None) -> float:
    """Return the wall time of a command that must end well, in seconds."""
    started = time.perf_counter()
    done = subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                          env={**os.environ, **(environment or {})})
    if done.returncode:
        raise SystemExit(f"{' '.join(argv)} ended with status {done.returncode}:\n{done.stderr[-2000:]}")
    return time.perf_counter() - started


def cross(arch: str, requirements: list[str], output: Path) -> tuple[float, float, list[dict[str, Any]]]:
    """Return the times of a warm resolution and of the builds, and the wheels of the chain."""
    ask = [str(DEBXCROSS), "wheel", *requirements, "--arch", arch, "--output", str(output), "--dry-run"]
    seconds(ask)
    resolution = seconds(ask)
    chain = output / "chain.toml"
    wheels = tomllib.loads(chain.read_text())["wheel"]
    build = [str(DEBXCROSS), "build-dep-chain", arch, "--chain", str(chain), "--output", str(output),
             "--no-trial"]
    seconds(build)  # what has to be fetched is there afterwards, and the base root
    rebuild = [word for wheel in wheels for word in ("--rebuild", wheel["name"])]
    return resolution, seconds([*build, *rebuild]), wheels


def emulated(arch: str, wheels: list[dict[str, Any]], root: Path) -> float:
    """Return the time pip takes for the sdists among these wheels in an emulated root."""
    seconds(["mmdebstrap", "--variant=apt", f"--architectures={arch}", f"--include={','.join(PACKAGES)}",
             "bookworm", str(root)])
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    shutil.copy("/etc/ssl/certs/ca-certificates.crt", root / "etc/ssl/certs/ca-certificates.crt")
    pins = [f"{wheel['name']}=={wheel['version']}" for wheel in wheels if not wheel["file"].endswith(".whl")]
    return seconds(["chroot", str(root), "pip", "wheel", "--no-deps", "--wheel-dir", "/tmp/wheels",
                    "--no-binary", ",".join(pin.partition("==")[0] for pin in pins), *pins])


def main() -> None:
    """Measure and print."""
    arch = sys.argv[1] if len(sys.argv) > 1 else "armel"
    requirements = sys.argv[2:] or ["cffi", "cryptography", "numpy==1.26.4"]
    with tempfile.TemporaryDirectory() as directory:
        resolution, ours, wheels = cross(arch, requirements, Path(directory) / "out")
        print(f"{'resolution from a warm index, with the plan':<46} {resolution:8.1f}s", flush=True)
        print(f"{'debxcross: build, wrap, check, publish':<46} {ours:8.1f}s", flush=True)
        pip = emulated(arch, wheels, Path(directory) / "root")
        print(f"{'pip under emulation, wheels only':<46} {pip:8.1f}s")
        print(f"{'ratio (target 5)':<46} {pip / ours:8.1f}")


if __name__ == "__main__":
    main()
