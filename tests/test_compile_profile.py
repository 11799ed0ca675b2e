"""A profile: each kernel with its calls, operations and bytes; the results are those of the program."""

from __future__ import annotations

import numpy as np
import pytest
from typer.testing import CliRunner

import deltarule as dr
from deltarule.cli import app
from deltarule.compile.profile import Clocked
from deltarule.errors import CompileError
from networks import X, Y, mlp
from sharing import all_split

ROWS, INNER, COLUMNS = 24, 40, 56


def product(x, w):
    return np.tanh(x @ w)


def arrays():
    rng = np.random.default_rng(0)
    return rng.normal(size=(ROWS, INNER)), rng.normal(size=(INNER, COLUMNS))


@pytest.mark.native
@pytest.mark.parametrize("threads", [1, 2])
def test_kernels_with_their_calls_operations_and_bytes(threads):
    x, w = arrays()
    with all_split(threads):
        run = dr.compile(product)
        (row,) = run.profile(x, w).rows
        assert run.profile(x, w).threads == threads
    assert row.kind == "contract" and row.operations == "matmul tanh"
    assert "test_compile_profile.py" in row.places
    assert row.flops == ROWS * COLUMNS * (2 * INNER + 1)
    assert row.nbytes == 8 * (ROWS * INNER + INNER * COLUMNS + ROWS * COLUMNS)
    assert row.calls == 5 and row.seconds > 0
    assert row.flops_a_second == pytest.approx(row.flops * row.calls / row.seconds)


@pytest.mark.native
def test_the_results_are_those_of_the_program():
    x, w = arrays()
    run = dr.compile(product)
    wanted = run(x, w)
    (found,) = Clocked(run.executable)(x, w)
    assert found.tobytes() == wanted.tobytes()


@pytest.mark.native
def test_kernels_of_a_loop_are_listed_and_the_loop_is_not():
    run = dr.compile(lambda x: dr.scan(lambda c, row: (np.tanh(c + row), c), np.zeros(30), x))
    profile = run.profile(np.ones((7, 30)))
    assert "loop" not in {row.kind for row in profile.rows}
    (step,) = (row for row in profile.rows if "tanh" in row.operations)
    assert step.calls == 5 * 7
    assert profile.summary in str(profile)


@pytest.mark.native
def test_a_training_keeps_its_weights():
    net = mlp()
    before = {k: {n: w.copy() for n, w in layer.items()} for k, layer in net.params.items()}
    kinds = {row.kind for row in dr.profile_fit(net, X, Y).rows}
    assert {"gather", "contract"} <= kinds
    for layer, weights in before.items():
        for name, w in weights.items():
            np.testing.assert_array_equal(net.params[layer][name], w)


@pytest.mark.native
def test_the_command_shows_kernels(tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("a,b,y\n" + "".join(f"{i},{i * i},{3 * i}\n" for i in range(60)))
    result = CliRunner().invoke(app, ["profile", str(table), "--target", "y", "--hidden", "8"])
    assert result.exit_code == 0, result.output
    assert "contract" in result.output and "of the measured peak" in result.output


def test_a_program_that_is_interpreted_has_no_profile(monkeypatch):
    monkeypatch.setenv("DELTARULE_BACKEND", "numpy")
    with pytest.raises(CompileError, match="DELTARULE_BACKEND"):
        dr.compile(product).profile(*arrays())
