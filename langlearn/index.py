"""The corpus made searchable: loaded if it is current, updated by what changed, built if it is not there.

    case -> text -> pieces that fit the embedder -> vectors      (exact or from 4-bit codes, by size)
                 -> words                        -> BM25
    both -> questions drawn from the corpus      -> fusion and threshold, kept in the manifest

Texts that the old index holds are never embedded again. What is on disk is verified before it is used.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
from filelock import FileLock
from safetensors.numpy import load_file, save

from langlearn.cases import Case, Corpus
from langlearn.embedding import Embedder
from langlearn.errors import UserError
from langlearn.search import index_files
from langlearn.search.calibration import Drawn, draw, fit_fusion, fit_threshold
from langlearn.search.candidates import Candidates
from langlearn.search.chunks import pieces
from langlearn.search.fusion import Fit
from langlearn.search.known_vectors import KnownVectors
from langlearn.search.lexical import Lexical
from langlearn.search.remembered import kept
from langlearn.search.vector_search import VectorSearch, train

Fields = Literal["both", "prompt", "completion"]
"""What of a case is searched."""
Progress = Callable[[str, int, int], None]
"""progress(what, done, total)"""
Piece = tuple[int, int, int]
"""Number of the case, start and end in its text."""
_SAME_PROBE = 0.999


def case_text(case: Case, fields: Fields) -> str:
    """What is indexed: prompt and completion in one, because two cases of a kind share words of either."""
    return f"{case.prompt}\n{case.completion}".strip() if fields == "both" else getattr(case, fields)


class Index:
    """What `open_index` returns. Read-only."""

    def __init__(self, folder: Path, manifest: dict, cases: list[Case], parts: list[Piece], vectors: np.ndarray,
                 arrays: dict[str, np.ndarray]):  # fmt: skip
        count = manifest["counts"]["pieces"]
        self.folder = folder
        self.manifest = manifest
        self.cases = cases
        self.pieces = parts
        self.owner = np.array([part[0] for part in parts], dtype=np.int64)
        """(pieces,) the number of each piece's case, ascending."""
        self.vectors = vectors[:count]
        """(pieces, dimension) float32 unit rows."""
        self.stored = arrays["keys"], vectors
        """Keys and vectors of all texts, those that fusion and threshold were fitted on too."""
        self.embedded = 0
        """Texts that had to be embedded to open it: 0 where it was reused."""
        lexical = Lexical({name[5:]: array for name, array in arrays.items() if name.startswith("bm25.")})
        trained = {name[3:]: array for name, array in arrays.items() if name.startswith("pq.")}
        self.candidates = Candidates(VectorSearch(self.vectors, manifest["search"], trained), self.owner, lexical)
        self.fit = Fit(**manifest["fusion"])

    def opened(self) -> str:
        """How, for people: "index data/index: reused"."""
        return f"index {self.folder}: {f'{self.embedded:,} texts embedded' if self.embedded else 'reused'}"

    def search(self, vectors: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """(similarities, pieces), both (q, at most k), best first; piece -1 where fewer were found."""
        return self.candidates.search.search(vectors, k)

    def piece_text(self, piece: int) -> str:
        number, start, end = self.pieces[piece]
        return case_text(self.cases[number], self.manifest["fields"])[start:end]


def open_index(
    folder: Path, corpus: Corpus, embedder: Embedder, progress: Progress | None = None, *,
    fields: Fields = "both", rebuild: bool = False,
) -> Index:  # fmt: skip
    """The index of `corpus` in `folder`, made current; `rebuild` starts from nothing, whatever is there.

    Processes may call this at once: one builds, the others wait and load. Raises UserError for a damaged file and for
    an index built with another embedder.
    """
    folder = Path(folder)
    found = None if rebuild else _load(folder, embedder)
    if found and _is_current(found, corpus, fields):
        return found
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        found = None if rebuild else _load(folder, embedder)
        if not (found and _is_current(found, corpus, fields)):
            embedded = _build(folder, corpus, embedder, progress or (lambda *_: None), fields, found)
            found = _load(folder, embedder)
            found.embedded = embedded
    return found


def _load(folder: Path, embedder: Embedder) -> Index | None:
    manifest = index_files.read_manifest(folder)
    if manifest is None:
        return None
    try:
        paths = index_files.verified(folder, manifest)
        _check_embedder(folder, manifest["embedder"], embedder)
        with paths["records"].open(encoding="utf-8", newline="\n") as file:
            records = [json.loads(line) for line in file]
        vectors = np.load(paths["vectors"], mmap_mode="r", allow_pickle=False)
        arrays = load_file(paths["search"])
    except (FileNotFoundError, UserError):
        # Another process may have put a newer index in place between two of these reads.
        if index_files.read_manifest(folder) != manifest:
            return _load(folder, embedder)
        raise
    parts = [(number, *span) for number, record in enumerate(records) for span in record.pop("pieces")]
    return Index(folder, manifest, [Case(**record) for record in records], parts, vectors, arrays)


def _is_current(index: Index, corpus: Corpus, fields: Fields) -> bool:
    same_file = index.manifest["corpus"]["sha256"] == corpus.sha256
    return same_file and index.manifest["fields"] == fields and index.cases == corpus.cases


def _check_embedder(folder: Path, built_with: dict, embedder: Embedder) -> None:
    """Raises UserError where these vectors and this embedder do not belong together."""
    identity = embedder.identity()
    differing = [key for key, value in identity.items() if key != "id" and built_with.get(key) != value]
    if not differing:
        probes = np.array(built_with["probes"], dtype=np.float32)
        similar = float(np.einsum("pd,pd->p", probes, embedder.probe()).min())
        differing = [] if similar > _SAME_PROBE else [f"probe vectors with cosine {similar:.3f}"]
    if differing:
        was = built_with["id"] if built_with["id"] != identity["id"] else f"another {identity['id']}"
        raise UserError(
            f"index {folder} was built with embedder {was}, not {identity['id']}\n"
            f"(other {', '.join(differing)}): set index.embedder back, or use run_query.py --rebuild true"
        )


@dataclass(frozen=True)
class _Read:
    """What of a corpus is embedded: the cases' texts in pieces; questions drawn from them, and pieces of the
    completions that these look for."""

    texts: list[str]
    parts: list[Piece]
    drawn: Drawn
    apart: list[Piece]

    @classmethod
    def of(cls, cases: Sequence[Case], embedder: Embedder, fields: Fields) -> "_Read":
        texts, drawn = [case_text(case, fields) for case in cases], draw(cases, fields == "completion")
        return cls(texts, _pieces(texts, embedder), drawn, _pieces(drawn.completions, embedder))

    @property
    def documents(self) -> list[str]:
        whole = [self.texts[number][start:end] for number, start, end in self.parts]
        return whole + [self.drawn.completions[number][start:end] for number, start, end in self.apart]


def _build(
    folder: Path, corpus: Corpus, embedder: Embedder, progress: Progress, fields: Fields, old: Index | None
) -> int:
    """Write the index of `corpus`; what `old` holds is taken from there. Returns how many texts were embedded."""
    cases = corpus.cases
    read = _Read.of(cases, embedder, fields)
    parts, drawn, documents = read.parts, read.drawn, read.documents
    vectors = KnownVectors(embedder, progress)
    if old:
        vectors.take(*old.stored)
    of_documents, of_questions = vectors.of_documents(documents), vectors.of_questions(drawn.questions)
    of_pieces, of_completions = of_documents[: len(parts)], of_documents[len(parts) :]

    progress("building the search", 0, 1)
    plan, trained = train(of_pieces)
    served = _candidates(VectorSearch(of_pieces, plan, trained), parts, read.texts)
    progress("building the search", 1, 1)
    progress("fitting the fusion", 0, 1)
    completions = _candidates(VectorSearch(of_completions), read.apart, drawn.completions) if read.apart else None
    fusion = fit_fusion(cases, served, completions, drawn, of_questions)
    threshold = fit_threshold(cases, served, drawn, of_questions)
    progress("fitting the fusion", 1, 1)

    manifest = {
        "corpus": {"path": str(corpus.path), "sha256": corpus.sha256},
        "fields": fields,
        "embedder": {**embedder.identity(), "probes": [[round(float(x), 6) for x in v] for v in embedder.probe()]},
        "dimension": embedder.dimension,
        "metric": "cosine (inner product of unit vectors)",
        "counts": {"cases": len(cases), "pieces": len(parts), "split": len({n for n, start, _ in parts if start > 0})},
        "search": plan,
        "fusion": fusion.as_dict(),
        "threshold": threshold.as_dict(),
        "versions": {name: version(name) for name in ("sentence-transformers", "bm25s", "numpy")},
        "built": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    arrays = {f"bm25.{name}": array for name, array in served.lexical.arrays.items()}
    arrays |= {f"pq.{name}": array for name, array in trained.items()}
    arrays["keys"] = vectors.keys_of(documents, drawn.questions)
    index_files.commit(
        folder,
        manifest,
        {
            "vectors": (".npy", lambda file: _write_rows(file, [of_documents, of_questions])),
            "records": (".jsonl", lambda file: _write_records(file, cases, parts)),
            "search": (".safetensors", lambda file: file.write(save(arrays))),
        },
    )
    return vectors.embedded


def unknown(
    folder: Path, corpus: Corpus, embedder: Embedder, fields: Fields, questions: Sequence[str], documents: Sequence[str]
) -> list[str]:
    """What opening the index and then embedding these too would embed, see remembered.py; nothing is."""
    known, found = KnownVectors(embedder), _load(folder, embedder)
    if found:
        known.take(*found.stored)
    if not (found and _is_current(found, corpus, fields)):
        read = _Read.of(corpus.cases, embedder, fields)
        questions, documents = [*questions, *read.drawn.questions], [*documents, *read.documents]
    for kind in ("questions", "documents"):
        known.take(*kept(folder, kind, embedder))
    return known.unknown(documents, questions)


def _pieces(texts: Sequence[str], embedder: Embedder) -> list[Piece]:
    spans = pieces(texts, embedder.count_tokens, embedder.max_tokens)
    return [(number, start, end) for number, own in enumerate(spans) for start, end in own]


def _candidates(search: VectorSearch, parts: Sequence[Piece], texts: Sequence[str]) -> Candidates:
    return Candidates(search, np.array([part[0] for part in parts], dtype=np.int64), Lexical.build(texts))


def _write_rows(file: BinaryIO, blocks: Sequence[np.ndarray]) -> None:
    """One .npy of the blocks, row below row."""
    shape = (sum(map(len, blocks)), blocks[0].shape[1])
    np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
    for block in blocks:
        # file.write says "no space left"; numpy's own writer loses the reason
        file.write(memoryview(np.ascontiguousarray(block, dtype="<f4")).cast("B"))


def _write_records(file: BinaryIO, cases: Sequence[Case], parts: Sequence[Piece]) -> None:
    spans: list[list[tuple[int, int]]] = [[] for _ in cases]
    for number, start, end in parts:
        spans[number].append((start, end))
    for case, own in zip(cases, spans):
        file.write((json.dumps({**asdict(case), "pieces": own}, ensure_ascii=False) + "\n").encode("utf-8"))
