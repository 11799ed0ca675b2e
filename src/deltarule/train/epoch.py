"""The epoch as one program: gather a batch, forward, loss, backward, update, repeat.

In: a network, a loss, an update rule, shapes. Out: a graph of many steps (a scan over batches, then
the partial last batch), run as native code, or interpreted where that is sooner done.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.derive import scan, stage, value_and_grad
from deltarule.derive.trace import Staged, scope
from deltarule.derive.tracer import Tracer
from deltarule.derive.tree import flatten, unflatten
from deltarule.derive.ufuncs import network_types
from deltarule.errors import DataError
from deltarule.nn import Loss, Module
from deltarule.program import Graph, Node, interpret, ops, random, type_of
from deltarule.program.graph import subgraphs
from deltarule.program.types import INT, ArrayType
from deltarule.train.prepare import Array, Data

CHUNK_FLOPS = 3e10  # about a tenth of a second: how long an interrupt may wait
BLOCK_FLOPS = 2e8
BLOCK_ROWS = 1 << 16
NODE_SECONDS = 4e-6
FLOP_SECONDS = 5e-10
COMPILE_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Carry:
    """What a step takes and gives: weights, state, the rule's state, number of steps done."""

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
            with scope(f"the loss {loss.name}"):
                found = loss(outputs, y, w)
            if not (isinstance(found, Tracer) and found.active):
                raise DataError(
                    f"the loss {loss.name} does not depend on the network's weights: there is "
                    "nothing to train, or dr.value cuts the gradient"
                )
            return found, state

        (value, state), grads = value_and_grad(objective, has_aux=True)(carry.params)
        with scope("the optimizer's step"):
            params, opt_state = optimizer.step(carry.params, grads, carry.opt_state)
        return Carry(params, state, opt_state, carry.count + np.int64(1)), value

    return step


@dataclass(frozen=True, slots=True)
class Program:
    """Some full batches and perhaps a partial one, in one executable."""

    run: Callable[..., tuple[Any, ...]]
    captured: tuple[Any, ...]
    full: int
    batch: int

    def __call__(self, leaves: Sequence[Array], fixed: Sequence[Array], order: Array) -> Any:
        """Train on the rows of ``order``: the new leaves of the carry, and each step's loss."""
        cut = self.full * self.batch
        rows = [order[:cut].reshape(self.full, self.batch)] if self.full else []
        if len(order) > cut:
            rows.append(order[cut:])
        *out, losses = self.run(*leaves, *fixed, *rows, *self.captured)
        return out, losses


def stage_program(
    step: Callable[..., Any],
    carry: Carry,
    key: Array,
    data: Data,
    full: int,
    batch: int,
    rest: int,
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

        def on_rows(state: Carry, rows: Any) -> Any:
            return step(state, key, X[rows], y[rows], None if w is None else w[rows])

        losses = []
        if full:
            now, found = scan(on_rows, now, more.pop(0))
            losses.append(found)
        if rest:
            now, found = on_rows(now, more.pop(0))
            losses.append(np.reshape(found, (1,)))
        return [*flatten(now)[0], np.concatenate(losses)]

    rows = [ArrayType((full, batch), INT)] if full else []
    rows += [ArrayType((rest,), INT)] if rest else []
    return stage(run, [*(type_of(x) for x in (*leaves, key, *data.arrays())), *rows])


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


def executable(graph: Graph, native: bool) -> Callable[..., tuple[Any, ...]]:
    """Native code for ``graph`` (or what DELTARULE_BACKEND says), or the interpreter."""
    if not native:
        return lambda *args: _interpreted(graph, args)
    from deltarule.compile import build  # imported where it is used: LLVM is heavy

    return build(graph)


def _interpreted(graph: Graph, args: tuple[Any, ...]) -> tuple[Any, ...]:
    with np.errstate(all="ignore"):
        return tuple(map(np.asarray, interpret(graph, *args)))


class Epochs:
    """The programs of one training.

    A long epoch is cut into equal chunks, with what is left in the last one. Where nothing is to be
    done between epochs and each has full batches only, several short epochs are one program.
    Whether programs are compiled or interpreted is decided once, by the estimated work of the whole
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
        together: bool,
    ) -> None:
        self.step, self.carry, self.key, self.data = step, carry, key, data
        self.batch, self.epochs = batch, epochs
        self.fixed = [key, *data.arrays()]
        self.full, self.rest = divmod(data.rows, batch)
        rows = min(batch, data.rows)
        one = work(stage_program(step, carry, key, data, 0, batch, rows).graph)
        self.native = epochs * math.ceil(data.rows / batch) * one.seconds >= COMPILE_SECONDS
        self.cuts = self._cuts(math.ceil(self.full * one.flops / CHUNK_FLOPS))
        self.at_once = 1
        if together and not self.rest:
            limit = min(BLOCK_FLOPS / one.flops / self.full, BLOCK_ROWS / data.rows, epochs)
            self.at_once = max(1, int(limit))
        self.programs: dict[tuple[int, int], Program] = {}

    def _cuts(self, count: int) -> list[tuple[int, int]]:
        """Full batches and rows of the partial one, of each chunk of an epoch."""
        count = min(count, self.full)
        size = self.full // count
        last = self.full - size * (count - 1)
        return [(size, 0)] * (count - 1) + [(last, self.rest)]

    def blocks(self, first: int) -> list[tuple[int, int]]:
        """First epoch and number of epochs of each block, of about equal sizes."""
        count = max(1, math.ceil(self.epochs / self.at_once))
        sizes = [self.epochs // count + (i < self.epochs % count) for i in range(count)]
        starts = first + np.cumsum([0, *sizes[:-1]])
        pairs = zip(starts.tolist(), sizes, strict=True)
        return [(start, size) for start, size in pairs if size]

    def program(self, full: int, rest: int) -> Program:
        """The program of so many batches, made when first wanted."""
        found = self.programs.get((full, rest))
        if found is None:
            staged = stage_program(
                self.step, self.carry, self.key, self.data, full, self.batch, rest
            )
            run = executable(staged.graph, self.native)
            found = Program(run, staged.captured, full, self.batch)
            self.programs[full, rest] = found
        return found

    def chunks(self, orders: Array) -> list[tuple[Program, Array]]:
        """The chunks of some epochs, each with its rows."""
        if len(orders) > 1:
            return [(self.program(len(orders) * self.full, 0), orders.reshape(-1))]
        out, start = [], 0
        for full, rest in self.cuts:
            n = full * self.batch + rest
            out.append((self.program(full, rest), orders[0, start : start + n]))
            start += n
        return out


class Orders:
    """The order of the rows in each epoch: a function of (seed, epoch), as ``random.permutation``.

    Several epochs are drawn at once, which costs little more than one.
    """

    def __init__(self, seed: int, rows: int, shuffle: bool) -> None:
        self.seed, self.rows, self.shuffle = seed, rows, shuffle
        self.first, self.drawn = 0, np.empty((0, rows), np.int64)

    def __call__(self, epoch: int, count: int) -> Array:
        """The orders of ``count`` epochs, from ``epoch`` on."""
        if not self.shuffle:
            return np.broadcast_to(np.arange(self.rows), (count, self.rows))
        start = epoch - self.first
        if start < 0 or start + count > len(self.drawn):
            ahead = max(count, min(BLOCK_ROWS // self.rows, 64))
            self.first, start = epoch, 0
            self.drawn = self._draw(np.arange(epoch, epoch + ahead))
        return self.drawn[start : start + count]

    def _draw(self, epochs: Array) -> Array:
        key, site = random.key(self.seed), random.site("shuffle")
        bits = ops.random_bits(key, epochs, site=site, shape=(self.rows,))
        drawn: Array = np.argsort(bits, axis=-1, kind="stable")
        return drawn
