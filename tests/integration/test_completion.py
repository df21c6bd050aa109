# SPDX-License-Identifier: GPL-3.0-or-later
"""Tab in real shells on a pseudo-terminal, and how long it takes."""
from __future__ import annotations

import os
import pty
import re
import resource
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.tools import need

CHECKOUT = Path(__file__).resolve().parents[2]
COMPLETION = CHECKOUT / "completion"
#: What a shell prints before each command line; nothing else prints it.
PROMPT = "ready>"
#: Seconds of processor time that one answer may take.
LONGEST = 0.2


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the program on its PATH, a run, a repository, and a chain file."""
    home = tmp_path_factory.mktemp("home")
    program = home / "bin" / "debxcross"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(CHECKOUT)!r})\n"
                       "from debxcross.cli import main\nmain()\n")
    program.chmod(0o755)
    (home / "out/armel/logs").mkdir(parents=True)
    for name in ("openssl", "zlib"):
        (home / f"out/armel/logs/{name}.log").write_text("")
    (home / "repo/snapshots/20261120T043805Z").mkdir(parents=True)
    (home / "board.toml").write_text('[chain]\nname = "board"\nrelease = "bookworm"\n'
                                     '[[source]]\nname = "expat"\n[security]\nsources = ["glib2.0"]\n')
    (home / ".zshrc").write_text(f"PS1='{PROMPT}'\nfpath=({COMPLETION} $fpath)\nautoload -U compinit\n"
                                 "compinit -u -D\nsetopt no_always_last_prompt\nunsetopt beep\n")
    (home / ".bashrc").write_text(f"PS1='{PROMPT}'\nbind 'set bell-style none'\n"
                                  f". {COMPLETION}/debxcross.bash\n")
    answer(home, "debxcross ")  # the table of commands is made once
    return home


def environment(home: Path) -> dict[str, str]:
    return {"HOME": str(home), "PATH": f"{home}/bin:/usr/bin:/bin", "TERM": "dumb", "LC_ALL": "C.UTF-8",
            "INPUTRC": "/dev/null"}


def asked(home: Path, line: str) -> subprocess.CompletedProcess[str]:
    """Ask as the script for bash does: the last word of the line is the one to complete."""
    words = line.split(" ")
    return subprocess.run(
        [home / "bin/debxcross"], check=True, capture_output=True, text=True, cwd=home,
        env={**environment(home), "_DEBXCROSS_COMPLETE": "bash_complete", "COMP_WORDS": line,
             "COMP_CWORD": str(len(words) - 1)})


def answer(home: Path, line: str) -> set[str]:
    return set(asked(home, line).stdout.split())


@pytest.mark.parametrize(("line", "wanted"), [
    ("debxcross buil", {"plain,build", "plain,build-dep-chain"}),
    ("debxcross build-dep-chain arm", {"plain,arm64", "plain,armel", "plain,armhf"}),
    ("debxcross build expat --arch arm64 --release t", {"plain,trixie"}),
    ("debxcross plan armel --chain ", {"plain,python2.7", "plain,security-bookworm"}),
    ("debxcross plan armel --chain ./b", {"file,./b"}),
    ("debxcross plan armel --format ", {"plain,text", "plain,json", "plain,dot"}),
    ("debxcross build-dep-chain armel --chain board.toml --rebuild ", {"plain,expat", "plain,glib2.0"}),
    ("debxcross lock armel --chain board.toml --update de", {"plain,device", "plain,device-root"}),
    ("debxcross log ", {"plain,openssl", "plain,zlib"}),
    ("debxcross explain z", {"plain,zlib"}),
    ("debxcross plan armel --without bookworm-s", {"plain,bookworm-security"}),
    ("debxcross repo rollback repo ", {"plain,previous", "plain,20261120T043805Z"}),
    ("debxcross repo gc repo --", {"plain,--keep", "plain,--days", "plain,--dry-run", "plain,--state",
                                   "plain,--json", "plain,--help"}),
    ("debxcross repo verify repo --release ", {"plain,bullseye", "plain,bookworm", "plain,trixie",
                                               "plain,forky", "plain,sid"}),
    ("debxcross repo key ", {"plain,add", "plain,list", "plain,retire"}),
    ("debxcross plan armel --store ", {"dir,"}),
    ("debxcross build expat --offl", set()),
])
def test_the_program_knows(home: Path, line: str, wanted: set[str]) -> None:
    assert answer(home, line) == wanted


@pytest.mark.parametrize("line", ["debxcross ", "debxcross build-dep-chain armel --rebuild ",
                                  "debxcross repo rollback repo ", "debxcross log "])
def test_an_answer_is_quick(home: Path, line: str) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    asked(home, line)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime <= LONGEST


def test_an_answer_needs_no_network(home: Path) -> None:
    need("strace")
    trace = home / "trace"
    subprocess.run(["strace", "-f", "-e", "trace=%network,execve", "-o", trace, home / "bin/debxcross"],
                   check=True, capture_output=True, cwd=home,
                   env={**environment(home), "_DEBXCROSS_COMPLETE": "bash_complete", "COMP_CWORD": "4",
                        "COMP_WORDS": "debxcross build-dep-chain armel --rebuild "})
    called = re.findall(r"^\d+ +(\w+)\(", trace.read_text(), re.MULTILINE)
    assert called.count("execve") == len(called) > 0


def test_a_damaged_table_is_made_again(home: Path) -> None:
    cache = home / ".cache/debxcross-completion.json"
    good = cache.read_text()
    for damaged in ("", "{", "[]", '{"stamp": 1, "commands": {}}', '{"stamp": "x", "commands": 7}'):
        cache.write_text(damaged)
        assert answer(home, "debxcross learn zlib --arch armh") == {"plain,armhf"}
        assert cache.read_text() == good


class Terminal:
    """A shell on a pseudo-terminal."""

    def __init__(self, leader: int) -> None:
        self._leader = leader

    def read_until(self, wanted: str, seconds: float = 30) -> str:
        """Return what the shell wrote up to ``wanted``; fail after so many seconds."""
        text, end = "", time.monotonic() + seconds
        while wanted not in text:
            left = end - time.monotonic()
            assert left > 0 and select.select([self._leader], [], [], left)[0], f"no {wanted!r} in {text!r}"
            text += os.read(self._leader, 4096).decode("utf-8", "replace")
        return text

    def type(self, keys: str) -> None:
        """Type keys; "\\t" is Tab."""
        os.write(self._leader, keys.encode())


@contextmanager
def shell(home: Path, *command: str) -> Iterator[Terminal]:
    leader, follower = pty.openpty()
    with subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower, cwd=home,
                          env=environment(home), start_new_session=True) as process:
        os.close(follower)
        terminal = Terminal(leader)
        try:
            terminal.read_until(PROMPT)
            yield terminal
        finally:
            process.kill()
            os.close(leader)


@pytest.mark.parametrize("name", ["bash", "zsh"])
@pytest.mark.parametrize(("typed", "becomes"), [
    ("debxcross build-d\t", "build-dep-chain "),
    ("debxcross plan arme\t", "armel "),
    ("debxcross plan armel --chain sec\t", "security-bookworm "),
    ("debxcross build-dep-chain armel --chain bo\t", "board.toml "),
    ("debxcross build-dep-chain armel --chain board.toml --rebuild e\t", "expat "),
    ("debxcross log op\t", "openssl "),
    ("debxcross repo rollback repo 2\t", "20261120T043805Z "),
    ("debxcross repo rollback rep\t", "repo/"),
])
def test_tab_completes_a_word(home: Path, name: str, typed: str, becomes: str) -> None:
    need(name)
    with shell(home, name, "-i") as terminal:
        terminal.type(typed)
        terminal.type("END")
        # A character before a backspace was taken back: zsh tries which suffix stays.
        shown = re.sub(".\x08", "", terminal.read_until("END").replace("\x1b[K", ""))
        assert shown.endswith(f"{becomes}END")


@pytest.mark.parametrize("name", ["bash", "zsh"])
def test_tab_twice_lists(home: Path, name: str) -> None:
    need(name)
    with shell(home, name, "-i") as terminal:
        terminal.type("debxcross sysroot \t\t")
        assert "create" in terminal.read_until("verify")


@pytest.mark.slow  # not for its time: it wants another shell
@pytest.mark.parametrize(("line", "wanted"), [
    ("debxcross plan armel --chain p", {"python2.7"}),
    ("debxcross plan armel --chain=p", {"--chain=python2.7"}),
    ("debxcross log ", {"openssl", "zlib"}),
    ("debxcross repo key ", {"add", "list", "retire"}),
    ("debxcross repo publish re", {"repo/"}),
])
def test_fish_completes(home: Path, line: str, wanted: set[str]) -> None:
    need("fish")
    found = subprocess.run(["fish", "-c", f"source {COMPLETION}/debxcross.fish; complete -C '{line}'"],
                           check=True, capture_output=True, text=True, cwd=home, env=environment(home))
    assert {one.split("\t")[0] for one in found.stdout.splitlines()} == wanted
