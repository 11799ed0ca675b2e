"""What people give instead of a clean table: it is read rightly, or one line says what to mend where.

In: small files as they come from spreadsheets, databases, web pages and text editors. Out: exit code 0
and remarks, or code 2 and an error, the same in Python and on the command line.
"""

from __future__ import annotations

import gzip
import io
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import deltarule as dr
from deltarule.cli import main
from deltarule.data import read_table, write_table
from deltarule.errors import DataError, DeltaruleError, TableError, WriteError
from deltarule.train.table import evaluate_table, predict_table, train_table

QUICK = {"epochs": 1, "hidden": (4,), "progress": False}


def rows(cells, n=30, end="\n"):
    return end.join(cells(i) for i in range(n)) + end


def plain(i):
    return f"{i},{i * 2 % 7}.5"


def with_a(cell, at=17, n=40):
    """A table of numbers with one odd cell in column a."""
    return "a,y\n" + rows(lambda i: f"{cell if i == at else i},{i * 2 % 7}.5", n)


def with_y(cell, at=17, n=40):
    return "a,y\n" + rows(lambda i: f"{i},{cell if i == at else i + 0.5}", n)


def parquet_bytes(**columns):
    out = io.BytesIO()
    parquet.write_table(pa.table(columns), out)
    return out.getvalue()


CLEAN = "a,y\n" + rows(plain)
COLUMN_OF_NUMBERS = "column 'a' is a column of numbers"

# name: (content, what the error says)
REFUSED = {
    # the target
    "a target that is misspelt": (CLEAN.replace("y\n", "price\n"), "t.csv has no column 'y'"),
    "a target in capitals": (CLEAN.replace("a,y", "a,Y"), "no column 'y'; did you mean 'Y'?"),
    "no target at all": ("a,b\n" + rows(plain), "no column 'y'; it has 'a', 'b'."),
    "a target without values": (
        "a,y\n" + rows(lambda i: f"{i},"),
        "t.csv: target 'y' is missing in each of 30 rows. Name another column",
    ),
    "a target of one number": (
        "a,y\n" + rows(lambda i: f"{i},5.5"),
        "target 'y' is 5.5 in every training row",
    ),
    "a target of one name": ("a,y\n" + rows(lambda i: f"{i},x"), "target 'y' is 'x' in every"),
    "a target that is beyond float64": (with_y("1e300"), "'y': row 18 holds 1e+300; numbers must"),
    "a target with a word": (with_y("abc"), "column 'y' is a column of numbers (97.5 % of its"),
    "a small target with a word": (with_y("abc", 7, 15), "but row 8 holds 'abc'"),
    "a class a row": (
        "a,y\n" + rows(lambda i: f"{i},c{i}"),
        "target 'y' has 30 classes in 30 rows, too few rows of each to learn from. Name another",
    ),
    "numbers as classes, and a word": (
        "a,y\n" + rows(lambda i: f"{i},{'abc' if i in (3, 5) else i + 0.5}", 14),
        "Nearly all are numbers, but row 4 holds 'abc', row 6 holds 'abc': mend the cells",
    ),
    # number columns
    "thousands marks": (with_a('"1,234"'), "row 18 holds '1,234'"),
    "a currency": (with_a("$5"), "row 18 holds '$5' (row 1 is the first below the names)"),
    "a percentage": (with_a("12%"), "row 18 holds '12%'"),
    "a unit": (with_a("1.5kg"), "row 18 holds '1.5kg'"),
    "a blank inside a number": (with_a("1 234"), COLUMN_OF_NUMBERS),
    "a word": (with_a("old"), "to use the column as names instead, pass categories=['a']"),
    "a typographic minus": (with_a("−5"), "row 18 holds '−5'"),
    "an underscore": (with_a("1_000"), "row 18 holds '1_000'"),
    "points as thousands marks": (with_a("1.234.567"), COLUMN_OF_NUMBERS),
    "infinity": (with_a("inf"), "t.csv: column 'a': row 18 holds inf; numbers must be finite"),
    "1e300": (with_a("-1e300"), "row 18 holds -1e+300; numbers must be finite and within +-1e+100"),
    "all with thousands marks": (
        "a,y\n" + rows(lambda i: f'"{i + 1},234",{i}.5'),
        "row 1 holds '1,234', row 2 holds '2,234', row 3 holds '3,234' and 27 more",
    ),
    # nothing to learn from
    "only a constant": ("b,y\n" + rows(lambda i: f"7,{i}.5"), "its value is 7 throughout"),
    "only the target": ("y\n" + rows(str), "t.csv has no column beside the target 'y' that is of"),
    "only numbers with units": (
        "a,y\n" + rows(lambda i: f"{i} kg,{i}.5"),
        "kg'): without it they count as numbers. Give a table with at least one column that",
    ),
    "nothing": ("", "t.csv is empty: a header line and at least one row are needed."),
    "blank lines": ("\n \n\n", "t.csv is empty"),
    "a header": ("a,y\n", "t.csv has a header (2 columns) but no rows below it."),
    "a header without an end": ("a,y", "t.csv has a header (2 columns) but no rows below it."),
    "one row": ("a,y\n1,2\n", "1 row cannot be split into 3 parts. Give more rows or fewer parts"),
    "three rows": ("a,y\n1,2\n2,3\n4,4\n", "t.csv leaves 1 row to train on"),
    # shape of the text
    "columns of one name": ("a,a,y\n" + rows(lambda i: "1,2,3"), "2 columns named 'a' (columns 1"),
    "a long line": (CLEAN + "1,2,3\n", "t.csv, line 32: 3 cells where the header has 2"),
    "a short line": (CLEAN + "1\n", "t.csv, line 32: 1 cell where the header has 2 (separated by"),
    "an unquoted decimal comma": (with_a("1,5"), "line 19: 3 cells where the header has 2"),
    "a title": ("Sales of 2024\n" + CLEAN, "line 1: 1 cell where each line below has 2"),
    "a comma at each end but the header's": (
        "a,y\n" + rows(lambda i: plain(i) + ","),
        "If each line below ends with ',', delete that there.",
    ),
    "an open quote": ('a,y\n"1,2\n3,4\n', "line 2: the quotes around a cell do not pair up"),
    "a zero byte": (CLEAN.replace("5", "\0"), "there is a zero byte on line 2"),
    # encodings
    "Latin-1": (CLEAN.replace("a", "ä").encode("latin-1"), "byte 0xE4 on line 1 (in Latin-1 it is"),
    "Windows-1252": (with_a("5€").encode("cp1252"), "byte 0x80 on line 19 (in Latin-1 it is '€')"),
    "UTF-16": (CLEAN.encode("utf-16"), "t.csv is UTF-16 text. Save it as UTF-8"),
    "UTF-16 without a mark": (CLEAN.encode("utf-16-be"), "t.csv is UTF-16 text. Save it as UTF-8"),
    # files that are no text
    "a workbook": (b"PK\x03\x04" + b"..[Content_Types].xml", "t.csv is a spreadsheet, no table"),
    "a zip archive": (b"PK\x03\x04....t.csv", "t.csv is a zip archive, no table of rows and"),
    "an old workbook": (b"\xd0\xcf\x11\xe0\xa1", "spreadsheet of the old kind (.xls)"),
    "JSON": ('{"a": [1, 2], "y": [3, 4]}', "t.csv is JSON, no table of rows and columns"),
    "JSON records": ('[\n {"a": 1}]', "t.csv is JSON"),
    "a web page": ("\n<!DOCTYPE html><table><tr>", "t.csv is a web page or XML"),
    "PDF": (b"%PDF-1.4\n%\xe2\xe3", "t.csv is a PDF document"),
    "zstd": (b"\x28\xb5\x2f\xfd abc", "t.csv is packed with zstd"),
    "bzip2": (b"BZh91AY&SYabc", "t.csv is packed with bzip2"),
    "xz": (b"\xfd7zXZ\0abc", "t.csv is packed with xz"),
    "npy": (b"\x93NUMPY\1\0", "t.csv is a NumPy array"),
    "a pickle": (b"\x80\x04\x95abc", "t.csv is a Python pickle"),
    "SQLite": (b"SQLite format 3\0" + bytes(20), "t.csv is an SQLite database"),
    "gzip, cut": (gzip.compress(CLEAN.encode())[:-9], "t.csv is a damaged gzip file"),
    "gzip around JSON": (gzip.compress(b'{"a": 1}'), "t.csv is JSON"),
    "Parquet, cut": (parquet_bytes(a=[1, 2], y=[1, 2])[:-9], "t.csv is a damaged Parquet file"),
    "Parquet, infinite": (
        parquet_bytes(a=[*map(float, range(20)), np.inf], y=[i + 0.5 for i in range(21)]),
        "t.csv: column 'a': row 21 holds inf",
    ),
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(folder, capfd):
    """Run a command line; return exit code, output and errors."""

    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return int(ended.value.code or 0), out, err

    return run


def write(content, name="t.csv"):
    raw = content if isinstance(content, bytes) else content.encode()
    Path(name).write_bytes(raw)


def train(run, *more, file="t.csv"):
    return run("train", file, "--target", "y", "--epochs", 1, "--hidden", 4, *more)


@pytest.mark.parametrize("case", REFUSED)
def test_a_table_that_cannot_be_used(case, run):
    content, words = REFUSED[case]
    write(content)
    code, out, err = train(run, "--quiet")
    assert (code, out) == (2, "")
    assert err.startswith("error: ") and err.count("\n") == 1 and words in err, err
    with pytest.raises(DataError) as caught:
        train_table("t.csv", "y", **QUICK)
    assert err == f"error: {caught.value}\n"
    assert os.listdir() == ["t.csv"]


# name: (content, inputs of the network, a remark or None)
TAKEN = {
    "Windows' line ends": (CLEAN.replace("\n", "\r\n"), 1, None),
    "old line ends": (CLEAN.replace("\n", "\r"), 1, None),
    "no line end": (CLEAN.rstrip(), 1, None),
    "a byte order mark": (b"\xef\xbb\xbf" + CLEAN.encode(), 1, None),
    "semicolons and decimal commas": (
        "a;y\n" + rows(lambda i: f"{i},5;{i * 2 % 7},25"),
        1,
        None,
    ),
    "tabs": (CLEAN.replace(",", "\t"), 1, None),
    "bars": (CLEAN.replace(",", "|"), 1, None),
    "a line that names the delimiter": ("sep=;\n" + CLEAN.replace(",", ";"), 1, None),
    "blank lines": ("\n\n" + CLEAN.replace("\n", "\n\n"), 1, None),
    "a comma at each end": (
        "a,y,\n" + rows(lambda i: plain(i) + ","),
        1,
        "column 'col3' left out: all its values are missing",
    ),
    "names in quotes and blanks": (' "a" , y \n'.replace(' "a"', '"a"') + rows(plain), 1, None),
    "cells with line ends": (
        "a,b,y\n" + rows(lambda i: f'{i},"x\n{i % 3}",{i}.5'),
        4,
        None,
    ),
    "missing values": (
        "a,y\n" + rows(lambda i: f"{'n/a' if i % 2 else i},{i}.5"),
        2,
        "taken as the column's median and marked",
    ),
    "a missing target": (with_y(""), 1, "1 of 40 rows left out: their target 'y' is missing"),
    "a column of one value": (
        "a,b,y\n" + rows(lambda i: f"{i},7,{i}.5"),
        1,
        "column 'b' left out: its value is 7 throughout",
    ),
    "a column without values": (
        "a,b,y\n" + rows(lambda i: f"{i},,{i}.5"),
        1,
        "column 'b' left out: all its values are missing",
    ),
    "dates": ("a,y\n" + rows(lambda i: f"2024-01-{i + 1:02},{i}.5", 28), 1, None),
    "dates of another order": (
        "a,b,y\n" + rows(lambda i: f"{1 + i % 5:02}.01.2024,{i},{i}.5"),
        6,
        "they are dates ('01.01.2024'), which count as numbers when written as 2024-01-31",
    ),
    "numbers with units": (
        "a,b,y\n" + rows(lambda i: f"{i % 5} kg,{i},{i}.5"),
        6,
        "they are numbers with a unit ('0 kg'): without it they count as numbers",
    ),
    "words for true and false": (
        "a,b,y\n" + rows(lambda i: f"{i},{'FALSE TRUE'.split()[i % 2]},{i}.5"),
        3,
        None,
    ),
    "gzip of another name": (gzip.compress(CLEAN.encode()), 1, None),
    "Parquet of another name": (
        parquet_bytes(a=range(30), y=[i + 0.5 for i in range(30)]),
        1,
        None,
    ),
    "huge numbers": ("a,y\n" + rows(lambda i: f"{i}e90,{i}e90"), 1, None),
    "long integers": ("a,y\n" + rows(lambda i: f"{i + 1}{'0' * 30},{i}.5"), 1, None),
    "a class of one row": (
        "a,y\n" + rows(lambda i: f"{i},{'rare' if i == 3 else 'ab'[i % 2]}"),
        1,
        None,
    ),
}


@pytest.mark.parametrize("case", TAKEN)
def test_a_table_that_can_be_used(case, run):
    content, inputs, remark = TAKEN[case]
    write(content)
    code, _, err = train(run)
    assert code == 0, err
    lines = [line for line in err.splitlines() if "no better than the baseline" not in line]
    assert (remark in err) if remark else lines == [], err
    assert len(dr.load("t.dr").preprocessor.feature_names) == inputs
    assert run("evaluate", "t.dr", "t.csv")[0] == 0


@pytest.mark.parametrize(
    "name",
    "ARROW1 ORC Obj PK BZh9 PAR RIFF GIF89a 7z {a} [1] [x] < <5 <a> %PDF SQLite # @ ! ~ <tab> NaN".split(),
)
def test_names_that_look_like_other_files_are_names(name, folder):
    """A column may be called like the first bytes of another kind of file."""
    write(CLEAN.replace("a,", f"{name},", 1))
    assert read_table("t.csv").column_names == [name, "y"]


# --- settings ---

SETTINGS = {
    "a learning rate of 0": (["--learning-rate", "0"], "learning_rate must be a positive number"),
    "an infinite learning rate": (["--learning-rate", "inf"], "not inf; give 0.01, say"),
    "no share": (["--validation", "nan"], "validation is nan and test is 0.15 of the rows"),
    "a negative share": (["--test", "-1"], "test is -1 of the rows; both must be 0 or more"),
    "the target ignored": (["--ignore", "y"], "ignore names the target 'y' itself"),
    "all ignored": (["--ignore", "a"], "t.csv has no column beside the target 'y' that is of use"),
    "an unknown column ignored": (["--ignore", "aa"], "has no column 'aa'; did you mean 'a'?"),
    "an unknown category": (["--category", "b"], "t.csv has no column 'b'; it has 'a', 'y'."),
    "classes of a quantity": (["--task", "classification"], "row 1 holds 0.5, row 2 holds 2.5"),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_settings_that_cannot_be(case, run):
    arguments, words = SETTINGS[case]
    write(CLEAN)
    code, _, err = train(run, *arguments)
    assert code == 2 and words in err, err


def test_more_units_than_memory_is_no_traceback(run, monkeypatch):
    def full(*args, **settings):
        raise MemoryError("Unable to allocate 4.00 TiB")

    monkeypatch.setattr("deltarule.train.table.network_for", full)
    write(CLEAN)
    code, _, err = train(run)
    assert (code, err) == (
        1,
        "error: there is not enough memory: Unable to allocate 4.00 TiB. Give fewer rows or units\n",
    )


def test_a_bug_asks_for_a_report(run, monkeypatch):
    def broken(*args, **settings):
        return [][3]

    monkeypatch.setattr("deltarule.train.table.network_for", broken)
    write(CLEAN)
    code, _, err = train(run)
    assert code == 1 and err.count("\n") == 1
    assert (
        "error: this is a bug of deltarule, not of yours: IndexError at test_bad_tables.py:" in err
    )
    assert "Please report it with the command and what DELTARULE_TRACEBACK=1" in err


def test_a_regression_on_text(folder):
    with pytest.raises(
        TableError, match=r"target 'y' holds text \(row 1 holds 'p', row 2 holds 'q'"
    ):
        write("a,y\n" + rows(lambda i: f"{i},{'pq'[i % 2]}"))
        train_table("t.csv", "y", task="regression", **QUICK)


def test_a_batch_larger_than_the_table(folder):
    write(CLEAN)
    whole = train_table("t.csv", "y", batch_size=21, **QUICK)
    larger = train_table("t.csv", "y", batch_size=10**6, **QUICK)
    np.testing.assert_array_equal(
        predict_table(whole.model, "t.csv").values, predict_table(larger.model, "t.csv").values
    )


# --- another table than in training ---


@pytest.fixture
def models(folder):
    write("a,b,c,y\n" + rows(lambda i: f"{i},{'xyz'[i % 3]},{i % 5},{i * 2 % 7}.5"), "r.csv")
    write("a,b,y\n" + rows(lambda i: f"{i},{'xyz'[i % 3]},{'pq'[i % 2]}"), "c.csv")
    for name in "rc":
        trained = train_table(f"{name}.csv", "y", **QUICK)
        dr.save(trained.model, f"{name}.dr")


# name: (table, remark)
PREDICTED = {
    "as in training": ("a,b,c\n1,x,2\n", ""),
    "another order": ("c,b,a\n2,x,1\n", ""),
    "a new name": ("a,b,c\n1,new,2\n", "1 of 1 rows hold what no training row held (new)"),
    "a further column": (
        "a,b,c,d\n1,x,2,inf\n",
        "columns that training did not have are not used: d",
    ),
    "a missing number": ("a,b,c\n,x,2\n", "1 of 1 values are missing, where training had none"),
    "a missing name": ("a,b,c\n1,,2\n", "what no training row held (a missing value)"),
    "a number for a name": ("a,b,c\n1,2,2\n", "what no training row held (2)"),
    "a target of no use": ("a,b,c,y\n1,x,2,who knows\n", ""),
}


@pytest.mark.parametrize("case", PREDICTED)
def test_tables_to_predict(case, models, run):
    content, remark = PREDICTED[case]
    write(content)
    code, out, err = run("predict", "r.dr", "t.csv")
    assert code == 0 and len(out.splitlines()) == 2
    assert remark in err if remark else err == ""


def test_columns_go_by_name(models):
    write("a,b,c\n1,x,2\n3,y,4\n", "t.csv")
    write("b,d,c,a\nx,9,2,1\ny,9,4,3\n", "u.csv")
    model = dr.load("r.dr")
    one, other = (predict_table(model, name).values for name in ("t.csv", "u.csv"))
    np.testing.assert_array_equal(one, other)


UNPREDICTED = {
    "a column missing": ("a,b\n1,x\n", "t.csv has no column 'c'; it has 'a', 'b'."),
    "a column misspelt": ("a,bb,c\n1,x,2\n", "t.csv has no column 'b'; did you mean 'bb'?"),
    "text for a number": ("a,b,c\n1,x,2\nold,x,2\n", "t.csv: column 'a' held numbers in training"),
    "infinity": ("a,b,c\n1,x,2\ninf,x,2\n", "t.csv: column 'a': row 2 holds inf; numbers must"),
    "1e90": ("a,b,c\n1e90,x,2\n", "row 1 holds 1e+90, which is beyond float32 when scaled"),
    "no header": (
        "1,x,2\n1,y,2\n",
        "The first line looks like data ('1', '2'): for a file without",
    ),
    "no rows": ("a,b,c\n", "t.csv has a header (3 columns) but no rows below it."),
}


@pytest.mark.parametrize("case", UNPREDICTED)
def test_tables_that_cannot_be_predicted(case, models, run):
    content, words = UNPREDICTED[case]
    write(content)
    code, out, err = run("predict", "r.dr", "t.csv", "--quiet")
    assert (code, out) == (2, "") and err.startswith("error: ") and words in err, err
    with pytest.raises(TableError) as caught:
        predict_table(dr.load("r.dr"), "t.csv")
    assert err == f"error: {caught.value}\n"


UNSCORED = {
    "no target": ("r", "a,b,c\n1,x,2\n", "t.csv has no column 'y'"),
    "an empty target": ("r", "a,b,c,y\n1,x,2,\n", "target 'y' is missing in each of 1 rows"),
    "a target of words": ("r", "a,b,c,y\n1,x,2,\n1,x,2,p\n", "'y' held numbers in training and"),
    "an infinite target": ("r", "a,b,c,y\n1,x,2,\n1,x,2,inf\n", "target 'y': row 2 holds inf"),
    "an infinite input": ("r", "a,b,c,y\n1,x,2,\ninf,x,2,1\n", "column 'a': row 2 holds inf"),
    "a new class": (
        "c",
        "a,b,y\n1,x,\n1,x,r\n",
        "target 'y': row 2 holds 'r', and training had only",
    ),
}


@pytest.mark.parametrize("case", UNSCORED)
def test_tables_that_cannot_be_scored(case, models, run):
    """Rows are counted in the file, also where rows before them have no target."""
    model, content, words = UNSCORED[case]
    write(content)
    code, _, err = run("evaluate", f"{model}.dr", "t.csv")
    assert code == 2 and words in err, err
    with pytest.raises(TableError) as caught:
        evaluate_table(dr.load(f"{model}.dr"), "t.csv")
    assert err == f"error: {caught.value}\n"


def test_a_frame_has_no_file(models):
    with pytest.raises(TableError, match="The table has no column 'c'; it has 'a', 'b'"):
        predict_table(dr.load("r.dr"), {"a": [1], "b": ["x"]})
    with pytest.raises(TableError, match=r"^Column 'a': row 1 holds inf"):
        predict_table(dr.load("r.dr"), {"a": [np.inf], "b": ["x"], "c": [1]})


def test_the_note_of_the_file_is_not_written(folder):
    write(CLEAN)
    write_table(read_table("t.csv"), "t.parquet")
    assert not parquet.read_schema("t.parquet").metadata


# --- files ---


def test_a_model_and_a_table_in_the_wrong_order(models, run):
    code, _, err = run("predict", "r.csv", "r.dr")
    assert code == 2 and "r.csv is no model file: it starts with b'a,b,c,y" in err
    assert "on the command line the model comes before the table" in err
    for command in (["predict", "r.dr", "r.dr"], ["train", "r.dr", "--target", "y"]):
        code, _, err = run(*command)
        assert code == 2 and "r.dr is a model file, no table of rows and columns" in err


def test_a_model_of_arrays_is_given_a_table(folder, run):
    write(CLEAN)
    dr.save(dr.Sequential(dr.Dense(1)).init((1, 2)), "arrays.dr")
    for command in ("predict", "evaluate"):
        code, _, err = run(command, "arrays.dr", "t.csv")
        assert code == 2 and "This model was trained on arrays" in err


@pytest.mark.parametrize("ending", ["csv", "tsv.gz", "parquet"])
@pytest.mark.parametrize("at", ["write", "fsync", "replace"])
def test_no_space_leaves_the_old_file_whole(ending, at, folder, monkeypatch):
    name = f"old.{ending}"
    table = pa.table({"a": [1, 2]})
    write_table(table, name)
    before = Path(name).read_bytes()

    class Full(io.BytesIO):
        def write(self, raw):
            raise OSError(28, "No space left on device")

        def fileno(self):
            return 0

    def fails(*args, **settings):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        if at == "write":
            patch.setattr(os, "fdopen", lambda handle, mode: (os.close(handle), Full())[1])
        else:
            patch.setattr(os, at, fails)
        with pytest.raises(WriteError) as caught:
            write_table(table, name)
    assert str(caught.value) == (
        f"{name} cannot be written: No space left on device. The old {name} is as it was. Free some "
        "space, or name another folder."
    )
    assert Path(name).read_bytes() == before and os.listdir() == [name]


@pytest.mark.skipif(os.name != "posix", reason="limits of file sizes are POSIX's")
def test_a_disk_that_is_full_is_one_line(models, run):
    resource = pytest.importorskip("resource")
    import signal

    before = Path("r.dr").read_bytes()
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50, limits[1]))
    try:
        with pytest.raises(DeltaruleError, match=r"cannot write r.dr: File too large\. A file"):
            dr.save(dr.Sequential(dr.Dense(1)).init((1, 2)), "r.dr")
        with pytest.raises(
            WriteError, match=r"new.csv cannot be written: File too large\. Free some"
        ):
            write_table(read_table("r.csv"), "new.csv")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert Path("r.dr").read_bytes() == before
    assert sorted(os.listdir()) == ["c.csv", "c.dr", "r.csv", "r.dr"]


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("no/t.csv", "--out: the folder of no/t.csv does not exist; make it first: mkdir -p no"),
        ("sub.csv", "sub.csv is a folder; name a file in it"),
        (".", ". is a folder; name a file in it"),
    ],
)
def test_places_for_predictions(place, words, models, run):
    os.mkdir("sub.csv")
    code, out, err = run("predict", "r.dr", "r.csv", "--out", place, "--quiet")
    assert (code, out) == (2, "") and words in err


def test_a_column_named_twice_by_a_rename(models):
    table = pa.table([[1.0], [2.0], ["x"]], names=["a", "a", "b"])
    with pytest.raises(TableError, match=r"The table has two columns named 'a'\. Rename one"):
        predict_table(dr.load("r.dr"), table)
    out = io.BytesIO()
    parquet.write_table(table, out)
    write(out.getvalue(), "t.parquet")
    with pytest.raises(TableError, match=r"t.parquet has two columns named 'a'. Rename one."):
        read_table("t.parquet")


def test_one_name_is_a_list_of_one(folder):
    write("zip,y\n" + rows(lambda i: f"00{i % 3},{i}.5"))
    trained = train_table("t.csv", "y", categories="zip", **QUICK)
    assert trained.preprocessor.feature_names == ("zip=000", "zip=001", "zip=002")
    with pytest.raises(TableError, match="no column beside the target"):
        train_table("t.csv", "y", ignore="zip", **QUICK)


@pytest.mark.parametrize(
    ("name", "offer"),
    [
        ("huoses.csv", "did you mean 'houses.csv'?"),
        ("HOUSES.CSV", "did you mean 'houses.csv'?"),
        ("houses.cvs", "did you mean 'houses.csv'?"),
        ("houses.csv.gz", "did you mean 'houses.csv'?"),
        ("nowhere.csv", "check the path."),
        ("no/houses.csv", "the folder no does not exist."),
    ],
)
def test_a_misspelt_file(name, offer, run):
    write(CLEAN, "houses.csv")
    write(CLEAN, "other.csv")
    code, _, err = train(run, file=name)
    assert code == 2 and err.startswith(f"error: There is no file {name}") and offer in err, err


# --- example files of explain and verify ---

EXAMPLES = {
    "no file": (None, "There is no file e.toml; check the path."),
    "a folder": ("", "e.toml is a folder. Name one file in it."),
    "zero bytes": (bytes(9), "e.toml cannot be read as text: it has zero bytes. Name a text file."),
    "no TOML": (b"a = [1,", "e.toml is no TOML: "),
    "a table": (CLEAN.encode(), "e.toml is no TOML: "),
    "another entry": ("inputz = [1]".encode("utf-16"), "an entry 'inputz'; did you mean 'inputs'?"),
    "old Windows": ("ä = 1".encode("cp1252"), "e.toml is no TOML: "),
    "half a character": ("inputs".encode("utf-16")[:-1], "e.toml cannot be read as text"),
}


@pytest.mark.parametrize("case", EXAMPLES)
@pytest.mark.parametrize("command", ["explain", "verify"])
def test_example_files_that_are_none(case, command, run):
    content, words = EXAMPLES[case]
    if content == "":
        os.mkdir("e.toml")
    elif content is not None:
        write(content, "e.toml")
    code, out, err = run(command, "e.toml")
    assert (code, out) == (2, "") and err.startswith("error: ") and words in err, err


# --- tables in memory ---

FRAMES = {
    "numbers and words": (
        {"a": [1, "x", 3]},
        "Column 'a' holds values of several kinds: row 1 holds 1, row 2",
    ),
    "words and numbers": (
        {"a": [None, "x", 3.5]},
        "row 2 holds 'x', row 3 holds 3.5. Give it one kind",
    ),
    "lengths": ({"a": [1, 2], "b": [1]}, "Column 'a' has 2 rows and column 'b' has 1: give every"),
    "two axes": (
        {"a": np.ones((3, 2))},
        "Column 'a' is an array of shape (3, 2): give one value for",
    ),
    "a number": ({"a": 5}, "Column 'a' is 5: give a list, one value for each row."),
    "a text": ({"a": "xyz"}, "Column 'a' is 'xyz': give a list"),
    "objects": ({"a": [object()]}, "Column 'a' holds object values (row 1 holds <object"),
    "complex": ({"a": np.array([1j])}, "Column 'a' holds complex"),
    "no columns": ({}, "The table has 0 rows and 0 columns: nothing to learn from"),
    "no rows": ({"a": []}, "The table has 0 rows and 1 columns"),
    "an array": (np.ones((3, 2)), "A ndarray is not a table. Give a path to a CSV, TSV or Parquet"),
    "records": ([{"a": 1}], "A list is not a table"),
    "None": (None, "A NoneType is not a table"),
    "the text itself": ("a,y\n1,2\n", "is text, not the path of a file. Write it to a file first."),
}


@pytest.mark.parametrize("case", FRAMES)
def test_frames_that_are_none(case):
    given, words = FRAMES[case]
    with pytest.raises(TableError) as caught:
        read_table(given)
    assert words in str(caught.value)


def test_frames_that_are_taken():
    table = read_table({1: [2**70, None], "b": (0.5, 1), "c": pa.array(["x", "y"]), "d": range(2)})
    assert table.to_pydict() == {
        "1": [2.0**70, None],
        "b": [0.5, 1.0],
        "c": ["x", "y"],
        "d": [0, 1],
    }


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"target": 3}, "The table: a column goes by its name, a text, not by 3."),
        ({"target": None}, "not by None."),
        ({"target": ["y"]}, r"not by \['y'\]."),
        ({"target": "y", "ignore": [0]}, "not by 0."),
        ({"target": "y", "categories": [0]}, "not by 0."),
    ],
)
def test_columns_go_by_names(arguments, words):
    with pytest.raises(TableError, match=words):
        train_table({"a": range(9), "y": np.arange(9) + 0.5}, **QUICK | arguments)


@pytest.mark.parametrize("delimiter", ["", ";;", 3])
def test_a_delimiter_is_one_character(delimiter, folder):
    write(CLEAN)
    with pytest.raises(TableError, match="it is one character, as in ',', or None"):
        read_table("t.csv", delimiter=delimiter)


def test_a_file_that_may_not_be_read(run, monkeypatch):
    def closed(*args):
        raise PermissionError(13, "Permission denied")

    write(CLEAN)
    monkeypatch.setattr(Path, "read_bytes", closed)
    code, _, err = train(run)
    assert (code, err) == (
        2,
        "error: t.csv cannot be read: Permission denied. Check its permissions.\n",
    )
