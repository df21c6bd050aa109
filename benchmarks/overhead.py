# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares a run of the chain's source builds with bare dpkg-buildpackage in the same roots, and sbuild.

    .venv/bin/python benchmarks/overhead.py [ARCH] [SOURCE…]

Both sides build every named source (all of the default chain) on a base root that is ready:
first bare dpkg-buildpackage, one after the other, in the prepared build roots that
`debxcross shell` would enter; then one run of debxcross, with --rebuild, of a chain that has
only these sources.  Prints the times and their ratio.  What they need must be in the store:
run the chain before.  All of it takes half an hour on two processors.

Where sbuild is installed it builds the same .dsc files with the same options, one after the
other, in its unshare mode.  Its tarball has what debxcross's base root has, and apt's indexes,
and is made before; build dependencies are fetched each time, for sbuild keeps no packages.
Rules patches are not applied there.
"""
from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import debxcross
from debxcross.app.opening import Opening
from debxcross.app.request import Request
from debxcross.core.build import commands
from debxcross.core.chain.chain import DEFAULT_PROFILES
from debxcross.steps.archive.probe import fetch_source
from debxcross.steps.context import Context

DEBXCROSS = Path(sys.executable).with_name("debxcross")


def seconds(argv: list[str], **more: Any) -> float:
    """Return the wall time of a command that must end well, in seconds."""
    started = time.perf_counter()
    done = subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, **more)
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
    argv = commands.build_argv(arch, build, DEFAULT_PROFILES, os.cpu_count() or 1)
    return seconds([*enter, "runuser", "-u", commands.BUILDER, "--", *argv])


def architecture_of_this_machine() -> str:
    """Return dpkg's name of it."""
    return subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True,
                          check=True).stdout.strip()


def sbuild_tarball(context: Context, release: str, packages: tuple[str, ...], directory: Path) -> Path:
    """Make the tarball that sbuild unpacks for every build; return its path."""
    world = context.world.for_build_root()
    # The lists of mirrors are files that apt inside the tarball does not see.
    suites = (replace(use, archive=replace(use.archive, uris=use.archive.uris[:1])) for use in world.suites)
    sources, tarball = directory / "sources.list", directory / "sbuild.tar"
    sources.write_text(replace(world, suites=tuple(suites)).sources_list({}))
    seconds(["mmdebstrap", "--variant=buildd", f"--architectures={','.join(world.architectures)}",
             f"--include={','.join(packages)}", "--skip=cleanup/apt/lists",
             *(f'--aptopt={name} "{value}"' for name, value in context.apt.acquire),
             release, str(tarball), str(sources)])
    return tarball


def with_subordinate_ids(argv: list[str], directory: Path) -> list[str]:
    """Return argv run where root has subordinate ids, which sbuild wants of everybody."""
    if os.geteuid():
        return argv
    ids = directory / "subordinate-ids"
    ids.write_text("root:100000:65536\n")
    script = 'mount --bind "$1" /etc/subuid && mount --bind "$1" /etc/subgid && shift && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", script, "sh", str(ids), *argv]


def sbuild_builds(arch: str, chain: Path, directory: Path) -> Iterator[tuple[str, float]]:
    """Yield each source of a chain and the wall time of its build by sbuild."""
    opening = Opening(Request(arch, str(chain), output=directory))
    context = opening.context()
    prepared = opening.prepared(context)
    build, jobs = context.build.name, os.cpu_count() or 1
    packages = commands.root_packages(context.host, build, prepared.facts.compiler)
    tarball = sbuild_tarball(context, prepared.chain.release, packages, directory)
    options = commands.build_environment(arch, build, DEFAULT_PROFILES, jobs)["DEB_BUILD_OPTIONS"]
    for name in prepared.order:
        source = prepared.facts.sources[name]
        fetch_source(context, source)
        place = directory / name
        context.store.lay_out(source.files, place)
        argv = ["sbuild", "--chroot-mode=unshare", f"--chroot={tarball}", f"--dist={prepared.chain.release}",
                f"--build={build}", f"--host={arch}", f"--profiles={','.join(DEFAULT_PROFILES)}",
                "--no-arch-all", "--no-run-lintian", "--no-apt-update", f"--jobs={jobs}", source.dsc.name]
        yield name, seconds(with_subordinate_ids(argv, directory), cwd=place,
                            env={**os.environ, "DEB_BUILD_OPTIONS": options})


def compare_with_sbuild(arch: str, chain: Path, directory: Path, whole: float) -> None:
    """Measure and print what sbuild takes; ``whole`` is what debxcross took."""
    if shutil.which("sbuild") is None:
        print("sbuild is not installed")
        return
    total = 0.0
    for source, taken in sbuild_builds(arch, chain, directory):
        total += taken
        print(f"sbuild, {source:<30} {taken:8.1f}s", flush=True)
    print(f"{'sum of these':<38} {total:8.1f}s")
    print(f"{'ratio debxcross / sbuild':<38} {whole / total:8.2f}")


def main() -> None:
    """Measure and print."""
    arch = sys.argv[1] if len(sys.argv) > 1 else "armel"
    sources = sys.argv[2:] or ["zlib", "libffi", "openssl", "python2.7"]
    with tempfile.TemporaryDirectory(prefix="debxcross-overhead-") as temporary:
        output, chain = Path(temporary, "out"), chain_of(sources, Path(temporary))
        run = [str(DEBXCROSS), "build-dep-chain", arch, "--no-trial", "--output", str(output),
               "--chain", str(chain)]
        seconds(run)
        bare = 0.0
        for source in sources:
            taken = bare_build(arch, source, output)
            bare += taken
            print(f"dpkg-buildpackage alone, {source:<12} {taken:8.1f}s", flush=True)
        whole = seconds([*run, *(word for source in sources for word in ("--rebuild", source))])
        print(f"{'sum of these':<38} {bare:8.1f}s")
        print(f"{'debxcross, everything':<38} {whole:8.1f}s")
        print(f"{'ratio (target 1.10)':<38} {whole / bare:8.2f}", flush=True)
        compare_with_sbuild(arch, chain, Path(temporary), whole)


if __name__ == "__main__":
    main()
