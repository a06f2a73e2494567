"""BM25 over whole cases, by bm25s. Robertson & Zaragoza 2009, with Lucene's idf.

Words meet in their stems and in one spelling (anaemia = anemia); numbers count ("type 2", "B12"), stop words do not.
What was computed is kept as plain arrays, so that a large corpus is not read word by word at every start.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

import bm25s
import numpy as np

from langlearn.clinical import english

_WORD = re.compile(r"[^\W_]+(?:'[a-z]+)?")
_stem = lru_cache(maxsize=200_000)(english.stem)


def words(text: str) -> list[str]:
    """The words by which a text is found, in order."""
    plain = text if text.isascii() else english.fold(text)
    found = _WORD.findall(plain.lower())
    return [_stem(word) for word in found if word not in english.STOP_WORDS and (len(word) > 1 or word.isdigit())]


class Lexical:
    """BM25 scores of a question against every text. `arrays` is all there is to it:
    save it, and make it anew from it."""

    def __init__(self, arrays: dict[str, np.ndarray]):
        self.arrays = arrays
        self.count = int(arrays["count"][0])
        vocabulary = arrays["words"].tobytes().decode("utf-8").split("\n")
        self._index = bm25s.BM25(k1=1.2, b=0.75, method="lucene")
        self._index.vocab_dict = {word: number for number, word in enumerate(vocabulary)}
        self._index.scores = {**{name: arrays[name] for name in ("data", "indices", "indptr")}, "num_docs": self.count}
        self._index.nonoccurrence_array = None

    @classmethod
    def build(cls, texts: Sequence[str]) -> "Lexical":
        index = bm25s.BM25(k1=1.2, b=0.75, method="lucene")
        # bm25s cannot index nothing at all: a text without words holds the empty word, which no question contains
        index.index([words(text) or [""] for text in texts], show_progress=False)
        vocabulary = sorted(index.vocab_dict, key=index.vocab_dict.get)
        return cls(
            {name: np.ascontiguousarray(index.scores[name]) for name in ("data", "indices", "indptr")}
            | {
                "count": np.array([len(texts)]),
                "words": np.frombuffer("\n".join(vocabulary).encode("utf-8"), dtype=np.uint8),
            }
        )

    def scores(self, question: str) -> np.ndarray:
        """(count,) float32; 0 where no word is shared."""
        known = [number for word in words(question) if (number := self._index.vocab_dict.get(word)) is not None]
        return self._index.get_scores_from_ids(known) if known else np.zeros(self.count, dtype=np.float32)
