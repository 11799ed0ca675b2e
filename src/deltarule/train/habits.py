"""Arguments that people know by other names elsewhere, answered with ours.

In: a function and its table of habits. Out: the function, whose unknown arguments are errors with the cure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from inspect import signature
from typing import ParamSpec, TypeVar

from deltarule.errors import ArgumentError
from deltarule.nn.named import nearest

_RULE = "it is a setting of the optimizer: optimizer=dr.Adam(1e-3), dr.SGD(0.1, momentum=0.9), ..."
_RATE = "the rate is a setting of the optimizer: optimizer=dr.Adam(1e-3)"
_EPOCHS = "the number of passes through the rows is epochs=20"
_STOP = "give callbacks=dr.EarlyStopping(patience=10) and validation=0.1"

FIT = {
    "verbose": "progress=True shows figures, progress=False nothing",
    **dict.fromkeys(("learning_rate", "learning_rate_init", "lr"), _RATE),
    **dict.fromkeys(("momentum", "weight_decay", "alpha"), _RULE),
    **dict.fromkeys(("validation_split", "validation_fraction"), "give validation=0.1"),
    **dict.fromkeys(("validation_data", "eval_set"), "give validation=(X, y)"),
    **dict.fromkeys(("max_iter", "n_epochs", "num_epochs", "nb_epoch"), _EPOCHS),
    **dict.fromkeys(("early_stopping", "patience"), _STOP),
    "initial_epoch": "resume=run continues a run",
    "random_state": "give seed=0",
    "criterion": 'give loss="mse", another name, or a function',
    "device": "trainings run on the cores of this machine",
}


P = ParamSpec("P")
R = TypeVar("R")


def hints(habits: Mapping[str, str]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A decorator: an argument that the function does not have is an ArgumentError with the cure."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        known = tuple(signature(function).parameters)

        @wraps(function)
        def called(*args: P.args, **named: P.kwargs) -> R:
            for name in named:
                if name not in known:
                    cure = f": {habits[name]}" if name in habits else nearest(name, known)
                    raise ArgumentError(f"{function.__name__} has no argument {name!r}{cure}")
            return function(*args, **named)

        return called

    return decorate
