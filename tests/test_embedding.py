import numpy as np
import pytest
import torch
from tiny_embedder import save_embedder

from langlearn.embedding import PROBES, Embedder

TEXTS = [
    "ankle pain after a fall",
    "fever",
    "a cough that has lasted for three weeks, with weight loss and night sweats",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_embedder(tmp_path_factory.mktemp("embedder") / "one")


@pytest.fixture(scope="module")
def embedder(folder):
    return Embedder(str(folder), device="cpu", batch_size=2)


def test_every_text_becomes_one_unit_vector_in_fp32_in_its_place(embedder):
    vectors = embedder.encode(TEXTS)
    assert vectors.shape == (3, embedder.dimension) and vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert np.allclose(vectors, np.concatenate([embedder.encode([text]) for text in TEXTS]), atol=1e-5)


def test_nothing_to_embed_is_no_error(embedder):
    assert embedder.encode([]).shape == (0, embedder.dimension)
    assert embedder.count_tokens([]) == []


def test_progress_ends_at_the_number_of_texts(embedder):
    seen = []
    embedder.encode(TEXTS, lambda done, total: seen.append((done, total)))
    assert seen == [(2, 3), (3, 3)]


def test_a_batch_that_memory_does_not_hold_is_halved(embedder, monkeypatch):
    expected, real, sizes = embedder.encode(TEXTS * 3), embedder.model.encode, []

    def scarce(texts, **settings):
        sizes.append(len(texts))
        if len(texts) > 2:
            raise torch.OutOfMemoryError("no room")
        return real(texts, **settings)

    monkeypatch.setattr(embedder.model, "encode", scarce)
    monkeypatch.setattr(embedder, "batch_size", 8)
    assert np.allclose(embedder.encode(TEXTS * 3), expected, atol=1e-6) and sizes == [8, 4, 2, 2, 2, 2, 1]


def test_a_cpu_embeds_few_at_once(embedder, monkeypatch):
    sizes, real = [], embedder.model.encode
    monkeypatch.setattr(embedder.model, "encode", lambda texts, **how: sizes.append(len(texts)) or real(texts, **how))
    monkeypatch.setattr(embedder, "batch_size", 64)
    embedder.encode(["fever"] * 40)
    assert sizes == [16, 16, 8]


def test_tokens_are_counted_beyond_the_window(embedder):
    short, long = embedder.count_tokens(["fever", "fever " * 100])
    assert (short, long) == (3, 102) and embedder.max_tokens == 32


def test_a_question_gets_the_prefix_that_the_model_asks_for_and_a_case_does_not(tmp_path):
    prefix = "Represent this question: "
    embedder = Embedder(str(save_embedder(tmp_path / "prefixed", prompts={"query": prefix})), device="cpu")
    assert embedder.query_prefix == prefix and embedder.document_prefix == ""
    assert np.allclose(embedder.encode_questions(TEXTS), embedder.encode([prefix + text for text in TEXTS]), atol=1e-5)
    assert not np.allclose(embedder.encode_questions(TEXTS), embedder.encode(TEXTS), atol=1e-2)


def test_two_embedders_of_one_dimension_are_told_apart(embedder, folder, tmp_path):
    other = Embedder(str(save_embedder(tmp_path / "other", seed=1)), device="cpu")
    again = Embedder(str(folder), device="cpu")
    assert other.dimension == embedder.dimension
    assert other.identity()["hash"] != embedder.identity()["hash"] and again.identity() == embedder.identity()
    assert np.einsum("pd,pd->p", embedder.probe(), again.probe()).min() > 0.9999
    assert np.einsum("pd,pd->p", embedder.probe(), other.probe()).max() < 0.999


def test_the_built_in_embedder_reads_256_tokens_into_384_numbers_and_knows_what_is_alike():
    embedder = Embedder("all-MiniLM-L6-v2", device="cpu")
    assert (embedder.max_tokens, embedder.dimension, embedder.probe().shape) == (256, 384, (len(PROBES), 384))
    ankle, sprain, tax = embedder.encode(["twisted ankle", "sprain of the ankle", "tax return"])
    assert ankle @ sprain > 0.7 > 0.3 > ankle @ tax
