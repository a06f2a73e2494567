"""The run itself: steps, evaluation, checkpoints, resume.

One optimiser step, on every rank alike:

    cases of the step → examples → this rank's share → micro-batches → gradients of (summed loss / supervised tokens of
    the whole step) → summed over ranks → clipped → AdamW

Nothing in it depends on how many ranks there are or how large a micro-batch is, and randomness is drawn from
(seed, step, rank): so two GPUs train as one, a step can be repeated with smaller micro-batches when memory runs out,
and an interrupted run continues exactly.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from langlearn import checkpoint, launch, objective, optimization
from langlearn import model as models
from langlearn.ahead import Ahead
from langlearn.computing import Setup
from langlearn.config import Training
from langlearn.errors import UserError
from langlearn.examples import Batch, Curriculum, Example, micro_batches, shares, steps_of_epoch
from langlearn.interruption import interruptible
from langlearn.machine import give_back_freed_memory, keep_freed_memory, peak_memory
from langlearn.side_by_side import SideBySide
from langlearn.trainlog import TrainLog, clock

KEPT_CHECKPOINTS = 2


@dataclass
class Progress:
    """Where the run is; with the adapter's and optimizer's tensors it is all that a resume needs."""

    step: int = 0
    tokens: int = 0
    supervised_tokens: int = 0
    seconds: float = 0.0
    best_loss: float = math.inf
    best_step: int = 0
    evaluations: list[dict] = field(default_factory=list)
    last: dict = field(default_factory=dict)
    stopped_early: bool = False


class Run:
    """Trains `model`'s adapter on `curriculum`; `evaluate()` gives the mean loss (nats a token) on held-out cases."""

    def __init__(
        self,
        model,
        curriculum: Curriculum,
        held_out: Sequence[Example],
        training: Training,
        setup: Setup,
        ranks: launch.Ranks,
        log: TrainLog,
        folder: Path,
        fingerprint: dict,
    ):
        self.model, self.curriculum, self.held_out = model, curriculum, list(held_out)
        self.training, self.setup, self.ranks, self.log = training, setup, ranks, log
        self.folder, self.fingerprint = folder, fingerprint
        self.budget, self.fixed_counts = setup.tokens_per_micro_batch, True
        self.parameters = {n: p for n, p in model.named_parameters() if p.requires_grad}
        self.optimizer = optimization.make_optimizer(setup.optimizer, self.parameters.values(), training)
        self.side_by_side = SideBySide(setup.workers)
        if setup.device.type == "cpu":
            keep_freed_memory()
        self.scaler = torch.amp.GradScaler(setup.device.type, enabled=setup.dtype == torch.float16)
        self.steps_per_epoch = math.ceil(len(curriculum.cases) / training.batch_size)
        self.steps = max(1, math.ceil(self.steps_per_epoch * training.num_train_epochs))
        self.progress = Progress()
        self.best: dict[str, torch.Tensor] = {}

    # The story ------------------------------------------------------------------------------------------------

    def train(self) -> Progress:
        """Run to the end, from the newest checkpoint if there is one. Ctrl-C saves and raises KeyboardInterrupt."""
        self.resume()
        if self.progress.step == 0:
            self.evaluate_and_keep_best()
        saved = time.monotonic()
        self.model.train()
        with self.log, interruptible() as interrupted, Ahead(self.examples_of, self.steps) as ahead:
            while self.progress.step < self.steps and not self.progress.stopped_early:
                self.step(ahead.take)
                if self.progress.step % self.steps_per_epoch == 0 or self.progress.step == self.steps:
                    self.evaluate_and_keep_best()
                    self.stop_if_no_better()
                    self.save()
                    saved = time.monotonic()
                stop, due = launch.any_rank(
                    self.ranks, interrupted(), time.monotonic() - saved > 60 * self.training.save_minutes
                )
                if due or stop:
                    self.save()
                    saved = time.monotonic()
                if stop:
                    self.log.pause_bar()
                    self.log.say(f"interrupted at step {self.progress.step}/{self.steps}: saved")
                    raise KeyboardInterrupt
        self.restore_best()
        self.model.eval()
        return self.progress

    def examples_of(self, step: int) -> list[Example]:
        """Of all ranks together."""
        epoch, index = divmod(step, self.steps_per_epoch)
        steps = steps_of_epoch(len(self.curriculum.cases), self.training.batch_size, self.training.seed, epoch)
        return [self.curriculum.example(i, epoch) for i in steps[index]]

    def step(self, take: Callable[[int], list[Example]] | None = None) -> None:
        """One optimiser step, repeated with smaller micro-batches or more recomputation where memory runs out. `take`
        has its examples ready, by number; without it they are made now."""
        began, p = time.perf_counter(), self.progress
        examples = (take or self.examples_of)(p.step)
        supervised = sum(e.supervised for e in examples)
        while (loss := self.gradients(examples, supervised)) is None:
            self.make_room(examples, f"step {p.step + 1}", self.setup.cases_per_micro_batch, backward=True)
        if not math.isfinite(loss):
            raise UserError(
                f"the loss of step {p.step + 1} is {loss}: training.learning_rate {self.training.learning_rate} is too "
                "high\nlower it, and start anew with --fresh"
            )
        rate = optimization.learning_rate(p.step, self.steps, self.training)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.scaler.unscale_(self.optimizer)
        norm = torch.nn.utils.clip_grad_norm_(self.parameters.values(), self.training.max_grad_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)

        tokens = sum(len(e.input_ids) for e in examples)
        took = time.perf_counter() - began
        p.step += 1
        p.tokens += tokens
        p.supervised_tokens += supervised
        p.seconds += took
        p.last = {"loss": loss, "grad_norm": float(norm), "learning_rate": rate}
        self.log.step(
            step=p.step, steps=self.steps, epoch=p.step / self.steps_per_epoch, **p.last,
            tokens_per_second=tokens / took, peak_memory_bytes=peak_memory(self.setup.device),
            seconds_left=p.seconds / p.step * (self.steps - p.step),
        )  # fmt: skip

    def gradients(self, examples: list[Example], supervised: int) -> float | None:
        """Mean loss of the step, its gradient left on the parameters of every rank; None if memory ran out."""
        parameters = list(self.parameters.values())

        def compute(pile: list[Example]) -> tuple[torch.Tensor, list[torch.Tensor]]:
            total, sums = torch.zeros((), device=self.setup.device), [torch.zeros_like(p) for p in parameters]
            for batch in self.batches(pile, self.setup.cases_per_micro_batch):
                with objective.packed(batch):
                    loss = objective.answer_loss(self.model, batch) / supervised
                    torch._foreach_add_(sums, torch.autograd.grad(self.scaler.scale(loss), parameters))
                total += loss.detach()
            return total, sums

        seed = (self.training.seed * 1_000_003 + self.progress.step) * 1024 + self.ranks.rank
        done = self.on_every_rank(compute, examples, seed)
        if done is None:
            return None
        (total, sums), *others = done
        for more, further in others:
            total += more
            torch._foreach_add_(sums, further)
        self.sum_over_ranks(sums)
        for parameter, gradient in zip(parameters, sums, strict=True):
            parameter.grad = gradient
        return launch.sum_across(self.ranks, total).item()

    def sum_over_ranks(self, gradients: list[torch.Tensor]) -> None:
        """One flat all-reduce: the adapter is small, and a single message keeps the ranks in step."""
        if self.ranks.world_size > 1:
            flat = launch.sum_across(self.ranks, torch.cat([g.flatten() for g in gradients]))
            for gradient, summed in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
                gradient.copy_(summed.view_as(gradient))

    def on_every_rank(self, compute: Callable, examples: list[Example], seed: int) -> list | None:
        """[compute(pile) for each pile of this rank's share]; None on all ranks if memory ran out on any."""
        try:
            done = self.side_by_side.each(compute, self.piles(examples), seed)
        except torch.OutOfMemoryError:
            done = []
        return None if launch.any_rank(self.ranks, not done)[0] else done

    def make_room(self, examples: list[Example], what: str, count: int | None, backward: bool) -> None:
        """After memory ran out: smaller micro-batches, no longer of `count` cases each; and where they hold one
        example, every layer computed again."""
        give_back_freed_memory()
        longest, fixed = max(len(e.input_ids) for e in examples), bool(count) and self.fixed_counts
        self.fixed_counts = False
        # Threads draw what is dropped themselves, not again for a layer that is computed again.
        again = backward and self.setup.workers == 1
        if self.budget > longest:
            self.budget = max(self.budget // 2, 1)
            done = f"micro-batches halved to {self.budget} tokens"
        elif fixed:
            done = f"micro-batches of {self.budget} tokens instead of {count} cases"
        elif again and models.recompute_all(self.model):
            done = "from now on every layer is computed again backward"
        else:
            raise UserError(
                f"out of memory with {self.budget} tokens at once, the longest example has {longest}\n"
                "lower training.max_length, or use a larger GPU"
            )
        self.log.pause_bar()
        self.log.say(f"out of memory at {what}: {done}, the batch of {len(examples)} cases kept, {what} repeated")

    # Evaluation -----------------------------------------------------------------------------------------------

    def evaluate(self) -> float:
        """Mean loss of the held-out answers, nats a supervised token."""
        self.model.eval()
        while (total := self.held_out_loss()) is None:
            self.make_room(self.held_out, "the evaluation", self.training.per_device_eval_batch_size, backward=False)
        self.model.train()
        return total / sum(e.supervised for e in self.held_out)

    def held_out_loss(self) -> float | None:
        """Summed over all ranks; None if memory ran out."""

        @torch.no_grad()
        def compute(pile: list[Example]) -> torch.Tensor:
            total = torch.zeros((), dtype=torch.float64, device=self.setup.device)
            for batch in self.batches(pile, self.training.per_device_eval_batch_size):
                with objective.packed(batch):
                    total += objective.answer_loss(self.model, batch).double()
            return total

        done = self.on_every_rank(compute, self.held_out, seed=0)
        return None if done is None else launch.sum_across(self.ranks, torch.stack(done).sum()).item()

    def evaluate_and_keep_best(self) -> None:
        p, loss = self.progress, self.evaluate()
        p.evaluations.append({"step": p.step, "epoch": p.step / self.steps_per_epoch, "loss": loss})
        self.log.pause_bar()
        self.log.record("evaluation", **p.evaluations[-1])
        cases = len(self.held_out)
        self.log.say(f"evaluation at step {p.step}/{self.steps}: loss {loss:.4f} on {cases} held-out cases")
        if loss < p.best_loss:
            p.best_loss, p.best_step = loss, p.step
            self.best = {n: v.detach().clone() for n, v in self.parameters.items()}

    def stop_if_no_better(self) -> None:
        p, patience = self.progress, self.training.early_stopping_patience
        since = sum(e["step"] > p.best_step for e in p.evaluations)
        if patience and since >= patience and p.step < self.steps:
            p.stopped_early = True
            self.log.say(f"stopped early: no better evaluation in {since}; the best was at step {p.best_step}")

    def restore_best(self) -> None:
        """The adapter that is kept is the best one evaluated, unless early stopping is off."""
        if self.training.early_stopping_patience and self.best and self.progress.best_step != self.progress.step:
            untrained = ", and is untrained: lower training.learning_rate" if not self.progress.best_step else ""
            self.log.say(f"the adapter of step {self.progress.best_step} is kept: it evaluated best{untrained}")
            with torch.no_grad():
                for name, value in self.best.items():
                    self.parameters[name].copy_(value)

    # Checkpoints ----------------------------------------------------------------------------------------------

    def save(self) -> None:
        if self.ranks.is_main:
            tensors = {f"adapter.{n}": p for n, p in self.parameters.items()}
            tensors |= {f"best.{n}": v for n, v in self.best.items()}
            tensors |= checkpoint.optimizer_tensors(self.optimizer)
            meta = {"progress": asdict(self.progress), "fingerprint": self.fingerprint, "budget": self.budget}
            meta |= {"scaler": self.scaler.state_dict(), "recomputed": models.recomputed(self.model)}
            checkpoint.save(self.folder / f"step-{self.progress.step:08d}", tensors, meta)
            checkpoint.keep_newest(self.folder, KEPT_CHECKPOINTS)
        launch.barrier(self.ranks)

    def resume(self) -> None:
        found = checkpoint.load_newest(self.folder, self.log.say)
        if found is None:
            return
        tensors, meta = found
        checkpoint.refuse_other_run(meta["fingerprint"], self.fingerprint, self.folder)
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(tensors[f"adapter.{name}"])
        checkpoint.restore_optimizer(self.optimizer, tensors)
        self.best = {n: tensors[f"best.{n}"].to(p.device) for n, p in self.parameters.items() if f"best.{n}" in tensors}
        self.progress, self.budget = Progress(**meta["progress"]), meta["budget"]
        self.fixed_counts = self.budget == self.setup.tokens_per_micro_batch
        if meta["recomputed"] > models.recomputed(self.model):  # the budget was chosen, or found, together with it
            models.recompute(self.model.get_base_model(), meta["recomputed"])
        if meta["scaler"]:
            self.scaler.load_state_dict(meta["scaler"])
        self.log.say(f"resumed at step {self.progress.step}/{self.steps} after {clock(self.progress.seconds)}")

    # Small parts ----------------------------------------------------------------------------------------------

    def piles(self, examples: Sequence[Example]) -> list[list[Example]]:
        """This rank's examples, a pile for each worker."""
        return shares(shares(examples, self.ranks.world_size)[self.ranks.rank], self.setup.workers)

    def batches(self, examples: Sequence[Example], count: int | None) -> Iterator[Batch]:
        """Micro-batches on the device, of `count` cases each until memory runs out."""
        count = count if self.fixed_counts else None
        cut = micro_batches(examples, self.budget, self.setup.packed, pad_id=0, count=count, fill=self.setup.fill)
        return (batch.to(self.setup.device) for batch in cut)
