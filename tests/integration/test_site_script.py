# SPDX-License-Identifier: GPL-3.0-or-later
"""A configure script hears of the device: from the processor that is emulated, or from a file."""
from __future__ import annotations

import struct
from pathlib import Path

import pytest

from debxcross.core.architecture import architecture
from debxcross.core.build import answers, device
from debxcross.doors import host, process
from tests.tools import need

ARMHF = architecture("armhf")

#: What autoconf 2.71 writes for AC_CACHE_CHECK around AC_RUN_IFELSE, as short as it can be.
CONFIGURE = r"""#!/bin/sh
cross_compiling=yes
exec 5>config.log
for ac_site_file in $CONFIG_SITE; do
    if test -f "$ac_site_file" && test -r "$ac_site_file"; then . "$ac_site_file"; fi
done
echo "configure:1: checking for the device" >&5
if test ${tiny_cv_device+y}; then
    echo cached >&5
elif test "$cross_compiling" = yes; then
    tiny_cv_device=guessed
else
    ./conftest >&5 2>&5
    status=$?
    if test $status = 0; then
        tiny_cv_device=found
    else
        echo "configure: program exited with status $status" >&5
        tiny_cv_device=absent
    fi
fi
cat >&5 <<END

## ---------------- ##
## Cache variables. ##
## ---------------- ##

tiny_cv_device=$tiny_cv_device

## ----------------- ##
## Output variables. ##
## ----------------- ##

END
echo "#define DEVICE \"$tiny_cv_device\"" > config.h
"""

# mov r7, #1 (exit); svc #0 — and the instruction that is undefined for ever.
_EXIT = (0xE3A07001, 0xEF000000)
PROGRAMS = {"finds": (0xE3A00000, *_EXIT), "misses": (0xE3A00001, *_EXIT), "crashes": (0xE7F000F0,)}


def arm_program(code: tuple[int, ...]) -> bytes:
    """Return a static ARM program of these instructions: an ELF header, one segment, the code."""
    begin, text = 0x10000, struct.pack(f"<{len(code)}I", *code)
    size = 52 + 32 + len(text)
    header = b"\x7fELF\x01\x01\x01" + bytes(9) + struct.pack(
        "<HHIIIIIHHHHHH", 2, 40, 1, begin + 84, 52, 0, 0x05000400, 52, 32, 1, 0, 0, 0)
    return header + struct.pack("<8I", 1, 0, begin, begin, size, size, 5, 0x1000) + text


def configure(directory: Path, program: str, script: str) -> tuple[str, str]:
    """Run configure with a site script; return config.h and config.log."""
    directory.mkdir()
    for name, content in (("configure", CONFIGURE.encode()), ("conftest", arm_program(PROGRAMS[program]))):
        (directory / name).write_bytes(content)
        (directory / name).chmod(0o755)
    (directory / "config.site").write_text(script)
    done = process.run(["env", f"CONFIG_SITE={directory}/config.site", "./configure"], directory=directory)
    assert done.exit_status == 0, done.stderr
    return (directory / "config.h").read_text(), (directory / "config.log").read_text()


def site(*values: tuple[str, str], emulated: bool) -> str:
    return device.site_script(ARMHF, answers.Told(answers.EMULATOR if emulated else answers.FILE, values))


@pytest.fixture
def emulator() -> str:
    need("qemu-arm-static")
    words = host.emulator(ARMHF)
    if not words:
        pytest.skip("no emulator of ARM is registered with the flag F")
    return words


def test_what_an_emulated_run_found_out_is_told_without_one(tmp_path: Path, emulator: str) -> None:
    assert "qemu-arm" in emulator
    plain, plain_log = configure(tmp_path / "plain", "finds", site(emulated=False))
    emulated, emulated_log = configure(tmp_path / "emulated", "finds", site(emulated=True))
    assert ("guessed" in plain, "found" in emulated) == (True, True)
    learned, split = answers.differences([emulated_log], [plain_log])
    assert (learned, split) == ({"tiny_cv_device": "found"}, ())
    written = answers.parse(answers.render(answers.Answers(
        "tiny", "armhf", (("=", "1"),), tuple(learned.items())), emulator), "tiny", "armhf")
    from_file, log = configure(tmp_path / "file", "finds", site(*written.values, emulated=False))
    assert from_file == emulated and "cached" in log


def test_no_is_an_answer(tmp_path: Path, emulator: str) -> None:
    found, log = configure(tmp_path / "device", "misses", site(emulated=True))
    assert "absent" in found and list(answers.crashes(log)) == []


def test_a_crash_is_told(tmp_path: Path, emulator: str) -> None:
    _, log = configure(tmp_path / "device", "crashes", site(emulated=True))
    assert [one.words for one in answers.crashes(log)] == [
        "for the device: the test program was ended by signal 4"]


def test_a_given_answer_is_not_asked_of_the_emulator(tmp_path: Path, emulator: str) -> None:
    found, log = configure(tmp_path / "device", "crashes", site(("tiny_cv_device", "told"), emulated=True))
    assert "told" in found and list(answers.crashes(log)) == []
