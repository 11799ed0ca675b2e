"""A network's layers and settings as JSON, and the network of such a description.

In: a network made of this project's layers. Out: plain data; None where a class or a function of the
user's own is part of it, which no data can describe.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deltarule.errors import ModelFileError
from deltarule.nn import (
    ACTIVATIONS,
    INITIALIZERS,
    Activation,
    BatchNorm,
    Columns,
    Concatenate,
    Dense,
    Dropout,
    Embedding,
    GaussianNoise,
    LayerNorm,
    Maxout,
    Module,
    Multiply,
    PReLU,
    Residual,
    Sequential,
    activation_of,
    initializer,
)
from deltarule.nn.containers import Layers
from deltarule.nn.named import name_of

LAYERS: dict[str, type[Module]] = {
    cls.__name__: cls
    for cls in (
        *(Dense, Activation, Dropout, Sequential, Residual, Concatenate, Multiply, Columns),
        *(BatchNorm, LayerNorm, PReLU, Maxout, GaussianNoise, Embedding),
    )
}
FUNCTIONS = {"activation": (ACTIVATIONS, activation_of), "initializer": (INITIALIZERS, initializer)}
PLAIN = (str, int, float, bool)


class _OwnError(Exception):
    """Something of the user's own, which has no description."""


def architecture(net: Any) -> Any:
    """Layers and settings as JSON; None for classes of the user's own, or functions.

    A layer that stands in several places is described once and then referred to by its number.

    Raises
    ------
    ModelFileError
        Where a setting of an activation or an initializer is no number or word.
    """
    try:
        return _described(net, {})
    except _OwnError:
        return None


def _described(layer: Any, numbers: dict[int, int]) -> Any:
    if id(layer) in numbers:
        return {"kind": "same", "number": numbers[id(layer)]}
    if not isinstance(layer, Module):
        return _setting(layer)  # an activation between layers
    if type(layer) not in LAYERS.values():
        raise _OwnError
    numbers[id(layer)] = len(numbers)
    found: dict[str, Any] = {"kind": type(layer).__name__}
    if isinstance(layer, Layers):
        found["layers"] = [_described(inner, numbers) for inner in layer.layers]
    config: dict[str, Any] = getattr(layer, "config", dict)()
    settings = {name: _setting(value) for name, value in config.items()}
    return {**found, "settings": settings} if settings else found


def _setting(value: Any) -> Any:
    """A setting as JSON; a function of ours by its name and its own settings."""
    if value is None or isinstance(value, PLAIN):
        return value
    if isinstance(value, (list, tuple)):
        return [_setting(item) for item in value]
    for kind, (table, _) in FUNCTIONS.items():
        if found := name_of(table, value):
            name, given = found
            for key, item in given.items():
                if not isinstance(item, PLAIN):
                    raise ModelFileError(
                        f"the {kind} {name} has {key}={item!r}; a model file keeps numbers and "
                        f"words: give {key} as a number"
                    )
            return {"kind": kind, "name": name, "settings": given}
    raise _OwnError


def build(described: Any) -> Module:
    """The network of an architecture; ModelFileError for layers that this version does not know."""
    net: Module = _built(described, [])
    return net


def _built(described: Any, seen: list[Any]) -> Any:
    kind = described["kind"]
    if kind == "same":
        return seen[int(described["number"])]
    if kind in FUNCTIONS:
        return _value(described)
    if kind not in LAYERS:
        raise ModelFileError(f"it has a layer {kind!r}, which this version does not know")
    place = len(seen)
    seen.append(None)
    layers = tuple(_built(layer, seen) for layer in described.get("layers", ()))
    settings = {name: _value(value) for name, value in described.get("settings", {}).items()}
    cls: Any = LAYERS[kind]
    own = issubclass(cls, Columns)
    seen[place] = cls.rebuilt(layers, settings) if own else cls(*layers, **settings)
    return seen[place]


def _value(setting: Any) -> Any:
    """A setting from JSON."""
    if isinstance(setting, Mapping):
        find = FUNCTIONS[setting["kind"]][1]
        return find(setting["name"], **setting["settings"])
    return setting
