"""How each weight is trained: whether at all, how fast, with which penalties and within which bound.

In: settings given to a layer, or to weights by name. Out: ``Tuning`` of every weight of a network; its
weights in two parts, trained and frozen; the penalty that is added to the loss; the bound that holds
after an update.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from numbers import Real
from typing import Any, Self

import numpy as np

from deltarule.errors import DataError, ShapeError
from deltarule.nn.named import nearest
from deltarule.nn.nested import Path, Tree, flat, nested


@dataclass(frozen=True, slots=True)
class Tuning:
    """How one weight w is trained; the defaults change nothing.

    Attributes
    ----------
    trainable : bool
        Whether it is trained; otherwise it has no gradient, no update and no optimizer state.
    rate, decay : float
        Factors of the optimizer's learning rate and of its weight_decay.
    l1, l2, orthogonal : float
        Penalties that are added to the loss, see ``penalty``.
    max_norm : float or None
        The longest that each unit's weights may be after an update, see ``bounded``.
    """

    trainable: bool = True
    rate: float = 1.0
    decay: float = 1.0
    l1: float = 0.0
    l2: float = 0.0
    orthogonal: float = 0.0
    max_norm: float | None = None

    @property
    def penalized(self) -> bool:
        """Whether anything is added to the loss."""
        return any(getattr(self, name) for name in PENALTIES)

    def penalty(self, w: Any) -> Any:
        """l1 sum |w| + l2/2 sum w^2 + orthogonal/2 sum (G - I)^2.

        The derivatives are l1 sign(w), l2 w and 2 orthogonal w (G - I). G = w^T w, or w w^T where
        that is smaller (soft orthogonality of Bansal, Chen and Wang 2018).
        """
        total = 0.0
        if self.l1:
            total = total + self.l1 * np.sum(abs(w))
        if self.l2:
            total = total + self.l2 / 2 * np.sum(w * w)
        if self.orthogonal:
            m = w.reshape(-1, w.shape[-1])
            gram = m.T @ m if m.shape[0] >= m.shape[1] else m @ m.T
            apart = gram - np.eye(gram.shape[0], dtype=w.dtype)
            total = total + self.orthogonal / 2 * np.sum(apart * apart)
        return total

    def bounded(self, w: Any) -> Any:
        """Each unit's weights at most max_norm long: w_j <- w_j min(1, max_norm / |w_j|).

        The units are the last axis, |w_j| is over the others (Srivastava and others 2014).
        """
        limit = self.max_norm
        if limit is None:
            return w
        square = np.sum(w * w, axis=tuple(range(len(w.shape) - 1)), keepdims=True)
        within = np.sqrt(np.maximum(square, limit * limit))
        return np.where(square > limit * limit, w * (limit / within), w)


PLAIN = Tuning()
PENALTIES = ("l1", "l2", "orthogonal")
OF_MATRICES = (*PENALTIES, "max_norm")  # given for a layer, they mean its matrices
ONLY_MATRICES = ("orthogonal", "max_norm")
OF_OUTPUTS = ("activity_l1", "activity_l2")  # of a layer, not of a weight
OF_WEIGHTS = tuple(field.name for field in fields(Tuning))
KNOWN = (*OF_WEIGHTS, *OF_OUTPUTS)


def check_known(owner: str, settings: Iterable[str], own: Iterable[str] = ()) -> None:
    """Raise where a setting is none of these, nor of the owner's own."""
    known = (*own, *KNOWN)
    for name in settings:
        if name not in known:
            raise DataError(
                f"{owner} has no setting {name!r}; known: {', '.join(known)}{nearest(name, known)}"
            )


def check_settings(owner: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings in plain Python types; DataError where one is unknown or out of range."""
    check_known(owner, settings)
    return {name: _checked(owner, name, value) for name, value in settings.items()}


def _checked(owner: str, name: str, value: Any) -> Any:
    if name == "trainable":
        if not isinstance(value, (bool, np.bool_)):
            raise DataError(f"{owner}: trainable is True or False, not {value!r}")
        return bool(value)
    if name == "max_norm" and value is None:
        return None
    number = isinstance(value, Real) and not isinstance(value, (bool, np.bool_))
    positive = name in ("rate", "max_norm")
    if not number or not (0 < value if positive else 0 <= value) or not math.isfinite(value):
        cure = "; to leave weights as they are, freeze them" if name == "rate" else ""
        kind = "a positive number" if positive else "0 or a positive number"
        raise DataError(f"{owner}: {name} must be {kind}, not {value!r}{cure}")
    return float(value)


def check_axes(name: str, array: Any, settings: Mapping[str, Any]) -> None:
    """Raise where a setting is about matrices, and the weight is none."""
    wrong = [key for key in ONLY_MATRICES if settings.get(key)]
    if wrong and len(array.shape) < 2:
        raise ShapeError(
            f"{wrong[0]} is about weights of two axes or more; {name} has shape {array.shape}"
        )


def activity_of(module: Any) -> dict[str, float]:
    """The penalties on a layer's outputs."""
    whole = module._tuning.get("", {})
    return {name: whole[name] for name in OF_OUTPUTS if whole.get(name)}


def activity_penalty(module: Any, y: Any) -> Any:
    """Mean over rows of activity_l1 sum |y| + activity_l2/2 sum y^2.

    The derivatives are activity_l1 sign(y) / rows and activity_l2 y / rows.
    """
    if not getattr(y, "shape", ()):
        raise ShapeError(
            "activity_l1 and activity_l2 are about one array of outputs, rows first; the layer "
            f"returned {type(y).__name__}"
        )
    total: Any = 0.0
    for name, strength in activity_of(module).items():
        size = np.sum(abs(y)) if name == "activity_l1" else np.sum(y * y) / 2
        total = total + strength / y.shape[0] * size
    return total


def differing(one: Tuning) -> dict[str, Any]:
    """Settings that are not the defaults."""
    plain = asdict(PLAIN)
    return {name: value for name, value in asdict(one).items() if value != plain[name]}


def weights_of(net: Any) -> dict[Path, Tuning]:
    """How each weight of a network is trained, by path."""
    return {
        (*path, name): tuning_of(module, name)
        for path, module in net.walk()
        for name in module._arrays
    }


def tuning_of(module: Any, name: str) -> Tuning:
    """How a weight of a layer is trained."""
    array, whole = module._arrays[name], module._tuning.get("", {})
    left_out = OF_OUTPUTS if array.ndim > 1 else (*OF_OUTPUTS, *OF_MATRICES)
    own = {key: value for key, value in whole.items() if key not in left_out}
    own |= module._tuning.get(name, {})
    check_axes(name, array, own)
    return Tuning(**own)


@dataclass(frozen=True, slots=True)
class Tunings:
    """How a network is trained: the tuning of each weight, by path.

    Attributes
    ----------
    weights : dict
        Path -> Tuning.
    outputs : bool
        Whether outputs of a layer have a penalty.
    """

    weights: dict[Path, Tuning]
    outputs: bool

    @classmethod
    def of(cls, net: Any) -> Self:
        """Those of a network now."""
        weights = weights_of(net)
        for name in OF_MATRICES:
            wanted = any(module._tuning.get("", {}).get(name) for _, module in net.walk())
            if wanted and not any(getattr(one, name) for one in weights.values()):
                raise ShapeError(
                    f"{name} given for a layer is about weights of two axes or more, and none of "
                    f"these layers has one; name the weight, as in net.tune('dense1.bias', {name}=0.1)"
                )
        return cls(weights, any(activity_of(module) for _, module in net.walk()))

    @property
    def penalized(self) -> bool:
        """Whether anything is added to the loss."""
        trained = [one for one in self.weights.values() if one.trainable]
        return self.outputs or any(one.penalized for one in trained)

    def trained(self, params: Tree) -> Tree:
        """The weights that are trained."""
        return nested((path, w) for path, w in flat(params) if self.weights[path].trainable)

    @property
    def factors(self) -> dict[Path, tuple[float, float]]:
        """Of the learning rate and of the weight decay, by path."""
        return {path: (t.rate, t.decay) for path, t in self.weights.items()}

    def penalties(self, trained: Tree) -> list[Any]:
        """The penalties of weights that have some."""
        found = ((self.weights[path], w) for path, w in flat(trained))
        return [one.penalty(w) for one, w in found if one.penalized]

    def bounded(self, trained: Tree) -> Tree:
        """The weights within their bounds."""
        return nested((path, self.weights[path].bounded(w)) for path, w in flat(trained))
