# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions over a tiny base root: a few programs of this machine with their libraries."""
from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from debxcross.core.bounds import Bounds
from debxcross.doors import chroot, process
from debxcross.doors.chroot import Chroots, Session
from debxcross.errors import HostError
from tests.smallroot import PROGRAMS
from tests.tools import need

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def copied(plain_base: Path, tmp_path: Path) -> Iterator[Session]:
    if os.geteuid() != 0:
        pytest.skip("isolation none needs root")
    session = Chroots("none").session(plain_base, tmp_path / "session")
    yield session
    session.chroots.remove(session.directory)
    assert not session.directory.exists()


def shell(session: Session, script: str, **more: object) -> str:
    done = session.run(["sh", "-c", script], **more)  # type: ignore[arg-type]
    assert done.exit_status == 0, done.stdout + done.stderr
    return done.stdout


def snapshot(directory: Path) -> list[tuple[str, int, int, bytes]]:
    return [(str(path), path.lstat().st_mode, path.lstat().st_mtime_ns,
             path.read_bytes() if path.is_file() else b"") for path in sorted(directory.rglob("*"))]


def mounted_below(directory: Path) -> list[str]:
    return [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(directory) in line]


# The command line

def test_the_command_line_as_root_and_as_a_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bounds = Bounds(processes=100, memory=8 << 20, open_files=300, file_size=5 << 20)
    session = Session(Chroots("unshare", bounds), tmp_path / "base", tmp_path)
    inside = str(ROOT / "debxcross/doors/chroot_inside.sh")
    names = ("base", "upper", "overlay-work", "root", "binds")
    paths = tuple(str(tmp_path / name) for name in names)
    limits = f"164:{9 << 20}:300:{5 << 20}"
    rest = ("65535", limits, "builder", "/build", "make", "-j2")
    mapped = ("--user", "--map-root-user", "--map-users=200000,1,65535", "--map-groups=300000,1,65535")
    monkeypatch.setattr(chroot, "subordinate_ids", lambda uid: (200000, 300000))
    for uid, user, method, first in ((1000, mapped, "overlay-userxattr", "1:1"),
                                     (0, (), chroots_method_of_this_namespace(), "200000:300000")):
        monkeypatch.setattr(os, "geteuid", lambda uid=uid: uid)
        argv = session.command_line(["make", "-j2"], user="builder", directory="/build",
                                    binds={Path("/a b"): "/c"})
        assert argv == ("unshare", *user, "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child",
                        "--net", "--", "sh", inside, method, *paths, sys.executable, "-", first, *rest)
        assert (tmp_path / "binds").read_text() == "/a b\t/c\n"
    assert "--net" not in session.command_line(["true"], network=True)
    bare = Session(Chroots("none", bounds), tmp_path / "base", tmp_path)
    assert bare.command_line(["make", "-j2"], user="builder", directory="/build") == (
        "sh", inside, "copy", paths[0], paths[3], *paths[2:], sys.executable, "-", "0:0", *rest)


def chroots_method_of_this_namespace() -> str:
    whole = Path("/proc/self/uid_map").read_text().split() == ["0", "0", "4294967295"]
    return "overlay" if whole else "overlay-userxattr"


def test_the_map_of_users_decides_about_userxattr(tmp_path: Path) -> None:
    """Root of a user namespace (a rootless container) has no privileges that overlay wants."""
    need("unshare")
    code = ("from debxcross.doors.chroot import Chroots\n"
            "print(Chroots()._is_root, Chroots()._method)")
    said = subprocess.run(["unshare", "--user", "--map-root-user", sys.executable, "-c", code], text=True,
                          capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    if said.returncode:
        pytest.skip("this machine lets nobody make namespaces")
    assert said.stdout == "True overlay-userxattr\n"


# Sessions

def test_changes_stay_in_the_overlay(session: Session, base: Path) -> None:
    before = snapshot(base)
    shell(session, "echo new > /etc/new; echo x >> /etc/passwd; rm -r /build/old; mkdir /build/old; "
                   "echo y > /build/old/other; chmod 700 /usr/bin/cat; chown builder /build")
    assert shell(session, "cat /etc/new; ls /build/old; stat -c %U /build") == "new\nother\nbuilder\n"
    assert (session.upper / "etc/new").read_text() == "new\n"
    assert snapshot(base) == before
    assert list(session.root.iterdir()) == []
    other = session.chroots.session(base, session.directory.parent / "other")
    assert shell(other, "ls /etc /build/old") == "/build/old:\nfile\n\n/etc:\ngroup\npasswd\n"
    other.chroots.remove(other.directory)


def test_layers_lie_between_the_base_and_the_changes(chroots: Chroots, base: Path, tmp_path: Path) -> None:
    """What one session left is laid under others, which cannot change it."""
    layers: list[Path] = []
    for number, script in enumerate(("echo 0 > /etc/low; echo 0 > /etc/both; rm /build/old/file",
                                     "echo 1 > /etc/both; echo 1 > /build/old/other; mkdir /etc/dir")):
        session = chroots.session(base, tmp_path / f"layer-{number}", layers)
        shell(session, script)
        layers.append(session.upper)
    before = [snapshot(one) for one in (base, *layers)]
    early = chroots.session(base, tmp_path / "top")  # a source is unpacked before there are layers
    shell(early, "echo top > /build/source")
    top = replace(early, layers=tuple(layers))
    assert shell(top, "cat /etc/low /etc/both /build/source; ls /build/old") == "0\n1\ntop\nother\n"
    assert (top.read("/etc/both"), top.read("/etc/low"), top.read("/build/source")) == ("1\n", "0\n", "top\n")
    shell(top, "echo 2 > /etc/both; rm /etc/low; rmdir /etc/dir; touch /build/old/file")
    assert shell(top, "cat /etc/both; ls /etc /build/old").split() == [
        "2", "/build/old:", "file", "other", "/etc:", "both", "group", "passwd"]
    assert [snapshot(one) for one in (base, *layers)] == before
    chroots.remove(tmp_path)


def test_directories_of_the_base_can_be_renamed_and_deleted(session: Session) -> None:
    shell(session, "mv /build/old /build/older && ls /build/older && rm -r /build/older && rmdir /build")
    assert shell(session, "ls -d /build 2>/dev/null || echo gone") == "gone\n"


def test_the_environment_is_fixed(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "x")
    lines = session.run(["env"], user="builder", directory="/build").stdout.splitlines()
    assert sorted(line for line in lines if not line.startswith(("PWD=", "OLDPWD=", "SHLVL=", "_="))) == [
        "DEBIAN_FRONTEND=noninteractive", "HOME=/nonexistent", "LC_ALL=C.UTF-8", "LOGNAME=builder",
        "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "SHELL=/bin/sh", "TERM=dumb", "TZ=UTC", "USER=builder"]
    assert shell(session, "echo $HOME; id -u; umask; hostname") == "/root\n0\n0022\ndebxcross\n"
    said = shell(session, "id -u; id -g; id -G; pwd", user="builder", directory="/build")
    assert said == "1000\n1000\n1000\n/build\n"


def test_what_is_typed_arrives_as_it_is(session: Session) -> None:
    arguments = ["", "a b", "$HOME", "'\"", "-x", "ü\n*"]
    said = session.run(["bash", "-c", 'printf "[%s]" "$@"', "bash", *arguments])
    assert said.stdout == "".join(f"[{one}]" for one in arguments)
    assert session.run(["sh", "-c", "cat; exit 7"], stdin="text").exit_status == 7
    assert session.run(["cat"], stdin="text").stdout == "text"


def test_binds_are_read_only(session: Session, tmp_path: Path) -> None:
    place = tmp_path / "a b"
    (place / "sub").mkdir(parents=True)
    (place / "file").write_text("outside\n")
    binds = {place: "/debxcross/deep", place / "file": "/etc/one", session.base: "/debxcross/base"}
    assert shell(session, "cat /debxcross/deep/file /etc/one; ls /debxcross/base/etc", binds=binds) == (
        "outside\noutside\ngroup\npasswd\n")
    for write in ("touch /debxcross/deep/new", "echo x > /debxcross/deep/file", "echo x > /etc/one",
                  "rm /debxcross/base/etc/passwd"):
        assert session.run(["sh", "-c", write], binds=binds).exit_status != 0, write
    assert (place / "file").read_text() == "outside\n"
    assert sorted(path.name for path in place.iterdir()) == ["file", "sub"]
    # Without the binds nothing of them shows.
    assert shell(session, "ls /debxcross/deep") == ""


def test_binds_from_a_file_system_with_locked_flags_are_read_only(session: Session) -> None:
    place = Path("/dev/shm")
    if not os.access(place, os.W_OK):
        pytest.skip("no /dev/shm")
    mine = place / f"debxcross-test-{os.getpid()}"
    mine.mkdir()
    try:
        done = session.run(["touch", "/shared/new"], binds={mine: "/shared"})
        assert done.exit_status != 0
        assert "Read-only file system" in done.stderr
        assert list(mine.iterdir()) == []
    finally:
        shutil.rmtree(mine)


def test_there_is_no_network_but_loopback(session: Session) -> None:
    interfaces = shell(session, "cat /proc/net/dev").splitlines()[2:]
    assert [line.split(":")[0].strip() for line in interfaces] == ["lo"]
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert session.run(["bash", "-c", f": < /dev/tcp/127.0.0.1/{port}"]).exit_status != 0
        assert session.run(["bash", "-c", f": < /dev/tcp/127.0.0.1/{port}"], network=True).exit_status == 0


def test_devices_work(session: Session) -> None:
    shell(session, "echo x > /dev/null; : < /dev/zero; : < /dev/urandom; test -p /dev/fd/0 -o -e /dev/fd/0; "
                   "test -c /dev/ptmx; touch /dev/shm/x; test $(stat -c %a /dev/shm) = 1777", user="builder")


def test_no_process_of_the_machine_shows(session: Session) -> None:
    numbers = [int(name) for name in shell(session, "ls /proc").split() if name.isdigit()]
    assert len(numbers) <= 2  # the first process, and ls


def test_write(session: Session) -> None:
    session.write("/etc/deep/file name", "grün\n", 0o755)
    assert shell(session, "stat -c '%a %U' '/etc/deep/file name'") == "755 root\n"
    assert session.read("/etc/deep/file name") == "grün\n"
    with pytest.raises(HostError, match="cannot write /etc in the build root"):
        session.write("/etc", "x")


def test_a_path_that_overlayfs_would_misread(chroots: Chroots, base: Path, tmp_path: Path) -> None:
    place = tmp_path / "a,b:c d\\e"
    place.mkdir()
    (place / "base").symlink_to(base)
    session = chroots.session(place / "base", place / "session")
    assert shell(session, "echo x > /etc/new; cat /etc/new") == "x\n"
    assert (session.upper / "etc/new").exists()
    chroots.remove(place / "session")


def test_files_of_other_users_can_be_deleted(session: Session) -> None:
    shell(session, "mkdir -p /build/deep/dir; touch /build/deep/dir/x; chown -R builder /build/deep; "
                   "chmod 0 /build/deep/dir")
    # The fixture deletes it.


# The web server

GET = ('exec 3<>/dev/tcp/127.0.0.1/$1; printf "GET /%s HTTP/1.0\\r\\n\\r\\n" "$2" >&3; cat <&3')


def test_the_web_server_answers_inside(session: Session, tmp_path: Path) -> None:
    (tmp_path / "a b").mkdir()
    (tmp_path / "a b" / "file").write_text("served\n")
    done = session.run(["bash", "-c", GET, "bash", "8123", "file"], serve=tmp_path / "a b", port=8123)
    assert done.stdout.startswith("HTTP/1.0 200 OK")
    assert done.stdout.endswith("\r\nserved\n")
    assert done.exit_status == 0
    with socket.socket() as outside:
        assert outside.connect_ex(("127.0.0.1", 8123)) != 0


def test_loopback_and_the_web_server_work_without_iproute2(
        session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And without a python3 on PATH: the interpreter is the one that runs us."""
    bare = tmp_path / "bin"
    bare.mkdir()
    for program in (*PROGRAMS, "chroot", "tail", "newuidmap", "newgidmap"):
        if path := process.find(program):
            (bare / program).symlink_to(path)
    monkeypatch.setattr(process, "MINIMAL_ENVIRONMENT", {**process.MINIMAL_ENVIRONMENT, "PATH": str(bare)})
    assert process.find("ip") is None and process.find("python3") is None
    (tmp_path / "file").write_text("served\n")
    done = session.run(["bash", "-c", GET, "bash", "8123", "file"], serve=tmp_path, port=8123)
    assert done.stdout.endswith("\r\nserved\n"), done.stderr


def test_a_web_server_that_cannot_listen_is_told(copied: Session, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = copied.run(["true"], serve=tmp_path, port=port)
    assert done.exit_status != 0
    assert f"no web server at port {port}" in done.stderr
    assert "Address already in use" in done.stderr


# Isolation none

def test_isolation_none_works_in_a_copy(copied: Session, plain_base: Path, tmp_path: Path) -> None:
    before = snapshot(plain_base)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "file").write_text("outside\n")
    binds = {tmp_path / "in": "/debxcross/deep", tmp_path / "in" / "file": "/etc/one"}
    said = shell(copied, "cat /debxcross/deep/file /etc/one; rm -r /build/old; echo new > /etc/new; "
                         "echo x > /debxcross/deep/file; echo y > /dev/null", binds=binds)
    assert said == "outside\noutside\n"
    assert shell(copied, "cat /etc/new; id -u", user="builder", binds=binds) == "new\n1000\n"
    assert (copied.upper / "etc/new").read_text() == "new\n"
    assert (tmp_path / "in" / "file").read_text() == "outside\n"
    assert snapshot(plain_base) == before
    assert mounted_below(tmp_path) == []


def test_isolation_none_gives_up_capabilities_too(copied: Session) -> None:
    said = shell(copied, "while read -r name value; do case $name in CapEff:|CapBnd:) echo $value; esac; "
                         "done < /proc/self/status; mknod /dev/mem c 1 1 2>/dev/null || echo refused")
    if not said.startswith("0"):
        pytest.skip("no /proc in a copy here")
    assert said == "00000000800004fb\n00000000800004fb\nrefused\n"
    assert copied.chroots.warnings() and not Chroots().warnings()


def test_isolation_none_serves_too(copied: Session, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("served\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    done = copied.run(["bash", "-c", GET, "bash", str(port), "file"], serve=tmp_path, port=port)
    assert done.stdout.endswith("\r\nserved\n"), done.stderr
    end = time.monotonic() + 3
    with socket.socket() as gone:
        while gone.connect_ex(("127.0.0.1", port)) == 0 and time.monotonic() < end:
            time.sleep(0.05)
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_isolation_none_is_for_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(HostError, match="--isolation none needs root") as raised:
        Chroots("none").check()
    assert raised.value.resolution


# Endings

KILLED = """
import sys
from pathlib import Path
from debxcross.doors.chroot import Chroots
session = Chroots(sys.argv[3]).session(Path(sys.argv[1]), Path(sys.argv[2]))
script = "sleep 61.7 & (trap '' TERM INT HUP; sleep 61.7) & echo > /build/started; sleep 61.7"
session.run(["sh", "-c", script], serve=Path("/"), port=int(sys.argv[4]))
"""


def sleepers(root: Path) -> list[int]:
    """Return the processes whose root directory or command line is in a session."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                state = (entry / "stat").read_text().rsplit(")", 1)[1].split()[0]
            except OSError:
                continue
            if ("sleep 61.7" in words or str(root) in words) and state != "Z":
                found.append(int(entry.name))
    return found


@pytest.mark.parametrize("isolation", ["unshare", "none"])
def test_killing_the_parent_leaves_no_process_and_no_mount(
        chroots: Chroots, base: Path, plain_base: Path, tmp_path: Path, isolation: str) -> None:
    base = base if isolation == "unshare" else plain_base
    if isolation == "none" and os.geteuid() != 0:
        pytest.skip("isolation none needs root")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = tmp_path / "session"
    parent = subprocess.Popen([sys.executable, "-c", KILLED, str(base), str(place), isolation, str(port)],
                              env={**os.environ, "PYTHONPATH": str(ROOT)})
    session = Session(Chroots(isolation), base, place)
    end = time.monotonic() + 10
    while not (session.upper / "build/started").exists() and time.monotonic() < end:
        time.sleep(0.02)
    assert len(sleepers(place)) >= 3
    parent.send_signal(signal.SIGKILL)
    parent.wait(5)
    end = time.monotonic() + 3
    while sleepers(place) and time.monotonic() < end:
        time.sleep(0.02)
    assert sleepers(place) == []
    assert mounted_below(tmp_path) == []
    session.chroots.remove(place)
    assert not place.exists()


STOPPED = """
import sys, threading
from pathlib import Path
from debxcross.doors import process
from debxcross.doors.chroot import Chroots
from debxcross.errors import InterruptedRunError
session = Chroots().session(Path(sys.argv[1]), Path(sys.argv[2]))
timer = threading.Timer(1, process.terminate_all)
timer.start()
try:
    session.run(["sh", "-c", "trap '' TERM INT HUP; while :; do sleep 61.7; done"])
except InterruptedRunError:
    print("interrupted")
"""


def test_terminate_all_ends_a_session_that_ignores_signals(
        chroots: Chroots, base: Path, tmp_path: Path) -> None:
    place = tmp_path / "session"
    began = time.monotonic()
    said = subprocess.run([sys.executable, "-c", STOPPED, str(base), str(place)], text=True,
                          capture_output=True, timeout=15, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert said.stdout == "interrupted\n", said.stderr
    assert time.monotonic() - began < 1 + 3 + 1
    assert sleepers(place) == []
    chroots.remove(place)


def test_a_timeout_ends_everything_inside(session: Session) -> None:
    with pytest.raises(HostError, match="no end after 1 seconds"):
        session.run(["sh", "-c", "trap '' TERM; sleep 61.7 & sleep 61.7"], timeout=1)
    end = time.monotonic() + 2
    while sleepers(session.directory) and time.monotonic() < end:
        time.sleep(0.02)
    assert sleepers(session.directory) == []


def test_moving_replaces_what_is_there(session: Session, tmp_path: Path) -> None:
    shell(session, "mkdir /build/mine; chown builder /build/mine; chmod 700 /build/mine")
    for _ in range(2):
        source, target = tmp_path / "source", tmp_path / "target"
        source.mkdir()
        (source / "file").write_text("x")
        session.chroots.move(source, target)
        assert not source.exists() and (target / "file").exists()


def test_a_refused_namespace_is_told_with_the_next_move(
        monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake = tmp_path / "unshare"
    fake.write_text("#!/bin/sh\necho 'unshare: unshare failed: Operation not permitted' >&2\nexit 1\n")
    fake.chmod(0o755)
    path = f"{tmp_path}:{process.MINIMAL_ENVIRONMENT['PATH']}"
    monkeypatch.setattr(process, "MINIMAL_ENVIRONMENT", {**process.MINIMAL_ENVIRONMENT, "PATH": path})
    with pytest.raises(HostError, match="does not let us make namespaces") as raised:
        Chroots().check()
    assert raised.value.details == "unshare: unshare failed: Operation not permitted"
    assert "debxcross doctor" in raised.value.resolution


def test_all_of_this_as_an_unprivileged_user(tmp_path: Path) -> None:
    """Runs this module again as DEBXCROSS_TEST_USER, a user made now and removed afterwards."""
    user = os.environ.get("DEBXCROSS_TEST_USER", "")
    if os.geteuid() != 0 or not user:
        pytest.skip("needs root and DEBXCROSS_TEST_USER, the name of a user to make")
    need("useradd", "userdel", "newuidmap")
    subprocess.run(["useradd", "--create-home", "--add-subids-for-system", "--system", user], check=True)
    try:
        done = subprocess.run(
            ["setpriv", "--reuid", user, "--regid", user, "--init-groups", "--reset-env",
             sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "ignore",
             "--basetemp", f"/home/{user}/t", "-rs", str(Path(__file__))],
            cwd=ROOT, text=True, capture_output=True)
        assert done.returncode == 0, done.stdout + done.stderr
        assert re.search(r"\d\d passed", done.stdout), done.stdout
    finally:
        subprocess.run(["userdel", "--remove", user], check=True, capture_output=True)
