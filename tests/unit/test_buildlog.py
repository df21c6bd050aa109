# SPDX-License-Identifier: GPL-3.0-or-later
"""Which lines of a build log tell the cause.  The snippets are what the tools print."""
from __future__ import annotations

import pytest

from debxcross.core.build.log import describe_failure, lines_that_matter, tells_of_full_disk

NOISE = """\
dpkg-buildpackage: info: source package openssl
checking for error_at_line... no
checking for a BSD-compatible install... /usr/bin/install -c
arm-linux-gnueabi-gcc -g -O2 -Werror=format-security -c -o error.o error.c
arm-linux-gnueabi-gcc -g -O2 -Werror=format-security -c -o put_error.o put_error.c
util.c:10:7: warning: unused variable 'error' [-Wunused-variable]
make[2]: [Makefile:5: clean] Error 1 (ignored)
"""
END = """\
make[1]: Leaving directory '/build/reproducible-path/openssl-1.1.1w'
dh_auto_build: error: make -j4 returned exit code 2
make: *** [debian/rules:58: build-arch] Error 25
dpkg-buildpackage: error: debian/rules build-arch subprocess returned exit status 2
debian/rules: done
end
"""


@pytest.mark.parametrize("cause", [
    "crypto/dso.c:3:10: fatal error: zlib.h: No such file or directory",
    "main.c:3:3: error: implicit declaration of function 'foo' [-Werror=implicit-function-declaration]",
    "main.c:9:3: error: format not a string literal and no format arguments [-Werror=format-security]",
    "main.c:(.text+0x1c): undefined reference to `ERR_put_error'",
    "/usr/lib/gcc-cross/arm-linux-gnueabi/12/../../../../arm-linux-gnueabi/bin/ld: cannot find -lz",
    "configure: error: C compiler cannot create executables",
    "make[3]: *** [Makefile:118: libz.so.1.2.13] Error 1",
    "make[1]: *** No rule to make target 'apps/openssl', needed by 'all'.  Stop.",
    "/bin/sh: 1: help2man: not found",
    "make[1]: makeinfo: No such file or directory",
    "ModuleNotFoundError: No module named 'setuptools'",
    "Traceback (most recent call last):",
    "dpkg-checkbuilddeps: error: Unmet build dependencies: libdb-dev",
    "1 out of 1 hunk FAILED -- saving rejects to file debian/rules.rej",
    "cp: error writing 'x': No space left on device",
])
def test_the_cause_is_found_and_noise_is_not(cause: str) -> None:
    assert lines_that_matter(f"{NOISE}{cause}\n{NOISE}{END}") == (cause, "…", *END.splitlines())


def test_nothing_conspicuous_shows_the_end() -> None:
    assert lines_that_matter(NOISE + END) == tuple(END.splitlines())
    assert lines_that_matter("one\n\n  \ntwo  \n") == ("one", "two")
    assert lines_that_matter("") == ()


def test_the_first_causes_are_kept_and_repetitions_told_once() -> None:
    log = "".join(f"x.c:{number}:1: error: no\nx.c:{number}:1: error: no\n" for number in range(50)) + END
    found = lines_that_matter(log, most=4)
    assert found == ("x.c:0:1: error: no", "x.c:1:1: error: no", "…", *END.splitlines())


CONFIG_LOG = """\
configure:2871: checking whether the C compiler works
configure:2893: arm-linux-gnueabi-gcc   conftest.c  >&5
/usr/bin/ld: cannot find crt1.o: No such file or directory
configure:2897: $? = 1
configure:2937: error: in `/build/reproducible-path/libffi-3.4.4':
configure:2939: error: C compiler cannot create executables

## ---------------- ##
## Cache variables. ##
## ---------------- ##

ac_cv_env_CC_set=set
ac_cv_prog_CC=arm-linux-gnueabi-gcc
"""


def test_the_end_of_a_config_log_comes_before_its_dumps() -> None:
    said = describe_failure(f"{END}", CONFIG_LOG, "build/config.log")
    assert said.startswith(END.splitlines()[0])
    _, conclusion = said.split("\n\nThe end of build/config.log:\n")
    assert "cannot find crt1.o" in conclusion and "ac_cv" not in conclusion and "##" not in conclusion
    assert "config.log" not in describe_failure(END, "", "")


@pytest.mark.parametrize("line", [
    "/tmp/ccX.s: Assembler messages: Fatal error: can't write 12 bytes to section: no space left on device",
    "cp: error writing 'x': Disk quota exceeded",
    "E: You don't have enough free space in /var/cache/apt/archives/.",
])
def test_a_full_disk_is_recognised(line: str) -> None:
    assert tells_of_full_disk(f"{NOISE}{line}\n{END}")
    assert not tells_of_full_disk(NOISE + END)
    # What a test suite tried long before is not what the step failed of.
    assert not tells_of_full_disk(f"{line}\n{NOISE * 100}{END}")
