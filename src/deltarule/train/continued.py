"""What an update rule kept, taken over by the training that continues.

In: the state that a run left, and that of a fresh start. Out: the state to continue from, where weights
may have been frozen or unfrozen between.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from deltarule.derive.tree import flatten, paths, unflatten
from deltarule.errors import DataError
from deltarule.nn.nested import Tree, flat

Shapes = dict[str, tuple[int, ...]]


def continued(old: Mapping[str, Any], trained: Tree, params: Tree, fresh: Any) -> Any:
    """The old state of the weights that are trained now; that of weights that were frozen is fresh.

    Parameters
    ----------
    old : mapping
        What the run left, by path as ``derive.tree.paths`` writes it.
    trained, params : nested dict
        All weights that the run left, and all that there are now.
    fresh : tree
        What the rule begins with for the weights that are trained now.

    Raises
    ------
    DataError
        Where the run is that of another rule or network.
    """
    now = by_path(fresh)
    before, weights = _shapes(trained), _shapes(params)
    if before != weights or _kinds(old.items(), weights) != _kinds(now.items(), weights):
        raise DataError(
            "resume: the optimizer or the network is of another kind than in the run to continue"
        )
    return unflatten(flatten(fresh)[1], [old.get(path, x) for path, x in now.items()])


def by_path(tree: Any) -> dict[str, Any]:
    """The leaves of a tree by path."""
    leaves, spec = flatten(tree)
    return dict(zip(paths(spec), leaves, strict=True))


def _shapes(params: Tree) -> Shapes:
    return {".".join(path): np.shape(w) for path, w in flat(params)}


def _kinds(leaves: Iterable[tuple[str, Any]], weights: Shapes) -> set[Any]:
    """What is kept, whatever the weight: the path before the weight's name, and how shape and type are."""
    return {_kind(path.replace("']['", "."), x, weights) for path, x in leaves}


def _kind(path: str, x: Any, weights: Shapes) -> tuple[str, Any]:
    owners = [name for name in weights if path.endswith((f".{name}']", f"['{name}']"))]
    owner = max(owners, key=len, default=None)
    if owner is None or np.shape(x) != weights[owner]:
        return path, (np.shape(x), np.asarray(x).dtype)
    return path.removesuffix(f"{owner}']"), np.asarray(x).dtype
