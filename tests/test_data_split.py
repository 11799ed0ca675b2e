"""`split` and `baseline`: every row once, a function of the seed, and the score of not learning."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltarule.data import baseline, score, split
from deltarule.errors import DataError

PARTS = st.lists(st.integers(0, 20), min_size=1, max_size=5).filter(any)


@given(n=st.integers(5, 300), weights=PARTS, seed=st.integers(0, 2**32), classes=st.integers(0, 6))
def test_every_row_is_in_exactly_one_part(n, weights, seed, classes):
    fractions = [weight / sum(weights) for weight in weights]
    labels = np.random.default_rng(seed).integers(0, classes, n) if classes else None
    parts = split(n, fractions, seed, stratify=labels)
    assert sorted(np.concatenate(parts)) == list(range(n))
    for part, fraction in zip(parts, fractions, strict=True):
        assert np.all(np.diff(part) > 0)
        assert (len(part) > 0) == (fraction > 0)
        assert abs(len(part) - fraction * n) < len(fractions)


@given(
    counts=st.lists(st.integers(1, 60), min_size=1, max_size=6),
    weights=PARTS,
    seed=st.integers(0, 2**32),
)
def test_every_part_has_its_share_of_every_class(counts, weights, seed):
    labels = np.repeat(np.array(list("abcdef"))[: len(counts)], counts)
    n, fractions = len(labels), [weight / sum(weights) for weight in weights]
    if n < len(fractions):
        return
    first, *rest = split(n, fractions, seed, stratify=labels)
    for part in (first, *rest):
        for label, count in zip("abcdef", counts, strict=False):
            slack = 2 * (1 + len(counts) * count / n)  # two borders, each rounded
            assert abs(np.sum(labels[part] == label) - len(part) / n * count) <= slack


def test_a_rare_class_is_in_the_first_part():
    labels = ["common"] * 99 + ["rare"]
    for seed in range(20):
        train, _, _ = split(100, (0.7, 0.15, 0.15), seed, stratify=labels)
        assert 99 in train


def test_the_parts_are_a_function_of_the_seed():
    assert [part.tolist() for part in split(8, (0.5, 0.25, 0.25), seed=0)] == [
        part.tolist() for part in split(8, (0.5, 0.25, 0.25), seed=0)
    ]
    seen = {tuple(split(50, (0.5, 0.5), seed)[0]) for seed in range(20)}
    assert len(seen) == 20


def test_a_small_table_has_a_row_in_every_part():
    assert [len(part) for part in split(3, (0.9, 0.05, 0.05), 0)] == [1, 1, 1]
    assert [len(part) for part in split(10, (1.0, 0.0), 0)] == [10, 0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((10, (0.5, 0.4), 0), r"fractions are \(0.5, 0.4\), together 0.9; each must be 0 or more"),
        ((10, (1.5, -0.5), 0), r"fractions are \(1.5, -0.5\)"),
        ((10, (), 0), r"fractions are \(\)"),
        ((10, (float("nan"), 1.0), 0), r"fractions are \(nan, 1.0\)"),
        ((1, (0.5, 0.5), 0), r"1 row cannot be split into 2 parts"),
        (
            (4, (0.5, 0.5), 0, ["a"]),
            r"stratify has shape \(1,\); it needs one class for each of 4 rows",
        ),
    ],
)
def test_bad_arguments(arguments, words):
    with pytest.raises(DataError, match=words):
        split(*arguments)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1), st.lists(st.floats(-1e6, 1e6), min_size=1))
def test_the_mean_is_the_best_constant(train, test):
    constant = baseline("regression", train, train)
    assert constant.metric == "RMSE"
    for other in (constant.answer + 1, constant.answer - 1):
        assert score("regression", np.full(len(train), other), train) >= constant.score
    assert baseline("regression", train, test).score == pytest.approx(
        np.sqrt(np.mean((np.array(test) - np.mean(train)) ** 2))
    )


def test_the_most_frequent_class():
    answer = baseline("classification", [2, 0, 2, 1], [2, 2, 1, 0])
    assert (answer.answer, answer.metric, answer.score) == (2, "accuracy", 0.5)


def test_no_rows_and_other_lengths():
    with pytest.raises(DataError, match="0 to train and 1 to test are given"):
        baseline("regression", [], [1.0])
    with pytest.raises(
        DataError, match=r"\(2, 1\) predictions cannot be scored against \(2,\) targets"
    ):
        score("regression", [[1.0], [2.0]], [1.0, 2.0])
