"""The benchmarks on data sets train what they say, on stand-ins for the data."""

from __future__ import annotations

import gzip
import importlib
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = [str(ROOT / name) for name in ("benchmarks", "examples")]


@pytest.fixture
def script(monkeypatch):
    """Import a script by name, with images that are easy to tell apart; nothing of the folders stays."""
    before = set(sys.modules)
    for folder in FOLDERS:
        monkeypatch.syspath_prepend(folder)
    rng = np.random.default_rng(0)
    y = rng.integers(0, 10, 500)
    X = (np.eye(10)[y] @ rng.random((10, 784))).astype(np.float32)
    images = importlib.import_module("images")
    monkeypatch.setattr(images, "load", lambda name: [X[:400], y[:400], X[400:], y[400:]])
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if any(folder in str(getattr(sys.modules[name], "__file__", "")) for folder in FOLDERS):
            del sys.modules[name]


def test_the_readme_has_the_errors_that_were_measured():
    rows = json.loads((ROOT / "benchmarks" / "results" / "image_errors.json").read_text())["rows"]
    readme = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    for kind in ("mnist both", "mnist plain", "fashion-mnist both"):
        errors = [rows[f"{kind} deltarule {seed}"]["error"] for seed in range(3)]
        cells = " ".join(f"{error:.2f}" for error in errors), f"{np.mean(errors):.2f} %"
        assert " | ".join(cells) in readme, kind
    for script in ("mnist", "fashion_mnist"):
        seconds = rows[f"{script.replace('_', '-')} both pace"]["median"]
        ours, torch = (f"{seconds[peer]:.2g} s" for peer in ("deltarule", "torch"))
        words = " ".join(readme.split())
        assert re.search(rf"{script}.py takes {ours}[^.]*PyTorch (takes )?{torch}", words), script


def test_the_tables_are_those_of_the_results():
    folder = ROOT / "benchmarks"
    readme = (folder / "README.md").read_text(encoding="utf-8")
    published, small = (
        json.loads((folder / "results" / f"{name}.json").read_text())["rows"]
        for name in ("published", "small_sets")
    )
    for name, row in published.items():
        assert f"| {name} | {row['published']:g} | {row['mean']:.2f} |" in readme
    for name, row in small.items():
        means = [np.mean(row["errors"][peer]) for peer in ("deltarule", "scikit-learn")]
        assert f"| {name} | {row['measure']} | {means[0]:.4g} | {means[1]:.4g} |" in readme
    below = sum(row["mean"] <= row["published"] for row in published.values())
    assert f"{below} of {len(published)} are at or below" in readme


def run(module, monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["script", *map(str, arguments)])
    module.main()


def test_errors_and_seconds_are_kept(script, monkeypatch, tmp_path):
    errors, images = script("image_errors"), script("images")
    recipe = images.Recipe(16, rate=1e-2, batch=32, epochs=8)
    monkeypatch.setitem(errors.RECIPES, "mnist", {"both": recipe})
    out = tmp_path / "rows.json"
    given = ("mnist", "--peers", "deltarule", "scikit-learn", "--out", out)
    run(errors, monkeypatch, *given, "--seeds", 3)
    run(errors, monkeypatch, *given, "--pace", "--turns", 1)
    rows = json.loads(out.read_text())["rows"]
    ours, row = rows["mnist both deltarule 3"], rows["mnist both pace"]
    assert ours["error"] < 10 and ours["recipe"]["hidden"] == 16
    assert rows["mnist both scikit-learn 3"]["error"] < 90
    assert set(row["median"]) == {"deltarule", "scikit-learn"} and row["recipe"]["epochs"] == 1


def test_figures_are_named_once_and_trained(script, monkeypatch, tmp_path, capsys):
    published = script("published")
    names = [f"{figure.data}, {figure.name}" for figure in published.FIGURES]
    assert len(set(names)) == len(names) == 23
    monkeypatch.setattr(published, "RATE", 1e-2)
    out = tmp_path / "rows.json"
    run(published, monkeypatch, "784-10-10, tanh", "784-10, mse", "--seeds", 0, 1, "--out", out)
    rows = json.loads(out.read_text())["rows"]
    assert set(rows) == {
        "fashion-mnist, 784-10-10, tanh",
        "mnist, 784-10-10, tanh",
        "mnist, 784-10, mse",
    }
    assert all(row["mean"] < 20 and set(row["errors"]) == {"0", "1"} for row in rows.values())
    assert "Xiao" in capsys.readouterr().out


def write_fann(path, X, T):
    lines = [f"{len(X)} {X.shape[1]} {T.shape[1]}"]
    lines += [" ".join(map(str, row)) for pair in zip(X, T, strict=True) for row in pair]
    with gzip.open(path, "wt") as file:
        file.write("\n".join(lines) + "\n")


def test_sets_in_fanns_format_are_classes_or_numbers(script, monkeypatch, tmp_path):
    small = script("small_sets")
    monkeypatch.setattr(small, "EPOCHS", 40)
    monkeypatch.setattr(small, "RATE", 1e-2)
    folder = tmp_path / "proben1_fann"
    folder.mkdir()
    X = np.random.default_rng(0).random((120, 3)).round(3)
    larger = X[:, :1] > X[:, 1:2]
    targets = {"one": larger, "two": np.hstack([larger, ~larger]), "number": 0.5 * X[:, :1] + 0.1}
    for name, T in targets.items():
        for part, rows in (("train", slice(80)), ("test", slice(80, None))):
            write_fann(folder / f"{name}.{part}.gz", X[rows], T[rows].astype(float))
    monkeypatch.setenv("DELTARULE_DATA", str(tmp_path))
    run(small, monkeypatch, "--seeds", 1, "--out", tmp_path / "rows.json")
    rows = json.loads((tmp_path / "rows.json").read_text())["rows"]
    assert {name: row["measure"] for name, row in rows.items()} == {
        "one": "% wrong", "two": "% wrong", "number": "mean square",
    }  # fmt: skip
    for name, most in (("one", 20), ("two", 20), ("number", 0.005)):
        for errors in rows[name]["errors"].values():
            assert errors[0] < most, name
