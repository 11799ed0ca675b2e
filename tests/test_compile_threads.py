"""Threads inside machine code: same bits whatever their number, errors come through, no call hangs.

Small programs are split as if they were large; after each meeting one thread, another each time, is late.
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given as generated
from hypothesis import settings

import deltarule as dr
from compiling import apply, given, native, results
from deltarule.compile import native as machine
from deltarule.compile.form import Form
from deltarule.compile.llvm import team
from deltarule.compile.program import Executable
from deltarule.compile.threads import Team, shares, thread_count
from deltarule.errors import CompileError
from deltarule.program import Graph
from deltarule.program.types import ArrayType
from networks import assert_same_bits as assert_same_networks
from networks import choose, statistics
from products import product_program_of, seeds
from sharing import (
    THREADS,
    all_split,
    assert_same_bits,
    ends_in_time,
    real_args,
    run_by,
    split_code,
)
from test_compile_graphs import CALM, program_of

pytestmark = pytest.mark.native
F64, I64 = np.dtype("f8"), np.dtype("i8")


@pytest.fixture(autouse=True)
def _in_time():
    with ends_in_time():
        yield


def of(*shape, dtype=F64):
    return given(ArrayType(shape, np.dtype(dtype)))


def scan(body, *args, consts=0, carries=1, length=3, reverse=False):
    attrs = {"consts": consts, "carries": carries, "length": length, "reverse": reverse}
    return results(apply("scan", *args, body=body, **attrs))


def assert_threads_agree(graph: Graph, args) -> None:
    """Split or not, by any number of threads."""
    wanted = native(graph)(args, frozenset())
    code = split_code(graph)
    for threads in THREADS:
        assert_same_bits(run_by(code, threads, args), wanted, f"by {threads}: {graph}")


# Same bits.


@settings(CALM, max_examples=50)
@generated(seeds)
def test_programs_of_every_primitive(seed):
    graph = program_of(seed)[0]
    assert_threads_agree(graph, real_args(graph, seed))


@settings(CALM, max_examples=50)
@generated(seeds)
def test_products_chains_and_scans(seed):
    graph = product_program_of(seed).graph
    assert_threads_agree(graph, real_args(graph, seed))


def test_loops_within_loops():
    """The inner loop is split, too; a carry of each is read by all threads."""
    w, c, row = of(9, 9), of(9), of(9)
    new = apply("tanh", apply("add", apply("einsum", w, c, spec="ij,j->i"), row))
    inner = Graph((w, c, row), (new, apply("mul", c, row)))
    w, h, rows = of(9, 9), of(9), of(5, 9)
    end, ys = scan(inner, w, h, rows, consts=1, length=5, reverse=True)
    changed = apply("add", w, apply("matmul", apply("transpose", ys, order=(1, 0)), rows))
    outer = Graph((w, h, rows), (apply("tanh", changed), end, apply("sum", ys, axes=(0,))))
    w, h, xs = of(9, 9), of(9), of(4, 5, 9)
    graph = Graph((w, h, xs), scan(outer, w, h, xs, carries=2, length=4))
    assert_threads_agree(graph, real_args(graph))


PARTING = (
    ("icmp ugt i64 %spent, %bearable", "icmp ne i64 %now, 0"),
    ("icmp ugt i64 %spent, ", "icmp uge i64 %spent, 0 ; "),
)


@settings(CALM, max_examples=40)
@generated(seeds)
def test_the_first_thread_goes_on_alone_to_the_same_bits(seed):
    text = team.AGAIN
    for old, new in PARTING:
        assert old in text
        text = text.replace(old, new)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(team, "AGAIN", text)  # it parts after the second step
        graph, args = program_of(seed)
        parted = split_code(graph)
    wanted = run_by(split_code(graph), 1, args)
    for threads in THREADS[1:]:
        assert_same_bits(run_by(parted, threads, args), wanted, f"{threads} threads: {graph}")


def test_a_parted_loop_leaves_the_rest_to_the_first_thread():
    x, xs, w = of(64, 8), of(6, 64, 8), of(8, 8)
    types = [of(64, 8), of(64, 8)]
    body = Graph(tuple(types), (apply("add", apply("tanh", types[0]), types[1]),))
    (last,) = scan(body, x, xs, length=6)
    other = apply("matmul", x, w)  # of the same stage: nothing of it waits for the loop
    graph = Graph((x, xs, w), (last, other))
    args = real_args(graph)
    with pytest.MonkeyPatch.context() as patch:
        for old, new in PARTING:
            patch.setattr(team, "AGAIN", team.AGAIN.replace(old, new))
        parted = split_code(graph)
    wanted = run_by(split_code(graph), 1, args)
    for threads in THREADS[1:]:
        found = run_by(parted, threads, args)
        assert parted.free[0].members[0, 1] == 1, "it did not part"
        assert_same_bits(found, wanted, f"{threads} threads")


def test_a_short_call_after_a_long_one_waits_for_nobody():
    """Its memory has been used by several threads; the next caller runs alone."""
    c, x = of(9, 9), of(9, 9)
    step = Graph((c, x), (apply("tanh", apply("add", c, x)), apply("sum", x, axes=(0,))))
    with all_split(2):
        run = Executable(step, form=Form(carries=1, rows=1))
    rng = np.random.default_rng(0)
    start, rows = rng.normal(size=(9, 9)), rng.normal(size=(40, 9, 9))
    long = run(start, rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machine, "LEAST", 1e9)
        short = run(start, rows[:2])
    assert_same_bits(short[1:], [long[1][:2]], "of two steps")


def test_carries_that_change_places():
    a, b, x = of(7, 5), of(7, 5), of(7, 5)
    body = Graph((a, b, x), (apply("add", b, x), apply("mul", a, x), apply("sum", a, axes=(0,))))
    for length in (1, 2, 5):
        start, xs = (of(7, 5), of(7, 5)), of(length, 7, 5)
        graph = Graph((*start, xs), scan(body, *start, xs, carries=2, length=length))
        assert_threads_agree(graph, real_args(graph))


@pytest.mark.parametrize("given_away", [(), (0,), (1,), (0, 1)])
def test_inputs_given_away_are_not_written_while_they_are_read(given_away):
    x, y = of(64, 64), of(64, 64)
    graph = Graph((x, y), (apply("sum", x, axes=(0,)), apply("exp", y), apply("sum", y, axes=(1,))))
    args = real_args(graph)
    wanted = native(graph)([a.copy() for a in args], frozenset())
    code = split_code(graph)
    for threads, _ in itertools.product(THREADS, range(5)):
        found = run_by(code, threads, [a.copy() for a in args], given_away)
        assert_same_bits(found, wanted, f"by {threads}")


def trained(net=None, **settings):
    """A network after training, and its losses."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 3))
    y = (x @ [1.0, 1.0, -1.0] > 0).astype(int)
    layers = dr.Dense(16, "relu"), dr.Dropout(0.3), dr.Dense(8, "tanh"), dr.Dense(2)
    net = net or dr.Sequential(*layers)
    usual = {"loss": "cross_entropy", "optimizer": dr.Adam(1e-2), "epochs": 2, "batch_size": 16}
    run = dr.fit(net, x, y, progress=False, **{**usual, "seed": 1, **settings})
    return net, {key: run.history[key] for key in run.history if key != "rows_per_second"}


def assert_same_training(found, wanted) -> None:
    assert_same_networks(found[0], wanted[0])
    assert found[1] == wanted[1]


@pytest.mark.parametrize("case", ["adam", "sgd", "state"])
def test_trainings(case, monkeypatch):
    """Shuffled batches, a partial one at the end of each epoch, dropout, loops, running statistics."""
    choose("native", monkeypatch)
    settings = {
        "adam": {},
        "sgd": {"optimizer": dr.SGD(0.1), "batch_size": 7},
        "state": {"loss": "mse", "validation": 0.2},
    }[case]
    outcomes = []
    for threads in THREADS:
        with all_split(threads, late=True):
            outcomes.append(trained(statistics() if case == "state" else None, **settings))
    for outcome in outcomes[1:]:
        assert_same_training(outcome, outcomes[0])


# Errors.


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("wrong", [0, 17, 39])
def test_an_index_out_of_range_in_one_thread(threads, wrong):
    """Whichever thread finds it; the products after it are not waited for."""
    table, index, w = of(11, 6), of(40, dtype=I64), of(6, 5)
    rows = apply("gather", table, index)
    h = apply("tanh", apply("matmul", rows, w))
    graph = Graph((table, index, w), (h, apply("sum", h, axes=(0,))))
    with all_split(threads, late=True):
        run = Executable(graph)
    args = real_args(graph)
    bad = args[1].copy()
    bad[wrong] = 11
    wanted = run(*args)
    for _ in range(3):
        with pytest.raises(
            IndexError, match="index 11 is out of bounds for an axis of size 11, in"
        ):
            run(args[0], bad, args[2])
        assert_same_bits(run(*args), wanted, f"by {threads}")


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("name", ["gather", "scatter"])
def test_an_index_out_of_range_at_the_very_end(threads, name):
    """Threads meet once more before the call returns, and learn of it there."""
    table, index, rows = of(11, 6), of(40, dtype=I64), of(40, 6)
    args = (table, index) if name == "gather" else (table, index, rows)
    graph = Graph((table, index, rows), (apply("exp", rows), apply(name, *args)))
    with all_split(threads, late=True):
        run = Executable(graph)
    args = real_args(graph)
    wanted = run(*args)
    bad = args[1].copy()
    bad[39] = 2**40
    with pytest.raises(IndexError, match=f"index {2**40} is out of bounds for an axis of size 11"):
        run(args[0], bad, args[2])
    assert_same_bits(run(*args), wanted, f"by {threads}")


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("step", [0, 2, 4])
def test_an_index_out_of_range_in_a_loop(threads, step):
    table, c, i = of(8, 6), of(3, 6), of(3, dtype=I64)
    rows = apply("gather", table, i)
    body = Graph((table, c, i), (apply("add", c, rows), apply("matmul", c, of_turned(rows))))
    table, start, indices = of(8, 6), of(3, 6), of(5, 3, dtype=I64)
    graph = Graph((table, start, indices), scan(body, table, start, indices, consts=1, length=5))
    with all_split(threads, late=True):
        run = Executable(graph)
    args = real_args(graph)
    wanted = run(*args)
    bad = args[2].copy()
    bad[step, 2] = -3
    for _ in range(3):
        with pytest.raises(IndexError, match="index -3 is out of bounds for an axis of size 8"):
            run(args[0], args[1], bad)
        assert_same_bits(run(*args), wanted, f"by {threads}")


def of_turned(x):
    return apply("transpose", x, order=(1, 0))


def called_back(looped: bool) -> Graph:
    """n ** m, which NumPy computes and refuses for a negative m, amid work that is split."""
    n, m, w = of(4, 4, dtype=I64), of(4, 4, dtype=I64), of(4, 30)

    def work(n, m, w):
        real = apply("cast", apply("power", n, m), dtype=F64)
        return apply("tanh", apply("matmul", apply("exp", real), apply("abs", w)))

    if not looped:
        return Graph((n, m, w), (work(n, m, w), apply("sum", w, axes=(0,))))
    c = of(4, 30)
    body = Graph((n, w, c, m), (apply("add", c, work(n, m, w)),))
    start, powers = of(4, 30), of(5, 4, 4, dtype=I64)
    outs = scan(body, n, w, start, powers, consts=2, length=5)
    return Graph((n, w, start, powers), outs)


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("looped", [False, True])
def test_an_exception_in_numpy_comes_through(threads, looped):
    graph = called_back(looped)
    with all_split(threads, late=True):
        run = Executable(graph)
    args = real_args(graph)
    wanted = run(*args)
    powers = next(i for i in reversed(range(4)) if i < len(args) and args[i].dtype == I64)
    bad = [x.copy() for x in args]
    bad[powers].flat[-1] = -1
    for _ in range(3):
        with pytest.raises(ValueError, match="negative integer powers"):
            run(*bad)
        assert_same_bits(run(*args), wanted, f"by {threads}")


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("first", ["scatter", "power"])
def test_nothing_is_called_back_after_an_error(threads, first, monkeypatch):
    """What failed left nonsense behind, on which NumPy might fail in another way."""
    n, m, two, x = (*(of(3, dtype=I64) for _ in range(3)), of(20, 20))
    early = apply("power", n, m) if first == "power" else apply("scatter", n, m, two)
    graph = Graph((n, m, two, x), (apply("power", early, two), apply("exp", x)))
    with all_split(threads, late=True):
        run = Executable(graph)
    args = [np.arange(3), np.array([1, 2, 0]), np.array([2, 2, 2]), np.ones((20, 20))]
    wanted = run(*args)
    calls = []
    usual = machine.evaluate
    monkeypatch.setattr(machine, "evaluate", lambda *a: (calls.append(a), usual(*a)))
    error, words = {
        "power": (ValueError, "negative integer powers"),
        "scatter": (IndexError, "index -1 is out of bounds for an axis of size 3, in scatter"),
    }[first]
    with pytest.raises(error, match=words):
        run(args[0], np.array([1, 2, -1]), *args[2:])
    assert len(calls) == (first == "power")
    assert_same_bits(run(*args), wanted, f"by {threads}")


# Callers.


def in_threads(jobs) -> list[BaseException]:
    """Run jobs at once; what they raised."""
    errors = []

    def guarded(job):
        try:
            job()
        except BaseException as error:
            errors.append(error)

    workers = [threading.Thread(target=guarded, args=(job,)) for job in jobs]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return errors


def test_many_threads_call_one_program(monkeypatch):
    """Those who find no helpers run alone."""
    graph = called_back(looped=True)
    with all_split(4):
        run = Executable(graph)
    jobs = [real_args(graph, seed) for seed in range(6)]
    wanted = [run(*job) for job in jobs]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:

        def call(i: int) -> None:
            for _ in range(25):
                assert_same_bits(run(*jobs[i]), wanted[i], f"job {i}")

        assert not in_threads([lambda i=i: call(i) for i in range(6)])
    finally:
        sys.setswitchinterval(before)


def test_two_trainings_at_once(monkeypatch):
    choose("native", monkeypatch)
    found = {}

    def train(seed: int) -> None:
        found[seed] = trained(epochs=20, seed=seed)

    with all_split(2):
        alone = [trained(epochs=20, seed=seed) for seed in (1, 2)]
        assert not in_threads([lambda: train(1), lambda: train(2)])
    for seed, wanted in zip((1, 2), alone, strict=True):
        assert_same_training(found[seed], wanted)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores are not told apart here")
def test_a_training_on_busy_cores_ends_with_the_same_bits(monkeypatch):
    choose("native", monkeypatch)
    work = "import time\nend = time.monotonic() + 30\nwhile time.monotonic() < end: pass"
    cores = len(os.sched_getaffinity(0))
    with all_split(2):
        wanted = trained()
        busy = [subprocess.Popen([sys.executable, "-c", work]) for _ in range(cores)]
        try:
            found = trained()
        finally:
            for process in busy:
                process.kill()
                process.wait()
    assert_same_training(found, wanted)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_process_has_helpers_of_its_own():
    assert_ends_well("forked.py")


def assert_ends_well(name: str) -> None:
    """A script beside this file ends, and in peace."""
    script = Path(__file__).parent / name
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(script)],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]


# The team.


def test_who_finds_no_helpers_free_runs_alone():
    team = Team()
    with team.join(3) as helpers:
        assert len(helpers) == 2
        with team.join(3) as others:
            assert others == []
    with team.join(2) as helpers:
        assert len(helpers) == 1


def test_helpers_that_were_not_woken_are_free_again():
    team = Team()
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt), team.join(3) as helpers:
            raise KeyboardInterrupt
        assert len(helpers) == 2 and not any(helper.idle.locked() for helper in helpers)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there are no timers here")
def test_an_interrupt_at_any_moment_leaves_nobody_waiting():
    assert_ends_well("interrupted.py")


def test_helpers_are_kept_off_the_core_of_the_caller():
    found = shares(3)
    assert len(found) == 3
    for one, other in itertools.combinations(found, 2):
        assert not one & other


def test_the_number_of_threads(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delenv("DELTARULE_THREADS", raising=False)
    cores = thread_count()
    assert cores >= 1
    monkeypatch.setenv("OMP_NUM_THREADS", "1,4")
    assert thread_count() == 1
    monkeypatch.setenv("DELTARULE_THREADS", "1000")
    assert thread_count() == cores
    for word in ("none", "0", "-1", "1.5"):
        monkeypatch.setenv("DELTARULE_THREADS", word)
        with pytest.raises(CompileError, match="it can be a number of threads from 1 on"):
            thread_count()
    monkeypatch.delenv("DELTARULE_THREADS")
    monkeypatch.setenv("OMP_NUM_THREADS", "all")
    assert thread_count() == cores
