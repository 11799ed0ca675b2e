"""`read_table`: what it reads, and what it says where it cannot.

In: small files written here, and the sample of houses in examples/data. Out: Arrow tables, messages.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from deltarule.data import read_table, write_table
from deltarule.data.delimited import DELIMITERS, MISSING_WORDS, parse_delimited, sniff_delimiter
from deltarule.data.write import ENDINGS
from deltarule.errors import TableError

HOUSES = Path(__file__).parents[1] / "examples" / "data"


@pytest.fixture
def read(tmp_path):
    """Write bytes to a file and read it as a table."""

    def read(raw: bytes | str, name: str = "t.csv", **options) -> dict[str, list]:
        path = tmp_path / name
        path.write_bytes(raw.encode() if isinstance(raw, str) else raw)
        return read_table(path, **options).to_pydict()

    return read


@pytest.fixture
def complaint(read):
    """Return the message with which a file is refused."""

    def complaint(raw: bytes | str, name: str = "t.csv", **options) -> str:
        with pytest.raises(TableError) as caught:
            read(raw, name, **options)
        return str(caught.value)

    return complaint


# ---- what is read


@pytest.mark.parametrize("delimiter", DELIMITERS)
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_delimiters_line_ends_and_bom(read, delimiter, line_end, bom):
    lines = [["rooms", "size", "coast"], ["3", "1.5", "near"], ["4", "2", "far"]]
    text = line_end.join(delimiter.join(cells) for cells in lines)
    assert read(bom + text.encode()) == {
        "rooms": [3, 4],
        "size": [1.5, 2.0],
        "coast": ["near", "far"],
    }


def test_houses_with_missing_values_and_text():
    houses = read_table(HOUSES / "houses_small.csv")
    assert houses.shape == (200, 10)
    assert houses["total_bedrooms"].null_count == 5
    assert houses["ocean_proximity"].type == pa.string()
    assert {str(kind) for kind in houses.schema.types} == {"double", "string"}


def test_all_houses():
    houses = read_table(str(HOUSES / "california_housing.csv.gz"))
    assert houses.shape == (20640, 10)
    assert houses["total_bedrooms"].null_count == 207


def test_gzip_is_known_by_its_content(read):
    assert read(gzip.compress(b"a,b\n1,2\n"), "table.txt") == {"a": [1], "b": [2]}


def test_parquet(tmp_path):
    table = pa.table({"a": [1, None], "b": ["x", "NA"], "c": [True, False]})
    parquet.write_table(table, tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet").to_pydict() == {
        "a": [1, None],
        "b": ["x", None],
        "c": [True, False],
    }


def test_decimal_comma(read):
    assert read("a;b\n1,5;2\n,25;3\n") == {"a": [1.5, 0.25], "b": [2, 3]}
    assert read("a\tb\n-1,5e2\t2\n") == {"a": [-150.0], "b": [2]}
    assert read('a;b\n"1,5";x\n') == {"a": [1.5], "b": ["x"]}
    # a decimal point somewhere: the commas are text
    assert read("a;b\n1,5;2.5\n") == {"a": ["1,5"], "b": [2.5]}


def test_words_for_missing_values(read):
    rows = "".join(f"{word},{word}, {word} ,1\n" for word in MISSING_WORDS)
    table = read("number,text,padded,one\n" + rows + "2,x, y ,1\n")
    missing = [None] * len(MISSING_WORDS)
    assert table["number"] == [*missing, 2]
    assert table["text"] == [*missing, "x"]
    assert table["padded"] == [*missing, "y"]


def test_cells_are_trimmed_and_numbers_are_numbers(read):
    # the " ?" of the adult census: Arrow alone would read text
    assert read("age, job\n 39, clerk\n ?, ?\n 50,  clerk \n") == {
        "age": [39, None, 50],
        "job": ["clerk", None, "clerk"],
    }


def test_quotes(read):
    assert read('a,b\n"x, y",1\n"two\nlines",2\n"a ""word""",3\n') == {
        "a": ["x, y", "two\nlines", 'a "word"'],
        "b": [1, 2, 3],
    }


def test_types_hold_over_the_whole_file(read):
    """The type of a column is told from all its rows, not from the first million bytes."""
    rows = 300_000
    table = read("a,b\n" + "1,2\n" * rows + "1.5,2\n")
    assert table["a"][-2:] == [1.0, 1.5]
    assert len(table["a"]) == rows + 1


def test_a_cell_of_two_million_characters(read):
    table = read("a,b\n1," + "x" * 2_000_000 + "\n2,y\n")
    assert [len(cell) for cell in table["b"]] == [2_000_000, 1]


def test_without_header(read):
    assert read("5.1,setosa\n4.9,virginica\n", header=False) == {
        "col1": [5.1, 4.9],
        "col2": ["setosa", "virginica"],
    }


def test_columns_without_names(read):
    assert read(",a,\n0,5,6\n1,7,8\n") == {"row index": [0, 1], "a": [5, 7], "col3": [6, 8]}


def test_blank_lines_and_leading_blank_lines(read):
    assert read("\n\na,b\n1,2\n\n3,4\n\n") == {"a": [1, 3], "b": [2, 4]}


def test_delimiter_can_be_given(read):
    assert read("a|b,c\n1|2,3\n", delimiter=",") == {"a|b": ["1|2"], "c": [3]}


def test_bool_date_and_time(read):
    table = read("a,b\nTrue,2024-03-01\nFalse,2024-03-02\n")
    assert table["a"] == [True, False]
    assert [str(day) for day in table["b"]] == ["2024-03-01", "2024-03-02"]


def test_categories_stay_as_they_are_written(read):
    table = read("zip,y\n007,1\n010,2\n", categories=["zip"])
    assert table == {"zip": ["007", "010"], "y": [1, 2]}
    frame = read_table({"zip": [7.0, None, 10.0]}, categories=["zip"])
    assert frame.to_pydict() == {"zip": ["7", None, "10"]}


def test_reading_again_changes_nothing():
    once = read_table(
        {"zip": ["007", "010"], "t": [" x", "NA"], "n": ["1", "2.5"]}, categories=["zip"]
    )
    assert read_table(once).equals(once)


def test_few_odd_words_make_a_category(read):
    cells = ["1", "2", "3", "4 or more"] * 25
    assert read("rooms\n" + "\n".join(cells) + "\n") == {"rooms": cells}


# ---- frames


def test_a_frame_of_narwhals():
    import narwhals as nw

    frame = nw.from_native(pa.table({"a": [1, 2], "b": ["x", " ? "]}))
    assert read_table(frame).to_pydict() == {"a": [1, 2], "b": ["x", None]}


def test_a_pandas_frame():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {"a": [1, 2, None], "b": ["x", None, "NA"], "c": pandas.Categorical([5, 6, 5])},
        index=[7, 8, 9],
    )
    assert read_table(frame).to_pydict() == {
        "a": [1.0, 2.0, None],
        "b": ["x", None, None],
        "c": ["5", "6", "5"],
    }


@pytest.mark.parametrize("lazy", [False, True])
def test_a_polars_frame(lazy):
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"a": [1, 2, None], "b": ["x", None, "NA"]})
    table = read_table(frame.lazy() if lazy else frame)
    assert table.to_pydict() == {"a": [1, 2, None], "b": ["x", None, None]}


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (3, "A int is not a table. Give a path to a CSV, TSV or Parquet file"),
        ([1, 2], "A list is not a table"),
        ({"a": [1, 2], "b": [1]}, "Column 'a' has 2 rows and column 'b' has 1"),
        ({"a": [1, "x"]}, "row 1 holds 1, row 2 holds 'x'"),
        ({"a": []}, "The table has 0 rows and 1 columns: nothing to learn from"),
        (pa.table([[1], [2]], names=["a", "a"]), "two columns named 'a'. Rename one."),
    ],
)
def test_what_is_no_table(source, words):
    with pytest.raises(TableError, match=r"table|Column") as caught:
        read_table(source)
    assert words in str(caught.value)


# ---- what is refused, and how


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "t.csv is empty: a header line and at least one row are needed."),
        (b"\n  \n", "t.csv is empty"),
        (b"a,b\n", "t.csv has a header (2 columns) but no rows below it."),
        (b"a,b,a\n1,2,3\n", "t.csv has 2 columns named 'a' (columns 1, 3). Rename all but one."),
        (
            b"5.1,3.5,3.5\n4,5,6\n",
            "The first line looks like data ('5.1', '3.5', '3.5'): for a file",
        ),
        (
            b"a,b\n1,2\n3\n4,5\n",
            "t.csv, line 3: 1 cell where the header has 2 (separated by ','): '3'.",
        ),
        (b"a,b\n\n1,2\n3,4,5\n", "t.csv, line 4: 3 cells where the header has 2"),
        (b'a,b\n"1\n2",2\n3\n', "t.csv, line 4: 1 cell where the header has 2"),
        (b"text\nhello, world\n", "a cell that itself holds ',' is written \"in quotes\"."),
        (b'a,b\n1,2\n"x,1\ny,2\n', "t.csv, line 3: the quotes around a cell do not pair up."),
        (
            "a,b\n1,2\ncafé,1\n".encode("latin-1"),
            "byte 0xE9 on line 3 (in Latin-1 it is 'é'). Save it",
        ),
        ("a,b\n1,2\n".encode("utf-16"), "t.csv is UTF-16 text. Save it as UTF-8"),
        (b"a,b\n\0,2\n", "t.csv is not a text file: there is a zero byte on line 2."),
        (b"\x1f\x8bnot gzip", "t.csv is a damaged gzip file"),
        (b"PK\x03\x04...", "t.csv is a zip archive, no table of rows and columns."),
        (b"PAR1 and no more", "t.csv is a damaged Parquet file"),
    ],
)
def test_bad_files(complaint, raw, words):
    assert words in complaint(raw)


def test_a_ragged_line_without_header(complaint):
    assert "line 2: 1 cell where the first line has 2" in complaint("1,2\n3\n", header=False)


def test_a_truncated_gzip_file(complaint):
    assert "damaged gzip file" in complaint(gzip.compress(os.urandom(500))[:200], "t.csv.gz")


def test_not_parquet(complaint):
    assert "t.parquet is not a Parquet file: it starts with b'a,b\\n1,2\\n'" in complaint(
        "a,b\n1,2\n", "t.parquet"
    )


def test_files_that_are_not_there(tmp_path):
    (tmp_path / "houses.csv").write_text("a\n1\n")
    with pytest.raises(
        TableError, match=r"There is no file .*huoses\.csv; did you mean '.*houses\.csv'\?"
    ):
        read_table(tmp_path / "huoses.csv")
    with pytest.raises(TableError, match=r"the folder .*nowhere does not exist"):
        read_table(tmp_path / "nowhere" / "houses.csv")
    with pytest.raises(TableError, match=r"is a folder\. Name one file in it"):
        read_table(tmp_path)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything"
)
def test_a_file_that_may_not_be_read(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a\n1\n")
    path.chmod(0)
    with pytest.raises(TableError, match="cannot be read: Permission denied"):
        read_table(path)


def test_text_among_numbers_names_the_rows(complaint, read):
    text = "age,y\n" + "".join(f"{i},{i}\n" for i in range(95)) + "old,1\n?,2\nn.k.,3\n"
    message = complaint(text)
    assert "t.csv: column 'age' is a column of numbers (97.9 % of its cells)" in message
    assert "row 96 holds 'old', row 98 holds 'n.k.'" in message
    assert "categories=['age'] (command line: --category age)" in message
    assert read(text, categories=["age"])["age"][-3:] == ["old", None, "n.k."]


def test_dressed_numbers_are_no_names(complaint):
    message = complaint("price\n" + "".join(f'"${i},500"\n' for i in range(1, 30)))
    assert "row 1 holds '$1,500', row 2 holds '$2,500', row 3 holds '$3,500' and 26 more" in message
    assert "Write plain numbers there (no currency, percent or thousands marks)" in message


def test_an_unknown_category_offers_the_nearest_name(complaint):
    assert "has no column 'zpi'; did you mean 'zip'?" in complaint(
        "zip,y\n1,2\n", categories=["zpi"]
    )


# ---- any table


WORDS = st.text("abcdefgh éßЖ日,;|\t'\"\n.0123456789", min_size=1, max_size=8)
TEXT = WORDS.map(str.strip).filter(lambda word: any(letter in word for letter in "abcdefghéßЖ日"))
FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@given(
    rows=st.lists(
        st.tuples(TEXT, FLOATS, st.integers(-(2**63), 2**63 - 1)), min_size=1, max_size=15
    ),
    delimiter=st.sampled_from(DELIMITERS),
)
def test_what_csv_writes_is_read_back(rows, delimiter):
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    writer.writerow(["text", "float", "int"])
    writer.writerows(rows)

    table = parse_delimited(out.getvalue().encode(), "t.csv", delimiter=delimiter, as_text=["text"])
    assert [tuple(row.values()) for row in table.to_pylist()] == rows


@given(
    st.lists(st.lists(st.sampled_from(["a", "bc", "7", "x y"]), min_size=3, max_size=3), min_size=1)
)
def test_the_delimiter_is_told_from_any_plain_table(rows):
    for delimiter in DELIMITERS:
        assert sniff_delimiter("\n".join(delimiter.join(row) for row in rows)) == delimiter


@given(st.binary(max_size=60))
def test_any_bytes_are_a_table_or_a_table_error(tmp_path_factory, raw):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(raw)
    try:
        assert read_table(path).num_rows > 0
    except TableError as error:
        assert len(str(error)) > 20


# ---- written


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_is_written_is_read_back(tmp_path, ending):
    table = pa.table({"a": [1, None], "b, c": ["x\ty", 'a "word"'], "d": [0.1, 1e300]})
    for _ in range(2):  # the second one replaces the first
        write_table(table, tmp_path / f"t{ending}")
    assert read_table(tmp_path / f"t{ending}").equals(table)
    assert [path.name for path in tmp_path.iterdir()] == [f"t{ending}"]


def test_an_ending_that_cannot_be_written(tmp_path):
    with pytest.raises(
        TableError, match=r"t\.xlsx: a table is written to a file that ends in \.csv, "
    ):
        write_table(pa.table({"a": [1]}), tmp_path / "t.xlsx")


def test_importing_the_reader_is_cheap():
    program = "import sys, deltarule.data; print({'pyarrow', 'narwhals'} & set(sys.modules))"
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "set()"
