"""A table to a network's arrays, by numbers learned from training rows only: ``Preprocessor``."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from deltarule.data.baseline import Baseline, constant_baseline, score
from deltarule.data.columns import Category, Number, fit_column, is_number, numbers_of
from deltarule.data.record import check_keys, damaged, from_record, read_names, to_record
from deltarule.data.table import column_of, errors_of, is_missing, place_of
from deltarule.data.target import (
    Classes,
    Quantity,
    Task,
    check_target,
    fit_target,
    only_with_target,
)
from deltarule.errors import DataError, ModelFileError, TableError

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import ArrayLike, NDArray

FORMAT = "deltarule.preprocessor"
VERSION = 1


class Encoded(NamedTuple):
    """Inputs of a network, and what the user should know about how they came about."""

    inputs: NDArray[np.float32]  # (rows, features)
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Preprocessor:
    """How the columns of a table become inputs and targets of a network, and outputs become values.

    Learned by `fit` from training rows, never changed afterwards, stored with the model as JSON.

    Examples
    --------
    >>> from deltarule.data import Preprocessor, read_table
    >>> houses = read_table({"rooms": [2, 4, None, 6], "coast": ["far", "near", "far", "near"],
    ...                      "price": [100.5, 300.0, 150.0, 400.0]})
    >>> prepared = Preprocessor.fit(houses, "price")
    >>> prepared.task, prepared.feature_names
    ('regression', ('rooms', 'rooms is missing', 'coast=far', 'coast=near'))
    >>> prepared.inputs(houses)[2].tolist()
    [0.0, 1.0, 1.0, 0.0]
    >>> prepared.decode(prepared.targets(houses)).round(3).tolist()
    [100.5, 300.0, 150.0, 400.0]
    """

    columns: tuple[Number | Category, ...]
    target: Quantity | Classes
    ignored: tuple[str, ...]  # columns of the training table that are no input
    notes: tuple[str, ...]  # sentences about the training table, for the user

    @classmethod
    def fit(
        cls,
        table: pa.Table,
        target: str,
        task: str = "auto",
        ignore: Collection[str] = (),
    ) -> Preprocessor:
        """Learn from training rows.

        Parameters
        ----------
        table : pyarrow.Table
            The training rows, as `read_table` gives them. Rows without a target are left out.
        target : str
            The column to predict.
        task : {"auto", "regression", "classification"}
            "auto" decides by the target's values: see `task_of`.
        ignore : collection of str
            Columns that are to be no inputs.

        Raises
        ------
        TableError
            An unknown name, a target that is constant or missing throughout, no column of use.
        """
        for name in ignore:
            column_of(table, name)
        if target in ignore:
            raise TableError(f"ignore names the target {target!r} itself: leave it out of ignore.")
        table, notes = only_with_target(table, target)
        inputs = [name for name in table.column_names if name != target and name not in ignore]
        if table.num_rows < 2:
            raise TableError(
                f"{place_of(table)} leaves 1 row to train on, and nothing can be learned from one: "
                "give more rows, or hold fewer out (validation=0, test=0; command line: --validation 0 "
                "--test 0)."
            )
        with errors_of(table):
            columns, remarks = _fit_columns(table.select(inputs))
        if not columns:
            raise TableError(
                f"{place_of(table)} has no column beside the target {target!r} that is of use as an input: "
                f"{'; '.join(remarks) or 'there is none'}. "
                "Give a table with at least one column that varies."
            )
        with errors_of(table):
            goal = fit_target(target, table.column(target), task)
        used = {target, *(column.name for column in columns)}
        return cls(
            columns=columns,
            target=goal,
            ignored=tuple(name for name in table.column_names if name not in used),
            notes=notes + remarks,
        )

    def check(self, table: pa.Table) -> None:
        """Raise as `encode` and `truth` do, but for rows without a target, which are passed over.

        Rows are then counted in the whole table, as its user counts them.
        """
        found = [(column, column_of(table, column.name)) for column in self.columns]
        goal = column_of(table, self.target.name)
        with errors_of(table):
            for column, values in found:
                if isinstance(column, Number):
                    numbers_of(values, column.name)
            self.target.check(goal)

    @property
    def task(self) -> Task:
        """Either "regression" or "classification"."""
        return self.target.task

    @property
    def classes(self) -> tuple[str, ...] | tuple[int, ...] | tuple[bool, ...] | None:
        """The classes in the order of their indices; ``None`` for regression."""
        return self.target.classes if isinstance(self.target, Classes) else None

    @property
    def feature_names(self) -> tuple[str, ...]:
        """One name for each column of the inputs."""
        return tuple(name for column in self.columns for name in column.features)

    @property
    def categories(self) -> tuple[str, ...]:
        """Input columns of text, for ``read_table(categories=...)``: 007 is then read as in training."""
        return tuple(
            column.name
            for column in self.columns
            if isinstance(column, Category) and not set(column.levels) <= {"true", "false"}
        )

    def inputs(self, table: pa.Table) -> NDArray[np.float32]:
        """Return the inputs of a network, (rows, features): `encode` without its notes."""
        return self.encode(table).inputs

    def encode(self, table: pa.Table) -> Encoded:
        """Return the inputs of a network for any table with the input columns, in any order.

        Raises
        ------
        TableError
            An input column is not there (the nearest name is offered), or holds text where training
            had numbers, or a number that is not finite.
        """
        found = [column_of(table, column.name) for column in self.columns]
        known = {column.name for column in self.columns} | {*self.ignored, self.target.name}
        extra = [name for name in table.column_names if name not in known]
        notes = (
            [f"columns that training did not have are not used: {', '.join(extra)}"]
            if extra
            else []
        )

        inputs = np.empty((table.num_rows, len(self.feature_names)), np.float32)
        start = 0
        for column, values in zip(self.columns, found, strict=True):
            stop = start + len(column.features)
            with errors_of(table):
                note = column.encode(values, inputs[:, start:stop])
            notes += [note] if note else []
            start = stop
        return Encoded(inputs, tuple(notes))

    def targets(self, table: pa.Table) -> NDArray[np.float32] | NDArray[np.int64]:
        """Return what the network is trained on: float32 (rows, 1), or class indices int64 (rows,).

        A missing target is a DataError: keep the rows of `rows_with_target`.
        """
        with errors_of(table):
            return self.target.encode(column_of(table, self.target.name))

    def truth(self, table: pa.Table) -> NDArray[np.float64] | NDArray[np.int64]:
        """Return what predictions are measured against: own unit (rows,), or class indices (rows,)."""
        with errors_of(table):
            return self.target.values(column_of(table, self.target.name))

    def decode(self, outputs: ArrayLike) -> NDArray[Any]:
        """Return the network's raw outputs, (rows, outputs), as values of the target column, (rows,)."""
        return self.target.decode(outputs)

    def score(self, outputs: ArrayLike, table: pa.Table) -> float:
        """Return the RMSE in the target's unit, or the accuracy, of the network's outputs for `table`."""
        return score(self.task, self.target.answers(outputs), self.truth(table))

    def baseline(self, table: pa.Table) -> Baseline:
        """Score the training rows' mean, or most frequent class, as the answer to every row of `table`."""
        return constant_baseline(self.task, self.target.constant, self.truth(table))

    def unscale(self, outputs: ArrayLike) -> NDArray[np.float64]:
        """Return `decode` of a regression; for classification, which has no scale, a DataError."""
        if isinstance(self.target, Classes):
            raise DataError(
                f"Target {self.target.name!r} is a class and has no scale. Use decode(outputs)."
            )
        return self.target.decode(outputs)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data; `from_json` gives back an equal Preprocessor."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "columns": [to_record(column) for column in self.columns],
            "target": to_record(self.target),
            "ignored": list(self.ignored),
            "notes": list(self.notes),
        }

    @classmethod
    def from_json(cls, stored: object) -> Preprocessor:
        """Return the Preprocessor that `to_json` stored; anything else is a ModelFileError."""
        if not isinstance(stored, dict) or stored.get("format") != FORMAT:
            raise damaged(f"it is {stored!r:.60}, not of the format {FORMAT!r}")
        version = stored.get("version")
        if isinstance(version, int) and version > VERSION:
            raise ModelFileError(
                f"The stored preprocessing is of version {version}; this deltarule reads up to {VERSION}. "
                "Install a newer deltarule: pip install --upgrade deltarule"
            )
        check_keys(stored, ["format", "version", "columns", "target", "ignored", "notes"], "it")
        if version != VERSION or not isinstance(stored["columns"], list):
            raise damaged(f"its version is {version!r}, its columns {stored['columns']!r:.60}")
        target = from_record(stored["target"], Quantity, Classes)
        if isinstance(target, Classes) and len(target.counts) != len(target.classes):
            raise damaged(f"there are {len(target.counts)} counts of {len(target.classes)} classes")
        return cls(
            columns=tuple(from_record(column, Number, Category) for column in stored["columns"]),
            target=target,
            ignored=read_names(stored["ignored"], "ignored"),
            notes=read_names(stored["notes"], "notes"),
        )


def check_values(
    table: pa.Table, target: str, task: str = "auto", ignore: Collection[str] = ()
) -> None:
    """Raise where a number, or a target, of any row cannot be trained on.

    Asked of the whole table, before rows are left out or dealt into parts: the message then counts
    rows as the user of the table does.

    Raises
    ------
    TableError
        No such target; a number that is not finite; a target that does not fit the task, or has
        hardly two rows a class.
    """
    goal = column_of(table, target)
    with errors_of(table):
        for name in table.column_names:
            column = table.column(name)
            if name not in ignore and is_number(column.type):
                numbers_of(column, name)
        check_target(target, goal, task)


def _fit_columns(table: pa.Table) -> tuple[tuple[Number | Category, ...], tuple[str, ...]]:
    """The columns of use, and a note on each of the others and on missing numbers."""
    fitted = [fit_column(name, table.column(name)) for name in table.column_names]
    columns = tuple(column for column, _ in fitted if column is not None)
    notes = [note for _, note in fitted if note is not None]
    gaps = [
        f"{column.name} ({is_missing(table.column(column.name)).sum()})"
        for column in columns
        if isinstance(column, Number) and column.marks_missing
    ]
    if gaps:
        notes.append(
            "missing numbers are taken as the column's median and marked in a feature of their own: "
            + ", ".join(gaps)
        )
    return columns, tuple(notes)
