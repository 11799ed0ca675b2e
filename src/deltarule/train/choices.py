"""What is chosen for a table's network: layers, loss, update rule, by name or given whole.

In: what the user gave to ``train_table``. Out: objects that ``fit`` takes, or an error that names the
setting.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from inspect import Parameter, signature
from typing import Any

from deltarule.data import Preprocessor
from deltarule.errors import DataError
from deltarule.nn import Dense, Dropout, Module, Sequential, loss_of
from deltarule.nn.containers import Layers
from deltarule.nn.named import nearest
from deltarule.optim import optimizer_of
from deltarule.train.architecture import LAYERS

LOSSES = {"regression": "mse", "classification": "cross_entropy"}
OTHERS = {
    "regression": ("mse", "half_squared_error", "mae", "huber", "log_cosh", "quantile"),
    "classification": ("cross_entropy", "focal"),
}
INITIALIZER = "glorot_uniform"  # ends lower on tables than he_normal, see docs/decisions.md


def network_for(
    prepared: Preprocessor,
    hidden: Sequence[Any],
    activation: str = "relu",
    dropout: float = 0.0,
) -> Sequential:
    """A network for what a preprocessor makes of a table.

    Parameters
    ----------
    prepared : Preprocessor
        Says how many outputs there are.
    hidden : sequence of int, layer, or mapping
        Units of a hidden layer; the layer itself; or its class and settings, as in
        ``{"layer": "Dropout", "rate": 0.2}`` or ``{"layer": "Residual", "layers": [32]}``.
    activation : str
        Of the hidden layers that are given by their units.
    dropout : float
        The share of units dropped after each of these.
    """
    given = (hidden,) if isinstance(hidden, int | Mapping) else hidden
    layers = layers_of(given, activation, dropout)
    return Sequential(*layers, Dense(prepared.target.width))


def layers_of(given: Sequence[Any], activation: str = "relu", dropout: float = 0.0) -> list[Any]:
    """Layers from units, from layers, or from classes and settings, one after the other."""
    layers: list[Any] = []
    for item in given:
        if isinstance(item, Mapping):
            layers.append(layer_of(item, activation, dropout))
        elif callable(item):
            layers.append(item)
        else:
            suited = INITIALIZER if activation == "relu" else None
            layers.append(Dense(item, activation, initializer=suited))
            layers += [Dropout(dropout)] * bool(dropout)
    return layers


def layer_of(
    described: Mapping[str, Any], activation: str = "relu", dropout: float = 0.0
) -> Module:
    """A layer from its class and settings; ``layers`` is a list of those that it holds.

    Examples
    --------
    >>> layer_of({"layer": "Dense", "units": 8, "activation": "tanh"})
    Dense(8, 'tanh')
    >>> layer_of({"layer": "Residual", "layers": [16, {"layer": "BatchNorm"}]})
    Residual(Dense(16, 'relu'), BatchNorm())
    """
    settings = dict(described)
    kind = settings.pop("layer", None)
    if kind not in LAYERS:
        raise DataError(
            f"a layer is described as {dict(described)}, where layer is one of "
            f"{', '.join(LAYERS)}{nearest(kind, LAYERS)}"
        )
    inner = settings.pop("layers", []) if issubclass(LAYERS[kind], Layers) else []
    if not isinstance(inner, list | tuple):
        raise DataError(f"layers of {kind} is {inner!r}; write a list: [32, {{layer = ...}}]")
    try:
        return LAYERS[kind](*layers_of(inner, activation, dropout), **settings)
    except TypeError as error:
        parameters = signature(LAYERS[kind]).parameters
        known = [name for name, p in parameters.items() if p.kind != Parameter.VAR_KEYWORD]
        wrong = next((name for name in settings if name not in known), "")
        raise DataError(
            f"layer {kind} is described as {dict(described)}; its settings are "
            f"{', '.join(known)}{nearest(wrong, known)}"
        ) from error


def loss_for(task: str, loss: Any) -> Any:
    """The loss of a task: "auto", one of its own by name, or one that is given whole."""
    if not isinstance(loss, str):
        return loss
    if loss == "auto":
        return LOSSES[task]
    if loss not in OTHERS[task]:
        raise DataError(
            f"loss is {loss!r}; a {task} of a table can be trained with "
            f"{', '.join(OTHERS[task])}, a function of (outputs, targets), or auto, which is "
            f"{LOSSES[task]}{nearest(loss, OTHERS[task])}"
        )
    return loss


def loss_text(loss: Any) -> str:
    """What a record calls a loss: its name, or that of a function of one's own."""
    return str(loss if isinstance(loss, str) else loss_of(loss).name)


def rule_text(rule: Any) -> str:
    """A rule with its learning rate and those settings that are not its defaults.

    Examples
    --------
    >>> from deltarule.optim import Adam
    >>> rule_text(Adam(0.001, beta1=0.8))
    'Adam(learning_rate=0.001, beta1=0.8)'
    """
    if not is_dataclass(rule):
        return repr(rule)
    shown = [
        f"{field.name}={getattr(rule, field.name)!r}"
        for field in fields(rule)
        if field.name == "learning_rate" or getattr(rule, field.name) != field.default
    ]
    return f"{type(rule).__name__}({', '.join(shown)})"


def rule_for(optimizer: Any, learning_rate: Any) -> Any:
    """The update rule, with the learning rate where one is given."""
    rule = optimizer_of(optimizer)
    if learning_rate is None:
        return rule
    if not is_dataclass(rule) or "learning_rate" not in {field.name for field in fields(rule)}:
        raise DataError(
            f"learning_rate is {learning_rate!r}, and {optimizer!r} has none: leave it out"
        )
    if not isinstance(optimizer, str):
        raise DataError(
            f"learning_rate is {learning_rate!r}, and the optimizer {optimizer!r} has one already: "
            "give one of them"
        )
    return replace(rule, learning_rate=learning_rate)  # type: ignore[type-var]
