"""Each rewrite by itself: what it makes of small graphs, and that it is exact."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import deltarule.derive  # noqa: F401
from compiling import apply, assert_same, given, number, reference, results
from deltarule.compile.rewrite import PASSES, rewrite
from deltarule.derive.trace import stage
from deltarule.program import Graph
from deltarule.program.types import ArrayType

F64 = np.dtype("f8")
EDGES = np.array([0.0, -0.0, 1.0, -1.0, 2.5, np.inf, -np.inf, np.nan, 5e-324, 1e308])
BY_NAME = {step.name: step for step in PASSES}


def of(*shape, dtype=F64):
    return given(ArrayType(shape, np.dtype(dtype)))


def names(graph: Graph) -> list[str]:
    return [node.primitive.name for node in graph.nodes[len(graph.inputs) :]]


def after(name: str, *outputs, inputs) -> Graph:
    graph = Graph(inputs, outputs)
    new = BY_NAME[name](graph)
    rng = np.random.default_rng(0)
    args = [rng.integers(-3, 4, n.type.shape).astype(n.type.dtype) for n in inputs]
    assert_same(reference(new, args), reference(graph, args))
    return new


ALGEBRA = {
    "x + -0.0": (lambda x: apply("add", x, number(-0.0, F64)), []),
    "-0.0 + x": (lambda x: apply("add", number(-0.0, F64), x), []),
    "x + 0.0": (lambda x: apply("add", x, number(0.0, F64)), ["literal", "add"]),
    "x - 0.0": (lambda x: apply("sub", x, number(0.0, F64)), []),
    "x - -0.0": (lambda x: apply("sub", x, number(-0.0, F64)), ["literal", "sub"]),
    "x * 1": (lambda x: apply("mul", x, number(1.0, F64)), []),
    "x * -1": (lambda x: apply("mul", number(-1.0, F64), x), ["neg"]),
    "x * 0": (lambda x: apply("mul", x, number(0.0, F64)), ["literal", "mul"]),
    "x * 2": (lambda x: apply("mul", x, number(2.0, F64)), ["literal", "mul"]),
    "x / 1": (lambda x: apply("div", x, number(1.0, F64)), []),
    "--x": (lambda x: apply("neg", apply("neg", x)), []),
    "zmul(1, x)": (lambda x: apply("zmul", number(1.0, F64), x), []),
    "zmul(2, x)": (lambda x: apply("zmul", number(2.0, F64), x), ["literal", "mul"]),
    "zmul(0, x)": (lambda x: apply("zmul", number(0.0, F64), x), ["literal", "zmul"]),
    "x ** 1": (lambda x: apply("power", x, number(1.0, F64)), []),
    "x ** 2": (lambda x: apply("power", x, number(2.0, F64)), ["mul"]),
    "x ** -1": (lambda x: apply("power", x, number(-1.0, F64)), ["literal", "div"]),
    "x ** 0.5": (
        lambda x: apply("power", x, number(0.5, F64)),
        ["sqrt"],
    ),
    "where(True, x, 1)": (lambda x: apply("select", number(True, bool), x, number(1.0, F64)), []),
    "where(False, 1, x)": (lambda x: apply("select", number(False, bool), number(1.0, F64), x), []),
    "where(x == x, x, x)": (lambda x: apply("select", apply("eq", x, x), x, x), []),
    "cast": (lambda x: apply("cast", x, dtype=F64), []),
    "sum of one": (
        lambda x: apply("sum", apply("reshape", x, shape=(10, 1)), axes=(1,)),
        ["reshape", "sum"],
    ),
    "max of one": (lambda x: apply("max", apply("reshape", x, shape=(10, 1)), axes=(1,)), []),
    "min of none": (lambda x: apply("min", x, axes=()), []),
}


@pytest.mark.parametrize("what", ALGEBRA)
def test_algebra_is_exact_also_in_the_sign_of_zero(what):
    make, left = ALGEBRA[what]
    x = of(10)
    graph = Graph((x,), (make(x),))
    new = BY_NAME["simplify"](graph)
    assert names(new) == left
    (found,), (wanted,) = reference(new, (EDGES,)), reference(graph, (EDGES,))
    np.testing.assert_array_equal(found, wanted)
    number = ~np.isnan(wanted)
    np.testing.assert_array_equal(
        np.signbit(found[number]), np.signbit(wanted[number]), err_msg=what
    )


@pytest.mark.parametrize("dtype", ["i8", "u1", "bool"])
def test_algebra_on_integers_and_bools(dtype):
    x = of(4, dtype=dtype)
    args = (np.array([0, 1, 2, 255]).astype(dtype),)
    for name, value in itertools.product(("add", "mul", "maximum"), (0, 1)):
        graph = Graph(
            (x,), (apply(name, x, number(value, dtype)), apply(name, number(value, dtype), x))
        )
        assert_same(reference(BY_NAME["simplify"](graph), args), reference(graph, args), graph)


def test_numbers_are_computed_once():
    x = of(3)
    half = apply("div", number(1.0, F64), number(2.0, F64))
    wide = apply("broadcast", apply("exp", half), shape=(3,))
    new = after("simplify", apply("mul", x, apply("neg", wide)), inputs=(x,))
    assert names(new) == ["literal", "broadcast", "mul"]
    assert new.nodes[1].attrs["value"] == -float(np.exp(0.5))


def test_a_broadcast_that_sets_the_shape_is_kept():
    x = of(3)
    ones = apply("broadcast", number(1.0, F64), shape=(2, 3))
    new = after("simplify", apply("mul", x, ones), inputs=(x,))
    assert new.outputs[0].type.shape == (2, 3)
    assert names(new) == ["broadcast"]


def test_moves_are_joined():
    x = of(2, 3, 4)
    turned = apply("transpose", apply("transpose", x, order=(2, 0, 1)), order=(1, 2, 0))
    assert names(after("simplify", turned, inputs=(x,))) == []
    other = apply("transpose", apply("transpose", x, order=(2, 0, 1)), order=(2, 1, 0))
    assert names(after("simplify", other, inputs=(x,))) == ["transpose"]
    shaped = apply("reshape", apply("reshape", x, shape=(24,)), shape=(4, 6))
    assert names(after("simplify", shaped, inputs=(x,))) == ["reshape"]
    back = apply("reshape", apply("reshape", x, shape=(24,)), shape=(2, 3, 4))
    assert names(after("simplify", back, inputs=(x,))) == []
    wide = apply("broadcast", apply("broadcast", x, shape=(5, 2, 3, 4)), shape=(6, 5, 2, 3, 4))
    assert names(after("simplify", wide, inputs=(x,))) == ["broadcast"]
    whole = apply("slice", x, start=(0, 0, 0), size=(2, 3, 4), step=(1, 1, 1))
    assert names(after("simplify", whole, inputs=(x,))) == []
    turned = apply("slice", x, start=(1, 0, 0), size=(2, 3, 4), step=(-1, 1, 1))
    assert names(after("simplify", turned, inputs=(x,))) == ["slice"]


def test_equal_nodes_become_one_but_not_numbers_that_only_compare_equal():
    x = of(3)
    same = apply("add", apply("exp", x), apply("exp", x))
    assert names(after("common", same, inputs=(x,))) == ["exp", "add"]
    plus, minus = number(0.0, F64), number(-0.0, F64)
    both = (apply("div", x, plus), apply("div", x, minus))
    assert names(after("common", *both, inputs=(x,))).count("div") == 2
    nan = apply("add", apply("mul", x, number(np.nan, F64)), apply("mul", x, number(np.nan, F64)))
    assert names(after("common", nan, inputs=(x,))) == ["literal", "mul", "add"]


def test_bodies_of_loops_are_rewritten_too():
    c, x = of(2), of(2)
    square = apply("mul", apply("exp", x), number(1.0, F64))
    body = Graph((c, x), (apply("add", c, square), apply("add", apply("exp", x), square)))
    start, xs = of(2), of(3, 2)
    graph = Graph(
        (start, xs),
        results(apply("scan", start, xs, body=body, consts=0, carries=1, length=3, reverse=False)),
    )
    new = rewrite(graph)
    (scan,) = (node for node in new.nodes if node.primitive.name == "scan")
    assert sorted(names(scan.attrs["body"])) == ["add", "add", "exp"]
    args = (np.ones(2), np.arange(6.0).reshape(3, 2))
    assert_same(reference(new, args), reference(graph, args))


def test_results_of_loops_that_nobody_reads_are_left_out():
    w, a, b, unused, x, y = of(2), of(2), of(2), of(2), of(2), of(2)
    outs = (b, apply("add", b, w), apply("mul", unused, y), apply("mul", a, x), apply("exp", y))
    body = Graph((w, a, b, unused, x, y), outs)
    inputs = of(2), of(2), of(2), of(2), of(4, 2), of(4, 2)
    several = apply("scan", *inputs, body=body, consts=1, carries=3, length=4, reverse=False)
    new = after("dead", apply("result", several, index=0), inputs=inputs)
    (scan,) = (node for node in new.nodes if node.primitive.name == "scan")
    assert (scan.attrs["consts"], scan.attrs["carries"], len(scan.args), len(scan.type)) == (
        1,
        2,
        3,
        2,
    )
    new = after(
        "dead", apply("result", several, index=3), apply("result", several, index=1), inputs=inputs
    )
    (scan,) = (node for node in new.nodes if node.primitive.name == "scan")
    assert (len(scan.args), len(scan.type)) == (4, 3)


def test_functions_with_their_own_derivative_are_inlined():
    f = ArrayType((3,), F64)
    call = stage(lambda x: [np.sin(x) * x], [f]).graph
    x = of(3)
    backward = stage(lambda x, ct: [ct], [f, f]).graph
    forward = Graph(call.inputs, (*call.outputs, call.inputs[0]))
    node = apply("custom_vjp", x, call=call, forward=forward, backward=backward)
    stopped = apply("stop_gradient", results(node)[0])
    assert names(after("inline", stopped, inputs=(x,))) == ["sin", "mul"]


def test_products_of_three_become_products_of_two():
    a, b, c, d = of(2, 30), of(30, 4), of(4, 3), of(3)
    product = apply("einsum", a, b, c, d, spec="ij,jk,kl,l->i")
    new = after("pairwise", product, inputs=(a, b, c, d))
    assert names(new) == ["einsum"] * 3
    assert all(len(node.args) == 2 for node in new.nodes[4:])
    product = apply("einsum", d, d, d, d, spec="i,j,k,l->ijkl")
    assert names(after("pairwise", product, inputs=(d,))) == ["einsum"] * 3


def test_a_pass_that_finds_nothing_gives_the_graph_itself():
    x = of(3)
    graph = Graph((x,), (apply("add", apply("exp", x), x),))
    assert all(step(graph) is graph for step in PASSES)


def test_nodes_keep_their_origins():
    staged = stage(lambda x: [np.exp(x) * 1.0 + np.exp(x)], [ArrayType((3,), F64)])
    new = rewrite(staged.graph)
    assert len(new.nodes) == 3
    assert all("test_compile_rewrite.py" in str(node.origin) for node in new.nodes[1:])


def test_steps_written_in_others_stand_where_the_operation_stands():
    staged = stage(lambda x: [np.cumsum(x), np.abs(x + 1j)], [ArrayType((3,), F64)])
    (place,) = {str(node.origin) for node in staged.graph.nodes if node.args}
    assert {str(node.origin) for node in rewrite(staged.graph).nodes if node.args} == {place}
