# SPDX-License-Identifier: GPL-3.0-or-later
"""Times taking a whole chain from another store against building it.

    .venv/bin/python benchmarks/substitute.py [ARCH [CHAIN [SECONDS]]]

The chain must have been built before in the configured store, which is signed and served on
a port of this machine.  An empty store then takes every result from there.  SECONDS is how
long building took (a run's summary tells); with it the ratio is printed beside its target.
"""
from __future__ import annotations

import functools
import http.server
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

DEBXCROSS = Path(sys.executable).with_name("debxcross")


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


def run(*arguments: str) -> tuple[float, str]:
    """Run debxcross; return seconds and standard output."""
    begin = time.perf_counter()
    done = subprocess.run([str(DEBXCROSS), *arguments], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)} ended with status {done.returncode}:\n{done.stderr[-2000:]}")
    return time.perf_counter() - begin, done.stdout


def main() -> None:
    """Sign, serve, substitute, print."""
    arch = sys.argv[1] if len(sys.argv) > 1 else "armel"
    chain = sys.argv[2] if len(sys.argv) > 2 else "python2.7"
    building = float(sys.argv[3]) if len(sys.argv) > 3 else 0.0
    _, answer = run("store", "sign", "--json")
    store = Path(json.loads(answer)["directory"])
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(_Quiet, directory=str(store)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as directory:
        common = ("build-dep-chain", arch, "--chain", chain, "--no-trial", "--output", f"{directory}/out",
                  "--store", f"{directory}/store")
        seconds, _ = run(*common, "--substitute", f"http://127.0.0.1:{server.server_port}",
                         "--substitute-key", str(store / "signer.gpg"))
        again, _ = run(*common)
        members = json.loads((Path(directory) / "out" / "summary.json").read_text())["members"]
    print(f"{len(members)} steps of {chain} for {arch}")
    print(f"{'substituted into an empty store':<36} {seconds:8.1f} s")
    print(f"{'run again, nothing changed':<36} {again:8.1f} s")
    if building:
        print(f"{'built':<36} {building:8.1f} s")
        print(f"{'substituted / built (target 10 %)':<36} {seconds / building * 100:8.1f} %")


if __name__ == "__main__":
    main()
