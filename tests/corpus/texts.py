# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostile texts that a user is given: chains, locks, settings, projects, requirements, patches, answers."""
from __future__ import annotations

from pathlib import Path

from tests.corpus import Hostile
from tests.unit.test_fuzz_parsers import LOCK, PATCH as OTHER, SHA

LOCK_OF_TINY = LOCK.replace('"small"', '"tiny"').replace("bookworm", "sid")
PATCH = OTHER.replace(">= 2.7.18-1~, << 2.8", ">= 1~").replace("unavailable libdb-dev", "available libtiny1")

CHAIN = '[chain]\nname = "tiny"\nrelease = "sid"\n[[source]]\nname = "alpha"\n'
WHEEL = CHAIN + f"""\
[[wheel]]
name = "six"
version = "1.16.0"
file = "six-1.16.0.tar.gz"
sha256 = "{SHA}"
python = "3.11"
"""
ANSWERS = """\
Source: alpha
Architecture: armel
Applies-Versions: >= 1~, << 2
Learned-With: qemu-arm 7.2.22

ac_cv_func_fork=yes
"""


def swap(text: str, old: str, new: str) -> bytes:
    """Return a good text with one thing in it exchanged."""
    assert old in text, old
    return text.replace(old, new, 1).encode()


_CHAINS = (
    ("nested a hundred thousand deep", b"a = " + b"[" * 100000),
    ("no UTF-8", b'[chain]\nname = "\xff"\n'),
    ("a NUL", b"\0"),
    ("a number of five thousand digits", b"a = " + b"9" * 5000),
    ("empty", b""),
    ("a hundred thousand tables", b"[[source]]\n" * 100000),
    ("a line break in path-excludes, which adds a hook to dpkg.cfg",
     swap(CHAIN, "[[source]]", 'path-excludes = ["/x\\npost-invoke=touch @OUTSIDE@/x"]\n[[source]]')),
    ("white space in path-excludes",
     swap(CHAIN, "[[source]]", 'path-excludes = ["/x --post-invoke=id"]\n[[source]]')),
    ("an option of apt as a source", swap(CHAIN, '"alpha"', '"-oDir::Etc=@OUTSIDE@"')),
    ("a path as a source", swap(CHAIN, '"alpha"', '"../../alpha"')),
    ("a path as the chain's name", swap(CHAIN, '"tiny"', '"../../@OUTSIDE@"')),
    ("an option as a package to install", swap(CHAIN, '"alpha"', '"alpha"\nbuild-packages = ["-oX=1"]')),
    ("an option as a profile", swap(CHAIN, "[[source]]", 'profiles = ["-x y"]\n[[source]]')),
    ("a release that is an address", swap(CHAIN, '"sid"', '"sid http://elsewhere.example/"')),
    ("a wheel whose file is a path", swap(WHEEL, '"six-1.16.0.tar.gz"', '"@OUTSIDE@/six-1.16.0.tar.gz"')),
    ("a wheel whose sha256 is a path", swap(WHEEL, SHA, "../" * 20)),
    ("a requirement whose marker has no answer", WHEEL.encode() + b"requires = ['a; os_name ~= \"x\"']\n"),
    ("a requirement nested two thousand deep",
     WHEEL.encode() + b"requires = ['a; " + b"(" * 2000 + b'os_name=="x"' + b")" * 2000 + b"']\n"),
    ("an environment that sets PATH", WHEEL.encode() + b'environment = ["A\\nPATH=/x"]\n'),
    ("losses accepted by a pattern of a megabyte of stars",
     swap(CHAIN, '"alpha"', '"alpha"\n[[source.accept-losses]]\nloss = "' + "*a" * 500000 + '"')),
    ("losses accepted without a reason", swap(CHAIN, '"alpha"', '"alpha"\naccept-losses = ["*"]')),
)
_LOCKS = (
    ("a file named ../../x", swap(LOCK_OF_TINY, "zlib_1.2.dsc ", "../../x ")),
    ("a file named by an absolute path", swap(LOCK_OF_TINY, "zlib_1.2.dsc ", "@OUTSIDE@/x ")),
    ("a package's path that leads out", swap(LOCK_OF_TINY, "main/pool/main/g/", "main/../../../")),
    ("a digest that is a path", swap(LOCK_OF_TINY, SHA, "../../" * 10)),
    ("a size of 2^64", swap(LOCK_OF_TINY, " 10 main/pool/main/g", f" {1 << 64} main/pool/main/g")),
    ("a negative size", swap(LOCK_OF_TINY, " 10 main/pool/main/g", " -1 main/pool/main/g")),
    ("nested a hundred thousand deep", b"schema = " + b"[" * 100000),
    ("a schema that is no number", swap(LOCK_OF_TINY, "schema = 1", "schema = nan")),
    ("a schema of the future", swap(LOCK_OF_TINY, "schema = 1", "schema = 99")),
    ("a key nobody knows", swap(LOCK_OF_TINY, "schema = 1", 'schema = 1\nhook = "touch @OUTSIDE@/x"')),
    ("a member whose name is a path", swap(LOCK_OF_TINY, 'name = "zlib"', 'name = "../zlib"')),
    ("a control character in a version",
     swap(LOCK_OF_TINY, 'version = "1.2"', 'version = "1\\u001b]0;x\\u0007"')),
    ("ten thousand faults", LOCK_OF_TINY.encode() + b'[[member]]\nname = 3\n' * 10000),
    ("no UTF-8", b"\xff\xfe"),
)
_SETTINGS = (
    ("a mirror with a line break", b'[mirrors]\nmain = ["http://a/\\ndeb http://b/ x main"]\n'),
    ("a mirror with an option in brackets", b'[mirrors]\nmain = ["[trusted=yes] http://a/"]\n'),
    ("a keyring with a bracket", b'[mirrors]\nkeyrings = ["/x trusted=yes]"]\n'),
    ("a store with a quote, which would end a line of apt.conf",
     b'store = "/x\\"; Dir::Bin::methods \\"@OUTSIDE@"\n'),
    ("a negative limit", b"[limits]\nmemory = -1\n"),
    ("a limit that is a word", b'[limits]\nmemory = "much"\n'),
    ("a setting nobody knows", b'[hooks]\npost = "touch @OUTSIDE@/x"\n'),
    ("nested a hundred thousand deep", b"a = " + b"[" * 100000),
    ("no UTF-8", b'store = "\xff"\n'),
    ("a maintainer of two lines", b'maintainer = "A <a@b.example>\\nDepends: evil"\n'),
    ("an origin of two lines", b'[repository]\norigin = "x\\nNotAutomatic: yes"\n'),
)
_PROJECTS = (
    ("a package that is an option", b'[six]\nbuild-packages = ["-oAPT::X=1"]\n'),
    ("an environment of two lines", b'[six]\nenvironment = ["A=1\\nB=2"]\n'),
    ("a name for the deb that is a path", b'[six]\npackage = "../../x"\n'),
    ("a requirement whose marker has no answer", b"[six]\nalso-requires = ['a; \"1\" > \"x\"']\n"),
    ("a revision with a line break", b'[six]\nrevision = "1\\nX: y"\n'),
    ("nested a hundred thousand deep", b"a = " + b"[" * 100000),
    ("a key nobody knows", b'[six]\nhook = "id"\n'),
)
_REQUIREMENTS = (
    ("a file: address", b"six @ file://@OUTSIDE@/secret\n"),
    ("an index that does not answer", b"--index-url http://127.0.0.1:9/\nsix\n"),
    ("it includes itself", b"-r r.txt\n"),
    ("it includes a directory", b"-r .\n"),
    ("it includes a device", b"-r /dev/zero\n"),
    ("a marker that has no answer", b'six; python_version ~= "x"\n'),
    ("a marker nested two thousand deep", b"six; " + b"(" * 2000 + b'os_name=="x"' + b")" * 2000 + b"\n"),
    ("an option that runs something", b"six --global-option=id\n"),
    ("a hash of another kind", b"six==1 --hash=md5:00000000000000000000000000000000\n"),
    ("no text at all", b"\0\xff\xfe\x80" * 100),
    ("a coding nobody knows", b"# coding: zip\nsix\n"),
    ("a coding that is a codec of bytes", b"# coding: bz2\nsix\n"),
    ("one line of four megabytes", b"a" * (4 << 20)),
    ("an escape sequence", b"six\x1b]0;title\x07\n"),
)
_PATCHES = (
    ("no header", b"--- a/debian/rules\n+++ b/debian/rules\n@@ -1 +1 @@\n-x\n+y\n"),
    ("no hunk", PATCH.partition("--- ")[0].encode()),
    ("a range of versions that is none", swap(PATCH, ">= 1~", ">> x y z")),
    ("a condition that runs something", swap(PATCH, "available libtiny1", "$(touch @OUTSIDE@/x)")),
    ("no UTF-8", b"Description: \xff\n" + PATCH.encode()),
    ("a link out", lambda bench: bench.link("patches/alpha/some.patch", bench.outside / "secret")),
    ("a FIFO", lambda bench: bench.fifo("patches/alpha/some.patch")),
    ("a device", lambda bench: bench.link("patches/alpha/some.patch", Path("/dev/zero"))),
    ("losses accepted without a reason", lambda bench: (
        bench.put("patches/alpha/some.patch", PATCH.encode()),
        bench.put("patches/alpha/accept-losses", b"*\n"))),
    ("a list of accepted losses that is a FIFO", lambda bench: bench.fifo("patches/alpha/accept-losses")),
)
_ANSWERS = (
    ("a value that ends its quotes and runs something",
     swap(ANSWERS, "ac_cv_func_fork=yes", "ac_cv_func_fork='yes'; touch @OUTSIDE@/x")),
    ("a command in backquotes", swap(ANSWERS, "=yes", "=`id`")),
    ("a name that is no variable", swap(ANSWERS, "ac_cv_func_fork=", "PATH=")),
    ("another source's", swap(ANSWERS, "Source: alpha", "Source: beta")),
    ("a definition that ends its line", swap(ANSWERS, "ac_cv_func_fork=yes", "#define X 1\x1b[2J")),
    ("no header", b"ac_cv_func_fork=yes\n"),
    ("no UTF-8", ANSWERS.encode() + b"gl_cv_x=\xff\n"),
    ("a FIFO", lambda bench: bench.fifo("answers/alpha/armel.cache")),
    ("a table of usual settings nested a hundred thousand deep", lambda bench: (
        bench.put("answers/alpha/armel.cache", ANSWERS.encode()),
        bench.put("answers/sources.toml", b"a = " + b"[" * 100000))),
)
INPUTS = tuple(Hostile(kind, *row) for kind, rows in (
    ("chain", _CHAINS), ("lock", _LOCKS), ("settings", _SETTINGS), ("projects", _PROJECTS),
    ("requirements", _REQUIREMENTS), ("rules patch", _PATCHES), ("answers", _ANSWERS),
) for row in rows)
