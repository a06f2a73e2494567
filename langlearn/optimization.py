"""AdamW and its learning rate."""

import math

import torch

from langlearn.config import Training


def make_optimizer(name: str, parameters, training: Training) -> torch.optim.Optimizer:
    """`name` is the plan's: paged_adamw_8bit, of bitsandbytes, or adamw, torch's own in one kernel."""
    parameters = list(parameters)
    settings = {"lr": training.learning_rate, "weight_decay": training.weight_decay}
    if name == "paged_adamw_8bit":
        import bitsandbytes as bnb

        return bnb.optim.PagedAdamW8bit(parameters, **settings)
    return torch.optim.AdamW(parameters, **settings, fused=True)


def learning_rate(step: int, steps: int, training: Training) -> float:
    """Linear warm-up over `warmup` of the steps, then half a cosine to zero."""
    warm = math.ceil(training.warmup * steps)
    if step < warm:
        return training.learning_rate * (step + 1) / warm
    return training.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))
