"""Generated programs: compiled, rewritten, or both, they give what the interpreter gives.

Inputs are small integers held as floats and every operation keeps them so: then all orders of
summation agree exactly, and results must be equal, not close.
"""

from __future__ import annotations

import itertools
from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as generated
from hypothesis import strategies as st

import deltarule.derive  # noqa: F401
from compiling import apply, assert_same, compiled, given, native, number, reference, results
from deltarule.compile.lower import schedule
from deltarule.compile.rewrite import PASSES, rewrite
from deltarule.program import Graph, Node
from deltarule.program.types import ArrayType

LIMIT = 1000  # values stay below it, so that sums of products are exact in float32
SIZES = (0, 1, 1, 2, 3, 5, 8, 17)
MOST = 6000  # elements of one array
F32, F64, I64 = np.dtype("f4"), np.dtype("f8"), np.dtype("i8")


class Builder:
    """A random graph, made node by node."""

    def __init__(self, random: Random, depth: int = 0, sizes=None, dtype=None) -> None:
        self.random = random
        self.depth = depth
        self.sizes = sizes or [random.choice(SIZES) for _ in range(3)]
        self.dtype = dtype or random.choice([F32, F64, np.dtype("i4")])
        self.inputs: list[Node] = []
        self.nodes: list[Node] = []

    def one_of(self, options):
        return self.random.choice(list(options))

    def integer(self, low: int, high: int) -> int:
        return self.random.randint(low, high)

    def flag(self) -> bool:
        return self.random.random() < 0.5

    def shape(self, most: int = 3) -> tuple[int, ...]:
        return tuple(self.one_of(self.sizes) for _ in range(self.integer(0, most)))

    def input(self, shape: tuple[int, ...], dtype=None) -> Node:
        node = given(ArrayType(shape, dtype or self.dtype))
        self.inputs.append(node)
        self.nodes.append(node)
        return node

    def pick(self, test=lambda node: True) -> Node | None:
        """A fitting value, mostly one of the latest."""
        fitting = [n for n in self.nodes if test(n)]
        return self.one_of(fitting[-4:] if self.flag() else fitting) if fitting else None

    def value(self) -> Node:
        return self.pick(lambda n: n.type.dtype == self.dtype)

    def small(self, node: Node) -> Node:
        """Cut to a range in which everything is exact."""
        low, high = number(-LIMIT, self.dtype), number(LIMIT, self.dtype)
        return apply("clip", node, low, high)

    def add(self) -> None:
        made = getattr(self, self.one_of(STEPS))()
        for node in made if isinstance(made, tuple) else (made,):
            if node is not None and node.type.size <= MOST and len(node.type.shape) <= 5:
                self.nodes.append(node)

    # One method for each kind of step; None where the values at hand do not fit.

    def unary(self):
        name = self.one_of(["neg", "abs", "sign", "relu", "floor"])
        if self.dtype.kind == "i" and name in ("relu", "floor"):
            name = "abs"
        return apply(name, self.value())

    def binary(self):
        a = self.value()
        b = self.pick(lambda n: n.type.dtype == self.dtype and _fits(a.type.shape, n.type.shape))
        return self.small(apply(self.one_of(["add", "sub", "mul", "maximum", "minimum"]), a, b))

    def compare(self):
        a = self.value()
        b = self.pick(lambda n: n.type.dtype == self.dtype and _fits(a.type.shape, n.type.shape))
        return apply(self.one_of(["eq", "ne", "lt", "le", "gt", "ge"]), a, b)

    def select(self):
        c = self.pick(lambda n: n.type.dtype == bool)
        if c is None:
            return None
        a = self.pick(lambda n: n.type.dtype == self.dtype and _fits(c.type.shape, n.type.shape))
        return None if a is None else apply("select", c, a, number(self.integer(-3, 3), self.dtype))

    def cast(self):
        c = self.pick(lambda n: n.type.dtype == bool)
        return None if c is None else apply("cast", c, dtype=self.dtype)

    def literal(self):
        value = self.one_of([0, 1, -1, 2, 5] + ([-0.0] if self.dtype.kind == "f" else []))
        return apply("broadcast", number(value, self.dtype), shape=self.shape(2))

    def reduce(self):
        x = self.value()
        axes = tuple(i for i in range(len(x.type.shape)) if self.flag())
        name = self.one_of(["sum", "sum", "max", "min", "argmax"])
        if name == "argmax":
            axes = axes[:1]
        if (name != "sum" and any(x.type.shape[i] == 0 for i in axes)) or (
            name == "argmax" and not axes
        ):
            return None
        y = apply(name, x, axes=axes)
        return y if name == "argmax" else self.small(y)

    def reshape(self):
        x = self.value()
        shapes = {(x.type.size,), (1, *x.type.shape), (*x.type.shape, 1), x.type.shape[::-1]}
        return apply("reshape", x, shape=self.one_of(sorted(shapes)))

    def transpose(self):
        x = self.value()
        order = self.random.sample(range(len(x.type.shape)), len(x.type.shape))
        return apply("transpose", x, order=tuple(order))

    def broadcast(self):
        x = self.value()
        lead = self.shape(1)
        tail = tuple(n if n != 1 else self.one_of(self.sizes) for n in x.type.shape)
        return apply("broadcast", x, shape=lead + tail)

    def part(self, shape):
        start, size, step = [], [], []
        for n in shape:
            s = self.one_of([1, 1, 2, -1, -2])
            k = self.integer(min(n, 1), -(-n // abs(s)))
            room = n - 1 - abs(s) * (k - 1)
            first = self.integer(0, room) if k and room > 0 else 0
            start.append(0 if not k else first if s > 0 else n - 1 - first)
            size.append(k)
            step.append(s)
        return tuple(start), tuple(size), tuple(step)

    def slice(self):
        x = self.value()
        start, size, step = self.part(x.type.shape)
        return apply("slice", x, start=start, size=size, step=step)

    def pad(self):
        x = self.value()
        steps = tuple(self.one_of([1, 1, 2, -1]) for _ in x.type.shape)
        spans = [abs(s) * max(0, n - 1) + 1 for n, s in zip(x.type.shape, steps, strict=True)]
        lead = [self.integer(0, 2) for _ in spans]
        shape = tuple(a + span + self.integer(0, 2) for a, span in zip(lead, spans, strict=True))
        start = tuple(
            a if s > 0 else a + span - 1 for a, span, s in zip(lead, spans, steps, strict=True)
        )
        return apply("pad", x, shape=shape, start=start, step=steps)

    def update(self):
        x = self.value()
        start, size, step = self.part(x.type.shape)
        new = self.pick(lambda n: n.type == ArrayType(size, self.dtype))
        new = new or self.small(apply("broadcast", number(3, self.dtype), shape=size))
        return apply("update", x, new, start=start, step=step)

    def concatenate(self):
        x = self.pick(lambda n: n.type.dtype == self.dtype and n.type.shape != ())
        if x is None:
            return None
        axis = self.integer(0, len(x.type.shape) - 1)
        rest = x.type.shape[:axis] + x.type.shape[axis + 1 :]

        def fits(node: Node) -> bool:
            shape = node.type.shape
            same = len(shape) == len(x.type.shape) and shape[:axis] + shape[axis + 1 :] == rest
            return same and node.type.dtype == self.dtype

        y = self.pick(fits)
        return apply("concatenate", x, y, x, axis=axis)

    def index(self, n: int) -> Node:
        shape = self.shape(2)
        first = apply("reshape", self.position(int(np.prod(shape))), shape=shape)
        return apply("minimum", first, number(n - 1, I64))

    def position(self, count: int) -> Node:
        """0 to count - 1 and over, as indices made in the program."""
        values = tuple(self.integer(0, 30) for _ in range(count))
        return apply("literal", value=values, dtype=I64, shape=(count,))

    def gather(self):
        x = self.pick(lambda n: n.type.dtype == self.dtype and n.type.shape[:1] not in ((), (0,)))
        return None if x is None else apply("gather", x, self.index(x.type.shape[0]))

    def scatter(self):
        x = self.pick(lambda n: n.type.dtype == self.dtype and n.type.shape[:1] not in ((), (0,)))
        if x is None:
            return None
        index = self.index(x.type.shape[0])
        new = apply(
            "broadcast", number(2, self.dtype), shape=(*index.type.shape, *x.type.shape[1:])
        )
        return self.small(apply(self.one_of(["scatter", "scatter_add"]), x, index, new))

    def matmul(self):
        a = self.pick(lambda n: n.type.dtype == self.dtype and len(n.type.shape) >= 2)
        if a is None:
            return None
        b = self.pick(
            lambda n: (
                n.type.dtype == self.dtype
                and len(n.type.shape) == 2
                and a.type.shape[-1] == n.type.shape[0]
            )
        )
        b = b or apply(
            "transpose",
            a,
            order=(*range(len(a.type.shape) - 2), -1 % len(a.type.shape), len(a.type.shape) - 2),
        )
        return self.small(apply("matmul", self.tiny(a), self.tiny(b)))

    def tiny(self, node: Node) -> Node:
        return apply("clip", node, number(-30, self.dtype), number(30, self.dtype))

    def einsum(self):
        x = self.pick(lambda n: n.type.dtype == self.dtype and len(n.type.shape) == 2)
        if x is None:
            return None
        spec = self.one_of(
            [
                "ij,ij->i",
                "ij,ik->jk",
                "ij,kj->ik",
                "ij->j",
                "ij,ij,ij->j",
                "ij,kj,kl->li",
                "ij,kl->kj",
            ]
        )
        terms = spec.count(",") + 1
        return self.small(apply("einsum", *[self.cube(x)] * terms, spec=spec))

    def cube(self, node: Node) -> Node:
        return apply("clip", node, number(-5, self.dtype), number(5, self.dtype))

    def bits(self):
        key = self.input((2,), np.dtype("u4"))
        bits = apply("random_bits", key, number(3, I64), site=2, shape=self.shape(2))
        return apply("cast", apply("shift_right", bits, number(24, "u4")), dtype=self.dtype)

    def scan(self):
        if self.depth:
            return None
        init, x = (
            self.value(),
            self.pick(lambda n: n.type.dtype == self.dtype and n.type.shape != ()),
        )
        if x is None:
            return None
        inner = Builder(self.random, 1, self.sizes, self.dtype)
        const = self.value()
        for kind in (const.type, init.type, ArrayType(x.type.shape[1:], self.dtype)):
            inner.input(kind.shape)
        for _ in range(self.integer(1, 6)):
            inner.add()
        fit = [n for n in inner.nodes if n.type == init.type]
        outs = (inner.one_of(fit), inner.value(), inner.one_of(inner.nodes))
        extra = inner.inputs[3:]
        body = Graph((*extra, *inner.inputs[:3]), outs)
        keys = [self.input(node.type.shape, node.type.dtype) for node in extra]
        attrs = {
            "consts": 1 + len(extra),
            "carries": 1,
            "length": x.type.shape[0],
            "reverse": self.flag(),
        }
        several = apply("scan", *keys, const, init, x, body=body, **attrs)
        return tuple(n for n in results(several) if self.flag())


STEPS = (
    "unary unary binary binary binary binary binary compare compare select select cast cast "
    "literal reduce reduce reduce reshape reshape transpose transpose broadcast slice pad update "
    "concatenate gather scatter matmul matmul einsum einsum bits scan"
).split()


def _fits(a, b) -> bool:
    try:
        return (
            len(np.broadcast_shapes(a, b)) <= 5 and int(np.prod(np.broadcast_shapes(a, b))) <= MOST
        )
    except ValueError:
        return False


def program_of(seed: int):
    """A graph and its arguments."""
    random = Random(seed)
    builder = Builder(random)
    for _ in range(random.randint(1, 3)):
        builder.input(builder.shape())
    for _ in range(random.randint(1, 30)):
        builder.add()
    read = {arg for node in builder.nodes for arg in node.args}
    ends = [node for node in builder.nodes if node not in read or random.random() < 0.1]
    graph = Graph(
        tuple(builder.inputs), tuple(random.choice(ends) for _ in range(random.randint(1, 6)))
    )
    rng = np.random.default_rng(seed)
    args = [rng.integers(-4, 5, n.type.shape).astype(n.type.dtype) for n in graph.inputs]
    return graph, args


programs = st.integers(0, 2**32).map(program_of)
CALM = settings(max_examples=150, suppress_health_check=list(HealthCheck), print_blob=False)


@pytest.mark.native
@CALM
@generated(programs)
def test_compiled_equals_interpreted(program):
    graph, args = program
    graph.check()
    before = [x.copy() for x in args]
    assert_same(compiled(graph, args), reference(graph, args), graph)
    assert_same(args, before, graph)


@CALM
@generated(programs, st.lists(st.sampled_from(PASSES), max_size=6))
def test_passes_in_any_order_keep_values(program, passes):
    graph, args = program
    new = graph
    for step in passes:
        new = step(new)
    assert new.types == graph.types
    assert_same(reference(new, args), reference(graph, args), graph)


@pytest.mark.native
@settings(CALM, max_examples=50)
@generated(programs, st.sets(st.sampled_from(PASSES)))
def test_any_subset_of_passes_compiles(program, passes):
    graph, args = program
    chosen = tuple(step for step in PASSES if step in passes)
    assert_same(native(graph, None, chosen)(args, frozenset()), reference(graph, args), graph)


@CALM
@generated(programs)
def test_a_graph_and_its_text_have_one_plan(program):
    graph, _ = program
    again = Graph.from_text(graph.to_text())
    assert (
        str(schedule(rewrite(again))[0]).split("#")[0]
        == str(schedule(rewrite(graph))[0]).split("#")[0]
    )


@CALM
@generated(programs)
def test_memory_in_use_never_overlaps(program):
    """At each kernel, buffers of the arena that are still to be read lie apart from those being written."""
    graph, _ = program
    check_memory(schedule(rewrite(graph))[0])


def check_memory(plan) -> None:
    spans: dict[int, list[int]] = {}
    for position, kernel in enumerate(plan.kernels):
        for view in (*kernel.reads, *kernel.writes):
            spans.setdefault(view.buffer, []).append(position)
    inside = [i for i in spans if plan.buffers[i].place == "arena" and plan.buffers[i].nbytes]
    for a, b in itertools.combinations(inside, 2):
        one, other = plan.buffers[a], plan.buffers[b]
        apart = one.at + one.nbytes <= other.at or other.at + other.nbytes <= one.at
        handed_on = max(spans[a]) == min(spans[b]) or max(spans[b]) == min(spans[a])
        in_turn = max(spans[a]) < min(spans[b]) or max(spans[b]) < min(spans[a])
        assert apart or in_turn or (handed_on and one.at == other.at), (
            f"b{a} and b{b} overlap in\n{plan}"
        )
    for i in inside:
        assert plan.buffers[i].at + plan.buffers[i].nbytes <= plan.arena
