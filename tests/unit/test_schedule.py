# SPDX-License-Identifier: GPL-3.0-or-later
"""The order in which members are carried out, and what becomes of failures and Ctrl-C."""
from __future__ import annotations

import _thread
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import pytest

from debxcross.errors import BuildError, InterruptedRunError, UnreachableError
from debxcross.events import NETWORK_GONE, Event, Events
from debxcross.run.schedule import Node, Outcome, run_graph

CHAIN = (Node("zlib"), Node("openssl", ("zlib",)), Node("libffi"),
         Node("python", ("openssl", "libffi")), Node("pip", ("python",)))


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Ctrl-C as at a terminal: what a shell starts in the background inherits that it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Run:
    """One run of a graph with everything it told."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.started: list[str] = []
        self.stop = threading.Event()
        self.interrupts = 0

    def interrupt(self) -> None:
        self.interrupts += 1
        self.stop.set()

    def go(self, nodes: Sequence[Node], work: Callable[[str], str], workers: int = 1,
           keep_going: bool = False) -> Mapping[str, Outcome]:
        def carry_out(name: str) -> str:
            self.started.append(name)
            return work(name)

        return run_graph(nodes, carry_out, workers=workers, keep_going=keep_going,
                         events=Events(time.time, (self.events.append,)),
                         stopping=self.stop.is_set, interrupt=self.interrupt)

    def states(self, name: str) -> list[str]:
        return [event.data["state"] for event in self.events
                if event.kind == "state" and event.member == name]

    def reason(self, name: str) -> str:
        return str([event.data.get("reason", "") for event in self.events
                    if event.kind == "state" and event.member == name][-1])


def build(name: str) -> str:
    return "cached" if name == "libffi" else "built"


def failing(*names: str) -> Callable[[str], str]:
    def work(name: str) -> str:
        if name in names:
            raise BuildError(f"{name} does not compile", "ld: no", "Read the log.")
        return build(name)
    return work


def test_members_start_after_their_needs_in_the_given_order() -> None:
    run = Run()
    outcomes = run.go(CHAIN, build)
    assert run.started == ["zlib", "openssl", "libffi", "python", "pip"]
    assert list(outcomes) == [node.name for node in CHAIN]
    assert outcomes["libffi"].state == "cached"
    assert run.states("zlib") == ["ready", "building", "built"]
    assert run.states("python") == ["waiting", "ready", "building", "built"]
    assert run.states("libffi") == ["ready", "building", "cached"]


def test_an_empty_chain_is_done_at_once() -> None:
    assert Run().go((), build, workers=4) == {}


def test_independent_members_run_at_the_same_time_and_never_more_than_the_workers() -> None:
    together = threading.Barrier(3, timeout=10)
    lock = threading.Lock()
    running, most = 0, 0

    def work(name: str) -> str:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        together.wait()
        with lock:
            running -= 1
        return "built"

    outcomes = Run().go([Node(f"member-{number}") for number in range(9)], work, workers=3)
    assert most == 3
    assert {outcome.state for outcome in outcomes.values()} == {"built"}


def test_a_failure_blocks_what_needs_it_and_the_rest_does_not_start() -> None:
    run = Run()
    outcomes = run.go(CHAIN, failing("openssl"))
    assert run.started == ["zlib", "openssl"]
    assert [outcome.state for outcome in outcomes.values()] == [
        "built", "failed", "blocked", "blocked", "blocked"]
    assert isinstance(outcomes["openssl"].error, BuildError)
    assert run.reason("python") == run.reason("pip") == "needs openssl"
    assert run.reason("libffi") == "not started: openssl failed"
    assert run.reason("openssl") == "openssl does not compile"
    (error,) = [event for event in run.events if event.kind == "error"]
    assert (error.member, error.data["exit_status"], error.data["failure_class"],
            error.data["resolution"]) == ("openssl", 20, "compile", "Read the log.")


def test_keep_going_carries_out_whatever_does_not_need_the_failure() -> None:
    run = Run()
    outcomes = run.go(CHAIN, failing("openssl"), keep_going=True)
    assert run.started == ["zlib", "openssl", "libffi"]
    assert outcomes["libffi"].state == "cached"
    assert outcomes["pip"].state == "blocked"


def test_where_nobody_answers_the_rest_goes_on_and_it_is_said_once() -> None:
    def work(name: str) -> str:
        if name in ("openssl", "libffi"):
            raise UnreachableError(f"{name}: nobody answers")
        return "built"

    run = Run()
    outcomes = run.go((*CHAIN, Node("late")), work)
    assert {name: one.state for name, one in outcomes.items()} == {
        "zlib": "built", "openssl": "failed", "libffi": "failed", "python": "blocked", "pip": "blocked",
        "late": "built"}
    assert [event.text for event in run.events if event.kind == "warning"] == [NETWORK_GONE]


def test_without_keep_going_running_members_end_normally() -> None:
    failed = threading.Event()

    def work(name: str) -> str:
        if name == "bad":
            raise BuildError("bad")
        assert failed.wait(10)
        return "built"

    run = Run()
    stream = Events(time.time, (lambda event: failed.set() if event.data.get("state") == "failed" else None,))
    outcomes = run_graph([Node("slow"), Node("bad"), Node("late")], work, workers=2, keep_going=False,
                         events=stream, stopping=run.stop.is_set, interrupt=run.interrupt)
    assert [outcome.state for outcome in outcomes.values()] == ["built", "failed", "blocked"]


def test_ctrl_c_calls_interrupt_waits_for_the_workers_and_raises(ctrl_c: None) -> None:
    run = Run()
    ended: list[str] = []

    def work(name: str) -> str:
        _thread.interrupt_main()
        assert run.stop.wait(10)
        time.sleep(0.3)
        ended.append(name)
        raise InterruptedRunError("interrupted")

    begin = time.monotonic()
    with pytest.raises(InterruptedRunError) as caught:
        run.go([Node("one"), Node("two", ("one",)), Node("three")], work, workers=1)
    assert ended == ["one"]
    assert run.interrupts == 1
    assert time.monotonic() - begin < 5
    assert caught.value.resolution.startswith("Run the same command again")
    assert run.reason("two") == run.reason("three") == "not started: interrupted"
    assert not [event for event in run.events if event.kind == "error"]


def test_ctrl_c_stops_even_if_interrupt_only_ends_what_runs(ctrl_c: None) -> None:
    interrupted = threading.Event()
    started: list[str] = []

    def work(name: str) -> str:
        started.append(name)
        _thread.interrupt_main()
        assert interrupted.wait(10)
        return "built"

    with pytest.raises(InterruptedRunError):
        run_graph([Node("one"), Node("two", ("one",))], work, workers=1, keep_going=True,
                  events=Events(time.time), stopping=lambda: False, interrupt=interrupted.set)
    assert started == ["one"]


def test_a_stop_from_elsewhere_starts_nothing_more() -> None:
    run = Run()

    def work(name: str) -> str:
        run.stop.set()
        return "built"

    with pytest.raises(InterruptedRunError) as caught:
        run.go(CHAIN, work, workers=2, keep_going=True)
    assert len(run.started) <= 2
    assert f"{len(run.started)} of 5" in caught.value.details


@pytest.mark.parametrize("workers", [1, 3])
def test_an_unexpected_exception_surfaces_with_its_traceback(workers: int) -> None:
    def work(name: str) -> str:
        if name == "openssl":
            raise ZeroDivisionError("a fault of ours")
        return "built"

    with pytest.raises(ZeroDivisionError, match="a fault of ours") as caught:
        Run().go(CHAIN, work, workers=workers)
    assert "work" in [entry.name for entry in caught.traceback]


def test_an_unexpected_exception_waits_for_the_other_workers() -> None:
    crashed = threading.Event()
    ended: list[str] = []

    def work(name: str) -> str:
        if name == "bad":
            crashed.set()
            raise ZeroDivisionError
        assert crashed.wait(10)
        time.sleep(0.5)
        ended.append(name)
        return "built"

    with pytest.raises(ZeroDivisionError):
        Run().go([Node("slow"), Node("bad"), Node("late")], work, workers=2)
    assert ended == ["slow"]


def test_a_listener_that_fails_is_not_swallowed_either() -> None:
    def listener(event: Event) -> None:
        if event.data.get("state") == "built":
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        run_graph(CHAIN, build, workers=2, keep_going=True, events=Events(time.time, (listener,)),
                  stopping=lambda: False, interrupt=lambda: None)


def test_unknown_states_needs_and_circles_are_faults_of_the_caller() -> None:
    with pytest.raises(ValueError, match="'done'"):
        Run().go([Node("zlib")], lambda name: ("done", None))
    with pytest.raises(ValueError, match="unknown nodes: zlib"):
        Run().go([Node("openssl", ("zlib",))], build)
    with pytest.raises(ValueError):
        Run().go([Node("one", ("two",)), Node("two", ("one",))], build)


def test_every_member_settles_once_in_a_large_graph() -> None:
    nodes = [Node(f"m{number}", tuple({f"m{number // 2}", f"m{number // 3}"} - {f"m{number}"}))
             for number in range(300)]
    needs = {node.name: node.needs for node in nodes}
    done: set[str] = set()
    too_early: list[str] = []

    def work(name: str) -> str:
        if not done.issuperset(needs[name]):
            too_early.append(name)
        result = failing("m17", "m40")(name)
        done.add(name)
        return result

    run = Run()
    outcomes = run.go(list(reversed(nodes)), work, workers=8, keep_going=True)
    assert too_early == []
    assert len(run.started) == len(set(run.started))
    for node in nodes:
        bad = [need for need in node.needs if outcomes[need].state in ("failed", "blocked")]
        assert (outcomes[node.name].state == "blocked") == bool(bad)


def test_what_comes_after_others_begins_when_they_have_ended_well_or_not() -> None:
    everything = tuple(node.name for node in CHAIN)
    nodes = (*CHAIN, Node("repository", (), everything), Node("trial", ("repository",)))
    run = Run()
    outcomes = run.go(nodes, failing("libffi"), keep_going=True)
    assert {name: one.state for name, one in outcomes.items()} == {
        "zlib": "built", "openssl": "built", "libffi": "failed", "python": "blocked", "pip": "blocked",
        "repository": "built", "trial": "built"}
    assert run.started[-2:] == ["repository", "trial"]


def test_what_comes_after_others_is_blocked_when_none_of_them_is_done() -> None:
    nodes = (Node("zlib"), Node("repository", (), ("zlib",)), Node("trial", ("repository",)))
    run = Run()
    outcomes = run.go(nodes, failing("zlib"), keep_going=True)
    assert [one.state for one in outcomes.values()] == ["failed", "blocked", "blocked"]
    assert run.reason("repository") == "nothing that it is for was done"
    with pytest.raises(ValueError, match="unknown nodes: nobody"):
        Run().go((Node("repository", (), ("nobody",)),), build)
