"""How fast this machine reads prompts and writes answers: from one batch on a model that stands in."""

import copy
import statistics
from collections.abc import Sequence
from itertools import cycle, islice, pairwise

import torch

from langlearn import generation
from langlearn.products import hasten

STEPS = 8  # further tokens that are timed
LONGEST = 300  # tokens of a prompt, so that the batch takes less memory than a training step


@torch.no_grad()
def of_a_batch(model, prompts: Sequence[Sequence[int]]) -> tuple[float, float]:
    """(seconds for each token of the prompts, seconds for each token by which a batch of answers grows)."""
    rows = [prompt[-LONGEST:] for prompt in islice(cycle(prompts), generation.AT_ONCE)]
    input_ids, attention_mask = generation.left_padded(rows, 0, next(model.parameters()).device)
    clock, training = generation.Clock(), model.training
    model.eval()
    try:
        model.generate(
            input_ids=input_ids, attention_mask=attention_mask, max_new_tokens=1 + STEPS, min_new_tokens=1 + STEPS,
            do_sample=False, use_cache=True, pad_token_id=0, stopping_criteria=[clock],
        )  # fmt: skip
    finally:
        model.train(training)
    steps = [after - before for before, after in pairwise(clock.times)]
    return steps[0] / sum(map(len, rows)), statistics.median(steps[1:])


def as_it_answers(model, dtype: torch.dtype):
    """A model that trains as it would answer, in this dtype; see speaker.py."""
    return hasten(model if model.dtype == dtype else copy.deepcopy(model).to(dtype))
