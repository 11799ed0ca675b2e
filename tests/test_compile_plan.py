"""Plans: views are NumPy's, chains are one loop, shared values computed once, memory used again."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import deltarule.derive  # noqa: F401
from compiling import apply, given, number, results
from deltarule.compile.kernels import ContractKernel, LoopKernel, MapKernel, ReduceKernel
from deltarule.compile.lower import schedule
from deltarule.compile.rewrite import rewrite
from deltarule.compile.views import View, merge_axes
from deltarule.program import Graph
from deltarule.program.types import ArrayType

F64 = np.dtype("f8")
DATA = np.arange(5000.0)


def of(*shape, dtype=F64):
    return given(ArrayType(shape, np.dtype(dtype)))


def plan_of(*outputs, inputs):
    return schedule(rewrite(Graph(inputs, outputs)))[0]


def as_array(view: View) -> np.ndarray:
    strides = [8 * s for s in view.strides]
    return np.lib.stride_tricks.as_strided(DATA[view.offset :], view.shape, strides)


VIEWS = [
    (lambda v: v, lambda x: x),
    (lambda v: v.transpose((2, 0, 1)), lambda x: x.transpose(2, 0, 1)),
    (lambda v: v.slice((1, 2, 0), (2, 2, 5), (1, -1, 1)), lambda x: x[1:3, 2:0:-1]),
    (lambda v: v.slice((0, 0, 4), (4, 3, 2), (1, 1, -4)), lambda x: x[:, :, ::-4]),
    (lambda v: v.slice((0, 0, 0), (4, 0, 5), (1, 1, 1)), lambda x: x[:, :0]),
    (lambda v: v.slice((0, 1, 0), (4, 1, 5), (1, 1, 1)), lambda x: x[:, 1:2]),
    (lambda v: v.broadcast((2, 4, 3, 5)), lambda x: np.broadcast_to(x, (2, 4, 3, 5))),
]


@pytest.mark.parametrize("first", range(len(VIEWS)))
def test_views_and_reshapes_of_views_are_those_of_numpy(first):
    move, numpy = VIEWS[first]
    view, x = View.whole(0, ArrayType((4, 3, 5), F64)), DATA[:60].reshape(4, 3, 5)
    view, x = move(view), numpy(x)
    np.testing.assert_array_equal(as_array(view), x)
    assert view.contiguous == x.flags.c_contiguous or x.size <= 1
    shapes = {
        s
        for s in itertools.product((1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 60), repeat=3)
        if np.prod(s) == x.size
    }
    shapes |= {(x.size,), x.shape, (*x.shape, 1), (1, *x.shape), x.shape[::-1]}
    for shape in shapes:
        again = view.reshape(shape)
        try:
            wanted = np.reshape(x, shape, copy=False)
        except ValueError:
            wanted = None
        assert (again is None) == (wanted is None), f"{x.shape} {x.strides} -> {shape}"
        if again is not None:
            np.testing.assert_array_equal(as_array(again), wanted)


def test_axes_are_merged_where_the_walk_is_the_same():
    assert merge_axes((4, 1, 5, 6), [(30, 0, 6, 1)]) == [(120, 1)]
    assert merge_axes((4, 5), [(5, 1), (0, 1)]) == [(4, 5, 0), (5, 1, 1)]
    assert merge_axes((4, 5), [(1, 4), (5, 1)]) == [(4, 1, 5), (5, 4, 1)]
    assert merge_axes((), [()]) == []


def test_a_chain_is_one_loop_and_a_chain_into_a_sum_is_none():
    x, y = of(8, 3), of(3)
    z = apply("tanh", apply("add", apply("mul", x, x), y))
    (kernel,) = plan_of(z, inputs=(x, y)).kernels
    assert isinstance(kernel, MapKernel) and len(kernel.reads) == 2
    (kernel,) = plan_of(apply("sum", z, axes=(0,)), inputs=(x, y)).kernels
    assert isinstance(kernel, ReduceKernel) and len(kernel.reads) == 2


def test_a_value_with_several_readers_is_computed_once():
    x = of(8, 3)
    z = apply("exp", x)
    plan = plan_of(apply("sum", z, axes=(0,)), apply("sum", z, axes=(1,)), inputs=(x,))
    assert [type(k) for k in plan.kernels] == [MapKernel, ReduceKernel, ReduceKernel]
    centred = apply("sub", z, apply("max", z, axes=()))
    plan = plan_of(apply("sum", apply("mul", centred, z), axes=(0, 1)), inputs=(x,))
    count = sum(node.primitive.name == "exp" for k in plan.kernels for node in k.nodes)
    assert count == 1


def test_a_value_read_outside_a_chain_is_not_computed_again_in_it():
    x, y = of(8, 3), of(8, 3)
    z = apply("exp", x)
    total = apply("sum", apply("mul", z, z), axes=(0, 1))
    for outputs in ((total, apply("mul", z, y)), (apply("mul", z, y), total)):
        kernels = plan_of(*outputs, inputs=(x, y)).kernels
        assert sum(node.primitive.name == "exp" for k in kernels for node in k.nodes) == 1


def test_a_part_of_a_value_is_copied_to_be_an_output():
    x = of(8, 3)
    z = apply("exp", x)
    first = apply("slice", z, start=(0, 0), size=(2, 3), step=(1, 1))
    plan = plan_of(first, inputs=(x,))
    assert [b.size for b in plan.buffers if b.place == "output"] == [6]
    assert [b.size for b in plan.buffers if b.place == "arena"] == [24]


def test_loops_over_one_shape_run_together_and_keep_their_order():
    x, y = of(8), of(8)
    one, two = apply("exp", x), apply("exp", y)
    (kernel,) = plan_of(one, two, inputs=(x, y)).kernels
    assert len(kernel.writes) == 2
    total = apply("sum", one, axes=(0,))
    plan = plan_of(apply("mul", two, total), one, inputs=(x, y))
    assert [type(k) for k in plan.kernels] == [MapKernel, ReduceKernel, MapKernel]


def test_transposes_and_broadcasts_cost_nothing():
    x, y = of(20, 6), of(20, 4)
    product = apply("matmul", apply("transpose", x, order=(1, 0)), y)
    (kernel,) = plan_of(product, inputs=(x, y)).kernels
    assert isinstance(kernel, ContractKernel)
    zeros = apply("broadcast", number(0.0, F64), shape=(20, 6))
    (kernel,) = plan_of(apply("maximum", x, zeros), inputs=(x, y)).kernels
    assert len(kernel.reads) == 1


def test_memory_is_used_again():
    x = of(100, 100)
    y = x
    for _ in range(10):
        y = apply("matmul", y, x)
    plan = plan_of(y, inputs=(x,))
    assert plan.arena <= 2 * 80_064
    z = apply("mul", apply("matmul", x, x), x)
    w = apply("matmul", z, x)
    plan = plan_of(w, inputs=(x,))
    assert plan.arena <= 80_064, "the product is multiplied in place"


@pytest.mark.parametrize("op", ["matmul", "transpose", "shifted"])
def test_a_carry_is_not_written_in_place_where_other_elements_are_read(op):
    w = of(4, 4)
    new = {
        "matmul": lambda: apply("matmul", w, w),
        "transpose": lambda: apply("add", w, apply("transpose", w, order=(1, 0))),
        "shifted": lambda: apply(
            "add", w, apply("slice", w, start=(3, 0), size=(4, 4), step=(-1, 1))
        ),
    }[op]()
    start = of(4, 4)
    body = Graph((w,), (new,))
    outs = results(apply("scan", start, body=body, consts=0, carries=1, length=3, reverse=False))
    (kernel,) = (k for k in plan_of(*outs, inputs=(start,)).kernels if isinstance(k, LoopKernel))
    assert kernel.spare != (None,)


def test_a_plan_prints_kernels_buffers_and_nodes():
    x, y = of(20, 6), of(6, 4)
    text = str(plan_of(apply("exp", apply("matmul", x, y)), inputs=(x, y)))
    assert "plan of 1 kernels" in text and "native 1.00" in text
    assert "contract b0[20,4,6]" in text and "-> b3[20,4]: matmul exp" in text
