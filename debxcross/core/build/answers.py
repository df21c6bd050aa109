# SPDX-License-Identifier: GPL-3.0-or-later
"""What configure is told about the device instead of "cannot be found out when cross compiling".

A test of configure that runs a program has no answer when the program cannot run, and a guess
takes its place (AC_RUN_IFELSE's last argument).  Two things give it the device's answer: an emulator
that runs the program, or a file in which an emulated run's answers were written down.  Such a
file is ``SOURCE/ARCH.cache``:

    Source: rsync
    Architecture: armhf
    Applies-Versions: >= 3.2.7-1~, << 3.2.8
    Learned-With: qemu-arm 7.2.22

    rsync_cv_HAVE_SECURE_MKSTEMP=yes
    # A reason, for people.
    apr_cv_mutex_robust_shared=yes
    #define INET6 1

The values are those of configure's cache variables (autoconf, "Cache Variable Names"), quoted as
a shell would.  A test that has none is answered by what it would define in config.h.
"""
from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from debian.deb822 import Deb822

from debxcross.core.border import is_text
from debxcross.core.key import digest
from debxcross.core.patch import outside, parse_relations
from debxcross.errors import ConfigurationError

#: How a source's tests are answered: by the emulated processor, by a file, or by dpkg-cross alone.
EMULATOR, FILE, NONE, BARE = "emulator", "file", "none", "bare"
MODES = (FILE, EMULATOR, NONE, BARE)

#: A cache variable has _cv_ in its name; nothing else may be set by a file of answers.
_VARIABLE = re.compile(r"[A-Za-z][A-Za-z0-9_]*_cv_[A-Za-z0-9_]+\Z")
#: What describes the build instead of the device: the two machines, and the environment.
_NO_ANSWER = re.compile(r"ac_cv_(build|host|target|build_alias|host_alias|target_alias|env_\w+)\Z")
_DEFINE = re.compile(r"#define ([A-Za-z_][A-Za-z0-9_]*)(?: ([ -~]*))?\Z")
_CACHE_BEGINS = re.compile(r"^## Cache variables\. ##$", re.MULTILINE)
_DEFINES_BEGIN = re.compile(r"^## confdefs\.h\. ##$", re.MULTILINE)
_NEXT_PART = re.compile(r"^## -+ ##$", re.MULTILINE)
_TEST = re.compile(r"^configure:(?:\d+: checking (?P<what>.+)| program exited with status (?P<status>\d+))$",
                   re.MULTILINE)
#: Tests that QEMU's user mode answers otherwise than a device's kernel would: variable → (value, why).
#: docs/answers.md has what was measured.
FIXED: Mapping[str, tuple[str, str]] = {
    "apr_cv_mutex_robust_shared": ("yes", "QEMU has no list of robust futexes: their owner's death is not told"),
}


@dataclass(frozen=True)
class Answers:
    """The answers for one source on one architecture: (variable, value) in the variables' order.

    ``defines`` are (macro, text) of tests that have no variable.
    """

    source: str
    architecture: str
    versions: tuple[tuple[str, str], ...]
    values: tuple[tuple[str, str], ...]
    defines: tuple[tuple[str, str], ...] = ()

    def fits(self, version: str) -> bool:
        """Tell whether they are for this version of the source."""
        return outside(version, self.versions) is None


@dataclass(frozen=True)
class Told:
    """What a source's build is told about the device: how, and which values it need not find out.

    ``emulator`` is the emulator's name and version, "" when it is not used: it stands in the provenance,
    not in the key.
    """

    mode: str = NONE
    values: tuple[tuple[str, str], ...] = ()
    defines: tuple[tuple[str, str], ...] = ()
    emulator: str = ""

    @property
    def answers(self) -> bool:
        """Whether configure is told anything."""
        return self.mode in (FILE, EMULATOR)

    @property
    def tools(self) -> bool:
        """Whether tools that are called without a triplet answer for the device."""
        return self.mode != BARE

    @property
    def answered(self) -> Mapping[str, str]:
        """All that configure is told instead of trying it: an emulator is not asked what it cannot know."""
        fixed = {name: value for name, (value, _) in FIXED.items()} if self.answers else {}
        return {**fixed, **dict(self.values)}

    @property
    def identity(self) -> str:
        """The mode and the digest of what is told, as a lock has it; "" for the usual, NONE."""
        return f"{self.mode} {digest([self.answered, self.defines])}" if self.mode != NONE else ""


def choose(setting: str, written: Answers | None, version: str, emulator: str) -> Told:
    """Decide how a source's tests are answered.

    ``setting`` is one of MODES, or "" for the first of them that is there: a file for this version, the
    emulator, nothing.  Raises ConfigurationError when what the setting names is not there.
    """
    fitting = written if written is not None and written.fits(version) else None
    if setting == FILE and fitting is None:
        raise ConfigurationError(
            f"there are no answers for this version ({version})" if written else "there are no answers",
            "", "'debxcross learn' writes them, on a machine with an emulator.")
    if setting == EMULATOR and not emulator:
        raise ConfigurationError(
            "no emulator is registered that works in build roots", "",
            "'debxcross doctor' tells what is missing; answers from a file need none.")
    if setting == FILE or not setting and fitting is not None:
        return Told(FILE, fitting.values, fitting.defines) if fitting else Told()
    if setting == EMULATOR or not setting and emulator:
        return Told(EMULATOR, fitting.values if fitting else (), emulator=emulator)
    return Told(setting or NONE)


@dataclass(frozen=True)
class Answering:
    """Who can answer in a run: files by source, and the emulator's words ("" when there is none).

    ``usual`` are the settings of sources for which no chain says anything.  ``setting`` comes from the
    command line and goes before all others; of files it then wants only those that there are.
    """

    written: Mapping[str, Answers] = field(default_factory=dict)
    usual: Mapping[str, str] = field(default_factory=dict)
    emulator: str = ""
    setting: str = ""

    def told(self, source: str, setting: str, version: str) -> Told:
        """Return what a source's build is told.  Raises ConfigurationError as ``choose`` does."""
        written = self.written.get(source)
        if self.setting == FILE:
            return choose("", written, version, "")
        return choose(self.setting or self.wanted(source, setting), written, version, self.emulator)

    def wanted(self, source: str, setting: str) -> str:
        """Return a member's own setting, or the usual one of its source."""
        return setting or self.usual.get(source, "")


@dataclass(frozen=True)
class Crash:
    """A test program that did not end by itself: what was tested, and its status as the shell has it."""

    what: str
    status: int

    @property
    def words(self) -> str:
        """What is said of it: 126 and 127 mean that it did not start (POSIX, sh, 2.8.2)."""
        if self.status < 128:
            return f"{self.what}: the test program could not be started (status {self.status})"
        return f"{self.what}: the test program was ended by signal {self.status - 128}"


def parse(text: str, source: str, architecture: str) -> Answers:
    """Read a file of answers.  Raises ConfigurationError with all its faults."""
    head, _, body = text.partition("\n\n")
    header = Deb822([line for line in head.splitlines() if not line.startswith("#")])
    faults = [f"{field}: {header.get(field, '')!r}, but the file is for {wanted}"
              for field, wanted in (("Source", source), ("Architecture", architecture))
              if header.get(field) != wanted]
    versions, wrong = parse_relations(header.get("Applies-Versions", ""))
    faults += [f"Applies-Versions: {part!r} is not a relation such as '>= 1.2-3'" for part in wrong]
    if not versions and not wrong:
        faults.append("Applies-Versions: missing")
    values: dict[str, str] = {}
    defines: dict[str, str] = {}
    if not is_text(text.replace("\r\n", "\n")):
        faults.append("there is a control character in it")
    for line in body.splitlines():
        if match := _DEFINE.match(line):
            defines[match[1]] = match[2] or ""
        if not line.strip() or line.startswith("#"):
            continue
        answer = _assignment(line)
        if answer is None:
            faults.append(f"{line!r} does not answer a cache variable (NAME_cv_NAME=VALUE)")
        elif answer[0] in values:
            faults.append(f"{answer[0]} is answered twice")
        else:
            values[answer[0]] = answer[1]
    if faults:
        raise ConfigurationError(
            f"the answers {source}/{architecture}.cache have {len(faults)} fault{'s' if len(faults) > 1 else ''}",
            "\n".join(faults), "docs/answers.md describes the file; 'debxcross learn' writes it.")
    return Answers(source, architecture, versions, tuple(sorted(values.items())), tuple(sorted(defines.items())))


def parse_usual(document: Mapping[str, object], origin: str) -> Mapping[str, str]:
    """Read the table of sources with a usual setting: SOURCE.answers, and SOURCE.why for people.

    Raises ConfigurationError with all faults.
    """
    found, faults = {}, []
    for source, table in document.items():
        setting = table.get("answers") if isinstance(table, Mapping) else None
        if not isinstance(table, Mapping) or set(table) != {"answers", "why"} or setting not in MODES:
            faults.append(f"{source}: must have 'answers' (one of {', '.join(MODES)}) and 'why'")
        else:
            found[source] = str(setting)
    if faults:
        raise ConfigurationError(f"{origin} has {len(faults)} fault{'s' if len(faults) > 1 else ''}",
                                 "\n".join(faults), "docs/answers.md describes the file.")
    return found


def _assignment(line: str) -> tuple[str, str] | None:
    """Return the variable and the value of "name=word"; None for anything else a shell could run."""
    name, found, quoted = line.partition("=")
    try:
        words = shlex.split(quoted)
    except ValueError:
        return None
    if not found or len(words) > 1 or not _VARIABLE.match(name):
        return None
    return name, "".join(words)


def range_of(version: str) -> tuple[tuple[str, str], ...]:
    """Return the relations that all Debian revisions of a version's upstream version fulfil.

    A revision seldom changes what configure asks; where one does, narrow the range by hand.
    """
    upstream = version.rpartition("-")[0] or version
    return (">=", f"{upstream}-0~" if upstream != version else version), ("<<", f"{upstream}.0~")


def render(answers: Answers, learned_with: str) -> str:
    """Return the text that ``parse`` reads."""
    relations = ", ".join(" ".join(one) for one in answers.versions)
    return "".join((
        f"Source: {answers.source}\nArchitecture: {answers.architecture}\n",
        f"Applies-Versions: {relations}\nLearned-With: {learned_with}\n\n",
        *(f"{name}={shlex.quote(value)}\n" for name, value in answers.values),
        *(f"{define_line(*one)}\n" for one in answers.defines)))


def define_line(name: str, text: str) -> str:
    """Return a line of config.h, as ``parse`` reads it."""
    return f"#define {name} {text}".rstrip()


def cache_variables(log: str) -> Mapping[str, str]:
    """Return the answers that a config.log tells: the last of its lists of cache variables."""
    pairs = (_assignment(line) for line in _part(log, _CACHE_BEGINS))
    return {name: value for name, value in filter(None, pairs) if not _NO_ANSWER.match(name)}


def macros(log: str) -> Mapping[str, str]:
    """Return the macros that a config.log tells configure defined, with their texts."""
    matches = (_DEFINE.match(line) for line in _part(log, _DEFINES_BEGIN))
    return {match[1]: match[2] or "" for match in matches if match}


def _part(log: str, begins: re.Pattern[str]) -> list[str]:
    """Return the lines of the last part of a log with this title."""
    parts = begins.split(log)
    return _NEXT_PART.split(parts[-1], maxsplit=2)[1].splitlines() if len(parts) > 1 else []


#: What the shell says of SIGABRT (6) and SIGALRM (14).
_ANSWERS_BY_SIGNAL = (128 + 6, 128 + 14)


def crashes(log: str) -> Iterator[Crash]:
    """Yield the test programs of a config.log that crashed, or could not be started.

    A program that calls abort(), or that its own alarm() ends, has given its answer: gnulib's tests
    of printf's %n (glibc's fortified printf aborts) and of slow string functions do, on a real device too.
    """
    what = "a test without a name"
    for match in _TEST.finditer(log):
        if match["what"]:
            what = match["what"]
        elif int(match["status"]) >= 126 and int(match["status"]) not in _ANSWERS_BY_SIGNAL:
            yield Crash(what, int(match["status"]))


def differences(emulated: Iterable[str], plain: Iterable[str]) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """Return what is to be answered so that a build without emulation hears what one with it did.

    ``emulated`` and ``plain`` are the config.logs of a build of each kind.  What is FIXED is told in any
    case.  The second value names the
    variables that got different answers in one emulated build: a file cannot give both.
    """
    told, guessed = _collected(map(cache_variables, emulated)), _collected(map(cache_variables, plain))
    differ = {name for name, values in told.items() if values != guessed.get(name) and name not in FIXED}
    return ({name: next(iter(told[name])) for name in sorted(differ) if len(told[name]) == 1},
            tuple(sorted(name for name in differ if len(told[name]) > 1)))


def undefined(emulated: Iterable[str], plain: Iterable[str]) -> Mapping[str, str]:
    """Return the macros that all configure scripts of an emulated build define alike, and none of a plain one.

    They are the answers of tests without a cache variable.
    """
    logs = [macros(log) for log in emulated]
    found = _collected(map(macros, plain))
    every = set(logs[0]).intersection(*logs) if logs else set()
    return {name: logs[0][name] for name in sorted(every)
            if name not in found and len({one[name] for one in logs}) == 1}


def _collected(logs: Iterable[Mapping[str, str]]) -> Mapping[str, set[str]]:
    found: dict[str, set[str]] = {}
    for values in logs:
        for name, value in values.items():
            found.setdefault(name, set()).add(value)
    return found
