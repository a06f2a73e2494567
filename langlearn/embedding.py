"""Text to unit vectors, with everything needed to tell one embedder from another.

Two embedders may share a dimension (MiniLM, bge-small and MedEmbed are all 384-d), so an identity holds the hash of the
weights, pooling, prefixes and window, and `probe()` embeds fixed sentences: an index compares both.
"""

import warnings
from collections.abc import Callable, Sequence

import numpy as np

from langlearn import assets
from langlearn.halving import in_batches
from langlearn.products import hasten

MOST_ON_A_CPU = 16  # texts at once: 64 take a sixth longer, and 0.3 GiB more
PROBES = (
    "A 25-year-old woman has lateral ankle pain and swelling after a fall.",
    "What is the first treatment for anaphylaxis?",
    "chronic kidney disease",
)


class Embedder:
    """A sentence-transformers model, by folder, cached hub id or the built-in name all-MiniLM-L6-v2.

    Always fp32 (half precision is about a hundred times slower on a CPU), safetensors only, no remote code, no network.
    """

    def __init__(self, ref: str, device: str | None = None, batch_size: int = 64):
        folder = assets.embedder_folder(ref)
        assets.refuse_remote_code(folder)
        from sentence_transformers import SentenceTransformer  # slow to import: --help must not wait for it

        self.model = SentenceTransformer(
            str(folder),
            device=device,
            trust_remote_code=False,
            local_files_only=True,
            model_kwargs={"use_safetensors": True, "dtype": "float32"},
        ).eval()
        hasten(self.model)
        self.ref = ref
        self.folder = folder
        self.batch_size = batch_size
        self.dimension: int = self.model.get_embedding_dimension()
        self.max_tokens: int = self.model.max_seq_length
        prompts = {name: text for name, text in self.model.prompts.items() if text}
        self.query_prefix: str = prompts.get("query", "")
        self.document_prefix: str = prompts.get("document", prompts.get("passage", ""))

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Word pieces of each text, the special tokens included, nothing cut off."""
        if not texts:
            return []
        # verbose=False: a text longer than the window is what we are here to find, not worth a warning
        encoded = self.model.tokenizer(list(texts), add_special_tokens=True, truncation=False, verbose=False)
        return [len(ids) for ids in encoded["input_ids"]]

    def encode(self, texts: Sequence[str], progress: Callable[[int, int], None] | None = None) -> np.ndarray:
        """Unit vectors of documents: (len(texts), dimension) float32. `progress(done, total)` after each batch."""
        return self._encode([self.document_prefix + text for text in texts], progress)

    def encode_questions(
        self, questions: Sequence[str], progress: Callable[[int, int], None] | None = None
    ) -> np.ndarray:
        """Unit vectors of questions: as `encode`, but with the prefix that this model wants before a question."""
        return self._encode([self.query_prefix + text for text in questions], progress)

    def _encode(self, texts: list[str], progress: Callable[[int, int], None] | None) -> np.ndarray:
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        # Longest first: little padding within a batch, and memory runs out at once or not at all.
        order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
        done = 0
        size = self.batch_size if self.model.device.type != "cpu" else min(self.batch_size, MOST_ON_A_CPU)
        for rows, made in in_batches(order, size, lambda rows: self._at_once([texts[i] for i in rows])):
            vectors[rows] = made
            done += len(rows)
            if progress:
                progress(done, len(order))
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors / np.maximum(lengths, 1e-12)

    def _at_once(self, texts: list[str]) -> np.ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return self.model.encode(texts, prompt="", batch_size=len(texts), show_progress_bar=False)

    def identity(self) -> dict:
        """What makes this embedder this embedder; equal dictionaries embed alike."""
        pooling = [
            f"{type(module).__name__}:{getattr(module, 'pooling_mode', '')}".rstrip(":") for module in self.model
        ]
        return {
            "id": self.ref,
            "hash": assets.folder_hash(self.folder),
            "pooling": " > ".join(pooling),
            "query_prefix": self.query_prefix,
            "document_prefix": self.document_prefix,
            "max_tokens": self.max_tokens,
            "dimension": self.dimension,
        }

    def probe(self) -> np.ndarray:
        """Vectors of the probe sentences: (3, dimension) float32."""
        return self.encode(PROBES)
