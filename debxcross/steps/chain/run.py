# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries a whole chain out: base root, members, repository, trial; then the summary."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from debxcross.core.artifact import Artifact, StoredFile
from debxcross.core.chain import order
from debxcross.core.chain.chain import Chain
from debxcross.errors import DebxcrossError, DiskFullError, HostError, UnreachableError
from debxcross.events import NETWORK_GONE, Events, data_of
from debxcross.steps.archive import security
from debxcross.steps.build import baseroot
from debxcross.steps.build.baseroot import BaseRoot
from debxcross.steps.build.keep import forget
from debxcross.steps.chain.explain import record, record_use
from debxcross.steps.chain.foresee import STEP
from debxcross.steps.chain.loading import ensure_loaded
from debxcross.steps.chain.plan import make_plan, raise_for
from debxcross.steps.chain.prepare import Prepared, ensure_base, promised_base, turn_of
from debxcross.steps.chain.projecttests import sdists_to_test
from debxcross.steps.chain.publication import Publication, PublicationSettings
from debxcross.steps.chain.told import tell_changes, tell_gates, tell_notes, tell_repository
from debxcross.steps.chain.trial import TrialWork, ensure_tried
from debxcross.steps.context import Context
from debxcross.steps.disk import room_needed

BUILD_ROOT, DEVICE_ROOT, REPOSITORY, TRIAL = "build-root", "device-root", "repository", "device-trial"


@dataclass(frozen=True)
class RunSettings:
    """What a run is asked beside the chain; with ``test`` the device runs the projects' own tests."""

    publication: PublicationSettings
    rebuild: tuple[str, ...] = ()
    trial: bool = True
    keep_going: bool = False
    test: bool = False


def _tell_left_out(events: Events, left_out: Mapping[str, DebxcrossError]) -> None:
    if any(isinstance(error, UnreachableError) for error in left_out.values()):
        events.tell("warning", text=NETWORK_GONE)
    for name, error in left_out.items():
        events.tell("state", name, state="excluded", reason=error.brief)
        events.tell("error", name, **data_of(error))


def _show_log(context: Context, name: str, artifact: Artifact) -> None:
    """Put the log of a build of some earlier run where this run's logs are."""
    path = context.logs / f"{name}.log"
    if not path.exists() or not path.stat().st_size:
        logs = tuple(StoredFile(path.name, file.sha256, file.size)
                     for file in artifact.files if file.name.endswith(".log"))
        context.store.lay_out(logs, context.logs)


class Run:
    """One run of a chain."""

    def __init__(self, context: Context, prepared: Prepared, settings: RunSettings) -> None:
        self.context, self.prepared, self.settings = context, prepared, settings
        #: Members that cannot work and are not built, with the cause.
        self.left_out: Mapping[str, DebxcrossError] = {}
        self._base: BaseRoot | None = None
        self._builds = True
        self._device: BaseRoot | None = None
        self._artifacts: dict[str, Artifact] = {}
        self._summary: dict[str, Any] = {}

    @staticmethod
    def rows(chain: Chain, trial: bool) -> tuple[str, ...]:
        """Return the names of all steps of a chain's run, as reports show them."""
        tries = trial and chain.trial.wanted
        return (BUILD_ROOT, *((DEVICE_ROOT,) if tries else ()), *chain.members, REPOSITORY,
                *((TRIAL,) if tries else ()))

    def start(self) -> None:
        """Say what the plan found; stop before anything is built when it cannot work."""
        tell_notes(self.context, self.prepared.notes)
        for warning in (*self.prepared.warnings, *self.context.chroots.warnings()):
            if warning not in self.context.supply.cautions:  # they are told already
                self.context.events.tell("warning", text=warning)
        self._check()
        record_use(self.context, "indexes", self.prepared.chain, self.context.apt.directory.name)
        reasons = {one.name: one.reason for one in self.prepared.updates.excluded()}
        for name in (*self.rows(self.prepared.chain, self.settings.trial), *reasons):
            if name not in self.needs():
                self.context.events.tell("state", name, state="excluded", reason=reasons.get(
                    name, _no_device(self.context, name) or (
                        "not everything can be had now" if self.left_out else "nothing is to be built")))

    def _check(self) -> None:
        """Stop before building when the plan has problems or this machine cannot do it."""
        self.context.events.tell("state", STEP, state="building")
        judged = make_plan(self.context, self.prepared, self.settings.rebuild,
                           keep_going=self.settings.keep_going)
        self.context.events.tell("plan", STEP, planned=[one.record for one in judged.plan.members])
        tell_notes(self.context, judged.notes)
        for warning in judged.plan.warnings[len(self.prepared.warnings):]:
            self.context.events.tell("warning", text=warning)
        raise_for(judged.problems)
        self.context.events.tell("state", STEP, state="built")
        self.prepared, self.left_out = judged.prepared, judged.left_out
        _tell_left_out(self.context.events, self.left_out)
        self._builds = any(member.state not in ("cached", "excluded") for member in judged.plan.members)
        if self._builds:
            with self.context.store.work(self.context.chroots.remove) as directory:
                self.context.chroots.check(directory)

    def needs(self) -> dict[str, tuple[str, ...]]:
        """Return every step with the steps that must be done before it, in the order to start them."""
        prepared = self.prepared
        # Without what the network did not give nothing is whole.
        publishes = self.settings.keep_going or not self.left_out
        loads = publishes and self.settings.trial and self.context.without_archive
        tries = publishes and TRIAL in self.rows(prepared.chain, self.settings.trial) and not loads
        if not prepared.order and not prepared.updates.published():
            return {}
        return {
            **({BUILD_ROOT: ()} if prepared.order else {}),
            # The device's root can be made while the members build.
            **({DEVICE_ROOT: ()} if tries else {}),
            **{name: (BUILD_ROOT, *prepared.needs[name]) for name in prepared.order},
            **({REPOSITORY: () if self.settings.keep_going else prepared.order} if publishes else {}),
            **({TRIAL: (REPOSITORY, DEVICE_ROOT)} if tries else {TRIAL: (REPOSITORY,)} if loads else {}),
        }

    def waits(self) -> dict[str, tuple[str, ...]]:
        """Return the steps that begin when others have ended, whether these went well or not."""
        return {REPOSITORY: self.prepared.order} if self.settings.keep_going else {}

    def work(self, name: str) -> str:
        """Carry one step out; return its state, "built" or "cached"."""
        context = self.context
        context.events.tell("state", name, state="building", log=str(context.logs / f"{name}.log"))
        steps = {BUILD_ROOT: self._build_root, DEVICE_ROOT: self._device_root, REPOSITORY: self._publish,
                 TRIAL: self._try}
        with room_needed(context.store.directory):
            return steps[name]() if name in steps else self._member(name)

    def _build_root(self) -> str:
        prepared = self.prepared
        if self._builds:
            self._base, made = ensure_base(self.context, prepared, BUILD_ROOT)
        else:
            # Nothing will be built in it: that it could be made is enough.
            self._base, made = promised_base(self.context, prepared), False
        assert self._base is not None, "problems stop a run before it starts"
        record_use(self.context, BUILD_ROOT, prepared.chain, self._base.directory.name)
        return "built" if made else "cached"

    def _device_root(self) -> str:
        wanted = baseroot.device_root_plan(self.context, self.prepared.chain.release)
        try:
            self._device, made = baseroot.ensure_root(self.context, wanted, DEVICE_ROOT)
        except DiskFullError:
            raise
        except HostError as error:
            host = self.context.host.name
            raise HostError(
                f"the emulated {host} device could not be made", f"{error.brief}\n{error.details}",
                f"'debxcross doctor {host}' tells whether this machine can run {host} programs; "
                "--no-trial leaves the trial out.") from error
        record_use(self.context, DEVICE_ROOT, self.prepared.chain, self._device.directory.name)
        return "built" if made else "cached"

    def _member(self, name: str) -> str:
        context = self.context
        results = {other: artifact.files for other, artifact in self._artifacts.items()}
        turn = turn_of(context, self.prepared, name, self._base, results)
        assert turn is not None, "the schedule runs needs first"
        security.fetch_beside(context, self.prepared.updates, name, order.behind(name, self.prepared.needs))
        again = name in self.settings.rebuild
        state, artifact = turn.result(again)
        self._artifacts[name] = artifact
        forget(context, name, built=state == "built")
        plain = "found" if state == "cached" else "built again" if again else "built"
        origin = context.results.origin(artifact.key)
        tell_changes(context, name, record(context, self.prepared.chain, origin or plain, artifact))
        tell_gates(context, artifact)
        _show_log(context, name, artifact)
        for file in artifact.debs(context.host.name):
            context.events.tell("artifact", name, name=file.name, size=file.size, sha256=file.sha256)
        return state

    def _publish(self) -> str:
        """Publish every .deb, unless exactly this is what is live."""
        state, published = Publication(
            self.context, self.prepared, self.settings.publication, REPOSITORY,
            self.settings.keep_going).carry_out(self._artifacts)
        self._summary.update(published)
        beside = security.stored(self.prepared.updates.published())
        tell_repository(self.context, REPOSITORY, published, beside)
        return state

    def _try(self) -> str:
        context, chain = self.context, self.prepared.chain
        if context.without_archive:
            base, _ = ensure_base(context, self.prepared, TRIAL)
            state, self._summary["loaded"] = ensure_loaded(context, base, [
                file for one in self._artifacts.values() for file in one.debs(context.host.name)], TRIAL)
            return state
        assert self._device is not None
        smoke = {f"{member.name} smoke test": member.smoke for member in chain.wheels if member.smoke}
        trial = replace(chain.trial, packages=tuple(
            name for name in chain.trial.packages if name not in self._absent()))
        work = TrialWork(self.settings.publication.web_root, chain.release,
                         self._summary["published"], trial, smoke, tuple(sorted(
                             {module for member in chain.wheels for module in member.optional_modules})),
                         {member.package: tuple(sorted(member.projects)) for member in chain.wheels},
                         sdists_to_test(context, chain, tuple(self._artifacts), TRIAL)
                         if self.settings.test else {})
        state, self._summary["trial"] = ensure_tried(context, work, self._device, TRIAL)
        return state

    def _absent(self) -> set[str]:
        """Return the packages that this run was to make and does not offer."""
        wheels = {wheel.name: wheel.package for wheel in self.prepared.chain.wheels}
        return {*self._summary.get("unpublished", {}), *self._summary.get("unasked", {}), *(
            package for name in self.prepared.order if name not in self._artifacts
            for package in (*self.prepared.expected.get(name, ()), wheels.get(name) or f"python3-{name}"))}

    def summary(self, outcomes: Mapping[str, tuple[str, float]],
                failed: Mapping[str, DebxcrossError]) -> dict[str, Any]:
        """Return the summary of a run; ``outcomes`` are state and seconds by step."""
        made = [(name, self._artifacts[name].key, file) for name in self.prepared.order
                if name in self._artifacts for file in self._artifacts[name].debs(self.context.host.name)]
        # Packages that are published as the archive has them belong to no step.
        made += [("", "", file) for file in security.stored(self.prepared.updates.published())]
        debs, published = [], dict(self._summary)
        versions = published.pop("versions", {})
        left_out = {**{name: error.brief for name, error in self.left_out.items()},
                    **{name: "; ".join(why) for name, why in published.pop("unpublished", {}).items()}}
        unasked = published.pop("unasked", {})
        withheld = {*left_out, *unasked, *published.get("for_building", ())}
        made = [one for one in made if one[2].name.split("_")[0] not in withheld]
        for name, key, file in made:
            package, version, _ = file.name.removesuffix(".deb").split("_")
            debs.append({"name": package, "version": versions.get(file.sha256, version), "size": file.size,
                         "sha256": file.sha256, "file": file.name, "member": name, "key": key})
        return {
            "chain": self.prepared.chain.name, "release": self.prepared.chain.release,
            "build_architecture": self.context.build.name, "architecture": self.context.host.name,
            "members": [{"name": name, "state": state, "seconds": round(seconds, 2)}
                        for name, (state, seconds) in outcomes.items()],
            "debs": sorted(debs, key=lambda one: str(one["name"])),
            "failed": [{"name": name, "reason": error.brief} for name, error in failed.items()],
            "left_out": [{"name": name, "reason": reason} for name, reason in sorted(left_out.items())],
            "accepted": _accepted(self._artifacts, self.prepared.order),
            "unasked": [{"name": name, "reason": "; ".join(why)} for name, why in sorted(unasked.items())],
            **published,
        }


def _accepted(artifacts: Mapping[str, Artifact], order: Sequence[str]) -> list[dict[str, str]]:
    """Return what results have lost as somebody accepted, in the members' order."""
    return [{"name": name, "reason": text} for name in order if name in artifacts
            for text in artifacts[name].provenance.get("accepted-losses", ())]


def _no_device(context: Context, step: str) -> str:
    """Say why there is no device's root, "" when that is not the reason."""
    if step != DEVICE_ROOT or not context.without_archive:
        return ""
    return f"no archive has {context.host.name}: there is nothing to make a device of"
