"""Nearest unit vectors by inner product: exact below 100,000, an inverted file from there on.

The inverted file (IVF) looks only into the `nprobe` lists whose centroids are nearest to the question, at 8 bits a number; its
candidates are then scored exactly. nprobe is raised until recall@10, measured against exact search, is good enough.
What was trained is two plain arrays from which the structure is rebuilt at load: `faiss.read_index` is unsafe on a
file that somebody else may have written.
"""

import math

import faiss
import numpy as np

EXACT_BELOW = 100_000
RECALL_WANTED = 0.95
_SAMPLE = 300
_MORE = 40  # candidates beyond k that are scored exactly
_GPU_MOST = 2048  # neighbours that FAISS can return from a GPU


class VectorSearch:
    """FAISS over `vectors`, (n, d) float32 unit rows. `plan` and `arrays` come from `train`; without them it is exact."""

    def __init__(self, vectors: np.ndarray, plan: dict | None = None, arrays: dict[str, np.ndarray] | None = None):
        self.vectors = vectors
        self.exact = not arrays
        on_cpu = _flat(vectors) if self.exact else _inverted_file(vectors, arrays, plan["nprobe"])
        self._faiss, self.on_gpu = _on_gpu(on_cpu)

    def search(self, questions: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """(similarities, rows), both (q, at most k), best first; row -1 where fewer were found."""
        questions = np.ascontiguousarray(questions, dtype=np.float32)
        k = min(k, len(self.vectors))
        wanted = k if self.exact else min(k + _MORE, len(self.vectors))
        scores, rows = self._faiss.search(questions, min(wanted, _GPU_MOST) if self.on_gpu else wanted)
        return (scores, rows) if self.exact else self._scored_exactly(questions, rows, k)

    def probe_more(self, nprobe: int) -> None:
        """Look into so many lists from now on: slower and closer to exact."""
        self._faiss.nprobe = nprobe

    def _scored_exactly(self, questions: np.ndarray, rows: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        scores = np.einsum("qd,qkd->qk", questions, self.vectors[np.maximum(rows, 0)])
        scores[rows < 0] = -1.0
        best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(scores, best, axis=1), np.take_along_axis(rows, best, axis=1)


def train(vectors: np.ndarray, seed: int = 0, exact_below: int = EXACT_BELOW) -> tuple[dict, dict[str, np.ndarray]]:
    """(plan, arrays) for `VectorSearch`: exact below `exact_below` rows, else an inverted file with its measured recall.

    arrays: "centroids" (lists, d) float32 and "lists" (n,) int64, the list that each vector is in; empty if exact.
    """
    n, d = vectors.shape
    if n < exact_below:
        return {"kind": "exact"}, {}
    chance = np.random.default_rng(seed)
    lists = 2 ** round(math.log2(2 * math.sqrt(n)))
    sample = vectors[np.sort(chance.choice(n, min(n, 40 * lists), replace=False))]
    kmeans = faiss.Kmeans(d, lists, niter=10, seed=seed, spherical=True)
    kmeans.train(np.ascontiguousarray(sample))
    centroids = np.ascontiguousarray(kmeans.centroids)
    arrays = {"centroids": centroids, "lists": _nearest(vectors, centroids, 1)[:, 0]}
    return _measured(vectors, arrays, chance), arrays


def recall_at_10(found: np.ndarray, truth: np.ndarray) -> float:
    """Mean share of the true first ten, (q, 10), that is among the found, (q, any)."""
    return float(np.mean([np.isin(t[:10], f).mean() for f, t in zip(found, truth)]))


def _measured(vectors: np.ndarray, arrays: dict[str, np.ndarray], chance: np.random.Generator) -> dict:
    """The plan with the smallest nprobe that reaches RECALL_WANTED on vectors that look for their neighbours."""
    lists = len(arrays["centroids"])
    asked = np.sort(chance.choice(len(vectors), min(len(vectors), _SAMPLE), replace=False))
    questions = np.ascontiguousarray(vectors[asked])
    # A vector always finds itself, so it must not count: of eleven, the ten others.
    truth = _others(_nearest(questions, vectors, 11), asked)
    nprobe = min(4, lists)
    search = VectorSearch(vectors, {"nprobe": nprobe}, arrays)
    while True:
        recall = recall_at_10(search.search(questions, 11)[1], truth)
        if recall >= RECALL_WANTED or nprobe == lists:
            return {"kind": "ivf-sq8", "lists": lists, "nprobe": nprobe, "recall@10": round(recall, 4)}
        nprobe = min(2 * nprobe, lists)
        search.probe_more(nprobe)


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


def _inverted_file(vectors: np.ndarray, arrays: dict[str, np.ndarray], nprobe: int) -> faiss.Index:
    d, centroids = vectors.shape[1], np.ascontiguousarray(arrays["centroids"])
    quantizer = faiss.IndexFlatIP(d)
    quantizer.add(centroids)
    index = faiss.IndexIVFScalarQuantizer(
        quantizer, d, len(centroids), faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
    )
    # With its centroids in place only the 8-bit ranges are trained, on the same vectors each time, so alike each time.
    index.train(np.ascontiguousarray(vectors[:: max(1, len(vectors) // 65536)]))
    for start in range(0, len(vectors), 65536):
        part = np.ascontiguousarray(vectors[start : start + 65536])
        ids = np.arange(start, start + len(part), dtype=np.int64)
        lists = np.ascontiguousarray(arrays["lists"][start : start + 65536], dtype=np.int64)
        index.add_core(len(part), faiss.swig_ptr(part), faiss.swig_ptr(ids), faiss.swig_ptr(lists))
    index.nprobe = nprobe
    return index


def _on_gpu(index: faiss.Index) -> tuple[faiss.Index, bool]:
    """The index on the first GPU where this FAISS has one and it fits, else as it is; and whether it moved."""
    if not hasattr(faiss, "StandardGpuResources") or not faiss.get_num_gpus():
        return index, False
    try:
        return faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), 0, index), True
    except RuntimeError:  # the model fills the card; a search on the CPU takes milliseconds
        return index, False
