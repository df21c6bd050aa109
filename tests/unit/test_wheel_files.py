# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that several projects bring: namespaces, which nobody needs to own, and the others."""
from __future__ import annotations

import pytest

from debxcross.core.wheel.files import check_owners, is_compiled, is_namespace
from debxcross.errors import GateError

PKGUTIL = "__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n"


@pytest.mark.parametrize(("text", "answer"), [
    (PKGUTIL, True),
    ('"""A namespace."""\nfrom pkgutil import extend_path\n__path__ = extend_path(__path__, __name__)\n',
     True),
    ("try:\n    __import__('pkg_resources').declare_namespace(__name__)\nexcept ImportError:\n    "
     "import pkgutil\n    __path__ = pkgutil.extend_path(__path__, __name__)\n", True),
    ("", False), ('"""Only words."""\n', False), (f"{PKGUTIL}\nVERSION = [1, 2]\n", False),
    (f"{PKGUTIL}\nfrom .lamp import on\n", False), (f"import os\n{PKGUTIL}", False),
    ("print 'Python 2'\n", False), ("\0", False),
])
def test_namespaces(text: str, answer: bool) -> None:
    assert is_namespace(text) is answer


def test_what_extension_modules_are_made_of() -> None:
    paths = ("lamp/_speed.c", "lamp/a.py", "tests/x.c", "docs/y.pyx", "src/lib.rs", "a.h")
    assert [path for path in paths if is_compiled(path)] == ["lamp/_speed.c", "src/lib.rs"]


def test_a_file_of_two_packages() -> None:
    check_owners({"python3-a": ["a.py"], "python3-b": ["b.py"]})
    with pytest.raises(GateError, match="1 file belongs to more than one package") as caught:
        check_owners({"python3-b": ["tests/__init__.py", "b.py"], "python3-a": ["tests/__init__.py"]})
    assert caught.value.details == "/tests/__init__.py: python3-a and python3-b"
