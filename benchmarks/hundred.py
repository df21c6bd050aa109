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
from collections.abc import Mapping, Sequence
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


def attempt(project: str, asked: argparse.Namespace) -> dict[str, Any]:
    """Build one project and everything that it requires; return what is told of it."""
    output = asked.output / normalised(project)
    argv = [str(DEBXCROSS), "wheel", project, "--arch", asked.arch, "--release", asked.release, "--output",
            str(output), "--keep-going", "--auto-needs", *asked.more]
    started = time.time()
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=asked.at_most)
        status, said = done.returncode, done.stdout + done.stderr
    except subprocess.TimeoutExpired as error:
        parts = (error.stdout or b"", error.stderr or b"")
        status, said = -1, "".join(part.decode(errors="replace") for part in parts if isinstance(part, bytes))
        said += f"\nerror: no end after {asked.at_most} s\n"
    output.mkdir(parents=True, exist_ok=True)
    (output / "said.txt").write_text(said)
    return {"project": project, "status": status, "seconds": round(time.time() - started),
            **described(normalised(project), output, said, status, started)}


def described(name: str, output: Path, said: str, status: int, started: float) -> dict[str, Any]:
    """Return version, size, needs and reason of a project, from what its run left."""
    found: dict[str, Any] = {"version": "", "size": 0, "took": 0, "needs": [], "who": "", "noted": 0,
                             "imported": 0, "reason": ""}
    chain, summary = output / "chain.toml", output / "summary.json"
    if chain.is_file() and chain.stat().st_mtime >= started:
        member = next((one for one in tomllib.loads(chain.read_text()).get("wheel", ())
                       if normalised(one["name"]) == name), {})
        found["version"] = member.get("version", "")
        found["needs"] = [*member.get("host-needs", ()), *(
            one for one in member.get("build-packages", ()) if one not in ("pkg-config", "ninja-build"))]
        found["who"] = who(name, said, found["needs"])
    if summary.is_file() and summary.stat().st_mtime >= started:
        told = json.loads(summary.read_text())
        sizes = [one["size"] for one in told["debs"] if one["member"] == name]
        found["size"] = sum(sizes)
        found["took"] = next((one["seconds"] for one in told["members"] if one["name"] == name), 0)
        trial = told.get("trial", {})
        found["noted"], found["imported"] = len(trial.get("noted", ())), trial.get("imported", 0)
    if status:
        errors = re.findall(r"^error: (.*(?:\n {7}\S.*)*)", said, re.MULTILINE)
        found["reason"] = " ".join(errors[0].split())[:160] if errors else f"exit status {status}"
    return found


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
        result = f"built, {one['imported']} imported{noted}" if not one["status"] else one["reason"]
        rows.append(f"| {one['project']} | {one['version']} | {round(one['took'])} s | "
                    f"{round(one['size'] / 1024)} KB | {', '.join(one['needs'])} | {one['who']} | {result} |")
    good = sum(not one["status"] for one in results.values())
    return "\n".join([*rows, "", f"{good} of {len(results)} built, installed and imported."]) + "\n"


def hundred(*arguments: str) -> None:
    """Go through the list, or through the projects that are named."""
    parser = argparse.ArgumentParser(prog="wheels.py hundred",
                                     epilog="What follows -- is for 'debxcross wheel'.")
    parser.add_argument("--arch", default="armhf")
    parser.add_argument("--release", default="bookworm")
    parser.add_argument("--output", type=Path, default=Path("out/hundred"))
    parser.add_argument("--at-most", type=float, default=3600.0, metavar="SECONDS", help="for one project")
    parser.add_argument("--again", action="store_true", help="what failed before, too")
    parser.add_argument("projects", nargs="*")
    own, _, more = " ".join(arguments).partition(" -- ")
    asked = parser.parse_args(own.split())
    asked.more = more.split()
    asked.output.mkdir(parents=True, exist_ok=True)
    kept = asked.output / "results.json"
    results: dict[str, dict[str, Any]] = json.loads(kept.read_text()) if kept.is_file() else {}
    for project in asked.projects or projects(LIST):
        known = results.get(project)
        if known is not None and not (asked.again and known["status"]) and not asked.projects:
            continue
        results[project] = told = attempt(project, asked)
        kept.write_text(json.dumps(results, indent=1) + "\n")
        (asked.output / "table.md").write_text(table(results))
        print(f"{project:<26} {told['version']:<14} {told['seconds']:>6} s  "
              f"{told['reason'] or 'built, installed, imported'}", flush=True)
    print(table(results).splitlines()[-1])
