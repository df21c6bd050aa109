# SPDX-License-Identifier: GPL-3.0-or-later
"""Where build roots may lie."""
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools import need

ROOT = Path(__file__).resolve().parents[2]


def test_a_file_system_without_overlays_is_told(tmp_path: Path) -> None:
    """An overlay's upper directory cannot be on an overlay, as the file systems of containers often are."""
    need("unshare", "mount")
    if os.geteuid():
        pytest.skip("only root can mount without a namespace of its own")
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c",
         'cd "$1" && mkdir l u w m good && mount -t overlay -o lowerdir=l,upperdir=u,workdir=w o m '
         '&& mkdir m/bad && exec "$0" -c "$2"', sys.executable, str(tmp_path),
         "from pathlib import Path\nfrom debxcross.doors.chroot import Chroots\n"
         "from debxcross.errors import HostError\n"
         "Chroots().check(Path('good').resolve())\n"
         "try: Chroots().check(Path('m/bad').resolve())\n"
         "except HostError as error: print(error.brief, error.resolution)"],
        text=True, capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    if done.returncode and "mount:" in done.stderr:
        pytest.skip("this machine cannot mount overlays")
    assert done.stdout.startswith(f"no build root can be laid over another below {tmp_path}/m "), done.stderr
    assert "--isolation none" in done.stdout
