"""Threads meet wherever one touches what another has written: found again, byte by byte."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given as generated
from hypothesis import settings

import deltarule.derive  # noqa: F401
from compiling import apply, given, results
from deltarule.compile import share
from deltarule.compile.kernels import Kernel, LoopKernel
from deltarule.compile.lower import schedule
from deltarule.compile.plan import Plan
from deltarule.compile.rewrite import rewrite
from deltarule.compile.views import View
from deltarule.program import Graph
from deltarule.program.types import ArrayType
from products import product_program_of, seeds
from sharing import all_split
from test_compile_graphs import CALM, program_of

F32 = np.dtype("f4")


def of(*shape, dtype=F32):
    return given(ArrayType(shape, np.dtype(dtype)))


# What threads may do at once, derived from the plan alone.


def bytes_of(plan: Plan, view: View, over: dict[int, int]) -> tuple[object, np.ndarray]:
    """Which memory a view touches, and which bytes; ``over`` tells outputs that lie over inputs."""
    places = np.array([view.offset])
    for n, stride in zip(view.shape, view.strides, strict=True):
        places = (places[:, None] + np.arange(n) * stride).ravel()
    size = view.dtype.itemsize
    found = (places[:, None] * size + np.arange(size)).ravel()
    buffer = plan.buffers[view.buffer]
    match buffer.place:
        case "arena":
            return "arena", found + buffer.at
        case "output" if buffer.at in over:
            return ("input", over[buffer.at]), found
    return (buffer.place, buffer.at), found


def conflict(plan: Plan, one: Kernel, other: Kernel, over: dict[int, int]) -> bool:
    """Whether one of two kernels writes a byte that the other reads or writes."""

    def touch(a: View, b: View) -> bool:
        (where, mine), (there, theirs) = bytes_of(plan, a, over), bytes_of(plan, b, over)
        return where == there and bool(np.isin(mine, theirs).any())

    return any(touch(a, b) for a in one.writes for b in (*other.reads, *other.writes)) or any(
        touch(a, b) for a in one.reads for b in other.writes
    )


def races(plan: Plan) -> Iterator[str]:
    """Pairs of kernels that two threads may run at once, though one writes what the other touches."""
    covered = [i for stage in plan.stages for i in range(stage.start, stage.stop)]
    assert covered == list(range(len(plan.kernels))), f"not all kernels, or not in order: {plan}"
    placements = [{}, *({output: given} for given, output in sorted(plan.in_place))]
    together: list[tuple[Kernel, bool]] = []
    for stage in plan.stages:
        if stage.meet:
            together = []
        for kernel in plan.kernels[stage.start : stage.stop]:
            for earlier, was_shared in together:
                if not (was_shared or stage.shared):
                    continue  # both are the first thread's
                for over in placements:
                    if conflict(plan, earlier, kernel, over):
                        yield f"{earlier}\n{kernel}\nwith {over}, in {plan}"
            together.append((kernel, stage.shared))
    for kernel in plan.kernels:
        if isinstance(kernel, LoopKernel):
            yield from races(kernel.body)


def races_of(graph: Graph) -> list[str]:
    with all_split():
        return list(races(schedule(rewrite(graph))[0]))


@CALM
@generated(seeds)
def test_threads_meet_where_they_must(seed):
    found = races_of(program_of(seed)[0])
    assert not found, found[0]


@settings(CALM, max_examples=60)
@generated(seeds)
def test_threads_meet_where_they_must_around_products(seed):
    found = races_of(product_program_of(seed).graph)
    assert not found, found[0]


@pytest.mark.parametrize("swapped", [False, True])
def test_an_output_may_lie_over_any_of_several_inputs(swapped):
    """Either of two inputs may be given away; threads must be done with both."""
    x, y = of(40, 40), of(40, 40)
    total = apply("sum", x if swapped else y, axes=(0,))
    last = apply("exp", y if swapped else x)
    graph = Graph((x, y), (total, last))
    with all_split():
        plan = schedule(graph)[0]
    assert plan.in_place == {(0, 1), (1, 1)} and not list(races(plan))


@pytest.mark.parametrize("turn", range(1, 3))
def test_carries_of_one_type_are_each_written_over_their_own(turn):
    """Each becomes something that does not rest on it, when its old value has been read."""
    olds, x = [of(24, 24) for _ in range(3)], of(24)
    total = apply("sum", olds[turn], axes=(0,))
    new = [apply(name, apply("broadcast", x, shape=(24, 24))) for name in ("exp", "sin")]
    body = Graph((*olds, x), (apply("broadcast", total, shape=(24, 24)), *new))
    starts, xs = [of(24, 24) for _ in range(3)], of(5, 24)
    attrs = {"consts": 0, "carries": 3, "length": 5, "reverse": False}
    graph = Graph((*starts, xs), results(apply("scan", *starts, xs, body=body, **attrs)))
    with all_split():
        plan = schedule(graph)[0]
    (loop,) = plan.kernels
    assert loop.body.in_place == {(0, 0), (1, 1), (2, 2)}
    assert not list(races(plan))


# Does the check above find anything?


@pytest.mark.parametrize("forgotten", ["reads", "writes", "meetings"])
def test_a_forgotten_meeting_is_found(forgotten, monkeypatch):
    pairs = share.Touched.pairs

    def fewer(self, earlier):
        if forgotten == "meetings":
            return
        for a, b in pairs(self, earlier):
            reads = b in earlier.reads if forgotten == "reads" else a in self.reads
            if not reads:
                yield a, b

    monkeypatch.setattr(share.Touched, "pairs", fewer)
    assert any(races_of(program_of(seed)[0]) for seed in range(60))


def test_small_work_is_not_split():
    x = of(3, 3)
    plan = schedule(Graph((x,), (apply("exp", x),)))[0]
    assert not plan.shared and not plan.stages[0].meet
    with all_split():
        assert schedule(Graph((x,), (apply("exp", x),)))[0].shared
