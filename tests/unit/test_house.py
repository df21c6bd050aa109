# SPDX-License-Identifier: GPL-3.0-or-later
"""The house checks itself: who imports whom, how big things are, what must not be written down.

The rules are docs/architecture.md's.  A rule that is broken on purpose is broken in a table
of this file, pair by pair, with the reason; an exception nobody needs any more fails too.
"""
from __future__ import annotations

import ast
import os
import pickle
import re
import socket
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from debxcross import errors
from debxcross.errors import DebxcrossError

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "debxcross"
#: Programs that run on devices, under Python 2.7 too: data, not part of the package's layers.
DEVICE_PROGRAMS = PACKAGE / "trials"
FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py")) if DEVICE_PROGRAMS not in path.parents
}
TREES = {module: ast.parse(path.read_text(), str(path)) for module, path in FILES.items()}

#: Layer → what its modules may import of this package (a module or a whole layer).
MAY_IMPORT = {
    "errors": (),
    "config": ("core.border", "errors"),
    "events": ("core.border", "errors"),
    "core": ("core", "errors"),
    "doors": ("core", "errors", "doors.process", "doors.files"),
    "run": ("core", "errors", "events", "run"),
    "repository": (),
    "repository.core": ("core", "errors", "repository.core"),
    "repository.steps": ("core", "doors", "errors", "repository"),
    "steps": ("core", "doors", "errors", "events", "steps", "config", "repository"),
    "app": ("app", "config", "core", "doors", "errors", "events", "run", "steps", "repository"),
    "cli": ("app", "errors", "events", "cli", "run.plain", "run.terminal", "run.jsonlines", "run.status",
            "core.doctor"),
    "chains": (),
    "__init__": (),
}
#: The rooms of core and steps, from the ground up: each uses only those before it.
ROOMS = ("store", "archive", "build", "sysroot", "wheel", "chain")
#: (importer, imported): why the rule does not hold there.
EXCEPTIONS: dict[tuple[str, str], str] = {
    ("doors.fetch", "doors.web"): "files arrive over the one door to the web",
    ("doors.fetch", "doors.trouble"): "what the door to the web raises",
    ("doors.web", "doors.trouble"): "what the door to the web raises",
    ("doors.web", "doors.connections"): "a part of the door, loaded when something is fetched",
    ("doors.connections", "doors.trouble"): "what the door to the web raises",
    ("doors.apt_child", "doors.apt_archive"): "a part of the child, which alone uses it",
    ("doors.store", "doors.entries"): "a part of the store",
    ("doors.store", "doors.locks"): "a part of the store",
    ("doors.store", "doors.roots"): "a part of the store",
    ("doors.store", "doors.storefs"): "a part of the store",
    ("doors.sdist", "doors.debfile"): "tar archives with bounded headers",
    ("doors.sourcefile", "doors.debfile"): "tar archives with bounded headers",
    ("doors.deb", "doors.debfile"): "debs are read by one reader",
    ("doors.shim", "doors.deb"): "debs are read by one reader",
    ("doors.unpack", "doors.debfile"): "debs are read by one reader",
    ("doors.dpkgtar", "doors.debfile"): "debs are read by one reader",
    ("doors.changelog", "doors.debfile"): "debs are read by one reader",
    ("doors.elfdetails", "doors.elf"): "one reader of ar archives, one list of what damage raises",
    ("doors.chroot", "doors.regular"): "what is in a root was left there by somebody else",
    ("doors.chroot", "doors.watch"): "commands in a root are bounded",
    ("doors.mmdebstrap", "doors.chroot"): "a new root is made for those who enter it",
    ("doors.mmdebstrap", "doors.regular"): "logs are read from their end",
    ("doors.mmdebstrap", "doors.watch"): "mmdebstrap is bounded like a command in a root",
}

PURE_LAYERS = ("core", "repository.core")
#: Libraries that only compute, which is all that core may use.
PURE = frozenset((
    "__future__", "ast", "base64", "binascii", "collections", "configparser", "contextlib", "csv",
    "dataclasses", "datetime", "debian", "difflib", "email", "enum", "fnmatch", "functools", "hashlib",
    "html", "itertools", "json", "packaging", "re", "resolvelib", "shlex", "string", "textwrap",
    "tomllib", "types", "typing",
    "urllib.parse",
))
#: Of these modules, core may import only the names that compute.
PURE_NAMES = {"pathlib": {"PurePosixPath"}}

#: Library → the modules that may import it (a layer ends in a dot).
OWNERS = {
    "sh": ("doors.process",), "subprocess": ("doors.process",),
    "multiprocessing": (), "pty": (), "asyncio": (),
    "apt": ("doors.apt_child",), "apt_pkg": ("doors.apt_child", "doors.apt_archive"),
    "apt_inst": ("doors.apt_child",),
    "aptsources": ("doors.apt_child",), "jinja2": ("doors.template",),
    "elftools": ("doors.elf", "doors.elfdetails"),
    "click": ("cli.",), "rich": ("run.terminal", "cli.report"), "urllib3": ("doors.connections",),
    "urllib.request": ("doors.connections",), "http.client": ("doors.connections",), "requests": (),
    # Archives that come from outside are hostile until read with care; each kind has its reader.
    "zipfile": ("doors.wheelfile", "doors.sdist"),  # wheels; sdists may be zip files too
    "tarfile": ("doors.debfile", "doors.deb", "doors.unpack", "doors.changelog",  # debs; what is in them
                "doors.tree",  # trees of sources, which it packs itself
                "doors.sdist", "doors.sourcefile",  # sources of Python's kind and of Debian's
                "doors.pep517_child",  # a program of the build root, where the sdist was made
                "doors.tar", "steps.store.exchange"),  # sysroots and stores that we packed ourselves
    "unittest": (), "pytest": (),
}
#: Calls that start or become another process.
#: Programs of their own, which a child of ours runs: they may become what they prepare.
PROGRAMS = ("debxcross.doors.process", "debxcross.doors.chroot_enter")
STARTERS = re.compile(r"os\.(system|popen|fork|forkpty|exec\w+|spawn\w+|posix_spawn\w*)\Z")
#: Calls that core must not make: they read the world or the clock.
IMPURE = re.compile(r"(open|input|print|\w+\.load_arch_table|(datetime|date)\.(now|today|utcnow)|"
                    r"\w+\.(read_text|read_bytes|write_text|write_bytes))\Z")

MOST_LINES_OF_A_MODULE = 450
MOST_LINES_OF_A_FUNCTION = 60
#: (module, function) that is longer: why.
LONG_FUNCTIONS = {
    ("doors.process", "run"): "one try block that owns every file and the child (66 lines)",
}

MOST_LINES_OF_A_CLASS = 200
#: (module, class) that is longer: why.
LONG_CLASSES = {
    ("repository.steps.verify", "Verifier"): "one walk over a repository, gathering every fault on its way",
}
MOST_PARAMETERS = 7
#: (module, function) outside of cli that takes more, self not counted: why.
WIDE_FUNCTIONS = {
    ("doors.mmdebstrap", "make_root"): "all that mmdebstrap is to be told",
    ("doors.chroot", "run"): "all that a command in a root can be given; most calls name two or three",
    ("doors.process", "run"): "all that a process can be given; most calls name one or two",
    ("steps.wheel.resolve", "__init__"): "where candidates come from, and what chooses among them",
}
MOST_FIELDS = 12
#: (module, dataclass) with more fields: why.
WIDE_DATACLASSES = {
    ("app.request", "Request"): "what can be said on the command lines that build",
    ("app.sysroot", "SysrootRequest"): "what can be said on the command line of sysroot create",
    ("config", "Configuration"): "the settings of debxcross.toml",
    ("core.chain.chain", "Chain"): "the tables of a chain file",
    ("core.chain.chain", "WheelMember"): "the settings of a [[wheel]] table",
    ("core.doctor", "HostFacts"): "what doctor looks at",
    ("core.gate", "ElfFacts"): "what an ELF file says of itself",
    ("core.wheel.deb", "WrapSettings"): "what a wheel's own metadata does not say of its deb",
    ("core.wheel.metadata", "Wheel"): "the fields of a wheel's METADATA and WHEEL",
}
#: (module, module and name that begins with an underscore): why it is used all the same.
PRIVATE_NAMES: dict[tuple[str, str], str] = {}
#: (module, expression) that knows the layout of the store: why.
STORE_LAYOUT: dict[tuple[str, str], str] = {}

#: Documents that may be cited; a host of an archive or an index comes from the configuration.
DOCUMENTS = {"wiki.debian.org", "www.debian.org", "bugs.debian.org", "peps.python.org", "no-color.org"}
LOOPBACK = {"127.0.0.1", "localhost"}

#: Classes that end with the same status as another one, on purpose.
SHARED_STATUS: dict[frozenset[str], str] = {
    frozenset(("FetchError", "UnreachableError")): "a file could not be had; the class says only why",
}


def layer(module: str) -> str:
    parts = module.split(".")
    if parts[1:2] == ["repository"]:
        return ".".join(parts[1:3])
    return parts[1] if len(parts) > 1 else "__init__"


def imports(module: str) -> Iterator[tuple[str, str]]:
    """Yield (module, name) for every import anywhere in a module; name is "" for a whole module."""
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import in line {node.lineno}"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield (inner, "") if inner in FILES else (node.module or "", alias.name)


def own_imports(module: str) -> Iterator[str]:
    """Yield the modules of this package that a module imports, without the package's name."""
    for imported, _ in imports(module):
        if imported.startswith("debxcross."):
            yield imported.removeprefix("debxcross.")


def calls(module: str) -> Iterator[str]:
    """Yield the dotted names of everything a module calls."""
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Call) and isinstance(node.func, (ast.Name, ast.Attribute)):
            yield ast.unparse(node.func)


def violations(module: str) -> set[tuple[str, str]]:
    allowed = MAY_IMPORT[layer(module)]
    return {
        (module.removeprefix("debxcross."), imported) for imported in own_imports(module)
        if not any(imported == one or imported.startswith(f"{one}.") for one in allowed)}


def room(module: str) -> int | None:
    """Return the number of a module's room, from the ground up; None when it is in none."""
    parts = module.removeprefix("debxcross.").split(".")
    in_one = parts[0] in ("core", "steps") and len(parts) > 1 and parts[1] in ROOMS
    return ROOMS.index(parts[1]) if in_one else None


def upstairs(module: str) -> set[str]:
    """Return the modules of its own layer that a module imports from rooms above its own.

    A module in no room stands on the ground and imports no room; in steps it may use the store's.
    The wing of the repository stands on the ground of core.
    """
    if layer(module).startswith("repository"):
        return {imported for imported in own_imports(module) if room(f"debxcross.{imported}") is not None}
    mine = room(module)
    here = (0 if layer(module) == "steps" else -1) if mine is None else mine
    return {imported for imported in own_imports(module)
            if layer(f"debxcross.{imported}") == layer(module)
            and (there := room(f"debxcross.{imported}")) is not None and there > here}


def long_functions(module: str) -> set[tuple[str, str]]:
    return {
        (module.removeprefix("debxcross."), node.name) for node in ast.walk(TREES[module])
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and (node.end_lineno or 0) - node.lineno >= MOST_LINES_OF_A_FUNCTION}


def short(module: str) -> str:
    return module.removeprefix("debxcross.")


def long_classes(module: str) -> set[tuple[str, str]]:
    return {(short(module), node.name) for node in ast.walk(TREES[module]) if isinstance(node, ast.ClassDef)
            and (node.end_lineno or 0) - node.lineno >= MOST_LINES_OF_A_CLASS}


def wide_functions(module: str) -> set[tuple[str, str]]:
    found = set()
    for node in ast.walk(TREES[module]):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and layer(module) != "cli":
            names = [one.arg for one in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
            if len(names) - (names[:1] in (["self"], ["cls"])) > MOST_PARAMETERS:
                found.add((short(module), node.name))
    return found


def wide_dataclasses(module: str) -> set[tuple[str, str]]:
    return {(short(module), node.name) for node in ast.walk(TREES[module]) if isinstance(node, ast.ClassDef)
            and any(ast.unparse(one).startswith("dataclass") for one in node.decorator_list)
            and sum(isinstance(one, ast.AnnAssign) for one in node.body) > MOST_FIELDS}


def private_names(module: str) -> set[tuple[str, str]]:
    """Return the names of other modules of the package, with an underscore, that a module uses."""
    found = {f"{imported}.{name}" for imported, name in imports(module)
             if imported.startswith("debxcross.") and name.startswith("_")}
    modules = {alias.asname or alias.name: f"{node.module}.{alias.name}"
               for node in ast.walk(TREES[module]) if isinstance(node, ast.ImportFrom)
               for alias in node.names if f"{node.module}.{alias.name}" in FILES}
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules \
                and node.attr.startswith("_") and not node.attr.startswith("__"):
            found.add(f"{modules[node.value.id]}.{node.attr}")
    return {(short(module), short(name)) for name in found}


def store_layout(module: str) -> set[tuple[str, str]]:
    """Return where something is joined to a store's directory, which only doors may do."""
    if layer(module) == "doors":
        return set()
    return {(short(module), ast.unparse(node)) for node in ast.walk(TREES[module])
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
            and re.search(r"(^|\.)_?store\.directory$", ast.unparse(node.left))}


#: What is measured in every module, and the table of what may break it.
MEASURES: tuple[tuple[Callable[[str], set[tuple[str, str]]], dict[tuple[str, str], str]], ...] = (
    (violations, EXCEPTIONS), (long_functions, LONG_FUNCTIONS), (long_classes, LONG_CLASSES),
    (wide_functions, WIDE_FUNCTIONS), (wide_dataclasses, WIDE_DATACLASSES),
    (private_names, PRIVATE_NAMES), (store_layout, STORE_LAYOUT))


def test_the_whole_package_is_read() -> None:
    assert {"debxcross.core.key", "debxcross.repository.core.index",
            "debxcross.doors.process", "debxcross.cli", "debxcross.app"} <= set(FILES)
    assert {layer(module) for module in FILES} <= set(MAY_IMPORT), "a new layer needs its rule"


@pytest.mark.parametrize("module", FILES)
def test_data_flows_downwards(module: str) -> None:
    assert violations(module) - set(EXCEPTIONS) == set()


@pytest.mark.parametrize("module", [one for one in FILES if layer(one) != "cli"])
def test_rooms_stand_on_those_before_them(module: str) -> None:
    assert upstairs(module) == set()


@pytest.mark.parametrize("measure,table", MEASURES, ids=[measure.__name__ for measure, _ in MEASURES])
def test_no_exception_outlives_its_reason(
    measure: Callable[[str], set[tuple[str, str]]], table: dict[tuple[str, str], str]
) -> None:
    present = {pair for module in FILES for pair in measure(module)}
    assert set(table) - present == set() and all(table.values())


@pytest.mark.parametrize("name,text,measure", [
    ("a class", "class A:\n" + "    a = 1\n" * 200, long_classes),
    ("parameters", "def f(a, b, c, *, d, e, f, g, h): ...", wide_functions),
    ("fields", "@dataclass(frozen=True)\nclass A:\n" + "".join(f"    a{n}: int\n" for n in range(13)),
     wide_dataclasses),
    ("a private name", "from debxcross.doors.gpg import _session", private_names),
    ("a private attribute", "from debxcross.doors import gpg as x\nx._session", private_names),
    ("the layout", "x = self.context.store.directory / 'roots' / key", store_layout),
    ("the layout", "x = self._store.directory / 'apt'", store_layout),
    ("the layout", "x = store.directory / 'apt'", store_layout),
])
def test_the_rules_find_what_they_are_for(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, measure: Callable[[str], set[tuple[str, str]]]
) -> None:
    monkeypatch.setitem(TREES, "debxcross.steps.new", ast.parse(text))
    assert len(measure("debxcross.steps.new")) == 1, name


@pytest.mark.parametrize("text,measure", [
    ("class A:\n" + "    a = 1\n" * 199, long_classes),
    ("def f(self, a, b, c, d, e, f, g): ...", wide_functions),
    ("x = Store(context.store.directory)", store_layout), ("self._own = gpg.key._own", private_names),
])
def test_the_rules_let_the_rest_be(
    monkeypatch: pytest.MonkeyPatch, text: str, measure: Callable[[str], set[tuple[str, str]]]
) -> None:
    monkeypatch.setitem(TREES, "debxcross.steps.new", ast.parse(text))
    assert measure("debxcross.steps.new") == set()


@pytest.mark.parametrize("module", [module for module in FILES if layer(module) in PURE_LAYERS])
def test_core_is_pure(module: str) -> None:
    foreign = [
        f"{imported} {name}".strip() for imported, name in imports(module)
        if imported.split(".")[0] != "debxcross"
        and imported not in PURE and imported.split(".")[0] not in PURE
        and name not in PURE_NAMES.get(imported, ())]
    assert foreign == []
    assert [call for call in calls(module) if IMPURE.match(call)] == []


@pytest.mark.parametrize("module", FILES)
def test_each_library_has_one_importer(module: str) -> None:
    for imported, _ in imports(module):
        owners = OWNERS.get(imported, OWNERS.get(imported.split(".")[0]))
        if owners is not None:
            assert any(short(module) == one or one.endswith(".") and f"{short(module)}.".startswith(one)
                       for one in owners), f"{imported} belongs to {owners or 'nobody'}"


@pytest.mark.parametrize("module", FILES)
def test_only_the_process_door_starts_processes(module: str) -> None:
    if module not in PROGRAMS:
        assert [call for call in calls(module) if STARTERS.match(call)] == []


@pytest.mark.parametrize("module", FILES)
def test_only_the_command_line_prints(module: str) -> None:
    # doors/apt_child.py is a program of its own whose standard output is its answer.
    if layer(module) != "cli":
        assert "print" not in set(calls(module))


@pytest.mark.parametrize("module", FILES)
def test_sizes(module: str) -> None:
    lines = len(FILES[module].read_text().splitlines())
    assert lines <= MOST_LINES_OF_A_MODULE
    assert long_functions(module) - set(LONG_FUNCTIONS) == set()
    assert long_classes(module) - set(LONG_CLASSES) == set()
    assert wide_functions(module) - set(WIDE_FUNCTIONS) == set()
    assert wide_dataclasses(module) - set(WIDE_DATACLASSES) == set()


@pytest.mark.parametrize("module", FILES)
def test_private_names_stay_in_their_module(module: str) -> None:
    assert private_names(module) - set(PRIVATE_NAMES) == set()


@pytest.mark.parametrize("module", FILES)
def test_only_doors_know_the_layout_of_the_store(module: str) -> None:
    assert store_layout(module) - set(STORE_LAYOUT) == set()


@pytest.mark.parametrize("module", FILES)
def test_every_module_says_what_it_is(module: str) -> None:
    assert ast.get_docstring(TREES[module]), "a module has a docstring"
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{node.name} has a docstring"


def test_the_whitelist_of_dead_code_names_what_is_there() -> None:
    names = re.findall(r"_\.(\w+)", (ROOT / "tests" / "vulture_whitelist.py").read_text())
    words = {word for path in FILES.values() for word in re.findall(r"\w+", path.read_text())}
    assert names and set(names) - words == set()


SCRIPTS = sorted({*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.sh"), *(ROOT / "tests").rglob("*.py")})


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_tells_its_licence(path: Path) -> None:
    first = [line for line in path.read_text().splitlines()[:2] if not line.startswith("#!")]
    assert first[0] == "# SPDX-License-Identifier: GPL-3.0-or-later"


SHIPPED = sorted(
    path for directory in (PACKAGE, ROOT / "control-templates", ROOT / "repo")
    for path in directory.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_host_and_no_path_of_a_machine_is_written_down(path: Path) -> None:
    text = path.read_text()
    hosts = set(re.findall(r"\b(?:https?|ftp)://([A-Za-z0-9][A-Za-z0-9.-]*)", text))
    assert hosts - DOCUMENTS - LOOPBACK == set()
    assert re.findall(r"(?<![\w.}-])/(?:home|work|Users)/\S*", text) == []


CLASSES = [value for value in vars(errors).values()
           if isinstance(value, type) and issubclass(value, DebxcrossError)]


def test_every_error_has_its_own_exit_status() -> None:
    for one in CLASSES:
        assert "exit_status" in vars(one) and "failure_class" in vars(one), one.__name__
        # 2 is what click uses for faults of usage; 126 and up belong to the shell, 130 is Ctrl-C.
        assert 0 < one.exit_status < 126 or one.exit_status == 130, one.__name__
    shared = {
        frozenset(one.__name__ for one in CLASSES if one.exit_status == status)
        for status, count in Counter(one.exit_status for one in CLASSES).items() if count > 1}
    assert shared == set(SHARED_STATUS)


def test_every_error_is_described() -> None:
    assert [one.__name__ for one in CLASSES if not one.__doc__] == []
    document = ROOT / "docs" / "errors.md"
    if not document.exists():
        pytest.skip("docs/errors.md is not written yet")
    text = document.read_text()
    absent = [one.__name__ for one in CLASSES
              if not re.search(rf"^\W*{one.exit_status}\b.*$", text, re.MULTILINE)]
    assert absent == []


@pytest.mark.parametrize("one", CLASSES, ids=lambda one: one.__name__)
def test_errors_cross_process_borders(one: type[DebxcrossError]) -> None:
    again = pickle.loads(pickle.dumps(one("brief", "details", "resolution")))
    assert type(again) is one and str(again) == "brief"
    assert (again.brief, again.details, again.resolution) == ("brief", "details", "resolution")


@pytest.mark.parametrize("attempt", [
    lambda: subprocess.run(["true"], check=False), lambda: os.system("true"),
    lambda: os.fork() or os._exit(0),
    lambda: os.posix_spawn("/bin/true", ["true"], {}), lambda: socket.socket(),
    lambda: socket.create_connection(("127.0.0.1", 9)),
], ids=["subprocess", "system", "fork", "posix_spawn", "socket", "connection"])
def test_unit_tests_cannot_reach_the_outside_world(attempt: Callable[[], object]) -> None:
    with pytest.raises(pytest.fail.Exception, match="must not reach the outside world"):
        attempt()


def test_no_two_files_of_tests_have_one_name() -> None:
    """pytest imports them by it, and collects none of a run in which two have one."""
    names = [path.name for path in (PACKAGE.parent / "tests").rglob("test_*.py")]
    assert sorted(name for name in set(names) if names.count(name) > 1) == []
