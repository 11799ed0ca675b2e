"""Delimited text (CSV, TSV and relatives) to an Arrow table, with errors that name the line.

Two questions are answered from the text itself: what separates the cells, and whether decimals are
written with a comma. A line that does not fit the first one is an error, never a guess.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Collection, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from deltarule.errors import TableError

if TYPE_CHECKING:
    import pyarrow as pa

DELIMITERS = "\t;|,"  # in the order of trust: a comma may also stand in a number or a sentence
MISSING_WORDS = ("", "NA", "N/A", "n/a", "#N/A", "nan", "NaN", "NAN", "null", "NULL", "None", "?")
ROW_INDEX = "row index"  # the column without a name that pandas and R write first

_SAMPLE = 1 << 16  # characters from which the delimiter is told
_LARGEST_BLOCK = (1 << 31) - 1
_SAVE_AS_UTF8 = "Save it as UTF-8 (in a spreadsheet: 'CSV UTF-8')."
_TOLD = re.compile(
    r"sep=(.)(?:\r\n|\r|\n)"
)  # the first line of some files says what separates cells


def parse_delimited(
    raw: bytes,
    place: str,
    *,
    header: bool = True,
    delimiter: str | None = None,
    as_text: Collection[str] = (),
) -> pa.Table:
    r"""Parse the bytes of a delimited text file.

    Parameters
    ----------
    raw : bytes
        UTF-8 text with any line ends, with or without a byte order mark.
    place : str
        The file's name, for messages.
    header : bool
        Whether the first line holds the column names; else they are ``col1 ... colN``.
    delimiter : str, optional
        What separates the cells; ``None`` tells it from the text.
    as_text : collection of str
        Columns that stay text whatever they hold, so that ``007`` stays ``007``.

    Raises
    ------
    TableError
        Not UTF-8, empty, no rows below the header, a line with too many or too few cells, quotes
        that do not pair up, two columns of one name.

    Examples
    --------
    >>> parse_delimited(b"price;rooms\n1,5;2\n", "houses.csv").to_pydict()
    {'price': [1.5], 'rooms': [2]}
    """
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    text = _decode(raw, place)
    if not text.strip():
        raise TableError(f"{place} is empty: a header line and at least one row are needed.")
    if told := _TOLD.match(text):  # spreadsheets write it; it is no header
        text, raw = text[told.end() :], raw[len(told[0].encode()) :]
        delimiter = delimiter or told[1]
    delimiter = delimiter or sniff_delimiter(text)
    if raw.count(b'"') % 2:
        _refuse_open_quote(text, delimiter, place)
    first_line = next((cells for _, cells in _records(text, delimiter) if cells), [""])
    names = _column_names(first_line, place, header)
    if header and len(list(islice(_lines(text, delimiter), 2))) < 2:
        raise TableError(
            f"{place} has a header ({_count(len(names), 'column')}) but no rows below it."
            f"{header_hint(names)}"
        )
    return _parse(raw.lstrip(b"\r\n"), text, place, delimiter, names, header, as_text)


def sniff_delimiter(text: str) -> str:
    r"""Return the delimiter that cuts every line into the same number of cells, two or more.

    Where no delimiter does so (a ragged file), it is the most frequent one of the first line; where
    the first line has none, the file has one column.

    >>> sniff_delimiter("a;b\n1,5;2,5\n"), sniff_delimiter("name\nMiller\n")
    (';', ',')
    """
    lines = list(io.StringIO(text[:_SAMPLE], newline=""))
    if len(text) > _SAMPLE and len(lines) > 1:
        lines.pop()  # cut in the middle
    for delimiter in DELIMITERS:
        widths = {len(cells) for cells in csv.reader(lines, delimiter=delimiter) if cells}
        if len(widths) == 1 and min(widths) > 1:
            return delimiter
    first = next(line for line in lines if line.strip())
    return max(reversed(DELIMITERS), key=first.count)


def writes_decimal_comma(text: str, delimiter: str) -> bool:
    """Tell whether decimals are written ``1,5``: some cell is, and none is written ``1.5``."""
    if delimiter == ",":
        return False
    edge = re.escape(delimiter)
    cell = rf'(?:^|{edge})\s*"?[+-]?\d*%s\d+(?:[eE][+-]?\d+)?"?\s*(?={edge}|$)'
    comma, point = (re.compile(cell % mark, re.MULTILINE) for mark in (",", r"\."))
    return comma.search(text) is not None and point.search(text) is None


def header_hint(names: list[str]) -> str:
    """Return a sentence for messages where most column names look like data, else nothing.

    >>> header_hint(["5.1", "3.5", "setosa"])[:49]
    " The first line looks like data ('5.1', '3.5'): f"
    """
    numbers = [name for name in names if re.fullmatch(r"[+-]?\d*[.,]?\d+", name)]
    if 2 * len(numbers) <= len(names):
        return ""
    shown = ", ".join(repr(name) for name in numbers[:3])
    return (
        f" The first line looks like data ({shown}): for a file without column names pass "
        "header=False (command line: --no-header) and call them col1, col2, ..."
    )


def _decode(raw: bytes, place: str) -> str:
    every_other = sorted(raw[start:200:2].count(b"\0") for start in (0, 1))  # without a mark
    wide = every_other[0] == 0 and 3 * every_other[1] > len(raw[:200:2])
    if wide or raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise TableError(f"{place} is UTF-16 text. {_SAVE_AS_UTF8}")
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        byte = raw[error.start : error.start + 1]
        raise TableError(
            f"{place} is not UTF-8 text: byte 0x{byte.hex().upper()} on line {line} "
            f"(in Latin-1 it is {byte.decode('cp1252', 'replace')!r}). {_SAVE_AS_UTF8}"
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise TableError(
            f"{place} is not a text file: there is a zero byte on line {line}. "
            "Give a CSV, TSV or Parquet file."
        )
    return text


def _parse(
    raw: bytes,
    text: str,
    place: str,
    delimiter: str,
    names: list[str],
    header: bool,
    as_text: Collection[str],
) -> pa.Table:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    parsing = arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=b'"' in raw)
    conversion = arrow_csv.ConvertOptions(
        null_values=MISSING_WORDS,
        strings_can_be_null=True,
        decimal_point="," if writes_decimal_comma(text, delimiter) else ".",
        column_types={name: pa.string() for name in as_text},
    )

    def parse(block_size: int) -> pa.Table:
        reading = arrow_csv.ReadOptions(
            column_names=names, skip_rows_after_names=int(header), block_size=block_size
        )
        return arrow_csv.read_csv(pa.py_buffer(raw), reading, parsing, conversion)

    try:
        return parse(block_size=1 << 20)
    except pa.ArrowInvalid:
        _refuse_ragged(text, delimiter, place, header)
    try:
        return parse(block_size=min(len(raw) + 1, _LARGEST_BLOCK))  # for a cell larger than a block
    except pa.ArrowInvalid:
        raise TableError(
            f"{place} cannot be read as cells separated by {delimiter!r}: lines and quotes do not "
            "pair up the same way in all of it. Write it again from the program that it comes from."
        ) from None


def _records(
    text: str, delimiter: str, strict: bool = False
) -> Iterator[tuple[int, list[str] | None]]:
    """Yield each record with the number of its first line; strictly, ``None`` for unpaired quotes."""
    csv.field_size_limit(_LARGEST_BLOCK)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=strict)
    line = 1
    try:
        for cells in reader:
            yield line, cells
            line = reader.line_num + 1
    except csv.Error:
        yield line, None


def _lines(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each record that is not blank, with the number of its first line."""
    return ((line, cells or [""]) for line, cells in _records(text, delimiter) if cells != [])


def _refuse_ragged(text: str, delimiter: str, place: str, header: bool) -> None:
    """Raise where a line has other cells than the first, or the first than all others."""
    widths = [len(cells) for _, cells in _lines(text, delimiter)]
    odd = next((i for i, width in enumerate(widths) if width != widths[0]), None)
    if odd is None:
        return
    first_is_odd = odd == 1 and len(widths) > 2 and len(set(widths[1:])) == 1
    line, cells = next(islice(_lines(text, delimiter), 0 if first_is_odd else odd, None))
    other = f"the {'header' if header else 'first line'} has {widths[0]}"
    cure = f'Mend the line; a cell that itself holds {delimiter!r} is written "in quotes".'
    if first_is_odd:
        other = f"each line below has {widths[1]}"
        cure = (
            f"If each line below ends with {delimiter!r}, delete that there."
            if widths[1] == widths[0] + 1 > 2
            else "If it is a title or a comment, delete it; else give every column a name."
        )
    raise TableError(
        f"{place}, line {line}: {_count(len(cells), 'cell')} where {other} (separated by "
        f"{delimiter!r}): {_short(delimiter.join(cells))!r}. {cure}"
    )


def _refuse_open_quote(text: str, delimiter: str, place: str) -> None:
    for line, cells in _records(text, delimiter, strict=True):
        if cells is None:
            raise TableError(
                f"{place}, line {line}: the quotes around a cell do not pair up. "
                'Close them; a quote inside a quoted cell is written "".'
            )


def _column_names(first_line: list[str], place: str, header: bool) -> list[str]:
    if not header:
        return [f"col{i}" for i in range(1, len(first_line) + 1)]
    names = [cell.strip() or f"col{i}" for i, cell in enumerate(first_line, start=1)]
    if not first_line[0].strip() and len(names) > 1:
        names[0] = ROW_INDEX
    for name, times in Counter(names).items():
        if times > 1:
            at = [str(i) for i, other in enumerate(names, start=1) if other == name]
            raise TableError(
                f"{place} has {times} columns named {name!r} (columns {', '.join(at)}). "
                f"Rename all but one.{header_hint(names)}"
            )
    return names


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _short(text: str, limit: int = 60) -> str:
    return text if len(text) <= limit else text[:limit] + "..."
