# SPDX-License-Identifier: GPL-3.0-or-later
"""All hostile inputs, what they get, and the page that lists them."""
from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from tests.corpus import Hostile, network, packages, stored, texts
from tests.corpus.feeding import Outcome

CORPUS: tuple[Hostile, ...] = (*texts.INPUTS, *packages.INPUTS, *stored.INPUTS, *network.INPUTS)
EXPECTED = Path(__file__).with_name("expected.toml")
_LONGEST = 200
#: What differs between runs and machines.
_OURS = ((re.compile(r"^\[ *[\d.]+s\] ", re.MULTILINE), ""), (re.compile(r"127\.0\.0\.1:\d+"), "HOST"),
         (re.compile(r"[0-9a-f]{12,}|[0-9A-F]{16,}"), "…"), (re.compile(r"store/apt/\w*…?\w*"), "store/apt"),
         # Where a long line is cut depends on how long the path in it is.
         (re.compile(r"(OUTSIDE/\S+ … \d+ \w+)\S*"), r"\1…"))
#: Of what went well, the line that tells what became of the input.
_TOLD = re.compile(r"the substitute .*|.*\bready  .*|published: [^,]*|dropped: .*|members .*|"
                   r".*architecture  .*|.*: failed after .*")


def gets(outcome: Outcome) -> str:
    """Return in a line what an input got: the exit status, and what was said about it.

    What apt, dpkg and gpg say themselves changes with their versions, and is left out.
    """
    text = outcome.said
    for pattern, word in _OURS:
        text = pattern.sub(word, text)
    if outcome.status >= 100:
        return text.partition("\n")[0].removeprefix("HTTP/1.1 ").strip()
    # A plan tells on standard output what cannot work.
    told = text.partition("error: ")[2] or text.partition("Cannot work:")[2]
    match = None if told else _TOLD.search(text)
    said = [match[0]] if match else [line.strip() for line in (told or text).splitlines() if line.strip()][:2]
    said = [line for number, line in enumerate(said)
            if not number or not re.match(r"([EW]|gpg|gpgv|dpkg\S*): |Next: |ended with", line)]
    line = re.sub(r"\s+", " ", "; ".join(said))
    return f"{outcome.status} {line if len(line) <= _LONGEST else line[:_LONGEST - 1] + '…'}".rstrip()


def expected() -> Mapping[str, str]:
    """Return what each input gets, by its name."""
    return tomllib.loads(EXPECTED.read_text())


def write_expected(found: Mapping[str, str]) -> None:
    """Write what each input got, in the order of the corpus."""
    head = "# What each input of the corpus gets: exit status (of a request HTTP's) and words.\n"
    EXPECTED.write_text(head + "".join(
        f"{json.dumps(one.name)} = {json.dumps(found[one.name], ensure_ascii=False)}\n"
        for one in CORPUS if one.name in found))


def table() -> str:
    """Return docs/hostile-corpus.md."""
    wanted = expected()
    rows = "".join(f"| {one.kind} | {_cell(one.wrong)} | {_cell(wanted[one.name])} |\n" for one in CORPUS)
    return _PAGE.format(number=len(CORPUS), kinds=len({one.kind for one in CORPUS})) + rows


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


_PAGE = """\
# Hostile inputs, and what each one gets

{number} inputs of {kinds} kinds, each fed through the real command or step by
`tests/integration/test_hostile_corpus.py`; the inputs are in `tests/corpus/`. The last column has the exit
status ([errors](errors.md); of requests that of HTTP) and what is said; 0 means that the run went on,
with the input taken as it is, as absent, or with a warning. HERE is the working directory, OUTSIDE one in
which nothing may be read or written, HOST a server on loopback. For all of them holds: no traceback, nothing
read or written outside, at most 256 MB more memory and five seconds of processors, no escape sequence shown.

This page is made from the data: `DEBXCROSS_UPDATE_GOLDEN=1` writes it anew; read the difference.

| kind | what is wrong | what it gets |
|---|---|---|
"""
