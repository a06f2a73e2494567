"""Loss on the answers: summed over supervised tokens, in chunks, so that the logits never stand in memory at once.

Falcon's LM head has 65,024 columns: the float32 logits of 4,096 tokens alone would take a gigabyte. Only the hidden
states of supervised positions reach the head, CHUNK at a time. The head is frozen, so the forward pass can leave the
finished gradient of the hidden states, (softmax - target) W, in place of logits: nothing is computed twice.

So it is for every model whose logits are hidden states times the head, and nothing else.
"""

from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import nn

from langlearn import falcon, reordered
from langlearn.examples import IGNORE, Batch
from langlearn.memory import CHUNK, SOFTMAXES, has_plain_head
from langlearn.reordered import Reordered

ROWS = 32  # supervised tokens reach the head in multiples of so many
TRIED = 8  # tokens
LEAST = torch.finfo(torch.float32).tiny  # of probabilities: a token that was held impossible counts 87 nats
_plain: WeakKeyDictionary[nn.Module, bool] = WeakKeyDictionary()


def answer_loss(model, batch: Batch) -> torch.Tensor:
    """Sum of the negative log-likelihood (nats) of the batch's supervised tokens, a scalar in float32.

    Forward and backward of a packed batch both belong inside `packed(batch)`.
    """
    bare = model.get_base_model() if hasattr(model, "get_base_model") else model
    given = {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask, "use_cache": False}
    if bare.config.model_type == "falcon":
        given["position_ids"] = batch.position_ids
    elif not _is_plain(bare, batch.input_ids):
        logits = model(**given).logits
        return _cross_entropy(logits[:, :-1].flatten(0, 1), batch.labels[:, 1:].flatten())
    hidden = bare.base_model(**given)[0].flatten(0, 1)
    if falcon.gave_what_was_asked():
        hidden = hidden[: len(batch.predicting)]
    else:
        hidden = hidden.index_select(0, batch.predicting)
    targets = batch.labels.flatten()[batch.predicting + 1]
    head = bare.get_output_embeddings()
    weight = head.weight.to(hidden.dtype)
    # The sum starts on the graph, so that a batch without supervised tokens still has a (zero) gradient.
    return hidden[:0].sum().float() + _HeadLoss.apply(hidden, weight, targets, reordered.of(head, hidden.dtype))


@torch.no_grad()
def _is_plain(bare: nn.Module, input_ids: torch.Tensor) -> bool:
    """Whether this model's logits are its hidden states times its head: as its config says, and once tried."""
    if bare not in _plain:
        _plain[bare] = has_plain_head(bare) and _tried(bare, input_ids[:1, :TRIED])
    return _plain[bare]


def _tried(bare: nn.Module, few: torch.Tensor) -> bool:
    training = bare.training
    bare.eval()
    try:
        hidden, logits = bare.base_model(few, use_cache=False)[0], bare(few, use_cache=False).logits
    finally:
        bare.train(training)
    found = bare.get_output_embeddings()(hidden)
    return torch.allclose(found.float(), logits.float(), rtol=1e-2, atol=1e-3)


class _HeadLoss(torch.autograd.Function):
    """Summed cross-entropy of `hidden` (tokens, width) through a frozen head `weight` (vocabulary, width), of which
    there may be `copies`."""

    @staticmethod
    def forward(ctx, hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor, copies: Reordered | None):
        total = torch.zeros((), device=hidden.device)
        wanted = ctx.needs_input_grad[0]
        gradient = torch.empty_like(hidden) if wanted else None
        size = CHUNK[hidden.device.type]
        for start in range(0, len(targets), size):
            part, goal = slice(start, start + size), targets[start : start + size, None]
            # Filled up, for a CPU prepares a kernel for each number of rows,
            # and takes longer for it than for the product.
            rows, count = F.pad(hidden[part], (0, 0, 0, -len(goal) % ROWS)), len(goal)
            logits = copies.there(rows, (len(rows), len(weight))) if copies else F.linear(rows, weight)
            total += _errors(logits[:count], goal, max(1, size // SOFTMAXES))
            if wanted:
                gradient[part] = (copies.back(logits) if copies else logits @ weight)[:count]
            del logits  # or they would stand beside the next
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx, outer: torch.Tensor):
        (gradient,) = ctx.saved_tensors
        return gradient * outer.to(gradient.dtype), None, None, None


def _errors(logits: torch.Tensor, goal: torch.Tensor, size: int) -> torch.Tensor:
    """Summed cross-entropy of `logits` (tokens, vocabulary) at `goal` (tokens, 1), whose gradient it leaves in their
    place. In float32 only `size` tokens stand at once, which the cache of a CPU holds."""
    parts = zip(logits.split(size), goal.split(size), strict=True)
    likelihoods = torch.cat([_error(*part) for part in parts])
    return -likelihoods.clamp_min(LEAST).log().sum()


def _error(logits: torch.Tensor, goal: torch.Tensor) -> torch.Tensor:
    """How likely each goal was; softmax - target, the gradient of the loss, replaces the logits."""
    likely = logits.softmax(dim=-1, dtype=torch.float32)
    found = likely.gather(1, goal)
    logits.copy_(likely.scatter_(1, goal, found - 1))
    return found


def _cross_entropy(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(logits.float(), targets, ignore_index=IGNORE, reduction="sum")


def packed(batch: Batch):
    """The context in which this batch's forward and backward run: only what predicts an answer is asked for."""
    return falcon.packed(batch.lengths, batch.asked)
