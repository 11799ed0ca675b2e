"""The range of learning rates: what is run, what is suggested, what stays as it was."""

from __future__ import annotations

import numpy as np
import pytest

import deltarule as dr
from deltarule.errors import DataError
from deltarule.train import epoch
from deltarule.train.find_rate import RateRange, slopes, smoothed
from networks import BACKENDS, LABELS, X, Y, assert_same_bits, choose, mlp


@pytest.mark.parametrize("backend", BACKENDS)
def test_losses_are_those_of_a_training_with_a_growing_rate(backend, monkeypatch):
    choose(backend, monkeypatch)
    found = dr.find_rate(
        mlp(),
        X,
        Y,
        optimizer=dr.SGD(9.0, 0.5),
        lowest=1e-4,
        highest=0.1,
        steps=40,
        batch_size=5,
        seed=2,
    )
    np.testing.assert_allclose(found.rates, np.geomspace(1e-4, 0.1, 40), rtol=1e-12)
    rule = dr.SGD(lambda count: 1e-4 * 1000.0 ** (count / 39), 0.5)
    losses = []

    class Note(dr.Callback):
        def on_step(self, moment):
            losses.append(moment.logs["loss"])

    rows = 35  # whole batches only
    dr.fit(
        mlp(),
        X[:rows],
        Y[:rows],
        optimizer=rule,
        epochs=1,
        batch_size=5,
        shuffle=False,
        callbacks=[Note()],
    )
    again = dr.find_rate(
        mlp(),
        X[:rows],
        Y[:rows],
        optimizer=rule,
        lowest=1e-4,
        highest=0.1,
        steps=40,
        batch_size=rows,
        seed=2,
    )
    assert len(losses) == 7 and len(again.losses) == 40
    first = float(np.mean((mlp()(X[:rows])[:, 0] - Y[:rows]) ** 2))
    np.testing.assert_allclose(again.losses[0], first, rtol=1e-9)
    # all rows at every step: gradient descent by hand
    net, params = mlp(), mlp().params
    state = rule.init(params)

    def error(p):
        return np.mean((net(X[:rows], params=p)[:, 0] - Y[:rows]) ** 2)

    for value in again.losses:
        loss, grads = dr.value_and_grad(
            lambda p: np.mean((net(X[:rows], params=p)[:, 0] - Y[:rows]) ** 2)
        )(params)
        np.testing.assert_allclose(value, loss, rtol=1e-8)
        params, state = rule.step(params, grads, state)


def test_the_network_stays_as_it_was():
    net, other = mlp(), mlp()
    dr.find_rate(net, X, Y, steps=20, seed=0)
    assert_same_bits(net, other)
    new = dr.Sequential(dr.Dense(4, "tanh"), dr.Dropout(0.2), dr.Dense(3))
    found = dr.find_rate(new, X, LABELS, loss="cross_entropy", steps=60, seed=0)
    assert not new.built and len(found.rates) == 60


def test_one_program_and_one_call_of_it(monkeypatch):
    choose("native", monkeypatch)
    calls = []
    call = epoch.Program.__call__
    monkeypatch.setattr(epoch.Program, "__call__", lambda *a: calls.append(a) or call(*a))
    dr.find_rate(mlp(), X, Y, steps=50, batch_size=8, seed=0)
    assert len(calls) == 1


def test_the_same_seed_gives_the_same_losses():
    runs = [dr.find_rate(mlp(), X, Y, steps=30, batch_size=8, seed=4).losses for _ in range(2)]
    np.testing.assert_array_equal(*runs)


RULES = [
    "sgd",
    dr.AdamW(),
    dr.Muon(),
    dr.Clip(dr.Averaged(dr.NAdam()), norm=1.0),
    dr.Adam(dr.CosineDecay(0.1, 10)),
    dr.SGD(dr.OnPlateau(0.1, monitor="loss")),
]


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_what_is_suggested_trains(rule):
    rows = np.random.default_rng(1).normal(size=(400, 3))
    targets = np.sin(rows @ [1.0, -2.0, 0.5])
    found = dr.find_rate(mlp(), rows, targets, optimizer=rule, lowest=1e-5, seed=0)
    assert found.rates[0] < found.suggestion <= found.best < found.rates[-1]
    assert f"suggestion {found.suggestion:.3g}" in repr(found)
    fast, slow = (
        dr.fit(mlp(), rows, targets, optimizer=dr.SGD(rate), epochs=15, seed=0).history["loss"][-1]
        for rate in (found.suggestion, found.suggestion / 1000)
    )
    if rule == "sgd":
        assert fast < 0.7 * slow


def test_a_loss_that_explodes_ends_the_range():
    found = dr.find_rate(mlp(), X, Y, optimizer="sgd", lowest=1e-3, highest=1e6, steps=200, seed=0)
    assert 20 < len(found.rates) < 200 and np.isfinite(found.losses).all()
    assert found.suggestion < 10


@pytest.mark.parametrize("seed", range(5))
def test_noise_alone_suggests_nothing(seed):
    losses = 1 + 0.1 * np.random.default_rng(seed).normal(size=200)
    found = RateRange(np.geomspace(1e-6, 1, 200), losses, smoothed(losses, 20), 20)
    with pytest.raises(DataError, match=r"the loss falls at no rate between 1e-06 and 1: look at"):
        _ = found.suggestion
    assert "falls at none" in repr(found)
    found.plot()


def test_smoothing_and_slopes():
    line = 3.0 - 0.5 * np.arange(12)
    np.testing.assert_allclose(smoothed(line, 2)[2:-2], line[2:-2])
    np.testing.assert_allclose(smoothed(np.ones(5), 1), np.ones(5))
    found = slopes(line, 3)
    np.testing.assert_allclose(found[3:-3], -0.5)
    assert np.isinf(found[:3]).all() and np.isinf(found[-3:]).all()
    np.testing.assert_allclose(slopes(np.array([0.0, 0, 1, 4, 9]), 1)[1:-1], [0.5, 2.0, 4.0])


def test_the_plot_shows_the_suggestion(tmp_path):
    found = dr.find_rate(mlp(), X, Y, optimizer="sgd", batch_size=8, seed=0)
    figure = found.plot(tmp_path / "rates.png")
    (axes,) = figure.axes
    words = [text.get_text() for text in axes.get_legend().get_texts()]
    assert words == ["of a batch", "smoothed", f"suggestion {found.suggestion:.2g}"]
    assert axes.get_xscale() == "log" and (tmp_path / "rates.png").stat().st_size > 5000


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"steps": 5}, "steps must be a whole number of at least 20, not 5"),
        ({"lowest": 0}, "0 < lowest < highest is needed, not 0 and 10"),
        ({"lowest": 1.0, "highest": 0.1}, "0 < lowest < highest is needed, not 1 and 0.1"),
        ({"highest": "1"}, "find_rate: highest is a rate, not '1'"),
        ({"optimizer": "adma"}, "did you mean 'adam'"),
        ({"optimizer": dr.Rprop()}, "Rprop has no learning rate to look for"),
        ({"optimizer": "lbfgs"}, "LBFGS has no learning rate to look for"),
        ({"optimizer": dr.Accumulate(dr.SGD(), 3)}, "and batches of 3 times the rows"),
        ({"loss": "cross"}, "cross"),
    ],
)
def test_bad_settings(given, words):
    with pytest.raises(DataError, match=words):
        dr.find_rate(mlp(), X, Y, **given)
    with pytest.raises(DataError, match="fit trains a network"):
        dr.find_rate("net", X, Y)
