# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys that must not sign, keys that are exchanged, clocks that are wrong: with real devices."""
from __future__ import annotations

import time
from pathlib import Path

import pytest

from debxcross.doors import gpg, process
from debxcross.errors import PublishError
from debxcross.repository.core.device import DEVICE_RELEASES
from debxcross.repository.steps import keys
from debxcross.repository.steps.rollback import rollback
from tests.proof.bench import CODENAME, Bench, Device, base_roots, served, wrong

BAD_KEYS = {
    "SHA-1 self-signature": (("--cert-digest-algo", "SHA1"), ("rsa3072", "sign", "1y"), "SHA-1"),
    "DSA": ((), ("dsa2048", "sign", "1y"), "too weak"),
    "rsa2048": ((), ("rsa2048", "sign", "1y"), "too weak"),
    "expired": (("--faked-system-time", "20200101T000000!"), ("ed25519", "sign", "1d"), "expired"),
}


def make_key(directory: Path, options: tuple[str, ...] = (),
             kind: tuple[str, ...] = ("ed25519", "sign", "5y"), *, secret: bool = True) -> Path:
    """Make a key in a home of its own and export it."""
    directory.mkdir(mode=0o700)
    output = directory / "exported"
    with gpg._session(directory) as short:
        process.run(gpg.gpg_argv(short, *options, "--quick-generate-key", f"{directory.name}", *kind)).check(
            PublishError, "no key was made")
        process.run(gpg.gpg_argv(short, "--output", str(output),
                                 "--export-secret-keys" if secret else "--export")).check(
            PublishError, "no export")
    return output


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*BAD_KEYS, "without secret part"])
def test_keys_that_devices_would_refuse_never_sign(tmp_path: Path, kind: str) -> None:
    bench = Bench(tmp_path)
    bench.publish(bench.deb("tiny", "1"))
    before = gpg.keys(bench.state / "keys")
    options, made, wanted = BAD_KEYS.get(kind, ((), ("ed25519", "sign", "5y"), "secret part"))
    key = make_key(tmp_path / "brought", options, made, secret=kind != "without secret part")
    with pytest.raises(PublishError, match=wanted) as raised:
        keys.add(bench.state / "keys", "", bench.now, brought=key)
    assert raised.value.resolution
    assert gpg.keys(bench.state / "keys") == before
    assert bench.publish().changed is False
    # One that came in by hand does not sign either: the first key still does.
    gpg.import_key(bench.state / "keys", key)
    assert bench.publish(bench.deb("tiny", "2")).fingerprints == (before[0].fingerprint,)
    assert bench.verify().faults == []


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return base_roots(tmp_path_factory.getbasetemp() / "roots")


def devices(bench: Bench, bases: dict[str, Path]) -> list[Device]:
    found = [Device(release, bench.directory / release, base) for release, base in bases.items()]
    for device in found:
        assert device.set_up(bench) == "", device.release
    return found


@pytest.mark.slow
def test_devices_do_not_notice_a_rotation(tmp_path: Path, bases: dict[str, Path]) -> None:
    bench = Bench(tmp_path)
    home = bench.state / "keys"
    with served(bench):
        bench.publish(bench.deb("tiny", "1"))
        found = devices(bench, bases)
        slow = devices_that_only_know_the_first_key(bench, bases)
        new, = keys.add(home, "", bench.now, brought=make_key(tmp_path / "second"))
        publication = bench.publish()
        assert len(publication.fingerprints) == 2
        for device in (*found, *slow):
            # Half-rotated: both keys sign, and whoever knows one of them is content.
            assert device.update() == "", device.release
        for device in found:
            device.run("apt-get", "install", "-y", "debxcross-archive-keyring")
        with pytest.raises(PublishError, match="0 days to learn"):
            keys.retire(home, publication.fingerprints[0], bench.now)
        keys.retire(home, publication.fingerprints[0], bench.now + 91 * 86400)
        assert bench.publish(bench.deb("tiny", "2")).fingerprints == (new.fingerprint,)
        for device in found:
            assert device.update() == "" and device.download("tiny") == "", device.release
        for device in slow:
            # The wrong key: who never upgraded is told, and takes nothing.
            assert "NO_PUBKEY" in device.update() or "Missing key" in device.update(), device.release
        with pytest.raises(PublishError, match="only key"):
            keys.retire(home, new.fingerprint, bench.now, force=True)
        assert bench.verify().faults == []


def devices_that_only_know_the_first_key(bench: Bench, bases: dict[str, Path]) -> list[Device]:
    found = []
    for release, base in bases.items():
        device = Device(release, bench.directory / f"{release}-slow", base)
        files = bench.web / "device" / CODENAME
        key = device.root / "usr/share/keyrings/debxcross-archive-keyring.gpg"
        key.parent.mkdir(parents=True, exist_ok=True)
        key.write_bytes((bench.web / "debxcross-archive-keyring.gpg").read_bytes())
        form = DEVICE_RELEASES[release].form
        name = {"embedded": "bookworm-and-later", "path": "stretch-to-bullseye"}[form]
        (device.root / "etc/apt/sources.list.d/debxcross.sources").write_bytes(
            (files / f"debxcross-{name}.sources").read_bytes())
        found.append(device)
    return found


@pytest.mark.slow
def test_wrong_clocks(tmp_path: Path, bases: dict[str, Path]) -> None:
    bench = Bench(tmp_path)
    told = {}
    with served(bench):
        bench.now = time.time()
        bench.publish(bench.deb("tiny", "1"))
        found = devices(bench, bases)
        for device in found:
            for words, days in (("a year ahead", 365), ("a year behind", -365)):
                told[device.release, words] = at(device, days)
        # Seen from the devices, their clocks are now a year behind the repository's.
        bench.now += 365 * 86400
        bench.publish(bench.deb("tiny", "2"))
        for device in found:
            told[device.release, "a year behind the Date"] = device.update()
            script = bench.web / "device" / CODENAME / "install-no-clock.sh"
            (device.root / "root/no-clock.sh").write_bytes(script.read_bytes())
            readme = (script.parent / "README.txt").read_text().split()
            device.run("sh", "/root/no-clock.sh", next(word for word in readme if len(word) == 40))
            told[device.release, "a year behind the Date, --no-clock"] = device.update()
            told[device.release, "two years behind the Date, --no-clock"] = at(device, -365)
    for (release, words), fault in told.items():
        print(f"\nclock: {release} {words}: {fault.splitlines()[0] if fault else 'content'}", end="")
        refused = words in ("a year behind", "a year behind the Date")
        if words.startswith("two years") and DEVICE_RELEASES[release].checks_signature:
            # No setting helps there, and the set-up says so.
            assert "Not live until" in fault, (release, words, fault)
        else:
            assert bool(fault) is refused, (release, words, fault)


def at(device: Device, days: int) -> str:
    """Update with a clock that is wrong by so many days; return what is wrong, or ""."""
    library = next(device.root.glob("usr/lib/*/faketime/libfaketime.so.1")).relative_to(device.root)
    # As another user the methods could not share libfaketime's memory.
    return wrong(device.run("env", f"LD_PRELOAD=/{library}", f"FAKETIME={days:+d}d",
                            "FAKETIME_DONT_FAKE_MONOTONIC=1", "apt-get", "-o", "APT::Sandbox::User=root",
                            "update"))


@pytest.mark.slow
def test_two_publications_within_a_second_and_a_rollback(tmp_path: Path, bases: dict[str, Path]) -> None:
    bench = Bench(tmp_path)
    with served(bench):
        first = bench.publish(bench.deb("tiny", "1"))
        found = devices(bench, bases)
        second = bench.publish(bench.deb("tiny", "2"))
        third = bench.publish(bench.deb("tiny", "3"))
        assert [first.date + 1, first.date + 2] == [second.date, third.date]

        def candidates() -> set[str]:
            ask = ("apt-get update >/dev/null && apt-cache show --no-all-versions tiny "
                   "| sed -n 's/^Version: //p'")
            return {device.run("sh", "-c", ask).stdout.strip() for device in found}

        assert candidates() == {"3"}
        back = rollback(bench.web, bench.state, bench.settings(), "previous", now=lambda: bench.now)
        assert back.date == third.date + 1
        assert candidates() == {"2"}
        assert bench.verify().faults == []
