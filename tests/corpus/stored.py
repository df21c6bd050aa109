# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostile files that a store, a run, a sysroot or a repository left: exports, entries, events, manifests."""
from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path

from tests.corpus import Hostile
from tests.corpus.feeding import tar_of
from tests.corpus.texts import swap
from tests.unit.test_fuzz_parsers import ARTIFACT, EVENTS, FILE, KEY, MANIFEST, REPOSITORY, SHA

_REPOSITORY = REPOSITORY.replace('"o"', '"tiny"')
_SYSROOT = MANIFEST.replace("bookworm", "sid")

OBJECT = b"ours"
OURS = {"name": "a_1_all.deb", "sha256": hashlib.sha256(OBJECT).hexdigest(), "size": len(OBJECT)}
DEEP = b"[" * 100000


def _entry(**changes: object) -> dict[str, bytes]:
    """Return an export with one result, whose one file is as it should be but for what is changed."""
    value = {"key": KEY, "member": "x", "files": [{**OURS, **changes}], "provenance": {}}
    return {f"objects/{OURS['sha256'][:2]}/{OURS['sha256']}": OBJECT,  # type: ignore[index]
            f"artifacts/{KEY[:2]}/{KEY}.json": json.dumps(value).encode()}


def _memo(kind: str, content: bytes) -> dict[str, bytes]:
    return {f"memo/{kind}/{KEY[:2]}/{KEY}.json": content}


_EXPORTS = (
    ("a file named ../../x", _entry(name="../../x")),
    ("a file named by an absolute path", _entry(name="@OUTSIDE@/x")),
    ("a hidden file", _entry(name=".bashrc")),
    ("a digest that is a path", _entry(sha256="../" * 12 + "secret")),
    ("a negative size", _entry(size=-1)),
    ("a size that is true", _entry(size=True)),
    ("a field nobody knows", _entry(more=1)),
    ("an object of other bytes", {f"objects/{SHA[:2]}/{SHA}": b"x"}),
    ("a member below ..", {"objects/../../../escaped": b"x"}),
    ("a member with an absolute path", {"@OUTSIDE@/x": b"x"}),
    ("a link for an object", lambda bench: bench.put("x.tar", _with_layout(
        f"objects/{SHA[:2]}/{SHA}", tarfile.SYMTYPE, str(bench.outside / "secret")))),
    ("a device for an object", lambda bench: bench.put("x.tar", _with_layout(
        f"objects/{SHA[:2]}/{SHA}", tarfile.CHRTYPE))),
    ("a hard link for an object", lambda bench: bench.put("x.tar", _with_layout(
        f"objects/{SHA[:2]}/{SHA}", tarfile.LNKTYPE, "../../secret"))),
    ("an answer nested a hundred thousand deep", _memo("environment", DEEP)),
    ("an answer with NaN", _memo("facts", b'{"a": NaN}')),
    ("an answer that names a file elsewhere", _memo(
        "environment", json.dumps([{"uri": "x", "file": "../x", "size": 1, "sha256": SHA}]).encode())),
    ("an answer about the machine", _memo("machine", b'{"entries": []}')),
    ("half a character", _memo("pin", b'"\\ud800"')),
    ("a layout of the future", lambda bench: bench.put("x.tar", tar_of({"layout": b"99\n"}))),
    ("no archive", lambda bench: bench.put("x.tar", b"no archive")),
    ("cut off",
     lambda bench: bench.put("x.tar", tar_of(
         {"layout": b"1\n", "objects/ab/" + "ab" * 32: b"x" * 9999})[:3000])),
    ("a header of a gigabyte of PAX", lambda bench: bench.put("x.tar", _pax(1 << 30))),
)


def _with_layout(name: str, kind: bytes, target: str = "") -> bytes:
    """Return an export with one member that is no file."""
    # A tar archive ends with two blocks of zeros, and tar_of() fills up to twenty.
    return tar_of({"layout": b"1\n"})[:1024] + tar_of({name: b""}, kind, target)


def _pax(size: int) -> bytes:
    """Return the beginning of a tar whose first header announces extended headers of this size."""
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, size
    return header.tobuf(tarfile.USTAR_FORMAT) + b"\0" * 65536


_ENTRIES = (
    ("nested a hundred thousand deep", DEEP),
    ("empty", b""), ("no UTF-8", b"\xff\xfe"), ("a number with a fraction", b"1.5"),
    ("a file named ../x", ARTIFACT.replace(str(FILE["name"]), "../x").encode()),
    ("a digest that is a path", ARTIFACT.replace(SHA, "../" * 20).encode()),
    ("another entry's key", ARTIFACT.replace(KEY, "cd" * 32).encode()),
    ("provenance that is a list", swap(ARTIFACT, '"provenance": {', '"provenance": [], "x": {')),
    ("a field nobody knows", swap(ARTIFACT, '"member"', '"hook": "id", "member"')),
)
_EVENTS = (
    ("nested a hundred thousand deep", DEEP + b"\n" + EVENTS.encode()),
    ("no UTF-8", b"\xff\xfe\n" + EVENTS.encode()),
    ("a process of -1", swap(EVENTS, "4711", "-1")),
    ("a process of 2^64", swap(EVENTS, "4711", str(1 << 64))),
    ("a process that is a word", swap(EVENTS, "4711", '"x"')),
    ("a time of 10^300", swap(EVENTS, '"time": 1.0', '"time": 1e300')),
    ("a time that is no number", swap(EVENTS, '"time": 1.0', '"time": NaN')),
    ("a state nobody knows", swap(EVENTS, '"building"', '"\\u001b[2Jowned"')),
    ("escape sequences in a message", swap(EVENTS, '"brief": "b"', '"brief": "\\u001b]0;x\\u0007"')),
    ("a member that is a path", EVENTS.replace('"zlib"', '"../../secret"').encode()),
    ("a link", lambda bench: bench.link("out/armel/logs/events.jsonl", bench.outside / "secret")),
    ("a FIFO", lambda bench: bench.fifo("out/armel/logs/events.jsonl")),
    ("a device", lambda bench: bench.link("out/armel/logs/events.jsonl", Path("/dev/zero"))),
    ("a hundred megabytes", lambda bench: bench.put("out/armel/logs/events.jsonl", b"x" * (100 << 20))),
    ("a dangling link", lambda bench: bench.link("out/armel/logs/events.jsonl", bench.outside / "gone")),
)
_LOGS = (
    ("a link", lambda bench: bench.link("out/armel/logs/x.log", bench.outside / "secret")),
    ("a FIFO", lambda bench: bench.fifo("out/armel/logs/x.log")),
    ("a directory", lambda bench: bench.put("out/armel/logs/x.log/y", b"")),
    ("its directory is a link", lambda bench: bench.link("out/armel/logs", bench.outside)),
)
_MANIFESTS = (
    ("a file named ../x", swap(_SYSROOT, '"a_1_armel.deb"', '"../x"')),
    ("a path that leads out", swap(_SYSROOT, '"pool/a_1_armel.deb"', '"../../secret"')),
    ("a digest that is a path", swap(_SYSROOT, SHA, "../" * 20)),
    ("a size of 2^64", swap(_SYSROOT, '"size": 1', f'"size": {1 << 64}')),
    ("an epoch of 10^40", swap(_SYSROOT, "1700000000", "1" + "0" * 40)),
    ("a release that is an address", swap(_SYSROOT, '"sid"', '"x http://elsewhere.example/"')),
    ("an architecture nobody knows", swap(_SYSROOT, '"architecture": "armel"', '"architecture": "vax"')),
    ("a package that is an option", swap(_SYSROOT, '"zlib1g-dev"', '"-oX=1"')),
    ("a pattern of a line break", swap(_SYSROOT, '"/usr/*"', '"/usr\\npost-invoke=id"')),
    ("nested a hundred thousand deep", DEEP),
    ("a schema of the future", swap(_SYSROOT, '"schema": 1', '"schema": 99')),
    ("a device", lambda bench: bench.link("m.json", Path("/dev/zero"))),
)
_SUMMARIES = (
    ("a file named ../x", b'{"architecture": "armel", "release": "sid", "debs": [{"file": "../x", "sha256": "'
     + SHA.encode() + b'", "size": 1}]}'),
    ("a digest that is a path",
     b'{"architecture": "armel", "release": "sid", "debs": [{"file": "x", "sha256": '
     b'"../../secret", "size": 1}]}'),
    ("an architecture that is a list", b'{"architecture": [[]], "release": "sid", "debs": []}'),
    ("nested a hundred thousand deep", DEEP),
    ("a list", b"[]"),
    ("a link", lambda bench: bench.link("results/summary.json", bench.outside / "secret")),
    ("a deb that is not there",
     b'{"architecture": "armel", "release": "sid", "debs": [{"file": "a_1_armel.deb", '
     b'"sha256": "' + SHA.encode() + b'", "size": 1}]}'),
)
_REPOSITORIES = (
    ("a release that is a path", swap(_REPOSITORY, '"bookworm": {', '"../../x": {')),
    ("a code name that is a path", swap(_REPOSITORY, '"codename": "bookworm"', '"codename": "../x"')),
    ("an origin of two lines", swap(_REPOSITORY, '"origin": "tiny"', '"origin": "tiny\\nX: y"')),
    ("a format of the future", swap(_REPOSITORY, '"format": 1', '"format": 99')),
    ("nested a hundred thousand deep", DEEP),
    ("an architecture that is a path",
     swap(_REPOSITORY, '"architectures": "armel"', '"architectures": "../x"')),
    ("a component that is a path", swap(_REPOSITORY, '"component": "main"', '"component": "../../x"')),
    ("a date of 10^30", swap(_REPOSITORY, '"date": 1', '"date": 1' + "0" * 30)),
    ("a device", lambda bench: bench.link("web/repository.json", Path("/dev/zero"))),
    ("a FIFO", lambda bench: bench.fifo("web/repository.json")),
)
_KEYS = (
    ("no key", b"hello\n"),
    ("an armour of nothing", b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n!!!\n"),
    ("a packet that announces four gigabytes", b"\x99\xff" + b"\xff" * 4),
    ("no end", b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDMEZ0mRxhYJKwYBBAHaRw8BAQdA\n"),
    ("ten megabytes of zeros", b"\0" * (10 << 20)),
    ("a device", lambda bench: bench.link("key", Path("/dev/zero"))),
)
_MEMOS = (
    ("the last publication, nested a hundred thousand deep", {"state/unchanged.json": DEEP}),
    ("the last publication, at a time of 10^400",
     {"state/unchanged.json": b'{"question": "x", "time": 1' + b"0" * 400 + b', "known": {}}'}),
    ("the keys' days, nested a hundred thousand deep", {"state/keys/added.json": DEEP}),
    ("the keys' days, one of 10^400", {"state/keys/added.json": b'{"x": 1' + b"0" * 400 + b"}"}),
    ("the keys' days, a list", {"state/keys/added.json": b"[[1]]"}),
)


def _changed(old: str, new: str) -> object:
    """Return what changes a text in the script, which must be there."""
    def change(script: str, fingerprint: str) -> tuple[str, tuple[str, ...]]:
        assert old in script
        return script.replace(old, new), (fingerprint,)
    return change


_SCRIPTS = (
    ("no fingerprint", lambda script, fingerprint: (script, ())),
    ("another fingerprint", lambda script, fingerprint: (script, (fingerprint[::-1],))),
    ("half a fingerprint", lambda script, fingerprint: (script, (fingerprint[:16],))),
    ("a fingerprint that runs something", lambda script, fingerprint: (script, ("$(touch @OUTSIDE@/x)",))),
    ("an empty fingerprint", lambda script, fingerprint: (script, ("",))),
    ("cut off by the network", lambda script, fingerprint: (script[:len(script) * 2 // 3], (fingerprint,))),
    ("a key of another length", _changed("mDM", "mDMmDM")),
)
INPUTS = tuple(Hostile(kind, *row) for kind, rows in (
    ("export", _EXPORTS), ("result in a store", _ENTRIES), ("events", _EVENTS), ("log", _LOGS),
    ("sysroot's manifest", _MANIFESTS), ("summary", _SUMMARIES), ("repository.json", _REPOSITORIES),
    ("key", _KEYS), ("install.sh", _SCRIPTS), ("state of a repository", _MEMOS),
) for row in rows)
