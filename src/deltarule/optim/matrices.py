"""A rule for whole matrices: Muon.

In: weights that are matrices, their gradients, their momentum. Out: the matrices after a step along
the orthogonal matrix nearest to the momentum; other weights are left to another rule.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import optree

from deltarule.derive.tree import flatten, unflatten
from deltarule.errors import DataError
from deltarule.optim.moments import AdamW
from deltarule.optim.rule import (
    Rule,
    Tree,
    check_fitting,
    check_rule,
    check_state,
    converted,
    dtype_of,
    shape_of,
)

QUINTIC = (3.4445, -4.775, 2.0315)  # a, b, c of Jordan (2024): steep at 0, about 1 near 1
SMALLEST = 1e-7  # a norm below it counts as this
SCALES = ("shape", "adamw")
Place = tuple[str, str]  # of a weight: its layer, its name there


@dataclass(frozen=True, slots=True)
class Muon(Rule):
    """Steps along the momentum with all its singular values made about 1; for matrices (Jordan 2024).

    M <- m M + (1 - m) G;  U = m M + (1 - m) G (Nesterov) or M;  W <- W - lr c W - lr s N(U).

    N begins with X = U / |U| and repeats X <- a X + (b A + c A^2) X with A = X X^T, five times, where
    (a, b, c) = (3.4445, -4.775, 2.0315): the Newton-Schulz iteration, whose singular values come to
    between about 0.7 and 1.2. s = sqrt(max(1, outputs / inputs)), or with scale="adamw"
    0.2 sqrt(max(outputs, inputs)), so that steps are as long as AdamW's (Liu and others 2025).

    Every weight that is no matrix is left to another rule, and so are the layers named in ``except_``:
    by habit the first and the last, whose inputs and outputs are no hidden features.

    ``torch.optim.Muon`` computes N in bfloat16; the figures here are those of the published loop in the
    dtype of the weights, here in float64.

    Parameters
    ----------
    learning_rate : float or schedule
        lr.
    momentum : float
        m in [0, 1).
    nesterov : bool
        Look ahead along M.
    weight_decay : float
        c, decoupled.
    scale : str
        "shape" or "adamw".
    others : rule
        What updates all other weights, with a learning rate of its own.
    except_ : sequence of str
        Layers or single weights for ``others``: "dense1", "dense3.weight".

    Raises
    ------
    DataError
        Where a setting is out of range; in ``init``, where ``except_`` names no weight.
    ShapeError
        In ``step``, where gradients do not fit the weights.

    Examples
    --------
    >>> import numpy as np, deltarule as dr
    >>> opt = dr.Muon(0.1, momentum=0.0)
    >>> w = {"weight": np.zeros((2, 2)), "bias": np.zeros(2)}
    >>> g = {"weight": np.array([[3.0, 0.0], [0.0, -0.5]]), "bias": np.ones(2)}
    >>> w, s = opt.step(w, g, opt.init(w))
    >>> w["weight"].round(3)  # about 0.1 along both axes, however different the gradients
    array([[-0.071,  0.   ],
           [ 0.   ,  0.104]])
    """

    learning_rate: Any = 0.02
    momentum: float = 0.95
    nesterov: bool = True
    weight_decay: float = 0.0
    scale: str = "shape"
    others: Any = field(default_factory=AdamW)
    except_: tuple[str, ...] = ()
    _coupled: ClassVar[bool] = False

    def __post_init__(self) -> None:
        Rule.__post_init__(self)
        check_rule(self, "others")
        if self.scale not in SCALES:
            raise DataError(f"Muon: scale must be 'shape' or 'adamw', not {self.scale!r}")
        names = (self.except_,) if isinstance(self.except_, str) else tuple(self.except_)
        object.__setattr__(self, "except_", names)

    def init(self, params: Tree) -> Tree:
        """The state before the first step: a momentum for each matrix, the state of the other rule."""
        leaves, spec = flatten(params)
        places = places_of(spec)
        self._check_names(places)
        matrices, others = self._sorted(leaves, places)
        momentum = [np.zeros(shape_of(leaves[i]), dtype_of(leaves[i])) for i in matrices]
        return {
            **self._begin(),
            "momentum": nested(places, matrices, momentum),
            "others": self.others.init(nested(places, others, [leaves[i] for i in others])),
        }

    def step(self, params: Tree, grads: Tree, state: Tree) -> tuple[Tree, Tree]:
        """New weights and state after one step."""
        check_state(self, state, (*self._begin(), "momentum", "others"))
        check_fitting(self, params, {"the gradient": grads})
        counters = self._next(state)
        rate = self._rate_at(counters)
        (leaves, spec), (slopes, _) = flatten(params), flatten(grads)
        places = places_of(spec)
        matrices, others = self._sorted(leaves, places)
        held = [state["momentum"][layer][name] for layer, name in (places[i] for i in matrices)]
        done = list(leaves)
        for k, i in enumerate(matrices):
            done[i], held[k] = self._update((rate,), leaves[i], slopes[i], held[k])
        mine, theirs = (nested(places, others, [of[i] for i in others]) for of in (leaves, slopes))
        found, kept = self.others.step(mine, theirs, state["others"]) if others else ({}, {})
        for i in others:
            layer, name = places[i]
            done[i] = found[layer][name]
        momentum = nested(places, matrices, held)
        state = {**counters, "momentum": momentum, "others": kept if others else state["others"]}
        return unflatten(spec, done), state

    def _update(self, scalars: tuple[Any, ...], p: Any, g: Any, *kept: Any) -> tuple[Any, ...]:
        (momentum,), m = kept, self.momentum
        momentum = m * momentum + (1 - m) * g
        ahead = m * momentum + (1 - m) * g if self.nesterov else momentum
        rate = converted(scalars[0], dtype_of(p))
        direction = orthogonalized(ahead) * self._scale(p)
        if self.weight_decay:
            direction = direction + self.weight_decay * p
        return p - rate * direction, momentum

    def _scale(self, p: Any) -> float:
        inputs, outputs = p.shape
        if self.scale == "adamw":
            return float(0.2 * np.sqrt(max(inputs, outputs)))
        return float(np.sqrt(max(1.0, outputs / inputs)))

    # --- which rule a weight belongs to ---

    def _sorted(self, leaves: list[Any], places: list[Place]) -> tuple[list[int], list[int]]:
        """Numbers of the matrices to orthogonalize, and of all other weights."""
        matrices: list[int] = []
        others: list[int] = []
        for i, (p, place) in enumerate(zip(leaves, places, strict=True)):
            mine = len(shape_of(p)) == 2 and 0 not in shape_of(p) and not self._excepted(place)
            (matrices if mine else others).append(i)
        return matrices, others

    def _excepted(self, place: Place) -> bool:
        whole = ".".join(filter(None, place))
        return any(whole == name or whole.startswith(f"{name}.") for name in self.except_)

    def _check_names(self, places: list[Place]) -> None:
        for name in self.except_:
            known = {".".join(filter(None, place)) for place in places}
            known |= {layer for layer, _ in places if layer}
            if not any(one == name or one.startswith(f"{name}.") for one in known):
                near = difflib.get_close_matches(name, known, n=1)
                hint = f", did you mean {near[0]!r}?" if near else "."
                raise DataError(
                    f"Muon: except_ names {name!r}, which is no layer or weight{hint} There are "
                    f"{', '.join(sorted(known))}"
                )


def orthogonalized(matrix: Any, steps: int = 5) -> Any:
    """N(U): about U (U^T U)^(-1/2), by products alone. The Gram matrix is on the shorter side."""
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    a, b, c = QUINTIC
    x = x / np.maximum(np.sqrt(np.sum(x * x)), SMALLEST)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    return x.T if tall else x


def places_of(spec: Any) -> list[Place]:
    """Layer and name of each weight: ``("dense1", "weight")``."""
    found = []
    for accessor in optree.treespec_accessors(spec):
        path = [str(entry.entry) for entry in accessor]
        found.append((".".join(path[:-1]), path[-1] if path else ""))
    return found


def nested(places: list[Place], chosen: Iterable[int], values: list[Any]) -> dict[str, Any]:
    """Some weights by layer and name; those of a layer stay side by side."""
    tree: dict[str, dict[str, Any]] = {}
    for i, value in zip(chosen, values, strict=True):
        layer, name = places[i]
        tree.setdefault(layer, {})[name] = value
    return tree
