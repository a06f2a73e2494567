"""How long training will take on this machine, and what would change it: before any weight is loaded.

    seconds a token, measured (stand_in.py) x the tokens of each step's busiest rank = seconds of the steps

Predicted is what run.json calls `seconds`: the steps. What the command does beside them: see whole.py.
"""

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace

import torch

from langlearn import hardware, launch, memory, stand_in
from langlearn.config import Config
from langlearn.errors import UserError
from langlearn.examples import Curriculum, Example, shares, steps_of_epoch
from langlearn.trainlog import clock

TWO_GPUS = 1.8  # times as fast as one, as a rule: one waits for the other at the end of each step


@dataclass(frozen=True)
class Work:
    """What is computed. `busiest`: for each step of an epoch the tokens of the rank that has most; `tokens`: of all
    ranks in an epoch. The first epoch stands for all: later ones draw other retrieved cases, of like length."""

    busiest: tuple[int, ...]
    tokens: int
    steps: int

    @classmethod
    def of(cls, lengths: Sequence[int], settings, ranks: int) -> "Work":
        """The work of training on examples of these token lengths under the config's `training` section."""
        examples = [Example(range(n), 0) for n in lengths]
        steps = steps_of_epoch(len(lengths), settings.batch_size, settings.seed, 0)
        busiest = tuple(busiest_rank([examples[i] for i in step], ranks) for step in steps)
        return cls(busiest, sum(lengths), max(1, math.ceil(len(steps) * settings.num_train_epochs)))

    def tokens_of(self, steps: int) -> int:
        """What the busiest ranks compute in the first `steps` of the run."""
        epochs, rest = divmod(steps, len(self.busiest))
        return epochs * sum(self.busiest) + sum(self.busiest[:rest])


def busiest_rank(examples: Sequence[Example], ranks: int) -> int:
    """Tokens of the largest share."""
    return max(sum(len(e.input_ids) for e in share) for share in shares(examples, ranks))


@dataclass(frozen=True)
class Pace:
    """What was measured and what follows. `per_token`: seconds that steps take for each token of their busiest rank;
    `evaluation`: seconds of one; `reading`, `writing`: see stand_in.Measured; `timed`: micro-batches; `layers`: of the
    stand-ins; `watts`: None where unknown."""

    per_token: float
    evaluation: float
    reading: float
    writing: float
    timed: int
    layers: tuple[int, ...]
    watts: float | None
    work: Work

    def seconds(self, steps: int | None = None) -> float:
        """Of the first `steps`, or of all."""
        return self.per_token * self.work.tokens_of(self.work.steps if steps is None else steps)

    @property
    def seconds_per_epoch(self) -> float:
        return self.seconds(len(self.work.busiest))

    @property
    def tokens_per_second(self) -> float:
        """Of all ranks together."""
        return self.work.tokens / self.seconds_per_epoch

    def evaluations(self, done: int = 0) -> int:
        """One before, one after each epoch and at the end: those after the first `done` steps."""
        epoch, steps = len(self.work.busiest), self.work.steps
        return (not done) + sum(step > done for step in {*range(epoch, steps, epoch), steps})

    def as_dict(self, steps: int | None = None) -> dict:
        """For run.json. `steps`: those that were taken, where the run stopped early."""
        measured = {name: value for name, value in asdict(self).items() if name != "work"}
        return {
            "predicted_seconds": self.seconds(steps),
            "predicted_seconds_per_epoch": self.seconds_per_epoch,
            "predicted_tokens_per_second": self.tokens_per_second,
            "pace": measured | {"layers": list(self.layers), "steps": self.work.steps},
        }

    def rows(self, settings, layers: int) -> tuple[tuple[str, str, str], ...]:
        """(what, value, why) for the plan of a model of so many layers; `settings` is the config's training section."""
        total, owed = self.seconds(), bill(self.seconds(), self, settings)
        of = "all" if self.layers == (layers,) else f"{' and '.join(map(str, self.layers))} of"
        rows = [
            ("an epoch", clock(self.seconds_per_epoch), f"{self.work.tokens:,} tokens, {self.tokens_per_second:,.0f} a "
             f"second: {self.timed} micro-batches timed on {of} {layers} layers, with random weights"),
            ("training", clock(total), f"epochs: {settings.num_train_epochs:g}, steps: {self.work.steps:,}"),
        ]  # fmt: skip
        if "kilowatt_hours" in owed:
            source = "training.watts" if settings.watts else "drawn while the micro-batches were timed, by GPUs alone"
            rows.append(("energy", f"{owed['kilowatt_hours']:.2g} kWh", f"{self.watts:,.0f} W: {source}"))
        if "cost" in owed:
            rows.append(
                ("cost", f"{owed['cost']:.2f}", f"{settings.price_per_hour:.2f} an hour: training.price_per_hour")
            )
        return tuple(rows)


def bill(seconds: float, pace: Pace | None, settings) -> dict[str, float]:
    """What so many seconds take: `kilowatt_hours`, and `cost` in the currency of the price; each only where known."""
    watts, price = pace.watts if pace else settings.watts, settings.price_per_hour
    energy = {"kilowatt_hours": seconds * watts / 3.6e6} if watts else {}
    return energy if price is None else energy | {"cost": seconds / 3600 * price}


def timed(plan, config: Config, model_config, lesson, ranks: launch.Ranks):
    """`plan` with its pace.

    All ranks measure at once, because at once they will train, and the slowest counts. Where nothing can be measured
    the run goes on, and the plan says why there is no prediction.
    """
    launch.barrier(ranks)
    found = stand_in.measured(plan, config, model_config, lesson.curriculum, lesson.lengths, ranks, lesson.held_out)
    per_token, evaluation, reading, writing = _slowest(
        ranks, found.per_token, found.evaluation, found.reading, found.writing
    )
    if math.isnan(per_token):
        return replace(plan, reasons=(*plan.reasons, ("training", "not predicted", found.why or "another rank failed")))
    pace = Pace(
        per_token,
        evaluation * busiest_rank(lesson.held_out, plan.ranks) if lesson.held_out else 0.0,
        reading,
        writing,
        found.timed,
        stand_in.depths(model_config, plan.device),
        config.training.watts or (found.watts * min(plan.ranks, len(plan.hardware.gpus)) if found.watts else None),
        Work.of(lesson.lengths, config.training, plan.ranks),
    )
    rows = pace.rows(config.training, model_config.num_hidden_layers)
    return replace(plan, pace=pace, reasons=(*plan.reasons, *rows))


def with_changes(plan, config: Config, model_config, lesson, ranks: launch.Ranks):
    """`plan` with what would change its pace, where that is known; all ranks measure at once."""
    if plan.pace is None:
        return plan
    return replace(plan, changes=tuple(_changes(plan, config, model_config, lesson, ranks)))


def _changes(plan, config: Config, model_config, lesson, ranks: launch.Ranks) -> Iterator[tuple[str, str, str]]:
    """(change, how long training would take, how and at what memory),
    each measured like the plan or counted from it."""
    settings, taught = config.training, lesson.curriculum
    turned = "off" if plan.recomputed_layers else "on"
    tried = [(f"recompute {turned}", "activation_checkpointing", turned, lesson)]
    if taught.neighbours and settings.retrieval_share:
        alone = Curriculum(taught.cases, [], taught.encoder, settings, taught.k)
        tried.append(("no retrieval", "retrieval_share", 0, replace(lesson, curriculum=alone)))
    if plan.device == "cuda" and plan.ranks == 1:
        yield "two such GPUs", f"about {clock(plan.pace.seconds() / TWO_GPUS)}", "both train at once, 1.8 times as fast"
    for name, key, value, other in tried:
        changed, sizes = replace(config, training=replace(settings, **{key: value})), other.lengths
        try:
            instead = hardware.plan(changed, plan.hardware, model_config, sizes, other.answers)
        except UserError:  # it does not fit
            continue
        found = stand_in.measured(instead, changed, model_config, other.curriculum, sizes, ranks, of_a_change=True)
        if math.isnan(found.per_token):
            continue
        seconds = found.per_token * Work.of(sizes, changed.training, plan.ranks).tokens_of(plan.pace.work.steps)
        size = f"{statistics.fmean(sizes):.0f} tokens a case, {instead.tokens_per_micro_batch:,} at once"
        peak = f"peak memory {instead.memory.total / memory.GIB:.1f} GiB"
        yield name, clock(seconds), f"training.{key}: {value}; {size}; {peak}"
    if settings.num_train_epochs > 1:
        yield "one epoch", clock(plan.pace.seconds_per_epoch), "training.num_train_epochs: 1"


def _slowest(ranks: launch.Ranks, *values: float) -> list[float]:
    """Each value's largest over all ranks."""
    table = torch.zeros(ranks.world_size, len(values), device=ranks.device)
    table[ranks.rank] = torch.tensor(values)
    return launch.sum_across(ranks, table).max(dim=0).values.tolist()
