"""How fast this machine trains, from a few real micro-batches on models that stand in for the one to be trained.

    micro-batches of the first epoch  →  the model's own shapes, few layers, random weights  →  seconds each
    seconds with all layers = with the few + missing layers x what one more layer took

A stand-in is quantised, adapted and run by the code that trains (`training.Run.step`); no weight is loaded for it.
"""

import copy
import math
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain, combinations
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

from langlearn import answer_pace, falcon, launch, memory, model, training
from langlearn.computing import Setup
from langlearn.config import Config
from langlearn.errors import UserError, first_line
from langlearn.examples import Curriculum, Example, micro_batches, shares, steps_of_epoch
from langlearn.machine import give_back_freed_memory, ranks_on_a_gpu
from langlearn.speaker import dtype_of_answers
from langlearn.trainlog import TrainLog

SECONDS, LEAST = 5.0, 3  # no further micro-batch is timed after so long, nor fewer than so many
SECONDS_FOR_A_CHANGE, LEAST_FOR_A_CHANGE = 1.5, 1
SECONDS_FOR_THE_DRIVER = 20
PARAMETERS = {"cpu": 30e6, "cuda": 500e6}  # of a stand-in: all layers of a small model, two of Falcon-7B
STEPS_LOOKED_AT = 64  # for micro-batches that stand for the epoch
AT_MOST = 4  # micro-batches of each worker stand for a step of more: it takes as long a token
# Which micro-batches are timed: places among the epoch's tokens, in order of micro-batch size.
PLACES = (0.5, 0.25, 0.75, 0.1, 0.9, 0.4, 0.6, 0.2, 0.8, 0.3, 0.7)
PAD = -1


@dataclass(frozen=True)
class Measured:
    """Seconds a token with all layers, of training, an evaluation, reading prompts; `writing`: for each token by which
    a batch of answers grows. Not a number where nothing was measured, and then `why`."""

    per_token: float = math.nan
    evaluation: float = math.nan
    reading: float = math.nan
    writing: float = math.nan
    timed: int = 0
    watts: float | None = None
    why: str = ""


def measured(
    plan, config: Config, model_config, curriculum: Curriculum, lengths: list[int], ranks: launch.Ranks,
    held_out: Sequence[Example] = (), of_a_change: bool = False,
) -> Measured:  # fmt: skip
    """Micro-batches of the curriculum's first epoch timed on stand-ins; of a change only the pace of training."""
    try:
        with _share_of_the_cores(plan, ranks):
            return _timed(plan, config, model_config, curriculum, lengths, ranks, held_out, of_a_change)
    except (RuntimeError, ValueError, UserError) as error:  # no room beside other programs, an unusual architecture
        return Measured(why=first_line(error))
    finally:  # the stand-ins are gone: they were another function's
        give_back_freed_memory()
        if ranks.device.type == "cuda":  # the peak that run.json tells is the run's own
            torch.cuda.reset_peak_memory_stats(ranks.device)


def _timed(plan, config: Config, model_config, curriculum, lengths, ranks, held_out, of_a_change: bool) -> Measured:
    least, limit = (LEAST_FOR_A_CHANGE, SECONDS_FOR_A_CHANGE) if of_a_change else (LEAST, SECONDS)
    batches = list(micro_batches_of(lengths, plan, config.training, model_config))
    chosen, largest = typical(batches, lengths)
    stand_ins = StandIns(plan, config, model_config, curriculum, lengths, ranks.device)
    stand_ins.step(largest)  # memory grows, kernels are chosen
    timed, began = [], time.perf_counter()
    for cases in chosen:  # each once: every step of a run brings new shapes, whose first time counts
        if len(timed) >= least and time.perf_counter() - began > limit:
            break
        timed.append((sum(lengths[i] for i in cases), stand_ins.step(cases)))
    per_token = seconds_per_token(timed, [sum(lengths[i] for i in cases) for cases in batches])
    watts = None
    if ranks.device.type == "cuda" and not (of_a_change or config.training.watts):
        uuid = torch.cuda.get_device_properties(ranks.device).uuid
        watts = watts_drawn(f"GPU-{uuid}", lambda: stand_ins.step(largest))
    evaluation = stand_ins.evaluate(held_out) if held_out else math.nan
    try:
        answers = stand_ins.answer(held_out) if held_out else (math.nan, math.nan)
    except Exception:  # an unusual architecture: training is predicted all the same
        answers = math.nan, math.nan
    times = sharing(plan, ranks)
    return Measured(*(times * seconds for seconds in (per_token, evaluation, *answers)), len(timed), watts)


class StandIns:
    """One model with all layers or, of a large model, two with fewer; their seconds give those of all layers. Where
    the plan computes some layers again, of these with all computed again and with none, in the plan's shares. They
    take turns, so that a change of the machine's load meets all."""

    def __init__(self, plan, config: Config, model_config, curriculum: Curriculum, lengths: list[int], device):
        self.layers, self.wanted = depths(model_config, plan.device), model_config.num_hidden_layers
        # Weights that train in 4-bit answer in 4-bit here: what they might be folded into would not be small.
        packed = config.model.quantization == "nf4" and not plan.unpacked
        self.answers_in = plan.dtype if packed else dtype_of_answers(config, plan.device, plan.dtype)
        self.curriculum, setup = curriculum, Setup.of(plan, config.training, model_config, lengths, device)
        kind = (config, model_config, curriculum, setup)
        again = plan.recomputed_layers / self.wanted
        kinds = [(1 - again, 0), (again, self.wanted)] if len(self.layers) > 1 else [(1.0, plan.recomputed_layers)]
        self.kinds = [
            (share, [build(replace(plan, recomputed_layers=count), n, *kind) for n in self.layers])
            for share, count in kinds if share
        ]  # fmt: skip

    @property
    def runs(self) -> list[training.Run]:
        return self.kinds[0][1]

    def step(self, cases: list[int]) -> float:
        """Seconds of a training step on these cases, which are at hand:
        in a run they are made while another is computed."""
        examples = [self.curriculum.example(i, 0) for i in cases]
        for run in chain.from_iterable(runs for _, runs in self.kinds):
            run.progress = training.Progress()
            run.step(lambda _: examples)
        return sum(
            share * extrapolated(self.layers, [run.progress.seconds for run in runs], self.wanted)
            for share, runs in self.kinds
        )

    def evaluate(self, held_out: Sequence[Example]) -> float:
        """Seconds of an evaluation for each token, from the first of these examples."""
        longest = max(len(e.input_ids) for e in held_out)
        seconds = []
        for run in self.runs:
            run.held_out = list(held_out[: max(4, run.budget // longest)])
            began = time.perf_counter()
            run.evaluate()
            seconds.append(time.perf_counter() - began)
        return extrapolated(self.layers, seconds, self.wanted) / sum(len(e.input_ids) for e in self.runs[0].held_out)

    def answer(self, held_out: Sequence[Example]) -> tuple[float, float]:
        """`answer_pace.of_a_batch` below the prompts of these examples, in memory that training does not hold: the most
        that this process holds is the run's own."""
        give_back_freed_memory()
        prompts = [e.input_ids[: e.prompt_length] for e in held_out]
        if len(self.runs) > 1:  # their difference counts: what is done once is done before
            answer_pace.of_a_batch(self.runs[0].model, prompts[:1])
        found = [
            answer_pace.of_a_batch(answer_pace.as_it_answers(run.model, self.answers_in), prompts) for run in self.runs
        ]
        reading, writing = (extrapolated(self.layers, seconds, self.wanted) for seconds in zip(*found, strict=True))
        return reading, writing


def depths(model_config, device: str) -> tuple[int, ...]:
    """Layers of the stand-ins: all of a small model; else one, and as many as are computed quickly, to tell a layer
    from what is around the layers."""
    shape = memory.shape_of(model_config)
    most = max(2, int(PARAMETERS[device] / (shape.linear_parameters / shape.layers)))
    return (shape.layers,) if shape.layers <= most else (1, most)


def extrapolated(layers: Sequence[int], seconds: Sequence[float], wanted: int) -> float:
    """Seconds with `wanted` layers, from one or two stand-ins."""
    if len(layers) == 1:
        return seconds[0]
    return seconds[0] + (wanted - layers[0]) * max(0.0, seconds[1] - seconds[0]) / (layers[1] - layers[0])


def seconds_per_token(timed: Sequence[tuple[int, float]], sizes: Sequence[int]) -> float:
    """Of micro-batches of these `sizes` together, from some that were `timed`, (tokens, seconds): each
    takes a fixed time and a time for each token, fitted as medians (Theil 1950, Sen 1968), which a
    stray measurement does not move."""
    slopes = [(s - t) / (n - m) for (m, t), (n, s) in combinations(timed, 2) if m != n]
    slope = max(0.0, statistics.median(slopes or [0.0]))
    fixed = statistics.median(seconds - slope * tokens for tokens, seconds in timed)
    if fixed < 0 or not slope:  # noise: nothing takes less than no time
        slope, fixed = statistics.median(seconds / tokens for tokens, seconds in timed), 0.0
    return slope + fixed * len(sizes) / sum(sizes)


def micro_batches_of(lengths: Sequence[int], plan, settings, model_config) -> Iterator[list[int]]:
    """The cases (by number) of each micro-batch on any rank, for the first steps of an epoch, as the run will cut
    them; with several workers what they compute side by side, of a long step a part."""
    setup = Setup.of(plan, settings, model_config, lengths, torch.device(plan.device))
    for step in steps_of_epoch(len(lengths), settings.batch_size, settings.seed, 0)[:STEPS_LOOKED_AT]:
        examples = [Example((i,) * lengths[i], 0) for i in step]  # each token tells the case
        for share in shares(examples, plan.ranks):
            if setup.workers > 1:  # they compute a step's micro-batches side by side
                tokens = sum(len(example.input_ids) for example in share)
                at_once = max(setup.tokens_per_micro_batch, max(lengths))
                parts = math.ceil(tokens / (AT_MOST * setup.workers * at_once))
                yield from (sorted(example.input_ids[0] for example in share[i::parts]) for i in range(parts))
                continue
            for batch in micro_batches(
                share, setup.tokens_per_micro_batch, setup.packed, PAD, setup.cases_per_micro_batch, setup.fill
            ):
                yield [i for i in batch.input_ids.unique().tolist() if i != PAD]


def typical(batches: list[list[int]], lengths: Sequence[int]) -> tuple[list[list[int]], list[int]]:
    """(micro-batches in which a token of the epoch is likely to be, the usual one first; the largest)."""
    ordered = sorted(batches, key=lambda cases: sum(lengths[i] for i in cases))
    ends, total = [], 0
    for cases in ordered:
        total += sum(lengths[i] for i in cases)
        ends.append(total)
    places = [next(n for n, end in enumerate(ends) if end >= place * total) for place in PLACES]
    return [ordered[n] for n in dict.fromkeys(places)], ordered[-1]


def build(
    plan, layers: int, config: Config, model_config, curriculum: Curriculum, setup: Setup
) -> training.Run:
    """A run of a model with so many layers of the real shapes and random weights."""
    cut = copy.deepcopy(model_config)
    cut.num_hidden_layers = layers
    with falcon.quantisable():
        with torch.device("meta"):
            empty = AutoModelForCausalLM.from_config(cut)
        weights = {
            name: torch.randn(each.shape, dtype=plan.dtype, device=setup.device) * 0.02
            for name, each in empty.named_parameters()
        }
        how = model.as_trained(cut, config.model.quantization, setup.device, plan.dtype)
        base = type(empty).from_pretrained(None, state_dict=weights, **how)
    base = model.frozen(base, min(plan.recomputed_layers, layers))
    if plan.unpacked:
        base = model.unpack(base, plan.dtype)
    tuned = model.add_adapter(base, config.adapter, config.training.seed, reordered=plan.reordered).train()
    return training.Run(
        tuned, curriculum, [], config.training, setup,
        launch.alone(setup.device), TrainLog(Path(), enabled=False), Path(), {},
    )  # fmt: skip


@contextmanager
def _share_of_the_cores(plan, ranks: launch.Ranks):
    """A plan is made by one process: it takes the threads that each of several ranks would get."""
    before = torch.get_num_threads()
    alone = ranks.world_size < plan.ranks and plan.device == "cpu" and "OMP_NUM_THREADS" not in os.environ
    if alone:
        torch.set_num_threads(max(1, plan.hardware.cores // plan.ranks))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def sharing(plan, ranks: launch.Ranks) -> int:
    """How many times as long everything takes for ranks that share a GPU,
    where one process times it for all of them."""
    alone = ranks.world_size < plan.ranks and plan.hardware.gpus
    return ranks_on_a_gpu(plan.hardware, plan.ranks) if alone else 1


def watts_drawn(gpu: str, work: Callable[[], object]) -> float | None:
    """What a GPU draws while `work` goes on, as its driver tells; None where it does not."""
    command = ["nvidia-smi", f"--id={gpu}", "--query-gpu=power.draw", "--format=csv,noheader,nounits"]
    began = time.perf_counter()
    try:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as asked:
            while asked.poll() is None:  # it tells the average of the moments before it answers
                if time.perf_counter() - began > SECONDS_FOR_THE_DRIVER:
                    asked.kill()
                work()
            return float(asked.stdout.read())
    except (OSError, ValueError):
        return None
