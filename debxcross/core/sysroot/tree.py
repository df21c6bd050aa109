# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths of packages inside a tree that is not the root: merged /usr, links that stay inside.

Sources: hier(7) and Debian's merged /usr (the layout of every release since bookworm);
deb(5) for what a member's name looks like.
"""
from __future__ import annotations

import re
from collections.abc import Collection, Mapping

#: The directories that are links into /usr, and where they point.
MERGED = ("bin", "lib", "lib32", "lib64", "libo32", "libx32", "sbin")
#: What debxcross writes into a sysroot by itself: a package with a file there could put a program
#: on the PATH of whoever sources env.sh, or lie about what is in the tree.
_RESERVED = ("debxcross", "DEBIAN", "var/lib/dpkg")
_SET_IDS = 0o6000
#: Hops after which a chain of links counts as a loop (the kernel's own limit).
_MOST_HOPS = 40
#: A path in a linker script, which ends at white space or a parenthesis.
_SCRIPT_PATH = re.compile(r"(?<![\w.=/$-])/[^\s()\"',]+")


def merged(path: str) -> str:
    """Return where a path (without leading slash) is when /lib and its like are links into /usr."""
    return f"usr/{path}" if path.partition("/")[0] in MERGED else path


def reserved(path: str) -> bool:
    """Tell whether a path is, lies below or above one that is debxcross's own."""
    return any(path == own or path.startswith(f"{own}/") or own.startswith(f"{path}/")
               for own in _RESERVED)


def normal(path: str) -> str | None:
    """Return a path without "." and ".." (taken literally); None when it climbs out of the tree."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def member_fault(name: str, kind: str, mode: int, target: str = "") -> str:
    """Say what is wrong with a member of a package as its archive writes it, or "".

    ``kind`` is "file", "directory", "symlink", "hardlink", or a special file's name;
    ``target`` is a link's.
    """
    if fault := _name_fault(name):
        return fault
    if kind not in ("file", "directory", "symlink", "hardlink"):
        return f"is a {kind}"
    if kind == "file" and mode & _SET_IDS:
        return "is set-user-ID or set-group-ID"
    if kind == "hardlink" and (fault := _name_fault(target)):
        return f"is a hard link to {target!r}, which {fault}"
    if kind == "symlink":
        if not target or "\0" in target or "\n" in target:
            return f"is a link to {target!r}, which is no path"
        if not target.startswith("/") and normal(f"{_parent(_bare(name))}/{target}") is None:
            return f"is a link to {target!r}, which is outside of the tree"
    return ""


def _bare(name: str) -> str:
    return name.removeprefix("./").rstrip("/")


def _name_fault(name: str) -> str:
    if name.startswith("/"):
        return "has an absolute path"
    if "\0" in name or "\n" in name:
        return "has a path with a line end in it"
    if ".." in name.split("/"):
        return "has a path with '..' in it"
    return ""


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def relative(path: str, start: str) -> str:
    """Return how to name ``path`` from the directory ``start``; both without leading slash."""
    to, at = path.split("/"), start.split("/") if start else []
    common = 0
    while common < min(len(to), len(at)) and to[common] == at[common]:
        common += 1
    return "/".join([*[".."] * (len(at) - common), *to[common:]]) or "."


def link_inside(name: str, target: str) -> str:
    """Return the target that a symlink must have inside a tree anywhere.

    ``name`` is the link's path in its package.  Absolute targets become relative; what
    moved with the merge of /usr is named where it is.
    """
    at = merged(name)
    if target.startswith("/"):
        return relative(merged(normal(target) or ""), _parent(at))
    if at == name and ".." not in target.split("/"):
        return target
    resolved = normal(f"{_parent(name)}/{target}")
    assert resolved is not None, "member_fault() refuses such a link"
    return relative(merged(resolved), _parent(at))


def resolve(path: str, links: Mapping[str, str]) -> str | None:
    """Follow the links on the way to a path; None for a loop or a way out of the tree."""
    for _ in range(_MOST_HOPS):
        parts = path.split("/")
        for count in range(1, len(parts) + 1):
            head = "/".join(parts[:count])
            if head in links:
                target, rest = links[head], "/".join(parts[count:])
                start = "" if target.startswith("/") else _parent(head)
                following = normal(f"{start}/{target}/{rest}")
                break
        else:
            return path
        if following is None:
            return None
        path = following
    return None


def dangling(links: Mapping[str, str], files: Collection[str]) -> tuple[str, ...]:
    """Return the links that lead to nothing; ``files`` are all files, links not among them."""
    there = set(files)
    for path in (*files, *links):
        while (path := _parent(path)) and path not in there:
            there.add(path)
    # A link is followed to its end, so a link to a link that leads to nothing is found as well.
    return tuple(sorted(link for link in links if resolve(link, links) not in there | {""}))


def merged_script(text: str) -> str:
    """Return a linker script with its absolute paths where they are since the merge of /usr.

    They stay absolute: ld, gold and lld put the sysroot in front when the script is inside it.
    """
    return _SCRIPT_PATH.sub(lambda match: "/" + merged(match[0][1:]), text)


def script_paths(text: str) -> tuple[str, ...]:
    """Return the absolute paths that a linker script names, without leading slash."""
    return tuple(match[0][1:] for match in _SCRIPT_PATH.finditer(_without_comments(text)))


def _without_comments(text: str) -> str:
    return re.sub(r"/\*.*?\*/", " ", text, flags=re.DOTALL)


def is_linker_script(path: str, head: bytes) -> bool:
    """Tell whether a file is a linker script, by its name and its first bytes."""
    return path.endswith(".so") and (head.startswith(b"/* GNU ld script") or re.match(
        rb"\s*(INPUT|GROUP|OUTPUT_FORMAT)\s*\(", head) is not None)
