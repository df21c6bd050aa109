# SPDX-License-Identifier: GPL-3.0-or-later
"""The facts of real machines: this one, as root and not, with namespaces and without."""
from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from debxcross.core.architecture import architecture
from debxcross.core.doctor import examine
from debxcross.doors.host import emulator, file_system, gather, longest_range, parse_binfmt
from tests.tools import need

GATHER = """
import json, sys
from dataclasses import asdict
from pathlib import Path
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
from debxcross.core.architecture import architecture
from debxcross.core.doctor import examine, isolation
from debxcross.doors.host import gather
facts = gather(Path(sys.argv[2]), Path(sys.argv[2]), (architecture("armel"),))
checks = {check.name: check.verdict for check in examine(facts, (architecture("armel"),))}
print(json.dumps({**asdict(facts), "checks": checks, "isolation": isolation(facts)}))
"""


def gathered(store: Path, *prefix: str) -> dict[str, Any]:
    """Gather facts in a process of its own, started by way of ``prefix``."""
    done = subprocess.run([*prefix, "/usr/bin/python3", "-c", GATHER, str(store.parent), str(store)],
                          stdout=subprocess.PIPE, timeout=60, check=True)
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


@pytest.fixture
def store() -> Iterator[Path]:
    """A directory that every user can reach and write in, beside a copy of the package.

    Not tmp_path: pytest keeps that to its own user.
    """
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o755)
        shutil.copytree(Path(__file__).parents[2] / "debxcross", place / "debxcross",
                        ignore=shutil.ignore_patterns("__pycache__"))
        (place / "store").mkdir()
        (place / "store").chmod(0o777)
        yield place / "store"


def only_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")


def test_this_machine(tmp_path: Path) -> None:
    need("unshare", "setpriv")
    facts = gather(tmp_path / "not/yet/there", tmp_path, (architecture("armel"),))
    assert facts.uid == os.geteuid()
    assert facts.kernel == os.uname().release
    assert facts.programs["unshare"].endswith("/unshare")
    assert facts.store.path == str(tmp_path)
    assert facts.store.writable and facts.store.hard_links and facts.store.rename
    assert facts.store.free > 0
    assert sorted(tmp_path.iterdir()) == [], "trials leave nothing behind"
    assert len(examine(facts, (architecture("armel"),))) > 10


def test_trials_that_work_are_done_for_real(store: Path) -> None:
    need("unshare", "setpriv")
    facts = gathered(store)
    if not facts["user_namespaces"]["ok"]:
        pytest.skip(f"no namespaces here: {facts['user_namespaces']['said']}")
    assert facts["overlay"] == {"ok": True, "said": ""}
    assert sorted(store.iterdir()) == []


def test_an_ordinary_user(store: Path) -> None:
    need("setpriv")
    only_root()
    facts = gathered(store, "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    assert (facts["uid"], facts["user"]) == (65534, "nobody")
    assert facts["store"]["writable"]
    assert facts["subuids"] == 0
    if facts["user_namespaces"]["ok"]:
        assert facts["overlay"] == {"ok": True, "said": ""}
    assert facts["isolation"] == "none", "nobody has no subordinate ids"
    assert sorted(store.iterdir()) == [], "what overlayfs left is deleted by an ordinary user, too"


def test_a_store_one_may_not_write_in(store: Path) -> None:
    need("setpriv")
    only_root()
    store.chmod(0o755)
    facts = gathered(store, "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    assert not facts["store"]["writable"]
    assert facts["checks"]["store"] == "missing"
    assert not facts["overlay"]["ok"]


def test_an_ordinary_user_where_namespaces_are_denied(store: Path, tmp_path: Path) -> None:
    # The kernel refuses user namespaces to whoever was put into a chroot, as seccomp does in
    # containers; the mounts vanish with the namespace.
    need("unshare", "chroot")
    only_root()
    facts = gathered(store, "unshare", "--mount", "sh", "-c",
                     'mount --rbind / "$0" && exec chroot --userspec=65534:65534 "$0" "$@"', str(tmp_path))
    assert facts["user_namespaces"] == {"ok": False,
                                        "said": "unshare: unshare failed: Operation not permitted"}
    assert not facts["overlay"]["ok"] and not facts["id_mapping"]["ok"]
    assert facts["checks"]["user namespaces"] == "warning"
    assert facts["isolation"] == "none"
    assert sorted(store.iterdir()) == []


def test_the_setting_that_denies_namespaces_is_seen(store: Path) -> None:
    need("unshare")
    prefix = ("unshare", "--user", "--map-root-user", "sh", "-c",
              'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"', "sh")
    if subprocess.run([*prefix, "true"], stderr=subprocess.DEVNULL).returncode:
        pytest.skip("no namespaces here to try it in")
    facts = gathered(store, *prefix)
    assert facts["sysctls"]["user.max_user_namespaces"] == "0"
    assert not facts["user_namespaces"]["ok"]
    assert "No space left" in facts["user_namespaces"]["said"]


def test_a_store_behind_a_door_one_may_not_pass(store: Path) -> None:
    need("setpriv")
    only_root()
    store.chmod(0o700)
    (store / "inner").mkdir()
    done = gathered(store, "sh", "-c", 'exec setpriv --reuid=65534 --regid=65534 --clear-groups "$@"/inner',
                    "sh")
    assert not done["store"]["writable"]


def test_a_machine_without_the_tools(store: Path) -> None:
    # A file that cannot be executed lies over the program, in this mount namespace only.
    need("unshare", "mount", "setpriv")
    hide = 'mount --bind /dev/null "$(command -v setpriv)" && mount --bind /dev/null "$(command -v gpgv)"'
    prefix = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", f'{hide} && exec "$@"', "sh")
    if subprocess.run([*prefix, "true"], stderr=subprocess.DEVNULL).returncode:
        pytest.skip("no namespaces here to try it in")
    facts = gathered(store, *prefix)
    assert not {"setpriv", "gpgv"} & set(facts["programs"])
    assert facts["checks"]["gpgv"] == facts["checks"]["util-linux"] == "missing"
    assert facts["user_namespaces"] == {"ok": False, "said": "the program 'setpriv' is not installed"}
    assert facts["store"]["writable"]


@pytest.mark.parametrize("text, user, length", [
    ("dev:100000:65536\n", "dev", 65536), ("1000:100000:65536\n", "dev", 65536),
    ("0: dev 100000 65536\n1: dev 165536 1000\n", "dev", 65536), ("other:100000:65536\n", "dev", 0),
    ("dev:100000:1000\ndev:200000:70000", "dev", 70000), ("dev:100000:x\n# comment\n\n", "dev", 0)])
def test_subordinate_ranges(text: str, user: str, length: int) -> None:
    assert longest_range(text, user, 1000) == length


def test_a_registration_is_parsed() -> None:
    text = "enabled\ninterpreter /usr/bin/qemu-arm-static\nflags: POCF\noffset 0\nmagic 7f454c46\n"
    assert asdict(parse_binfmt("qemu-arm", text)) == {
        "name": "qemu-arm", "interpreter": "/usr/bin/qemu-arm-static", "flags": "POCF", "enabled": True}
    assert not parse_binfmt("qemu-arm", text.replace("enabled", "disabled")).enabled
    assert parse_binfmt("qemu-arm", text.replace("POCF", "")).flags == ""
    assert not parse_binfmt("gone", "").enabled


MOUNTS = """\
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 27 0:30 / /home rw,relatime shared:1 - btrfs /dev/vdb rw
31 30 0:31 / /home/my\\040disk rw - vfat /dev/vdc rw
32 30 0:32 / /home rw - nfs4 server:/home rw
"""


@pytest.mark.parametrize("path, kind", [
    ("/", "ext4"), ("/homework", "ext4"), ("/home/dev", "nfs4"), ("/home", "nfs4"),
    ("/home/my disk/store", "vfat")])
def test_the_file_system_of_a_path(path: str, kind: str) -> None:
    assert file_system(MOUNTS, path) == kind
    assert file_system("", path) == "unknown"


@pytest.mark.parametrize("text,found", [
    ("enabled\ninterpreter {}\nflags: PF\n", "qemu-arm version 1.0"),
    ("enabled\ninterpreter {}\nflags: P\n", ""), ("disabled\ninterpreter {}\nflags: PF\n", "")])
def test_only_an_emulator_that_roots_see_counts(tmp_path: Path, text: str, found: str) -> None:
    program = tmp_path / "qemu-arm-static"
    program.write_text("#!/bin/sh\necho qemu-arm version 1.0\necho Copyright\n")
    program.chmod(0o755)
    (tmp_path / "arm-binfmt-P").symlink_to(program)
    registrations = tmp_path / "binfmt_misc"
    registrations.mkdir()
    assert emulator(architecture("armhf"), registrations) == ""  # not mounted
    (registrations / "status").write_text("enabled\n")
    assert emulator(architecture("armhf"), registrations) == ""  # not registered
    (registrations / "qemu-arm").write_text(text.format(tmp_path / "arm-binfmt-P"))
    assert emulator(architecture("armhf"), registrations) == found
