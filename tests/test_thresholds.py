import numpy as np

from langlearn.search.thresholds import OUT_OF_SCOPE, calibrate


def test_a_gap_is_cut_in_its_middle_without_errors():
    found = calibrate([0.6, 0.7, 0.8, 0.9, 0.65], [0.1, 0.2, 0.3, 0.15, 0.05])
    assert found.value == 0.45 and found.false_answer == found.false_refusal == 0
    assert (found.in_scope, found.out_of_scope) == (5, 5)


def test_overlap_balances_both_errors():
    chance = np.random.default_rng(0)
    found = calibrate(chance.normal(0.6, 0.1, 500), chance.normal(0.3, 0.1, 60))
    assert 0.4 < found.value < 0.5 and found.false_answer < 0.15 and found.false_refusal < 0.15


def test_the_rates_come_from_questions_that_did_not_choose():
    # drawn from one source: no threshold is any good, though on its own questions each looks better than chance
    chance = np.random.default_rng(0)
    found = [calibrate(chance.random(40), chance.random(40)) for _ in range(40)]
    assert np.mean([each.false_answer + each.false_refusal for each in found]) > 0.97


def test_without_questions_in_scope_nothing_of_the_list_is_answered():
    assert calibrate([], [0.1, 0.3]).value > 0.3


def test_the_list_is_varied_and_without_repeats():
    assert len(set(OUT_OF_SCOPE)) == len(OUT_OF_SCOPE) >= 40
