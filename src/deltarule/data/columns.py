"""One input column of a table to columns of numbers: ``Number`` and ``Category``.

In: an Arrow column of training rows, which fixes the numbers stored here once and for all.
Out: for any later column of that name, one or more float32 features.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from deltarule.data.table import NUMBER, names_of, rows_listed
from deltarule.errors import TableError

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

SKEW_LIMIT = 2.0  # skewness above which a non-negative column is taken by its logarithm
MAX_LEVELS = 50  # most frequent levels of a category with a feature of their own
FEW_NAMES = 20  # up to so many levels a text column is a category even if every value is distinct

_LARGEST = 1e100
_TICKS_A_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_DATE = re.compile(r"\d{1,4}([./-])\d{1,2}\1\d{1,4}( \d.*)?")
_WITH_UNIT = re.compile(r"[+-]?\d+(?:[.,]\d+)?\s?([^\d\s.,:/-]\S{0,6})")
_IDENTIFIER = re.compile(r"(row )?index|id|.*[_ ]id|rownum|row_?number|unnamed: 0", re.IGNORECASE)


@dataclass(frozen=True)
class Number:
    r"""A column of numbers, standardized.

    .. math:: f(x) = (t(x) - m) / s, \qquad t(x) = x \text{ or } \operatorname{sign}(x) \log(1 + |x|)

    with the mean `m` and the standard deviation `s` (divided by n) of :math:`t(x)` over the training
    rows. The logarithm is taken where no training value is negative and their skewness
    :math:`m_3 / m_2^{3/2}` is above 2. A missing value becomes the training median; where training
    rows have missing values, a second feature is 1 for a missing value, else 0.

    Dates count as days since 1970, times of day and durations as seconds.

    >>> import pyarrow as pa
    >>> rooms = Number.fit("rooms", pa.chunked_array([[1.0, 3.0, None, 8.0]]))
    >>> rooms.features, rooms.fill, rooms.mean
    (('rooms', 'rooms is missing'), 3.0, 4.0)
    """

    name: str
    log: bool  # whether the logarithm is taken before standardizing
    fill: float  # the median of the training rows, in the column's own unit
    mean: float  # of the training rows, after the logarithm
    scale: float  # standard deviation of the training rows, after the logarithm; never 0
    marks_missing: bool

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the features: the column's own, and that of the mark for missing values."""
        return (self.name, f"{self.name} is missing") if self.marks_missing else (self.name,)

    @classmethod
    def fit(cls, name: str, column: pa.ChunkedArray) -> Number:
        """Learn from the training rows; at least one value must be present."""
        values = numbers_of(column, name)
        present = values[~np.isnan(values)]
        log = bool(present.min() >= 0 and skewness(present) > SKEW_LIMIT)
        scaled = _signed_log(present) if log else present
        return cls(
            name=name,
            log=log,
            fill=float(np.median(present)),
            mean=float(scaled.mean()),
            scale=standard_deviation(scaled) or 1.0,
            marks_missing=len(present) < len(values),
        )

    def encode(self, column: pa.ChunkedArray, out: NDArray[np.float32]) -> str | None:
        """Write the features of `column` into `out` (rows, features); return a note, if any."""
        values = numbers_of(column, self.name)
        missing = np.isnan(values)
        values[missing] = self.fill
        with np.errstate(over="ignore"):
            out[:, 0] = ((_signed_log(values) if self.log else values) - self.mean) / self.scale
        beyond = np.flatnonzero(~np.isfinite(out[:, 0]))
        if len(beyond):
            raise TableError(
                f"Column {self.name!r}: {rows_listed(beyond.tolist(), values[beyond].tolist())}, which is "
                f"beyond float32 when scaled by training's standard deviation {self.scale:g}. Mend the cells."
            )
        if self.marks_missing:
            out[:, 1] = missing
        elif missing.any():
            return (
                f"column {self.name!r}: {missing.sum()} of {len(values)} values are missing, where training "
                f"had none; taken as its median {self.fill:g}"
            )
        return None


@dataclass(frozen=True)
class Category:
    """A column of names: one feature a level, 1 where the row has that level, else 0.

    Levels are those of the training rows, the most frequent first, at most 50; the rest share the
    feature "(other)". A missing value is a level of its own where training rows have one. A value
    that was never seen in training has 0 in every feature, or belongs to "(other)" where there is one.

    >>> import pyarrow as pa
    >>> Category.fit("coast", pa.chunked_array([["near", "far", None, "far"]])).features
    ('coast=far', 'coast=near', 'coast=(missing)')
    """

    name: str
    levels: tuple[str, ...]
    pools_rest: bool  # whether there is a feature "(other)"
    marks_missing: bool

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the features, ``column=level``."""
        rest = ("(other)",) * self.pools_rest + ("(missing)",) * self.marks_missing
        return tuple(f"{self.name}={level}" for level in self.levels + rest)

    @classmethod
    def fit(cls, name: str, column: pa.ChunkedArray) -> Category:
        """Learn from the training rows."""
        import pyarrow.compute as pc

        counted = pc.value_counts(names_of(column).drop_null())
        counts = {item["values"]: item["counts"] for item in counted.to_pylist()}
        levels = sorted(counts, key=lambda level: (-counts[level], level))
        return cls(
            name=name,
            levels=tuple(levels[:MAX_LEVELS]),
            pools_rest=len(levels) > MAX_LEVELS,
            marks_missing=column.null_count > 0,
        )

    def encode(self, column: pa.ChunkedArray, out: NDArray[np.float32]) -> str | None:
        """Write the features of `column` into `out` (rows, features); return a note, if any."""
        coded = names_of(column).combine_chunks().dictionary_encode()
        words = [*coded.dictionary.to_pylist(), None]
        codes = coded.indices.fill_null(len(words) - 1).to_numpy(zero_copy_only=False)

        feature_of: dict[str | None, int] = {level: i for i, level in enumerate(self.levels)}
        if self.marks_missing:
            feature_of[None] = len(self.features) - 1
        rest = len(self.levels) if self.pools_rest else -1
        of_word = [feature_of.get(word, -1 if word is None else rest) for word in words]
        of_row = np.array(of_word)[codes]
        known = np.flatnonzero(of_row >= 0)
        out[:] = 0
        out[known, of_row[known]] = 1
        if len(known) == len(codes):
            return None
        strange = [words[code] or "a missing value" for code in np.unique(codes[of_row < 0])]
        return (
            f"column {self.name!r}: {len(codes) - len(known)} of {len(codes)} rows hold what no training "
            f"row held ({', '.join(strange[:3])}{' ...' if len(strange) > 3 else ''}); "
            "all features of the column are 0 there"
        )


def fit_column(name: str, column: pa.ChunkedArray) -> tuple[Number | Category | None, str | None]:
    """Choose how a column enters the network, from the training rows.

    Text, bool and dictionary columns are categories; numbers, dates and times are numbers. Left out
    are columns without values, with one value throughout, of a type that is neither, and those that
    name the rows: text of more than 20 levels that are not seen twice on average, and distinct
    integers in a column called ``id``, ``..._id``, ``index`` or the like.

    Returns
    -------
    column : Number, Category or None
        ``None`` where the column is left out.
    note : str or None
        What the user should know about it.
    """
    if is_number(column.type):
        return _fit_number(name, column)
    if is_name(column.type):
        return _fit_category(name, column)
    return (
        None,
        f"column {name!r} left out: it holds {words_for(column.type)}, neither numbers nor names",
    )


def _fit_number(name: str, column: pa.ChunkedArray) -> tuple[Number | None, str | None]:
    import pyarrow as pa

    values = numbers_of(column, name)
    present = values[~np.isnan(values)]
    if not len(present):
        return None, f"column {name!r} left out: all its values are missing"
    if len(present) == len(values) and present.min() == present.max():
        return None, f"column {name!r} left out: its value is {present[0]:g} throughout"
    if (
        _IDENTIFIER.fullmatch(name)
        and pa.types.is_integer(column.type)
        and len(np.unique(present)) == len(present)
    ):
        return None, f"column {name!r} left out: its values are all distinct and name the rows"
    return Number.fit(name, column), None


def _fit_category(name: str, column: pa.ChunkedArray) -> tuple[Category | None, str | None]:
    import pyarrow.compute as pc

    present = len(column) - column.null_count
    levels = len(pc.unique(column.drop_null()))
    if not present:
        return None, f"column {name!r} left out: all its values are missing"
    if levels == 1 and not column.null_count:
        return (
            None,
            f"column {name!r} left out: its value is {names_of(column)[0].as_py()!r} throughout",
        )
    if levels > max(FEW_NAMES, present / 2):
        return (
            None,
            f"column {name!r} left out: its {levels} values name the {present} rows, not groups of "
            f"rows{_hint(pc.unique(names_of(column.drop_null())).to_pylist())}",
        )
    category = Category.fit(name, column)
    if hint := _hint(category.levels):
        return category, f"column {name!r} is taken as names, one feature for each{hint}"
    if category.pools_rest:
        return category, (
            f"column {name!r}: the {levels - MAX_LEVELS} rarest of its {levels} levels share the feature "
            f"'{name}=(other)'"
        )
    return category, None


def _hint(words: Sequence[str]) -> str:
    """A half sentence where all names are dates or numbers in a dress that hides them."""
    if all(map(_DATE.fullmatch, words)):
        return (
            f"; they are dates ({min(words)!r}), which count as numbers when written as 2024-01-31"
        )
    units = {found[1] if (found := _WITH_UNIT.fullmatch(word)) else None for word in words}
    if None in units or len(units) > 2:
        return ""
    return f"; they are numbers with a unit ({min(words)!r}): without it they count as numbers"


def is_name(kind: pa.DataType) -> bool:
    """Tell whether values of an Arrow type are names: text, bool, dictionary."""
    from pyarrow import types

    tests = (types.is_boolean, types.is_dictionary, types.is_string, types.is_large_string)
    return any(holds(kind) for holds in tests)


def is_number(kind: pa.DataType) -> bool:
    """Tell whether values of an Arrow type are numbers, or dates and times, which count as numbers."""
    from pyarrow import types

    tests = (
        types.is_integer,
        types.is_floating,
        types.is_decimal,
        types.is_temporal,
        types.is_null,
    )
    return any(holds(kind) for holds in tests) and not types.is_interval(kind)


def words_for(kind: pa.DataType) -> str:
    """Return a word for what a column of an Arrow type holds.

    >>> import pyarrow as pa
    >>> words_for(pa.string()), words_for(pa.list_(pa.int64()))
    ('text', 'lists')
    """
    from pyarrow import types

    if types.is_string(kind) or types.is_large_string(kind) or types.is_dictionary(kind):
        return "text"
    if types.is_nested(kind):
        return "records" if types.is_struct(kind) else "lists"
    return f"values of type {kind}"


def numbers_of(column: pa.ChunkedArray, name: str, what: str = "Column") -> NDArray[np.float64]:
    """Return a column as float64 (rows,), NaN where a value is missing.

    Raises
    ------
    TableError
        A value is text, nested, infinite or beyond 1e100; the message names the first such rows.
    """
    import pyarrow as pa
    from pyarrow import types

    kind, divisor = column.type, 1
    if types.is_date(kind):
        column = column.cast(pa.date32()).cast(pa.int32())
    elif types.is_timestamp(kind):
        column, divisor = column.cast(pa.int64()), _TICKS_A_SECOND[kind.unit] * 86_400
    elif types.is_time(kind) or types.is_duration(kind):
        column = column.cast(pa.int32() if kind.bit_width == 32 else pa.int64())
        divisor = _TICKS_A_SECOND[kind.unit]
    elif not is_number(kind) and not types.is_boolean(kind):
        _refuse_text(column, name, what)
    values: NDArray[np.float64] = column.cast(pa.float64(), safe=False).to_numpy() / divisor
    rows = np.flatnonzero(np.abs(values) > _LARGEST)
    if len(rows):
        raise TableError(
            f"{what} {name!r}: {rows_listed(rows.tolist(), values[rows].tolist())}; numbers must be finite "
            f"and within +-{_LARGEST:g}. Mend the cells, or leave them empty for missing."
        )
    return values


def _refuse_text(column: pa.ChunkedArray, name: str, what: str) -> None:
    words = column.to_pylist()
    present = [row for row, word in enumerate(words) if word is not None]
    odd = [row for row in present if not NUMBER.fullmatch(str(words[row]))] or present
    raise TableError(
        f"{what} {name!r} held numbers in training and holds {words_for(column.type)} here: "
        f"{rows_listed(odd, [words[row] for row in odd])}. "
        "Put numbers there, or leave the cells empty for missing."
    )


def standard_deviation(values: NDArray[np.float64]) -> float:
    """Return sqrt(m2), the second central moment divided by n; 0 only for a constant."""
    deviations, largest = _deviations(values)
    return float(largest * np.sqrt(np.mean(deviations**2)))


def skewness(values: NDArray[np.float64]) -> float:
    """Return m3 / m2^(3/2), the central moments divided by n; 0 for a constant."""
    deviations, largest = _deviations(values)
    return float(np.mean(deviations**3) / np.mean(deviations**2) ** 1.5) if largest else 0.0


def _deviations(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Deviations from the mean over the largest one, whose powers neither overflow nor vanish."""
    deviations = values - values.mean()
    largest = float(np.abs(deviations).max())
    return deviations / (largest or 1.0), largest


def _signed_log(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """sign(x) log(1 + |x|): the logarithm where x is not negative, and defined where it is."""
    return np.copysign(np.log1p(np.abs(values)), values)
