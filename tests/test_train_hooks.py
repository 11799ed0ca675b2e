"""Between the epochs: callbacks, early stopping, interruption, what is shown and recorded."""

from __future__ import annotations

import signal
import time

import numpy as np
import pytest

import deltarule as dr
from deltarule.derive.tree import flatten, tree_map
from deltarule.errors import DataError, ShapeError
from deltarule.program import random
from deltarule.train import epoch
from networks import (
    BACKENDS,
    X,
    Y,
    assert_close,
    assert_same_bits,
    by_hand,
    choose,
    cut,
    mlp,
    rng,
    statistics,
)


@pytest.fixture(params=BACKENDS)
def backend(request, monkeypatch):
    choose(request.param, monkeypatch)


# --- callbacks ---


class Watch(dr.Callback):
    def __init__(self, act=lambda moment: None):
        self.seen, self.act = [], act

    def on_start(self, moment):
        self.seen.append(("start", moment.epoch, dict(moment.logs)))

    def on_epoch(self, moment):
        self.seen.append(("epoch", moment.epoch, moment.logs["loss"], moment.net(X[:1]).item()))
        self.act(moment)

    def on_end(self, moment):
        self.seen.append(("end", moment.epoch))


def test_hooks_are_called_in_order_with_the_networks_weights():
    net, watch = mlp(), Watch()
    run = dr.fit(net, X, Y, epochs=3, seed=0, callbacks=[watch])
    kinds = [entry[:2] for entry in watch.seen]
    assert kinds == [("start", 0), ("epoch", 1), ("epoch", 2), ("epoch", 3), ("end", 3)]
    assert [entry[2] for entry in watch.seen[1:4]] == run.history["loss"]
    outputs = [entry[3] for entry in watch.seen[1:4]]
    assert len(set(outputs)) == 3 and outputs[-1] == net(X[:1]).item()


def test_weights_that_a_callback_sets_are_trained_on(backend):
    def halve(moment):
        moment.net.params = tree_map(lambda w: w / 2, moment.net.params)

    def halve_in_place(moment):
        for w in flatten(moment.net.params)[0]:
            w *= 0.5

    nets = []
    for act in (halve, halve_in_place):
        net = mlp()
        dr.fit(
            net, X, Y, optimizer=dr.SGD(0.1), epochs=2, batch_size=10, seed=0, callbacks=Watch(act)
        )
        nets.append(net)
    hand = mlp()
    for number in range(2):
        order = random.permutation(0, number, 37)
        by_hand(hand, X[order], Y[order], "mse", dr.SGD(0.1), 1, 10, 0, shuffle=False)
        hand.params = tree_map(lambda w: w / 2, hand.params)
    assert_close(nets[0], hand, rtol=1e-9)
    assert_same_bits(*nets)


def test_a_callback_may_change_the_state_and_not_the_types():
    def reset(moment):
        moment.net.state = tree_map(np.zeros_like, moment.net.state)
        moment.net.params = tree_map(np.float64, moment.net.params)

    net = statistics(dtype="float32")
    dr.fit(net, X, Y, epochs=3, batch_size=37, seed=0, callbacks=[Watch(reset)])
    assert net.state["steps"] == 0 and net.dtype == np.float32

    def wrong(moment):
        moment.net.layers[0].weight = np.zeros((2, 2))

    with pytest.raises(ShapeError, match=r"weight of shape \(3, 5\); float64\[2, 2\] is assigned"):
        dr.fit(mlp(), X, Y, epochs=3, callbacks=[Watch(wrong)])


class Steps(dr.Callback):
    """Sees every step, or every few."""

    def __init__(self, every=1, act=lambda moment: None):
        self.every, self.act, self.seen = every, act, []

    def on_step(self, moment):
        self.seen.append((moment.epoch, moment.step, moment.logs["loss"], moment.net(X[:1]).item()))
        self.act(moment)


def test_a_hook_sees_every_step_with_its_loss_and_weights(backend):
    net, plain, watch, rare = mlp(), mlp(), Steps(), Steps(3)
    how = dict(epochs=2, batch_size=10, optimizer=dr.SGD(0.1), seed=0)
    run = dr.fit(net, X, Y, callbacks=[watch, rare], **how)
    dr.fit(plain, X, Y, **how)
    assert_same_bits(net, plain)
    assert [seen[:2] for seen in watch.seen] == [(i // 4, i + 1) for i in range(8)]
    assert rare.seen == [watch.seen[2], watch.seen[5]]
    losses = [seen[2] for seen in watch.seen]
    mean = (10 * sum(losses[4:7]) + 7 * losses[7]) / 37
    assert run.history["loss"][1] == pytest.approx(mean, rel=1e-12)
    hand = mlp()
    for number in range(2):
        order = random.permutation(0, number, 37)
        for i in range(4):
            rows = order[10 * i : 10 * i + 10]
            (loss,) = by_hand(hand, X[rows], Y[rows], "mse", dr.SGD(0.1), 1, 10, 0, shuffle=False)
            seen = watch.seen[4 * number + i]
            np.testing.assert_allclose(seen[2:], [loss, hand(X[:1]).item()], rtol=1e-9)


def test_weights_that_a_hook_sets_at_a_step_are_those_of_the_next(backend):
    def halve(moment):
        moment.net.params = tree_map(lambda w: w / 2, moment.net.params)

    net, hand = mlp(), mlp()
    dr.fit(
        net, X, Y, optimizer=dr.SGD(0.1), epochs=1, batch_size=10, seed=0, shuffle=False,
        callbacks=Steps(2, halve),
    )  # fmt: skip
    for i in range(4):
        rows = slice(10 * i, 10 * i + 10)
        by_hand(hand, X[rows], Y[rows], "mse", dr.SGD(0.1), 1, 10, 0, shuffle=False)
        if i % 2:
            hand.params = tree_map(lambda w: w / 2, hand.params)
    assert_close(net, hand, rtol=1e-9)


def test_steps_are_counted_on_in_a_resumed_run_and_stop_ends_with_the_epoch(backend):
    net, watch = mlp(), Steps(3, lambda moment: moment.stop("enough"))
    first = dr.fit(net, X, Y, epochs=1, batch_size=10, seed=0)
    run = dr.fit(net, X, Y, epochs=5, batch_size=10, resume=first, callbacks=watch)
    assert [seen[:2] for seen in watch.seen] == [(1, 6)]
    assert (run.epochs, run.stopped) == (2, "enough")


def test_an_interval_of_steps_is_a_whole_number():
    for every in (0, 1.5, "often"):
        with pytest.raises(DataError, match="every of Steps must be a whole number of at least 1"):
            dr.fit(mlp(), X, Y, callbacks=[Steps(every)])


def test_stop_ends_the_training():
    run = dr.fit(mlp(), X, Y, epochs=9, seed=0, callbacks=[Watch(lambda m: m.stop("enough"))])
    assert run.epochs == 1 and run.stopped == "enough"

    class Never(dr.Callback):
        def on_start(self, moment):
            moment.stop("not today")

    run = dr.fit(mlp(), X, Y, epochs=9, seed=0, callbacks=[Never()])
    assert run.epochs == 0 and run.stopped == "not today"


def scripted(values):
    """A metric of given values, one after the other."""
    left = iter(values)

    def figure(outputs, targets):
        return next(left)

    return figure


@pytest.mark.parametrize(
    ("values", "settings", "epochs", "best"),
    [
        ([3, 2, 4, 5, 1], {"patience": 2, "mode": "min"}, 4, 2),
        ([3, 2, 4, 1, 5, 6, 7], {"patience": 2, "mode": "min"}, 6, 4),
        ([1, 2, 3, 2.9, 2.8], {"patience": 2, "mode": "max"}, 5, 3),
        ([5, 4.95, 4.9, 4.85], {"patience": 2, "mode": "min", "min_delta": 0.3}, 3, 1),
        ([np.nan, 2, np.nan, np.nan, 1], {"patience": 2, "mode": "min"}, 4, 2),
        ([5, 4, 3, 2, 1], {"patience": 1, "mode": "min"}, 5, 5),
        ([2, 2, 2], {"patience": 2, "mode": "min"}, 3, 1),
    ],
)
def test_early_stopping_restores_the_best_weights(values, settings, epochs, best):
    stop, kept = dr.EarlyStopping(monitor="figure", **settings), {}
    keep = Watch(lambda moment: kept.update({moment.epoch: moment.net(X)}))
    net = mlp()
    run = dr.fit(
        net, X, Y, epochs=len(values), metrics=scripted(values), seed=0, callbacks=[stop, keep]
    )
    assert (run.epochs, stop.best_epoch) == (epochs, best)
    np.testing.assert_array_equal(net(X), kept[best])
    assert bool(run.stopped) == (epochs < len(values))


def test_early_stopping_may_keep_the_last_weights_and_is_used_again():
    stop = dr.EarlyStopping(1, monitor="figure", mode="min", restore_best=False)
    net, watch = mlp(), Watch()
    for values in ([1, 2], [5, 4, 3, 6]):
        figure = scripted(values)
        run = dr.fit(net, X, Y, epochs=9, metrics=figure, seed=0, callbacks=[stop, watch])
        assert run.epochs == len(values) and net(X[:1]).item() == watch.seen[-2][3]


def test_weights_kept_by_early_stopping_are_its_own():
    def spoil(moment):
        if moment.epoch == 2:
            for w in flatten(moment.net.params)[0]:
                w *= 0

    stop = dr.EarlyStopping(1, monitor="figure", mode="min")
    net = mlp()
    watch = Watch(spoil)
    run = dr.fit(net, X, Y, epochs=5, metrics=scripted([2, 1, 3]), seed=0, callbacks=[stop, watch])
    assert run.epochs == 3 and net(X[:1]).item() == watch.seen[2][3]


def test_early_stopping_on_validation_loss():
    net = mlp()
    run = dr.fit(
        net, X[:20], rng.normal(size=20), validation=(X[20:], rng.normal(size=17)),
        optimizer=dr.Adam(0.05), epochs=300, seed=0, callbacks=dr.EarlyStopping(5),
    )  # fmt: skip
    assert run.epochs == run.best["epoch"] + 5 < 300
    assert run.best["val_loss"] == min(run.history["val_loss"])
    assert f"of epoch {run.best['epoch']} for 5 epochs" in run.stopped


# --- interruption ---


def test_keyboard_interrupt_keeps_the_weights(backend):
    def interrupt(moment):
        if moment.epoch == 2:
            raise KeyboardInterrupt

    net, two = mlp(), mlp()
    with pytest.warns(UserWarning, match="interrupted; the network keeps the weights"):
        run = dr.fit(net, X, Y, epochs=9, batch_size=10, seed=0, callbacks=[Watch(interrupt)])
    assert run.stopped == "interrupted" and run.epochs == 2
    dr.fit(two, X, Y, epochs=2, batch_size=10, seed=0)
    assert_same_bits(net, two)
    dr.fit(net, X, Y, epochs=3, batch_size=10, resume=run)
    dr.fit(five := mlp(), X, Y, epochs=5, batch_size=10, seed=0)
    assert_same_bits(net, five)


def test_keyboard_interrupt_in_the_middle_of_an_epoch(monkeypatch):
    cut(1, monkeypatch)
    monkeypatch.setattr(epoch, "COMPILE_SECONDS", np.inf)
    net, calls = mlp(), []
    real = epoch.Program.__call__

    def counted(self, *args):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(self, *args)

    monkeypatch.setattr(epoch.Program, "__call__", counted)
    with pytest.warns(UserWarning, match="interrupted"):
        run = dr.fit(net, X, Y, epochs=9, batch_size=10, optimizer=dr.SGD(0.1), seed=0)
    assert run.epochs == 0
    order = random.permutation(0, 0, 37)[:20]
    by_hand(hand := mlp(), X[order], Y[order], "mse", dr.SGD(0.1), 1, 10, 0, shuffle=False)
    assert_close(net, hand, rtol=1e-10)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer")
def test_ctrl_c_is_heard_while_machine_code_runs(backend):
    net = mlp()
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.8, 2.0)  # Python drops one that meets a finalizer
        start = time.perf_counter()
        with pytest.warns(UserWarning, match="interrupted"):
            run = dr.fit(net, X, Y, epochs=10**9, batch_size=10, optimizer=dr.SGD(1e-3), seed=0)
        waited = time.perf_counter() - start - 0.8
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
    assert run.stopped == "interrupted" and waited < 3  # 0.2 s on a machine that is not busy


def test_an_error_of_a_callback_keeps_the_weights_and_is_raised():
    def fail(moment):
        raise RuntimeError("mine")

    net, one = mlp(), mlp()
    with pytest.raises(RuntimeError, match="mine"):
        dr.fit(net, X, Y, epochs=3, seed=0, callbacks=[Watch(fail)])
    dr.fit(one, X, Y, epochs=1, seed=0)
    assert_same_bits(net, one)


# --- what is shown ---


def test_progress(capsys):
    for progress, lines in ((None, 0), (False, 0), (True, 4)):
        dr.fit(mlp(), X[:32], Y[:32], epochs=4, validation=(X, Y), progress=progress, seed=0)
        out, err = capsys.readouterr()
        assert out == "" and err.count("\n") == lines
    assert err.startswith("epoch 1/4  loss ") and "val_loss" in err and "rows/s" in err
    run = dr.fit(mlp(), X, Y, epochs=2, seed=0)
    capsys.readouterr()
    dr.fit(mlp(), X, Y, epochs=1, progress=True, resume=run)
    assert capsys.readouterr().err.startswith("epoch 3/3  ")


def test_a_bar_in_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for settings in ({}, {"batch_size": 10}):
        dr.fit(mlp(), X[:36], Y[:36], epochs=4, seed=0, **settings)
        out, err = capsys.readouterr()
        assert out == "" and "100%" in err and "loss" in err and "rows/s" in err
    dr.fit(mlp(), X, Y, epochs=4, seed=0, progress=False)
    assert capsys.readouterr().err == ""


def test_the_record_of_a_run(tmp_path):
    run = dr.fit(mlp(), X, Y, epochs=4, validation=0.2, metrics="mae", seed=0)
    assert run.epochs == 4 and run.seconds > 0 and run.stopped == ""
    i = int(np.argmin(run.history["val_loss"]))
    assert run.best == {"epoch": i + 1, **{k: v[i] for k, v in run.history.items()}}
    assert repr(run).startswith("<run of 4 epochs in 0.") and "val_mae" in repr(run)
    figure = run.plot(tmp_path / "curves.png")
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "mae"]
    assert len(figure.axes[0].lines) == 3
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_the_best_epoch_without_validation_and_with_nan():
    run = dr.Run({"loss": [float("nan"), 3.0, float("nan"), 1.0, 2.0]}, 0)
    assert run.best == {"epoch": 4, "loss": 1.0}
    assert dr.Run({"loss": [float("nan")]}, 0).best["epoch"] == 1
    assert dr.Run({"loss": [-1.0]}, 0).plot().axes[0].get_yscale() == "linear"
