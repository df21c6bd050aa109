# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import re
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from debxcross import config
from debxcross.core import border
from debxcross.core.archive.world import Archive, SuiteUse, World
from debxcross.core.artifact import Artifact, StoredFile, artifact_from
from debxcross.core.border import Name, Sha256, Size
from debxcross.core.chain import answers, chain, lock
from debxcross.core.key import canonical, plain
from debxcross.core.url import below, without_password
from debxcross.core.wheel.index import Page, parse_page
from debxcross.errors import ConfigurationError, DebxcrossError, FetchError, LockError, without_logins
from debxcross.events import Event, Events

SHA = "0123456789abcdef" * 4
KEY = "ab" * 32
PACKAGE = Path(__file__).parents[2] / "debxcross"


@pytest.mark.parametrize(("rule", "good", "bad"), [
    (border.is_name, ("a", "a_1%3a2_armel.deb", "é.deb", "a" * 255, "a b"),
     ("", ".", "..", ".hidden", "a/b", "/a", "../a", "a\nb", "a\0", "a\x1b[0m", "a\u2028b", "a" * 256,
      "é" * 200, "\ud800", 3, None, b"a")),
    (border.is_sha256, (SHA,), ("", SHA.upper(), SHA[1:], SHA + "0", SHA[:-1] + "g", SHA + "\n", "٠" * 64,
                                1)),
    (border.is_size, (0, 1, (1 << 63) - 1), (-1, 1 << 63, True, 1.0, "1", None)),
    (border.is_relative, ("a", "a/b", "pool/main/a_1.deb", "a/..b"),
     ("", "/a", "..", "a/..", "../a", "a//b", "a/", "./a", "a/./b", "a\nb", "a" * 5000, None)),
    (border.is_line, ("", "a b", "é", "a\u00a0b"), ("a\nb", "a\rb", "\0", "\x85", "\u2029", "\x1b]0;x", 1,
                                                    None)),
    (border.is_text, ("", "a\n\tb"), ("\0", "\x1b", "a\rb", None)),
    (border.is_word, ("a", "http://[::1]:80/debian", "/etc/apt/a.gpg"),
     ("", "a b", "a\tb", "a;b", 'a"b', "a'b", "a#b", "a\\b", "$(x)", "`x`", "{", "a\u00a0b", None)),
    (border.is_quotable, ("", "a b;#"), ('a"b', "a\\b", "a\nb", None)),
])
def test_rules(rule: Any, good: tuple[object, ...], bad: tuple[object, ...]) -> None:
    assert [one for one in good if not rule(one)] == []
    assert [one for one in bad if rule(one)] == []


@pytest.mark.parametrize("text", ["", "-1", "1.0", "1e3", " 1", "1 ", "1_0", "٣", "9" * 20, "9" * 19, "0x1"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError):
        border.size_of(text)


@pytest.mark.parametrize(("text", "said"), [
    ("[" * 100000, "nested deeper"), ('{"a":' * 100000, "nested deeper"), ("[" * 65 + "]" * 65,
                                                                           "nested deeper"),
    ("NaN", "no number"), ("-Infinity", "no number"), ("1e999", "too large"), ('"\\ud800"',
                                                                               "half a character"),
    ('{"\\uDC00x": 1}', "half a character"), ("\ud800", "no UTF-8"), ("", "Expecting value"),
    ("9" * 5000, "Exceeds the limit"),
])
def test_json_that_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        border.read_json(text)


def test_json_that_is_read() -> None:
    assert border.read_json(b'{"a": [1.5, "\\ud83d\\ude00", null]}') == {"a": [1.5, "😀", None]}
    assert border.read_json("[" * 64 + "]" * 64)
    for text in ("1.5", "[1e2]"):
        with pytest.raises(ValueError, match="no whole number"):
            border.read_json(text, whole=True)
    with pytest.raises(ValueError):
        border.read_json(b"\xff")


@pytest.mark.parametrize("text", ["a = " + "[" * 100000, "a = " + "{a=" * 5000, ".".join("a" * 70) + " = 1",
                                  "[" + ".".join("a" * 3000) + "]"])
def test_toml_that_is_nested_too_deep(text: str) -> None:
    with pytest.raises(ValueError, match="nested deeper"):
        border.read_toml(text)


@dataclass(frozen=True)
class Inner:
    name: Name
    size: Size = 0


@dataclass(frozen=True)
class Outer:
    inner: tuple[Inner, ...]
    pair: tuple[str, Sha256]
    choice: int | None = None


def test_values_are_made_of_json() -> None:
    value = {"inner": [{"name": "a", "size": 1}, {"name": "b"}], "pair": ["x", SHA], "choice": None}
    assert border.read_as(Outer, value) == Outer((Inner("a", 1), Inner("b")), ("x", SHA), None)


@pytest.mark.parametrize(("changes", "said"), [
    ({"inner": [{"name": "../a"}]}, re.escape("inner[0].name: '../a' has no place there")),
    ({"inner": [{"name": "a", "size": True}]}, "inner.0..size: True"), ({"inner": {}}, "inner: {}"),
    ({"inner": [{}]}, "lacks 'name'"), ({"inner": ["a"]}, "inner.0.: 'a'"), ({"pair": ["x"]}, "pair"),
    ({"pair": ["x", SHA.upper()]}, "pair.1."), ({"choice": "1"}, "choice"), ({"choice": True}, "choice"),
    ({"more": 1}, "has 'more', which has no place there"),
])
def test_values_of_another_shape_are_named(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        border.read_as(Outer, {"inner": [], "pair": ["", SHA], **changes})


# Artifacts and answers: names and digests become paths

ARTIFACT = plain(Artifact(KEY, "zlib", (StoredFile("zlib1g_1_armel.deb", SHA, 3),), {
    "kind": "source", "source": "zlib", "version": "1", "patches": ["some"], "inputs": {
        "host": "armel", "files": [["zlib.dsc", SHA]], "environment": [f"libc6:armel=2 {SHA}"]}}))


def test_an_artifact_is_made_of_what_it_became() -> None:
    found = artifact_from(json.loads(canonical(ARTIFACT)), KEY)
    assert found.member == "zlib" and canonical(found) == canonical(ARTIFACT)


def _changed(value: Any, place: str, new: Any) -> Any:
    head, _, rest = place.partition(".")
    key: Any = int(head) if head.isdigit() else head
    copy = list(value) if isinstance(value, list) else dict(value)
    if new is ... and not rest:
        del copy[key]
    else:
        copy[key] = _changed(value[key], rest, new) if rest else new
    return copy


DAMAGES = [
    *(("files.0.name", name) for name in ("../../../etc/cron.d/x", "/tmp/x", "..", "", ".x", "a/b", "a\nb",
                                          3, None)),
    *(("files.0.sha256", sha256) for sha256 in ("../../../../etc/passwd", "", "x", SHA.upper(), 3, None, [])),
    *(("files.0.size", size) for size in (-1, "3", True, None, 1 << 70)),
    *(("files", files) for files in ({}, "x", None, [1], [[]], 3)),
    *((place, ...) for place in ("files", "key", "member", "files.0.name", "files.0.sha256", "files.0.size")),
    *(("key", key) for key in ("../x", "cd" * 32, 3, None)), ("member", 3), ("member", "a\nb"), ("extra", 1),
    *(("provenance", told) for told in (3, "x", [], None)),
    *((f"provenance.{key}", told) for key in ("version", "kind", "source") for told in (3, [], "a\nb")),
    *(("provenance.inputs", told) for told in (3, "x", [])), ("provenance.patches", "some"),
    ("provenance.patches", [3]), ("provenance.inputs.environment", 3), ("provenance.inputs.environment", [3]),
    ("provenance.inputs.files", [["x"]]), ("provenance.inputs.files", 3), ("provenance.inputs.host", []),
]


@pytest.mark.parametrize(("place", "new"), DAMAGES, ids=repr)
def test_a_damaged_artifact_is_none(place: str, new: Any) -> None:
    value = json.loads(canonical(ARTIFACT))
    with pytest.raises(ValueError):
        artifact_from(_changed(value, place, new), KEY)


@pytest.mark.parametrize(("kind", "value"), [
    ("environment", [{"uri": "x", "file": "../a_1_all.deb", "size": 1, "sha256": SHA}]),
    ("environment", [{"uri": "x", "file": "a.deb", "size": 1, "sha256": SHA}]),
    ("environment", [{"uri": "x", "file": "a_1_all.deb", "size": 1, "sha256": "../x"}]),
    ("environment", [{"uri": "x", "file": "a_1_all.deb", "size": 1}]), ("environment", {}), ("environment",
                                                                                             3),
    ("pin", {"name": "/etc/passwd", "sha256": SHA, "size": 1}), ("pin", []), ("sound", 1), ("sound", "true"),
    ("wheel", {"name": "a.whl", "sha256": SHA}), ("history", {"entries": [{}]}), ("history", []), ("facts",
                                                                                                   {}),
    ("facts", {"sources": [], "packages": [], "compiler": "", "skew": []}), ("closure", {"a": 1}),
    ("machine", {"entries": [{"uris": ["a\nb"], "suites": [], "signed_by": ""}], "acquire": [],
                 "templates": {}}),
    ("trial", {"packages": ["a"], "passed": "1"}), ("publication", {}), ("requires", "a>=1"), ("missed",
                                                                                               ["a"]),
    ("index-page", {"time": 1, "indexes": [["http://x", [{"name": "../a", "url": "http://x/"}]]]}),
    ("index-page", {"time": 1, "files": []}), ("libraries", []), ("tree", {"known": 1}),
    ("made-sdist", {"name": "a", "version": "1", "file": {"name": "/a", "sha256": SHA, "size": 1}}),
    ("sdist", {"texts": {"a": 1}}), ("key-warnings", [1]), ("root-packages", None), ("anything", None),
])
def test_an_answer_of_another_shape_is_none(kind: str, value: Any) -> None:
    assert answers.fault(kind, value)


def test_every_kind_of_answer_has_a_shape() -> None:
    text = "".join(path.read_text() for path in PACKAGE.rglob("*.py"))
    used = set(re.findall(r'(?:\.remember\(|remembered\(\w+, |_machine\()"([a-z-]+)"', text))
    assert {"facts", "environment", "history", "pin"} <= used
    shapeless = {kind for kind in used if not answers.fault(kind, object())}
    assert shapeless <= {"build-architecture"}, "a kind of answer needs its shape in core/chain/answers.py"


# Locks and chains

LOCK = f"""\
schema = 1
chain = "small"
chain-digest = "{SHA}"
release = "bookworm"
build-architecture = "amd64"
host-architecture = "armel"
[archives]
[packages]
build-root = ["libc6 1:2.36 armel {SHA} 10 main/pool/libc6_2.36_armel.deb"]
device-root = []
device = []
[[member]]
name = "zlib"
kind = "source"
version = "1.2"
suite = "bookworm"
suffix = ""
files = ["zlib_1.2.dsc {SHA} 10 main/pool/zlib_1.2.dsc"]
patches = ["some {SHA}"]
packages = []
"""


def test_the_lock_is_read() -> None:
    read = lock.parse(tomllib.loads(LOCK), "x")
    assert read.packages[0].file == "libc6_1%3a2.36_armel.deb"


@pytest.mark.parametrize(("old", "new"), [
    ("zlib_1.2.dsc 0", "/tmp/x 0"), ("zlib_1.2.dsc 0", "../../x 0"), ("zlib_1.2.dsc 0", ".bashrc 0"),
    (" main/pool/zlib", " main/../../zlib"), (" main/pool/zlib", " /etc/zlib"), ("10 main/pool/z",
                                                                                 "-1 main/pool/z"),
    ("10 main/pool/z", f"{'9' * 40} main/pool/z"), ("libc6 1:2.36 armel", "../libc6 1 armel"),
    ("libc6 1:2.36 armel", "libc6 ../1 armel"), ("libc6 1:2.36 armel", "libc6 1 ../armel"),
    ("libc6 1:2.36 armel", "li_bc6 1 armel"), ('"some ', '"../some '), ('name = "zlib"', 'name = "../zlib"'),
    ('kind = "source"', 'kind = "a/b"'), ('suffix = ""', 'suffix = "\\n x"'), ('version = "1.2"',
                                                                               'version = "a b"'),
    (SHA, SHA.upper()), (SHA, "../" + SHA), ("schema = 1", "schema = true"), ('chain = "small"',
                                                                              'chain = "a\\u0000"'),
    ('suite = "bookworm"', 'suite = "a\\nb"'),
])
def test_a_lock_leads_nowhere(old: str, new: str) -> None:
    assert old in LOCK
    with pytest.raises(LockError):
        lock.parse(tomllib.loads(LOCK.replace(old, new)), "x")


HEAD = {"chain": {"name": "small", "release": "bookworm"}, "source": [{"name": "zlib"}]}
WHEEL = {"name": "six", "version": "1", "file": "six-1.tar.gz", "sha256": SHA, "python": "3.11"}


@pytest.mark.parametrize(("key", "document"), [
    ("path-excludes", {"chain": {**HEAD["chain"], "path-excludes": [f"/usr/share/doc/*{end}"]}})
    for end in ("\npost-invoke=touch /x", "\rx", "\u2028x", "\0", " x", "\x85x")
] + [
    ("profiles", {"chain": {**HEAD["chain"], "profiles": ["cross,nocheck\nx"]}}),
    ("name", {"chain": {**HEAD["chain"], "name": "a\nb"}}),
    ("packages", {"trial": {"packages": ["--allow-unauthenticated"]}}),
    ("packages", {"trial": {"packages": ["a\nb"]}}), ("before", {"trial": {"before": ["-o=Dir=/x"]}}),
    ("commands", {"trial": {"commands": ["a\0b"]}}),
    *((key, {"wheel": [{**WHEEL, key: value}]}) for key, value in (
        ("name", "../x"), ("name", "a b"), ("file", "../six.tar.gz"), ("file", "/tmp/six.tar.gz"), ("file",
                                                                                                    ".x"),
        ("version", "1\n2"), ("package", "../x"), ("package", "a b"), ("host-needs", ["a b"]),
        ("host-needs", ["-o x"]), ("build-packages", ["a\nb"]), ("replaces", ["a, b"]), ("settings",
                                                                                         ["a\nb"]),
        ("environment", ["A=\0"]), ("smoke", "x\0"))),
])
def test_text_of_a_chain_stays_a_word_or_a_line(key: str, document: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as raised:
        chain.parse({**HEAD, **document}, "x")
    assert f"{key}:" in raised.value.details


def test_thousands_of_faults_are_told_at_once_and_soon() -> None:
    started = time.monotonic()
    names = [{"name": f"no-such-{number}", "colour": 1} for number in range(10000)]
    with pytest.raises(ConfigurationError) as raised:
        chain.parse({**HEAD, "source": names, **{f"x{number}": 1 for number in range(10000)}}, "x")
    assert time.monotonic() - started < 20 and "more unknown keys" in raised.value.details
    rows = [f"a{number} ../x {SHA}" for number in range(10000)]
    with pytest.raises(LockError, match="has 10000 faults") as told:
        lock.parse({**tomllib.loads(LOCK), "packages": {"build-root": rows, "device-root": [],
                                                        "device": []}}, "x")
    assert told.value.details.splitlines()[-1] == "and 9960 more"


@pytest.mark.parametrize(("line", "said"), [
    ('store = "/tmp/a\\"b"', "apt's configuration"), ('maintainer = "a\\nb"', "control character"),
    ('[mirrors]\nmain = ["http://a/ x"]', "sources.list"), ('[mirrors]\nkeyrings = ["/a,/b"]',
                                                            "sources.list"),
    ('[mirrors]\nsecurity = ["http://a/\\ndeb http://b/ c d"]', "control character"),
    ('[repository]\norigin = "a\\nSuite: b"', "control character"), ("a = " + "[" * 9000, "nested deeper"),
])
def test_settings_stay_in_their_line(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "debxcross.toml").write_text(line + "\n")
    with pytest.raises(ConfigurationError) as raised:
        config.load({"HOME": str(tmp_path)}, (tmp_path / "debxcross.toml",))
    assert said in raised.value.details and str(tmp_path) in raised.value.details


# Pages of an index

@pytest.mark.parametrize("link", ["file:///etc/passwd/six-1.tar.gz", "ftp://h/six-1.tar.gz",
                                  "data:,six-1.tar.gz",
                                  "gopher:six-1.tar.gz"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_no_page_of_the_network_leads_out_of_it(link: str, scheme: str) -> None:
    for kind, body in (("text/html", f'<a href="{link}">x</a>'), ("application/json", json.dumps(
            {"meta": {"api-version": "1.0"}, "files": [{"filename": "six-1.tar.gz", "url": link,
                                                        "hashes": {}}]}))):
        with pytest.raises(FetchError, match="cannot be read") as raised:
            parse_page(Page(f"{scheme}://h/simple/six/", kind, body.encode()))
        assert "it links to" in raised.value.details
    local = f'<a href="{link}">x</a>'.replace("data:,", "file:/").replace("gopher:", "file:/")
    assert parse_page(Page("file:///mirror/six/index.html", "text/html", local.encode()))


@pytest.mark.parametrize("changes", [
    {"filename": "../six-1.tar.gz"}, {"filename": "a\nb.tar.gz"}, {"filename": 3}, {"size": "1"},
    {"size": -1},
    {"size": True}, {"size": 1 << 70}, {"url": 3}, {"url": "http://["}, {"hashes": []},
    {"requires-python": 3},
])
def test_a_page_of_another_shape_is_refused(changes: dict[str, Any]) -> None:
    file = {"filename": "six-1.tar.gz", "url": "six-1.tar.gz", "hashes": {"sha256": SHA}, **changes}
    body = json.dumps({"meta": {"api-version": "1.0"}, "files": [file]})
    with pytest.raises(FetchError, match="cannot be read"):
        parse_page(Page("http://h/simple/six/", "application/json", body.encode()))


def test_a_deep_page_is_refused() -> None:
    with pytest.raises(FetchError, match="cannot be read"):
        parse_page(Page("http://h/simple/six/", "application/json", b"[" * 200000))


# Secrets

SECRET = "http://me:se:cr@t@mirror.example:8080/debian"


def test_no_login_is_shown() -> None:
    for text in (SECRET, f"E: Failed to fetch {SECRET}/x  401", f"'{SECRET}' and https://a:b@h/"):
        shown = (without_logins(text), str(DebxcrossError(text)), DebxcrossError("", text, "").details)
        assert not any("cr@t" in one or "me:" in one for one in shown)
    assert without_logins("mail x@example.org, http://h/a@b") == "mail x@example.org, http://h/a@b"


def test_no_login_is_in_an_event() -> None:
    heard: list[Event] = []
    events = Events(lambda: 0.0, (heard.append,))
    events.tell("error", "x", f"see {SECRET}", details=[{"a": SECRET}], brief=SECRET)
    assert "cr@t" not in heard[0].line() and "mirror.example:8080" in heard[0].line()


def test_no_login_is_in_what_a_build_root_sees() -> None:
    one = SuiteUse("bookworm", Archive("main", (SECRET,), ("/a.gpg",)), ("armel",), source=True)
    world = World("amd64", "armel", (one,))
    inside = world.sources_list({})
    assert "cr@t" not in inside and "http://mirror.example:8080/debian" in inside
    assert SECRET in world.sources_list({}, logins=True)


@pytest.mark.parametrize(("url", "base", "rest"), [
    ("http://mirror.example:8080/debian/pool/a", SECRET, "pool/a"), (f"{SECRET}/pool/a", SECRET + "/",
                                                                     "pool/a"),
    ("http://mirror.example:8080/debian", SECRET, None), ("http://mirror.example:8080/debianx/a", SECRET,
                                                          None),
    ("http://other.example/debian/a", SECRET, None), ("file:/m/a", "file:///m", "a"), ("file:/m/a",
                                                                                       "file:/m/", "a"),
    ("mirror+file:/s/mirrors.txt/pool/a", "mirror+file:/s/mirrors.txt", "pool/a"),
])
def test_addresses_below_a_mirror(url: str, base: str, rest: str | None) -> None:
    assert below(url, base) == rest
    assert "cr@t" not in without_password(url)


@pytest.mark.parametrize(("value", "good"), [
    (0, True), (1.5, True), (253402300799, True), (253402300800, False), (-1, False), (10**400, False),
    (True, False), ("1", False), (None, False),
])
def test_times(value: object, good: bool) -> None:
    assert border.is_moment(value) == good
