# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostile packages: debs, wheels, sdists, Debian sources."""
from __future__ import annotations

import base64
import gzip
import hashlib
import io
import tarfile
import zipfile
import zlib
from collections.abc import Mapping

from tests.corpus import Hostile
from tests.corpus.feeding import tar_of
from tests.integration.test_repo_cases import ar, tar
from tests.unit.test_fuzz_parsers import CHANGELOG

CONTROL = ("Package: tool\nVersion: 1\nArchitecture: armhf\nMaintainer: A <a@b.example>\n"
           "Description: a test\n")
DATA = tar({"usr/share/tool/x": b"x"})


def deb(control: str | bytes = CONTROL, data: bytes = DATA, more: Mapping[str, bytes] | None = None) -> bytes:
    """Return a deb as some tool may write it."""
    text = control if isinstance(control, bytes) else control.encode()
    return ar(("debian-binary", b"2.0\n"), ("control.tar.gz", tar({"control": text, **(more or {})})),
              ("data.tar.gz", data))


def bomb(megabytes: int) -> bytes:
    """Return a gzip file that is small and unpacks to so many megabytes of zeros."""
    made = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(made.compress(b"\0" * (1 << 20)) for _ in range(megabytes)) + made.flush()


def _log(text: str, name: str = "usr/share/doc/tool/changelog.gz") -> bytes:
    return tar({name: gzip.compress(text.encode())})


def _wheel(files: Mapping[str, bytes], record: str | None = None) -> bytes:
    place = "six-1.16.0.dist-info"
    everything = {f"{place}/METADATA": b"Metadata-Version: 2.1\nName: six\nVersion: 1.16.0\n",
                  f"{place}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
                  **files}
    digests = {name: base64.urlsafe_b64encode(hashlib.sha256(body).digest()).decode().rstrip("=")
               for name, body in everything.items()}
    lines = "".join(f"{name},sha256={digest},{len(everything[name])}\n" for name, digest in digests.items())
    with io.BytesIO() as result:
        with zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, body in everything.items():
                archive.writestr(name, body)
            archive.writestr(f"{place}/RECORD", f"{lines}{place}/RECORD,,\n" if record is None else record)
        return result.getvalue()


_META = "six-1.16.0.dist-info/METADATA"
_DEBS = (
    ("no archive", b"MZ" * 100),
    ("empty", b""),
    ("cut off", deb()[:-40]),
    ("no control", ar(("debian-binary", b"2.0\n"), ("control.tar.gz", tar({})), ("data.tar.gz", DATA))),
    ("no data", ar(("debian-binary", b"2.0\n"), ("control.tar.gz", tar({"control": CONTROL.encode()})))),
    ("a package named ../x", deb(CONTROL.replace("tool", "../x"))),
    ("a version with a slash", deb(CONTROL.replace("Version: 1", "Version: 1/../../x"))),
    ("an architecture nobody knows", deb(CONTROL.replace("armhf", "../../vax"))),
    ("a section with markup", deb(CONTROL + "Section: <script>x</script>\n")),
    ("a control field of four megabytes", deb(CONTROL + "X-Much: " + "a" * (4 << 20) + "\n")),
    ("a description of a hundred thousand lines", deb(CONTROL + " x\n" * 100000)),
    ("three hundred fields", deb(CONTROL + "".join(f"X-F{number}: y\n" for number in range(300)))),
    ("relations that nobody can parse", deb(CONTROL + "Depends: libc6 (>= 1) | (, ||\n")),
    ("no UTF-8 in its control file", deb(CONTROL.encode() + b"X: \xff\xfe\n")),
    ("a NUL in its control file", deb(CONTROL + "X: a\0b\n")),
    ("two stanzas", deb(CONTROL + "\nPackage: other\nVersion: 1\n")),
    ("no field at all", deb("hello\n")),
    ("a field twice", deb(CONTROL + "Version: 2\n")),
    ("control of two hundred megabytes of zeros", ar(
        ("debian-binary", b"2.0\n"), ("control.tar.gz", bomb(200)), ("data.tar.gz", DATA))),
    ("data of two hundred megabytes of zeros", deb(data=bomb(200))),
    ("data that is no gzip", deb(data=b"\x1f\x8bno")),
    ("data with PAX headers", deb(data=tar({"usr/share/" + "long/" * 40 + "x": b"x"}, tarfile.PAX_FORMAT))),
    ("a file above the root", deb(data=tar({"usr/../../x": b"x"}))),
    ("a file with an absolute path", deb(data=gzip.compress(tar_of({"/usr/x": b"x"})))),
    ("a hard link out", deb(data=gzip.compress(tar_of({"./x": b""}, tarfile.LNKTYPE, "../../secret")))),
    ("a line break in a file's name", deb(data=tar({"usr/a\nb": b"x"}))),
    ("conffiles that are not in it", deb(more={"conffiles": b"/etc/gone\n"})),
    ("a conffile that is relative", deb(more={"conffiles": b"etc/x\n"})),
    ("a changelog that unpacks to five hundred megabytes",
     deb(data=tar({"usr/share/doc/tool/changelog.gz": bomb(500)}))),
    ("a changelog that is a link to a secret", deb(data=gzip.compress(
        tar_of({"./usr/share/doc/tool/changelog.gz": b""}, tarfile.SYMTYPE, "/etc/shadow")))),
    ("a changelog with markup and control characters",
     deb(data=_log(CHANGELOG.replace("* First.", "* <script>\x1b]0;x\x07\u202e")))),
    ("a changelog of one line of ten megabytes", deb(data=_log("a" * (10 << 20)))),
    ("a description with markup and a bidirectional mark",
     deb(CONTROL.replace("a test", "<script>alert(1)</script>\u202e"))),
)


_WHEELS = (
    ("no archive", b"PK" * 100),
    ("a file above the root", _wheel({"../../x.py": b""})),
    ("a file with an absolute path", _wheel({"/x.py": b""})),
    ("a NUL in a name", _wheel({"a.py": b"x"}).replace(b"a.py", b"a\0py")),
    ("a name with a line break", _wheel({"a\nb.py": b""})),
    ("no METADATA", _wheel({_META: b""})),
    ("METADATA of another project", _wheel({_META: b"Metadata-Version: 2.1\nName: seven\nVersion: 1\n"})),
    ("METADATA of two hundred megabytes", _wheel({_META: b"Name: six\n" + b"\0" * (200 << 20)})),
    ("an ELF file that is cut off", _wheel({"a.so": b"\x7fELF" + b"\0" * 50})),
    ("a digest that is not its file's", _wheel({"a.py": b"x"}, record="a.py,sha256=AAAA,1\n")),
    ("a RECORD that is none", _wheel({"a.py": b"x"}, record="\0\"\n,,,,,,")),
    ("an ELF file of garbage", _wheel({"a.so": b"\x7fELF\x01\x01\x01" + b"\xff" * 500})),
    ("a wheel of version 9",
     _wheel({"six-1.16.0.dist-info/WHEEL": b"Wheel-Version: 9.0\nTag: py3-none-any\n"})),
)


INPUTS = tuple(Hostile(kind, *row) for kind, rows in (
    ("deb", _DEBS), ("wheel", _WHEELS),
) for row in rows)
