"""Complex numbers as pairs of real ones, which machine code computes like any others.

In: a closed graph. Out: one in which only inputs, outputs and what NumPy computes are complex, each taken
apart or put together there; part by part everything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.compile.algebra import node_of, put_in
from deltarule.derive.trace import baked, stage
from deltarule.program import ArrayType, Graph, Node, ops
from deltarule.program.graph import subgraphs
from deltarule.program.lowering import Loop
from deltarule.program.ops.complex import REAL
from deltarule.program.ops.parts import LARGEST_POWER, PARTS, Pair, by_part, whole_power

Done = dict[Graph, Graph]


def is_complex(node: Node) -> bool:
    """Whether a node, or one of its results, is complex."""
    types = node.type if isinstance(node.type, tuple) else (node.type,)
    return any(kind.dtype.kind == "c" for kind in types)


def split(graph: Graph, done: Done) -> Graph:
    """The graph with complex arithmetic in parts; itself where there is none."""
    if graph not in done:
        inner = any(split(sub, done) is not sub for node in graph.nodes for sub in subgraphs(node))
        found = inner or any(map(is_complex, graph.nodes))
        done[graph] = Splitter(done).run(graph) if found else graph
    return done[graph]


class Splitter:
    """One graph on its way: what each of its nodes has become.

    Attributes
    ----------
    new : dict
        The node of each real value, and of each operation with several results.
    pairs : dict
        The parts of each complex value; the imaginary one is None where it is zero everywhere.
    """

    def __init__(self, done: Done) -> None:
        self.done = done
        self.new: dict[Node, Node] = {}
        self.pairs: dict[Node, Pair] = {}
        self.several: dict[Node, list[Any]] = {}  # the results of loops

    def run(self, graph: Graph) -> Graph:
        """The graph between the same complex inputs and outputs."""
        for node in graph.inputs:
            self.new[node] = node
            if is_complex(node):
                self.pairs[node] = self.apart(node)
        self.walk(graph)
        return Graph(graph.inputs, tuple(map(self.whole, graph.outputs)))

    def body(self, graph: Graph) -> Graph:
        """The graph with two inputs and two outputs for each complex one."""
        inputs: list[Node] = []
        for node in graph.inputs:
            if is_complex(node):
                kind = ArrayType(node.type.shape, REAL[node.type.dtype])
                self.pairs[node] = (given(kind), given(kind))
                inputs += self.pairs[node]
            else:
                self.new[node] = node
                inputs.append(node)
        self.walk(graph)
        outputs = [part for node in graph.outputs for part in self.both(node)]
        return Graph(tuple(inputs), tuple(outputs))

    def walk(self, graph: Graph) -> None:
        """Every node after the inputs."""
        for node in graph.nodes[len(graph.inputs) :]:
            if isinstance(node.primitive.lowering, Loop):
                self.loop(node)
            elif node.primitive is ops.result:
                self.result(node)
            elif is_complex(node) or any(map(is_complex, node.args)):
                self.operation(node)
            else:
                args = tuple(self.new[arg] for arg in node.args)
                self.new[node] = Node(node.primitive, args, node.attrs, node.type, node.origin)

    # --- one node ---

    def operation(self, node: Node) -> None:
        """A node with a complex operand or result."""
        primitive = node.primitive
        if primitive is ops.literal:
            self.pairs[node] = self.literal(node)
        elif primitive is ops.complex:
            x, y = (self.new[arg] for arg in node.args)
            self.pairs[node] = (x, y)
        elif primitive in (ops.real, ops.imag):
            self.new[node] = self.both(node.args[0])[primitive is ops.imag]
        elif primitive is ops.cast:
            self.cast(node)
        elif primitive is ops.stop_gradient:
            self.pairs[node] = self.pairs[node.args[0]]
        elif by_part(primitive):
            self.pairs[node] = self.each_part(node)
        elif primitive in PARTS:
            self.formula(node, PARTS[primitive])
        else:
            self.foreign(node)

    def literal(self, node: Node) -> Pair:
        """A number, or a small array of numbers, as two."""
        z = np.asarray(node.primitive.evaluate(**node.attrs))
        dtype = REAL[z.dtype]
        shape = {"shape": z.shape} if z.shape else {}
        values = [tuple(p.ravel().tolist()) if z.shape else p.item() for p in (z.real, z.imag)]
        x, y = (node_of(ops.literal, like=node, value=v, dtype=dtype, **shape) for v in values)
        return (x, y) if z.imag.any() or np.signbit(z.imag).any() else (x, None)

    def cast(self, node: Node) -> None:
        """To another complex dtype: each part; from a real one: the real part; to bool: either."""
        (arg,) = node.args
        dtype = REAL.get(node.type.dtype, node.type.dtype)
        first, second = self.pairs.get(arg) or (self.new[arg], None)
        x = node_of(ops.cast, first, like=node, dtype=dtype)
        y = None if second is None else node_of(ops.cast, second, like=node, dtype=dtype)
        if is_complex(node):
            self.pairs[node] = (x, y)
        else:
            self.new[node] = x if y is None else node_of(ops.or_, x, y, like=node)

    def each_part(self, node: Node) -> Pair:
        """The operation on all real parts, and on all imaginary parts."""
        pairs = [self.pairs.get(arg) for arg in node.args]
        imaginary = any(pair and pair[1] is not None for pair in pairs)
        found = []
        for part in (0, 1)[: 1 + imaginary]:
            args = [
                self.new[arg] if pair is None else self.both(arg)[part]
                for arg, pair in zip(node.args, pairs, strict=True)
            ]
            found.append(node_of(node.primitive, *args, like=node, **node.attrs))
        return found[0], found[1] if imaginary else None

    def formula(self, node: Node, rule: Any) -> None:
        """What a rule of complex arithmetic makes of the parts."""
        if node.primitive is ops.power and (n := whole(node.args[1])) is not None:
            rule, args = (lambda z: whole_power(z, n)), node.args[:1]
            if node.args[0].type.shape != node.type.shape:
                rule, args = PARTS[ops.power], node.args
        else:
            args = node.args
        given = [self.pairs.get(arg) or self.new[arg] for arg in args]
        found = written(rule, given, node)
        if is_complex(node):
            self.pairs[node] = (found[0], found[1])
        else:
            self.new[node] = found

    def foreign(self, node: Node) -> None:
        """What NumPy computes takes and gives complex arrays."""
        args = tuple(map(self.whole, node.args))
        made = self.new[node] = Node(node.primitive, args, node.attrs, node.type, node.origin)
        if is_complex(node) and not isinstance(node.type, tuple):
            self.pairs[node] = self.apart(made)

    # --- several results ---

    def loop(self, node: Node) -> None:
        """A loop whose body is in parts."""
        body = node.attrs["body"]
        wide = [1 + (kind.dtype.kind == "c") for kind in body.types]
        sizes = [2 if kind.dtype.kind == "c" else 1 for kind in body.result_types]
        inner = (
            split(body, self.done) if max((*wide, *sizes)) == 1 else Splitter(self.done).body(body)
        )
        args = [part for arg in node.args for part in self.both(arg)]
        attrs, done = {**node.attrs, "body": inner}, 0
        for key in ("consts", "carries"):
            if key in attrs:
                first, done = done, done + attrs[key]
                attrs[key] = sum(wide[first:done])
        made = node_of(node.primitive, *args, like=node, **attrs)
        parts = iter([node_of(ops.result, made, like=node, index=i) for i in range(sum(sizes))])
        self.several[node] = [[next(parts) for _ in range(n)] for n in sizes]

    def result(self, node: Node) -> None:
        """One of several results."""
        (several,) = node.args
        if several in self.several:
            found = self.several[several][node.attrs["index"]]
            if len(found) == 2:
                self.pairs[node] = (found[0], found[1])
            else:
                (self.new[node],) = found
            return
        if several not in self.new:
            self.foreign(several)
        made = self.new[node] = node_of(ops.result, self.new[several], like=node, **node.attrs)
        if is_complex(node):
            self.pairs[node] = self.apart(made)

    # --- apart and together ---

    def apart(self, node: Node) -> Pair:
        """The parts of a complex array in memory."""
        return node_of(ops.real, node, like=node), node_of(ops.imag, node, like=node)

    def both(self, node: Node) -> tuple[Node, ...]:
        """A real value, or both parts of a complex one, zeros written out."""
        if node not in self.pairs:
            return (self.new[node],)
        x, y = self.pairs[node]
        if y is None:
            zero = node_of(ops.literal, like=node, value=0.0, dtype=x.type.dtype)
            y = (
                node_of(ops.broadcast, zero, like=node, shape=x.type.shape)
                if x.type.shape
                else zero
            )
            self.pairs[node] = (x, y)
        return x, y

    def whole(self, node: Node) -> Node:
        """The value as one array."""
        if node not in self.pairs:
            return self.new[node]
        if node not in self.new:
            self.new[node] = node_of(ops.complex, *self.both(node), like=node)
        return self.new[node]


def given(kind: ArrayType) -> Node:
    """An input."""
    return Node(ops.input, (), {"type": repr(kind)}, kind)


def whole(node: Node) -> int | None:
    """The whole number that all elements of a node are, where a power by it becomes products."""
    while node.primitive in (ops.broadcast, ops.reshape, ops.cast) and node.type.size:
        (node,) = node.args
    if node.primitive is not ops.literal or node.type.shape:
        return None
    n = node.attrs["value"]
    fits = n.imag == 0 and abs(n.real) <= LARGEST_POWER and n.real == int(n.real)
    return int(n.real) if fits else None


def written(rule: Any, operands: Sequence[Any], like: Node) -> Any:
    """The nodes of a rule on operands, each a node or a pair of them."""
    leaves = [part for x in operands for part in (x if isinstance(x, tuple) else (x,)) if part]
    shown: list[bool] = []

    def parts(*values: Any) -> list[Any]:
        it = iter(values)
        shaped = [
            tuple(None if part is None else next(it) for part in x)
            if isinstance(x, tuple)
            else next(it)
            for x in operands
        ]
        attrs = {} if rule not in PARTS.values() else like.attrs
        found = rule(*shaped, **attrs)
        both = found if isinstance(found, tuple) else (found,)
        shown[:] = [part is not None for part in both]
        return [part for part in both if part is not None]

    graph = baked(stage(parts, [leaf.type for leaf in leaves]))
    outputs = iter(put_in(graph, leaves, like))
    found = [next(outputs) if there else None for there in shown]
    return found if is_complex(like) else found[0]
