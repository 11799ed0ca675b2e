"""The network's outputs on rows that it is not trained on, after every epoch.

In: a network, rows, how often they will be wanted. Out: ``Evaluation``, called with weights and state,
which runs as native code, or in NumPy where that is sooner done.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.compile import Form
from deltarule.derive import stage
from deltarule.derive.trace import Staged
from deltarule.derive.tree import flatten, unflatten
from deltarule.derive.ufuncs import network_types
from deltarule.nn import Module
from deltarule.program import type_of
from deltarule.program.types import ArrayType
from deltarule.train.epoch import Carry, executable, work, worth_compiling
from deltarule.train.prepare import Array


class Evaluation:
    """A network in evaluation mode on given rows, cut as ``net(X)`` cuts them.

    Parameters
    ----------
    net : Module
        The network.
    carry : Carry
        Weights and state, for their structure and types.
    inputs : array (rows, ...)
        What it is evaluated on.
    times : int
        How often: what is compiled follows from the estimated work of all of it.
    """

    def __init__(self, net: Module, carry: Carry, inputs: Array, times: int) -> None:
        self.net, self.inputs = net, inputs
        self.spec = flatten((carry.params, carry.state))[1]
        self.cut = net.chunk_rows(inputs)
        full, rest = divmod(len(inputs), self.cut)
        self.parts: list[tuple[Any, tuple[Any, ...], Array]] = []
        stretches = [inputs[: full * self.cut], inputs[full * self.cut :]]
        cuts = [(self.cut, stretches[0])] * (full > 0) + [(rest, stretches[1])] * (rest > 0)
        staged = [(self.stage(carry, rows), rows, x) for rows, x in cuts]
        seconds = sum(work(one.graph).seconds * len(x) / rows for one, rows, x in staged)
        self.native = worth_compiling(times * seconds)
        if self.native:
            for one, rows, x in staged:
                run, captured = executable(one, Form(0, 1), True)
                self.parts.append((run, captured, x.reshape(-1, rows, *x.shape[1:])))

    def stage(self, carry: Carry, rows: int) -> Staged:
        """The graph of a chunk: weights, state and rows in, outputs out."""

        def outputs(*values: Any) -> list[Any]:
            params, state = unflatten(self.spec, values[:-1])
            with network_types():
                y = self.net.apply(params, state, values[-1])[0]
            return [y.astype(self.net.dtype) if y.dtype.kind == "f" else y]

        leaves = flatten((carry.params, carry.state))[0]
        rest = ArrayType((rows, *self.inputs.shape[1:]), self.inputs.dtype)
        return stage(outputs, [*(type_of(x) for x in leaves), rest])

    def __call__(self, carry: Carry) -> Array:
        """The outputs for all rows."""
        if not self.native:
            found: Array = self.net.evaluate(carry.params, carry.state, self.inputs)
            return found
        leaves = flatten((carry.params, carry.state))[0]
        done = []
        for run, captured, chunks in self.parts:
            (y,) = run(*captured, *leaves, chunks)
            done.append(y.reshape(-1, *y.shape[2:]))
        return np.concatenate(done) if len(done) > 1 else done[0]
