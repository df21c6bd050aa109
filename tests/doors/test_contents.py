# SPDX-License-Identifier: GPL-3.0-or-later
"""Contents indexes as archives write them."""
from __future__ import annotations

import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest

from debxcross.core.architecture import architecture
from debxcross.doors import contents

TEXT = b"""\
bin/sh                                                  shells/dash
lib/arm-linux-gnueabi/libz.so.1                         libs/zlib1g
lib/ld-linux.so.3                                       libs/libc6
usr/lib/arm-linux-gnueabi/libssl.so.3                   libs/libssl3
usr/lib/arm-linux-gnueabihf/libother.so.1               libs/libother1
usr/lib/arm-linux-gnueabi/private/libhidden.so          libs/private
usr/lib/libboth.so.2                                    libs/libboth-b,contrib/libs/libboth-a
usr/share/doc/libz.so.1/README                          doc/zlib1g-doc
"""


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress])
def test_libraries_where_the_dynamic_linker_looks(
    tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "archive_dists_sid_main_Contents-armel"
    path.write_bytes(pack(TEXT))
    assert contents.files(tmp_path) == (path,)
    assert contents.libraries(path, architecture("armel")) == {
        "libz.so.1": "zlib1g", "ld-linux.so.3": "libc6",
        "libssl.so.3": "libssl3", "libboth.so.2": "libboth-a"}
