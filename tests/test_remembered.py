"""Vectors that every run needs again are computed once, and only as long as they are what would be computed."""

import numpy as np
import pytest
from safetensors.numpy import load_file
from tiny_embedder import save_embedder

from langlearn.embedding import Embedder
from langlearn.search.known_vectors import KnownVectors
from langlearn.search.remembered import remembered

TEXTS = ["A cough for a week.", "A twisted ankle.", "A cough for a week.", "Fever at night."]
NOTHING = np.empty((0, 16), np.uint8), np.empty((0, 32), np.float32)


class Counted:
    """An embedder, and what it was asked to embed."""

    def __init__(self, embedder):
        self.embedder, self.seen = embedder, []

    def __getattr__(self, name):
        return getattr(self.embedder, name)

    def encode(self, texts, progress=None):
        self.seen += texts
        return self.embedder.encode(texts, progress)

    def encode_questions(self, texts, progress=None):
        self.seen += texts
        return self.embedder.encode_questions(texts, progress)


@pytest.fixture(scope="module")
def embedders(tmp_path_factory):
    folder, prefixes = tmp_path_factory.mktemp("embedders"), {"query": "find: ", "document": "text: "}
    return [Embedder(str(save_embedder(folder / str(seed), seed, prompts=prefixes)), "cpu") for seed in (0, 1)]


@pytest.fixture
def one(embedders):
    return Counted(embedders[0])


@pytest.mark.parametrize("kind", ["questions", "documents"])
def test_a_text_is_embedded_once_as_what_it_is(one, tmp_path, kind):
    made = remembered(TEXTS, tmp_path, kind, one, NOTHING)
    encode = one.embedder.encode_questions if kind == "questions" else one.embedder.encode
    assert np.allclose(made, encode(TEXTS), atol=1e-6) and len(one.seen) == 3
    again = remembered([*TEXTS[::-1], "A rash."], tmp_path, kind, one, NOTHING)
    assert one.seen[3:] == ["A rash."] and np.array_equal(again[:4], made[::-1])
    other = "documents" if kind == "questions" else "questions"
    assert not np.allclose(remembered(TEXTS, tmp_path, other, one, NOTHING), made, atol=1e-2)


def test_what_the_index_holds_is_not_embedded(one, tmp_path):
    known = KnownVectors(one.embedder)
    stored = known.keys_of((), TEXTS[:2]), known.of_questions(TEXTS[:2])
    remembered(TEXTS, tmp_path, "questions", one, stored)
    assert one.seen == ["Fever at night."]


def test_only_what_was_asked_for_last_is_kept_and_no_text(one, tmp_path):
    remembered(TEXTS, tmp_path, "documents", one, NOTHING)
    remembered(TEXTS[1:2] + ["A rash."], tmp_path, "documents", one, NOTHING)
    [path] = (p for p in tmp_path.iterdir() if p.suffix == ".safetensors")
    assert load_file(path)["vectors"].shape == (2, 32)
    assert b"ankle" not in path.read_bytes() and b"rash" not in path.read_bytes()
    before = path.stat().st_mtime_ns
    remembered(["A rash."], tmp_path, "documents", one, NOTHING)
    assert path.stat().st_mtime_ns == before


def test_another_embedders_vectors_are_not_taken(one, embedders, tmp_path):
    remembered(TEXTS, tmp_path, "documents", one, NOTHING)
    made = remembered(TEXTS, tmp_path, "documents", embedders[1], NOTHING)
    assert np.allclose(made, embedders[1].encode(TEXTS), atol=1e-6)


@pytest.mark.parametrize("damage", ["cut", "changed", "emptied"])
def test_damaged_vectors_are_made_again(one, tmp_path, damage):
    made = remembered(TEXTS, tmp_path, "documents", one, NOTHING)
    path = tmp_path / "known-documents.safetensors"
    content = bytearray(path.read_bytes())
    content[-3] ^= 64
    path.write_bytes({"cut": content[:-40], "changed": content, "emptied": b""}[damage])
    assert np.allclose(remembered(TEXTS, tmp_path, "documents", one, NOTHING), made, atol=1e-6) and len(one.seen) == 6
    remembered(TEXTS, tmp_path, "documents", one, NOTHING)
    assert len(one.seen) == 6


def test_a_folder_that_cannot_be_written_costs_time_alone(one, tmp_path):
    (tmp_path / "file").touch()
    made = remembered(TEXTS, tmp_path / "file", "documents", one, NOTHING)
    assert np.allclose(made, one.embedder.encode(TEXTS), atol=1e-6)
