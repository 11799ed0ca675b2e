"""Threads that run machine code together with the one that calls it.

In: how many are wanted. Out: helpers that are free, each of which runs one call of a program at a time.
Helpers are made when they are first wanted and sleep between calls; a caller who finds none free runs
alone, to the same bits.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from operator import call
from pathlib import Path
from typing import Any

from deltarule.errors import CompileError


def thread_count() -> int:
    """Threads that a program may use: as the environment says, and as there are cores for."""
    given = [number_of(name) for name in ("DELTARULE_THREADS", "OMP_NUM_THREADS")]
    wanted = next((n for n in given if n), 0)
    cores = cores_here()
    return min(wanted, cores) if wanted else cores


def number_of(name: str) -> int:
    """A positive number in the environment; 0 where there is none."""
    word = os.environ.get(name, "").split(",")[0].strip()
    if not word:
        return 0
    if word.isdecimal() and int(word) > 0:
        return int(word)
    if name == "DELTARULE_THREADS":
        raise CompileError(f"{name} is {word!r}; it can be a number of threads from 1 on")
    return 0


def cores_here() -> int:
    """Cores that this process may run on, by its affinity and by the quota of its control group."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, min(cores, quota() or cores))


def quota() -> int:
    """Cores' worth of time that the control group grants, rounded up; 0 where it sets no limit."""
    try:
        limit, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return 0 if limit == "max" else -(-int(limit) // int(period))
    except (OSError, ValueError):
        return 0


def shares(count: int) -> list[frozenset[int]]:
    """Cores for some helpers: each has its own ones, none that of the calling thread.

    A thread that has just been woken would else often run on the core of the one that woke it, and wait
    there. Empty sets where the system does not tell.
    """
    here = current_core()
    if here < 0 or not hasattr(os, "sched_getaffinity"):
        return [frozenset()] * count
    others = sorted(os.sched_getaffinity(0) - {here})
    return [frozenset(others[i::count]) for i in range(count)]


def current_core() -> int:
    """The core that the calling thread is on; -1 where the system does not tell."""
    function = getattr(ctypes.CDLL(None), "sched_getcpu", None) if os.name == "posix" else None
    return int(function()) if function else -1


class Helper:
    """A sleeping thread that runs one call at a time."""

    def __init__(self) -> None:
        self.work: Callable[[], Any] | None = None
        self.cores: frozenset[int] = frozenset()
        self.wake, self.idle = threading.Lock(), threading.Lock()
        self.wake.acquire()
        self.thread = threading.Thread(target=self.live, name="deltarule", daemon=True)
        self.thread.start()

    def move(self, cores: frozenset[int]) -> None:
        """Stay on some cores from now on."""
        if cores and cores != self.cores:
            with suppress(OSError):  # they were taken away from the process since
                os.sched_setaffinity(0, cores)
            self.cores = cores

    def live(self) -> None:
        """Run one call after another."""
        while True:
            self.wake.acquire()
            assert self.work is not None
            self.work()
            self.work = None
            self.idle.release()

    def prepare(
        self,
        code: Callable[..., Any],
        table: bytes,
        own: int,
        space: Any,
        cores: frozenset[int],
    ) -> None:
        """When it wakes, run a program on one of some cores; ``space`` is kept alive until then."""

        def work() -> None:
            self.move(cores)
            code(table, own)
            _ = space

        self.work = work


class Team:
    """The helpers of this process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.helpers: list[Helper] = []

    def forget(self) -> None:
        """Start anew: after a fork the helpers' threads are not there."""
        self.__init__()  # type: ignore[misc]

    @contextmanager
    def join(self, members: int) -> Iterator[list[Helper]]:
        """Helpers for a call with so many threads in all, or none where another call has them.

        Those that are still in the list at the end have not been woken.
        """
        chosen: list[Helper] = []
        if not self.lock.acquire(blocking=False):
            yield chosen
            return
        try:
            while len(self.helpers) < members - 1:
                self.helpers.append(Helper())
            for helper in self.helpers[: members - 1]:
                # when it has left its last call
                in_one_go(helper.idle.acquire, partial(chosen.append, helper))
            yield chosen
        finally:
            for helper in chosen:
                helper.idle.release()
            self.lock.release()


def together(helpers: list[Helper], own: Callable[[], Any]) -> Any:
    """Wake the helpers, whose list is empty then, and do one's own part; what that gives."""
    wakes = [helper.wake.release for helper in helpers]
    return in_one_go(helpers.clear, *wakes, own)


def in_one_go(*calls: Callable[[], Any]) -> Any:
    """Call one function after the other; what the last one gives.

    As none is written in Python, no signal is heard before the last has ended: an interrupt by the
    keyboard cannot leave helpers waiting for a caller who never comes.
    """
    return deque(map(call, calls), maxlen=1).pop()


TEAM = Team()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=TEAM.forget)
