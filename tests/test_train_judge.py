"""What an epoch is judged by: rows held out and their weights, functions of the network, metrics, data of
any kind, and arguments that `fit` does not have."""

from __future__ import annotations

import inspect

import numpy as np
import pyarrow as pa
import pytest
from sklearn import metrics as sk

import deltarule as dr
from deltarule.errors import ArgumentError, DataError
from networks import LABELS, X, Y, assert_close, assert_same_bits, mlp, rng

ZEROS = np.zeros(37, int)


# --- rows held out ---


@pytest.mark.parametrize(
    ("loss", "targets", "outputs"),
    [
        ("cross_entropy", LABELS, 3),
        ("binary_cross_entropy", (LABELS > 0) * 1.0, 1),
        ("hinge", np.where(LABELS > 0, 1, -1)[:, None], 1),
    ],
)
def test_classes_are_held_out_in_equal_shares(loss, targets, outputs):
    sizes = []

    def count(y, t):
        sizes.append({float(c): int((t == c).sum()) for c in np.unique(t)})
        return 0.0

    dr.fit(
        mlp(outputs=outputs), X, targets, loss=loss, epochs=1, validation=0.5, metrics=count, seed=1
    )
    for label, n in sizes[0].items():
        assert abs(n - (targets == label).sum() / 2) <= 1


def test_a_rare_class_is_trained_on():
    rare = ZEROS.copy()
    rare[7] = 1
    for seed in range(8):
        run = dr.fit(
            mlp(outputs=2), X, rare, loss="cross_entropy", epochs=1, validation=0.5, seed=seed,
            metrics=lambda y, t: t.max(),
        )  # fmt: skip
        assert run.history["val_<lambda>"] == [0.0]


def test_the_rows_held_out_are_not_copied_from_those_trained_on():
    """The arrays of a training are those that were given, where their type fits."""
    from deltarule.nn import loss_of
    from deltarule.train.prepare import prepare

    x = X.astype(np.float32)
    net = mlp(dtype="float32")
    data = prepare(net, x, Y, loss_of("mse"), 0.2, None, None, 0)
    assert data.inputs is x or np.shares_memory(data.inputs, x)
    assert data.rows == 30 and len(data.held.inputs) == 7
    np.testing.assert_array_equal(data.trained()[0], x[data.chosen])


# --- weights ---


def test_validation_loss_is_weighted_like_the_loss():
    weight = rng.uniform(0.5, 3, 37)
    net = mlp(outputs=3)
    how = dict(loss="cross_entropy", epochs=1, seed=0, metrics="accuracy")
    run = dr.fit(
        net, X, LABELS, validation=(X, LABELS, weight), class_weight={0: 1, 1: 5, 2: 2}, **how
    )
    z = net(X)
    rows = -(z - np.log(np.exp(z).sum(1, keepdims=True)))[np.arange(37), LABELS]
    both = weight * np.array([1, 5, 2])[LABELS]
    assert run.history["val_loss"][0] == pytest.approx(np.average(rows, weights=both))
    assert run.history["val_accuracy"][0] == np.mean(z.argmax(1) == LABELS)
    net = mlp(outputs=3)
    seen = []
    run = dr.fit(
        net, X, LABELS, validation=0.3, sample_weight=weight,
        **how | {"metrics": lambda y, t: seen.append(y) or 0.0},
    )  # fmt: skip
    held = [int(np.abs(net(X) - y).sum(1).argmin()) for y in seen[0]]
    z = net(X)[held]
    rows = -(z - np.log(np.exp(z).sum(1, keepdims=True)))[np.arange(len(held)), LABELS[held]]
    assert run.history["val_loss"][0] == pytest.approx(np.average(rows, weights=weight[held]))


def test_balanced_weights_are_those_of_the_training_rows():
    run = dr.fit(
        net := mlp(outputs=3), X, LABELS, loss="cross_entropy", class_weight="balanced", epochs=1,
        validation=(X[:20], LABELS[:20]), seed=0,
    )  # fmt: skip
    z = net(X[:20])
    rows = -(z - np.log(np.exp(z).sum(1, keepdims=True)))[np.arange(20), LABELS[:20]]
    weight = (1 / np.bincount(LABELS))[LABELS[:20]]
    assert run.history["val_loss"][0] == pytest.approx(np.average(rows, weights=weight))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"validation": (X, LABELS, np.ones(3))}, "validation sample_weight has shape"),
        ({"validation": (X, LABELS, np.zeros(37))}, "weights of all validation rows are 0"),
        (
            {"y": np.minimum(LABELS, 1), "validation": (X, LABELS), "class_weight": "balanced"},
            "no weight for class 2, which validation y has and no training row",
        ),
    ],
)
def test_weights_that_do_not_fit(change, words):
    how = {"y": LABELS, "loss": "cross_entropy", **change}
    with pytest.raises(DataError, match=words):
        dr.fit(mlp(outputs=3), X, **how)


# --- functions ---


def test_validation_by_a_function_of_the_network():
    seen = []

    def exact(net):
        seen.append(net(X))
        return {"loss": 0.1 * len(seen), "val_share": np.float32(0.5), "n": np.array(3)}

    net = mlp()
    run = dr.fit(net, X, Y, epochs=3, validation=exact, metrics="mae", seed=0)
    assert list(run.history) == ["loss", "val_loss", "val_share", "val_n", "mae", "rows_per_second"]
    assert run.history["val_loss"] == pytest.approx([0.1, 0.2, 0.3]) and run.best["epoch"] == 1
    np.testing.assert_array_equal(seen[-1], net(X))
    assert len({outputs.tobytes() for outputs in seen}) == 3

    def bleu(net):
        return 0.25

    run = dr.fit(net, X, Y, epochs=2, validation=bleu, seed=0)
    assert run.history["val_bleu"] == [0.25, 0.25]
    run = dr.fit(net, X, Y, epochs=2, validation=bleu, resume=run)
    assert run.history["val_bleu"] == [0.25] * 4
    with pytest.raises(DataError, match="val_exact, rows_per_second after epoch 5, and val_bleu"):
        dr.fit(net, X, Y, epochs=2, validation=lambda n: {"exact": 1.0}, resume=run)
    with pytest.raises(DataError, match="resume: the run recorded"):
        dr.fit(net, X, Y, epochs=2, resume=run)


@pytest.mark.parametrize("found", ["high", [1.0, 2.0], None, {"a": "b"}])
def test_a_function_returns_numbers(found):
    with pytest.raises(DataError, match="takes the network and returns a number, or a dict"):
        dr.fit(mlp(), X, Y, validation=lambda net: found)
    if not isinstance(found, dict):
        with pytest.raises(
            DataError, match="a metric takes outputs and targets and returns a number"
        ):
            dr.fit(mlp(), X, Y, metrics=lambda y, t: found)


def test_figures_of_a_function_have_the_same_names_in_every_epoch():
    names = iter("aab")
    with pytest.raises(DataError, match=r"validation gave val_b, .* after epoch 3, and val_a"):
        dr.fit(mlp(), X, Y, epochs=5, validation=lambda net: {next(names): 1.0})


def test_early_stopping_on_what_a_function_finds():
    values = iter([1.0, 3.0, 2.0, 2.0, 2.0])
    stop = dr.EarlyStopping(2, monitor="val_score", mode="max")
    run = dr.fit(
        mlp(), X, Y, epochs=9, validation=lambda net: {"score": next(values)}, callbacks=stop
    )
    assert (run.epochs, run.restored) == (4, 2)
    wrong = dr.EarlyStopping(monitor="val_scores", mode="max")
    with pytest.raises(DataError, match=r"'val_scores', which is not.*Did you mean 'val_score'"):
        dr.fit(mlp(), X, Y, validation=lambda net: {"score": 1.0}, callbacks=wrong)


# --- metrics ---


def test_metrics_of_the_training_rows():
    net = mlp(outputs=3)
    how = dict(loss="cross_entropy", epochs=2, seed=3)
    run = dr.fit(
        net, X, LABELS, validation=(X[:9], LABELS[:9]), metrics="f1",
        train_metrics=["accuracy", "f1"], **how,
    )  # fmt: skip
    chosen = net(X).argmax(1)
    assert run.history["accuracy"][-1] == np.mean(chosen == LABELS)
    assert run.history["f1"][-1] == pytest.approx(sk.f1_score(LABELS, chosen, average="macro"))
    ours = sk.f1_score(LABELS[:9], chosen[:9], average="macro", zero_division=0)
    assert run.history["val_f1"][-1] == pytest.approx(ours)
    alone = dr.fit(mlp(outputs=3), X, LABELS, metrics="accuracy", train_metrics="f1", **how)
    assert {"accuracy", "f1"} < alone.history.keys()
    half = dr.fit(
        net := mlp(), X, Y, validation=0.5, epochs=1, seed=0, metrics="mae", train_metrics="mae"
    )
    together = np.mean(np.abs(net(X)[:, 0] - Y))
    n = round(37 * 0.5)
    found = (half.history["mae"][0] * (37 - n) + half.history["val_mae"][0] * n) / 37
    assert found == pytest.approx(together, rel=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_metrics_of_random_data_are_those_of_scikit_learn(seed):
    draw = np.random.default_rng(seed)
    n, k = int(draw.integers(5, 60)), int(draw.integers(3, 7))
    from deltarule.nn import loss_of
    from deltarule.train.metrics import metrics_of

    def ours(name, loss, outputs, targets):
        return metrics_of(name, loss_of(loss))[name](outputs, targets)

    z, t = draw.normal(size=(n, k)), draw.integers(0, k, n)
    t[:k] = range(k)
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    macro = dict(average="macro", zero_division=0)
    theirs = {
        "accuracy": sk.accuracy_score(t, z.argmax(1)),
        "top_2": sk.top_k_accuracy_score(t, z, k=2),
        "precision": sk.precision_score(t, z.argmax(1), **macro),
        "recall": sk.recall_score(t, z.argmax(1), **macro),
        "f1": sk.f1_score(t, z.argmax(1), **macro),
        "roc_auc": sk.roc_auc_score(t, p, multi_class="ovr"),
        "log_loss": sk.log_loss(t, p),
    }
    for name, expected in theirs.items():
        assert ours(name, "cross_entropy", z, t) == pytest.approx(expected), name
    several = draw.integers(0, 2, (n, k))
    several[:2] = [[0], [1]]
    chances = 1 / (1 + np.exp(-z))
    theirs = {
        "precision": sk.precision_score(several, z > 0, **macro),
        "recall": sk.recall_score(several, z > 0, **macro),
        "f1": sk.f1_score(several, z > 0, **macro),
        "roc_auc": sk.roc_auc_score(several, chances),
        "accuracy": np.mean((z > 0) == several),
        "brier": np.mean((chances - several) ** 2),
        "log_loss": np.mean([sk.log_loss(several[:, j], chances[:, j]) for j in range(k)]),
    }
    for name, expected in theirs.items():
        assert ours(name, "binary_cross_entropy", z, several) == pytest.approx(expected), name
    y, amounts = draw.normal(size=(n, k)), draw.uniform(1, 2, (n, k))
    theirs = {
        "mae": sk.mean_absolute_error(amounts, y),
        "mape": sk.mean_absolute_percentage_error(amounts, y),
        "rmse": np.sqrt(sk.mean_squared_error(amounts, y)),
    }
    for name, expected in theirs.items():
        assert ours(name, "mse", y, amounts) == pytest.approx(expected), name
    assert ours("r2", "mse", y[:, :1], amounts[:, :1]) == pytest.approx(
        sk.r2_score(amounts[:, 0], y[:, 0])
    )


# --- data of any kind ---


def frames(x, y):
    names = [f"x{i}" for i in range(x.shape[1])]
    yield "lists", x.tolist(), y.tolist()
    yield "tuples", tuple(map(tuple, x)), tuple(y)
    yield "Fortran", np.asfortranarray(x), y[:, None]
    yield "stride", np.repeat(x, 2, axis=0)[::2], np.repeat(y, 2)[::2]
    table = pa.table({name: x[:, i] for i, name in enumerate(names)})
    yield "pyarrow", table, pa.array(y)
    for library in ("pandas", "polars"):
        try:
            frame = __import__(library)
        except ImportError:
            continue
        yield library, frame.DataFrame(dict(zip(names, x.T, strict=True))), frame.Series(y)


def test_rows_may_come_as_whatever_numpy_makes_an_array_of():
    x, y = np.round(X, 3), np.round(Y, 3)
    how = dict(epochs=2, batch_size=10, seed=0, validation=0.2)
    dr.fit(plain := mlp(), x, y, **how)
    for name, given_x, given_y in frames(x, y):
        dr.fit(net := mlp(), given_x, given_y, **how)
        assert_same_bits(net, plain)
        assert name


@pytest.mark.parametrize("kind", ["f8", "f4", "i8", "i2", "u1", "?"])
def test_rows_of_any_numbers(kind):
    x = np.abs(10 * X).astype(kind)
    dr.fit(a := mlp(), x, Y, epochs=1, seed=0)
    dr.fit(b := mlp(), x.astype(float), Y, epochs=1, seed=0)
    assert_same_bits(a, b)


def test_read_only_and_memory_mapped_rows_are_read_where_they_are(tmp_path, monkeypatch):
    from deltarule.train import epoch

    x = X.astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    still = x.copy()
    still.flags.writeable = False
    nets = []
    for seconds in (0.0, np.inf):
        monkeypatch.setattr(epoch, "COMPILE_SECONDS", seconds)
        for given in (x, mapped, still):
            dr.fit(net := mlp(dtype="float32"), given, Y, epochs=2, validation=0.2, seed=0)
            nets.append(net)
        assert_same_bits(nets[-1], nets[-2])
        assert_same_bits(nets[-1], nets[-3])
    assert_close(nets[0], nets[-1], rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(mapped, x)


def test_what_is_no_array_is_told_the_cure():
    from scipy import sparse

    def batches():
        yield X, Y

    with pytest.raises(DataError, match=r"X is a generator.*np.memmap"):
        dr.fit(mlp(), batches(), Y)
    with pytest.raises(DataError, match=r"y is a set"):
        dr.fit(mlp(), X, set(Y))
    with pytest.raises(DataError, match=r"X is a sparse csr_array.*\.toarray\(\)"):
        dr.fit(mlp(), sparse.csr_array(X), Y)


# --- sizes ---


def test_no_epoch_one_row_and_batches_larger_than_the_data():
    net = dr.Sequential(dr.Dense(2))
    run = dr.fit(
        net, X, Y[:, None] @ np.ones((1, 2)), epochs=0, callbacks=dr.EarlyStopping(1, "loss")
    )
    assert run.epochs == 0 and net.built and run.restored == 0
    assert "run of 0 epochs" in repr(run) and "0 epochs" in run._repr_html_()
    assert run.to_frame().shape[0] == 0
    for how in ({}, {"batch_size": 1000}, {"progress": True}):
        run = dr.fit(mlp(), X[:1], Y[:1], epochs=3, seed=0, metrics="mae", **how)
        assert run.epochs == 3
    dr.fit(a := mlp(), X, Y, batch_size=37, epochs=1, seed=0)
    dr.fit(b := mlp(), X, Y, batch_size=10**9, epochs=1, seed=0)
    assert_same_bits(a, b)


# --- arguments ---


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("verbose", "fit has no argument 'verbose': progress=True shows"),
        ("learning_rate", r"optimizer=dr\.Adam\(1e-3\)"),
        ("validation_split", r"validation=0\.1"),
        ("epoch", r"no argument 'epoch'\. Did you mean 'epochs'\?"),
        ("class_weights", r"Did you mean 'class_weight'\?"),
        ("zzz", "no argument 'zzz'$"),
    ],
)
def test_an_argument_of_another_name_is_answered_with_ours(name, words):
    with pytest.raises(ArgumentError, match=words):
        dr.fit(mlp(), X, Y, **{name: 1})
    with pytest.raises(TypeError):
        dr.fit(mlp(), X, Y, **{name: 1})


def test_every_habit_is_answered_with_an_argument_that_is_there():
    from deltarule.train.habits import FIT

    ours = inspect.signature(dr.fit).parameters
    assert not FIT.keys() & ours.keys() and "epochs" in ours
    for name, cure in FIT.items():
        assert name == "device" or any(f"{known}=" in cure for known in ours), name
