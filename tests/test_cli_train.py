"""`deltarule train`: flags, the config file, a model trained further, Ctrl-C, places that cannot be written.

In: the sample of 200 houses. Out: model files, messages, exit codes.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import numpy as np
import pytest

import deltarule as dr
from deltarule.data import read_table, write_table
from deltarule.errors import DataError

HOUSES = Path(__file__).parents[1] / "examples" / "data" / "houses_small.csv"
TARGET = "median_house_value"
HERE = {**os.environ, "PYTHONPATH": str(Path(dr.__file__).parents[1])}  # from any folder
FAST = ("--epochs", 2, "--quiet")


# ---- flags


def test_every_choice_reaches_the_training(run):
    choices = ("--hidden", "8,4", "--activation", "tanh", "--dropout", 0.25, "--loss", "huber")
    rules = ("--optimizer", "rmsprop", "--learning-rate", 0.003, "--batch-size", 16, "--seed", 7)
    code, _, err = run("train", HOUSES, "--target", TARGET, *choices, *rules, *FAST)
    assert (code, err) == (0, "")
    net = dr.load("houses_small.dr")
    assert repr(net) == (
        "Sequential(Dense(8, 'tanh'), Dropout(0.25), Dense(4, 'tanh'), Dropout(0.25), Dense(1))"
    )
    trained = net.trained
    assert (trained["loss"], trained["batch_size"], trained["seed"]) == ("huber", 16, 7)
    assert trained["optimizer"] == "RMSprop(learning_rate=0.003)"
    assert (trained["table"], trained["target"]) == (HOUSES.name, TARGET)
    assert trained["rows"] == {"train": 140, "validation": 30, "test": 30}
    assert trained["version"] == dr.__version__
    assert len(trained["history"]["val_loss"]) == trained["epochs"] == 2


def test_patience_stops(run):
    arguments = ("--target", TARGET, "--patience", 1, "--learning-rate", 0.3, "--json")
    _, out, _ = run("train", HOUSES, *arguments)
    found = json.loads(out)
    assert found["epochs"] < 100 and found["best_epoch"] == found["epochs"] - 1
    assert "for 1 epochs" in found["stopped"]


def test_weights_of_classes(run):
    arguments = ("--target", "ocean_proximity", "--class-weight", "balanced")
    assert run("train", HOUSES, *arguments, *FAST)[0] == 0
    code, _, err = run("train", HOUSES, "--target", TARGET, "--class-weight", "balanced", *FAST)
    assert code == 2
    assert "class_weight is 'balanced', but this is a regression" in err


def test_metrics_are_in_the_unit_of_the_target(run):
    _, out, _ = run("train", HOUSES, "--target", TARGET, "--metrics", "mape", "--json", *FAST)
    found = json.loads(out)
    assert list(found["scores"]) == ["rmse", "mae", "r2", "mape"]
    assert found["scores"]["mae"] > 10_000
    prices = read_table(HOUSES)[TARGET].to_numpy()
    assert 0 < found["baseline"]["mape"] < prices.max() / prices.min()


def test_the_baseline_of_classes_is_their_share(run):
    _, out, _ = run(
        "train", HOUSES, "--target", "ocean_proximity", "--validation", 0, "--json", *FAST
    )
    found = json.loads(out)
    coasts = read_table(HOUSES)["ocean_proximity"].to_pylist()
    counts = np.unique(coasts, return_counts=True)[1]
    assert found["baseline"]["accuracy"] == pytest.approx(counts.max() / 200, abs=0.02)
    shares = counts / 200
    assert found["baseline"]["log_loss"] == pytest.approx(
        -(shares * np.log(shares)).sum(), abs=0.05
    )


def test_curves(run, tmp_path):
    assert run("train", HOUSES, "--target", TARGET, "--plot", "curves.svg", *FAST)[0] == 0
    assert "<svg" in (tmp_path / "curves.svg").read_text()
    code, _, err = run("train", HOUSES, "--target", TARGET, "--plot", "curves.xyz", *FAST)
    assert code == 2 and "curves.xyz ends in none of .png, .svg, .pdf" in err


def test_a_table_from_standard_input(tmp_path):
    command = [sys.executable, "-m", "deltarule", "train", "-", "--target", TARGET, *map(str, FAST)]
    with HOUSES.open("rb") as table:
        done = subprocess.run(
            command,
            stdin=table,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            check=True,
            env=HERE,
        )
    assert "saved: stdin.dr" in done.stdout
    assert dr.load(tmp_path / "stdin.dr").trained["table"] == "<stdin>"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--loss", "hubber"], "Did you mean 'huber'?"),
        (["--loss", "cross_entropy"], "a regression of a table can be trained with mse"),
        (["--loss", "poisson"], "a regression of a table can be trained with mse"),
        (["--optimizer", "adma"], "did you mean 'adam'?"),
        (["--activation", "rleu"], "Did you mean 'relu'?"),
        (["--metrics", "map"], "Did you mean 'mape'?"),
        (["--dropout", "1"], "Dropout: rate is the probability of dropping"),
        (["--patience", "0"], "'--patience'"),
        (["--plot", "no/curves.png"], "the folder of no/curves.png does not exist; make it first"),
        (["--model", "."], ". is a folder"),
    ],
)
def test_a_wrong_flag_is_named_before_training(run, arguments, words):
    code, out, err = run("train", HOUSES, "--target", TARGET, *arguments, "--quiet")
    assert (code, out) == (2, "")
    assert words in " ".join(err.split())


def test_without_a_target_the_columns_are_named(run):
    code, _, err = run("train", HOUSES)
    assert code == 2 and "--target is missing" in err and "ocean_proximity" in err
    code, _, err = run("train")
    assert code == 2 and "TABLE is missing" in err


# ---- the config file


def test_a_printed_config_says_the_same_as_its_flags(run, tmp_path):
    flags = ("--target", TARGET, "--hidden", "8,4", "--dropout", 0.1, "--epochs", 3, "--seed", 4)
    code, out, _ = run("train", HOUSES, *flags, "--ignore", "population", "--print-config")
    assert code == 0
    (tmp_path / "houses.toml").write_text(out)
    stored = tomllib.loads(out)
    assert stored["hidden"] == [8, 4] and stored["ignore"] == ["population"]
    _, by_flags, _ = run("train", HOUSES, *flags, "--ignore", "population", "--json")
    _, by_file, _ = run("train", "--config", "houses.toml", "--json")
    a, b = json.loads(by_flags), json.loads(by_file)
    assert {**a, "seconds": 0} == {**b, "seconds": 0}
    _, out, _ = run("train", "--config", "houses.toml", "--epochs", 1, "--json")
    assert json.loads(out)["epochs"] == 1


def test_every_flag_has_a_key(run):
    _, out, _ = run("train", "--print-config")
    keys = set(re.findall(r"^(?:# )?(\w+) = ", out, re.MULTILINE))
    _, text, _ = run("train", "--help")
    flags = {
        flag.replace("-", "_")
        for flag in re.findall(r"^\s+(?:-\w, )?--([\w-]+)", text, re.MULTILINE)
    }
    assert flags - keys == {"config", "print_config", "help"}
    assert keys - flags == {"table"}


def test_layers_of_ones_own(run, tmp_path):
    (tmp_path / "net.toml").write_text(
        """
        target = "median_house_value"
        hidden = [
            16,
            {layer = "Dropout", rate = 0.2},
            {layer = "Dense", units = 4, activation = "tanh", bias = false},
        ]
        """
    )
    assert run("train", HOUSES, "--config", "net.toml", *FAST)[0] == 0
    net = dr.load("houses_small.dr")
    assert repr(net) == "Sequential(Dense(16, 'relu'), Dropout(0.2), Dense(4, 'tanh'), Dense(1))"


def test_layers_that_hold_layers(run, tmp_path):
    """Units in them take the activation and the dropout of the flags, as elsewhere."""
    (tmp_path / "net.toml").write_text(
        """
        target = "median_house_value"
        activation = "tanh"
        hidden = [
            8,
            {layer = "Residual", layers = [8, {layer = "BatchNorm"}]},
            {layer = "Concatenate", layers = [
                {layer = "Sequential", layers = [{layer = "Dense", units = 3}]}, 2,
            ]},
        ]
        """
    )
    assert run("train", HOUSES, "--config", "net.toml", *FAST)[0] == 0
    assert repr(dr.load("houses_small.dr")) == (
        "Sequential(Dense(8, 'tanh'), Residual(Dense(8, 'tanh'), BatchNorm()), "
        "Concatenate(Sequential(Dense(3)), Dense(2, 'tanh')), Dense(1))"
    )


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("epoch = 5", "unknown key 'epoch'; keys are table, target, "),
        ("epoch = 5", "Did you mean 'epochs'?"),
        ("[network]\nhidden = [3]", "unknown key 'network'"),
        ("epochs = 5.5", "epochs is 5.5; write a whole number"),
        ("epochs = true", "epochs is true; write a whole number"),
        ('learning_rate = "fast"', 'learning_rate is "fast"; write a number'),
        ("target = 3", "target is 3; write a text"),
        ('header = "yes"', 'header is "yes"; write true or false'),
        ('ignore = "population"', 'write a list of names: ["a", "b"]'),
        ('hidden = [{layer = "Dens", units = 3}]', "Did you mean 'Dense'?"),
        ('hidden = [{layer = "Dense", unit = 3}]', "Did you mean 'units'?"),
        ('hidden = [{layer = "Dense"}]', "units, activation, bias, initializer, weight"),
        ('hidden = [{layer = "Residual", layers = 8}]', "layers of Residual is 8; write a list"),
        ('hidden = [{layer = "Residual", layers = [{layer = "Dens"}]}]', "Did you mean 'Dense'?"),
        ("hidden = [0]", "units is the number of outputs, at least 1, not 0"),
        ("epochs = ", "is not TOML"),
    ],
)
def test_a_wrong_line_of_the_config_is_named(run, tmp_path, line, words):
    (tmp_path / "wrong.toml").write_text(line + "\n")
    code, out, err = run("train", HOUSES, "--target", TARGET, "--config", "wrong.toml", "--quiet")
    assert (code, out) == (2, "")
    assert words in " ".join(err.split())


def test_a_config_that_is_not_there(run):
    code, _, err = run("train", "--config", "nowhere.toml")
    assert code == 2 and "nowhere.toml cannot be read: No such file" in err


# ---- training continued


def test_a_model_is_trained_further_on_the_same_parts(run):
    first = ("--target", TARGET, "--hidden", 8, "--seed", 3, "--test", 0.2, "--epochs", 4, "--json")
    _, out, _ = run("train", HOUSES, *first)
    once = json.loads(out)
    _, out, _ = run("train", HOUSES, "--continue", "houses_small.dr", "--epochs", 5, "--json")
    again = json.loads(out)
    assert again["before"] == once["scores"]
    assert (again["rows"], again["seed"]) == (once["rows"], 3)
    assert again["model"] == "houses_small.dr"
    trained = dr.load("houses_small.dr").trained
    assert trained["epochs"] == len(trained["history"]["loss"]) == 9


def test_a_continued_training_says_where_parts_are_dealt_otherwise(run):
    run("train", HOUSES, "--target", TARGET, "--hidden", 8, *FAST)
    more = ("--continue", "houses_small.dr", "--seed", 1, "--epochs", 2)
    _, _, err = run("train", HOUSES, *more)
    assert "rows that it trained on may be among the test rows now" in " ".join(err.split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--hidden", "16"], "Invalid value for --hidden: Sequential(Dense(16, 'relu'), Dense(1))"),
        (["--target", "longitude"], "Invalid value for --target: longitude is not what the model"),
        (["--task", "classification"], "Invalid value for --task"),
        (["--ignore", "population"], "Invalid value for --ignore"),
        (["--category", "population"], "Invalid value for --category"),
    ],
)
def test_what_a_model_fixes_cannot_be_changed(run, arguments, words):
    run("train", HOUSES, "--target", TARGET, "--hidden", 8, *FAST)
    more = ("--continue", "houses_small.dr", *arguments)
    code, _, err = run("train", HOUSES, *more, *FAST)
    assert code == 2 and words in " ".join(err.split())
    same = ("--hidden", 8, "--target", TARGET, "--task", "regression")
    assert run("train", HOUSES, "--continue", "houses_small.dr", *same, *FAST)[0] == 0


def test_in_python_a_model_of_arrays_cannot_be_continued():
    net = dr.Sequential(dr.Dense(1)).init((1, 2), seed=0)
    with pytest.raises(DataError, match="trained on arrays"):
        dr.continue_table(net, HOUSES)


# ---- files


def test_a_file_that_is_replaced_is_said_to_be(run):
    assert "(replaced)" not in run("train", HOUSES, "--target", TARGET, *FAST)[1]
    assert "houses_small.dr (replaced)" in run("train", HOUSES, "--target", TARGET, *FAST)[1]


@pytest.mark.parametrize("why", ["folder gone"])
def test_a_model_is_not_lost_where_its_place_fails_after_all(run, tmp_path, monkeypatch, why):
    import deltarule.train.table as module

    (tmp_path / "models").mkdir()
    trained = module.train_table

    def slow(*args, **kwargs):
        found = trained(*args, **kwargs)
        shutil.rmtree(tmp_path / "models")
        return found

    monkeypatch.setattr(module, "train_table", slow)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code, out, err = run("train", HOUSES, "--target", TARGET, "--model", "models/h.dr", *FAST)
    assert code == 1
    said = re.search(r"not lost: it is saved in (\S+)", " ".join(err.split()))
    assert dr.load(said[1]).trained["target"] == TARGET
    assert said[1] in out


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_not_writable_is_known_before_training(run, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    code, _, err = run("train", HOUSES, "--target", TARGET, "--model", "locked/h.dr")
    assert code == 2 and "locked/h.dr cannot be written: Permission denied" in err


# ---- Ctrl-C


@pytest.fixture
def long_training(tmp_path):
    """A training that would take minutes, once it has begun."""
    table = read_table(HOUSES)
    write_table(table.take(np.resize(np.arange(200), 4000)), tmp_path / "many.csv")
    command = [sys.executable, "-m", "deltarule", "train", "many.csv", "--target", TARGET]
    more = ["--epochs", "100000", "--patience", "100000", "--plot", "curves.png"]
    begun = tmp_path / "begun"
    process = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(begun), *command[3:], *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=HERE,
    )
    try:
        limit = time.monotonic() + 60
        while not begun.exists() and process.poll() is None and time.monotonic() < limit:
            time.sleep(0.02)
        yield process
    finally:
        process.kill()
        process.communicate()


# Commands that a shell runs in the background are started with Ctrl-C switched off, and hand that on.
STARTER = """
import signal
import sys
from pathlib import Path

from deltarule import EarlyStopping
from deltarule.cli import main

usual = EarlyStopping.on_epoch

def on_epoch(self, moment):
    usual(self, moment)
    if moment.epoch == 4:
        Path(sys.argv[1]).touch()

EarlyStopping.on_epoch = on_epoch
signal.signal(signal.SIGINT, signal.default_int_handler)
main(sys.argv[2:])
"""


def test_ctrl_c_saves_the_best_so_far(long_training, tmp_path):
    long_training.send_signal(signal.SIGINT)
    out, err = long_training.communicate(timeout=60)
    assert long_training.returncode == 130, err
    assert "Traceback" not in err
    trained = dr.load(tmp_path / "many.dr").trained
    best = trained["best_epoch"]
    assert f"the weights of epoch {best}, the best so far, are saved in many.dr" in err
    assert trained["history"]["val_loss"][best - 1] == min(trained["history"]["val_loss"])
    assert (trained["stopped"], trained["epochs"] >= 4) == ("interrupted", True)
    assert "saved: many.dr, curves.png" in out
    assert (tmp_path / "curves.png").exists()


def test_ctrl_c_before_anything_is_learned_saves_nothing(run, tmp_path, monkeypatch):
    import deltarule.train.table as module

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "fit", interrupted)
    code, out, err = run("train", HOUSES, "--target", TARGET)
    assert (code, out, err) == (130, "", "stopped: by Ctrl-C, with nothing more to save\n")
    assert not list(tmp_path.iterdir())


def test_ctrl_c_without_validation_keeps_the_weights_reached(run, monkeypatch):
    """The first epoch is not over, and there is no best one to go back to."""
    import deltarule.train.loop as module

    piece = module.Training._piece

    def interrupted(self, part):
        if self.steps >= 2:
            raise KeyboardInterrupt
        return piece(self, part)

    monkeypatch.setattr(module.Training, "_piece", interrupted)
    monkeypatch.setattr(module.Pace, "pieces", lambda self, batches, steps: batches[:, None])
    flags = ("--target", TARGET, "--validation", 0, "--plot", "curves.png")
    code, out, err = run("train", HOUSES, *flags)
    assert code == 130
    assert "after 0 epochs; the weights reached then are saved in houses_small.dr" in err
    assert "saved: houses_small.dr\n" in out
    assert run("inspect", "houses_small.dr")[0] == 0


# ---- in Python


def test_layers_rules_losses_and_measures_may_be_given_whole():
    def worst(outputs, targets):
        return float(np.abs(outputs - targets).max())

    trained = dr.train_table(
        HOUSES,
        TARGET,
        hidden=[dr.Dense(4, "tanh"), dr.Dropout(0.1), 3],
        loss=dr.nn.loss_of("quantile", level=0.9),
        optimizer=dr.Clip(dr.SGD(0.1, momentum=0.9), norm=1.0),
        metrics=[worst],
        epochs=30,
        progress=False,
    )
    assert [layer["bias"].size for layer in trained.model.params.values()] == [4, 3, 1]
    assert trained.model.trained["loss"] == "quantile"
    assert trained.model.trained["optimizer"].startswith("Clip(")
    table = read_table(HOUSES)
    answers = dr.predict_table(trained.model, table).values
    below = np.mean(table[TARGET].to_numpy() < answers)
    assert 0.75 < below < 0.98  # nine of ten
    found = dr.evaluate_table(trained.model, table, metrics=worst)
    assert found.scores.network["worst"] == np.abs(answers - table[TARGET].to_numpy()).max()


def test_two_learning_rates_are_one_too_many():
    with pytest.raises(DataError, match=r"learning_rate is 0.1, and the optimizer Adam.* has one"):
        dr.train_table(HOUSES, TARGET, optimizer=dr.Adam(0.1), learning_rate=0.1)
    with pytest.raises(DataError, match=r"Clip.* has none"):
        dr.train_table(HOUSES, TARGET, optimizer=dr.Clip(dr.SGD(0.1), norm=1), learning_rate=0.1)


def test_a_measure_that_is_no_number():
    def rows(outputs, targets):
        return np.abs(outputs - targets)

    with pytest.raises(DataError, match="the metric rows gave an array of shape"):
        dr.train_table(HOUSES, TARGET, metrics=rows, epochs=1, progress=False)


def test_an_open_file_is_a_table(tmp_path):
    with HOUSES.open("rb") as file:
        assert read_table(file).equals(read_table(HOUSES))
    with HOUSES.open(encoding="utf-8") as file:
        assert read_table(file).num_rows == 200
