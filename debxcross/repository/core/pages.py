# SPDX-License-Identifier: GPL-3.0-or-later
"""The repository's web pages: values in, HTML out.

Every value is escaped: packages come from anywhere, and their descriptions are shown.
Nothing is fetched from elsewhere; without JavaScript only search and copy buttons are gone.
"""
from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from html import escape
from urllib.parse import quote

from debian.debian_support import NativeVersion

from debxcross.repository.core.index import IndexEntry, RepositorySettings
from debxcross.repository.core.manifest import Change, Manifest

_RELATIONS = ("Pre-Depends", "Depends", "Recommends", "Suggests", "Conflicts", "Breaks", "Replaces",
              "Provides", "Enhances")

#: Control characters, those that change the direction of text (Unicode's Bidi_Control), line and
#: paragraph separators, and what has no width; joiners stay, for some scripts need them.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
#: What a page may load, for servers that send no such header; a frame can be forbidden there only.
_POLICY = ("default-src 'none'; style-src 'self'; script-src 'self'; img-src data:; base-uri 'none'; "
           "form-action 'none'")
#: Raised when the pages of the same packages look different: all are then written again.
FORM = 2

#: So many names of one change are shown.
_TOLD = 6


@dataclass(frozen=True)
class PackageFiles:
    """What the pool has beside a package's deb, below the web root; "" for what it has not.

    ``changelog`` is the newest part of its text.
    """

    dsc: str = ""
    log: str = ""
    buildinfo: str = ""
    changelog: str = ""


def fields_of(entry: IndexEntry) -> dict[str, str]:
    """Return the fields of an entry's stanza; further lines keep their leading space."""
    found: dict[str, str] = {}
    name = ""
    # Not splitlines(): to apt only this ends a line.
    for line in entry.text.rstrip("\n").split("\n"):
        if line[:1] in (" ", "\t"):
            found[name] += f"\n{line}"
        else:
            name, _, value = line.partition(":")
            found[name] = value.strip()
    return found


def size_text(size: int) -> str:
    """Write a size in bytes for people."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} B"


def page_name(package: str) -> str:
    """Return the file name of a package's page, which is never that of the list."""
    return "index_.html" if package == "index" else f"{package}.html"


def _text(text: str) -> str:
    """Return text for a page: markup is escaped, and what hides or turns round its neighbours is named."""
    return escape(_UNSEEN.sub(lambda match: f"\\u{ord(match[0]):04x}", text))


def _href(path: str) -> str:
    return escape(quote(path), quote=True)


def _day(date: int) -> str:
    moment = datetime.fromtimestamp(date, timezone.utc)
    return f'<time datetime="{moment:%Y-%m-%dT%H:%M:%SZ}">{moment:%Y-%m-%d %H:%M} UTC</time>'


def _page(title: str, up: str, body: Iterable[str], *, marker: str = "", crumbs: str = "") -> str:
    generation = f'<meta name="generation" content="{_text(marker)}">\n' if marker else ""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f'{generation}<title>{_text(title)}</title>\n<link rel="icon" href="data:,">\n'
        f'<link rel="stylesheet" href="{up}page.css">\n<script src="{up}page.js" defer></script>\n'
        f'</head>\n<body>\n{crumbs}<main>\n{"".join(body)}</main>\n</body>\n</html>\n')


def _crumbs(*links: tuple[str, str]) -> str:
    inner = " / ".join(f'<a href="{_href(target)}">{_text(text)}</a>' for target, text in links)
    return f'<nav aria-label="Where you are">{inner}</nav>\n'


def _code(text: str) -> str:
    return f'<pre class="copy"><code>{_text(text)}</code></pre>\n'


def set_up(settings: RepositorySettings, fingerprints: Sequence[str], up: str) -> str:
    """Return the part that tells how to point a device here."""
    place = f"device/{settings.codename}"
    url = settings.url.rstrip("/")
    script = f"{url}/{place}/install.sh"
    others = [("install.sh", "the script"), ("install-no-clock.sh", "for boards without a clock"),
              ("README.txt", "by hand")]
    links = ", ".join(f'<a href="{up}{_href(f"{place}/{name}")}">{text}</a>' for name, text in others)
    keys = "".join(f"<li><code>{_text(one)}</code></li>\n" for one in fingerprints)
    return (
        '<section id="set-up">\n<h2>Point a device here</h2>\n'
        f"<p>Debian 8 or later, as root. Compare the fingerprint with what the publisher told you by "
        f"another way, and read the script before it runs ({links}).</p>\n"
        + _code(f"/usr/lib/apt/apt-helper download-file {script} install.sh\nsh install.sh {fingerprints[0]}")
        + f'<p>The archive is signed with</p>\n<ul class="keys">\n{keys}</ul>\n</section>\n')


def _changes(changes: Sequence[Change]) -> str:
    if not changes:
        return ""
    items = []
    for change in changes:
        parts = []
        for sign, word, names in (("+", "added", change.added), ("−", "removed", change.removed)):
            parts += [f'<span class="{word}"><span aria-label="{word}">{sign}</span> '
                      f"{_text(name)}</span>" for name in names[:_TOLD]]
        more = change.more + sum(max(0, len(names) - _TOLD) for names in (change.added, change.removed))
        parts += [f"<span>and {more} more</span>"] if more else []
        parts += [] if parts else ["<span>indexes and keys only</span>"]
        items.append(f"<li>{_day(change.date)} <b>{_text(change.codename)}</b><br>{' '.join(parts)}</li>\n")
    listed = "".join(items)
    return (f'<section id="changes">\n<h2>Newest changes</h2>\n<ol class="changes">\n{listed}</ol>\n'
            "</section>\n")


def _table(entries: Sequence[IndexEntry], prefix: str) -> str:
    rows = []
    for entry in entries:
        summary = entry.text.partition("\nDescription:")[2].partition("\n")[0].strip()
        target = f"{prefix}{_href(page_name(entry.package))}"
        rows.append(
            f'<tr><th scope="row"><a href="{target}">{_text(entry.package)}</a></th>'
            f"<td>{_text(entry.version)}</td><td>{_text(entry.architecture)}</td>"
            f'<td class="size">{size_text(entry.size)}</td><td class="about">{_text(summary)}</td></tr>\n')
    return (
        f'<section id="packages">\n<h2>{len(entries)} packages</h2>\n'
        '<p class="search" hidden><label>Search <input type="search" autocomplete="off"></label> '
        '<span role="status"></span></p>\n<table class="packages">\n<thead><tr><th scope="col">Package</th>'
        '<th scope="col">Version</th><th scope="col">Architecture</th><th scope="col">Size</th>'
        '<th scope="col">Description</th></tr></thead>\n'
        f'<tbody>\n{"".join(rows)}</tbody>\n</table>\n</section>\n')


def marker(codename: str, date: int) -> str:
    """Return what a release's list says of the generation it shows."""
    return f"{codename} {date} {FORM}"


def list_page(manifest: Manifest, settings: RepositorySettings, fingerprints: Sequence[str], date: int,
              entries: Sequence[IndexEntry], front: bool) -> str:
    """Return the page of one release; ``front`` makes it the repository's only front page."""
    up, prefix = ("", f"packages/{quote(settings.codename)}/") if front else ("../../", "")
    changes = [change for change in manifest.changes if change.codename == settings.codename]
    body = [
        f"<h1>{_text(settings.label)} <small>{_text(settings.codename)}</small></h1>\n"
        f'<p class="lead">{_text(settings.description)}</p>\n'
        f"<p>For {_text(', '.join(settings.architectures))}; published {_day(date)}.</p>\n",
        set_up(settings, fingerprints, up), _changes(changes[:5]), _table(entries, prefix)]
    crumbs = "" if front else _crumbs(("../../index.html", settings.label))
    return _page(f"{settings.label} {settings.codename}", up, body,
                 marker=marker(settings.codename, date), crumbs=crumbs)


def front_page(manifest: Manifest) -> str:
    """Return the front page of a repository with several releases."""
    links = "".join(
        f'<li><a href="packages/{_href(name)}/index.html">{_text(name)}</a> '
        f"for {_text(release['architectures'])}</li>\n"
        for name, release in sorted(manifest.releases.items()))
    body = [f"<h1>{_text(manifest.label)}</h1>\n",
            f'<section>\n<h2>Releases</h2>\n<ul class="releases">\n{links}</ul>\n</section>\n',
            _changes(manifest.changes[:10])]
    return _page(manifest.label, "", body)


def package_page(settings: RepositorySettings, entries: Sequence[IndexEntry],
                 files: Sequence[PackageFiles]) -> str:
    """Return the page of one package: ``entries`` are its versions, the newest first."""
    name = entries[0].package
    body = [f"<h1>{_text(name)}</h1>\n"]
    newest = fields_of(entries[0])
    summary, _, rest = newest.get("Description", "").partition("\n")
    body.append(f'<p class="lead">{_text(summary)}</p>\n')
    body.append(_description(rest))
    body.append(_code(f"apt-get install {name}"))
    for entry, beside in zip(entries, files):
        body.append(_version(entry, beside))
    if log := next((beside.changelog for beside in files if beside.changelog), ""):
        body.append(f'<details>\n<summary>Changelog</summary>\n<pre>{_text(log)}</pre>\n</details>\n')
    crumbs = _crumbs(("../../index.html", settings.label), ("index.html", settings.codename))
    return _page(f"{name} – {settings.label} {settings.codename}", "../../", body, crumbs=crumbs)


def _description(text: str) -> str:
    paragraphs: list[list[str]] = [[]]
    for line in text.split("\n"):
        if line.strip() == ".":
            paragraphs.append([])
        else:
            paragraphs[-1].append(line.strip())
    return "".join(f"<p>{_text(' '.join(lines))}</p>\n" for lines in paragraphs if any(lines))


def _version(entry: IndexEntry, beside: PackageFiles) -> str:
    fields = fields_of(entry)
    up = "../../"
    rows = [("Architecture", _text(entry.architecture)), ("Component", _text(entry.component)),
            ("File", f'<a href="{up}{_href(entry.path)}">{_text(entry.path.rpartition("/")[2])}</a> '
                     f"({size_text(entry.size)})"),
            ("SHA-256", f"<code>{entry.sha256}</code>")]
    rows += [(name, _text(fields[name])) for name in _RELATIONS if fields.get(name)]
    source = _text(fields.get("Source", entry.source))
    rows.append(("Source", f'<a href="{up}{_href(beside.dsc)}">{source}</a>' if beside.dsc else source))
    rows += [(title, f'<a href="{up}{_href(path)}">{_text(path.rpartition("/")[2])}</a>')
             for title, path in (("Build log", beside.log), ("Build information", beside.buildinfo)) if path]
    if homepage := fields.get("Homepage", ""):
        # Only these: a link can also be a script.
        good = homepage.startswith(("http://", "https://"))
        rows.append(("Homepage", f'<a rel="noreferrer" href="{_text(homepage)}">'
                     f"{_text(homepage)}</a>" if good else _text(homepage)))
    listed = "".join(f"<div><dt>{title}</dt><dd>{value}</dd></div>\n" for title, value in rows)
    return f"<section>\n<h2>{_text(entry.version)}</h2>\n<dl>\n{listed}</dl>\n</section>\n"


def newest_first(entries: Sequence[IndexEntry]) -> list[IndexEntry]:
    """Return entries by dpkg's order of versions, then by architecture."""
    ordered = sorted(entries, key=lambda entry: entry.architecture)
    return sorted(ordered, key=lambda entry: NativeVersion(entry.version), reverse=True)
