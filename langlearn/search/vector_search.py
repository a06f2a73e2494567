"""Nearest unit vectors by inner product: exact below 100,000, from codes of 4 bits from there on.

Product quantisation (Jégou et al. 2011): each eight numbers of a vector become one of 16 codes, 24 bytes for 384
numbers. All codes are compared, by look-up tables that stay in the processor's registers (André et al. 2015), and the
best candidates are scored exactly. There are as many candidates as recall@10 needs, measured against exact search. On
a million vectors this was faster than an inverted file, trained in seconds instead of minutes, and found what a graph
(HNSW) did not. What was trained is one plain array from which the structure is rebuilt at load: `faiss.read_index` is
unsafe on a file that somebody else may have written.
"""

import faiss
import numpy as np
import torch

from langlearn.machine import own_device

EXACT_BELOW = 100_000
RECALL_WANTED = 0.95
FEWEST_CANDIDATES = 50
_SAMPLE = 300
_MOST_TO_TRAIN = 65_536
_GPU_MOST = 2048  # neighbours that FAISS can return from a GPU
_GPU_OLDEST = (7, 0)  # compute capability that its wheels have kernels for
_GPU_SCRATCH = 64 << 20  # bytes; it would take a gigabyte and a half from the model


class VectorSearch:
    """FAISS over `vectors`, (n, d) float32 unit rows. `plan` and `arrays` come from `train`;
    without them it is exact."""

    def __init__(self, vectors: np.ndarray, plan: dict | None = None, arrays: dict[str, np.ndarray] | None = None):
        self.vectors = vectors
        self.candidates = plan["candidates"] if arrays else 0
        """How many are scored exactly for ten that are wanted; 0: the search is exact itself."""
        self._faiss, self.on_gpu = (_coded(vectors, arrays["codebooks"]), False) if arrays else _on_gpu(_flat(vectors))

    def search(self, questions: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """(similarities, rows), both (q, at most k), best first; row -1 where fewer were found."""
        questions = np.ascontiguousarray(questions, dtype=np.float32)
        k = min(k, len(self.vectors))
        if not self.candidates:
            return self._faiss.search(questions, min(k, _GPU_MOST) if self.on_gpu else k)
        rows = self._faiss.search(questions, min(self.candidates + 3 * k, len(self.vectors)))[1]
        return self._scored_exactly(questions, rows, k)

    def _scored_exactly(self, questions: np.ndarray, rows: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        scores = np.einsum("qd,qkd->qk", questions, self.vectors[np.maximum(rows, 0)])
        scores[rows < 0] = -1.0
        best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(scores, best, axis=1), np.take_along_axis(rows, best, axis=1)


def train(vectors: np.ndarray, seed: int = 0, exact_below: int = EXACT_BELOW) -> tuple[dict, dict[str, np.ndarray]]:
    """(plan, arrays) for `VectorSearch`: exact below `exact_below` rows, else coded, with its measured recall.

    arrays: "codebooks" (d / numbers a code, 16, numbers a code) float32; empty if exact.
    """
    n, d = vectors.shape
    if n < exact_below:
        return {"kind": "exact"}, {}
    chance = np.random.default_rng(seed)
    numbers = next(each for each in (8, 4, 2, 1) if d % each == 0)
    index = faiss.IndexPQFastScan(d, d // numbers, 4, faiss.METRIC_INNER_PRODUCT)
    index.train(np.ascontiguousarray(vectors[np.sort(chance.choice(n, min(n, _MOST_TO_TRAIN), replace=False))]))
    arrays = {"codebooks": faiss.vector_to_array(index.pq.centroids).reshape(d // numbers, 16, numbers)}
    return _measured(vectors, arrays, chance), arrays


def recall_at_10(found: np.ndarray, truth: np.ndarray) -> float:
    """Mean share of the true first ten, (q, 10), that is among the found, (q, any)."""
    return float(np.mean([np.isin(t[:10], f).mean() for f, t in zip(found, truth)]))


def _measured(vectors: np.ndarray, arrays: dict[str, np.ndarray], chance: np.random.Generator) -> dict:
    """The plan with the fewest candidates that reach RECALL_WANTED on vectors that look for their neighbours."""
    asked = np.sort(chance.choice(len(vectors), min(len(vectors), _SAMPLE), replace=False))
    questions = np.ascontiguousarray(vectors[asked])
    # A vector always finds itself, so it must not count: of eleven, the ten others.
    truth = _others(_nearest(questions, vectors, 11), asked)
    search = VectorSearch(vectors, {"candidates": FEWEST_CANDIDATES}, arrays)
    while True:
        recall = recall_at_10(search.search(questions, 11)[1], truth)
        if recall >= RECALL_WANTED or search.candidates >= len(vectors):
            return {"kind": "pq-4bit", "candidates": search.candidates, "recall@10": round(recall, 4)}
        search.candidates *= 2


def _others(rows: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Each row of neighbours without the one that asked, ten long."""
    return np.stack([found[found != own][:10] for found, own in zip(rows, asked)])


def _nearest(questions: np.ndarray, vectors: np.ndarray, k: int) -> np.ndarray:
    """Rows of the k nearest vectors, exactly; in blocks, so that a mapped file need not fit in memory twice."""
    size = 65536
    blocks = [questions[start : start + size] for start in range(0, len(questions), size)]
    found = [faiss.knn(np.ascontiguousarray(b), vectors, k, faiss.METRIC_INNER_PRODUCT)[1] for b in blocks]
    return np.concatenate(found)


def _flat(vectors: np.ndarray) -> faiss.Index:
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(np.ascontiguousarray(vectors))
    return index


def _coded(vectors: np.ndarray, codebooks: np.ndarray) -> faiss.Index:
    index = faiss.IndexPQFastScan(vectors.shape[1], len(codebooks), 4, faiss.METRIC_INNER_PRODUCT)
    faiss.copy_array_to_vector(np.ascontiguousarray(codebooks, dtype=np.float32).ravel(), index.pq.centroids)
    index.is_trained = True
    for start in range(0, len(vectors), 65536):
        index.add(np.ascontiguousarray(vectors[start : start + 65536]))
    return index


def _on_gpu(index: faiss.Index) -> tuple[faiss.Index, bool]:
    """The index on this process's GPU where FAISS has kernels for it and it fits, else as it is; and whether it moved.
    For an older GPU there are none, and FAISS would not raise an error, but end the process."""
    device = own_device()
    if device.type != "cuda" or not hasattr(faiss, "StandardGpuResources") or not faiss.get_num_gpus():
        return index, False
    if torch.cuda.get_device_capability(device) < _GPU_OLDEST:
        return index, False
    try:
        resources = faiss.StandardGpuResources()
        resources.setTempMemory(_GPU_SCRATCH)
        return faiss.index_cpu_to_gpu(resources, device.index, index), True
    except RuntimeError:  # the model fills the card; a search on the CPU takes milliseconds
        return index, False
