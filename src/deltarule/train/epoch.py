"""The epoch as one program: gather a batch, forward, loss, backward, update, repeat.

In: a network, a loss, an update rule, shapes. Out: a graph of many steps (a scan over batches, then the partial last batch), run
as native code, or interpreted where that is sooner done.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.derive import scan, stage, value_and_grad
from deltarule.derive.trace import Staged
from deltarule.derive.tree import flatten, unflatten
from deltarule.derive.ufuncs import network_types
from deltarule.nn import Loss, Module
from deltarule.program import Graph, Node, interpret, type_of, walk
from deltarule.program.graph import subgraphs
from deltarule.program.types import ArrayType
from deltarule.train.prepare import Array, Data

CHUNK_FLOPS = 2e9
NODE_SECONDS = 4e-6
COMPILE_SECONDS = 0.4


@dataclass(frozen=True, slots=True)
class Carry:
    """What a step takes and gives: weights, the network's own state, the rule's state, number of steps done."""

    params: Any
    state: Any
    opt_state: Any
    count: Any


def step_of(net: Module, loss: Loss, optimizer: Any) -> Callable[..., tuple[Carry, Any]]:
    """One training step as a function: (carry, key, inputs, targets, weight) -> (carry, loss)."""

    def step(carry: Carry, key: Any, x: Any, y: Any, w: Any) -> tuple[Carry, Any]:
        def objective(params: Any) -> tuple[Any, Any]:
            outputs, state = net.apply(
                params, carry.state, x, train=True, key=key, step=carry.count
            )
            return loss(outputs, y, w), state

        (value, state), grads = value_and_grad(objective, has_aux=True)(carry.params)
        params, opt_state = optimizer.step(carry.params, grads, carry.opt_state)
        return Carry(params, state, opt_state, carry.count + np.int64(1)), value

    return step


@dataclass(slots=True)
class Program:
    """Some full batches and perhaps a partial one, in one executable."""

    run: Callable[..., tuple[Any, ...]]
    captured: tuple[Any, ...]
    spec: Any
    full: int
    rest: int

    def __call__(
        self, carry: Carry, key: Any, data: Data, order: Array, batch: int
    ) -> tuple[Carry, Array]:
        """Train on the rows of ``order``; the new carry, and the loss of each step."""
        cut = self.full * batch
        rows = [order[:cut].reshape(self.full, batch)] if self.full else []
        rows += [order[cut:]] if self.rest else []
        args = [*flatten(carry)[0], key, *arrays(data), *rows, *self.captured]
        out = self.run(*[np.asarray(x) for x in args])
        n = len(out) - 1
        return unflatten(self.spec, out[:n]), np.asarray(out[n])


def arrays(data: Data) -> list[Array]:
    """The arrays of a training that enter the program."""
    return [data.inputs, data.targets, *([] if data.weight is None else [data.weight])]


def stage_program(
    step: Callable[..., Any], carry: Carry, key: Any, data: Data, full: int, batch: int, rest: int
) -> Staged:
    """The graph of ``full`` steps and one of ``rest`` rows."""
    leaves, spec = flatten(carry)
    n, weighted = len(leaves), data.weight is not None

    def run(*values: Any) -> list[Any]:
        with network_types():
            return steps(*values)

    def steps(*values: Any) -> list[Any]:
        now = unflatten(spec, values[:n])
        key, X, y, *more = values[n:]
        w = more.pop(0) if weighted else None

        def on_rows(state: Carry, rows: Any) -> tuple[Carry, Any]:
            return step(state, key, X[rows], y[rows], None if w is None else w[rows])

        losses = []
        if full:
            now, found = scan(on_rows, now, more.pop(0))
            losses.append(found)
        if rest:
            now, found = on_rows(now, more.pop(0))
            losses.append(np.reshape(found, (1,)))
        return [*flatten(now)[0], np.concatenate(losses)]

    rows = [ArrayType((full, batch), np.dtype(np.int64))] if full else []
    rows += [ArrayType((rest,), np.dtype(np.int64))] if rest else []
    return stage(run, [*(type_of(np.asarray(x)) for x in (*leaves, key, *arrays(data))), *rows])


@dataclass(frozen=True, slots=True)
class Work:
    """Estimated work of a graph: operations on numbers, and nodes visited."""

    flops: float
    nodes: float


def work(graph: Graph) -> Work:
    """Count the work of running ``graph`` once; a scan counts its body once per step."""
    flops, nodes = 0.0, 0.0
    for node in graph.nodes:
        times = node.attrs.get("length", 1)
        inner = [
            work(sub)
            for name, sub in zip(node.attrs, subgraphs(node), strict=False)
            if name in ("body", "call")
        ]
        if not isinstance(node.type, tuple):
            flops += node_flops(node)
        flops += times * sum(w.flops for w in inner)
        nodes += 1 + times * sum(w.nodes for w in inner)
    return Work(flops, nodes)


def node_flops(node: Node) -> float:
    """Operations of one node: twice the multiply-adds of a product, one per element of anything else."""
    if node.primitive.name == "matmul":
        return 2.0 * node.type.size * node.args[0].type.shape[-1]
    if node.primitive.name == "einsum":
        sizes = {c: n for s, a in zip(node.attrs["spec"].split("->")[0].split(","), node.args, strict=True)
                 for c, n in zip(s, a.type.shape, strict=True)}  # fmt: skip
        return 2.0 * math.prod(sizes.values())
    return float(
        max(
            [
                node.type.size,
                *(arg.type.size for arg in node.args if not isinstance(arg.type, tuple)),
            ]
        )
    )


def executable(graph: Graph, times: int) -> Callable[..., tuple[Any, ...]]:
    """Native code for ``graph``, or the interpreter where ``times`` runs of it take less than compiling; by shapes alone."""
    total = work(graph)
    if times * (total.nodes * NODE_SECONDS + total.flops / 2e9) < COMPILE_SECONDS:
        return lambda *args: _interpreted(graph, args)
    from deltarule.compile import build  # imported where it is used: LLVM is heavy

    return build(graph)


def _interpreted(graph: Graph, args: tuple[Any, ...]) -> tuple[Any, ...]:
    with np.errstate(all="ignore"):
        return interpret(graph, *args)


class Epochs:
    """The programs of one training: an epoch is cut into equal chunks, with what is left in the last one."""

    def __init__(
        self,
        net: Module,
        loss: Loss,
        optimizer: Any,
        carry: Carry,
        key: Any,
        data: Data,
        batch: int,
        epochs: int,
    ):
        self.step = step_of(net, loss, optimizer)
        self.key, self.data, self.batch = key, data, batch
        full, rest = divmod(data.rows, batch)
        probe = work(
            stage_program(self.step, carry, key, data, 0, batch, min(batch, data.rows)).graph
        )
        most = max(1, int(CHUNK_FLOPS / max(probe.flops, 1)))
        count = max(1, math.ceil(full / most))
        size = full // count
        self.cuts = [(size, 0)] * (count - 1) + [(full - size * (count - 1), rest)]
        self.programs: dict[tuple[int, int], Program] = {}
        self.epochs = epochs
        self.carry = carry

    def program(self, full: int, rest: int) -> Program:
        """The program of a chunk, made when first wanted."""
        found = self.programs.get((full, rest))
        if found is None:
            staged = stage_program(
                self.step, self.carry, self.key, self.data, full, self.batch, rest
            )
            times = self.epochs * max(1, self.cuts.count((full, rest)))
            run = executable(staged.graph, times)
            found = Program(run, staged.captured, flatten(self.carry)[1], full, rest)
            self.programs[full, rest] = found
        return found

    def chunks(self, order: Array) -> list[tuple[Program, Array]]:
        """The chunks of an epoch, each with its rows."""
        out, start = [], 0
        for full, rest in self.cuts:
            n = full * self.batch + rest
            out.append((self.program(full, rest), order[start : start + n]))
            start += n
        return out


def first_not_finite(graph: Graph, args: list[Any]) -> str:
    """Where the first number that is not finite appears, as operation and origin."""
    with np.errstate(all="ignore"):
        values = walk(graph, args)[1]
    for node in graph.nodes[len(graph.inputs) :]:
        found = values[node]
        if (
            not isinstance(found, tuple)
            and found.dtype.kind == "f"
            and not np.isfinite(found).all()
        ):
            return (
                f"{node.primitive.name} -> {node.type} at {node.origin}"
                if node.origin
                else node.primitive.name
            )
    return "the loss"
