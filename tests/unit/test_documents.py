# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation: links lead somewhere, examples are what the program reads, the site is made."""
from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from debxcross import config
from debxcross.cli import program
from debxcross.core.chain.chain import parse
from manual import site
from manual.commands import Command, every, read
from tests.blocks import Block, agrees, blocks

ROOT = Path(__file__).parents[2]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


ROOT_COMMAND = read(program(), "debxcross")


def slug(heading: str) -> str:
    """Return the anchor that a forge gives a heading."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading.strip()).replace("`", "")
    return re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")


def prose(page: Path) -> str:
    return re.sub(r"^( *)```.*?^\1```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def links(page: Path) -> Iterator[str]:
    text = re.sub(r"`[^`\n]*`", "", prose(page))
    yield from (target for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target)


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name: str) -> None:
    page = ROOT / name
    gone = []
    for target in links(page):
        path, _, anchor = target.partition("#")
        there = page.parent / path if path else page
        if not there.exists():
            gone.append(target)
        elif anchor and there.suffix == ".md":
            headings = re.findall(r"^#+ (.*)$", prose(there), re.MULTILINE)
            if anchor not in {slug(heading) for heading in headings}:
                gone.append(target)
    assert gone == []


TOML = [(name, block) for name in NAMES for block in blocks((ROOT / name).read_text())
        if block.language == "toml"]
#: Tables of a chain file; a block that has one of them without [chain] is a part of a file.
_CHAIN = {"chain", "source", "wheel", "build-tool", "debian", "security", "trial"}
#: Pages that show files of other kinds: of projects, of answers.
_OTHER = {"docs/wheels.md", "docs/answers.md", "docs/howto/failing-wheel.md"}
_WHOLE = {"chain": {"name": "x", "release": "bookworm"}}


@pytest.mark.parametrize(("name", "block"), TOML, ids=[f"{name}:{block.line}" for name, block in TOML])
def test_examples_in_toml_are_read(name: str, block: Block, tmp_path: Path) -> None:
    document = tomllib.loads(block.text)
    if set(document) & _CHAIN:
        if "build-tool" not in document:
            for wheel in document.get("wheel", ()):
                wheel.pop("build-requires", None)  # they name tables of the rest of the file
        parse({**_WHOLE, **document}, name)
    elif name not in _OTHER:
        file = tmp_path / "debxcross.toml"
        file.write_text(block.text)
        config.load({}, (file,))


def test_blocks_are_found() -> None:
    page = "a\n\n<!-- run fails=3 -->\n```console\n$ one\nout\n$ two\n```\n\n```\n$ three\n```\n"
    first, second = blocks(page)
    assert first == Block("console", "$ one\nout\n$ two\n", 4, True, 3)
    assert list(first.steps()) == [("one", "out\n"), ("two", "")]
    assert second == Block("", "$ three\n", 10, False)


@pytest.mark.parametrize(("shown", "output", "wanted"), [
    ("", "", True), ("one\n", "one\n", True), ("one\n", "two\n", False), ("one\n", "one\ntwo\n", False),
    ("one\n...\n", "one\ntwo\nthree\n", True), ("one\n...\n", "one\n", True), ("a ... c\n", "a b c\n", True),
    ("a ... c\n", "a b\nb c\n", False), ("...\nend\n", "x\nend\n", True), ("one\n", "one", True),
])
def test_output_is_what_is_shown(shown: str, output: str, wanted: bool) -> None:
    assert agrees(shown, output) is wanted


def test_navigation_is_read_from_the_lists_of_the_index() -> None:
    top = "# Title\n\nSee [it](other.md).\n\n"
    start = "## Start\n\n- [One](one.md): a [two](two.md)\n- [Up](../UP.md#x)\n\n"
    more = "## More\n\n- [One](one.md)\n- [Three](a/three.md#top)\n\n"
    assert site.navigation(top + start + more, ("docs/one.md", "docs/lost.md")) == (
        f"{top}{start}```{{toctree}}\n:hidden:\n:caption: Start\n\nOne </docs/one>\nUp </UP>\n```\n\n"
        f"{more}```{{toctree}}\n:hidden:\n:caption: More\n\nThree </docs/a/three>\n```\n\n"
        "```{toctree}\n:hidden:\n:caption: Further pages\n\n/docs/lost\n```\n")


def test_the_reference_has_every_command() -> None:
    root = ROOT_COMMAND
    text = site.reference("# Commands\n", root)
    for command in every(root):
        assert f"\n## {command.title}\n" in text
        assert f"(#{command.page})" in text or command == root
        for names, _ in command.options:
            assert f"\n`{names}`\n: " in text
    assert site.reference("# A\n", Command(("x",), "[A|B]", ("a*b <c>.",), (("-f", "f_g"),))) == (
        "# A\n\n## x\n\n```text\nx [A|B]\n```\n\na\\*b \\<c\\>.\n\n`-f`\n: f\\_g\n")
