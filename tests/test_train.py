"""The training loop: that it computes what the texts say, to the bit where that is promised."""

from __future__ import annotations

import platform
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits

import deltarule as dr
from deltarule.derive.tree import tree_map
from deltarule.nn import module
from deltarule.program import random
from deltarule.train import epoch, loop, order, pace
from deltarule.train.evaluate import Evaluation
from deltarule.train.order import Orders
from deltarule.train.pace import Pace
from deltarule.train.prepare import _parts
from networks import (
    BACKENDS,
    LABELS,
    X,
    Y,
    assert_close,
    assert_same_bits,
    by_hand,
    choose,
    cut,
    leaves,
    mlp,
    rng,
    statistics,
)


@pytest.fixture(params=BACKENDS)
def backend(request, monkeypatch):
    choose(request.param, monkeypatch)


# --- fit is the loop written by hand ---

CASES = {
    "full batches": (mlp, dict(batch_size=37), "mse", Y),
    "partial last batch": (mlp, dict(batch_size=10), "mse", Y),
    "one row a step": (mlp, dict(batch_size=1), "half_squared_error", Y),
    "without shuffle": (mlp, dict(batch_size=8, shuffle=False), "huber", Y),
    "classes": (lambda: mlp(outputs=3), dict(batch_size=16), "cross_entropy", LABELS),
    "two classes": (mlp, dict(batch_size=16), "binary_cross_entropy", (LABELS > 0).astype(float)),
    "dropout": (lambda: mlp(dr.Dropout(0.3)), dict(batch_size=10), "mse", Y),
    "dropout, state, scan": (statistics, dict(batch_size=10), "mse", Y),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("rule", [dr.SGD(0.1, 0.9), dr.Adam(0.02)], ids=["sgd", "adam"])
def test_fit_is_the_loop_by_hand(case, rule, backend):
    make, how, loss, targets = CASES[case]
    net, hand = make(), make()
    run = dr.fit(net, X, targets, loss=loss, optimizer=rule, epochs=3, seed=5, **how)
    batch, shuffle = how["batch_size"], how.get("shuffle", True)
    history = by_hand(hand, X, targets, loss, rule, 3, batch, 5, shuffle)
    assert_close(net, hand, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(run.history["loss"], history, rtol=1e-9)


def test_compiled_and_interpreted_training_agree_in_float32(monkeypatch):
    found = []
    for seconds in (0.0, np.inf):
        monkeypatch.setattr(epoch, "COMPILE_SECONDS", seconds)
        net = statistics(dtype="float32")
        dr.fit(net, X, Y, epochs=5, batch_size=10, seed=1)
        found.append(net)
    assert leaves(found[0])[0].dtype == np.float32
    assert_close(*found, rtol=1e-3, atol=1e-5)


def test_user_code_in_numpy_is_a_loss_and_an_optimizer(backend):
    class Lion:
        """Signs of a running mean (Chen and others 2023)."""

        def init(self, params):
            return {"m": tree_map(np.zeros_like, params)}

        def step(self, params, grads, state):
            moved = tree_map(
                lambda p, g, m: p - 0.01 * np.sign(0.9 * m + 0.1 * g), params, grads, state["m"]
            )
            return moved, {"m": tree_map(lambda g, m: 0.99 * m + 0.01 * g, grads, state["m"])}

    def log_cosh(y, t):
        return np.log(np.cosh(y[:, 0] - t))

    net, hand = mlp(), mlp()
    dr.fit(net, X, Y, loss=log_cosh, optimizer=Lion(), epochs=3, batch_size=10, seed=2)
    by_hand(hand, X, Y, log_cosh, Lion(), 3, 10, 2)
    assert_close(net, hand, rtol=1e-9, atol=1e-12)


def test_a_loss_of_ones_own_gets_class_indices_as_integers(backend):
    def likelihood(z, t):
        z = z - np.log(np.sum(np.exp(z), axis=1, keepdims=True))
        return -z[np.arange(len(t)), t]

    net, ours = mlp(outputs=3), mlp(outputs=3)
    for n, loss in ((net, likelihood), (ours, "cross_entropy")):
        dr.fit(n, X, LABELS, loss=loss, epochs=2, batch_size=10, seed=2)
    assert_close(net, ours, rtol=1e-9)


counts = st.integers(1, 15)


@given(counts, counts, st.integers(0, 3), st.integers(0, 2**40), st.booleans())
@settings(max_examples=25)
def test_any_sizes(rows, batch, epochs, seed, shuffle):
    net, hand, rule = mlp(dr.Dropout(0.2)), mlp(dr.Dropout(0.2)), dr.Adam(0.02)
    run = dr.fit(
        net, X[:rows], Y[:rows], optimizer=rule, epochs=epochs, batch_size=batch, seed=seed,
        shuffle=shuffle,
    )  # fmt: skip
    history = by_hand(hand, X[:rows], Y[:rows], "mse", rule, epochs, batch, seed, shuffle)
    assert_close(net, hand, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(run.history["loss"], history, rtol=1e-9)


# --- it learns ---


def test_xor():
    points = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    truth = np.array([0.0, 1.0, 1.0, 0.0])
    for loss, rule, level in (
        ("mse", dr.Adam(0.05), 0.5),
        ("binary_cross_entropy", dr.SGD(1.0, 0.9), 0),
    ):
        net = dr.Sequential(dr.Dense(4, "tanh"), dr.Dense(1))
        run = dr.fit(net, points, truth, loss=loss, optimizer=rule, epochs=500, seed=0)
        assert ((net(points)[:, 0] > level) == truth).all() and run.history["loss"][-1] < 0.01


def test_digits():
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(images))
    images, labels = images[order] / 16, labels[order]
    test = images[1347:], labels[1347:]
    net = dr.Sequential(dr.Dense(64, "relu"), dr.Dense(10))
    run = dr.fit(
        net, images[:1347], labels[:1347], loss="cross_entropy", optimizer=dr.Adam(3e-3),
        epochs=15, validation=test, metrics="accuracy", seed=0,
    )  # fmt: skip
    accuracy = np.mean(net(test[0]).argmax(1) == test[1])
    assert accuracy > 0.97 and run.history["val_accuracy"][-1] == pytest.approx(accuracy)


def test_regression_reaches_the_least_squares_solution():
    weights, bias = np.array([2.0, -1.0, 0.5]), 3.0
    net = dr.Sequential(dr.Dense(1)).init((1, 3), dtype="float64")
    dr.fit(net, X, X @ weights + bias, optimizer=dr.SGD(0.1), epochs=400, batch_size=10, seed=0)
    np.testing.assert_allclose(net.params["dense1"]["weight"][:, 0], weights, rtol=1e-6)
    np.testing.assert_allclose(net.params["dense1"]["bias"], [bias], rtol=1e-6)


# --- the same bits ---


def test_same_seed_same_bits_other_seed_other_bits(backend):
    nets = [statistics() for _ in range(3)]
    runs = [
        dr.fit(net, X, Y, epochs=2, batch_size=10, seed=seed)
        for net, seed in zip(nets, (7, 7, 8), strict=True)
    ]
    assert_same_bits(nets[0], nets[1])
    assert runs[0].history["loss"] == runs[1].history["loss"]
    assert not np.array_equal(nets[0].params["head"]["weight"], nets[2].params["head"]["weight"])


def test_without_a_seed_one_is_drawn_and_kept():
    net, other = dr.Sequential(dr.Dense(2), dr.Dense(1)), dr.Sequential(dr.Dense(2), dr.Dense(1))
    run = dr.fit(net, X, Y, epochs=2)
    again = dr.fit(other, X, Y, epochs=2, seed=run.seed)
    assert again.history["loss"] == run.history["loss"]
    assert_same_bits(net, other)
    assert dr.fit(mlp(), X, Y, epochs=0).seed != run.seed


@pytest.mark.parametrize("batch", [10, 37])
@pytest.mark.parametrize("rule", [dr.SGD(0.1, 0.9), dr.Adam(0.02)], ids=["sgd", "adam"])
def test_resuming_gives_the_bits_of_the_unsplit_run(rule, batch, backend):
    whole, split = statistics(), statistics()
    how = dict(optimizer=rule, batch_size=batch, seed=3)
    long = dr.fit(whole, X, Y, epochs=5, **how)
    first = dr.fit(split, X, Y, epochs=2, **how)
    again = dr.fit(split, X, Y, epochs=3, optimizer=rule, batch_size=batch, resume=first)
    assert_same_bits(whole, split)
    assert again.history["loss"] == long.history["loss"]
    assert (first.epochs, again.epochs, again.seed) == (2, 5, 3)
    assert again.seconds > first.seconds


@pytest.mark.parametrize("batch", [1, 4, 10])
def test_pieces_of_any_length_give_the_same_bits(batch, backend, monkeypatch):
    found = []
    for steps in (1000, 1, 2, 3, 7):
        cut(steps, monkeypatch)
        net = statistics()
        run = dr.fit(net, X, Y, epochs=3, batch_size=batch, seed=3)
        found.append((net, run.history["loss"]))
    for net, losses in found[1:]:
        assert_same_bits(net, found[0][0])
        assert losses == found[0][1]


@pytest.mark.parametrize(("batch", "programs"), [(9, 1), (10, 2), (99, 1)])
def test_pieces_of_all_lengths_are_one_program(batch, programs, monkeypatch):
    choose("native", monkeypatch)
    built = []
    whole = epoch.build
    monkeypatch.setattr(epoch, "build", lambda *args: built.append(args) or whole(*args))
    monkeypatch.setattr(pace, "FIRST_SECONDS", 1e-9)
    dr.fit(mlp(), X[:36], Y[:36], epochs=40, batch_size=batch, seed=0)
    assert len(built) == programs


def test_a_piece_is_as_long_as_the_speed_says():
    steps = Pace(1e-3)
    assert steps.steps == 20
    steps.saw(20, 20 * 1e-6)
    assert steps.steps == 320  # a piece grows by no more
    steps.saw(100, 100 * 1e-5)
    assert steps.steps == 320
    steps.saw(60, 60 * 1e-5)  # short calls are heard together
    assert steps.steps == 5120
    steps.saw(5120, 5120 * 1e-3)
    assert steps.steps == 200
    steps.saw(1, 10.0)
    assert steps.steps == 1
    assert Pace(10.0).steps == 1


def test_pieces_end_where_a_hook_is_due():
    every = Pace(1e-3, [3, 4])
    lengths = [len(part) for part in every.pieces(np.zeros((15, 2)), 5)]
    assert np.cumsum([5, *lengths]).tolist() == [5, 6, 8, 9, 12, 15, 16, 18, 20]
    assert [len(part) for part in Pace(5e-3).pieces(np.zeros((9, 2)), 0)] == [4, 4, 1]


@pytest.mark.parametrize("rows", [1, 100, 200])
@pytest.mark.parametrize("batch", [9, 10])
def test_epochs_run_together_give_the_bits_of_single_ones(rows, batch, backend, monkeypatch):
    net, single = statistics(), statistics()
    x, y = X[:36], Y[:36]
    monkeypatch.setattr(loop, "BLOCK_ROWS", rows)
    cut(1000, monkeypatch)
    run = dr.fit(net, x, y, epochs=7, batch_size=batch, seed=3)
    callback = type("Nothing", (dr.Callback,), {})()
    alone = dr.fit(single, x, y, epochs=7, batch_size=batch, seed=3, callbacks=[callback])
    assert_same_bits(net, single)
    assert run.history["loss"] == alone.history["loss"]
    assert len(run.history["rows_per_second"]) == 7


def test_the_order_of_rows_is_a_function_of_seed_and_epoch(monkeypatch):
    monkeypatch.setattr(order, "BLOCK_ROWS", 100)
    orders, native = Orders(4, 11, True), Orders(4, 11, True, native=True)
    for first, count in ((0, 1), (1, 3), (4, 20), (2, 1), (100, 2)):
        expected = [random.permutation(4, first + i, 11) for i in range(count)]
        np.testing.assert_array_equal(orders(first, count), expected)
        np.testing.assert_array_equal(native(first, count), expected)
    assert not np.array_equal(orders(0, 1), orders(1, 1))
    assert not np.array_equal(orders(0, 1), Orders(5, 11, True)(0, 1))
    np.testing.assert_array_equal(np.sort(orders(3, 2)), [np.arange(11)] * 2)
    np.testing.assert_array_equal(Orders(4, 11, False)(9, 2), [np.arange(11)] * 2)


def test_the_fast_sort_is_the_stable_one():
    few = rng.integers(0, 5, (3, 200), dtype=np.uint32)  # many are equal
    all_ = rng.integers(0, 1 << 32, 1000, dtype=np.uint32)
    for bits in (few, all_, np.full(9, (1 << 32) - 1, np.uint32), few[:, :1]):
        found = random.order_of(bits)
        np.testing.assert_array_equal(found, np.argsort(bits, axis=-1, kind="stable"), strict=True)


def test_two_trainings_in_two_threads_at_once(backend):
    def make(seed):
        net = statistics(seed)
        return net, lambda: dr.fit(net, X, Y, epochs=4, batch_size=10, seed=seed)

    expected = []
    for seed in range(4):
        net, train = make(seed)
        train()
        expected.append(net)
    pairs = [make(seed) for seed in range(4)]
    failed = []

    def work(train):
        try:
            train()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(train,)) for _, train in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    for (net, _), one in zip(pairs, expected, strict=True):
        assert_same_bits(net, one)


@pytest.mark.native
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="x86-64")
def test_subnormal_numbers_count_as_zero_while_training(monkeypatch):
    class Shrink:
        def init(self, params):
            return {}

        def step(self, params, grads, state):
            return tree_map(lambda p: p * np.float32(1e-39), params), state

    choose("native", monkeypatch)
    net = mlp(dtype="float32")
    weights = net.params
    dr.fit(net, X, Y, optimizer=Shrink(), epochs=1, batch_size=37)
    assert all((w == 0).all() for w in leaves(net))
    scaled, _ = dr.compile(Shrink().step)(weights, {}, {})
    assert (abs(scaled["dense1"]["weight"]) > 0).all()


# --- odd sizes ---


def test_a_batch_larger_than_the_data_is_the_data(backend):
    nets = [mlp(), mlp()]
    for net, batch in zip(nets, (37, 1000), strict=True):
        dr.fit(net, X, Y, epochs=2, batch_size=batch, seed=1)
    assert_same_bits(*nets)


def test_no_epoch_initializes_only():
    net = dr.Sequential(dr.Dense(2), dr.Dense(1))
    run = dr.fit(net, X, Y, epochs=0, seed=4)
    fresh = dr.Sequential(dr.Dense(2), dr.Dense(1)).init((32, 3), seed=4)
    assert_same_bits(net, fresh)
    assert run.epochs == 0 and repr(run) == "<run of 0 epochs in 0.0 s>"


def test_one_row(backend):
    net, hand = mlp(), mlp()
    run = dr.fit(net, X[:1], Y[:1], optimizer=dr.SGD(0.1), epochs=3, seed=0)
    by_hand(hand, X[:1], Y[:1], "mse", dr.SGD(0.1), 3, 1, 0)
    assert_close(net, hand, rtol=1e-10)
    assert run.epochs == 3


def test_lists_integers_and_columns_are_data():
    nets = [mlp(), mlp()]
    x = (X > 0).astype(int)
    dr.fit(nets[0], x.tolist(), Y.tolist(), epochs=1, seed=0)
    dr.fit(nets[1], x.astype(bool), Y[:, None], epochs=1, seed=0)
    assert_same_bits(*nets)


def test_the_callers_arrays_stay_as_they_were():
    x, y, weight = X.copy(), Y.copy(), np.ones(37)
    dr.fit(mlp(), x, y, epochs=1, sample_weight=weight, seed=0)
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(y, Y)
    assert (weight == 1).all()


def test_more_axes_and_several_outputs(backend):
    class Flat(dr.Module):
        def __init__(self):
            self.dense = dr.Dense(4)

        def __call__(self, x):
            return self.dense(x.reshape(x.shape[0], -1)).reshape(-1, 2, 2)

    x, y = rng.normal(size=(20, 2, 3)), rng.normal(size=(20, 2, 2))
    net = Flat().init((1, 2, 3), dtype="float64")
    run = dr.fit(net, x, y, optimizer=dr.Adam(0.05), epochs=50, batch_size=6, seed=0)
    assert run.history["loss"][-1] < run.history["loss"][0] / 2 and net(x).shape == (20, 2, 2)


# --- weights of rows and classes ---


def full_batch(rows, targets, **weights):
    net = mlp()
    run = dr.fit(
        net, rows, targets, optimizer=dr.SGD(0.1), epochs=3, batch_size=99, seed=0, **weights
    )
    return net, run


def test_weight_2_is_the_row_twice(backend):
    net, run = full_batch(X[:6], Y[:6], sample_weight=[1, 2, 1, 1, 3, 1])
    rows = [0, 1, 1, 2, 3, 4, 4, 4, 5]
    twice, other = full_batch(X[rows], Y[rows])
    assert_close(net, twice, rtol=1e-10)
    np.testing.assert_allclose(run.history["loss"], other.history["loss"])


def test_weight_0_is_the_row_absent(backend):
    net, _ = full_batch(X[:6], Y[:6], sample_weight=[1, 0, 1, 1, 0, 1])
    absent, _ = full_batch(X[[0, 2, 3, 5]], Y[[0, 2, 3, 5]])
    assert_close(net, absent, rtol=1e-10)


def test_weights_have_mean_one():
    nets = [full_batch(X, Y, sample_weight=w)[0] for w in (None, np.ones(37), np.full(37, 5.0))]
    assert_close(nets[0], nets[1], rtol=1e-12)
    assert_close(nets[0], nets[2], rtol=1e-12)


def test_class_weights_are_row_weights():
    def trained(**weights):
        net = mlp(outputs=3)
        dr.fit(net, X, LABELS, loss="cross_entropy", epochs=2, batch_size=10, seed=0, **weights)
        return net

    given = trained(class_weight={0: 1.0, 1: 2.0, 2: 3.0})
    assert_same_bits(given, trained(sample_weight=LABELS + 1.0))
    counts = np.bincount(LABELS)
    balanced = trained(class_weight="balanced")
    assert_close(balanced, trained(sample_weight=1 / counts[LABELS]), rtol=1e-10)
    both = trained(class_weight={0: 1.0, 1: 2.0, 2: 3.0}, sample_weight=np.arange(37))
    assert_same_bits(both, trained(sample_weight=(LABELS + 1.0) * np.arange(37)))


def test_class_weights_of_two_classes():
    def trained(targets, **weights):
        net = mlp()
        how = dict(loss="binary_cross_entropy", epochs=2, batch_size=10, seed=0)
        dr.fit(net, X, targets, **how, **weights)
        return net

    two = LABELS > 0
    expected = trained(two, sample_weight=np.where(two, 3.0, 1.0))
    for targets in (two, two.astype(int), two.astype(float)[:, None]):
        assert_same_bits(trained(targets, class_weight={0: 1, 1: 3}), expected)


# --- validation and metrics ---


def test_a_fraction_is_held_out_by_the_seed():
    nets = [mlp() for _ in range(3)]
    runs = [
        dr.fit(net, X, Y, epochs=2, validation=v, metrics="mae", seed=3)
        for net, v in zip(nets, (0.25, np.float32(0.25), 0.25), strict=True)
    ]
    assert_same_bits(nets[0], nets[1])
    assert set(runs[0].history) == {"loss", "val_loss", "val_mae", "rows_per_second"}
    kept, held = _parts(37, 0.25, 3)
    assert len(held) == 9 and sorted([*kept, *held]) == list(range(37))
    other = mlp()
    pair = dr.fit(
        other, X[kept], Y[kept], epochs=2, validation=(X[held], Y[held]), metrics="mae", seed=3
    )
    assert_same_bits(other, nets[0])
    assert pair.history["val_loss"] == runs[0].history["val_loss"]
    y = nets[0](X[held])[:, 0]
    assert pair.history["val_loss"][-1] == pytest.approx(np.mean((y - Y[held]) ** 2))
    assert pair.history["val_mae"][-1] == pytest.approx(np.mean(abs(y - Y[held])))


@pytest.mark.parametrize("elements", [1 << 22, 30, 1])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_evaluation_in_machine_code_is_that_of_the_network(elements, dtype, backend, monkeypatch):
    monkeypatch.setattr(module, "CHUNK_ELEMENTS", elements)
    net = statistics(dtype=dtype)
    outputs = []

    def record(y, t):
        outputs.append((y, net(X)))
        return 0.0

    run = dr.fit(
        net, X[:20], Y[:20], epochs=3, validation=(X, Y), metrics=record, seed=0,
        callbacks=type("Nothing", (dr.Callback,), {})(),
    )  # fmt: skip
    tolerance = dict(rtol=1e-4, atol=1e-5) if dtype == "float32" else dict(rtol=1e-10, atol=1e-13)
    for here, asked in outputs:  # the network has the weights that are judged
        assert here.dtype == np.dtype(dtype) and here.shape == (37, 1)
        np.testing.assert_allclose(here, asked, **tolerance)
    np.testing.assert_allclose(outputs[-1][0], net(X), **tolerance)
    assert run.history["val_loss"][-1] == pytest.approx(np.mean((net(X)[:, 0] - Y) ** 2), rel=1e-4)


def test_evaluation_keeps_what_the_network_does_with_all_rows_together(backend):
    class Centred(dr.Module):
        def __init__(self):
            self.dense = dr.Dense(1)

        def __call__(self, x):
            return self.dense(x - x.mean(axis=0))

    net = Centred()
    run = dr.fit(net, X, Y, epochs=2, validation=(X * 2 + 1, Y), seed=0)
    expected = np.mean((net(X * 2 + 1)[:, 0] - Y) ** 2)
    assert run.history["val_loss"][-1] == pytest.approx(expected, rel=1e-4)


def test_evaluation_is_compiled_where_the_work_is_worth_it(monkeypatch):
    net = mlp()
    carry = epoch.Carry(net.params, net.state, {}, 0)
    assert not Evaluation(net, carry, X, 1).native
    assert Evaluation(net, carry, X, 1_000_000).native


def test_weights_of_held_out_rows_do_not_count():
    kept, held = _parts(37, 0.25, 3)
    weight = np.arange(1.0, 38)
    changed = weight.copy()
    changed[held] = 1000
    nets = [mlp(), mlp(), mlp()]
    for net, w in zip(nets, (weight, changed), strict=False):
        dr.fit(net, X, Y, epochs=1, validation=0.25, sample_weight=w, seed=3)
    dr.fit(nets[2], X[kept], Y[kept], epochs=1, sample_weight=weight[kept], seed=3)
    assert_same_bits(nets[0], nets[1])
    assert_same_bits(nets[0], nets[2])


def test_dropout_is_off_in_validation():
    net = mlp(dr.Dropout(0.5))
    run = dr.fit(net, X, Y, epochs=1, validation=(X, Y), seed=0)
    assert run.history["val_loss"][0] == pytest.approx(np.mean((net(X)[:, 0] - Y) ** 2))


def test_metrics_without_validation_are_of_the_training_rows():
    def largest(outputs, targets):
        return np.max(abs(outputs[:, 0] - targets))

    net = mlp()
    run = dr.fit(net, X, Y, epochs=2, metrics=["mae", "rmse", "r2", largest], seed=0)
    error = net(X)[:, 0] - Y
    last = {name: values[-1] for name, values in run.history.items()}
    assert last["mae"] == pytest.approx(np.mean(abs(error)))
    assert last["rmse"] == pytest.approx(np.sqrt(np.mean(error**2)))
    assert last["r2"] == pytest.approx(1 - np.sum(error**2) / np.sum((Y - Y.mean()) ** 2))
    assert last["largest"] == pytest.approx(abs(error).max())


@pytest.mark.parametrize(
    ("loss", "outputs", "targets", "right"),
    [
        ("cross_entropy", 3, LABELS, lambda y: y.argmax(1) == LABELS),
        ("cross_entropy", 3, np.eye(3)[LABELS], lambda y: y.argmax(1) == LABELS),
        ("cross_entropy", 3, np.eye(3, dtype=int)[LABELS], lambda y: y.argmax(1) == LABELS),
        ("cross_entropy", 3, LABELS[:, None], lambda y: y.argmax(1) == LABELS),
        ("mse", 3, np.eye(3)[LABELS], lambda y: y.argmax(1) == LABELS),
        ("binary_cross_entropy", 1, LABELS > 0, lambda y: (y[:, 0] > 0) == (LABELS > 0)),
        ("mse", 1, LABELS > 0, lambda y: (y[:, 0] > 0.5) == (LABELS > 0)),
        ("mse", 1, np.where(LABELS > 0, 1, -1), lambda y: (y[:, 0] > 0) == (LABELS > 0)),
        ("binary_cross_entropy", 2, np.eye(2)[LABELS % 2], lambda y: (y > 0) == (np.eye(2)[LABELS % 2] > 0)),
    ],
)  # fmt: skip
def test_accuracy_reads_outputs_as_the_loss_does(loss, outputs, targets, right):
    net = mlp(outputs=outputs)
    run = dr.fit(
        net, X, targets, loss=loss, metrics="accuracy", optimizer=dr.Adam(0.05), epochs=10, seed=0
    )
    expected = np.mean(right(net(X)))
    assert 0.5 < expected < 1 or outputs != 1
    assert run.history["accuracy"][-1] == pytest.approx(expected)
