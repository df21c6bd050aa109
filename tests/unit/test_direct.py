# SPDX-License-Identifier: GPL-3.0-or-later
"""Requirements by place, where pinned files come from, and what pip's options choose."""
from __future__ import annotations

import pytest

from debxcross.core.wheel.direct import (
    ADDRESS, GIT, PATH, Direct, Origin, is_origin, marker_holds, parse_direct, parse_origin,
)
from debxcross.core.wheel.requirement import expanded, read_requirements
from debxcross.core.wheel.selection import Selection
from debxcross.errors import ConfigurationError

SHA, COMMIT = "a" * 64, "b" * 40


@pytest.mark.parametrize("text,found", [
    ("six", None), ("six>=1 ; python_version > '3'", None), ("requests[socks]==2.*", None),
    ("./lamp", Direct(PATH, "./lamp", "x")),
    (".", Direct(PATH, ".", "x")),
    ("./lamp[neon,Led]", Direct(PATH, "./lamp", "x", extras=("led", "neon"))),
    ("sub/lamp ; python_version > '3'", Direct(PATH, "sub/lamp", "x", marker='python_version > "3"')),
    ("lamp-1.0-py3-none-any.whl", Direct(PATH, "lamp-1.0-py3-none-any.whl", "x")),
    ("lamp-1.0.tar.gz", Direct(PATH, "lamp-1.0.tar.gz", "x")),
    ("Lamp_x @ file:///a/b%20c", Direct(PATH, "/a/b c", "x", "lamp-x")),
    ("lamp @ file:sub/dir", Direct(PATH, "sub/dir", "x", "lamp")),
    ("lamp[neon] @ git+https://u:p@h.example/x.git@v1.0#subdirectory=s/t",
     Direct(GIT, "https://u:p@h.example/x.git", "x", "lamp", ("neon",), reference="v1.0",
            subdirectory="s/t")),
    ("git+file:///r/x@feature/one#egg=lamp[neon]",
     Direct(GIT, "file:///r/x", "x", "lamp", ("neon",), reference="feature/one")),
    ("git+ssh://git@h.example/x.git@main", Direct(GIT, "ssh://git@h.example/x.git", "x", reference="main")),
    (f"lamp @ https://h.example/lamp-1.0.tar.gz#sha256={SHA}",
     Direct(ADDRESS, "https://h.example/lamp-1.0.tar.gz", "x", "lamp", sha256=SHA)),
])
def test_what_names_a_place(text: str, found: Direct | None) -> None:
    assert parse_direct(text, "x") == found


@pytest.mark.parametrize("text,words", [
    ("lamp @ https://h.example/lamp-1.0.tar.gz", "give its digest"),
    ("https://u:secret@h.example/page", "is no wheel and no sdist"),
    ("lamp @ hg+https://h.example/x", "only git is known"),
    ("lamp @ ftp://h.example/x.tar.gz", "is no place"),
    ("git+https://h.example/x.git", "add @ and the commit, tag or branch"),
    ("git+git@h.example:x.git", "write git"),
    ("git+ext::sh -c id@main", "write git"),
    ("git+https://h.example/x.git@--upload-pack=id", "is no branch, tag or commit"),
    ("git+https://h.example/x.git@a..b", "is no branch, tag or commit"),
    ("git+https://h.example/x.git@main#subdirectory=../..", "leads out of the project"),
    ("lamp @ file://elsewhere.example/lamp", "another machine"),
    ("./lamp[a b]", "is not a requirement"),
    ("./lamp ; python_version >", "cannot be read"),
    ("git+https://h.example/x.git@main#egg=a%20b", "names no project"),
])
def test_places_that_are_none(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        parse_direct(text, "x")
    assert "secret" not in str(caught.value)


def test_what_is_shown_of_a_place_has_no_login() -> None:
    one = parse_direct("git+https://me:secret@h.example/x.git@v1", "x")
    assert one is not None and one.text == "https://h.example/x.git@v1"
    ssh = parse_direct("git+ssh://git@h.example/x.git@v1", "x")
    assert ssh is not None and ssh.text == "ssh://git@h.example/x.git@v1"


def test_a_marker_is_the_device_s() -> None:
    one = parse_direct("./lamp ; platform_machine == 'armv7l'", "x")
    assert one is not None
    assert marker_holds(one, {"platform_machine": "armv7l"})
    assert not marker_holds(one, {"platform_machine": "x86_64"})


@pytest.mark.parametrize("origin,identity", [
    (Origin("file:///a/lamp-1.0.tar.gz"), ""),
    (Origin("https://h.example/lamp-1.0.tar.gz"), ""),
    (Origin("file:///a/b%20c", SHA), f"a directory, tree sha256:{SHA}"),
    (Origin("file:///a/b", SHA, COMMIT, dirty=True),
     f"a directory, tree sha256:{SHA}, commit {COMMIT} with uncommitted changes"),
    (Origin("git+https://h.example/x.git", SHA, COMMIT, "s/t"), f"git+https://h.example/x.git@{COMMIT} s/t"),
    (Origin("git+file:///r/x", SHA, COMMIT), f"git+file:///r/x@{COMMIT}"),
    (Origin("git+ssh://git@h.example/x.git", SHA, COMMIT), f"git+ssh://git@h.example/x.git@{COMMIT}"),
])
def test_origins_are_written_and_read(origin: Origin, identity: str) -> None:
    assert parse_origin(origin.to_text()) == origin and is_origin(origin.to_text())
    assert origin.identity == identity


@pytest.mark.parametrize("text", [
    f"git+https://u:p@h.example/x@{COMMIT}", "file:///x#tree=aa", "git+https://h.example/x@main", "ftp://x",
    "file:///a#x=y", f"git+ext::id@{COMMIT}", "file:///a\nb", "",
    f"git+https://h.example/x@{COMMIT}#subdirectory=..",
    "file:///a#tree", f"https://me@h.example/x.whl#tree={SHA}",
])
def test_origins_that_are_none(text: str) -> None:
    assert not is_origin(text)


def test_directories_and_repositories_in_files() -> None:
    found = read_requirements((), ("r.txt",), (), lambda _: (
        "-e .\n--editable ./lib[fast]\nlamp @ git+https://h.example/x.git@v1\nsix\n"
        "-i https://one.example/?a=b\n--extra-index-url=https://two.example/simple\n--pre\n"
        "--no-binary multidict,Yarl\n--only-binary :none:\n"))
    assert [one.text for one in found.direct] == [".", "./lib", "https://h.example/x.git@v1"]
    assert [one.text for one in found.wanted] == ["six"]
    assert found.direct[1].origin == "r.txt:2"
    assert found.selection == Selection(
        "https://one.example/?a=b", ("https://two.example/simple",), frozenset(("multidict", "yarl")),
        pre=True)


def test_files_add_to_what_the_command_line_says() -> None:
    given = Selection("https://cli.example", ("https://a.example",), frozenset(("six",)))
    found = read_requirements(("six",), ("r.txt",), (), lambda _: (
        "--extra-index-url https://b.example\n--only-binary six\n"), selection=given).selection
    assert found.index_url == "https://cli.example"
    assert found.extra_index_urls == ("https://a.example", "https://b.example")
    assert (found.no_binary, found.only_binary) == (frozenset(), frozenset(("six",)))


@pytest.mark.parametrize("line,words", [
    (f"./lamp --hash=sha256:{SHA}\nsix", "six has no --hash, but others have"),
    (f"six --hash=sha256:{SHA}\n./lamp", "./lamp has no hash that could be compared"),
    (f"./a.whl --hash=sha256:{SHA} --hash=sha256:{'c' * 64}", "more than one hash"),
    ("--find-links x", "files come from indexes"), ("--no-index", "files come from indexes"),
    ("--prefer-binary", "not supported"), ("--only-binary a/b", "is neither a project"),
    ("-e svn+https://h.example/x", "only git is known"),
    ("-e six ==", "is not a requirement"),
])
def test_faults_of_requirements_files(line: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_requirements((), ("r.txt",), (), lambda _: line)
    assert words in caught.value.details


def test_a_constraint_names_no_place() -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_requirements(("six",), (), ("c.txt",), lambda _: "lamp @ file:///a\n")
    assert caught.value.details == "c.txt:1: /a: a constraint names versions, no place"


def test_variables_as_pip_expands_them() -> None:
    text = "-i https://${USER_1}:${TOKEN}@h.example/\n# $TOKEN ${token} ${NONE}\n"
    assert expanded(text, {"USER_1": "me", "TOKEN": "t", "token": "x"}) == (
        "-i https://me:t@h.example/\n# $TOKEN ${token} ${NONE}\n")


@pytest.mark.parametrize("no,only,name,wheels,sdists", [
    ((), (), "a", True, True),
    (("a",), (), "a", False, True), (("a",), (), "b", True, True), (("A_b",), (), "a-b", False, True),
    ((":all:",), (), "b", False, True), ((), (":all:",), "b", True, False),
    ((":all:",), ("a",), "a", True, False), ((":all:",), ("a",), "b", False, True),
    ((":all:", ":none:"), (), "a", True, True), (("a,:none:,b",), (), "a", True, True),
    (("a,:none:,b",), (), "b", False, True), (("a", ":all:"), (), "b", False, True),
])
def test_no_binary_and_only_binary(
    no: tuple[str, ...], only: tuple[str, ...], name: str, wheels: bool, sdists: bool
) -> None:
    chosen = Selection()
    for value in no:
        chosen = chosen.without_binary(value)
    for value in only:
        chosen = chosen.with_only_binary(value)
    assert (chosen.wheels(name), chosen.sdists(name)) == (wheels, sdists)


def test_the_later_option_counts() -> None:
    assert Selection().without_binary("a").with_only_binary("a").no_binary == frozenset()
    assert Selection().with_only_binary("a").without_binary(":all:").only_binary == frozenset()
