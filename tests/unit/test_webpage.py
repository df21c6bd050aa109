# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from html.parser import HTMLParser

from debxcross.repository.core import index, pages as webpage
from debxcross.repository.core.index import IndexEntry, RepositorySettings
from debxcross.repository.core.manifest import Change, Manifest
from debxcross.repository.core.pages import PackageFiles

EVIL = "<script>alert(1)</script>\"'&"
SETTINGS = RepositorySettings("bookworm", "bookworm", ("amd64", "armel"), "http://example.invalid/r/",
                              description=EVIL, label=f"L {EVIL}")


def entry(package: str, version: str = "1.0", architecture: str = "armel", **more: str) -> IndexEntry:
    fields = {"Package": package, "Version": version, "Architecture": architecture, **more}
    return index.index_entry(tuple(fields.items()), component="main", md5sum="", sha256="0" * 64,
                             size=1500)


class Page(HTMLParser):
    """Collects what a browser would load or run, and whether every element is closed."""

    VOID = {"meta", "link", "input", "br"}

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.handlers: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag in ("script", "link", "img", "iframe"):
            self.loaded.append(values.get("src") or values.get("href") or "inline")
        if tag == "a":
            self.links.append(values["href"] or "")
        self.handlers += [name for name in values if name.startswith("on")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def pages() -> list[str]:
    entries = [entry("tiny", Description=f"{EVIL}\n {EVIL}\n .\n more", Depends=EVIL,
                     Homepage="javascript:alert(1)")]
    manifest = Manifest("", SETTINGS.label, "").with_release(SETTINGS).with_change(
        Change(5, "bookworm", (EVIL,), (EVIL,), 3))
    files = PackageFiles("pool/a b.dsc", "pool/x.log", "pool/x.buildinfo", EVIL)
    return [webpage.list_page(manifest, SETTINGS, ["A" * 40], 5, entries, True),
            webpage.list_page(manifest, SETTINGS, ["A" * 40], 5, entries, False),
            webpage.front_page(manifest), webpage.package_page(SETTINGS, entries, [files])]


def test_nothing_of_a_package_becomes_markup() -> None:
    for text in pages():
        page = Page(text)
        assert page.handlers == [] and "alert(1)</script>" not in text
        own = re.compile(r"(\.\./\.\./)?page\.(css|js)|data:,")
        assert [one for one in page.loaded if not own.fullmatch(one)] == []
        assert not any(link.startswith("javascript") for link in page.links)


def test_a_package_page_tells_what_people_ask() -> None:
    text = pages()[-1]
    for words in ("apt-get install tiny", "0" * 64, "1.5 kB", "pool/a%20b.dsc", "pool/x.log", "Changelog",
                  "armel"):
        assert words in text, words


def test_versions_come_in_the_order_of_dpkg() -> None:
    entries = [entry("tiny", version) for version in ("1.0~rc1", "1:0.1", "1.0", "1.0-1", "0.9")]
    ordered = [one.version for one in webpage.newest_first(entries)]
    assert ordered == ["1:0.1", "1.0-1", "1.0", "1.0~rc1", "0.9"]


def test_the_list_and_a_package_called_index_have_their_own_names() -> None:
    assert webpage.page_name("index") != "index.html" and webpage.page_name("tiny") == "tiny.html"


def test_sizes_are_for_people() -> None:
    assert [webpage.size_text(size) for size in (0, 999, 1000, 2_500_000, 3_000_000_000)] == [
        "0 B", "999 B", "1.0 kB", "2.5 MB", "3.0 GB"]


def test_hidden_characters_are_shown() -> None:
    """Bidirectional controls would let "exe.tar" be read as "rat.exe" (Trojan Source)."""
    hidden = "\u202e\u2066\u200f\u061c\ufeff\u2028"
    files = PackageFiles(changelog=f"a{hidden}\x85\x1b[2Jb\tc\n")
    text = webpage.package_page(SETTINGS, [entry("tiny", Description=f"x{hidden}y")], [files])
    assert not {*hidden, "\x85", "\x1b"} & set(text)
    assert r"x\u202e\u2066\u200f\u061c\ufeff\u2028y" in text and "\tc\n" in text


def test_pages_forbid_what_is_not_theirs() -> None:
    for text in pages():
        assert "default-src 'none'" in text.partition("Content-Security-Policy")[2].partition("\n")[0]
        assert "style=" not in text and "<script>" not in text.replace("&lt;script&gt;", "")
