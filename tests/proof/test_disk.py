# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk that is full, read-only or somebody else's: the repository stays as it was."""
from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from debxcross.errors import DiskFullError, PublishError
from tests.playground import make_deb
from tests.proof.bench import CHECKOUT, Bench
from tests.proof.test_kill import PROGRAM, packages
from tests.tools import need


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    need("mount", "umount")
    place = tmp_path / "disk"
    place.mkdir()
    argv = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(place)]
    if os.geteuid() or subprocess.run(argv).returncode:
        pytest.skip("needs root for mount")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def remount(place: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(place)], check=True)


def used(place: Path) -> int:
    status = os.statvfs(place)
    return (status.f_blocks - status.f_bfree) * status.f_frsize // 1024


@pytest.mark.slow
def test_a_full_disk_changes_nothing(mounted: Path) -> None:
    bench = Bench(mounted / "bench")
    bench.publish(bench.deb("tiny", "0"))
    failed = 0
    for number in range(1, 25):
        bench.now += 1
        new = make_deb(bench.debs / f"tiny_{number}_amd64.deb",
                       {"Package": "tiny", "Version": f"{number}", "Architecture": "amd64"},
                       {"usr/share/tiny/data": random.Random(number).randbytes(400_000)}, compression="none")
        before = packages(bench)
        # From no room at all to all the room that it needs.
        remount(mounted, f"size={used(mounted) + 60 * (number % 12)}k")
        try:
            bench.publish(new)
        except DiskFullError as error:
            failed += 1
            assert str(mounted) in f"{error.brief} {error.details}"
            assert packages(bench) == before
        remount(mounted, "size=64m")
        bench.publish(new)
        assert packages(bench) == {f"tiny_{number}"} and bench.verify().faults == []
    print(f"\nfull disk: {failed} publications failed at other places, each said so and changed nothing")
    assert failed > 5


@pytest.mark.slow
def test_a_read_only_disk_is_told_with_the_file(mounted: Path) -> None:
    bench = Bench(mounted / "bench")
    bench.publish(bench.deb("tiny", "0"))
    new = bench.deb("tiny", "1")
    remount(mounted, "ro")
    with pytest.raises(PublishError) as raised:
        bench.publish(new)
    assert "Read-only file system" in raised.value.details and str(mounted) in raised.value.details
    remount(mounted, "rw")
    assert packages(bench) == {"tiny_0"}
    bench.publish(new)
    assert packages(bench) == {"tiny_1"} and bench.verify().faults == []


@pytest.mark.slow
def test_somebody_elses_repository_is_told_with_the_file(mounted: Path) -> None:
    need("setpriv")
    bench = Bench(mounted / "bench")
    bench.publish(bench.deb("tiny", "0"))
    new = bench.deb("tiny", "1")
    subprocess.run(["chown", "-R", "65534", str(bench.state)], check=True)
    mounted.chmod(0o755)
    argv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-c", PROGRAM,
            str(bench.web), str(bench.state), bench.url, "boards", str(bench.now), str(new)]
    for path in (bench.directory, *bench.directory.parents):
        if not os.stat(path).st_mode & 0o001:
            path.chmod(os.stat(path).st_mode | 0o011)
    done = subprocess.run(argv, cwd=CHECKOUT, text=True, capture_output=True, timeout=60,
                          env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": "/tmp"})
    assert done.returncode == 25 and "Permission denied" in done.stderr and str(bench.web) in done.stderr
    assert packages(bench) == {"tiny_0"} and bench.verify().faults == []
