"""One fine-tuning from corpus to published adapter: what `medical_diagnosis_gpu.py` tells, step by step."""

import textwrap
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import torch

from langlearn import checkpoint, falcon, generation, launch, model, pace, prompts, record
from langlearn.cases import Case, Corpus
from langlearn.computing import Setup
from langlearn.config import Config, Training
from langlearn.errors import UserError
from langlearn.examples import Curriculum, Encoder, Example
from langlearn.machine import GIB, give_back_freed_memory, peak_memory
from langlearn.training import Run
from langlearn.trainlog import TrainLog, clock

Progress = Callable[[str, int, int | None], None]
"""progress(what, done, total)"""
NEIGHBOURS = 12  # retrieved per training case; distractors are drawn from those of other conditions


@dataclass
class Lesson:
    """What is learned from and what it is measured on."""

    curriculum: Curriculum
    held_out: list[Example]

    @property
    def lengths(self) -> list[int]:
        """Token lengths of the first epoch's training examples."""
        return [length for length, _ in self._first_epoch]

    @property
    def answers(self) -> float:
        """The share of these examples' tokens that is answers; 1 where there are no examples."""
        return sum(answer for _, answer in self._first_epoch) / sum(self.lengths) if self.lengths else 1.0

    @cached_property
    def _first_epoch(self) -> list[tuple[int, int]]:
        """(tokens, those of the answer) of each example; the examples themselves would fill memory."""
        examples = (self.curriculum.example(i, epoch=0) for i in range(len(self.curriculum.cases)))
        return [(len(example.input_ids), example.supervised) for example in examples]


def cases_per_step(training: Training, ranks: int) -> int:
    """Cases of an optimiser step over all ranks:
    the T/E/S triple's T x S x ranks where it is given, else batch_size."""
    triple = (training.per_device_train_batch_size, training.gradient_accumulation_steps)
    if triple == (None, None):
        return training.batch_size
    return (triple[0] or 1) * (triple[1] or 1) * ranks


def prepare(
    config: Config, corpus: Corpus, train: list[Case], held_out: list[Case], tokenizer, log: TrainLog | None = None,
    progress: Progress | None = None,
) -> Lesson:  # fmt: skip
    """Training cases below their retrieved neighbours, held-out cases in the form in which they will be asked.

    No held-out case is ever retrieved, and no case for itself. Without a `log` (for a plan, before the index exists)
    random cases stand in: their lengths are what counts.
    """
    training, k = config.training, config.answering.k
    encoder = Encoder(tokenizer, training.max_length)
    near_train: list[list[Case]] = []
    near_held: list[list[Case]] = [[] for _ in held_out]
    if config.retrieves:
        if log:
            near_train, near_held = _neighbours(config, corpus, train, held_out, log, progress)
        else:
            near_train, near_held = (
                [[train[(i + j) % len(train)] for j in range(1, NEIGHBOURS + 1)] for i in range(len(cases))]
                for cases in (train, held_out)
            )
    curriculum = Curriculum(train, near_train, encoder, training, k)
    sample = held_out[: training.eval_cases]
    examples = [encoder.example(case, near[:k]) for case, near in zip(sample, near_held, strict=False)]
    return Lesson(curriculum, examples)


def _neighbours(
    config: Config, corpus: Corpus, train: list[Case], held_out: list[Case], log: TrainLog, progress: Progress | None
):
    """For each training case and each held-out case what retrieval brings; the index is made current first."""
    from langlearn.retrieval import open_retriever

    log.say(f"looking up the cases that prompts will hold, in the index {config.index.folder}")
    began = time.monotonic()
    retriever = open_retriever(config.index, config.answering.mode, corpus, progress)
    asked = [case.prompt for case in (*train, *held_out)]
    vectors = retriever.remembered(asked, "questions", progress)
    hidden, count = {case.id for case in held_out}, len(train)
    near_train = retriever.search_many(
        asked[:count], NEIGHBOURS, [hidden | {case.id} for case in train], vectors[:count]
    )  # fmt: skip
    near_held = retriever.search_many(asked[count:], config.answering.k, [hidden] * len(held_out), vectors[count:])
    log.say(f"{retriever.index.opened()}, all looked up in {clock(time.monotonic() - began)}")
    return [[h.case for h in hits] for hits in near_train], [[h.case for h in hits] for hits in near_held]


def fine_tune(
    config: Config, plan, ranks: launch.Ranks, log: TrainLog, lesson: Lesson, corpus: Corpus, tokenizer, fresh: bool
) -> dict:
    """Load, ask, train, ask again, publish. Returns what run.json holds."""
    started = time.time()
    give_back_freed_memory()  # what the index and the plan took
    output = Path(config.training.output)
    folder = checkpoint.checkpoints_of(output)
    if fresh and ranks.is_main:
        checkpoint.drop(folder)
    launch.barrier(ranks)
    log.say(f"loading {config.model.base}: {model.bytes_of_weights(config.model) / GIB:.2f} GiB of weights")
    identity = model.base_identity(config.model)
    base = model.load_base(config.model, ranks.device, plan.dtype, plan.recomputed_layers)
    expected, quantised = model.count_quantised(base)
    if config.model.quantization == "nf4":
        log.say(f"{quantised} of {expected} linear layers are 4-bit")
    if kernel := falcon.choose_kernel(base):
        log.say(f"attention takes {kernel}")
    if plan.unpacked:
        base = model.unpack(base, plan.dtype)
    questions = config.training.diagnostic_questions
    before = _ask_once(base, tokenizer, questions, config, folder, ranks, log)

    tuned = model.add_adapter(base, config.adapter, config.training.seed, reordered=plan.reordered)
    trainable = sum(p.numel() for p in tuned.parameters() if p.requires_grad)
    log.say(f"adapter: {trainable:,} trainable parameters")
    setup = Setup.of(plan, config.training, base.config, lesson.lengths, ranks.device)
    run = Run(
        tuned, lesson.curriculum, lesson.held_out, config.training, setup, ranks, log, folder,
        fingerprint=fingerprint(config, corpus, identity, plan),
    )  # fmt: skip
    progress = run.train()
    after = _answers(tuned, tokenizer, questions, config) if ranks.is_main else []
    for question, answer in zip(questions, after, strict=False):
        log.say(_asked("after", question, answer))

    took = max(progress.seconds, 1e-9)
    document = {
        "base_model": identity,
        "profile": config.profile,
        "method": "qlora" if config.model.quantization == "nf4" else "lora",
        "quantization": {
            "bits": 4 if config.model.quantization == "nf4" else 16 if plan.dtype != torch.float32 else 32,
            "linear_layers_expected": expected,
            "linear_layers_found": quantised,
        },
        "trainable_parameters": trainable,
        "data": {
            "file": config.data.cases,
            "sha256": corpus.sha256,
            "cases": len(corpus.cases),
            "skipped": len(corpus.skipped),
            "duplicates": corpus.duplicates,
        },
        "split": {
            "train": len(lesson.curriculum.cases),
            "held_out": len(corpus.cases) - len(lesson.curriculum.cases),
            "held_out_for_loss": len(lesson.held_out),
            "train_share": config.data.train_share,
            "seed": config.data.seed,
        },
        "batch": {
            "T": config.training.per_device_train_batch_size,
            "E": config.training.per_device_eval_batch_size,
            "S": config.training.gradient_accumulation_steps,
            "cases_per_step": config.training.batch_size,
        },
        "hardware": plan.hardware.as_dict(),
        "plan": plan.as_dict(progress.step),
        "steps": progress.step,
        "epochs": progress.step / run.steps_per_epoch,
        "tokens": progress.tokens,
        "supervised_tokens": progress.supervised_tokens,
        "seconds": progress.seconds,
        **pace.bill(progress.seconds, plan.pace, config.training),
        "tokens_per_second": progress.tokens / took,
        "peak_memory_bytes": peak_memory(ranks.device),
        "final": progress.last,
        "evaluation": {
            "before": progress.evaluations[0]["loss"],
            "after": (
                progress.best_loss if config.training.early_stopping_patience else progress.evaluations[-1]["loss"]
            ),
            "best_step": progress.best_step,
            "history": progress.evaluations,
        },
        "diagnostic": [
            {"question": q, "before": b, "after": a} for q, b, a in zip(questions, before, after, strict=False)
        ],
        "versions": record.versions(),
        "config": config.as_dict(),
        "started": started,
        "finished": time.time(),
    }
    if ranks.is_main:
        if previous := record.publish(output, tuned, tokenizer, document):
            log.say(f"the adapter before this one is now in {previous}; one older is not kept")
        checkpoint.drop(folder)
    launch.barrier(ranks)
    return document


def refuse_too_long(training: Training, base: str, model_config) -> None:
    """Raises UserError where examples may be longer than the base has positions."""
    most = model.positions(model_config)
    if most and training.max_length > most:
        raise UserError(
            f"training.max_length is {training.max_length}: {base} has {most} positions\n"
            f"add --training.max_length {most}"
        )


def fingerprint(config: Config, corpus: Corpus, identity: dict, plan) -> dict:
    """What must be the same for a checkpoint to go on: all that decides the result, nothing about the machine."""
    training = asdict(config.training)
    for name in ("output", "save_minutes", "tokens_per_micro_batch", "activation_checkpointing",
                 "price_per_hour", "watts"):  # fmt: skip
        training.pop(name)
    training["optimizer"] = plan.optimizer  # auto is another on another machine
    return {
        "base model": identity["sha256"],
        "quantization": config.model.quantization,
        "dtype": str(plan.dtype),
        "corpus": corpus.sha256,
        **{f"data.{k}": v for k, v in asdict(config.data).items() if k != "cases"},
        **{f"adapter.{k}": v for k, v in asdict(config.adapter).items()},
        **{f"training.{k}": v for k, v in training.items()},
        "answering.k": config.answering.k,
    }


def interrupted(config: Config, corpus: Corpus, plan) -> tuple[int, str]:
    """(steps that the interrupted run in `training.output` took and that count, why it cannot go on), 0 and "" where
    there is none: known before anything is timed, and before the base is loaded."""
    folder = checkpoint.checkpoints_of(Path(config.training.output))
    found = checkpoint.load_newest(folder, lambda _: None)  # the run itself tells what is damaged
    if found is None:
        return 0, ""
    _, meta = found
    try:
        mine = fingerprint(config, corpus, model.base_identity(config.model), plan)
        checkpoint.refuse_other_run(meta["fingerprint"], mine, folder)
    except UserError as error:
        return 0, str(error)
    return meta["progress"]["step"], ""


def _ask_once(base, tokenizer, questions, config: Config, folder: Path, ranks, log: TrainLog) -> list[str]:
    """The untrained base's answers; an interrupted run asked already and kept them."""
    if not ranks.is_main:
        return []
    kept = folder / "before.json"
    if checkpoint.newest(folder) is not None and kept.is_file():
        return checkpoint.read_json(kept)["answers"]
    answers = _answers(base, tokenizer, questions, config)
    for question, answer in zip(questions, answers, strict=True):
        log.say(_asked("before", question, answer))
    folder.mkdir(parents=True, exist_ok=True)
    record.write_json(kept, {"answers": answers})
    return answers


def _asked(when: str, question: str, answer: str) -> str:
    parts = (f"{when:<8}Q: {question}", f"        A: {prompts.one_line(answer)}")
    return "\n".join(textwrap.fill(part, 80, subsequent_indent=" " * 11) for part in parts)


def _answers(asked, tokenizer, questions: list[str], config: Config) -> list[str]:
    if not questions:
        return []
    texts = [prompts.question_prompt(q) for q in questions]
    return [a.text for a in generation.generate_many(asked, tokenizer, texts, config.answering.max_new_tokens)]


def opening(config: Config, corpus: Corpus, train: list[Case], held_out: list[Case]) -> str:
    lines = [
        f"profile {config.profile}: {config.profile_reason}",
        f"corpus {config.data.cases}: {len(corpus.cases)} cases, {len(train)} to train, {len(held_out)} held out",
    ]
    if corpus.skipped:
        rows = ", ".join(f"row {row} ({why})" for row, why in corpus.skipped[:3])
        more = ", …" if len(corpus.skipped) > 3 else ""
        lines.append(f"skipped {len(corpus.skipped)} bad rows: {rows}{more}")
    if corpus.duplicates:
        lines.append(f"dropped {corpus.duplicates} duplicate cases")
    return "\n".join(lines)


def closing(run: dict, asking: str = "") -> str:
    """`asking`: the settings with which run_query.py is to be called, see config.Config."""
    last, evaluation, plan = run["final"], run["evaluation"], run["plan"]
    seconds, memory = clock(run["seconds"]), f"peak memory {run['peak_memory_bytes'] / 2**30:.2f} GiB"
    if predicted := plan.get("predicted_seconds"):
        seconds += f" (predicted {clock(predicted)})"
    if predicted := plan.get("predicted_peak_bytes"):
        memory += f" (predicted {predicted / 2**30:.2f})"
    lines = [
        f"{run['steps']} steps, {run['epochs']:.2f} epochs in {seconds}: {run['tokens_per_second']:.0f} tokens/s",
        memory,
        f"final loss {last['loss']:.4f}, gradient norm {last['grad_norm']:.3f}, "
        f"learning rate {last['learning_rate']:.2e}",
        f"held-out loss {evaluation['before']:.4f} before, {evaluation['after']:.4f} after",
    ]
    bill = [f"{run['kilowatt_hours']:.2g} kWh"] if run.get("kilowatt_hours") else []
    if run.get("cost") is not None:
        bill.append(f"{run['cost']:.2f} at {run['config']['training']['price_per_hour']:.2f}/h")
    if bill:
        lines.append(f"training took about {', '.join(bill)}")
    folder = run["config"]["training"]["output"]
    return "\n".join([*lines, f"adapter in {folder}/ — ask it: python run_query.py{asking}"])
