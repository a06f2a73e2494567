"""A case → token ids and labels; many → steps, each step → micro-batches under a token budget.

One example (· = -100: no loss; labels are masked by position, never by token id, so EOS is learned):

    Question: Ankle pain …\nAnswer:   Lateral ankle sprain …  <EOS>
    ·         ·    ·     ·  ·          L       a     s        EOS      labels

A step is a fixed list of cases for a given seed, epoch and batch size: however many devices share it, and however
it is cut into micro-batches, the sum of its losses over its supervised tokens is the same.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, chain, zip_longest

import torch

from langlearn import evidence, prompts
from langlearn.cases import Case
from langlearn.config import Training
from langlearn.errors import UserError

IGNORE = -100  # PyTorch's ignore_index


@dataclass(frozen=True)
class Example:
    """input_ids: prompt + answer + EOS; the first `prompt_length` of them carry no loss."""

    input_ids: tuple[int, ...]
    prompt_length: int
    cut: bool = False

    @property
    def labels(self) -> tuple[int, ...]:
        return (IGNORE,) * self.prompt_length + self.input_ids[self.prompt_length :]

    @property
    def supervised(self) -> int:
        return len(self.input_ids) - self.prompt_length


@dataclass(frozen=True)
class Batch:
    """input_ids, labels: (rows, length) int64. Packed: one row, position_ids restart, `lengths` says where; each
    example and the row may end in padding, which no example sees and which carries no loss. Padded (models whose
    attention is not ours): attention_mask tells right padding, lengths is None. `tokens` counts real ones; `predicting`
    (supervised,) are the places, row after row, whose next token carries loss, and `asked` the same, filled up by
    repeating the last one; None for padded batches, and where nothing is predicted."""

    input_ids: torch.Tensor
    labels: torch.Tensor
    position_ids: torch.Tensor | None
    attention_mask: torch.Tensor | None
    lengths: list[int] | None
    predicting: torch.Tensor
    tokens: int
    asked: torch.Tensor | None = None

    @property
    def supervised(self) -> int:
        return len(self.predicting)

    def to(self, device) -> "Batch":
        moved = {
            name: value.to(device)
            for name in ("input_ids", "labels", "position_ids", "attention_mask", "predicting", "asked")
            if (value := getattr(self, name)) is not None
        }
        return replace(self, **moved)


class Encoder:
    """Cases → examples with one tokenizer; the ids of a text are computed once."""

    def __init__(self, tokenizer, max_length: int):
        if tokenizer.eos_token_id is None:
            raise UserError("the tokenizer has no EOS token: answers would never stop; choose another base model")
        self.tokenizer, self.max_length = tokenizer, max_length
        self._ids: dict[str, tuple[int, ...]] = {}

    def ids(self, text: str) -> tuple[int, ...]:
        if text not in self._ids:
            self._ids[text] = tuple(self.tokenizer(text, add_special_tokens=False, split_special_tokens=True).input_ids)
        return self._ids[text]

    def example(self, case: Case, context: Sequence[Case] = (), quoting: bool = False) -> Example:
        """The case below as many whole `context` cases as fit, in the very prompt that `run_query.py` builds; the
        answer cites the first of its own condition, and is that one's if `quoting`. An answer that does not fit is
        cut, has no EOS, and says so."""
        possible = [case, *context] if quoting else [case]
        longest = max((self._ending(cited(each, context, always=True)) for each in possible), key=len)
        try:
            fitted = evidence.fit_cases(case.prompt, context, self.tokenizer, self.max_length, len(longest))
            quoted = next((c for c in fitted.cases if not differs(c, case)), case) if quoting else case
            start, ending = self.ids(fitted.prompt), self._ending(cited(quoted, fitted.cases))
        except UserError:  # prompt and answer do not fit together
            start, ending = self.ids(prompts.question_prompt(case.prompt)), self._ending(case.completion)
        room = self.max_length - len(start)
        if room < 1:
            raise UserError(
                f"row {case.row}: its prompt alone has {len(start)} tokens, training.max_length is {self.max_length}\n"
                "raise training.max_length or shorten the case"
            )
        return Example(start + ending[:room], len(start), cut=len(ending) > room)

    def _ending(self, answer: str) -> tuple[int, ...]:
        return self.ids(prompts.answer_text(answer)) + (self.tokenizer.eos_token_id,)


def steps_of_epoch(count: int, batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """Indices of the cases of each optimiser step of an epoch: shuffled from (seed, epoch), the last may be short."""
    order = list(range(count))
    random.Random(f"order-{seed}-{epoch}").shuffle(order)
    return [order[i : i + batch_size] for i in range(0, count, batch_size)]


def shares(examples: Sequence[Example], ranks: int) -> list[list[Example]]:
    """Split a step over `ranks` so that each computes about as many tokens: longest first, to the lightest."""
    piles: list[list[Example]] = [[] for _ in range(ranks)]
    for example in sorted(examples, key=lambda e: -len(e.input_ids)):
        min(piles, key=lambda pile: sum(len(e.input_ids) for e in pile)).append(example)
    return piles


@dataclass(frozen=True)
class Fill:
    """Multiples of tokens to which packed examples, and then whole rows and what is asked of them, are filled up;
    padded ones alike, to the first. Where a kernel is prepared for each shape, as on CPUs, few shapes save a quarter
    of the time and half the memory."""

    example: int = 1
    row: int = 1

    @classmethod
    def of(cls, lengths: Sequence[int], row: float, packed: bool = True) -> "Fill":
        """For examples of these lengths in rows of about `row` tokens: powers of two that add at most 4 % to an example
        on average, and 5 % to a row; to padded ones 12 %, for their shapes are two numbers."""
        mean = sum(lengths) / max(1, len(lengths))
        added = (0.04 * mean, 0.05 * max(mean, row)) if packed else (0.12 * mean, 0.12 * max(mean, row))
        return cls(*(1 << max(0, int(2 * each).bit_length() - 1) for each in added))

    def lengths(self, examples: Sequence[Example]) -> list[int]:
        """What each example takes, filled up, and what is left over to fill the row, if anything is."""
        each = [_up(len(e.input_ids), self.example) for e in examples]
        over = _up(sum(each), self.row) - sum(each)
        return [*each, over] if over else each


def _up(count: int, multiple: int) -> int:
    return -(-count // multiple) * multiple


def micro_batches(
    examples: Sequence[Example], budget: int, packed: bool, pad_id: int, count: int | None = None, fill: Fill = Fill()
) -> Iterator[Batch]:
    """Cut into batches that compute at most `budget` tokens each (a longer single example goes alone; filling
    up its row may add to it), or of exactly `count` examples. Padded batches are grouped by length, so that
    little padding is computed; packed ones take whatever fits, longest first (first fit decreasing, Johnson
    1973), so that few are needed."""
    rest = sorted(examples, key=lambda e: len(e.input_ids), reverse=packed)
    while rest:
        taken, left = rest[:1], []
        for number, example in enumerate(rest[1:], 1):
            if _fits([*taken, example], budget, packed, count, fill.example):
                taken.append(example)
            elif packed and count is None:
                left.append(example)
            else:
                left = rest[number:]
                break
        rest = left
        yield _packed(taken, pad_id, fill) if packed else _padded(taken, pad_id, fill)


def _fits(examples: list[Example], budget: int, packed: bool, count: int | None, multiple: int) -> bool:
    if count is not None:
        return len(examples) <= count
    sizes = [_up(len(e.input_ids), multiple) for e in examples]
    return (sum(sizes) if packed else max(sizes) * len(sizes)) <= budget


def _packed(examples: list[Example], pad_id: int, fill: Fill) -> Batch:
    lengths = fill.lengths(examples)

    def row(values, padding):
        filled = ((*v, *[padding] * (n - len(v))) for v, n in zip_longest(values, lengths, fillvalue=()))
        return torch.tensor([list(chain.from_iterable(filled))])

    predicting = _predicting(examples, accumulate(lengths, initial=0))
    return Batch(
        input_ids=row([e.input_ids for e in examples], pad_id),
        labels=row([e.labels for e in examples], IGNORE),
        position_ids=torch.cat([torch.arange(n) for n in lengths])[None],
        attention_mask=None,
        lengths=lengths,
        predicting=predicting,
        tokens=sum(len(e.input_ids) for e in examples),
        asked=torch.cat([predicting, predicting[-1:].expand(-len(predicting) % fill.row)]) if len(predicting) else None,
    )


def _padded(examples: list[Example], pad_id: int, fill: Fill) -> Batch:
    width = _up(max(len(e.input_ids) for e in examples), fill.example)

    def rows(values, padding):
        return torch.tensor([[*v, *[padding] * (width - len(v))] for v in values])

    return Batch(
        input_ids=rows([e.input_ids for e in examples], pad_id),
        labels=rows([e.labels for e in examples], IGNORE),
        position_ids=None,
        attention_mask=rows([[1] * len(e.input_ids) for e in examples], 0),
        lengths=None,
        predicting=_predicting(examples, range(0, width * len(examples), width)),
        tokens=sum(len(e.input_ids) for e in examples),
    )


def _predicting(examples: list[Example], starts: Iterable[int]) -> torch.Tensor:
    """Batch.predicting, of examples that start at these places."""
    spans = ((start, e.prompt_length, len(e.input_ids)) for start, e in zip(starts, examples, strict=False))
    return torch.cat([torch.arange(start + max(first, 1), start + end) for start, first, end in spans]) - 1


class Curriculum:
    """What a training case looks like in a given epoch: alone, below its true neighbours, or below distractors.

    Retrieval-augmented fine-tuning (Zhang et al. 2024, RAFT): `retrieval_share` of the prompts hold `k` retrieved
    cases in the template that answers; of those, `distractor_share` hold near cases of other conditions only, and the
    others at least one of the case's own condition, where the corpus has labels. Of these, `quoted_share` are answered
    with what that case answers: a model too small to write an answer of its own learns to say what its evidence says.
    `neighbours[i]` lists what retrieval brings for case i, best first, never the case itself.
    """

    def __init__(self, cases: list[Case], neighbours: list[list[Case]], encoder: Encoder, training: Training, k: int):
        self.cases, self.neighbours, self.encoder, self.training, self.k = cases, neighbours, encoder, training, k
        self.presentations: dict[str | None, list[Case]] = {}
        for case in cases:
            if condition := case.labels.get("condition"):
                self.presentations.setdefault(condition, []).append(case)

    def example(self, index: int, epoch: int) -> Example:
        case = self.cases[index]
        draw = random.Random(f"context-{self.training.seed}-{epoch}-{case.id}")
        if not self.neighbours or draw.random() >= self.training.retrieval_share:
            return self.encoder.example(case)
        found = self.neighbours[index]
        if draw.random() < self.training.distractor_share:
            context = [n for n in found if differs(n, case)][: self.k]
        else:
            context = self._with_its_own(case, found[: self.k], draw)
        return self.encoder.example(case, context, quoting=draw.random() < self.training.quoted_share)

    def _with_its_own(self, case: Case, context: list[Case], draw: random.Random) -> list[Case]:
        """The context, with another presentation of the case's condition in one place where retrieval brought none: a
        model that rarely sees the answer in its cases does not learn to look there."""
        mates = [m for m in self.presentations.get(case.labels.get("condition"), ()) if m.id != case.id]
        if not context or not mates or not all(differs(c, case) for c in context):
            return context
        place = draw.randrange(len(context))
        return [*context[:place], draw.choice(mates), *context[place + 1 :]]


def differs(neighbour: Case, case: Case) -> bool:
    """Whether a neighbour is about another condition; without labels nobody knows, and the nearest are left out."""
    condition = case.labels.get("condition")
    return condition is None or neighbour.labels.get("condition") != condition


def cited(case: Case, context: Sequence[Case], always: bool = False) -> str:
    """The completion, its first sentence citing the case of the same condition: [n] is n in the prompt. `always`: cite
    the last one anyway, for the longest that the answer can become."""
    condition = case.labels.get("condition")
    for number, each in enumerate(context, start=1):
        same = condition and each.labels.get("condition") == condition
        if same or (always and number == len(context)):
            first, stop, rest = case.completion.partition(". ")
            return f"{first} [{number}]{stop}{rest}" if stop else f"{first.rstrip('.')} [{number}]."
    return case.completion
