"""Small programs split among threads as if they were large, and threads that are late in turn.

In: graphs. Out: machine code whose every kernel that can be split is split, run by as many threads as a
test wants, more than there are cores included.
"""

from __future__ import annotations

import faulthandler
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from compiling import native
from deltarule.compile import binary, program, share
from deltarule.compile import native as machine
from deltarule.compile.llvm import team
from deltarule.program import Graph

THREADS = (1, 2, 4)
LONGEST = 60  # seconds that a test may take: one that waits for a thread for ever is ended, aloud

# After each meeting one thread, another each time, lets the others go first.
LATE = """done:
  %number = load i64, ptr %own, align 8
  %turn = add i64 %number, %now
  %rest = urem i64 %turn, %members
  %late = icmp eq i64 %rest, 0
  br i1 %late, label %linger, label %leave
linger:
  %lingered = phi i64 [ 0, %done ], [ %longer, %linger ]
  %longer = add i64 %lingered, 1
  %unused = call i32 @sched_yield()
  %enough = icmp eq i64 %longer, 4
  br i1 %enough, label %leave, label %linger
leave:
"""


@contextmanager
def all_split(threads: int | None = None, late: bool = False) -> Iterator[None]:
    """Programs that are compiled inside are split, however small; by so many threads, if told."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(share, "WORTH", 0.0)
        patch.setattr(binary, "seconds", lambda kernel: 1.0)
        patch.setattr(program, "BUILT", type(program.BUILT)())
        patch.setattr(program, "RECENT", type(program.RECENT)())
        if threads is not None:
            patch.setattr(machine, "thread_count", lambda: threads)
        if late:
            patch.setattr(team, "BARRIER", team.BARRIER.replace("done:\n", LATE))
        yield


def split_code(graph: Graph, late: bool = True) -> machine.Native:
    """Machine code of a graph, split wherever it can be."""
    with all_split(max(THREADS), late):
        return native(graph)


def run_by(code: machine.Native, threads: int, args: Any, donated: Any = ()) -> list[Any]:
    """The results, computed by so many threads."""
    code.most = threads if code.binary.shared else 1
    code.pause = 0
    code.free.clear()  # memory for another number of threads
    return code(args, frozenset(donated))


def real_args(graph: Graph, seed: int = 0) -> list[Any]:
    """Arguments whose sums depend on the order of the terms."""
    rng = np.random.default_rng(seed)
    found = []
    for node in graph.inputs:
        kind = node.type
        if kind.dtype.kind == "f":
            found.append(rng.normal(size=kind.shape).astype(kind.dtype))
        else:
            found.append(rng.integers(0, 4, kind.shape).astype(kind.dtype))
    return found


def assert_same_bits(found: Any, wanted: Any, what: Any) -> None:
    for i, (x, y) in enumerate(zip(found, wanted, strict=True)):
        assert (x.shape, x.dtype) == (y.shape, y.dtype)
        assert x.tobytes() == y.tobytes(), f"result {i} differs: {what}"


@contextmanager
def ends_in_time() -> Iterator[None]:
    """End the process, and show where each thread stands, where what is inside never ends."""
    faulthandler.dump_traceback_later(LONGEST, exit=True, file=sys.__stderr__)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
