# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a back end's hooks inside a build root, where it is a program of its own (PEP 517).

    pythonX.Y pep517.py requires|wheel|sdist-requires|sdist ANSWER < REQUEST

REQUEST is a JSON object: backend, backend_path, settings, directory.  ANSWER is a file that
gets what the hook returned.  Standard output is the build's log.
"""
from __future__ import annotations

import gzip
import json
import os
import sys
import tarfile
from importlib import import_module
from typing import Any


def _settings(words: list[str]) -> dict[str, Any]:
    """Return config settings; one that is named twice becomes a list, as pip does it."""
    found: dict[str, Any] = {}
    for word in words:
        name, _, value = word.partition("=")
        if name not in found:
            found[name] = value
        elif isinstance(found[name], list):
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    return found


def _plain(path: str, time: int) -> None:
    """Write an sdist anew so that it tells nothing of when, and by whom, it was made.

    Here, and not where it goes: the compressor of this root is among the inputs.
    """
    with tarfile.open(path) as old, open(f"{path}.new", "wb") as file:
        with gzip.GzipFile("", "wb", 9, file, 0) as packed, \
                tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as new:
            for member in sorted(old.getmembers(), key=lambda one: one.name):
                plain = tarfile.TarInfo(member.name)
                plain.type, plain.linkname, plain.size = member.type, member.linkname, member.size
                plain.mtime = time
                plain.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
                new.addfile(plain, old.extractfile(member) if member.isfile() else None)
    os.rename(f"{path}.new", path)


def _ask(backend: Any, hook: str, settings: dict[str, Any], directory: str) -> Any:
    if hook.endswith("requires"):
        kind = "sdist" if hook == "sdist-requires" else "wheel"
        ask = getattr(backend, f"get_requires_for_build_{kind}", None)
        return list(ask(settings)) if ask else []
    os.makedirs(directory, exist_ok=True)
    if hook == "wheel":
        return backend.build_wheel(directory, settings)
    name = backend.build_sdist(directory, settings)
    _plain(os.path.join(directory, name), int(os.environ["SOURCE_DATE_EPOCH"]))
    return name


def main() -> None:
    """Call one hook in the current directory, which is the source's."""
    hook, answer = sys.argv[1:]
    request = json.load(sys.stdin)
    sys.path[0:1] = [os.path.abspath(path) for path in request["backend_path"]]
    module, _, attribute = request["backend"].partition(":")
    sys.argv = ["setup.py"]
    backend = import_module(module)
    for name in attribute.split(".") if attribute else ():
        backend = getattr(backend, name)
    result = _ask(backend, hook, _settings(request["settings"]), request["directory"])
    with open(answer, "w", encoding="utf-8") as file:
        json.dump(result, file)


if __name__ == "__main__":
    main()
