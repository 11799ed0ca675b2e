"""Graphs: types, the text form and back, the check, where nodes came from, and graphs that are very deep.

In: graphs written by hand, traced, or drawn at random. Out: the same graph again, or an error.
"""

from __future__ import annotations

import copy
import doctest
import pickle
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import deltarule as dr
from deltarule.derive import stage
from deltarule.derive.backward import joint, split
from deltarule.derive.trace import baked, scope
from deltarule.errors import DeltaruleError, GraphError, TypeRuleError
from deltarule.program import ArrayType, Graph, Node, interpret, lookup, ops, type_of, walk
from deltarule.program import types as types_module
from deltarule.program.types import DTYPES

F3 = ArrayType((3,), np.dtype("f8"))
F = ArrayType((), np.dtype("f8"))


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-12)


# --- types ---


@given(st.sampled_from(sorted(DTYPES)), st.lists(st.integers(0, 9), max_size=4))
def test_a_type_reads_what_it_printed(name, shape):
    kind = ArrayType(tuple(shape), DTYPES[name])
    assert ArrayType.parse(repr(kind)) == kind
    assert hash(ArrayType.parse(repr(kind))) == hash(kind)
    assert kind.size == int(np.prod(shape)) and kind.nbytes == kind.size * kind.dtype.itemsize


def test_there_is_one_object_for_each_type():
    for other in (type_of(np.ones(3)), pickle.loads(pickle.dumps(F3)), copy.deepcopy(F3)):
        assert other is F3
    assert type_of(np.ones(3, ">f8")) != F3 != type_of(np.ones(3, "f4"))


@pytest.mark.parametrize(
    "text", ["f64", "f64[", "f63[2]", "f64[2,a]", "f64[2]x", "", "f64[-1]", "[2]"]
)
def test_what_is_no_type_is_refused(text):
    with pytest.raises(GraphError, match="no array type"):
        ArrayType.parse(text)


def test_doctests_of_types():
    assert doctest.testmod(types_module).failed == 0


# --- text ---


def affine():
    return stage(lambda x, w: [np.tanh(x * w + 1.5), np.sum(x)], [F3, F3]).graph


def test_text_is_readable():
    assert affine().to_text() == (
        "graph(%0: f64[3], %1: f64[3]) {\n"
        "  %2: f64[3] = mul %0 %1\n"
        '  %3: f64[] = literal {"value":1.5,"dtype":{"dtype":"f64"}}\n'
        "  %4: f64[3] = add %2 %3\n"
        "  %5: f64[3] = tanh %4\n"
        '  %6: f64[] = sum %0 {"axes":[0]}\n'
        "} -> %5 %6\n"
    )


def test_text_with_origins_names_the_lines():
    line = affine.__code__.co_firstlineno + 1
    text = str(affine())
    assert text.count(f"# test_graph.py:{line}") == 5 - 1  # the literal is no operation of a line
    assert Graph.from_text(affine().to_text()).to_text() == affine().to_text()


def round_trip(graph, *args):
    graph.check()
    text = graph.to_text()
    again = Graph.from_text(text).check()
    assert again.to_text() == text
    for found, expected in zip(interpret(again, *args), interpret(graph, *args), strict=True):
        np.testing.assert_array_equal(found, expected)
        assert type_of(found) == type_of(expected)


def test_subgraphs_are_written_and_read():
    def f(xs, w):
        def step(c, x):
            inner, _ = dr.scan(lambda d, y: (d + np.sin(y) * x, None), 0.0, w)
            return c * inner + x, (c, np.array([1, 2]))

        return [*dr.scan(step, 1.0, xs)[1], xs[::-1]]

    graph = baked(stage(f, [F3, F3]))
    round_trip(graph, np.array([0.1, 0.2, 0.3]), np.array([1.0, 2.0, 3.0]))
    assert graph.to_text().count(".body = graph(") == 2


def test_a_custom_rule_is_written_and_read():
    g = dr.custom_vjp(
        lambda x: np.sin(x), lambda x: (np.sin(x), x), lambda x, ct: (ct * np.cos(x),)
    )
    graph = stage(lambda x: [g(x)], [F3]).graph
    round_trip(graph, np.ones(3))
    both = stage(joint(graph, [True]), [F3, F3]).graph
    round_trip(both, np.ones(3), np.ones(3))


@pytest.mark.parametrize(
    "x",
    [
        1.5,
        -0.0,
        np.inf,
        np.nan,
        1e300,
        np.float32(0.1),
        np.float16(1.5),
        True,
        2**63 - 1,
        np.uint64(2**64 - 1),
        np.int8(-5),
    ],
)
def test_literals_keep_their_bits(x):
    x = np.asarray(x)[()]
    graph = stage(lambda a: [ops.select(a, x, x)], [ArrayType((), np.dtype(bool))]).graph
    (found,) = interpret(Graph.from_text(graph.to_text()), np.True_)
    assert found.tobytes() == x.tobytes() and found.dtype == x.dtype


SMOOTH = [
    "add",
    "sub",
    "mul",
    "tanh",
    "sin",
    "neg",
    "sum",
    "reshape",
    "transpose",
    "slice",
    "concatenate",
]


@st.composite
def graphs(draw, words=(*SMOOTH, "maximum", "gt")):
    """A graph of random operations on vectors and matrices that fit."""
    inputs = [F3, ArrayType((2, 3), np.dtype("f8")), F]

    def f(*values):
        values = list(values)
        for _ in range(draw(st.integers(1, 12))):
            a, b = draw(st.sampled_from(values)), draw(st.sampled_from(values))
            word = draw(st.sampled_from(words))
            if word in ("add", "sub", "mul", "maximum"):
                fits = (
                    a.shape == b.shape
                    or () in (a.shape, b.shape)
                    or {a.shape, b.shape} == {(3,), (2, 3)}
                )
                values.append(lookup(word)(a, b) if fits else lookup(word)(a, a))
            elif word in ("tanh", "sin", "neg"):
                values.append(lookup(word)(a))
            elif word == "sum":
                values.append(np.sum(a, axis=draw(st.sampled_from([None, 0])) if a.shape else None))
            elif word == "gt":
                values.append(np.where(a > 0.1, a, 0.3))
            elif word == "slice" and a.shape:
                values.append(a[:: draw(st.sampled_from([-1, 1]))] + 0.5)
            elif word == "transpose" and a.ndim == 2:
                values.append((a.T * 2).T)
            elif word == "concatenate" and a.shape == (3,):
                values.append(np.concatenate([a, a])[1:4])
            elif word == "reshape":
                values.append(a.reshape(-1)[:1].reshape(()) if a.size else a)
        return values[-3:]

    return stage(f, inputs).graph


ARGS = (np.array([0.3, -0.2, 0.9]), np.arange(6.0).reshape(2, 3) / 7, np.float64(0.4))


@given(graphs())
def test_random_graphs(graph):
    round_trip(graph, *ARGS)
    wanted = [True] * 3
    both = baked(stage(joint(graph, wanted), [*graph.types, *graph.result_types]))
    cts = [np.ones(kind.shape)[()] for kind in graph.result_types]
    round_trip(both, *ARGS, *cts)
    forward, backward = split(graph, wanted)
    round_trip(forward, *ARGS)
    kept = interpret(forward, *ARGS)
    n = len(graph.outputs)
    for found, expected in zip(
        (*kept[:n], *interpret(backward, *ARGS, *kept[n:], *cts)),
        interpret(both, *ARGS, *cts),
        strict=True,
    ):
        np.testing.assert_array_equal(found, expected)


@given(graphs(SMOOTH))
def test_random_graphs_have_right_gradients(graph):
    dr.check_grads(lambda *xs: list(interpret(graph, *xs)), *ARGS, order=1)


GOOD = """graph(%0: f64[3]) {
  %1: f64[3] = tanh %0
  %2: f64[] = sum %1 {"axes":[0]}
} -> %2
"""


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("tanh", "tanj", "no primitive 'tanj'"),
        ("f64[3] = tanh", "f64[4] = tanh", "its rule gives"),
        ("tanh %0", "tanh %7", "before it is computed"),
        ("tanh %0", "tanh %1", "before it is computed"),
        ("%1: f64[3] = tanh", "%3: f64[3] = tanh", "is not equation %1"),
        ('{"axes":[0]}', '{"axes":[0]', "is not equation"),
        ('{"axes":[0]}', '{"axes":[3]}', "are not axes"),
        ('{"axes":[0]}', '{"axis":[0]}', "sum"),
        ('{"axes":[0]}', "", "sum"),
        ("tanh %0", "tanh", "tanh"),
        ("graph(", "graf(", "does not begin a graph"),
        ("f64[3])", "f99[3])", "no array type"),
        ("} -> %2", "", "ends before"),
        ("-> %2", "-> %9", "%9"),
        ("-> %2\n", "-> %2\nmore\n", "after the end"),
        ("-> %2", "=> %2", "last line looks like"),
        ("= sum %1", "= sum %x", "is not equation"),
        (GOOD, "", "does not begin a graph"),
        ('{"axes":[0]}', '{"axes":{"dtype":"f99"}}', "f99"),
    ],
)
def test_malformed_text_is_refused(old, new, words):
    assert Graph.from_text(GOOD).to_text() == GOOD
    with pytest.raises((GraphError, TypeRuleError), match=words.replace("(", r"\(")) as caught:
        Graph.from_text(GOOD.replace(old, new))
    assert isinstance(caught.value, DeltaruleError)


def test_attrs_are_plain_data():
    x = Node(ops.input, (), {"type": "f64[3]"}, F3)
    graph = Graph((x,), (Node(ops.tanh, (x,), {"what": object()}, F3),))
    with pytest.raises(GraphError, match="plain data"):
        graph.to_text()


# --- the check ---


def test_check_finds_a_wrong_type():
    x = Node(ops.input, (), {"type": "f64[3]"}, F3)
    with pytest.raises(GraphError, match="should have type"):
        Graph((x,), (Node(ops.tanh, (x,), {}, F),)).check()


def test_check_finds_a_foreign_value():
    x, other = (Node(ops.input, (), {"type": "f64[3]"}, F3) for _ in range(2))
    y = Node(ops.add, (x, other), {}, F3)
    with pytest.raises(GraphError, match="no earlier node"):
        Graph((x,), (y,), (x, y)).check()
    with pytest.raises(GraphError, match="among the nodes"):
        Graph((x,), (y,), (x,)).check()
    with pytest.raises(GraphError, match="input of another graph"):
        Graph((x,), (y,)).check()


def test_check_looks_into_subgraphs():
    good = stage(lambda xs: [dr.scan(lambda c, x: (c + x, None), 0.0, xs)[0]], [F3]).graph
    scan = next(node for node in good.nodes if node.primitive is ops.scan)
    body = scan.attrs["body"]
    wrong = Graph(
        body.inputs, tuple(Node(ops.tanh, (body.inputs[0],), {}, F3) for _ in body.outputs)
    )
    node = Node(scan.primitive, scan.args, {**scan.attrs, "body": wrong}, scan.type)
    with pytest.raises((GraphError, TypeRuleError)):
        Graph(good.inputs, (node,)).check()


def test_a_graph_keeps_the_order_it_is_given_and_unused_inputs():
    graph = stage(lambda x, unused: [x], [F3, F]).graph
    assert len(graph.inputs) == 2 and graph.outputs == graph.inputs[:1]
    round_trip(graph, np.ones(3), np.float64(1))
    empty = stage(lambda x: [], [F3]).graph
    round_trip(empty, np.ones(3))


# --- origins ---


def test_origins_survive_the_backward_pass():
    def f(x):
        y = np.sin(x)
        return np.sum(y * y)

    first = f.__code__.co_firstlineno
    graph = stage(joint(stage(lambda x: [f(x)], [F3]).graph, [True]), [F3, F]).graph
    lines = {str(node.origin) for node in graph.nodes if node.origin}
    assert {f"test_graph.py:{first + 1}", f"test_graph.py:{first + 2}"} <= lines


def test_origins_name_the_layer():
    def f(x):
        with scope("net"), scope("dense1"):
            return [np.tanh(x)]

    (node,) = (node for node in stage(f, [F3]).graph.nodes if node.primitive is ops.tanh)
    assert str(node.origin).endswith(" in net.dense1")


def test_errors_name_the_users_line():
    def f(x):
        return x @ np.ones((4, 2))

    line = f.__code__.co_firstlineno + 1
    with pytest.raises(TypeRuleError, match=rf"inner sizes differ, 3 != 4.*test_graph.py:{line}\)"):
        dr.grad(lambda x: np.sum(f(x)))(np.ones(3))


# --- deep graphs ---

DEEP = 100_000


def chain():
    node = start = Node(ops.input, (), {"type": "f64[]"}, F)
    for _ in range(DEEP):
        node = Node(ops.sin, (node,), {}, F)
    return start, node


def test_a_chain_of_100000_nodes():
    start, end = chain()
    graph = Graph((start,), (end,))
    assert len(graph.nodes) == DEEP + 1
    graph.check()
    (y,) = interpret(graph, np.float64(1.0))
    again = Graph.from_text(graph.to_text())
    assert interpret(again, np.float64(1.0)) == (y,)
    repr(graph)
    del graph, again, start, end  # freeing recurses over nothing, either


def test_a_wide_node_and_a_diamond():
    graph = stage(lambda x: [np.concatenate([x * i for i in range(300)])], [F3]).graph
    close(interpret(graph, np.ones(3))[0], np.repeat(np.arange(300.0), 3))

    def doubled(x):  # 2^60 paths, 60 nodes
        for _ in range(60):
            x = x + x
        return x

    start = time.perf_counter()
    assert dr.grad(doubled)(1.0) == 2.0**60
    assert len(stage(lambda x: [doubled(x)], [F]).graph.nodes) == 61
    assert time.perf_counter() - start < 1


def test_walk_gives_the_value_of_every_node():
    graph = affine()
    outputs, values = walk(graph, (np.ones(3), np.zeros(3)))
    assert set(values) == set(graph.nodes)
    close(outputs[0], np.full(3, np.tanh(1.5)))
