"""Notices raised before the model speaks. They come from tables (emergencies.py), never from the model."""

import re
from dataclasses import dataclass
from functools import cache

from langlearn.doses import unsupported_doses
from langlearn.emergencies import EMERGENCIES, SELF_HARM
from langlearn.english import Span, digits, fold, pattern
from langlearn.findings import FINDINGS, WORDS
from langlearn.negation import State, scopes, states
from langlearn.untrusted import strip_terminal

__all__ = ["Notice", "emergency_notices", "strip_terminal", "unsupported_doses"]


@dataclass(frozen=True)
class Notice:
    """kind: a name from the table; "self-harm" has its own path and always comes first."""

    kind: str
    text: str


def emergency_notices(question: str) -> list[Notice]:
    """One notice for each kind of emergency that the question describes as present."""
    present = _present_findings(plain(question))
    return [
        Notice(each.kind, each.notice)
        for each in EMERGENCIES
        if any(present.issuperset(rule.split(" + ")) for rule in each.rules)
    ]


_UNIFORM = (
    (r"\b(ca|wo|do|does|did|is|are|was|were|has|have|had|could|would|should)nt\b", r"\1n't"),
    (r"\b(do|does|did|is|are|was|were|has|have|had|would|should) not\b", r"\1n't"),
    (r"\b(?:can ?not|could not|couldn't|(?:(?:am|is|are|was|were) )?(?:unable|not able) to|isn't able to)\b", "can't"),
    (r"\bwill not\b", "won't"), (r"\bim\b", "i'm"), (r"\bive\b", "i've"),
    ("haem", "hem"), ("caem", "cem"), ("noe", "ne"), ("rrhoe", "rrhe"), ("oede", "ede"), ("anaes", "anes"),
    ("paraes", "pares"), ("ischaem", "ischem"), ("foet", "fet"), ("faec", "fec"), ("labour", "labor"),
    ("litre", "liter"), ("grey", "gray"), ("(agon|nebul|necrot|real)is", r"\1iz"),
)  # fmt: skip


def plain(text: str) -> str:
    """The text as the table of findings expects it: see emergencies.py."""
    text = digits(fold(text)).lower()
    for written, uniform in _UNIFORM:
        text = re.sub(written, uniform, text)
    return text


@cache
def _finding(name: str) -> re.Pattern:
    return pattern(FINDINGS[name], WORDS)


# Past and hypothetical do not silence these: "how can I kill myself" is no general question.
_ONLY_NEGATION_SILENCES: set[State] = {"negated", "historical", "someone else's"}
_ANY_STATE_SILENCES: set[State] = {*_ONLY_NEGATION_SILENCES, "hypothetical"}
_IN_FIRST_PERSON = re.compile(r"\b(?:i|i'm|me|my|myself|i've|i'd)\b")


def _present_findings(text: str) -> set[str]:
    found = scopes(text)
    personal = bool(_IN_FIRST_PERSON.search(text))

    def asserted(name: str, span: Span) -> bool:
        only_negation = name in SELF_HARM.rules and personal
        return not states(found, span) & (_ONLY_NEGATION_SILENCES if only_negation else _ANY_STATE_SILENCES)

    return {name for name in FINDINGS if any(asserted(name, m.span()) for m in _finding(name).finditer(text))}
