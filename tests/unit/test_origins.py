# SPDX-License-Identifier: GPL-3.0-or-later
"""Sources of one's own: what a chain and a command line may say, and what a tree says of itself."""
from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from debian.debian_support import DpkgArchTable, Version

from debxcross.core.archive import own
from debxcross.core.archive.origin import Origin
from debxcross.core.archive.own import TopEntry, source_of, top_entry
from debxcross.core.archive.source import expected_binaries, parts
from debxcross.core.archive.taken import Commit, Contents, Taken, suffixed
from debxcross.core.artifact import StoredFile
from debxcross.core.build.own import is_source_file, source_script
from debxcross.core.chain.chain import Chain, parse
from debxcross.core.chain.lock import chain_digest
from debxcross.core.chain.target import parse_target
from debxcross.errors import ConfigurationError

HEAD: dict[str, Any] = {"chain": {"name": "x", "release": "bookworm"}}
SHA = "ab" * 32
COMMIT = "1a2b3c4d5e" * 4
CHANGELOG = """\
tool (1.2-3) unstable; urgency=medium

  * Something.

 -- Me <me@example.org>  Mon, 02 Nov 2026 10:00:00 +0000

tool (1.1-1) unstable; urgency=medium

  * Earlier.

 -- Me <me@example.org>  Sun, 01 Nov 2026 10:00:00 +0000
"""
CONTROL = """\
# A comment
Source: tool
Build-Depends: debhelper-compat (= 13), libx-dev
Build-Depends-Arch: libarch-dev
Build-Depends-Indep: doxygen <!nodoc>,

Package: tool
Architecture: any
Provides: tool-api (= 1), ${extra:Provides}

Package: tool-data
Architecture: all

Package: tool-doc
Architecture: all
Build-Profiles: <!nodoc> <force both>

Package: tool-udeb
Architecture: any
Package-Type: udeb
"""


def chain(*sources: dict[str, Any], **more: Any) -> Chain:
    return parse({**HEAD, "source": list(sources), **more}, "x.toml")


def faults(*sources: dict[str, Any], **more: Any) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        chain(*sources, **more)
    return caught.value.details.splitlines()


def taken(origin: Origin = Origin("path", "tool"), changed: bool = False, control: str = CONTROL) -> Taken:
    entry = top_entry(CHANGELOG, "tool")
    contents = Contents(SHA, {"changelog": CHANGELOG, "control": control},
                        Commit(COMMIT, 1793620800, "", changed))
    return suffixed(Taken(origin, source_of(control, entry, "tool"), control, entry, contents))


def test_every_origin_is_read() -> None:
    found = chain(
        {"name": "a1", "path": "../a"}, {"name": "b1", "git": "https://example.org/b.git", "tag": "v1",
                                         "version-suffix": "git", "keyring": "keys.gpg", "submodules": True},
        {"name": "c1", "git": "/srv/c", "commit": COMMIT}, {"name": "d1", "dsc": "d_1.dsc"},
        {"name": "e1", "dsc": "https://example.org/e_1.dsc", "sha256": SHA}, {"name": "zlib"},
        deb=[{"name": "vendor", "url": "https://example.org/v_1_armel.deb", "sha256": SHA},
             {"name": "near", "path": "near_1_armel.deb"}])
    assert [one.origin for one in found.sources] == [
        Origin("path", "../a"),
        Origin("git", "https://example.org/b.git", "tag", "v1", "", "git", True, "keys.gpg"),
        Origin("git", "/srv/c", "commit", COMMIT), Origin("dsc", "d_1.dsc"),
        Origin("dsc", "https://example.org/e_1.dsc", sha256=SHA), None]
    assert found.members == ("a1", "b1", "c1", "d1", "e1", "zlib", "vendor", "near")
    assert [one.name for one in found.archived().sources] == ["zlib"]
    placed = found.below("/home/me").sources[0].origin
    assert placed is not None and placed.path() == "/home/me/../a"


@pytest.mark.parametrize(("table", "said"), [
    ({"path": "a", "git": "b", "tag": "1"}, ["source[x1].git: a source has one origin, and 'path' is another",
                                             "source[x1].tag: has no meaning with 'path'"]),
    ({"git": "b"}, ["source[x1].git: needs exactly one of commit, tag, branch; it has none"]),
    ({"git": "b", "tag": "1", "branch": "m"},
     ["source[x1].git: needs exactly one of commit, tag, branch; it has tag and branch"]),
    ({"git": "b", "commit": "1234"}, ["source[x1].commit: '1234' is not valid here"]),
    ({"git": "b", "tag": "--upload-pack=x"}, ["source[x1].tag: '--upload-pack=x' is not valid here"]),
    ({"git": "b", "branch": "m", "keyring": "k"}, ["source[x1].keyring: verifies a tag, and there is none"]),
    ({"dsc": "https://example.org/x_1.dsc"},
     ["source[x1].sha256: missing: a 'dsc' that is fetched needs its sha256"]),
    ({"dsc": "x.tar"}, ["source[x1].dsc: 'x.tar' does not end in .dsc"]),
    ({"path": "https://me:secret@example.org/x"},
     ["source[x1].path: 'https://example.org/x' is an address, not a directory; a repository is a 'git'"]),
    ({"path": "a", "suite": "bookworm"},
     ["source[x1].suite: is for sources of the archive; this one has 'path'"]),
    ({"version-suffix": "git"}, ["source[x1].version-suffix: has no meaning for a source of the archive"]),
    ({"path": "a", "version-suffix": "hg"}, ["source[x1].version-suffix: must be \"git\", not 'hg'"]),
    ({"path": "a", "submodules": "yes"}, ["source[x1].submodules: must be true or false, not 'yes'"]),
    ({"path": ""}, ["source[x1].path: must not be empty"]),
])
def test_faults_of_an_origin(table: dict[str, Any], said: list[str]) -> None:
    assert faults({"name": "x1", **table}) == said


def test_faults_of_debs() -> None:
    assert faults(deb=[{"name": "a1"}, {"name": "b1", "url": "https://example.org/b.deb"},
                       {"name": "c1", "path": "https://example.org/c.deb", "sha256": SHA},
                       {"name": "d1", "path": "d.zip"}]) == [
        "deb[a1]: needs exactly one of path, url; it has none",
        "deb[b1].sha256: missing: a 'deb' that is fetched needs its sha256",
        "deb[c1].path: 'https://example.org/c.deb' is an address",
        "deb[d1].deb: 'd.zip' does not end in .deb"]


@pytest.mark.parametrize(("text", "origin"), [
    ("./lib", Origin("path", "./lib", base="/w")), (".", Origin("path", ".", base="/w")),
    ("/srv/lib", Origin("path", "/srv/lib", base="/w")), ("x_1.dsc", Origin("dsc", "x_1.dsc", base="/w")),
    ("git+file:///srv/a.git@v1", Origin("git", "/srv/a.git", "", "v1", base="/w")),
    (f"git+https://example.org/a@{COMMIT}",
     Origin("git", "https://example.org/a", "commit", COMMIT, base="/w")),
    ("git+me@host:a.git@main", Origin("git", "me@host:a.git", "", "main", base="/w")),
    (f"https://example.org/x_1.dsc#sha256={SHA}",
     Origin("dsc", "https://example.org/x_1.dsc", sha256=SHA, base="/w")),
])
def test_targets_of_ones_own(text: str, origin: Origin) -> None:
    member = parse_target(text, "/w")
    assert (member.name, member.origin) == ("", origin)


@pytest.mark.parametrize("text", [
    "git+file:///srv/a.git", "git+https://me@example.org/a", "https://example.org/x_1.dsc",
    "https://example.org/x", "git+/srv/a@--x"])
def test_targets_that_say_too_little(text: str) -> None:
    with pytest.raises(ConfigurationError, match="does not name a source"):
        parse_target(text, "/w")


def test_where_the_chain_file_lies_is_not_in_its_digest() -> None:
    one = chain({"name": "a1", "path": "../a"})
    assert chain_digest(one.below("/home/me")) == chain_digest(one.below("/srv"))
    assert chain_digest(one) != chain_digest(chain({"name": "a1", "path": "../b"}))


def test_a_tree_says_what_a_dsc_would() -> None:
    table = DpkgArchTable.load_arch_table()
    found = source_of(CONTROL, top_entry(CHANGELOG, "tool"), "tool")
    assert (found.name, found.version) == ("tool", "1.2-3")
    assert found.build_depends == "debhelper-compat (= 13), libx-dev"
    assert found.build_depends_arch == "libarch-dev, doxygen <!nodoc>"
    assert expected_binaries(found, "armel", (), table) == ("tool", "tool-data", "tool-doc")
    assert expected_binaries(found, "armel", ("nodoc",), table) == ("tool", "tool-data")
    assert expected_binaries(replace(found, with_all=False), "armel", (), table) == ("tool",)
    assert parts(found, "armel", (), table) == "any,all"
    assert own.provided(CONTROL) == {"tool": ("tool-api",)}
    for control, said in ((CONTROL.replace("Architecture: any", "Architecture: all"), "all"),
                          (CONTROL.replace("Architecture: all", "Architecture: i386"), "any")):
        assert parts(source_of(control, top_entry(CHANGELOG, "tool"), "tool"), "armel", (), table) == said


@pytest.mark.parametrize(("control", "said"), [
    ("", "it needs a source's stanza"), ("Source: tool\n", "it needs a source's stanza"),
    ("Source: other\n\nPackage: a1\nArchitecture: any\n",
     "its source is other, that of debian/changelog is tool"),
    ("Source: tool\n\nPackage: a1\n", "stanza 1 lacks Package or Architecture"),
    ("Source: tool\n\nPackage: ../x\nArchitecture: any\n", "no package's name"),
])
def test_a_control_file_that_cannot_be_used(control: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match="debian/control cannot be used") as caught:
        source_of(control, top_entry(CHANGELOG, "tool"), "tool")
    assert said in caught.value.details


@pytest.mark.parametrize("changelog", [
    "", "tool\n", "Tool (1) x; urgency=low\n\n  * A.\n\n -- M <m@x>  never\n"])
def test_a_changelog_that_cannot_be_used(changelog: str) -> None:
    with pytest.raises(ConfigurationError, match="debian/changelog cannot be used"):
        top_entry(changelog, "tool")


def test_the_top_entry() -> None:
    assert top_entry(CHANGELOG, "tool") == TopEntry("tool", "1.2-3", 1793613600, "Me <me@example.org>")


@pytest.mark.parametrize(("text", "version", "found", "orig"), [
    ("3.0 (native)\n", "1", own.NATIVE, False), ("3.0 (quilt)\n", "1-1", own.QUILT, True),
    ("", "1", own.OLD, False), ("1.0", "1:1-1", own.OLD, True)])
def test_formats(text: str, version: str, found: str, orig: bool) -> None:
    assert own.format_of(text, version, "tool") == found
    assert own.needs_orig(found, version) is orig


@pytest.mark.parametrize(("text", "version"), [("3.0 (git)", "1"), ("2.0", "1"), ("3.0 (native)", "1-1")])
def test_formats_that_are_refused_with_the_way_out(text: str, version: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        own.format_of(text, version, "tool")
    assert "debian/source/format" in caught.value.resolution


def test_upstream_in_git() -> None:
    assert own.upstream_of("", "1:1.2~rc1-3") == own.Upstream("upstream/1.2_rc1", False)
    told = "[DEFAULT]\npristine-tar = True\n[buildpackage]\nupstream-tag = v%(version)s\n"
    assert own.upstream_of(told, "1.2-3") == own.Upstream("v1.2", True)
    assert own.upstream_of("nonsense", "1-1").tag == "upstream/1"
    names = ["tool_1.2.orig.tar.xz", "tool_1.2.orig-more.tar.gz", "tool_1.2.orig.tar.xz.asc",
             "tool_1.3.orig.tar.xz"]
    assert own.orig_names(names, "tool", "1.2-3") == ("tool_1.2.orig-more.tar.gz", "tool_1.2.orig.tar.xz")


def test_a_commit_gives_a_version_that_grows() -> None:
    origin = Origin("git", "/srv/tool", "branch", "main", suffix="git")
    one = taken(origin)
    assert one.source.version == "1.2-3+git20261102120000.1a2b3c4"
    later = suffixed(replace(taken(replace(origin, suffix="")), origin=origin, contents=Contents(
        SHA, {}, Commit("0" * 40, 1793620801))))
    assert Version(later.source.version) > Version(one.source.version) > Version("1.2-3")
    assert taken(origin, changed=True).source.version == one.source.version + "+abababa"
    assert one.new_entry.startswith("tool (1.2-3+git20261102120000.1a2b3c4) UNRELEASED")
    assert one.new_entry.endswith(" -- Me <me@example.org>  Mon, 02 Nov 2026 12:00:00 +0000\n\n")
    assert (one.time, taken().time, taken().new_entry) == (1793620800, 1793613600, "")


def test_the_identity_is_that_of_the_files() -> None:
    one = taken()
    assert one.files == (("the source tree", SHA),)
    # Where it lies, and what is committed of it, does not count.
    assert replace(one, origin=Origin("path", "elsewhere")).identity == one.identity
    assert one.contents is not None
    other = replace(one.contents, digest="cd" * 32)
    assert replace(one, contents=other).identity != one.identity
    git = taken(Origin("git", "/srv/tool", "tag", "v1"))
    assert git.identity.split()[:2] == ["git", COMMIT]


def test_what_is_not_committed_is_named() -> None:
    assert taken(changed=True).words == "tool (commit 1a2b3c4d5e1a, with changes that are not committed)"
    assert taken(Origin("git", "https://me:secret@example.org/t", "tag", "v1")).words == (
        "https://example.org/t@v1 (commit 1a2b3c4d5e1a)")


def test_names_of_source_files() -> None:
    assert all(map(is_source_file, ("a_1.dsc", "a_1.tar.xz", "a_1-1.debian.tar.xz", "a_1-1.diff.gz")))
    assert not any(map(is_source_file, ("a_1_armel.deb", "a.log", "a_1_armel.changes", "a/b.dsc")))


def test_the_script_quotes_what_a_changelog_says() -> None:
    script = source_script(replace(taken(), entry=TopEntry("a;b", "1.2-3", 7, ""), source=replace(
        taken().source, files=(StoredFile("x", SHA, 1),))))
    assert "dpkg-source --build 'a;b-1.2'\n" in script and "SOURCE_DATE_EPOCH=7\n" in script
