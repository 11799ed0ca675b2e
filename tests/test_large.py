"""Trainings on large data sets, in the folder that DELTARULE_DATA names; skipped, aloud, without it."""

import gzip

import numpy as np
import pytest

import deltarule as dr

pytestmark = pytest.mark.data


def idx(path, header):
    """The bytes of an idx file behind its header."""
    with gzip.open(path) as file:
        return np.frombuffer(file.read(), np.uint8, offset=header)


def images(folder):
    parts = []
    for part in ("train", "t10k"):
        X = idx(folder / f"{part}-images-idx3-ubyte.gz", 16).reshape(-1, 784).astype("f4") / 255
        parts += [X, idx(folder / f"{part}-labels-idx1-ubyte.gz", 8).astype(int)]
    return parts


@pytest.mark.parametrize(("name", "least"), [("mnist", 0.97), ("fashion-mnist", 0.86)])
def test_a_hidden_layer_of_100_on_images(large_data, name, least):
    """The Fashion-MNIST paper gives 0.972 and 0.871 for relu [100] (arXiv 1708.07747, table 3)."""
    X, y, X_test, y_test = images(large_data / name)
    net = dr.Sequential(dr.Dense(100, "relu"), dr.Dense(10))
    run = dr.fit(
        net, X, y, loss="cross_entropy", epochs=5, batch_size=128, seed=0,
        validation=(X_test, y_test), metrics="accuracy",
    )  # fmt: skip
    assert run.history["val_accuracy"][-1] > least


def test_adult_beats_its_majority_by_eight_points(large_data):
    names = "age workclass fnlwgt education education_num marital occupation relationship race sex"
    columns = [*names.split(), "gain", "loss", "hours", "country", "income"]
    table = dr.data.read_table(large_data / "tabular" / "adult-train.csv.gz", header=False)
    trained = dr.train_table(table.rename_columns(columns), "income", seed=0, progress=False)
    assert trained.score > trained.baseline.score + 0.08
