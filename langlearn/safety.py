"""Notices raised before the model speaks. They come from tables (emergencies.py), never from the model."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from langlearn.clinical.doses import unsupported_doses
from langlearn.clinical.emergencies import EMERGENCIES, SELF_HARM
from langlearn.clinical.english import Span, digits, fold, pattern
from langlearn.clinical.findings import FINDINGS
from langlearn.clinical.mishaps import MISHAPS
from langlearn.clinical.negation import State, scopes, states
from langlearn.clinical.signs import SIGNS
from langlearn.clinical.untrusted import strip_terminal
from langlearn.clinical.words import WORDS

__all__ = ["Notice", "emergency_notices", "speaks_of_own_harm", "strip_terminal", "unsupported_doses"]


@dataclass(frozen=True)
class Notice:
    """kind: a name from the table; "self-harm" has its own path and always comes first."""

    kind: str
    text: str


def speaks_of_own_harm(question: str, notices: Sequence[Notice]) -> bool:
    """A person who thinks of harming themselves gets the notice, and no machine's answer."""
    return any(notice.kind == SELF_HARM.kind for notice in notices) and in_first_person(plain(question))


def emergency_notices(question: str) -> list[Notice]:
    """One notice for each kind of emergency that the question describes as present."""
    present = _present_findings(plain(question))
    return [
        Notice(each.kind, each.notice)
        for each in EMERGENCIES
        if any(present.issuperset(rule.split(" + ")) for rule in each.rules)
    ]


_UNIFORM = (
    (r"[ \t]{2,}", " "),
    (r"\b(ca|wo|do|does|did|is|are|was|were|has|have|had|could|would|should)nt\b", r"\1n't"),
    (r"\b(do|does|did|is|are|was|were|has|have|had|would|should) not\b", r"\1n't"),
    (r"\b(?:can ?not|could not|couldn't|(?:(?:am|is|are|was|were) )?(?:unable|not able) to|isn't able to)\b", "can't"),
    (r"\bwill not\b", "won't"), (r"\bim\b", "i'm"), (r"\bive\b", "i've"),
    ("haem", "hem"), ("caem", "cem"), ("noe", "ne"), ("rrhoe", "rrhe"), ("oede", "ede"), ("anaes", "anes"),
    ("paraes", "pares"), ("ischaem", "ischem"), ("foet", "fet"), ("faec", "fec"), ("labour", "labor"),
    ("litre", "liter"), ("grey", "gray"), ("(agon|nebul|necrot|real|recogn)is", r"\1iz"),
    ("sulph", "sulf"), ("pyjama", "pajama"), ("coloured", "colored"), ("paralys", "paralyz"),
)  # fmt: skip

# Plain misspellings of the words that matter most.
_MISSPELT = {
    "allergic": "alergic allergick", "anaphylaxis": "anaphalaxis anaphilaxis anafylaxis anaphylaxsis",
    "attack": "atack attak attck", "bleeding": "bleading bleding bleedin", "breathe": "breth brethe breeth breahte",
    "breathing": "brething breathin breahting breathign", "chest": "chset cheast ches",
    "collapsed": "colapsed collasped", "diabetic": "diabetik diebetic", "fever": "feaver fevor",
    "meningitis": "menigitis meningitus meningites", "overdosed": "overdoesed", "pain": "pian payn",
    "paracetamol": "paracetomol paracetemol", "poisoned": "poisend poisioned",
    "pregnant": "pregant pregnent pregnat preganant", "seizure": "siezure seziure seisure", "stroke": "storke",
    "suddenly": "suddenley suddently sudenly", "suicidal": "sucidal suicidle suisidal",
    "suicide": "suiside sucide suicde", "swallowed": "swallowd swollowed swalowed",
    "swollen": "swolen swollon swallen", "temperature": "temprature temperture tempreture",
    "testicle": "testical testicule", "testicles": "testicals", "throat": "thraot throath", "tongue": "tounge toung",
    "unconscious": "unconcious unconsious unconcsious", "vomiting": "vomitting vommiting",
    "vomited": "vomitted vommited",
}  # fmt: skip
_RIGHT = {wrong: right for right, all_wrong in _MISSPELT.items() for wrong in all_wrong.split()}
_WRONG = re.compile(rf"\b(?:{'|'.join(_RIGHT)})\b")


def plain(text: str) -> str:
    """The text as the table of findings expects it: see words.py."""
    text = digits(fold(text)).lower()
    for written, uniform in _UNIFORM:
        text = re.sub(written, uniform, text)
    return _WRONG.sub(lambda match: _RIGHT[match[0]], text)


_TABLES = (FINDINGS, MISHAPS, SIGNS)
NAMES = tuple(dict.fromkeys(name for table in _TABLES for name in table))
"""The findings of all tables."""


@cache
def _finding(name: str) -> re.Pattern:
    return pattern("\n".join(table[name] for table in _TABLES if name in table), WORDS)


# Who speaks of their own self-harm is silenced by a denial only: "how can I kill myself" is no general question, and
# "I tried to kill myself last year" no mere history.
_SILENCE_OWN_SELF_HARM: set[State] = {"negated", "someone else's"}
_SILENCE: set[State] = {"negated", "historical", "someone else's", "hypothetical"}
_FIRST_PERSON = re.compile(r"\b(?:i|me|my|myself)\b")


def in_first_person(text: str) -> bool:
    """Whether a `plain` text speaks of its writer: I'm and I've hold an I as well."""
    return bool(_FIRST_PERSON.search(text))


def _present_findings(text: str) -> set[str]:
    found = scopes(text)
    personal = in_first_person(text)

    def asserted(name: str, span: Span) -> bool:
        own_self_harm = personal and name in SELF_HARM.rules
        return not states(found, span) & (_SILENCE_OWN_SELF_HARM if own_self_harm else _SILENCE)

    return {name for name in NAMES if any(asserted(name, m.span()) for m in _finding(name).finditer(text))}
