"""The benchmarks measure what they say: the same work, all of it, and the table that follows from it.

Peers that a test does not need are not asked for; PyTorch, JAX and FANN are measured, not tested.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import deltarule as dr
from deltarule.nn import loss_of

SCRIPTS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(autouse=True)
def _scripts(monkeypatch):
    """Scripts import their neighbours by name; nothing of them stays."""
    monkeypatch.syspath_prepend(SCRIPTS)
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if str(SCRIPTS) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def test_single_functions_have_the_derivatives_that_are_timed():
    import scipy.special

    from peers.single import argument, functions

    for name, f in functions(np, scipy.special).items():
        g = (lambda m, f=f: f((m + m.T) / 2)) if name == "cholesky" else f
        dr.check_grads(g, argument(name, 10 if "along" in name else 5), order=1)


@pytest.fixture
def job(_scripts):
    from jobs import Job

    return Job((6, 5, 4, 3), 8, 4, rule="sgd", rate=0.1)


@pytest.fixture
def numbers(job):
    return replace(job, sizes=(6, 5, 4, 2), targets="noise", activation="tanh")


def test_names_have_data_of_the_right_shapes():
    from jobs import JOBS, data_of

    for job in JOBS.values():
        X, y = data_of(replace(job, steps=min(job.steps, 4)))
        assert X.dtype == job.dtype and X.shape[1] == job.sizes[0]
        assert len(X) == len(y) and np.isfinite(X).all()
        assert y.max() < job.sizes[-1] if job.classes else y.shape == (len(X), job.sizes[-1])


def test_flops_are_those_of_the_step(job):
    """Products of the three layers forward, as many for weights, two backward: two a multiply-add."""
    forward, weights, inputs = 30 + 20 + 12, 30 + 20 + 12, 20 + 12
    assert job.flops == 2 * 8 * (forward + weights + inputs)


@pytest.mark.parametrize("peer", ["deltarule", "sklearn", "numpy"])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("kind", ["job", "numbers"])
def test_a_turn_is_as_many_steps_as_it_says(peer, full, kind, request, monkeypatch):
    """Counted where each peer takes its steps. The rate is so small that the loss stands still, at which
    none may stop."""
    import peers
    from jobs import data_of

    job = replace(request.getfixturevalue(kind), rate=1e-9)
    job = replace(job, batch=32, steps=1, epochs=5) if full else job
    job = replace(job, drawn=3 * job.rows)
    if peer == "deltarule":
        from peers import ours

        monkeypatch.setattr(ours, "MANY", 50)
    training = peers.begin(peer, job, *data_of(job))
    epochs = 3 if peer == "deltarule" and not full else job.epochs
    assert training.steps == job.steps * epochs
    counted = count_steps(peer, monkeypatch)
    for turn in (1, 2, 3):
        training.run()
        assert sum(counted) == turn * training.steps
    training.stop()


def count_steps(peer, monkeypatch) -> list[int]:
    """A list that grows by one at each step, or by the steps of each epoch."""
    counted: list[int] = []
    if peer == "numpy":
        from peers import by_hand

        for name in ("cross_entropy", "mean_square"):
            plain = getattr(by_hand, name)
            monkeypatch.setattr(
                by_hand, name, lambda z, t, plain=plain: (counted.append(1), plain(z, t))[1]
            )
    if peer == "sklearn":
        from sklearn.neural_network import _stochastic_optimizers as rules

        plain = rules.BaseOptimizer.update_params
        monkeypatch.setattr(
            rules.BaseOptimizer,
            "update_params",
            lambda *args: (counted.append(1), plain(*args))[1],
        )
    if peer == "deltarule":
        from deltarule.train.loop import Training

        plain = Training._piece
        monkeypatch.setattr(
            Training,
            "_piece",
            lambda self, piece: (counted.append(len(piece.batches)), plain(self, piece))[1],
        )
    return counted


@pytest.mark.parametrize("name", ["cross_entropy", "mean_square"])
def test_losses_by_hand_have_the_derivatives_that_we_find(name):
    from peers import by_hand

    rng = np.random.default_rng(0)
    z = rng.normal(size=(5, 3))
    t = rng.integers(0, 3, 5) if name == "cross_entropy" else rng.normal(size=(5, 3))
    ours = loss_of("cross_entropy" if name == "cross_entropy" else "mse")
    loss, delta = getattr(by_hand, name)(z.copy(), t)
    value, wanted = dr.value_and_grad(lambda z: ours(z, t))(z)
    assert np.isclose(loss, value)
    np.testing.assert_allclose(delta, wanted, atol=1e-12)


def test_an_error_in_the_training_thread_reaches_the_caller(job):
    from jobs import data_of
    from peers import ours

    X, y = data_of(job)
    X[0, 0] = np.nan
    with pytest.raises(dr.DataError):
        ours.training(job, X, y).run()


def test_functions_agree_with_their_derivatives_by_hand():
    import functions

    for case in functions.cases().values():
        f = case.function(np)
        derived = getattr(dr, case.derive)(f) if case.derive else f
        found, wanted = derived(*case.arguments), case.by_hand(*case.arguments)
        np.testing.assert_allclose(functions.flat(found), functions.flat(wanted), rtol=1e-9)


def test_ratios_are_taken_within_turns():
    from measure import summary

    found = summary({"deltarule": [1.0, 10.0, 2.0], "torch": [3.0, 20.0, 10.0]}, "us")
    assert found["times_deltarule"] == {"deltarule": 1.0, "torch": 3.0}
    assert found["median"] == {"deltarule": 2.0, "torch": 10.0}


def test_rows_of_other_names_stay_where_the_machine_is_the_same(tmp_path):
    from measure import keep_rows

    path = tmp_path / "rows.json"
    keep_rows(path, {"a": {"median": 1}})
    keep_rows(path, {"b": {"median": 2}})
    assert set(json.loads(path.read_text())["rows"]) == {"a", "b"}
    text = json.loads(path.read_text())
    text["machine"]["cores"] = 1234
    path.write_text(json.dumps(text))
    keep_rows(path, {"c": {"median": 3}})
    assert set(json.loads(path.read_text())["rows"]) == {"c"}


def test_peers_that_are_missing_are_said(job, monkeypatch):
    import peers
    from jobs import data_of

    monkeypatch.setitem(sys.modules, "sklearn.neural_network", None)
    found, missing = peers.start(["numpy", "sklearn"], job, *data_of(job))
    assert set(found) == {"numpy"} and "sklearn" in missing[0]
    adam = replace(job, rule="adam")
    assert "gradient descent" in peers.start(["numpy"], adam, *data_of(adam))[1][0]


def rows_of(scale: float) -> dict:
    machine = {"date": "", "flags": "fma avx2", "cores": 2, "versions": {"numpy": "2"}}
    median = {"deltarule": 10.0 * scale, "jax-scan": 30.0}
    row = {"job": "20-2, batch 4", "threads": 1, "unit": "us a step", "median": median}
    row |= {"times_deltarule": {"jax-scan": 3.0 / scale}, "limit": 5.0}
    return {"machine": machine, "rows": {"tiny": row}}


def test_compare_prints_before_and_after(tmp_path, capsys, monkeypatch):
    import compare

    before, after = rows_of(1.0), rows_of(0.5)
    after["machine"]["flags"] = "fma avx512f"
    after["rows"]["wide"] = after["rows"]["tiny"]
    paths = [tmp_path / "before.json", tmp_path / "after.json"]
    for path, found in zip(paths, (before, after), strict=True):
        path.write_text(json.dumps(found))
    monkeypatch.setattr(sys, "argv", ["compare.py", *map(str, paths)])
    compare.main()
    out = capsys.readouterr().out
    (line,) = [line for line in out.splitlines() if line.startswith("tiny")]
    assert line.split()[-4:] == ["10", "5", "2.00", "1.00"]
    assert "only after: wide" in out and "avx2, avx512f" in out


def test_the_table_fits_a_page(capsys):
    from show import console, table_of

    row = rows_of(1.0)["rows"]["tiny"]
    peers = dict.fromkeys(("sklearn", "torch", "torch-fused", "jax-jit", "jax-scan"), 12345.0)
    wide = {**row, "median": {**row["median"], **peers}, "times_deltarule": peers}
    console().print(table_of({"tiny": row, "wide": wide}, "us"))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 100 and "50 %" in "".join(lines)


def test_curves_are_drawn(tmp_path):
    from growth_picture import draw

    row = rows_of(1.0)["rows"]["tiny"]
    rows = {f"{n}": {**row, "axis": "batch", "at": n} for n in (8, 16, 32)}
    rows["depth 2"] = {
        **row,
        "axis": "depth",
        "at": 2,
        "threads": 2,
    }  # two of four panels stay empty
    draw(rows, tmp_path / "curves.png")
    assert 0 < (tmp_path / "curves.png").stat().st_size < 150_000


def test_a_fair_process_has_the_threads_and_no_pinned_kernel(monkeypatch):
    from process import alone, environment

    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    variables = environment(3)
    assert "OPENBLAS_CORETYPE" not in variables
    assert variables["DELTARULE_THREADS"] == variables["OMP_NUM_THREADS"] == "3"
    with pytest.raises(SystemExit, match=r"row\.py nothing"):
        alone("row.py", "nothing", "numpy", 1, threads=1)


def test_a_first_call_without_the_peer_says_so(monkeypatch):
    import first_call

    monkeypatch.setitem(sys.modules, "torch", None)
    assert "torch" in first_call.once_here("tiny", "torch")["left_out"]
