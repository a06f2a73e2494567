"""The proof that a run needs no network: everything it reads is loaded as a run loads it, with the hub switched off."""

import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from langlearn import assets
from langlearn.config import Config
from langlearn.errors import UserError, first_line
from langlearn.files.model_files import check_weights, refuse_remote_code, shown
from langlearn.terminal import quiet

SENTENCE = "A 25-year-old woman has lateral ankle pain after a fall."
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TQDM_DISABLE": "1"}


def in_child(argv: list[str]) -> int:
    """Run `argv` where the hub is off: libraries read that once, at import, so it takes a process of its own."""
    return subprocess.run([sys.executable, *argv], env=os.environ | OFFLINE).returncode


def load_everything(settings: Config, weights: bool) -> None:
    """Print a line for each thing that was done. Raises UserError for the first that does not load."""
    quiet.libraries()
    base, embedder, corpus = assets.wanted(settings)
    folder = base.require(weights=weights)
    refuse_remote_code(folder)
    with _loading("tokenizer", folder):
        _say("tokenizer", _round_trip(folder))
    with _loading("base model", folder):
        _say("base model", _base(folder, weights))
    with _loading("embedder", embedder.require()):
        _say("embedder", _vector(settings.index.embedder))

    from langlearn import cases

    _say("cases", cases.read(replace(settings.data, cases=str(corpus.require()))).summary())


def _round_trip(folder: Path) -> str:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    ids = tokenizer(SENTENCE)["input_ids"]
    # word by word: a tokenizer may normalise white space, but never lose a word
    if tokenizer.decode(ids, skip_special_tokens=True).split() != SENTENCE.split():
        raise ValueError("it does not decode what it encodes")
    return f"{len(tokenizer):,} entries; a sentence became {len(ids)} tokens and came back"


def _base(folder: Path, weights: bool) -> str:
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    if not weights:
        return f"{config.model_type}, weights left out"
    return f"{config.model_type}, {check_weights(folder):,} parameters, every file whole"


def _vector(ref: str) -> str:
    from langlearn.embedding import Embedder

    check_weights(assets.embedder_folder(ref))
    return f"a sentence became {Embedder(ref, device='cpu').encode([SENTENCE]).shape[1]} numbers"


def _say(what: str, fact: str) -> None:
    print(f"  {what:<11} {fact}", flush=True)


@contextmanager
def _loading(what: str, folder: Path):
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # the tokenizers library raises nothing narrower
        why = first_line(error, 160)
        raise UserError(f"{what} in {shown(folder)} does not load: {why}\nfetch or copy it again") from error
