"""Long texts in pieces that an embedder reads whole, cut between sentences.

    fits the window     |sentence 1|sentence 2|                              one piece
    longer              |sentence 1|sentence 2|sentence 3|sentence 4|        the whole: the embedder reads its beginning
                        |------ part 1 -------|------ part 2 -------|        and parts of half a window at most

Half, because one vector says less about much text: on MedQuAD parts of 128 tokens find more than parts of 256.
"""

import math
from collections.abc import Callable, Sequence

from langlearn.clinical.english import Span, sentence_spans

CountTokens = Callable[[Sequence[str]], list[int]]
_SLACK = 1.15  # sentences do not fill a piece exactly


def pieces(texts: Sequence[str], count_tokens: CountTokens, window: int) -> list[list[Span]]:
    """For each text the spans of its pieces: the whole, then the parts of one that is too long; none of a blank text.

    Parts are whole sentences and of about one size. A sentence longer than a part is cut between words.
    """
    spans = []
    for text, count in zip(texts, count_tokens(texts)):
        whole = _trimmed(text, 0, len(text))
        parts = _parts(text, count, count_tokens, max(window // 2, 1)) if count > window else []
        spans.append([whole, *parts] if whole else [])
    return spans


def _parts(text: str, count: int, count_tokens: CountTokens, most: int) -> list[Span]:
    # Of about one size: a last part of three words would be near to every short question.
    limit = min(most, math.ceil(_SLACK * count / math.ceil(count / most)))
    packed: list[Span] = []
    room = 0
    for (start, end), tokens in _short_enough(text, sentence_spans(text), count_tokens, most):
        if tokens <= room:
            packed[-1] = (packed[-1][0], end)
            room -= tokens
        else:
            packed.append((start, end))
            room = limit - tokens
    return packed


def _short_enough(
    text: str, spans: list[Span], count_tokens: CountTokens, most: int
) -> list[tuple[Span, int]]:
    """The spans with their token counts; those above `most` are halved at a space until they fit."""
    fitting = []
    for span, count in zip(spans, count_tokens([text[start:end] for start, end in spans])):
        start, end = span
        if count <= most or end - start < 2:
            fitting.append((span, count))
            continue
        middle = (start + end) // 2
        space = text.rfind(" ", start + 1, middle)
        cut = space if space > 0 else middle
        halves = [half for half in (_trimmed(text, start, cut), _trimmed(text, cut, end)) if half]
        fitting += _short_enough(text, halves, count_tokens, most)
    return fitting


def _trimmed(text: str, start: int, end: int) -> Span | None:
    part = text[start:end]
    left, right = len(part) - len(part.lstrip()), len(part.rstrip())
    return (start + left, start + right) if left < right else None
