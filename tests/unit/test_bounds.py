# SPDX-License-Identifier: GPL-3.0-or-later
"""Bounds as values, and ranges of subordinate ids."""
from __future__ import annotations

import pytest

from debxcross.core.bounds import Bounds, free_range, ranges, refusals

BOUNDS = Bounds(processes=10, memory=100 << 20, open_files=30, file_size=5 << 20, log_size=7 << 20, time=60)


@pytest.mark.parametrize("taken, setting, value", [
    ({"processes": 11}, "processes", 10), ({"memory": (100 << 20) + 1}, "memory", 100),
    ({"log_size": (7 << 20) + 1}, "log-size", 7), ({"time": 60.5}, "time", 60)])
def test_a_bound_that_is_exceeded_is_named_with_its_setting(
        taken: dict[str, int], setting: str, value: int) -> None:
    met = BOUNDS.met(**taken)
    assert met is not None and (met.setting, met.value) == (setting, value)
    assert f"limits.{setting} (now {value})" in met.resolution


def test_what_is_within_bounds_meets_none() -> None:
    assert BOUNDS.met(processes=10, memory=100 << 20, log_size=7 << 20, time=60) is None
    assert Bounds().met(memory=1 << 60) is None  # 0 is not known yet


@pytest.mark.parametrize("said, setting", [
    ("cat: write error: File too large", "file-size"), ("open: Too many open files", "open-files"),
    ("virtual memory exhausted: Cannot allocate memory", "memory"), ("terminate: std::bad_alloc", "memory"),
    ("sh: 1: Cannot fork: Resource temporarily unavailable", "processes")])
def test_what_a_program_says_at_a_limit_is_explained(said: str, setting: str) -> None:
    (told,) = refusals(f"begin\n{said}\n", BOUNDS)
    assert f"limits.{setting} " in told


def test_other_failures_are_not_explained_away() -> None:
    assert refusals("make: *** [all] Error 1\nresource.c: No such file", BOUNDS) == ()


def test_ranges_of_a_user() -> None:
    text = "dev:100000:65536\nother:165536:65536\n1000:231072:1000\n0: dev 300000 70000\ndev:x:1\n"
    assert list(ranges(text, "dev", 1000)) == [(100000, 65536), (231072, 1000), (300000, 70000)]


@pytest.mark.parametrize("texts, first", [
    ((), 100000), (("a:100000:65536", ""), 165536), (("a:165536:65536",), 100000),
    (("a:120000:10", "b:130000:65536"), 195536), (("a:500000:65536\nbad\nb:x:y",), 100000)])
def test_a_range_that_nobody_has(texts: tuple[str, ...], first: int) -> None:
    assert free_range(texts) == first
