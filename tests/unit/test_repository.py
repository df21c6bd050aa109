# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import re

import pytest

from debxcross.core.stanza import parse_stanzas
from debxcross.errors import ConfigurationError, PublishError
from debxcross.repository.core import index, release
from debxcross.repository.core.index import IndexEntry, IndexFile, RepositorySettings

SETTINGS = RepositorySettings("bookworm", "stable", ("amd64", "armel"), "http://example.invalid/repo/")


def entry(package: str, version: str = "1.0-1", architecture: str = "armel", source: str = "",
          content: str = "", **more: str) -> IndexEntry:
    sha256 = hashlib.sha256(f"{package}{version}{architecture}{content}".encode()).hexdigest()
    fields = {"Package": package, "Version": version, "Architecture": architecture,
              **({"Source": source} if source else {}), **more}
    return index.index_entry(tuple(fields.items()), component="main", md5sum="0" * 32,
                             sha256=sha256, size=10)


@pytest.mark.parametrize(("source", "version", "path"), [
    ("zlib", "1:1.2.13.dfsg-1", "pool/main/z/zlib/p_1.2.13.dfsg-1_armel.deb"),
    ("libffi", "3.4.4-1", "pool/main/libf/libffi/p_3.4.4-1_armel.deb"),
    ("libx", "1", "pool/main/libx/libx/p_1_armel.deb"),
    ("3proxy", "0.9~rc1+b2", "pool/main/3/3proxy/p_0.9~rc1+b2_armel.deb"),
])
def test_pool_path_goes_by_source_and_drops_the_epoch(source: str, version: str, path: str) -> None:
    assert index.pool_path("main", source, "p", version, "armel") == path


def test_source_of_an_entry_comes_from_its_field_without_the_version() -> None:
    made = entry("zlib1g", "1:1.2.13-1+b1", source="zlib (1:1.2.13-1)")
    assert made.source == "zlib"
    assert made.path == "pool/main/z/zlib/zlib1g_1.2.13-1+b1_armel.deb"


@pytest.mark.parametrize("fields", [
    {"Package": "../evil"}, {"Package": "A"}, {"Package": "x"}, {"Package": ""}, {"Package": "ab\n cd"},
    {"Package": "-ab"}, {"Package": "ab/cd"}, {"Version": "1/../2"}, {"Version": ""}, {"Version": "a1"},
    {"Version": "1 2"}, {"Version": "1:2:3"}, {"Version": "1-"}, {"Version": "1\n2"}, {"Version": "x:1"},
    {"Architecture": "../x"}, {"Architecture": "any all"}, {"Architecture": ""},
    {"Source": "../x"}, {"Source": "foo (1/2)"}, {"Source": "foo(1)"}, {"Source": ""},
    {"Description": "bell \x07"}, {"Description": "a\rb"}, {"Description": "next line \x85"},
])
def test_hostile_fields_are_refused(fields: dict[str, str]) -> None:
    good = {"Package": "foo", "Version": "1.0", "Architecture": "all", "Source": "foo"}
    with pytest.raises(PublishError) as raised:
        index.index_entry(tuple({**good, **fields}.items()), component="main",
                          md5sum="", sha256="", size=1)
    assert raised.value.resolution


@pytest.mark.parametrize("version", ["1", "0~~", "1:2.3-4", "2.0-rc1-1", "1+dfsg~b-1.2+deb12u1", "9:0-0"])
def test_versions_of_policy_are_accepted(version: str) -> None:
    assert entry("foo", version).version == version


def test_a_package_cannot_speak_for_the_archive() -> None:
    text = entry("foo", Filename="pool/../../etc/passwd", sha256="f" * 64, SHA1="x", size="1").text
    assert "passwd" not in text and "f" * 64 not in text and "SHA1" not in text
    assert text.count("Filename:") == text.count("Size:") == text.lower().count("sha256:") == 1


def test_fields_stand_in_the_order_of_dpkg_scanpackages() -> None:
    # Recorded from dpkg-scanpackages 1.21.23, without its SHA1.
    expected = ["Package", "Source", "Version", "Architecture", "Maintainer", "Installed-Size", "Depends",
                "Filename", "Size", "MD5sum", "SHA256", "Section", "Priority", "Multi-Arch", "Homepage",
                "Description", "Alpha", "Python-Version", "Zeta"]
    given = {"Zeta": "x", "Alpha": "y", "Description": "x\n long\n .\n more", "Python-Version": "3",
             "homepage": "https://example.org", "Section": "misc", "Priority": "optional",
             "Multi-Arch": "foreign", "Maintainer": "A B <a@b>", "Installed-Size": "3", "Depends": "libc6"}
    text = entry("hello-r", source="hello (1:1.0)", **given).text
    assert re.findall(r"^(\S+):", text, re.M) == expected
    assert "Description: x\n long\n .\n more\n" in text


def test_an_index_reads_back_to_the_letter() -> None:
    entries = (entry("foo", Description="a\n b\n ."), entry("bar", "2:1", "all", source="foo (1.0)"))
    text = index.index_text(entries, "armel")
    assert index.parse_index(text) == (entries[1], entries[0])
    assert index.index_text(index.parse_index(text), "armel") == text
    assert index.parse_index("") == ()


def test_all_is_merged_into_every_index_and_an_index_may_be_empty() -> None:
    entries = (entry("foo"), entry("doc", architecture="all"))
    packages = [found.package for found in index.parse_index(index.index_text(entries, "amd64"))]
    assert packages == ["doc"]
    assert index.index_text(entries[:1], "amd64") == ""


@pytest.mark.parametrize(
    "text", ["Package foo\n", " starts with a space\n", "A: b\na: c\n", "-x: y\n", ": z\n"])
def test_text_that_is_no_stanza_is_refused(text: str) -> None:
    with pytest.raises(PublishError):
        parse_stanzas(text)


def test_a_given_source_replaces_its_old_packages_and_nothing_else() -> None:
    old = (entry("zlib1g", "1", source="zlib"), entry("zlib1g-dev", "1", source="zlib"),
           entry("libffi8", "1", source="libffi"), entry("zlib1g", "1", "mipsel", source="zlib"))
    given = (entry("zlib1g", "2", source="zlib"), entry("zlib1g", "3", source="zlib"))
    merged = index.merge(old, given, ("amd64", "armel"))
    assert [found.identity for found in merged] == [
        ("libffi8", "1", "armel"), ("zlib1g", "1", "mipsel"),
        ("zlib1g", "2", "armel"), ("zlib1g", "3", "armel")]


def test_a_binary_that_moved_to_another_source_is_listed_once() -> None:
    old, new = entry("tool", source="one"), entry("tool", source="two")
    assert index.merge((old,), (new,), ("armel",)) == (new,)


def test_one_identity_with_two_contents_is_refused() -> None:
    with pytest.raises(PublishError, match="two files claim to be foo 1.0-1 for armel"):
        index.merge((), (entry("foo"), entry("foo", content="other")), ("armel",))
    assert len(index.merge((), (entry("foo"), entry("foo")), ("armel",))) == 1


def test_an_architecture_that_is_not_published_is_refused() -> None:
    with pytest.raises(PublishError, match="for mipsel"):
        index.merge((), (entry("foo", architecture="mipsel"),), ("amd64", "armel"))


@pytest.mark.parametrize(("now", "last", "date"), [
    (100.9, None, 100), (100.9, 99, 100), (100.9, 100, 101), (100.0, 500, 501), (100.0, 99, 100)])
def test_date_always_grows(now: float, last: int | None, date: int) -> None:
    assert release.next_date(now, last) == date


def test_date_is_written_as_debian_writes_it() -> None:
    assert release.format_date(0) == "Thu, 01 Jan 1970 00:00:00 UTC"
    assert release.format_date(1795149485) == "Fri, 20 Nov 2026 04:38:05 UTC"


def test_release_says_what_apt_needs_and_reads_back() -> None:
    files = [IndexFile.of(f"main/binary-armel/Packages{form}", form.encode()) for form in (".xz", "", ".gz")]
    text = release.release_text(SETTINGS, ("main",), ("armel", "amd64"), files, 1795149485)
    assert text == "\n".join([
        "Origin: debxcross", "Label: debxcross", "Suite: stable", "Codename: bookworm",
        "Date: Fri, 20 Nov 2026 04:38:05 UTC", "Acquire-By-Hash: yes",
        "No-Support-for-Architecture-all: Packages",
        "Snapshots: http://example.invalid/repo/snapshots/@SNAPSHOTID@/", "Architectures: amd64 armel",
        "Components: main",
        "Description: Packages cross-built by debxcross",
        "MD5Sum:",
        " d41d8cd98f00b204e9800998ecf8427e                0 main/binary-armel/Packages",
        f" {hashlib.md5(b'.gz').hexdigest()}                3 main/binary-armel/Packages.gz",
        f" {hashlib.md5(b'.xz').hexdigest()}                3 main/binary-armel/Packages.xz",
        "SHA256:",
        " e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855                0 "
        "main/binary-armel/Packages",
        f" {hashlib.sha256(b'.gz').hexdigest()}                3 main/binary-armel/Packages.gz",
        f" {hashlib.sha256(b'.xz').hexdigest()}                3 main/binary-armel/Packages.xz", ""])
    read = release.parse_release(text)
    assert (read.origin, read.codename, read.components) == ("debxcross", "bookworm", ("main",))
    assert read.date == 1795149485
    assert read.architectures == ("amd64", "armel")
    assert read.files == {file.path: (file.sha256, file.size) for file in files}


@pytest.mark.parametrize("text", ["", "Origin: x\n", "Origin: x\n\nOrigin: y\n"])
def test_a_foreign_release_is_refused(text: str) -> None:
    with pytest.raises(PublishError) as raised:
        release.parse_release(text)
    assert raised.value.resolution


def test_by_hash_path_lies_beside_the_index() -> None:
    file = IndexFile.of("main/binary-armel/Packages.xz", b"")
    assert file.by_hash_path == f"main/binary-armel/by-hash/SHA256/{file.sha256}"


@pytest.mark.parametrize("change", [{"origin": "other"}, {"label": "other"}, {"codename": "trixie"},
                                    {"suite": "testing"}])
def test_what_devices_have_confirmed_does_not_change(change: dict[str, str]) -> None:
    text = release.release_text(SETTINGS, ("main",), ("armel",), [IndexFile.of("a", b"")], 1)
    published = release.parse_release(text)
    release.check_same_repository(SETTINGS, published)
    values = {"codename": "bookworm", "suite": "stable", "architectures": ("armel",), "url": "file:/x",
              **change}
    with pytest.raises(PublishError, match="would change"):
        release.check_same_repository(RepositorySettings(**values), published)


def test_settings_tell_all_faults_at_once() -> None:
    with pytest.raises(ConfigurationError) as raised:
        RepositorySettings("../x", "a b", ("all", "Armel"), "no url", origin="a\nPin: b", label="\x00")
    for word in ("codename", "suite", "'all'", "'Armel'", "url", "origin", "label"):
        assert word in raised.value.details


@pytest.mark.parametrize("values", [{"origin": "-"}, {"origin": "a,n=b"}, {"architectures": ()},
                                    {"component": "main/x"}, {"url": "http://x/\nDeb: y"}])
def test_settings_that_would_break_a_file_are_refused(values: dict[str, object]) -> None:
    good = {"codename": "a", "suite": "a", "architectures": ("armel",), "url": "http://x/"}
    RepositorySettings(**good)
    with pytest.raises(ConfigurationError):
        RepositorySettings(**{**good, **values})


def test_name_is_a_word_for_files() -> None:
    settings = RepositorySettings("a", "a", ("armel",), "http://x/", origin="My Boards!")
    assert (settings.name, settings.keyring_package) == ("my-boards", "my-boards-archive-keyring")
