"""Files that a training writes while it runs, and what goes on from them."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import deltarule as dr
from deltarule.errors import DataError, ModelFileError
from deltarule.train import epoch
from networks import BACKENDS, X, Y, assert_same_bits, choose, mlp, statistics

SCRIPT = Path(__file__).with_name("killed.py")
HOW = dict(batch_size=10, optimizer=dr.Adam(0.05), validation=0.2, seed=0)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.dr"


def final(*arguments):
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
    )
    return [line for line in done.stdout.splitlines() if line.startswith(("outputs", "history"))]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a signal that cannot be caught")
def test_a_killed_process_goes_on_to_the_same_bits(path, tmp_path):
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), str(path), "new"], stdout=subprocess.PIPE, text=True
    )
    with process:
        for line in process.stdout:
            if line.split() == ["epoch", "11"]:
                break
        os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert dr.Run.load(path).epochs in (9, 12)
    assert os.listdir(tmp_path) == ["net.dr"]
    assert final(path, "resume") == final(tmp_path / "other.dr", "new")


@pytest.mark.parametrize("make", [mlp, statistics])
@pytest.mark.parametrize("backend", BACKENDS)
def test_what_is_resumed_from_a_file_is_one_longer_run(make, backend, path, monkeypatch):
    choose(backend, monkeypatch)
    rule = dr.Clip(dr.SGD(dr.ExponentialDecay(0.05, 3, 0.9), momentum=0.9), norm=1.0)
    how = {**HOW, "optimizer": dr.Averaged(rule), "metrics": "mae"}
    first = dr.fit(make(), X, Y, epochs=4, callbacks=dr.Checkpoint(path), **how)
    again = dr.load(path, make())
    run = dr.Run.load(path)
    assert (run.history, run.seed) == (first.history, 0)
    run = dr.fit(again, X, Y, epochs=3, resume=run, **how)
    whole = make()
    long = dr.fit(whole, X, Y, epochs=7, **how)
    assert_same_bits(again, whole)
    assert run.history["val_mae"] == long.history["val_mae"]


def test_a_resumed_training_is_compiled_where_the_whole_one_would_be(path, monkeypatch):
    asked = []

    def worth(seconds):
        asked.append(seconds)
        return False

    monkeypatch.setattr(epoch, "worth_compiling", worth)
    dr.fit(mlp(), X, Y, epochs=7, **HOW)
    dr.fit(net := mlp(), X, Y, epochs=6, callbacks=dr.Checkpoint(path), **HOW)
    whole, asked[:] = asked[0], []
    dr.fit(net, X, Y, epochs=1, resume=dr.Run.load(path), **HOW)
    assert asked[0] == whole


def scripted(values):
    """A validation that finds one value after the other."""
    left = iter(values)
    return lambda net: {"figure": next(left)}


@pytest.mark.parametrize("restore", [True, False])
def test_early_stopping_goes_on_with_the_best_of_the_file(restore, path):
    values = [5, 4, 3, 9, 9, 9, 9, 9, 9, 9, 9]
    how = dict(batch_size=10, optimizer=dr.SGD(0.05), seed=0)

    def stopping():
        return dr.EarlyStopping(6, monitor="val_figure", mode="min", restore_best=restore)

    def keep(moment):
        if moment.epoch == 5:
            dr.save(moment.net, path, run=moment.run, resumable=True)

    whole = mlp()
    long = dr.fit(
        whole, X, Y, epochs=20, validation=scripted(values), callbacks=[stopping(), keep], **how
    )
    assert (long.epochs, long.restored) == (9, 3 if restore else 0)
    net, run = dr.load(path), dr.Run.load(path)
    assert (run.epochs, run.restored, run.stopped) == (5, 0, "") and bool(run.kept) == restore
    stop = stopping()
    run = dr.fit(
        net, X, Y, epochs=20, validation=scripted(values[5:]), callbacks=stop, resume=run, **how
    )
    assert (run.epochs, run.restored, stop.best_epoch) == (9, long.restored, 3)
    assert_same_bits(net, whole)


def test_a_run_that_was_stopped_gets_its_patience_anew_and_keeps_the_best():
    values = scripted([3, 1, 2, 2, 2, 2, 2, 2])
    how = dict(batch_size=10, optimizer=dr.SGD(0.05), seed=0)
    stop = dr.EarlyStopping(2, monitor="val_figure", mode="min")
    first = dr.fit(net := mlp(), X, Y, epochs=9, validation=values, callbacks=stop, **how)
    best = net(X)
    run = dr.fit(net, X, Y, epochs=9, validation=values, callbacks=stop, resume=first, **how)
    assert (first.epochs, run.epochs, run.restored) == (4, 6, 2)
    np.testing.assert_array_equal(net(X), best)


def test_a_checkpoint_holds_the_best_or_each_epoch(tmp_path):
    best = dr.Checkpoint(tmp_path / "best.dr", monitor="val_figure", mode="min")
    each = dr.Checkpoint(tmp_path / "at-{epoch}.dr", every=2)
    outputs = {}
    dr.fit(
        net := mlp(), X, Y, epochs=5, validation=scripted([3, 1, 2, 0.5, 4]), seed=0,
        callbacks=[best, each, lambda moment: outputs.update({moment.epoch: moment.net(X)})],
    )  # fmt: skip
    names = sorted(os.listdir(tmp_path))
    assert names == ["at-2.dr", "at-4.dr", "at-5.dr", "best.dr"]
    np.testing.assert_array_equal(dr.load(tmp_path / "best.dr")(X), outputs[4])
    np.testing.assert_array_equal(dr.load(tmp_path / "at-2.dr")(X), outputs[2])
    np.testing.assert_array_equal(dr.load(tmp_path / "at-5.dr")(X), net(X))
    run = dr.Run.load(tmp_path / "best.dr")
    again = dr.load(tmp_path / "best.dr")
    dr.fit(again, X, Y, epochs=2, validation=scripted([0.7, 0.4]), resume=run, callbacks=best)
    assert best.best == 0.4 and dr.Run.load(tmp_path / "best.dr").epochs == 6


def test_the_file_of_a_finished_training_has_the_weights_that_came_back(path):
    stop = dr.EarlyStopping(2, monitor="val_figure", mode="min")
    for callbacks in ([dr.Checkpoint(path), stop], [stop, dr.Checkpoint(path)]):
        net = mlp()
        values = scripted([3, 1, 2, 2, 2])
        dr.fit(net, X, Y, epochs=9, validation=values, seed=0, callbacks=callbacks)
        assert_same_bits(dr.load(path), net)
        assert dr.Run.load(path).restored == 2


def test_an_interrupted_training_keeps_the_last_whole_epoch(path):
    def interrupt(moment):
        if moment.epoch == 3:
            raise KeyboardInterrupt

    stop = dr.EarlyStopping(9, monitor="loss", mode="max")
    net = mlp()
    with pytest.warns(UserWarning, match="keeps the weights of epoch 1, the best, after 3 of 9"):
        run = dr.fit(net, X, Y, epochs=9, callbacks=[dr.Checkpoint(path), stop, interrupt], **HOW)
    assert run.restored == 1
    found, three = dr.load(path), mlp()
    dr.fit(three, X, Y, epochs=3, **HOW)
    assert_same_bits(found, three)
    one = mlp()
    dr.fit(one, X, Y, epochs=1, **HOW)
    assert_same_bits(net, one)


def test_a_model_file_keeps_the_history(path):
    run = dr.fit(net := mlp(), X, Y, epochs=3, **HOW)
    run.history["val_loss"][0], run.history["val_loss"][1] = np.nan, np.inf
    dr.save(net, path, run=run)
    found = dr.Run.load(path)
    np.testing.assert_equal(found.record(), run.record())
    json.dumps(run.record(), allow_nan=False)
    with pytest.raises(DataError, match=r"holds no state of an optimizer.*resumable=True"):
        dr.fit(net, X, Y, resume=found, **HOW)
    dr.save(net, path)
    with pytest.raises(ModelFileError, match=r"without the record of its training; dr.save"):
        dr.Run.load(path)
    with pytest.raises(DataError, match=r"run is what dr.fit returned, an object of dr.Run, not 3"):
        dr.save(net, path, run=3)
    with pytest.raises(DataError, match="resumable=True"):
        dr.save(net, path, run=found, resumable=True)
    with pytest.raises(DataError, match=r"dr.Run.load"):
        dr.fit(net, X, Y, resume=str(path))


def test_another_optimizer_cannot_go_on_from_a_file(path):
    dr.fit(mlp(), X, Y, epochs=1, callbacks=dr.Checkpoint(path), **HOW)
    for change in (
        {"optimizer": dr.SGD(0.1, 0.9)},
        {"optimizer": dr.Adam(0.05), "net": mlp(outputs=2)},
    ):
        net = change.pop("net", mlp())
        targets = np.stack([Y, Y], 1) if net.params["dense2"]["bias"].size == 2 else Y
        with pytest.raises(DataError, match="optimizer or the network is of another kind"):
            dr.fit(net, X, targets, resume=dr.Run.load(path), **HOW | change)


def test_a_file_whose_run_is_damaged_is_refused(path):
    dr.fit(mlp(), X, Y, epochs=1, callbacks=dr.Checkpoint(path), **HOW)
    arrays = load_file(str(path))
    with safe_open(str(path), framework="numpy") as file:
        about = file.metadata()
    lost = next(name for name in arrays if name.startswith("opt_state"))
    about.pop("crc32")  # without one, the file is read as those of old are
    save_file({n: x for n, x in arrays.items() if n != lost}, str(path), about)
    with pytest.raises(ModelFileError, match="its run cannot be read, KeyError"):
        dr.Run.load(path)
    assert dr.load(path)(X).shape == (37, 1)


@pytest.mark.parametrize("name", ["run.csv", "run.jsonl"])
def test_a_log_has_a_line_for_each_epoch(name, tmp_path):
    def figures(path):
        if name.endswith("csv"):
            with open(path, newline="") as file:
                return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]
        return [json.loads(line) for line in path.read_text().splitlines()]

    path = tmp_path / name
    log = dr.Log(path)
    seen = []
    run = dr.fit(
        mlp(), X, Y, epochs=3, callbacks=[log, lambda m: seen.append(len(figures(path)))], **HOW
    )
    assert seen == [1, 2, 3]
    rows = figures(path)
    assert list(rows[0]) == ["epoch", *run.history]
    assert [row["val_loss"] for row in rows] == run.history["val_loss"]
    path.unlink()
    run = dr.fit(mlp(), X, Y, epochs=2, callbacks=log, resume=run, **HOW)
    assert [row["epoch"] for row in figures(path)] == [1, 2, 3, 4, 5]
    dr.fit(mlp(), X, Y, epochs=1, callbacks=log, **HOW)
    assert len(figures(path)) == 1


def test_what_cannot_be_written_is_said_before_the_first_epoch(tmp_path):
    with pytest.raises(DataError, match=r"neither in .csv nor in .jsonl"):
        dr.Log("run.txt")
    for callback in (dr.Checkpoint(tmp_path / "no" / "a.dr"), dr.Log(tmp_path / "no" / "a.csv")):
        with pytest.raises(DataError, match=r"there is no folder '.*no' to write"):
            dr.fit(mlp(), X, Y, callbacks=callback)
    with pytest.raises(DataError, match="every of Checkpoint must be a whole number of at least 1"):
        dr.fit(mlp(), X, Y, callbacks=dr.Checkpoint(tmp_path / "a.dr", every=0))
    with pytest.raises(
        DataError, match=r"Checkpoint watches 'val_los', which.*Did you mean 'val_loss'"
    ):
        dr.fit(
            mlp(), X, Y, validation=0.2, callbacks=dr.Checkpoint(tmp_path / "a", monitor="val_los")
        )
    assert os.listdir(tmp_path) == []
