# SPDX-License-Identifier: GPL-3.0-or-later
"""What Debian's own packaging says that a build needs, split by where it is needed."""
from __future__ import annotations

import pytest
from debian.debian_support import DpkgArchTable

from debxcross.core.wheel.packaging import Needs, needs_of, read_packaging

TABLE = DpkgArchTable.load_arch_table()
OFFERED: dict[str, list[object]] = {
    "libcairo2-dev": ["libdevel", True, True], "libhere-dev": ["libdevel", True, False],
    "python3-all-dev": ["python", True, True], "libpython3-all-dev": ["libdevel", True, True],
    "cython3": ["python", True, False], "debhelper-compat": ["devel", True, True],
    "swig": ["devel", True, True], "cmake": ["devel", True, True], "gfortran": ["devel", True, True],
    "libgomp1": ["libs", True, True], "texlive-base": ["tex", True, True],
    "libtiff-dev": ["contrib/libdevel", True, True], "ninja-build": ["devel", False, True],
}


def needs(*fields: str, host: str = "armel") -> Needs:
    answer = {"python3-x": {"source": "x", "version": "1-1", "build_depends": list(fields),
                            "offered": OFFERED}}
    return needs_of(read_packaging(answer)["python3-x"], host, TABLE)


@pytest.mark.parametrize(("field", "host", "build"), [
    ("debhelper-compat (= 13), dh-python, libcairo2-dev (>= 1.16), python3-all-dev:any,\n libpython3-all-dev",
     ("libcairo2-dev",), ()),
    ("swig, cmake:native, cython3, gfortran, texlive-base", (), ("cmake", "swig")),
    ("libgomp1, libhere-dev, ninja-build, gone-dev", ("libgomp1",), ()),
    ("libtiff5-dev | libtiff-dev | libcairo2-dev", ("libtiff-dev",), ()),
    ("libcairo2-dev <!nocheck>, libtiff-dev <!nodoc>, swig <!cross>", (), ()),
    ("libcairo2-dev [amd64], libtiff-dev [linux-any]", ("libtiff-dev",), ()),
    ("", (), ()),
])
def test_build_dependencies_are_split(field: str, host: tuple[str, ...], build: tuple[str, ...]) -> None:
    assert needs(field) == Needs(host, build)
    assert needs("debhelper-compat", field) == Needs(host, build)


def test_in_words() -> None:
    assert needs("swig, libcairo2-dev, libtiff-dev").words == "libcairo2-dev, libtiff-dev, swig"
    assert needs().words == ""
