"""Where a number became NaN or infinite: the step is found again and blamed.

In: stretches of steps: where they started, and their batches. Out: the step, the last good weights, and
the operation and layer that made the first number that is not finite.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.derive.tree import flatten
from deltarule.program import Graph, Node, walk
from deltarule.train.epoch import Epochs, Program
from deltarule.train.prepare import Array

Leaves = Sequence[Array]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Steps that one call of a program does.

    Attributes
    ----------
    program : Program
        What does them.
    start : sequence of arrays
        The carry before the first.
    batches : array (steps, rows)
        The rows of each.
    """

    program: Program
    start: Leaves
    batches: Array

    def part(self, start: Leaves, first: int, last: int) -> tuple[Leaves, Array]:
        """The carry and the losses after some of the steps: the same bits as in one go."""
        if first == last:
            return start, np.empty(0)
        leaves, losses, _ = self.program(start, self.batches[first:last])
        return leaves, losses


@dataclass(frozen=True, slots=True)
class Failure:
    """A step whose loss, or whose new weights, are not finite.

    Attributes
    ----------
    index : int
        Of the step among those that were repeated.
    loss : float
        Of the step.
    good : sequence of arrays
        The carry with the last weights that are known to give a finite loss.
    place : str
        The operation that made the first number that is not finite, and its layer.
    """

    index: int
    loss: float
    good: Leaves
    place: str


def find_failure(epochs: Epochs, stretches: Sequence[Stretch]) -> Failure | None:
    """Repeat stretches of steps, each from its start, down to the first bad step.

    The programs are those of the training, so that the bits are the same.
    """
    weights = len(flatten(epochs.carry.params)[0])
    done, before = 0, stretches[0].start
    for stretch in stretches:
        n = len(stretch.batches)
        index, leaves = _first_bad(stretch, weights)
        if index < n:
            good = leaves
            _, (loss,) = stretch.part(leaves, index, index + 1)
            if not np.isfinite(loss):  # the update before spoilt the weights
                good = stretch.part(stretch.start, 0, index - 1)[0] if index else before
            return Failure(done + index, float(loss), good, _blame(epochs, stretch, index, leaves))
        before = stretch.part(stretch.start, 0, n - 1)[0]
        done += n
    return None


def _first_bad(stretch: Stretch, weights: int) -> tuple[int, Leaves]:
    """The first step with a loss or new weights that are not finite, and the carry before it.

    Found by halving: what is repeated is about as long as the stretch. Without a bad step, their
    number and the last carry.
    """
    low, high, leaves = 0, len(stretch.batches), stretch.start
    after, losses = stretch.part(leaves, low, high)
    if np.isfinite(losses).all() and finite(after[:weights]):
        return high, after
    while high - low > 1:
        middle = (low + high) // 2
        after, losses = stretch.part(leaves, low, middle)
        if np.isfinite(losses).all() and finite(after[:weights]):
            low, leaves = middle, after
        else:
            high = middle
    return low, leaves


def finite(arrays: Leaves) -> bool:
    """Whether all numbers are finite."""
    return all(np.isfinite(x).all() for x in arrays)


def _blame(epochs: Epochs, stretch: Stretch, index: int, leaves: Leaves) -> str:
    """Run one step node by node, and name the first node that is not finite."""
    rows = stretch.batches[index]
    staged = epochs.stage(len(rows))
    return first_not_finite(staged.graph, [*epochs.fixed, *leaves, rows, *staged.captured])


def first_not_finite(graph: Graph, args: Sequence[Any]) -> str:
    """Where the numbers that spoil the results come from, as operation and origin.

    Followed back from the loss, or else from the first bad result, along NaN before infinity, so
    that infinities which are meant (masks) are passed by.
    """
    with np.errstate(all="ignore"):
        values = walk(graph, list(args))[1]
    node = next((n for n in (graph.outputs[-1], *graph.outputs) if _bad(values[n])), None)
    while node is not None:
        bad = [arg for arg in node.args if _bad(values[arg])]
        if not bad:
            return _describe(node)
        node = next((arg for arg in bad if _has_nan(values[arg])), bad[0])
    return "the loss"


def _arrays(value: Any) -> list[Any]:
    parts = value if isinstance(value, tuple) else (value,)
    return [x for x in parts if x.dtype.kind == "f"]


def _bad(value: Any) -> bool:
    return not finite(_arrays(value))


def _has_nan(value: Any) -> bool:
    return any(np.isnan(x).any() for x in _arrays(value))


def _describe(node: Node) -> str:
    if not node.args:
        return "the weights or the network's state"
    place = f" at {node.origin}" if node.origin and str(node.origin) else ""
    return f"{node.primitive.name} -> {node.type}{place}"
