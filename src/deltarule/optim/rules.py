"""Rules by name, and what a rule is.

In: a name or a rule. Out: the rule; its settings.
"""

from __future__ import annotations

import difflib
from dataclasses import fields, is_dataclass
from typing import Any

from deltarule.errors import DataError
from deltarule.optim.descent import SGD, Lion, Rprop
from deltarule.optim.matrices import Muon
from deltarule.optim.moments import LAMB, Adam, AdamW, NAdam, RAdam
from deltarule.optim.quasi_newton import LBFGS
from deltarule.optim.scaled import Adadelta, Adagrad, RMSprop
from deltarule.optim.wrappers import Accumulate

RULES: tuple[type[Any], ...] = (
    *(SGD, Adagrad, Adadelta, RMSprop, Adam, AdamW, NAdam, RAdam),
    *(Lion, LAMB, Rprop, Muon, LBFGS),
)
OPTIMIZERS = {rule.__name__.lower(): rule for rule in RULES}


def optimizer_of(given: Any) -> Any:
    """The rule of a name with its defaults, or the rule itself."""
    if isinstance(given, str):
        if given.lower() not in OPTIMIZERS:
            near = difflib.get_close_matches(given.lower(), OPTIMIZERS, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise DataError(
                f"no optimizer is called {given!r}; {hint}known: {', '.join(OPTIMIZERS)}"
            )
        return OPTIMIZERS[given.lower()]()
    if isinstance(given, type):
        raise DataError(f"the optimizer is a class; give an instance, {given.__name__}()")
    if not (callable(getattr(given, "init", None)) and callable(getattr(given, "step", None))):
        raise DataError(
            f"an optimizer has init(params) and step(params, grads, state); {given!r} has not"
        )
    return given


def searches(rule: Any) -> bool:
    """Whether a rule evaluates the loss itself, by ``descend``."""
    return callable(getattr(rule, "descend", None))


def check_batches(rule: Any, rows: int, batch: int) -> None:
    """Raise where a rule that needs all rows at every step is given a part of them."""
    if batch >= rows or isinstance(rule, Accumulate) or not is_dataclass(rule):
        return
    if isinstance(rule, (Rprop, LBFGS)):
        kind = type(rule).__name__
        why = "searches along a line" if kind == "LBFGS" else "compares signs of gradients"
        raise DataError(
            f"{kind} {why}, for which every step must see the same rows; batch_size={batch} is less "
            f"than the {rows} training rows: give batch_size=None, or {rows} or more, to take all"
        )
    for field in fields(rule):  # rules inside it
        check_batches(getattr(rule, field.name), rows, batch)


def settings(rule: Any) -> dict[str, Any]:
    """Name and settings of a rule, for a model file; those of a schedule or rule inside it nested."""
    found: dict[str, Any] = {"name": type(rule).__name__}
    for field in fields(rule):
        value = getattr(rule, field.name)
        found[field.name] = settings(value) if is_dataclass(value) else value
    return found
