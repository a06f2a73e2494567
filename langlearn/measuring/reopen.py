"""A finished run opened again: its split, its model with an adapter that can be switched off."""

from pathlib import Path

import torch

from langlearn import cases, conditions
from langlearn import model as models
from langlearn.cases import Case, Corpus
from langlearn.conditions import Synonyms
from langlearn.config import ROOT, Config, Data
from langlearn.errors import UserError
from langlearn.machine import Hardware
from langlearn.products import hasten
from langlearn.speaker import base_that_answers, in_dtype

SYNONYMS = ROOT / "data" / "sample_conditions.csv"


def finished_run(folder: Path) -> dict:
    """run.json in `folder`. Raises UserError where no run was finished."""
    try:
        return models.read_run(folder)
    except FileNotFoundError:
        raise UserError(
            f"there is no fine-tuned model in {folder}: train one with medical_diagnosis_gpu.py,\n"
            "or name its folder with --training.output"
        ) from None


def split_of(run: dict, data: Data, corpus: Corpus) -> tuple[list[Case], list[Case]]:
    """(train, held out) as the run had them. Raises UserError where this is not the corpus as the run read it."""
    had, split = run["config"]["data"], run["split"]
    for name in ("prompt_column", "completion_column"):
        now = getattr(data, name)
        if now != had[name]:
            raise UserError(f"data.{name} is '{now}', in the run it was '{had[name]}': add --data.{name} '{had[name]}'")
    if corpus.sha256 != run["data"]["sha256"]:
        raise UserError(
            f"{data.cases} is not what the run was trained on ({run['data']['file']}), or was changed since:\n"
            f"restore it, add --data.cases {run['data']['file']}, or fine-tune again"
        )
    train, held_out = cases.split(corpus, split["train_share"], split["seed"])
    if (len(train), len(held_out)) != (split["train"], split["held_out"]):
        raise UserError(
            f"{data.cases} splits into {len(train)} and {len(held_out)} cases, in the run into {split['train']} and "
            f"{split['held_out']}:\nset data.max_bad_rows as it was, or fine-tune again"
        )
    return train, held_out


def load_tuned(config: Config, hardware: Hardware, dtype: torch.dtype):
    """The base with the run's adapter on it, not folded in: `disable_adapter()` gives the base back."""
    base, _ = base_that_answers(config, hardware, dtype)
    tuned = models.load_adapter(base, config.model, Path(config.training.output))
    in_dtype(tuned, base.dtype)
    return hasten(tuned.eval())


def synonyms_of(corpus: Corpus) -> Synonyms:
    """Other names of the sample corpus' conditions; a condition that is not among them has its own name only."""
    labelled = any("condition" in case.labels for case in corpus.cases)
    return conditions.load(SYNONYMS) if labelled else {}
