"""What `fit` refuses, before the first step, and numbers that are not finite, found again."""

from __future__ import annotations

import numpy as np
import pytest

import deltarule as dr
from deltarule.derive.tree import tree_map
from deltarule.errors import DataError, NonFiniteLoss, ShapeError, TypeRuleError
from deltarule.train import loop
from networks import BACKENDS, LABELS, X, Y, choose, cut, leaves, mlp


@pytest.fixture(params=BACKENDS)
def backend(request, monkeypatch):
    choose(request.param, monkeypatch)


def spoilt(x, place, value):
    x = x.copy()
    x[place] = value
    return x


def classes(**settings):
    return {"net": mlp(outputs=3), "y": LABELS, "loss": "cross_entropy", **settings}


def own(function):
    return {"loss": function}


REFUSED = {
    "NaN in X": (
        {"X": spoilt(X, (3, 1), np.nan)},
        r"X\[3, 1\] is nan: 1 of 111 values, in 1 of 37 rows",
    ),
    "inf in y": ({"y": spoilt(Y, 7, np.inf)}, r"y\[7\] is inf: 1 of 37.*Fill or drop these rows"),
    "beyond float32": (
        {"net": mlp(dtype="float32"), "X": X * 1e39},
        r"as float32, X\[0, \d\] is -?inf",
    ),
    "no rows": ({"X": X[:0], "y": Y[:0]}, r"X has shape \(0, 3\): there is nothing to train on"),
    "no features": ({"X": X[:, :0]}, r"X has shape \(37, 0\)"),
    "one axis": ({"X": Y}, r"X has shape \(37,\).*One feature\? X.reshape\(-1, 1\)"),
    "text": ({"X": X.astype(str)}, "X has dtype <U32; numbers are needed.*train_table"),
    "class names": (
        {"y": ["a"] * 37},
        r"y has dtype <U1.*np.unique\(y, return_inverse=True\)\[1\]",
    ),
    "ragged rows": ({"X": [[1, 2], [3]]}, "X is no array: its rows have different lengths"),
    "complex": ({"X": X * 1j}, "X has dtype complex128"),
    "lengths": ({"y": Y[:-1]}, "X has 37 rows, y has 36"),
    "width": ({"X": X[:, :2]}, r"inputs of shape \(37, 2\).*\(3, 5\).*layer dense1"),
    "targets": ({"net": mlp(outputs=3)}, r"mse: outputs have shape \(37, 3\), targets \(37,\)"),
    "label too large": (classes(y=spoilt(LABELS, 5, 3)), r"y\[5\] is class 3; .* classes 0 to 2"),
    "label negative": (classes(y=spoilt(LABELS, 5, -1)), r"y\[5\] is class -1"),
    "validation label": (classes(validation=(X, LABELS + 1)), r"validation y\[\d+\] is class 3"),
    "float labels": (
        classes(y=LABELS * 1.0),
        r"float64; cross_entropy takes class indices.*y.astype\(int\)",
    ),
    "two classes, from 1": (
        {"y": 1 + (LABELS > 0), "loss": "binary_cross_entropy"},
        r"y\[\d+\] is 2; binary_cross_entropy takes 0, 1, or probabilities between",
    ),
    "two classes, signs": (
        {"y": np.where(LABELS > 0, 1.0, -1.0), "loss": "binary_cross_entropy"},
        r"is -1.0; binary_cross_entropy takes",
    ),
    "no probabilities": (classes(y=2 * np.eye(3)[LABELS]), r"is 2.0; cross_entropy takes"),
    "probabilities of 2": (classes(y=np.full((37, 3), 0.5)), r"y\[0\] adds up to 1.5"),
    "one output": (
        {"y": LABELS, "loss": "cross_entropy"},
        "For one output use binary_cross_entropy",
    ),
    "loss name": ({"loss": "rmse"}, "no loss is called 'rmse'; known: mse"),
    "optimizer name": ({"optimizer": "newton"}, "no optimizer is called 'newton'"),
    "metric name": ({"metrics": ["acc"]}, "no metric is called 'acc'; known: accuracy, .*mae"),
    "metric twice": ({"metrics": ["mae", "mae"]}, "two metrics are called 'mae'"),
    "accuracy of numbers": ({"metrics": "accuracy"}, "needs targets 0 and 1, or -1 and 1"),
    "epochs": ({"epochs": -1}, "epochs must be a whole number of at least 0, not -1"),
    "half epochs": ({"epochs": 1.5}, "not 1.5"),
    "batch_size": ({"batch_size": 0}, "batch_size must be a whole number of at least 1, not 0"),
    "seed": ({"seed": -1}, "seed must be a whole number of at least 0, not -1"),
    "seed text": ({"seed": "one"}, "not 'one'"),
    "validation 0": (
        {"validation": 0},
        r"a fraction between 0 and 1, a pair \(X, y\), or None, not 0",
    ),
    "validation True": ({"validation": True}, "not True"),
    "validation of one": ({"validation": (X,)}, "not 1 things"),
    "validation lengths": (
        {"validation": (X, Y[:3])},
        "validation X has 37 rows, validation y has 3",
    ),
    "validation width": (
        {"validation": (X[:, :2], Y)},
        r"validation X has shape \(37, 2\), X has shape",
    ),
    "validation NaN": ({"validation": (X, spoilt(Y, 0, np.nan))}, r"validation y\[0\] is nan"),
    "validation of one row": ({"X": X[:1], "y": Y[:1], "validation": 0.5}, "needs 2 rows or more"),
    "weights' shape": ({"sample_weight": [1, 2]}, r"sample_weight has shape \(2,\).*shape \(37,\)"),
    "weights' type": ({"sample_weight": ["a"] * 37}, "dtype <U1"),
    "negative weight": (
        {"sample_weight": spoilt(np.ones(37), 4, -1)},
        r"sample_weight\[4\] is -1.0",
    ),
    "NaN weight": ({"sample_weight": spoilt(np.ones(37), 4, np.nan)}, r"sample_weight\[4\] is nan"),
    "no weight": ({"sample_weight": np.zeros(37)}, "weights of all training rows are 0"),
    "weights of a number": (
        own(lambda y, t: np.mean((y[:, 0] - t) ** 2)) | {"sample_weight": np.ones(37)},
        "sample weights need one loss per row",
    ),
    "class_weight of numbers": ({"class_weight": "balanced"}, "needs one class index per row"),
    "class_weight name": (classes(class_weight="equal"), "'balanced' or a dict"),
    "class_weight lacks": (classes(class_weight={0: 1.0, 1: 1.0}), "no weight for class 2"),
    "class_weight NaN": (
        classes(class_weight={0: 1, 1: 1, 2: np.nan}),
        r"class_weight\[2\] is nan",
    ),
    "no weights": (
        {"net": dr.Sequential(dr.Dropout(0.1))},
        "has no weights: there is nothing to train",
    ),
    "no network": ({"net": "net"}, "an object of dr.Module, not 'net'"),
    "callback": ({"callbacks": ["print"]}, "callbacks are objects of dr.Callback"),
    "progress": ({"progress": "yes"}, "True, False or None, not 'yes'"),
    "early stopping": (
        {"callbacks": [dr.EarlyStopping()]},
        "watches 'val_loss', which is not.*validation=0.1",
    ),
    "constant loss": (own(lambda y, t: 1.0), "does not depend on the network's weights"),
    "cut loss": (
        own(lambda y, t: dr.stop_gradient(y).sum()),
        "does not depend on the network's weights",
    ),
    "loss without result": (own(lambda y, t: None), "returned None"),
    "loss of other rows": (own(lambda y, t: y[:3, 0]), r"returned shape \(3,\)"),
    "pairs, each": (own(lambda y, t: (y - t) ** 2), r"each output meets every target, at .*py:\d+"),
    "pairs, mean": (
        own(lambda y, t: np.mean((t - y) ** 2)),
        r"Give both one shape, outputs\[:, 0\]",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_before_the_first_step(case):
    change, words = REFUSED[case]
    arguments = {"net": mlp(), "X": X, "y": Y, "epochs": 1, "seed": 0, **change}
    net, x, y = (arguments.pop(name) for name in ("net", "X", "y"))
    before = leaves(net) if isinstance(net, dr.Module) else []
    with pytest.raises((DataError, ShapeError), match=words):
        dr.fit(net, x, y, **arguments)
    if case != "accuracy of numbers":
        for a, b in zip(before, leaves(net) if before else [], strict=True):
            np.testing.assert_array_equal(a, b)


def test_pairs_that_are_meant_are_allowed():
    def ranking(y, t):
        return np.mean(np.maximum(0, 1 - (y - y.T) * np.sign(t[:, None] - t)))

    assert dr.fit(mlp(), X, Y, loss=ranking, epochs=1, seed=0).epochs == 1


@pytest.mark.parametrize(
    ("code", "error", "words"),
    [
        (lambda x, w: (x @ w, x), ShapeError, "the network returned tuple"),
        (
            lambda x, w: (x @ w).sum(),
            ShapeError,
            r"returned shape \(\) for inputs of shape \(37, 3\)",
        ),
        (
            lambda x, w: x @ w + np.arange(2.0),
            TypeRuleError,
            "float64 array of shape .* float32 network",
        ),
    ],
)
def test_networks_that_do_not_fit(code, error, words):
    class Net(dr.Module):
        def __init__(self):
            self.w = np.ones((3, 1))

        def __call__(self, x):
            return code(x, self.w)

    with pytest.raises(error, match=words):
        dr.fit(Net(), X, Y)


def test_an_optimizer_that_changes_types_is_refused():
    class Widening:
        def init(self, params):
            return {}

        def step(self, params, grads, state):
            flat = {k: {n: w[None] for n, w in v.items()} for k, v in params.items()}
            return flat, state

    with pytest.raises(TypeRuleError, match="carry"):
        dr.fit(mlp(), X, Y, optimizer=Widening())


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"on_epochs": None}, r"Wrong.on_epochs is no hook, did you mean on_epoch\?"),
        ({"on_batch_end": None}, "is no hook.*The hooks are on_start, on_step, on_epoch, on_end"),
    ],
)
def test_a_misspelt_hook_is_an_error(body, words):
    with pytest.raises(DataError, match=words):
        type("Wrong", (dr.Callback,), body)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: dr.EarlyStopping(0), "patience is a number of epochs, not 0"),
        (lambda: dr.EarlyStopping(mode="lowest"), "mode is 'min', 'max' or 'auto', not 'lowest'"),
        (lambda: dr.EarlyStopping(min_delta=-1), "min_delta is 0 or more, not -1"),
    ],
)
def test_settings_of_early_stopping(make, words):
    with pytest.raises(DataError, match=words):
        make()


def test_early_stopping_asks_in_which_direction_an_unknown_metric_is_better():
    def gain(outputs, targets):
        return 0.5

    stop = dr.EarlyStopping(monitor="gain")
    words = "whether more gain is better is not known; give mode='max'"
    with pytest.raises(DataError, match=words):
        dr.fit(mlp(), X, Y, metrics=gain, callbacks=[stop])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"seed": 9}, "continues a run of seed 1; seed=9 was given"),
        ({"metrics": "mae"}, "the run recorded loss, rows_per_second, this call records loss, mae"),
        ({"optimizer": "sgd"}, "the optimizer or the network is of another kind"),
        ({"net": mlp(outputs=2), "y": np.stack([Y, Y], 1)}, "of another kind"),
    ],
)
def test_resume_needs_the_same_training(settings, words):
    run = dr.fit(mlp(), X, Y, epochs=1, seed=1)
    settings = {"net": mlp(), "y": Y, **settings}
    net, y = settings.pop("net"), settings.pop("y")
    with pytest.raises(DataError, match=words):
        dr.fit(net, X, y, resume=run, **settings)
    with pytest.raises(DataError, match="holds no state of an optimizer"):
        dr.fit(mlp(), X, Y, resume=dr.Run(run.history, 1))


def test_an_empty_run_has_no_best_epoch_and_no_plot():
    run = dr.fit(mlp(), X, Y, epochs=0)
    for ask in (lambda: run.best, run.plot):
        with pytest.raises(DataError, match="the run has no epoch"):
            ask()


# --- numbers that are not finite ---


def diverging(epochs=50, **settings):
    net = dr.Sequential(dr.Dense(8, "relu"), dr.Dense(1)).init((1, 3), seed=0)
    with pytest.raises(NonFiniteLoss) as caught:
        dr.fit(net, X, Y, optimizer=dr.SGD(3.0), epochs=epochs, batch_size=10, seed=0, **settings)
    return net, str(caught.value)


def test_a_loss_that_is_not_finite_keeps_the_last_good_weights(backend):
    net, message = diverging()
    step, kept = (
        int(message.split(word)[1].split()[0].strip(".,"))
        for word in (" step ", "weights of step ")
    )
    assert message.startswith("the loss became inf in epoch ") and kept == step - 2
    assert f"epoch {(step - 1) // 4 + 1}, step {step}." in message and "dense" in message
    assert "lower the learning rate" in message
    assert all(np.isfinite(w).all() for w in leaves(net))
    assert np.isfinite(net(X)).all()


def test_the_step_and_the_weights_do_not_depend_on_chunks_and_blocks(backend, monkeypatch):
    net, message = diverging()
    callback = type("Nothing", (dr.Callback,), {})()
    for steps, settings in ((1, {}), (3, {}), (1000, {}), (1000, {"callbacks": [callback]})):
        cut(steps, monkeypatch)
        other, same = diverging(**settings)
        assert same == message
        for a, b in zip(leaves(net), leaves(other), strict=True):
            np.testing.assert_array_equal(a, b)


def test_the_epoch_of_a_resumed_run_is_named(monkeypatch):
    choose("interpreted", monkeypatch)
    net = dr.Sequential(dr.Dense(8, "relu"), dr.Dense(1)).init((1, 3), seed=0)
    slow = dr.fit(net, X, Y, optimizer=dr.SGD(1e-6), epochs=3, batch_size=5, seed=0)
    with pytest.raises(NonFiniteLoss, match=r"in epoch [4-9], step 2[5-9]\."):
        dr.fit(net, X, Y, optimizer=dr.SGD(100.0), epochs=9, batch_size=37, resume=slow)


def test_epochs_run_together_fail_at_the_same_step(backend, monkeypatch):
    def failing(rows):
        monkeypatch.setattr(loop, "BLOCK_ROWS", rows)
        cut(1000, monkeypatch)
        net = dr.Sequential(dr.Dense(8, "relu"), dr.Dense(1)).init((1, 3), seed=0)
        with pytest.raises(NonFiniteLoss) as caught:
            dr.fit(net, X[:36], Y[:36], optimizer=dr.SGD(3.0), epochs=50, batch_size=9, seed=0)
        return str(caught.value), net(X)

    (one, a), (many, b) = failing(1), failing(1 << 16)
    assert one == many
    np.testing.assert_array_equal(a, b)


class Log(dr.Module):
    def __init__(self):
        self.inner, self.outer = dr.Dense(4), dr.Dense(1)

    def __call__(self, x):
        return self.outer(np.log(self.inner(x)))


def test_the_operation_and_the_line_are_named(backend):
    with pytest.raises(
        NonFiniteLoss,
        match=r"became nan in epoch 1, step 1.*that of log -> f32\[10,4\] at test_train",
    ):
        dr.fit(Log(), X, Y, batch_size=10, seed=0)


class Root(dr.Module):
    """Finite, with an infinite derivative."""

    def __init__(self):
        self.w = np.ones((3, 1))

    def __call__(self, x):
        return np.sqrt(np.abs(x @ self.w * 0))


def test_weights_spoilt_by_the_last_step_are_found(backend):
    net = Root()
    words = r"the weights are not finite, at a loss of .* in epoch 1, step 1\..*div.*weights of step 0\."
    with pytest.raises(NonFiniteLoss, match=words):
        dr.fit(net, X, Y, epochs=1, batch_size=99, seed=0)
    assert (net.w == 1).all()


def test_weights_spoilt_by_the_optimizer_are_its_fault(backend):
    class Dividing:
        def init(self, params):
            return {}

        def step(self, params, grads, state):
            return tree_map(lambda p, g: p - g / (g - g), params, grads), state

    with pytest.raises(NonFiniteLoss, match=r"that of div .* in the optimizer's step"):
        dr.fit(mlp(), X, Y, optimizer=Dividing(), epochs=1, batch_size=99, seed=0)


def test_infinities_that_are_meant_are_passed_by(backend):
    class Masked(dr.Module):
        def __init__(self):
            self.inner, self.outer = dr.Dense(4), dr.Dense(4)

        def __call__(self, x):
            masked = np.where(np.arange(4) < 3, self.inner(x), np.float32(-np.inf))
            return np.maximum(masked, np.log(self.outer(x) - 100)).max(axis=1)

    with pytest.raises(NonFiniteLoss, match="that of log"):
        dr.fit(Masked(), X, Y, batch_size=37, seed=0)
