import math

import numpy as np
import pytest

from langlearn.search.retrieval_metrics import difference, interval, per_question


def test_the_metrics_of_rankings_that_can_be_counted_by_hand():
    rankings = [["a", "b", "c"], ["x", "b", "a", "y"], ["x"] * 10 + ["a"]]
    scores = per_question(rankings, [{"a"}, {"a", "b"}, {"a"}])
    assert scores["recall@1"].tolist() == [1, 0, 0]
    assert scores["recall@5"].tolist() == [1, 1, 0] and scores["recall@10"].tolist() == [1, 1, 0]
    assert scores["MRR"].tolist() == [1, 0.5, 0]
    best = 1 + 1 / math.log2(3)
    assert scores["nDCG@10"].tolist() == pytest.approx([1, (1 / math.log2(3) + 1 / math.log2(4)) / best, 0])


def test_a_perfect_ranking_of_more_than_ten_relevant_scores_one():
    scores = per_question([list(range(30))], [set(range(30))])
    assert [float(values[0]) for values in scores.values()] == pytest.approx([1] * 5)


def test_nothing_found_scores_zero_and_nothing_to_find_is_refused():
    assert per_question([[]], [{"a"}])["nDCG@10"].tolist() == [0]
    with pytest.raises(ValueError, match="without a relevant case"):
        per_question([["a"]], [set()])


def test_the_interval_holds_the_mean_and_narrows_with_more_questions():
    values = np.random.default_rng(0).random(1000)
    few, many = interval(values[:50]), interval(values)
    assert few.low < few.mean < few.high and many.high - many.low < 0.4 * (few.high - few.low)
    # the normal approximation, as a second opinion
    assert many.high - many.low == pytest.approx(2 * 1.96 * values.std() / math.sqrt(1000), rel=0.1)
    assert interval(values) == many


def test_a_difference_is_measured_on_the_same_questions():
    values = np.random.default_rng(0).random(200)
    better = difference(values + 0.01, values)
    assert better.low == pytest.approx(0.01) and str(better) == "0.010 (0.010-0.010)"
