"""Prompts → answers that stop by themselves: one at a time as they are written, or many at once.

Prompt lookup (Saxena 2023): an answer repeats phrases of the cases above it, so what followed the last two tokens
there is proposed, and one forward pass checks all of it. Several tokens come for the price of one; which ones is
decided by the model as before.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import wraps

import torch
from peft import PeftModel
from transformers import DynamicCache, StoppingCriteria, TextStreamer
from transformers.utils import logging as transformers_logging

from langlearn.halving import in_batches

AT_ONCE = 16  # answers of a batch
LOOKUP_TOKENS = 10
LONGEST_PHRASE, TIMES, FEWEST = 16, 3, 12
"""An answer goes round in circles once a phrase of so many tokens at most stands there so many times, in so many
tokens at least. It ends there: forbidding the repetition instead would change doses that are rightly said twice."""


@dataclass(frozen=True)
class Generated:
    """One answer. stopped: it ended with EOS, not at the length limit nor in a loop. Seconds are of the whole batch."""

    text: str
    tokens: int
    stopped: bool
    seconds_to_first: float
    seconds: float


class Clock(StoppingCriteria):
    """Never stops anything: notes when it was made and when each token was there (several at once by prompt lookup)."""

    def __init__(self):
        self.times = [time.perf_counter()]

    def __call__(self, input_ids, scores, **kwargs):
        if input_ids.is_cuda:
            torch.cuda.synchronize(input_ids.device)
        self.times.append(time.perf_counter())
        return torch.zeros(input_ids.shape[0], dtype=torch.bool, device=input_ids.device)


class _Until(StoppingCriteria):
    """Stops a single answer once it holds `text`."""

    def __init__(self, tokenizer, text: str, prompt_tokens: int):
        self.tokenizer, self.text, self.prompt_tokens = tokenizer, text, prompt_tokens

    def __call__(self, input_ids, scores, **kwargs):
        recent = max(self.prompt_tokens, input_ids.shape[1] - LOOKUP_TOKENS - len(self.text))
        found = self.text in self.tokenizer.decode(input_ids[0, recent:])
        return torch.tensor([found], device=input_ids.device)


class _Loops(StoppingCriteria):
    """Ends an answer that goes round in circles."""

    def __init__(self, prompt_tokens: int):
        self.prompt_tokens = prompt_tokens

    def __call__(self, input_ids, scores, **kwargs):
        recent = LONGEST_PHRASE * TIMES + LOOKUP_TOKENS  # prompt lookup adds several tokens at once
        rows = input_ids[:, max(self.prompt_tokens, input_ids.shape[1] - recent) :].tolist()
        looping = [loop_end(row, since=len(row) - LOOKUP_TOKENS) is not None for row in rows]
        return torch.tensor(looping, device=input_ids.device)


def loop_end(ids: Sequence[int], since: int = 0) -> int | None:
    """Where, from `since` on, `ids` have said one phrase for the third time in a row; None where they never do."""
    return next((end for end in range(max(FEWEST, since), len(ids) + 1) if _goes_round(ids, end)), None)


def _goes_round(ids: Sequence[int], end: int) -> bool:
    for phrase in range(1, LONGEST_PHRASE + 1):
        span = max(phrase * TIMES, FEWEST)
        if end >= span and all(ids[end - i] == ids[end - i - phrase] for i in range(1, span - phrase + 1)):
            return True
    return False


class _Stream(TextStreamer):
    """Hands finished words to a function instead of printing them."""

    def __init__(self, tokenizer, on_text: Callable[[str], None]):
        super().__init__(tokenizer, skip_prompt=True, skip_special_tokens=True)
        self.on_text = on_text

    def on_finalized_text(self, text: str, stream_end: bool = False):
        if text:
            self.on_text(text)


class Kept:
    """Keys and values of the last prompt and its answer. What the next prompt begins with alike is not computed again:
    its header always, and the whole of the cases above a further question on the same ones."""

    def __init__(self):
        self.ids: list[int] = []
        self.cache: DynamicCache | None = None

    def take(self, ids: Sequence[int]) -> DynamicCache | None:
        """What is known of the beginning of `ids`; the last of them is always left to compute. It is gone from here, so
        that nothing half done is ever kept."""
        cache, self.cache = self.cache, None
        same = next((i for i, (a, b) in enumerate(zip(ids, self.ids)) if a != b), min(len(ids), len(self.ids)))
        same = min(same, len(ids) - 1)
        if cache is None or not same:
            return None
        if more := cache.get_seq_length() - same:
            cache.crop(-more)
        return cache

    def put(self, ids: list[int], cache: DynamicCache) -> None:
        self.cache, self.ids = cache, ids[: cache.get_seq_length()]


@contextmanager
def _going_on(model):
    """Within, prompt lookup goes on from keys and values that it is given: transformers 5 reads the whole prompt again
    and puts it behind them. An instance's attribute, gone afterwards."""
    prepare = model.prepare_inputs_for_generation

    @wraps(prepare)
    def unread(input_ids, next_sequence_length=None, past_key_values=None, **rest):
        if next_sequence_length is None and past_key_values is not None:
            next_sequence_length = input_ids.shape[1] - past_key_values.get_seq_length()
        return prepare(input_ids, next_sequence_length, past_key_values, **rest)

    model.prepare_inputs_for_generation = unread
    try:
        yield
    finally:
        del model.prepare_inputs_for_generation


@torch.no_grad()
def generate(
    model,
    tokenizer,
    prompts: Sequence[str],
    max_new_tokens: int,
    temperature: float = 0.0,
    on_text: Callable[[str], None] | None = None,
    until: str | None = None,
    lookup: bool | None = None,
    kept: Kept | None = None,
) -> list[Generated]:
    """Answers to `prompts`, left-padded into one batch; `on_text` streams the (only) prompt's words as they come.

    Greedy at temperature 0. A single answer also ends where it would write `until`. `lookup` None takes prompt lookup
    where its answers are the same (see `lookup_is_exact`). `kept` is of the same model, for a single prompt. Prompts
    are encoded with special tokens taken as plain text, so that a case cannot end the prompt for the model.
    """
    if (on_text or until or lookup or kept) and len(prompts) != 1:
        raise ValueError("only a single prompt can be streamed, ended by a text, looked up in, or begin as another did")
    rows = [tokenizer(p, add_special_tokens=False, split_special_tokens=True).input_ids for p in prompts]
    pad = tokenizer.pad_token_id
    input_ids, attention_mask = left_padded(rows, pad, next(model.parameters()).device)
    width = input_ids.shape[1]
    if lookup is None:
        lookup = len(prompts) == 1 and temperature == 0 and lookup_is_exact(model)
    clock = Clock()
    criteria = [clock, _Loops(width), *([_Until(tokenizer, until, width)] if until else [])]
    if lookup and isinstance(model, PeftModel):  # its generate puts a preparation of its own in place, see `_going_on`
        kept = None
    known = kept.take(rows[0]) if kept else None
    before = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    try:
        with _going_on(model) if lookup and known else nullcontext():
            output = model.generate(
                input_ids=input_ids,
                past_key_values=known,
                return_dict_in_generate=True,
                attention_mask=attention_mask if len(set(map(len, rows))) > 1 else torch.ones_like(input_ids),
                max_new_tokens=max_new_tokens,
                do_sample=temperature > 0,
                temperature=temperature if temperature > 0 else None,
                top_p=None,
                top_k=None,
                eos_token_id=tokenizer.eos_token_id,
                pad_token_id=pad,
                use_cache=True,
                streamer=_Stream(tokenizer, on_text) if on_text else None,
                stopping_criteria=criteria,
                prompt_lookup_num_tokens=LOOKUP_TOKENS if lookup else None,
            )
    finally:
        transformers_logging.set_verbosity(before)
    start, *there = clock.times
    seconds = time.perf_counter() - start
    to_first = there[0] - start if there else seconds
    if kept:
        kept.put(output.sequences[0].tolist(), output.past_key_values)
    answers = []
    for row in output.sequences[:, width:].tolist():
        stopped = tokenizer.eos_token_id in row
        ids = row[: row.index(tokenizer.eos_token_id)] if stopped else row
        if end := loop_end(ids):
            ids, stopped = ids[:end], False
        text = tokenizer.decode(ids, skip_special_tokens=True)
        if until and until in text:
            text, stopped = text[: text.index(until)], True
        answers.append(Generated(text.strip(), len(ids), stopped, to_first, seconds))
    return answers


def left_padded(rows: Sequence[Sequence[int]], pad: int, device) -> tuple[torch.Tensor, torch.Tensor]:
    """(input_ids, attention_mask), each (rows, longest row): the answers all begin at one place."""
    width = max(map(len, rows))
    input_ids = [[pad] * (width - len(row)) + list(row) for row in rows]
    attention_mask = [[0] * (width - len(row)) + [1] * len(row) for row in rows]
    return torch.tensor(input_ids, device=device), torch.tensor(attention_mask, device=device)


def lookup_is_exact(model) -> bool:
    """Whether checking several tokens at once picks the same ones: in float32, where rounding decides no argmax."""
    return model.get_input_embeddings().weight.dtype == torch.float32


def generate_many(
    model, tokenizer, prompts: Sequence[str], max_new_tokens: int, batch_size: int = AT_ONCE, progress=None
) -> list[Generated]:
    """Answers in the order of `prompts`, computed in batches of similar length."""
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    answers: list[Generated | None] = [None] * len(prompts)

    def answered(chosen: Sequence[int]) -> list[Generated]:
        return generate(model, tokenizer, [prompts[i] for i in chosen], max_new_tokens)

    for chosen, batch in in_batches(order, batch_size, answered):
        for i, answer in zip(chosen, batch, strict=True):
            answers[i] = answer
        if progress:
            progress(len(chosen))
    return answers
