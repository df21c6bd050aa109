# SPDX-License-Identifier: GPL-3.0-or-later
"""The projects of hundred.txt, each built, installed and imported by itself, and a table of how that went.

What is known of a project is kept in OUTPUT/results.json as soon as it is known, so that a run can be
ended and gone on with; OUTPUT/table.md is written anew after each.
"""
from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

DEBXCROSS = Path(sys.executable).with_name("debxcross")
LIST = Path(__file__).with_name("hundred.txt")
#: A note of the plan that says who knew what a build needs.
_SAID = re.compile(r"needs from (Debian's .*?): ")


def projects(path: Path) -> list[str]:
    """Return the requirements of a list, one a line."""
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    return [line for line in lines if line]


def normalised(name: str) -> str:
    """Return a project's name as chain files have it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", name)[0]).lower()


def attempt(group: Sequence[str], asked: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Build some projects and everything that they require, in one run; return what is told of each."""
    output = asked.output / (normalised(group[0]) if len(group) == 1 else f"from-{normalised(group[0])}")
    argv = [str(DEBXCROSS), "wheel", *group, "--arch", asked.arch, "--release", asked.release, "--output",
            str(output), "--keep-going", "--auto-needs", *asked.more]
    for name in ("chain.toml", "summary.json"):
        (output / name).unlink(missing_ok=True)
    started = time.time()
    output.mkdir(parents=True, exist_ok=True)
    with (output / "said.txt").open("w") as said:
        # Ended with SIGTERM, it leaves nothing behind.
        status = subprocess.run(["timeout", str(asked.at_most), *argv], stdout=said,
                                stderr=subprocess.STDOUT).returncode
    seconds = round(time.time() - started)
    return {project: {"project": project, "seconds": seconds, **described(project, output, status)}
            for project in group}


def described(project: str, output: Path, status: int) -> dict[str, Any]:
    """Return version, size, needs, and why it is not there ("" when it is), from what a run left."""
    name, said = normalised(project), (output / "said.txt").read_text()
    chain = _read(output / "chain.toml", tomllib.loads)
    summary = _read(output / "summary.json", json.loads)
    member = next((one for one in chain.get("wheel", ()) if normalised(one["name"]) == name), {})
    needs = [*member.get("host-needs", ()), *(one for one in member.get("build-packages", ())
                                              if one not in ("pkg-config", "ninja-build"))]
    package, trial = member.get("package", ""), summary.get("trial", {})
    return {
        "version": member.get("version", ""), "needs": needs, "who": who(name, said, needs),
        "size": sum(one["size"] for one in summary.get("debs", ()) if one["name"] == package),
        "took": next((one["seconds"] for one in summary.get("members", ())
                      if normalised(one["name"]) == name), 0),
        "noted": sum(f"({package})" in text for text in trial.get("noted", ())),
        "reason": _reason(project, package, summary, said, status)}


def _read(path: Path, read: Callable[[str], Any]) -> Any:
    return read(path.read_text()) if path.is_file() else {}


def _reason(project: str, package: str, summary: Mapping[str, Any], said: str, status: int) -> str:
    """Return why a project is not built, installed and imported, "" when it is."""
    name = normalised(project)
    own = re.search(rf"^note: ({re.escape(name)} \S+ is Debian's own .*)", said, re.MULTILINE)
    if not status or own:
        return own[1] if own else ""
    for one in (*summary.get("failed", ()), *summary.get("left_out", ())):
        if name == normalised(one["name"]) or one["name"] == package:
            return str(one["reason"])
    left = re.search(rf"left out: {re.escape(project)}: (.*)", said)
    if left or not package:
        errors = re.findall(r"^error: (.*)", said, re.MULTILINE)
        return left[1][:300] if left else errors[0] if errors else f"exit status {status}"
    broken = re.findall(rf"^ +(import \S+ \({re.escape(package)}\): .*)", said, re.MULTILINE)
    if broken:
        return str(broken[0])
    if "trials failed on the device" in said or summary.get("trial"):
        return ""
    errors = re.findall(r"^error: (.*)", said, re.MULTILINE)
    return f"built, but not tried: {errors[-1] if errors else f'exit status {status}'}"


def who(name: str, said: str, needs: Sequence[str]) -> str:
    """Return who knew what a build needs."""
    lines = [line for line in said.splitlines() if line.startswith(f"note: {name}: ")]
    sources = [match[1] for line in lines if (match := _SAID.search(line))]
    sources += ["the failed build" for line in lines if "which its build lacked" in line]
    sources += ["its crates" for line in lines if "compiled with" in line]
    return ", ".join(sources) or ("projects.toml or its back end" if needs else "")


def table(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the table in Markdown, and a line that counts."""
    rows = ["| project | version | built in | deb | needed | who said so | result |",
            "|---|---|---|---|---|---|---|"]
    for one in results.values():
        noted = f", {one['noted']} noted" if one["noted"] else ""
        rows.append(f"| {one['project']} | {one['version']} | {round(one['took'])} s | "
                    f"{round(one['size'] / 1024)} KB | {', '.join(one['needs'])} | {one['who']} | "
                    f"{one['reason'] or f'built, installed, imported{noted}'} |")
    good = sum(not one["reason"] for one in results.values())
    return "\n".join([*rows, "", f"{good} of {len(results)} built, installed and imported."]) + "\n"


def hundred(*arguments: str) -> None:
    """Go through the list, or through the projects that are named."""
    parser = argparse.ArgumentParser(prog="wheels.py hundred",
                                     epilog="What follows -- is for 'debxcross wheel'.")
    parser.add_argument("--arch", default="armhf")
    parser.add_argument("--release", default="bookworm")
    parser.add_argument("--output", type=Path, default=Path("out/hundred"))
    parser.add_argument("--at-most", type=int, default=3600, metavar="SECONDS", help="for one run")
    parser.add_argument("--at-once", type=int, default=1, metavar="N", help="so many projects in one run")
    parser.add_argument("--again", action="store_true", help="what failed before, too")
    parser.add_argument("projects", nargs="*")
    own, _, more = " ".join(arguments).partition(" -- ")
    asked = parser.parse_args(own.split())
    asked.more = more.split()
    asked.output.mkdir(parents=True, exist_ok=True)
    kept = asked.output / "results.json"
    results: dict[str, dict[str, Any]] = json.loads(kept.read_text()) if kept.is_file() else {}
    left = asked.projects or [one for one in projects(LIST) if one not in results
                              or asked.again and results[one]["reason"]]
    for first in range(0, len(left), asked.at_once):
        told = attempt(left[first:first + asked.at_once], asked)
        results.update(told)
        kept.write_text(json.dumps(results, indent=1) + "\n")
        (asked.output / "table.md").write_text(table(results))
        for name, one in told.items():
            print(f"{name:<26} {one['version']:<14} {round(one['took']):>6} s  "
                  f"{one['reason'] or 'built, installed, imported'}", flush=True)
    print(table(results).splitlines()[-1])
