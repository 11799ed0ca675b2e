"""Where a number became NaN or infinite: the step is found again and blamed.

In: where programs started, and the rows of their steps. Out: the step, the last good weights, and
the operation and layer that made the first number that is not finite.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.derive.tree import flatten
from deltarule.program import Graph, Node, walk
from deltarule.train.epoch import Epochs, stage_program
from deltarule.train.prepare import Array

Leaves = Sequence[Array]


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


def find_failure(epochs: Epochs, stretches: Sequence[tuple[Leaves, Array]]) -> Failure | None:
    """Repeat stretches of steps one by one, each from its start, to the first bad one.

    The programs are those of the training, so that the bits are the same.
    """
    good, index = stretches[0][0], 0
    weights = len(flatten(epochs.carry.params)[0])
    for start, order in stretches:
        leaves = start
        for i in range(0, len(order), epochs.batch):
            rows = order[i : i + epochs.batch]
            full = len(rows) == epochs.batch
            program = epochs.program(*((1, 0) if full else (0, len(rows))))
            after, (loss,) = program(leaves, epochs.fixed, rows)
            good = leaves if np.isfinite(loss) else good
            if not (np.isfinite(loss) and finite(after[:weights])):
                return Failure(index, float(loss), good, _blame(epochs, leaves, rows))
            leaves, index = after, index + 1
    return None


def finite(arrays: Leaves) -> bool:
    """Whether all numbers are finite."""
    return all(np.isfinite(x).all() for x in arrays)


def _blame(epochs: Epochs, leaves: Leaves, rows: Array) -> str:
    """Run one step node by node, and name the first node that is not finite."""
    staged = stage_program(
        epochs.step, epochs.carry, epochs.key, epochs.data, 0, epochs.batch, len(rows)
    )
    return first_not_finite(staged.graph, [*leaves, *epochs.fixed, rows, *staged.captured])


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
