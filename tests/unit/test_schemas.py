# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys hold schema numbers instead of program text; whoever changes such a program decides.

Each number stands for the code of some modules.  Its digest is kept here, without docstrings,
comments and imports, so that only a change of what the code does asks for a decision.
"""
from __future__ import annotations

import ast
import hashlib
from pathlib import Path

import pytest

from debxcross.core.build import commands, device, shims
from debxcross.core.wheel import backend, deb

PACKAGE = Path(__file__).parents[2] / "debxcross"

#: (where the number stands, the number, the modules it stands for, their digest)
SCHEMAS = (
    ("core/build/commands.py", commands.SCHEMA, ("core/build/commands.py",), "977873b42e2e37ec"),
    ("core/build/device.py", device.SCHEMA, ("core/build/device.py",), "7ce99aa27790a014"),
    ("core/build/shims.py", shims.SCHEMA, ("core/build/shims.py", "doors/shim.py"), "6d640506d70992d6"),
    ("core/wheel/backend.py", backend.SCHEMA,
     ("core/wheel/backend.py", "core/wheel/crates.py", "core/wheel/cross.py", "doors/pep517_child.py"),
     "edbfb9bf80ea0a01"),
    ("core/wheel/deb.py", deb.SCHEMA,
     ("core/wheel/deb.py", "core/wheel/files.py", "core/wheel/licence.py", "core/wheel/version.py",
      "steps/wheel/deb.py"), "64245f30ade8ce64"),
)


def shape(node: object) -> object:
    """Return what counts of a syntax tree, the same for every version of Python."""
    if isinstance(node, ast.AST):
        fields = {name: value for name, value in ast.iter_fields(node)
                  if name not in ("ctx", "type_comment", "type_params", "kind")}
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
            fields["body"] = [one for number, one in enumerate(node.body)
                              if not isinstance(one, (ast.Import, ast.ImportFrom))
                              and not (number == 0 and is_text(one))]
        if isinstance(node, ast.FunctionDef):
            fields = {name: value for name, value in fields.items() if name != "returns"}
        if isinstance(node, ast.arg):
            fields.pop("annotation", None)
        return [type(node).__name__, *(shape(value) for value in fields.values())]
    return [shape(one) for one in node] if isinstance(node, list) else repr(node)


def is_text(node: ast.stmt) -> bool:
    return (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str))


def code_digest(texts: list[str]) -> str:
    return hashlib.sha256(repr([shape(ast.parse(text)) for text in texts]).encode()).hexdigest()[:16]


@pytest.mark.parametrize("place,number,modules,known", SCHEMAS, ids=[one[0] for one in SCHEMAS])
def test_a_change_of_code_that_keys_stand_for_is_decided_upon(
    place: str, number: int, modules: tuple[str, ...], known: str
) -> None:
    found = code_digest([(PACKAGE / module).read_text() for module in modules])
    assert found == known, (
        f"the code of {', '.join(modules)} has changed.  Can the same inputs give other bytes now?  "
        f"Then raise SCHEMA in {place} (it is {number}).  In any case write {found!r} into SCHEMAS.")


def test_words_do_not_count_and_code_does() -> None:
    plain = 'def f(a):\n    return a + 1\n'
    told = ('"""What it is."""\nimport os\n# why\n'
            'def f(a: int) -> int:\n    """Return more."""\n    return a + 1\n')
    assert code_digest([plain]) == code_digest([told])
    assert code_digest([plain]) != code_digest([plain.replace("1", "2")])
