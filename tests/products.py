"""Generated products with what stands around them: operands of every layout, chains on the sums, scans.

Numbers are small integers, held in any type, so that sums in every order agree exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
from hypothesis import strategies as st

from compiling import apply, given, number, results
from deltarule.program import Graph, Node
from deltarule.program.types import ArrayType

MOST = 60_000  # multiply-adds
ROOM = 20_000  # elements of an array
TYPES = [np.dtype(name) for name in ("f4", "f4", "f4", "f8", "f8", "i4", "i8", "bool")]
OTHERS = [np.dtype(name) for name in ("f4", "f8", "i4", "i8", "i2", "bool")]


@dataclass(frozen=True)
class Program:
    """A graph, its arguments, and which of its results are functions that are rounded."""

    graph: Graph
    args: list[Any]
    rounded: frozenset[int]


class Maker:
    """A program while it grows."""

    def __init__(self, random: Random, dtype: np.dtype) -> None:
        self.random, self.dtype = random, dtype
        self.inputs: list[Node] = []
        self.lanes = random.choice([64, 32, 16]) // dtype.itemsize  # of some processor

    def one_of(self, options):
        return self.random.choice(list(options))

    def often(self, part: float = 0.5) -> bool:
        return self.random.random() < part

    def size(self) -> int:
        """A length at an edge: of a vector, of a tile, of a group of panels."""
        n, k = self.lanes, self.random.choice([1, 1, 2, 3, 4, 8])
        edges = [1, 2, 3, 5, 6, 7, 8, 9, 12, 13, 14, 15, 24, 25, n - 1, n, n + 1]
        edges += [k * n - 1, k * n, k * n + 1, k * n + 3]
        return max(1, self.one_of(edges))

    def input(self, shape: tuple[int, ...], dtype: np.dtype | None = None) -> Node:
        node = given(ArrayType(shape, dtype or self.dtype))
        self.inputs.append(node)
        return node

    # Operands.

    def operand(self, shape: tuple[int, ...]) -> Node:
        """An array of a shape, in some layout."""
        kind = self.one_of(
            ["plain", "plain", "turned", "strided", "backward", "inner", "repeated", "computed"]
        )
        rank = len(shape)
        if kind == "turned":
            order = self.random.sample(range(rank), rank)
            x = self.input(tuple(shape[i] for i in order))
            return apply("transpose", x, order=tuple(order.index(i) for i in range(rank)))
        if kind in ("strided", "backward", "inner"):
            step = {"strided": 2, "backward": -1, "inner": 1}[kind]
            whole = tuple((n - 1) * abs(step) + 1 + (kind == "inner") for n in shape)
            start = tuple(n - 1 if step < 0 else kind == "inner" for n in whole)
            x = self.input(whole)
            start = tuple(int(i) for i in start)
            return apply("slice", x, start=start, size=shape, step=(step,) * rank)
        if kind == "repeated":
            small = tuple(1 if self.often(0.3) else n for n in shape)
            return apply("broadcast", self.input(small), shape=shape)
        x = self.input(shape)
        if kind == "computed":
            return self.small(apply("mul", x, self.input(shape[1:])), 5)
        return x

    def small(self, x: Node, limit: int = 1000) -> Node:
        """Cut to a range in which everything is exact."""
        if x.type.dtype == bool:
            return x
        if x.type.dtype.itemsize == 2:
            limit = min(limit, 100)
        return apply("clip", x, number(-limit, x.type.dtype), number(limit, x.type.dtype))

    def product(self, result: tuple[int, ...] | None = None) -> Node:
        """A sum of products over one axis or several, of rows and columns, in a batch or not."""
        labels = iter("abcdefghijkl")
        sizes: dict[str, int] = {}

        def some(count: int) -> str:
            found = "".join(next(labels) for _ in range(count))
            for letter in found:
                room = MOST // math.prod(sizes.values())
                sizes[letter] = min(self.size(), max(1, room))
            return found

        if result is not None:
            rows, columns, batch = next(labels), next(labels), ""
            sizes[rows], sizes[columns] = result
        else:
            rows, columns = some(self.one_of([1, 1, 1, 2])), some(self.one_of([1, 1, 1, 2]))
            batch = some(self.one_of([0, 0, 0, 1, 2]))
        summed = some(self.one_of([1, 1, 2, 3]))
        out = batch + rows + columns
        if result is None and self.often(0.2):
            out = "".join(self.random.sample(out, len(out)))
        ours = "".join(x for x in batch if self.often(0.7))
        theirs = "".join(x for x in batch if x not in ours or self.often(0.7))
        one = self.shuffled(ours, rows, summed)
        other = self.shuffled(theirs, summed, columns)
        a, b = (self.operand(tuple(sizes[x] for x in letters)) for letters in (one, other))
        return apply("einsum", a, b, spec=f"{one},{other}->{out}")

    def shuffled(self, *parts: str) -> str:
        letters = "".join(parts)
        return "".join(self.random.sample(letters, len(letters))) if self.often(0.3) else letters

    # What is done with the sums.

    def chain(self, x: Node, length: int) -> list[Node]:
        """Values made of x, one after the other."""
        found = [x]
        for _ in range(length):
            step = getattr(self, self.one_of(CHAIN))
            found.append(self.small(step(self.one_of([found[-1], found[-1], *found]))))
        return found

    def row(self, x: Node) -> Node:
        return apply("add", x, self.input(x.type.shape[-1:], x.type.dtype))

    def column(self, x: Node) -> Node:
        shape = (*x.type.shape[:-1], 1)
        return apply(self.sign(x), x, self.input(shape, x.type.dtype))

    def one_number(self, x: Node) -> Node:
        return apply("maximum", x, self.input((), x.type.dtype))

    def whole(self, x: Node) -> Node:
        return apply(self.sign(x), x, self.input(x.type.shape, x.type.dtype))

    def sign(self, x: Node) -> str:
        return "add" if x.type.dtype == bool else self.one_of(["add", "sub", "mul"])

    def itself(self, x: Node) -> Node:
        return apply("mul", x, x)

    def mask(self, x: Node) -> Node:
        zero = number(0, x.type.dtype)
        return apply("select", apply("gt", x, zero), x, zero)

    def given_mask(self, x: Node) -> Node:
        mask = self.input(self.one_of([x.type.shape, x.type.shape[-1:]]), np.dtype("bool"))
        return apply("select", mask, x, number(1, x.type.dtype))

    def cast(self, x: Node) -> Node:
        return apply("cast", self.small(x, 100), dtype=self.one_of(OTHERS))

    def turned(self, x: Node) -> Node:
        if len(x.type.shape) < 2 or x.type.size > ROOM:
            return x
        order = (*range(len(x.type.shape) - 2), len(x.type.shape) - 1, len(x.type.shape) - 2)
        return apply("transpose", x, order=order)

    def centred(self, x: Node) -> Node:
        """Less the largest of its row, as a softmax has it."""
        if x.type.dtype == bool:
            return x
        last = len(x.type.shape) - 1
        most = apply("max", x, axes=(last,))
        return apply("sub", x, apply("reshape", most, shape=(*most.type.shape, 1)))

    def summed(self, x: Node) -> Node:
        axis = self.random.randrange(len(x.type.shape))
        if x.type.dtype == bool:
            return x
        total = self.small(apply("sum", x, axes=(axis,)))
        shape = (*x.type.shape[:axis], 1, *x.type.shape[axis + 1 :])
        return apply("add", x, apply("reshape", total, shape=shape))

    def other_product(self, x: Node) -> Node:
        if len(x.type.shape) != 2 or x.type.dtype != self.dtype:
            return x
        return apply("add", x, self.product(x.type.shape))

    # Whole programs.

    def rounded(self, x: Node) -> Node:
        """A function whose values are rounded."""
        if x.type.dtype.kind != "f":
            x = apply("cast", x, dtype=np.dtype("f4"))
        scaled = apply("mul", x, number(1 / 64, x.type.dtype))
        return apply(self.one_of(["tanh", "exp", "sigmoid", "sin"]), scaled)

    def straight(self) -> tuple[list[Node], frozenset[int]]:
        """A product or two, and a chain; some of its values are results."""
        found = self.chain(self.product(), self.random.randint(0, 5))
        outputs = [found[-1], *(x for x in found[:-1] if self.often(0.25))]
        if self.often(0.4):
            return [*outputs, self.rounded(found[-1])], frozenset([len(outputs)])
        return outputs, frozenset()

    def scan(self) -> tuple[list[Node], frozenset[int]]:
        """Weights and a moment of one shape that a loop of products changes in place."""
        m, n, k = (min(self.size(), 40) for _ in range(3))
        inner = Maker(self.random, self.dtype)
        w, v, x = (inner.input(s) for s in ((k, n), (k, n), (m, k)))
        h = inner.chain(apply("matmul", inner.small(x, 3), w), self.random.randint(0, 3))
        back = apply("cast", inner.small(h[-1], 9), dtype=self.dtype)
        if back.type.shape != (m, n):
            back = inner.small(apply("matmul", inner.small(x, 3), w), 9)
        slope = apply("matmul", apply("transpose", x, order=(1, 0)), back)
        new_v = inner.small(apply("add", slope, v), 20)
        new_w = inner.small(apply("sub", w, new_v) if self.dtype != bool else slope, 20)
        if self.often():
            new_w, new_v = new_v, new_w
        extra, length = inner.inputs[3:], self.random.randint(1, 4)
        body = Graph((*extra, w, v, x), (new_w, new_v, h[-1], h[0]))
        consts = [self.input(node.type.shape, node.type.dtype) for node in extra]
        carries, xs = [self.input((k, n)) for _ in range(2)], self.input((length, m, k))
        attrs = {"consts": len(extra), "carries": 2, "length": length, "reverse": self.often()}
        outputs = results(apply("scan", *consts, *carries, xs, body=body, **attrs))
        return [y for y in outputs if self.often(0.8)] or [outputs[0]], frozenset()


CHAIN = (
    "row row column one_number whole whole itself mask given_mask cast cast turned centred summed "
    "other_product other_product"
).split()


def product_program_of(seed: int) -> Program:
    """A program and its arguments."""
    random = Random(seed)
    maker = Maker(random, random.choice(TYPES))
    outputs, rounded = maker.scan() if random.random() < 0.25 else maker.straight()
    graph = Graph(tuple(maker.inputs), tuple(outputs))
    return Program(graph, small_args(graph, seed), rounded)


PANELS = [  # rows, columns, terms of a sum, how columns lie
    (600, 33, 20, "turned"),  # rows are shared: each thread copies all panels
    (600, 140, 300, "plain"),  # several groups of panels
    (40, 300, 700, "turned"),  # panels are shared
    (64, 257, 40, "plain"),
    (120, 131, 9, "plain"),
    (200, 200, 5, "strided"),
    (24, 128, 1300, "turned"),
    (700, 70, 9, "turned"),
    (700, 37, 6, "strided"),
]


def panel_program_of(
    rows: int,
    columns: int,
    terms: int,
    layout: str,
    dtype: str,
) -> Program:
    """relu(a b + c), where columns of b are copied to panels."""
    kind = np.dtype(dtype)
    a, c = (given(ArrayType(shape, kind)) for shape in ((rows, terms), (columns,)))
    shape = {
        "plain": (terms, columns),
        "turned": (columns, terms),
        "strided": (terms, 2 * columns - 1),
    }[layout]
    b = given(ArrayType(shape, kind))
    read = b
    if layout == "turned":
        read = apply("transpose", b, order=(1, 0))
    if layout == "strided":
        read = apply("slice", b, start=(0, 0), size=(terms, columns), step=(1, 2))
    graph = Graph((a, b, c), (apply("relu", apply("add", apply("matmul", a, read), c)),))
    return Program(graph, small_args(graph, rows), frozenset())


def small_args(graph: Graph, seed: int) -> list[Any]:
    """Small integers."""
    rng = np.random.default_rng(seed)
    return [rng.integers(-3, 4, n.type.shape).astype(n.type.dtype) for n in graph.inputs]


def ahead_program_of(rows: int) -> Program:
    """W - x y, where W fills a little more than a megabyte: it is asked for before it is needed."""
    columns = (1 << 18) // rows + 5
    shapes = (rows, columns), (rows, 3), (3, columns)
    w, x, y = (given(ArrayType(shape, np.dtype("f4"))) for shape in shapes)
    graph = Graph((w, x, y), (apply("sub", w, apply("matmul", x, y)),))
    return Program(graph, small_args(graph, rows), frozenset())


def two_products() -> Program:
    """a b c: the first needs more memory for its panels than the second."""
    a, b, c = (
        given(ArrayType(shape, np.dtype("f4"))) for shape in ((600, 300), (300, 140), (70, 140))
    )
    last = apply("matmul", apply("matmul", a, b), apply("transpose", c, order=(1, 0)))
    graph = Graph((a, b, c), (last,))
    return Program(graph, small_args(graph, 0), frozenset())


seeds = st.integers(0, 2**32)
