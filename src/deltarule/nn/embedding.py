"""Categories as inputs: Embedding gives each its own learnt numbers, Columns sends columns to layers.

In: rows whose categories are whole numbers from 0. Out: modules whose calls are NumPy code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from deltarule.errors import DataError, ShapeError
from deltarule.nn.containers import Layers
from deltarule.nn.initializers import Initializer
from deltarule.nn.initializers import initializer as initial
from deltarule.nn.module import Module
from deltarule.nn.named import shown
from deltarule.program import ops
from deltarule.program.types import INT

EXACT = {4: 1 << 24, 8: 1 << 53}  # whole numbers that a float of so many bytes can tell apart


class Embedding(Module):
    """A row of learnt numbers for each category: y = W[x].

    dL/dW[c] = the sum of dL/dy over the places where x is c. x gets no gradient.

    Parameters
    ----------
    categories : int
        How many there are: x holds 0 to categories - 1.
    size : int, optional
        Numbers for each; by default 1.6 categories^0.56, at most 600 (the rule of fastai).
    initializer : str or callable
        Of W.

    Shapes
    ------
    x of any shape (rows, ...), W (categories, size), y (rows, ..., size). For a table some of whose
    columns are categories see ``Columns``.

    Raises
    ------
    DataError
        For a category that is no whole number from 0 to categories - 1. In the middle of a compiled
        training, behind other layers, it is an IndexError.

    Examples
    --------
    >>> import numpy as np, deltarule as dr
    >>> layer = dr.Embedding(3, 2).init((1, 1), dtype="float64")
    >>> layer.params = {"weight": np.array([[0.0, 1.0], [10.0, 11.0], [20.0, 21.0]])}
    >>> layer(np.array([2, 0]))
    array([[20., 21.],
           [ 0.,  1.]])
    """

    def __init__(
        self,
        categories: int,
        size: int | None = None,
        *,
        initializer: str | Initializer = "normal",
    ) -> None:
        for name, value in (("categories", categories), ("size", 1 if size is None else size)):
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
                raise ShapeError(
                    f"Embedding: {name} is a whole number of at least 1, not {value!r}"
                )
        self.categories = int(categories)
        self.size = suggested(self.categories) if size is None else int(size)
        self.initializer = initializer
        initial(initializer)

    def __call__(self, x: Any) -> Any:
        """W[x]."""
        self.declare("weight", (self.categories, self.size), initial(self.initializer))
        if isinstance(x, np.ndarray):
            self.check_inputs(x)
        return ops.gather(self.weight, self._index(x))

    def _index(self, x: Any) -> Any:
        """Categories as indices; what is none is -1, which no gather takes."""
        if x.dtype.kind != "f":
            return ops.cast(x, dtype=INT)
        if self.categories > EXACT[x.dtype.itemsize]:
            raise ShapeError(
                f"{x.dtype} cannot tell {self.categories} categories apart: make the network "
                "float64, net.init(X.shape, dtype='float64')"
            )
        index = ops.cast(x, dtype=INT)
        return np.where(ops.cast(index, dtype=x.dtype) == x, index, -1)

    def check_inputs(self, x: np.ndarray[Any, Any]) -> None:
        """Raise at the first value that is no category."""
        good = (x >= 0) & (x < self.categories) & (x == np.floor(x))
        if not good.all():
            place = [int(i) for i in np.argwhere(~good)[0]]
            raise DataError(
                f"{self!r} takes categories, whole numbers from 0 to {self.categories - 1}; at "
                f"{place} stands {x[tuple(place)]:g}. Number the categories with "
                "np.unique(column, return_inverse=True)[1], and give Embedding as many as there "
                "can be"
            )

    def config(self) -> dict[str, Any]:
        """Settings, for a model file."""
        return {
            "categories": self.categories,
            "size": self.size,
            "initializer": self.initializer,
        }

    def __repr__(self) -> str:
        return f"Embedding({self.categories}, {self.size})"


def suggested(categories: int) -> int:
    """The size of an embedding that nobody chose."""
    return int(min(600, max(1, round(1.6 * categories**0.56))))


class Columns(Layers):
    """Some columns of the inputs through layers of their own, side by side with all others.

    y = [the other columns, f1(its columns), f2(its columns), ...]: for tables with categories, and
    for inputs of several kinds. Each part of dL/dy goes back through its own layer.

    Parameters
    ----------
    parts : dict
        A column's number, or a tuple of them, to a layer, or to a number of categories, for which
        an ``Embedding`` is made. Columns in no part are handed on, first.

    Shapes
    ------
    x (rows, columns); f_i gets (rows, its columns), what it returns is taken as (rows, numbers);
    y (rows, all of them).

    Examples
    --------
    >>> import numpy as np, deltarule as dr
    >>> mixed = dr.Columns({1: 3, 2: dr.Embedding(2, 1)}).init((1, 3), seed=0)
    >>> mixed                                       # a number, and two columns of categories
    Columns({1: Embedding(3, 3), 2: Embedding(2, 1)})
    >>> mixed(np.array([[0.5, 2, 0], [1.5, 0, 1]])).shape
    (2, 5)
    """

    def __init__(self, parts: Mapping[int | tuple[int, ...], int | Module]) -> None:
        if not isinstance(parts, Mapping) or not parts:
            raise ShapeError(
                "Columns takes a dict of column numbers and layers, Columns({0: 7, (1, 2): "
                f"dr.Dense(4)}}), not {parts!r}"
            )
        self.columns = tuple(_numbers(key) for key in parts)
        super().__init__(*(_layer(part) for part in parts.values()))

    def __call__(self, x: Any) -> Any:
        """The other columns, then each part through its layer."""
        self._check(x)
        taken = {column for columns in self.columns for column in columns}
        rest = tuple(i for i in range(x.shape[1]) if i not in taken)
        found = [columns_of(x, rest)] if rest else []
        for columns, layer in zip(self.columns, self.layers, strict=True):
            single = len(columns) == 1 and isinstance(layer, Embedding)
            y = layer(x[:, columns[0]] if single else columns_of(x, columns))
            if y.shape[:1] != x.shape[:1]:
                raise ShapeError(
                    f"{shown(layer)} made shape {y.shape} of {x.shape[0]} rows; its first axis "
                    "must count the rows"
                )
            found.append(y if len(y.shape) == 2 else y.reshape((x.shape[0], -1)))
        return np.concatenate(found, axis=-1)

    def _check(self, x: Any) -> None:
        if len(x.shape) != 2:
            raise ShapeError(f"Columns takes inputs (rows, columns); shape {x.shape} was given")
        most = max(column for columns in self.columns for column in columns)
        if most >= x.shape[1]:
            raise ShapeError(
                f"there is no column {most}: inputs of shape {x.shape} have the columns 0 to "
                f"{x.shape[1] - 1}"
            )

    def check_inputs(self, x: np.ndarray[Any, Any]) -> None:
        """Each part looks at its columns."""
        self._check(x)
        for columns, layer in zip(self.columns, self.layers, strict=True):
            if not isinstance(layer, Module):
                continue
            try:
                layer.check_inputs(columns_of(x, columns))
            except DataError as error:
                where = ", ".join(map(str, columns))
                raise DataError(f"column {where} of the inputs: {error}") from None

    def config(self) -> dict[str, Any]:
        """Settings, for a model file."""
        return {"columns": [list(columns) for columns in self.columns]}

    @classmethod
    def rebuilt(cls, layers: tuple[Any, ...], settings: Mapping[str, Any]) -> Columns:
        """The layer that a model file describes."""
        return cls(dict(zip(map(tuple, settings["columns"]), layers, strict=True)))

    def __repr__(self) -> str:
        parts = (
            f"{columns[0] if len(columns) == 1 else columns}: {shown(layer)}"
            for columns, layer in zip(self.columns, self.layers, strict=True)
        )
        return f"Columns({{{', '.join(parts)}}})"


def columns_of(x: Any, columns: tuple[int, ...]) -> Any:
    """These columns of x; a slice where they stand side by side."""
    first, last = columns[0], columns[-1]
    if columns == tuple(range(first, last + 1)):
        return x[:, first : last + 1]
    return x[:, list(columns)]


def _numbers(key: Any) -> tuple[int, ...]:
    """A key of Columns as column numbers."""
    columns = key if isinstance(key, tuple) else (key,)
    good = all(isinstance(i, (int, np.integer)) and not isinstance(i, bool) for i in columns)
    if not columns or not good or min(columns) < 0:
        raise ShapeError(
            f"Columns: a key is a column's number, counted from 0, or a tuple of them, not {key!r}"
        )
    return tuple(int(i) for i in columns)


def _layer(part: Any) -> Any:
    """A layer; for a number of categories an embedding."""
    whole = isinstance(part, (int, np.integer)) and not isinstance(part, bool)
    return Embedding(int(part)) if whole else part
