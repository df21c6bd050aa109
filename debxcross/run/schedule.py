# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries out members in the order of their needs, several at a time.

The workers take members themselves and settle them themselves.  The main thread only
waits, so Ctrl-C (which Python delivers to the main thread alone) can never interrupt the
bookkeeping.
"""
from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter

from debxcross.errors import DebxcrossError, InterruptedRunError, UnreachableError
from debxcross.events import NETWORK_GONE, Events, data_of

#: How long anything waits before it looks again whether the run is to stop, in seconds.
SLICE = 0.2

#: The states in which a member lets the members go on that need it.
DONE = ("built", "cached")

#: Carries one member out; returns its state, "built" or "cached".
Action = Callable[[str], str]


@dataclass(frozen=True)
class Node:
    """A member and the members that must be done before it.

    ``after`` are members whose end it waits for; at least one of them must be done.
    """

    name: str
    needs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """How a member ended: "built", "cached", "failed" (with ``error``) or "blocked".

    ``seconds`` is how long the work took.
    """

    name: str
    state: str
    error: DebxcrossError | None = None
    seconds: float = 0.0


def run_graph(
    nodes: Sequence[Node],
    work: Action,
    *,
    workers: int,
    keep_going: bool,
    events: Events,
    stopping: Callable[[], bool],
    interrupt: Callable[[], None],
) -> Mapping[str, Outcome]:
    """Carry out every node after what it needs, at most ``workers`` at a time.

    Nodes that are ready start in the given order.  A DebxcrossError from ``work`` makes a
    member failed and what needs it blocked; without ``keep_going`` nothing new starts
    then, and what runs ends normally.  Where nobody answered (UnreachableError) the rest goes on all
    the same: what needs no network can be done.  ``stopping`` is asked before anything starts;
    ``interrupt`` is called in the main thread at every Ctrl-C and must make running work
    end soon.  Outcomes come in the order of ``nodes``.

    Raises InterruptedRunError when the run was stopped (after all workers have ended),
    ValueError when the needs name an unknown node or form a circle, and whatever ``work``
    raised if it was not a DebxcrossError.
    """
    _check(nodes)
    graph = _Graph(nodes, work, keep_going, events, stopping)
    unstarted = [threading.Thread(target=graph.carry_out, args=(number,), name=f"worker-{number}")
                 for number in range(max(1, min(workers, len(nodes))))]
    graph.announce()
    while not graph.finished():
        try:
            while unstarted:
                unstarted.pop().start()
            graph.bell.get(timeout=SLICE)
        except queue.Empty:
            graph.look_up()
        except KeyboardInterrupt:
            graph.interrupted = True
            interrupt()
    return graph.result()


def _check(nodes: Sequence[Node]) -> None:
    names = {node.name for node in nodes}
    for node in nodes:
        unknown = [need for need in (*node.needs, *node.after) if need not in names]
        if unknown:
            raise ValueError(f"{node.name} needs unknown nodes: {', '.join(unknown)}")
    TopologicalSorter({node.name: (*node.needs, *node.after) for node in nodes}).prepare()


class _Graph:
    """What is done and what is not; ``_changed`` guards all that changes."""

    def __init__(self, nodes: Sequence[Node], work: Action, keep_going: bool, events: Events,
                 stopping: Callable[[], bool]) -> None:
        self._nodes = {node.name: node for node in nodes}
        self._work = work
        self._keep_going = keep_going
        self._events = events
        self._stopping = stopping
        self.interrupted = False
        self.bell: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._changed = threading.Condition(threading.RLock())
        self._outcomes: dict[str, Outcome] = {}
        self._running: set[str] = set()
        self._ready: set[str] = set()
        self._crash: BaseException | None = None
        self._network_gone = False

    def announce(self) -> None:
        """Tell the first state of every node."""
        for node in self._nodes.values():
            if node.needs or node.after:
                needs = (*node.needs, *node.after)
                self._events.tell("state", node.name, state="waiting", needs=needs,
                                  reason=f"needs {', '.join(needs)}")
            else:
                self._ready.add(node.name)
                self._events.tell("state", node.name, state="ready")

    def finished(self) -> bool:
        """Tell whether nothing runs and nothing will start any more."""
        with self._changed:
            settled = self._crash is not None or len(self._outcomes) == len(self._nodes)
            return settled and not self._running

    def look_up(self) -> None:
        """Block what has not started when nothing may start any more."""
        with self._changed:
            if self._stopping():
                self.interrupted = True
            if self.interrupted:
                self._block("not started: interrupted", self._nodes)

    def result(self) -> Mapping[str, Outcome]:
        """Return the outcomes, or raise what ended the run early."""
        if self._crash is not None:
            raise self._crash
        outcomes = {name: self._outcomes[name] for name in self._nodes}
        if self.interrupted:
            done = sum(outcome.state in DONE for outcome in outcomes.values())
            raise InterruptedRunError(
                "interrupted",
                f"{done} of {len(outcomes)} members are done.",
                "Run the same command again: it keeps what is done and goes on from there.",
            )
        return outcomes

    def carry_out(self, worker: int) -> None:
        """Be the worker of this number: take members and settle them until none is left."""
        name: str | None = None
        try:
            while (name := self._take()) is not None:
                self._settle(self._outcome(name, worker))
        except BaseException as error:
            # It surfaces in the main thread; a worker must not die with it unheard.
            with self._changed:
                self._crash = self._crash or error
                self._running.discard(name or "")
                self._changed.notify_all()
        self.bell.put(None)

    def _take(self) -> str | None:
        """Return the next member to carry out; None when no more will come."""
        with self._changed:
            while self._crash is None:
                self.look_up()
                for name in self._nodes:
                    if name in self._ready:
                        self._ready.remove(name)
                        self._running.add(name)
                        return name
                if len(self._outcomes) + len(self._running) == len(self._nodes):
                    break
                self._changed.wait(SLICE)
            return None

    def _outcome(self, name: str, worker: int) -> Outcome:
        self._events.tell("state", name, state="building", worker=worker)
        begin = time.monotonic()
        try:
            state = self._work(name)
        except DebxcrossError as error:
            return Outcome(name, "failed", error, time.monotonic() - begin)
        if state not in DONE:
            raise ValueError(f"the work on {name} ended in the state {state!r}")
        return Outcome(name, state, None, time.monotonic() - begin)

    def _settle(self, outcome: Outcome) -> None:
        with self._changed:
            self._running.remove(outcome.name)
            self._outcomes[outcome.name] = outcome
            if outcome.error is None:
                self._events.tell("state", outcome.name, state=outcome.state,
                                  seconds=round(outcome.seconds, 3))
            else:
                self._fail(outcome, outcome.error)
            self._make_ready()
            self._changed.notify_all()

    def _make_ready(self) -> None:
        done = {name for name, outcome in self._outcomes.items() if outcome.state in DONE}
        for name, node in self._nodes.items():
            known = name in self._outcomes or name in self._running or name in self._ready
            if known or not done.issuperset(node.needs) or not self._outcomes.keys() >= set(node.after):
                continue
            if node.after and not done.intersection(node.after):
                self._block("nothing that it is for was done", (name, *self._needing(name)))
                continue
            self._ready.add(name)
            self._events.tell("state", name, state="ready")

    def _fail(self, outcome: Outcome, error: DebxcrossError) -> None:
        name = outcome.name
        self._events.tell("state", name, state="failed", reason=error.brief,
                          failure_class=error.failure_class, seconds=round(outcome.seconds, 3))
        if isinstance(error, InterruptedRunError):
            self.interrupted = True
            return
        self._events.tell("error", name, **data_of(error))
        self._block(f"needs {name}", self._needing(name))
        if isinstance(error, UnreachableError):
            self._tell_of_network()
        elif not self._keep_going:
            self._block(f"not started: {name} failed", self._nodes)

    def _tell_of_network(self) -> None:
        if not self._network_gone:
            self._network_gone = True
            self._events.tell("warning", text=NETWORK_GONE)

    def _needing(self, name: str) -> list[str]:
        """Return what needs a node, directly or not, in the given order."""
        found = {name}
        order = TopologicalSorter({node.name: node.needs for node in self._nodes.values()})
        for other in order.static_order():
            if found.intersection(self._nodes[other].needs):
                found.add(other)
        return [other for other in self._nodes if other in found and other != name]

    def _block(self, reason: str, names: Iterable[str]) -> None:
        for name in names:
            if name not in self._outcomes and name not in self._running:
                self._ready.discard(name)
                self._outcomes[name] = Outcome(name, "blocked")
                self._events.tell("state", name, state="blocked", reason=reason)
