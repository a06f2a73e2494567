"""What an answer may rest on: whole cases that fit the prompt, citations that exist, sentences that cases support."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from langlearn.clinical.support import CITATION, SentenceSupport, support
from langlearn.clinical.untrusted import break_special_tokens, neutralise
from langlearn.errors import UserError
from langlearn.prompts import CaseText, context_prompt

__all__ = ["Fitted", "SentenceSupport", "check_citations", "fit_cases", "neutralise", "support"]

AnyCase = TypeVar("AnyCase", bound=CaseText)


@dataclass(frozen=True)
class Quoted:
    """A case as it stands in a prompt: its text is data and cannot pass for the prompt's own structure."""

    prompt: str
    completion: str


@dataclass(frozen=True)
class Fitted(Generic[AnyCase]):
    """cases[n - 1] is [n] in the prompt; left_out: how many retrieved cases found no room."""

    cases: list[AnyCase]
    left_out: int
    prompt: str


def fit_cases(
    question: str, cases: Sequence[AnyCase], tokenizer, window: int, max_new_tokens: int
) -> Fitted[AnyCase]:
    """The question below as many whole cases, best first, as leave `max_new_tokens` of the window for the answer.

    Tokens are counted by the model's own tokenizer on the very prompt. A case too long for the room that is left is
    passed over for the next one. Raises UserError for an empty question and for one that does not fit by itself.
    """
    added = (token.content for token in tokenizer.added_tokens_decoder.values() if token.special)
    special = [*tokenizer.all_special_tokens, *added]
    question = " ".join(break_special_tokens(question, special).split())
    if not question:
        raise UserError("the question is empty: type a question")

    def length(prompt: str) -> int:
        return len(tokenizer(prompt, add_special_tokens=False, split_special_tokens=True, verbose=False).input_ids)

    room = window - max_new_tokens
    prompt = context_prompt(question, [])
    if (tokens := length(prompt)) > room:
        raise UserError(
            f"the question has {tokens} tokens; the window of {window} leaves {max(room, 0)} beside the answer "
            f"({max_new_tokens})\nshorten the question, or change answering.context_tokens or answering.max_new_tokens"
        )
    kept: list[AnyCase] = []
    quoted: list[Quoted] = []
    for case in cases:
        another = Quoted(neutralise(case.prompt, special), neutralise(case.completion, special))
        longer = context_prompt(question, [*quoted, another])
        if length(longer) <= room:
            kept, quoted, prompt = [*kept, case], [*quoted, another], longer
    return Fitted(kept, len(cases) - len(kept), prompt)


_PART = re.compile(r"(\d+)(?:\s*[–-]\s*(\d+))?")


def check_citations(answer: str, count: int) -> tuple[str, list[int], list[int]]:
    """(answer without invented citations, numbers used, numbers removed), for `count` retrieved cases.

    Read are [1], [1, 2], [1][3] and [1-3]; of a citation that is partly invented the rest stays. Brackets that hold
    anything but numbers are no citations and stay. Of an invented range the ends are reported.
    """
    used: list[int] = []
    removed: list[int] = []

    def checked(match: re.Match) -> str:
        good, bad = [], []
        for first, last in _PART.findall(match[0]):
            low, high = sorted((int(first), int(last or first)))
            good += range(max(low, 1), min(high, count) + 1)
            bad += [n for n in dict.fromkeys((low, high)) if not 1 <= n <= count]
        used.extend(good)
        removed.extend(bad)
        if not bad:
            return match[0]
        return f"[{', '.join(map(str, good))}]" if good else "\0"

    marked = CITATION.sub(checked, answer.replace("\0", ""))
    clean = re.sub(r"(?m)^(?:[ \t]*\0)+[ \t]*", "", marked)
    clean = re.sub(r"\([ \t]*(?:\0[ \t,;]*)+\)", "\0", clean)
    clean = re.sub(r"(?:[ \t]*\0)+", "", clean)
    return clean, sorted(set(used)), sorted(set(removed))
