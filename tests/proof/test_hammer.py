# SPDX-License-Identifier: GPL-3.0-or-later
"""Real apt clients update and download without a pause while the repository changes under them."""
from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path

import pytest

from debxcross.doors import gpg, process
from debxcross.errors import PublishError
from debxcross.repository.steps import keys
from debxcross.repository.steps.gc import collect
from debxcross.repository.steps.rollback import rollback
from tests.proof.bench import Bench, Device, base_roots, in_threads, served

PUBLICATIONS = int(os.environ.get("DEBXCROSS_PROOF_PUBLICATIONS", "500"))
#: The repository's clock runs this fast: collections then have something to collect.
STEP = 43200.0
ROTATE_EVERY, COLLECT_EVERY, ROLLBACK_EVERY = 100, 5, 37


class Client:
    """A device in a loop."""

    def __init__(self, device: Device) -> None:
        self.device, self.stop = device, False
        self.faults: list[str] = []
        self.loops = 0

    def run(self) -> None:
        while not self.stop:
            for fault in (self.device.update(), self.device.download("changing"),
                          self.device.download("staying")):
                if fault:
                    self.faults.append(fault)
            self._upgrade_keyring()
            self.loops += 1

    def _upgrade_keyring(self) -> None:
        done = self.device.run("apt-get", "install", "-y", "debxcross-archive-keyring")
        if done.returncode:
            self.faults.append(done.stdout)

    def keyring(self) -> str:
        return self.device.run("dpkg-query", "-W", "-f", "${Version}", "debxcross-archive-keyring").stdout


def add_key(bench: Bench, number: int) -> None:
    """Bring a key that is made quickly."""
    home, file = bench.directory / f"brought-{number}", bench.directory / f"key-{number}"
    home.mkdir(mode=0o700)
    with gpg._session(home) as short:
        made = process.run(gpg.gpg_argv(
            short, "--quick-generate-key", f"key {number}", "ed25519", "sign", "5y"))
        made.check(PublishError, "no key")
        process.run(gpg.gpg_argv(short, "--output", str(file), "--export-secret-keys")).check(
            PublishError, "no key")
    keys.add(bench.state / "keys", "", bench.now, brought=file)


def retire_oldest(bench: Bench, clients: list[Client]) -> None:
    """Wait until every device knows the new key, then let the old one go."""
    version = next(one for one in bench.publish().packages if one.name.endswith("keyring")).version
    deadline = time.monotonic() + 60
    while any(client.keyring() != version for client in clients):
        assert time.monotonic() < deadline, "the devices do not upgrade the keyring package"
        time.sleep(0.2)
    oldest = next(state.key for state in keys.list_keys(bench.state / "keys") if state.state == "signs")
    keys.retire(bench.state / "keys", oldest.fingerprint, bench.now, force=True)


@pytest.mark.slow
def test_no_client_ever_sees_an_error(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    bases = base_roots(tmp_path_factory.getbasetemp() / "roots")
    bench = Bench(tmp_path)
    with served(bench):
        bench.publish(bench.deb("changing", "0"), bench.deb("staying", "1"))
        clients = [Client(Device(release, tmp_path / f"device-{release}", base))
                   for release, base in bases.items()]
        for client in clients:
            assert client.device.set_up(bench) == ""
        threads = in_threads([client.run for client in clients])
        did = Counter({"rotations": 0})
        for number in range(1, PUBLICATIONS + 1):
            bench.now += STEP
            bench.publish(bench.deb("changing", f"{number}"))
            did["publications"] += 1
            if number % ROTATE_EVERY == 50:
                add_key(bench, number)
                bench.publish()
            elif number % ROTATE_EVERY == 90:
                retire_oldest(bench, clients)
                bench.publish()
                did["rotations"] += 1
            if number % ROLLBACK_EVERY == 0:
                rollback(bench.web, bench.state, bench.settings(), "previous", now=lambda: bench.now)
                did["rollbacks"] += 1
            if number % COLLECT_EVERY == 0:
                removed = collect(bench.web, bench.state, now=bench.now)
                did["collections"] += 1
                did["files collected"] += len(removed.files)
        for client in clients:
            client.stop = True
        for thread in threads:
            thread.join(timeout=120)
    loops = {client.device.release: client.loops for client in clients}
    print(f"\nhammer: {dict(did)}, loops of update and two downloads: {loops}, "
          f"errors: {sum(len(client.faults) for client in clients)}")
    assert [fault for client in clients for fault in client.faults] == []
    assert did["files collected"] > 0 and all(loops.values())
    assert bench.verify().faults == []
