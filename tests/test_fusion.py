import numpy as np
import pytest

from langlearn.search.candidates import Pool
from langlearn.search.fusion import Fusion, fit, reciprocal_rank


def pools(dense_knows: float, words_know: float, count: int = 60, seed: int = 0) -> tuple[list[Pool], list[set[int]]]:
    """Questions with ten candidates each, of which number 7 is right; both scores are noise plus what they know."""
    chance = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        scores = chance.standard_normal((3, 10)).astype(np.float32)
        scores[0, 7] += dense_knows
        scores[2, 7] += words_know
        made.append(Pool(np.arange(10), scores[0], scores[0], np.maximum(scores[2], 0)))
    return made, [{7}] * count


def test_what_only_meaning_finds_is_searched_by_meaning():
    fitted = fit(*pools(dense_knows=3, words_know=0), drawn="made")
    assert fitted.fusion().weight >= 0.8 and fitted.ndcg["dense"] > fitted.ndcg["bm25"] + 0.2


def test_what_only_words_find_is_searched_by_words():
    fitted = fit(*pools(dense_knows=0, words_know=3), drawn="made")
    assert fitted.fusion().weight <= 0.2 and fitted.ndcg["bm25"] > fitted.ndcg["dense"] + 0.2


def test_where_both_know_a_part_the_hybrid_beats_both_and_equal_ranks():
    fitted = fit(*pools(dense_knows=2, words_know=1.2, count=300), drawn="made")
    assert fitted.mode == "hybrid"
    assert fitted.ndcg["hybrid"] > max(fitted.ndcg["dense"], fitted.ndcg["bm25"], fitted.ndcg["rrf"])


@pytest.mark.parametrize("seed", range(8))
def test_the_chosen_mode_never_scores_below_the_better_part_on_its_questions(seed):
    chance = np.random.default_rng(seed)
    fitted = fit(*pools(*(3 * chance.random(2)), count=40, seed=seed), drawn="made")
    assert fitted.ndcg[fitted.mode] >= max(fitted.ndcg["dense"], fitted.ndcg["bm25"])


def test_the_score_of_the_hybrid_comes_from_questions_that_did_not_choose_its_weight():
    noise, relevant = pools(0, 0, count=30, seed=1)
    fitted = fit(noise, relevant, drawn="made")
    ranked = [pool.cases[np.argsort(-fitted.fusion("hybrid").scores(pool))] for pool in noise]
    on_its_own_choice = np.mean([1 / np.log2(2 + list(order).index(7)) for order in ranked])
    assert fitted.ndcg["hybrid"] < on_its_own_choice - 0.01


def test_with_too_few_questions_nothing_is_fitted_and_that_is_said():
    fitted = fit(*pools(3, 0, count=5), drawn="made")
    assert (
        (fitted.mode, fitted.weight, fitted.ndcg) == ("hybrid", 0.5, None)
        and "too few questions (5)" in fitted.drawn
    )


def test_a_mode_that_is_asked_for_is_used_whatever_was_fitted():
    fitted = fit(*pools(3, 0), drawn="made")
    assert fitted.fusion("bm25").weight == 0 and fitted.fusion("dense").weight == 1
    assert fitted.fusion("hybrid").weight == fitted.weight


@pytest.mark.parametrize("scale", ["range", "best", "spread"])
def test_a_scale_takes_out_the_size_of_the_scores(scale):
    pool = pools(1, 1, count=1)[0][0]
    larger = Pool(pool.cases, pool.dense, pool.opening, 40 * pool.lexical)
    fusion = Fusion(0.5, scale)
    assert np.allclose(fusion.scores(pool), fusion.scores(larger), atol=1e-4)


@pytest.mark.parametrize("scale", ["range", "best", "spread"])
def test_candidates_without_a_shared_word_are_ranked_by_meaning(scale):
    pool = Pool(np.arange(3), np.float32([0.1, 0.9, 0.5]), np.float32([0.1, 0.9, 0.5]), np.zeros(3, np.float32))
    assert np.argsort(-Fusion(0.5, scale).scores(pool)).tolist() == [1, 2, 0]


def test_the_beginning_of_a_case_counts_where_the_fit_says_so():
    pool = Pool(np.arange(2), np.float32([0.6, 0.5]), np.float32([0.0, 0.5]), np.zeros(2, np.float32))
    assert Fusion(1.0).scores(pool).argmax() == 0 and Fusion(1.0, opening=0.5).scores(pool).argmax() == 1


def test_no_candidates_are_no_error():
    empty = np.zeros(0, np.float32)
    assert len(Fusion(0.5).scores(Pool(np.zeros(0, np.int64), empty, empty, empty))) == 0


def test_reciprocal_rank_fusion_gives_every_first_place_the_same():
    pool = Pool(np.arange(3), np.float32([0.9, 0.8, 0.1]), np.zeros(3, np.float32), np.float32([1, 9, 0]))
    assert np.allclose(reciprocal_rank(pool), [1 / 61 + 1 / 62, 1 / 61 + 1 / 62, 2 / 63])
