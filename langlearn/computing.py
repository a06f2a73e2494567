"""How a run computes on this machine, as the plan decided."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from langlearn import falcon
from langlearn.config import Training
from langlearn.examples import Fill


@dataclass(frozen=True)
class Setup:
    """`packed`: see `falcon.packs`. `workers`: threads that compute a step's examples side by side."""

    device: torch.device
    dtype: torch.dtype
    packed: bool
    tokens_per_micro_batch: int
    optimizer: str
    cases_per_micro_batch: int | None = None
    fill: Fill = Fill()
    workers: int = 1

    @classmethod
    def of(cls, plan, training: Training, model_config, lengths: Sequence[int], device: torch.device) -> "Setup":
        """For examples of these token `lengths`; `model_config` is transformers'."""
        packed = falcon.packs(model_config)
        return cls(
            device=device,
            dtype=plan.dtype,
            packed=packed,
            tokens_per_micro_batch=plan.tokens_per_micro_batch,
            optimizer=plan.optimizer,
            cases_per_micro_batch=training.per_device_train_batch_size,
            fill=Fill.of(lengths, _row(plan, training, lengths), packed) if plan.device == "cpu" else Fill(),
            workers=plan.workers,
        )


def _row(plan, training: Training, lengths: Sequence[int]) -> float:
    """Tokens that a micro-batch holds, about: its budget, or less where a worker's share of a step is less."""
    share = training.batch_size / (plan.ranks * plan.workers)
    cases = min(share, training.per_device_train_batch_size or share)
    return min(plan.tokens_per_micro_batch, cases * sum(lengths) / max(1, len(lengths)))
