"""What a training shows: in a terminal, in a notebook, in a pipe."""

from __future__ import annotations

import io
import itertools
import re
import sys
import types

import pytest
from rich.console import Console
from rich.live import Live

import deltarule as dr
from deltarule.train import progress
from deltarule.train.progress import Bar, Lines, State, arranged, clock, showing
from networks import X, Y, mlp

FIGURES = {
    "loss": 0.0012345678,
    "val_loss": 1.23456e-7,
    "val_accuracy": 0.98765,
    "val_top_3": 0.99,
    "rows_per_second": 1234567.0,
}
WORDS = ("loss 0.001235", "val_loss 1.235e-07", "val_accuracy 0.9877", "val_top_3 0.99")


class Clock:
    """A clock that is moved by hand."""

    def __init__(self, monkeypatch):
        self.now = 1000.0
        monkeypatch.setattr(progress.time, "monotonic", lambda: self.now)


@pytest.fixture
def clock_at(monkeypatch):
    return Clock(monkeypatch)


def half(clock_at):
    """A training of 1,000 epochs of 10 rows that is half done after 50 s of work."""
    state = State(0, 1000, 10_000)
    clock_at.now += 100  # compiling
    state.rows(10)
    clock_at.now += 50
    state.rows(4990)
    state.epoch, state.figures = 500, FIGURES
    return state


@pytest.mark.parametrize("columns", [20, 40, 60, 80, 100, 120, 200])
def test_a_line_of_a_terminal_fits_and_cuts_no_number(columns, clock_at):
    state = half(clock_at)
    out = io.StringIO()
    console = Console(file=out, width=columns, force_terminal=True, color_system=None)
    with Live(console=console, auto_refresh=False) as live:
        Bar(state, live).show()
    (line,) = {
        part.strip() for part in re.split(r"\x1b\[[^A-Za-z]*[A-Za-z]|[\r\n]", out.getvalue())
    } - {""}
    assert len(line) <= columns
    rest = line
    for known in (*WORDS, "rows/s 1,234,567", "epoch 501/1000", "50%", "0:50 left", *"━╸╺…"):
        rest = rest.replace(known, "")
    assert not rest.strip(), f"{line!r} has a part of a word"
    if columns >= 40:
        assert "0:50 left" in line
    if columns >= 80:
        assert "val_loss 1.235e-07" in line and " 50%" in line
    if columns == 200:
        assert "━" in line and "rows/s 1,234,567" in line


def test_time_left_does_not_count_the_time_before_the_first_step(clock_at):
    state = half(clock_at)
    assert state.time == "0:50 left"
    clock_at.now += 3000
    assert state.time == "50:56 left"
    state.ended = True
    assert state.time == "in 52:30"
    fresh = State(0, 3, 30)
    assert fresh.time == ""
    fresh.rows(10)
    clock_at.now += 0.1
    fresh.rows(10)
    assert fresh.time == ""  # too early to tell
    assert clock(0) == "0:00" and clock(59.6) == "1:00" and clock(360000) == "100:00:00"


def test_nothing_to_do_is_all_done():
    state = State(5, 5, 0)
    assert state.share == 1 and state.now == 5 and arranged(state, 80)[1] == "epoch 5/5"


def printed(capsys):
    return capsys.readouterr().err.splitlines()


def test_lines_that_are_asked_for_are_no_flood(clock_at, capsys):
    lines = Lines(State(0, 1000, 1000), asked=True)
    for epoch in range(1000):
        clock_at.now += 0.01
        lines.rows(1)
        lines.epochs(epoch, [1.0], {"rows_per_second": 100.0})
    numbers = [int(re.match(r"epoch (\d+)/1000", line)[1]) for line in printed(capsys)]
    assert numbers[:10] == list(range(1, 11)) and numbers[-1] == 1000
    assert len(numbers) == 20 and max(b - a for a, b in itertools.pairwise(numbers)) < 105


def test_of_epochs_that_run_together_the_first_and_the_last_are_shown(clock_at, capsys):
    for cut in (4, 10, 11, 40):
        lines = Lines(State(5, 105, 1000), asked=True)
        for start, stop in ((5, 5 + cut), (5 + cut, 105)):
            lines.rows(10 * (stop - start))
            lines.epochs(start, [float(n) for n in range(start + 1, stop + 1)], {})
        found = [
            re.match(r"epoch (\d+)/105  loss (\d+)", line).groups() for line in printed(capsys)
        ]
        assert found == [(str(n), str(n)) for n in [*range(6, 16), 105]]


def test_lines_that_are_not_asked_for_come_twice_a_minute(clock_at, capsys):
    lines = Lines(State(0, 100, 1000), asked=False)
    for epoch in range(100):
        clock_at.now += 1
        lines.rows(10)
        lines.epochs(epoch, [1.0], {})
    shown = printed(capsys)
    assert len(shown) == 4 and shown[-1].endswith("in 1:40") and "left" in shown[0]
    lines = Lines(State(0, 2, 1000), asked=False)
    for _ in range(50):  # an epoch that takes long
        clock_at.now += 1
        lines.rows(10)
    assert printed(capsys) == ["epoch 1/2  30% of all epochs  1:10 left"]
    lines = Lines(State(0, 2, 20), asked=False)
    for epoch in range(2):
        lines.rows(10)
        lines.epochs(epoch, [1.0], {})
    assert printed(capsys) == []


def test_a_notebook_has_one_output_that_changes(monkeypatch, capsys):
    pages = []

    class Handle:
        def update(self, page):
            pages.append(page)

    def display(page, display_id):
        pages.append(page)
        return Handle()

    shown = types.ModuleType("IPython.display")
    shown.HTML, shown.display = str, display
    python = types.ModuleType("IPython")
    python.get_ipython = lambda: types.SimpleNamespace(kernel=None)
    monkeypatch.setitem(sys.modules, "IPython", python)
    monkeypatch.setitem(sys.modules, "IPython.display", shown)
    dr.fit(mlp(), X, Y, epochs=3, seed=0, metrics=[lambda y, t: 1.0])
    assert "epoch 3/3  loss" in pages[-1] and 'value="1.000"' in pages[-1]
    assert "&lt;lambda&gt; 1" in pages[-1] and capsys.readouterr().err == ""


def test_without_standard_error_nothing_is_shown(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    assert dr.fit(mlp(), X, Y, epochs=1, progress=True).epochs == 1


def test_a_dumb_terminal_gets_lines(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "dumb")
    dr.fit(mlp(), X, Y, epochs=2, seed=0, progress=True)
    assert [line[:9] for line in printed(capsys)] == ["epoch 1/2", "epoch 2/2"]


def test_an_error_leaves_the_terminal_as_it_was(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    with pytest.raises(RuntimeError), showing(None, 0, 3, 30) as line:
        line.rows(10)
        raise RuntimeError
    text = capsys.readouterr().err
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") and text.endswith("\x1b[?25h")
