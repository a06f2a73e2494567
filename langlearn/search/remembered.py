"""Vectors of texts that every run needs again, kept beside the index: the prompts that are trained on, their answers.

    known-questions.safetensors   known-documents.safetensors      keys, vectors; whose they are, and their own hash

Each holds what was asked for last, and no text. Only a cache: what is missing, damaged or another embedder's is
embedded again.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from filelock import FileLock
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from langlearn.embedding import Embedder
from langlearn.search.known_vectors import KEY_BYTES, KnownVectors

Kind = Literal["questions", "documents"]


def remembered(
    texts: Sequence[str], folder: Path, kind: Kind, embedder: Embedder, stored: tuple[np.ndarray, np.ndarray],
    progress: Callable[[str, int, int], None] | None = None,
) -> np.ndarray:  # fmt: skip
    """(len(texts), dimension) float32. Computed is only what neither the index `stored` nor the last call kept in
    `folder`; then all of them are kept."""
    known = KnownVectors(embedder, progress)
    known.take(*stored)
    known.take(*kept(folder, kind, embedder))
    vectors = known.of_questions(texts) if kind == "questions" else known.of_documents(texts)
    if known.embedded:
        keys = known.keys_of((), texts) if kind == "questions" else known.keys_of(texts, ())
        with contextlib.suppress(OSError, SafetensorError):  # a full disk costs time at the next run, and nothing now
            _write(_path(folder, kind), embedder, keys, vectors)
    return vectors


def kept(folder: Path, kind: Kind, embedder: Embedder) -> tuple[np.ndarray, np.ndarray]:
    """(keys, vectors) of the last call; none where they cannot be used."""
    try:
        with safe_open(_path(folder, kind), framework="np") as file:
            keys, vectors = (file.get_tensor(name) for name in ("keys", "vectors"))
            if file.metadata() == _signed(embedder, keys, vectors):
                return keys, vectors
    except (SafetensorError, OSError):
        pass
    return np.empty((0, KEY_BYTES), np.uint8), np.empty((0, embedder.dimension), np.float32)


def _path(folder: Path, kind: Kind) -> Path:
    return folder / f"known-{kind}.safetensors"


def _write(path: Path, embedder: Embedder, keys: np.ndarray, vectors: np.ndarray) -> None:
    beside = path.with_name(path.name + ".partial")
    with FileLock(path.parent / ".lock"):
        save_file({"keys": keys, "vectors": vectors}, beside, metadata=_signed(embedder, keys, vectors))
        os.replace(beside, path)


def _signed(embedder: Embedder, keys: np.ndarray, vectors: np.ndarray) -> dict[str, str]:
    """Whose vectors these are, and a hash over both arrays."""
    whole = hashlib.sha256(np.ascontiguousarray(keys))
    whole.update(np.ascontiguousarray(vectors))
    return {"embedder": json.dumps(embedder.identity(), sort_keys=True), "sha256": whole.hexdigest()}
