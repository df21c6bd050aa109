# SPDX-License-Identifier: GPL-3.0-or-later
"""How a source tree of one's own becomes a .dsc with its files: what is typed in a root for it."""
from __future__ import annotations

import re
import shlex

from debxcross.core.archive.own import upstream_version
from debxcross.core.archive.taken import Taken

#: Raised whenever the same tree would give another source package.
SCHEMA = 1
#: Where the tree and what it needs is shown, and where the source package is made.
SHOWN, PLACE = "/debxcross/own", "/build/own"
TREE, ENTRY = "tree.tar", "entry"
#: The files of a source package, as dpkg-source(1) names them.
_FILE = re.compile(r"[^/]+(\.dsc|\.diff\.gz|\.tar\.(gz|bz2|xz|lzma))\Z")


def is_source_file(name: str) -> bool:
    """Tell whether a name is that of a file of a source package."""
    return _FILE.match(name) is not None


def source_script(taken: Taken) -> str:
    """Return the script that makes a source package of a tree, at PLACE.

    Nothing of the tree is run: dpkg-source reads it.  Times are the changelog's.  A tarball that was
    written from a repository is compressed here, by the root's own xz, in one thread.
    """
    tree = f"{taken.entry.source}-{upstream_version(taken.source.version)}"
    return "".join((
        "set -eu\n",
        f"rm -rf {PLACE}\nmkdir -p {PLACE}/{shlex.quote(tree)}\ncd {PLACE}\n",
        f"tar --extract --no-same-owner --file {SHOWN}/{TREE} --directory {shlex.quote(tree)}\n",
        f"for file in {SHOWN}/*.orig*.tar*; do [ ! -e \"$file\" ] || cp \"$file\" .; done\n",
        "for file in *.orig.tar; do [ ! -e \"$file\" ] || xz -6 -T1 \"$file\"; done\n",
        f"if [ -e {SHOWN}/{ENTRY} ]; then\n",
        f"    cat {SHOWN}/{ENTRY} {shlex.quote(tree)}/debian/changelog > changelog\n",
        f"    cat changelog > {shlex.quote(tree)}/debian/changelog\n    rm changelog\nfi\n",
        f"export SOURCE_DATE_EPOCH={taken.time}\n",
        f"find {shlex.quote(tree)} -exec touch --no-dereference --date=@{taken.time} {{}} +\n",
        f"dpkg-source --build {shlex.quote(tree)}\nrm -rf {shlex.quote(tree)}\n"))


def advice(log: str) -> str:
    """Return the next move for what dpkg-source said."""
    if re.search(r"unexpected upstream changes|local changes detected", log):
        return ("Upstream files were changed outside of debian/patches. Make a patch of the changes ('dpkg-source "
                "--commit', 'gbp pq'), or make the source native: '3.0 (native)' in debian/source/format.")
    if re.search(r"unrepresentable changes|cannot represent change", log):
        return ("A patch cannot hold these changes. Name binary files in debian/source/include-binaries, or make the "
                "source native: '3.0 (native)' in debian/source/format.")
    return "Run 'dpkg-source --build DIR' on a copy of the tree to see the same, and mend what it names."
