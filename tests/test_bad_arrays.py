"""What people give to `fit` and to a network instead of arrays of numbers, and targets of another kind.

In: lists, frames, text, dates, shapes on their side, labels in every wrong form. Out: a training, a
warning, or an error that names the array, the element and the cure.
"""

from __future__ import annotations

import warnings
from collections import deque

import numpy as np
import pytest

import deltarule as dr
from deltarule.derive import stage
from deltarule.errors import DataError, NonFiniteLoss, ShapeError
from deltarule.nn.arrays import as_numbers, in_dtype, shown
from deltarule.program.types import ArrayType
from deltarule.train.outputs import activation_at
from networks import LABELS, X, Y

N = len(X)
FLAT = X[:, 0].copy()
SIGNS = np.where(FLAT > 0, 1, -1)
HOT = np.eye(3)[LABELS]


def spoilt(x, place, value):
    x = np.array(x)
    x[place] = value
    return x


def net(outputs=1, last=None):
    return dr.Sequential(dr.Dense(4, "tanh"), dr.Dense(outputs, last))


def fit(network, x, y, **settings):
    return dr.fit(network, x, y, **{"epochs": 1, "seed": 0, **settings})


class Unreadable:
    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("call .detach() first.\nThen .numpy().")


class Sparse:
    def toarray(self):
        return X


INPUTS = {
    "None": (None, "X is None; give an array of numbers"),
    "text": (X.astype(str), "X has dtype <U32; numbers are needed. For tables with text use"),
    "one text": ("houses.csv", "X has dtype <U10; numbers are needed"),
    "bytes": (b"abc", r"X has dtype \|S3; numbers are needed"),
    "None inside": ([[1.0, 2.0, 3.0], [4.0, None, 6.0]], r"X\[1, 1\] is None"),
    "a word inside": (spoilt(X.astype(object), (2, 1), "old"), r"X\[2, 1\] is 'old'"),
    "numbers as objects": (X.astype(object), r"all it holds are numbers: give X.astype\(float\)"),
    "long integers": ([[10**30, 1]] * N, r"give X.astype\(float\)"),
    "ragged": ([[1, 2], [3], [4, 5]], r"different lengths, X\[0\] has 2 and X\[1\] has 1"),
    "ragged deeper": ([[[1, 2], [3]]], "its rows have different lengths. Give all rows the same"),
    "complex": (X * 1j, r"complex128; .* np.hstack\(\[X.real, X.imag\]\)"),
    "dates": (np.full((N, 3), np.datetime64("2024-01-01")), r"\(X - X.min\(\)\) / np.timedelta64"),
    "durations": (np.full((N, 3), np.timedelta64(1, "D")), r"X / np.timedelta64\(1, 's'\)"),
    "records": (np.zeros(N, [("a", float)]), "structured_to_unstructured"),
    "a dict": ({"a": FLAT}, r"X is a dict; give an array: np.column_stack\(list\(X.values\(\)\)\)"),
    "a set": ({1.0, 2.0}, "X is a set, which has no order"),
    "a generator": (
        (row for row in X),
        r"gives its rows once; collect them: np.array\(list\(X\)\)",
    ),
    "a sparse matrix": (Sparse(), r"X is a sparse Sparse: make it dense, X.toarray\(\)"),
    "masked": (np.ma.masked_greater(X, 2.0), r"X\[\d+, \d\] is masked: a network needs a number"),
    "unreadable": (Unreadable(), "X is a Unreadable, of which NumPy makes no array: call .detach"),
    "a number": (3.5, r"X has shape \(\): there is nothing to train on"),
    "no rows": (X[:0], r"X has shape \(0, 3\): there is nothing to train on"),
    "no columns": (X[:, :0], r"X has shape \(37, 0\): there is nothing to train on"),
    "one axis": (FLAT, r"inputs are \(rows, features\). One feature\? X.reshape\(-1, 1\)"),
    "on its side": (X.T, r"X has 3 rows, y has 37.*X has shape \(3, 37\).*Give X.T"),
    "NaN": (spoilt(X, (3, 1), np.nan), r"X\[3, 1\] is nan: 1 of 111 values, in 1 of 37 rows"),
    "infinity": (spoilt(X, (3, 1), -np.inf), r"X\[3, 1\] is -inf"),
    "1e300": (
        spoilt(X, (3, 1), -1e300),
        r"as float32, X\[3, 1\] is -inf: it is -1e\+300, and 1 of 111 values are beyond 3.4e\+38. "
        r"Scale X, or train in float64: net.init\(X.shape, dtype='float64'\)",
    ),
}


@pytest.mark.parametrize("case", INPUTS)
def test_inputs_that_are_refused(case):
    given, words = INPUTS[case]
    network = net()
    with pytest.raises(DataError, match=words):
        fit(network, given, Y)
    assert not network.built


@pytest.mark.parametrize("case", [c for c in INPUTS if not isinstance(INPUTS[c][0], np.ndarray)])
def test_a_network_is_called_with_the_same(case):
    """What is no array, or holds no numbers, is the same error there; it may be used up by now."""
    given, words = INPUTS[case]
    if case == "a number":
        words = "a single number was given"
    with pytest.raises((DataError, ShapeError), match=words):
        net().init((1, 3))(given)


def test_a_network_is_called_with_other_shapes():
    network = net().init((1, 3))
    with pytest.raises(
        ShapeError, match=r"\(37, 2\) do not fit the weights of shape \(3, 4\).*dense1"
    ):
        network(X[:, :2])
    with pytest.raises(DataError, match=r"as float32, X\[0, 0\] is inf: it is 1e\+300"):
        network([[1e300, 0.0, 0.0]])
    assert network(X[:0]).shape == (0, 1)
    assert network(np.stack([X, X], 1)).shape == (N, 2, 1)  # leading axes are kept


@pytest.mark.parametrize(
    "given",
    [
        X > 0,
        (X * 10).astype(np.int8),
        np.abs(X * 10).astype(np.uint64),
        X.astype(np.float16),
        X.astype(np.longdouble),
        X.tolist(),
        tuple(map(tuple, X)),
        deque(X.tolist()),
        np.asfortranarray(X),
        X[::-1],
        np.ma.masked_array(X),
        X.view(np.matrix),
        np.stack([X, X], 1),
    ],
)
def test_inputs_that_are_taken(given):
    rows = np.array(given).shape[:-1]
    run = fit(net(), given, np.broadcast_to(Y.reshape(N, *[1] * (len(rows) - 1)), rows)[..., None])
    assert np.isfinite(run.history["loss"][0])


@pytest.mark.parametrize("shape", [(N,), (N, 1), (N, 1, 1)])
def test_targets_of_one_output_in_any_shape(shape):
    same = fit(net(), X, Y).history["loss"]
    assert fit(net(), X, Y.reshape(shape)).history["loss"] == same


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
def test_whole_numbers_that_are_rounded_are_a_warning(dtype):
    ids = np.arange(N).astype(dtype) + dtype(2**40)
    words = (
        r"y\[1\] is 1099511627777, which float32 rounds to 1099511627776. Subtract the least of y"
    )
    with pytest.warns(UserWarning, match=words):
        fit(net(), X, ids)
    fit(net(), X, ids - ids.min())
    narrow = in_dtype(np.array([2**24, -(2**30)]), np.dtype("float32"), "x")  # exact: no warning
    assert narrow.tolist() == [2**24, -(2**30)]


def test_equal_targets_and_equal_inputs_are_trained_on():
    for x, y in ((X, np.ones(N)), (np.ones((N, 3)), Y)):
        run = fit(net(), x, y, epochs=20, metrics=["mae", "r2"])
        assert run.history["loss"][-1] < run.history["loss"][0]
        assert np.isnan(run.history["r2"][-1]) == (y[0] == y).all()


def test_a_batch_larger_than_the_data():
    histories = [fit(net(), X, Y, batch_size=n, epochs=3).history["loss"] for n in (N, 10**9)]
    assert histories[0] == histories[1]


def test_targets_beyond_float32_when_squared_are_named():
    with pytest.raises(
        NonFiniteLoss, match=r"in epoch 1, step 1\..*in the loss mse.*Scale inputs and"
    ):
        fit(net(), X, Y * 1e30)


# --- targets: (outputs, targets, loss, what is said) ---

TARGETS = {
    "None": (1, None, "mse", "y is None"),
    "words": (3, ["a"] * N, "cross_entropy", r"np.unique\(y, return_inverse=True\)\[1\]"),
    "dates": (1, np.full(N, np.datetime64("2024-01-01")), "mse", r"\(y - y.min\(\)\)"),
    "one row of all": (1, Y[None], "mse", r"y has shape \(1, 37\): give y.reshape\(-1\)"),
    "a label too large": (
        3,
        spoilt(LABELS, 5, 3),
        "cross_entropy",
        r"y\[5\] is class 3; .*more units",
    ),
    "labels from 1": (3, LABELS + 1, "cross_entropy", "is class 3; .*number the classes from 0"),
    "labels -1 and 1": (2, SIGNS, "cross_entropy", r"is class -1; .*np.unique\(y, return_inv"),
    "labels as floats": (3, LABELS * 1.0, "cross_entropy", r"float64; .*integers: y.astype\(int\)"),
    "a column of floats": (3, LABELS[:, None] * 1.0, "focal", r"focal takes .*y.astype\(int\)"),
    "halves": (3, LABELS / 2, "cross_entropy", r"and y\[\d\] is 0.5. For numbers .* loss='mse'"),
    "numbers": (3, Y, "cross_entropy", r"as integers, and y\[0\] is .*loss='mse' and one output"),
    "numbers a class": (3, X, "cross_entropy", r"takes 0, 1, or prob.*; mse takes any number"),
    "sums of 2": (3, 2 * HOT, "cross_entropy", r"y\[0, \d\] is 2.0; cross_entropy takes"),
    "whole sums of 2": (3, (2 * HOT).astype(int), "cross_entropy", r"y\[0, \d\] is 2; cross_entr"),
    "whole sums of 0": (3, (0 * HOT).astype(int), "cross_entropy", r"y\[0\] adds up to 0"),
    "deep sums": (3, np.full((N, 2, 3), 0.5), "cross_entropy", r"y\[0, 0\] adds up to 1.5"),
    "more columns than outputs": (
        2,
        HOT,
        "cross_entropy",
        r"these 3 classes\? Give the last layer 3",
    ),
    "one output": (1, LABELS, "cross_entropy", "For one output use binary_cross_entropy"),
    "labels of mse": (3, LABELS, "mse", "targets .* Class indices need cross_entropy"),
    "labels of two": (2, FLAT > 0, "binary_cross_entropy", "Class indices need cross_entropy"),
    "three of two": (
        1,
        LABELS,
        "binary_cross_entropy",
        "is 2; .* cross_entropy takes more classes",
    ),
    "numbers of two": (1, Y, "binary_cross_entropy", "mse any number"),
    "kl of one axis": (3, HOT[:, 0], "kl", r"kl: outputs have shape \(37, 3\), targets \(37,\)"),
    "hinge of 0 and 1": (1, (FLAT > 0) * 1, "hinge", r"is 0; hinge takes -1 and 1; .*2 \* y - 1"),
    "hinge of 0.0 and 1.0": (1, (FLAT > 0) * 1.0, "hinge", r"as integers: y.astype\(int\)"),
    "hinge of one-hot": (3, HOT, "hinge", r"y\[0, \d\] is 0.0; hinge takes -1 and 1"),
    "hinge of whole one-hot": (3, HOT.astype(int), "hinge", r"y\[0, \d\] is 0; hinge takes"),
    "hinge labels from 1": (3, LABELS + 1, "hinge", "is class 3; the network has 3 outputs"),
    "hinge of numbers": (1, Y, "hinge", "For numbers to predict take loss='mse'"),
}


@pytest.mark.parametrize("case", TARGETS)
def test_targets_that_are_refused(case):
    outputs, given, loss, words = TARGETS[case]
    with pytest.raises((DataError, ShapeError), match=words):
        fit(net(outputs), X, given, loss=loss)
    if given is not None and "rows" not in words and np.asarray(given).shape[0] == N:
        with pytest.raises((DataError, ShapeError)):
            good = {"mse": Y, "cross_entropy": LABELS, "focal": LABELS, "kl": HOT}
            fit(net(outputs), X, good.get(loss, SIGNS > 0), loss=loss, validation=(X, given))


@pytest.mark.parametrize(
    ("outputs", "given", "loss"),
    [
        (3, LABELS, "cross_entropy"),
        (3, LABELS[:, None], "cross_entropy"),
        (3, LABELS.astype(np.uint8), "focal"),
        (2, FLAT > 0, "cross_entropy"),
        (3, HOT, "cross_entropy"),
        (3, HOT.astype(int), "cross_entropy"),
        (3, HOT > 0, "focal"),
        (1, FLAT > 0, "binary_cross_entropy"),
        (1, SIGNS, "hinge"),
        (1, SIGNS * 1.0, "hinge"),
        (1, SIGNS[:, None], "hinge"),
        (3, 2 * HOT - 1, "hinge"),
        (3, (2 * HOT - 1).astype(int), "hinge"),
        (3, LABELS, "hinge"),
        (3, LABELS[:, None], "hinge"),
        (2, FLAT > 0, "hinge"),
    ],
)
def test_targets_that_are_taken(outputs, given, loss):
    run = fit(net(outputs), X, given, loss=loss, epochs=30, metrics="accuracy", batch_size=N,
              optimizer=dr.Adam(0.05))  # fmt: skip
    assert run.history["loss"][-1] < 0.8 * run.history["loss"][0]
    assert run.history["accuracy"][-1] > 0.7


# --- more outputs than classes, and what the loss has already ---


@pytest.mark.parametrize(
    ("outputs", "labels", "words"),
    [
        (
            5,
            LABELS,
            "has 5 outputs, one for each class, and rows have the classes 0 to 2. Give the last",
        ),
        (
            2,
            0 * LABELS,
            "and all rows are of class 0. Give rows of the others, unless more rows come",
        ),
    ],
)
@pytest.mark.parametrize("loss", ["cross_entropy", "hinge"])
def test_more_outputs_than_classes_are_a_warning(outputs, labels, words, loss):
    with pytest.warns(UserWarning, match=words):
        fit(net(outputs), X, labels, loss=loss)


def test_a_class_of_the_validation_rows_counts():
    fit(net(4), X, LABELS, loss="cross_entropy", validation=(X[:1], np.array([3])))


LAST = {
    "softmax": lambda z: np.exp(z) / np.exp(z).sum(-1, keepdims=True),
    "logistic": lambda z: 1 / (1 + np.exp(-z)),
    "exponential": np.exp,
}


@pytest.mark.parametrize(
    "loss", ["cross_entropy", "focal", "kl", "binary_cross_entropy", "binary_focal"]
)
@pytest.mark.parametrize("last", ["softmax", "logistic", LAST["softmax"], LAST["logistic"]])
def test_a_softmax_before_a_softmax_is_a_warning(loss, last):
    words = f"ends with a (softmax|logistic), and {loss} takes logits: it has a (softmax|logistic) of its"
    with pytest.warns(UserWarning, match=words):
        fit(net(3, last), X, HOT, loss=loss)


@pytest.mark.parametrize("loss", ["poisson", "gamma", "tweedie"])
def test_an_exponential_before_an_exponential_is_a_warning(loss):
    with pytest.warns(UserWarning, match=f"exponential, and {loss} takes logarithms of means"):
        fit(net(1, np.exp), X, np.abs(Y) + 0.1, loss=loss)


@pytest.mark.parametrize(
    ("last", "loss", "given"),
    [
        ("softmax", "mse", HOT),
        ("logistic", "mae", HOT),
        ("tanh", "hinge", LABELS),
        ("log_softmax", "cross_entropy", LABELS),
        (lambda z: z / (1 + np.abs(z)), "cross_entropy", LABELS),
        (lambda z: z - z.mean(-1, keepdims=True), "cross_entropy", LABELS),
    ],
)
def test_other_ends_are_no_warning(last, loss, given):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(net(3, last), X, given, loss=loss)


@pytest.mark.parametrize("name", LAST)
@pytest.mark.parametrize("after", [lambda z: z, lambda z: z.reshape(4, 3), lambda z: z.T.T])
def test_the_last_operation_is_seen_through_moves(name, after):
    graph = stage(lambda z: [after(LAST[name](z))], [ArrayType((4, 3), np.dtype(float))]).graph
    assert activation_at(graph.outputs[0]) == name


@pytest.mark.parametrize("code", [lambda z: z / (1 + z), lambda z: np.exp(z) / z.sum(), np.tanh])
def test_other_operations_are_none_of_these(code):
    graph = stage(lambda z: [code(z)], [ArrayType((4, 3), np.dtype(float))]).graph
    assert activation_at(graph.outputs[0]) == ""


# --- settings by name ---


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"loss": "MSE"}, "Did you mean 'mse'"),
        ({"loss": "Mean Squared Error"}, "Did you mean 'mse'"),
        ({"loss": "sparse_categorical_crossentropy"}, "Did you mean 'cross_entropy'"),
        ({"loss": "BCEWithLogitsLoss"}, "Did you mean 'binary_cross_entropy'"),
        ({"loss": None}, r"no loss is called None; known: .* \(outputs, targets\)$"),
        ({"metrics": "Acc"}, "Did you mean 'accuracy'"),
        ({"metrics": "r2-score"}, "Did you mean 'r2'"),
        ({"shuffle": "no"}, "shuffle is True or False, not 'no'"),
        ({"validation": X}, r"not an array of shape \(37, 3\)"),
        ({"epochs": "3"}, "epochs must be a whole number of at least 0, not '3'"),
        ({"batch_size": 32.0}, "batch_size must be a whole number of at least 1, not 32.0"),
    ],
)
def test_settings_that_are_refused(settings, words):
    with pytest.raises(DataError, match=words):
        fit(net(), X, Y, **settings)


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("ReLU", "relu"),
        ("LeakyReLU", "leaky_relu"),
        ("TanH", "tanh"),
        ("hyperbolic_tangent", "tanh"),
    ],
)
def test_activations_of_other_names(name, ours):
    with pytest.raises((DataError, ShapeError), match=f"Did you mean '{ours}'"):
        dr.Dense(3, name)


@pytest.mark.parametrize("rate", [0, -1, np.nan, np.inf, "fast", None, True, 1j, [0.1]])
def test_learning_rates_that_are_refused(rate):
    with pytest.raises(DataError, match="SGD: learning_rate must be a positive number, not "):
        dr.SGD(rate)


# --- the functions by themselves ---


def test_arrays_are_not_copied_without_need():
    x = np.zeros((2, 3), np.float32)
    assert as_numbers(x, "x") is x and in_dtype(x, np.dtype("float32"), "x") is x


def test_long_objects_are_shown_in_short():
    assert shown("a" * 100) == "'" + "a" * 59 + "..."
    assert shown(np.float64(3)) == "np.float64(3.0)"


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (None, [[1.0]], "x is None; give an array of numbers"),
        ([[1.0, 2.0, 3.0]], None, "y is None"),
        ([["a", "b", "c"]], [[1.0]], "x has dtype <U1; numbers are needed"),
        ([[1.0, 2.0], [3.0]], [[1.0]], r"different lengths, x\[0\] has 2 and x\[1\] has 1"),
        ([[1.0, np.nan, 2.0]], [[1.0]], r"x\[0, 1\] is nan; only numbers can be explained"),
        ([[1.0, 2.0, 3.0]], [[np.inf]], r"y\[0, 0\] is inf"),
        ([[1.0, 2.0]], [[1.0]], r"\(1, 2\) do not fit the weights of shape \(3, 4\)"),
        ([[1.0, 2.0, 3.0]], [[1.0, 2.0]], r"outputs have shape \(1, 1\), targets \(1, 2\)"),
    ],
)
def test_what_cannot_be_explained(x, y, words):
    with pytest.raises((DataError, ShapeError), match=words):
        dr.explain(net().init((1, 3)), x, y)
