# SPDX-License-Identifier: GPL-3.0-or-later
"""Every parser of foreign text, given texts nobody should write: it answers or raises our own errors.

A few dozen texts for each in a usual run, always the same ones; ``make fuzz`` tries many, others each
time (DEBXCROSS_FUZZ is their number).
"""
from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import pytest
from debian.debian_support import DpkgArchTable
from hypothesis import HealthCheck, given, settings, strategies as st

from debxcross.core import border, openpgp, patch
from debxcross.core.archive import security, source
from debxcross.core.artifact import artifact_from
from debxcross.core.chain import answers, chain, history, lock, target, trial
from debxcross.core.store import signed
from debxcross.core.store.gc import names_in
from debxcross.core.stanza import parse_stanzas
from debxcross.core.sysroot.filter import parse_filter
from debxcross.core.sysroot.manifest import parse_manifest
from debxcross.core.url import joined, with_login, without_password
from debxcross.core.wheel import backend, crates, index, metadata, names, requirement, version
from debxcross.doors.apt import parse_print_uris
from debxcross.errors import DebxcrossError, without_logins
from debxcross.repository.core.index import parse_builds, parse_index
from debxcross.repository.core.manifest import parse_manifest as parse_repository
from debxcross.repository.core.release import parse_release
from debxcross.repository.core.snapshots import snapshot_date
from debxcross.repository.core.sources import SourceFile, parse_sources, source_entry
from debxcross.run.status import fold, read_events, render_status, status_json

EXAMPLES = int(os.environ.get("DEBXCROSS_FUZZ", "0"))
FUZZ = settings(
    max_examples=EXAMPLES or 6, deadline=None, database=None, derandomize=not EXAMPLES,
    suppress_health_check=list(HealthCheck))
SHA = "0123456789abcdef" * 4
KEY = "ab" * 32

DEB = f"""\
Package: libfoo
Version: 1:2.0-1
Architecture: armel
Maintainer: Somebody <x@example.org>
Depends: libc6 (>= 2.36), bar | baz:any
Description: short
 long
 .
 text
Filename: pool/main/f/foo/libfoo_2.0-1_armel.deb
Size: 123
MD5sum: {"0" * 32}
SHA256: {SHA}

Package: libfoo-dev
Version: 2
Architecture: all
Filename: pool/main/f/foo/libfoo-dev_2_all.deb
Size: 1
MD5sum: {"1" * 32}
SHA256: {SHA}
"""
DSC = f"""\
-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA512

Format: 3.0 (quilt)
Source: foo
Binary: libfoo, foo-udeb
Architecture: any
Version: 2.0-1
Build-Depends: debhelper-compat (= 13), zlib1g-dev [armel !amd64] <!nocheck>, python3:any
Package-List:
 libfoo deb libs optional arch=any,linux-any profile=!nocheck+stage1
 foo-udeb udeb debian-installer optional arch=any
Checksums-Sha256:
 {SHA} 100 foo_2.0.orig.tar.gz
 {SHA} 50 foo_2.0-1.debian.tar.xz
Files:
 {"0" * 32} 100 foo_2.0.orig.tar.gz
 {"0" * 32} 50 foo_2.0-1.debian.tar.xz

-----BEGIN PGP SIGNATURE-----

iQ==
-----END PGP SIGNATURE-----
"""
RELEASE = f"""\
Origin: debxcross
Label: debxcross
Suite: stable
Codename: bookworm
Date: Thu, 01 Jan 2026 00:00:00 UTC
Architectures: armel armhf
Components: main
Description: some
SHA256:
 {SHA} 100 main/binary-armel/Packages
"""
CHANGELOG = """\
foo (2.0-1) bookworm; urgency=medium

  * Fix CVE-2024-12345.

 -- Somebody <x@example.org>  Mon, 01 Jan 2024 10:00:00 +0100

foo (1.0-1) unstable; urgency=low

  * First.

 -- Somebody <x@example.org>  Sun, 01 Jan 2023 10:00:00 +0100
"""
PATCH = """\
Description: Do a thing
 more
Origin: vendor
Applies-Versions: >= 2.7.18-1~, << 2.8
Applies-Architectures: armel mipsel
Applies-If: unavailable libdb-dev

--- a/debian/rules
+++ b/debian/rules
@@ -1 +1 @@
-x
+y
"""
CHAIN = f"""\
[chain]
name = "small"
release = "bookworm"
path-excludes = ["/usr/share/doc/*"]
profiles = ["cross"]
[[source]]
name = "zlib"
suite = "bookworm"
version = "1:1.2"
build-packages = ["patchelf"]
[[build-tool]]
name = "wheel"
version = "0.1"
file = "wheel-0.1-py3-none-any.whl"
sha256 = "{SHA}"
[[wheel]]
name = "six"
version = "1.16.0"
file = "six-1.16.0.tar.gz"
sha256 = "{SHA}"
python = "3.11"
build-requires = ["wheel"]
requires = ["a>=1; python_version<'3'"]
[trial]
packages = ["libfoo"]
commands = ["true"]
"""
LOCK = f"""\
schema = 1
chain = "small"
chain-digest = "{SHA}"
release = "bookworm"
build-architecture = "amd64"
host-architecture = "armel"
[archives]
"bookworm" = "{SHA}"
[packages]
build-root = ["libc6 1:2.36 armel {SHA} 10 main/pool/main/g/glibc/libc6_2.36_armel.deb"]
device-root = []
device = []
[[member]]
name = "zlib"
kind = "source"
version = "1.2"
suite = "bookworm"
suffix = ""
files = ["zlib_1.2.dsc {SHA} 10 main/pool/main/z/zlib/zlib_1.2.dsc"]
patches = ["some {SHA}"]
packages = []
"""
PROJECTS = """\
[cryptography]
build-packages = ["libssl-dev"]
host-needs = ["libssl-dev"]
environment = ["A=b"]
settings = ["x=y"]
smoke = "import x"
"""
CARGO = f"""\
version = 3
[[package]]
name = "libc"
version = "0.2.1"
source = "registry+https://index.example/"
checksum = "{SHA}"
[[package]]
name = "own"
version = "1.0.0"
"""
PYPROJECT = """\
[build-system]
requires = ["maturin>=1,<2"]
build-backend = "maturin"
backend-path = ["."]
[project]
name = "x"
version = "1"
dependencies = ["a>=1"]
[project.optional-dependencies]
test = ["pytest"]
"""
JSON_PAGE = json.dumps({"meta": {"api-version": "1.0"}, "name": "six", "files": [
    {"filename": "six-1.0.tar.gz", "url": "../x/six-1.0.tar.gz", "hashes": {"sha256": SHA}, "size": 10,
     "requires-python": ">=3", "yanked": False, "core-metadata": {"sha256": SHA}}]})
HTML_PAGE = f"""<!DOCTYPE html><html><head><base href="/b/">
<meta name="pypi:repository-version" content="1.0">
</head><body><a href="six-1.0.tar.gz#sha256={SHA}" data-requires-python="&gt;=3">six</a>
<a href="https://files.example/six-1.0-py3-none-any.whl#sha256={SHA}" data-yanked="">s</a></body></html>"""
FILE = {"name": "libfoo_1_armel.deb", "sha256": SHA, "size": 3}
ARTIFACT = json.dumps({"key": KEY, "member": "foo", "files": [FILE], "provenance": {
    "kind": "source", "source": "foo", "version": "1", "patches": ["x"], "inputs": {
        "host": "armel", "environment": [f"libc6:armel=2.36 {SHA}"], "files": [["a", SHA]],
        "patches": [SHA], "tools": [{"name": "x", "sha256": SHA}], "options": "nocheck"}}})
ENTRIES = json.dumps({"entries": [{"key": KEY, "time": 1, "state": "built", "result": SHA, "changes": [
    {"what": "a", "before": "b", "after": "c"}]}], "member": "a", "chain": "b", "release": "c",
    "architecture": "armel"})
PACKAGES = json.dumps([{"uri": "archive:main/x", "file": "a_1_all.deb", "size": 1, "sha256": SHA}])
FACTS = json.dumps({"sources": [{"found": {"version": "1", "suite": "b", "fields": {"Package": "a"}},
                                 "others": [{"version": "1", "suite": "b"}], "near": ["c"]}],
                    "packages": {"a": {"amd64": "1"}}, "compiler": "12",
                    "skew": [{"package": "a", "build": "1", "host": "2"}]})
MANIFEST = json.dumps({
    "schema": 1, "architecture": "armel", "release": "bookworm", "requested": ["zlib1g-dev"],
    "source_date_epoch": 1700000000, "filters": [{"include": False, "pattern": "/usr/*", "package": ""}],
    "packages": [{"name": "a", "version": "1", "architecture": "armel", "file": "a_1_armel.deb", "size": 1,
                  "sha256": SHA, "origin": "main", "path": "pool/a_1_armel.deb"}]})
REPOSITORY = json.dumps({"format": 1, "origin": "o", "label": "l", "url": "https://r.example/", "releases": {
    "bookworm": {"suite": "stable", "component": "main", "architectures": "armel", "description": "d"}},
    "changes": [{"date": 1, "codename": "bookworm", "added": ["a 1 armel"], "removed": [], "more": 0}]})
EVENTS = "\n".join(json.dumps(one) for one in (
    {"time": 1.0, "kind": "run-started", "member": "", "text": "c", "data": {
        "chain": "c", "architecture": "armel", "release": "b", "members": ["zlib"], "pid": 4711}},
    {"time": 2.0, "kind": "state", "member": "zlib", "text": "", "data": {
        "state": "building", "reason": "r", "log": "/x", "seconds": 1.5}},
    {"time": 2.5, "kind": "artifact", "member": "zlib", "text": "", "data": FILE},
    {"time": 3, "kind": "error", "member": "zlib", "text": "", "data": {
        "brief": "b", "details": "d", "resolution": "r", "exit_status": 20, "failure_class": "compile"}},
    {"time": 4, "kind": "run-ended", "member": "", "text": "", "data": {
        "ok": False, "seconds": 3, "exit_status": 20}}))
METADATA = "Metadata-Version: 2.1\nName: six\nVersion: 1.16.0\nRequires-Dist: a>=1\nLicense: MIT\n\nLong.\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py2-none-any\nTag: py3-none-any\n"
RECORD = "six.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\nsix-1.16.0.dist-info/RECORD,,\n"
ENTRY_POINTS = "[console_scripts]\nsix = six:main [extra]\n"
REPORT = json.dumps({"name": "import x", "ok": True, "signal": 0, "text": "t", "attempts": 1,
                     "optional": False}) + "\nwarning\n"
URIS = f"'http://a.example/pool/a_1_all.deb' a_1_all.deb 100 SHA256:{SHA}\n"
NAMES = "six python3-six; PEP386\nPyYAML python3-yaml\n"
KEY_BLOCK = ("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDMEZ0mRxhYJKwYBBAHaRw8BAQdAAAAAAAAAAAAAAAAA\n"
             "=AAAA\n"
             "-----END PGP PUBLIC KEY BLOCK-----\n")
PYTHON_WHEEL = "six-1.16.0-py2.py3-none-any.whl"


def wheel_of(meta: str = METADATA, wheel: str = WHEEL, points: str = ENTRY_POINTS,
             name: str = PYTHON_WHEEL) -> object:
    place = "six-1.16.0.dist-info"
    files = [metadata.WheelFile(path, False, SHA, 1) for path in (
        "six.py", f"{place}/METADATA", f"{place}/WHEEL", f"{place}/RECORD", f"{place}/entry_points.txt")]
    return metadata.parse_wheel(name, files, {
        f"{place}/METADATA": meta, f"{place}/WHEEL": wheel, f"{place}/entry_points.txt": points})


def record_of(text: str) -> object:
    return metadata.check_record(text, [metadata.WheelFile("six.py", False, SHA, 1)], "six-1.16.0.dist-info")


def dsc_of(text: str) -> object:
    return source_entry(text, SourceFile("foo_2.0-1.dsc", 1, "0" * 32, SHA), "main")


def fields_of(text: str) -> object:
    for fields in parse_stanzas(text.partition("\n\n")[2].partition("\n\n---")[0]):
        known = dict(fields)
        found = source.from_fields({**known, "Package": known.get("Source", "")}, "bookworm")
        source.expected_binaries(found, "armel", ("nocheck",), TABLE)
        source.host_needs(found, "armel", ("nocheck",), TABLE)
    return None


def patch_of(text: str) -> object:
    found = patch.parse("foo", "some", text)
    patch.applicability(found, "2.7.18-3", "armel", lambda name: True, TABLE)
    patch.failed_hunks(found, text)
    return found


def status_of(text: str) -> object:
    status = fold(read_events(text), 10.0, lambda pid: False)
    render_status(status, 80)
    return status_json(status)


def artifact_of(text: str) -> object:
    found = artifact_from(border.read_json(text, whole=True), KEY)
    names_in(text)
    return history.changes(found.provenance.get("inputs", {}), {"environment": [], "files": []})


def answer_of(kind: str) -> Callable[[str], object]:
    return lambda text: answers.fault(kind, border.read_json(text, whole=True))


def page_of(kind: str) -> Callable[[str], object]:
    def read(text: str) -> object:
        files = index.parse_page(index.Page("http://i.example/six/", kind, text.encode("utf-8", "replace")))
        for file in files:
            assert border.is_name(file.name) and file.url.startswith("http")
            index.sdist_version(file.name, "six")
            index.wheel_tags(file.name, index.Pin("six", "1.0"))
        return files
    return read


def requirements_of(text: str) -> object:
    return requirement.read_requirements((), ["r.txt"], [], lambda name: text, False)


def facts_of(text: str) -> object:
    found = backend.read_facts("x-1.tar.gz", "x", "1", border.read_toml(text), {"PKG-INFO": METADATA})
    return backend.unfit(found, "x", "1", "bookworm", {"rustc": "1.63"})


def addresses_of(text: str) -> object:
    for address in (text, f"http://{text}", f"http://me:secret@h.example/{text}"):
        without_logins(address)
        without_password(address)
    try:
        with_login(text, "http://me:secret@h.example/")
        return joined("http://h.example/a", text)
    except ValueError:
        return None


def version_of(text: str) -> object:
    return version.debian_version(text), version.upstream_version(text)


@pytest.fixture(scope="module", autouse=True)
def table() -> None:
    global TABLE
    TABLE = DpkgArchTable.load_arch_table()


TABLE: DpkgArchTable
#: Name → (the parser, a text it reads).
TARGETS: dict[str, tuple[Callable[[str], object], str]] = {
    "stanzas": (parse_stanzas, DEB),
    "packages": (parse_index, DEB),
    "sources": (parse_sources, DSC),
    "dsc": (dsc_of, DSC),
    "fields": (fields_of, DSC),
    "release": (parse_release, RELEASE),
    "builds": (parse_builds, f"{SHA}  pool/main/a/a_1.buildinfo\n"),
    "snapshot": (snapshot_date, "20260101T000000Z"),
    "changelog": (lambda text: security.missed(text, "1.0-1"), CHANGELOG),
    "changelog-entry": (lambda text: patch.changelog_with(text, "2.0-1", (), "+1"), CHANGELOG),
    "patch": (patch_of, PATCH),
    "chain": (lambda text: chain.parse(border.read_toml(text), "x"), CHAIN),
    "target": (target.parse_target, "expat=1.0/bookworm"),
    "lock": (lambda text: lock.parse(border.read_toml(text), "x"), LOCK),
    "projects": (lambda text: requirement.parse_options(border.read_toml(text), "x"), PROJECTS),
    "names": (names.parse_names, NAMES),
    "requirements": (requirements_of, (
        f"six==1.16.0 --hash=sha256:{SHA}\na>=1; os_name=='x' \\\n --hash=sha256:{SHA}")),
    "cargo-lock": (lambda text: crates.parse_lock(border.read_toml(text), "x"), CARGO),
    "pyproject": (facts_of, PYPROJECT),
    "requires-txt": (backend.parse_requires_txt, "a>=1\n\n[test]\npytest\n\n[:python_version<'3']\nb\n"),
    "index-json": (page_of("application/vnd.pypi.simple.v1+json"), JSON_PAGE),
    "index-html": (page_of("text/html"), HTML_PAGE),
    "metadata": (wheel_of, METADATA),
    "wheel": (lambda text: wheel_of(wheel=text), WHEEL),
    "wheel-name": (lambda text: wheel_of(name=text), PYTHON_WHEEL),
    "entry-points": (lambda text: wheel_of(points=text), ENTRY_POINTS),
    "record": (record_of, RECORD),
    "version": (version_of, "1!2.0rc1.post2.dev3+local"),
    "artifact": (artifact_of, ARTIFACT),
    **{f"answer-{kind}": (answer_of(kind), text) for kind, text in (
        ("facts", FACTS), ("environment", PACKAGES), ("history", ENTRIES), ("pin", json.dumps(FILE)),
        ("closure", '{"a": "1"}'), ("sound", "true"), ("trial", '{"packages": ["a"], "passed": 1}'),
        ("missed", '["2026-01-01", ["CVE-1"]]'), ("requires", '["a>=1"]'), ("index-page", json.dumps(
            {"time": 1, "indexes": [["http://x", [
                {"name": "a-1.tar.gz", "url": "http://x/", "sha256": ""}]]]})))},
    "signed-list": (signed.parse_list, f"debxcross store, layout 1\n{SHA}  artifacts/ab/{KEY}.json\n"),
    "manifest": (lambda text: parse_manifest(text, "x"), MANIFEST),
    "filter": (lambda text: parse_filter(text, True), "libfoo:/usr/lib/*"),
    "repository": (parse_repository, REPOSITORY),
    "events": (status_of, EVENTS),
    "report": (trial.parse_report, REPORT),
    "print-uris": (parse_print_uris, URIS),
    "key": (lambda text: openpgp.public_keys(openpgp.dearmor(text.encode("utf-8", "replace"))), KEY_BLOCK),
    "address": (addresses_of, "https://user:pass@host:80/path?x#y"),
}
TOML = ("chain", "lock", "projects", "cargo-lock", "pyproject")
#: What breaks parsers: paths, control characters, numbers, nesting, quotes, sizes.
HOSTILE = (
    "../", "/etc/passwd", "..", "\x00", "\x1b]0;x\x07", "\n", "\r", "\n\n", "\u2028", "\ufeff", "\u202e",
    "é", "😀",
    "-1", "0", "9" * 30, "9" * 5000, "1e999", "NaN", "1.5", "null", "true", "[]", "{}", '""', "[" * 3000,
    "{\"a\":" * 3000, "a." * 3000 + "b=1\n", "'" * 3,
    '"' * 3, "\\", "%00", "%2e%2e%2f", "file:///etc/passwd",
    "http://[", "http://a:b@c/", "//", " ", "\t", ":", "=", ",", ";", "#", "<", ">", "(", ")", "|", "*",
    "$(x)",
    "\\ud800", "\\u0000", "A" * 3000, "(" * 300, "<!--", "<![x", "&#xffffffff;", "-r r.txt", " -- ", "inf",
)


@st.composite
def spoilt(draw: st.DrawFn, text: str) -> str:
    """A good text with up to four places cut out, doubled, or replaced by something hostile."""
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 40)))
        piece = draw(st.one_of(
            st.sampled_from(HOSTILE), st.just(""), st.just(text[start:end] * 2), st.text(max_size=8)))
        text = text[:start] + piece + text[end:]
    return text


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(HOSTILE),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(("name", "sha256", "files", "size", "x")), inner, max_size=3), max_leaves=6)


@st.composite
def replaced(draw: st.DrawFn, document: Any) -> Any:
    """A JSON document with one value, at any depth, replaced by another, or one key dropped or added."""
    if isinstance(document, dict) and document and draw(st.integers(0, 4)):
        key = draw(st.sampled_from(sorted(document)))
        if draw(st.integers(0, 6)) == 0:
            return {name: value for name, value in document.items() if name != key}
        return {**document, key: draw(replaced(document[key]))}
    if isinstance(document, list) and document and draw(st.integers(0, 4)):
        number = draw(st.integers(0, len(document) - 1))
        return [*document[:number], draw(replaced(document[number])), *document[number + 1:]]
    return draw(VALUES)


def tried(name: str, text: str) -> None:
    try:
        TARGETS[name][0](text)
    except DebxcrossError:
        pass
    except ValueError:
        # A reader of the border says what is wrong; who asks it knows the file.
        assert name.startswith(("artifact", "answer")) or name in TOML and not _is_toml(text)


def _is_toml(text: str) -> bool:
    try:
        border.read_toml(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("name", TARGETS)
def test_the_good_text_is_read(name: str) -> None:
    if name not in ("sources", "record", "key", "version", "address", "snapshot"):
        TARGETS[name][0](TARGETS[name][1])


@pytest.mark.parametrize("name", TARGETS)
def test_spoilt_texts_end_in_our_own_errors(name: str) -> None:
    @FUZZ
    @given(spoilt(TARGETS[name][1]))
    def attempt(text: str) -> None:
        tried(name, text)
    attempt()


def _is_document(text: str) -> bool:
    try:
        return isinstance(json.loads(text), (dict, list))
    except ValueError:
        return False


@pytest.mark.parametrize("name", [name for name, (_, text) in TARGETS.items() if _is_document(text)])
def test_documents_of_another_shape_end_in_our_own_errors(name: str) -> None:
    @FUZZ
    @given(replaced(json.loads(TARGETS[name][1])))
    def attempt(document: Any) -> None:
        tried(name, json.dumps(document))
    attempt()


@pytest.mark.parametrize(("name", "read"), [
    ("chain", lambda document: chain.parse(document, "x")),
    ("lock", lambda document: lock.parse(document, "x")),
    ("projects", lambda document: requirement.parse_options(document, "x")),
    ("cargo-lock", lambda document: crates.parse_lock(document, "x")),
    ("pyproject", lambda document: backend.read_facts("x-1.tar.gz", "x", "1", document, {})),
])
def test_toml_of_another_shape_ends_in_our_own_errors(name: str, read: Callable[[Any], object]) -> None:
    @FUZZ
    @given(replaced(border.read_toml(TARGETS[name][1])))
    def attempt(document: Any) -> None:
        if isinstance(document, dict):
            try:
                read(document)
            except DebxcrossError:
                pass
    attempt()


@FUZZ
@given(st.one_of(st.text(max_size=60), st.sampled_from(HOSTILE), VALUES))
def test_what_the_border_lets_in_stays_in_its_place(value: Any) -> None:
    if border.is_name(value):
        assert "/" not in value and value not in ("", ".", "..") and "\n" not in value and "\0" not in value
    if border.is_relative(value):
        assert not value.startswith("/") and ".." not in value.split("/")
    if border.is_line(value):
        assert len(value.splitlines()) <= 1 and "\0" not in value
    if border.is_word(value):
        assert len(value.split()) == 1 and not set(value) & set("\"'`#$;\\")
    if border.is_sha256(value):
        assert len(value) == 64 and int(value, 16) >= 0
