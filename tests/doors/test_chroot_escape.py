# SPDX-License-Identifier: GPL-3.0-or-later
"""What a root cannot do to the machine around it, whatever runs inside as its root.

Only marker files are tried to be read and written; bounds are tried with low ones.
"""
from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from debxcross.core.artifact import StoredFile
from debxcross.core.bounds import Bounds
from debxcross.doors import process
from debxcross.doors.chroot import Chroots, Session
from debxcross.doors.host import gather
from debxcross.doors.regular import open_regular, regular_files, tail
from debxcross.doors.store import Store
from debxcross.errors import BoundError, BuildError, HostError

SECRET = "the machine's own"


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """A file of the machine that nothing inside may see or change."""
    place = tmp_path / "machine"
    place.mkdir()
    (place / "marker").write_text(SECRET)
    return place / "marker"


def tried(session: Session, script: str, *words: str, **more: object) -> str:
    """Run a script that tries something as the root's root; return all it says."""
    done = session.run(["bash", "-c", script, "bash", *words], **more)  # type: ignore[arg-type]
    return done.stdout + "".join(line for line in done.stderr.splitlines(True) if "setlocale" not in line)


# The file system

def test_a_second_chroot_leads_nowhere(session: Session, marker: Path) -> None:
    said = tried(session, 'mkdir /trap; cd /; /usr/sbin/chroot /trap /bin/true 2>&1; '
                          'cd /; for n in 1 2 3 4 5 6 7 8 9; do cd ..; done; cat ".$1"', str(marker))
    assert SECRET not in said
    # chroot(2) itself is refused: the capability is gone.
    assert "cap=00000000800004fb" in tried(
        session, 'while read -r name value; do [ $name = CapEff: ] && echo cap=$value; done '
                 '< /proc/self/status')


@pytest.mark.parametrize("way", ["/proc/1/root", "/proc/self/root/..", "/proc/1/cwd/../..", "/.."])
def test_no_path_of_proc_leads_out(session: Session, marker: Path, way: str) -> None:
    assert SECRET not in tried(session, 'cat "$1$2"', way, str(marker))


def test_nothing_is_mounted_and_no_bind_is_writable(session: Session, marker: Path) -> None:
    said = tried(session, """
        mount -o remount,bind,rw /shared && echo remounted
        umount /shared && echo uncovered
        mount -t tmpfs none /tmp && echo mounted
        unshare --user --map-root-user true && echo namespace
        unshare --mount true && echo mounts
        echo changed > /shared/marker
        echo changed > /proc/1/root/shared/marker
        rm -f /shared/marker; ls /shared""", binds={marker.parent: "/shared"})
    assert "marker" in said.splitlines()
    assert not {"remounted", "uncovered", "mounted", "namespace", "mounts"} & set(said.split()), said
    assert marker.read_text() == SECRET


def test_there_are_no_devices_but_harmless_ones(session: Session) -> None:
    said = tried(session, "mknod /tmp/disk b 254 0 || echo refused; mknod /tmp/mem c 1 1 || echo refused; "
                          "ls /dev")
    assert said.split().count("refused") == 2
    assert "kmsg" not in said and "mem\n" not in said.replace("/mem", "")


def test_settings_of_the_kernel_cannot_be_written(session: Session) -> None:
    before = Path("/proc/sys/kernel/core_pattern").read_text()
    said = tried(session, """
        for name in kernel/core_pattern kernel/modprobe vm/swappiness kernel/hostname fs/file-max; do
            # Its own value: where this is possible, nothing changes.
            if (cat /proc/sys/$name > /tmp/it; cat /tmp/it > /proc/sys/$name) 2>/dev/null
            then echo written $name; fi
        done
        (echo h > /proc/sysrq-trigger) 2>/dev/null && echo written sysrq
        [ -e /sys/kernel ] && echo sys; echo end""")
    assert said == "end\n"
    assert Path("/proc/sys/kernel/core_pattern").read_text() == before


# Ids

def test_the_ids_inside_are_nobodys_outside(session: Session) -> None:
    tried(session, "touch /mine; chown builder /mine; touch /roots")
    mine, roots = (os.stat(session.upper / name).st_uid for name in ("mine", "roots"))
    assert roots >= 1000 and mine == roots + 1000
    assert os.geteuid() not in (mine, roots)
    mapped = tried(session, "cat /proc/self/uid_map").split()
    assert mapped[0] == "0" and mapped[2] == "65535"


def test_an_object_of_the_store_is_not_written_through_a_hard_link(session: Session, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    stored = store.put_bytes(b"an object", "thing.deb")
    place = tmp_path / "store/work/laid"
    store.lay_out((StoredFile("thing.deb", stored.sha256, stored.size),), place)
    assert os.path.samefile(place / "thing.deb", store.path(stored.sha256)), "it is a hard link"
    # Even where it lies in what can be written, which no step does.
    if os.geteuid() == 0:
        session.run(["true"])
        os.link(store.path(stored.sha256), session.upper / "thing.deb")
        tried(session, "chmod 666 /thing.deb; chown 0 /thing.deb; echo changed >> /thing.deb; "
                       "setpriv --clear-groups true")
    tried(session, "chmod 666 /shown/thing.deb; echo changed >> /shown/thing.deb; rm -f /shown/thing.deb",
          binds={place: "/shown"})
    assert store.path(stored.sha256).read_bytes() == b"an object"


def test_the_base_root_cannot_be_written(session: Session, base: Path) -> None:
    tried(session, "echo changed > /etc/passwd; rm -rf /usr/bin/mv; echo changed > /base/etc/passwd",
          binds={base: "/base"})
    assert (base / "etc/passwd").read_text().startswith("root:x:0:0")
    assert (base / "usr/bin/mv").exists()


# Links that wait for whoever comes next

def test_a_link_in_the_root_does_not_move_a_mount_or_a_file(session: Session, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "source").mkdir()
    tried(session, 'rm -rf /shared /proc.old; ln -s "$1" /shared', str(outside))
    done = session.run(["true"], binds={tmp_path / "source": "/shared/deep"})
    assert done.exit_status != 0 and "/shared in the root is a symbolic link" in done.stderr
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("name", ["proc", "dev"])
def test_proc_and_dev_cannot_be_exchanged(session: Session, tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    session.run(["true"])
    # As the overlay's upper directory would have it after a "mv /proc /away" of a stopped root.
    process.run(session.chroots.as_owner(["sh", "-c", f"ln -s {outside} {name}"]),
                directory=session.upper).check(HostError, "ln")
    done = session.run(["true"])
    assert done.exit_status != 0 and f"/{name} in the root is a symbolic link" in done.stderr
    assert list(outside.iterdir()) == []


def test_results_are_regular_files_or_none(session: Session, marker: Path, tmp_path: Path) -> None:
    tried(session, 'mkdir -p /build/out; echo deb > /build/out/a.deb; ln -s "$1" /build/out/b.buildinfo; '
                   'ln -s "$1" /build/out/config.log; ln -s "$2" /build/away',
          str(marker), str(marker.parent))
    assert [path.name for path in session.files("/build/out", "*.deb")] == ["a.deb"]
    with pytest.raises(BuildError) as raised:
        session.files("/build/out", "*.buildinfo")
    assert "b.buildinfo is no regular file" in raised.value.details
    for path in ("/build/out/b.buildinfo", "/build/away/marker"):
        with pytest.raises(BuildError):
            session.read(path)
        with pytest.raises(BuildError):
            session.take(path, tmp_path / "taken")
    assert session.files("/build/away", "*") == ()
    assert regular_files(session.upper, "/build", "**/config.log") == ()
    assert session.take("/build/out/a.deb", tmp_path / "taken").read_text() == "deb\n"


def test_a_fifo_keeps_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "config.log")
    began = time.monotonic()
    assert regular_files(tmp_path, "", "config.log") == ()
    with pytest.raises(OSError, match="no regular file"):
        open_regular(tmp_path, "config.log")
    with pytest.raises(ValueError):
        open_regular(tmp_path, "../config.log")
    assert time.monotonic() - began < 5


# What is put in

def test_a_directory_is_put_in_and_belongs_to_root(session: Session, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "sub/file").write_text("put\n")
    (tree / "sub/file").chmod(0o755)
    os.utime(tree / "sub/file", (1000, 1000))
    (tree / "link").symlink_to("sub/file")
    session.put(tree, "/build/deep/tree")
    assert tried(session, "cd /build/deep/tree; stat -c '%U %a %Y' sub/file; readlink link; "
                          "echo x >> sub/file") == "root 755 1000\nsub/file\n"


# The trial's web server

REACH = """
for pid in /proc/[0-9]*; do cat "$pid/root$1" 2>/dev/null; done
exec 3<>/dev/tcp/127.0.0.1/$2; printf 'GET /../../../../..%s HTTP/1.0\\r\\n\\r\\n' "$1" >&3; cat <&3
exec 3<>/dev/tcp/127.0.0.1/$2; printf 'GET /served HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3
ls /proc
"""


def test_the_web_server_is_out_of_reach(session: Session, marker: Path, tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    (tmp_path / "web/served").write_text("what is served\n")
    said = tried(session, REACH, str(marker), "8124", serve=tmp_path / "web", port=8124)
    assert "what is served" in said and SECRET not in said
    numbers = [word for word in said.split() if word.isdigit() and word not in ("404", "200")]
    assert len([line for line in said.splitlines() if line.isdigit()]) <= 3, numbers


# Bounds

@pytest.fixture
def bounded(base: Path, tmp_path: Path) -> Iterator[Session]:
    bounds = Bounds(processes=60, memory=150 << 20, open_files=100, file_size=2 << 20, log_size=1 << 20,
                    time=8)
    session = Chroots("unshare", bounds).session(base, tmp_path / "bounded")
    yield session
    session.chroots.remove(session.directory)


def test_a_fork_bomb_is_told_and_ended(bounded: Session) -> None:
    with pytest.raises(BoundError, match="more than 60 processes and threads") as raised:
        # Bounded on its own as well: it ends after 400.
        bounded.run(["bash", "-c", "for n in {1..400}; do sleep 20 & done; wait"])
    assert "limits.processes (now 60)" in raised.value.resolution


HOG = "hog() { a=$(printf '%2000000s' x); for n in $(eval echo {1..$1}); do a=$a$a; done; sleep 6; }; ALL"


def test_a_memory_hog_is_told_and_ended(bounded: Session) -> None:
    with pytest.raises(BoundError, match="more than 150 MB of memory") as raised:
        bounded.run(["bash", "-c", HOG.replace("ALL", "for one in 1 2 3 4; do hog 5 & done; wait")])
    assert "limits.memory" in raised.value.resolution
    # One process alone is refused by the kernel, and may say so before anybody sees its memory.
    done = bounded.run(["bash", "-c", HOG.replace("ALL", "hog 9")])
    assert done.exit_status
    assert "[a step may take 150 MB of memory here: limits.memory raises it]" in done.stderr


def test_a_log_without_end_is_cut(bounded: Session, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with pytest.raises(BoundError, match="a log of more than 1 MB"):
        bounded.run(["bash", "-c", "while :; do echo 01234567890123456789012345678901234; done"], log=log)
    assert log.stat().st_size < (1 << 20) + 200
    assert "limits.log-size" in tail(log).splitlines()[-1]


def test_output_without_a_log_is_bounded(session: Session) -> None:
    with pytest.raises(BoundError, match="printed more than 64 MB"):
        session.run(["bash", "-c", "a=$(printf '%100000s' x); while :; do echo \"$a$a$a$a$a\"; done"])


def test_a_command_without_end_is_ended(bounded: Session) -> None:
    began = time.monotonic()
    with pytest.raises(BoundError, match="more than 8 seconds"):
        bounded.run(["sh", "-c", "trap '' TERM INT; while :; do sleep 100; done"])
    assert time.monotonic() - began < 30


def test_files_have_a_size_and_a_number(bounded: Session) -> None:
    said = tried(bounded, "ulimit -Sn; ulimit -Hn; head -c 9999999 /dev/zero > /big; "
                          "stat -c %s /big; exit 3")
    assert said.split()[:2] == ["100", "100"]
    assert f"{2 << 20}\n" in said and "[a file may have 2 MB here: limits.file-size raises it]" in said


def test_the_session_keyring_is_not_handed_in(session: Session) -> None:
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        pytest.skip("only tried on amd64")
    assert "_ses" in tried(session, "cat /proc/keys; echo _ses")


def test_system_calls_are_refused_where_the_library_is_there(session: Session) -> None:
    facts = gather(session.directory, session.directory, ())
    if not facts.seccomp.ok:
        pytest.skip("python3-seccomp is not installed")
    for user in ("root", "builder"):
        script = ("while read -r name value; do case $name in Seccomp:|NoNewPrivs:) echo $name$value; esac; "
                  "done < /proc/self/status")
        said = session.run(["bash", "-c", script], user=user).stdout
        assert said.split() == [f"NoNewPrivs:{int(user == 'builder')}", "Seccomp:2"]


def test_sockets_of_the_machine_are_out_of_reach(session: Session) -> None:
    """Abstract sockets belong to the network namespace, not to the file system."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"\0debxcross-test-{os.getpid()}")
        listening.listen()
        assert f"debxcross-test-{os.getpid()}" not in tried(session, "cat /proc/net/unix")
