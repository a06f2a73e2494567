"""What config.yaml says, typed; profiles and command-line overrides on top.

Precedence, weakest first: the defaults below, the profile's section in config.yaml, the rest of that file, the
command line. A setting that the file gives both in the profile in use and outside it is refused.
"""

import shlex
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from langlearn import settings
from langlearn.errors import UserError
from langlearn.prompts import DIAGNOSTIC_QUESTIONS

ROOT = Path(__file__).resolve().parent.parent


def corpus_place(cases: str) -> Path:
    """Where `data.cases` leads: from the project's root or, where nothing is there, from the current folder."""
    path = Path(cases).expanduser()
    at_root, here = ROOT / path, Path.cwd() / path
    return here if here.exists() and not at_root.exists() else at_root


@dataclass
class Model:
    base: str = "models/tiny-falcon"
    """Base model: a folder, or a hub id that load_tokenizer.py has cached."""
    revision: str | None = None
    """Commit or tag on the hub; null takes the newest that is cached."""
    quantization: Literal["nf4", "none"] = "nf4"
    """nf4: 4-bit NormalFloat with double quantisation (QLoRA); none: weights in the compute dtype."""
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    """Compute dtype; auto takes what the hardware does well and prints why."""


@dataclass
class Data:
    cases: str = "data/sample_cases.csv"
    """The corpus: CSV, JSONL or Parquet with two text columns, or a folder that holds one such file."""
    prompt_column: str = "Prompt"
    """Column with the case."""
    completion_column: str = "Completion"
    """Column with the answer."""
    train_share: float = 0.9
    """Share of the cases that train; the rest evaluates (0.8 for an 80/20 split)."""
    seed: int = 42
    """Seed of the split."""
    max_bad_rows: float = 0.05
    """Bad rows are named and skipped up to this share; above it the run stops."""


@dataclass
class Adapter:
    r: int = 16
    """LoRA rank."""
    alpha: int = 32
    """LoRA scaling: the update is multiplied by alpha / r."""
    dropout: float = 0.05
    """Dropout on the LoRA input."""
    target_modules: list[str] | None = None
    """Linear layers that get an adapter; null takes all of the model's transformer blocks."""


@dataclass
class Training:
    output: str = "finetuned_falcon"
    """Where adapter, tokenizer, run.json and report go."""
    num_train_epochs: float = 3.0
    """Passes over the training cases."""
    learning_rate: float = 2e-4
    """Peak learning rate."""
    weight_decay: float = 0.01
    """AdamW weight decay."""
    warmup: float = 0.03
    """Share of the steps that warm up; then cosine to zero."""
    max_grad_norm: float = 1.0
    """Gradient clipping."""
    batch_size: int = 16
    """Cases per optimiser step over all GPUs together: the result does not depend on how many there are."""
    tokens_per_micro_batch: int | None = None
    """Tokens computed at once on one device; null takes what the plan says fits."""
    per_device_train_batch_size: int | None = None
    """T of the T/E/S triple: fixed number of cases at once; batch_size becomes T x S x devices."""
    per_device_eval_batch_size: int | None = None
    """E of the T/E/S triple: cases at once in evaluation."""
    gradient_accumulation_steps: int | None = None
    """S of the T/E/S triple: micro-batches per optimiser step."""
    max_length: int = 1024
    """Longest example in tokens; retrieved cases are dropped first, then the answer is cut and counted."""
    activation_checkpointing: Literal["auto", "on", "off"] = "auto"
    """Recompute activations in the backward pass; auto: of as few layers as memory needs."""
    optimizer: Literal["auto", "paged_adamw_8bit", "adamw"] = "auto"
    """auto: paged_adamw_8bit on GPUs of less than 36 GiB, fused AdamW elsewhere."""
    retrieval_share: float = 0.75
    """Share of training prompts that hold retrieved cases, in the template that answers; 0 turns it off."""
    distractor_share: float = 0.2
    """Of those, the share that holds near but different cases only, so that the model does not copy blindly."""
    quoted_share: float = 0.0
    """Of those with a case of the same condition, the share whose answer is that case's:
    small models learn to quote."""
    eval_cases: int = 200
    """At most so many held-out cases are evaluated each epoch."""
    early_stopping_patience: int = 3
    """Stop after so many evaluations without a better loss; 0 never stops."""
    save_minutes: float = 5.0
    """Minutes between checkpoints; one is also written after each epoch and on Ctrl-C."""
    seed: int = 42
    """Seed of initialisation, order and dropout."""
    diagnostic_questions: list[str] = field(default_factory=lambda: list(DIAGNOSTIC_QUESTIONS))
    """Asked before and after training; both answers land in the log and run.json."""
    price_per_hour: float | None = None
    """What an hour on this machine costs, in any currency; the plan and the end of the run then tell the cost."""
    watts: float | None = None
    """Watts that this machine draws as it trains; null asks the driver of a GPU, and tells no energy on a CPU."""


@dataclass
class Index:
    folder: str = "data/index"
    """Where the index lives."""
    embedder: str = "all-MiniLM-L6-v2"
    """A sentence-transformers folder or hub id; all-MiniLM-L6-v2 comes with the installation."""
    batch_size: int = 64
    """Texts embedded at once; on a CPU at most 16, which are faster there."""
    fields: Literal["both", "prompt", "completion"] = "both"
    """What of a case is searched; completion suits a corpus whose prompts are only titles."""
    reranker: str | None = None
    """A cross-encoder, by folder or hub id, that reads the first 50 hits again and reorders them; null does without."""


@dataclass
class Answering:
    k: int = 3
    """Cases retrieved for a question; 0 answers without retrieval."""
    mode: Literal["auto", "hybrid", "dense", "bm25"] = "auto"
    """How cases are found; auto takes what measured best on this corpus when the index was built."""
    min_similarity: float | None = None
    """Below this similarity nothing is answered; null takes the threshold measured when the index was built."""
    max_new_tokens: int = 200
    """Longest answer in tokens."""
    context_tokens: int = 1024
    """Window for prompt and answer; the model's own limit if smaller."""
    temperature: float = 0.0
    """0 is greedy and repeatable."""
    history: bool = False
    """Keep typed questions in ~/.lang_learn_history (readable by its owner only)."""


@dataclass
class Evaluation:
    cases: int = 24
    """Held-out cases answered four ways when training is done; 0 leaves it to run_evaluation.py, which takes all."""


@dataclass
class Logs:
    folder: str = "logs"
    """train.log and metrics.jsonl."""


@dataclass
class Config:
    """lang-learn: every setting, with its default."""

    profile: str = "auto"
    """auto, or a section under `profiles` in config.yaml (falcon-7b, tiny)."""
    model: Model = field(default_factory=Model)
    data: Data = field(default_factory=Data)
    adapter: Adapter = field(default_factory=Adapter)
    training: Training = field(default_factory=Training)
    index: Index = field(default_factory=Index)
    answering: Answering = field(default_factory=Answering)
    evaluation: Evaluation = field(default_factory=Evaluation)
    logs: Logs = field(default_factory=Logs)

    profile_reason: str = field(default="", init=False)
    asking = ""  # no setting: of the command line what run_query.py needs as well, for the same cases and adapter

    def __post_init__(self):
        for name, (good, remedy) in RANGES.items():
            section, _, key = name.partition(".")
            value = getattr(getattr(self, section), key)
            if value is not None and not good(value):
                raise UserError(f"{name} is {value}: it must be {remedy}")
        if self.training.tokens_per_micro_batch and self.training.per_device_train_batch_size:
            raise UserError(
                "training.tokens_per_micro_batch and training.per_device_train_batch_size both say how much is "
                "computed at once: keep one, set the other to null"
            )

    @property
    def retrieves(self) -> bool:
        """Whether prompts that are trained on may hold retrieved cases."""
        return bool(self.training.retrieval_share and self.answering.k)

    @property
    def embeds(self) -> bool:
        """Whether fine-tuning opens an index: for the cases in its prompts, or to measure what came of it."""
        return self.retrieves or self.evaluation.cases > 0

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


ABOUT = {
    "model": "what is fine-tuned",
    "data": "the cases",
    "adapter": "what is added to the model",
    "training": "how it learns",
    "index": "how the cases are found again",
    "answering": "how a question is answered",
    "evaluation": "what is measured when training is done",
    "logs": "where the logs go",
}
AT_LEAST_1 = (lambda v: v >= 1, "1 or more")
AT_LEAST_16 = (lambda v: v >= 16, "16 or more")
NOT_NEGATIVE = (lambda v: v >= 0, "0 or more")
ABOVE_0 = (lambda v: v > 0, "above 0")
SHARE = (lambda v: 0 <= v <= 1, "from 0 to 1")
SEED = (lambda v: 0 <= v < 2**32, "from 0 to 4294967295")
BELOW_1 = (lambda v: 0 <= v < 1, "from 0 to below 1")
RANGES = {
    "data.train_share": (lambda v: 0 < v < 1, "between 0 and 1, such as 0.9"),
    "data.max_bad_rows": SHARE,
    "data.seed": SEED,
    "adapter.r": AT_LEAST_1,
    "adapter.alpha": AT_LEAST_1,
    "adapter.dropout": BELOW_1,
    "training.num_train_epochs": ABOVE_0,
    "training.learning_rate": ABOVE_0,
    "training.weight_decay": NOT_NEGATIVE,
    "training.warmup": BELOW_1,
    "training.max_grad_norm": ABOVE_0,
    "training.batch_size": AT_LEAST_1,
    "training.tokens_per_micro_batch": AT_LEAST_16,
    "training.per_device_train_batch_size": AT_LEAST_1,
    "training.per_device_eval_batch_size": AT_LEAST_1,
    "training.gradient_accumulation_steps": AT_LEAST_1,
    "training.max_length": AT_LEAST_16,
    "training.retrieval_share": SHARE,
    "training.distractor_share": SHARE,
    "training.quoted_share": SHARE,
    "training.eval_cases": AT_LEAST_1,
    "training.early_stopping_patience": NOT_NEGATIVE,
    "training.save_minutes": ABOVE_0,
    "training.seed": SEED,
    "training.price_per_hour": NOT_NEGATIVE,
    "training.watts": ABOVE_0,
    "index.batch_size": AT_LEAST_1,
    "answering.k": NOT_NEGATIVE,
    "answering.min_similarity": (lambda v: -1 <= v <= 1, "from -1 to 1"),
    "answering.max_new_tokens": AT_LEAST_1,
    "answering.context_tokens": AT_LEAST_16,
    "answering.temperature": NOT_NEGATIVE,
    "evaluation.cases": NOT_NEGATIVE,
}

FOR_ASKING = ("profile", "config", "model.", "data.", "index.", "answering.", "training.output")


def load(argv: list[str], options: type | None = None, prog: str | None = None) -> tuple[Config, Any]:
    """(config, options): config.yaml, its profile and `argv` merged; `options` is a script's own dataclass of flags.

    `--config FILE` reads another file; one without `profiles` uses those of config.yaml, below its own settings.
    Raises UserError for an unknown, ill-typed or contradictory setting; `--help` prints and exits.
    """
    known, flags = settings.declared(Config), settings.declared(options) if options else {}
    given, help_wanted = settings.command_line(argv, flags, known)
    path = Path(given.pop("config", ROOT / "config.yaml"))
    outside, profiles = settings.read(path, known)
    if profiles is None:
        profiles = settings.read(ROOT / "config.yaml", known)[1] or {}
    else:
        _refuse_double(path, outside, profiles)
    if help_wanted:
        print(settings.help_text(prog, Config.__doc__, flags, known, ABOUT, outside, profiles))
        sys.exit(0)

    from langlearn.machine import choose_profile  # imports torch: --help and every refusal above stay instant

    asking = {name: value for name, value in given.items() if name.startswith(FOR_ASKING)}
    name, reason = choose_profile(given.pop("profile", outside.pop("profile", "auto")))
    if name not in profiles:
        raise UserError(f"profile '{name}' is not in {path}: choose one of auto, {', '.join(profiles)}")
    script = options(**{key: given.pop(key) for key in flags if key in given}) if options else None
    config = settings.build(Config, {**profiles[name], **outside, **given, "profile": name})
    config.profile_reason = reason
    config.asking = "".join(f" --{name} {shlex.quote(str(value))}" for name, value in asking.items())
    return config, script


def _refuse_double(path: Path, outside: dict[str, Any], profiles: dict[str, dict[str, Any]]) -> None:
    for profile, inside in profiles.items():
        for name in inside.keys() & outside.keys():
            raise UserError(f"{path}: {name} stands in profiles.{profile} and outside it: keep one of the two")
