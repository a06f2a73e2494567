"""Vectors by text, so that no text is embedded twice: neither within one build nor from one build to the next."""

import hashlib
from collections.abc import Callable, Sequence

import numpy as np

from langlearn.embedding import Embedder

KEY_BYTES = 16


class KnownVectors:
    """Embeds what it has not seen. The key of a vector is a hash of exactly what the model read,
    its prefix included."""

    def __init__(self, embedder: Embedder, progress: Callable[[str, int, int], None] | None = None):
        self.embedder = embedder
        self.embedded = 0
        """Texts that were new."""
        self._progress = progress or (lambda *_: None)
        self._known: dict[bytes, np.ndarray] = {}

    def take(self, keys: np.ndarray, vectors: np.ndarray) -> None:
        """Learn `vectors` (n, dimension) by their `keys` (n, KEY_BYTES) uint8, as `keys_of` made them."""
        self._known |= zip(map(bytes, keys), vectors)

    def of_documents(self, texts: Sequence[str]) -> np.ndarray:
        """(len(texts), dimension) float32."""
        return self._of(texts, self.embedder.document_prefix, self.embedder.encode, "embedding")

    def of_questions(self, texts: Sequence[str]) -> np.ndarray:
        """(len(texts), dimension) float32."""
        return self._of(texts, self.embedder.query_prefix, self.embedder.encode_questions, "embedding questions")

    def unknown(self, documents: Sequence[str], questions: Sequence[str]) -> list[str]:
        """Of these texts, each once, what would be embedded."""
        texts, keys = [*documents, *questions], map(bytes, self.keys_of(documents, questions))
        return list({key: text for key, text in zip(keys, texts) if key not in self._known}.values())

    def keys_of(self, documents: Sequence[str], questions: Sequence[str]) -> np.ndarray:
        """(documents + questions, KEY_BYTES) uint8."""
        keys = [_key(self.embedder.document_prefix, text) for text in documents]
        keys += [_key(self.embedder.query_prefix, text) for text in questions]
        return np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(-1, KEY_BYTES)

    def _of(self, texts: Sequence[str], prefix: str, encode: Callable, what: str) -> np.ndarray:
        keys = [_key(prefix, text) for text in texts]
        new = {key: text for key, text in zip(keys, texts) if key not in self._known}
        if new:
            made = encode(list(new.values()), lambda done, total: self._progress(what, done, total))
            self._known |= zip(new, made)
            self.embedded += len(new)
        vectors = np.empty((len(keys), self.embedder.dimension), dtype=np.float32)
        for row, key in enumerate(keys):
            vectors[row] = self._known[key]
        return vectors


def _key(prefix: str, text: str) -> bytes:
    return hashlib.sha256((prefix + text).encode("utf-8")).digest()[:KEY_BYTES]
