# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings: defaults < /etc/debxcross.toml < $XDG_CONFIG_HOME/debxcross.toml < ./debxcross.toml
< environment < flags.

Every fault of every file is reported at once.
"""
from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from debxcross.core.border import is_line, is_quotable, is_word, read_toml, shown
from debxcross.errors import ConfigurationError

#: After so many faults of a file the others are not told; a guess at what was meant takes time.
_MOST_TOLD = 20
SYSTEM_FILE = Path("/etc/debxcross.toml")
PROJECT_FILE = Path("debxcross.toml")
#: Bytes of a file of settings that are read.
_LONGEST = 1 << 20


@dataclass(frozen=True)
class Limits:
    """What one command in a root may take (core.build.bounds.Bounds); sizes in MB, time in seconds.

    ``memory`` 0 means nine tenths of the machine's.
    """

    processes: int = 8192
    memory: int = 0
    open_files: int = 65536
    file_size: int = 65536
    log_size: int = 1024
    time: int = 86400


@dataclass(frozen=True)
class Configuration:
    """What can be set, with its defaults.

    Empty mirrors mean those of the machine's own apt; an empty index means pip's.
    ``index_max_age`` is how old verified package indexes may be, in seconds.  ``mirrors_suites`` are
    suites with the directory below dists in which the mirrors have them.
    """

    store: Path
    keys: Path
    mirrors_main: tuple[str, ...] = ()
    mirrors_security: tuple[str, ...] = ()
    keyrings: tuple[str, ...] = ()
    mirrors_suites: tuple[tuple[str, str], ...] = ()
    check_valid_until: bool = True
    index_url: str = ""
    index_max_age: int = 3600
    patches: tuple[Path, ...] = ()
    answers: tuple[Path, ...] = ()
    substitutes: tuple[str, ...] = ()
    substitute_keys: tuple[Path, ...] = ()
    repository_origin: str = "debxcross"
    repository_label: str = "debxcross"
    repository_url: str = ""
    maintainer: str = "debxcross <nobody@debxcross.invalid>"
    limits: Limits = Limits()


#: TOML table, key → field, kind.
_KEYS: Mapping[tuple[str, str], tuple[str, type]] = {
    ("", "store"): ("store", Path),
    ("", "keys"): ("keys", Path),
    ("", "maintainer"): ("maintainer", str),
    ("", "index-max-age"): ("index_max_age", int),
    ("mirrors", "main"): ("mirrors_main", tuple),
    ("mirrors", "security"): ("mirrors_security", tuple),
    ("mirrors", "keyrings"): ("keyrings", tuple),
    ("mirrors", "suites"): ("mirrors_suites", dict),
    ("mirrors", "check-valid-until"): ("check_valid_until", bool),
    ("index", "url"): ("index_url", str),
    ("patches", "directories"): ("patches", list),
    ("answers", "directories"): ("answers", list),
    ("substitutes", "urls"): ("substitutes", tuple),
    ("substitutes", "keys"): ("substitute_keys", list),
    ("repository", "origin"): ("repository_origin", str),
    ("repository", "label"): ("repository_label", str),
    ("repository", "url"): ("repository_url", str),
    **{("limits", field.replace("_", "-")): (f"limits.{field}", int) for field in vars(Limits())},
}
#: What becomes a word of apt's configuration, and what is written between its quotes.
_WORD_FIELDS = ("mirrors_main", "mirrors_security", "keyrings")
_QUOTED_FIELDS = ("store", "keys")
_PLACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*(/[A-Za-z0-9][A-Za-z0-9.+-]*)*\Z")
_ENVIRONMENT = {"DEBXCROSS_STORE": "store", "DEBXCROSS_KEYS": "keys"}


def _xdg(environment: Mapping[str, str], variable: str, default: str) -> Path:
    # The XDG base directory specification: a relative path in the variable is ignored.
    value = environment.get(variable, "")
    return Path(value) if value.startswith("/") else Path(environment.get("HOME", "/root")) / default


def home_file(environment: Mapping[str, str]) -> Path:
    """Return where a user's own settings are, for all projects."""
    return _xdg(environment, "XDG_CONFIG_HOME", ".config") / "debxcross.toml"


def load(
    environment: Mapping[str, str] | None = None, files: tuple[Path, ...] | None = None,
    *, store: Path | None = None,
) -> Configuration:
    """Merge all sources; ``files`` are the system's, the user's and the project's, the last one counts.

    Raises ConfigurationError with every fault, each with file and key.
    """
    environment = os.environ if environment is None else environment
    files = (SYSTEM_FILE, home_file(environment), PROJECT_FILE) if files is None else files
    values: dict[str, Any] = {}
    faults: list[str] = []
    for path in files:
        if not path.is_file():
            continue
        try:
            with path.open("rb") as file:
                document = read_toml(file.read(_LONGEST).decode())
        except (ValueError, OSError) as error:
            faults.append(f"{path}: {error}")
            continue
        _merge(values, document, path, faults)
    for variable, field in _ENVIRONMENT.items():
        if environment.get(variable):
            values[field] = Path(environment[variable])
            if not is_quotable(environment[variable]):
                faults.append(f"{variable}: {shown([environment[variable]])} cannot be written into "
                              "apt's configuration")
    if faults:
        raise ConfigurationError(
            f"the configuration has {len(faults)} fault{'s' if len(faults) > 1 else ''}",
            "\n".join(faults), "docs/configuration.md lists all settings.")
    configuration = Configuration(
        store=_xdg(environment, "XDG_CACHE_HOME", ".cache") / "debxcross",
        keys=_xdg(environment, "XDG_DATA_HOME", ".local/share") / "debxcross")
    limits = {name.removeprefix("limits."): values.pop(name) for name in list(values)
              if name.startswith("limits.")}
    configuration = replace(configuration, limits=Limits(**limits), **values)
    if store is not None:
        configuration = replace(configuration, store=store)
    return replace(configuration, store=configuration.store.absolute(), keys=configuration.keys.absolute())


def _merge(values: dict[str, Any], document: Mapping[str, Any], path: Path, faults: list[str]) -> None:
    tables = {table for table, _ in _KEYS if table}
    for name, value in document.items():
        if len(faults) > _MOST_TOLD:
            faults.append(f"{path}: and more")
            return
        pairs = [("", name, value)]
        if name in tables:
            if not isinstance(value, dict):
                faults.append(f"{path}: {name}: must be a table: [{name}]")
                continue
            pairs = [(name, key, one) for key, one in value.items()]
        for table, key, one in pairs[:len(_KEYS) + _MOST_TOLD]:
            place = f"{table}.{key}" if table else key
            if (table, key) not in _KEYS:
                known = [f"{a}.{b}" if a else b for a, b in _KEYS]
                near = difflib.get_close_matches(place[:80], known, n=1)
                faults.append(f"{path}: {place}: unknown setting"
                              + (f"; did you mean {near[0]}?" if near else ""))
                continue
            field, kind = _KEYS[table, key]
            count = len(faults)
            _set(values, field, kind, one, path, place, faults)
            if len(faults) == count and (fault := _fault(field, one)):
                faults.append(f"{path}: {place}: {fault}")


def _fault(field: str, value: Any) -> str:
    """Return why a value must not become a part of a line of somebody's configuration; "" for a good one."""
    if isinstance(value, dict):
        value = [*value, *value.values()]
    texts = [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]
    if not all(map(is_line, texts)):
        return f"{shown(texts)} has a control character"
    if field in _WORD_FIELDS and not all(is_word(one) and (field != "keyrings" or not set(one) & set("[],"))
                                         for one in texts):
        return (f"{shown(texts)} cannot stand in a sources.list: white space, quotes and the like are "
                "written %20, %22 …")
    if field == "mirrors_suites" and not all(map(_PLACE.match, texts)):
        return f"{shown(texts)} is not the name of a suite or of a directory below dists"
    if field in _QUOTED_FIELDS and not all(map(is_quotable, texts)):
        return f"{shown(texts)} cannot be written into apt's configuration"
    return ""


def _set(
    values: dict[str, Any], field: str, kind: type, value: Any, path: Path, place: str, faults: list[str]
) -> None:
    strings = isinstance(value, list) and all(isinstance(one, str) for one in value)
    if kind is int and isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        values[field] = value
    elif kind in (str, bool) and isinstance(value, kind):
        values[field] = value
    elif kind is dict and isinstance(value, dict) and all(isinstance(one, str) for one in value.values()):
        values[field] = tuple(sorted(value.items()))
    elif kind is Path and isinstance(value, str):
        values[field] = path.parent / Path(value).expanduser()
    elif kind is tuple and strings:
        values[field] = tuple(value)
    elif kind is list and strings:
        values[field] = tuple(path.parent / Path(one).expanduser() for one in value)
    else:
        words = {int: "a whole number, 0 or more", str: "a string", Path: "a path (a string)",
                 bool: "true or false", dict: "a table of strings", tuple: "a list of strings",
                 list: "a list of paths (strings)"}[kind]
        faults.append(f"{path}: {place}: must be {words}, not {value!r}")
