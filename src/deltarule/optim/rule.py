"""What all update rules have in common: settings in their ranges, arguments that fit, the step.

In: trees of weights, gradients and the rule's own state. Out: new weights, new state. A rule says
what becomes of one array (``_update``); the step here does it to each.
"""

from __future__ import annotations

from dataclasses import fields
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np

from deltarule.derive.tree import flatten, paths, tree_map, unflatten
from deltarule.errors import ArgumentError, DataError, ShapeError
from deltarule.nn.named import nearest

Tree = Any
POSITIVE = float(np.nextafter(0.0, 1.0))
FRACTIONS = ("momentum", "rho", "beta1", "beta2")
PENALTIES = ("weight_decay", "momentum_decay")
ELSEWHERE = {  # settings that people know by other names
    **dict.fromkeys(("lr", "eta", "alpha"), ("learning_rate", "start", "peak")),
    **dict.fromkeys(("initial_learning_rate", "init_value", "base_lr"), ("start", "peak")),
    **dict.fromkeys(("max_lr", "peak_value"), ("peak",)),
    **dict.fromkeys(("min_lr", "eta_min", "end_value", "end_learning_rate"), ("end", "min_rate")),
    **dict.fromkeys(("step_size", "decay_steps", "transition_steps", "total_steps"), ("steps",)),
    **dict.fromkeys(("T_max", "T_0", "warmup_steps"), ("steps",)),
    **dict.fromkeys(("gamma", "decay_rate"), ("factor",)),
    "betas": ("beta1", "beta2"),
    **dict.fromkeys(("beta_1", "b1"), ("beta1",)),
    **dict.fromkeys(("beta_2", "b2"), ("beta2",)),
    "eps": ("epsilon",),
    **dict.fromkeys(("decay", "l2", "wd"), ("weight_decay",)),
}


def dtype_of(p: Any) -> np.dtype[Any]:
    """Of an array, or of a Python number."""
    return p.dtype if hasattr(p, "dtype") else np.dtype(float)


def shape_of(p: Any) -> tuple[int, ...]:
    """Of an array, or of a Python number."""
    return p.shape if hasattr(p, "shape") else np.shape(p)


def zeros(params: Tree) -> Tree:
    """A zero for each weight."""
    return tree_map(lambda p: np.zeros(shape_of(p), dtype_of(p)), params)


def converted(x: Any, dtype: Any) -> Any:
    """In another dtype; as they are: Python numbers, which take that of what they meet, and truths."""
    return x.astype(dtype) if hasattr(x, "astype") and x.dtype != np.bool_ else x


def check_number(
    owner: Any, name: str, least: float, below: float, kind: str, cure: str = ""
) -> None:
    """Keep a setting as a Python float, of no array's dtype; raise where out of range."""
    value = getattr(owner, name)
    number = isinstance(value, Real) and not isinstance(value, (bool, np.bool_))
    if not number or not least <= value < below:
        raise DataError(f"{type(owner).__name__}: {name} must be {kind}, not {value!r}{cure}")
    object.__setattr__(owner, name, float(value))


def check_schedule(owner: Any, name: str) -> None:
    """Raise where a schedule gives no rate at step 0."""
    schedule = getattr(owner, name)
    where = f"{type(owner).__name__}: {name}"
    if isinstance(schedule, type):
        raise DataError(f"{where} is a class; give an instance, {schedule.__name__}(...)")
    rate = schedule(np.int64(0))
    number = np.shape(rate) == () and np.asarray(rate).dtype.kind in "iuf"
    if not number or not 0 <= rate < np.inf:
        raise DataError(
            f"{where} as a function of the step count must return one finite number of at least 0; "
            f"at step 0 {schedule!r} returned {rate!r}"
        )


def check_rule(owner: Any, name: str = "rule") -> None:
    """Raise where what stands inside a rule is no rule."""
    rule = getattr(owner, name)
    whole = callable(getattr(rule, "init", None)) and callable(getattr(rule, "step", None))
    if isinstance(rule, type) or not whole:
        raise DataError(
            f"{type(owner).__name__}: {name} must be an instance with init and step, such as "
            f"dr.Adam(), not {rule!r}"
        )
    if callable(getattr(rule, "descend", None)):
        raise DataError(
            f"{type(owner).__name__}: {name} is given gradients, and {type(rule).__name__} evaluates the "
            f"loss itself: use {type(rule).__name__} alone"
        )


class Settings:
    """The base of frozen dataclasses whose fields are settings: checks of names and ranges."""

    __slots__ = ()

    def __new__(cls, *args: Any, **named: Any) -> Self:
        """The object; ArgumentError for a setting that it does not have."""
        known = [field.name for field in fields(cls)]  # type: ignore[arg-type]
        for name in named:
            if name not in known:
                ours = [other for other in ELSEWHERE.get(name, ()) if other in known]
                cure = f". Here it is {' and '.join(ours)}" if ours else nearest(name, known)
                raise ArgumentError(
                    f"{cls.__name__} has no setting {name!r}; it has {', '.join(known)}{cure}"
                )
        return super().__new__(cls)

    def _positive(self, *names: str) -> None:
        for name in names:
            check_number(self, name, POSITIVE, np.inf, "a positive number")

    def _at_least_zero(self, *names: str) -> None:
        for name in names:
            check_number(self, name, 0.0, np.inf, "0 or a positive number")

    def _fractions(self, *names: str) -> None:
        for name in names:
            check_number(self, name, 0.0, 1.0, "in [0, 1)")


class Rule(Settings):
    """The base of update rules, which are frozen dataclasses of their settings.

    A rule names what it keeps for each weight, ``_kept``; what it needs once a step, ``_scalars``;
    and what becomes of one array, ``_update(scalars, p, g, *kept) -> (p, *kept)``.
    """

    __slots__ = ()
    _counts: ClassVar[bool] = False  # whether steps are counted also without a schedule
    _coupled: ClassVar[bool] = True  # whether weight_decay joins the gradient
    learning_rate: Any

    # --- settings ---

    def __post_init__(self) -> None:
        """Settings of one name have one range, whatever the rule."""
        own = {field.name for field in fields(self)}  # type: ignore[arg-type]
        self._rate()
        self._fractions(*(name for name in FRACTIONS if name in own))
        self._positive(*({"epsilon"} & own))
        self._at_least_zero(*(name for name in PENALTIES if name in own))

    def _rate(self) -> None:
        """The learning rate is a number, a schedule, or one that a figure of the training moves."""
        if self._waits:
            return None
        if callable(self.learning_rate):
            return check_schedule(self, "learning_rate")
        cure = "; give 0.01, say, or a schedule, as dr.CosineDecay(0.01, 1000)"
        return check_number(self, "learning_rate", POSITIVE, np.inf, "a positive number", cure)

    @property
    def _waits(self) -> bool:
        """Whether the learning rate is an ``OnPlateau``."""
        rate = self.learning_rate
        return hasattr(rate, "begin") and hasattr(rate, "seen") and not isinstance(rate, type)

    # --- the step ---

    def init(self, params: Tree) -> Tree:
        """The state before the first step."""
        kept = {name: zeros(params) for name in self._kept()}
        return {**self._begin(), **kept}

    def step(self, params: Tree, grads: Tree, state: Tree) -> tuple[Tree, Tree]:
        """New weights and state after one step."""
        names = self._kept()
        self._fitting(params, grads, state)
        counters = self._next(state)
        scalars = self._scalars(counters)
        leaves, spec = flatten(params)
        trees = [flatten(tree)[0] for tree in (grads, *(state[name] for name in names))]
        decay = getattr(self, "weight_decay", 0.0) if self._coupled else 0.0
        done = []
        for p, g, *kept in zip(leaves, *trees, strict=True):
            own = tuple(converted(x, dtype_of(p)) for x in scalars)
            done.append(self._update(own, p, g + decay * p if decay else g, *kept))
        columns = zip(*done, strict=True) if done else iter([()] * (1 + len(names)))
        params, *new = (unflatten(spec, column) for column in columns)
        return params, {**counters, **dict(zip(names, new, strict=True))}

    def _kept(self) -> tuple[str, ...]:
        """Names of what is kept for each weight; zero at the start."""
        return ()

    def _counters(self) -> dict[str, Any]:
        """Numbers of the state before the first step."""
        counts = self._counts or callable(self.learning_rate)
        return {"count": np.int64(0)} if counts else {}

    def _advanced(self, state: Tree) -> dict[str, Any]:
        """The same after it."""
        return {"count": state["count"] + 1} if "count" in state else {}

    def _begin(self) -> dict[str, Any]:
        """Everything of the state that is not kept for each weight, before the first step."""
        return self._counters() | ({"plateau": self.learning_rate.begin()} if self._waits else {})

    def _next(self, state: Tree) -> dict[str, Any]:
        """The same after it. What moves the learning rate stays: it moves between epochs."""
        return self._advanced(state) | ({"plateau": state["plateau"]} if self._waits else {})

    def _rate_at(self, counters: dict[str, Any]) -> Any:
        """The learning rate of the step that ends with these counters."""
        if self._waits:
            return counters["plateau"]["rate"]
        if callable(self.learning_rate):
            return converted(self.learning_rate(counters["count"] - 1), np.float64)
        return self.learning_rate

    def _scalars(self, counters: dict[str, Any]) -> tuple[Any, ...]:
        """Numbers of the step in float64, for ``_update`` in the dtype of each array."""
        return (self._rate_at(counters),)

    def _update(self, scalars: tuple[Any, ...], p: Any, g: Any, *kept: Any) -> tuple[Any, ...]:
        raise NotImplementedError

    def _fitting(self, params: Tree, grads: Tree, state: Tree) -> None:
        """Raise where gradients or state are not of the structure and shapes of the weights."""
        names, numbers = self._kept(), self._begin()
        check_state(self, state, (*numbers, *names))
        trees = {f"state {name}": state[name] for name in names}
        check_fitting(self, params, {"the gradient": grads, **trees})


def check_state(rule: Any, state: Tree, names: tuple[str, ...]) -> None:
    """Raise where a state has other entries than these."""
    if not isinstance(state, dict) or set(state) != set(names):
        given = ", ".join(state) if isinstance(state, dict) else type(state).__name__
        kind = type(rule).__name__
        raise DataError(
            f"{kind}.step takes a state of {', '.join(names) or 'no entries'}, as {kind}.init "
            f"gives; given is one of {given or 'no entries'}"
        )


def check_fitting(rule: Any, params: Tree, others: dict[str, Tree]) -> None:
    """Raise where other trees are not of the structure and shapes of the weights."""
    kind = type(rule).__name__
    leaves, spec = flatten(params)
    for word, tree in others.items():
        found, other = flatten(tree)
        if other != spec:
            raise ShapeError(f"{kind}.step: weights are nested as {spec}, {word} as {other}")
        for i, (p, g) in enumerate(zip(leaves, found, strict=True)):
            if shape_of(p) != shape_of(g):
                raise ShapeError(
                    f"{kind}.step: weights{paths(spec)[i]} have shape {shape_of(p)}, {word} has "
                    f"shape {shape_of(g)}"
                )
