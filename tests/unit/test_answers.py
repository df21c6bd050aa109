# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers for configure: the files, the site script, and what a config.log tells."""
from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from debxcross.core.build import answers, device
from debxcross.errors import ConfigurationError

SHIPPED = Path(__file__).parents[2] / "answers"
FILE = """\
Source: rsync
Architecture: armhf
Applies-Versions: >= 3.2.7-1~, << 3.2.8
Learned-With: qemu-arm 7.2.22

# A reason, for people.
rsync_cv_HAVE_SECURE_MKSTEMP=yes
ac_cv_lib_x='-lfoo -lbar'
gl_cv_empty=
#define INET6 1
#define NAME "it's"
#define EMPTY
# define is a comment.
"""

#: As autoconf 2.71 writes it, cut down.
LOG = """\
This file contains any messages produced by compilers while
configure:100: checking for secure mkstemp
configure:110: arm-linux-gnueabihf-gcc -o conftest conftest.c  >&5
configure:110: $? = 0
configure:110: ./conftest
qemu: uncaught target signal 11 (Segmentation fault) - core dumped
configure:110: $? = 139
configure: program exited with status 139
configure: failed program was:
| int main (void) { return *(int *) 0; }
configure:120: result: no
configure:130: checking for socketpair
configure:131: ./conftest
configure: program exited with status 1
configure:132: result: no
configure:140: checking for a loader
configure: program exited with status 126

## ---------------- ##
## Cache variables. ##
## ---------------- ##

ac_cv_build=x86_64-pc-linux-gnu
ac_cv_env_CFLAGS_value='-g -O2'
ac_cv_func_socketpair=no
rsync_cv_HAVE_SECURE_MKSTEMP=no
lt_cv_two='a b'

## ----------------- ##
## Output variables. ##
## ----------------- ##

ACLOCAL='aclocal_cv_no=1'
rsync_cv_not_one=yes

## ----------- ##
## confdefs.h. ##
## ----------- ##

/* confdefs.h */
#define PACKAGE_NAME "rsync"
#define INET6 1
#define EMPTY /**/

configure: exit 0
"""


def test_a_file_is_read_and_written() -> None:
    found = answers.parse(FILE, "rsync", "armhf")
    assert found.versions == ((">=", "3.2.7-1~"), ("<<", "3.2.8"))
    assert found.values == (("ac_cv_lib_x", "-lfoo -lbar"), ("gl_cv_empty", ""),
                            ("rsync_cv_HAVE_SECURE_MKSTEMP", "yes"))
    assert found.defines == (("EMPTY", ""), ("INET6", "1"), ("NAME", '"it\'s"'))
    assert answers.parse(answers.render(found, "qemu-arm 9.0"), "rsync", "armhf") == found


@pytest.mark.parametrize("version,fits", [
    ("3.2.7-1+deb12u2", True), ("3.2.7-1~bpo1", True), ("3.2.6-1", False), ("3.2.8", False)])
def test_answers_are_for_a_range_of_versions(version: str, fits: bool) -> None:
    assert answers.parse(FILE, "rsync", "armhf").fits(version) is fits


@pytest.mark.parametrize("line", [
    "PATH=/tmp", "cross_compiling=no", "ac_cv_x=$(reboot) y", "ac_cv_x=a; reboot", "rm -rf ac_cv_x=1",
    "ac_cv_x", "ac_cv_x='open", "ac_cv_x-y=1", "rsync_cv_HAVE_SECURE_MKSTEMP=no"])
def test_nothing_but_cache_variables_is_answered(line: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        answers.parse(FILE + line + "\n", "rsync", "armhf")
    assert "1 fault" in error.value.brief


@pytest.mark.parametrize("old,new", [
    ("Source: rsync", "Source: grep"), ("armhf", "armel"), (">= 3.2.7-1~", "3.2.7"),
    ("Applies-Versions: >= 3.2.7-1~, << 3.2.8\n", "")])
def test_faults_of_a_header_are_told(old: str, new: str) -> None:
    with pytest.raises(ConfigurationError):
        answers.parse(FILE.replace(old, new), "rsync", "armhf")


def test_a_config_log_tells_its_answers() -> None:
    assert answers.cache_variables(LOG) == {
        "ac_cv_func_socketpair": "no", "rsync_cv_HAVE_SECURE_MKSTEMP": "no", "lt_cv_two": "a b"}
    assert answers.macros(LOG) == {"PACKAGE_NAME": '"rsync"', "INET6": "1", "EMPTY": "/**/"}
    assert answers.cache_variables("configure:1: checking") == answers.macros("") == {}


def test_a_crash_is_told_apart_from_an_answer() -> None:
    assert [one.words for one in answers.crashes(LOG)] == [
        "for secure mkstemp: the test program was ended by signal 11",
        "for a loader: the test program could not be started (status 126)"]


def with_answers(**values: str) -> str:
    lines = "\n".join(f"{name}={value}" for name, value in values.items())
    return f"## Cache variables. ##\n## ---------------- ##\n\n{lines}\n\n## ----------------- ##\nrest\n"


@pytest.mark.parametrize("emulated,plain,learned,split", [
    ([with_answers(a_cv_x="yes")], [with_answers(a_cv_x="no")], {"a_cv_x": "yes"}, ()),
    ([with_answers(a_cv_x="yes")], [with_answers(a_cv_x="yes")], {}, ()),
    ([with_answers(apr_cv_mutex_robust_shared="yes")], [with_answers()], {}, ()),
    # Asked only where programs run.
    ([with_answers(a_cv_x="yes")], [with_answers()], {"a_cv_x": "yes"}, ()),
    # Two configure scripts of one source: the same answers, the same two, and other ones.
    ([with_answers(a_cv_x="1")] * 2, [with_answers(a_cv_x="0")] * 2, {"a_cv_x": "1"}, ()),
    ([with_answers(a_cv_x="1"), with_answers(a_cv_x="2")],
     [with_answers(a_cv_x="2"), with_answers(a_cv_x="1")], {}, ()),
    ([with_answers(a_cv_x="1"), with_answers(a_cv_x="2")],
     [with_answers(a_cv_x="0"), with_answers(a_cv_x="0")], {}, ("a_cv_x",)),
])
def test_what_a_build_without_emulation_must_be_told(
    emulated: list[str], plain: list[str], learned: dict[str, str], split: tuple[str, ...]
) -> None:
    assert answers.differences(emulated, plain) == (learned, split)


WRITTEN = answers.parse(FILE, "rsync", "armhf")


@pytest.mark.parametrize("setting,version,emulator,mode", [
    ("", "3.2.7-1", "qemu", answers.FILE), ("", "3.2.7-1", "", answers.FILE),
    ("", "3.3.0-1", "qemu", answers.EMULATOR), ("", "3.3.0-1", "", answers.NONE),
    ("emulator", "3.2.7-1", "qemu", answers.EMULATOR), ("file", "3.2.7-1", "qemu", answers.FILE),
    ("none", "3.2.7-1", "qemu", answers.NONE),
])
def test_who_answers(setting: str, version: str, emulator: str, mode: str) -> None:
    told = answers.choose(setting, WRITTEN, version, emulator)
    assert (told.mode, told.emulator) == (mode, emulator if mode == answers.EMULATOR else "")
    # A person's answers are never asked of the emulator again.
    assert told.values == (WRITTEN.values if mode != answers.NONE and version == "3.2.7-1" else ())


@pytest.mark.parametrize("setting,written,version,emulator", [
    ("file", None, "3.2.7-1", "qemu"), ("file", WRITTEN, "3.3.0-1", "qemu"),
    ("emulator", WRITTEN, "3.2.7-1", "")])
def test_what_a_setting_names_must_be_there(
    setting: str, written: answers.Answers | None, version: str, emulator: str
) -> None:
    with pytest.raises(ConfigurationError):
        answers.choose(setting, written, version, emulator)


@pytest.mark.parametrize("own,setting,mode", [
    ("", "", answers.NONE), ("emulator", "", answers.EMULATOR), ("", "emulator", answers.EMULATOR)])
def test_a_sources_usual_setting_gives_way(own: str, setting: str, mode: str) -> None:
    known = answers.Answering({}, {"python2.7": "none"}, "qemu", setting)
    assert known.told("python2.7", own, "2.7.18-8").mode == mode
    assert known.told("grep", "", "3.8-5").mode == answers.EMULATOR


def test_files_alone_on_the_command_line_ask_no_emulator() -> None:
    known = answers.Answering({"rsync": WRITTEN}, {}, "qemu", "file")
    assert known.told("rsync", "", "3.2.7-1").mode == answers.FILE
    assert known.told("grep", "emulator", "3.8-5") == answers.Told()


def test_the_shipped_usual_settings_are_read() -> None:
    document = tomllib.loads((SHIPPED / "sources.toml").read_text())
    assert answers.parse_usual(document, "sources.toml")["python2.7"] == answers.BARE
    with pytest.raises(ConfigurationError) as error:
        answers.parse_usual({"a": {"answers": "none"}, "b": {"answers": "maybe", "why": "x"}}, "mine")
    assert "2 faults" in error.value.brief


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*/*.cache")), ids=str)
def test_the_shipped_answers_are_read(path: Path) -> None:
    assert answers.parse(path.read_text(), path.parent.name, path.stem).values


@pytest.mark.parametrize("version,inside,outside", [
    ("3.2.7-1+deb12u6", ("3.2.7-1", "3.2.7-2", "3.2.7-0~bpo1"), ("3.2.8-1", "3.2.6-9", "3.2.7.1-1")),
    ("1:4.3-2", ("1:4.3-9",), ("4.3-2", "1:4.3.1-1")), ("12", ("12",), ("12.1", "13", "11"))])
def test_learned_answers_are_for_all_revisions(
    version: str, inside: tuple[str, ...], outside: tuple[str, ...]
) -> None:
    learned = answers.Answers("a", "armhf", answers.range_of(version), ())
    assert all(map(learned.fits, inside)) and not any(map(learned.fits, outside))


def with_macros(*names: str) -> str:
    lines = "\n".join(f"#define {name} 1" for name in names)
    return f"## confdefs.h. ##\n## ----------- ##\n\n/* confdefs.h */\n{lines}\n\nconfigure: exit 0\n"


@pytest.mark.parametrize("emulated,plain,found", [
    ([with_macros("A", "INET6")], [with_macros("A")], {"INET6": "1"}),
    ([with_macros("A")], [with_macros("A", "B")], {}),
    # Two configure scripts: only what concerns both.
    ([with_macros("A", "B"), with_macros("A")], [with_macros(), with_macros()], {"A": "1"}),
    ([], [], {}),
])
def test_what_configure_defines_only_where_programs_run(
    emulated: list[str], plain: list[str], found: dict[str, str]
) -> None:
    assert answers.undefined(emulated, plain) == found


def test_a_bare_root_tells_nothing_and_is_another_thing_than_none() -> None:
    bare, usual = (answers.choose(mode, None, "1", "qemu") for mode in (answers.BARE, answers.NONE))
    assert device.inputs(bare, {"pkgconf"}) == {} != device.inputs(usual, {"pkgconf"})
    assert device.inputs(usual, {"gcc"}) == {}
    assert bare.identity.startswith("bare ") and usual.identity == ""


@pytest.mark.parametrize(("status", "crashed"), [
    (134, False), (142, False), (139, True), (132, True), (127, True)])
def test_a_program_that_aborts_has_answered(status: int, crashed: bool) -> None:
    log = (f"configure:1: checking whether printf supports the 'n' directive\nconfigure:2: ./conftest\n"
           f"configure:2: $? = {status}\nconfigure: program exited with status {status}\n")
    assert bool(list(answers.crashes(log))) == crashed
