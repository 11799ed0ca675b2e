"""The epoch as one program: gather a batch, forward, loss, backward, update, repeat.

In: a network, a loss, an update rule, shapes. Out: a graph of one step, run over any number of
batches by one call of native code, or interpreted where that is sooner done.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.compile import Form, build
from deltarule.compile.program import Interpreted
from deltarule.derive import stage, value_and_grad
from deltarule.derive.trace import Staged, scope
from deltarule.derive.tracer import Tracer
from deltarule.derive.tree import flatten, unflatten
from deltarule.derive.ufuncs import network_types
from deltarule.errors import DataError
from deltarule.nn import Loss, Module
from deltarule.nn.nested import merged
from deltarule.nn.tuning import Tunings
from deltarule.optim import grouped, searches
from deltarule.program import Graph, Node, type_of
from deltarule.program.graph import subgraphs
from deltarule.program.types import INT, ArrayType
from deltarule.train.prepare import Array, Data

NODE_SECONDS = 4e-6
FLOP_SECONDS = 5e-10
COMPILE_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Carry:
    """What a step takes and gives.

    Attributes
    ----------
    params, state : nested dict
        Weights and state of the network.
    opt_state : tree
        What the update rule keeps for the weights that are trained.
    count : integer
        Steps done.
    """

    params: Any
    state: Any
    opt_state: Any
    count: Any


def step_of(net: Module, loss: Loss, optimizer: Any) -> Callable[..., tuple[Carry, list[Any]]]:
    """One training step as a function: (carry, key, inputs, targets, weight) -> (carry, figures).

    The figures are the penalty, where there is one, and the loss. The gradient is that of their sum,
    with respect to the weights that are trained.
    """
    tuned = Tunings.of(net)
    rule = grouped(optimizer, tuned.factors)

    def step(carry: Carry, key: Any, x: Any, y: Any, w: Any) -> tuple[Carry, list[Any]]:
        def objective(trained: Any) -> tuple[Any, Any]:
            params, penalties = merged(carry.params, trained), tuned.penalties(trained)
            outputs, state = net.apply(
                params,
                carry.state,
                x,
                train=True,
                key=key,
                step=carry.count,
                penalties=penalties,
            )
            with scope(f"the loss {loss.name}"):
                found = loss(outputs, y, w)
            if not (isinstance(found, Tracer) and found.active):
                raise DataError(
                    f"the loss {loss.name} does not depend on the network's weights: there is "
                    "nothing to train, or dr.value cuts the gradient"
                )
            penalty = (
                [sum(penalties) if penalties else np.zeros_like(found)] if tuned.penalized else []
            )
            return sum(penalties, found), (state, [*penalty, found])

        trained, kept = tuned.trained(carry.params), carry.opt_state
        if searches(rule):  # it evaluates the loss itself, as often as it needs
            start = carry.state, [np.zeros((), net.dtype)] * (1 + bool(tuned.penalized))
            new, kept, value, (state, _) = rule.descend(objective, trained, kept, aux=start)
            figures = [value]
            if tuned.penalized:  # each by itself, at the weights before
                (_, (_, figures)), _ = value_and_grad(objective, has_aux=True)(trained)
        else:
            (_, (state, figures)), grads = value_and_grad(objective, has_aux=True)(trained)
            with scope("the optimizer's step"):
                new, kept = rule.step(trained, grads, kept)
        with scope("the optimizer's step"):
            params = merged(carry.params, tuned.bounded(new))
        return Carry(params, state, kept, carry.count + np.int64(1)), figures

    return step


@dataclass(frozen=True, slots=True)
class Program:
    """Steps over batches of one size, in one executable.

    One that is given more batches does more steps: same bits in one call or in many.
    """

    run: Callable[..., tuple[Any, ...]]
    fixed: tuple[Any, ...]

    def __call__(
        self, leaves: Sequence[Array], batches: Array
    ) -> tuple[list[Array], Array, Array | None]:
        """Train on the rows that each of ``batches`` names.

        Returns new leaves of the carry, the losses, and the penalties where there are some.
        """
        *out, losses = self.run(*self.fixed, *leaves, batches)
        n = len(leaves)
        return out[:n], losses, out[n] if len(out) > n else None


def stage_step(
    step: Callable[..., Any],
    carry: Carry,
    key: Array,
    data: Data,
    rows: int,
) -> Staged:
    """The graph of one step: key, data, leaves of the carry and indices of rows in; carry and figures
    out, the loss last."""
    leaves, spec = flatten(carry)
    fixed = [key, *data.arrays()]

    def run(*values: Any) -> list[Any]:
        key, X, y, *w = values[: len(fixed)]
        *now, chosen = values[len(fixed) :]
        with network_types():
            batch = X[chosen], y[chosen], w[0][chosen] if w else None
            after, figures = step(unflatten(spec, now), key, *batch)
        return [*flatten(after)[0], *figures]

    types = [type_of(x) for x in (*fixed, *leaves)]
    return stage(run, [*types, ArrayType((rows,), INT)])


@dataclass(frozen=True, slots=True)
class Work:
    """Estimated work of a graph: operations on numbers, and nodes visited."""

    flops: float
    nodes: float

    @property
    def seconds(self) -> float:
        """Of the interpreter."""
        return self.nodes * NODE_SECONDS + self.flops * FLOP_SECONDS


def work(graph: Graph) -> Work:
    """Count the work of running ``graph`` once; a scan counts its body once per step."""
    flops, nodes = 0.0, 0.0
    for node in graph.nodes:
        times = node.attrs.get("length", 1)
        pairs = zip(node.attrs, subgraphs(node), strict=False)
        inner = [work(sub) for name, sub in pairs if name in ("body", "call")]
        if not isinstance(node.type, tuple):
            flops += node_flops(node)
        flops += times * sum(w.flops for w in inner)
        nodes += 1 + times * sum(w.nodes for w in inner)
    return Work(flops, nodes)


def is_random(graph: Graph) -> bool:
    """Whether random numbers are drawn in a graph."""
    waiting = [graph]
    while waiting:
        for node in waiting.pop().nodes:
            if node.primitive.name == "random_bits":
                return True
            waiting += subgraphs(node)
    return False


def worth_compiling(seconds: float) -> bool:
    """Whether so much work of the interpreter is done sooner by compiling it first."""
    return seconds >= COMPILE_SECONDS


def node_flops(node: Node) -> float:
    """Operations of one node: twice the multiply-adds of a product, one per element of others."""
    if node.primitive.name == "matmul":
        return 2.0 * node.type.size * node.args[0].type.shape[-1]
    if node.primitive.name == "einsum":
        sizes: dict[str, int] = {}
        letters = node.attrs["spec"].split("->")[0].split(",")
        for word, arg in zip(letters, node.args, strict=True):
            sizes.update(zip(word, arg.type.shape, strict=True))
        return 2.0 * math.prod(sizes.values())
    types = (node.type, *(arg.type for arg in node.args))
    return float(max(t.size for t in types if not isinstance(t, tuple)))


def executable(staged: Staged, form: Form, native: bool) -> tuple[Any, tuple[Any, ...]]:
    """What runs a step of a loop, and the captured arrays, which come before the others.

    It is native code (or what DELTARULE_BACKEND says), or the interpreter.
    """
    graph = looped(staged)
    if native:
        return build(graph, form), staged.captured
    interpreted = Interpreted(graph, form)
    return lambda *arrays: tuple(interpreted(arrays, frozenset())), staged.captured


def looped(staged: Staged) -> Graph:
    """The graph with its captured arrays first, as the same in every step of a loop."""
    n = len(staged.graph.inputs) - len(staged.captured)
    inputs = staged.graph.inputs
    return Graph((*inputs[n:], *inputs[:n]), staged.graph.outputs)


class Epochs:
    """The programs of one training: of the full batches, and of the partial last one.

    Whether they are compiled or interpreted is decided once, by the estimated work of the whole
    training: by shapes alone, never by the clock.
    """

    def __init__(
        self,
        step: Callable[..., Any],
        carry: Carry,
        key: Array,
        data: Data,
        batch: int,
        epochs: int,
    ) -> None:
        self.step, self.carry, self.key, self.data = step, carry, key, data
        self.batch = batch
        self.fixed = (key, *data.arrays())
        self.form = Form(len(flatten(carry)[0]), 1, flush=True)
        self.full, self.rest = divmod(data.rows, batch)
        self.steps = self.full + (self.rest > 0)
        self.staged = {batch: self.stage(batch)}
        self.one = work(self.staged[batch].graph)
        self.native = worth_compiling(epochs * self.steps * self.one.seconds)
        self.programs: dict[int, Program] = {}

    def stage(self, rows: int) -> Staged:
        """The graph of a step on so many rows."""
        return stage_step(self.step, self.carry, self.key, self.data, rows)

    def program(self, rows: int) -> Program:
        """The program of batches of so many rows, made when first wanted."""
        found = self.programs.get(rows)
        if found is None:
            staged = self.staged.get(rows) or self.stage(rows)
            run, captured = executable(staged, self.form, self.native)
            found = self.programs[rows] = Program(run, (*captured, *self.fixed))
        return found

    def runs(self, orders: Array) -> list[tuple[Program, Array]]:
        """Programs and their batches, in order, for epochs whose orders of rows are given."""
        cut = self.full * self.batch
        if not self.rest:
            return [(self.program(self.batch), orders.reshape(-1, self.batch))]
        found = []
        for order in orders:
            found.append((self.program(self.batch), order[:cut].reshape(-1, self.batch)))
            found.append((self.program(self.rest), order[None, cut:]))
        return found
