# SPDX-License-Identifier: GPL-3.0-or-later
"""Times of everything about wheels.

    .venv/bin/python benchmarks/wheels.py resolution [ARCH]
    .venv/bin/python benchmarks/wheels.py wrap WHEEL…
    .venv/bin/python benchmarks/wheels.py emulation [--at-most N] [ARCH] [REQUIREMENT…]
    .venv/bin/python benchmarks/wheels.py hundred [--arch ARCH] [--release SUITE] [--output DIR] [--again]
                                                  [--at-most SECONDS] [--at-once N] [PROJECT…] [-- OPTION…]

resolution: fifty requirements, twice; the second is from a warm index, with the plan.  wrap:
one wheel after the other, five times each, the median.  emulation: one run that
builds what is resolved, with --rebuild, against pip that builds the same versions from
the same sdists in a root of ARCH made by mmdebstrap, one after the other; it needs root and
emulation.  cffi, cryptography and numpy (the default) take hours under emulation: with
--at-most, pip is ended when it has taken N times as long as debxcross, and the ratio is a
lower bound.  hundred: every project of hundred.txt by itself, built, installed and imported on the
emulated device, with a table; a run that was ended goes on where it was.
"""
from __future__ import annotations

import argparse
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from packaging.utils import parse_wheel_filename

from hundred import hundred

from debxcross.core.architecture import architecture
from debxcross.core.wheel.deb import WrapSettings, device_environment
from debxcross.steps.wheel.deb import wrap_wheel

DEBXCROSS = Path(sys.executable).with_name("debxcross")
#: What pip needs in the emulated root, whatever is built.
PACKAGES = ("build-essential", "ca-certificates", "cargo", "libffi-dev", "libssl-dev", "libyaml-dev",
            "ninja-build", "pkg-config", "python3-dev", "python3-pip", "python3-venv")


#: What a project of many parts may ask for; a third of it is compiled.
FIFTY = """requests flask rich click paho-mqtt pyserial attrs python-dateutil pymodbus httpx pyyaml markupsafe
psutil msgpack lxml pillow pyzmq pynacl bcrypt cffi numpy aiohttp jinja2 django sqlalchemy tornado pydantic<2
fastapi<0.120 uvicorn cryptography paramiko simplejson ujson wrapt tqdm pytest setproctitle redis pymysql
loguru structlog zeroconf websockets jsonschema<4.18 netaddr pyudev smbus2 evdev tomlkit watchdog""".split()


def seconds(argv: list[str], most: float | None = None) -> float:
    """Return the wall time of a command that must end well, in seconds.

    After ``most`` seconds it is ended, with its process group, and what is returned is more than that.
    """
    started = time.perf_counter()
    running = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                               start_new_session=True)
    try:
        _, said = running.communicate(timeout=most)
    except BaseException as error:  # Ctrl-C too, which does not reach another session
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        if isinstance(error, subprocess.TimeoutExpired):
            return time.perf_counter() - started
        raise
    if running.returncode:
        raise SystemExit(f"{' '.join(argv)} ended with status {running.returncode}:\n{said[-2000:]}")
    return time.perf_counter() - started


def resolution(arch: str = "armel") -> None:
    """Time a resolution from a warm index."""
    with tempfile.TemporaryDirectory() as directory:
        ask = [str(DEBXCROSS), "wheel", *FIFTY, "--arch", arch, "--output", directory, "--dry-run"]
        show("resolution of 50 requirements, first time here", seconds(ask))
        show("resolution of 50 requirements, warm (target 3)", statistics.median(
            seconds(ask) for _ in range(5)))


def wrap(*wheels: str) -> None:
    """Time the wrapping of wheels on this machine, as a build root does it."""
    for wheel in map(Path, wheels):
        tags = parse_wheel_filename(wheel.name)[3]
        python = next(f"3.{tag.interpreter[3:]}" if tag.interpreter[3:] else "3.11" for tag in tags)
        here = architecture("amd64")
        settings = WrapSettings(here.name, python, {}, "Bench <bench@localhost>", 0,
                                device_environment(here, f"{python}.0"))
        times = []
        with tempfile.TemporaryDirectory() as directory:
            for _ in range(5):
                started = time.perf_counter()
                wrap_wheel(wheel, settings, Path(directory))
                times.append(time.perf_counter() - started)
        show(f"{wheel.name[:50]} (target 1)", statistics.median(times))


def show(what: str, value: float, unit: str = "s") -> None:
    """Print one line of the table."""
    print(f"{what:<64} {value:8.2f}{unit}", flush=True)


def cross(arch: str, requirements: list[str], output: Path) -> tuple[float, list[dict[str, Any]]]:
    """Return the time of the builds, and the wheels of the chain."""
    seconds([str(DEBXCROSS), "wheel", *requirements, "--arch", arch, "--output", str(output), "--dry-run"])
    chain = output / "chain.toml"
    wheels = tomllib.loads(chain.read_text())["wheel"]
    build = [str(DEBXCROSS), "build-dep-chain", arch, "--chain", str(chain), "--output", str(output),
             "--no-trial"]
    seconds(build)  # what has to be fetched is there afterwards, and the base root
    rebuild = [word for wheel in wheels for word in ("--rebuild", wheel["name"])]
    return seconds([*build, *rebuild]), wheels


def emulated(arch: str, wheels: list[dict[str, Any]], root: Path, most: float | None) -> float:
    """Return the time pip takes for the sdists among these wheels in an emulated root.

    It is a bit more than ``most`` where pip was ended.
    """
    seconds(["mmdebstrap", "--variant=apt", f"--architectures={arch}", f"--include={','.join(PACKAGES)}",
             "bookworm", str(root)])
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    shutil.copy("/etc/ssl/certs/ca-certificates.crt", root / "etc/ssl/certs/ca-certificates.crt")
    pins = [f"{wheel['name']}=={wheel['version']}" for wheel in wheels if not wheel["file"].endswith(".whl")]
    # In a PID namespace nothing outlives the process group, whatever groups its children make.
    return seconds(["unshare", "--mount", "--pid", "--fork", "--kill-child", f"--mount-proc={root / 'proc'}",
                    "chroot", str(root), "pip", "wheel", "--no-deps", "--wheel-dir", "/tmp/wheels",
                    "--no-binary", ",".join(pin.partition("==")[0] for pin in pins), *pins], most)


def emulation(*arguments: str) -> None:
    """Compare with pip in an emulated root."""
    parser = argparse.ArgumentParser(prog="wheels.py emulation")
    parser.add_argument("--at-most", type=float, metavar="N")
    parser.add_argument("arch", nargs="?", default="armel")
    parser.add_argument("requirements", nargs="*", default=["cffi", "cryptography", "numpy"])
    asked = parser.parse_intermixed_args(arguments)
    with tempfile.TemporaryDirectory() as directory:
        ours, wheels = cross(asked.arch, asked.requirements, Path(directory) / "out")
        show("debxcross: build, wrap, check, publish", ours)
        pip = emulated(asked.arch, wheels, Path(directory) / "root",
                       asked.at_most and ours * asked.at_most)
        if asked.at_most and pip > ours * asked.at_most:
            show("pip under emulation, wheels only, ended after", pip)
            show("ratio (target 5), more than", asked.at_most, "")
        else:
            show("pip under emulation, wheels only", pip)
            show("ratio (target 5)", pip / ours, "")


def main() -> None:
    """Measure and print."""
    parts: dict[str, Callable[..., None]] = {"resolution": resolution, "wrap": wrap, "emulation": emulation,
                                             "hundred": hundred}
    if len(sys.argv) < 2 or sys.argv[1] not in parts:
        raise SystemExit(__doc__)
    parts[sys.argv[1]](*sys.argv[2:])


if __name__ == "__main__":
    main()
