"""From a graph to kernels: which nodes are computed together, in which loop, reading which views.

In: a closed graph. Out: a ``Plan``. Elementwise nodes join the latest loop over their shape that stands
after everything they need; a chain whose only reader is a reduction or a copy is computed inside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from deltarule.compile.drafts import MOST_SCALARS, Draft, Pending, renumbered
from deltarule.compile.fuse import fused
from deltarule.compile.kernels import (
    Apply,
    Kernel,
    Load,
    MapKernel,
    Number,
    Scalar,
)
from deltarule.compile.lift import lifted
from deltarule.compile.memory import finish
from deltarule.compile.plan import Plan
from deltarule.compile.views import Ints, View
from deltarule.program import ArrayType, Graph, Node
from deltarule.program.lowering import Map

Rule = Callable[["Scheduler", Node], None]


class Scheduler:
    """One graph on its way to a plan.

    Parameters
    ----------
    graph : Graph
        What is planned.
    rules : callable
        ``rules(node)`` is the rule that schedules a node.
    codes : list of Node
        Nodes that machine code names by number; the list is shared with the bodies of loops.
    bodies : dict
        Plans of the bodies of loops, by body, number of constants and kind of loop, shared likewise.
    """

    def __init__(
        self,
        graph: Graph,
        rules: Callable[[Node], Rule],
        codes: list[Node],
        bodies: dict[tuple[Graph, int, bool], Plan],
    ) -> None:
        self.graph = graph
        self.rules = rules
        self.codes = codes
        self.bodies = bodies
        self.kernels: list[Draft | Kernel] = []
        self.buffers: list[tuple[np.dtype[Any], int]] = []
        self.written: list[int] = []  # position of the last kernel that writes each buffer
        self.constants: dict[int, np.ndarray[Any, Any]] = {}
        self.where: dict[Node, Any] = {}  # View, Number, Pending, or a tuple of views
        self.latest: dict[Ints, Draft] = {}
        self.uniform: dict[Any, View] = {}
        self.factors: dict[View, tuple[View, View]] = {}  # of matrices: l and u, pivots
        self.triangles: set[View] = set()  # matrices that are lower ones
        self.readers = readers(graph)

    def run(self) -> Plan:
        """Schedule every node, then lay out the memory."""
        for node in self.graph.inputs:
            self.where[node] = self.buffer(node.type)
        for node in self.graph.nodes[len(self.graph.inputs) :]:
            self.rules(node)(self, node)
        outputs = self.place_outputs()
        frozen = [k.freeze() if isinstance(k, Draft) else k for k in self.kernels]
        kernels = fused([kernel for kernel in frozen if kernel], outputs)
        kernels = lifted(kernels, self.constant)
        return finish(self.graph, kernels, self.buffers, outputs, self.constants)

    def place_outputs(self) -> dict[int, int]:
        """Which buffer is which output; a value that cannot be one as it stands is copied."""
        claimed: dict[int, int] = {}
        for i, node in enumerate(self.graph.outputs):
            if isinstance(self.where[node], Pending):
                self.view(node)
            view = self.where[node]
            if not (isinstance(view, View) and self.whole(view) and view.buffer not in claimed):
                view = self.buffer(node.type)
                self.copy(node, view)
            claimed[view.buffer] = i
        return claimed

    def whole(self, view: View) -> bool:
        """Whether a view is all of a buffer of ours, in order."""
        given = view.buffer < len(self.graph.inputs) or view.buffer in self.constants
        kind = (view.dtype, view.size)
        return (
            not given and view.contiguous and view.offset == 0 and self.buffers[view.buffer] == kind
        )

    # Memory.

    def buffer(self, kind: ArrayType) -> View:
        """New memory for an array."""
        self.buffers.append((kind.dtype, kind.size))
        self.written.append(-1)
        return View.whole(len(self.buffers) - 1, kind)

    def constant(self, array: np.ndarray[Any, Any]) -> View:
        """Memory that holds an array from the start."""
        out = self.buffer(ArrayType(array.shape, array.dtype))
        self.constants[out.buffer] = array
        return out

    def result(self, node: Node) -> View:
        """New memory for a node's value."""
        out = self.where[node] = self.buffer(node.type)
        return out

    def append(self, kernel: Kernel) -> None:
        """A kernel after all others."""
        self.kernels.append(kernel)
        for view in kernel.writes:
            self.written[view.buffer] = len(self.kernels) - 1

    def view(self, node: Node) -> View:
        """Where a value lies in memory; it is stored now if it was not."""
        where = self.where[node]
        if isinstance(where, Pending):
            out = self.result(node)
            where.draft.stores.append((where.place, out))
            self.written[out.buffer] = where.draft.position
            return out
        if isinstance(where, Number):
            return self.number_view(where).broadcast(node.type.shape)
        assert isinstance(where, View)
        return where

    def number_view(self, number: Number) -> View:
        """One element of memory that holds a number."""
        key = number.key
        if key not in self.uniform:
            out = self.buffer(ArrayType((), number.dtype))
            self.append(MapKernel((), (), (number,), ((0, out),)))
            self.uniform[key] = out
        return self.uniform[key]

    def contiguous(self, node: Node, from_axis: int = 0) -> View:
        """A view whose axes from ``from_axis`` on lie side by side."""
        if not isinstance(self.where[node], Number):
            view = self.view(node)
            if view.part(from_axis).contiguous:
                return view
        out = self.buffer(node.type)
        self.copy(node, out)
        return out

    def copy(
        self,
        node: Node,
        out: View,
        reader: Node | None = None,
    ) -> None:
        """Write a value to a place; a chain that only ``reader`` reads is computed on the way."""
        scalars, nodes = self.inlined(node, reader)
        if out.size:
            made = nodes if reader is None else (*nodes, reader)
            self.append(MapKernel(made, out.shape, scalars, ((len(scalars) - 1, out),)))

    # Elementwise nodes.

    def map(self, node: Node) -> None:
        """An elementwise node joins a loop."""
        lowering = node.primitive.lowering
        assert isinstance(lowering, Map)
        self.compute(node, lowering.expression, node.args)

    def compute(
        self,
        node: Node,
        expression: str,
        args: Sequence[Node],
    ) -> None:
        """A node's value is an expression of the elements of others."""
        shape = node.type.shape
        draft = self.draft(shape, max((self.ready(arg) for arg in args), default=0))
        places = tuple(self.scalar(arg, draft) for arg in args)
        apply = Apply(expression, places, node.type.dtype)
        self.where[node] = Pending(draft, draft.add(apply, node))

    def ready(self, node: Node) -> int:
        """The first position at which a loop may use a value; its own draft may, too."""
        where = self.where[node]
        if isinstance(where, Number):
            return 0
        if isinstance(where, Pending):
            return where.draft.position
        assert isinstance(where, View)
        return self.written[where.buffer] + 1

    def draft(self, shape: Ints, ready: int) -> Draft:
        """The latest loop over ``shape`` if it stands late enough and has room, or a new one."""
        draft = self.latest.get(shape)
        if draft is None or draft.position < ready or len(draft.scalars) >= MOST_SCALARS:
            draft = self.latest[shape] = Draft(len(self.kernels), shape)
            self.kernels.append(draft)
        return draft

    def scalar(self, node: Node, draft: Draft) -> int:
        """A node's value at each point of a draft's loop."""
        where = self.where[node]
        if isinstance(where, Number):
            return draft.add(where)
        if isinstance(where, Pending) and where.draft is draft:
            return where.place
        return draft.add(Load(self.view(node).broadcast(draft.shape)))

    def inlined(
        self, node: Node, reader: Node | None
    ) -> tuple[tuple[Scalar, ...], tuple[Node, ...]]:
        """Scalars of which the last is a value, and their nodes.

        They are computed again where ``reader`` is the only one who wants them, else loaded.
        """
        where = self.where[node]
        if isinstance(where, Number):
            return (where,), ()
        if not isinstance(where, Pending) or self.readers[node] != {reader}:
            return (Load(self.view(node)),), ()
        draft, own = where.draft, {where.place}
        found: dict[int, Scalar] = {}
        for place in range(where.place, -1, -1):
            if place not in own:
                continue
            scalar, maker = draft.scalars[place], draft.makers[place]
            if isinstance(scalar, Apply) and maker is not None:
                if place == where.place or self.read_only_within(maker, draft, own):
                    own.update(scalar.args)
                else:
                    scalar = Load(self.view(maker))
            found[place] = scalar
        made = (draft.makers[i] for i, scalar in found.items() if isinstance(scalar, Apply))
        return renumbered(found), tuple(maker for maker in made if maker)

    def read_only_within(
        self,
        node: Node,
        draft: Draft,
        places: set[int],
    ) -> bool:
        """Whether all readers of a node are values of a draft at the given places."""
        for reader in self.readers[node]:
            where = self.where.get(reader) if reader else None
            if not isinstance(where, Pending) or where.draft is not draft:
                return False
            if where.place not in places:
                return False
        return True

    def code(self, node: Node) -> int:
        """The number by which machine code names a node."""
        self.codes.append(node)
        return len(self.codes)


def readers(graph: Graph) -> dict[Node, set[Node | None]]:
    """Who reads each node; None stands for the outputs."""
    found: dict[Node, set[Node | None]] = {node: set() for node in graph.nodes}
    for node in graph.nodes:
        for arg in node.args:
            found[arg].add(node)
    for node in graph.outputs:
        found[node].add(None)
    return found
