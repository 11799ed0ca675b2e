"""The target column: a ``Quantity`` (regression) or ``Classes`` (classification).

In: the Arrow column of the training rows. Out: what the network is trained on (a standardized number
or a class index), and the way back from its outputs to the user's unit or class names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from deltarule.data.columns import is_name, numbers_of, standard_deviation
from deltarule.data.table import NUMBER, column_of, errors_of, is_missing, names_of, rows_listed
from deltarule.errors import DataError, TableError

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import ArrayLike, NDArray

Task = Literal["regression", "classification"]

MAX_CLASSES = 20  # whole-number targets of at most so many distinct values are classes


@dataclass(frozen=True)
class Quantity:
    """A number to predict, standardized for training: z = (y - mean) / scale.

    >>> import pyarrow as pa
    >>> price = Quantity.fit("price", pa.chunked_array([[100.0, 300.0]]))
    >>> price.encode(pa.chunked_array([[200.0, 400.0]])).tolist(), price.decode([[2.0]]).tolist()
    ([[0.0], [2.0]], [400.0])
    """

    name: str
    mean: float  # of the training rows
    scale: float  # standard deviation of the training rows

    task: ClassVar[Task] = "regression"
    width: ClassVar[int] = 1  # outputs of the network
    categories: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def fit(cls, name: str, column: pa.ChunkedArray) -> Quantity:
        """Learn mean and standard deviation from the training rows, none of them missing."""
        values = _quantities(name, column)
        if values.min() == values.max():
            raise TableError(
                f"Target {name!r} is {values[0]:g} in every training row: nothing to learn."
            )
        return cls(name, float(values.mean()), standard_deviation(values))

    def check(self, column: pa.ChunkedArray) -> None:
        """Raise where a value that is not missing is no number."""
        numbers_of(column, self.name, "Target")

    def encode(self, column: pa.ChunkedArray) -> NDArray[np.float32]:
        """Return the standardized values, (rows, 1)."""
        scaled = (self.values(column) - self.mean) / self.scale
        return scaled.astype(np.float32)[:, None]

    def values(self, column: pa.ChunkedArray) -> NDArray[np.float64]:
        """Return the column in its own unit, (rows,); text is an error."""
        _refuse_missing(self.name, column)
        return numbers_of(column, self.name, "Target")

    @property
    def constant(self) -> float:
        """The constant answer of least squared error on the training rows: their mean."""
        return self.mean

    def answers(self, outputs: ArrayLike) -> NDArray[np.float64]:
        """Return what is measured against `values`: the same as `decode`."""
        return self.decode(outputs)

    def decode(self, outputs: ArrayLike) -> NDArray[np.float64]:
        """Return outputs of the network, (rows, 1) or (rows,), in the target's own unit, (rows,)."""
        return np.asarray(outputs, np.float64).reshape(-1) * self.scale + self.mean


@dataclass(frozen=True)
class Classes:
    """One of several names (text, whole numbers or bools) to predict; trained on as its index.

    >>> import pyarrow as pa
    >>> coast = Classes.fit("coast", pa.chunked_array([["near", "far", "near"]]))
    >>> coast.encode(pa.chunked_array([["near"]])).tolist(), coast.decode([[3.0, 1.0]]).tolist()
    ([1], ['far'])
    """

    name: str
    classes: tuple[str, ...] | tuple[int, ...] | tuple[bool, ...]  # sorted
    counts: tuple[int, ...]  # training rows of each class

    task: ClassVar[Task] = "classification"

    @property
    def width(self) -> int:
        """Outputs of the network: one a class."""
        return len(self.classes)

    @property
    def categories(self) -> tuple[str, ...]:
        """The target's name where its classes are text: for ``read_table(categories=...)``."""
        return (self.name,) if isinstance(self.classes[0], str) else ()

    @classmethod
    def fit(cls, name: str, column: pa.ChunkedArray) -> Classes:
        """Learn the classes from the training rows, none of them missing."""
        import pyarrow.compute as pc

        _refuse_missing(name, column)
        column = _class_column(name, column)
        counted = sorted(
            (item["values"], item["counts"]) for item in pc.value_counts(column).to_pylist()
        )
        classes, counts = zip(*counted, strict=True)
        if len(classes) == 1:
            raise TableError(
                f"Target {name!r} is {classes[0]!r} in every training row: nothing to learn."
            )
        if len(classes) == len(column) > MAX_CLASSES:
            raise TableError(
                f"Target {name!r} has a class of its own in each of the {len(column)} training rows (the "
                f"first is {column[0].as_py()!r}): nothing to learn. Name another target column, "
                'or pass task="regression" for numbers.'
            )
        return cls(name, classes, counts)

    def encode(self, column: pa.ChunkedArray) -> NDArray[np.int64]:
        """Return the class indices, (rows,); a class that training did not have is an error."""
        _refuse_missing(self.name, column)
        return self._indices(column)

    def check(self, column: pa.ChunkedArray) -> None:
        """Raise where a value that is not missing is no class that training had."""
        self._indices(column)

    def _indices(self, column: pa.ChunkedArray) -> NDArray[np.int64]:
        """The index of each row's class, 0 where it is missing; an unknown class is an error."""
        column = _class_column(self.name, column)
        if isinstance(self.classes[0], str):
            column = names_of(column)
        coded = column.combine_chunks().dictionary_encode()
        position: dict[Any, int] = {value: i for i, value in enumerate(self.classes)}
        table = np.array(
            [position.get(value, -1) for value in coded.dictionary.to_pylist()] or [0], np.int64
        )
        indices: NDArray[np.int64] = table[
            coded.indices.fill_null(0).to_numpy(zero_copy_only=False)
        ]
        indices[is_missing(column)] = 0
        unknown = np.flatnonzero(indices < 0)
        if len(unknown):
            values = coded.take(unknown).to_pylist()
            known = ", ".join(map(repr, self.classes[:12])) + (
                " ..." if len(self.classes) > 12 else ""
            )
            raise TableError(
                f"Target {self.name!r}: {rows_listed(unknown.tolist(), values)}, "
                f"and training had only the classes {known}. "
                "Correct or leave out these rows, or train with rows of these classes."
            )
        return indices

    def values(self, column: pa.ChunkedArray) -> NDArray[np.int64]:
        """Return the class indices, (rows,): what accuracy is counted on."""
        return self.encode(column)

    @property
    def constant(self) -> int:
        """The constant answer of least error on the training rows: the index of their most frequent class."""
        return int(np.argmax(self.counts))

    def answers(self, outputs: ArrayLike) -> NDArray[np.int64]:
        """Return what is measured against `values`: the index of the largest of each row's outputs."""
        largest: NDArray[np.int64] = np.argmax(outputs, axis=-1)
        return largest

    def decode(self, outputs: ArrayLike) -> NDArray[Any]:
        """Return the class of the largest of each row's outputs, (rows,); outputs are (rows, classes)."""
        names: NDArray[Any] = np.array(self.classes)[self.answers(outputs)]
        return names


def fit_target(name: str, column: pa.ChunkedArray, task: str = "auto") -> Quantity | Classes:
    """Learn the target's scale or classes from the training rows, none of them missing.

    `task` is "regression", "classification" or "auto": see `task_of`.
    """
    if task not in ("auto", "regression", "classification"):
        raise DataError(f'task is {task!r}; it can be "regression", "classification" or "auto".')
    if task == "auto":
        task = task_of(name, column)
    return (Quantity if task == "regression" else Classes).fit(name, column)


def task_of(name: str, column: pa.ChunkedArray) -> Task:
    """Tell classification from regression by the target's values.

    Text and bool are classes, and so are whole numbers of at most 20 distinct values that are seen
    twice or more on average. All else is a quantity.

    >>> import pyarrow as pa
    >>> task_of("digit", pa.chunked_array([[0, 1, 1, 0, 1]]))
    'classification'
    >>> task_of("price", pa.chunked_array([[310, 285, 410, 190]]))
    'regression'
    """
    if is_name(column.type):
        return "classification"
    distinct, times = np.unique(_quantities(name, column.drop_null()), return_counts=True)
    whole = np.array_equal(distinct, np.round(distinct))
    few = len(distinct) <= min(MAX_CLASSES, times.sum() / 2)
    return "classification" if whole and few else "regression"


def rows_with_target(table: pa.Table, target: str) -> NDArray[np.int64]:
    """Return the indices of the rows whose target is not missing, ascending.

    Raises
    ------
    TableError
        The table has no such column (the nearest name is offered), or no row of it has a value.

    Examples
    --------
    >>> import pyarrow as pa
    >>> rows_with_target(pa.table({"price": [3.0, None, 5.0]}), "price").tolist()
    [0, 2]
    """
    missing = is_missing(column_of(table, target))
    if missing.all():
        with errors_of(table):
            raise TableError(
                f"Target {target!r} is missing in each of {len(missing)} rows. Name another column, or fill "
                "it in where it is known."
            )
    return np.flatnonzero(~missing)


def only_with_target(table: pa.Table, target: str) -> tuple[pa.Table, tuple[str, ...]]:
    """Return the rows of `rows_with_target`, and a note for the user where there are fewer of them."""
    rows = rows_with_target(table, target)
    dropped = table.num_rows - len(rows)
    if not dropped:
        return table, ()
    note = f"{dropped} of {table.num_rows} rows left out: their target {target!r} is missing"
    return table.take(rows), (note,)


def check_target(name: str, column: pa.ChunkedArray, task: str) -> None:
    """Raise where a value that is not missing does not fit the task, or classes are too many.

    Raises
    ------
    TableError
        Text for a regression; numbers that are not whole for a classification; fewer than two rows
        a class on average.
    """
    if task == "regression":
        _refuse_text(name, column)
    elif task == "classification" or (task == "auto" and is_name(column.type)):
        _refuse_many(name, _class_column(name, column))


def _quantities(name: str, column: pa.ChunkedArray) -> NDArray[np.float64]:
    """The target as numbers, (rows,), none of them missing."""
    _refuse_text(name, column)
    _refuse_missing(name, column)
    return numbers_of(column, name, "Target")


def _refuse_text(name: str, column: pa.ChunkedArray) -> None:
    if is_name(column.type) and str(column.type) != "bool":
        values = names_of(column).to_pylist()
        raise TableError(
            f"Target {name!r} holds text ({rows_listed(range(len(values)), values)}), which is no quantity. "
            'Use task="classification", or name a column of numbers.'
        )


def _class_column(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The target as text, bools or int64; missing where it was."""
    import pyarrow as pa

    if pa.types.is_boolean(column.type):
        return column
    if is_name(column.type):
        return names_of(column)
    values = numbers_of(column, name, "Target")
    missing = np.isnan(values)
    broken = np.flatnonzero((values != np.round(values)) & ~missing)
    if len(broken):
        raise TableError(
            f"Target {name!r} is no class but a quantity, it has values that are not whole: "
            f"{rows_listed(broken.tolist(), values[broken].tolist())}. "
            f'Use task="regression"; if they are names, pass categories=[{name!r}] to read_table '
            f"(command line: --category {name})."
        )
    return pa.chunked_array([pa.array(np.where(missing, 0, values).astype(np.int64), mask=missing)])


def _refuse_many(name: str, column: pa.ChunkedArray) -> None:
    """Raise where classes have fewer than two rows on average."""
    import pyarrow.compute as pc

    words = column.to_pylist()
    present = [row for row, word in enumerate(words) if word is not None]
    classes = pc.unique(column.drop_null()).to_pylist()
    if 2 * len(classes) <= len(present) or len(classes) < 3:
        return
    odd = [row for row in present if not NUMBER.fullmatch(str(words[row]))]
    mend = f"Nearly all are numbers, but {rows_listed(odd, [words[row] for row in odd])}: mend the cells"
    other = "Name another target column, or one whose values repeat"
    raise TableError(
        f"Target {name!r} has {len(classes)} classes in {len(present)} rows, too few rows of each to learn "
        f"from. {mend if 0 < 4 * len(odd) <= len(present) else other}."
    )


def _refuse_missing(name: str, column: pa.ChunkedArray) -> None:
    rows = np.flatnonzero(is_missing(column))
    if len(rows):
        raise DataError(
            f"Target {name!r} is missing in {len(rows)} of {len(column)} rows (first in row {rows[0] + 1}). "
            "Keep the rows that rows_with_target(table, target) gives."
        )
