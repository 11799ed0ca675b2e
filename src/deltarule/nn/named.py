"""What is called by name: activations, initializers, losses.

In: a table, a name, settings. Out: the function of that name with its settings, or an error that
offers the nearest name; and back, the name and the settings of a function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import partial
from inspect import signature
from typing import Any

import numpy as np

from deltarule.errors import DeltaruleError

PEERS = {  # what others call ours
    **dict.fromkeys(("mean_squared_error", "l2", "squared_error", "mseloss"), "mse"),
    **dict.fromkeys(("mean_absolute_error", "l1", "absolute_error", "l1loss"), "mae"),
    **dict.fromkeys(("smooth_l1", "huberloss", "huber_loss"), "huber"),
    **dict.fromkeys(("logcosh", "log_cosh_loss"), "log_cosh"),
    **dict.fromkeys(("pinball", "pinball_loss", "quantile_loss"), "quantile"),
    **dict.fromkeys(
        (
            *("categorical_crossentropy", "sparse_categorical_crossentropy", "crossentropy", "nll"),
            *("softmax_cross_entropy", "crossentropyloss", "log_loss", "nll_loss", "ce"),
        ),
        "cross_entropy",
    ),
    **dict.fromkeys(
        ("binary_crossentropy", "bce", "bceloss", "bcewithlogitsloss", "logistic_loss"),
        "binary_cross_entropy",
    ),
    **dict.fromkeys(("kl_divergence", "kldiv", "kullback_leibler_divergence"), "kl"),
    **dict.fromkeys(("cosine_similarity", "cosine_embedding"), "cosine"),
    **dict.fromkeys(("sigmoid", "logsig", "expit"), "logistic"),
    **dict.fromkeys(("linear", "none", "purelin"), "identity"),
    **dict.fromkeys(("tansig", "hyperbolic_tangent"), "tanh"),
    **dict.fromkeys(("leakyrelu", "lrelu"), "leaky_relu"),
    **dict.fromkeys(("swish",), "silu"),
    **dict.fromkeys(("glorot", "xavier", "xavier_uniform"), "glorot_uniform"),
    **dict.fromkeys(("he", "kaiming", "kaiming_normal"), "he_normal"),
    **dict.fromkeys(("acc", "categorical_accuracy", "binary_accuracy"), "accuracy"),
    **dict.fromkeys(("auc", "auroc"), "roc_auc"),
    **dict.fromkeys(("r2_score", "r_squared"), "r2"),
    **dict.fromkeys(("root_mean_squared_error",), "rmse"),
}


def nearest(name: Any, known: Iterable[str]) -> str:
    """`` Did you mean 'relu'?``, or nothing where no known name is near."""
    if not isinstance(name, str):
        return ""
    plain = {other.lower(): other for other in known}
    word = name.lower().replace(" ", "_").replace("-", "_")
    found = PEERS.get(word)
    if found not in plain.values():
        near = get_close_matches(word, plain, 1)
        found = plain[near[0]] if near else None
    return f". Did you mean {found!r}?" if found else ""


def named(
    kind: str,
    table: Mapping[str, Callable[..., Any]],
    given: str | Callable[..., Any],
    settings: Mapping[str, Any],
    otherwise: str,
    error: type[DeltaruleError],
) -> Callable[..., Any]:
    """The function called ``given`` in ``table``, with ``settings``; a function as it is.

    Parameters
    ----------
    kind : str
        What it is, for the error: "loss".
    settings : mapping
        Values for keywords of the function.
    otherwise : str
        What may be given instead of a name.
    error : type
        Raised where there is no such name or no such setting.
    """
    if callable(given):
        if settings:
            raise error(f"{', '.join(settings)}: settings go with a name, not with a function")
        return given
    if not isinstance(given, str) or given not in table:
        raise error(
            f"no {kind} is called {given!r}; known: {', '.join(table)}, or {otherwise}"
            f"{nearest(given, table)}"
        )
    function = table[given]
    parameters = signature(function).parameters.values()
    known = [p.name for p in parameters if p.default is not p.empty]
    for name in settings:
        if name not in known:
            raise error(
                f"{given} has no setting {name!r}; its settings: {', '.join(known) or 'none'}"
                f"{nearest(name, known)}"
            )
    plain = {name: x.item() if isinstance(x, np.generic) else x for name, x in settings.items()}
    return partial(function, **plain) if settings else function


def name_of(
    table: Mapping[str, Callable[..., Any]], given: Any
) -> tuple[str, dict[str, Any]] | None:
    """Name and settings of what ``named`` returned, or of a name; None where it is in no table."""
    settings = dict(given.keywords) if isinstance(given, partial) and not given.args else {}
    function = given.func if settings else given
    for name, known in table.items():
        if function is known or given == name:
            return name, settings
    return None


def shown(given: Any) -> str:
    """How a name, a function or a layer is written in a representation."""
    if isinstance(given, partial):
        settings = ", ".join(f"{name}={value!r}" for name, value in given.keywords.items())
        return f"{shown(given.func)}({settings})"
    if isinstance(given, str) or not hasattr(given, "__name__"):
        return repr(given)
    return str(given.__name__)
