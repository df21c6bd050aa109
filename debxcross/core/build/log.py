# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the lines of a build log that tell why it failed."""
from __future__ import annotations

import re
from collections.abc import Sequence

_MATTERS = re.compile(
    r"(\berror\b[: ]|\bError \d+\b|\bfatal\b|undefined reference|No such file or directory|"
    r"cannot find|unmet build dep|\*\*\* (\[|No rule)|not found\b|FAILED|Traceback|[A-Za-z]+Error: |"
    r"No space left|Disk quota exceeded)",
    re.IGNORECASE)
#: A compiler's and a linker's own words: never noise, even where a flag or a symbol is named so.
_CERTAIN = re.compile(r": (fatal )?error: |undefined reference to ")
#: What programs say of a full disk, whatever else they say.
_FULL = re.compile(r"No space left on device|Disk quota exceeded|enough free space", re.IGNORECASE)
_NOISE = re.compile(r"(checking for|-Werror|warning:|^\s*\^|ignored\)?$|error_|_error\b|\berrors?\.[cho]\b)")


def lines_that_matter(log: str, most: int = 12) -> tuple[str, ...]:
    """Return the first lines of the last step that look like the cause, then its last lines."""
    lines = [line.rstrip() for line in log.split("\n==> ")[-1].splitlines() if line.strip()]
    tail = lines[-6:]
    found = [
        line for line in lines[:-6]
        if _CERTAIN.search(line) or _MATTERS.search(line) and not _NOISE.search(line)
    ]
    # make repeats the failure on every level above; the first of them is nearest the cause.
    return tuple(dict.fromkeys((*found[-200:][:most], "…", *tail) if found else tail))


def tells_of_full_disk(log: str) -> bool:
    """Tell whether the end of a log says that some program found no room."""
    return bool(_FULL.search(log[-20000:]))


def describe_failure(log: str, config_log: str, config_log_path: str) -> str:
    """Return the details of a build error: what matters, and the end of the newest config.log."""
    pieces = ["\n".join(lines_that_matter(log))]
    if config_log:
        pieces.append(f"The end of {config_log_path}:\n" + "\n".join(_conclusion(config_log.splitlines())))
    return "\n\n".join(pieces)


def _conclusion(lines: Sequence[str]) -> Sequence[str]:
    """Cut the variable dumps off a config.log and keep the last lines before them."""
    for number, line in enumerate(lines):
        if line.startswith("## ---------------- ##"):
            lines = lines[:number]
            break
    return lines[-12:]
