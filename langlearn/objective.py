"""Loss on the answers: summed over supervised tokens, in chunks, so that the logits never stand in memory at once.

Falcon's LM head has 65,024 columns: the float32 logits of 4,096 tokens alone would take a gigabyte. Only the hidden
states of supervised positions reach the head, CHUNK at a time, and are computed again in the backward pass.
"""

import torch
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint

from langlearn import falcon
from langlearn.examples import IGNORE, Batch

CHUNK = 1024


def answer_loss(model, batch: Batch) -> torch.Tensor:
    """Sum of the negative log-likelihood (nats) of the batch's supervised tokens, a scalar in float32.

    Forward and backward of a packed batch both belong inside `falcon.packed(batch.lengths)`.
    """
    bare = model.get_base_model() if hasattr(model, "get_base_model") else model
    if bare.config.model_type != "falcon":
        logits = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False).logits
        return _cross_entropy(logits[:, :-1].flatten(0, 1), batch.labels[:, 1:].flatten())
    hidden = bare.transformer(
        input_ids=batch.input_ids,
        position_ids=batch.position_ids,
        attention_mask=batch.attention_mask,
        use_cache=False,
    )[0]
    targets = batch.labels[:, 1:].flatten()
    keep = targets != IGNORE
    hidden, targets = hidden[:, :-1].flatten(0, 1)[keep], targets[keep]
    weight = bare.lm_head.weight
    # The sum starts on the graph, so that a batch without supervised tokens still has a (zero) gradient.
    total = hidden.sum().float() * 0.0
    for h, t in zip(hidden.split(CHUNK), targets.split(CHUNK), strict=True):
        total = total + checkpoint(_head_loss, h, weight, t, use_reentrant=False)
    return total


def _head_loss(hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return _cross_entropy(F.linear(hidden, weight.to(hidden.dtype)), targets)


def _cross_entropy(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(logits.float(), targets, ignore_index=IGNORE, reduction="sum")


def packed(batch: Batch):
    """The context in which this batch's forward and backward run."""
    return falcon.packed(batch.lengths)
