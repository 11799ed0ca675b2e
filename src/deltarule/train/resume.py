"""What an update rule kept, taken over by the training that continues.

In: where a run stands, and where a fresh start would. Out: the rule's state to continue from, where
weights may have been frozen or unfrozen between.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import optree

from deltarule.derive.tree import flatten, unflatten
from deltarule.errors import DataError
from deltarule.nn.nested import Path, Tree, flat

Leaves = dict[tuple[Any, ...], Any]


def continued(old: Any, params: Tree, fresh: Any) -> Any:
    """The state that a run left for the weights that are trained now; others start afresh.

    Parameters
    ----------
    old : Carry
        Where the run stands.
    params : nested dict
        All weights.
    fresh : tree
        What the rule begins with for those that are trained now.

    Raises
    ------
    DataError
        Where the run is that of another rule or network.
    """
    left, now = _leaves(old.opt_state), _leaves(fresh)
    shapes = [{path: np.shape(w) for path, w in flat(tree)} for tree in (old.params, params)]
    if shapes[0] != shapes[1] or _kinds(left, shapes[0]) != _kinds(now, shapes[0]):
        raise DataError(
            "resume: the optimizer or the network is of another kind than in the run to continue"
        )
    return unflatten(flatten(fresh)[1], [left.get(path, x) for path, x in now.items()])


def _leaves(tree: Any) -> Leaves:
    leaves, spec = flatten(tree)
    return dict(zip(optree.treespec_paths(spec), leaves, strict=True))


def _kinds(leaves: Leaves, weights: dict[Path, Any]) -> set[tuple[Any, ...]]:
    """What is kept: where each leaf stands, without the path of its weight."""
    return {_kind(path, np.shape(x), weights) for path, x in leaves.items()}


def _kind(path: tuple[Any, ...], shape: Any, weights: dict[Path, Any]) -> tuple[Any, ...]:
    starts = (n for n in range(len(path)) if path[n:] in weights)
    start = next(starts, None)
    if start is None:
        return (*path, shape)
    return (*path[:start], "" if shape == weights[path[start:]] else shape)
