# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a back end's hooks inside a build root, where it is a program of its own (PEP 517).

    pythonX.Y pep517.py requires|wheel ANSWER < REQUEST

REQUEST is a JSON object: backend, backend_path, settings, directory.  ANSWER is a file that
gets what the hook returned.  Standard output is the build's log.
"""
from __future__ import annotations

import json
import os
import sys
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
    settings = _settings(request["settings"])
    if hook == "requires":
        ask = getattr(backend, "get_requires_for_build_wheel", None)
        result = list(ask(settings)) if ask else []
    else:
        os.makedirs(request["directory"], exist_ok=True)
        result = backend.build_wheel(request["directory"], settings)
    with open(answer, "w", encoding="utf-8") as file:
        json.dump(result, file)


if __name__ == "__main__":
    main()
