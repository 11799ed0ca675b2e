"""The command line: `train`, `predict`, `evaluate`, `demo`, and what they say when they cannot.

In: the sample of 200 houses, and small tables written here. Out: printed text, files, exit codes.
"""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import deltarule as dr
from deltarule.data import read_table, write_table
from deltarule.errors import DataError, TableError
from deltarule.train.table import evaluate_table, predict_table, train_table

HOUSES = Path(__file__).parents[1] / "examples" / "data" / "houses_small.csv"
TARGET = "median_house_value"


@pytest.fixture(scope="module")
def houses():
    """A network trained on the sample of houses, shared by the tests of this file."""
    return train_table(
        HOUSES, TARGET, epochs=60, hidden=(16,), learning_rate=0.01, seed=2, progress=False
    )


@pytest.fixture
def model(houses, tmp_path):
    """The file of that network."""
    path = tmp_path / "houses.dr"
    dr.save(houses.model, path, preprocessor=houses.preprocessor)
    return path


@pytest.fixture
def flowers(tmp_path):
    """A table whose class is told by one number."""
    rng = np.random.default_rng(0)
    length = rng.uniform(0, 10, 120)
    species = np.where(length > 5, "large", "small")
    path = tmp_path / "flowers.csv"
    write_table(
        pa.table({"length": length, "noise": rng.normal(size=120), "species": species}), path
    )
    return path


# ---- in Python


def test_a_network_is_better_than_the_baseline(houses):
    assert houses.rows == (140, 30, 30)
    assert houses.metric == "RMSE"
    assert houses.score < 0.9 * houses.baseline.score
    assert any("total_bedrooms" in note for note in houses.notes)


def test_all_houses():
    houses = HOUSES.with_name("california_housing.csv.gz")
    trained = train_table(
        houses, TARGET, epochs=5, batch_size=128, learning_rate=3e-3, progress=False
    )
    assert trained.rows == (14448, 3096, 3096)
    assert trained.score < 60_000 < 110_000 < trained.baseline.score


def test_the_same_seed_gives_the_same_network():
    once, again = (train_table(HOUSES, TARGET, epochs=2, seed=3, progress=False) for _ in range(2))
    np.testing.assert_array_equal(
        predict_table(once.model, HOUSES).values, predict_table(again.model, HOUSES).values
    )
    other = train_table(HOUSES, TARGET, epochs=2, seed=4, progress=False)
    assert not np.array_equal(
        predict_table(once.model, HOUSES).values, predict_table(other.model, HOUSES).values
    )


def test_predictions_and_score_agree(houses):
    table = read_table(HOUSES)
    result = evaluate_table(houses.model, table)
    errors = predict_table(houses.model, table).values - table[TARGET].to_numpy()
    assert result.score == pytest.approx(np.sqrt(np.mean(errors**2)))
    assert (result.rows, result.metric, result.target) == (200, "RMSE", TARGET)


def test_classes(flowers):
    trained = train_table(flowers, "species", epochs=60, hidden=(16,), batch_size=8, progress=False)
    assert trained.metric == "accuracy"
    assert trained.score > trained.baseline.score
    predicted = predict_table(trained.model, flowers)
    assert set(predicted.values) == {"large", "small"}
    assert np.all((predicted.probabilities >= 0.5) & (predicted.probabilities <= 1))


def test_without_validation_and_test():
    trained = train_table(HOUSES, TARGET, epochs=2, validation=0, test=0, progress=False)
    assert trained.rows == (200, 0, 0)
    assert (trained.score, trained.baseline) == (None, None)


def test_no_rows_left_to_train_on():
    with pytest.raises(DataError, match=r"validation is 0\.5 and test is 0\.5 of the rows"):
        train_table(HOUSES, TARGET, validation=0.5, test=0.5)


def test_a_model_trained_on_arrays():
    net = dr.Sequential(dr.Dense(1)).init((1, 2), seed=0)
    with pytest.raises(DataError, match="trained on arrays"):
        predict_table(net, HOUSES)


def test_a_prediction_column_is_not_doubled(houses):
    once = predict_table(houses.model, HOUSES).to_table()
    with pytest.raises(TableError, match=f"already has a column 'predicted_{TARGET}'"):
        predict_table(houses.model, once).to_table()


# ---- on the command line


def test_train_predict_evaluate(run, tmp_path):
    code, out, err = run("train", HOUSES, "--target", TARGET, "--epochs", 20, "--batch-size", 16)
    assert code == 0
    assert "140 rows to train, 30 to validate, 30 to test" in out
    assert "baseline: always the training mean" in out
    assert "saved: houses_small.dr" in out
    assert "total_bedrooms" in err

    code, out, err = run("evaluate", "houses_small.dr", HOUSES)
    assert code == 0
    assert f"{TARGET}, 200 rows of {HOUSES}" in out

    code, out, err = run("predict", "houses_small.dr", HOUSES)
    rows = list(csv.DictReader(out.splitlines()))
    assert (code, len(rows), err) == (0, 200, "")
    assert float(rows[0][f"predicted_{TARGET}"]) > 0

    code, out, err = run("predict", "houses_small.dr", HOUSES, "--out", "new.csv.gz")
    assert (code, out) == (0, "")
    assert "200 predictions saved in new.csv.gz" in err
    assert read_table(tmp_path / "new.csv.gz").num_columns == 11


def test_options_of_train(run, flowers):
    arguments = ("--hidden", "8,4", "--seed", 1, "--task", "classification", "--ignore", "noise")
    code, out, err = run(
        "train", flowers, "--target", "species", "--model", "f.dr", "--epochs", 2, "-q", *arguments
    )
    assert (code, err) == (0, "")
    assert "accuracy" in out
    net = dr.load("f.dr")
    assert [layer["bias"].size for layer in net.params.values()] == [8, 4, 2]
    assert net.preprocessor.feature_names == ("length",)


def test_a_table_without_header(run, tmp_path):
    lines = HOUSES.read_text().splitlines()[1:]
    (tmp_path / "bare.csv").write_text("\n".join(lines))
    code, _, err = run("train", "bare.csv", "--target", "price")
    assert code == 2
    assert "has no column 'price'" in err
    assert run("train", "bare.csv", "--target", "col9", "--no-header", "--epochs", 2)[0] == 0
    assert run("evaluate", "bare.dr", "bare.csv", "--no-header")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", HOUSES, "--target", "price"], "no column 'price'"),
        (["train", HOUSES, "--target", "median_hose_value"], "did you mean 'median_house_value'?"),
        (
            ["train", "nowhere.csv", "--target", "y"],
            "error: There is no file nowhere.csv; check the path.",
        ),
        (["train", HOUSES, "--target", TARGET, "--task", "guess"], "error: task is 'guess'"),
        (
            ["train", HOUSES, "--target", TARGET, "--hidden", "64,x"],
            "'64,x' is not a list of whole",
        ),
        (["train", HOUSES, "--target", TARGET, "--hidden", "64,0"], "a layer of no units"),
        (["train", HOUSES, "--target", TARGET, "--test", "1"], "together below 1"),
        (["train", HOUSES, "--target", TARGET, "--epochs", "0"], "'--epochs'"),
        (
            ["train", HOUSES, "--target", TARGET, "--model", "no/h.dr"],
            "folder of no/h.dr does not exist",
        ),
        (["train", HOUSES], "--target is missing: name the column to predict; "),
        (["predict", HOUSES, HOUSES], "error: "),
        (["predict", "nowhere.dr", HOUSES], "nowhere.dr"),
        (["demo", "cats"], "there is no demo 'cats'; there are houses, digits and all"),
        (["trian"], "No such command 'trian'"),
    ],
)
def test_wrong_input_is_one_message_and_code_2(run, arguments, words):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert "Traceback" not in err


def test_predicting_needs_the_input_columns(run, model, tmp_path):
    write_table(read_table(HOUSES).drop(["population"]), tmp_path / "less.csv")
    code, _, err = run("predict", model, "less.csv")
    assert code == 2
    assert "no column 'population'" in err


def test_an_output_that_cannot_be_written(run, model):
    code, _, err = run("predict", model, HOUSES, "--out", "nowhere/new.csv")
    assert code == 2
    assert "the folder of nowhere/new.csv does not exist" in err
    code, _, err = run("predict", model, HOUSES, "--out", "new.xlsx")
    assert code == 2
    assert "a table is written to a file that ends in .csv" in err


def test_divergence_is_code_1(run):
    code, _, err = run(
        "train", HOUSES, "--target", TARGET, "--learning-rate", "1e30", "--epochs", 5
    )
    assert code == 1
    assert err.splitlines()[-1].startswith("error: ")


def test_demo(run, tmp_path):
    code, out, _ = run("demo", "--quick")
    assert code == 0
    assert "dloss/dw, by backpropagation" in out
    assert {path.name for path in (tmp_path / "demo").iterdir()} == {
        *("houses.dr", "houses.png", "digits.dr", "digits.png")
    }


def test_predictions_can_be_cut_short_by_the_reader(model):
    """`deltarule predict ... | head` ends quietly."""
    command = f"{sys.executable} -m deltarule predict {model} {HOUSES} | head -n 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert done.stdout.startswith('"longitude"')
    assert done.stderr == ""
