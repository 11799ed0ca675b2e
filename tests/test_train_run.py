"""The record of a run: its best epoch, table, curves, page, JSON; and the callbacks that end it."""

from __future__ import annotations

import builtins
import json
import math
import re
import sys
import types
from xml.etree import ElementTree

import numpy as np
import pytest

import deltarule as dr
from deltarule.errors import DataError
from deltarule.train import stopping
from networks import X, Y, mlp

NAN = float("nan")
RUN = dr.Run(
    {
        "loss": [3.0, 1.0, 0.5, 0.1],
        "val_loss": [3.0, NAN, 0.6, 0.7],
        "val_accuracy": [0.5, 0.9, 0.8, 0.9],
        "val_mine": [1.0, 2.0, 3.0, 4.0],
        "rows_per_second": [1e5] * 4,
    },
    seed=3,
    seconds=1.5,
    stopped="enough & <more>",
    restored=3,
)


# --- what it says ---


def test_the_best_epoch_by_any_figure():
    assert RUN.best["epoch"] == 3
    assert RUN.best_by("val_accuracy") == {
        name: RUN.best_by("val_accuracy")[name] for name in ("epoch", *RUN.history)
    }
    assert (RUN.best_by("val_accuracy")["epoch"], RUN.best_by("loss")["epoch"]) == (2, 4)
    assert RUN.best_by("val_accuracy", mode="min")["epoch"] == 1
    assert RUN.best_by("val_mine", "max")["epoch"] == 4
    with pytest.raises(DataError, match="whether more val_mine is better is not known"):
        RUN.best_by("val_mine")
    with pytest.raises(
        DataError, match=r"best_by asks for 'val_acuracy'.*Did you mean 'val_accuracy'"
    ):
        RUN.best_by("val_acuracy")
    with pytest.raises(DataError, match=r"'val_loss', which is not.*validation=0\.1"):
        dr.Run({"loss": [1.0]}, 0).best_by("val_loss")
    with pytest.raises(DataError, match="mode is 'min', 'max' or 'auto', not 'least'"):
        RUN.best_by("loss", "least")
    for empty in ("best", "plot"):
        with pytest.raises(DataError, match="the run has no epoch"):
            found = getattr(dr.Run({"loss": []}, 0), empty)
            found()


def test_it_is_json_and_back():
    record = json.loads(json.dumps(RUN.record(), allow_nan=False))
    again = dr.Run.from_record(record)
    np.testing.assert_equal(again.history, RUN.history)
    assert (again.seed, again.seconds, again.stopped, again.restored) == (3, 1.5, RUN.stopped, 3)
    assert dr.Run.from_record({"history": {"loss": [1.0]}, "seed": 0}) == dr.Run({"loss": [1.0]}, 0)


def test_the_table_has_epochs_as_index(monkeypatch):
    pandas = types.ModuleType("pandas")
    pandas.RangeIndex = lambda first, last, name: (name, *range(first, last))
    pandas.DataFrame = lambda columns, index: (columns, index)
    monkeypatch.setitem(sys.modules, "pandas", pandas)
    assert RUN.to_frame() == (RUN.history, ("epoch", 1, 2, 3, 4))


def test_the_table_without_pandas(monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name == "pandas":
            raise ImportError
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    table = RUN.to_frame()
    assert table.column_names == ["epoch", *RUN.history]
    assert table["epoch"].to_pylist() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("figures", "shape"), [(1, (1, 1)), (3, (1, 3)), (4, (2, 2)), (5, (2, 3)), (7, (3, 3))]
)
def test_curves_stand_in_rows_of_at_most_three(figures, shape):
    history = {name: [0.5, 0.4] for name in ["loss", *(f"val_m{i}" for i in range(figures - 1))]}
    figure = dr.Run(history, 0).plot()
    assert len(figure.axes) == figures
    assert figure.axes[0].get_subplotspec().get_geometry()[:2] == shape
    assert [axes.get_ylabel() for axes in figure.axes[1:3]] == ["m0", "m1"][: figures - 1]


def test_no_words_of_a_plot_overlap_or_leave_it():
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    losses = list(np.exp(-np.linspace(0, 6, 250)))
    history = {
        "loss": losses, "val_loss": losses[::-1], "val_accuracy": losses, "accuracy": losses,
        "val_explained_deviance": losses,
    }  # fmt: skip
    for run in (RUN, dr.Run(history, 0), dr.Run({"loss": [2.0]}, 0)):
        figure = run.plot()
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        renderer = canvas.get_renderer()
        for axes in figure.axes:
            for axis in (axes.xaxis, axes.yaxis):
                ticks = [t.label1 for t in axis.get_major_ticks() if t.label1.get_text()]
                boxes = [t.get_window_extent(renderer) for t in ticks]
                shown = [b for b in boxes if axes.bbox.padded(12).overlaps(b)]
                assert not any(a.overlaps(b) for i, a in enumerate(shown) for b in shown[:i])
                assert figure.bbox.contains(*axis.label.get_window_extent(renderer).p0)
        assert all(t == round(t) for t in figure.axes[0].get_xticks())


def test_the_page_of_a_notebook():
    page = RUN._repr_html_()
    assert "enough &amp; &lt;more&gt;" in page and "those of epoch 3" in page
    tree = ElementTree.fromstring(f"<div>{page}</div>")
    cells = [[cell.text or "" for cell in row] for row in tree.iter("tr")]
    assert cells[0] == ["figure", "last", "at best", "epoch"]
    assert ["val_accuracy", "0.9", "0.9", "2"] in cells and ["val_mine", "4", "", ""] in cells
    assert not any("rows" in row[0] for row in cells)
    assert [e for e in tree.iter() if e.tag.endswith("svg")]


# --- what ends it ---


def scripted(values):
    left = iter(values)
    return lambda net: {"f": next(left)}


@pytest.mark.parametrize(
    ("values", "settings", "epochs"),
    [
        ([5, 4, 3, 2], {"mode": "min", "target": 3.5}, 3),
        ([5, 4, 3, 2], {"mode": "min", "target": 4}, 2),
        ([5, 6, 7, 8], {"mode": "max", "target": 6.5}, 3),
        ([1, 1, 1, 1], {"mode": "max", "target": 6.5}, 4),
        ([1] * 20, {"mode": "max"}, 11),
        ([1] * 20, {"mode": "max", "target": 6.5}, 20),
        ([1] * 20, {"mode": "max", "target": 6.5, "patience": 3}, 4),
        ([NAN] * 20, {"mode": "max", "target": 6.5}, 20),
        ([NAN] * 20, {"mode": "max", "patience": 3}, 3),
    ],
)
def test_a_training_ends_where_it_is_good_enough(values, settings, epochs):
    stop = dr.EarlyStopping(monitor="val_f", **settings)
    run = dr.fit(mlp(), X, Y, epochs=len(values), validation=scripted(values), callbacks=stop)
    assert run.epochs == epochs
    if epochs < len(values) and values[0] == 5 and "target" in settings:
        assert run.stopped == f"val_f is {values[epochs - 1]}; {settings['target']} was asked for"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"patience": 0}, "patience is a number of epochs, not 0"),
        ({"patience": True}, "patience is a number of epochs, not True"),
        ({"min_delta": -1}, "min_delta is 0 or more, not -1"),
        ({"min_delta": "small"}, "min_delta is a number, not 'small'"),
        ({"target": NAN}, "target is a number, not nan"),
        ({"mode": "least"}, "mode is 'min', 'max' or 'auto', not 'least'"),
    ],
)
def test_settings_of_early_stopping(settings, words):
    with pytest.raises(DataError, match=words):
        dr.EarlyStopping(**settings)


def test_a_limit_of_time(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(stopping.time, "monotonic", lambda: now[0])

    def pass_time(moment):
        now[0] += 2

    limit = dr.TimeLimit(5)
    run = dr.fit(mlp(), X, Y, epochs=9, seed=0, callbacks=[pass_time, limit])
    assert run.epochs == 3 and run.stopped == "the limit of 5 s is over"
    run = dr.fit(mlp(), X, Y, epochs=9, resume=run, callbacks=[pass_time, limit])
    assert run.epochs == 6
    for seconds in (0, -1, "1", NAN):
        with pytest.raises(DataError, match="TimeLimit: seconds"):
            dr.TimeLimit(seconds)


def test_a_function_is_called_after_each_epoch():
    seen = []
    run = dr.fit(
        mlp(), X, Y, epochs=3, seed=0, validation=0.2,
        callbacks=lambda m: seen.append((m.epoch, m.step, m.run.history["val_loss"][-1], m.run.epochs)),
    )  # fmt: skip
    assert [entry[0] for entry in seen] == [1, 2, 3] and [entry[3] for entry in seen] == [1, 2, 3]
    assert [entry[2] for entry in seen] == run.history["val_loss"]
    assert dr.fit(mlp(), X, Y, epochs=1, callbacks=None, metrics=None).epochs == 1


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (dr.EarlyStopping, r"objects, not classes: write EarlyStopping\(\)"),
        (
            lambda: None,
            "cannot be called with one argument: a function as a callback is called after",
        ),
        (lambda net, epoch: None, "cannot be called with one argument"),
        (3, "callbacks are objects of dr.Callback or functions of one argument, not 3"),
        ("early", "not 'early'"),
    ],
)
def test_what_is_no_callback(given, words):
    for callbacks in (given, [given]):
        with pytest.raises(DataError, match=words):
            dr.fit(mlp(), X, Y, callbacks=callbacks)


def test_times_and_counts_of_a_resumed_run_go_on():
    first = dr.fit(mlp(), X, Y, epochs=2, seed=0)
    kept = []
    run = dr.fit(
        net := mlp(), X, Y, epochs=1, resume=first, callbacks=lambda m: kept.append(m.run.seconds)
    )
    assert run.seconds >= kept[0] > first.seconds and math.isfinite(net(X).sum())
    assert re.match(r"<run of 3 epochs in 0\.\d s: loss", repr(run))
