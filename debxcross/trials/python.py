# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on the (emulated) device: tries everything that was installed for one Python.

Written in the common subset of Python 2.7 and 3, because that is what devices have.  Every
trial runs in a process of its own, so that a crash is seen and the others go on.  The
report is one JSON object a line: name, ok, signal, text, attempts, optional, kind ("import",
"compile" or ""), module, package, path, missing (what could not be imported and is not here at all).
What that means is decided elsewhere.

    python2.7 python.py FILE PACKAGE...

FILE holds a JSON object: "smoke" maps names of trials to Python code, "optional" lists modules
that need not be importable.  The extension modules are those that dpkg says belong to the
packages.
"""
from __future__ import print_function

import json
import os
import re
import subprocess
import sys
import tempfile
import traceback

STANDARD = {
    "zlib": """
import zlib
data = b"debxcross" * 1000
assert zlib.decompress(zlib.compress(data)) == data
print(zlib.ZLIB_VERSION)
""",
    "ssl": """
import hashlib, socket, ssl, threading
assert ssl.RAND_status()
assert hashlib.sha256(b"abc").hexdigest().startswith("ba7816bf")
assert ssl.create_default_context().verify_mode == ssl.CERT_REQUIRED

def context():
    # Anonymous key exchange: a whole TLS conversation without a certificate.
    made = ssl.SSLContext(ssl.PROTOCOL_SSLv23)
    made.options |= getattr(ssl, "OP_NO_TLSv1_3", 0)
    made.set_ciphers("AECDH-AES256-SHA:@SECLEVEL=0")
    return made

listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen(1)

def serve():
    connection = context().wrap_socket(listener.accept()[0], server_side=True)
    connection.sendall(connection.recv(100).upper())
    connection.close()

thread = threading.Thread(target=serve)
thread.start()
client = context().wrap_socket(socket.create_connection(listener.getsockname(), 20))
client.sendall(b"over tls")
assert client.recv(100) == b"OVER TLS"
thread.join()
print(ssl.OPENSSL_VERSION)
""",
    "ctypes": """
import ctypes
library = ctypes.CDLL(None)
assert library.abs(-5) == 5
compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
values = (ctypes.c_int * 4)(3, 1, 2, 0)
library.qsort(values, 4, ctypes.sizeof(ctypes.c_int), compare(lambda a, b: a[0] - b[0]))
assert list(values) == [0, 1, 2, 3]
""",
    "sqlite3": """
import sqlite3
connection = sqlite3.connect(":memory:")
connection.execute("create table t (a integer, b text)")
connection.executemany("insert into t values (?, ?)", [(1, "x"), (2, "y")])
assert connection.execute("select sum(a) from t").fetchone() == (3,)
print(sqlite3.sqlite_version)
""",
}

PYTHON_2 = {
    "bsddb": """
import bsddb, os, tempfile
path = os.path.join(tempfile.mkdtemp(), "db")
database = bsddb.hashopen(path, "c")
database["key"] = "value"
database.close()
database = bsddb.hashopen(path, "r")
assert database["key"] == "value"
print(bsddb.__version__)
""",
}


def files_of(package):
    """Return the paths of a Debian package's files, sorted."""
    listing = subprocess.Popen(["dpkg", "-L", package], stdout=subprocess.PIPE).communicate()[0]
    return sorted(listing.decode("utf-8").splitlines())


def extension_modules(packages):
    """Yield (module name, package, path) of every extension module in these Debian packages."""
    for package in packages:
        for path in files_of(package):
            if not path.endswith(".so") or os.path.islink(path):
                continue
            for marker in ("/lib-dynload/", "/dist-packages/"):
                if marker in path and "/python" in path:
                    relative = path.split(marker, 1)[1]
                    directory, base = os.path.split(relative)
                    yield ".".join(directory.split("/") + [base.split(".")[0]]).lstrip("."), package, path


def top_modules(packages):
    """Yield (module name, package, path) of what these packages put right into dist-packages."""
    for package in packages:
        for path in files_of(package):
            relative = path.split("/dist-packages/", 1)[-1]
            name = relative.replace("/__init__.py", "").replace(".py", "")
            if path.endswith(".py") and relative != path and "/" not in name and not name.startswith("_"):
                yield name, package, path


def uncompiled(packages):
    """Yield (package, path) of every module that py3compile left as it is."""
    if sys.version_info[0] == 2 or not os.path.exists("/usr/bin/py3compile"):
        return
    import importlib.util
    for package in packages:
        for path in files_of(package):
            if "/dist-packages/" in path and path.endswith(".py") \
                    and not os.path.exists(importlib.util.cache_from_source(path)):
                yield package, path


def not_here(error):
    """Return the top module that an import failed for, when nothing of that name is installed; else ""."""
    while error is not None:
        found = re.match(r"No module named '?(\w+)", str(error)) if isinstance(error, ImportError) else None
        if found:
            try:
                if sys.version_info[0] == 2:
                    import imp
                    imp.find_module(found.group(1))
                    return ""
                import importlib.util
                return "" if importlib.util.find_spec(found.group(1)) else found.group(1)
            except (ImportError, ValueError):
                return found.group(1)
        # Many say in words of their own what they lack.
        error = getattr(error, "__cause__", None) or getattr(error, "__context__", None)
    return ""


def attempt(code):
    """Run code in a child process; return (ok, signal, last lines of what it said, what is missing)."""
    output, aside = tempfile.TemporaryFile(), tempfile.TemporaryFile()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            exec(compile(code, "trial", "exec"), {"__name__": "trial"})
            status = 0
        except BaseException as error:
            traceback.print_exc()
            if isinstance(error, ImportError):
                os.write(aside.fileno(), not_here(error).encode("utf-8"))
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    ended = os.waitpid(child, 0)[1]
    output.seek(0)
    text = output.read().decode("utf-8", "replace").strip()
    aside.seek(0)
    number = ended & 0x7F
    return ended == 0, number, "\n".join(text.splitlines()[-4:]), aside.read().decode("utf-8", "replace")


def main():
    with open(sys.argv[1]) as file:
        what = json.load(file)
    packages = sys.argv[2:]
    modules = list(extension_modules(packages))
    if sys.version_info[0] == 3:
        modules += top_modules(packages)
    # Not by a statement: mypyc makes modules whose names begin with a digit.
    trials = [("import %s (%s)" % (module, package), "import importlib; importlib.import_module(%r)" % module,
               {"kind": "import", "module": module, "package": package, "path": path,
                "optional": module in what["optional"]}) for module, package, path in modules]
    trials += [("compile %s (%s)" % (path, package),
                "compile(open(%r, 'rb').read(), %r, 'exec')" % (path, path),
                {"kind": "compile", "package": package, "path": path})
               for package, path in uncompiled(packages)]
    plain = sorted(STANDARD.items()) + (sorted(PYTHON_2.items()) if sys.version_info[0] == 2 else [])
    trials += [(name, code, {}) for name, code in plain + sorted(what["smoke"].items())]
    for name, code, more in trials:
        for time in range(3):
            ok, number, text, missing = attempt(code)
            if not number:
                break  # only a crash is tried again: emulators have moods
        print(json.dumps(dict(more, name=name, ok=ok, signal=number, text=text, attempts=time + 1,
                              missing=missing)))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
