"""`Preprocessor`: what it learns from training rows, and what it makes of later tables.

In: small tables written here. Out: inputs, targets, the way back, notes, stored JSON, messages.
"""

from __future__ import annotations

import copy
import datetime
import json
import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltarule.data import Preprocessor, read_table, rows_with_target, task_of
from deltarule.data.columns import Number, numbers_of, skewness, standard_deviation
from deltarule.errors import DataError, ModelFileError, TableError

HOUSES = {
    "rooms": [2, 4, None, 6, 3, 5],
    "age": [10.0, 20.0, 30.0, 40.0, 50.0, 60.0],
    "coast": ["far", "near", "far", None, "near", "far"],
    "price": [100.5, 300.0, 150.0, 400.0, 200.0, 250.0],
}


@pytest.fixture
def houses():
    return read_table(HOUSES)


@pytest.fixture
def prepared(houses):
    return Preprocessor.fit(houses, "price")


def feature(prepared: Preprocessor, table: pa.Table, name: str) -> list[float]:
    return prepared.inputs(table)[:, prepared.feature_names.index(name)].tolist()


def varied(name: str, values: list) -> pa.Table:
    """A table with that input column, one more that varies, and a target."""
    numbers = [float(i) + 0.5 for i in range(len(values))]
    return pa.table({name: values, "other": numbers, "y": numbers})


def left_out(name: str, values: list) -> str:
    """The note with which that column is left out."""
    prepared = Preprocessor.fit(varied(name, values), "y")
    assert [column.name for column in prepared.columns] == ["other"]
    assert name in prepared.ignored
    (note,) = (note for note in prepared.notes if f"column {name!r}" in note)
    return note


# ---- numbers


def test_shapes_and_names(prepared, houses):
    inputs = prepared.inputs(houses)
    assert prepared.feature_names == (
        *("rooms", "rooms is missing", "age"),
        *("coast=far", "coast=near", "coast=(missing)"),
    )
    assert (inputs.shape, inputs.dtype) == ((6, 6), np.float32)
    assert inputs.flags.c_contiguous


def test_numbers_are_standardized(prepared, houses):
    age = np.array(feature(prepared, houses, "age"))
    assert age.mean() == pytest.approx(0, abs=1e-7)
    assert age.std() == pytest.approx(1)
    later = pa.table({**HOUSES, "age": [35.0] * 6})
    assert feature(prepared, later, "age") == [0.0] * 6


def test_a_missing_number_is_the_median_and_marked(prepared, houses):
    (rooms,) = (column for column in prepared.columns if column.name == "rooms")
    assert (rooms.fill, rooms.mean) == (4.0, 4.0)
    assert feature(prepared, houses, "rooms")[2] == 0.0
    assert feature(prepared, houses, "rooms is missing") == [0, 0, 1, 0, 0, 0]
    assert prepared.notes == (
        "missing numbers are taken as the column's median and marked in a feature of their own: rooms (1)",
    )


def test_nan_is_missing():
    with_null = Preprocessor.fit(pa.table({"a": [1.0, None, 3.0], "y": [0.5, 1.5, 2.5]}), "y")
    with_nan = Preprocessor.fit(pa.table({"a": [1.0, math.nan, 3.0], "y": [0.5, 1.5, 2.5]}), "y")
    assert with_null == with_nan


def test_missing_only_later_is_the_median_with_a_note(prepared):
    later = pa.table({**HOUSES, "age": [None, None, 1.0, 2.0, 3.0, 4.0]})
    inputs, notes = prepared.encode(later)
    assert inputs[0, 2] == 0.0
    assert notes == (
        "column 'age': 2 of 6 values are missing, where training had none; taken as its median 35",
    )


def test_heavy_tails_are_taken_by_the_logarithm():
    tailed = np.r_[np.arange(30.0), 1000.0]
    number = Number.fit("income", pa.chunked_array([tailed]))
    assert skewness(tailed) > 2
    assert number.log
    out = np.empty((31, 1), np.float32)
    number.encode(pa.chunked_array([tailed]), out)
    expected = (np.log1p(tailed) - np.log1p(tailed).mean()) / np.log1p(tailed).std()
    np.testing.assert_allclose(out[:, 0], expected, rtol=1e-6)


@pytest.mark.parametrize("values", [np.arange(30.0), np.r_[-1.0, np.arange(30.0), 1000.0]])
def test_no_logarithm_of_short_tails_or_negative_numbers(values):
    assert not Number.fit("x", pa.chunked_array([values])).log


def test_the_logarithm_of_a_later_negative_number_is_mirrored():
    number = Number.fit("income", pa.chunked_array([np.r_[np.arange(30.0), 1000.0]]))
    out = np.empty((2, 1), np.float32)
    number.encode(pa.chunked_array([[-50.0, 50.0]]), out)
    middle = -number.mean / number.scale
    assert out[0, 0] - middle == pytest.approx(middle - out[1, 0], rel=1e-5)


def test_standard_deviation_of_known_numbers():
    assert standard_deviation(np.array([1.0, 3.0])) == 1.0
    assert standard_deviation(np.array([5.0, 5.0])) == 0.0
    assert standard_deviation(np.array([0.0, 2e-208])) == 1e-208  # its square is not a float64


def test_skewness_of_known_numbers():
    assert skewness(np.array([1.0, 2.0, 3.0])) == 0.0
    assert skewness(np.array([5.0, 5.0])) == 0.0
    assert skewness(np.array([0.0, 0.0, 0.0, 1.0])) == pytest.approx(2 / math.sqrt(3))
    assert skewness(np.array([0.0, 0.0, 0.0, 1e90])) == pytest.approx(2 / math.sqrt(3))


@pytest.mark.parametrize(
    ("values", "numbers"),
    [
        ([datetime.date(1970, 1, 2), None], [1.0, math.nan]),
        ([datetime.datetime(1970, 1, 2, 12)], [1.5]),
        ([datetime.time(0, 1, 30)], [90.0]),
        ([datetime.timedelta(minutes=2)], [120.0]),
        ([True, False], [1.0, 0.0]),
        ([None, None], [math.nan, math.nan]),
    ],
)
def test_what_counts_as_a_number(values, numbers):
    np.testing.assert_array_equal(numbers_of(pa.chunked_array([pa.array(values)]), "x"), numbers)


def test_numbers_that_are_not_finite_name_their_rows(prepared):
    later = pa.table({**HOUSES, "age": [1.0, math.inf, 3.0, 4.0, 5.0, -math.inf]})
    with pytest.raises(
        TableError, match=r"Column 'age': row 2 holds inf, row 6 holds -inf; numbers must"
    ):
        prepared.inputs(later)
    later = pa.table({**HOUSES, "age": [1.0, 1e60, 3.0, 4.0, 5.0, 6.0]})
    with pytest.raises(
        TableError, match=r"row 2 holds 1e\+60, which is beyond float32 when scaled by"
    ):
        prepared.inputs(later)


# ---- categories


def test_one_feature_a_level(prepared, houses):
    assert feature(prepared, houses, "coast=far") == [1, 0, 1, 0, 0, 1]
    assert feature(prepared, houses, "coast=near") == [0, 1, 0, 0, 1, 0]
    assert feature(prepared, houses, "coast=(missing)") == [0, 0, 0, 1, 0, 0]


def test_an_unseen_level_has_no_feature_and_is_counted(prepared):
    later = pa.table({**HOUSES, "coast": ["island", "near", "far", "lake", "island", None]})
    inputs, notes = prepared.encode(later)
    assert inputs[:, 3:].tolist() == [[0] * 3, [0, 1, 0], [1, 0, 0], [0] * 3, [0] * 3, [0, 0, 1]]
    assert notes == (
        "column 'coast': 3 of 6 rows hold what no training row held (island, lake); "
        "all features of the column are 0 there",
    )


def test_rare_levels_share_a_feature():
    common = [f"level {i:02}" for i in range(50)]
    values = common * 3 + ["rare 1", "rare 2", "rare 2"]
    prepared = Preprocessor.fit(varied("town", values), "y")
    town = prepared.columns[0]
    assert town.levels == tuple(common)
    assert town.features[-1] == "town=(other)"
    assert prepared.notes == (
        "column 'town': the 2 rarest of its 52 levels share the feature 'town=(other)'",
    )
    inputs, notes = prepared.encode(varied("town", ["rare 1", "never seen", "level 07"]))
    assert inputs[:, 50].tolist() == [1, 1, 0]
    assert notes == ()


def test_bool_and_dictionary_columns_are_categories():
    table = pa.table(
        {
            "flag": [True, False, True],
            "size": pa.array(["S", "L", "S"]).dictionary_encode(),
            "y": [0.5, 1.5, 2.5],
        }
    )
    prepared = Preprocessor.fit(table, "y")
    assert prepared.feature_names == ("flag=true", "flag=false", "size=S", "size=L")
    assert prepared.inputs(table).tolist() == [[1, 0, 1, 0], [0, 1, 0, 1], [1, 0, 1, 0]]
    assert prepared.categories == ("size",)


def test_levels_that_look_like_numbers(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("zip,flag,y\n007,true,1.5\n010,false,2.5\n007,true,3.5\n")
    prepared = Preprocessor.fit(read_table(path, categories=["zip"]), "y")
    assert prepared.feature_names[:2] == ("zip=007", "zip=010")
    again = prepared.encode(read_table(path, categories=prepared.categories))
    assert again.notes == ()
    np.testing.assert_array_equal(again.inputs[:, 0], [1, 0, 1])
    # whole numbers, as a frame may hold them, meet levels of text
    plain = Preprocessor.fit(read_table({"zip": ["7", "8", "x"], "y": [0.5, 1.5, 2.5]}), "y")
    assert plain.inputs(pa.table({"zip": [7.0, 8.0]})).tolist() == [[1, 0, 0], [0, 1, 0]]


# ---- what is left out


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("a", [7] * 30, "left out: its value is 7 throughout"),
        ("a", [0.1] * 30, "left out: its value is 0.1 throughout"),
        ("a", ["x"] * 30, "left out: its value is 'x' throughout"),
        ("a", [None] * 30, "left out: all its values are missing"),
        ("a", [math.nan] * 30, "left out: all its values are missing"),
        ("a", [f"n{i}" for i in range(30)], "left out: its 30 values name the 30 rows"),
        ("a", [[1]] * 30, "left out: it holds lists, neither numbers nor names"),
        ("house_id", list(range(30)), "left out: its values are all distinct and name the rows"),
        ("row index", list(range(30)), "left out: its values are all distinct and name the rows"),
    ],
)
def test_columns_of_no_use_are_left_out_with_a_note(name, values, words):
    assert words in left_out(name, values)


@pytest.mark.parametrize(
    "values", [["x", None] * 15, [3.0, None] * 15, list(range(30)), list("abc") * 10]
)
def test_columns_of_use_stay(values):
    assert len(Preprocessor.fit(varied("a", values), "y").columns) == 2


def test_columns_can_be_ignored(houses):
    prepared = Preprocessor.fit(houses, "price", ignore=["coast"])
    assert prepared.feature_names == ("rooms", "rooms is missing", "age")
    assert prepared.encode(houses).notes == ()
    with pytest.raises(TableError, match=r"no column 'coats'; did you mean 'coast'\?"):
        Preprocessor.fit(houses, "price", ignore=["coats"])


def test_no_column_of_use():
    with pytest.raises(
        TableError,
        match=r"The table has no column beside the target 'y' .* 'a' left out: its value is 1",
    ):
        Preprocessor.fit(pa.table({"a": [1, 1], "y": [0.5, 1.5]}), "y")
    with pytest.raises(TableError, match=r"of use as an input: there is none"):
        Preprocessor.fit(pa.table({"y": [0.5, 1.5]}), "y")


# ---- later tables


def test_the_order_of_columns_and_rows_does_not_matter(prepared, houses):
    turned = houses.select(houses.column_names[::-1])
    np.testing.assert_array_equal(prepared.inputs(turned), prepared.inputs(houses))
    rows = [3, 0, 5, 5]
    np.testing.assert_array_equal(prepared.inputs(houses.take(rows)), prepared.inputs(houses)[rows])


def test_the_target_need_not_be_there(prepared, houses):
    np.testing.assert_array_equal(prepared.inputs(houses.drop(["price"])), prepared.inputs(houses))


def test_a_missing_column_offers_the_nearest_name(prepared, houses):
    renamed = houses.rename_columns(["Room", "age", "coast", "price"])
    with pytest.raises(TableError, match=r"The table has no column 'rooms'; did you mean 'Room'\?"):
        prepared.inputs(renamed)
    with pytest.raises(TableError, match=r"no column 'age'; it has 'rooms', 'x'\."):
        prepared.inputs(pa.table({"rooms": [1], "x": [2]}))


def test_further_columns_are_noted(prepared, houses):
    more = houses.append_column("garden", [[1.0] * 6])
    assert prepared.encode(more).notes == (
        "columns that training did not have are not used: garden",
    )


def test_text_where_training_had_numbers_names_the_rows(prepared):
    later = read_table({**HOUSES, "age": ["10", "old", "30", "40", "new", "60"]})
    with pytest.raises(
        TableError, match=r"held numbers in training and holds text here: row 2 holds 'old'"
    ):
        prepared.inputs(later)


# ---- targets


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (["x", "y", "x"], "classification"),
        ([True, False], "classification"),
        ([0, 1, 1, 0], "classification"),
        ([0.0, 1.0, 1.0, None], "regression"),  # three values: no two rows a class
        ([0.0, 1.0, 1.0, None, 0.0], "classification"),
        ([0.5, 1.0, 1.0, 0.5], "regression"),
        (list(range(20)) * 2, "classification"),
        (list(range(21)) * 2, "regression"),
        (list(range(15)), "regression"),
    ],
)
def test_the_task_is_told_from_the_target(values, task):
    assert task_of("y", pa.chunked_array([values])) == task


def test_regression_targets_and_back(prepared, houses):
    targets = prepared.targets(houses)
    assert (prepared.task, prepared.classes) == ("regression", None)
    assert (targets.shape, targets.dtype) == ((6, 1), np.float32)
    assert targets.mean() == pytest.approx(0, abs=1e-6)
    np.testing.assert_array_equal(prepared.truth(houses), HOUSES["price"])
    assert prepared.score(targets, houses) == pytest.approx(0, abs=1e-4)
    assert prepared.baseline(houses).score == pytest.approx(np.std(HOUSES["price"]))
    for back in (prepared.unscale(targets), prepared.decode(targets)):
        assert (back.shape, back.dtype) == ((6,), np.float64)
        np.testing.assert_allclose(back, HOUSES["price"], rtol=1e-6)


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        (["no", "yes", "no", "maybe"], ("maybe", "no", "yes")),
        ([3, 7, 3, 7], (3, 7)),
        ([3.0, 7.0, 3.0, 7.0], (3, 7)),
        ([True, False, True, True], (False, True)),
    ],
)
def test_classes_and_back(values, classes):
    table = pa.table({"a": [1.5, 2.5, 3.5, 4.5], "y": values})
    prepared = Preprocessor.fit(table, "y")
    targets = prepared.targets(table)
    assert (prepared.task, prepared.classes) == ("classification", classes)
    assert (targets.shape, targets.dtype) == ((4,), np.int64)
    scores = np.eye(len(classes))[targets]
    assert prepared.decode(scores).tolist() == values
    assert prepared.score(scores, table) == 1.0
    most = max(values.count(value) for value in values)
    assert prepared.baseline(table).score == most / 4
    np.testing.assert_array_equal(prepared.truth(table), targets)
    assert prepared.target.categories == (("y",) if isinstance(classes[0], str) else ())
    with pytest.raises(DataError, match=r"'y' is a class and has no scale. Use decode"):
        prepared.unscale(targets)


def test_the_task_can_be_given(houses):
    rated = pa.table({"a": [1.5, 2.5, 3.5, 4.5], "y": [1, 2, 1, 2]})
    assert Preprocessor.fit(rated, "y", task="regression").task == "regression"
    with pytest.raises(
        TableError, match=r"'price' is no class but a quantity.*row 1 holds 100\.5\."
    ):
        Preprocessor.fit(houses, "price", task="classification")
    with pytest.raises(
        TableError, match=r"'coast' holds text \(row 1 holds 'far'.*Use task=\"classif"
    ):
        Preprocessor.fit(houses, "coast", task="regression")
    with pytest.raises(DataError, match=r"task is 'guess'; it can be \"regression\""):
        Preprocessor.fit(houses, "price", task="guess")


def test_rows_without_a_target_are_left_out_and_counted():
    table = pa.table({"a": [1.0, 2.0, 99.0, 4.0], "y": [0.5, 1.5, None, 2.5]})
    assert rows_with_target(table, "y").tolist() == [0, 1, 3]
    prepared = Preprocessor.fit(table, "y")
    assert prepared.notes == ("1 of 4 rows left out: their target 'y' is missing",)
    assert prepared.columns[0].mean == pytest.approx(7 / 3)
    with pytest.raises(
        DataError, match=r"'y' is missing in 1 of 4 rows \(first in row 3\)\. Keep the rows"
    ):
        prepared.targets(table)
    text = Preprocessor.fit(pa.table({"a": [1, 2, 3], "y": ["u", "v", None]}), "y")
    with pytest.raises(DataError, match="missing in 1 of 3 rows"):
        text.targets(pa.table({"y": ["u", None, "v"]}))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([None] * 30, "Target 'y' is missing in each of 30 rows"),
        ([2.5] * 30, "Target 'y' is 2.5 in every training row: nothing to learn."),
        (["x"] * 30, "Target 'y' is 'x' in every training row: nothing to learn."),
        ([f"n{i}" for i in range(30)], "has a class of its own in each of the 30 training rows"),
    ],
)
def test_targets_of_no_use(values, words):
    with pytest.raises(TableError) as caught:
        Preprocessor.fit(pa.table({"a": list(range(30)), "y": values}), "y")
    assert words in str(caught.value)


def test_a_missing_target_column_offers_the_nearest_name(houses):
    with pytest.raises(TableError, match=r"has no column 'prize'; did you mean 'price'\?"):
        Preprocessor.fit(houses, "prize")
    headless = pa.table({"5.1": [1.0], "3.5": [2.0], "setosa": ["x"]})
    with pytest.raises(TableError, match=r"header=False \(command line: --no-header\)"):
        Preprocessor.fit(headless, "species")


def test_a_class_that_training_did_not_have():
    prepared = Preprocessor.fit(pa.table({"a": [1, 2, 3], "y": ["u", "v", "u"]}), "y")
    with pytest.raises(
        TableError, match=r"row 2 holds 'w', and training had only the classes 'u', 'v'\."
    ):
        prepared.targets(pa.table({"y": ["u", "w"]}))


# ---- stored and taken back


CELLS = {
    "number": st.none() | st.floats(-1e12, 1e12) | st.integers(-100, 100).map(float),
    "name": st.none() | st.sampled_from(["a", "b", "ü", ""]),
    "flag": st.none() | st.booleans(),
}


@st.composite
def tables(draw) -> pa.Table:
    """Tables of numbers, names and flags with missing values, and a target of numbers or names."""
    rows = draw(st.integers(2, 12))

    def column(cells):
        return draw(st.lists(cells, min_size=rows, max_size=rows))

    kinds = {"number": pa.float64(), "name": pa.string(), "flag": pa.bool_()}
    columns = {name: pa.array(column(cells), kinds[name]) for name, cells in CELLS.items()}
    target = draw(st.sampled_from([st.floats(-1e6, 1e6), st.sampled_from(["u", "v", "w"])]))
    return pa.table({**columns, "steady": np.arange(rows) / 3, "y": column(target)})


@given(tables())
def test_any_table_makes_finite_inputs_and_the_way_back_is_exact(table):
    try:
        prepared = Preprocessor.fit(table, "y")
    except TableError as error:
        assert "nothing to learn" in str(error)
        return
    inputs = prepared.inputs(table)
    assert inputs.shape == (table.num_rows, len(prepared.feature_names))
    assert np.isfinite(inputs).all()

    stored = json.loads(json.dumps(prepared.to_json(), allow_nan=False))
    again = Preprocessor.from_json(stored)
    assert again == prepared
    assert again.to_json() == prepared.to_json()
    np.testing.assert_array_equal(again.inputs(table), inputs)

    targets = prepared.targets(table)
    if prepared.task == "regression":
        tolerance = 1e-6 * np.abs(prepared.truth(table)).max()
        np.testing.assert_allclose(prepared.unscale(targets), prepared.truth(table), atol=tolerance)
    else:
        assert (
            prepared.decode(np.eye(len(prepared.classes))[targets]).tolist()
            == table["y"].to_pylist()
        )


def edited(stored: dict, path: list, value: object) -> dict:
    """A copy of stored JSON with one place changed; ``...`` deletes it."""
    stored = copy.deepcopy(stored)
    place = stored
    for key in path[:-1]:
        place = place[key]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return stored


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (
            ["version"],
            2,
            "is of version 2; this deltarule reads up to 1. Install a newer deltarule",
        ),
        (["version"], "1", "its version is '1'"),
        (["format"], "pickle", "not of the format 'deltarule.preprocessor'"),
        (["columns"], ..., "it lacks ['columns']"),
        (["columns"], 3, "its columns 3"),
        (["surprise"], 1, "has unknown ['surprise']"),
        (["notes"], [1], "notes is [1], not a list of names"),
        (["columns", 0], 5, "a Number or Category is stored as 5, not as an object"),
        (["columns", 0, "kind"], "Image", "kind is 'Image' where Number or Category is known"),
        (["columns", 0, "kind"], ["Number"], "kind is ['Number'] where"),
        (["columns", 0, "fill"], ..., "Number lacks ['fill']"),
        (["columns", 0, "mean"], math.nan, "Number.mean is nan, not a finite number"),
        (["columns", 0, "mean"], True, "Number.mean is True, not a finite number"),
        (["columns", 0, "scale"], 0.0, "Number.scale is 0.0, not above 0"),
        (["columns", 0, "log"], 1, "Number.log is 1, not true or false"),
        (["columns", 0, "name"], 1, "Number.name is 1, not a string"),
        (["columns", 2, "levels"], "ab", "Category.levels is 'ab', not a list of names"),
        (["target", "kind"], "Number", "where Quantity or Classes is known"),
    ],
)
def test_damaged_json_is_a_clear_error(prepared, path, value, words):
    with pytest.raises(ModelFileError) as caught:
        Preprocessor.from_json(edited(prepared.to_json(), path, value))
    assert words in str(caught.value)


@pytest.mark.parametrize("classes", [["u"], ["u", "u"], ["u", 1], [0.5, 1.5], "uv", None])
def test_damaged_classes_are_a_clear_error(classes):
    prepared = Preprocessor.fit(pa.table({"a": [1, 2, 3], "y": ["u", "v", "u"]}), "y")
    with pytest.raises(ModelFileError, match="not a list of two or more distinct classes"):
        Preprocessor.from_json(edited(prepared.to_json(), ["target", "classes"], classes))


@pytest.mark.parametrize("counts", [[2], [2, 0], [2.0, 1.0], 3])
def test_damaged_counts_are_a_clear_error(counts):
    prepared = Preprocessor.fit(pa.table({"a": [1, 2, 3], "y": ["u", "v", "u"]}), "y")
    with pytest.raises(ModelFileError, match="counts"):
        Preprocessor.from_json(edited(prepared.to_json(), ["target", "counts"], counts))


@pytest.mark.parametrize("stored", [None, [], "x", {}])
def test_foreign_json_is_a_clear_error(stored):
    with pytest.raises(ModelFileError, match=r"not of the format 'deltarule.preprocessor'"):
        Preprocessor.from_json(stored)
