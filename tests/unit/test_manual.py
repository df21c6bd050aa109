# SPDX-License-Identifier: GPL-3.0-or-later
"""The manual pages: what --help says, and the documentation of files, in roff."""
from __future__ import annotations

import re

import click
import pytest

from debxcross.cli import program
from manual import roff
from manual.__main__ import manual_pages
from manual.commands import Command, every, read

PAGES = {page.file: page.text for page in manual_pages("2026-11-25")}


def plain(text: str) -> str:
    """Return roff without fonts and escapes."""
    return re.sub(r"\\f[BIR]", "", text).replace("\\-", "-").replace("\\e", "\\").replace("\\&", "")


def commands(group: click.Command, words: tuple[str, ...]) -> dict[tuple[str, ...], click.Command]:
    found = {words: group}
    if isinstance(group, click.Group):
        context = click.Context(group)
        for name in group.list_commands(context):
            below = group.get_command(context, name)
            assert below is not None
            found.update(commands(below, (*words, name)))
    return found


COMMANDS = commands(program(), ("debxcross",))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_page_for_every_command_with_every_option(words: tuple[str, ...]) -> None:
    text = plain(PAGES["-".join(words) + ".1"])
    for parameter in COMMANDS[words].params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            assert parameter.opts[0] in text and parameter.help
            assert re.sub(r"\s+", " ", parameter.help) in text
    assert f"\n.SH SYNOPSIS\n{' '.join(words)} " in text


def test_pages_are_those_of_commands_and_files() -> None:
    assert set(PAGES) == {"-".join(words) + ".1" for words in COMMANDS} | {
        "debxcross.toml.5", "debxcross-chain.5", "debxcross-rules-patches.5"}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_what_it_is(name: str) -> None:
    first, _, _, title, entry, *_ = PAGES[name].splitlines()
    page, _, section = name.rpartition(".")
    assert plain(first).startswith(f'.TH "{page.upper()}" "{section}" "2026-11-25" "debxcross ')
    assert title == ".SH NAME" and re.fullmatch(rf"{re.escape(page)} - [A-Za-z].*[^.]", plain(entry))


def test_what_pages_refer_to_is_there() -> None:
    for text in PAGES.values():
        for name, section in re.findall(r"\b(debxcross[a-z.-]*)\((\d)\)", plain(text)):
            assert f"{name}.{section}" in PAGES


@pytest.mark.parametrize(("markdown", "wanted"), [
    ("# Title\n\nOne\ntwo.", ".PP\nOne\ntwo.\n"),
    ("## A heading\n### Below\n", '.SH "A HEADING"\n.SS "Below"\n'),
    ("`--x` **is** *it* [here](there.md)\n", ".PP\n\\fB\\-\\-x\\fR \\fBis\\fR \\fIit\\fR here\n"),
    ("[it](https://a.example/b-c)", ".PP\nit <https://a.example/b\\-c>\n"),
    (".dotted\n'quoted'\n", ".PP\n\\&.dotted\n\\&'quoted'\n"),
    ("one\n`.two`", ".PP\none\n\\fB\\&.two\\fR\n"),
    ("back\\\\slash", ".PP\nback\\eslash\n"),
    ("```toml\n.a = \"\\b\"\n```\n", ".PP\n.RS 4\n.EX\n\\&.a = \"\\eb\"\n.EE\n.RE\n"),
    ("- one\n- two\n\n  more\n", ".IP \\(bu 4\none\n.IP \\(bu 4\ntwo\n.IP\nmore\n"),
    ("1. one\n2. two\n   - deep\n", ".IP 1. 4\none\n.IP 2. 4\ntwo\n.RS 4\n.IP \\(bu 4\ndeep\n.RE\n"),
    ("|a|b|c|\n|-|-|-|\n|`x`|int|it|\n|y||z|\n",
     ".TP\n\\fBx\\fR\nb: int.\n.br\nit\n.TP\ny\nz\n"),
    ("<!-- nothing -->\n", ""),
])
def test_markdown_becomes_roff(markdown: str, wanted: str) -> None:
    assert roff.markdown(markdown) == wanted


def test_a_section_of_a_document() -> None:
    text = "# A\n\nno\n\n## B\n\nyes\n\n### C\n\nyes\n\n## D\nno\n"
    assert roff.section(text, "B") == "\nyes\n\n### C\n\nyes\n\n"
    with pytest.raises(KeyError):
        roff.section(text, "E")


def test_a_command_in_words() -> None:
    @click.command("rest")
    @click.argument("bed", metavar="BED")
    @click.option("-l", "--long", metavar="HOURS", default=8, show_default=True, help="How\n  long.")
    @click.option("--dream", is_flag=True, hidden=True)
    def rest() -> None:
        """Lie in BED, e.g. yours.  Sleep.

        And wake
        up.
        """
    group = click.Group("day", commands=[rest], help="What one does.")
    found = read(group, "day")
    assert [one.page for one in every(found)] == ["day", "day-rest"]
    assert found.below[0] == Command(
        ("day", "rest"), "[OPTIONS] BED", ("Lie in BED, e.g. yours. Sleep.", "And wake up."),
        (("-l, --long HOURS", "How long. [default: 8]"), ("--help", "Show this message and exit.")))
    assert found.summary == "What one does"
