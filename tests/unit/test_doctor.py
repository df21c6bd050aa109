# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts on machines: facts in, checks out."""
from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from debxcross.core.architecture import architecture
from debxcross.core.doctor import (PROGRAMS, BinfmtEntry, Check, DirectoryFacts, HostFacts, Trial,
                                   checks_json, cures, examine, isolation, kernel_version, ready,
                                   render_checks)

GOLDEN = Path(__file__).parents[1] / "golden/report"
ARMEL = architecture("armel")
GB = 1000**3
DISK = DirectoryFacts("/home/dev/.cache/debxcross", "ext4", 80 * GB, True, True, True)
QEMU = BinfmtEntry("qemu-arm", "/usr/libexec/qemu-binfmt/arm-binfmt-P", "PF", True)
DENIED = Trial(False, "unshare: unshare failed: Operation not permitted")

GOOD = HostFacts(
    system="Debian GNU/Linux 12 (bookworm)", debian=True, release="bookworm", kernel="6.1.0-25-amd64",
    machine="x86_64", container="", user="dev", uid=1000,
    programs={name: f"/usr/bin/{name}" for name in (
        "newuidmap", "qemu-arm-static", *(program for _, programs, _ in PROGRAMS for program in programs))},
    keyring=True, python_apt=Trial(True, "2.6.0"), user_namespaces=Trial(True), id_mapping=Trial(True),
    overlay=Trial(True), subuids=65536, subgids=65536, store=DISK, output=replace(DISK, path="/home/dev/out"),
    sysctls={"user.max_user_namespaces": "96365"}, binfmt=(QEMU,), seccomp=Trial(True),
)
#: An ordinary user in a container that allows no namespaces and has nothing installed.
BARE = replace(
    GOOD, container="docker", kernel="6.12.1", release="trixie", system="Debian GNU/Linux 13 (trixie)",
    programs={"apt-get": "/usr/bin/apt-get", "dpkg-deb": "/usr/bin/dpkg-deb", "mount": "/usr/bin/mount",
              "setpriv": "/usr/bin/setpriv", "unshare": "/usr/bin/unshare", "gpgv": "/usr/bin/gpgv"},
    python_apt=Trial(False, "ModuleNotFoundError: No module named 'apt'"), keyring=False,
    user_namespaces=DENIED, id_mapping=DENIED, overlay=DENIED, subuids=0, subgids=0, binfmt=None,
    seccomp=Trial(False, "No module named 'seccomp'"),
    store=replace(DISK, file_system="overlay", free=3 * GB), output=replace(DISK, writable=False),
)


def check(facts: HostFacts, name: str, host: str = "armel") -> Check:
    (found,) = [one for one in examine(facts, (architecture(host),)) if one.name == name]
    return found


def test_a_good_machine_is_ready() -> None:
    checks = examine(GOOD, (ARMEL,))
    assert {one.verdict for one in checks} == {"ok"}
    assert not any(one.mend or one.packages for one in checks)
    assert ready(checks) and isolation(GOOD) == "unshare"


@pytest.mark.parametrize("name, facts", [("doctor-good", GOOD), ("doctor-bare", BARE)])
def test_the_wording(name: str, facts: HostFacts) -> None:
    text = render_checks(examine(facts, (ARMEL,)), 80)
    assert text + "\n" == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


def test_the_verdicts_for_programs() -> None:
    value = json.loads(checks_json(examine(BARE, (ARMEL,))))
    assert value["ready"] is False
    (mmdebstrap,) = [one for one in value["checks"] if one["name"] == "mmdebstrap"]
    assert mmdebstrap == {"name": "mmdebstrap", "verdict": "missing", "packages": ["mmdebstrap"],
                          "found": "no mmdebstrap, which makes build roots",
                          "mend": "sudo apt install mmdebstrap"}


@pytest.mark.parametrize("package, programs", [(package, programs) for package, programs, _ in PROGRAMS])
def test_every_program_that_is_missing_is_told_with_its_package(package: str,
                                                                programs: tuple[str, ...]) -> None:
    left = {name: path for name, path in GOOD.programs.items() if name != programs[-1]}
    found = check(replace(GOOD, programs=left), package)
    assert (found.verdict, found.packages) == ("missing", (package,))
    assert programs[-1] in found.found and found.mend == f"sudo apt install {package}"


def test_root_needs_no_sudo_but_subordinate_ids_like_others() -> None:
    """Root of a build root must not be root of the machine."""
    root = replace(GOOD, uid=0, user="root", subuids=0, subgids=0, free_ids=231072, keyring=False)
    assert isolation(root) == "none" and isolation(replace(root, subuids=65535, subgids=65535)) == "unshare"
    assert check(root, "subordinate ids").mend == (
        "usermod --add-subuids 231072-296607 --add-subgids 231072-296607 root")
    small = replace(root, free_ids=1)
    assert "--add-subuids 1-65535 " in check(small, "subordinate ids").mend
    assert check(root, "debian-archive-keyring").mend == "apt install debian-archive-keyring"


@pytest.mark.parametrize("sysctls, mend", [
    ({"user.max_user_namespaces": "0"}, "sudo sysctl --write user.max_user_namespaces=15000"),
    ({"kernel.unprivileged_userns_clone": "0"}, "sudo sysctl --write kernel.unprivileged_userns_clone=1"),
    ({"kernel.apparmor_restrict_unprivileged_userns": "1"},
     "sudo sysctl --write kernel.apparmor_restrict_unprivileged_userns=0"),
    ({"kernel.unprivileged_userns_clone": "1"}, "")])
def test_the_setting_that_denies_namespaces_is_named(sysctls: dict[str, str], mend: str) -> None:
    facts = replace(GOOD, user_namespaces=DENIED, sysctls=sysctls)
    found = check(facts, "user namespaces")
    assert (found.verdict, found.mend) == ("warning", mend)
    assert (next(iter(sysctls)) if mend else "Operation not permitted") in found.found
    assert check(facts, "isolation").verdict == "missing"


def test_without_namespaces_isolation_none_is_recommended() -> None:
    assert isolation(BARE) == "none"
    assert "--isolation none" in check(BARE, "isolation").mend
    root = replace(BARE, uid=0, user="root")
    assert check(root, "isolation").verdict == "warning"
    assert "--isolation none" in check(root, "isolation").mend


def test_subordinate_ids() -> None:
    few = check(replace(GOOD, subuids=1000), "subordinate ids")
    assert few.verdict == "warning" and "1000 user ids" in few.found
    assert few.mend == "sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 dev"
    unmapped = replace(GOOD, id_mapping=Trial(False, "newuidmap: not permitted"))
    assert "not permitted" in check(unmapped, "subordinate ids").found
    assert isolation(unmapped) == "none"


def test_an_overlay_that_fails_is_blamed_on_the_file_system_where_it_is_known() -> None:
    failed = replace(GOOD, overlay=Trial(False, "wrong fs type"))
    assert check(failed, "overlayfs").mend == ""
    on_overlay = replace(failed, store=replace(DISK, file_system="overlay"))
    assert check(on_overlay, "overlayfs").mend == "Put the store on ext4, xfs or btrfs."
    assert isolation(on_overlay) == "none"


@pytest.mark.parametrize("free, verdict", [(80, "ok"), (7, "ok"), (4.9, "warning"), (0.5, "missing")])
def test_free_space(free: float, verdict: str) -> None:
    found = check(replace(GOOD, store=replace(DISK, free=int(free * GB))), "store")
    assert found.verdict == verdict
    assert ("about 10.0 GB" in found.found) == (free < 10)
    assert bool(found.mend) == (verdict != "ok")


def test_a_file_system_that_is_not_enough() -> None:
    assert check(replace(GOOD, store=replace(DISK, rename=False)), "store").verdict == "missing"
    assert check(replace(GOOD, store=replace(DISK, hard_links=False)), "store").verdict == "warning"
    assert check(replace(GOOD, output=replace(DISK, writable=False)), "output").verdict == "missing"


@pytest.mark.parametrize("binfmt, told, mend", [
    (None, "not mounted", "sudo mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc"),
    ((), "not registered", "sudo systemctl restart systemd-binfmt.service"),
    ((replace(QEMU, enabled=False),), "disabled", "echo 1 | sudo tee /proc/sys/fs/binfmt_misc/qemu-arm"),
    ((replace(QEMU, flags="OC"),), "without the flag F", "sudo apt install --reinstall qemu-user-static"),
    ((BinfmtEntry("qemu-aarch64", "/usr/bin/qemu-aarch64-static", "F", True),), "not registered",
     "sudo systemctl restart systemd-binfmt.service")])
def test_registrations_that_do_not_do(binfmt: tuple[BinfmtEntry, ...] | None, told: str, mend: str) -> None:
    found = check(replace(GOOD, binfmt=binfmt), "emulation of armel")
    assert (found.verdict, found.mend) == ("warning", mend)
    assert told in found.found and "namespace" not in found.found
    assert "namespace" in check(replace(GOOD, binfmt=binfmt, kernel="6.7.1"), "emulation of armel").found


def test_a_registration_is_found_by_its_interpreter() -> None:
    facts = replace(GOOD, binfmt=(BinfmtEntry("arm", "/usr/bin/qemu-arm-static", "F", True),))
    assert check(facts, "emulation of armel").verdict == "ok"


@pytest.mark.parametrize("machine, host", [("x86_64", "amd64"), ("x86_64", "i386"), ("aarch64", "arm64")])
def test_what_the_machine_runs_itself_needs_no_emulator(machine: str, host: str) -> None:
    facts = replace(GOOD, machine=machine, programs={}, binfmt=None)
    assert check(facts, f"emulation of {host}", host).verdict == "ok"


@pytest.mark.parametrize("release, packages", [
    ("bookworm", ("qemu-user-static",)), ("trixie", ("qemu-user", "qemu-user-binfmt"))])
def test_the_emulators_package_depends_on_the_release(release: str, packages: tuple[str, ...]) -> None:
    assert check(replace(GOOD, release=release, programs={}), "emulation of armel").packages == packages


def test_cures_are_the_commands_and_no_sentences() -> None:
    checks = (
        Check("gpg", "missing", "no gpg", "sudo apt install gpg", ("gpg",)),
        Check("apt-utils", "missing", "no apt-ftparchive", "sudo apt install apt-utils", ("apt-utils",)),
        Check("subordinate ids", "warning", "none", "sudo usermod --add-subuids 1-2 me"),
        Check("subordinate ids again", "warning", "none", "sudo usermod --add-subuids 1-2 me"),
        Check("emulation", "warning", "disabled", "echo 1 | sudo tee /proc/sys/fs/binfmt_misc/qemu-arm"),
        Check("ids", "warning", "not mapped", "sudo apt install --reinstall uidmap"),
        Check("overlayfs", "warning", "nfs", "Put the store on ext4, xfs or btrfs."),
        Check("container", "warning", "no", "On the machine that runs the container: sudo apt install x"),
        Check("user", "ok", "me"))
    assert cures(checks) == (
        "sudo apt-get install --yes apt-utils gpg", "sudo usermod --add-subuids 1-2 me",
        "echo 1 | sudo tee /proc/sys/fs/binfmt_misc/qemu-arm",
        "sudo apt-get install --yes --reinstall uidmap")
    assert cures((Check("gpg", "missing", "no gpg", "apt install gpg", ("gpg",)),)) == (
        "apt-get install --yes gpg",)
    assert cures(checks[-3:]) == ()


def test_kernel_versions() -> None:
    assert kernel_version("6.1.0-25-amd64") == (6, 1)
    assert (6, 7) < kernel_version("6.12") and kernel_version("strange") == (0, 0)
