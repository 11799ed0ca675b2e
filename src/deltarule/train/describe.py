"""What is in a model: layers and shapes, what becomes of each column, how it was trained.

In: a network, made or loaded. Out: ``Description``, whose parts are plain data.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from os import PathLike
from typing import Any

import numpy as np

from deltarule.data import Preprocessor
from deltarule.data.columns import Category, Number
from deltarule.data.target import Classes
from deltarule.errors import DataError
from deltarule.nn import Module, Sequential
from deltarule.nn.nested import flat
from deltarule.train.record import strict


@dataclass(frozen=True)
class LayerRow:
    """One layer: its name, what it is, the shape of what it gives for one row, how many weights."""

    name: str
    kind: str
    outputs: tuple[int, ...] | None  # None where only the whole network is known
    parameters: int
    arrays: dict[str, tuple[int, ...]]  # weights and state by name, with their shapes


@dataclass(frozen=True)
class ColumnRow:
    """One column of the table: what it was taken for, and what becomes of it."""

    name: str
    kind: str  # number, category, ignored
    treatment: str
    features: int


@dataclass(frozen=True)
class Description:
    """What `describe` returns.

    Attributes
    ----------
    network : str
        How it is written in Python.
    layers : tuple of LayerRow
        In order.
    parameters : int
        Weights in all.
    dtype : str
        Their type.
    row : tuple of int
        The shape of one row of inputs.
    columns : tuple of ColumnRow
        Empty for a model that was trained on arrays.
    target : dict or None
        Name, task, and classes with their rows or mean and scale.
    trained : dict or None
        See ``deltarule.train.record``.
    """

    network: str
    layers: tuple[LayerRow, ...]
    parameters: int
    dtype: str
    row: tuple[int, ...]
    columns: tuple[ColumnRow, ...]
    target: dict[str, Any] | None
    trained: dict[str, Any] | None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data: the attributes; what is not finite is None."""
        found: dict[str, Any] = strict(asdict(self))
        return found


def describe(net: Module) -> Description:
    """Tell what is in a network: layers, shapes, preprocessing, history.

    Parameters
    ----------
    net : Module
        With weights: trained, initialized or loaded.

    Examples
    --------
    >>> import deltarule as dr
    >>> net = dr.Sequential(dr.Dense(3, "tanh"), dr.Dense(1)).init((1, 2), seed=0)
    >>> for layer in dr.describe(net).layers:
    ...     print(layer.name, layer.kind, layer.outputs, layer.parameters)
    dense1 Dense(3, 'tanh') (3,) 9
    dense2 Dense(1) (1,) 4
    """
    if not isinstance(net, Module):
        cure = "; a file's is dr.load(path)" if isinstance(net, (str, PathLike)) else ""
        raise DataError(f"describe takes a network, an object of dr.Module, not {net!r}{cure}")
    if not net.built or net.input_shape is None:
        raise DataError(f"{net!r} has no weights yet: train it, or call net.init(X.shape)")
    prepared = net.preprocessor
    return Description(
        network=repr(net),
        layers=tuple(_layers(net)),
        parameters=_count(net.params),
        dtype=net.dtype.name,
        row=tuple(net.input_shape),
        columns=() if prepared is None else tuple(_columns(prepared)),
        target=None if prepared is None else _target(prepared),
        trained=net.trained,
    )


def _layers(net: Module) -> list[LayerRow]:
    if type(net) is not Sequential:
        arrays = {"params": net.params, "state": net.state}
        shapes = {".".join(path): x.shape for tree in arrays.values() for path, x in flat(tree)}
        outputs = net(np.zeros((1, *(net.input_shape or ())), net.dtype)).shape[1:]
        return [LayerRow("network", type(net).__name__, outputs, _count(net.params), shapes)]
    rows = []
    names = iter(name for name, _ in net.children())
    x = np.zeros((1, *(net.input_shape or ())), net.dtype)
    for layer in net.layers:
        x = layer(x)
        if not isinstance(layer, Module):
            name = getattr(layer, "__name__", "function")
            rows.append(LayerRow(name, "function", x.shape[1:], 0, {}))
            continue
        shapes = {
            ".".join(path): w.shape
            for tree in (layer.params, layer.state)
            for path, w in flat(tree)
        }
        rows.append(LayerRow(next(names), repr(layer), x.shape[1:], _count(layer.params), shapes))
    return rows


def _count(params: Any) -> int:
    return sum(int(x.size) for _, x in flat(params))


def _columns(prepared: Preprocessor) -> list[ColumnRow]:
    rows = [
        ColumnRow(
            column.name, type(column).__name__.lower(), treatment(column), len(column.features)
        )
        for column in prepared.columns
    ]
    return rows + [ColumnRow(name, "ignored", "no input", 0) for name in prepared.ignored]


def treatment(column: Number | Category) -> str:
    """What becomes of a column, in one sentence.

    Examples
    --------
    >>> treatment(Number("rooms", log=True, fill=3.0, mean=1.5, scale=0.5, marks_missing=True))
    '(log(1 + |x|) - 1.5) / 0.5; where missing, x is 3, and a mark is 1'
    """
    if isinstance(column, Number):
        taken = "log(1 + |x|)" if column.log else "x"
        sign = "+" if column.mean < 0 else "-"
        marked = ", and a mark is 1" if column.marks_missing else ""
        return (
            f"({taken} {sign} {abs(column.mean):.4g}) / {column.scale:.4g}; "
            f"where missing, x is {column.fill:.4g}{marked}"
        )
    levels = ", ".join(feature.split("=", 1)[-1] for feature in column.features[:6])
    more = f" and {len(column.features) - 6} more" if len(column.features) > 6 else ""
    return f"1 or 0 for each of {levels}{more}"


def _target(prepared: Preprocessor) -> dict[str, Any]:
    target = prepared.target
    about: dict[str, Any] = {"name": target.name, "task": prepared.task}
    if isinstance(target, Classes):
        pairs = zip(target.classes, target.counts, strict=True)
        return about | {"classes": [{"class": name, "rows": rows} for name, rows in pairs]}
    return about | {"mean": target.mean, "scale": target.scale}
