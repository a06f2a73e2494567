from types import SimpleNamespace

import faiss
import numpy as np
import pytest
import torch

from langlearn.search import vector_search
from langlearn.search.vector_search import FEWEST_CANDIDATES, VectorSearch, recall_at_10, train


def scattered(count: int, seed: int, dimension: int = 24, centres: int = 100) -> np.ndarray:
    middle = np.random.default_rng(0).standard_normal((centres, dimension))
    chance = np.random.default_rng(seed)
    vectors = middle[chance.integers(0, centres, count)] + 0.5 * chance.standard_normal((count, dimension))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def vectors():
    return scattered(6000, seed=1)


@pytest.fixture(scope="module")
def trained(vectors):
    return train(vectors, exact_below=5000)


def test_a_small_index_is_exact(vectors):
    questions = scattered(50, seed=2)
    scores, rows = VectorSearch(vectors).search(questions, 10)
    assert train(vectors) == ({"kind": "exact"}, {})
    assert np.array_equal(rows, np.argsort(-(questions @ vectors.T), axis=1, kind="stable")[:, :10])
    assert np.allclose(scores, np.take_along_axis(questions @ vectors.T, rows, axis=1), atol=1e-5)


def test_a_large_index_is_approximate_and_its_measured_recall_holds_for_questions_it_never_saw(vectors, trained):
    plan, arrays = trained
    questions = scattered(200, seed=3)
    truth = faiss.knn(questions, vectors, 10, faiss.METRIC_INNER_PRODUCT)[1]
    assert plan["kind"] == "pq-4bit" and plan["candidates"] < len(vectors) / 2 and plan["recall@10"] >= 0.95
    assert arrays["codebooks"].shape == (3, 16, 8)
    assert recall_at_10(VectorSearch(vectors, plan, arrays).search(questions, 10)[1], truth) >= 0.93


def test_an_approximate_search_still_gives_exact_similarities_best_first(vectors, trained):
    questions = scattered(20, seed=4)
    scores, rows = VectorSearch(vectors, *trained).search(questions, 10)
    assert np.allclose(scores, np.einsum("qd,qkd->qk", questions, vectors[rows]), atol=1e-5)
    assert (np.diff(scores, axis=1) <= 0).all()


def test_the_same_arrays_make_the_same_search_each_time(vectors, trained):
    questions = scattered(50, seed=5)
    once, again = (VectorSearch(vectors, *trained).search(questions, 10)[1] for _ in range(2))
    assert np.array_equal(once, again)


@pytest.mark.parametrize("dimension", [15, 16, 20])
def test_more_candidates_are_scored_until_the_recall_is_there(dimension):
    # without clusters all are about as near as the nearest, so that few candidates are not enough
    chance = np.random.default_rng(0).standard_normal((4000, dimension)).astype(np.float32)
    chance /= np.linalg.norm(chance, axis=1, keepdims=True)
    plan, arrays = train(chance, exact_below=1000)
    assert plan["recall@10"] >= 0.95 and len(arrays["codebooks"]) * arrays["codebooks"].shape[2] == dimension
    if dimension == 16:
        assert plan["candidates"] > FEWEST_CANDIDATES


def test_asking_for_more_than_there_is_gives_all_there_is(vectors):
    assert VectorSearch(vectors[:3]).search(vectors[:1], 10)[1].shape == (1, 3)


@pytest.mark.parametrize("capability, moved", [((6, 1), []), ((7, 5), [1])])
def test_the_index_moves_to_the_gpu_of_its_own_rank_where_faiss_has_kernels_for_it(
    vectors, monkeypatch, capability, moved
):
    asked = []
    monkeypatch.setattr(vector_search, "own_device", lambda: torch.device("cuda", 1))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 2)
    resources = SimpleNamespace(setTempMemory=lambda size: None)
    monkeypatch.setattr(faiss, "StandardGpuResources", lambda: resources, raising=False)
    monkeypatch.setattr(
        faiss, "index_cpu_to_gpu", lambda given, number, index: asked.append(number) or index, raising=False
    )
    made = VectorSearch(vectors)
    assert asked == moved and made.on_gpu is bool(moved)
    assert len(made.search(vectors[:2], 3)[1]) == 2
