# SPDX-License-Identifier: GPL-3.0-or-later
"""What may come in: the rules for names, digests, paths, sizes, lines and nesting of foreign data.

Whatever somebody else wrote (a lock, an export, a manifest, a page of an index, a chain) is
read here or asked here before a part of it becomes a file's name, an address or a line of
somebody's configuration.  Each rule is a question with the answer yes or no, or a reader that
raises ValueError; who asks knows the file, and raises the error that names it.
"""
from __future__ import annotations

import dataclasses
import functools
import json
import re
import tomllib
import types
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

#: Objects and lists within each other; what the project writes has at most nine.
MOST_DEEP = 64
#: The largest size of a file, in bytes: what a signed 64 bit number holds.
LARGEST = (1 << 63) - 1
#: The longest name of a file, in bytes: NAME_MAX of Linux.
LONGEST_NAME = 255
#: The longest path, in bytes: PATH_MAX of Linux, with its final NUL.
LONGEST_PATH = 4095

_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
#: Control characters, and what some reader of lines takes for the end of one (str.splitlines).
_BREAKS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_BREAKS_BUT_NEWLINE = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
#: JSON writes a surrogate as \ud800; one alone is no character and cannot be written anywhere.
_SURROGATE = re.compile("[\ud800-\udfff]")
_Kind = TypeVar("_Kind")


def is_line(value: object) -> bool:
    """Tell whether a value is text that stays one line wherever it is written: no control character."""
    return isinstance(value, str) and not _BREAKS.search(value)


def is_text(value: object) -> bool:
    """Tell whether a value is text of lines: tabs and newlines, but no other control character."""
    return isinstance(value, str) and not _BREAKS_BUT_NEWLINE.search(value)


def is_word(value: object) -> bool:
    """Tell whether a value is one word of a configuration line: no white space, no quote, no comment.

    Such a word means the same in apt.conf(5), sources.list(5), dpkg.cfg(5) and a shell's double
    quotes, save for ``$`` and ``\\``, which are refused as well.
    """
    return (isinstance(value, str) and bool(value) and is_line(value)
            and not re.search(r"""[\s"'`#;{}\\$]""", value))


def is_quotable(value: object) -> bool:
    """Tell whether a value can stand between the double quotes of an apt.conf(5), which has no escapes."""
    return is_line(value) and '"' not in str(value) and "\\" not in str(value)


def is_name(value: object) -> bool:
    """Tell whether a value can be the name of a file: one component of a path, and visible."""
    return (isinstance(value, str) and 0 < len(value.encode("utf-8", "replace")) <= LONGEST_NAME
            and "/" not in value and not value.startswith(".") and is_line(value))


def is_sha256(value: object) -> bool:
    """Tell whether a value is a sha256 as this project writes one: 64 hexadecimal digits, lower case."""
    return isinstance(value, str) and _SHA256.fullmatch(value) is not None


def is_size(value: object) -> bool:
    """Tell whether a value is a number of bytes that a file can have."""
    return type(value) is int and 0 <= value <= LARGEST


def is_moment(value: object) -> bool:
    """Tell whether a value is a time in seconds since the epoch, before the year 10000."""
    return type(value) in (int, float) and 0 <= value <= 253402300799  # type: ignore[operator]


def is_relative(value: object) -> bool:
    """Tell whether a value is a path that stays below the directory it is joined to."""
    return (isinstance(value, str) and 0 < len(value.encode("utf-8", "replace")) <= LONGEST_PATH
            and is_line(value) and not any(part in ("", ".", "..") for part in value.split("/")))


Name = Annotated[str, is_name]
Sha256 = Annotated[str, is_sha256]
Size = Annotated[int, is_size]
Line = Annotated[str, is_line]
Moment = Annotated[float, is_moment]
Empty = Annotated[str, lambda value: value == ""]


def size_of(text: str) -> int:
    """Read a number of bytes written in decimal digits.  Raises ValueError."""
    if not re.fullmatch(r"[0-9]{1,19}", text, re.ASCII) or not is_size(int(text)):
        raise ValueError(f"{text[:40]!r} is no size in bytes")
    return int(text)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _refuse_float(text: str) -> Any:
    raise ValueError(f"{text[:40]} is no whole number")


def read_json(data: bytes | str, *, whole: bool = False) -> Any:
    """Read JSON in UTF-8.  Raises ValueError: what is wrong, in words.

    NaN and infinite numbers, unpaired surrogates and more than MOST_DEEP levels are refused.  With
    ``whole``, so are numbers with a fraction, which nothing in a store has.
    """
    text = data if isinstance(data, str) else data.decode("utf-8")
    if not text.isascii() and _SURROGATE.search(text):
        raise ValueError("it is no UTF-8")
    try:
        value = json.loads(text, parse_constant=_refuse_constant,
                           parse_float=_refuse_float if whole else _finite)
    except RecursionError:
        raise ValueError(f"it is nested deeper than {MOST_DEEP} levels") from None
    check_depth(value)
    if "\\ud" in text.lower() and _SURROGATE.search(json.dumps(value, ensure_ascii=False)):
        raise ValueError("it has half a character (an unpaired surrogate)")
    return value


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{text[:40]} is too large")
    return value


def read_toml(text: str) -> dict[str, Any]:
    """Read TOML.  Raises ValueError (tomllib.TOMLDecodeError is one): what is wrong, in words."""
    try:
        document = tomllib.loads(text)
    except RecursionError:
        raise ValueError(f"it is nested deeper than {MOST_DEEP} levels") from None
    check_depth(document)
    return document


def check_depth(value: Any) -> None:
    """Raise ValueError for more than MOST_DEEP objects and lists within each other."""
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > MOST_DEEP:
            raise ValueError(f"it is nested deeper than {MOST_DEEP} levels")
        inner = (one.values() if isinstance(one, Mapping) else one
                 for one in level if isinstance(one, (Mapping, list, tuple)))
        level = [item for items in inner for item in items if isinstance(item, (Mapping, list, tuple))]


def read_as(kind: type[_Kind], value: Any) -> _Kind:
    """Make a value of a type of what JSON gave: frozen dataclasses, tuples, mappings, words, numbers.

    A dataclass must have all its fields that have no default, and no others; a field's rule is in
    its type (Name, Sha256, Size, Line).  Raises ValueError naming the place.
    """
    made: _Kind = _made(kind, value, "")
    return made


def _made(kind: Any, value: Any, where: str) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any or kind is object:
        return value
    if origin is Annotated:
        made = _made(arguments[0], value, where)
        for rule in arguments[1:]:
            if not rule(made):
                raise _wrong(where, value)
        return made
    if origin in (Union, types.UnionType):
        return _one_of(arguments, value, where)
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind, value, where)
    if origin is tuple:
        return _tuple(arguments, value, where)
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, dict):
            raise _wrong(where, value)
        return {_made(arguments[0], key, where): _made(arguments[1], one, f"{where}.{key}")
                for key, one in value.items()}
    # bool is an int to isinstance, and neither is meant where the other stands.
    if type(value) is not kind and not (kind is float and type(value) is int):
        raise _wrong(where, value)
    return value


def _one_of(kinds: Sequence[Any], value: Any, where: str) -> Any:
    for kind in kinds:
        try:
            return _made(kind, value, where)
        except ValueError:
            continue
    raise _wrong(where, value)


def _tuple(arguments: Sequence[Any], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise _wrong(where, value)
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return tuple(_made(arguments[0], one, f"{where}[{number}]") for number, one in enumerate(value))
    if len(arguments) != len(value):
        raise _wrong(where, value)
    return tuple(_made(kind, one, f"{where}[{number}]")
                 for number, (kind, one) in enumerate(zip(arguments, value)))


@functools.cache
def _shape(kind: Any) -> tuple[Mapping[str, Any], frozenset[str]]:
    """Return the types of a dataclass's fields, and those that must be there."""
    return get_type_hints(kind, include_extras=True), frozenset(
        field.name for field in dataclasses.fields(kind)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING)


def _dataclass(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise _wrong(where, value)
    hints, needed = _shape(kind)
    if strange := sorted(set(value) - set(hints)):
        raise ValueError(f"{where or 'it'} has {shown(strange)}, which has no place there")
    if missing := sorted(needed - set(value)):
        raise ValueError(f"{where or 'it'} lacks {shown(missing)}")
    return kind(**{name: _made(hints[name], one, f"{where}.{name}".lstrip("."))
                   for name, one in value.items()})


def _wrong(where: str, value: Any) -> ValueError:
    return ValueError(f"{where.lstrip('.') or 'it'}: {_short(value)} has no place there")


def _short(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= 160 else f"{text[:157]}..."


def shown(names: Sequence[object], most: int = 8) -> str:
    """Return names as one line, the first ``most`` of them, and how many more there are."""
    words = ", ".join(_short(name) for name in names[:most])
    return f"{words} and {len(names) - most} more" if len(names) > most else words
