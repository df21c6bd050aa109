# SPDX-License-Identifier: GPL-3.0-or-later
"""What the emulated device said: ours, the emulator's, or nothing."""
from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from debxcross.core.chain.trial import TrialResult, illegal, is_emulators, judge, parse_report
from debxcross.errors import EmulatorError, TrialError

GOOD = TrialResult("ssl", True, 0, "OpenSSL 1.1.1w  11 Sep 2023")
ABSENT = TrialResult("import _bsddb (libpython2.7-stdlib)", False, 0,
                     "Traceback (most recent call last):\n  …\nImportError: No module named _bsddb")
CRASHED = TrialResult("ctypes", False, 11,
                      "qemu: uncaught target signal 11 (Segmentation fault) - core dumped", 3)
UNHANDLED = TrialResult("ssl", False, 6, "qemu: unhandled CPU exception 0x2 - aborting", 3)
INTERNAL = TrialResult("zlib", False, 6,
                       "**\nERROR:../tcg/tcg.c:1917:tcg_fatal: assertion failed: (code reached)", 3)
SYSCALL = TrialResult("sqlite3", False, 1, "Unsupported syscall: 439")


def test_report_lines() -> None:
    output = "warning: no locale\n" + "\n".join(
        json.dumps({"name": one.name, "ok": one.ok, "signal": one.signal, "text": one.text,
                    "attempts": one.attempts}) for one in (GOOD, CRASHED)) + "\n\nlast words\n"
    assert parse_report(output) == (GOOD, CRASHED)
    assert parse_report('{"name": "x", "ok": true, "signal": 0, "text": ""}')[0].attempts == 1
    assert parse_report("") == ()


@pytest.mark.parametrize(("result", "emulators"), [
    (GOOD, False), (ABSENT, False), (CRASHED, False), (UNHANDLED, True), (INTERNAL, True), (SYSCALL, True),
    (TrialResult("x", False, 1, "qemu-arm-static: Could not open '/lib/ld-linux.so.3'"), True),
    (TrialResult("x", True, 0, "Unsupported syscall: 439"), False),
])
def test_whose_failure_it_is(result: TrialResult, emulators: bool) -> None:
    assert is_emulators(result) is emulators


def test_a_programs_crash_is_ours_and_named() -> None:
    with pytest.raises(TrialError) as caught:
        judge((GOOD, CRASHED, ABSENT), "")
    assert not isinstance(caught.value, EmulatorError)
    assert caught.value.brief == "2 of 3 trials failed on the device"
    assert caught.value.details.splitlines() == [
        "ctypes: ended by signal 11 in 3 attempts: " + CRASHED.text,
        "import _bsddb (libpython2.7-stdlib): ImportError: No module named _bsddb"]


def test_the_emulators_failures_blame_it_only_when_all_are() -> None:
    with pytest.raises(EmulatorError) as caught:
        judge((GOOD, UNHANDLED, INTERNAL), "")
    assert "in the emulator itself" in caught.value.brief and "QEMU" in caught.value.resolution
    with pytest.raises(TrialError) as both:
        judge((UNHANDLED, ABSENT), "")
    assert type(both.value) is TrialError


@pytest.mark.parametrize(("text", "signal", "processor", "told"), [
    ("", 4, "arm926", "illegal instruction on the baseline processor (QEMU_CPU=arm926)"),
    ("qemu: uncaught target signal 4 (Illegal instruction) - core dumped", 0, "arm926",
     "illegal instruction on the baseline processor (QEMU_CPU=arm926)"),
    ("died with <Signals.SIGILL: 4>", 1, "x", "illegal instruction on the baseline processor (QEMU_CPU=x)"),
    ("", 4, "", "illegal instruction on this machine's processor"),
    ("qemu: uncaught target signal 11 (Segmentation fault)", 11, "arm926", ""),
    ("qemu: uncaught target signal 40", 40, "arm926", ""),
])
def test_illegal_instructions(text: str, signal: int, processor: str, told: str) -> None:
    assert illegal(text, signal, processor) == told


def test_an_illegal_instruction_is_told_as_such() -> None:
    newer = TrialResult("import numpy (python3-numpy)", False, 4,
                        "qemu: uncaught target signal 4 (Illegal instruction) - core dumped", 3)
    with pytest.raises(TrialError) as caught:
        judge((GOOD, newer), "", "cortex-a9,neon=off")
    assert not isinstance(caught.value, EmulatorError)
    assert caught.value.details.startswith(
        "import numpy (python3-numpy): illegal instruction on the baseline processor "
        "(QEMU_CPU=cortex-a9,neon=off); ended by signal 4 in 3 attempts: ")


def test_silence_is_a_failure() -> None:
    with pytest.raises(TrialError, match="reported nothing") as caught:
        judge((), "x" * 5000 + "Segmentation fault")
    assert caught.value.details.endswith("Segmentation fault") and len(caught.value.details) == 1500


def test_what_is_optional_may_be_missing_but_not_crash() -> None:
    text = "Traceback\nModuleNotFoundError: No module named 'tkinter'"
    missing = TrialResult("import PIL._imagingtk (python3-pil)", False, 0, text, optional=True)
    assert judge((GOOD, missing), "") == (
        "import PIL._imagingtk (python3-pil) does not work, which is optional: "
        "ModuleNotFoundError: No module named 'tkinter'",)
    with pytest.raises(TrialError):
        judge((GOOD, TrialResult("import x (y)", False, 11, "", 3, optional=True)), "")


def test_a_crash_that_did_not_come_back_is_a_note() -> None:
    moody = TrialResult("ssl", True, 0, "", attempts=2)
    assert judge((GOOD, moody), "") == (
        "ssl crashed and worked when tried again (2 attempts): the emulator's mood",)
    assert judge((GOOD,), "") == ()


def imported(module: str, text: str = "", **more: Any) -> TrialResult:
    given = {"ok": not text, "signal": 0, "package": "python3-lamp", "path": f"/x/{module}.so", **more}
    return TrialResult(f"import {module} (python3-lamp)", text=text, kind="import", module=module, **given)


NO_CFFI = "ModuleNotFoundError: No module named '_cffi_backend'"


@pytest.mark.parametrize(("result", "words"), [
    (imported("zstandard._cffi", NO_CFFI, missing="_cffi_backend"),
     "for want of _cffi_backend, which the project does not require"),
    (imported("greenlet.tests._test_extension", "ImportError: whatever"), "only the project's own test"),
    (imported("lamp._umath_tests", "ImportError: whatever"), "only the project's own test"),
    (imported("RPi._GPIO", "RuntimeError: This module can only be run on a Raspberry Pi!"),
     "without the hardware it is for"),
    (imported("lamp.io", "FileNotFoundError: [Errno 2] No such file or directory: '/dev/gpiomem'"),
     "without the hardware it is for"),
    (imported("board", "NotImplementedError: Board not supported UNKNOWN"), "without the hardware it is for"),
    (imported("libglow", "ImportError: dynamic module does not define module export function (PyInit_x)"),
     "is a library, no module"),
    (TrialResult("compile /x/t.py (python3-lamp)", False, 0, "SyntaxError: x", kind="compile"),
     "no module for this Python"),
])
def test_what_does_not_count_is_noted_with_the_reason(result: TrialResult, words: str) -> None:
    note, = judge((GOOD, imported("lamp"), result), "")
    assert note.startswith(f"{result.name} does not work, ") and words in note
    assert note.endswith(result.text.splitlines()[-1])


@pytest.mark.parametrize("result", [
    imported("lamp._c", "ImportError: /x/_c.so: undefined symbol: FIPS_mode"),
    imported("lamp.tests._c", "ImportError: libgone.so.1: cannot open shared object file: No such file"),
    imported("lamp.tests._c", "ImportError: /x/_c.so: wrong ELF class: ELFCLASS64"),
    imported("lamp.tests._c", "x", signal=11),
    imported("lamp._c", NO_CFFI, missing="_cffi_backend", package="python3-needy"),
    imported("lamp._c", "ModuleNotFoundError: No module named 'lamp._d'"),
    imported("lamp._c", "ValueError: numpy.dtype size changed"),
    imported("lamp._c", "RuntimeError: unsupported platform linux-armv7l"),
    imported("lamp.testing._c", "ImportError: whatever"),
    imported("lamp._c", "ImportError: dynamic module does not define module export function (PyInit__c)",
             path="/x/_c.cpython-311-arm-linux-gnueabi.so"),
    TrialResult("smoke", False, 0, "RuntimeError: not running on a Raspberry Pi"),
])
def test_what_counts(result: TrialResult) -> None:
    needy = imported("needy", package="python3-needy")
    with pytest.raises(TrialError) as caught:
        judge((GOOD, imported("lamp"), needy, result), "", "", {"python3-needy": ("-cffi-backend", "x")})
    assert caught.value.brief == "1 of 4 trials failed on the device"
    assert "optional-modules" in caught.value.resolution


def test_a_package_of_which_nothing_can_be_imported_has_no_excuse() -> None:
    broken = imported("lamp", "ModuleNotFoundError: No module named 'imp'", missing="imp")
    test = imported("lamp.tests._c", NO_CFFI, missing="_cffi_backend")
    with pytest.raises(TrialError, match="2 of 3"):
        judge((GOOD, broken, test), "")
    hardware = imported("lamp", "RuntimeError: Cannot determine SOC peripheral base address of this board")
    assert len(judge((GOOD, hardware), "")) == 1
    assert len(judge((GOOD, replace(broken, optional=True)), "")) == 1


def test_a_failure_tells_what_was_only_noted() -> None:
    with pytest.raises(TrialError) as caught:
        judge((ABSENT, imported("lamp"), imported("lamp.tests.x", "ImportError: x")), "")
    assert caught.value.details.splitlines()[1] == (
        "noted: import lamp.tests.x (python3-lamp) does not work, and is only the project's own test: "
        "ImportError: x")
