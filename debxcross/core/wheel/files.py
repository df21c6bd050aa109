# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that several projects bring, of which dpkg lets one package have each.

Sources: PEP 420 (a directory without __init__.py is a namespace), and the Python Packaging User
Guide on "Packaging namespace packages", which has the two older ways that need the file.
"""
from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from debxcross.errors import GateError

#: Sources of extension modules: C, C++, Cython, Fortran, Rust.
_COMPILED = frozenset((".c", ".cc", ".cpp", ".cxx", ".pyx", ".f", ".f90", ".rs"))
#: Directories whose sources are in no extension module.
_ASIDE = frozenset(("test", "tests", "testing", "doc", "docs", "examples", "benchmarks", "tools"))
_CALLS = ("declare_namespace", "extend_path")


def is_namespace(text: str) -> bool:
    """Tell whether an __init__.py does nothing but declare a namespace, which Python 3 needs not be told."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _called(node) in _CALLS]
    return bool(calls) and all(map(_declares, tree.body))


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _declares(statement: ast.stmt) -> bool:
    """Tell whether a statement belongs to a declaration: a text, an import for it, the call itself."""
    if isinstance(statement, ast.Try):
        return all(map(_declares, (*statement.body, *statement.orelse, *statement.finalbody))) and all(
            _declares(one) for handler in statement.handlers for one in handler.body)
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        names = [statement.module or ""] if isinstance(statement, ast.ImportFrom) else [
            one.name for one in statement.names]
        return set(names) <= {"pkgutil", "pkg_resources", "__future__"}
    if isinstance(statement, (ast.Expr, ast.Assign)):
        value = statement.value
        return isinstance(value, ast.Constant) or isinstance(value, ast.Call) and _called(value) in _CALLS
    return isinstance(statement, ast.Pass)


def is_compiled(path: str) -> bool:
    """Tell whether a file of an sdist is compiled into a module; those of tests are not."""
    return PurePosixPath(path).suffix in _COMPILED and not _ASIDE & set(PurePosixPath(path).parts)


def check_owners(files: Mapping[str, Iterable[str]]) -> None:
    """Raise GateError when two packages have the same file; ``files`` maps packages to their paths."""
    owners: dict[str, list[str]] = {}
    for package, paths in sorted(files.items()):
        for path in paths:
            owners.setdefault(path, []).append(package)
    several = {path: packages for path, packages in sorted(owners.items()) if len(packages) > 1}
    if several:
        count = f"{len(several)} files belong" if len(several) > 1 else "1 file belongs"
        raise GateError(
            f"{count} to more than one package: no device could install them together",
            "\n".join(f"/{path}: {' and '.join(packages)}" for path, packages in several.items()),
            "Leave one of the projects out, take another version of it, or patch the file out of its sdist.")
