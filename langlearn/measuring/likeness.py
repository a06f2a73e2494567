"""Whether two models say the same: their logits at every position of some texts, in float32 arithmetic."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

TRIAL_TOKENS = 512
# For one model whose weights are rounded to bfloat16. Measured (see merging.py): 80, 8 and 10 times less than these.
# The same adapter on the weights before their 4-bit rounding is beyond all three.
MOST_DIVERGENCE, LARGEST_DIFFERENCE, LEAST_AGREEMENT = 1e-3, 0.5, 0.95


@dataclass(frozen=True)
class Difference:
    """One model against another over every position of some texts."""

    divergence: float
    """Mean KL(one || other), nats."""
    largest: float
    """Largest absolute difference of a logit."""
    agreement: float
    """Share of positions with the same greedy next token."""
    positions: int

    @property
    def small(self) -> bool:
        """Whether rounding explains it; what is not a number is never small."""
        near = self.divergence <= MOST_DIVERGENCE and self.largest <= LARGEST_DIFFERENCE
        return near and self.agreement >= LEAST_AGREEMENT

    def __str__(self) -> str:
        return (
            f"mean KL {self.divergence:.1e} nats (at most {MOST_DIVERGENCE:.0e}), largest difference of a logit "
            f"{self.largest:.3f} (at most {LARGEST_DIFFERENCE}), same greedy token at {self.agreement:.1%} of "
            f"{self.positions:,} positions (at least {LEAST_AGREEMENT:.0%})"
        )


def difference(expected: list[torch.Tensor], found: list[torch.Tensor]) -> Difference:
    """Of two lists of what `logits` returns."""
    largest, divergence, same = [], [], []
    for one, other in zip(expected, found, strict=True):
        p, q = one.log_softmax(-1), other.log_softmax(-1)
        divergence.append((p.exp() * (p - q)).sum(-1))
        largest.append((one - other).abs().max())
        same.append(one.argmax(-1) == other.argmax(-1))
    same = torch.cat(same)
    mean = torch.cat(divergence).mean().clamp(min=0)
    return Difference(mean.item(), torch.stack(largest).max().item(), same.float().mean().item(), len(same))


@torch.no_grad()
def logits(model, tokenizer, texts: Sequence[str], progress: Callable) -> list[torch.Tensor]:
    """For each text, cut at `TRIAL_TOKENS`: (length, vocabulary) float32 on the CPU."""
    device, found = next(model.parameters()).device, []
    for text in texts:
        ids = tokenizer(text, add_special_tokens=False, split_special_tokens=True).input_ids[:TRIAL_TOKENS]
        found.append(model(input_ids=torch.tensor([ids], device=device), use_cache=False).logits[0].float().cpu())
        progress(len(found), len(texts))
    return found


def in_float32(model: torch.nn.Module) -> torch.nn.Module:
    """`model` computing in float32 on its weights as they are stored, in little more than the memory of those: a layer
    is widened only while it computes, and goes back without loss."""
    for module in model.modules():
        if next(module.parameters(recurse=False), None) is not None:
            _widen_while_it_computes(module)
    return model


def _widen_while_it_computes(module: torch.nn.Module) -> None:
    dtype = next(module.parameters(recurse=False)).dtype

    def widen(module, _) -> None:
        module.float()

    def back(module, *_) -> None:
        module.to(dtype)

    module.register_forward_pre_hook(widen)
    module.register_forward_hook(back)
